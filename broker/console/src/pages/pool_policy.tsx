// SPDX-License-Identifier: GPL-3.0-or-later
// A pool's policy: its breaker, timers, hours and networks, quota, how many are kept ready hour by hour, what follows a
// logoff, and whether sessions are recorded (pool_economy.tsx has what desktops take of their host). Each card is saved by itself and sends only what was changed, so two people may change different things at once.
import { Alert, Button, Card, CardBody, CardTitle, Form, Gallery, Split, SplitItem, Stack, StackItem } from "@patternfly/react-core";
import { useState } from "react";
import type { Policy, Pool, PoolUpdate } from "#schema";
import { api, seg } from "../api/client";
import { refresh } from "../api/live";
import { plural, Problem, Reasons, useAction, When } from "../ui/common";
import { useDraft } from "../ui/draft";
import { NumberField, SelectField, TextField, TimeField } from "../ui/fields";
import { may } from "../ui/may";
import { linesOf, WeekGrid, type Week } from "../ui/week";
import { AccessFields } from "./access";
import { PolicyCard } from "./policy_card";
import { Economy } from "./pool_economy";
import { LimitFields, saveQuota, useQuotas } from "./quotas";

/** Its breaker is open: why, until when, and the way to go on at once. */
export function Stopped({ pool }: { pool: Pool }) {
  const action = useAction();
  if (pool.state !== "stopped") return null;
  const retry = () => action.run(async () => { await api.post(`/pools/${seg(pool.name)}/retry`); refresh("pool", "desktop"); }, `Pool ${pool.name} goes on`);
  return (
    <Alert
      component="h2" variant="danger" isInline className="pane-below" title="No desktop is made any more: too many could not be started"
      actionLinks={may("POST /pools/{name}/retry") && <Button variant="secondary" isDisabled={action.busy} onClick={() => void retry()}>Retry now</Button>}
    >
      <Reasons reasons={[pool.stopped_reason ?? ""]} />
      <p>Stopped <When at={pool.stopped_at} />; one desktop is tried again <When at={pool.try_at} />. To retry now also tries every failed desktop again.</p>
      {action.error && <Problem error={action.error} />}
    </Alert>
  );
}

const LOGOFF = { value: "logoff", label: "log the session off" };
const DISCONNECT = { value: "disconnect", label: "disconnect the viewer" };

function Timers({ pool }: { pool: Pool }) {
  return (
    <PolicyCard title="Timers" pool={pool}>
      {({ value: p, set, off }) => (
        <Gallery hasGutter minWidths={{ default: "100%", md: "280px" }}>
          <TimeField label="Without input for" value={p.idle_s ?? 0} set={(idle_s) => set({ idle_s })} off={off} />
          <SelectField label="Then" value={p.idle_action ?? "disconnect"} set={(v) => set({ idle_action: v as Pool["idle_action"] })} options={[DISCONNECT, LOGOFF]} off={off} />
          <TimeField label="Disconnected for" value={p.logoff_after_s ?? 0} set={(logoff_after_s) => set({ logoff_after_s })} off={off} />
          <SelectField
            label="Then, when disconnected" value={p.disconnected_action ?? ""} set={(v) => set({ disconnected_action: v as Pool["disconnected_action"] })} off={off}
            options={[...(p.disconnected_action ? [] : [{ value: "", label: p.assignment === "floating" ? "log off, as floating pools do" : "keep, as dedicated pools do" }]), { value: "keep", label: "keep the session" }, LOGOFF]}
          />
          <TimeField label="A session lasts at most" value={p.session_max_s ?? 0} set={(session_max_s) => set({ session_max_s })} off={off} />
          <SelectField label="Then, at the end" value={p.session_max_action ?? "logoff"} set={(v) => set({ session_max_action: v as Pool["session_max_action"] })} options={[LOGOFF, DISCONNECT]} off={off} />
          <TimeField label="Warning before" value={p.warn_s ?? 0} set={(warn_s) => set({ warn_s })} off={off} help="At most half of a timer's time. 0 is no warning." />
        </Gallery>
      )}
    </PolicyCard>
  );
}

