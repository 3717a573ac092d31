// SPDX-License-Identifier: GPL-3.0-or-later
import { Alert, Card, CardBody, CardTitle, Gallery, Stack } from "@patternfly/react-core";
import type { ReactNode } from "react";
import type { AuditEntry, Desktop, Host, Image, Pool, Session, User } from "#schema";
import { useItem, useList } from "../api/live";
import { Link } from "../router";
import { Bar, mib, Page, plural, Problem, Reasons, State } from "../ui/common";
import { may } from "../ui/may";
import type { ServerPage } from "../ui/table";
import { LogonCard } from "./logons";
import { poolState, Usage } from "./pools";
import { TasksCard } from "./tasks";
import { CertificateWarnings } from "./tls";

function Figure({ title, n, to, text }: { title: string; n: number | undefined; to: string; text: ReactNode }) {
  return (
    <Card isFullHeight isCompact>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        <div className="pane-figure"><Link to={to}>{n ?? "…"}</Link></div>
        <div className="pane-quiet">{text}</div>
      </CardBody>
    </Card>
  );
}

function count<T>(list: T[] | undefined, test: (x: T) => boolean) {
  return list?.filter(test).length;
}

/** What to do first on an empty site. */
function FirstSteps({ hosts, images, pools, users }: { hosts?: Host[]; images?: Image[]; pools?: Pool[]; users?: User[] }) {
  if (!hosts || !images || !pools || !users) return null;
  const steps: [boolean, string, string][] = [
    [hosts.length > 0, "Enrol a host", "/hosts?form=enrol"],
    [images.length > 0, "Bring an image", "/images"],
    [pools.length > 0, "Create a pool", "/pools/new"],
    [users.some((u) => u.pools.length > 0), "Set up an employee", "/new-employee"],
  ];
  if (steps.every(([done]) => done)) return null;
  return (
    <Alert component="h2" variant="info" isInline title="From here to the first desktop">
      <ol>
        {steps.map(([done, text, to]) => <li key={to}>{done ? <span className="pane-quiet">{text}: done</span> : <Link to={to}>{text}</Link>}</li>)}
      </ol>
    </Alert>
  );
}

