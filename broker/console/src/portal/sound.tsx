// SPDX-License-Identifier: GPL-3.0-or-later
// The desktop's sound in the page. Browsers let a page sound only after its user has pressed something in it: until
// then what plays is said in the toolbar and thrown away, and the next key or click lets it be heard. While nothing
// plays the browser's audio device is let go.
import { Button } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import { RATE, type Client, type Ear } from "./client";
import type { ToWorklet } from "./worklet";
import worklet from "./worklet.ts?worker&url";

const IDLE_MS = 3000;

export type SoundState = { known: boolean; on: boolean; volume: number; locked: boolean };

/** Whether the browser lets this page sound: once its user has pressed something in it. */
const allowed = () => navigator.userActivation?.hasBeenActive ?? true;

export class Sound implements Ear {
  private client: Client | undefined;
  private context: AudioContext | undefined;
  private gain: GainNode | undefined;
  private node: Promise<AudioWorkletNode> | undefined;
  private timer = 0;
  private plays = false;
  private state: SoundState = { known: false, on: true, volume: 100, locked: false };

  constructor(private tell: (state: SoundState) => void) {
    window.addEventListener("pointerdown", this.unlock, true);
    window.addEventListener("keydown", this.unlock, true);
  }

  close() {
    window.removeEventListener("pointerdown", this.unlock, true);
    window.removeEventListener("keydown", this.unlock, true);
    window.clearTimeout(this.timer);
    void this.context?.close();
    this.context = this.node = undefined;
  }

  switch(on: boolean) {
    this.client?.hear(on);
    if (!on) this.end();
    this.set({ on });
  }

  volume(volume: number) {
    if (this.gain) this.gain.gain.value = volume / 100;
    this.set({ volume });
  }

  /** The connection has ended; another brings its own word of sound. */
  lost() {
    this.client = undefined;
    this.end();
    this.set({ known: false });
  }

  // ---- what the connection says

  known(client: Client) {
    this.client = client;
    if (allowed()) this.open(); // now, so that the first sound does not wait for it
    if (this.state.on) client.hear(true);
    this.set({ known: true });
  }

  begin() {
    this.plays = true;
    window.clearTimeout(this.timer);
    if (allowed()) this.unlock();
    else this.set({ locked: true });
    this.post({ begin: true });
  }

  data(samples: ArrayBuffer) {
    if (!this.state.locked) this.post({ samples }, [samples]);
  }

  end() {
    if (!this.plays) return;
    this.plays = false;
    this.post({ end: true });
    this.rest();
    this.set({ locked: false });
  }

  private rest() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.context?.suspend(), IDLE_MS);
  }

  private set(some: Partial<SoundState>) {
    this.state = { ...this.state, ...some };
    this.tell(this.state);
  }

  private unlock = () => {
    if (!this.plays) return;
    this.open();
    window.clearTimeout(this.timer);
    void this.context?.resume();
    if (this.state.locked) this.set({ locked: false });
  };

  private open() {
    if (this.context) return;
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    const gain = new GainNode(context, { gain: this.state.volume / 100 });
    gain.connect(context.destination);
    this.context = context;
    this.gain = gain;
    this.node = context.audioWorklet.addModule(worklet).then(() => {
      const node = new AudioWorkletNode(context, "pane-sound", { numberOfInputs: 0, outputChannelCount: [2] });
      node.connect(gain);
      return node;
    });
    this.rest();
  }

  private post(message: ToWorklet, moved: Transferable[] = []) {
    void this.node?.then((node) => node.port.postMessage(message, moved), () => undefined);
  }
}

/** One for as long as the viewer is open, whatever becomes of its connections. */
export function useSound() {
  const [state, setState] = useState<SoundState>({ known: false, on: true, volume: 100, locked: false });
  const [sound, setSound] = useState<Sound>();
  useEffect(() => {
    const made = new Sound(setState);
    setSound(made);
    return () => made.close();
  }, []);
  return { sound, state };
}

/** Nothing where the desktop has no sound for this viewer. */
export function SoundControls({ sound, state, after }: { sound: Sound; state: SoundState; after: () => void }) {
  if (!state.known) return null;
  return (
    <>
      <Button size="sm" variant="secondary" aria-pressed={state.on} onClick={() => { sound.switch(!state.on); after(); }}>Sound</Button>
      <input className="pane-screen-volume" type="range" min={0} max={100} step={5} aria-label="Volume" disabled={!state.on}
        value={state.volume} onChange={(e) => sound.volume(e.currentTarget.valueAsNumber)} />
      {state.locked && <span className="pane-screen-hint" role="status">The desktop plays sound: press any key to hear it</span>}
    </>
  );
}
