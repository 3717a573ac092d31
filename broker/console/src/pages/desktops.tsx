// SPDX-License-Identifier: GPL-3.0-or-later
import {
  Button, Card, CardBody, CardHeader, CardTitle, DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm, Gallery,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { ReactNode } from "react";
import type { Desktop } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem } from "../api/live";
import { Link, navigate } from "../router";
import { Age, mib, Nothing, Page, plural, say, Shown, State, When } from "../ui/common";
import { useConfirm, type Danger } from "../ui/confirm";
import { Kebab } from "../ui/kebab";
import { useMessage, type Addressee } from "../ui/message";
import { Picture } from "../ui/pictures";
import { PagedTable } from "../ui/table";
import { may } from "../ui/may";
import { Usage } from "../ui/usage";
import { t } from "../ui/text";
import { word } from "../ui/words";

type Verb = "restart" | "suspend" | "resume" | "off" | "release" | "recycle" | "delete";

const VERBS: { [v in Verb]: { title: string; text: string; done: string; grave: boolean; able: (d: Desktop) => boolean } } = {
  restart: {
    title: "Restart",
    text: "The power is cut and comes back. Who is connected loses unsaved work; disk and user stay.",
    done: "restarts",
    grave: false,
    able: (d) => d.state === "ready" || d.state === "failed" || d.state === "booting",
  },
  suspend: {
    title: "Suspend",
    text: "Its memory is written to its host's disk. Who is connected is cut off and goes on where they were when they come back.",
    done: "is suspended",
    grave: false,
    able: (d) => d.state === "ready" && d.user !== null && d.isolation !== "container",
  },
  resume: {
    title: "Resume",
    text: "What was suspended goes on where it was; what is off starts.",
    done: "resumes",
    grave: false,
    able: (d) => d.state === "suspended",
  },
  off: {
    title: "Power off",
    text: "The power is cut: who is connected loses unsaved work, and what was suspended is given up. Disk and user stay; it starts when its user connects.",
    done: "is switched off",
    grave: true,
    able: (d) => d.user !== null && (d.state === "ready" || d.state === "booting" || d.state === "suspended"),
  },
  release: {
    title: "Release",
    text: "It is taken from its user, who is disconnected. A used desktop is recycled: what is on its system disk is lost.",
    done: "is released",
    grave: true,
    able: (d) => d.user !== null,
  },
  recycle: {
    title: "Recycle",
    text: "It is taken from its user, if it has one, and starts over from the image: what is on its system disk is lost.",
    done: "is recycled",
    grave: true,
    able: (d) => d.state !== "deleting" && d.state !== "recycling",
  },
  delete: {
    title: "Delete",
    text: "It is deleted with its disk. Its pool makes another one when it needs it.",
    done: "is deleted",
    grave: true,
    able: (d) => d.state !== "deleting",
  },
};

/** Buttons of a desktop's page that are there at all times; the others only while they are of use. */
const STAYS: Verb[] = ["restart", "release", "recycle", "delete"];

const CALL: { [v in Verb]: string } = {
  restart: "POST /desktops/{name}/restart",
  suspend: "POST /desktops/{name}/suspend",
  resume: "POST /desktops/{name}/resume",
  off: "POST /desktops/{name}/off",
  release: "POST /desktops/{name}/release",
  recycle: "POST /desktops/{name}/recycle",
  delete: "DELETE /desktops/{name}",
};

function allowed() {
  return (Object.keys(VERBS) as Verb[]).filter((verb) => may(CALL[verb]));
}

function act(verb: Verb, d: Desktop) {
  const path = `/desktops/${seg(d.name)}`;
  return verb === "delete" ? api.remove(path) : api.post(`${path}/${verb}`);
}

/** What is asked before a verb goes to these desktops. */
export function dangerOf(verb: Verb, desktops: Desktop[]): Danger {
  const { title, text, grave, done } = VERBS[verb];
  const one = desktops.length === 1 ? desktops[0] : undefined;
  const what = one ? one.name : plural(desktops.length, "desktop");
  const users = desktops.map((d) => d.user).filter((u) => u !== null);
  return {
    title: t(`${title} ${what}?`),
    // A restart of one is undone by its user's patience; of many, by nobody's.
    word: grave || (verb === "restart" && !one) ? (one ? one.name : String(desktops.length)) : undefined,
    button: title,
    text: (
      <>
        <p>{text}</p>
        {users.length > 0 && <p>In use by: {users.slice(0, 8).join(", ")}{users.length > 8 ? ` and ${users.length - 8} more` : ""}.</p>}
      </>
    ),
    run: async () => {
      let refused = 0;
      for (const d of desktops) {
        try {
          await act(verb, d);
        } catch (problem) {
          if (one) throw problem;
          refused++;
          say(`${d.name} could not be changed`, problem);
        }
      }
      refresh("desktop", "pool");
      if (!one) say(`${title}: ${plural(desktops.length - refused, "desktop")}`);
    },
    done: one ? `${one.name} ${done}` : undefined,
  };
}

