/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about pools, and about pools and groups as a file. See command.h.
 */
#include "clients/cli/part.h"
#include "clients/cli/outside.h"
#include "clients/cli/run.h"

#define OPTION(name, arg, kind, key, help)                                                         \
	{                                                                                          \
		name, arg, kind, key, NULL, false, help                                            \
	}

/* When and from where a pool or an entitlement holds. */
#define ACCESS_OPTIONS                                                                             \
	OPTION("hours", "LIST", CLI_LIST, "hours",                                                 \
	       "when it may be entered: mon-fri 08:00-18:00,sat 09:00-12:00; empty is always"),    \
		OPTION("networks", "LIST", CLI_LIST, "networks",                                   \
		       "from where: 192.0.2.0/24,2001:db8::/32; empty is anywhere"),               \
		OPTION("refusal", "TEXT", CLI_STRING, "refusal", "what the refused read")

/* Of pools that are made and of those that are changed. */
#define FIRST_BOOT_OPTIONS                                                                         \
	{"timezone",                                                                               \
	 "ZONE",                                                                                   \
	 CLI_STRING,                                                                               \
	 "customize.timezone",                                                                     \
	 NULL,                                                                                     \
	 false,                                                                                    \
	 "first boot of images with cloud-init: time zone, like Europe/Berlin"},                   \
		{"keyboard",                                                                       \
		 "LAYOUT",                                                                         \
		 CLI_STRING,                                                                       \
		 "customize.keyboard",                                                             \
		 NULL,                                                                             \
		 false,                                                                            \
		 "the same: keyboard, like de or de:nodeadkeys"},                                  \
		{"packages",                                                                       \
		 "LIST",                                                                           \
		 CLI_LIST,                                                                         \
		 "customize.packages",                                                             \
		 NULL,                                                                             \
		 false,                                                                            \
		 "the same: Debian packages to install, separated by commas"},                     \
		{"script",                                                                         \
		 "FILE",                                                                           \
		 CLI_FILE,                                                                         \
		 "customize.script",                                                               \
		 NULL,                                                                             \
		 false,                                                                            \
		 "the same: a script run once as root before the desktop is ready"},               \
		{"totp",                                                                           \
		 "WHEN",                                                                           \
		 CLI_STRING,                                                                       \
		 "totp",                                                                           \
		 NULL,                                                                             \
		 false,                                                                            \
		 "required: only for users with a second factor; optional (the default)"},         \
		{"account",                                                                        \
		 "WHOSE",                                                                          \
		 CLI_STRING,                                                                       \
		 "customize.account",                                                              \
		 NULL,                                                                             \
		 false,                                                                            \
		 "the same: user (one account of that name, the default) or assigned (named "      \
		 "after the "                                                                      \
		 "desktop's user)"},                                                               \
	{                                                                                          \
		"no-sudo", NULL, CLI_FALSE, "customize.sudo", NULL, false,                         \
			"the same: the account may not become root"                                \
	}

