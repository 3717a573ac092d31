/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-gateway: the public ports. See pane-gateway(8). Reading order: worker.c accepts;
 * rdp_login.c, rfb_login.c and https_front.c are the three logins; route.c is what they share;
 * session.c is what they become.
 */
#include "common/log.h"
#include "common/secret.h"
#include "gateway/config.h"
#include "gateway/jail.h"
#include "gateway/supervisor.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef PANE_VERSION
#define PANE_VERSION "0"
#endif

struct options {
	const char *config;
	bool check;
};

static void usage(FILE *to)
{
	fputs("usage: pane-gateway --config FILE [--check]\n"
	      "\n"
	      "Serves RDP, RFB and HTTPS to clients; see pane-gateway(8).\n"
	      "\n"
	      "  -c, --config FILE  the configuration\n"
	      "  -n, --check        check configuration, certificates and ports, then exit\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      the version\n",
	      to);
}

/* 0 to go on; 1 to exit with *code. */
static int parse(int argc, char **argv, struct options *o, int *code)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
					      {"check", no_argument, NULL, 'n'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'V'},
					      {0}};
	int c;

	while ((c = getopt_long(argc, argv, "c:nhV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'h':
			usage(stdout);
			*code = 0;
			return 1;
		case 'V':
			puts("pane-gateway " PANE_VERSION);
			*code = 0;
			return 1;
		default:
			usage(stderr);
			*code = 2;
			return 1;
		}
	}
	if (!o->config || optind != argc) {
		usage(stderr);
		*code = 2;
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct gw_config conf;
	struct err e = {0};
	bool worker = false;
	int r, code;

	if (parse(argc, argv, &o, &code))
		return code;
	log_init("pane-gateway", LOG_INFO);
	secret_no_core();
	signal(SIGPIPE, SIG_IGN);
	r = gw_config_read(o.config, &conf, &e);
	if (r) {
		fprintf(stderr, "pane-gateway: %s\n", e.msg);
		return 1;
	}
	if (o.check)
		r = gw_supervisor_check(&conf, &e);
	else
		r = gw_jail_limits(&e);
	if (!r && !o.check)
		r = gw_supervisor_run(&conf, o.config, &worker, &e);
	if (r)
		fprintf(stderr, "pane-gateway: %s\n", e.msg[0] ? e.msg : strerror(-r));
	else if (o.check)
		puts("The configuration is in order.");
	gw_config_free(&conf);
	return r ? 1 : 0;
}
