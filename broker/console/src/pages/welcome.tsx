// SPDX-License-Identifier: GPL-3.0-or-later
// The page behind a welcome link: a new employee sets their first password. The token is in the part of the address
// that never reaches a server; it leaves the address as soon as it is read.
import { Button, Card, CardBody, CardTitle, Form } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import type { Welcomed } from "#schema";
import { api } from "../api/client";
import icon from "../icon.svg";
import { navigate } from "../router";
import { Problem, useAction } from "../ui/common";
import { TextField } from "../ui/fields";

export function welcomeLink(token: string) {
  return `${window.location.origin}/#/welcome/${token}`;
}

export function Welcome({ token }: { token: string }) {
  const [secret] = useState(token);
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [done, setDone] = useState<string>();
  const action = useAction();
  useEffect(() => {
    document.title = "Welcome · Pane";
    window.history.replaceState(null, "", "#/welcome/");
  }, []);
  const ok = fresh.length >= 10 && fresh === again;
  const save = () => action.run(async () => setDone((await api.post<Welcomed>("/welcome", { token: secret, password: fresh })).user));
  return (
    <main className="pane-login">
      <Card className="pane-login-card">
        <CardTitle component="h1"><span className="pane-brand"><img src={icon} alt="" />{done ? `Welcome, ${done}` : "Welcome to Pane"}</span></CardTitle>
        <CardBody>
          {done ? (
            <>
              <p>Your password is set. You log in as <strong>{done}</strong>.</p>
              <p className="pane-above"><Button onClick={() => { navigate("/"); window.location.reload(); }}>Log in</Button></p>
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
        </CardBody>
      </Card>
    </main>
  );
}