/** What was refused or denied in the last hour, by kind; nothing when nothing was. */
function RefusedCard() {
  const trail = useItem<{ items: AuditEntry[] }>("/audit?limit=500", ["audit"]);
  const since = Date.now() - 3600000;
  const kinds = new Map<string, number>();
  for (const e of trail.data?.items ?? [])
    if (e.outcome !== "ok" && Date.parse(e.at) > since) {
      const kind = `${e.action}: ${e.detail || e.outcome}`;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
  if (!kinds.size) return null;
  return (
    <Card isFullHeight>
      <CardTitle component="h2">Refused in the last hour</CardTitle>
      <CardBody>
        {[...kinds].sort((a, b) => b[1] - a[1]).slice(0, 8).map(([kind, n]) => <p key={kind}><strong>{n}</strong> {kind}</p>)}
        <Link to="/audit">In the audit</Link>
      </CardBody>
    </Card>
  );
}

export function Overview() {
  const desktops = useItem<ServerPage<Desktop> & { assigned?: number }>("/desktops?sort=name&limit=1", ["desktop", "session"]);
  const broken_ones = useItem<ServerPage<Desktop>>("/desktops?sort=-since&limit=8&state=failed", ["desktop"]);
  const sessions = useList<Session>("/sessions", ["session"]);
  const pools = useList<Pool>("/pools", ["pool", "desktop"]);
  const hosts = useList<Host>("/hosts", ["host"]);
  const images = useList<Image>("/images", ["image"]);
  const users = useList<User>("/users", ["user"]);
  const health = useItem<{ version: string; schema: string }>("/health", []);
  const d = desktops.data;
  const by = (...states: string[]) => d && states.reduce((sum, s) => sum + ((d.counts?.state?.[s] as number | undefined) ?? 0), 0);
  const failed = by("failed", "lost") ?? 0;
  const short = pools.data?.filter((p) => poolState(p) !== "healthy") ?? [];
  const broken = desktops.error ?? pools.error ?? hosts.error;
  return (
    <Page title="Overview">
      <Stack hasGutter>
        {broken && <Problem error={broken} retry={desktops.reload} />}
        {may("GET /gateways") && <CertificateWarnings link />}
        <FirstSteps hosts={hosts.data} images={images.data} pools={pools.data} users={users.data} />
        <Gallery hasGutter minWidths={{ default: "130px" }}>
          <Figure title="Sessions" n={sessions.data?.length} to="/sessions" text={`${count(sessions.data, (s) => s.state === "connected") ?? "…"} connected now`} />
          <Figure title="Desktops" n={d?.total} to="/desktops" text={`${by("ready") ?? "…"} ready, ${d?.assigned ?? "…"} assigned`} />
          <Figure title="Starting" n={by("requested", "cloning", "booting", "recycling")} to="/desktops" text="requested, cloning, booting, recycling" />
          <Figure title="Failed" n={d && failed} to="/desktops?only=state:failed" text={failed ? "need a look" : "none"} />
          <Figure title="Hosts" n={hosts.data?.length} to="/hosts" text={`${count(hosts.data, (h) => h.state === "online") ?? "…"} online${count(hosts.data, (h) => h.maintenance === true) ? `, ${count(hosts.data, (h) => h.maintenance === true)} drained` : ""}`} />
          <Figure title="Users" n={users.data?.length} to="/users" text={`${count(users.data, (u) => u.disabled) ?? "…"} disabled`} />
        </Gallery>
        <Gallery hasGutter minWidths={{ default: "100%", md: "400px" }}>
          {may("GET /tasks") && <TasksCard />}
          {failed > 0 && (broken_ones.data?.items.length ?? 0) > 0 && (
            <Card isFullHeight>
              <CardTitle component="h2">Failed desktops</CardTitle>
              <CardBody>
                {broken_ones.data!.items.map((x) => <p key={x.name}><Link to={`/desktops/${encodeURIComponent(x.name)}`}>{x.name}</Link> <State of={x.state} /> {x.reason}</p>)}
                {failed > 8 && <Link to="/desktops?only=state:failed">All {failed}</Link>}
              </CardBody>
            </Card>
          )}
          {short.length > 0 && (
            <Card isFullHeight>
              <CardTitle component="h2">Pools that need a look</CardTitle>
              <CardBody>
                {short.map((p) => (
                  <div key={p.name} className="pane-below">
                    <Link to={`/pools/${encodeURIComponent(p.name)}`}>{p.name}</Link>: {p.ready} of {plural(p.spare, "spare desktop")} ready{p.failed > 0 && `, ${p.failed} failed`}
                    <Reasons reasons={p.blocked} />
                  </div>
                ))}
              </CardBody>
            </Card>
          )}
          <LogonCard />
          <RefusedCard />
          <Card isFullHeight>
            <CardTitle component="h2">Pools</CardTitle>
            <CardBody>
              {pools.data?.map((p) => (
                <div key={p.name} className="pane-below">
                  <Link to={`/pools/${encodeURIComponent(p.name)}`}>{p.name}</Link> <span className="pane-quiet">{p.assigned} assigned, {p.ready} ready of at most {p.size_max}</span>
                  <Usage pool={p} />
                </div>
              ))}
              {pools.data && !pools.data.length && <Link to="/pools/new">Create the first pool</Link>}
            </CardBody>
          </Card>
          <Card isFullHeight>
            <CardTitle component="h2">Host memory</CardTitle>
            <CardBody>
              {hosts.data?.map((h) => (
                <div key={h.name} className="pane-below">
                  <Link to={`/hosts/${encodeURIComponent(h.name)}`}>{h.name}</Link> <State of={h.state} /> <span className="pane-quiet">{mib(h.memory_free_mib)} of {mib(h.memory_mib)} free, {plural(h.desktops, "desktop")}</span>
                  <Bar label={`${mib(h.memory_mib - h.memory_free_mib)} in use on ${h.name}`} whole={h.memory_mib} parts={[{ n: h.memory_mib - h.memory_free_mib, kind: "used" }]} />
                </div>
              ))}
              {hosts.data && !hosts.data.length && <Link to="/hosts?form=enrol">Enrol the first host</Link>}
            </CardBody>
          </Card>
        </Gallery>
        {health.data && <p className="pane-quiet">Broker {health.data.version}, schema {health.data.schema}</p>}
      </Stack>
    </Page>
  );
}
