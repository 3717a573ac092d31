// SPDX-License-Identifier: GPL-3.0-or-later
// What a desktop or a host used, as charts: small drawings of our own, whose figures stand beside them as text. Samples
// are of a minute at least, so they are read again once a minute and only while the page is in sight.
import { Card, CardBody, CardHeader, CardTitle, Flex, FlexItem, Gallery, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import type { Usage as Answer, UsageSample } from "#schema";
import { useItem } from "../api/live";
import { mib, Nothing, Shown } from "./common";
import { number, when } from "./text";

const AGAIN_MS = 60000;
const WIDTH = 600, HEIGHT = 140; // of a drawing, in its own units

type Line = { title: string; kind: "a" | "b" | "c" | "d"; of: (s: UsageSample) => number | null };
type Chart = { title: string; lines: Line[]; unit: (n: number) => string; stacked?: boolean; most?: number; none?: string };

const thousandths = (n: number) => number(n / 1000, n < 1000 ? 2 : 1);
const speed = (kib: number) => (kib >= 1024 ? `${number(kib / 1024, 1)} MiB/s` : `${Math.round(kib)} KiB/s`);

function chartsOf(answer: Answer, host: boolean): Chart[] {
  const processors: Chart = { title: "Processors", unit: thousandths, stacked: true, lines: [] };
  const memory: Chart = { title: "Memory", unit: (n) => mib(Math.round(n)), stacked: true, lines: [] };
  if (host) {
    processors.lines = [{ title: "Everything on it", kind: "a", of: (s) => s.cpu }];
    memory.lines = [{ title: "Used", kind: "a", of: (s) => s.memory }];
    return [{ ...processors, most: answer.cpus * 1000 }, { ...memory, most: answer.memory_mib }];
  }
  processors.lines = [
    { title: "Desktop", kind: "a", of: (s) => s.cpu },
    { title: "Running it", kind: "b", of: (s) => s.overhead },
    { title: "Its disks and network", kind: "d", of: (s) => s.io },
    { title: "Its display", kind: "c", of: (s) => s.display },
  ];
  memory.lines = [
    { title: "Desktop", kind: "a", of: (s) => s.memory },
    { title: "Its display", kind: "c", of: (s) => s.display_memory },
  ];
  return [
    processors,
    { ...memory, most: answer.memory_mib },
    {
      title: "Disk", unit: speed, none: "The host may not read it.",
      lines: [{ title: "Read", kind: "a", of: (s) => s.disk_read }, { title: "Written", kind: "c", of: (s) => s.disk_written }],
    },
    {
      title: "Network", unit: speed, none: "Only containers with a network of their own tell it.",
      lines: [{ title: "Received", kind: "a", of: (s) => s.net_in }, { title: "Sent", kind: "c", of: (s) => s.net_out }],
    },
  ];
}

/** Round, and not below what is shown. */
function ceiling(n: number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 5, 10].map((f) => f * power).find((x) => x >= n)!;
}

type Point = { x: number; low: number; high: number };

/** Pieces without a gap: where nothing was reported nothing is drawn. */
function pieces(answer: Answer, chart: Chart, index: number, top: number): Point[][] {
  const end = new Date(answer.until).getTime(), found: Point[][] = [];
  let last = 0;
  for (const sample of answer.samples) {
    const own = chart.lines[index].of(sample);
    if (own === null) continue;
    const at = new Date(sample.at).getTime();
    const below = chart.stacked ? chart.lines.slice(0, index).reduce((sum, line) => sum + (line.of(sample) ?? 0), 0) : 0;
    const y = (n: number) => HEIGHT - (HEIGHT * Math.min(n, top)) / top;
    if (!found.length || at - last > answer.step_s * 1600) found.push([]);
    found.at(-1)!.push({ x: WIDTH - (WIDTH * (end - at)) / (answer.range_s * 1000), low: y(below), high: y(below + own) });
    last = at;
  }
  return found;
}

