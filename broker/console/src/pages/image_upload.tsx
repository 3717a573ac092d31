// SPDX-License-Identifier: GPL-3.0-or-later
// A disk from this machine becomes a version of an image: read once for its checksum, then sent piece by piece from
// where the server says it is; a cut is waited out, and the same file chosen again goes on where it stopped.
import { Button, FileUpload, Form, FormGroup, Progress, Stack, StackItem } from "@patternfly/react-core";
import { useState } from "react";
import type { ImageDetails, ImageVersion } from "#schema";
import { api, ApiError, raw, seg } from "../api/client";
import { refresh } from "../api/live";
import { Sha256 } from "../api/sha256";
import { navigate } from "../router";
import { asApiError, Page, Problem } from "../ui/common";
import { TextField } from "../ui/fields";
import { useTransfer } from "../ui/transfer";

const PIECE = 4 << 20; // what the broker takes at a time
const IMAGE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const PATIENCE = 10; // tries in a row without a byte

type Step = { kind: "reading" | "sending"; done: number; note?: string };

async function checksum(file: File, tell: (done: number) => void, stop: AbortSignal) {
  const sum = new Sha256();
  for (let at = 0; at < file.size; at += PIECE) {
    stop.throwIfAborted();
    sum.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    tell(Math.min(at + PIECE, file.size));
    await new Promise((done) => setTimeout(done)); // the page stays alive
  }
  return sum.hex();
}

/** The version that waits for the rest of this very file, or a new one. */
async function versionFor(name: string, file: File, sha256: string, changelog: string) {
  const known = await api.get<ImageDetails>(`/images/${seg(name)}`).catch((problem) => {
    if (problem instanceof ApiError && problem.status === 404) return undefined;
    throw problem;
  });
  const open = known?.versions.find((v) => v.state === "uploading" && v.sha256 === sha256 && v.size_bytes === file.size);
  return open ?? (await api.post<ImageVersion>("/images", { name, size: file.size, sha256, ...(changelog ? { changelog } : {}) }));
}

async function send(name: string, version: string, file: File, tell: (done: number, note?: string) => void, stop: AbortSignal) {
  const path = `/images/${seg(name)}/${seg(version)}`;
  let at = (await api.get<ImageVersion>(path)).received_bytes ?? 0;
  for (let tries = 0; at < file.size; ) {
    tell(at, tries ? "The server does not answer; trying again" : undefined);
    try {
      await raw("PUT", `${path}/data?offset=${at}`, file.slice(at, at + PIECE), stop);
      at = Math.min(at + PIECE, file.size);
      tries = 0;
    } catch (problem) {
      stop.throwIfAborted();
      const error = asApiError(problem);
      const passing = error.status === 0 || error.status >= 500 || error.code === "upload.offset";
      if (!passing || ++tries > PATIENCE) throw problem;
      await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** tries, 8000)));
      at = (await api.get<ImageVersion>(path).catch(() => undefined))?.received_bytes ?? at;
    }
  }
  tell(file.size);
}

export function ImageUpload() {
  const [file, setFile] = useState<File>();
  const [name, setName] = useState("");
  const [changelog, setChangelog] = useState("");
  const [step, setStep] = useState<Step>();
  const [error, setError] = useState<ApiError>();
  const stop = useTransfer(!!step);

  const choose = (f: File) => {
    setFile(f);
    if (!name) setName(f.name.toLowerCase().replace(/\.(qcow2|raw|img|vmdk|vdi|vhdx?|ova)$/, "").replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 63));
  };
  const start = async () => {
    if (!file) return;
    setError(undefined);
    stop.current = new AbortController();
    const signal = stop.current.signal;
    try {
      const sha256 = await checksum(file, (done) => setStep({ kind: "reading", done }), signal);
      const { version } = await versionFor(name, file, sha256, changelog);
      await send(name, version, file, (done, note) => setStep({ kind: "sending", done, note }), signal);
      refresh("image");
      setStep(undefined);
      navigate(`/images/${seg(name)}`);
    } catch (problem) {
      setStep(undefined);
      if (!signal.aborted) setError(asApiError(problem));
    }
  };
  const nameError = name && !IMAGE_NAME.test(name) ? "Small letters, digits and . _ -; it begins with a letter or digit." : undefined;
  return (
    <Page title="Upload an image" crumb={["/images", "Images"]} lead="A disk that boots: raw, qcow2, vmdk, vdi, vhdx or OVA. It is checked and converted on the server; hostile files are refused with the reason.">
      <Stack hasGutter>
        {error && <StackItem><Problem error={error} title="The upload stopped. Start it again with the same file: it goes on where it stopped" /></StackItem>}
        {step && file ? (
          <StackItem>
            <Progress
              title={step.kind === "reading" ? `Reading ${file.name} for its checksum` : `Sending ${file.name}`}
              value={file.size ? Math.floor((100 * step.done) / file.size) : 100}
              aria-label={step.kind === "reading" ? "Checksum" : "Upload"}
            />
            <p role="status" className="pane-quiet">{step.note ?? `${Math.round(step.done / 1048576)} of ${Math.round(file.size / 1048576)} MiB`}</p>
            <p className="pane-above"><Button variant="secondary" onClick={() => { stop.current.abort(); setStep(undefined); }}>Pause</Button></p>
          </StackItem>
        ) : (
          <StackItem>
            <Form isWidthLimited onSubmit={(event) => { event.preventDefault(); void start(); }}>
              <FormGroup label="Disk" fieldId="disk-filename" isRequired>
                <FileUpload id="disk" value={file} filename={file?.name} hideDefaultPreview browseButtonText="Choose file" filenamePlaceholder="Drop a file here or choose one" onFileInputChange={(_, f) => choose(f)} onClearClick={() => setFile(undefined)} />
              </FormGroup>
              <TextField label="Image" value={name} set={setName} required error={nameError} help="A name that exists gets a new version." />
              <TextField label="What is new" value={changelog} set={setChangelog} />
              <div><Button type="submit" isDisabled={!file || !IMAGE_NAME.test(name)}>Upload</Button></div>
            </Form>
          </StackItem>
        )}
      </Stack>
    </Page>
  );
}
