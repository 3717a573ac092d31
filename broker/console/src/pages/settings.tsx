// SPDX-License-Identifier: GPL-3.0-or-later
// What is of the whole site: tokens for programs, slowed logins, the bin, homes, and the configuration as a file.
import { Alert, Button, Form, Label, Modal, ModalBody, ModalFooter, ModalHeader, Stack, StackItem, Tab, Tabs, TabTitleText, TextArea } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState, type ComponentType } from "react";
import type { BinEntry, Home, Lockout, Token } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { navigate, useQuery } from "../router";
import { mib, Once, Page, Problem, useAction, useTabInSight, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { NumberField, SelectField, TextField } from "../ui/fields";
import { may } from "../ui/may";
import { DataTable, download } from "../ui/table";
import { GROUP_NAME } from "./groups";
import { Look } from "./look";
import { Providers } from "./providers";
import { Quotas } from "./quotas";
import { Tls } from "./tls";
import { word } from "../ui/words";

function NewToken({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState("readonly");
  const [days, setDays] = useState(90);
  const [made, setMade] = useState<{ token: string }>();
  const action = useAction();
  const create = () => action.run(async () => { setMade(await api.post<{ token: string }>("/tokens", { name, scope, expires_in_s: days * 86400 })); refresh("user"); });
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="token-title">
      <ModalHeader title={made ? `Token ${name}` : "Make a token"} labelId="token-title" />
      <ModalBody>
        {made ? <Once label="Token" secret={made.token} /> : (
          <Form id="token" onSubmit={(event) => { event.preventDefault(); void create(); }}>
            {action.error && <Problem error={action.error} />}
            <TextField label="Token name" value={name} set={setName} required autoFocus help="Which program it is for." error={name && !GROUP_NAME.test(name) ? "Small letters, digits and . _ -." : undefined} />
            <SelectField label="It may do what this role may" value={scope} set={setScope} options={["user", "readonly", "helpdesk", "operator", "admin"].map((r) => ({ value: r, label: word(r) }))} help="Never more than you." />
            <NumberField label="Ends after" unit="days" value={days} set={setDays} min={1} max={366} />
          </Form>
        )}
      </ModalBody>
      <ModalFooter>
        {made ? <Button onClick={close}>Done</Button> : (
          <>
            <Button type="submit" form="token" isDisabled={!GROUP_NAME.test(name) || action.busy}>Make</Button>
            <Button variant="link" onClick={close}>Cancel</Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  );
}

function Tokens() {
  const live = useList<Token>("/tokens", ["user"]);
  const [form, setForm] = useState(false);
  const [dialog, ask] = useConfirm();
  const end = (t: Token) =>
    ask({
      title: `End token ${t.name}?`, word: t.name, button: "End", done: `Token ${t.name} is ended`, text: <p>The program that uses it is refused from now on.</p>,
      run: async () => { await api.remove(`/tokens/${t.id}`); refresh("user"); },
    });
  return (
    <>
      <p className="pane-below"><Button onClick={() => setForm(true)}>Make a token</Button></p>
      <DataTable<Token>
        name="Tokens"
        live={live}
        rowKey={(t) => String(t.id)}
        columns={[
          { key: "name", title: "Name", value: (t) => t.name },
          { key: "user", title: "Of", value: (t) => t.user },
          { key: "scope", title: "May", value: (t) => t.scope, cell: (t) => word(t.scope) },
          { key: "made", title: "Made", value: (t) => t.created_at, cell: (t) => <When at={t.created_at} /> },
          { key: "used", title: "Last used", value: (t) => t.last_used_at, cell: (t) => <When at={t.last_used_at} /> },
          { key: "ends", title: "Ends", value: (t) => t.expires_at, cell: (t) => <When at={t.expires_at} /> },
        ]}
        rowActions={(t) => <Button variant="link" isInline isDanger onClick={() => end(t)}>End</Button>}
        empty={{ title: "No token yet", text: "Programs and scripts log in with a token: it has a name, a role and an end." }}
      />
      {form && <NewToken close={() => setForm(false)} />}
      {dialog}
    </>
  );
}

function Lockouts() {
  const live = useList<Lockout>("/lockouts", ["user", "audit"]);
  const action = useAction();
  const release = (l: Lockout) => action.run(async () => { await api.remove(`/lockouts/${seg(l.user || "-")}/${seg(l.source || "-")}`); live.reload(); }, "Released");
  return (
    <>
      {action.error && <Problem error={action.error} />}
      <DataTable<Lockout>
        name="Slowed logins"
        live={live}
        rowKey={(l) => `${l.user} ${l.source}`}
        columns={[
          { key: "user", title: "Account", value: (l) => l.user, cell: (l) => l.user || <span className="pane-quiet">every account</span> },
          { key: "source", title: "From", value: (l) => l.source },
          { key: "failures", title: "Failures", value: (l) => l.failures },
          { key: "last", title: "Last", value: (l) => l.last_at, cell: (l) => <When at={l.last_at} /> },
          { key: "wait", title: "Waits", value: (l) => l.wait_s, cell: (l) => `${l.wait_s} s` },
        ]}
        rowActions={may("DELETE /lockouts/{user}/{source}") ? (l) => <Button variant="link" isInline onClick={() => void release(l)}>Release</Button> : undefined}
        empty={{ title: "Nobody is slowed down", text: "Who fails to log in again and again waits longer and longer, from that address only." }}
      />
    </>
  );
}

function Bin() {
  const live = useList<BinEntry>("/bin", ["user", "desktop"]);
  const action = useAction();
  const restore = (x: BinEntry) =>
    action.run(async () => { await api.post(x.kind === "user" ? `/users/${seg(x.name)}/restore` : `/bin/${seg(x.name)}/restore`); refresh("user", "desktop"); }, `${x.name} is back`);
  const able = (x: BinEntry) => may(x.kind === "user" ? "POST /users/{name}/restore" : "POST /bin/{desktop}/restore");
  return (
    <>
      {action.error && <Problem error={action.error} />}
      <DataTable<BinEntry>
        name="Bin"
        live={live}
        rowKey={(x) => `${x.kind} ${x.name}`}
        columns={[
          { key: "name", title: "Name", value: (x) => x.name },
          { key: "kind", title: "What", value: (x) => x.kind, cell: (x) => <Label isCompact>{word(x.kind)}</Label> },
          { key: "user", title: "Of", value: (x) => x.user },
          { key: "reason", title: "Why", value: (x) => x.reason },
          { key: "since", title: "Since", value: (x) => x.since, cell: (x) => <When at={x.since} /> },
          { key: "delete", title: "Deleted for good", value: (x) => x.delete_at, cell: (x) => <When at={x.delete_at} /> },
        ]}
        rowActions={(x) => able(x) && <Button variant="link" isInline onClick={() => void restore(x)}>Restore</Button>}
        empty={{ title: "The bin is empty", text: "Who leaves lies here for a while, with their desktops, and can be brought back." }}
      />
    </>
  );
}

function Homes() {
  const live = useList<Home>("/homes", ["desktop", "user"]);
  const [dialog, ask] = useConfirm();
  const remove = (h: Home) =>
    ask({
      title: h.user ? `Delete the home of ${h.user} in ${h.pool}?` : `Delete nobody's home ${h.key}?`, word: h.user || h.key.slice(0, 8), button: "Delete", done: "The home is deleted", text: <p>Its files are gone for good.</p>,
      run: async () => { await api.remove(`/homes/${seg(h.key)}`); live.reload(); },
    });
  return (
    <>
      <DataTable<Home>
        name="Homes"
        live={live}
        rowKey={(h) => h.key}
        columns={[
          { key: "user", title: "Of", value: (h) => h.user },
          { key: "pool", title: "Pool", value: (h) => h.pool },
          { key: "state", title: "State", value: (h) => h.state, cell: (h) => (h.state === "left" ? `left: ${h.reason}` : word(h.state)) },
          { key: "used", title: "Takes", value: (h) => h.used_mib, cell: (h) => mib(h.used_mib) },
          { key: "size", title: "May take", value: (h) => h.mib, cell: (h) => (h.mib ? mib(h.mib) : "no limit") },
          { key: "host", title: "On", value: (h) => h.on_hosts.join(" ") },
          { key: "desktop", title: "In use by", value: (h) => h.desktop ?? "" },
        ]}
        rowActions={may("DELETE /homes/{key}") ? (h) => <Button variant="link" isInline isDanger isDisabled={!!h.desktop} onClick={() => remove(h)}>Delete</Button> : undefined}
        empty={{ title: "No home yet", text: "Pools with a home give each user files that outlive their desktop." }}
      />
      {dialog}
    </>
  );
}

type Applied = { items: { kind: string; name: string; action: string; changes?: unknown; message?: string }[] };

function Configuration() {
  const [text, setText] = useState("");
  const [preview, setPreview] = useState<Applied>();
  const action = useAction();
  const save = () => action.run(async () => download("pane.json", "application/json", `${JSON.stringify(await api.get("/export"), null, 2)}\n`));
  const body = () => {
    const value = JSON.parse(text);
    return { items: Array.isArray(value) ? value : value.items };
  };
  const look = () => action.run(async () => setPreview(await api.post<Applied>("/apply?dry_run=true", body())));
  const apply = () => action.run(async () => { await api.post("/apply", body()); setPreview(undefined); setText(""); refresh(); }, "Applied");
  const changes = (x: Applied["items"][number]) => x.message ?? (Array.isArray(x.changes) ? x.changes.join(", ") : x.changes ? JSON.stringify(x.changes) : "");
  return (
    <Stack hasGutter>
      {action.error && <StackItem><Problem error={action.error} /></StackItem>}
      <StackItem>
        <p>Pools and groups as one file, to keep or to bring to another site. <code>pane export</code> and <code>pane apply</code> do the same in YAML.</p>
        <p className="pane-above"><Button variant="secondary" onClick={() => void save()}>Save pools and groups</Button></p>
      </StackItem>
      {may("POST /apply") && (
        <StackItem>
          <label htmlFor="apply">Apply such a file</label>
          <TextArea id="apply" rows={8} value={text} onChange={(_, v) => { setText(v); setPreview(undefined); }} resizeOrientation="vertical" />
          <p className="pane-above">
            <Button variant="secondary" isDisabled={!text.trim() || action.busy} onClick={() => void look()}>Show what would change</Button>{" "}
            {preview && <Button isDisabled={action.busy} onClick={() => void apply()}>Apply</Button>}
          </p>
        </StackItem>
      )}
      {preview && (
        <StackItem>
          <Alert component="h2" isInline variant="info" title="Nothing is changed yet" />
          <Table aria-label="What would change" variant="compact">
            <Thead><Tr><Th>What</Th><Th>Name</Th><Th>Would</Th><Th>Changes</Th></Tr></Thead>
            <Tbody>
              {preview.items.map((x) => <Tr key={`${x.kind} ${x.name}`}><Td dataLabel="What">{word(x.kind)}</Td><Td dataLabel="Name">{x.name}</Td><Td dataLabel="Would">{word(x.action)}</Td><Td dataLabel="Changes">{changes(x)}</Td></Tr>)}
            </Tbody>
          </Table>
        </StackItem>
      )}
    </Stack>
  );
}

const TABS: [string, string, string, ComponentType][] = [
  ["tokens", "Tokens", "GET /tokens", Tokens],
  ["lockouts", "Slowed logins", "GET /lockouts", Lockouts],
  ["quotas", "Quotas", "GET /quotas", Quotas],
  ["providers", "Login providers", "GET /directory", Providers],
  ["tls", "TLS", "GET /gateways", Tls],
  ["look", "Name and look", "GET /branding", Look],
  ["bin", "Bin", "GET /bin", Bin],
  ["homes", "Homes", "GET /homes", Homes],
  ["configuration", "Configuration", "GET /export", Configuration],
];

export function Settings() {
  const [tab] = useQuery("tab", "tokens");
  useTabInSight(tab);
  return (
    <Page title="Settings" lead="What is of the whole site.">
      <Tabs activeKey={tab} onSelect={(_, key) => navigate(`/settings?tab=${String(key)}`)} aria-label="Settings">
        {TABS.filter(([, , call]) => may(call)).map(([key, title, , Body]) => (
          <Tab key={key} eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
            {tab === key && <div className="pane-above"><Body /></div>}
          </Tab>
        ))}
      </Tabs>
    </Page>
  );
}
