// SPDX-License-Identifier: GPL-3.0-or-later
// A long table in pieces: rows near what is in sight are there, other pieces are as high as their rows are. Where rows
// are high or low does not matter, as each piece is measured when it goes. What has the keyboard's focus stays, and so do
// its neighbours, so that Tab finds the next row.
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";

const ROWS = 10; // of a piece: what is made between two frames
const NEAR = "900px 0px"; // beyond the upper and the lower edge
export const LONG = 100; // tables up to here are whole

/** What scrolls the table up and down. */
function scrollerOf(table: HTMLElement | null) {
  for (let at = table?.parentElement?.parentElement; at; at = at.parentElement)
    if (/auto|scroll/.test(getComputedStyle(at).overflowY) && at !== document.body && at !== document.documentElement) return at;
  return null;
}

/** Which pieces are near, and what each box of a piece is told to be found by. */
function usePieces(count: number) {
  const [near, setNear] = useState<ReadonlySet<number>>(new Set([0, 1, 2]));
  const boxes = useRef(new Map<number, HTMLElement>());
  const heights = useRef(new Map<number, number>());
  useEffect(() => {
    const inSight = new Set<number>();
    const indexOf = (box: Element | null | undefined) => (box ? Number((box as HTMLElement).dataset.piece) : NaN);
    const watcher = new IntersectionObserver((entries) => {
      for (const e of entries) if (e.isIntersecting) inSight.add(indexOf(e.target)); else inSight.delete(indexOf(e.target));
      const focus = indexOf(document.activeElement?.closest("[data-piece]"));
      setNear((before) => {
        const next = new Set([...inSight, ...[focus - 1, focus, focus + 1].filter((k) => k >= 0 && k < count)]);
        for (const k of before) if (!next.has(k)) heights.current.set(k, boxes.current.get(k)?.getBoundingClientRect().height ?? 0);
        return next.size === before.size && [...next].every((k) => before.has(k)) ? before : next;
      });
    }, { root: scrollerOf(boxes.current.get(0)?.closest("table") ?? null), rootMargin: NEAR });
    for (const box of boxes.current.values()) watcher.observe(box);
    return () => watcher.disconnect();
  }, [count]);
  /** Of a piece that is away: as high as it was, or as those that were are on average. */
  const height = (k: number, rows: number) => {
    const known = heights.current.get(k);
    if (known) return known;
    const first = boxes.current.get(0)?.getBoundingClientRect().height;
    return (first ? first / ROWS : 46) * rows;
  };
  return { near, boxes, height };
}

/** Columns stay as wide as the first rows made them, whatever comes later: until the window changes its size. */
export function useWidths(on: boolean) {
  const head = useRef<HTMLTableSectionElement>(null);
  const [widths, setWidths] = useState<number[]>();
  useEffect(() => {
    if (!on) return;
    const anew = () => setWidths(undefined);
    window.addEventListener("resize", anew);
    return () => window.removeEventListener("resize", anew);
  }, [on]);
  useLayoutEffect(() => {
    if (on && !widths && head.current) setWidths([...head.current.querySelectorAll("th, td")].map((cell) => cell.getBoundingClientRect().width));
  }, [on, widths]);
  return { head, widths: on ? widths : undefined };
}

/** The bodies of a long table. columns: how many there are, for what stands in for rows. */
export function Pieces<T>({ rows, columns, row }: { rows: T[]; columns: number; row: (row: T, index: number) => ReactNode }) {
  const count = Math.ceil(rows.length / ROWS);
  const { near, boxes, height } = usePieces(count);
  return Array.from({ length: count }, (_, k) => {
    const some = rows.slice(k * ROWS, (k + 1) * ROWS);
    const here = near.has(k);
    return (
      <tbody
        key={k} className="pf-v6-c-table__tbody" role="rowgroup" data-piece={k} aria-hidden={here ? undefined : true}
        ref={(box) => { if (box) boxes.current.set(k, box); return () => void boxes.current.delete(k); }}
      >
        {here ? some.map((one, i) => row(one, k * ROWS + i)) : <tr><td colSpan={columns} style={{ height: height(k, some.length) }} /></tr>}
      </tbody>
    );
  });
}
