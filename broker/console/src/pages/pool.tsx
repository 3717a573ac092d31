// SPDX-License-Identifier: GPL-3.0-or-later
import {
  Alert, Button, Card, CardBody, CardTitle, Form, FormSelect, FormSelectOption, Gallery, Modal, ModalBody, ModalFooter, ModalHeader, Progress, Split, SplitItem,
  Stack, Tab, Tabs, TabTitleText,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState } from "react";
import type { Entitled, Group, Pool, Rollout, User } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { mib, Nothing, Page, plural, Problem, Reasons, Shown, State, useAction, useTabInSight, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { NumberField } from "../ui/fields";
import { DesktopTable, Facts } from "./desktops";
import { PoolState, Usage } from "./pools";
import { may } from "../ui/may";
import { EntitlementAccess, ruleText } from "./access";
import { PolicyTab, Stopped } from "./pool_policy";
import { RolesTab } from "./roles";
import { word } from "../ui/words";

export function PoolPage({ name }: { name: string }) {
  const path = `/pools/${seg(name)}`;
  const live = useItem<Pool>(path, ["pool", "desktop", "image"]);
  const [tab] = useQuery("tab", "summary");
  const [dialog, ask] = useConfirm();
  const [editing, setEditing] = useState(false);
  const remove = (force: boolean) => async () => {
    await api.remove(`${path}${force ? "?force=true" : ""}`);
    refresh("pool", "desktop");
    navigate("/pools");
  };
  const p = live.data;
  return (
    <Page
      title={name}
      crumb={["/pools", "Pools"]}
      lead={p && <PoolState pool={p} />}
      actions={
        p && (
          <>
            {may("PATCH /pools/{name}") && <Button variant="secondary" onClick={() => setEditing(true)}>Change size</Button>}
            {may("DELETE /pools/{name}") && <Button variant="danger" onClick={() => ask({
              title: `Delete pool ${name}?`, word: name, button: "Delete", done: `Pool ${name} is deleted`, run: remove(p.assigned > 0),
              text: <p>All its desktops are deleted with their disks{p.assigned > 0 && <>, <strong>also the {p.assigned} that belong to somebody</strong></>}. Entitlements end.</p>,
            })}>Delete</Button>}
          </>
        )
      }
    >
      <Shown live={live} what={name}>
        {(pool) => (
          <>
            <TabInSight tab={tab} />
            <Stopped pool={pool} />
            {pool.state !== "stopped" && pool.blocked.length > 0 && (
              <Alert component="h2" variant="warning" isInline title="No desktop can be added now"><Reasons reasons={pool.blocked} /></Alert>
            )}
            <Tabs activeKey={tab} onSelect={(_, key) => (key === tab ? undefined : navigate(`/pools/${seg(name)}?tab=${String(key)}`))} aria-label={`Pool ${name}`}>
              <Tab eventKey="summary" title={<TabTitleText>Summary</TabTitleText>}><Summary pool={pool} /></Tab>
              <Tab eventKey="desktops" title={<TabTitleText>Desktops</TabTitleText>}>
                {tab === "desktops" && (
                  <DesktopTable name={`Desktops of ${name}`} fixed={{ pool: name }} empty={{ title: "No desktop", text: pool.spare ? "The first one is on its way." : "The first login of an entitled user makes one." }} />
                )}
              </Tab>
              <Tab eventKey="image" title={<TabTitleText>Image and update</TabTitleText>}>{tab === "image" && <ImageTab pool={pool} />}</Tab>
              <Tab eventKey="policy" title={<TabTitleText>Policy</TabTitleText>}>{tab === "policy" && <PolicyTab pool={pool} />}</Tab>
              <Tab eventKey="people" title={<TabTitleText>Entitlements</TabTitleText>}>{tab === "people" && <People name={name} />}</Tab>
              {may("GET /pools/{name}/roles") && <Tab eventKey="roles" title={<TabTitleText>Roles</TabTitleText>}>{tab === "roles" && <RolesTab pool={name} />}</Tab>}
            </Tabs>
            {editing && <Edit pool={pool} close={() => setEditing(false)} />}
          </>
        )}
      </Shown>
      {dialog}
    </Page>
  );
}

function TabInSight({ tab }: { tab: string }) {
  useTabInSight(tab);
  return null;
}

function Summary({ pool }: { pool: Pool }) {
  return (
    <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }} className="pane-above">
      <Facts title="Use" facts={[
        ["Now", <Usage pool={pool} />],
        ["Assigned", `${pool.assigned} of at most ${pool.size_max}`],
        ["Ready", `${pool.ready}, with ${pool.spare_now ?? pool.spare} to be kept so`],
        ["Failed", pool.failed ? <Link to={`/desktops?only=state:failed,pool:${pool.name}`}>{pool.failed}</Link> : "none"],
      ]} />
      <Facts title="Desktops" facts={[
        ["Assignment", word(pool.assignment)],
        ["Kind", pool.isolation === "container" ? "containers" : "virtual machines"],
        ["Each", `${plural(pool.cpus, "processor")}, ${mib(pool.memory_mib)}`],
        ["Home disk", pool.home_mib ? mib(pool.home_mib) : "none"],
        ["System after a session", pool.reset === "on_logoff" ? "thrown away" : "kept"],
      ]} />
    </Gallery>
  );
}

