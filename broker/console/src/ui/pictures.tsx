// SPDX-License-Identifier: GPL-3.0-or-later
// Small live pictures of desktops. Whoever shows one says so here; all that are shown are asked for together, those
// that changed when the stream of events says so, and all of them again every RENEW_MS while the page is in sight: as
// long as somebody looks the hosts make pictures, and no longer.
import { useSyncExternalStore } from "react";
import type { Pictures } from "#schema";
import { api } from "../api/client";
import { whenPicturesChange } from "../api/live";

const RENEW_MS = 25000; // the lease is a minute
const GATHER_MS = 150; // what is mounted together is asked for together
const KEPT = 500; // pictures kept of desktops that are shown no longer

type Shot = { etag: string; at: string; url: string };

const shots = new Map<string, Shot>();
const shown = new Map<string, Set<() => void>>();
const due = new Set<string>();
let timer: number | undefined;
let renewal: number | undefined;
let running = false;

function keep(name: string, shot: Shot) {
  shots.delete(name); // the newest go last
  shots.set(name, shot);
  for (const old of shots.keys()) {
    if (shots.size <= KEPT) break;
    if (!shown.has(old)) shots.delete(old);
  }
}

async function fetchDue() {
  timer = undefined;
  if (running || document.hidden) return;
  running = true;
  const desktops = [...due].filter((name) => shown.has(name));
  due.clear();
  const known = Object.fromEntries(desktops.flatMap((name) => (shots.has(name) ? [[name, shots.get(name)!.etag]] : [])));
  try {
    const { items } = await api.post<Pictures>("/pictures", { desktops, known });
    for (const p of items) {
      if (!p.jpeg) continue;
      keep(p.desktop, { etag: p.etag, at: p.at, url: `data:image/jpeg;base64,${p.jpeg}` });
      shown.get(p.desktop)?.forEach((tell) => tell());
    }
  } catch {
    // What is shown stays; the next renewal asks again, and the page says by itself that the server is away.
  }
  running = false;
  if (due.size) soon();
}

function soon() {
  if (shown.size) timer ??= window.setTimeout(() => void fetchDue(), GATHER_MS);
}

function renew() {
  for (const name of shown.keys()) due.add(name);
  soon();
}

whenPicturesChange((names) => {
  for (const name of names) if (shown.has(name)) due.add(name);
  if (due.size) soon();
});
document.addEventListener("visibilitychange", () => !document.hidden && renew());

function show(name: string, tell: () => void) {
  const listeners = shown.get(name) ?? new Set();
  if (!listeners.size) {
    shown.set(name, listeners);
    due.add(name);
    soon();
  }
  listeners.add(tell);
  renewal ??= window.setInterval(renew, RENEW_MS);
  return () => {
    listeners.delete(tell);
    if (!listeners.size) shown.delete(name);
    if (shown.size) return;
    window.clearInterval(renewal);
    renewal = undefined;
  };
}

/** What somebody saw here is nothing for who logs in next. */
export function forgetPictures() {
  shots.clear();
}

/** The screen of a desktop as it is, or was last; what: said in its place where there is no picture. */
export function Picture({ of, what, old }: { of: string; what: string; old?: boolean }) {
  const shot = useSyncExternalStore((tell) => show(of, tell), () => shots.get(of));
  return (
    <div className={old ? "pane-picture pane-picture-old" : "pane-picture"}>
      {shot ? <img src={shot.url} alt={`Screen of ${of}`} data-etag={shot.etag} /> : <span>{what}</span>}
    </div>
  );
}
