// SPDX-License-Identifier: GPL-3.0-or-later
// What the person here may do, by the role the broker's description asks of each call. Only a courtesy: the broker decides.
import { ROLE_OF } from "#schema";

const RANK = ["anyone", "user", "readonly", "helpdesk", "operator", "admin"];
let rank = 0;

export function setRole(role: string) {
  rank = RANK.indexOf(role);
}

/** may("POST /pools") */
export function may(call: string) {
  const needed = RANK.indexOf(ROLE_OF[call] ?? "");
  return needed >= 0 && rank >= needed;
}
