/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-doctor: see doctor.h. Exit status 0: nothing failed; 1: something did; 2: the command line
 * is wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "common/log.h"
#include "deploy/doctor/doctor.h"

static const char usage[] =
	"usage: pane-doctor [--json] [--etc DIR]\n"
	"\n"
	"Looks at this machine and says what of Pane's needs is there, what is not, and what to "
	"do.\n"
	"Best run as root: other users see less.\n"
	"\n"
	"  --json       print the findings as JSON\n"
	"  --etc DIR    where broker.conf, gateway.conf and host.conf are (/etc/pane)\n"
	"  --help       show this and exit\n"
	"  --version    show the version and exit\n";

static void read_settings(struct doctor *d, struct settings *s, const char *dir, const char *name)
{
	int r = settings_read(s, dir, name);

	if (r < 0)
		report_add(&d->report, REPORT_FAIL, "config.read", "run pane-doctor as root",
			   "%s: %s", s->path, strerror(-r));
}

static void look(struct doctor *d, const char *etc)
{
	read_settings(d, &d->broker, etc, "broker.conf");
	read_settings(d, &d->gateway, etc, "gateway.conf");
	read_settings(d, &d->host, etc, "host.conf");
	if (!d->broker.found && !d->gateway.found && !d->host.found)
		report_add(&d->report, REPORT_WARN, "config.none",
			   "pane-setup site, or pane-setup host", "%s has no configuration yet",
			   etc);
	check_machine(d);
	check_services(d);
	check_certificates(d);
	check_database(d);
	check_ports(d);
	check_space(d);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"etc", required_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct doctor d = {.root = geteuid() == 0};
	const char *etc = "/etc/pane";
	bool json = false;
	int c, r = 0;

	log_init("pane-doctor", LOG_WARN);
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'e':
			etc = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("pane-doctor " PANE_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	look(&d, etc);
	if (json)
		r = report_json(stdout, &d.report);
	else
		report_print(stdout, &d.report);
	if (r == 0 && report_worst(&d.report) == REPORT_FAIL)
		r = 1;
	report_fini(&d.report);
	settings_fini(&d.broker);
	settings_fini(&d.gateway);
	settings_fini(&d.host);
	return fflush(stdout) || r ? 1 : 0;
}
