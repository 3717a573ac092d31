// SPDX-License-Identifier: GPL-3.0-or-later
// Thin client terminals: when each was last seen, what it is configured to be, and the codes they enrol by.
import { Button, Checkbox, Form, Modal, ModalBody, ModalFooter, ModalHeader, Stack } from "@patternfly/react-core";
import { useState } from "react";
import type { Pool, Terminal, TerminalCode, TerminalUpdate } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { useQuery } from "../router";
import { duration, Once, Page, Problem, State, useAction, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { NumberField, SelectField, TextField } from "../ui/fields";
import { may } from "../ui/may";
import { DataTable } from "../ui/table";

const NAME = /^[a-z0-9][a-z0-9.-]{0,55}$/;
const BAD_NAME = "Small letters, digits, dots and dashes.";

function Enrol({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [uses, setUses] = useState(1);
  const [hours, setHours] = useState(24);
  const [made, setMade] = useState<TerminalCode>();
  const action = useAction();
  const create = () => action.run(async () => setMade(await api.post<TerminalCode>("/terminals/codes", { name, uses, hours })));
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="code-title">
      <ModalHeader title={made ? "Terminals may enrol" : "Enrol terminals"} labelId="code-title" />
      <ModalBody>
        {made ? (
          <Stack hasGutter>
            <Once label="Enrolment code" secret={made.code} />
            <p>Type it on the terminal's administrator page (Ctrl+Alt+Shift+A), or put it as <code>enrol</code> into terminal.conf. Good for {made.uses === 1 ? "one terminal" : `${made.uses} terminals`}, until <When at={made.expires_at} />.</p>
          </Stack>
        ) : (
          <Form id="code" onSubmit={(event) => { event.preventDefault(); void create(); }}>
            {action.error && <Problem error={action.error} />}
            <TextField label="Name" value={name} set={setName} required autoFocus help="Of the terminal; several become name-1, name-2 and so on." error={name && !NAME.test(name) ? BAD_NAME : undefined} />
            <NumberField label="Terminals" value={uses} set={setUses} min={1} max={10000} />
            <NumberField label="Good for" unit="hours" value={hours} set={setHours} min={1} max={8760} />
          </Form>
        )}
      </ModalBody>
      <ModalFooter>
        {made ? <Button onClick={close}>Done</Button> : (
          <>
            <Button type="submit" form="code" isDisabled={!NAME.test(name) || action.busy}>Make code</Button>
            <Button variant="link" onClick={close}>Cancel</Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  );
}

function Configure({ terminal, close }: { terminal: Terminal; close: () => void }) {
  const [name, setName] = useState(terminal.name);
  const [pool, setPool] = useState(terminal.pool ?? "");
  const [auto, setAuto] = useState(terminal.auto_connect ?? false);
  const [keyboard, setKeyboard] = useState(terminal.keyboard ?? "");
  const [language, setLanguage] = useState(terminal.language ?? "");
  const [notice, setNotice] = useState(terminal.notice ?? "");
  const [pin, setPin] = useState("");
  const pools = useList<Pool>("/pools", ["pool"]);
  const action = useAction();
  const wrong = !NAME.test(name) || (pin !== "" && !/^\d{4,12}$/.test(pin));
  const save = async () => {
    const body: TerminalUpdate = { name, pool, auto_connect: auto, keyboard, language, notice, ...(pin ? { exit_pin: pin } : {}) };
    if (await action.run(async () => { await api.patch(`/terminals/${seg(terminal.name)}`, body); refresh("host"); }, `${name} takes it within a minute`)) close();
  };
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="configure-title">
      <ModalHeader title={`Configure ${terminal.name}`} labelId="configure-title" />
      <ModalBody>
        <Form id="configure" onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {action.error && <Problem error={action.error} />}
          <TextField label="Name" value={name} set={setName} required autoFocus error={NAME.test(name) ? undefined : BAD_NAME} />
          <SelectField label="Open at once" value={pool} set={setPool} help="For those it is open to; others see their list."
            options={[{ value: "", label: "No pool: show the list" }, ...(pools.data ?? []).map((p) => ({ value: p.name, label: `The desktop of pool ${p.name}` }))]} />
          <Checkbox id="terminal-auto" label="Open the desktop at once where there is only one" isChecked={auto} onChange={(_, on) => setAuto(on)} />
          <TextField label="Keyboard" value={keyboard} set={setKeyboard} help="A layout, or several: de, or de,us. Empty: as its medium says." />
          <TextField label="Language" value={language} set={setLanguage} help="As de or pt_BR. Empty: as its medium says." />
          <TextField label="Notice" value={notice} set={setNotice} help="Shown under the sign-in form." error={notice.length > 250 ? "At most 250 characters." : undefined} />
          <TextField label="PIN of its administrator" type="password" value={pin} set={setPin} help={terminal.exit_pin ? "There is one. Empty: it stays." : "4 to 12 digits. Without one there is no administrator's page."} error={pin && !/^\d{4,12}$/.test(pin) ? "4 to 12 digits." : undefined} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="configure" isDisabled={wrong || notice.length > 250 || action.busy} isLoading={action.busy}>Save</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}

function opens(t: Terminal) {
  return t.pool ? `pool ${t.pool}` : t.auto_connect ? "the only desktop" : "the list";
}

function configured(t: Terminal) {
  return [t.keyboard && `keyboard ${t.keyboard}`, t.language, t.exit_pin && "PIN", t.notice].filter(Boolean).join(", ") || "as its medium";
}

export function ThinClients() {
  const live = useList<Terminal>("/terminals", ["host"]);
  const [form, setForm] = useQuery("form");
  const [chosen, setChosen] = useState<Terminal>();
  const [dialog, ask] = useConfirm();
  const enrol = may("POST /terminals/codes") && <Button onClick={() => setForm("enrol")}>Enrol terminals</Button>;
  const forget = (t: Terminal) => ask({
    title: `Forget ${t.name}?`, word: t.name, button: "Forget", done: `${t.name} is forgotten`,
    text: <p>Its token is void at once, and it loses what was configured here. It has to enrol again.</p>,
    run: async () => { await api.remove(`/terminals/${seg(t.name)}`); refresh("host"); },
  });
  return (
    <Page title="Thin clients" lead="The terminals people sit at." actions={enrol}>
      <DataTable<Terminal>
        name="Thin clients"
        live={live}
        rowKey={(t) => t.name}
        columns={[
          { key: "name", title: "Name", value: (t) => t.name },
          { key: "state", title: "State", value: (t) => t.state, cell: (t) => <State of={t.state} /> },
          { key: "seen", title: "Last seen", value: (t) => t.last_seen_s, cell: (t) => `${duration(t.last_seen_s)} ago` },
          { key: "addresses", title: "Addresses", value: (t) => t.addresses ?? "" },
          { key: "version", title: "Version", value: (t) => t.version ?? "" },
          { key: "opens", title: "Opens", value: opens },
          { key: "set", title: "Configured", value: configured },
        ]}
        choices={[{ key: "state", title: "State", value: (t) => t.state }]}
        rowActions={(t) => may("PATCH /terminals/{name}") && <>
          <Button variant="link" isInline onClick={() => setChosen(t)} aria-label={`Configure ${t.name}`}>Configure</Button>{" "}
          <Button variant="link" isInline isDanger onClick={() => forget(t)} aria-label={`Forget ${t.name}`}>Forget</Button>
        </>}
        empty={{ title: "No terminal yet", text: "Make a code here and type it on the terminal, or put it on its medium.", action: enrol }}
      />
      {form === "enrol" && <Enrol close={() => setForm("")} />}
      {chosen && <Configure terminal={chosen} close={() => setChosen(undefined)} />}
      {dialog}
    </Page>
  );
}
