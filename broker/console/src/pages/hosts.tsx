// SPDX-License-Identifier: GPL-3.0-or-later
import { Alert, Button, ClipboardCopy, Form, Gallery, Modal, ModalBody, ModalFooter, ModalHeader, Stack } from "@patternfly/react-core";
import { useState } from "react";
import type { Host, HostCreated, Pool } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { Bar, duration, mib, Once, Page, plural, Problem, Shown, State, useAction, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { TextField } from "../ui/fields";
import { DataTable } from "../ui/table";
import { DesktopTable, Facts } from "./desktops";
import { may } from "../ui/may";
import { Usage } from "../ui/usage";
import { t } from "../ui/text";
import { word } from "../ui/words";

const HOST_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

function Memory({ host }: { host: Host }) {
  const used = host.memory_mib - host.memory_free_mib;
  return <Bar label={`${mib(used)} of ${mib(host.memory_mib)} in use`} whole={host.memory_mib} parts={[{ n: used, kind: host.memory_free_mib < host.memory_mib / 10 ? "warn" : "used" }]} />;
}

function kinds(h: Host) {
  const runs = [...(h.vm ? ["virtual machines"] : []), ...(h.container ? [t("containers")] : [])];
  return runs.length ? runs.join(", ") : t("nothing");
}

function Enrol({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [made, setMade] = useState<HostCreated>();
  const action = useAction();
  const create = () =>
    action.run(async () => {
      setMade(await api.post<HostCreated>("/hosts", { name }));
      refresh("host");
    });
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="enrol-title">
      <ModalHeader title={made ? `${made.name} may enrol` : "Enrol a host"} labelId="enrol-title" />
      <ModalBody>
        {made ? (
          <Stack hasGutter>
            <Once label="Enrolment token" secret={made.token} />
            <p>On {made.name}, within {duration(made.expires_in_s)}: install pane-host, set its broker's address, and give it the token.</p>
            <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel="Command">pane-host enroll --token - --config /etc/pane/host.conf</ClipboardCopy>
          </Stack>
        ) : (
          <Form id="enrol" onSubmit={(event) => { event.preventDefault(); void create(); }}>
            {action.error && <Problem error={action.error} />}
            <TextField label="Name" value={name} set={setName} required autoFocus help="What the machine is called here. A token is made that is good once and for an hour." error={name && !HOST_NAME.test(name) ? "Small letters, digits, dots and dashes." : undefined} />
          </Form>
        )}
      </ModalBody>
      <ModalFooter>
        {made ? <Button onClick={close}>Done</Button> : (
          <>
            <Button type="submit" form="enrol" isDisabled={!HOST_NAME.test(name) || action.busy}>Make token</Button>
            <Button variant="link" onClick={close}>Cancel</Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  );
}

function Drain({ host, close }: { host: Host; close: () => void }) {
  const [reason, setReason] = useState("");
  const action = useAction();
  const spare = host.desktops - host.assigned;
  const drain = async () => {
    if (await action.run(async () => { await api.post(`/hosts/${seg(host.name)}/drain`, { reason: reason.trim() }); refresh("host", "pool", "desktop"); }, `${host.name} gets no new desktops`)) close();
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="drain-title">
      <ModalHeader title={`Drain ${host.name}?`} labelId="drain-title" />
      <ModalBody>
        <Form id="drain" onSubmit={(event) => { event.preventDefault(); void drain(); }}>
          {action.error && <Problem error={action.error} />}
          <p>
            It gets no new desktops. {plural(spare, "spare desktop")} of it {spare === 1 ? "moves" : "move"} where another host takes them;
            people keep {plural(host.assigned, "desktop")} of theirs here until their sessions end, and dedicated ones stay.
          </p>
          <TextField label="Reason" value={reason} set={setReason} autoFocus help="Shown wherever a desktop is not placed here." error={reason.length > 200 ? "At most 200 characters." : undefined} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="drain" isDisabled={reason.length > 200 || action.busy} isLoading={action.busy}>Drain</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}

/** What is left on a host that is drained, and what is to be done about it. */
function Drained({ host }: { host: Host }) {
  const spare = host.desktops - host.assigned;
  const parts = [
    ...(host.assigned ? [`${plural(host.assigned, "desktop")} of people here: they end with their sessions, or by release or delete below`] : []),
    ...(spare ? [`${plural(spare, "spare desktop")} on the way elsewhere, or staying because no other host takes them: their pools say why`] : []),
  ];
  return (
    <Alert component="h2" variant={host.desktops ? "warning" : "success"} isInline
      title={host.desktops ? "Drained for maintenance: no new desktops" : "Empty: it may be switched off"}>
      <p>{host.drain_reason || "No reason was given."}</p>
      {host.drained_by && <p className="pane-quiet">by {host.drained_by}, <When at={host.drained_at} /></p>}
      {parts.length > 0 && <ul className="pane-reasons">{parts.map((text) => <li key={text}>{text}.</li>)}</ul>}
    </Alert>
  );
}

export function Hosts() {
  const live = useList<Host>("/hosts", ["host", "desktop"]);
  const [form, setForm] = useQuery("form");
  return (
    <Page title="Hosts" lead="The machines desktops run on." actions={may("POST /hosts") && <Button onClick={() => setForm("enrol")}>Enrol a host</Button>}>
      <DataTable<Host>
        name="Hosts"
        live={live}
        rowKey={(h) => h.name}
        columns={[
          { key: "name", title: "Name", value: (h) => h.name, cell: (h) => <Link to={`/hosts/${encodeURIComponent(h.name)}`}>{h.name}</Link> },
          { key: "state", title: "State", value: (h) => h.state, cell: (h) => <State of={h.state} /> },
          { key: "memory", title: "Memory", value: (h) => h.memory_free_mib, cell: (h) => <Memory host={h} /> },
          { key: "free", title: "Free", value: (h) => h.memory_free_mib, cell: (h) => mib(h.memory_free_mib) },
          { key: "cpus", title: "Processors", value: (h) => h.cpus },
          { key: "desktops", title: "Desktops", value: (h) => h.desktops },
          { key: "runs", title: "Runs", value: kinds },
          { key: "seen", title: "Heard from", value: (h) => h.last_sync_s ?? null, cell: (h) => h.last_sync_s == null ? "never" : `${duration(h.last_sync_s)} ago` },
        ]}
        choices={[{ key: "state", title: "State", value: (h) => h.state }]}
        empty={{ title: "No host yet", text: "Desktops run on hosts. Make a token here and give it to pane-host on the machine.", action: may("POST /hosts") && <Button onClick={() => setForm("enrol")}>Enrol the first host</Button> }}
      />
      {form === "enrol" && <Enrol close={() => setForm("")} />}
    </Page>
  );
}

/** What each pool says it cannot do here, from the refusals the server keeps. */
function Refusals({ host }: { host: Host }) {
  const pools = useList<Pool>("/pools", ["pool"]);
  const said = (pools.data ?? []).flatMap((p) => p.blocked.filter((text) => text.includes(host.name)).map((text) => [p.name, text] as const));
  return (
    <Facts title="Why not here" facts={[
      ...(host.vm ? [] : [["Virtual machines", host.vm_why || "not taken"] as [string, string]]),
      ...(host.container ? [] : [["Containers", host.container_why || "not taken"] as [string, string]]),
      ...said.map(([pool, text]) => [`Pool ${pool}`, text] as [string, string]),
      ...(host.vm && host.container && !said.length ? [["Nothing", "no pool was refused by this host"] as [string, string]] : []),
    ]} />
  );
}

export function HostPage({ name }: { name: string }) {
  const path = `/hosts/${seg(name)}`;
  const live = useItem<Host>(path, ["host", "desktop"]);
  const [dialog, ask] = useConfirm();
  const [draining, setDraining] = useState(false);
  const action = useAction();
  const back = () => action.run(async () => { await api.post(`${path}/undrain`); refresh("host", "pool", "desktop"); }, `${name} may have desktops again`);
  const h = live.data;
  return (
    <Page
      title={name}
      crumb={["/hosts", "Hosts"]}
      lead={h && <State of={h.state} />}
      actions={h && <>
        {may("POST /hosts/{name}/drain") && (h.maintenance
          ? <Button variant="secondary" onClick={() => void back()} isDisabled={action.busy}>Bring back</Button>
          : <Button variant="secondary" onClick={() => setDraining(true)}>Drain</Button>)}
        {may("DELETE /hosts/{name}") && <Button variant="danger" onClick={() => ask({
          title: `Remove host ${name}?`, word: name, button: "Remove", done: `${name} is removed`,
          text: <p>Its certificate is refused from now on.{h.desktops > 0 && <> <strong>The disks of its {h.desktops} desktops are given up.</strong></>}</p>,
          run: async () => { await api.remove(`${path}${h.desktops ? "?force=true" : ""}`); refresh("host", "desktop"); navigate("/hosts"); },
        })}>Remove</Button>}
      </>}
    >
      <Shown live={live} what={name}>
        {(host) => (
          <Stack hasGutter>
            {action.error && <Problem error={action.error} />}
            {host.maintenance && <Drained host={host} />}
            <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
              <Facts title="Machine" facts={[
                ["Address", host.address ?? "unknown"],
                ["Processors", host.cpus],
                ["Memory", <><Memory host={host} /> {mib(host.memory_free_mib)} of {mib(host.memory_mib)} free{host.memory_available_mib != null && `; ${mib(host.memory_available_mib)} measured`}</>],
                ["Disk free", mib(host.disk_free_mib)],
                ["KVM", word(host.kvm)],
                ["Runs", kinds(host)],
                ["Limits by", [host.limits || "nothing", ...(host.container && host.container_why ? [host.container_why] : [])].join(": ")],
                ["Images", host.images.join(", ") || "none"],
              ]} />
              <Refusals host={host} />
            </Gallery>
            <Usage of={path} host />
            <DesktopTable name={`Desktops on ${name}`} fixed={{ host: name }} empty={{ title: "No desktop here" }} />
          </Stack>
        )}
      </Shown>
      {draining && h && <Drain host={h} close={() => setDraining(false)} />}
      {dialog}
    </Page>
  );
}
