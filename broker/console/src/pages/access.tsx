// SPDX-License-Identifier: GPL-3.0-or-later
// When and from where a pool, or one entitlement to it, holds, and what the refused read.
import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useState } from "react";
import type { Entitled } from "#schema";
import { api, seg } from "../api/client";
import { refresh } from "../api/live";
import { Problem, useAction } from "../ui/common";
import { LinesField, TextField } from "../ui/fields";

export type AccessRule = { hours: string[]; networks: string[]; refusal: string };

export function AccessFields({ value, set, off }: { value: AccessRule; set: (change: Partial<AccessRule>) => void; off?: boolean }) {
  return (
    <>
      <LinesField label="Hours" value={value.hours} set={(hours) => set({ hours })} off={off} help="One a line, as mon-fri 08:00-18:00 or daily 22:00-06:00. None is always." />
      <LinesField label="Networks" value={value.networks} set={(networks) => set({ networks })} off={off} help="One a line, as 192.0.2.0/24 or 2001:db8::/32. None is anywhere." />
      <TextField label="What the refused read" value={value.refusal} set={(refusal) => set({ refusal })} off={off} error={value.refusal.length > 400 ? "At most 400 characters." : undefined} help="Without it they read which rule refused them." />
    </>
  );
}

/** "mon-fri 08:00-18:00; from 192.0.2.0/24", or nothing. */
export function ruleText(rule: Partial<AccessRule>) {
  return [...(rule.hours ?? []), ...(rule.networks ?? []).map((n) => `from ${n}`)].join("; ");
}

/** The rule of one entitlement. */
export function EntitlementAccess({ pool, of, close }: { pool: string; of: Entitled; close: () => void }) {
  const [rule, setRule] = useState<AccessRule>({ hours: of.hours ?? [], networks: of.networks ?? [], refusal: of.refusal ?? "" });
  const action = useAction();
  const save = async () => {
    if (await action.run(() => api.post(`/pools/${seg(pool)}/entitlements`, { user: of.user, ...rule }), `The entitlement of ${of.user} is changed`)) {
      refresh("user", "pool");
      close();
    }
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="access-title">
      <ModalHeader title={`When ${of.user} may enter`} labelId="access-title" description="Besides the rule of the pool. Of several entitlements of one person, one that holds is enough." />
      <ModalBody>
        <Form id="access" onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {action.error && <Problem error={action.error} />}
          <AccessFields value={rule} set={(change) => setRule({ ...rule, ...change })} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="access" isDisabled={action.busy}>Save</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}
