// SPDX-License-Identifier: GPL-3.0-or-later
// noVNC with sound, which it has not: the QEMU Audio extension (pseudo-encoding -259, message 255) by three of its
// methods that are not its public interface. The package's version is pinned, and tests/console/sound_test.py hears it.
import RFB from "@novnc/novnc";

const ENCODING = -259;
const QEMU = 255; // message type, both ways
const AUDIO = 1; // submessage type
const WANTS_IT = 0;
const WANTS_NONE = 1;
const WANTS_FORMAT = 2;
const END = 0;
const BEGIN = 1;
const DATA = 2;
const S16 = 3; // little-endian
const CHANNELS = 2;
const MOST_BYTES = 1 << 20;

/** What is heard asks for this: the page's audio does the rest. */
export const RATE = 48000;

export type Ear = {
  /** The desktop's sound can be had: it comes once hear(true) asks for it. */
  known(client: Client): void;
  begin(): void;
  /** S16LE, stereo, RATE. */
  data(samples: ArrayBuffer): void;
  end(): void;
};

export class Client extends RFB {
  private ear: Ear | undefined;

  constructor(target: HTMLElement, channel: WebSocket, ear: Ear) {
    super(target, channel, { shared: true });
    this.ear = ear; // nothing of the channel comes before this returns
  }

  hear(on: boolean) {
    const sock = this._sock;
    if (on) {
      sock.sQpush8(QEMU);
      sock.sQpush8(AUDIO);
      sock.sQpush16(WANTS_FORMAT);
      sock.sQpush8(S16);
      sock.sQpush8(CHANNELS);
      sock.sQpush32(RATE);
    }
    sock.sQpush8(QEMU);
    sock.sQpush8(AUDIO);
    sock.sQpush16(on ? WANTS_IT : WANTS_NONE);
    sock.flush();
  }

  override _sendEncodings() {
    const messages = RFB.messages;
    const plain = messages.clientEncodings;
    messages.clientEncodings = (sock, encodings) => plain.call(messages, sock, [...encodings, ENCODING]);
    try {
      super._sendEncodings();
    } finally {
      messages.clientEncodings = plain;
    }
  }

  override _handleRect() {
    if (this._FBU.encoding !== ENCODING) return super._handleRect();
    this.ear?.known(this);
    return true;
  }

  override _normalMsg() {
    const sock = this._sock;
    if (this._FBU.rects > 0 || sock.rQpeek8() !== QEMU) return super._normalMsg();
    if (sock.rQwait("sound", 4)) return false;
    sock.rQskipBytes(1);
    const kind = sock.rQshift8();
    const operation = sock.rQshift16();
    if (kind !== AUDIO || operation > DATA) return this._fail("A message about sound that there is not");
    if (operation === DATA) return this.samples();
    if (operation === BEGIN) this.ear?.begin();
    if (operation === END) this.ear?.end();
    return true;
  }

  private samples() {
    const sock = this._sock;
    if (sock.rQwait("sound", 4, 4)) return false;
    const bytes = sock.rQshift32();
    if (bytes > MOST_BYTES || bytes % (2 * CHANNELS)) return this._fail("More sound than there is");
    if (sock.rQwait("sound", bytes, 8)) return false;
    this.ear?.data(sock.rQshiftBytes(bytes, true).buffer);
    return true;
  }
}
