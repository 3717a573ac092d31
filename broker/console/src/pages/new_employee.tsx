// SPDX-License-Identifier: GPL-3.0-or-later
// From a name to a working desktop: account, groups, entitlement, desktop and welcome link, each step's outcome in
// sight. Nobody but the employee ever knows their password: the welcome link sets it.
import { Alert, Button, Checkbox, Form, FormGroup, ProgressStep, ProgressStepper, Stack, StackItem } from "@patternfly/react-core";
import { useEffect, useRef, useState } from "react";
import type { Desktop, Group, Pool, Prepared, User } from "#schema";
import { api, ApiError, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link } from "../router";
import { asApiError, Nothing, Once, Page, Problem, Shown } from "../ui/common";
import { SelectField, TextField } from "../ui/fields";
import type { ServerPage } from "../ui/table";
import { USER_NAME } from "./users";
import { welcomeLink } from "./welcome";

type Plan = { name: string; fullName: string; email: string; groups: string[]; pool: string };
type Progress = { account?: User; joined: string[]; entitled?: boolean; prepared?: Prepared; error?: ApiError };

/** Asks for the desktop, again whenever it or its pool has changed; it is the same one each time. */
function usePrepared(name: string, pool: string, go: boolean, tell: (p: Partial<Progress>) => void) {
  const desktop = useItem<ServerPage<Desktop>>(go ? `/desktops?sort=name&limit=1&pool=${seg(pool)}&user=${seg(name)}` : null, ["desktop"]);
  const room = useItem<Pool>(go ? `/pools/${seg(pool)}` : null, ["pool", "host"]);
  const state = desktop.data?.items[0]?.state;
  const done = useRef(false);
  useEffect(() => {
    if (!go || done.current) return;
    api.post<Prepared>(`/users/${seg(name)}/desktops`, { pool }).then(
      (prepared) => {
        done.current = prepared.ready;
        tell({ prepared, error: undefined });
      },
      (problem) => tell({ error: asApiError(problem) }),
    );
  }, [go, state, room.data]);
}

function PlanForm({ pools, groups, start }: { pools: Pool[]; groups: Group[]; start: (plan: Plan) => void }) {
  const [name, setName] = useState("");
  const [fullName, setFullName] = useState("");
  const [email, setEmail] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const [pool, setPool] = useState("");
  const through = groups.filter((g) => chosen.includes(g.name)).flatMap((g) => g.pools);
  const wanted = pool || through[0] || pools[0].name;
  const nameError = name && !USER_NAME.test(name) ? "Small letters, digits and . _ @ -; it begins with a letter or digit." : undefined;
  const toggle = (group: string, on: boolean) => setChosen(on ? [...chosen, group] : chosen.filter((g) => g !== group));
  return (
    <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); if (USER_NAME.test(name)) start({ name, fullName, email, groups: chosen, pool: wanted }); }}>
      <TextField label="User name" value={name} set={setName} error={nameError} required autoFocus help="What they type to log in." />
      <TextField label="Full name" value={fullName} set={setFullName} />
      <TextField label="E-mail" value={email} set={setEmail} />
      {groups.length > 0 && (
        <FormGroup label="Groups" role="group" fieldId="groups">
          {groups.map((g) => (
            <Checkbox key={g.name} id={`group-${g.name}`} label={g.name} description={[g.description, g.pools.length ? `may use ${g.pools.join(", ")}` : ""].filter(Boolean).join("; ")} isChecked={chosen.includes(g.name)} onChange={(_, on) => toggle(g.name, on)} />
          ))}
        </FormGroup>
      )}
      <SelectField
        label="Desktop from pool" value={wanted} set={setPool}
        options={pools.map((x) => ({ value: x.name, label: `${x.name}: ${x.assignment}, ${x.image}, ${x.ready} ready` }))}
        help={through.includes(wanted) ? "They may use it through a group." : "They are entitled to it themselves."}
      />
      <div><Button type="submit" isDisabled={!USER_NAME.test(name)}>Set up</Button></div>
    </Form>
  );
}

async function carryOut(plan: Plan, through: string[], tell: (p: Partial<Progress>) => void) {
  const account = await api.post<User>("/users", {
    name: plan.name, role: "user", welcome: true, ...(plan.fullName ? { full_name: plan.fullName } : {}), ...(plan.email ? { email: plan.email } : {}),
  });
  tell({ account });
  const joined: string[] = [];
  for (const group of plan.groups) {
    await api.post(`/groups/${seg(group)}/members`, { user: plan.name });
    joined.push(group);
    tell({ joined: [...joined] });
  }
  if (!through.includes(plan.pool)) await api.post(`/pools/${seg(plan.pool)}/entitlements`, { user: plan.name });
  tell({ entitled: true });
  refresh("user", "pool");
}

