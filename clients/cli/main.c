/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane: the administrator's command line. It speaks the public REST API and nothing else. Exit
 * status 0: done; 1: refused or failed, with cause, next step and the server's id on standard
 * error; 2: the command line is wrong.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "clients/cli/command.h"
#include "clients/cli/outside.h"
#include "clients/cli/run.h"
#include "common/log.h"

int main(int argc, char **argv)
{
	struct cli_call c;
	struct err e = {0};
	int r;

	log_init("pane", LOG_WARN);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], "--help-man") == 0) { /* for docs/man/pane.1.scd */
		cli_help_man(stdout);
		return 0;
	}
	if (cli_outside(argv, &e) < 0) {
		fprintf(stderr, "pane: %s\n", e.msg);
		return 1;
	}
	if (cli_parse(argc, argv, &c, &e) < 0) {
		fprintf(stderr, "pane: %s\nTry pane --help.\n", e.msg);
		return 2;
	}
	if (c.version) {
		puts("pane " PANE_VERSION);
		return 0;
	}
	if (c.help) {
		cli_help(stdout, c.arg[0], c.command);
		return 0;
	}
	r = cli_run(&c, &e);
	if (r < 0)
		fprintf(stderr, "pane: %s\n", e.msg[0] ? e.msg : strerror(-r));
	if (fflush(stdout) != 0 && r == 0)
		r = 1;
	return r == -EINVAL ? 2 : r < 0 ? 1 : r;
}
