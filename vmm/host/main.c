/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-host: the agent of a hypervisor host, and the commands an administrator of that host needs.
 * Ending the agent, by signal or by accident, leaves its desktops running; the next one takes them
 * up.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/notify.h"
#include "common/secret.h"
#include "vmm/host/agent.h"

static const char usage[] = "Usage: pane-host --config FILE [-n]\n"
			    "       pane-host enroll --config FILE --token TOKEN [--force]\n"
			    "       pane-host image list --config FILE\n"
			    "       pane-host image add --config FILE DIR\n"
			    "       pane-host image remove --config FILE NAME\n"
			    "       pane-host desktops list --config FILE\n"
			    "       pane-host desktops stop --config FILE [--now]\n"
			    "\n"
			    "Runs the desktops that the broker wants on this host.\n"
			    "\n"
			    "  --config FILE    the configuration\n"
			    "  -n, --check      check the configuration and exit\n"
			    "  --token TOKEN    the enrolment token of `pane hosts create`; - "
			    "reads it from standard input\n"
			    "  --force          enrol anew although this host is enrolled\n"
			    "  --now            do not wait for guests to shut down\n"
			    "  --help           show this and exit\n"
			    "  --version        show the version and exit\n";

struct options {
	const char *config, *token;
	const char *word[3]; /* command, verb, argument */
	int n;
	bool check, force, now;
};

static int fail(const struct err *e)
{
	fprintf(stderr, "pane-host: %s\n", e->msg[0] ? e->msg : "out of memory");
	return 1;
}

/* 0, or 1 + exit status when there is nothing more to do. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'}, {"token", required_argument, NULL, 't'},
		{"check", no_argument, NULL, 'n'},	  {"force", no_argument, NULL, 'f'},
		{"now", no_argument, NULL, 'w'},	  {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	  {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "n", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 't':
			o->token = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'f':
			o->force = true;
			break;
		case 'w':
			o->now = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'V':
			puts("pane-host " PANE_VERSION);
			return 1;
		default:
			fputs("Try pane-host --help.\n", stderr);
			return 3;
		}
	}
	while (optind < argc && o->n < 3)
		o->word[o->n++] = argv[optind++];
	if (optind < argc || !o->config) {
		fprintf(stderr, "pane-host: %s\nTry pane-host --help.\n",
			optind < argc ? "too many arguments" : "--config FILE is needed");
		return 3;
	}
	return 0;
}

static int read_token(struct secret *s, const char *arg, struct err *e)
{
	char line[SECRET_MAX];

	if (strcmp(arg, "-") != 0)
		return secret_set(s, arg, strlen(arg)) < 0 ? err_set(e, -E2BIG, "token too long")
							   : 0;
	if (!fgets(line, sizeof(line), stdin))
		return err_set(e, -EINVAL, "no token on standard input");
	line[strcspn(line, "\r\n")] = 0;
	return secret_set(s, line, strlen(line));
}

static int cmd_enroll(const struct host_config *c, const struct options *o, struct err *e)
{
	struct host_identity id;
	cleanup_secret struct secret token = {0};
	int r;

	if (!o->token)
		return err_set(e, -EINVAL,
			       "enroll needs --token: make one with `pane hosts create NAME`");
	if ((r = read_token(&token, o->token, e)) < 0 ||
	    (r = host_enroll(c, token.bytes, o->force, &id, e)) < 0)
		return r;
	printf("enrolled as host %s\n", id.id);
	return 0;
}

static int cmd_image(const struct host_config *c, const struct options *o, struct err *e)
{
	const char *verb = o->n > 1 ? o->word[1] : "";
	struct host_image img;
	int r;

	if (strcmp(verb, "list") == 0 && o->n == 2)
		return host_image_list(c, e);
	if (strcmp(verb, "add") == 0 && o->n == 3) {
		r = host_image_add(c, o->word[2], &img, e);
		if (r == 0)
			printf("image %s version %s\n", img.name, img.version);
		return r;
	}
	if (strcmp(verb, "remove") == 0 && o->n == 3)
		return host_image_remove(c, o->word[2], e);
	return err_set(e, -EINVAL, "use image list, image add DIR or image remove NAME");
}

static void list_desktops(const struct host_agent *a)
{
	printf("%-36s  %-20s  %-8s  %-8s  %7s  %s\n", "DESKTOP", "NAME", "WANTED", "STATE", "PID",
	       "REASON");
	for (const struct host_desktop *d = a->desktops; d; d = d->next)
		printf("%-36s  %-20s  %-8s  %-8s  %7d  %s\n", d->rec.order.id, d->rec.order.name,
		       host_want_name(d->rec.order.want), host_state_name(d->state),
		       d->machine ? host_machine_proc(d->machine)->pid : 0, d->rec.reason);
}

static int cmd_desktops(struct host_config *c, const struct options *o, struct err *e)
{
	const char *verb = o->n > 1 ? o->word[1] : "";
	struct host_agent a;
	struct loop *l;
	int r;

	if (o->n != 2 || (strcmp(verb, "list") != 0 && strcmp(verb, "stop") != 0))
		return err_set(e, -EINVAL, "use desktops list or desktops stop");
	if (o->now)
		c->stop_timeout_s = 0;
	l = loop_new();
	if (!l)
		return -ENOMEM;
	r = host_agent_init(&a, l, c, strcmp(verb, "stop") == 0, e);
	if (r == 0) {
		if (strcmp(verb, "list") == 0) {
			list_desktops(&a);
		} else {
			host_agent_drain(&a);
			for (struct host_desktop *d = a.desktops; d; d = d->next)
				if (d->machine) {
					r = loop_run(l);
					break;
				}
		}
		host_agent_fini(&a);
	}
	loop_free(l);
	return r;
}

static void on_term(void *arg, int signo)
{
	log_info("host.stop", "signal=%d", signo);
	loop_stop(arg);
}

static int cmd_run(const struct host_config *c, struct err *e)
{
	struct loop *l = loop_new();
	struct host_agent a;
	int r;

	if (!l)
		return -ENOMEM;
	signal(SIGPIPE, SIG_IGN);
	if ((r = loop_signal(l, SIGTERM, on_term, l)) == 0 &&
	    (r = loop_signal(l, SIGINT, on_term, l)) == 0 &&
	    (r = host_agent_init(&a, l, c, true, e)) == 0) {
		r = host_agent_start(&a, e);
		if (r == 0) {
			notify_ready();
			r = loop_run(l);
		}
		host_agent_fini(&a);
	}
	loop_free(l);
	return r;
}

static int command(struct host_config *c, const struct options *o, struct err *e)
{
	if (o->check)
		return 0;
	if (o->n == 0)
		return cmd_run(c, e);
	if (strcmp(o->word[0], "enroll") == 0 && o->n == 1)
		return cmd_enroll(c, o, e);
	if (strcmp(o->word[0], "image") == 0)
		return cmd_image(c, o, e);
	if (strcmp(o->word[0], "desktops") == 0)
		return cmd_desktops(c, o, e);
	return err_set(e, -EINVAL, "unknown command '%s'", o->word[0]);
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct host_config c;
	struct err e = {0};
	int r = parse(argc, argv, &o);

	if (r)
		return r - 1;
	log_init("pane-host", o.n ? LOG_WARN : LOG_INFO);
	secret_no_core();
	if (host_config_read(o.config, &c, &e) < 0)
		return fail(&e);
	r = command(&c, &o, &e);
	host_config_free(&c);
	return r < 0 ? fail(&e) : 0;
}
