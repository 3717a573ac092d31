// SPDX-License-Identifier: GPL-3.0-or-later
// Before something that cannot be undone: what will happen, and the name to type.
import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, Stack, StackItem, TextInput } from "@patternfly/react-core";
import { useState, type ReactNode } from "react";
import { Problem, useAction } from "./common";

export type Danger = {
  title: string;
  /** what is to be typed; nothing for what can be undone */
  word?: string;
  text: ReactNode;
  button: string;
  run: () => Promise<unknown>;
  done?: string;
};

export function Confirm({ danger, close }: { danger: Danger; close: () => void }) {
  const [typed, setTyped] = useState("");
  const action = useAction();
  const ready = !danger.word || typed === danger.word;
  const go = async () => {
    if (ready && (await action.run(danger.run, danger.done))) close();
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="confirm-title">
      <ModalHeader title={danger.title} labelId="confirm-title" titleIconVariant="warning" />
      <ModalBody>
        <Stack hasGutter>
          <StackItem>{danger.text}</StackItem>
          {danger.word && (
            <StackItem>
              <Form
                onSubmit={(event) => {
                  event.preventDefault();
                  void go();
                }}
              >
                <FormGroup label={`Type ${danger.word} to confirm`} fieldId="confirm-word">
                  <TextInput id="confirm-word" value={typed} onChange={(_, v) => setTyped(v)} autoComplete="off" autoFocus />
                </FormGroup>
              </Form>
            </StackItem>
          )}
          {action.error && (
            <StackItem>
              <Problem error={action.error} />
            </StackItem>
          )}
        </Stack>
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" isDisabled={!ready || action.busy} isLoading={action.busy} onClick={() => void go()}>
          {danger.button}
        </Button>
        <Button variant="link" onClick={close}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  );
}

/** [the dialog to render, a function that opens it] */
export function useConfirm(): [ReactNode, (danger: Danger) => void] {
  const [danger, setDanger] = useState<Danger>();
  return [danger ? <Confirm key={danger.title} danger={danger} close={() => setDanger(undefined)} /> : null, setDanger];
}
