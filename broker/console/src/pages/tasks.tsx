// SPDX-License-Identifier: GPL-3.0-or-later
// What is under way, with how far it is, whoever began it: nothing while there is nothing.
import { Card, CardBody, CardTitle, Progress } from "@patternfly/react-core";
import type { Task } from "#schema";
import { seg } from "../api/client";
import { useItem } from "../api/live";
import { Link } from "../router";
import { plural, State, When } from "../ui/common";

const SHOWN = 12;

function titleOf(t: Task) {
  switch (t.kind) {
    case "rollout": return `Update of pool ${t.name} to ${t.what}: ${t.done} of ${t.total} desktops`;
    case "image": return `Image ${t.name}, version ${t.what}`;
    case "copy": return `Image ${t.name} on its way to host ${t.what}`;
    case "drain": return `Host ${t.name} is emptied: ${plural(t.total ?? 0, "desktop")} left`;
    case "fill": return `Pool ${t.name} makes desktops: ${t.done} of ${t.total} ready`;
  }
}

function pageOf(t: Task) {
  const pages = { rollout: `/pools/${seg(t.name)}?tab=image`, image: `/images/${seg(t.name)}`, copy: `/images/${seg(t.name)}`, drain: `/hosts/${seg(t.name)}`, fill: `/pools/${seg(t.name)}?tab=desktops` };
  return pages[t.kind];
}

function One({ task: t }: { task: Task }) {
  const title = titleOf(t);
  const bad = t.state === "failed" || t.state === "waiting";
  return (
    <li className="pane-below">
      <Link to={pageOf(t)}>{title}</Link> <State of={t.state} />
      {t.percent !== null && <Progress aria-label={title} value={t.percent} size="sm" variant={t.state === "failed" ? "danger" : undefined} />}
      {(t.reason || t.by) && <div className={bad ? "" : "pane-quiet"}>{t.reason} {t.by && <>started by {t.by} <When at={t.since} /></>}</div>}
    </li>
  );
}

export function TasksCard() {
  const live = useItem<{ items: Task[] }>("/tasks", ["pool", "desktop", "image", "host"]);
  const items = live.data?.items ?? [];
  if (!items.length) return null;
  return (
    <Card isFullHeight>
      <CardTitle component="h2">Under way</CardTitle>
      <CardBody>
        <ul>{items.slice(0, SHOWN).map((t) => <One key={`${t.kind} ${t.name} ${t.what}`} task={t} />)}</ul>
        {items.length > SHOWN && <p className="pane-quiet">and {items.length - SHOWN} more</p>}
      </CardBody>
    </Card>
  );
}
