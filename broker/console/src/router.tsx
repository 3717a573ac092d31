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

/** The parts of the path, decoded, and the query. */
export function useRoute() {
  const at = useSyncExternalStore(subscribe, current);
  return useMemo(() => {
    const [path, query = ""] = at.split("?", 2);
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
    return { path, parts, query: new URLSearchParams(query) };
  }, [at]);
}

/** One value of the query, kept in the address. */
export function useQuery(name: string, initial = ""): [string, (value: string) => void] {
  const { query } = useRoute();
  const set = useCallback(
    (value: string) => {
      const [path, text = ""] = current().split("?", 2);
      const next = new URLSearchParams(text);
      if (value === initial) next.delete(name);
      else next.set(name, value);
      navigate(next.size ? `${path}?${next}` : path, true);
    },
    [name, initial],
  );
  return [query.get(name) ?? initial, set];
}

export function Link({ to, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return <a href={`#${to}`} {...rest} />;
}
