// SPDX-License-Identifier: GPL-3.0-or-later
// The newest part of the trail; older entries are fetched on demand, since it only grows.
import { Button } from "@patternfly/react-core";
import { useState } from "react";
import type { AuditEntry } from "#schema";
import { api } from "../api/client";
import { useItem } from "../api/live";
import { Page, say, State, When } from "../ui/common";
import { DataTable } from "../ui/table";

type Part = { items: AuditEntry[]; next?: string };

export function Audit() {
  const newest = useItem<Part>("/audit?limit=500", ["desktop", "session", "pool", "host", "image", "user"]);
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
    <Page title="Audit" lead="Who did what, when and from where. Search for an id a person was shown." actions={next && <Button variant="secondary" onClick={() => void more()}>Read older entries</Button>}>
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
