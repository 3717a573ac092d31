// SPDX-License-Identifier: GPL-3.0-or-later
// Groups: people who are entitled together.
import { Alert, Button, Form, FormSelect, FormSelectOption, Gallery, Modal, ModalBody, ModalFooter, ModalHeader, Split, SplitItem, Stack, StackItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState } from "react";
import type { Group, Pool, User } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { Nothing, Page, plural, Problem, Shown, useAction, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { TextField } from "../ui/fields";
import { may } from "../ui/may";
import { DataTable } from "../ui/table";
import { Facts } from "./desktops";

export const GROUP_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

function Create({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const action = useAction();
  const create = async () => {
    if (await action.run(() => api.post("/groups", { name, ...(description ? { description } : {}) }), `Group ${name} is created`)) {
      refresh("user");
      navigate(`/groups/${seg(name)}`);
    }
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="group-title">
      <ModalHeader title="Create group" labelId="group-title" />
      <ModalBody>
        <Form id="create-group" onSubmit={(event) => { event.preventDefault(); void create(); }}>
          {action.error && <Problem error={action.error} />}
          <TextField label="Group name" value={name} set={setName} required autoFocus error={name && !GROUP_NAME.test(name) ? "Small letters, digits and . _ -; it begins with a letter or digit." : undefined} />
          <TextField label="Description" value={description} set={setDescription} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="create-group" isDisabled={!GROUP_NAME.test(name) || action.busy}>Create</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}

export function Groups() {
  const live = useList<Group>("/groups", ["user", "pool"]);
  const [form, setForm] = useQuery("form");
  return (
    <Page title="Groups" lead="People who are entitled together: a department, a class, a project." actions={may("POST /groups") && <Button onClick={() => setForm("create")}>Create group</Button>}>
      <DataTable<Group>
        name="Groups"
        live={live}
        rowKey={(g) => g.name}
        columns={[
          { key: "name", title: "Name", value: (g) => g.name, cell: (g) => <Link to={`/groups/${seg(g.name)}`}>{g.name}</Link> },
          { key: "description", title: "Description", value: (g) => g.description },
          { key: "members", title: "Members", value: (g) => g.members },
          { key: "pools", title: "Pools", value: (g) => g.pools.join(" "), cell: (g) => g.pools.length ? g.pools.join(", ") : <span className="pane-quiet">none</span> },
        ]}
        empty={{ title: "No group yet", text: "Entitle a group to a pool once, and who joins it gets a desktop.", action: may("POST /groups") && <Button onClick={() => setForm("create")}>Create the first group</Button> }}
      />
      {form === "create" && <Create close={() => setForm("")} />}
    </Page>
  );
}

/** A name to pick of a list, and a button that does something with it. */
function Picker({ label, names, none, button, run }: { label: string; names: string[]; none: string; button: string; run: (name: string) => Promise<boolean> }) {
  const [name, setName] = useState("");
  const go = async () => {
    if (await run(name)) setName("");
  };
  return (
    <Form onSubmit={(event) => { event.preventDefault(); void go(); }}>
      <Split hasGutter>
        <SplitItem>
          <FormSelect aria-label={label} value={name} onChange={(_, v) => setName(v)}>
            <FormSelectOption value="" label={names.length ? label : none} />
            {names.map((n) => <FormSelectOption key={n} value={n} label={n} />)}
          </FormSelect>
        </SplitItem>
        <SplitItem><Button type="submit" variant="secondary" isDisabled={!name}>{button}</Button></SplitItem>
      </Split>
    </Form>
  );
}

export function GroupPage({ name }: { name: string }) {
  const path = `/groups/${seg(name)}`;
  const live = useItem<Group>(path, ["user", "pool"]);
  const users = useList<User>("/users", ["user"]);
  const pools = useList<Pool>("/pools", ["pool"]);
  const action = useAction();
  const [dialog, ask] = useConfirm();
  const add = (user: string) => action.run(async () => { await api.post(`${path}/members`, { user }); refresh("user", "pool"); }, `${user} is in ${name}`);
  const entitle = (pool: string) => action.run(async () => { await api.post(`/pools/${seg(pool)}/entitlements`, { user: `group:${name}` }); refresh("user", "pool"); }, `${name} may use ${pool}`);
  const out = (user: string) =>
    ask({
      title: `Take ${user} out of ${name}?`, button: "Take out", word: user, done: `${user} is no longer in ${name}`,
      text: <p>What they may use through this group alone ends; a desktop they have of it goes to the bin and can be restored for a while.</p>,
      run: async () => { await api.remove(`${path}/members/${seg(user)}`); refresh("user", "pool", "desktop"); },
    });
  const withdraw = (pool: string) =>
    ask({
      title: `Withdraw ${pool} from ${name}?`, button: "Withdraw", word: name, done: `${name} may no longer use ${pool}`,
      text: <p>Who may use it through this group alone loses their desktop of it: it goes to the bin and can be restored for a while.</p>,
      run: async () => { await api.remove(`/pools/${seg(pool)}/entitlements/${seg(`group:${name}`)}`); refresh("user", "pool", "desktop"); },
    });
  return (
    <Page
      title={name}
      crumb={["/groups", "Groups"]}
      lead={live.data?.description}
      actions={live.data && may("DELETE /groups/{name}") && (
        <Button variant="danger" onClick={() => ask({
          title: `Delete group ${name}?`, word: name, button: "Delete", done: `Group ${name} is deleted`,
          text: <p>Its members stay; what they may use through it alone ends.</p>,
          run: async () => { await api.remove(path); refresh("user", "pool"); navigate("/groups"); },
        })}>Delete</Button>
      )}
    >
      <Shown live={live} what={name}>
        {(group) => {
          const members = group.users ?? [];
          return (
            <Stack hasGutter>
              {action.error && <StackItem><Problem error={action.error} /></StackItem>}
              <StackItem>
                <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
                  <Facts title="Group" facts={[["Members", group.members], ["Created", <When at={group.created_at} />], ["Trail", <Link to={`/audit?q=${seg(name)}`}>in the audit</Link>]]} />
                  <Facts title="May use" facts={group.pools.length
                    ? group.pools.map((p) => [p, <><Link to={`/pools/${seg(p)}`}>open</Link>{" "}<Button variant="link" isInline isDanger isDisabled={!may("DELETE /pools/{name}/entitlements/{user}")} onClick={() => withdraw(p)}>withdraw</Button></>])
                    : [["Nothing", "choose a pool below"]]} />
                </Gallery>
              </StackItem>
              {may("POST /pools/{name}/entitlements") && (
                <StackItem><Picker label="Pool to entitle" none="Every pool is entitled" names={(pools.data ?? []).map((p) => p.name).filter((p) => !group.pools.includes(p))} button="Entitle" run={entitle} /></StackItem>
              )}
              {may("POST /groups/{name}/members") && (
                <StackItem><Picker label="User to add" none="Everybody is in it" names={(users.data ?? []).map((u) => u.name).filter((u) => !members.includes(u))} button="Add" run={add} /></StackItem>
              )}
              <StackItem>
                {members.length ? (
                  <Table aria-label="Members" variant="compact">
                    <Thead><Tr><Th>{plural(members.length, "member")}</Th><Th screenReaderText="Actions" /></Tr></Thead>
                    <Tbody>
                      {members.map((u) => (
                        <Tr key={u}>
                          <Td dataLabel="Member"><Link to={`/users/${seg(u)}`}>{u}</Link></Td>
                          <Td isActionCell><Button variant="link" isInline isDanger isDisabled={!may("DELETE /groups/{name}/members/{user}")} onClick={() => out(u)}>Take out</Button></Td>
                        </Tr>
                      ))}
                    </Tbody>
                  </Table>
                ) : (
                  <Nothing title="Nobody is in this group">Add a user above, <Link to="/import">import a list</Link>, or <Link to="/new-employee">set up a new employee</Link>.</Nothing>
                )}
              </StackItem>
              {group.members > members.length && <Alert component="h2" variant="info" isInline title={`${members.length} of ${group.members} members are shown`} />}
            </Stack>
          );
        }}
      </Shown>
      {dialog}
    </Page>
  );
}
