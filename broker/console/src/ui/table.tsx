// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of the console: filter, sort, page and selection with their state in the address, CSV of what is
// filtered. DataTable has all its rows here and filters them itself; PagedTable asks the server for a page at a time.
import { Button, FormSelect, FormSelectOption, Gallery, Pagination, SearchInput, ToggleGroup, ToggleGroupItem, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { memo, useCallback, useMemo, useRef, useState, type ReactNode } from "react";
import { api, type ApiError } from "../api/client";
import { useItem, type Kind, type Live } from "../api/live";
import { setQuery, useQuery } from "../router";
import { Nothing, plural, say, Shown } from "./common";
import { LONG, Pieces, useWidths } from "./pieces";
import { word } from "./words";

export type Column<T> = {
  key: string;
  title: string;
  /** what is sorted by, searched and exported */
  value: (row: T) => string | number | null;
  cell?: (row: T) => ReactNode;
};

export type Choice<T> = { key: string; title: string; value: (row: T) => string };

type Common<T> = {
  name: string;
  rowKey: (row: T) => string;
  columns: Column<T>[];
  bulk?: { title: string; danger?: boolean; run: (rows: T[]) => void }[];
  rowActions?: (row: T) => ReactNode;
  /** with it there is a wall besides the table: each row as a card */
  card?: (row: T) => ReactNode;
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

export function download(name: string, type: string, content: BlobPart) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

const order = new Intl.Collator(undefined, { numeric: true }); // made once: a string's own localeCompare() makes one each time

function compare(a: string | number | null, b: string | number | null) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return order.compare(String(a ?? ""), String(b ?? ""));
}

// ---- what the address says ----

function useTableState(order: string) {
  const [search] = useQuery("q");
  const [only] = useQuery("only");
  const [sort, setSort] = useQuery("sort", order);
  const [page, setPage] = useQuery("page", "1");
  const [per] = useQuery("per", "50");
  const [view, setView] = useQuery("view", "table");
  const given = new Map(only.split(",").filter(Boolean).map((pair) => pair.split(":", 2) as [string, string]));
  return {
    search, sort, setSort, given, setView,
    wall: view === "wall",
    page: Math.max(1, Number(page) || 1),
    per: Math.min(500, Math.max(10, Number(per) || 50)),
    setPage: (n: number) => setPage(String(n)),
    setPer: (n: number) => setQuery({ page: null, per: String(n) }),
    find: (text: string) => setQuery({ page: null, q: text || null }),
    choose: (key: string, value: string) => {
      if (value) given.set(key, value);
      else given.delete(key);
      setQuery({ page: null, only: [...given].map(([k, v]) => `${k}:${v}`).join(",") || null });
    },
    clear: () => setQuery({ page: null, q: null, only: null }),
  };
}

type State = ReturnType<typeof useTableState>;

// ---- how it looks ----

type Found<T> = {
  state: State;
  shown: T[];
  /** matching, and without the filters */
  total: number;
  all: number;
  choices: { key: string; title: string; options: { value: string; label: string }[] }[];
  /** all that match, for CSV and for selecting them */
  everything: () => Promise<T[]>;
};

function Tools<T>({ name, columns, bulk = [], card, found, picked, setPicked }: Common<T> & { found: Found<T>; picked: Map<string, T>; setPicked: (rows: T[]) => void }) {
  const { state, total } = found;
  const at = Math.min(state.page, Math.max(1, Math.ceil(total / state.per)));
  const chosen = [...picked.values()];
  const withAll = (work: (rows: T[]) => void) => found.everything().then(work, (problem) => say("The rows could not be read", problem));
  const save = () =>
    withAll((rows) => download(`${name}.csv`, "text/csv", csvOf(columns.map((c) => c.title), rows.map((row) => columns.map((c) => c.value(row))))));
  return (
    <Toolbar inset={{ default: "insetNone" }}>
      <ToolbarContent>
        <ToolbarItem>
          <SearchInput aria-label={`Search ${name}`} placeholder="Search" value={state.search} onChange={(_, value) => state.find(value)} onClear={() => state.find("")} />
        </ToolbarItem>
        {found.choices.map((choice) => {
          const value = state.given.get(choice.key) ?? "";
          const options = choice.options.some((o) => o.value === value) || !value ? choice.options : [...choice.options, { value, label: value }];
          return (
            <ToolbarItem key={choice.key}>
              <FormSelect aria-label={choice.title} value={value} onChange={(_, v) => state.choose(choice.key, v)}>
                <FormSelectOption value="" label={`${choice.title}: all`} />
                {options.map((o) => <FormSelectOption key={o.value} value={o.value} label={o.label} />)}
              </FormSelect>
            </ToolbarItem>
          );
        })}
        {card && (
          <ToolbarItem>
            <ToggleGroup aria-label="Shown as">
              <ToggleGroupItem text="Table" isSelected={!state.wall} onChange={() => state.setView("table")} />
              <ToggleGroupItem text="Wall" isSelected={state.wall} onChange={() => state.setView("wall")} />
            </ToggleGroup>
          </ToolbarItem>
        )}
        {bulk.length > 0 && chosen.length > 0 && (
          <>
            <ToolbarItem alignSelf="center">{chosen.length} selected</ToolbarItem>
            {chosen.length < total && <ToolbarItem><Button variant="link" onClick={() => void withAll(setPicked)}>Select all {total}</Button></ToolbarItem>}
            <ToolbarItem><Button variant="link" onClick={() => setPicked([])}>Select none</Button></ToolbarItem>
            {bulk.map((b) => (
              <ToolbarItem key={b.title}>
                <Button variant={b.danger ? "danger" : "secondary"} onClick={() => b.run(chosen)}>{b.title}</Button>
              </ToolbarItem>
            ))}
          </>
        )}
        <ToolbarItem><Button variant="secondary" onClick={() => void save()}>Export CSV</Button></ToolbarItem>
        <ToolbarItem variant="pagination" align={{ default: "alignEnd" }}>
          <Pagination
            isCompact
            itemCount={total}
            page={at}
            perPage={state.per}
            onSetPage={(_, n) => state.setPage(n)}
            onPerPageSelect={(_, n) => state.setPer(n)}
            perPageOptions={[20, 50, 100, 500].map((n) => ({ title: String(n), value: n }))}
            titles={{ paginationAriaLabel: `Pages of ${name}` }}
          />
        </ToolbarItem>
      </ToolbarContent>
    </Toolbar>
  );
}

type RowProps<T> = { row: T; index: number; columns: Column<T>[]; picked: boolean; pick?: (rows: T[], on: boolean) => void; rowActions?: (row: T) => ReactNode; counted: boolean };

/** Made anew only when its row, or the page around the table, has changed: most of what typing costs is rows. */
const Row = memo(function Row<T>({ row, index, columns, picked, pick, rowActions, counted }: RowProps<T>) {
  return (
    <tr className="pf-v6-c-table__tr" aria-rowindex={counted ? index + 2 : undefined}>
      {pick && <Td select={{ rowIndex: index, isSelected: picked, onSelect: (_, on) => pick([row], on) }} />}
      {columns.map((c) => (
        <td key={c.key} className="pf-v6-c-table__td" data-label={c.title}>{c.cell ? c.cell(row) : c.value(row)}</td>
      ))}
      {rowActions && <Td isActionCell className="pane-stays">{rowActions(row)}</Td>}
    </tr>
  );
}) as <T>(props: RowProps<T>) => ReactNode;

/** Rows that say the same as before stay the same objects. Since when something is so counts by itself (Age). */
function useSteady<T>(rows: T[], rowKey: (row: T) => string) {
  const last = useRef(new Map<string, { row: T; text: string }>());
  return useMemo(() => {
    const next = new Map<string, { row: T; text: string }>();
    for (const row of rows) {
      const key = rowKey(row), text = JSON.stringify(row, (name, value) => (name === "since_s" ? undefined : value));
      const old = last.current.get(key);
      next.set(key, old?.text === text ? old : { row, text });
    }
    last.current = next;
    return [...next.values()].map((kept) => kept.row);
  }, [rows]);
}

type RowsProps<T> = Pick<Common<T>, "name" | "columns" | "rowKey" | "rowActions"> & {
  shown: T[]; sort: string; setSort: (sort: string) => void; picked: Map<string, T>; pick?: (rows: T[], on: boolean) => void;
};

const Rows = memo(function Rows<T>({ name, columns, rowKey, rowActions, shown: given, sort, setSort, picked, pick }: RowsProps<T>) {
  const shown = useSteady(given, rowKey);
  const column = columns.findIndex((c) => c.key === sort.replace(/^-/, ""));
  const long = shown.length > LONG;
  const { head, widths } = useWidths(long);
  const across = columns.length + (pick ? 1 : 0) + (rowActions ? 1 : 0);
  const rowOf = (row: T, i: number) => (
    <Row key={rowKey(row)} row={row} index={i} columns={columns} picked={picked.has(rowKey(row))} pick={pick} rowActions={rowActions} counted={long} />
  );
  return (
    <div className="pane-scroll" role="region" aria-label={`${name}, scrolls sideways`} tabIndex={0}>
      <Table aria-label={name} variant="compact" gridBreakPoint="grid-lg" aria-rowcount={long ? shown.length + 1 : undefined} className={widths && "pane-long"}>
        {widths && <colgroup>{widths.map((width, i) => <col key={i} style={{ width }} />)}</colgroup>}
        <Thead innerRef={head}>
          <Tr>
            {pick && (
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
            {rowActions && <Th screenReaderText="Actions" className="pane-stays" />}
          </Tr>
        </Thead>
        {long ? <Pieces rows={shown} columns={across} row={rowOf} /> : <Tbody>{shown.map(rowOf)}</Tbody>}
      </Table>
    </div>
  );
}) as <T>(props: RowsProps<T>) => ReactNode;

function View<T>(props: Common<T> & { found: Found<T> }) {
  const { rowKey, empty, found } = props;
  const [picked, setPicked] = useState<Map<string, T>>(new Map());
  const pick = useCallback((some: T[], on: boolean) => setPicked((before) => {
    const next = new Map(before);
    for (const row of some) if (on) next.set(rowKey(row), row); else next.delete(rowKey(row));
    return next;
  }), [rowKey]);
  if (!found.all && !found.state.search) return <Nothing title={empty.title} action={empty.action}>{empty.text}</Nothing>;
  return (
    <>
      <Tools {...props} picked={picked} setPicked={(rows) => setPicked(new Map(rows.map((row) => [rowKey(row), row])))} />
      {props.card && found.state.wall ? (
        <Gallery hasGutter component="ul" aria-label={props.name} minWidths={{ default: "100%", sm: "210px" }}>
          {found.shown.map((row) => <li key={rowKey(row)}>{props.card!(row)}</li>)}
        </Gallery>
      ) : (
        <Rows
          name={props.name} columns={props.columns} rowKey={rowKey} rowActions={props.rowActions} shown={found.shown}
          sort={found.state.sort} setSort={found.state.setSort} picked={picked} pick={props.bulk?.length ? pick : undefined}
        />
      )}
      {!found.total && (
        <Nothing title="Nothing matches" action={<Button variant="link" onClick={found.state.clear}>Clear the filters</Button>}>
          {found.all > 0 ? `None of ${plural(found.all, "row")} matches the filters.` : "No row matches what is searched for."}
        </Nothing>
      )}
    </>
  );
}

// ---- all rows here ----

type DataProps<T> = Common<T> & { live: Live<T[]>; choices?: Choice<T>[] };

/** Columns and choices are made anew by each render of a page and do not differ: only the data, and what is asked for, do. */
function useRows<T>({ live, columns, choices = [] }: DataProps<T>, { search, given, sort }: State) {
  const ordered = useMemo(() => {
    const column = columns.find((c) => c.key === sort.replace(/^-/, ""));
    const rows = (live.data ?? []).map((row) => ({
      row, by: column?.value(row) ?? null,
      text: columns.map((c) => c.value(row) ?? "").join("\n").toLowerCase(), // what is searched
      chosen: choices.map((choice) => choice.value(row)),
    }));
    const way = sort.startsWith("-") ? -1 : 1;
    return column ? rows.sort((a, b) => compare(a.by, b.by) * way) : rows;
  }, [live.data, sort]);
  const options = useMemo(() => choices.map((_, i) => [...new Set(ordered.map((r) => r.chosen[i]!))].filter(Boolean).sort()), [ordered]);
  const rows = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = choices.map((choice) => given.get(choice.key));
    return ordered
      .filter((r) => wanted.every((value, i) => !value || r.chosen[i] === value) && words.every((word) => r.text.includes(word)))
      .map((r) => r.row);
  }, [ordered, search, [...given].join("\n")]);
  return { rows, options };
}

export function DataTable<T>(props: DataProps<T>) {
  const { name, live, columns, choices = [], order: first = columns[0].key } = props;
  const state = useTableState(first);
  const { rows, options } = useRows(props, state);
  const at = Math.min(state.page, Math.max(1, Math.ceil(rows.length / state.per)));
  const shown = useMemo(() => rows.slice((at - 1) * state.per, at * state.per), [rows, at, state.per]);
  return (
    <Shown live={live} what={name}>
      {(all) => (
        <View
          {...props}
          found={{
            state, shown, total: rows.length, all: all.length,
            choices: choices.map((choice, i) => ({
              key: choice.key, title: choice.title, options: (options[i] ?? []).map((value) => ({ value, label: word(value) })),
            })),
            everything: async () => rows,
          }}
        />
      )}
    </Shown>
  );
}

// ---- a page at a time ----

export type ServerPage<T> = { items: T[]; total?: number; all?: number; counts?: Record<string, any> };

type PagedProps<T> = Common<T> & {
  /** the list, which takes sort, offset, limit, q and the choices */
  path: string;
  kinds: Kind[];
  /** always chosen: key to value */
  fixed?: Record<string, string>;
  choices?: { key: string; title: string }[];
};

const CHUNK = 5000; // rows asked for at a time where all are needed

export function PagedTable<T>(props: PagedProps<T>) {
  const { name, path, kinds, fixed = {}, choices = [], order: first = props.columns[0].key } = props;
  const state = useTableState(first);
  const last = useRef<ServerPage<T>>(undefined); // shown until the next page is there
  const query = new URLSearchParams({ sort: state.sort, ...(state.search.trim() ? { q: state.search.trim() } : {}), ...fixed });
  for (const choice of choices) if (state.given.get(choice.key)) query.set(choice.key, state.given.get(choice.key)!);
  const part = (offset: number, limit: number) => `${path}?${query}&offset=${offset}&limit=${limit}`;
  const live = useItem<ServerPage<T>>(part((state.page - 1) * state.per, state.per), kinds);
  last.current = live.data ?? last.current;
  const everything = async () => {
    const rows: T[] = [];
    for (;;) {
      const got = await api.get<ServerPage<T>>(part(rows.length, CHUNK));
      rows.push(...got.items);
      if (got.items.length < CHUNK) return rows;
    }
  };
  const held: { data: ServerPage<T> | undefined; error: ApiError | undefined; reload: () => void } = { ...live, data: last.current };
  return (
    <Shown live={held} what={name}>
      {(page) => (
        <View
          {...props}
          found={{
            state, shown: page.items, total: page.total ?? page.items.length, all: page.all ?? page.items.length, everything,
            choices: choices.map((choice) => ({
              ...choice,
              options: Object.entries((page.counts?.[choice.key] ?? {}) as Record<string, number>).sort(([a], [b]) => compare(a, b))
                .map(([value, n]) => ({ value, label: `${word(value)} (${n})` })),
            })),
          }}
        />
      )}
    </Shown>
  );
}
