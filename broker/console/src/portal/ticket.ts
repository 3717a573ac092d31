// SPDX-License-Identifier: GPL-3.0-or-later
// A ticket for a desktop, asked for until the desktop is ready.
import type { Ticket } from "#schema";
import { api, ApiError } from "../api/client";
import { nextEvent } from "../api/live";

export type Wait = { message: string; percent: number; desktop: string | null };

const WAIT_MS = 5000;
const AWAY_MS = 30000; // so long a server that does not answer is asked again

/** The answer, or undefined where the server is away for the moment. */
async function ask(pool: string, away: boolean) {
  try {
    return await api.post<Ticket & { rdp_port?: number }>("/tickets", { pool });
  } catch (problem) {
    if (away && problem instanceof ApiError && (problem.status === 0 || problem.status === 503)) return undefined;
    throw problem;
  }
}

/** The ticket and the desktop's name; tell() hears what it waits for. Throws what the server refuses with. */
export async function getTicket(pool: string, tell: (wait: Wait) => void, stop: AbortSignal) {
  for (let heard = Date.now(); ; ) {
    const t = await ask(pool, Date.now() - heard < AWAY_MS);
    if (t) heard = Date.now();
    if (t?.ticket) return { ticket: t.ticket, desktop: t.desktop ?? pool, rdpPort: t.rdp_port ?? 3389, expires_s: t.expires_in_s ?? 30 };
    tell({ message: t ? (t.message ?? "Starting") : "The server does not answer; asking again", percent: t?.percent ?? 0, desktop: t?.desktop ?? null });
    // Its own machine's events say when there is news; a place that others make free is not among them.
    await nextEvent(t ? WAIT_MS : 1000);
    stop.throwIfAborted();
  }
}
