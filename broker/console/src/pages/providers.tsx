// SPDX-License-Identifier: GPL-3.0-or-later
// Where people come from besides this server's own accounts: the directory and the login provider, how they do, and a
// test of each that goes step by step until the first that fails.
import { Alert, Button, Card, CardBody, CardTitle, Form, List, ListItem, Stack, StackItem } from "@patternfly/react-core";
import { useState, type ReactNode } from "react";
import type { Directory as DirectoryState, DirectoryTest, LoginWays } from "#schema";
import { api } from "../api/client";
import { refresh, useItem } from "../api/live";
import { duration, Loading, Nothing, Problem, State, useAction, When } from "../ui/common";
import { TextField } from "../ui/fields";
import { may } from "../ui/may";
import { Facts } from "./desktops";

function Steps({ test }: { test: DirectoryTest }) {
  return (
    <Alert component="h3" isInline variant={test.ok ? "success" : "danger"} title={test.ok ? "Every step went well" : "It fails at the last step shown"}>
      <List isPlain>
        {test.steps.map((x, i) => <ListItem key={i}><State of={x.ok ? "ok" : "failed"} /> {x.step}: {x.detail}</ListItem>)}
      </List>
    </Alert>
  );
}

function TryDirectory() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [result, setResult] = useState<DirectoryTest>();
  const action = useAction();
  const go = () =>
    action.run(async () => {
      setResult(undefined);
      setResult(await api.post<DirectoryTest>("/directory/test", { ...(user ? { user } : {}), ...(user && password ? { password } : {}) }));
      setPassword("");
    });
  return (
    <Card>
      <CardTitle component="h2">Try the directory</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => { event.preventDefault(); void go(); }}>
          {action.error && <Problem error={action.error} />}
          <TextField label="Also look for this user" value={user} set={setUser} help="Nothing is changed by a test." />
          <TextField label="And check this password" type="password" value={password} set={setPassword} off={!user} help="It is kept nowhere." />
          <p><Button type="submit" variant="secondary" isDisabled={action.busy} isLoading={action.busy}>Test the directory</Button></p>
          {result && <Steps test={result} />}
        </Form>
      </CardBody>
    </Card>
  );
}

function Directory({ state: d }: { state: DirectoryState }) {
  const action = useAction();
  const compare = () => action.run(async () => { await api.post("/directory/sync"); refresh("user"); }, "The directory is being read");
  return (
    <Stack hasGutter>
      {d.error && <StackItem><Alert component="h3" isInline variant="warning" title="The last comparison failed">{d.error}</Alert></StackItem>}
      {action.error && <StackItem><Problem error={action.error} /></StackItem>}
      <StackItem>
        <Facts title="Directory" facts={[
          ["Address", <code>{d.uri}</code>],
          ["Users below", <code>{d.user_base}</code>],
          ["That match", <code>{d.user_filter}</code>],
          ["Groups below", d.group_base ? <code>{d.group_base}</code> : "none are brought over"],
          ["Compared", d.sync_s ? `every ${duration(d.sync_s)}` : "only when asked for"],
          ["Last compared", <When at={d.at} />],
          ["Last went well", <When at={d.ok_at} />],
          ["Brought over", `${d.users ?? 0} users, ${d.groups ?? 0} groups`],
          ...(d.skipped?.length ? [["Left out", <List isPlain>{d.skipped.slice(0, 20).map((x) => <ListItem key={x.dn}><code>{x.dn}</code>: {x.why}</ListItem>)}</List>] as [string, ReactNode]] : []),
        ]} />
      </StackItem>
      {may("POST /directory/sync") && <StackItem><Button variant="secondary" isDisabled={action.busy} onClick={() => void compare()}>Compare now</Button></StackItem>}
      {may("POST /directory/test") && <StackItem><TryDirectory /></StackItem>}
    </Stack>
  );
}

function Oidc({ ways }: { ways: LoginWays }) {
  const [result, setResult] = useState<DirectoryTest>();
  const action = useAction();
  const go = () => action.run(async () => { setResult(undefined); setResult(await api.post<DirectoryTest>("/oidc/test")); });
  if (!ways.oidc)
    return <Nothing title="No login provider">A section [oidc] in pane-broker.conf offers one (OpenID Connect) on the login page.</Nothing>;
  return (
    <Card>
      <CardTitle component="h2">Login provider</CardTitle>
      <CardBody>
        <p>The login page offers “{ways.oidc.name}” (OpenID Connect). A test reads its description and its keys, and tries the secret of this server.</p>
        {may("POST /oidc/test") && <p className="pane-above pane-below"><Button variant="secondary" isDisabled={action.busy} isLoading={action.busy} onClick={() => void go()}>Test the login provider</Button></p>}
        {action.error && <Problem error={action.error} />}
        {result && <Steps test={result} />}
      </CardBody>
    </Card>
  );
}

export function Providers() {
  const directory = useItem<DirectoryState>("/directory", ["user"]);
  const ways = useItem<LoginWays>("/login", []);
  const none = directory.error?.status === 409;
  return (
    <Stack hasGutter>
      <StackItem>
        {ways.data ? <Oidc ways={ways.data} /> : ways.error ? <Problem error={ways.error} retry={ways.reload} /> : <Loading what="the login provider" />}
      </StackItem>
      <StackItem>
        {directory.data && <Directory state={directory.data} />}
        {none && <Nothing title="No directory">A section [directory] in pane-broker.conf brings users and groups over from LDAP or Active Directory.</Nothing>}
        {directory.error && !none && <Problem error={directory.error} retry={directory.reload} />}
        {!directory.data && !directory.error && <Loading what="the directory" />}
      </StackItem>
    </Stack>
  );
}
