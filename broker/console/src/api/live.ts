// SPDX-License-Identifier: GPL-3.0-or-later
// Lists that stay true. Each path is fetched once for all who show it, and again when the server says that something
// of its kind changed (GET /events, server-sent events). Nothing is asked for on a timer: while the stream is cut,
// what is shown is said to be old, and everything is read again when the stream is back.
import { useCallback, useEffect, useSyncExternalStore } from "react";
import { api, ApiError, raw } from "./client";

export type Kind = "desktop" | "session" | "pool" | "host" | "image" | "user" | "audit" | "recording" | "site" | "me";

export type Live<T> = { data: T | undefined; error: ApiError | undefined; reload: () => void };

/** An event as the stream has it; docs/contracts.md "Events". */
export type Happening = { at: string; kind: string; desktops?: string[]; name?: string; desktop?: string; host?: string; user?: string; from?: string; to?: string; reason?: string };

type Entry = {
  kinds: Kind[];
  fetch: () => Promise<unknown>;
  state: { data: any; error: ApiError | undefined };
  listeners: Set<() => void>;
  running: boolean;
  again: boolean;
};

const ALL: Kind[] = ["desktop", "session", "pool", "host", "image", "user", "audit", "recording", "site", "me"];
/** What an event of the stream may have changed. Others (lost, what is yet to come): anything. */
const TOUCHES: Record<string, Kind[]> = {
  machine: ["desktop", "pool", "host"],
  session: ["session", "desktop", "audit"],
  pool: ["pool"],
  host: ["host", "desktop"],
  image: ["image", "pool"],
  recording: ["recording"],
  gateway: ["site"],
  role: ["me", "user", "pool", "desktop", "session"],
};
/** The same of what somebody changed, by the first word of its action. */
const CHANGES: Record<string, Kind[]> = {
  user: ["user", "audit"], users: ["user", "audit"], group: ["user", "pool", "audit"], member: ["user", "pool", "audit"],
  entitlement: ["user", "pool", "desktop", "audit"], pool: ["pool", "audit"], rollout: ["pool", "audit"], image: ["image", "pool", "audit"],
  version: ["image", "pool", "audit"], host: ["host", "pool", "audit"], desktop: ["desktop", "audit"], session: ["session", "audit"],
  login: ["user", "audit"], logins: ["user", "audit"], token: ["user", "audit"], password: ["audit"], lockout: ["user", "audit"], home: ["user", "audit"],
  recording: ["recording", "audit"], role: ["user", "pool", "audit"], branding: ["site", "audit"], gateway: ["site", "audit"],
};

const GATHER_MS = 100; // what belongs together is read once
const GATHER_MAX_MS = 2000; // under a storm, no more often than the slowest read takes twice
const SILENT_MS = 25000; // the broker says something every 10 s: what is silent for longer is cut
const RECENT_MAX = 200;

const entries = new Map<string, Entry>();
let slowest = 0;

// ---- whether the stream flows, and what it said last ----

let flowing = true;
let recent: Happening[] = [];
const tellStream = new Set<() => void>();

function setFlowing(now: boolean) {
  if (flowing === now) return;
  flowing = now;
  tellStream.forEach((tell) => tell());
}

function subscribeStream(tell: () => void) {
  tellStream.add(tell);
  return () => tellStream.delete(tell);
}

/** False while the stream is cut: what is shown may be old. */
export function useFlowing() {
  return useSyncExternalStore(subscribeStream, () => flowing);
}

/** What happened since this page was opened, newest first. */
export function useRecent() {
  return useSyncExternalStore(subscribeStream, () => recent);
}

let tellPictures: (names: string[]) => void = () => {};

/** Called with the names of desktops whose pictures changed. */
export function whenPicturesChange(fn: (names: string[]) => void) {
  tellPictures = fn;
}

/** The next event of the stream, or the time it is waited for at most. */
export function nextEvent(ms: number) {
  return new Promise<void>((done) => {
    const before = recent;
    const end = () => {
      window.clearTimeout(timer);
      tellStream.delete(look);
      done();
    };
    const look = () => recent !== before && end();
    const timer = window.setTimeout(end, ms);
    tellStream.add(look);
  });
}

// ---- what is shown ----

async function load(entry: Entry) {
  if (entry.running) {
    entry.again = true;
    return;
  }
  entry.running = true;
  do {
    entry.again = false;
    const begin = performance.now();
    try {
      entry.state = { data: await entry.fetch(), error: undefined };
    } catch (problem) {
      const error = problem instanceof ApiError ? problem : new ApiError(0, "console", String(problem));
      entry.state = { data: error.status === 404 ? undefined : entry.state.data, error };
    }
    slowest = Math.max(slowest * 0.9, performance.now() - begin);
    entry.listeners.forEach((tell) => tell());
  } while (entry.again && entry.listeners.size);
  entry.running = false;
}