/* What create and set share of policy. */
#define POLICY_OPTIONS                                                                             \
	OPTION("idle", "SECONDS", CLI_NUMBER, "idle_s",                                            \
	       "so long a viewer may do nothing; 0 is for ever"),                                  \
		OPTION("idle-action", "WHAT", CLI_STRING, "idle_action",                           \
		       "then: disconnect or logoff"),                                              \
		OPTION("disconnected", "SECONDS", CLI_NUMBER, "logoff_after_s",                    \
		       "so long a session waits without a viewer; 0 is for ever"),                 \
		OPTION("disconnected-action", "WHAT", CLI_STRING, "disconnected_action",           \
		       "then: keep (without this of dedicated desktops) or logoff (of floating "   \
		       "ones)"),                                                                   \
		OPTION("session-max", "SECONDS", CLI_NUMBER, "session_max_s",                      \
		       "so long a session may last; 0 is for ever"),                               \
		OPTION("session-max-action", "WHAT", CLI_STRING, "session_max_action",             \
		       "then: disconnect or logoff"),                                              \
		OPTION("hours-action", "WHAT", CLI_STRING, "hours_action",                         \
		       "at the end of the pool's hours: keep, disconnect or logoff"),              \
		OPTION("warn", "SECONDS", CLI_NUMBER, "warn_s",                                    \
		       "so long before one of these a warning event is sent (60)"),                \
		OPTION("schedule", "LIST", CLI_LIST, "schedule",                                   \
		       "spare by hours of the week: mon-fri 07:00-09:00 10,sat 08:00-12:00 2"),    \
		OPTION("buffer", "PERCENT", CLI_NUMBER, "buffer_percent",                          \
		       "keep at least this share of those in use ready"),                          \
		OPTION("after-logoff", "WHAT", CLI_STRING, "after_logoff",                         \
		       "of a dedicated desktop: keep, off or suspend (until its user comes), "     \
		       "recycle"),                                                                 \
		OPTION("shadow", "WHAT", CLI_STRING, "shadow",                                     \
		       "whether the help desk may look at sessions: off, ask (the user must "      \
		       "agree) or notice (is told)"),                                              \
		OPTION("breaker", "N", CLI_NUMBER, "breaker_failures",                             \
		       "make no more after so many in a row could not be started (5); 0 is "       \
		       "never"),                                                                   \
		OPTION("overcommit", "PERCENT", CLI_NUMBER, "overcommit",                          \
		       "of a host's memory that may be promised (100)"),                           \
		OPTION("hosts", "LIST", CLI_LIST, "hosts", "only on these hosts; empty is any"),   \
		OPTION("placement", "HOW", CLI_STRING, "placement",                                \
		       "spread over the hosts, or pack: fill one before the next"),                \
		OPTION("names", "PATTERN", CLI_STRING, "name_pattern",                             \
		       "of new desktops, as pc-{nnn}; {pool} is the pool's name"),                 \
		OPTION("size-min", "N", CLI_NUMBER, "size_min", "never fewer desktops than this"), \
		OPTION("provision", "WHOSE", CLI_STRING, "provision",                              \
		       "whose dedicated desktops are made in advance: group (of entitled groups' " \
		       "members), always (everybody's) or login (nobody's)"),                      \
		OPTION("disk", "MIB", CLI_NUMBER, "disk_mib",                                      \
		       "disk of a desktop beyond its image"),                                      \
		OPTION("memory-merge", NULL, CLI_TRUE, "memory.merge",                             \
		       "virtual machines: equal pages are kept once; only where the pool's users " \
		       "may trust each other"),                                                    \
		OPTION("memory-huge", NULL, CLI_TRUE, "memory.huge",                               \
		       "virtual machines: memory in huge pages. Without --memory-merge it is not " \
		       "merged, and the other way round"),                                         \
		OPTION("disk-rate", "BYTES", CLI_NUMBER, "limits.disk.bytes_per_s",                \
		       "of a desktop's disk, each second, either way. Of the four rates those "    \
		       "not given are free again"),                                                \
		OPTION("disk-ops", "N", CLI_NUMBER, "limits.disk.ops_per_s",                       \
		       "requests to its disk, each second"),                                       \
		OPTION("net-rate", "BYTES", CLI_NUMBER, "limits.net.bytes_per_s",                  \
		       "virtual machines: of its network, each second, either way"),               \
		OPTION("net-ops", "N", CLI_NUMBER, "limits.net.ops_per_s",                         \
		       "virtual machines: packets, each second"),                                  \
		OPTION("zone", "ZONE", CLI_STRING, "timezone",                                     \
		       "the time zone of hours and schedule, like Europe/Berlin (UTC)"),           \
		ACCESS_OPTIONS

#define SPARE_SUSPENDED                                                                            \
	{                                                                                          \
		"spare-suspended", "N", CLI_NUMBER, "spare_suspended", NULL, false,                \
			"keep this many more suspended: they take no processor, and go on in a "   \
			"moment (virtual "                                                         \
			"machines)"                                                                \
	}

