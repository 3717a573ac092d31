// SPDX-License-Identifier: GPL-3.0-or-later
// What the person here may do, by the role the broker's description asks of each call. Only a courtesy: the broker decides.
import { ROLE_OF } from "#schema";

const RANK = ["anyone", "user", "readonly", "helpdesk", "operator", "admin"];
/** Calls for which a role in one pool does, too. */
const PLACED = /^(GET \/pools$|\w+ \/pools\/\{name\}(\/(entitlements|rollout|retry|roles).*)?$|\w+ \/desktops(\/|$)|\w+ \/sessions(\/|$))/;
let rank = 0;
let placed = 0;

/** pools: the roles in single pools; the highest counts wherever one may do. */
export function setRole(role: string, pools: { role: string }[] = []) {
  rank = RANK.indexOf(role);
  placed = Math.max(rank, ...pools.map((p) => RANK.indexOf(p.role)));
}

/** may("POST /pools") */
export function may(call: string) {
  const needed = RANK.indexOf(ROLE_OF[call] ?? "");
  return needed >= 0 && (rank >= needed || (placed >= needed && PLACED.test(call) && call !== "DELETE /pools/{name}"));
}
