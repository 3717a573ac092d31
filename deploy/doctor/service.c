/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The daemons: their own word on their configuration, their versions, their units.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include "deploy/doctor/child.h"
#include "deploy/doctor/doctor.h"

struct part {
	const char *program, *config_id, *unit_id;
	const struct settings *conf; /* borrowed */
};

static void check_config(struct doctor *d, const struct part *p)
{
	const char *const argv[] = {p->program, "--check", "--config", p->conf->path, NULL};
	char out[1024];
	int r = child_run(argv, out, sizeof(out));

	/* The gateway's last look is whether its ports are free, which they are not while it runs;
	 * who has them is told by ports.c. */
	if (r == 0 || (r > 0 && strstr(out, "another program uses this port")))
		report_add(&d->report, REPORT_OK, p->config_id, NULL, "%s is right", p->conf->path);
	else if (r == 127)
		report_add(&d->report, REPORT_FAIL, p->config_id, "install it, or remove its file",
			   "%s is there, %s is not", p->conf->path, p->program);
	else
		report_add(&d->report, REPORT_FAIL, p->config_id, "mend the file, or what it names",
			   "%s", r == -ETIMEDOUT ? "it did not answer in 10 s" : out);
}

/* The value of "key=" in systemctl's answer, as "" where there is none. */
static void value_of(const char *answer, const char *key, char out[32])
{
	const char *at = strstr(answer, key);

	out[0] = 0;
	if (at)
		snprintf(out, 32, "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
}

static void check_unit(struct doctor *d, const struct part *p)
{
	const char *const argv[] = {"systemctl", "show",      "-p",	  "ActiveState",
				    "-p",	 "NRestarts", p->program, NULL};
	char out[256], active[32], restarts[32], fix[96];

	if (child_run(argv, out, sizeof(out)) != 0) {
		report_add(&d->report, REPORT_WARN, p->unit_id, "systemctl status",
			   "%s cannot be asked for: %s", p->program, out);
		return;
	}
	value_of(out, "ActiveState=", active);
	value_of(out, "NRestarts=", restarts);
	snprintf(fix, sizeof(fix), "systemctl enable --now %s; journalctl -u %s -n 30", p->program,
		 p->program);
	if (strcmp(active, "active") != 0)
		report_add(&d->report, REPORT_FAIL, p->unit_id, fix, "%s is %s", p->program,
			   active);
	else if (strtol(restarts, NULL, 10) > 3)
		report_add(&d->report, REPORT_WARN, p->unit_id, fix,
			   "%s runs, but had to be started %s times", p->program, restarts);
	else
		report_add(&d->report, REPORT_OK, p->unit_id, NULL, "%s runs", p->program);
}

/* All programs of one machine are of one build: an upgrade by halves shows. */
static void check_version(struct doctor *d, const struct part *parts, size_t n)
{
	char first[256] = "", out[256];
	struct utsname u = {0};
	bool same = true;

	for (size_t i = 0; i < n; i++) {
		const char *const argv[] = {parts[i].program, "--version", NULL};
		char *v;

		if (!parts[i].conf->found || child_run(argv, out, sizeof(out)) != 0)
			continue;
		out[strcspn(out, "\n")] = 0;
		v = strchr(out, ' ') ? strchr(out, ' ') + 1 : out;
		if (!first[0])
			snprintf(first, sizeof(first), "%s", v);
		same = same && strcmp(first, v) == 0;
	}
	uname(&u);
	if (first[0])
		report_add(&d->report, same ? REPORT_OK : REPORT_WARN, "version",
			   same ? NULL : "apt install the same version of all pane packages",
			   same ? "Pane %s, kernel %s" : "not all programs are %s (kernel %s)",
			   first, u.release);
}

void check_services(struct doctor *d)
{
	const struct part parts[] = {
		{"pane-broker", "config.broker", "unit.broker", &d->broker},
		{"pane-gateway", "config.gateway", "unit.gateway", &d->gateway},
		{"pane-host", "config.host", "unit.host", &d->host},
	};
	bool systemd = access("/run/systemd/system", X_OK) == 0;

	check_version(d, parts, ARRAY_LEN(parts));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!parts[i].conf->found)
			continue;
		check_config(d, &parts[i]);
		if (systemd)
			check_unit(d, &parts[i]);
	}
}