static const struct cli_column role_columns[] = {
	{"WHO", "who", CLI_TEXT},
	{"ROLE", "role", CLI_TEXT},
	END,
};

static const struct cli_option pool_create_options[] = {
	{"tag", "TAG", CLI_STRING, "image_tag", NULL, false,
	 "the tag of the image it follows (stable)"},
	{"home", "MIB", CLI_NUMBER, "home_mib", NULL, false,
	 "a disk of that size for each user's files, apart from the system"},
	{"image", "IMAGE", CLI_STRING, "image", NULL, true, "the golden image"},
	{"memory", "MIB", CLI_NUMBER, "memory_mib", "1024", false, "memory of a desktop"},
	{"cpus", "N", CLI_NUMBER, "cpus", "2", false, "processors of a desktop"},
	{"size", "N", CLI_NUMBER, "size_max", "4", false, "at most this many desktops"},
	{"spare", "N", CLI_NUMBER, "spare", "1", false, "keep this many ready for the next user"},
	SPARE_SUSPENDED,
	{"assignment", "KIND", CLI_STRING, "assignment", "dedicated", false,
	 "dedicated (kept for its user) or floating (recycled after use)"},
	{"isolation", "WAY", CLI_STRING, "isolation", NULL, false,
	 "vm (a machine of its own, the default) or container (shares the host's kernel)"},
	{"reset", "WHEN", CLI_STRING, "reset", NULL, false,
	 "on_logoff or never: whether the system of a container is fresh for every session; the "
	 "user's home is kept (default: on_logoff when floating)"},
	FIRST_BOOT_OPTIONS,
	POLICY_OPTIONS,
	END,
};

static const struct cli_option pool_set_options[] = {
	{"tag", "TAG", CLI_STRING, "image_tag", NULL, false, "the tag of the image it follows"},
	{"home", "MIB", CLI_NUMBER, "home_mib", NULL, false,
	 "a disk of that size for each user's files; 0 for none"},
	{"image", "IMAGE", CLI_STRING, "image", NULL, false, "the golden image of new desktops"},
	{"memory", "MIB", CLI_NUMBER, "memory_mib", NULL, false, "memory of a new desktop"},
	{"cpus", "N", CLI_NUMBER, "cpus", NULL, false, "processors of a new desktop"},
	{"size", "N", CLI_NUMBER, "size_max", NULL, false, "at most this many desktops"},
	{"spare", "N", CLI_NUMBER, "spare", NULL, false, "keep this many ready for the next user"},
	SPARE_SUSPENDED,
	{"reset", "WHEN", CLI_STRING, "reset", NULL, false, "on_logoff or never, as in create"},
	FIRST_BOOT_OPTIONS,
	{"sudo", NULL, CLI_TRUE, "customize.sudo", NULL, false, "undo --no-sudo"},
	{"memory-plain", NULL, CLI_FALSE, "memory.merge", NULL, false,
	 "undo --memory-merge and --memory-huge"},
	POLICY_OPTIONS,
	END,
};

static const struct cli_option entitle_options[] = {
	ACCESS_OPTIONS,
	END,
};

static const struct cli_option pool_update_options[] = {
	{"image-version", "VERSION", CLI_STRING, "version", NULL, false,
	 "to this version instead of the one its tag points at"},
	{"canary", "N", CLI_NUMBER, "canary", NULL, false, "only this many desktops"},
	{"parallel", "N", CLI_NUMBER, "parallel", NULL, false, "this many at a time (2)"},
	{"force-at", "TIME", CLI_STRING, "force_at", NULL, false,
	 "end sessions still running then, as in 2026-01-31T22:00:00Z"},
	{"continue-on-error", NULL, CLI_TRUE, "continue_on_error", NULL, false,
	 "do not stop at the first desktop that fails"},
	{"force", NULL, CLI_FORCE, NULL, NULL, false,
	 "also where users' files are on the desktops and go with them"},
	{"pause", NULL, CLI_LOCAL, NULL, NULL, false, "begin no further desktop for now"},
	{"resume", NULL, CLI_LOCAL, NULL, NULL, false,
	 "go on after --pause or after a failure; failed desktops are tried again"},
	{"stop", NULL, CLI_LOCAL, NULL, NULL, false, "end the update where it is"},
	END,
};