/** Who may be written to of these desktops: those who have a session there. */
const addressees = (desktops: Desktop[]) => desktops.flatMap((d) => (d.session_id && d.user ? [{ id: d.session_id, user: d.user, desktop: d.name }] : []));

function told(desktops: Desktop[], write: (to: Addressee[]) => void) {
  const to = addressees(desktops);
  if (to.length) write(to);
  else say("Nobody has a session on these desktops");
}

function Actions({ desktop, ask }: { desktop: Desktop; ask: (danger: Danger) => void }) {
  return (
    <Kebab
      of={desktop.name}
      items={() => allowed().map((verb) => ({
        title: VERBS[verb].title,
        isDisabled: !VERBS[verb].able(desktop),
        onClick: () => ask(dangerOf(verb, [desktop])),
      }))}
    />
  );
}

/** Pictures are for who helps people; the server says the same. */
const maySee = () => may("POST /desktops/{name}/restart");

function why(d: Desktop) {
  if (!maySee()) return "Pictures are shown to help desk and above";
  return d.state === "ready" ? "No picture yet" : word(d.state);
}

function WallCard({ desktop: d, ask }: { desktop: Desktop; ask: (danger: Danger) => void }) {
  return (
    <Card isCompact isFullHeight>
      <CardHeader actions={allowed().length ? { actions: <Actions desktop={d} ask={ask} />, hasNoOffset: true } : undefined}>
        <CardTitle component="h2"><Link to={`/desktops/${seg(d.name)}`}>{d.name}</Link></CardTitle>
      </CardHeader>
      <CardBody>
        <Picture of={d.name} what={why(d)} old={d.state !== "ready"} />
        <p className="pane-wall-line">
          <State of={d.state} /> {d.session !== "none" && <State of={d.session} />}{" "}
          {d.user ? <Link to={`/users/${seg(d.user)}`}>{d.user}</Link> : <span className="pane-quiet">nobody</span>}
        </p>
        <p className="pane-quiet">{[d.pool, d.host].filter(Boolean).join(" on ")}</p>
        {d.reason && <p className="pane-quiet">{d.reason}</p>}
      </CardBody>
    </Card>
  );
}

/** fixed: which desktops there are to see at all, say {pool: "office"}. */
export function DesktopTable({ fixed = {}, name, empty }: { fixed?: Record<string, string>; name: string; empty: { title: string; text?: ReactNode } }) {
  const pool = !fixed.pool;
  const [dialog, ask] = useConfirm();
  const [message, write] = useMessage();
  return (
    <>
      <PagedTable<Desktop>
        name={name}
        path="/desktops"
        kinds={["desktop", "session"]}
        fixed={fixed}
        rowKey={(d) => d.name}
        columns={[
          { key: "name", title: "Name", value: (d) => d.name, cell: (d) => <Link to={`/desktops/${encodeURIComponent(d.name)}`}>{d.name}</Link> },
          { key: "state", title: "State", value: (d) => d.state, cell: (d) => <State of={d.state} /> },
          { key: "user", title: "User", value: (d) => d.user, cell: (d) => d.user ? <Link to={`/users/${encodeURIComponent(d.user)}`}>{d.user}</Link> : <span className="pane-quiet">nobody</span> },
          { key: "session", title: "Session", value: (d) => d.session, cell: (d) => d.session === "none" ? <span className="pane-quiet">none</span> : <State of={d.session} /> },
          ...(pool ? [{ key: "pool", title: "Pool", value: (d: Desktop) => d.pool, cell: (d: Desktop) => d.pool && <Link to={`/pools/${encodeURIComponent(d.pool)}`}>{d.pool}</Link> }] : []),
          { key: "host", title: "Host", value: (d) => d.host, cell: (d) => d.host ? <Link to={`/hosts/${encodeURIComponent(d.host)}`}>{d.host}</Link> : <span className="pane-quiet">not placed</span> },
          { key: "since", title: "For", value: (d) => d.since_s, cell: (d) => <Age at={d.since} seconds={d.since_s} /> },
          { key: "reason", title: "Reason", value: (d) => d.reason },
        ]}
        choices={[
          { key: "state", title: "State" },
          ...(pool ? [{ key: "pool", title: "Pool" }] : []),
          ...(fixed.host ? [] : [{ key: "host", title: "Host" }]),
        ]}
        bulk={[
          ...(may("POST /sessions/{id}/message") ? [{ title: "Message", run: (rows: Desktop[]) => told(rows, write) }] : []),
          ...allowed().filter((verb) => verb !== "release").map((verb) => ({
            title: VERBS[verb].title,
            danger: verb === "delete",
            run: (rows: Desktop[]) => ask(dangerOf(verb, rows)),
          })),
        ]}
        rowActions={allowed().length ? (d) => <Actions desktop={d} ask={ask} /> : undefined}
        card={(d) => <WallCard desktop={d} ask={ask} />}
        empty={empty}
      />
      {dialog}
      {message}
    </>
  );
}

