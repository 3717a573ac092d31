// SPDX-License-Identifier: GPL-3.0-or-later
// Builds into build/console/site, which pane-gateway reads whole (gateway/files.c): plain names, one
// directory, and X.gz beside each X that gets smaller.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";
import { catalogues, isPage, whereOf } from "./tools/messages.mjs";
import { library, Translator } from "./tools/text.mjs";

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

/** The English of the pages as messages: tools/text.mjs. */
function translated() {
  const runtime = new URL("src/ui/text.ts", import.meta.url).pathname;
  const known = Object.values(catalogues());
  const special = (message) => known.some((catalogue) => message in catalogue);
  return {
    name: "translated",
    enforce: "pre",
    transform(source, id) {
      const path = id.split("?")[0];
      const code = isPage(path) ? new Translator(source, path, whereOf(path), special).code(runtime) : library(path, source, runtime)?.code;
      return code === undefined ? undefined : { code, map: null };
    },
    /** The console itself is loaded after its language; it is fetched meanwhile. */
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const app = Object.values(bundle).find((chunk) => chunk.type === "chunk" && chunk.name === "app");
        return app && [{ tag: "link", attrs: { rel: "modulepreload", crossorigin: true, href: `./${app.fileName}` }, injectTo: "head" }];
      },
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
  plugins: [translated(), packed()],
});
