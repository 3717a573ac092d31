// SPDX-License-Identifier: GPL-3.0-or-later
// What the site is called and looks like: asked for before a login, and again when an administrator changes it. The
// colour is set by script on the root element, which the page's content policy allows; nothing here becomes HTML.
import { useSyncExternalStore } from "react";
import type { Branding } from "#schema";
import { api } from "../api/client";
import icon from "../icon.svg";
import { isDark, whenThemeChanges } from "./theme";

let look: Branding = { name: "", login_text: "", support: "", accent: "", logo: null };
let title = "";
const tell = new Set<() => void>();

// ---- colours ----

type Rgb = [number, number, number];

export function rgb(text: string): Rgb | undefined {
  if (!/^#[0-9a-f]{6}$/.test(text)) return undefined;
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as Rgb;
}

const hex = (colour: Rgb) => `#${colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
const mix = (from: Rgb, to: Rgb, part: number) => from.map((x, i) => x + (to[i] - x) * part) as Rgb;

/** WCAG 2.1: relative luminance, and the contrast of two colours. */
function luminance(colour: Rgb) {
  const [r, g, b] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const WHITE: Rgb = [255, 255, 255], BLACK: Rgb = [0, 0, 0];
export const PAGE: Rgb = [242, 242, 242]; // of light pages
const RAISED: Rgb = [56, 56, 56]; // the brightest ground of dark pages
export const CONTRAST = 4.5;

/** The same colour, light enough for dark pages. */
function forDark(colour: Rgb) {
  for (let part = 0; part <= 1; part += 0.02) if (contrast(mix(colour, WHITE, part), RAISED) >= CONTRAST + 0.5) return mix(colour, WHITE, part);
  return WHITE;
}

const PROPERTIES = ["--pf-t--global--color--brand--default", "--pf-t--global--color--brand--hover", "--pf-t--global--color--brand--clicked",
  "--pf-t--global--text--color--link--default", "--pf-t--global--text--color--link--hover"];

function paint() {
  const { style } = document.documentElement, accent = rgb(look.accent);
  for (const property of PROPERTIES) style.removeProperty(property);
  if (!accent) return;
  const plain = isDark() ? forDark(accent) : accent, strong = mix(plain, isDark() ? WHITE : BLACK, 0.25);
  for (const property of PROPERTIES) style.setProperty(property, hex(property.endsWith("default") ? plain : strong));
}

// ---- what is shown ----

export function siteName() {
  return look.name || "Pane";
}

export function setTitle(text: string) {
  title = text;
  document.title = `${text} · ${siteName()}`;
}

export function setBranding(next: Branding) {
  look = next;
  paint();
  if (title) setTitle(title);
  tell.forEach((fn) => fn());
}

export function startBranding() {
  whenThemeChanges(paint);
  api.get<Branding>("/branding").then(setBranding, () => undefined); // as it comes, then
}

export function useBranding() {
  return useSyncExternalStore((fn) => {
    tell.add(fn);
    return () => tell.delete(fn);
  }, () => look);
}

/** The address of the logo; another one for another picture. */
export function logoOf(branding: Branding) {
  return branding.logo ? `/api/v1/branding/logo?${branding.logo}` : icon;
}
