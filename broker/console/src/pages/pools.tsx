// SPDX-License-Identifier: GPL-3.0-or-later
import { Button } from "@patternfly/react-core";
import type { Pool } from "#schema";
import { useList } from "../api/live";
import { Link, navigate } from "../router";
import { Bar, Page, State } from "../ui/common";
import { DataTable } from "../ui/table";
import { may } from "../ui/may";
import { word } from "../ui/words";

/** How a pool does, in one word. */
export function poolState(p: Pool) {
  if (p.state === "stopped") return "stopped";
  if (p.blocked.length) return "blocked";
  if (p.failed) return "failing";
  return p.ready < Math.min(p.spare, p.size_max - p.assigned) ? "filling" : "healthy";
}

export function Usage({ pool }: { pool: Pool }) {
  return (
    <Bar
      label={`${pool.assigned} assigned, ${pool.ready} ready, ${pool.failed} failed of at most ${pool.size_max}`}
      whole={pool.size_max}
      parts={[{ n: pool.assigned, kind: "used" }, { n: pool.ready, kind: "ready" }, { n: pool.failed, kind: "failed" }]}
    />
  );
}

export function Pools() {
  const live = useList<Pool>("/pools", ["pool", "desktop"]);
  return (
    <Page
      title="Pools"
      lead="A pool makes desktops of one kind from one image, and says who may use them."
      actions={may("POST /pools") && <Button onClick={() => navigate("/pools/new")}>Create pool</Button>}
    >
      <DataTable<Pool>
        name="Pools"
        live={live}
        rowKey={(p) => p.name}
        columns={[
          { key: "name", title: "Name", value: (p) => p.name, cell: (p) => <Link to={`/pools/${encodeURIComponent(p.name)}`}>{p.name}</Link> },
          { key: "state", title: "State", value: poolState, cell: (p) => <PoolState pool={p} /> },
          { key: "use", title: "Use", value: (p) => p.assigned, cell: (p) => <Usage pool={p} /> },
          { key: "assigned", title: "Assigned", value: (p) => p.assigned, cell: (p) => `${p.assigned} of ${p.size_max}` },
          { key: "ready", title: "Ready", value: (p) => p.ready, cell: (p) => `${p.ready} (keeps ${p.spare})` },
          { key: "kind", title: "Kind", value: (p) => `${p.assignment} ${p.isolation}`, cell: (p) => `${word(p.assignment)}, ${p.isolation === "vm" ? "virtual machine" : "container"}` },
          { key: "image", title: "Image", value: (p) => `${p.image} ${p.image_tag ?? ""}`, cell: (p) => <Link to={`/images/${encodeURIComponent(p.image)}`}>{p.image}{p.image_tag ? `:${p.image_tag}` : ""}</Link> },
        ]}
        choices={[
          { key: "state", title: "State", value: poolState },
          { key: "assignment", title: "Assignment", value: (p) => p.assignment },
        ]}
        empty={{
          title: "No pool yet",
          text: "A pool needs an image; the wizard shows which there are.",
          action: may("POST /pools") && <Button onClick={() => navigate("/pools/new")}>Create the first pool</Button>,
        }}
      />
    </Page>
  );
}

export function PoolState({ pool }: { pool: Pool }) {
  const state = poolState(pool);
  const like = { stopped: "failed", blocked: "failed", failing: "failed", filling: "booting", healthy: "ready" }[state];
    return <span title={[pool.stopped_reason, ...pool.blocked].filter(Boolean).join("\n")}>{like && <State of={like} label={state} />}</span>;
}
