// SPDX-License-Identifier: GPL-3.0-or-later
import { Button, Form } from "@patternfly/react-core";
import { useState } from "react";
import { api } from "../api/client";
import { navigate } from "../router";
import { Page, Problem, useAction } from "../ui/common";
import { TextField } from "../ui/fields";

export function Password() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const action = useAction();
  const ok = old && fresh.length >= 10 && fresh === again;
  const save = async () => {
    if (ok && (await action.run(() => api.post("/me/password", { old, new: fresh }), "Your password is changed"))) navigate("/my");
  };
  return (
    <Page title="Change password" lead="Other logins of yours end; this one stays.">
      <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); void save(); }}>
        {action.error && <Problem error={action.error} />}
        <TextField label="Password now" type="password" value={old} set={setOld} required />
        <TextField label="New password" type="password" value={fresh} set={setFresh} required help="Ten characters or more." error={fresh && fresh.length < 10 ? "Ten characters or more." : undefined} />
        <TextField label="New password again" type="password" value={again} set={setAgain} required error={again && again !== fresh ? "The two differ." : undefined} />
        <div><Button type="submit" isDisabled={!ok || action.busy}>Change password</Button></div>
      </Form>
    </Page>
  );
}
