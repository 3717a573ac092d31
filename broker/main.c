/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-broker: policy and state of a Pane site. Serves HTTP to gateways on two unix sockets and is
 * the only process that talks to PostgreSQL. N equal copies may run; none leads, none is on the
 * data path.
 *
 * Theory of operation: http.c reads a request and suspends its connection; work.c queues it; a
 * worker with its own database connection finds it in route.c's table, authorises it and runs the
 * handler; the answer goes out from http.c's thread. Requests that wait (host polls, starting
 * desktops) hold no thread. reconcile.c moves rows towards what pools ask for; notify.c turns the
 * database's hints into wake-ups; the main thread ticks the slow poll and waits for SIGTERM.
 */
#include "broker/broker.h"
#include "broker/convert.h"
#include "broker/directory.h"
#include "broker/dirhelper.h"
#include "broker/events.h"
#include "broker/helpers.h"
#include "broker/http.h"
#include "broker/migrate.h"
#include "broker/notify.h"
#include "broker/oidc.h"
#include "broker/password.h"
#include "broker/pki.h"
#include "broker/reconcile.h"
#include "broker/route.h"
#include "broker/seal.h"
#include "broker/work.h"
#include "common/file.h"
#include "common/grant.h"
#include "common/log.h"
#include "common/metrics_server.h"
#include "common/notify.h"
#include "common/secret.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TICK_MS 500

static const char usage[] =
	"usage: pane-broker --config FILE [-n]\n"
	"       pane-broker migrate --config FILE [--sql DIR]\n"
	"       pane-broker admin NAME --config FILE\n"
	"       pane-broker setup NAME --config FILE\n"
	"       pane-broker directory --config FILE\n"
	"       pane-broker oidc --config FILE\n"
	"       pane-broker routes\n"
	"\n"
	"  -c, --config FILE  configuration (INI)\n"
	"  -n, --check        check the configuration and the keys it names, then exit\n"
	"      --sql DIR      where the migrations are, instead of sql_dir\n"
	"  -v, --verbose      log more\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n"
	"\n"
	"Without a word it serves until SIGTERM. migrate brings the database schema up to date.\n"
	"admin creates an administrator or resets one; the generated password is printed once.\n"
	"setup does the same with a token in its place, by which a browser sets the password.\n"
	"directory talks to the directory for the broker, which starts it by itself.\n"
	"oidc talks to the login provider for the broker in the same way.\n"
	"routes lists what the broker answers and to whom.\n";

struct server {
	struct broker broker;
	struct http_server *api, *internal, *metrics[METRICS_LISTEN_MAX];
	struct reconciler *reconciler;
	struct notifier *notifier;
};

static void on_notify(void *arg, const char *payload)
{
	struct server *s = arg;

	event_hub_poke(s->broker.events);
	if (!strcmp(payload, "reconcile"))
		reconciler_poke(s->reconciler);
	else
		work_wake(s->broker.work, payload);
}

static int load_keys(struct broker *b, struct err *e)
{
	size_t n;
	EVP_PKEY *pub;

	b->grant_key = grant_key_load(b->conf->grant_key, true, e);
	if (!b->grant_key)
		return -EINVAL;
	if (file_read(b->conf->grant_pub, 8192, &b->grant_pub, &n, e))
		return -EINVAL;
	pub = grant_key_parse_public(b->grant_pub, e);
	if (!pub)
		return err_prefix(e, "%s", b->conf->grant_pub);
	n = EVP_PKEY_eq(pub, b->grant_key) == 1;
	EVP_PKEY_free(pub);
	if (!n)
		return err_set(e, -EINVAL, "%s is not the public half of %s", b->conf->grant_pub,
			       b->conf->grant_key);
	if (b->conf->secret_keys && !(b->seal = seal_load(b->conf->secret_keys, e)))
		return -EINVAL;
	b->ca = broker_ca_load(b->conf->ca_cert, b->conf->ca_key, e);
	return b->ca ? 0 : -EINVAL;
}

static void free_keys(struct broker *b)
{
	EVP_PKEY_free(b->grant_key);
	free(b->grant_pub);
	broker_ca_free(b->ca);
	seal_free(b->seal);
}

static int hash_slots(const struct broker_conf *c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int slots = cpus > 0 ? (int)cpus : 1;

	return slots < c->workers ? slots : c->workers - 1; /* one worker is always for the rest */
}

static int server_start(struct server *s, struct err *e)
{
	const struct broker_conf *c = s->broker.conf;
	struct work_params wp = {.threads = c->workers,
				 .max_waiting = c->max_waiting,
				 .conninfo = c->conninfo,
				 .statement_timeout_ms = c->statement_timeout_ms,
				 .run = route_run,
				 .done = http_answer,
				 .arg = &s->broker};

	s->broker.hashes = hash_pool_new(hash_slots(c));
	s->broker.work = work_new(&wp, e);
	if (!s->broker.hashes || !s->broker.work)
		return -ENOMEM;
	s->broker.converter = converter_start(c, e);
	if (c->store && !s->broker.converter)
		return -EIO;
	if (c->directory.uri && !(s->broker.directory = directory_start(c, s->broker.work, e)))
		return -EAGAIN;
	if (c->oidc.issuer &&
	    !(s->broker.oidc = helpers_start("oidc", c->path, c->oidc.helpers, s->broker.work, e)))
		return -EAGAIN;
	s->reconciler = reconciler_start(c, s->broker.seal, e);
	if (!s->reconciler)
		return -EAGAIN;
	s->broker.events = event_hub_start(c, e);
	if (!s->broker.events)
		return -EAGAIN;
	s->notifier = notifier_start(c, on_notify, s, e);
	if (!s->notifier)
		return -EAGAIN;
	s->internal = http_server_new(c->internal_socket, REQ_INTERNAL, s->broker.work, e);
	if (!s->internal)
		return -EIO;
	s->api = http_server_new(c->api_socket, REQ_API, s->broker.work, e);
	for (int i = 0; s->api && c->metrics_listen && c->metrics_listen[i]; i++) {
		s->metrics[i] =
			http_server_new(c->metrics_listen[i], REQ_METRICS, s->broker.work, e);
		if (!s->metrics[i])
			return -EIO;
	}
	return s->api ? 0 : -EIO;
}