export function Desktops() {
  return (
    <Page title="Desktops" lead="Every desktop of every pool.">
      <DesktopTable name="Desktops" empty={{ title: "No desktop yet", text: "Pools make desktops: create one, or let its spare count be more than none." }} />
    </Page>
  );
}

export function Facts({ title, facts }: { title: string; facts: [string, ReactNode][] }) {
  return (
    <Card isFullHeight>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        <DescriptionList isHorizontal isCompact>
          {facts.map(([term, value]) => (
            <DescriptionListGroup key={term}>
              <DescriptionListTerm>{term}</DescriptionListTerm>
              <DescriptionListDescription>{value}</DescriptionListDescription>
            </DescriptionListGroup>
          ))}
        </DescriptionList>
      </CardBody>
    </Card>
  );
}

/** Newest first, as GET /desktops/{name} gives them. */
function Events({ events }: { events: Record<string, any>[] }) {
  if (!events.length) return <Nothing title="No event yet" />;
  return (
    <Table aria-label="Events" variant="compact" gridBreakPoint="grid-md">
      <Thead>
        <Tr><Th>When</Th><Th>What</Th><Th>Reason</Th></Tr>
      </Thead>
      <Tbody>
        {events.map((e, i) => (
          <Tr key={i}>
            <Td dataLabel="When"><When at={e.at} /></Td>
            <Td dataLabel="What">{word(e.kind)}: {e.from_state && `${word(e.from_state)} → `}{word(e.to_state)}</Td>
            <Td dataLabel="Reason">{e.reason}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

export function DesktopPage({ name }: { name: string }) {
  const live = useItem<Desktop>(`/desktops/${seg(name)}`, ["desktop", "session"]);
  const [dialog, ask] = useConfirm();
  const [message, write] = useMessage();
  const d = live.data;
  return (
    <Page
      title={name}
      crumb={["/desktops", "Desktops"]}
      lead={d && <><State of={d.state} /> {d.reason}</>}
      actions={
        d && (
          <>
            {may("POST /sessions/{id}/shadow") && d.session_id && d.session === "connected" && <Button onClick={() => navigate(`/shadow/${seg(d.session_id!)}/view/${seg(d.name)}`)}>See screen</Button>}
            {may("POST /sessions/{id}/message") && d.session_id && <Button variant="secondary" onClick={() => write(addressees([d]))}>Message</Button>}
            {allowed().filter((verb) => STAYS.includes(verb) || VERBS[verb].able(d)).map((verb) => (
              <Button key={verb} variant={verb === "delete" ? "danger" : "secondary"} isDisabled={!VERBS[verb].able(d)} onClick={() => ask(dangerOf(verb, [d]))}>
                {VERBS[verb].title}
              </Button>
            ))}
          </>
        )
      }
    >
      <Shown live={live} what={name}>
        {(x) => (
          <>
            <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
              <Card isFullHeight>
                <CardTitle component="h2">Screen</CardTitle>
                <CardBody><Picture of={x.name} what={why(x)} old={x.state !== "ready"} /></CardBody>
              </Card>
              <Facts
                title="Now"
                facts={[
                  ["Machine", <State of={x.state} />],
                  ["For", <Age at={x.since} seconds={x.since_s} />],
                  ["Session", word(x.session)],
                  ["User", x.user ? <Link to={`/users/${encodeURIComponent(x.user)}`}>{x.user}</Link> : "nobody"],
                  ["Used since made", x.dirty ? "yes: nobody else gets it before it is recycled" : "no"],
                  ...(x.retries ? [["Retries", <>{x.retries}, next <When at={x.retry_at} /></>] as [string, ReactNode]] : []),
                ]}
              />
              <Facts
                title="Made of"
                facts={[
                  ["Pool", x.pool ? <Link to={`/pools/${encodeURIComponent(x.pool)}`}>{x.pool}</Link> : "none"],
                  ["Host", x.host ? <Link to={`/hosts/${encodeURIComponent(x.host)}`}>{x.host}</Link> : "not placed yet"],
                  ["Image", `${x.image ?? ""} ${x.image_version ?? ""}`],
                  ["Size", `${plural(x.cpus ?? 0, "processor")}, ${mib(x.memory_mib ?? 0)}`],
                  ["Kind", x.isolation === "container" ? "container" : "virtual machine"],
                  ["Id", <code>{x.id}</code>],
                ]}
              />
            </Gallery>
            <Usage of={`/desktops/${seg(name)}`} />
            <Card>
              <CardTitle component="h2">Events</CardTitle>
              <CardBody><Events events={x.events ?? []} /></CardBody>
            </Card>
          </>
        )}
      </Shown>
      {dialog}
      {message}
    </Page>
  );
}
