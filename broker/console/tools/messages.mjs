// SPDX-License-Identifier: GPL-3.0-or-later
// node tools/messages.mjs [--check] [LANGUAGE]: brings messages/*.json up to date with the pages (and begins a language
// that there is none of yet), or says what is wrong with them. docs/languages.md.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { LIBRARY } from "./text_rules.mjs";
import { library, Translator } from "./text.mjs";

const top = new URL("..", import.meta.url).pathname;
const folder = `${top}messages`;

/** The name of a file of the pages in "message [name]". */
export const whereOf = (path) => path.split("/").at(-1).replace(/\.tsx?$/, "");

export const isPage = (path) => /\/src\/.*\.tsx?$/.test(path) && !/\/src\/ui\/text\.ts$|\.d\.ts$/.test(path);

/** message → the places it is in: {file, values}. */
export function extract() {
  const found = new Map();
  const add = ({ message, file, values }) => found.set(message, [...(found.get(message) ?? []), { file, values }]);
  for (const name of readdirSync(`${top}src`, { recursive: true }).sort()) {
    const path = `${top}src/${name}`;
    if (!isPage(path)) continue;
    const translator = new Translator(readFileSync(path, "utf8"), path, whereOf(path));
    translator.code("");
    translator.messages.forEach(add);
  }
  for (const name of Object.keys(LIBRARY)) {
    const path = `${top}node_modules/@patternfly/${name}`;
    library(path, readFileSync(path, "utf8"), "").messages.forEach(add);
  }
  return found;
}

export function catalogues() {
  if (!existsSync(folder)) return {};
  return Object.fromEntries(readdirSync(folder).filter((f) => f.endsWith(".json")).map((f) => [f.replace(".json", ""), JSON.parse(readFileSync(`${folder}/${f}`, "utf8"))]));
}

/** "message [file]" is the message as that file means it. */
const plain = (found, key) => {
  const special = / \[([\w.]+)\]$/.exec(key);
  if (found.has(key) || !special) return key;
  const message = key.slice(0, special.index);
  return found.get(message)?.some((place) => place.file === special[1]) ? message : key;
};

/** The values and elements of a message, and whether its plurals have every branch that the language needs. */
function shape(text, branches) {
  const values = [...text.matchAll(/(?<!\\)\{(\d+)/g)].map((m) => m[1]);
  const open = [...text.matchAll(/(?<!\\)<(\d+)>/g)].map((m) => m[1]);
  const closed = [...text.matchAll(/(?<!\\)<\/(\d+)>/g)].map((m) => m[1]);
  const plurals = [...text.matchAll(/\{\d+, plural, /g)].length;
  const has = (name) => [...text.matchAll(new RegExp(`[ }]${name} \\{`, "g"))].length;
  const whole = branches.every((name) => has(name) >= plurals);
  const depth = [...text.replace(/\\./g, "")].reduce((d, c) => (d < 0 ? d : d + (c === "{" ? 1 : c === "}" ? -1 : 0)), 0);
  return { values: [...new Set(values)].sort().join(), elements: open.sort().join(), closed: closed.sort().join(), whole, depth };
}

function wrongOf(language, key, message, text) {
  const branches = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
  const [want, got] = [shape(message, ["one", "other"]), shape(text, branches)];
  const differ = [];
  if (want.values !== got.values) differ.push(`values {${got.values}}, the English has {${want.values}}`);
  if (want.elements !== got.elements || got.elements !== got.closed) differ.push(`elements <${got.elements}>, the English has <${want.elements}>`);
  if (!got.whole) differ.push(`a plural needs each of ${branches.join(", ")}`);
  if (got.depth !== 0) differ.push("its braces do not match");
  return differ.map((what) => `messages/${language}.json: ${JSON.stringify(key)}: ${what}`);
}

/** What has to be mended of a language, and what English it does not know yet. */
function judge(found, language, catalogue) {
  const superfluous = Object.keys(catalogue).filter((key) => !found.has(plain(found, key)));
  const wrong = Object.entries(catalogue).filter(([key, text]) => text && !superfluous.includes(key)).flatMap(([key, text]) => wrongOf(language, key, plain(found, key), text));
  const missing = [...found.keys()].filter((message) => !catalogue[message]);
  return { superfluous, wrong, missing };
}

function check(found) {
  let bad = false;
  for (const [language, catalogue] of Object.entries(catalogues())) {
    const { superfluous, wrong, missing } = judge(found, language, catalogue);
    for (const key of superfluous) console.log(`messages/${language}.json: no page says ${JSON.stringify(key)} (make messages)`);
    for (const line of wrong) console.log(line);
    if (missing.length) console.log(`messages/${language}.json: ${missing.length} of ${found.size} messages are not translated yet and stay English (make messages lists them)`);
    bad ||= superfluous.length + wrong.length > 0;
  }
  return bad ? 1 : 0;
}

const sorted = (entries) => Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

function update(found, begin) {
  mkdirSync(folder, { recursive: true });
  const all = catalogues();
  if (begin && !all[begin]) all[begin] = {};
  for (const [language, old] of Object.entries(all)) {
    const { superfluous, missing, wrong } = judge(found, language, old);
    const kept = Object.entries(old).filter(([key]) => !superfluous.includes(key));
    const next = sorted([...kept, ...missing.filter((m) => !(m in old)).map((m) => [m, ""])]);
    writeFileSync(`${folder}/${language}.json`, `${JSON.stringify(next, null, 1)}\n`);
    for (const key of superfluous) console.log(`${language}: gone: ${JSON.stringify(key)}: ${JSON.stringify(old[key])}`);
    for (const message of missing) {
      const places = found.get(message);
      const values = places[0].values.map((v, i) => `{${i + 1}} ${v.replace(/\s+/g, " ").slice(0, 40)}`);
      console.log(`${language}: to translate (${[...new Set(places.map((p) => p.file))].join(", ")}): ${JSON.stringify(message)}${values.length ? `   ${values.join("; ")}` : ""}`);
    }
    wrong.forEach((line) => console.log(line));
    console.log(`${language}: ${found.size - missing.length} of ${found.size} messages are translated`);
  }
  return 0;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const given = process.argv.slice(2);
  const found = extract();
  process.exitCode = given.includes("--check") ? check(found) : update(found, given.find((x) => /^[a-z]{2,3}$/.test(x)));
}