static const struct cli_option apply_options[] = {
	{"dry-run", NULL, CLI_LOCAL, NULL, NULL, false, "only say what would be done"},
	END,
};

static const struct cli_column pool_columns[] = {
	{"POOL", "name", CLI_TEXT},
	{"STATE", "state", CLI_TEXT},
	{"IMAGE", "image", CLI_TEXT},
	{"ISOLATION", "isolation", CLI_TEXT},
	{"RESET", "reset", CLI_TEXT},
	{"CPUS", "cpus", CLI_TEXT},
	{"MEMORY", "memory_mib", CLI_TEXT},
	{"DESKTOPS", "desktops", CLI_TEXT},
	{"MAX", "size_max", CLI_TEXT},
	{"SPARE", "spare", CLI_TEXT},
	{"READY", "ready", CLI_TEXT},
	{"ASSIGNED", "assigned", CLI_TEXT},
	{"FAILED", "failed", CLI_TEXT},
	{"BLOCKED BY", "blocked", CLI_TEXT},
	END,
};

static const struct cli_column entitlement_columns[] = {{"USER", "user", CLI_TEXT},
							{"THROUGH", "groups", CLI_TEXT},
							{"DESKTOP", "desktop", CLI_TEXT},
							{"BLOCKED BY", "blocked", CLI_TEXT},
							{"HOURS", "hours", CLI_TEXT},
							{"NETWORKS", "networks", CLI_TEXT},
							END};

static const struct cli_option quota_options[] = {
	{"desktops", "N", CLI_NUMBER, "desktops", NULL, false, "at most this many desktops"},
	{"running", "N", CLI_NUMBER, "running", NULL, false, "at most this many that run"},
	{"cpus", "N", CLI_NUMBER, "cpus", NULL, false, "processors of those that run"},
	{"memory", "MIB", CLI_NUMBER, "memory_mib", NULL, false, "memory of those that run"},
	{"disk", "MIB", CLI_NUMBER, "disk_mib", NULL, false, "disk of all, with homes"},
	END,
};

static const struct cli_column quota_columns[] = {
	{"WHO", "who", CLI_TEXT},
	{"USED", "says", CLI_TEXT},
	END,
};

