// SPDX-License-Identifier: GPL-3.0-or-later
// One person's connection to one desktop: ticket, WebSocket, noVNC; made anew with a new ticket when it is cut, for
// as long as Pane promises (180 s), with a growing pause. What the desktop or its broker refuses is final.
import type RFB from "@novnc/novnc";
import type { ShadowTicket } from "#schema";
import { api, ApiError, seg } from "../api/client";
import { asApiError } from "../ui/common";
import { Client } from "./client";
import type { Sound } from "./sound";
import { getTicket, type Wait } from "./ticket";

export type Phase =
  | { kind: "asking" | "connecting"; wait?: Wait; cut?: boolean }
  | { kind: "shown" }
  | { kind: "ended"; error?: ApiError };

/** Where tickets come from. One that lets look at somebody's session is asked for once: its user may have to agree. */
export type Ask = {
  ticket: (tell: (wait: Wait) => void, stop: AbortSignal) => Promise<{ ticket: string }>;
  once?: boolean;
  looks?: boolean; // nothing is sent to the desktop
};

export function ownDesktop(pool: string): Ask {
  return { ticket: (tell, stop) => getTicket(pool, tell, stop) };
}

export function otherSession(session: string, mode: "view" | "control"): Ask {
  return {
    once: true,
    looks: mode === "view",
    ticket: (tell) => {
      tell({ message: "Asking: its user may have to agree on the screen, within 30 seconds", percent: 0, desktop: null });
      return api.post<ShadowTicket>(`/sessions/${seg(session)}/shadow`, { mode });
    },
  };
}

const RECONNECT_MS = 180000;
const PAUSE_MAX_MS = 5000;

/** Codes of the gateway's close frames: docs/contracts.md "Desktops in a browser". */
function endOf(event: CloseEvent): { again: boolean; error?: ApiError } {
  const id = /\(id (\w+)\)/.exec(event.reason)?.[1] ?? "";
  const error = new ApiError(0, `ws.${event.code}`, event.reason || "The connection to the desktop was lost.", [], id);
  if (event.code === 1000 || event.code === 1005) return { again: false };
  return { again: event.code !== 4003, error };
}

/** The last picture, so that it can be shown dimmed while there is no connection. */
function keepPicture(view: HTMLElement, behind: HTMLElement) {
  const canvas = view.querySelector("canvas");
  if (!canvas?.width) return;
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  copy.getContext("2d")!.drawImage(canvas, 0, 0);
  behind.replaceChildren(copy);
}

export class Connection {
  private rfb: RFB | undefined;
  private stop = new AbortController();
  private socket: WebSocket | undefined;

  constructor(
    private ask: Ask,
    private view: HTMLElement,
    private behind: HTMLElement,
    private sound: Sound,
    private report: (phase: Phase, rfb: RFB | undefined) => void,
  ) {
    void this.run();
  }

  end() {
    this.stop.abort();
    this.drop();
  }

  private tell(phase: Phase) {
    this.report(phase, this.rfb);
  }

  private drop() {
    if (this.rfb) this.rfb.disconnect();
    else this.socket?.close();
    this.rfb = this.socket = undefined;
  }

  private async run() {
    let cutAt: number | undefined;
    for (let pause = 250; ; pause = Math.min(pause * 2, PAUSE_MAX_MS)) {
      const came = await this.once(cutAt !== undefined);
      if (this.stop.signal.aborted) return;
      if (came.shown) {
        pause = 250;
        cutAt = undefined;
      }
      cutAt ??= Date.now();
      if (!came.again || this.ask.once || Date.now() - cutAt > RECONNECT_MS) {
        this.tell({ kind: "ended", error: came.error });
        return;
      }
      this.tell({ kind: "asking", cut: true });
      await new Promise((done) => setTimeout(done, pause));
      if (this.stop.signal.aborted) return;
    }
  }

  /** From a ticket to the end of what came of it. */
  private async once(cut: boolean): Promise<{ shown: boolean; again: boolean; error?: ApiError }> {
    try {
      this.tell({ kind: "asking", cut });
      const t = await this.ask.ticket((wait) => this.tell({ kind: "asking", wait, cut }), this.stop.signal);
      if (this.stop.signal.aborted) return { shown: false, again: false };
      this.tell({ kind: "connecting", cut });
      return await this.show(t.ticket);
    } catch (problem) {
      const error = asApiError(problem);
      return { shown: false, again: cut && (error.status === 0 || error.status >= 500 || error.status === 429), error };
    }
  }

  private show(ticket: string) {
    return new Promise<{ shown: boolean; again: boolean; error?: ApiError }>((done) => {
      let shown = false;
      const socket = new WebSocket(`wss://${window.location.host}/rfb`, ["pane.rfb", ticket]);
      // Before noVNC's own: it takes its picture away when the connection ends.
      socket.addEventListener("close", (event) => {
        if (shown) keepPicture(this.view, this.behind);
        this.rfb = undefined;
        this.sound.lost();
        done({ shown, ...endOf(event) });
      });
      const rfb = new Client(this.view, socket, this.sound);
      this.socket = socket;
      this.rfb = rfb;
      rfb.scaleViewport = true;
      rfb.resizeSession = !this.ask.once;
      rfb.viewOnly = !!this.ask.looks;
      rfb.background = "transparent";
      rfb.addEventListener("connect", () => {
        shown = true;
        this.tell({ kind: "shown" });
        rfb.focus();
      });
    });
  }
}
