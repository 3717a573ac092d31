// SPDX-License-Identifier: GPL-3.0-or-later
// The desktop's sound on the browser's audio thread. What comes over the network is held back a little, so that it
// goes on when some of it is late; the two clocks drift apart, so it is played a trace faster or slower; and what has
// become too much is dropped, as the newest sound is the right one.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

export type ToWorklet = { begin: true } | { end: true } | { samples: ArrayBuffer };

const frames = (ms: number) => Math.round((sampleRate * ms) / 1000);
const ROOM = 1 << 15; // frames
const HELD = frames(60); // what is waited for before it begins
const MOST = frames(250);
const SLACK = frames(20); // off by less is left alone
const TRACE = 0.004; // how much faster or slower
const CALM = 0.005; // weight of a block in the mean of what is held

/** Between the middle two of four samples (Catmull-Rom). */
function between(a: number, b: number, c: number, d: number, part: number) {
  return b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)));
}

class Player extends AudioWorkletProcessor {
  private ring = [new Float32Array(ROOM), new Float32Array(ROOM)];
  private written = 0; // frames, ever
  private at = 0; // of those, where the next output lies
  private playing = false;
  private ended = false;
  private mean = HELD;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<ToWorklet>) => {
      if ("samples" in event.data) this.store(new DataView(event.data.samples));
      else this.ended = "end" in event.data;
    };
  }

  private store(samples: DataView) {
    for (let i = 0; i + 3 < samples.byteLength; i += 4, this.written++) {
      this.ring[0]![this.written % ROOM] = samples.getInt16(i, true) / 32768;
      this.ring[1]![this.written % ROOM] = samples.getInt16(i + 2, true) / 32768;
    }
    if (this.written - this.at > MOST) {
      this.at = this.written - HELD;
      this.mean = HELD;
    }
  }

  /** Frames that can be played: each needs the two behind it. */
  private left() {
    return Math.max(0, this.written - Math.floor(this.at) - 2);
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]) {
    const out = outputs[0]!;
    if (!this.playing) {
      if (!this.left() || (this.left() < HELD && !this.ended)) {
        if (this.ended) this.at = this.written;
        return true; // silence is what there is in it
      }
      this.playing = true;
      this.mean = this.left();
    }
    this.mean += (this.left() - this.mean) * CALM;
    const off = this.ended ? 0 : this.mean - HELD;
    const step = Math.abs(off) < SLACK ? 1 : 1 + Math.sign(off) * TRACE;
    for (let i = 0; i < out[0]!.length; i++, this.at += step) {
      if (!this.left()) {
        this.playing = false;
        break;
      }
      const whole = Math.floor(this.at);
      for (let k = 0; k < out.length; k++) {
        const ring = this.ring[k % 2]!;
        const sample = (n: number) => ring[(whole + n + ROOM) % ROOM]!;
        out[k]![i] = this.at === whole ? sample(0) : between(sample(-1), sample(0), sample(1), sample(2), this.at - whole);
      }
    }
    return true;
  }
}

registerProcessor("pane-sound", Player);
