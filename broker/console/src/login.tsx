// SPDX-License-Identifier: GPL-3.0-or-later
// Who is here: by password, or by the site's login provider; with a second factor where there is one.
import { ActionGroup, Button, Card, CardBody, CardTitle, Divider, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useEffect, useState, type ReactNode } from "react";
import type { Login as LoginAnswer, LoginWays, Me } from "#schema";
import { api, ApiError, backFromProvider, finishAtProvider, goToProvider, login, type Back } from "./api/client";
import { Brand, Support } from "./ui/brand";
import { setTitle, siteName, useBranding } from "./ui/branding";
import { Loading, Problem, useAction } from "./ui/common";
import { LanguageSelect } from "./ui/language";
import { CodeField, Enrol, enrolmentOf, RecoveryCodes } from "./ui/totp";

/** Once, when the page was opened: a reload does not finish a login again. */
const arrived = backFromProvider();
let back: Back | undefined = arrived;

/** languages: offered where a page loaded anew loses nothing. */
function Frame({ title, children, languages }: { title: ReactNode; children: ReactNode; languages?: boolean }) {
  return (
    <main className="pane-login">
      <Card className="pane-login-card">
        <CardTitle component="h1">{title}</CardTitle>
        <CardBody>{children}<Support /></CardBody>
      </Card>
      {languages && <LanguageSelect />}
    </main>
  );
}

function Heading() {
  useBranding(); // its name
  return <Brand>Log in to {siteName()}</Brand>;
}

const BRAND = <Heading />;

/** Runs a login; what is missing of a second factor is asked for beside it. */
function useFactor(onLogin: (me: Me) => void, setEnrolled: (answer: LoginAnswer) => void) {
  const [code, setCode] = useState("");
  const [asks, setAsks] = useState(false);
  const [uri, setUri] = useState<string>();
  const action = useAction();
  const run = (enter: (code: string) => Promise<LoginAnswer>) =>
    action.run(async () => {
      try {
        const answer = await enter(code.trim());
        if (answer.recovery_codes) setEnrolled(answer);
        else onLogin(answer.user);
      } catch (problem) {
        const enrolment = enrolmentOf(problem);
        if (problem instanceof ApiError && problem.code.startsWith("totp.")) setAsks(true);
        if (enrolment) setUri(enrolment);
        if (!enrolment || code.trim()) throw problem;
      }
    });
  const fields = (
    <>
      {uri && (
        <>
          <p role="status">Your account needs a second factor, which is set up now.</p>
          <Enrol uri={uri} />
        </>
      )}
      {asks && <CodeField value={code} set={setCode} recovery={!uri} />}
    </>
  );
  return { action, run, fields, asks, code };
}

type Part = { onLogin: (me: Me) => void; setEnrolled: (answer: LoginAnswer) => void };

/** The browser was sent back by the provider. */
function Returned({ from, onLogin, setEnrolled, again }: Part & { from: Back; again: () => void }) {
  const { action, run, fields, asks, code } = useFactor(onLogin, setEnrolled);
  useEffect(() => {
    if (!from.error) void run(() => finishAtProvider(from, ""));
  }, []);
  const refused = from.error ? new ApiError(403, "oidc.refused", `The login provider refused: ${from.error.slice(0, 200)}`) : undefined;
  const error = refused ?? action.error;
  if (!error && !asks) return <Frame title={BRAND}><Loading what="login" /></Frame>;
  return (
    <Frame title={BRAND}>
      <Form onSubmit={(event) => { event.preventDefault(); void run((typed) => finishAtProvider(from, typed)); }}>
        {error && error.code !== "totp.required" && <Problem error={error} />}
        {fields}
        <ActionGroup>
          {asks && <Button type="submit" isBlock isDisabled={!code.trim() || action.busy} isLoading={action.busy}>Log in</Button>}
          <Button variant={asks ? "link" : "primary"} isBlock onClick={again}>Begin again</Button>
        </ActionGroup>
      </Form>
    </Frame>
  );
}

function Password({ onLogin, setEnrolled, ended }: Part & { ended: boolean }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [provider, setProvider] = useState<string>();
  const { action, run, fields } = useFactor(onLogin, setEnrolled);
  const away = useAction();
  const { login_text: text } = useBranding();
  useEffect(() => {
    api.get<LoginWays>("/login").then((ways) => setProvider(ways.oidc?.name), () => undefined); // a password always goes
  }, []);
  const error = action.error ?? away.error;
  return (
    <Frame title={BRAND} languages>
      <Form onSubmit={(event) => { event.preventDefault(); void run((code) => login(user.trim(), password, code)); }}>
        {text && <p className="pane-lines-kept">{text}</p>}
        {ended && !error && <p role="status">Your login has ended. Log in again; you come back to the same page.</p>}
        {error && <Problem error={error} />}
        {provider && (
          <>
            <Button variant="secondary" isBlock isDisabled={away.busy} isLoading={away.busy} onClick={() => void away.run(goToProvider)}>Log in with {provider}</Button>
            <Divider />
          </>
        )}
        <FormGroup label="User name" fieldId="user" isRequired>
          <TextInput id="user" value={user} onChange={(_, v) => setUser(v)} autoComplete="username" autoFocus isRequired />
        </FormGroup>
        <FormGroup label="Password" fieldId="password" isRequired>
          <TextInput id="password" type="password" value={password} onChange={(_, v) => setPassword(v)} autoComplete="current-password" isRequired />
        </FormGroup>
        {fields}
        <ActionGroup>
          <Button type="submit" isBlock isDisabled={!user || !password || action.busy} isLoading={action.busy}>Log in</Button>
        </ActionGroup>
      </Form>
    </Frame>
  );
}

export function Login({ onLogin, ended }: { onLogin: (me: Me) => void; ended: boolean }) {
  const [enrolled, setEnrolled] = useState<LoginAnswer>();
  const [from, setFrom] = useState(back);
  back = undefined; // an ended login later begins anew
  useEffect(() => setTitle("Log in"), []);
  if (enrolled)
    return (
      <Frame title="Your recovery codes">
        <RecoveryCodes codes={enrolled.recovery_codes ?? []} done={() => onLogin(enrolled.user)} />
      </Frame>
    );
  const part = { onLogin, setEnrolled };
  return from ? <Returned {...part} from={from} again={() => setFrom(undefined)} /> : <Password {...part} ended={ended} />;
}
