// SPDX-License-Identifier: GPL-3.0-or-later
// The page behind a welcome link: a new employee sets their first password. The token is in the part of the address
// that never reaches a server; it leaves the address as soon as it is read.
import { Button, Card, CardBody, CardTitle, Form } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import type { Welcomed } from "#schema";
import { api, login } from "../api/client";
import { navigate } from "../router";
import { Brand, Support } from "../ui/brand";
import { setTitle, siteName } from "../ui/branding";
import { Problem, useAction } from "../ui/common";
import { TextField } from "../ui/fields";
import { CodeField, Enrol, enrolmentOf, RecoveryCodes } from "../ui/totp";

export function welcomeLink(token: string) {
  return `${window.location.origin}/#/welcome/${token}`;
}

export function Welcome({ token }: { token: string }) {
  const [secret] = useState(token);
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [done, setDone] = useState<string>();
  const [uri, setUri] = useState<string>();
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState<string[]>();
  const action = useAction();
  useEffect(() => {
    setTitle("Welcome");
    window.history.replaceState(null, "", "#/welcome/");
  }, []);
  const ok = fresh.length >= 10 && fresh === again;
  /** A login with the right password and no code says what an app is to be told. */
  const enrol = async (user: string) => {
    try {
      await login(user, fresh, "");
      navigate("/second-factor"); // a pool asks for it, and not the login
      window.location.reload();
    } catch (problem) {
      const enrolment = enrolmentOf(problem);
      if (!enrolment) throw problem;
      setUri(enrolment);
    }
  };
  const save = () =>
    action.run(async () => {
      const welcomed = await api.post<Welcomed>("/welcome", { token: secret, password: fresh });
      setDone(welcomed.user);
      if (welcomed.totp_required) await enrol(welcomed.user);
    });
  const confirm = () => action.run(async () => setCodes((await login(done!, fresh, code.trim())).recovery_codes ?? []));
  const enter = () => { navigate("/"); window.location.reload(); };
  return (
    <main className="pane-login">
      <Card className="pane-login-card">
        <CardTitle component="h1"><Brand>{done ? `Welcome, ${done}` : `Welcome to ${siteName()}`}</Brand></CardTitle>
        <CardBody>
          {codes ? (
            <RecoveryCodes codes={codes} done={enter} />
          ) : uri ? (
            <Form onSubmit={(event) => { event.preventDefault(); void confirm(); }}>
              <p role="status">Your password is set. Your account also needs a second factor.</p>
              {action.error && <Problem error={action.error} />}
              <Enrol uri={uri} />
              <CodeField value={code} set={setCode} />
              <Button type="submit" isBlock isDisabled={!code.trim() || action.busy} isLoading={action.busy}>Confirm</Button>
            </Form>
          ) : done ? (
            <>
              {action.error && <Problem error={action.error} />}
              <p>Your password is set. You log in as <strong>{done}</strong>.</p>
              <p className="pane-above"><Button onClick={enter}>Log in</Button></p>
            </>
          ) : (
            <Form onSubmit={(event) => { event.preventDefault(); if (ok) void save(); }}>
              <p>Choose your password. This link works once.</p>
              {action.error && <Problem error={action.error} />}
              <TextField label="New password" type="password" value={fresh} set={setFresh} required autoFocus help="Ten characters or more." error={fresh && fresh.length < 10 ? "Ten characters or more." : undefined} />
              <TextField label="New password again" type="password" value={again} set={setAgain} required error={again && again !== fresh ? "The two differ." : undefined} />
              <Button type="submit" isBlock isDisabled={!ok || action.busy} isLoading={action.busy}>Set password</Button>
            </Form>
          )}
          <Support />
        </CardBody>
      </Card>
    </main>
  );
}
