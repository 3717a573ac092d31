// SPDX-License-Identifier: GPL-3.0-or-later
// What the site is called and looks like. Everything is shown before a login, so nothing secret belongs here.
import { Alert, Button, Card, CardBody, CardTitle, FileUpload, Form, FormGroup, FormHelperText, Gallery, HelperText, HelperTextItem, TextArea, TextInput } from "@patternfly/react-core";
import { useState } from "react";
import type { Branding } from "#schema";
import { api } from "../api/client";
import { refresh, useItem } from "../api/live";
import { CONTRAST, contrast, logoOf, PAGE, rgb, setBranding } from "../ui/branding";
import { Problem, Shown, useAction } from "../ui/common";
import { useDraft } from "../ui/draft";
import { TextField } from "../ui/fields";
import { may } from "../ui/may";

const LOGO_MAX = 128 * 1024;
const MAGIC = [0x89, 0x50, 0x4e, 0x47];
const USUAL = "#0066cc";

/** In base64, once it looks like a PNG; else why not. The server looks closer. */
async function readLogo(file: File) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw new Error(`${file.name} is no PNG. Other kinds of picture are not taken: save it as PNG.`);
  if (bytes.length > LOGO_MAX) throw new Error(`${file.name} has ${Math.ceil(bytes.length / 1024)} KiB; at most 128 are good.`);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function accentError(accent: string) {
  if (!accent) return undefined;
  const colour = rgb(accent);
  if (!colour) return "A colour like #0b5394: # and six of 0-9 and a-f.";
  const has = contrast(colour, PAGE);
  return has < CONTRAST ? `Too bright to be read: its contrast to a page is ${has.toFixed(1)} to 1, and at least 4.5 is needed. Choose a darker one.` : undefined;
}

function Fields({ now, off }: { now: Branding; off: boolean }) {
  const changes = useDraft<Partial<Branding>>(now, {});
  const [picked, setPicked] = useState("");
  const [wrong, setWrong] = useState<string>();
  const action = useAction();
  const value = { ...now, ...changes.draft };
  const set = (change: Partial<Branding>) => changes.set({ ...changes.draft, ...change });
  const bad = accentError(value.accent);
  const changed = Object.keys(changes.draft).length > 0 && !changes.saved;
  const pick = (file: File) => {
    setWrong(undefined);
    setPicked(file.name);
    readLogo(file).then((logo) => set({ logo }), (problem: Error) => setWrong(problem.message));
  };
  const noPick = () => {
    const { logo: _, ...rest } = changes.draft;
    setPicked("");
    setWrong(undefined);
    changes.set(rest);
  };
  const save = async () => {
    if (!(await action.run(async () => setBranding(await api.patch<Branding>("/branding", changes.draft)), "The site's look is saved"))) return;
    changes.done();
    setPicked("");
    refresh("site");
  };
  const shown = changes.draft.logo === undefined || changes.saved ? logoOf(now) : changes.draft.logo === null ? logoOf({ ...now, logo: null }) : `data:image/png;base64,${changes.draft.logo}`;
  return (
    <Gallery hasGutter minWidths={{ default: "100%", md: "380px" }}>
      <Form onSubmit={(event) => { event.preventDefault(); if (changed && !bad) void save(); }}>
        {action.error && <Problem error={action.error} title="Nothing is changed" />}
        <TextField label="Name of the site" value={value.name} set={(name) => set({ name })} off={off} help="In the console, in titles and at the login. Empty is Pane." error={value.name.length > 60 ? "At most 60 characters." : undefined} />
        <FormGroup label="Text at the login" fieldId="login-text">
          <TextArea id="login-text" value={value.login_text} isDisabled={off} rows={4} resizeOrientation="vertical" validated={value.login_text.length > 600 ? "error" : "default"} onChange={(_, text) => set({ login_text: text })} aria-describedby="login-text-help" />
          <FormHelperText><HelperText id="login-text-help"><HelperTextItem variant={value.login_text.length > 600 ? "error" : "default"}>{value.login_text.length > 600 ? "At most 600 characters." : "Read by everybody who opens the page, also without an account."}</HelperTextItem></HelperText></FormHelperText>
        </FormGroup>
        <TextField label="Whom to ask for help" value={value.support} set={(support) => set({ support })} off={off} help="A telephone number or an address. Beside every error with an id, at the login and on the page of desktops." error={value.support.length > 200 ? "At most 200 characters." : undefined} />
        <FormGroup label="Colour of buttons and links" fieldId="accent">
          <div className="pane-time">
            <TextInput id="accent" value={value.accent} isDisabled={off} placeholder={USUAL} validated={bad ? "error" : "default"} onChange={(_, text) => set({ accent: text.trim().toLowerCase() })} aria-describedby="accent-help" />
            <input type="color" className="pane-colour" aria-label="Choose the colour" disabled={off} value={rgb(value.accent) ? value.accent : USUAL} onChange={(event) => set({ accent: event.target.value })} />
          </div>
          <FormHelperText><HelperText id="accent-help"><HelperTextItem variant={bad ? "error" : "default"}>{bad ?? "Dark enough to be read on a light page; dark pages use a lighter one of the same kind. Empty is the usual blue."}</HelperTextItem></HelperText></FormHelperText>
        </FormGroup>
        {!off && (
          <FormGroup label="Logo" fieldId="logo">
            <FileUpload id="logo" type="dataURL" filename={picked} filenamePlaceholder="A PNG of 16 to 1024 pixels each way, at most 128 KiB" hideDefaultPreview browseButtonText="Choose" onFileInputChange={(_, file) => pick(file)} onClearClick={noPick} dropzoneProps={{ accept: { "image/png": [".png"] }, onDropRejected: () => setWrong("That is no PNG. Other kinds of picture are not taken: save it as PNG.") }} />
            {wrong && <Alert className="pane-above" component="h3" isInline isPlain variant="danger" title={wrong} />}
            {now.logo && changes.draft.logo === undefined && <Button className="pane-above" variant="link" isInline onClick={() => set({ logo: null })}>Take the logo away</Button>}
          </FormGroup>
        )}
        {!off && <div><Button type="submit" isDisabled={!changed || !!bad || !!wrong || action.busy} isLoading={action.busy}>Save</Button>{" "}{changed && <Button variant="link" onClick={() => { changes.undo(); setPicked(""); setWrong(undefined); }}>Undo</Button>}</div>}
      </Form>
      <Card>
        <CardTitle component="h2">At the login</CardTitle>
        <CardBody>
          <p><span className="pane-brand"><img src={shown} alt="Logo" />Log in to {value.name || "Pane"}</span></p>
          {value.login_text && <p className="pane-above pane-lines-kept">{value.login_text}</p>}
          {value.support && <p className="pane-above pane-quiet">Help: {value.support}</p>}
        </CardBody>
      </Card>
    </Gallery>
  );
}

export function Look() {
  const live = useItem<Branding>("/branding", ["site"]);
  return <Shown live={live} what="What the site looks like">{(now) => <Fields now={now} off={!may("PATCH /branding")} />}</Shown>;
}