const struct cli_command cli_pool[] = {
	{.noun = "pools",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/pools",
	 .show = CLI_SHOW_TABLE,
	 .columns = pool_columns,
	 .help = "list pools"},
	{.noun = "pools",
	 .verb = "show",
	 .args = "POOL",
	 .method = "GET",
	 .path = V "/pools/{1}",
	 .show = CLI_SHOW_DETAILS,
	 .help = "show one pool"},
	{.noun = "pools",
	 .verb = "create",
	 .args = "POOL",
	 .method = "POST",
	 .path = V "/pools",
	 .keys = "name",
	 .options = pool_create_options,
	 .done = "pool {1} created",
	 .help = "create a pool of desktops"},
	{.noun = "pools",
	 .verb = "set",
	 .args = "POOL",
	 .method = "PATCH",
	 .path = V "/pools/{1}",
	 .options = pool_set_options,
	 .done = "pool {1} changed",
	 .help = "change a pool"},
	{.noun = "pools",
	 .verb = "update",
	 .args = "POOL",
	 .method = "POST",
	 .path = V "/pools/{1}/rollout",
	 .options = pool_update_options,
	 .run = cli_run_pool_update,
	 .help = "take its desktops to the newest version of their image, one after another"},
	{.noun = "pools",
	 .verb = "retry",
	 .args = "POOL",
	 .method = "POST",
	 .path = V "/pools/{1}/retry",
	 .done = "pool {1} tries again",
	 .help = "go on now: of a stopped pool, and with desktops that failed"},
	{.noun = "pools",
	 .verb = "delete",
	 .args = "POOL",
	 .method = "DELETE",
	 .path = V "/pools/{1}",
	 .options = cli_force_options,
	 .done = "pool {1} deleted",
	 .help = "delete a pool and its desktops"},
	{.noun = "pools",
	 .verb = "entitlements",
	 .args = "POOL",
	 .method = "GET",
	 .path = V "/pools/{1}/entitlements",
	 .show = CLI_SHOW_TABLE,
	 .columns = entitlement_columns,
	 .help = "who may have a desktop of a pool"},
	{.noun = "pools",
	 .verb = "entitle",
	 .args = "POOL USER",
	 .method = "POST",
	 .path = V "/pools/{1}/entitlements",
	 .keys = "-,user",
	 .options = entitle_options,
	 .done = "{2} may use pool {1}",
	 .help = "let a user, or all of group:GROUP, have a desktop of a pool"},
	{.noun = "pools",
	 .verb = "disentitle",
	 .args = "POOL USER",
	 .method = "DELETE",
	 .path = V "/pools/{1}/entitlements/{2}",
	 .options = cli_bin_options,
	 .done = "{2} may no longer use pool {1}",
	 .help = "take that back; a used dedicated desktop goes to the bin, others are released"},
	{.noun = "pools",
	 .verb = "roles",
	 .args = "POOL",
	 .method = "GET",
	 .path = V "/pools/{1}/roles",
	 .show = CLI_SHOW_TABLE,
	 .columns = role_columns,
	 .help = "who has a role in a pool that they have not everywhere"},
	{.noun = "pools",
	 .verb = "delegate",
	 .args = "POOL USER ROLE",
	 .method = "POST",
	 .path = V "/pools/{1}/roles",
	 .keys = "-,who,role",
	 .done = "{2} is {3} in pool {1}",
	 .help = "make a user, or all of group:GROUP, readonly, helpdesk or operator in one pool"},
	{.noun = "pools",
	 .verb = "undelegate",
	 .args = "POOL USER",
	 .method = "DELETE",
	 .path = V "/pools/{1}/roles/{2}",
	 .done = "{2} is in pool {1} what they are elsewhere",
	 .help = "take such a role back"},

	{.noun = "quotas",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/quotas",
	 .show = CLI_SHOW_TABLE,
	 .columns = quota_columns,
	 .help = "who may have how much, and what is in use"},
	{.noun = "quotas",
	 .verb = "of",
	 .args = "USER",
	 .method = "GET",
	 .path = V "/quotas?user={1}",
	 .show = CLI_SHOW_TABLE,
	 .columns = quota_columns,
	 .help = "the quotas that hold for a user, and what the user has"},
	{.noun = "quotas",
	 .verb = "set",
	 .args = "WHO",
	 .method = "POST",
	 .path = V "/quotas",
	 .keys = "who",
	 .options = quota_options,
	 .done = "the quota of {1} is set",
	 .help = "limit user:NAME, member:GROUP (each), group:GROUP (together), pool:NAME or "
		 "everyone; what is not given is not limited"},
	{.noun = "quotas",
	 .verb = "remove",
	 .args = "WHO",
	 .method = "DELETE",
	 .path = V "/quotas/{1}",
	 .done = "{1} has no quota any more",
	 .help = "take a quota away"},

	{.noun = "apply",
	 .args = "FILE",
	 .options = apply_options,
	 .run = cli_run_apply,
	 .help = "make pools, groups and quotas what a YAML file says; others are left alone"},
	{.noun = "export",
	 .args = "",
	 .run = cli_run_export,
	 .help = "pools, groups and quotas as YAML, for apply"},
	{.noun = "doctor",
	 .args = "",
	 .run = cli_run_outside,
	 .help = "look at this machine and say what is wrong with it: pane-doctor(8)"},
	{.noun = "backup",
	 .args = "",
	 .run = cli_run_outside,
	 .help = "back up and restore this machine's part of Pane: pane-backup(8)"},
	END,
};
