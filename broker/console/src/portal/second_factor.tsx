// SPDX-License-Identifier: GPL-3.0-or-later
// One's own second factor: set up, new recovery codes, given up.
import { Button, Card, CardBody, CardTitle, Form, Stack, StackItem } from "@patternfly/react-core";
import { useState } from "react";
import type { Me, RecoveryCodes as Codes, TotpBegun } from "#schema";
import { api } from "../api/client";
import { useItem } from "../api/live";
import { Page, plural, Problem, Shown, State, useAction } from "../ui/common";
import { TextField } from "../ui/fields";
import { CodeField, Enrol, RecoveryCodes } from "../ui/totp";

type Totp = NonNullable<Me["totp"]>;

/** From the password to the app's first code. moves: away from a device, whose code or a recovery code is shown for that. */
function SetUp({ moves, done }: { moves?: boolean; done: (codes: string[]) => void }) {
  const [old, setOld] = useState("");
  const [password, setPassword] = useState("");
  const [begun, setBegun] = useState<TotpBegun>();
  const [code, setCode] = useState("");
  const action = useAction();
  const begin = () => action.run(async () => setBegun(await api.post<TotpBegun>("/me/totp", { password, ...(moves ? { code: old.trim() } : {}) })));
  const confirm = () => action.run(async () => done((await api.post<Codes>("/me/totp/confirm", { code: code.trim() })).recovery_codes));
  return (
    <Card>
      <CardTitle component="h2">{moves ? "Move it to another device" : "Set it up"}</CardTitle>
      <CardBody>
        <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); void (begun ? confirm() : begin()); }}>
          {action.error && <Problem error={action.error} />}
          {begun ? (
            <>
              <Enrol uri={begun.uri} />
              <CodeField value={code} set={setCode} />
              <div><Button type="submit" isDisabled={!code.trim() || action.busy} isLoading={action.busy}>Confirm</Button></div>
            </>
          ) : (
            <>
              <p>{moves ? "The device you have counts until the new one has given its first code." : "A login then asks for six digits of an authenticator app besides the password."}</p>
              <TextField label={moves ? "Your password, to move it" : "Your password"} type="password" value={password} set={setPassword} required />
              {moves && <TextField label="Code of the old device, or a recovery code" value={old} set={setOld} required code help="Without either ask your help desk to take the old one away." />}
              <div><Button type="submit" isDisabled={!password || (moves && !old.trim()) || action.busy} isLoading={action.busy}>{moves ? "Move" : "Set up"}</Button></div>
            </>
          )}
        </Form>
      </CardBody>
    </Card>
  );
}

function Renew({ done }: { done: (codes: string[]) => void }) {
  const [code, setCode] = useState("");
  const action = useAction();
  const renew = () => action.run(async () => { done((await api.post<Codes>("/me/totp/confirm", { code: code.trim() })).recovery_codes); setCode(""); });
  return (
    <Card>
      <CardTitle component="h2">New recovery codes</CardTitle>
      <CardBody>
        <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); void renew(); }}>
          {action.error && <Problem error={action.error} />}
          <p>The old ones are worth nothing from then on.</p>
          <TextField label="Code now" value={code} set={setCode} required code />
          <div><Button type="submit" variant="secondary" isDisabled={!code.trim() || action.busy}>Make new codes</Button></div>
        </Form>
      </CardBody>
    </Card>
  );
}

function GiveUp({ done }: { done: () => void }) {
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const action = useAction();
  const end = () => action.run(async () => { await api.post("/me/totp/end", { password, code: code.trim() }); done(); }, "A login asks for the password alone");
  return (
    <Card>
      <CardTitle component="h2">Give it up</CardTitle>
      <CardBody>
        <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); void end(); }}>
          {action.error && <Problem error={action.error} />}
          <TextField label="Your password, to give it up" type="password" value={password} set={setPassword} required />
          <TextField label="A last code" value={code} set={setCode} required code />
          <div><Button type="submit" variant="danger" isDisabled={!password || !code.trim() || action.busy}>Give it up</Button></div>
        </Form>
      </CardBody>
    </Card>
  );
}

function state({ enrolled, required, recovery_left }: Totp) {
  if (!enrolled) return required ? "You are asked for one: set it up here." : "You have none.";
  return `A login asks for a code. ${plural(recovery_left, "recovery code")} left.`;
}

export function SecondFactor() {
  const live = useItem<Me>("/me", ["user"]);
  const [codes, setCodes] = useState<string[]>();
  const [round, setRound] = useState(0); // forms begin anew after each change
  const changed = (fresh?: string[]) => {
    setCodes(fresh);
    setRound(round + 1);
    live.reload();
  };
  return (
    <Page title="Second factor" lead="What a stolen password alone does not open.">
      <Shown live={live} what="your second factor">
        {({ totp }) => totp && (codes ? (
          <Card>
            <CardTitle component="h2">Your recovery codes</CardTitle>
            <CardBody><RecoveryCodes codes={codes} done={() => setCodes(undefined)} /></CardBody>
          </Card>
        ) : (
          <Stack hasGutter key={round}>
            <StackItem><p><State of={totp.enrolled ? "enabled" : "disabled"} label={totp.enrolled ? "on" : "off"} /> {state(totp)}</p></StackItem>
            {!totp.enrolled && <StackItem><SetUp done={changed} /></StackItem>}
            {totp.enrolled && <StackItem><SetUp moves done={changed} /></StackItem>}
            {totp.enrolled && <StackItem><Renew done={changed} /></StackItem>}
            {totp.enrolled && !totp.required && <StackItem><GiveUp done={() => changed()} /></StackItem>}
          </Stack>
        ))}
      </Shown>
    </Page>
  );
}
