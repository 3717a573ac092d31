// SPDX-License-Identifier: GPL-3.0-or-later
// What was used over days, by day, pool and user: a chart of one measure and a table of all. What is shown is in the
// address.
import { Card, CardBody, CardTitle, Checkbox, Flex, FlexItem, Form, FormGroup, FormSelect, FormSelectOption, TextInput } from "@patternfly/react-core";
import type { UsageLine, UsageReport } from "#schema";
import { useItem } from "../api/live";
import { Link, useQuery } from "../router";
import { Nothing, Page, Shown } from "../ui/common";
import { DataTable, type Column } from "../ui/table";
import { t } from "../ui/text";

const BY = ["day", "pool", "user"] as const;
type By = (typeof BY)[number];
type Measure = Exclude<keyof UsageLine, By>;

const BY_TITLE: Record<By, string> = { day: "Day", pool: "Pool", user: "User" };
const MEASURES: [Measure, string, string][] = [
  ["desktop_hours", "Desktops ran (hours)", "h"],
  ["connected_hours", "People were at them (hours)", "h"],
  ["connects", "Connections", ""],
  ["cpu_hours", t("Processor (hours)"), "h"],
  ["overhead_hours", "Virtualization (processor hours)", "h"],
  ["io_hours", "Disks and network cards (processor hours)", "h"],
  ["display_hours", "Displays (processor hours)", "h"],
  ["memory_gib_hours", "Memory (GiB hours)", "GiB h"],
  ["disk_mib", t("Disk (MiB)"), "MiB"],
  ["net_mib", t("Network (MiB)"), "MiB"],
];

const BARS = 31;
const number = (n: number) => n.toLocaleString(undefined, { maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0 });
const isDay = (text: string) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
const before = (days: number) => new Date(Date.now() - days * 86400000).toISOString().slice(0, 10);

/** What the chart's bars are of: days where there are any, else pools, else users. */
function barsOf(items: UsageLine[], by: By[], measure: Measure) {
  const along = by.includes("day") ? "day" : by[0];
  const sums = new Map<string, number>();
  for (const line of items) sums.set(line[along] ?? "", (sums.get(line[along] ?? "") ?? 0) + line[measure]);
  const all = [...sums].sort(([a, n], [b, m]) => (along === "day" ? b.localeCompare(a) : m - n));
  return { along, bars: along === "day" ? all.slice(0, BARS).reverse() : all.slice(0, BARS), more: Math.max(0, all.length - BARS) };
}

function Chart({ items, by, measure }: { items: UsageLine[]; by: By[]; measure: Measure }) {
  const [, title, unit] = MEASURES.find(([key]) => key === measure)!;
  const { along, bars, more } = barsOf(items, by, measure);
  const most = Math.max(...bars.map(([, n]) => n), 0);
  const total = items.reduce((sum, line) => sum + line[measure], 0);
  const name = (text: string) => text || (along === "user" ? "nobody" : "no pool any more");
  return (
    <Card className="pane-below">
      <CardTitle component="h2">{title}: {number(total)} in all</CardTitle>
      <CardBody>
        <ul className="pane-bars" aria-label={`${title} by ${along}`}>
          {bars.map(([text, n]) => (
            <li key={text}>
              <span className="pane-bars-name" title={name(text)}>{name(text)}</span>
              <span className="pane-bars-room"><span className="pane-bars-bar" style={{ width: `${most ? (100 * n) / most : 0}%` }} /></span>
              <span className="pane-bars-value">{number(n)} {unit}</span>
            </li>
          ))}
        </ul>
        {more > 0 && <p className="pane-quiet pane-above">{along === "day" ? `${more} earlier days are in the table.` : `${more} smaller ones are in the table.`}</p>}
      </CardBody>
    </Card>
  );
}

function Cell({ of, by }: { of: UsageLine; by: By }) {
  const text = of[by];
  if (!text) return <span className="pane-quiet">{by === "user" ? "nobody" : "no pool any more"}</span>;
  if (by === "day") return <span className="pane-nowrap">{text}</span>;
  return <Link to={`/${by}s/${encodeURIComponent(text)}`}>{text}</Link>;
}