function Access({ pool }: { pool: Pool }) {
  return (
    <PolicyCard title="Hours and networks" pool={pool}>
      {({ value: p, set, off }) => (
        <>
          <AccessFields value={{ hours: p.hours ?? [], networks: p.networks ?? [], refusal: p.refusal ?? "" }} set={set} off={off} />
          <SelectField
            label="Sessions at the end of the hours" value={p.hours_action ?? "keep"} set={(v) => set({ hours_action: v as Pool["hours_action"] })} off={off}
            options={[{ value: "keep", label: "go on" }, { value: "disconnect", label: "are disconnected, after the warning" }, { value: "logoff", label: "are logged off, after the warning" }]}
          />
          <TextField label="Time zone" value={p.timezone ?? "UTC"} set={(timezone) => set({ timezone })} off={off} help="Of these hours and of the week below, like Europe/Berlin." />
        </>
      )}
    </PolicyCard>
  );
}

function Capacity({ pool }: { pool: Pool }) {
  const [week, setWeek] = useState<Week>();
  const shown: Week = week ?? pool.grid ?? Array<null>(168).fill(null);
  return (
    <PolicyCard key={`${pool.name} ${(pool.schedule ?? []).join()}`} title="Kept ready" pool={pool}>
      {({ value: p, set, off }) => {
        const drawn = p.schedule === pool.schedule ? (pool.grid ?? Array<null>(168).fill(null)) : shown;
        return (
          <>
            <p>{plural(pool.spare_now ?? pool.spare, "desktop")} kept ready now ({pool.spare_why}).</p>
            <Gallery hasGutter minWidths={{ default: "100%", md: "280px" }}>
              <NumberField label="At other hours" value={p.spare} set={(spare) => set({ spare })} min={0} max={p.size_max} off={off} help="Where the week below says nothing." />
              <NumberField label="Buffer" unit="percent" value={p.buffer_percent ?? 0} set={(buffer_percent) => set({ buffer_percent })} min={0} max={100} off={off} help="At least this share of the desktops in use." />
              <NumberField label="Desktops at least" value={p.size_min ?? 0} set={(size_min) => set({ size_min })} min={0} max={p.size_max} off={off} help="Used or not." />
              {p.isolation === "vm" && <NumberField label="And suspended" value={p.spare_suspended ?? 0} set={(spare_suspended) => set({ spare_suspended })} min={0} max={p.size_max} off={off} help="So many more wait on disk: they take no processor, and go on in a moment." />}
            </Gallery>
            <p id="week-help">
              Desktops kept ready by hour, in the pool's time zone ({p.timezone}). {off ? "" : "Drag over hours, or move with the arrow keys and widen with Shift, then type a number; Delete leaves an hour to the number above."}
            </p>
            <WeekGrid label="Desktops kept ready by hour of the week" value={drawn} empty={`as at other hours, ${p.spare}`} readOnly={off} set={(next) => { setWeek(next); set({ schedule: linesOf(next) }); }} />
            <p className="pane-lines" aria-label="The week as a schedule">{(p.schedule ?? []).length ? p.schedule!.map((line) => <span key={line}>{line}<br /></span>) : "no schedule"}</p>
          </>
        );
      }}
    </PolicyCard>
  );
}

function QuotaCard({ pool }: { pool: Pool }) {
  const live = useQuotas();
  const action = useAction();
  const who = `pool:${pool.name}`;
  const rule = live.data?.find((q) => q.who === who);
  const { draft, set, saved, done } = useDraft<Record<string, number | undefined> | undefined>(live.data, undefined);
  const off = !may("POST /quotas");
  const save = async () => {
    if (await action.run(async () => { await saveQuota(who, draft ?? {}, !!rule); live.reload(); }, `The quota of ${pool.name} is set`)) done();
  };
  return (
    <Card>
      <CardTitle component="h2">Quota of the pool</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {(action.error ?? live.error) && <Problem error={(action.error ?? live.error)!} />}
          <p>All its desktops together, spare ones too. {rule?.says}</p>
          <Gallery hasGutter minWidths={{ default: "100%", md: "280px" }}><LimitFields value={draft ?? rule?.limits ?? {}} set={set} off={off} /></Gallery>
          {!off && <div><Button type="submit" variant="secondary" aria-label="Save: Quota of the pool" isDisabled={!draft || saved || action.busy}>Save</Button></div>}
        </Form>
      </CardBody>
    </Card>
  );
}

function Breaker({ pool }: { pool: Pool }) {
  return (
    <PolicyCard title="Breaker" pool={pool}>
      {({ value: p, set, off }) => (
        <>
          <p>{pool.state === "stopped" ? "Open: no desktop is made." : `Closed: desktops are made. ${pool.failures ?? 0} new ones in a row could not be started.`}</p>
          <NumberField label="Failed starts in a row that stop it" value={p.breaker_failures ?? 5} set={(breaker_failures) => set({ breaker_failures })} min={0} max={100} off={off} help="0 is never." />
        </>
      )}
    </PolicyCard>
  );
}

