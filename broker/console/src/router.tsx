// SPDX-License-Identifier: GPL-3.0-or-later
// Where we are is the part of the address after "#": it never reaches a server or its log, and a link to a page with
// its filters is a link that can be sent on.
import { useCallback, useMemo, useSyncExternalStore, type AnchorHTMLAttributes } from "react";

function current() {
  return window.location.hash.slice(1) || "/";
}

function subscribe(tell: () => void) {
  window.addEventListener("hashchange", tell);
  return () => window.removeEventListener("hashchange", tell);
}

export function navigate(to: string, replace = false) {
  if (current() === to) return;
  if (replace) {
    window.history.replaceState(null, "", `#${to}`);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else window.location.hash = to;
}

/** The parts of the path, decoded. What is after "?" changes with every key of a search, and is nothing to who asks here. */
export function useRoute() {
  const path = useSyncExternalStore(subscribe, () => current().split("?", 1)[0]!);
  return useMemo(() => {
    const parts = path
      .split("/")
      .filter(Boolean)
      .map((part) => {
        try {
          return decodeURIComponent(part);
        } catch {
          return part;
        }
      });
    return { path, parts };
  }, [path]);
}

const query = () => new URLSearchParams(current().split("?", 2)[1] ?? "");

/** Changes the query in one step; null takes a value out. */
export function setQuery(changes: Record<string, string | null>) {
  const next = query();
  for (const [name, value] of Object.entries(changes))
    if (value === null) next.delete(name);
    else next.set(name, value);
  const path = current().split("?", 1)[0]!;
  navigate(next.size ? `${path}?${next}` : path, true);
}

/** One value of the query, kept in the address. */
export function useQuery(name: string, initial = ""): [string, (value: string) => void] {
  const value = useSyncExternalStore(subscribe, () => query().get(name) ?? initial);
  const set = useCallback((next: string) => setQuery({ [name]: next === initial ? null : next }), [name, initial]);
  return [value, set];
}

export function Link({ to, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return <a href={`#${to}`} {...rest} />;
}