static void server_stop(struct server *s)
{
	if (s->api)
		http_server_quiesce(s->api);
	if (s->internal)
		http_server_quiesce(s->internal);
	for (int i = 0; i < METRICS_LISTEN_MAX && s->metrics[i]; i++)
		http_server_quiesce(s->metrics[i]);
	notifier_stop(s->notifier);
	event_hub_stop(s->broker.events);
	reconciler_stop(s->reconciler);
	directory_stop(s->broker.directory);
	helpers_stop(s->broker.oidc);
	converter_stop(s->broker.converter);
	if (s->broker.work)
		work_stop(s->broker.work); /* every suspended connection is answered */
	http_server_free(s->api);
	http_server_free(s->internal);
	for (int i = 0; i < METRICS_LISTEN_MAX; i++)
		http_server_free(s->metrics[i]);
	event_hub_free(s->broker.events);
	work_free(s->broker.work);
	hash_pool_free(s->broker.hashes);
}

static void wait_for_signal(struct server *s, const sigset_t *set)
{
	const struct timespec tick = {0, TICK_MS * 1000000L};

	while (sigtimedwait(set, NULL, &tick) < 0)
		work_tick(s->broker.work);
}

static int serve(struct broker_conf *conf, bool check_only, struct err *e)
{
	struct server s = {.broker.conf = conf};
	sigset_t set;
	int r = load_keys(&s.broker, e);

	if (!r && check_only) {
		puts("configuration and keys are good");
	} else if (!r) {
		signal(SIGPIPE, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigaddset(&set, SIGINT);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		umask(0007);
		r = server_start(&s, e);
		if (!r) {
			log_info("broker.ready", "api=%s internal=%s workers=%d version=%s",
				 LOG_Q(conf->api_socket), LOG_Q(conf->internal_socket),
				 conf->workers, PANE_VERSION);
			if (!s.broker.seal)
				log_warn("secrets.plain", "hint=%s",
					 LOG_Q("second factors lie in the database as they are: "
					       "set secret_keys"));
			notify_ready();
			wait_for_signal(&s, &set);
			log_info("broker.stop", "reason=signal");
		}
		server_stop(&s);
	}
	free_keys(&s.broker);
	return r;
}

struct options {
	const char *config, *sql, *command, *name;
	bool check, verbose;
};

/* 0 go on, 1 done, 2 wrong usage */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
					      {"check", no_argument, NULL, 'n'},
					      {"sql", required_argument, NULL, 's'},
					      {"verbose", no_argument, NULL, 'v'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'V'},
					      {0}};
	int c;

	while ((c = getopt_long(argc, argv, "c:nvhV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 's':
			o->sql = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'V':
			puts("pane-broker " PANE_VERSION);
			return 1;
		default:
			return 2;
		}
	}
	o->command = optind < argc ? argv[optind++] : "serve";
	if (!strcmp(o->command, "admin") || !strcmp(o->command, "setup"))
		o->name = optind < argc ? argv[optind++] : NULL;
	return optind < argc ? 2 : 0;
}

static int run(const struct options *o, struct err *e)
{
	struct broker_conf conf;
	int r = broker_conf_read(o->config, &conf, e);

	if (r)
		return r;
	conf.path = o->config;
	if (!strcmp(o->command, "directory"))
		r = dirhelper_run(&conf.directory, e);
	else if (!strcmp(o->command, "oidc"))
		r = oidc_run(&conf.oidc, e);
	else if (!strcmp(o->command, "serve"))
		r = serve(&conf, o->check, e);
	else if (!strcmp(o->command, "migrate"))
		r = broker_migrate(&conf, o->sql, e);
	else if (!strcmp(o->command, "setup"))
		r = broker_setup(&conf, o->name, e);
	else
		r = broker_admin(&conf, o->name, e);
	broker_conf_free(&conf);
	return r;
}

static bool known_command(const struct options *o)
{
	return o->config &&
	       (!strcmp(o->command, "serve") || !strcmp(o->command, "migrate") ||
		!strcmp(o->command, "directory") || !strcmp(o->command, "oidc") ||
		(o->name && (!strcmp(o->command, "admin") || !strcmp(o->command, "setup"))));
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct err e = {0};
	int r = parse_options(argc, argv, &o);

	secret_no_core();
	if (r == 1)
		return 0;
	if (!r && !strcmp(o.command, "routes")) {
		route_print(stdout);
		return 0;
	}
	if (r || !known_command(&o)) {
		fputs(usage, stderr);
		return 2;
	}
	log_init("pane-broker", o.verbose ? LOG_DEBUG : LOG_INFO);
	r = run(&o, &e);
	if (r)
		fprintf(stderr, "pane-broker: %s\n", e.msg[0] ? e.msg : strerror(-r));
	return r ? 1 : 0;
}
