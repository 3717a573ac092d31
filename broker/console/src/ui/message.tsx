// SPDX-License-Identifier: GPL-3.0-or-later
// A message on the screens of sessions: what it says, and for how long. What could not be told is said one by one.
import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextArea } from "@patternfly/react-core";
import { useId, useState, type ReactNode } from "react";
import { api, seg } from "../api/client";
import { plural, Problem, say, useAction } from "./common";
import { SelectField } from "./fields";

export type Addressee = { id: string; user: string; desktop: string };

/** As the broker counts them: characters, not halves of them. */
const LONGEST = 400;
const TIMES = [["30", "30 seconds"], ["60", "1 minute"], ["300", "5 minutes"], ["900", "15 minutes"], ["3600", "1 hour"]];

function Message({ to, close }: { to: Addressee[]; close: () => void }) {
  const [text, setText] = useState("");
  const [seconds, setSeconds] = useState("60");
  const action = useAction();
  const id = useId();
  const one = to.length === 1 ? to[0] : undefined;
  const long = [...text].length;
  const ready = text.trim() !== "" && long <= LONGEST && !action.busy;
  const each = async (work: (at: string) => Promise<unknown>) => {
    let told = 0;
    for (const s of to) {
      try {
        await work(`/sessions/${seg(s.id)}/message`);
        told++;
      } catch (problem) {
        if (one) throw problem;
        say(`${s.user} on ${s.desktop} could not be told`, problem);
      }
    }
    return told;
  };
  const send = async () => {
    if (!ready) return;
    const done = await action.run(async () => {
      const told = await each((at) => api.post(at, { text: text.trim(), seconds: Number(seconds) }));
      say(one ? `${one.user} sees the message` : `The message is on ${plural(told, "screen")}`);
    });
    if (done) close();
  };
  const takeBack = async () => {
    if (await action.run(() => each((at) => api.remove(at)), "No message is on the screen any more")) close();
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby={`${id}-title`}>
      <ModalHeader title={one ? `Message to ${one.user} on ${one.desktop}` : `Message to ${plural(to.length, "session")}`} labelId={`${id}-title`} />
      <ModalBody>
        <Form id={`${id}-form`} onSubmit={(event) => { event.preventDefault(); void send(); }}>
          {action.error && <Problem error={action.error} />}
          <FormGroup label="What it says" fieldId={`${id}-text`} isRequired>
            <TextArea id={`${id}-text`} value={text} onChange={(_, v) => setText(v)} rows={3} resizeOrientation="vertical" autoFocus aria-describedby={`${id}-help`} validated={long > LONGEST ? "error" : "default"} />
            <p id={`${id}-help`} className="pane-quiet">Drawn over the desktop for everybody who looks at it. {LONGEST - long} characters left; {"{left}"} counts down the time.</p>
          </FormGroup>
          <SelectField label="Shown for" value={seconds} set={setSeconds} options={TIMES.map(([value, label]) => ({ value, label }))} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form={`${id}-form`} isDisabled={!ready} isLoading={action.busy}>Send</Button>
        <Button variant="secondary" isDisabled={action.busy} onClick={() => void takeBack()}>Take messages back</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}

/** [the dialog to render, a function that opens it] */
export function useMessage(): [ReactNode, (to: Addressee[]) => void] {
  const [to, setTo] = useState<Addressee[]>();
  return [to ? <Message to={to} close={() => setTo(undefined)} /> : null, setTo];
}
