// SPDX-License-Identifier: GPL-3.0-or-later
// Builds into build/console/site, which pane-gateway reads whole (gateway/files.c): plain names, one
// directory, and X.gz beside each X that gets smaller.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const out = process.env.CONSOLE_OUT ?? new URL("../../build/console/site", import.meta.url).pathname;

function packed() {
  return {
    name: "packed",
    closeBundle() {
      for (const name of readdirSync(`${out}/assets`)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const plain = readFileSync(`${out}/assets/${name}`);
        const zipped = gzipSync(plain, { level: 9 });
        if (zipped.length < plain.length * 0.9) writeFileSync(`${out}/assets/${name}.gz`, zipped);
      }
    },
  };
}

export default defineConfig({
  base: "./",
  resolve: { alias: { "#schema": new URL("../../build/console/schema.ts", import.meta.url).pathname } },
  esbuild: { jsx: "automatic", legalComments: "none" },
  build: {
    outDir: out,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the policy allows data: for pictures only
    chunkSizeWarningLimit: 1500,
    reportCompressedSize: false,
  },
  plugins: [packed()],
});
