// SPDX-License-Identifier: GPL-3.0-or-later
// A person at the console, for console_test.py: headless Chromium (Debian's) driven by playwright-core. Reads one JSON
// object a line, {"do": name, ...arguments}, answers one a line, {"ok": value} or {"error": text}.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const top = new URL("../../", import.meta.url).pathname;
const need = createRequire(`${top}broker/console/package.json`);
const { chromium } = need("playwright-core");
const axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
const { BASE, PROFILE, SHOTS, CHROMIUM = "/usr/bin/chromium" } = process.env;

const WIDE = { width: 1280, height: 860 }, NARROW = { width: 390, height: 800 };
// Each screen is looked at in two of four looks, which between them have every colour and both layouts.
const LOOKS = [["light", WIDE], ["dark", NARROW], ...(process.env.CONSOLE_SHOTS === "all" ? [["dark", WIDE], ["light", NARROW]] : [])];

const context = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  ignoreDefaultArgs: process.env.PULSE_SERVER ? ["--mute-audio"] : [],
  viewport: WIDE,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--ignore-certificate-errors"], // the test site's own CA; what verifies it has tests of its own
});
const LIMIT = 20000 * Number(process.env.CONSOLE_PATIENCE || 1); // more on a machine that others keep busy
context.setDefaultTimeout(LIMIT);
const page = context.pages()[0] ?? (await context.newPage());
const complaints = []; // what a browser says of a page that breaks its own policy, or whose script fails
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
});

const asked = [];
page.on("request", (request) => {
  const { pathname } = new URL(request.url());
  if (pathname.startsWith("/api/")) asked.push(`${request.method()} ${pathname}`);
});

const settled = () => page.waitForFunction(() => !document.querySelector(".pf-v6-c-spinner"));
/** The layout has followed the window and its transitions are over: colours and places are as they end up. */
const still = () =>
  page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    for (let quiet = 0; quiet < 3; ) {
      await frame();
      const moving = document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity && a.playState === "running");
      quiet = moving.length ? 0 : quiet + 1;
      await Promise.all(moving.map((a) => a.finished.catch(() => undefined)));
    }
  });
const button = (name) => page.getByRole("button", { name, exact: true });
const field = (label) => page.getByLabel(label, { exact: false }).first();

