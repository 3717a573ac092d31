// SPDX-License-Identifier: GPL-3.0-or-later
// Reads CSV, RFC 4180: quoted fields with commas, quotes and line ends in them; comma, semicolon or tab between fields.
export function parseCsv(text: string): string[][] {
  const input = text.replace(/^\ufeff/, "");
  const head = input.slice(0, input.search(/[\r\n]|$/));
  const between = [",", ";", "\t"].reduce((best, c) => (head.split(c).length > head.split(best).length ? c : best), ",");
  const rows: string[][] = [];
  let row: string[] = [], field = "", quoted = false;
  const endField = () => { row.push(field.trim()); field = ""; };
  const endRow = () => { endField(); if (row.some(Boolean)) rows.push(row); row = []; };
  for (let i = 0; i < input.length; i++) {
    const c = input[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (input[i + 1] === '"') { field += '"'; i++; }
      else quoted = false;
    } else if (c === '"' && !field.trim()) { quoted = true; field = ""; }
    else if (c === between) endField();
    else if (c === "\n") endRow();
    else if (c !== "\r") field += c;
  }
  endRow();
  return rows;
}
