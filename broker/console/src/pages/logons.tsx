// SPDX-License-Identifier: GPL-3.0-or-later
// Where the time of logons goes: login, finding a desktop, its start, and the display until the person saw it.
import { Card, CardBody, CardTitle } from "@patternfly/react-core";
import type { Logon } from "#schema";
import { seg } from "../api/client";
import { useItem } from "../api/live";
import { Link } from "../router";
import { Page, When } from "../ui/common";
import { DataTable } from "../ui/table";
import { number } from "../ui/text";

const SEGMENTS = [
  { key: "auth_ms", title: "Login", kind: "a" },
  { key: "assign_ms", title: "Finding a desktop", kind: "b" },
  { key: "start_ms", title: "Its start", kind: "c" },
  { key: "display_ms", title: "Display", kind: "d" },
] as const;

function total(x: Logon) {
  return SEGMENTS.reduce((sum, s) => sum + (x[s.key] ?? 0), 0);
}

function ms(n: number) {
  return n < 1000 ? `${Math.round(n)} ms` : `${number(n / 1000, 1)} s`;
}

function Segments({ parts, whole }: { parts: number[]; whole: number }) {
  const label = SEGMENTS.map((s, i) => `${s.title} ${ms(parts[i])}`).join(", ");
  return (
    <div className="pane-bar" role="img" aria-label={label} title={label}>
      {SEGMENTS.map((s, i) => <span key={s.key} className={`pane-bar-${s.kind}`} style={{ width: `${whole ? (100 * parts[i]) / whole : 0}%` }} />)}
    </div>
  );
}

/** The number that this share of them does not exceed. */
function quantile(numbers: number[], share: number) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function useLogons() {
  return useItem<{ items: Logon[] }>("/logons?limit=200", ["session"]);
}

/** The average of the last logons by segment. */
export function LogonCard() {
  const items = useLogons().data?.items;
  const parts = SEGMENTS.map((s) => (items?.length ? items.reduce((sum, x) => sum + (x[s.key] ?? 0), 0) / items.length : 0));
  const whole = parts.reduce((a, b) => a + b, 0);
  const perMinute = items?.filter((x) => Date.now() - Date.parse(x.at) < 60000).length;
  return (
    <Card isFullHeight>
      <CardTitle component="h2">Logon time</CardTitle>
      <CardBody>
        {items && !items.length && <span className="pane-quiet">Nobody has logged on yet.</span>}
        {items && items.length > 0 && (
          <>
            <p><strong>{ms(quantile(items.map(total), 0.5))}</strong> <span className="pane-quiet">or less for half of the last {items.length}, {ms(quantile(items.map(total), 0.95))} or less for 95 %; {perMinute} in the last minute</span></p>
            <Segments parts={parts} whole={whole} />
            <ul className="pane-legend">{SEGMENTS.map((s, i) => <li key={s.key}><span className={`pane-dot pane-bar-${s.kind}`} />{s.title} <span className="pane-quiet">{ms(parts[i])}</span></li>)}</ul>
            <Link to="/logons">Every logon</Link>
          </>
        )}
      </CardBody>
    </Card>
  );
}

export function Logons() {
  const live = useLogons();
  const data = live.data?.items;
  const longest = Math.max(1, ...(data ?? []).map(total));
  const cell = (n: number | null | undefined) => (n == null ? <span className="pane-quiet">in one step</span> : ms(n));
  return (
    <Page title="Logons" lead="The last 200, and where their time went." crumb={["/sessions", "Sessions"]}>
      <DataTable<Logon>
        name="Logons"
        live={{ ...live, data }}
        rowKey={(x) => x.id}
        order="-at"
        columns={[
          { key: "at", title: "When", value: (x) => x.at, cell: (x) => <When at={x.at} /> },
          { key: "user", title: "User", value: (x) => x.user, cell: (x) => <Link to={`/users/${seg(x.user)}`}>{x.user}</Link> },
          { key: "desktop", title: "Desktop", value: (x) => x.desktop },
          { key: "total", title: "In all", value: total, cell: (x) => ms(total(x)) },
          { key: "bar", title: "Where", value: total, cell: (x) => <Segments parts={SEGMENTS.map((s) => x[s.key] ?? 0)} whole={longest} /> },
          ...SEGMENTS.map((s) => ({ key: s.key, title: s.title, value: (x: Logon) => x[s.key], cell: (x: Logon) => cell(x[s.key]) })),
          { key: "conn", title: "Id", value: (x) => x.conn ?? "", cell: (x) => <code>{x.conn}</code> },
        ]}
        empty={{ title: "Nobody has logged on yet", text: "Each way to a desktop shows up here once its user sees it." }}
      />
    </Page>
  );
}
