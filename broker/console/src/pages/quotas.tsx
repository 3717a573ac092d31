// SPDX-License-Identifier: GPL-3.0-or-later
// Who may have how much: the rules of the whole site (settings), and the one of a pool (its policy).
import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from "@patternfly/react-core";
import { useId, useState } from "react";
import type { Group, Quota, QuotaNumbers, User } from "#schema";
import { api, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { Problem, useAction } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { SelectField } from "../ui/fields";
import { may } from "../ui/may";
import { DataTable } from "../ui/table";

type Limit = keyof QuotaNumbers;
type Limits = Partial<Record<Limit, number>>;
export const LIMITS: [Limit, string][] = [
  ["desktops", "Desktops"], ["running", "Running desktops"], ["cpus", "Processors of running ones"], ["memory_mib", "Memory of running ones (MiB)"], ["disk_mib", "Disk of all, with homes (MiB)"],
];

/** Rules are shown as they are; a change of one is read again by whoever shows them. */
export const useQuotas = () => useList<Quota>("/quotas", ["pool", "user", "desktop"]);

function LimitField({ label, value, set, off }: { label: string; value: number | undefined; set: (n: number | undefined) => void; off?: boolean }) {
  const id = useId();
  const wrong = value !== undefined && (!Number.isInteger(value) || value < 0);
  return (
    <FormGroup label={label} fieldId={id}>
      <TextInput id={id} type="number" min={0} isDisabled={off} placeholder="no limit" value={value ?? ""} onChange={(_, v) => set(v === "" ? undefined : Number(v))} validated={wrong ? "error" : "default"} />
    </FormGroup>
  );
}

export function LimitFields({ value, set, off }: { value: Limits; set: (limits: Limits) => void; off?: boolean }) {
  return LIMITS.map(([key, label]) => <LimitField key={key} label={label} value={value[key]} set={(n) => set({ ...value, [key]: n })} off={off} />);
}

/** Makes a rule what it says here; one that limits nothing is none. */
export async function saveQuota(who: string, limits: Limits, existed: boolean) {
  const said = Object.fromEntries(Object.entries(limits).filter(([, n]) => n !== undefined));
  if (Object.keys(said).length) await api.post("/quotas", { who, ...said });
  else if (existed) await api.remove(`/quotas/${seg(who)}`);
  refresh("pool", "user", "desktop");
}

function Edit({ old, close }: { old?: Quota; close: () => void }) {
  const users = useList<User>("/users", ["user"]);
  const groups = useList<Group>("/groups", ["user"]);
  const [who, setWho] = useState(old?.who ?? "everyone");
  const [limits, setLimits] = useState<Limits>({ ...old?.limits });
  const action = useAction();
  const choices = [
    { value: "everyone", label: "everyone: each person without a nearer rule" },
    ...(groups.data ?? []).flatMap((g) => [{ value: `member:${g.name}`, label: `each member of ${g.name}` }, { value: `group:${g.name}`, label: `all of ${g.name} together` }]),
    ...(users.data ?? []).map((u) => ({ value: `user:${u.name}`, label: u.name })),
  ];
  const save = async () => {
    if (await action.run(() => saveQuota(who, limits, !!old), `The quota of ${who} is set`)) close();
  };
  const none = Object.values(limits).every((n) => n === undefined);
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="quota-title">
      <ModalHeader title={old ? `Quota of ${old.who}` : "Set a quota"} labelId="quota-title" description="An empty limit is none. What somebody has already stays theirs." />
      <ModalBody>
        <Form id="quota" onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {action.error && <Problem error={action.error} />}
          {!old && <SelectField label="Of whom" value={who} set={setWho} options={choices} />}
          <LimitFields value={limits} set={setLimits} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="quota" isDisabled={action.busy || none}>Save</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}

export function Quotas() {
  const live = useQuotas();
  const [form, setForm] = useState<Quota | "new">();
  const [dialog, ask] = useConfirm();
  const able = may("POST /quotas");
  const remove = (q: Quota) =>
    ask({
      title: `Take the quota of ${q.who} away?`, button: "Take away", done: `${q.who} has no quota of its own now`, text: <p>The next rule that holds for them counts then, or none.</p>,
      run: async () => { await api.remove(`/quotas/${seg(q.who)}`); live.reload(); },
    });
  return (
    <>
      {able && <p className="pane-below"><Button onClick={() => setForm("new")}>Set a quota</Button></p>}
      <DataTable<Quota>
        name="Quotas"
        live={live}
        rowKey={(q) => q.who}
        columns={[
          { key: "who", title: "Of", value: (q) => q.who },
          ...LIMITS.map(([key, title]) => ({ key, title, value: (q: Quota) => q.limits[key] ?? "", cell: (q: Quota) => q.limits[key] === undefined ? <span className="pane-quiet">no limit</span> : q.used ? `${q.used[key] ?? 0} of ${q.limits[key]}` : q.limits[key] })),
        ]}
        rowActions={able ? (q) => (
          <>
            <Button variant="link" isInline onClick={() => setForm(q)}>Change</Button>{" "}
            <Button variant="link" isInline isDanger onClick={() => remove(q)}>Take away</Button>
          </>
        ) : undefined}
        empty={{ title: "No quota", text: "Everybody may have what their pools allow. A quota limits a person, a group or everyone.", action: able && <Button onClick={() => setForm("new")}>Set the first quota</Button> }}
      />
      {form && <Edit old={form === "new" ? undefined : form} close={() => setForm(undefined)} />}
      {dialog}
    </>
  );
}
