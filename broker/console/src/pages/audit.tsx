// SPDX-License-Identifier: GPL-3.0-or-later
// The newest part of the trail; older entries are fetched on demand, since it only grows.
import { Button, Card, CardBody, CardTitle } from "@patternfly/react-core";
import { useState } from "react";
import type { AuditEntry } from "#schema";
import { api, raw } from "../api/client";
import { useItem, useRecent } from "../api/live";
import { Page, say, State, When } from "../ui/common";
import { DataTable, download } from "../ui/table";

type Part = { items: AuditEntry[]; next?: string };

/** What happens now, as the stream of events tells it: of what is told again and again, say a refusal whose figures change, the newest. */
function Now() {
  const said = new Set<string>();
  const events = useRecent().filter((e) => {
    const key = [e.kind, e.name, e.from, e.to, e.user].join(" ");
    return e.from || (!said.has(key) && said.add(key));
  });
  return (
    <Card className="pane-below">
      <CardTitle component="h2">Now</CardTitle>
      <CardBody>
        {!events.length && <p className="pane-quiet">What happens to desktops, sessions, hosts and images shows up here as it happens.</p>}
        <ul aria-label="Events" aria-live="polite">
          {events.slice(0, 8).map((e, i) => (
            <li key={`${e.at} ${i}`}>
              <When at={e.at} /> <strong>{e.kind}</strong> {e.name} {e.from && `${e.from} → `}{e.to} <span className="pane-quiet">{e.user} {e.reason}</span>
            </li>
          ))}
        </ul>
      </CardBody>
    </Card>
  );
}

const PART = 10000;

/** The whole trail, oldest first, part by part. */
async function exportAll(format: "csv" | "jsonl") {
  let text = "";
  for (let after = ""; ; ) {
    const part = await (await raw("GET", `/audit/export?format=${format}&limit=${PART}${after ? `&after=${after}` : ""}`)).text();
    const lines = part.trimEnd().split("\n");
    text += after && format === "csv" ? part.slice(part.indexOf("\n") + 1) : part;
    const last = lines.at(-1) ?? "";
    const id = format === "csv" ? /^(\d+),/.exec(last)?.[1] : last && String(JSON.parse(last).id);
    if (lines.length < PART || !id || id === after) break;
    after = id;
  }
  download(`audit.${format}`, format === "csv" ? "text/csv" : "application/jsonl", text);
}

export function Audit() {
  const newest = useItem<Part>("/audit?limit=500", ["audit"]);
  const [older, setOlder] = useState<Part>();
  const next = older ? older.next : newest.data?.next;
  const more = async () => {
    try {
      const part = await api.get<Part>(`/audit?limit=2000&after=${encodeURIComponent(next!)}`);
      setOlder((old) => ({ items: [...(old?.items ?? []), ...part.items], next: part.next }));
    } catch (problem) {
      say("Older entries could not be read", problem);
    }
  };
  // New entries push old ones out of the newest part: those read before are kept once each.
  const seen = new Set<string>();
  const items = newest.data && [...newest.data.items, ...(older?.items ?? [])].filter((e) => !seen.has(e.id) && seen.add(e.id));
  return (
    <Page title="Events and audit" lead="What happens now, and who did what, when and from where. Search for an id a person was shown." actions={
      <>
        {next && <Button variant="secondary" onClick={() => void more()}>Read older entries</Button>}
        {(["csv", "jsonl"] as const).map((format) => (
          <Button key={format} variant="secondary" onClick={() => void exportAll(format).catch((problem) => say("The audit could not be read", problem))}>Whole trail as {format === "csv" ? "CSV" : "JSON lines"}</Button>
        ))}
      </>
    }>
      <Now />
      <DataTable<AuditEntry>
        name="Audit"
        live={{ ...newest, data: items }}
        rowKey={(e) => e.id}
        columns={[
          { key: "at", title: "When", value: (e) => e.at, cell: (e) => <When at={e.at} /> },
          { key: "actor", title: "Who", value: (e) => e.actor },
          { key: "action", title: "What", value: (e) => e.action },
          { key: "object", title: "On", value: (e) => e.object },
          { key: "outcome", title: "Outcome", value: (e) => e.outcome, cell: (e) => <State of={e.outcome} /> },
          { key: "conn", title: "Id", value: (e) => e.conn, cell: (e) => <code>{e.conn}</code> },
          { key: "detail", title: "Detail", value: (e) => e.detail },
          { key: "client", title: "From", value: (e) => e.client, cell: (e) => e.client.replace(/:\d+$/, "") },
        ]}
        order="-at"
        choices={[
          { key: "outcome", title: "Outcome", value: (e) => e.outcome },
          { key: "action", title: "What", value: (e) => e.action },
        ]}
        empty={{ title: "Nothing has happened yet" }}
      />
    </Page>
  );
}
