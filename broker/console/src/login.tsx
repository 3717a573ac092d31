// SPDX-License-Identifier: GPL-3.0-or-later
import { ActionGroup, Button, Card, CardBody, CardTitle, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useState } from "react";
import type { Login as LoginAnswer, Me } from "#schema";
import { ApiError, login } from "./api/client";
import icon from "./icon.svg";
import { Problem, useAction } from "./ui/common";
import { CodeField, Enrol, enrolmentOf, RecoveryCodes } from "./ui/totp";

export function Login({ onLogin, ended }: { onLogin: (me: Me) => void; ended: boolean }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [asks, setAsks] = useState(false);
  const [uri, setUri] = useState<string>();
  const [enrolled, setEnrolled] = useState<LoginAnswer>();
  const action = useAction();
  document.title = "Log in · Pane";
  if (enrolled)
    return (
      <main className="pane-login">
        <Card className="pane-login-card">
          <CardTitle component="h1">Your recovery codes</CardTitle>
          <CardBody>
            <RecoveryCodes codes={enrolled.recovery_codes ?? []} done={() => onLogin(enrolled.user)} />
          </CardBody>
        </Card>
      </main>
    );
  return (
    <main className="pane-login">
      <Card className="pane-login-card">
        <CardTitle component="h1">
          <span className="pane-brand"><img src={icon} alt="" />Log in to Pane</span>
        </CardTitle>
        <CardBody>
          <Form
            onSubmit={(event) => {
              event.preventDefault();
              void action.run(async () => {
                try {
                  const answer = await login(user.trim(), password, code.trim());
                  if (answer.recovery_codes) setEnrolled(answer);
                  else onLogin(answer.user);
                } catch (problem) {
                  if (problem instanceof ApiError && problem.code.startsWith("totp.")) setAsks(true);
                  const enrolment = enrolmentOf(problem);
                  if (enrolment) setUri(enrolment);
                  if (!enrolment || code.trim()) throw problem;
                }
              });
            }}
          >
            {ended && !action.error && <p role="status">Your login has ended. Log in again; you come back to the same page.</p>}
            {action.error && <Problem error={action.error} />}
            <FormGroup label="User name" fieldId="user" isRequired>
              <TextInput id="user" value={user} onChange={(_, v) => setUser(v)} autoComplete="username" autoFocus isRequired />
            </FormGroup>
            <FormGroup label="Password" fieldId="password" isRequired>
              <TextInput id="password" type="password" value={password} onChange={(_, v) => setPassword(v)} autoComplete="current-password" isRequired />
            </FormGroup>
            {uri && (
              <>
                <p role="status">Your account needs a second factor, which is set up now.</p>
                <Enrol uri={uri} />
              </>
            )}
            {asks && <CodeField value={code} set={setCode} recovery={!uri} />}
            <ActionGroup>
              <Button type="submit" isBlock isDisabled={!user || !password || action.busy} isLoading={action.busy}>Log in</Button>
            </ActionGroup>
          </Form>
        </CardBody>
      </Card>
    </main>
  );
}
