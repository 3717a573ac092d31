// SPDX-License-Identifier: GPL-3.0-or-later
// The language of the console. Pages are written in English; the build (tools/text.mjs) turns what people read of them
// into calls of t() and rich() with the English as the message, and this file says it in the language that is chosen.
// A language's messages are loaded before anything else of the console is, so that tables made once are right; another
// language begins with the page loaded anew. docs/languages.md.
import { createElement, Fragment, type ReactNode } from "react";

/** What there is, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;
type Catalogue = Record<string, string>;

const CATALOGUES: Record<Exclude<Language, "en">, () => Promise<{ default: Catalogue }>> = {
  de: () => import("../../messages/de.json"),
};

const KEY = "pane.language";
/** Every message marked: what stays unmarked is not translated. For tests; no menu offers it. */
const PSEUDO = "x-pseudo";

let catalogue: Catalogue = {};
let pseudo = false;
let current: Language = "en";
let place = "en"; // the browser's own kind of the language where it has one: en-GB writes dates otherwise than en-US

const isLanguage = (name: string | null): name is Language => name !== null && Object.hasOwn(LANGUAGES, name);
const base = (tag: string) => tag.toLowerCase().split("-")[0]!;

/** The language chosen here before, else the browser's first one that there is, else English. */
export function language(): Language {
  const kept = localStorage.getItem(KEY);
  return isLanguage(kept) ? kept : (navigator.languages.map(base).find(isLanguage) ?? "en");
}

/** Before anything of the console is loaded. */
export async function startLanguage() {
  pseudo = localStorage.getItem(KEY) === PSEUDO;
  current = pseudo ? "en" : language();
  place = navigator.languages.find((tag) => base(tag) === current) ?? current;
  document.documentElement.lang = current;
  if (current === "en") return;
  try {
    catalogue = (await CATALOGUES[current]()).default;
  } catch {
    current = "en"; // the server is away or was updated: English is better than nothing
    document.documentElement.lang = current;
  }
}

export function setLanguage(name: Language) {
  localStorage.setItem(KEY, name);
  window.location.reload();
}

// ---- messages ----
//
// {1} is a value; {1, plural, one {# desktop} other {# desktops}} one of several by the number that a value is; <1>…</1>
// what stands inside an element. A backslash takes the meaning from the character after it.

type Piece = string | { value: number; plural?: Record<string, Piece[]> } | { tag: number; inside: Piece[] };

class Reader {
  at = 0;
  constructor(readonly text: string) {}

  /** Up to the end, or to what ends the part that is read: "}" of a plural's branch, "</" of an element. */
  pieces(end: "" | "}" | "</"): Piece[] {
    const found: Piece[] = [];
    let plain = "";
    const flush = () => {
      if (plain) found.push(plain);
      plain = "";
    };
    while (this.at < this.text.length && !(end && this.text.startsWith(end, this.at))) {
      const c = this.text[this.at]!;
      const tag = c === "<" ? /^<(\d+)>/.exec(this.text.slice(this.at, this.at + 5)) : null;
      if (c === "\\") {
        plain += this.text[this.at + 1] ?? "";
        this.at += 2;
      } else if (c === "{") {
        flush();
        found.push(this.value());
      } else if (tag) {
        flush();
        this.at += tag[0].length;
        const inside = this.pieces("</");
        this.at += tag[0].length + 1;
        found.push({ tag: Number(tag[1]), inside });
      } else {
        plain += c;
        this.at++;
      }
    }
    flush();
    return found;
  }

  private value(): Piece {
    const head = /^\{(\d+)(?:, plural,)?\s*/.exec(this.text.slice(this.at));
    if (!head) throw new Error(`message: ${this.text}`);
    this.at += head[0].length;
    const value = Number(head[1]);
    const plural: Record<string, Piece[]> = {};
    for (let branch; (branch = /^(\w+) \{/.exec(this.text.slice(this.at))); ) {
      this.at += branch[0].length;
      plural[branch[1]!] = this.pieces("}");
      while (/[}\s]/.test(this.text[this.at] ?? "") && this.text[this.at - 1] !== "}") this.at++;
      while (this.text[this.at] === " ") this.at++;
    }
    this.at++; // its }
    return Object.keys(plural).length ? { value, plural } : { value };
  }
}

const read = new Map<string, Piece[]>();

function piecesOf(message: string): Piece[] {
  let found = read.get(message);
  if (!found) read.set(message, (found = new Reader(message).pieces("")));
  return found;
}

let rules: Intl.PluralRules | undefined;

function branch(of: Record<string, Piece[]>, n: number) {
  rules ??= new Intl.PluralRules(place);
  return of[rules.select(n)] ?? of.other ?? [];
}

type Made = (inside: ReactNode) => ReactNode;

function fill(pieces: Piece[], values: unknown[], elements: Made[], count?: number): unknown[] {
  return pieces.flatMap((piece): unknown[] => {
    if (typeof piece === "string") return [count === undefined ? piece : piece.replaceAll("#", number(count))];
    if ("tag" in piece) return [elements[piece.tag - 1]?.(node(fill(piece.inside, values, elements, count)))];
    const value = values[piece.value - 1];
    if (piece.plural) return fill(branch(piece.plural, Number(value)), values, elements, Number(value));
    return [typeof value === "number" ? number(value) : value];
  });
}

const node = (parts: unknown[]): ReactNode => (parts.length === 1 ? (parts[0] as ReactNode) : createElement(Fragment, null, ...(parts as ReactNode[])));

const said = (message: string, where?: string) => (where && catalogue[`${message} [${where}]`]) || catalogue[message] || message;

/** What people read of something that is not the catalogue's. */
export function mark(text: string) {
  return pseudo ? `[!!! ${text} !!!]` : text;
}

/** A message as text. where: the file it stands in, where the same English means something else there. */
export function t(message: string, values: unknown[] = [], where?: string): string {
  return mark(fill(piecesOf(said(message, where)), values, []).map((v) => (v === null || v === undefined || v === false ? "" : String(v))).join(""));
}

/** The same with values and elements to show. */
export function rich(message: string, values: unknown[], elements: Made[], where?: string): ReactNode {
  const parts = fill(piecesOf(said(message, where)), values, elements);
  return node(pseudo ? ["[!!! ", ...parts, " !!!]"] : parts);
}

// ---- numbers and times ----

/** Without separators of thousands: what is counted here is also typed, and searched for. digits: after the point, always so many. */
export function number(n: number, digits?: number) {
  return n.toLocaleString(place, { useGrouping: false, minimumFractionDigits: digits, maximumFractionDigits: digits ?? 20 });
}

export function when(date: Date, how: Intl.DateTimeFormatOptions) {
  return mark(date.toLocaleString(place, how));
}

/** The days of a week, from Monday. */
export function weekdays(how: "long" | "short") {
  return Array.from({ length: 7 }, (_, day) => when(new Date(2024, 0, 1 + day), { weekday: how }));
}
