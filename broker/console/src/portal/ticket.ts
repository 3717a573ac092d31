// SPDX-License-Identifier: GPL-3.0-or-later
// A ticket for a desktop, asked for until the desktop is ready.
import type { Ticket } from "#schema";
import { api } from "../api/client";

export type Wait = { message: string; percent: number; desktop: string | null };

/** The ticket and the desktop's name; tell() hears what it waits for. Throws what the server refuses with. */
export async function getTicket(pool: string, tell: (wait: Wait) => void, stop: AbortSignal) {
  for (;;) {
    const t = await api.post<Ticket & { rdp_port?: number }>("/tickets", { pool });
    if (t.ticket) return { ticket: t.ticket, desktop: t.desktop ?? pool, rdpPort: t.rdp_port ?? 3389, expires_s: t.expires_in_s ?? 30 };
    tell({ message: t.message ?? "Starting", percent: t.percent ?? 0, desktop: t.desktop ?? null });
    await new Promise((done) => setTimeout(done, 1000));
    stop.throwIfAborted();
  }
}
