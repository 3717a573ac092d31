// SPDX-License-Identifier: GPL-3.0-or-later
import { Alert, Button, Card, CardBody, CardTitle, Form, FormSelect, FormSelectOption, Gallery, Modal, ModalBody, ModalFooter, ModalHeader, Split, SplitItem, Stack } from "@patternfly/react-core";
import { useState } from "react";
import type { Desktop, LoginList, Pool, Session, User, Welcome as WelcomeAnswer } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { Nothing, Once, Page, Problem, Shown, State, useAction, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { SelectField, TextField } from "../ui/fields";
import { LoginRows } from "../portal/logins";
import { DataTable, type ServerPage } from "../ui/table";
import { dangerOf, Facts } from "./desktops";
import { RolesCard } from "./roles";
import { welcomeLink } from "./welcome";
import { may } from "../ui/may";
import { word } from "../ui/words";

export const USER_NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const ROLES = [
  { value: "user", label: "User: their own desktops" },
  { value: "readonly", label: "Read-only: sees everything, changes nothing" },
  { value: "helpdesk", label: "Help desk: helps people into their desktops" },
  { value: "operator", label: "Operator: runs pools and people" },
  { value: "admin", label: "Administrator: everything" },
];

/** 96 bits as text that is easy to read out: no 0, o, 1, l or i. */
export function makePassword() {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  const bytes = crypto.getRandomValues(new Uint8Array(64));
  const picked = [...bytes].filter((b) => b < letters.length * 8).map((b) => letters[b % letters.length]);
  return picked.slice(0, 20).join("").replace(/(.{5})(?=.)/g, "$1-");
}

function Create({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("user");
  const [made, setMade] = useState<User>();
  const action = useAction();
  const create = () =>
    action.run(async () => {
      setMade(await api.post<User>("/users", { name, role }));
      refresh("user");
    });
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="create-title">
      <ModalHeader title={made ? `${made.name} is created` : "Create user"} labelId="create-title" />
      <ModalBody>
        {made?.password ? (
          <Once label={`Password of ${made.name}`} secret={made.password} />
        ) : (
          <Form id="create-user" onSubmit={(event) => { event.preventDefault(); void create(); }}>
            {action.error && <Problem error={action.error} />}
            <TextField label="User name" value={name} set={setName} required autoFocus help="A password is generated and shown once." error={name && !USER_NAME.test(name) ? "Small letters, digits and . _ @ -; it begins with a letter or digit." : undefined} />
            <SelectField label="Role" value={role} set={setRole} options={ROLES} />
          </Form>
        )}
      </ModalBody>
      <ModalFooter>
        {made ? (
          <Button onClick={close}>Done</Button>
        ) : (
          <>
            <Button type="submit" form="create-user" isDisabled={!USER_NAME.test(name) || action.busy}>Create</Button>
            <Button variant="link" onClick={close}>Cancel</Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  );
}

export function Users() {
  const live = useList<User>("/users", ["user"]);
  const [form, setForm] = useQuery("form");
  return (
    <Page
      title="Users"
      lead="Accounts and what they may use."
      actions={may("POST /users") && <><Button onClick={() => navigate("/new-employee")}>New employee</Button><Button variant="secondary" onClick={() => setForm("create")}>Create user</Button><Button variant="secondary" onClick={() => navigate("/import")}>Import a list</Button></>}
    >
      <DataTable<User>
        name="Users"
        live={live}
        rowKey={(u) => u.name}
        columns={[
          { key: "name", title: "Name", value: (u) => u.name, cell: (u) => <Link to={`/users/${encodeURIComponent(u.name)}`}>{u.name}</Link> },
          { key: "full", title: "Full name", value: (u) => u.full_name ?? "" },
          { key: "role", title: "Role", value: (u) => u.role, cell: (u) => word(u.role) },
          { key: "groups", title: "Groups", value: (u) => u.groups.join(" "), cell: (u) => u.groups.map((g, i) => <span key={g}>{i > 0 && ", "}<Link to={`/groups/${seg(g)}`}>{g}</Link></span>) },
          { key: "state", title: "State", value: (u) => (u.disabled ? "disabled" : "enabled"), cell: (u) => <State of={u.disabled ? "disabled" : "enabled"} /> },
          { key: "pools", title: "Pools", value: (u) => u.pools.join(" "), cell: (u) => u.pools.length ? u.pools.map((p, i) => <span key={p}>{i > 0 && ", "}<Link to={`/pools/${encodeURIComponent(p)}`}>{p}</Link></span>) : <span className="pane-quiet">none</span> },
          { key: "last", title: "Last login", value: (u) => u.last_login_at, cell: (u) => <When at={u.last_login_at} /> },
        ]}
        choices={[
          { key: "role", title: "Role", value: (u) => u.role },
          { key: "state", title: "State", value: (u) => (u.disabled ? "disabled" : "enabled") },
        ]}
        empty={{ title: "No user yet" }}
      />
      {form === "create" && <Create close={() => setForm("")} />}
    </Page>
  );
}

export function UserPage({ name }: { name: string }) {
  const path = `/users/${seg(name)}`;
  const live = useItem<User>(path, ["user"]);
  const desktops = useItem<ServerPage<Desktop>>(`/desktops?sort=name&limit=100&user=${seg(name)}`, ["desktop", "session"]);
  const sessions = useList<Session>("/sessions", ["session"]);
  const logins = useItem<LoginList>(may("GET /users/{name}/logins") ? `${path}/logins` : null, ["user"]);
  const [link, setLink] = useState<string>();
  const pools = useList<Pool>("/pools", ["pool"]);
  const [pool, setPool] = useState("");
  const [secret, setSecret] = useState<string>();
  const [dialog, ask] = useConfirm();
  const action = useAction();
  const u = live.data;
  const change = (body: object, done: string) => action.run(async () => { await api.patch(path, body); refresh("user", "desktop", "session"); }, done);
  const welcome = () =>
    ask({
      title: `Welcome link for ${name}?`, button: "Make a link",
      text: <p>It sets a new password, once, within 7 days; links made before are void. The password now stays good until then.</p>,
      run: async () => setLink(welcomeLink((await api.post<WelcomeAnswer>(`${path}/welcome`)).welcome)),
    });
  const logOut = () =>
    ask({
      title: `Log ${name} out everywhere?`, button: "Log out", done: `${name} is logged out everywhere`,
      text: <p>Every browser and program {name} is logged in with is asked again who it is. Sessions on desktops go on.</p>,
      run: async () => { await api.remove(`${path}/logins`); logins.reload(); },
    });
  const logOff = (s: Session) =>
    ask({
      title: `Log ${name} off ${s.desktop}?`, word: name, button: "Log off", done: `${name} is logged off`,
      text: <p>Unsaved work is lost. A floating desktop is then made new, a dedicated one restarted.</p>,
      run: async () => { await api.remove(`/sessions/${seg(s.id)}`); refresh("session", "desktop"); },
    });
  const reset = () =>
    ask({
      title: `New password for ${name}?`, button: "Make a new password",
      text: <p>The old one ends at once, and with it every login of {name}.</p>,
      run: async () => {
        const password = makePassword();
        await api.patch(path, { password });
        setSecret(password);
      },
    });
  const entitle = async () => {
    if (await action.run(() => api.post(`/pools/${seg(pool)}/entitlements`, { user: name }), `${name} may use ${pool}`)) {
      setPool("");
      refresh("user", "pool");
    }
  };
  return (
    <Page
      title={name}
      crumb={["/users", "Users"]}
      lead={u && <State of={u.disabled ? "disabled" : "enabled"} />}
      actions={
        u && may("PATCH /users/{name}") && (
          <>
            {may("POST /users/{name}/welcome") && <Button variant="secondary" onClick={welcome}>Welcome link</Button>}
            <Button variant="secondary" onClick={reset}>New password</Button>
            {u.disabled ? (
              <Button variant="secondary" isDisabled={action.busy} onClick={() => void change({ disabled: false }, `${name} may log in again`)}>Enable</Button>
            ) : (
              <Button variant="secondary" onClick={() => ask({
                title: `Disable ${name}?`, word: name, button: "Disable", done: `${name} is disabled`,
                text: <p>Their logins and tickets end. Desktops and files stay.</p>,
                run: async () => { await api.patch(path, { disabled: true }); refresh("user", "session"); },
              })}>Disable</Button>
            )}
            {may("DELETE /users/{name}") && <Button variant="danger" onClick={() => ask({
              title: `Delete ${name}?`, word: name, button: "Delete", done: `${name} is deleted`,
              text: <p>The account ends and its desktops are released: dedicated ones are made new.</p>,
              run: async () => { await api.remove(path); refresh("user", "desktop"); navigate("/users"); },
            })}>Delete</Button>}
          </>
        )
      }
    >
      <Shown live={live} what={name}>
        {(user) => {
          const mine = desktops.data?.items ?? [];
          const live = (sessions.data ?? []).filter((s) => s.user === name);
          const rest = (pools.data ?? []).filter((p) => !user.pools.includes(p.name));
          return (
            <Stack hasGutter>
              {action.error && <Problem error={action.error} />}
              {link && <Once label={`Welcome link for ${name}`} secret={link} />}
              {secret && <Once label={`Password of ${name}`} secret={secret} />}
              {user.disabled && <Alert component="h2" variant="warning" isInline title="This account cannot log in" />}
              <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
                <Facts title="Account" facts={[
                  ...(user.full_name ? [["Full name", user.full_name] as [string, string]] : []),
                  ...(user.email ? [["E-mail", user.email] as [string, string]] : []),
                  ["Role", may("POST /hosts") ? (
                    <FormSelect aria-label="Role" value={user.role} isDisabled={action.busy} onChange={(_, role) => void change({ role }, `${name} is ${word(role)} now`)}>
                      {ROLES.map((r) => <FormSelectOption key={r.value} value={r.value} label={r.label} />)}
                    </FormSelect>
                  ) : word(user.role)],
                  ["Groups", user.groups.length ? user.groups.map((g, i) => <span key={g}>{i > 0 && ", "}<Link to={`/groups/${seg(g)}`}>{g}</Link></span>) : "none"],
                  ["Created", <When at={user.created_at} />],
                  ["Last login", <When at={user.last_login_at} />],
                  ["Trail", <Link to={`/audit?q=${encodeURIComponent(name)}`}>in the audit</Link>],
                ]} />
                <Facts title="Desktops" facts={mine.length
                  ? mine.map((d) => [d.name, (
                    <>
                      <State of={d.state} /> <Link to={`/desktops/${seg(d.name)}`}>open</Link>{" "}
                      {may("POST /desktops/{name}/restart") && <Button variant="link" isInline onClick={() => ask(dangerOf("restart", [d]))}>restart</Button>}
                    </>
                  )])
                  : [["None", "a desktop is given at the first connection"]]} />
                <Facts title="Sessions" facts={live.length
                  ? live.map((s) => [s.desktop, (
                    <>
                      <State of={s.state} /> {s.protocol} from {(s.client ?? "").replace(/:\d+$/, "")}{" "}
                      {may("DELETE /sessions/{id}") && <Button variant="link" isInline isDanger onClick={() => logOff(s)}>log off</Button>}
                    </>
                  )])
                  : [["None", "not on a desktop now"]]} />
                <Facts title="May use" facts={user.pools.length
                  ? user.pools.map((p) => [p, (
                    <>
                      <Link to={`/pools/${encodeURIComponent(p)}`}>open</Link>{" "}
                      <Button variant="link" isInline isDanger isDisabled={!may("DELETE /pools/{name}/entitlements/{user}")} onClick={() => ask({
                        title: `Withdraw ${p} from ${name}?`, word: name, button: "Withdraw", done: `${name} may no longer use ${p}`,
                        text: <p>Their desktop of this pool is released.</p>,
                        run: async () => { await api.remove(`/pools/${seg(p)}/entitlements/${seg(name)}`); refresh("user", "desktop", "pool"); },
                      })}>withdraw</Button>
                    </>
                  )])
                  : [["Nothing", "choose a pool below"]]} />
              </Gallery>
              {rest.length > 0 && may("POST /pools/{name}/entitlements") && (
                <Form onSubmit={(event) => { event.preventDefault(); void entitle(); }}>
                  <Split hasGutter>
                    <SplitItem>
                      <FormSelect aria-label="Pool to entitle" value={pool} onChange={(_, v) => setPool(v)}>
                        <FormSelectOption value="" label="Choose a pool" />
                        {rest.map((p) => <FormSelectOption key={p.name} value={p.name} label={p.name} />)}
                      </FormSelect>
                    </SplitItem>
                    <SplitItem><Button type="submit" isDisabled={!pool || action.busy}>Entitle</Button></SplitItem>
                  </Split>
                </Form>
              )}
              <RolesCard user={user} />
              {logins.data && logins.data.items.length > 0 && (
                <Card>
                  <CardTitle component="h2">Logged in</CardTitle>
                  <CardBody>
                    <LoginRows items={logins.data.items} />
                    <p className="pane-above"><Button variant="secondary" onClick={logOut}>Log out everywhere</Button></p>
                  </CardBody>
                </Card>
              )}
              {pools.data && !pools.data.length && <Nothing title="There is no pool yet" action={<Link to="/pools/new">Create one</Link>} />}
            </Stack>
          );
        }}
      </Shown>
      {dialog}
    </Page>
  );
}
