// SPDX-License-Identifier: GPL-3.0-or-later
// What a person has changed on a page and not saved yet.
import { useEffect, useState } from "react";

/**
 * Once it is saved it stays in sight until `truth`, what the server says, was read anew: a field never falls back to what it
 * was for a moment, where a person who goes on typing would be misunderstood.
 */
export function useDraft<T>(truth: unknown, none: T) {
  const [draft, setDraft] = useState<T>(none);
  const [saved, setSaved] = useState(false);
  useEffect(() => {
    if (!saved) return;
    setDraft(none);
    setSaved(false);
  }, [truth]); // only news of the server ends it
  const set = (next: T) => {
    setSaved(false);
    setDraft(next);
  };
  return { draft, set, saved, done: () => setSaved(true), undo: () => set(none) };
}
