// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of the console: filter, sort, page and selection with their state in the address, CSV of what is
// filtered. Rows are filtered here, not by the server: 10,000 of them take a few milliseconds.
import { Button, FormSelect, FormSelectOption, Pagination, SearchInput, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMemo, useState, type ReactNode } from "react";
import { useQuery } from "../router";
import { Nothing, plural, Shown } from "./common";
import type { Live } from "../api/live";

export type Column<T> = {
  key: string;
  title: string;
  /** what is sorted by, searched and exported */
  value: (row: T) => string | number | null;
  cell?: (row: T) => ReactNode;
};

export type Choice<T> = { key: string; title: string; value: (row: T) => string };

type Props<T> = {
  name: string;
  live: Live<T[]>;
  rowKey: (row: T) => string;
  columns: Column<T>[];
  choices?: Choice<T>[];
  bulk?: { title: string; danger?: boolean; run: (rows: T[]) => void }[];
  rowActions?: (row: T) => ReactNode;
  /** a column's key, "-" before it for downwards */
  order?: string;
  empty: { title: string; text?: ReactNode; action?: ReactNode };
};

export function csvOf(titles: string[], rows: (string | number | null)[][]) {
  const field = (v: string | number | null) => {
    const text = String(v ?? "");
    // A leading = + - @ would be a formula to a spreadsheet.
    const safe = typeof v === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [titles, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

export function download(name: string, type: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

function compare(a: string | number | null, b: string | number | null) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), undefined, { numeric: true });
}

function useRows<T>({ live, columns, choices = [] }: Props<T>, search: string, chosen: string[], sort: string) {
  return useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (live.data ?? []).filter((row) => {
      if (choices.some((choice, i) => chosen[i] && choice.value(row) !== chosen[i])) return false;
      if (!words.length) return true;
      const text = columns.map((c) => c.value(row) ?? "").join("\n").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const column = columns.find((c) => c.key === sort.replace(/^-/, ""));
    if (column) found.sort((a, b) => compare(column.value(a), column.value(b)) * (sort.startsWith("-") ? -1 : 1));
    return found;
    // Columns and choices are made anew by each render and do not differ.
  }, [live.data, search, chosen.join("\n"), sort]);
}

export function DataTable<T>(props: Props<T>) {
  const { name, live, rowKey, columns, choices = [], bulk = [], rowActions, order = columns[0].key, empty } = props;
  const [search, setSearch] = useQuery("q");
  const [only, setOnly] = useQuery("only");
  const [sort, setSort] = useQuery("sort", order);
  const [page, setPage] = useQuery("page", "1");
  const [per, setPer] = useQuery("per", "50");
  const [picked, setPicked] = useState<Set<string>>(new Set());

  const given = new Map(only.split(",").filter(Boolean).map((pair) => pair.split(":", 2) as [string, string]));
  const chosen = choices.map((choice) => given.get(choice.key) ?? "");
  const choose = (key: string, value: string) => {
    if (value) given.set(key, value);
    else given.delete(key);
    setPage("1");
    setOnly([...given].map(([k, v]) => `${k}:${v}`).join(","));
  };

  const rows = useRows(props, search, chosen, sort);
  const perPage = Math.min(500, Math.max(10, Number(per) || 50));
  const at = Math.min(Math.max(1, Number(page) || 1), Math.max(1, Math.ceil(rows.length / perPage)));
  const shown = rows.slice((at - 1) * perPage, at * perPage);
  const selected = rows.filter((row) => picked.has(rowKey(row)));
  const pick = (some: T[], on: boolean) => {
    const next = new Set(picked);
    for (const row of some) if (on) next.add(rowKey(row)); else next.delete(rowKey(row));
    setPicked(next);
  };
  const column = columns.findIndex((c) => c.key === sort.replace(/^-/, ""));
  const save = () => download(`${name}.csv`, "text/csv", csvOf(columns.map((c) => c.title), rows.map((row) => columns.map((c) => c.value(row)))));

  return (
    <Shown live={live} what={name}>
      {(all) =>
        !all.length ? (
          <Nothing title={empty.title} action={empty.action}>{empty.text}</Nothing>
        ) : (
          <>
            <Toolbar inset={{ default: "insetNone" }}>
              <ToolbarContent>
                <ToolbarItem>
                  <SearchInput
                    aria-label={`Search ${name}`}
                    placeholder="Search"
                    value={search}
                    onChange={(_, value) => { setPage("1"); setSearch(value); }}
                    onClear={() => setSearch("")}
                  />
                </ToolbarItem>
                {choices.map((choice, i) => (
                  <ToolbarItem key={choice.key}>
                    <FormSelect aria-label={choice.title} value={chosen[i]} onChange={(_, value) => choose(choice.key, value)}>
                      <FormSelectOption value="" label={`${choice.title}: all`} />
                      {[...new Set([...all.map(choice.value), chosen[i]])].filter(Boolean).sort().map((value) => (
                        <FormSelectOption key={value} value={value} label={value.replace("_", " ")} />
                      ))}
                    </FormSelect>
                  </ToolbarItem>
                ))}
                {bulk.length > 0 && selected.length > 0 && (
                  <>
                    <ToolbarItem alignSelf="center">{selected.length} selected</ToolbarItem>
                    {bulk.map((b) => (
                      <ToolbarItem key={b.title}>
                        <Button variant={b.danger ? "danger" : "secondary"} onClick={() => b.run(selected)}>{b.title}</Button>
                      </ToolbarItem>
                    ))}
                  </>
                )}
                <ToolbarItem><Button variant="secondary" onClick={save}>Export CSV</Button></ToolbarItem>
                <ToolbarItem variant="pagination" align={{ default: "alignEnd" }}>
                  <Pagination
                    isCompact
                    itemCount={rows.length}
                    page={at}
                    perPage={perPage}
                    onSetPage={(_, n) => setPage(String(n))}
                    onPerPageSelect={(_, n) => { setPage("1"); setPer(String(n)); }}
                    perPageOptions={[20, 50, 100, 500].map((n) => ({ title: String(n), value: n }))}
                    titles={{ paginationAriaLabel: `Pages of ${name}` }}
                  />
                </ToolbarItem>
              </ToolbarContent>
            </Toolbar>
            <div className="pane-scroll" role="region" aria-label={`${name}, scrolls sideways`} tabIndex={0}>
            <Table aria-label={name} variant="compact" gridBreakPoint="grid-lg">
              <Thead>
                <Tr>
                  {bulk.length > 0 && (
                    <Th
                      aria-label="Select all rows of this page"
                      select={{ isSelected: shown.length > 0 && shown.every((row) => picked.has(rowKey(row))), onSelect: (_, on) => pick(shown, on) }}
                    />
                  )}
                  {columns.map((c, i) => (
                    <Th
                      key={c.key}
                      modifier="nowrap"
                      sort={{
                        columnIndex: i,
                        sortBy: { index: column, direction: sort.startsWith("-") ? "desc" : "asc" },
                        onSort: (_, __, direction) => setSort(direction === "desc" ? `-${c.key}` : c.key),
                      }}
                    >
                      {c.title}
                    </Th>
                  ))}
                  {rowActions && <Th screenReaderText="Actions" />}
                </Tr>
              </Thead>
              <Tbody>
                {shown.map((row, i) => (
                  <Tr key={rowKey(row)}>
                    {bulk.length > 0 && (
                      <Td select={{ rowIndex: i, isSelected: picked.has(rowKey(row)), onSelect: (_, on) => pick([row], on) }} />
                    )}
                    {columns.map((c) => (
                      <Td key={c.key} dataLabel={c.title}>{c.cell ? c.cell(row) : c.value(row)}</Td>
                    ))}
                    {rowActions && <Td isActionCell>{rowActions(row)}</Td>}
                  </Tr>
                ))}
              </Tbody>
            </Table>
            </div>
            {!rows.length && (
              <Nothing title="Nothing matches" action={<Button variant="link" onClick={() => { setSearch(""); setOnly(""); }}>Clear the filters</Button>}>
                None of {plural(all.length, "row")} matches the filters.
              </Nothing>
            )}
          </>
        )
      }
    </Shown>
  );
}
