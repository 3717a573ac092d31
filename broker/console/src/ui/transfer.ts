// SPDX-License-Identifier: GPL-3.0-or-later
import { useEffect, useRef } from "react";

/** What ends a long transfer: given up when the page goes, and the browser asks before it leaves while one is busy. */
export function useTransfer(busy: boolean) {
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [busy]);
  return stop;
}
