/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One direct connection that LISTENs; reconnects by itself. Payloads are "host:<uuid>",
 * "desktop:<uuid>" and "reconcile".
 */
#include "broker/notify.h"
#include "broker/db.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct notifier {
	const struct broker_conf *conf; /* borrowed */
	notify_fn fn;
	void *arg;
	int stop_fd; /* owned; readable when it is time to go */
	pthread_t thread;
};

/* True when it is time to go. */
static bool wait_for(struct notifier *n, int fd, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = n->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	return poll(p, fd >= 0 ? 2 : 1, timeout_ms) > 0 && p[0].revents;
}

static bool listen_until_lost(struct notifier *n, struct db *db)
{
	PGnotify *note;

	if (db_exec_n(db, "LISTEN pane", 0, NULL))
		return wait_for(n, -1, 500);
	while (PQconsumeInput(db->conn) && PQstatus(db->conn) == CONNECTION_OK) {
		while ((note = PQnotifies(db->conn))) {
			n->fn(n->arg, note->extra);
			PQfreemem(note);
		}
		if (wait_for(n, PQsocket(db->conn), -1))
			return true;
	}
	return false;
}

static void *run(void *arg)
{
	struct notifier *n = arg;
	struct db db;
	bool stop = false;

	db_init(&db, n->conf->conninfo, "pane-broker listener", n->conf->statement_timeout_ms);
	while (!stop) {
		if (db_ready(&db))
			stop = wait_for(n, -1, 500);
		else
			stop = listen_until_lost(n, &db);
	}
	db_fini(&db);
	return NULL;
}

struct notifier *notifier_start(const struct broker_conf *c, notify_fn fn, void *arg, struct err *e)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (!n) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*n = (struct notifier){.conf = c, .fn = fn, .arg = arg};
	n->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (n->stop_fd < 0 || pthread_create(&n->thread, NULL, run, n)) {
		if (n->stop_fd >= 0)
			close(n->stop_fd);
		free(n);
		err_set(e, -EAGAIN, "cannot start the listener's thread");
		return NULL;
	}
	return n;
}

void notifier_stop(struct notifier *n)
{
	if (!n)
		return;
	if (eventfd_write(n->stop_fd, 1) == 0)
		pthread_join(n->thread, NULL);
	close(n->stop_fd);
	free(n);
}