function AfterLogoff({ pool }: { pool: Pool }) {
  return (
    <PolicyCard title="After the logoff" pool={pool}>
      {({ value: p, set, off }) =>
        pool.assignment === "floating" ? <p>A floating desktop is always made new.</p> : (
          <SelectField
            label="A dedicated desktop" value={p.after_logoff ?? "keep"} set={(v) => set({ after_logoff: v as Pool["after_logoff"] })} off={off}
            options={[{ value: "keep", label: "starts again and stays on" }, { value: "off", label: "is switched off until its user comes" }, { value: "recycle", label: "is made new for the same user" }]}
          />
        )}
    </PolicyCard>
  );
}

function Shadow({ pool }: { pool: Pool }) {
  return (
    <PolicyCard title="Help at the screen" pool={pool}>
      {({ value: p, set, off }) => (
        <SelectField
          label="The help desk" value={p.shadow ?? "off"} set={(v) => set({ shadow: v as Pool["shadow"] })} off={off}
          options={[{ value: "off", label: "cannot see sessions" }, { value: "ask", label: "sees one when its user agrees" }, { value: "notice", label: "sees one, with a notice on its screen" }]}
        />
      )}
    </PolicyCard>
  );
}

const RECORDING: Record<string, Policy> = {
  off: { recording: false, recording_required: false },
  on: { recording: true, recording_required: false },
  required: { recording: true, recording_required: true },
};

function Recording({ pool }: { pool: Pool }) {
  const action = useAction();
  const { draft, set, saved, done: settled, undo } = useDraft<Policy | undefined>(pool, undefined);
  const off = !may("PATCH /pools/{name}");
  const p: Policy = { ...pool.policy, ...draft };
  const way = !p.recording ? "off" : p.recording_required ? "required" : "on";
  const days = p.recording_days ?? 30;
  const wrong = !(Number.isInteger(days) && days >= 1 && days <= 3650);
  const save = async () => {
    if (!draft || wrong) return;
    const done = await action.run(async () => {
      // A policy is replaced as a whole: what else this one says now stays.
      const now = await api.get<Pool>(`/pools/${seg(pool.name)}`);
      await api.patch(`/pools/${seg(pool.name)}`, { policy: { ...now.policy, ...draft } } satisfies PoolUpdate);
    }, `Recording of ${pool.name}: saved`);
    if (!done) return;
    settled();
    refresh("pool");
  };
  return (
    <Card>
      <CardTitle component="h2">Recording</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => { event.preventDefault(); void save(); }}>
          {action.error && <Problem error={action.error} />}
          <SelectField
            label="What is done in sessions" value={way} set={(v) => set(RECORDING[v])} off={off}
            options={[{ value: "off", label: "is not recorded" }, { value: "on", label: "is recorded, where it can be" }, { value: "required", label: "is recorded, else nobody gets in" }]}
            help="While somebody is connected; the screen tells them."
          />
          {p.recording && <NumberField label="Recordings are kept" unit="days" value={days} set={(recording_days) => set({ ...draft, recording_days })} min={1} max={3650} off={off} help="Of those that begin from now on." />}
          {!off && (
            <Split hasGutter>
              <SplitItem><Button type="submit" variant="secondary" aria-label="Save: Recording" isDisabled={!draft || saved || wrong || action.busy}>Save</Button></SplitItem>
              {draft && !saved && <SplitItem><Button variant="link" aria-label="Undo: Recording" onClick={() => { undo(); action.clear(); }}>Undo</Button></SplitItem>}
            </Split>
          )}
        </Form>
      </CardBody>
    </Card>
  );
}

export function PolicyTab({ pool }: { pool: Pool }) {
  return (
    <Stack hasGutter className="pane-above">
      <StackItem><Timers pool={pool} /></StackItem>
      <StackItem><Access pool={pool} /></StackItem>
      <StackItem><Capacity pool={pool} /></StackItem>
      {may("GET /quotas") && <StackItem><QuotaCard pool={pool} /></StackItem>}
      <StackItem><Economy pool={pool} /></StackItem>
      <StackItem>
        <Gallery hasGutter minWidths={{ default: "100%", md: "340px" }}>
          <Breaker pool={pool} />
          <AfterLogoff pool={pool} />
          <Shadow pool={pool} />
          <Recording pool={pool} />
        </Gallery>
      </StackItem>
    </Stack>
  );
}
