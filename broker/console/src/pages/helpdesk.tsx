// SPDX-License-Identifier: GPL-3.0-or-later
// One box: a name, an e-mail address, a desktop or the id a person reads out leads to the person.
import { Button, Card, CardBody, CardTitle, Flex, Form, SearchInput, Stack, StackItem } from "@patternfly/react-core";
import { useState } from "react";
import type { AuditEntry, Desktop, Session, User } from "#schema";
import { api, seg } from "../api/client";
import { useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { Nothing, Page, Problem, State, useAction, When } from "../ui/common";
import type { ServerPage } from "../ui/table";

const SHOWN = 20;

/** The entries an id belongs to. */
function Trail({ id }: { id: string }) {
  const [found, setFound] = useState<AuditEntry[]>();
  const action = useAction();
  const look = () => action.run(async () => setFound((await api.get<{ items: AuditEntry[] }>("/audit?limit=10000")).items.filter((e) => e.conn === id)));
  return (
    <StackItem>
      {action.error && <Problem error={action.error} />}
      {!found && <Button variant="link" isInline onClick={() => void look()}>Look for the id {id} in the audit</Button>}
      {found?.map((e) => (
        <p key={e.id}><When at={e.at} /> {e.actor ? <Link to={`/users/${seg(e.actor)}`}>{e.actor}</Link> : "somebody"}: {e.action} {e.object} <State of={e.outcome} /> {e.detail}</p>
      ))}
      {found && !found.length && <p>The last 10,000 entries do not know this id.</p>}
    </StackItem>
  );
}

function Person({ user, sessions }: { user: User; sessions: Session[] }) {
  return (
    <Card isCompact>
      <CardTitle component="h2"><Link to={`/users/${seg(user.name)}`}>{user.name}</Link> {user.full_name && <span className="pane-quiet">{user.full_name}</span>}</CardTitle>
      <CardBody>
        <Flex>
          {user.disabled && <State of="disabled" />}
          {sessions.map((s) => <span key={s.id}><State of={s.state} /> <Link to={`/desktops/${seg(s.desktop)}`}>{s.desktop}</Link> <span className="pane-quiet">{s.protocol} from {(s.client ?? "").replace(/:\d+$/, "")}</span></span>)}
          {!sessions.length && <span className="pane-quiet">not on a desktop</span>}
          <span className="pane-quiet">{user.pools.length ? `may use ${user.pools.join(", ")}` : "may use nothing"}; last login <When at={user.last_login_at} /></span>
        </Flex>
      </CardBody>
    </Card>
  );
}

export function HelpDesk() {
  const [q, setQ] = useQuery("q");
  const users = useList<User>("/users", ["user"]);
  const sessions = useList<Session>("/sessions", ["session"]);
  const words = q.trim().toLowerCase();
  const desktops = useItem<ServerPage<Desktop>>(words ? `/desktops?sort=name&limit=${SHOWN}&q=${seg(words)}` : null, ["desktop", "session"]);
  const owners = new Set((desktops.data?.items ?? []).map((d) => d.user));
  const found = words
    ? (users.data ?? []).filter((u) => owners.has(u.name) || [u.name, u.full_name, u.email, ...u.groups].some((t) => t?.toLowerCase().includes(words)))
    : [];
  return (
    <Page title="Help desk" lead="Who is it? A name, an e-mail address, a desktop, or the id they were shown.">
      <Stack hasGutter>
        <StackItem>
          <Form onSubmit={(event) => { event.preventDefault(); if (found.length === 1) navigate(`/users/${seg(found[0].name)}`); }}>
            <SearchInput aria-label="Find a person" placeholder="alice, office-12, a81f…" value={q} onChange={(_, v) => setQ(v)} onClear={() => setQ("")} />
          </Form>
        </StackItem>
        {/^[0-9a-f]{8,32}$/.test(words) && <Trail key={words} id={words} />}
        {users.error && <StackItem><Problem error={users.error} retry={users.reload} /></StackItem>}
        {found.slice(0, SHOWN).map((u) => (
          <StackItem key={u.name}><Person user={u} sessions={(sessions.data ?? []).filter((s) => s.user === u.name)} /></StackItem>
        ))}
        {found.length > SHOWN && <StackItem><p className="pane-quiet">and {found.length - SHOWN} more: type more of the name</p></StackItem>}
        {words && users.data && !found.length && <StackItem><Nothing title="Nobody is found">No name, e-mail address, group or desktop has “{q}” in it.</Nothing></StackItem>}
      </Stack>
    </Page>
  );
}
