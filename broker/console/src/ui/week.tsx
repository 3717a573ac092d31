// SPDX-License-Identifier: GPL-3.0-or-later
// A week as a grid of 7 x 24 hours with a number in each, or none. A rectangle of hours is chosen with the mouse (drag) or the
// keyboard (arrows, Shift with them to widen, Control+A for all); digits then fill it, Delete empties it.
// Arrow keys move one focus through the grid, as the ARIA practice for grids has it: Tab leads to it and past it.
import { useRef, useState, type KeyboardEvent } from "react";
import { weekdays } from "./text";

const DAYS = weekdays("long");
const DAYS_SHORT = weekdays("short");
const SHORT = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export type Week = (number | null)[];
const MAX = 9999;

const two = (n: number) => String(n).padStart(2, "0");

/** The lines of a schedule ("mon-fri 07:00-09:00 10") that make this week: neighbouring days with the same hours are one line. */
export function linesOf(week: Week): string[] {
  const days = new Map<string, number[]>();
  for (let day = 0; day < 7; day++)
    for (let from = 0, to = 0; from < 24; from = to) {
      const n = week[day * 24 + from];
      for (to = from + 1; to < 24 && week[day * 24 + to] === n; ) to++;
      if (n === null || n === undefined) continue;
      const key = `${two(from)}:00-${two(to)}:00 ${n}`;
      days.set(key, [...(days.get(key) ?? []), day]);
    }
  return [...days].flatMap(([hours, on]) => {
    if (on.length === 7) return [`daily ${hours}`];
    const lines: string[] = [];
    for (let i = 0, j = 0; i < on.length; i = j) {
      for (j = i + 1; j < on.length && on[j] === on[j - 1]! + 1; ) j++;
      lines.push(`${SHORT[on[i]!]}${j - i > 1 ? `-${SHORT[on[j - 1]!]}` : ""} ${hours}`);
    }
    return lines;
  });
}

type Place = { day: number; hour: number };
const clamp = (n: number, max: number) => Math.max(0, Math.min(max, n));

export function WeekGrid({ label, value, set, readOnly, empty }: {
  label: string;
  value: Week;
  set: (value: Week) => void;
  readOnly?: boolean;
  /** what an hour without a number means */
  empty: string;
}) {
  const [from, setFrom] = useState<Place>({ day: 0, hour: 8 });
  const [to, setTo] = useState<Place>({ day: 0, hour: 8 });
  const dragging = useRef(false);
  const typed = useRef(""); // digits of the number being typed into the chosen hours
  const grid = useRef<HTMLTableElement>(null);
  const most = Math.max(1, ...value.map((n) => n ?? 0));

  const [d0, d1] = [Math.min(from.day, to.day), Math.max(from.day, to.day)];
  const [h0, h1] = [Math.min(from.hour, to.hour), Math.max(from.hour, to.hour)];
  const chosen = (day: number, hour: number) => day >= d0 && day <= d1 && hour >= h0 && hour <= h1;
  const fill = (n: number | null) => set(value.map((old, i) => (chosen(Math.floor(i / 24), i % 24) ? n : old)));
  const move = (place: Place, widen: boolean) => {
    typed.current = "";
    setTo(place);
    if (!widen) setFrom(place);
    grid.current?.querySelector<HTMLElement>(`[data-at="${place.day}-${place.hour}"]`)?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    const steps: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -24], End: [0, 24], PageUp: [-7, 0], PageDown: [7, 0] };
    const step = steps[event.key];
    if (step) move({ day: clamp(to.day + step[0], 6), hour: clamp(to.hour + step[1], 23) }, event.shiftKey);
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      setFrom({ day: 0, hour: 0 });
      setTo({ day: 6, hour: 23 });
    } else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (/^[0-9]$/.test(event.key) && !readOnly) {
      typed.current = String(Math.min(MAX, Number(typed.current + event.key)));
      fill(Number(typed.current));
    } else if (["Delete", "Backspace"].includes(event.key) && !readOnly) {
      typed.current = "";
      fill(null);
    } else return;
    event.preventDefault();
  };
  return (
    <div className="pane-scroll">
      <table
        ref={grid} role="grid" aria-label={label} aria-multiselectable aria-readonly={readOnly} className="pane-week" onKeyDown={onKey}
        onMouseUp={() => { dragging.current = false; }} onMouseLeave={() => { dragging.current = false; }}
      >
        <thead>
          <tr role="row">
            <th role="columnheader"><span className="pane-week-corner">Hour</span></th>
            {Array.from({ length: 24 }, (_, hour) => <th key={hour} role="columnheader" scope="col">{two(hour)}</th>)}
          </tr>
        </thead>
        <tbody>
          {DAYS.map((name, day) => (
            <tr key={name} role="row">
              <th role="rowheader" scope="row">{DAYS_SHORT[day]}</th>
              {Array.from({ length: 24 }, (_, hour) => {
                const n = value[day * 24 + hour] ?? null;
                const heat = n === null ? "none" : String(Math.ceil((4 * n) / most));
                return (
                  <td
                    key={hour} role="gridcell" data-at={`${day}-${hour}`} data-heat={heat} aria-selected={chosen(day, hour)}
                    tabIndex={to.day === day && to.hour === hour ? 0 : -1}
                    aria-label={`${name} ${two(hour)}:00: ${n === null ? empty : n}`}
                    onMouseDown={(event) => { event.preventDefault(); dragging.current = true; move({ day, hour }, event.shiftKey); }}
                    onMouseEnter={() => dragging.current && move({ day, hour }, true)}
                  >{n ?? ""}</td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
