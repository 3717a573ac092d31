// SPDX-License-Identifier: GPL-3.0-or-later
import { Button } from "@patternfly/react-core";
import type { Session } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { Link, navigate } from "../router";
import { Age, Page, plural, say, State } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { useMessage } from "../ui/message";
import { DataTable } from "../ui/table";
import { may } from "../ui/may";

const address = (s: Session) => (s.client ?? "").replace(/:\d+$/, "");

/** Who else is at the screen. */
const besides = (s: Session) => [
  ...((s.viewers ?? 0) > 1 ? [plural(s.viewers ?? 0, "viewer")] : []),
  ...(s.helpers?.length ? [`seen by ${s.helpers.map((h) => h.name).join(", ")}`] : []),
];

export function Sessions() {
  const live = useList<Session>("/sessions", ["session", "desktop"]);
  const [dialog, ask] = useConfirm();
  const [message, write] = useMessage();
  const end = (rows: Session[]) => {
    const one = rows.length === 1 ? rows[0] : undefined;
    ask({
      title: one ? `Log ${one.user} off ${one.desktop}?` : `Log ${plural(rows.length, "session")} off?`,
      word: one ? one.user : String(rows.length),
      button: "Log off",
      text: <p>Unsaved work is lost. A floating desktop is then made new, a dedicated one restarted.</p>,
      done: one ? `${one.user} is logged off` : undefined,
      run: async () => {
        for (const s of rows) {
          try {
            await api.remove(`/sessions/${seg(s.id)}`);
          } catch (problem) {
            if (one) throw problem;
            say(`The session of ${s.user} could not be ended`, problem);
          }
        }
        refresh("session", "desktop");
      },
    });
  };
  const look = (s: Session, mode: "view" | "control") => navigate(`/shadow/${seg(s.id)}/${mode}/${seg(s.desktop)}`);
  return (
    <Page title="Sessions" lead={<>Who is on which desktop now. A session outlives its connection until it is logged off. <Link to="/logons">Logons</Link></>}>
      <DataTable<Session>
        name="Sessions"
        live={live}
        rowKey={(s) => s.id}
        columns={[
          { key: "user", title: "User", value: (s) => s.user, cell: (s) => <Link to={`/users/${encodeURIComponent(s.user)}`}>{s.user}</Link> },
          { key: "desktop", title: "Desktop", value: (s) => s.desktop, cell: (s) => <Link to={`/desktops/${encodeURIComponent(s.desktop)}`}>{s.desktop}</Link> },
          { key: "state", title: "State", value: (s) => [s.state, ...besides(s)].join(", "), cell: (s) => <><State of={s.state} />{besides(s).map((line) => <div key={line}>{line}</div>)}</> },
          { key: "client", title: "From", value: (s) => [address(s), s.protocol, s.conn].filter(Boolean).join(" "), cell: (s) => <>{address(s)} {s.protocol && `by ${s.protocol}`}<br /><code>{s.conn}</code></> },
          { key: "since", title: "For", value: (s) => s.since_s, cell: (s) => <Age at={s.since ?? ""} seconds={s.since_s} /> },
        ]}
        choices={[
          { key: "state", title: "State", value: (s) => s.state },
          { key: "protocol", title: "Protocol", value: (s) => s.protocol ?? "" },
        ]}
        bulk={[
          ...(may("POST /sessions/{id}/message") ? [{ title: "Message", run: write }] : []),
          ...(may("DELETE /sessions/{id}") ? [{ title: "Log off", danger: true, run: end }] : []),
        ]}
        rowActions={may("DELETE /sessions/{id}") ? (s) => (
          <>
            {s.state === "connected" && <Button variant="link" size="sm" onClick={() => look(s, "view")}>See screen</Button>}
            {s.state === "connected" && <Button variant="link" size="sm" onClick={() => look(s, "control")}>Help</Button>}
            <Button variant="link" size="sm" isDanger onClick={() => end([s])}>Log off</Button>
          </>
        ) : undefined}
        empty={{ title: "Nobody is on a desktop", text: "Sessions show up here as soon as somebody connects.", action: may("POST /users") && <Link to="/new-employee">Give somebody a desktop</Link> }}
      />
      {dialog}
      {message}
    </Page>
  );
}
