// SPDX-License-Identifier: GPL-3.0-or-later
// Roles in one pool: who runs, helps in or looks at this pool and is a user everywhere else.
import { Button, Card, CardBody, CardTitle, Form, FormSelect, FormSelectOption, Split, SplitItem, Stack } from "@patternfly/react-core";
import { useState } from "react";
import type { Group, Pool, PoolRole, User } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { Link } from "../router";
import { Nothing, Problem, useAction } from "../ui/common";
import { useConfirm, type Danger } from "../ui/confirm";
import { may } from "../ui/may";
import { DataTable } from "../ui/table";

const ROLES = [
  { value: "readonly", label: "Read-only: sees this pool" },
  { value: "helpdesk", label: "Help desk: helps people into its desktops" },
  { value: "operator", label: "Operator: runs this pool" },
];
const NAMES: Record<string, string> = { readonly: "read-only", helpdesk: "help desk", operator: "operator" };

function Who({ name }: { name: string }) {
  if (name.startsWith("group:")) return <>all of <Link to={`/groups/${seg(name.slice(6))}`}>{name.slice(6)}</Link></>;
  return <Link to={`/users/${seg(name)}`}>{name}</Link>;
}

function takeAway(pool: string, who: string): Danger {
  return {
    title: `Take the role in ${pool} from ${who}?`, word: who, button: "Take away", done: `${who} is in ${pool} what they are elsewhere`,
    text: <p>Pages of this pool close for them at once. What they may use as a desktop stays.</p>,
    run: async () => { await api.remove(`/pools/${seg(pool)}/roles/${seg(who)}`); refresh("pool", "user"); },
  };
}

/** what: to whom, or in which pool */
function Give({ label, options, give }: { label: string; options: string[]; give: (option: string, role: string) => Promise<boolean> }) {
  const [option, setOption] = useState("");
  const [role, setRole] = useState("helpdesk");
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    if (await give(option, role)) setOption("");
    setBusy(false);
  };
  return (
    <Form onSubmit={(event) => { event.preventDefault(); if (option) void go(); }}>
      <Split hasGutter isWrappable>
        <SplitItem>
          <FormSelect aria-label={label} value={option} onChange={(_, v) => setOption(v)}>
            <FormSelectOption value="" label={options.length ? label : "Nobody is left to choose"} />
            {options.map((n) => <FormSelectOption key={n} value={n} label={n} />)}
          </FormSelect>
        </SplitItem>
        <SplitItem>
          <FormSelect aria-label="Role in the pool" value={role} onChange={(_, v) => setRole(v)}>
            {ROLES.map((r) => <FormSelectOption key={r.value} value={r.value} label={r.label} />)}
          </FormSelect>
        </SplitItem>
        <SplitItem><Button type="submit" isDisabled={!option || busy}>Give the role</Button></SplitItem>
      </Split>
    </Form>
  );
}

export function RolesTab({ pool }: { pool: string }) {
  const path = `/pools/${seg(pool)}/roles`;
  const live = useList<PoolRole>(path, ["pool", "user"]);
  const able = may("POST /pools/{name}/roles");
  const users = useList<User>(able ? "/users" : null, ["user"]), groups = useList<Group>(able ? "/groups" : null, ["user"]);
  const [dialog, ask] = useConfirm();
  const action = useAction();
  const has = new Set((live.data ?? []).map((r) => r.who));
  const others = [...(groups.data ?? []).map((g) => `group:${g.name}`), ...(users.data ?? []).map((u) => u.name)].filter((n) => !has.has(n));
  const give = (who: string, role: string) => action.run(async () => { await api.post(path, { who, role }); refresh("pool", "user"); }, `${who} is ${NAMES[role]} in ${pool}`);
  return (
    <Stack hasGutter className="pane-above">
      {action.error && <Problem error={action.error} />}
      <p className="pane-quiet">Who has a role here besides the one they have everywhere. Of several roles the highest counts.</p>
      {able && <Give label="Choose a user or a group" options={others} give={give} />}
      <DataTable<PoolRole>
        name={`Roles in ${pool}`}
        live={live}
        rowKey={(r) => r.who}
        columns={[
          { key: "who", title: "Who", value: (r) => r.who, cell: (r) => <Who name={r.who} /> },
          { key: "role", title: "Role in this pool", value: (r) => r.role, cell: (r) => (able ? (
            <FormSelect aria-label={`Role of ${r.who}`} value={r.role} isDisabled={action.busy} onChange={(_, role) => void give(r.who, role)}>
              {ROLES.map((x) => <FormSelectOption key={x.value} value={x.value} label={x.label} />)}
            </FormSelect>
          ) : NAMES[r.role]) },
        ]}
        choices={[{ key: "role", title: "Role", value: (r) => r.role }]}
        rowActions={may("DELETE /pools/{name}/roles/{who}") ? (r) => <Button variant="link" isInline isDanger aria-label={`Take away the role of ${r.who}`} onClick={() => ask(takeAway(pool, r.who))}>Take away</Button> : undefined}
        empty={{ title: "Nobody has a role in this pool only", text: able ? "Choose a user or a group above, say a teacher who helps in this pool and nowhere else." : "An administrator gives such roles." }}
      />
      {dialog}
    </Stack>
  );
}

/** The same of one user: in which pools they are more than elsewhere. */
export function RolesCard({ user }: { user: User }) {
  const roles = user.roles ?? [];
  const able = may("POST /pools/{name}/roles");
  const pools = useList<Pool>(able ? "/pools" : null, ["pool"]);
  const [dialog, ask] = useConfirm();
  const action = useAction();
  const direct = new Set(roles.filter((r) => r.direct).map((r) => r.pool));
  const give = (pool: string, role: string) =>
    action.run(async () => { await api.post(`/pools/${seg(pool)}/roles`, { who: user.name, role }); refresh("pool", "user"); }, `${user.name} is ${NAMES[role]} in ${pool}`);
  if (!able && !roles.length) return null;
  return (
    <Card>
      <CardTitle component="h2">Roles in single pools</CardTitle>
      <CardBody>
        <Stack hasGutter>
          {action.error && <Problem error={action.error} />}
          {roles.length > 0 ? (
            <ul aria-label="Roles in single pools">
              {roles.map((r) => (
                <li key={r.pool}>
                  <Link to={`/pools/${seg(r.pool)}?tab=roles`}>{r.pool}</Link>: {NAMES[r.role]}{" "}
                  {!r.direct && <span className="pane-quiet">by a group</span>}
                  {r.direct && able && <Button variant="link" isInline isDanger aria-label={`take away the role in ${r.pool}`} onClick={() => ask(takeAway(r.pool, user.name))}>take away</Button>}
                </li>
              ))}
            </ul>
          ) : <p className="pane-quiet">In every pool they are what they are everywhere.</p>}
          {able && (pools.data?.length ? <Give label="Choose a pool to give a role in" options={pools.data.map((p) => p.name).filter((n) => !direct.has(n))} give={give} /> : pools.data && <Nothing title="There is no pool yet" />)}
        </Stack>
      </CardBody>
      {dialog}
    </Card>
  );
}