/** Loads again what any of these kinds is part of. */
export function refresh(...kinds: Kind[]) {
  for (const entry of entries.values())
    if (entry.listeners.size && (!kinds.length || entry.kinds.some((k) => kinds.includes(k)))) void load(entry);
}

export function forget() {
  entries.clear();
  recent = [];
}

function useLive<T>(key: string | null, kinds: Kind[], fetch: () => Promise<T>): Live<T> {
  const subscribe = useCallback(
    (tell: () => void) => {
      if (key === null) return () => {};
      let entry = entries.get(key);
      if (!entry) {
        entry = { kinds, fetch, state: { data: undefined, error: undefined }, listeners: new Set(), running: false, again: false };
        entries.set(key, entry);
      }
      entry.listeners.add(tell);
      void load(entry);
      return () => {
        entry.listeners.delete(tell);
        if (!entry.listeners.size && entries.get(key) === entry) entries.delete(key);
      };
    },
    [key],
  );
  const state = useSyncExternalStore(subscribe, () => (key === null ? EMPTY : (entries.get(key)?.state ?? EMPTY)));
  const reload = useCallback(() => {
    const entry = key === null ? undefined : entries.get(key);
    if (entry) void load(entry);
  }, [key]);
  return { ...state, reload };
}

const EMPTY = { data: undefined as any, error: undefined as ApiError | undefined };

export function useList<T>(path: string | null, kinds: Kind[]): Live<T[]> {
  return useLive(path === null ? null : `list ${path}`, kinds, () => api.list<T>(path!));
}

export function useItem<T>(path: string | null, kinds: Kind[]): Live<T> {
  return useLive(path === null ? null : `item ${path}`, kinds, () => api.get<T>(path!));
}

// ---- the stream ----

/** One server-sent event after another; calls back with each, and with undefined for a sign of life. */
async function read(answer: Response, onEvent: (event?: { type: string; data: string }) => void) {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", type = "", data = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onEvent();
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith("event:")) type = line.slice(6).trim();
      else if (line.startsWith("data:")) data += line.slice(5).trim();
      else if (!line && type) {
        onEvent({ type, data });
        type = data = "";
      }
    }
  }
}

function touched(type: string, happening: Happening | undefined): Kind[] {
  if (type === "change") return CHANGES[happening?.to?.split(".")[0] ?? ""] ?? ALL;
  return TOUCHES[type] ?? ALL;
}

/** From an answer to its end; a stream that falls silent is ended. */
async function follow(stop: AbortSignal, onEvent: (type: string, happening: Happening | undefined) => void) {
  const cut = new AbortController();
  let watch = 0;
  const alive = () => {
    window.clearTimeout(watch);
    watch = window.setTimeout(() => cut.abort(), SILENT_MS);
  };
  alive();
  try {
    const answer = await raw("GET", "/events?pictures=1", undefined, AbortSignal.any([stop, cut.signal]));
    setFlowing(true);
    refresh(); // what happened before the stream was there
    await read(answer, (event) => {
      alive();
      if (!event) return;
      let happening: Happening | undefined;
      try {
        happening = JSON.parse(event.data) as Happening;
      } catch { /* what it touches is then anything */ }
      onEvent(event.type, happening);
    });
  } finally {
    window.clearTimeout(watch);
  }
}

/** Waits, but no longer than until the network is back or somebody looks. */
function pauseOrWake(ms: number, stop: AbortSignal) {
  return new Promise<void>((done) => {
    const wake = () => {
      window.clearTimeout(timer);
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      stop.removeEventListener("abort", wake);
      done();
    };
    const timer = window.setTimeout(wake, ms);
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    stop.addEventListener("abort", wake);
  });
}

/** Keeps everything shown up to date while somebody is logged in. */
export function useLiveUpdates(active: boolean) {
  useEffect(() => {
    if (!active) return;
    const stop = new AbortController();
    const changed = new Set<Kind>();
    let gather: number | undefined;
    const onEvent = (type: string, happening: Happening | undefined) => {
      if (type === "picture") {
        tellPictures(happening?.desktops ?? []);
        return;
      }
      for (const kind of touched(type, happening)) changed.add(kind);
      if (happening?.at) {
        recent = [happening, ...recent].slice(0, RECENT_MAX);
        tellStream.forEach((tell) => tell());
      }
      gather ??= window.setTimeout(() => {
        gather = undefined;
        refresh(...changed);
        changed.clear();
      }, Math.min(GATHER_MAX_MS, Math.max(GATHER_MS, slowest * 2)));
    };
    const listen = async () => {
      for (let pause = 250; !stop.signal.aborted; pause = Math.min(pause * 2, 8000)) {
        const begin = Date.now();
        await follow(stop.signal, onEvent).catch(() => undefined);
        if (stop.signal.aborted) return;
        setFlowing(false);
        if (Date.now() - begin > 10000) pause = 250;
        await pauseOrWake(pause, stop.signal);
      }
    };
    void listen();
    return () => {
      stop.abort();
      window.clearTimeout(gather);
      setFlowing(true);
    };
  }, [active]);
}
