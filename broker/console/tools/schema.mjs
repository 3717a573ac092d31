// SPDX-License-Identifier: GPL-3.0-or-later
// node tools/schema.mjs OPENAPI OUT.ts: the schemas of the broker's openapi.yaml as TypeScript types, so that a
// field renamed there is a type error here, and the role each call needs, so that nobody is shown a button that would
// be refused.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parse } from "yaml";

const [source, target] = process.argv.slice(2);
const { components, paths } = parse(readFileSync(source, "utf8"));
const schemas = components.schemas;

function typeOf(s) {
  if (s.$ref) return s.$ref.split("/").at(-1);
  if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (s.type === "array") return `Array<${typeOf(s.items ?? {})}>`;
  if (s.type === "integer" || s.type === "number") return "number";
  if (s.type === "boolean") return "boolean";
  if (s.type === "string") return "string";
  if (s.type === "object" && s.properties) return fieldsOf(s);
  return s.type === "object" ? "Record<string, any>" : "any";
}

function fieldsOf(s) {
  const lines = Object.entries(s.properties).map(([name, field]) => {
    const optional = s.required?.includes(name) ? "" : "?";
    const type = typeOf(field) + (field.nullable ? " | null" : "");
    return `${field.description ? `/** ${field.description} */ ` : ""}${JSON.stringify(name)}${optional}: ${type};`;
  });
  return `{\n  ${lines.join("\n  ")}\n}`;
}

const text = Object.entries(schemas).map(([name, s]) => `export type ${name} = ${typeOf(s)};\n`);
const calls = Object.entries(paths).flatMap(([path, item]) =>
  ["get", "post", "put", "patch", "delete"]
    .filter((verb) => item[verb]?.["x-role"])
    .map((verb) => [`${verb.toUpperCase()} ${path.replace("/api/v1", "")}`, item[verb]["x-role"]]),
);
text.push(`/** Which role each call needs. */\nexport const ROLE_OF: Record<string, string> = ${JSON.stringify(Object.fromEntries(calls), null, 2)};\n`);
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `// Made from ${source} by tools/schema.mjs.\n${text.join("\n")}`);
