// SPDX-License-Identifier: GPL-3.0-or-later
// The server's own words for how things are, as people read them. What it says in sentences stays as it says it.

const WORDS: Record<string, { text: string }> = {
  // desktops
  requested: { text: "requested" }, cloning: { text: "cloning" }, booting: { text: "booting" }, ready: { text: "ready" }, suspended: { text: "suspended" },
  draining: { text: "draining" }, recycling: { text: "recycling" }, deleting: { text: "deleting" }, failed: { text: "failed" }, lost: { text: "lost" },
  // sessions
  none: { text: "none" }, ticketed: { text: "ticketed" }, connecting: { text: "connecting" }, connected: { text: "connected" }, disconnected: { text: "disconnected" },
  logging_off: { text: "logging off" }, ended: { text: "ended" },
  // hosts and terminals
  online: { text: "online" }, offline: { text: "offline" }, enrolled: { text: "enrolled" }, drained: { text: "drained" }, unknown: { text: "unknown" }, hardware: { text: "hardware" }, interpreted: { text: "interpreted" },
  // images, updates, recordings, homes
  uploading: { text: "uploading" }, verifying: { text: "verifying" }, converting: { text: "converting" }, published: { text: "published" }, retired: { text: "retired" },
  pulling: { text: "pulling" }, running: { text: "running" }, paused: { text: "paused" }, stopped: { text: "stopped" }, waiting: { text: "waiting" }, updating: { text: "updating" },
  recording: { text: "recording" }, kept: { text: "kept" }, gone: { text: "gone" }, left: { text: "left" }, created: { text: "created" },
  // pools
  active: { text: "active" }, blocked: { text: "blocked" }, failing: { text: "failing" }, filling: { text: "filling up" }, healthy: { text: "healthy" },
  dedicated: { text: "dedicated" }, floating: { text: "floating" }, vm: { text: "virtual machine" }, container: { text: "container" },
  // people, roles and what happened
  enabled: { text: "enabled" }, disabled: { text: "disabled" }, user: { text: "user" }, readonly: { text: "read-only" }, helpdesk: { text: "help desk" },
  operator: { text: "operator" }, admin: { text: "admin" }, ok: { text: "ok" }, done: { text: "done" }, denied: { text: "denied" }, refused: { text: "refused" },
  create: { text: "create" }, update: { text: "update" }, unchanged: { text: "unchanged" }, retire: { text: "retire" }, restore: { text: "restore" }, error: { text: "error" },
  desktop: { text: "desktop" }, home: { text: "home" }, machine: { text: "machine" }, session: { text: "session" }, pool: { text: "pool" }, group: { text: "group" },
};

export function word(of: string) {
  return Object.hasOwn(WORDS, of) ? WORDS[of]!.text : of.replaceAll("_", " ");
}