async function judge() {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe); // stays until the page is loaded anew
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}: ${v.nodes[0].failureSummary?.split("\n")[1] ?? ""}`);
}

const verbs = {
  async open({ at }) {
    await page.goto(`${BASE}/#${at}`);
    await settled();
  },
  async reload() {
    await page.reload();
    await settled();
  },
  async login({ user, password }) {
    await page.goto(`${BASE}/#/`);
    await field("User name").fill(user);
    await field("Password").fill(password);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: `${user}: account and appearance` }).waitFor();
  },
  async logout({ user }) {
    await page.getByRole("button", { name: `${user}: account and appearance` }).click();
    await page.getByRole("menuitem", { name: "Log out" }).click();
    await field("User name").waitFor();
  },
  async see({ text, timeout = LIMIT }) {
    await page.getByText(text, { exact: false }).locator("visible=true").first().waitFor({ timeout }); // options of a menu that is shut are there, unseen
  },
  async heading({ text }) {
    await page.getByRole("heading", { name: text }).first().waitFor();
  },
  async fill({ label, text }) {
    await field(label).fill(text);
  },
  async select({ label, value }) {
    await field(label).selectOption(value);
  },
  /** A slider, as by its keys; the keyboard stays there. */
  async set({ label, value }) {
    await page.getByLabel(label, { exact: true }).fill(String(value));
  },
  /** The keyboard back to the desktop. */
  async focus() {
    await page.locator(".pane-screen-view canvas").click();
  },
  async check({ label }) {
    await page.getByLabel(label, { exact: false }).first().check();
  },
  async press({ name }) {
    await button(name).last().click();
  },
  async disabled({ name }) {
    return button(name).last().isDisabled();
  },
  async key({ keys }) {
    for (const k of keys) await page.keyboard.press(k);
  },
  /** Tab until something of this name has the focus, as who has no mouse does. */
  async tab({ name, most = 120 }) {
    const at = () => page.evaluate(() => {
      const e = document.activeElement;
      const label = e?.id && document.querySelector(`label[for="${CSS.escape(e.id)}"]`);
      return (e?.getAttribute("aria-label") ?? label?.textContent ?? e?.textContent ?? "").trim();
    });
    for (let i = 0; i < most; i++) {
      if ((await at()).replace(/\s*\*$/, "") === name) return i;
      await page.keyboard.press("Tab");
    }
    throw new Error(`Tab does not lead to ${name}`);
  },
  async type({ text, delay = 60 }) {
    await page.keyboard.type(text, { delay });
  },
  async value({ label }) {
    return field(label).inputValue();
  },
  async text() {
    return page.locator("body").innerText();
  },
  async rows({ table }) {
    return page.getByRole("grid", { name: table }).or(page.getByRole("table", { name: table })).locator("tbody tr").allInnerTexts();
  },
  async href() {
    return page.evaluate(() => window.location.href);
  },
  async address() {
    return page.evaluate(() => window.location.hash.slice(1)); // page.url() is told of a change later
  },
  /** What a script of the page could read of a login. */
  async readable() {
    return page.evaluate(() => ({ cookie: document.cookie, session: { ...sessionStorage }, local: { ...localStorage } }));
  },
  async cookies() {
    return context.cookies();
  },
  /** The pathnames asked of the server since the last call. */
  async asked() {
    return asked.splice(0);
  },
  async wait({ ms }) {
    await page.waitForTimeout(ms);
  },
  async gone({ text, timeout = LIMIT }) {
    await page.getByText(text, { exact: false }).first().waitFor({ state: "hidden", timeout });
  },
  /** Arms a watch in the page for one more of a text; seen() is how long it took from the given time of the clock, in ms. */
  async watch({ text }) {
    await page.evaluate((wanted) => {
      window.paneSeen = new Promise((done) => {
        const count = () => document.body.textContent.split(wanted).length;
        const before = count();
        const watcher = new MutationObserver(() => count() > before && (watcher.disconnect(), done(Date.now())));
        watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
      });
    }, text);
  },
  async seen({ since, timeout = 20000 }) {
    return page.evaluate(([from, limit]) => Promise.race([
      window.paneSeen.then((at) => at - from),
      new Promise((_, fail) => setTimeout(() => fail(new Error(`not within ${limit} ms`)), limit)),
    ]), [since, timeout]);
  },
  async file({ path }) {
    await page.locator('input[type="file"]').first().setInputFiles(path);
  },
  async offline({ on }) {
    await context.setOffline(on);
  },
  async request({ method, path, headers = {} }) {
    return page.evaluate(async ([m, p, h]) => (await fetch(p, { method: m, headers: h })).status, [method, path, headers]);
  },
  /**
   * A region is scrolled from its top to its end, step px a frame: how many frames, ms of the median and the longest, how many of a 60 Hz
   * screen's were left out, tasks beyond 50 ms, and the page's own time on the processor per frame, which no other program adds to.
   */
  async scroll({ selector, step = 400 }) {
    const cdp = await context.newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    const busy = async () => (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "TaskDuration").value * 1000;
    const before = await busy();
    const found = await page.evaluate(async ([where, px]) => {
      const box = document.querySelector(where);
      const times = [], long = [];
      const watcher = new PerformanceObserver((list) => list.getEntries().forEach((task) => long.push(task.duration)));
      watcher.observe({ type: "longtask" });
      let last = performance.now();
      for (let at = 0, end = false; !end; at += px) {
        box.scrollTop = at;
        // A headless browser may have stopped drawing for good: that is a frame of a second then, not an end of the story.
        await Promise.race([new Promise((done) => requestAnimationFrame(done)), new Promise((done) => setTimeout(done, 1000))]);
        const now = performance.now();
        times.push(now - last);
        last = now;
        end = box.scrollTop + box.clientHeight >= box.scrollHeight - 1;
      }
      watcher.disconnect();
      times.sort((a, b) => a - b);
      const dropped = times.reduce((sum, ms) => sum + Math.max(0, Math.round((ms * 60) / 1000) - 1), 0);
      return { frames: times.length, median: times[times.length >> 1], longest: times.at(-1), dropped, long: long.length };
    }, [selector, step]);
    found.cpu = ((await busy()) - before) / found.frames;
    await cdp.detach();
    return found;
  },
  /** The page's own time on the processor, in ms, from one place of the console to another until its rows are there. */
  async turn({ at, selector, count }) {
    const cdp = await context.newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    const busy = async () => (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "TaskDuration").value * 1000;
    const before = await busy();
    await page.evaluate((hash) => { window.location.hash = hash; }, at);
    await page.waitForFunction(([where, n]) => document.querySelectorAll(where).length >= n, [selector, count]);
    await still();
    const took = (await busy()) - before;
    await cdp.detach();
    return took;
  },
  async click({ selector }) {
    await page.locator(selector).first().click();
  },
  /** Presses the mouse on one thing, moves it to another and lets go. */
  async drag({ from, to }) {
    await page.locator(from).scrollIntoViewIfNeeded();
    await page.locator(from).hover();
    await page.mouse.down();
    await page.locator(to).hover();
    await page.mouse.up();
  },
  async count({ selector }) {
    return page.locator(selector).count();
  },
  /** Where a button or an entry of a menu is, in px of the window. */
  async place({ of }) {
    return page.getByRole("button", { name: of, exact: true }).or(page.getByRole("menuitem", { name: of, exact: true })).first().evaluate((e) => e.getBoundingClientRect().toJSON());
  },
  async canvas() {
    return page.evaluate(() => { const c = document.querySelector(".pane-screen-view canvas"); return [c?.width, c?.height]; });
  },
  /** SHA-256 of the viewer's picture, its colours without their opacity. */
  async pixels() {
    return page.evaluate(async () => {
      const c = document.querySelector(".pane-screen-view canvas");
      const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
      const rgb = new Uint8Array((data.length / 4) * 3);
      for (let i = 0, o = 0; i < data.length; i += 4) for (let k = 0; k < 3; k++) rgb[o++] = data[i + k];
      return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", rgb)), (b) => b.toString(16).padStart(2, "0")).join("");
    });
  },
  async title() {
    return page.title();
  },
  async colour({ selector }) {
    return page.locator(selector).first().evaluate((e) => getComputedStyle(e).backgroundColor);
  },
  async off({ label }) {
    return field(label).isDisabled();
  },
  async fullscreen() {
    return page.evaluate(() => !!document.fullscreenElement);
  },
  async size({ width, height }) {
    await page.setViewportSize({ width, height });
  },
  async focused() {
    return page.evaluate(() => document.activeElement?.textContent ?? "");
  },
  /** The file a button saves; its bytes too, where they are no text. */
  async saved({ press }) {
    const [file] = await Promise.all([page.waitForEvent("download", { timeout: 60000 }), button(press).last().click()]);
    const bytes = readFileSync(await file.path());
    return { name: file.suggestedFilename(), text: bytes.toString("utf8"), sha256: createHash("sha256").update(bytes).digest("hex") };
  },
  /** Waits for the viewer to be connected, and for its picture to have some colours. */
  async screen() {
    await page.locator('[data-phase="shown"]').waitFor({ timeout: 40000 });
    await page.waitForFunction(() => {
      const canvas = document.querySelector(".pane-screen-view canvas");
      const data = canvas?.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return data && new Set(new Uint32Array(data.buffer)).size > 3;
    });
  },
  /** Waits for the small picture of a desktop, another than the one of etag; its etag and size. */
  async picture({ of, etag = "", timeout = LIMIT }) {
    const found = await page.waitForFunction(([name, old]) => {
      const image = document.querySelector(`img[alt="Screen of ${name}"]`);
      return image?.complete && image.naturalWidth > 0 && image.dataset.etag !== old && { etag: image.dataset.etag, width: image.naturalWidth, height: image.naturalHeight };
    }, [of, etag], { timeout });
    return found.jsonValue();
  },
  async shot({ name }) {
    if (!SHOTS) return;
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: `${SHOTS}/${name}.png` });
  },
  /** One screen in each look: a picture, and what axe-core finds wrong with it. */
  async look({ name, at }) {
    const wrong = [];
    for (const [scheme, size] of LOOKS) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize(size);
      if (at !== undefined) await page.goto(`${BASE}/#${at}`);
      await settled();
      await still();
      const look = `${name}-${scheme}-${size.width}`;
      if (SHOTS) {
        mkdirSync(SHOTS, { recursive: true });
        await page.screenshot({ path: `${SHOTS}/${look}.png`, fullPage: size === NARROW });
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) wrong.push(`${look}: ${wide} px wider than the window`);
      wrong.push(...(await judge()).map((text) => `${look}: ${text}`));
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize(WIDE);
    await still();
    return wrong;
  },
  /** Chooses a language, as the menu does; x-pseudo marks every message. */
  async language({ tag }) {
    await page.evaluate((t) => localStorage.setItem("pane.language", t), tag);
    await page.reload();
    await settled();
  },
  async tongue() {
    return page.evaluate(() => document.documentElement.lang);
  },
  async item({ name }) {
    await page.getByRole("menuitem", { name, exact: true }).click();
  },
  async links({ selector }) {
    return page.locator(selector).evaluateAll((all) => all.map((a) => a.getAttribute("href").replace(/^#/, "")).filter((at) => at.startsWith("/")));
  },
  /** The files of this page whose address has the pattern in it. */
  async loaded({ pattern }) {
    return page.evaluate((p) => performance.getEntriesByType("resource").map((e) => e.name).filter((n) => n.includes(p)), pattern);
  },
  /** Text with letters, in sight or said to screen readers, that is in no message marked as such (x-pseudo). */
  async unmarked() {
    return page.evaluate(() => {
      const found = new Set();
      let depth = 0;
      const outside = (text) => {
        let out = "";
        for (const part of text.split(/(\[!!!|!!!\])/)) {
          if (part === "[!!!") depth++;
          else if (part === "!!!]") depth--;
          else if (!depth) out += part;
        }
        return out.trim();
      };
      const tell = (text) => /\p{L}/u.test(text) && found.add(text);
      const walk = (node) => {
        if (node.nodeType === Node.TEXT_NODE) return void tell(outside(node.data));
        if (node.nodeType !== Node.ELEMENT_NODE || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName)) return;
        const before = depth;
        for (const name of ["aria-label", "title", "placeholder", "alt"])
          if (node.hasAttribute(name) && !depth && node.checkVisibility()) {
            tell(outside(node.getAttribute(name)));
            depth = before;
          }
        // Times, code and the server's own sentences are no messages; nor is what is not there to see.
        if (!depth && (node.matches("time, code, pre, .pane-reasons, [data-said]") || (!node.checkVisibility() && node.tagName !== "OPTION"))) return;
        node.childNodes.forEach(walk);
      };
      walk(document.body);
      return [...found];
    });
  },
  /**
   * Types texts into a search field, key after key, each when the rows of the one before are painted. Of each key: ms from the
   * key to the frame that shows its rows, the part of it that the server took, and the page's own time on the processor.
   */
  async typing({ label, texts, table, list }) {
    const cdp = await context.newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    const busy = async () => (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "TaskDuration").value * 1000;
    await page.evaluate(([name, path]) => {
      const meter = (window.paneMeter ??= { open: 0, seen: 0 });
      if (!meter.fetch) {
        meter.fetch = window.fetch;
        window.fetch = async (...all) => {
          if (!String(all[0]).includes(path)) return meter.fetch.apply(window, all);
          const begin = performance.now();
          meter.open++;
          try {
            const answer = await meter.fetch.apply(window, all);
            const body = await answer.clone().text();
            meter.server = performance.now() - begin;
            return new Response(body, { status: answer.status, headers: answer.headers });
          } finally {
            meter.open--;
            meter.changed = meter.answered = performance.now();
          }
        };
        window.addEventListener("keydown", () => { meter.key = meter.changed = performance.now(); meter.painted = meter.answered = meter.server = 0; }, true);
        new MutationObserver((all) => {
          if (!all.some((m) => m.target.parentElement?.closest(`[aria-label^="${name}"]`) || m.target.nodeName === "TBODY")) return;
          meter.changed = performance.now();
          meter.painted = meter.changed;
          requestAnimationFrame(() => setTimeout(() => { meter.painted = performance.now(); }));
        }).observe(document.body, { subtree: true, childList: true, characterData: true });
      }
    }, [table, list]);
    const measured = [];
    for (const text of texts) {
      await field(label).fill("");
      await page.waitForTimeout(500);
      await field(label).focus();
      for (const key of text) {
        const before = await busy();
        await page.keyboard.press(key);
        const one = await page.evaluate(async () => {
          const meter = window.paneMeter;
          // A headless browser may have stopped drawing for good, as in scroll().
          const frame = () => Promise.race([new Promise((done) => requestAnimationFrame(done)), new Promise((done) => setTimeout(done, 50))]);
          do await frame(); while (meter.open || performance.now() - Math.max(meter.changed, meter.painted) < 250);
          return { ms: Math.max(meter.painted, meter.answered, meter.key) - meter.key, server: meter.server }; // rows that stay are no change
        });
        measured.push({ ...one, cpu: (await busy()) - before });
      }
    }
    await cdp.detach();
    return measured;
  },
  async complaints() {
    return complaints.splice(0);
  },
  async end() {
    await context.close();
  },
};

console.log(JSON.stringify({ ok: "started" }));
for await (const line of createInterface({ input: process.stdin })) {
  const { do: verb, ...more } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: (await verbs[verb](more)) ?? null }));
  } catch (error) {
    const body = await page.locator("body").innerText().catch(() => "");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/failure.png` }).catch(() => undefined);
    console.log(JSON.stringify({ error: `${error}\n--- the page says:\n${body.slice(0, 1500)}` }));
  }
  if (verb === "end") break;
}