function useReport() {
  const [from, setFrom] = useQuery("from", before(30));
  const [to, setTo] = useQuery("to", before(0));
  const [text, setBy] = useQuery("by", "pool");
  const [picked, setMeasure] = useQuery("chart", "connected_hours");
  const named = BY.filter((b) => text.split(",").includes(b));
  const by = named.length ? named : ["pool" as By];
  const measure = MEASURES.find(([key]) => key === picked)?.[0] ?? "connected_hours";
  const wrong = !isDay(from) || !isDay(to) ? "A day, as 2026-11-28." : from > to ? "The report ends before it begins." : undefined;
  return { from, setFrom, to, setTo, by, setBy, measure, setMeasure, wrong };
}

export function UsageReportPage() {
  const { from, setFrom, to, setTo, by, setBy, measure, setMeasure, wrong } = useReport();
  const live = useItem<UsageReport>(wrong ? null : `/usage?from=${from}&to=${to}&by=${by.join(",")}`, []);
  const toggle = (b: By, on: boolean) => {
    const next = BY.filter((x) => (x === b ? on : by.includes(x)));
    if (next.length) setBy(next.join(","));
  };
  const columns: Column<UsageLine>[] = [
    ...by.map((b) => ({ key: b, title: BY_TITLE[b], value: (line: UsageLine) => line[b] ?? "", cell: (line: UsageLine) => <Cell of={line} by={b} /> })),
    ...MEASURES.map(([key, title]) => ({ key, title, value: (line: UsageLine) => line[key], cell: (line: UsageLine) => <span className="pane-nowrap">{number(line[key])}</span> })),
  ];
  return (
    <Page title="Usage report" lead="What desktops and people used, over days. Days are those of the database's time zone; the last of them is still going on.">
      <Form className="pane-below" onSubmit={(event) => event.preventDefault()}>
        <Flex alignItems={{ default: "alignItemsFlexStart" }}>
          <FlexItem><FormGroup label="From" fieldId="from"><TextInput id="from" type="date" value={from} max={to} validated={wrong ? "error" : "default"} onChange={(_, v) => v && setFrom(v)} aria-describedby={wrong && "range-wrong"} /></FormGroup></FlexItem>
          <FlexItem><FormGroup label="To" fieldId="to"><TextInput id="to" type="date" value={to} min={from} validated={wrong ? "error" : "default"} onChange={(_, v) => v && setTo(v)} aria-describedby={wrong && "range-wrong"} /></FormGroup></FlexItem>
          <FlexItem>
            <FormGroup label="A line for each" role="group" isInline fieldId="by">
              {BY.map((b) => <Checkbox key={b} id={`by-${b}`} label={BY_TITLE[b]} isChecked={by.includes(b)} onChange={(_, on) => toggle(b, on)} />)}
            </FormGroup>
          </FlexItem>
          <FlexItem>
            <FormGroup label="Chart of" fieldId="measure">
              <FormSelect id="measure" value={measure} onChange={(_, v) => setMeasure(v)}>
                {MEASURES.map(([key, title]) => <FormSelectOption key={key} value={key} label={title} />)}
              </FormSelect>
            </FormGroup>
          </FlexItem>
        </Flex>
        {wrong && <p id="range-wrong" role="alert">{wrong}</p>}
      </Form>
      {!wrong && (
        <Shown live={live} what="The report">
          {(report) => report.items.length ? (
            <>
              <Chart items={report.items} by={by} measure={measure} />
              <DataTable<UsageLine>
                key={by.join()}
                name="Usage report"
                live={{ ...live, data: report.items }}
                rowKey={(line) => by.map((b) => line[b]).join(" ")}
                columns={columns}
                order={by.includes("day") ? "-day" : `-${measure}`}
                empty={{ title: "Nothing was used" }}
              />
            </>
          ) : <Nothing title="Nothing was used in these days">Choose other days. Desktops that run tell what they use once a minute.</Nothing>}
        </Shown>
      )}
    </Page>
  );
}
