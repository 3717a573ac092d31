// SPDX-License-Identifier: GPL-3.0-or-later
// From a name to a working desktop: account, entitlement, desktop, one after the other, each step's outcome in sight.
// A dedicated desktop is made by the person's own first request, which is made here for them with the new password.
import { Alert, Button, Form, ProgressStep, ProgressStepper, Stack, StackItem } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import type { Login, Pool, Ticket, User } from "#schema";
import { api, ApiError, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { Link } from "../router";
import { asApiError, Nothing, Once, Page, Problem, Shown } from "../ui/common";
import { SelectField, TextField } from "../ui/fields";
import { USER_NAME } from "./users";

type Progress = { account?: User; entitled?: boolean; desktop?: string; percent?: number; message?: string; ready?: boolean; error?: ApiError };

/** A call as somebody else, whose token lives no longer than this page needs it. */
async function as(token: string | undefined, path: string, body: unknown) {
  const answer = await fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify(body),
    cache: "no-store",
  });
  const value = answer.status === 204 ? undefined : await answer.json();
  if (!answer.ok) throw new ApiError(answer.status, value.error.code, value.error.message, value.error.reasons, value.error.id);
  return value;
}

/** Asks for the desktop until it is ready; the ticket of the last answer is left to expire unused. */
async function prepare(user: string, password: string, pool: string, tell: (p: Progress) => void, stop: AbortSignal) {
  const { token }: Login = await as(undefined, "/login", { user, password });
  try {
    while (!stop.aborted) {
      try {
        const t: Ticket = await as(token, "/tickets", { pool });
        tell({ desktop: t.desktop ?? undefined, percent: t.percent, message: t.message, ready: !!t.ticket, error: undefined });
        if (t.ticket) return;
      } catch (problem) {
        const error = asApiError(problem);
        tell({ error }); // no room now: said, and asked again
        if (error.status !== 409 && error.status !== 503 && error.status !== 0) return;
      }
      await new Promise((done) => setTimeout(done, 1000));
    }
  } finally {
    await as(token, "/logout", {}).catch(() => undefined);
  }
}

export function NewEmployee() {
  const pools = useList<Pool>("/pools", ["pool"]);
  const [name, setName] = useState("");
  const [chosen, setPool] = useState("");
  const [progress, setProgress] = useState<Progress>();
  const [stop] = useState(() => new AbortController());
  const pool = chosen || pools.data?.[0]?.name || "";
  const tell = (more: Progress) => setProgress((old) => ({ ...old, ...more }));
  useEffect(() => () => stop.abort(), [stop]);

  const start = async () => {
    setProgress({});
    try {
      const account = await api.post<User>("/users", { name, role: "user" });
      tell({ account });
      await api.post(`/pools/${seg(pool)}/entitlements`, { user: name });
      tell({ entitled: true });
      refresh("user", "pool");
      await prepare(name, account.password!, pool, tell, stop.signal);
      refresh("desktop");
    } catch (problem) {
      tell({ error: asApiError(problem) });
    }
  };
  const again = () => {
    setProgress(undefined);
    setName("");
  };
  const nameError = name && !USER_NAME.test(name) ? "Small letters, digits and . _ @ -; it begins with a letter or digit." : undefined;
  const p = progress;
  return (
    <Page title="New employee" lead="An account, the right to a pool and a desktop that waits, in one go.">
      {!p && (
        <Shown live={pools} what="pools">
          {(list) =>
            list.length ? (
              <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); if (USER_NAME.test(name)) void start(); }}>
                <TextField label="User name" value={name} set={setName} error={nameError} required autoFocus help="What they type to log in. The password is generated." />
                <SelectField label="Pool" value={pool} set={setPool} options={list.map((x) => ({ value: x.name, label: `${x.name}: ${x.assignment}, ${x.image}, ${x.ready} ready` }))} />
                <div><Button type="submit" isDisabled={!USER_NAME.test(name)}>Set up</Button></div>
              </Form>
            ) : (
              <Nothing title="There is no pool yet" action={<Link to="/pools/new">Create one</Link>}>A pool makes the desktops.</Nothing>
            )
          }
        </Shown>
      )}
      {p && (
        <Stack hasGutter>
          <StackItem>
            <ProgressStepper isVertical aria-label="Setting up">
              <Step id="account" title={`Account ${name}`} done={!!p.account} failed={!!p.error && !p.account} />
              <Step id="right" title={`May use ${pool}`} done={!!p.entitled} failed={!!p.error && !!p.account && !p.entitled} />
              <Step
                id="desktop"
                title={p.desktop ? `Desktop ${p.desktop}` : "Desktop"}
                done={!!p.ready}
                failed={!!p.error && !!p.entitled}
                text={p.ready ? "Ready to log in" : p.entitled ? `${p.message ?? "Asked for"}${p.percent ? ` (${p.percent} %)` : ""}` : undefined}
              />
            </ProgressStepper>
          </StackItem>
          {p.error && <Problem error={p.error} title={p.entitled ? "The desktop is not there yet; this page goes on asking" : p.account ? "The account is made, but not entitled" : "The account was not made"} />}
          {p.account?.password && <Once label={`Password of ${name}`} secret={p.account.password} />}
          {p.ready && <Alert component="h2" variant="success" isInline title={`${name} can log in now`}><p>In a browser at <code>{window.location.origin}</code>, with pane-thin, or with an RDP or VNC viewer.</p></Alert>}
          <StackItem>
            <Button variant={p.ready ? "primary" : "secondary"} onClick={again}>Set up another</Button>{" "}
            {p.account && <Link to={`/users/${encodeURIComponent(name)}`}>Open {name}</Link>}
          </StackItem>
        </Stack>
      )}
    </Page>
  );
}

function Step({ id, title, done, failed, text }: { id: string; title: string; done: boolean; failed: boolean; text?: string }) {
  const variant = done ? "success" : failed ? "warning" : "pending";
  return (
    <ProgressStep id={id} titleId={`${id}-title`} variant={variant} description={text} aria-label={`${title}: ${done ? "done" : failed ? "in trouble" : "to do"}`}>
      {title}
    </ProgressStep>
  );
}
