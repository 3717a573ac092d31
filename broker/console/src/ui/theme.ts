// SPDX-License-Identifier: GPL-3.0-or-later
// Light or dark: what the system says, until a person says otherwise.
const KEY = "pane.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export type Theme = "system" | "light" | "dark";

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

let told: () => void = () => {};

export function isDark() {
  return theme() === "dark" || (theme() === "system" && system.matches);
}

export function whenThemeChanges(fn: () => void) {
  told = fn;
}

function apply() {
  document.documentElement.classList.toggle("pf-v6-theme-dark", isDark());
  told();
}

export function setTheme(value: Theme) {
  if (value === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, value);
  apply();
}

export function startTheme() {
  system.addEventListener("change", apply);
  apply();
}
