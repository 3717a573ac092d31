// SPDX-License-Identifier: GPL-3.0-or-later
import { ActionGroup, Button, Card, CardBody, CardTitle, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useState } from "react";
import type { Me } from "#schema";
import { login } from "./api/client";
import icon from "./icon.svg";
import { Problem, useAction } from "./ui/common";

export function Login({ onLogin, ended }: { onLogin: (me: Me) => void; ended: boolean }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const action = useAction();
  document.title = "Log in · Pane";
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
              void action.run(async () => onLogin(await login(user.trim(), password)));
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
            <ActionGroup>
              <Button type="submit" isBlock isDisabled={!user || !password || action.busy} isLoading={action.busy}>Log in</Button>
            </ActionGroup>
          </Form>
        </CardBody>
      </Card>
    </main>
  );
}