function Edit({ pool, close }: { pool: Pool; close: () => void }) {
  const [size, setSize] = useState(pool.size_max);
  const [spare, setSpare] = useState(pool.spare);
  const [cpus, setCpus] = useState(pool.cpus);
  const [memory, setMemory] = useState(pool.memory_mib);
  const action = useAction();
  const save = async () => {
    const done = await action.run(() => api.patch(`/pools/${seg(pool.name)}`, { size_max: size, spare, cpus, memory_mib: memory }), `Pool ${pool.name} is changed`);
    if (done) {
      refresh("pool");
      close();
    }
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="edit-title">
      <ModalHeader title={`Change ${pool.name}`} labelId="edit-title" description="Desktops that exist follow when they are recycled." />
      <ModalBody>
        <Form id="edit-pool" onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {action.error && <Problem error={action.error} />}
          <NumberField label="Desktops at most" value={size} set={setSize} min={1} max={10000} />
          <NumberField label="Kept ready" value={spare} set={setSpare} min={0} max={size || 0} />
          <NumberField label="Processors" value={cpus} set={setCpus} min={1} max={64} />
          <NumberField label="Memory" unit="MiB" value={memory} set={setMemory} min={64} max={1048576} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="edit-pool" isDisabled={action.busy}>Save</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}

function ImageTab({ pool }: { pool: Pool }) {
  const rollout = useItem<Rollout>(`/pools/${seg(pool.name)}/rollout`, ["pool", "desktop"]);
  const action = useAction();
  const [dialog, ask] = useConfirm();
  const path = `/pools/${seg(pool.name)}/rollout`;
  const versions = Object.entries((pool.versions ?? {}) as Record<string, number>);
  const old = versions.filter(([v]) => v !== pool.image_version).reduce((sum, [, n]) => sum + n, 0);
  const change = (state: string) => action.run(async () => { await api.patch(path, { state }); rollout.reload(); });
  const start = () =>
    ask({
      title: `Update the desktops of ${pool.name}?`, button: "Start update",
      text: <p>{old} desktops are made new from version {pool.image_version}, two at a time: free ones at once, used ones when their session has ended. The first failure stops it.</p>,
      run: async () => { await api.post(path, {}); refresh("pool", "desktop"); rollout.reload(); },
      done: "The update has started",
    });
  const r = rollout.data;
  const live = r && (r.state === "running" || r.state === "paused");
  return (
    <Stack hasGutter className="pane-above">
      {action.error && <Problem error={action.error} />}
      <Facts title="Image" facts={[
        ["Image", <Link to={`/images/${encodeURIComponent(pool.image)}`}>{pool.image}</Link>],
        ["Follows tag", pool.image_tag ?? "stable"],
        ["Which is", pool.image_version ?? "nothing yet"],
        ["Desktops by version", versions.length ? versions.map(([v, n]) => <div key={v}>{v}: {n}{v === pool.image_version ? "" : " (old)"}</div>) : "none"],
      ]} />
      <Card>
        <CardTitle component="h2">Update</CardTitle>
        <CardBody>
          {rollout.error && rollout.error.status !== 404 && <Problem error={rollout.error} retry={rollout.reload} />}
          {r && (
            <Stack hasGutter>
              <Progress value={r.percent} title={`To ${r.version}: ${r.done} of ${r.total} done${r.failed ? `, ${r.failed} failed` : ""}`} variant={r.state === "failed" ? "danger" : r.state === "done" ? "success" : undefined} />
              <div><State of={r.state} /> {r.reason} <span className="pane-quiet">started by {r.created_by} <When at={r.created_at} /></span></div>
              {r.desktops.length > 0 && (
                <Table aria-label="Desktops of the update" variant="compact">
                  <Thead><Tr><Th>Desktop</Th><Th>State</Th><Th>Reason</Th></Tr></Thead>
                  <Tbody>
                    {r.desktops.map((d) => (
                      <Tr key={d.desktop}>
                        <Td dataLabel="Desktop">{d.desktop}</Td><Td dataLabel="State"><State of={d.state} /></Td><Td dataLabel="Reason">{d.reason}</Td>
                      </Tr>
                    ))}
                  </Tbody>
                </Table>
              )}
              {live && may("PATCH /pools/{name}/rollout") && (
                <Split hasGutter>
                  {r.state === "running" && <SplitItem><Button variant="secondary" onClick={() => void change("paused")}>Pause</Button></SplitItem>}
                  {r.state === "paused" && <SplitItem><Button onClick={() => void change("running")}>Resume</Button></SplitItem>}
                  <SplitItem><Button variant="secondary" onClick={() => void change("stopped")}>Stop</Button></SplitItem>
                </Split>
              )}
            </Stack>
          )}
          {!live && (old > 0
            ? may("POST /pools/{name}/rollout") && <Button className="pane-above" onClick={start}>Update {old} desktops to {pool.image_version}</Button>
            : <p>Every desktop is made from the version the tag points at.</p>)}
        </CardBody>
      </Card>
      {dialog}
    </Stack>
  );
}

function People({ name }: { name: string }) {
  const path = `/pools/${seg(name)}/entitlements`;
  const live = useList<Entitled>(path, ["user", "pool", "desktop"]);
  const groups = useList<Group>("/groups", ["user"]);
  const users = useList<User>("/users", ["user"]);
  const [user, setUser] = useState("");
  const action = useAction();
  const [dialog, ask] = useConfirm();
  const [rule, setRule] = useState<Entitled>();
  const has = new Set((live.data ?? []).filter((e) => e.direct || e.user.startsWith("group:")).map((e) => e.user));
  const others = [...(groups.data ?? []).map((g) => `group:${g.name}`), ...(users.data ?? []).map((u) => u.name)].filter((n) => !has.has(n));
  const add = async () => {
    if (await action.run(() => api.post(path, { user }), `${user} may use ${name}`)) {
      setUser("");
      refresh("user", "pool");
    }
  };
  return (
    <Stack hasGutter className="pane-above">
      {action.error && <Problem error={action.error} />}
      {may("POST /pools/{name}/entitlements") && <Form isHorizontal onSubmit={(event) => { event.preventDefault(); void add(); }}>
        <Split hasGutter>
          <SplitItem>
            <FormSelect aria-label="User or group to entitle" value={user} onChange={(_, v) => setUser(v)}>
              <FormSelectOption value="" label={others.length ? "Choose a user or a group" : "Everybody is entitled"} />
              {others.map((n) => <FormSelectOption key={n} value={n} label={n} />)}
            </FormSelect>
          </SplitItem>
          <SplitItem><Button type="submit" isDisabled={!user || action.busy}>Entitle</Button></SplitItem>
        </Split>
      </Form>}
      <Shown live={live} what="entitlements">
        {(list) =>
          list.length ? (
            <Table aria-label="Entitlements" variant="compact">
              <Thead><Tr><Th>Who</Th><Th>Through</Th><Th>When and from where</Th><Th>Desktop</Th><Th screenReaderText="Actions" /></Tr></Thead>
              <Tbody>
                {list.map((e) => (
                  <Tr key={e.user}>
                    <Td dataLabel="Who">{e.user.startsWith("group:") ? <Link to={`/groups/${seg(e.user.slice(6))}`}>{e.user}</Link> : <Link to={`/users/${seg(e.user)}`}>{e.user}</Link>}</Td>
                    <Td dataLabel="Through">{[...(e.direct && !e.user.startsWith("group:") ? ["themselves"] : []), ...e.groups].join(", ")}</Td>
                    <Td dataLabel="When and from where">
                      {ruleText(e)}{" "}
                      {(e.direct || e.user.startsWith("group:")) && may("POST /pools/{name}/entitlements") && <Button variant="link" isInline aria-label={`Change when ${e.user} may enter`} onClick={() => setRule(e)}>Change</Button>}
                    </Td>
                    <Td dataLabel="Desktop">{e.desktop && <Link to={`/desktops/${seg(e.desktop)}`}>{e.desktop}</Link>}<Reasons reasons={e.blocked} /></Td>
                    <Td isActionCell>
                      <Button variant="link" isDanger isDisabled={!may("DELETE /pools/{name}/entitlements/{user}") || !(e.direct || e.user.startsWith("group:"))} onClick={() => ask({
                        title: `Withdraw ${e.user} from ${name}?`, word: e.user, button: "Withdraw", done: `${e.user} may no longer use ${name}`,
                        text: <p>Their desktop of this pool is released: who is connected is disconnected.</p>,
                        run: async () => { await api.remove(`${path}/${seg(e.user)}`); refresh("user", "pool", "desktop"); },
                      })}>Withdraw</Button>
                    </Td>
                  </Tr>
                ))}
              </Tbody>
            </Table>
          ) : (
            <Nothing title="Nobody may use this pool">Entitle a user or a group above, or <Link to="/new-employee">set up a new employee</Link>.</Nothing>
          )
        }
      </Shown>
      {dialog}
      {rule && <EntitlementAccess pool={name} of={rule} close={() => setRule(undefined)} />}
    </Stack>
  );
}