const path = (points: [number, number][]) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function Drawing({ answer, chart, top }: { answer: Answer; chart: Chart; top: number }) {
  return (
    <svg className="pane-chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {[0.25, 0.5, 0.75].map((part) => <line key={part} className="pane-chart-grid" x1="0" x2={WIDTH} y1={HEIGHT * part} y2={HEIGHT * part} />)}
      {chart.lines.map((line, i) => (
        <g key={line.title} className={`pane-chart-${line.kind}`}>
          {pieces(answer, chart, i, top).map((piece) => {
            // One sample alone is a short stroke.
            const points = piece.length > 1 ? piece : [piece[0], { ...piece[0], x: piece[0].x + 2 }];
            const over = points.map((p) => [p.x, p.high] as [number, number]);
            return (
              <g key={points[0].x}>
                {chart.stacked && <path className="pane-chart-area" d={`${path([...over, ...points.map((p) => [p.x, p.low] as [number, number]).reverse()])}Z`} />}
                <path className="pane-chart-line" d={path(over)} />
              </g>
            );
          })}
        </g>
      ))}
    </svg>
  );
}

function Panel({ answer, chart }: { answer: Answer; chart: Chart }) {
  const values = chart.lines.map((line) => answer.samples.map(line.of).filter((n) => n !== null));
  const sums = answer.samples.map((s) => chart.lines.reduce((sum, line) => (chart.stacked ? sum + (line.of(s) ?? 0) : Math.max(sum, line.of(s) ?? 0)), 0));
  const known = values.some((v) => v.length);
  const top = chart.most && chart.most >= Math.max(...sums, 0) ? chart.most : ceiling(Math.max(...sums, 1));
  const begin = new Date(new Date(answer.until).getTime() - answer.range_s * 1000);
  const hour = (date: Date) => when(date, { hour: "2-digit", minute: "2-digit", ...(answer.range_s > 7200 ? { weekday: "short" as const } : {}) });
  return (
    <section aria-label={chart.title}>
      <h3 className="pane-chart-title">{chart.title} <span className="pane-quiet">{known && `to ${chart.unit(top)}`}</span></h3>
      {known ? <Drawing answer={answer} chart={chart} top={top} /> : <p className="pane-quiet">Not known. {chart.none}</p>}
      {known && (
        <>
          <p className="pane-chart-times pane-quiet"><span>{hour(begin)}</span><span>{hour(new Date(answer.until))}</span></p>
          <ul className="pane-legend">
            {chart.lines.map((line, i) => values[i].length > 0 && (
              <li key={line.title}>
                <span className={`pane-dot pane-chart-${line.kind}`} />{line.title}: {chart.unit(values[i].at(-1)!)}, at most {chart.unit(Math.max(...values[i]))}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** of: "/desktops/office-1" or "/hosts/h1" */
export function Usage({ of, host = false }: { of: string; host?: boolean }) {
  const [range, setRange] = useState<"hour" | "day">("hour");
  const live = useItem<Answer>(`${of}/usage?range=${range}`, []);
  const { reload } = live;
  useEffect(() => {
    const again = () => { if (!document.hidden) reload(); };
    const timer = window.setInterval(again, AGAIN_MS);
    document.addEventListener("visibilitychange", again);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener("visibilitychange", again);
    };
  }, [reload]);
  const toggle = (
    <ToggleGroup aria-label="Time shown">
      <ToggleGroupItem text="Hour" isSelected={range === "hour"} onChange={() => setRange("hour")} />
      <ToggleGroupItem text="Day" isSelected={range === "day"} onChange={() => setRange("day")} />
    </ToggleGroup>
  );
  return (
    <Card className="pane-above pane-below">
      <CardHeader>
        <Flex justifyContent={{ default: "justifyContentSpaceBetween" }}>
          <FlexItem><CardTitle component="h2">Usage</CardTitle></FlexItem>
          <FlexItem>{toggle}</FlexItem>
        </Flex>
      </CardHeader>
      <CardBody>
        <Shown live={live} what="Usage">
          {(answer) => answer.samples.length ? (
            <Gallery hasGutter minWidths={{ default: "100%", md: "400px" }}>
              {chartsOf(answer, host).map((chart) => <Panel key={chart.title} answer={answer} chart={chart} />)}
            </Gallery>
          ) : <Nothing title="Nothing was reported in this time">{host ? "The host tells it once a minute while it is heard from." : "A desktop that runs tells it once a minute."}</Nothing>}
        </Shown>
      </CardBody>
    </Card>
  );
}