function Doing({ plan, through, again }: { plan: Plan; through: string[]; again: () => void }) {
  const [p, setProgress] = useState<Progress>({ joined: [] });
  const tell = (more: Partial<Progress>) => setProgress((old) => ({ ...old, ...more }));
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    carryOut(plan, through, tell).catch((problem) => tell({ error: asApiError(problem) }));
  }, []);
  usePrepared(plan.name, plan.pool, !!p.entitled, tell);
  const ready = !!p.prepared?.ready;
  const joined = p.joined.length === plan.groups.length;
  const failed = (reached: boolean, done: boolean) => !!p.error && reached && !done;
  return (
    <Stack hasGutter>
      <StackItem>
        <ProgressStepper isVertical aria-label="Setting up">
          <Step id="account" title={`Account ${plan.name}`} done={!!p.account} failed={failed(true, !!p.account)} />
          {plan.groups.length > 0 && <Step id="groups" title={`In ${plan.groups.join(", ")}`} done={joined} failed={failed(!!p.account, joined)} />}
          <Step id="right" title={`May use ${plan.pool}`} done={!!p.entitled} failed={failed(!!p.account && joined, !!p.entitled)} />
          <Step
            id="desktop"
            title={p.prepared?.desktop ? `Desktop ${p.prepared.desktop}` : "Desktop"}
            done={ready}
            failed={failed(!!p.entitled, ready)}
            text={ready ? "Ready to log in" : p.prepared ? `${p.prepared.message}${p.prepared.percent ? ` (${p.prepared.percent} %)` : ""}` : p.entitled ? "Asked for" : undefined}
          />
        </ProgressStepper>
      </StackItem>
      {p.error && <StackItem><Problem error={p.error} title={p.entitled ? "The desktop is not there yet; it is asked for again when there is room" : p.account ? "The account is made, but not all of the rest" : "The account was not made"} /></StackItem>}
      {p.account?.welcome && (
        <StackItem>
          <Once label={`Welcome link for ${plan.name}`} secret={welcomeLink(p.account.welcome)} />
          <p className="pane-quiet">It sets their first password, once, within 7 days.</p>
        </StackItem>
      )}
      {ready && <StackItem><Alert component="h2" variant="success" isInline title={`The desktop of ${plan.name} is ready`}><p>They open the welcome link, choose a password and connect: in the browser, with pane-thin, or with an RDP or VNC viewer.</p></Alert></StackItem>}
      <StackItem>
        <Button variant={ready ? "primary" : "secondary"} onClick={again}>Set up another</Button>{" "}
        {p.account && <Link to={`/users/${seg(plan.name)}`}>Open {plan.name}</Link>}
      </StackItem>
    </Stack>
  );
}

export function NewEmployee() {
  const pools = useList<Pool>("/pools", ["pool"]);
  const groups = useList<Group>("/groups", ["user"]);
  const [plan, setPlan] = useState<Plan>();
  const through = plan ? (groups.data ?? []).filter((g) => plan.groups.includes(g.name)).flatMap((g) => g.pools) : [];
  return (
    <Page title="New employee" lead={<>An account, its groups, a desktop that waits and a welcome link, in one go. For many at once: <Link to="/import">import a list</Link>.</>}>
      {plan ? (
        <Doing key={plan.name} plan={plan} through={through} again={() => setPlan(undefined)} />
      ) : (
        <Shown live={pools} what="pools">
          {(list) =>
            list.length ? (
              <PlanForm pools={list} groups={groups.data ?? []} start={setPlan} />
            ) : (
              <Nothing title="There is no pool yet" action={<Link to="/pools/new">Create one</Link>}>A pool makes the desktops.</Nothing>
            )
          }
        </Shown>
      )}
    </Page>
  );
}

function Step({ id, title, done, failed, text }: { id: string; title: string; done: boolean; failed: boolean; text?: string }) {
  const variant = done ? "success" : failed ? "warning" : "pending";
  return (
    <ProgressStep id={id} titleId={`${id}-title`} variant={variant} description={text} aria-label={`${title}: ${done ? "done" : failed ? "in trouble" : "to do"}`}>
      {title}
    </ProgressStep>
  );
}
