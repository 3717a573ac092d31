// SPDX-License-Identifier: GPL-3.0-or-later
// Light or dark: what the system says, until a person says otherwise.
const KEY = "pane.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export type Theme = "system" | "light" | "dark";

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

function apply() {
  const dark = theme() === "dark" || (theme() === "system" && system.matches);
  document.documentElement.classList.toggle("pf-v6-theme-dark", dark);
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
