// SPDX-License-Identifier: GPL-3.0-or-later
// Recordings of sessions. They lie on their hosts; a download brings one here piece by piece, as its host sends it, and
// saves it when all of it is there.
import { Button, Progress, Stack, StackItem } from "@patternfly/react-core";
import { useState } from "react";
import type { Recording, RecordingData } from "#schema";
import { api, ApiError, raw, seg } from "../api/client";
import { refresh, useList } from "../api/live";
import { Link } from "../router";
import { Age, asApiError, duration, mib, Page, Problem, say, State, When } from "../ui/common";
import { useConfirm } from "../ui/confirm";
import { may } from "../ui/may";
import { DataTable, download } from "../ui/table";
import { useTransfer } from "../ui/transfer";
import { when } from "../ui/text";

const TRIES = 6; // without a byte, of 20 s each: the broker waits that long for the host

type Step = { of: Recording; done: number; late: boolean };

function size(bytes: number) {
  return bytes < 1048576 ? `${Math.ceil(bytes / 1024)} KiB` : mib(Math.round(bytes / 1048576));
}

/** While it goes on, so far. */
function seconds(r: Recording) {
  return Math.max(0, ((r.ended_at ? Date.parse(r.ended_at) : Date.now()) - Date.parse(r.began_at)) / 1000);
}

async function piece(id: string, at: number, late: () => void, stop: AbortSignal) {
  for (let tries = 1; ; tries++) {
    try {
      return (await (await raw("GET", `/recordings/${seg(id)}/data?offset=${at}`, undefined, stop)).json()) as RecordingData;
    } catch (problem) {
      if (!(problem instanceof ApiError) || problem.code !== "recording.late" || tries === TRIES) throw problem;
      late();
    }
  }
}

/** All of it. A browser may keep the pieces of a Blob on its disk. */
async function fetchAll(of: Recording, tell: (step: Step) => void, stop: AbortSignal) {
  const parts: Blob[] = [];
  for (let at = 0; ; ) {
    tell({ of, done: at, late: false });
    const { data } = await piece(of.id, at, () => tell({ of, done: at, late: true }), stop);
    if (!data) return new Blob(parts);
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    parts.push(new Blob([bytes]));
    at += bytes.length;
  }
}

function useDownload() {
  const [step, setStep] = useState<Step>();
  const [error, setError] = useState<ApiError>();
  const stop = useTransfer(!!step);
  const start = async (of: Recording) => {
    setError(undefined);
    stop.current = new AbortController();
    const signal = stop.current.signal;
    try {
      const all = await fetchAll(of, (next) => !signal.aborted && setStep(next), signal);
      download(`${of.desktop} ${of.user} ${of.began_at}.mkv`.replace(/[^\w.-]+/g, "-"), "video/x-matroska", all);
    } catch (problem) {
      if (!signal.aborted) setError(asApiError(problem));
    }
    if (!signal.aborted) setStep(undefined);
  };
  const cancel = () => { stop.current.abort(); setStep(undefined); };
  return { step, error, start, cancel };
}

function Fetching({ step, cancel }: { step: Step; cancel: () => void }) {
  const { of, done, late } = step;
  const title = `Fetching the recording of ${of.user} on ${of.desktop}`;
  return (
    <>
      <Progress title={title} aria-label={title} value={of.bytes ? Math.min(100, Math.floor((100 * done) / of.bytes)) : 0} />
      <p role="status" className="pane-quiet">{late ? `Host ${of.host} has not sent the next piece yet; asking again` : `${size(done)} of ${size(of.bytes)}`}</p>
      <p className="pane-above"><Button variant="secondary" onClick={cancel}>Cancel</Button></p>
    </>
  );
}

/** Where it lies, until when, and why it ended where nobody left. */
function Standing({ of: r }: { of: Recording }) {
  const until = r.state === "kept" && r.kept_until ? ` until ${when(new Date(r.kept_until), { dateStyle: "short" })}` : "";
  return (
    <>
      <State of={r.state} /> <span className="pane-quiet">on {r.host}{until}{r.reason && `; ended: ${r.reason}`}</span>
    </>
  );
}

export function Recordings() {
  const live = useList<Recording>("/recordings", ["recording"]);
  const [dialog, ask] = useConfirm();
  const { step, error, start, cancel } = useDownload();
  const remove = (r: Recording) =>
    ask({
      title: `Delete the recording of ${r.user} on ${r.desktop}?`,
      word: r.desktop,
      button: "Delete",
      text: <p>It began <When at={r.began_at} /> and is gone for good. That you deleted it stays in the audit.</p>,
      run: async () => {
        await api.remove(`/recordings/${seg(r.id)}`);
        say(`Host ${r.host} deletes the recording of ${r.user}`);
        refresh("recording");
      },
    });
  return (
    <Page title="Recordings" lead="Of sessions, newest first. They lie on the hosts for as many days as their pool's policy says; who fetches or deletes one is in the audit.">
      <Stack hasGutter>
        {error && <StackItem><Problem error={error} title="The recording could not be fetched" /></StackItem>}
        {step && <StackItem><Fetching step={step} cancel={cancel} /></StackItem>}
        <StackItem>
          <DataTable<Recording>
            name="Recordings"
            live={live}
            rowKey={(r) => r.id}
            order="-began"
            columns={[
              { key: "desktop", title: "Desktop", value: (r) => r.desktop, cell: (r) => <Link to={`/desktops/${seg(r.desktop)}`}>{r.desktop}</Link> },
              { key: "user", title: "User", value: (r) => r.user, cell: (r) => <Link to={`/users/${seg(r.user)}`}>{r.user}</Link> },
              { key: "began", title: "Began", value: (r) => r.began_at, cell: (r) => <When at={r.began_at} /> },
              { key: "length", title: "Length", value: (r) => Math.round(seconds(r)), cell: (r) => (r.ended_at ? duration(seconds(r)) : <Age at={r.began_at} seconds={seconds(r)} />) },
              { key: "size", title: "Size", value: (r) => r.bytes, cell: (r) => (r.ended_at ? size(r.bytes) : "") },
              { key: "state", title: "State", value: (r) => r.state, cell: (r) => <Standing of={r} /> },
            ]}
            choices={[{ key: "state", title: "State", value: (r) => r.state }]}
            rowActions={(r) => r.state === "kept" && (
              <>
                <Button variant="link" isInline aria-label={`Download ${r.desktop} ${r.began_at}`} isDisabled={!!step || !r.bytes} onClick={() => void start(r)}>Download</Button>{" "}
                {may("DELETE /recordings/{id}") && <Button variant="link" isInline isDanger aria-label={`Delete ${r.desktop} ${r.began_at}`} onClick={() => remove(r)}>Delete</Button>}
              </>
            )}
            empty={{
              title: "There is no recording",
              text: "Choose a pool and have its sessions recorded: tab Policy, card Recording. A session shows up here once somebody connects, and can be downloaded when they have left.",
              action: <Link to="/pools">To the pools</Link>,
            }}
          />
        </StackItem>
      </Stack>
      {dialog}
    </Page>
  );
}
