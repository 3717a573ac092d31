// SPDX-License-Identifier: GPL-3.0-or-later
// Lists that stay true. Each path is fetched once for all who show it and again when the server says that something
// of its kind changed (GET /events, server-sent events), or every few seconds where there is no such stream.
import { useCallback, useEffect, useSyncExternalStore } from "react";
import { api, ApiError, raw } from "./client";

export type Kind = "desktop" | "session" | "pool" | "host" | "image" | "user";

export type Live<T> = { data: T | undefined; error: ApiError | undefined; reload: () => void };

type Entry = {
  kinds: Kind[];
  fetch: () => Promise<unknown>;
  state: { data: any; error: ApiError | undefined };
  listeners: Set<() => void>;
  running: boolean;
  again: boolean;
};

const ALL: Kind[] = ["desktop", "session", "pool", "host", "image", "user"];
/** What an event of the stream may have changed. Others (change, lost, what is yet to come): anything. */
const TOUCHES: Record<string, Kind[]> = {
  machine: ["desktop", "pool"],
  desktop: ["desktop", "pool"],
  session: ["session", "desktop"],
  pool: ["pool"],
  host: ["host"],
  image: ["image"],
  user: ["user"],
};

const SLOW_MS = 4000;
const BACKSTOP_MS = 30000;
const GATHER_MS = 250;
const entries = new Map<string, Entry>();
let streaming = false;

async function load(entry: Entry) {
  if (entry.running) {
    entry.again = true;
    return;
  }
  entry.running = true;
  do {
    entry.again = false;
    try {
      entry.state = { data: await entry.fetch(), error: undefined };
    } catch (problem) {
      const error = problem instanceof ApiError ? problem : new ApiError(0, "console", String(problem));
      entry.state = { data: error.status === 404 ? undefined : entry.state.data, error };
    }
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

/** Lines of one server-sent event after another; calls back with each event's type. */
async function read(answer: Response, onEvent: (type: string) => void) {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith("event:")) onEvent(line.slice(6).trim());
  }
}

/** Keeps everything shown up to date while somebody is logged in. */
export function useLiveUpdates(active: boolean) {
  useEffect(() => {
    if (!active) return;
    const stop = new AbortController();
    const changed = new Set<Kind>();
    let gather: number | undefined;
    const onEvent = (type: string) => {
      for (const kind of TOUCHES[type] ?? ALL) changed.add(kind);
      gather ??= window.setTimeout(() => {
        gather = undefined;
        refresh(...changed);
        changed.clear();
      }, GATHER_MS);
    };
    const listen = async () => {
      for (let pause = 1000; !stop.signal.aborted; pause = Math.min(pause * 2, 30000)) {
        try {
          const answer = await raw("GET", "/events", undefined, stop.signal);
          streaming = true;
          pause = 1000;
          refresh();
          await read(answer, onEvent);
        } catch (problem) {
          if (problem instanceof ApiError && (problem.status === 404 || problem.status === 403)) return; // none here
        } finally {
          streaming = false;
        }
        await new Promise((done) => setTimeout(done, pause));
      }
    };
    void listen();
    let last = Date.now();
    const tick = window.setInterval(() => {
      if (document.hidden || Date.now() - last < (streaming ? BACKSTOP_MS : SLOW_MS)) return;
      last = Date.now();
      refresh();
    }, 1000);
    return () => {
      stop.abort();
      window.clearInterval(tick);
      window.clearTimeout(gather);
    };
  }, [active]);
}
