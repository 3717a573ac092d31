// SPDX-License-Identifier: GPL-3.0-or-later
// What the viewer uses of noVNC, which comes without types.
declare module "@novnc/novnc" {
  /** Its queues; rQwait is true when there are fewer bytes, and goes back so many. */
  interface Sock {
    rQpeek8(): number;
    rQskipBytes(bytes: number): void;
    rQshift8(): number;
    rQshift16(): number;
    rQshift32(): number;
    rQshiftBytes(bytes: number, copy: boolean): Uint8Array<ArrayBuffer>;
    rQwait(what: string, bytes: number, back?: number): boolean;
    sQpush8(value: number): void;
    sQpush16(value: number): void;
    sQpush32(value: number): void;
    flush(): void;
  }
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, channel: WebSocket | string, options?: { shared?: boolean });
    static messages: { clientEncodings(sock: Sock, encodings: number[]): void };
    scaleViewport: boolean;
    resizeSession: boolean;
    viewOnly: boolean;
    focusOnClick: boolean;
    qualityLevel: number;
    background: string;
    readonly capabilities: { power: boolean };
    focus(): void;
    blur(): void;
    disconnect(): void;
    sendCtrlAltDel(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    clipboardPasteFrom(text: string): void;
    // Not its public interface: what client.ts extends.
    protected readonly _sock: Sock;
    protected readonly _FBU: { rects: number; encoding: number | null };
    protected _sendEncodings(): void;
    protected _handleRect(): boolean;
    protected _normalMsg(): boolean;
    protected _fail(why: string): boolean;
  }
}
