// SPDX-License-Identifier: GPL-3.0-or-later
import { Button, ClipboardCopy, Form, Gallery, Modal, ModalBody, ModalFooter, ModalHeader, Stack } from "@patternfly/react-core";
import { useState } from "react";
import type { Host, HostCreated, Pool } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useItem, useList } from "../api/live";
import { Link, navigate, useQuery } from "../router";
import { Bar, duration, mib, Once, Page, Problem, Shown, State, useAction } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { TextField } from "../ui/fields";
import { DataTable } from "../ui/table";
import { DesktopTable, Facts } from "./desktops";
import { may } from "../ui/may";

const HOST_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

function Memory({ host }: { host: Host }) {
  const used = host.memory_mib - host.memory_free_mib;
  return <Bar label={`${mib(used)} of ${mib(host.memory_mib)} in use`} whole={host.memory_mib} parts={[{ n: used, kind: host.memory_free_mib < host.memory_mib / 10 ? "warn" : "used" }]} />;
}

function kinds(h: Host) {
  const runs = [...(h.vm ? ["virtual machines"] : []), ...(h.container ? ["containers"] : [])];
  return runs.length ? runs.join(", ") : "nothing";
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
  const h = live.data;
  return (
    <Page
      title={name}
      crumb={["/hosts", "Hosts"]}
      lead={h && <State of={h.state} />}
      actions={h && may("DELETE /hosts/{name}") && (
        <Button variant="danger" onClick={() => ask({
          title: `Remove host ${name}?`, word: name, button: "Remove", done: `${name} is removed`,
          text: <p>Its certificate is refused from now on.{h.desktops > 0 && <> <strong>The disks of its {h.desktops} desktops are given up.</strong></>}</p>,
          run: async () => { await api.remove(`${path}${h.desktops ? "?force=true" : ""}`); refresh("host", "desktop"); navigate("/hosts"); },
        })}>Remove</Button>
      )}
    >
      <Shown live={live} what={name}>
        {(host) => (
          <Stack hasGutter>
            <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
              <Facts title="Machine" facts={[
                ["Address", host.address ?? "unknown"],
                ["Processors", host.cpus],
                ["Memory", <><Memory host={host} /> {mib(host.memory_free_mib)} of {mib(host.memory_mib)} free</>],
                ["Disk free", mib(host.disk_free_mib)],
                ["KVM", host.kvm],
                ["Runs", kinds(host)],
                ["Limits by", [host.limits || "nothing", ...(host.container && host.container_why ? [host.container_why] : [])].join(": ")],
                ["Images", host.images.join(", ") || "none"],
              ]} />
              <Refusals host={host} />
            </Gallery>
            <DesktopTable name={`Desktops on ${name}`} fixed={{ host: name }} empty={{ title: "No desktop here" }} />
          </Stack>
        )}
      </Shown>
      {dialog}
    </Page>
  );
}
