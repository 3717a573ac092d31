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

/** From the password to the app's first code. */
function SetUp({ done }: { done: (codes: string[]) => void }) {
  const [password, setPassword] = useState("");
  const [begun, setBegun] = useState<TotpBegun>();
  const [code, setCode] = useState("");
  const action = useAction();
  const begin = () => action.run(async () => setBegun(await api.post<TotpBegun>("/me/totp", { password })));
  const confirm = () => action.run(async () => done((await api.post<Codes>("/me/totp/confirm", { code: code.trim() })).recovery_codes));
  return (
    <Card>
      <CardTitle component="h2">Set it up</CardTitle>
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
              <p>A login then asks for six digits of an authenticator app besides the password.</p>
              <TextField label="Your password" type="password" value={password} set={setPassword} required />
              <div><Button type="submit" isDisabled={!password || action.busy} isLoading={action.busy}>Set up</Button></div>
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
  const move = required ? "ask your help desk to take this one away" : "give this one up and set up the new one";
  return `A login asks for a code. ${plural(recovery_left, "recovery code")} left. For another device, ${move}.`;
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
            {totp.enrolled && <StackItem><Renew done={changed} /></StackItem>}
            {totp.enrolled && !totp.required && <StackItem><GiveUp done={() => changed()} /></StackItem>}
          </Stack>
        ))}
      </Shown>
    </Page>
  );
}
