/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See directory.h. A helper that is not back in time is killed: libldap gives no promise about how
 * long a name look-up or a TLS handshake takes.
 */
#include "broker/directory.h"
#include "broker/db.h"
#include "broker/work.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_MAX  64
#define KEEP_MS	   60000 /* an answer nobody fetched */
#define LIST_MS	   120000
#define SLICE_MS   500
#define ANSWER_MAX (64u << 20)
#define SYNC_LOCK  "1885433449, 1"

struct job {
	uint64_t id;
	json_t *ask;	/* owned; NULL once taken */
	json_t *answer; /* owned; NULL until there */
	int64_t at_ms;	/* asked, then answered */
	struct job *next;
};

struct helper {
	struct directory *d;
	pthread_t thread;
	bool started;
	pid_t pid; /* 0: none runs */
	int fd;
};

struct directory {
	const struct broker_conf *conf; /* borrowed */
	struct work *work;		/* borrowed */
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct job *jobs; /* under lock, as all below; oldest first */
	uint64_t last_id;
	atomic_bool stopping; /* also read without */
	bool sync_now, force;
	struct helper helpers[DIRECTORY_HELPERS_MAX];
	pthread_t syncer;
	bool syncing;
};

/* ---- the helper process ---- */

static int helper_spawn(struct helper *h)
{
	const char *argv[] = {"pane-broker", "directory", "--config", h->d->conf->path, NULL};
	sigset_t none;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	h->pid = fork();
	if (!h->pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(sv[1], 0);
		dup2(sv[1], 1);
		close_range(3, ~0U, 0);
		execv("/proc/self/exe", (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(sv[1]);
	if (h->pid < 0) {
		h->pid = 0;
		close(sv[0]);
		return -EAGAIN;
	}
	h->fd = sv[0];
	return 0;
}

static void helper_end(struct helper *h)
{
	if (!h->pid)
		return;
	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(h->fd);
	h->pid = 0;
}

static int write_line(int fd, json_t *ask)
{
	cleanup_free char *text = json_dumps(ask, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0, at = 0;
	int r = text ? 0 : -ENOMEM;

	if (text)
		text[n] = '\n'; /* in place of its end; not a string any more */
	while (!r && at <= n) {
		ssize_t k = send(fd, text + at, n + 1 - at, MSG_NOSIGNAL);

		if (k < 0 && errno != EINTR)
			r = -errno;
		else if (k > 0)
			at += (size_t)k;
	}
	if (text)
		explicit_bzero(text, n);
	return r;
}

/* One line, until the deadline. */
static char *read_line(int fd, int64_t deadline_ms, atomic_bool *stopping)
{
	size_t size = 4096, n = 0;
	char *buf = malloc(size);

	while (buf) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline_ms - clock_ms();
		ssize_t k;

		if (left <= 0 || atomic_load(stopping))
			break;
		if (poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS) == 0)
			continue;
		if (n + 1 >= size) {
			char *more = size < ANSWER_MAX ? realloc(buf, size * 2) : NULL;

			if (!more)
				break;
			buf = more;
			size *= 2;
		}
		k = recv(fd, buf + n, size - n - 1, 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		n += (size_t)k;
		buf[n] = 0;
		if (buf[n - 1] == '\n')
			return buf;
	}
	free(buf);
	return NULL;
}

static json_t *failed(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

/* Blocks, at most until the request's time is over. */
static json_t *helper_ask(struct helper *h, json_t *ask)
{
	const char *op = json_string_value(json_object_get(ask, "op"));
	int ms = op && !strcmp(op, "list") ? LIST_MS : h->d->conf->directory.timeout_s * 2000;
	cleanup_free char *line = NULL;
	json_t *o = NULL;

	for (int tries = 0; tries < 2 && !line; tries++) { /* an idle one may have died */
		bool fresh = !h->pid;

		if (fresh && helper_spawn(h))
			return failed("the directory helper cannot be started");
		if (!write_line(h->fd, ask))
			line = read_line(h->fd, clock_ms() + ms, &h->d->stopping);
		if (!line)
			helper_end(h);
		if (fresh)
			break;
	}
	o = line ? json_loads(line, 0, NULL) : NULL;
	if (o)
		return o;
	log_warn("directory.slow", "op=%s ms=%d", LOG_Q(op ? op : ""), ms);
	return failed("the directory did not answer in time");
}

/* ---- the queue ---- */

void directory_key(uint64_t id, char out[40])
{
	snprintf(out, 40, "directory:%" PRIu64, id);
}

static void job_free(struct job *j)
{
	json_decref(j->ask);
	json_decref(j->answer);
	free(j);
}

/* With the lock held: unlinks what pick is the id of, or (0) what nobody fetched in time. */
static struct job *unlink_job(struct directory *d, uint64_t id)
{
	for (struct job **p = &d->jobs; *p; p = &(*p)->next) {
		struct job *j = *p;
		bool old = !j->ask && j->answer && clock_ms() - j->at_ms > KEEP_MS;

		if (id ? j->id == id : old) {
			*p = j->next;
			return j;
		}
	}
	return NULL;
}

static int waiting(struct directory *d)
{
	int n = 0;

	for (struct job *j = d->jobs; j; j = j->next)
		n += j->ask != NULL;
	return n;
}

uint64_t directory_ask(struct directory *d, json_t *ask)
{
	struct job *j = calloc(1, sizeof(*j)), *old;
	struct job **end = &d->jobs;
	uint64_t id = 0;

	pthread_mutex_lock(&d->lock);
	while ((old = unlink_job(d, 0)))
		job_free(old);
	if (j && ask && !d->stopping && waiting(d) < QUEUE_MAX) {
		id = ++d->last_id;
		*j = (struct job){.id = id, .ask = ask, .at_ms = clock_ms()};
		while (*end)
			end = &(*end)->next;
		*end = j;
		pthread_cond_signal(&d->more);
	}
	pthread_mutex_unlock(&d->lock);
	if (!id) {
		free(j);
		json_decref(ask);
	}
	return id;
}

json_t *directory_answer(struct directory *d, uint64_t id)
{
	struct job *j = NULL;
	json_t *o = NULL;

	pthread_mutex_lock(&d->lock);
	for (struct job *x = d->jobs; x; x = x->next)
		if (x->id == id && x->answer)
			j = unlink_job(d, id);
	pthread_mutex_unlock(&d->lock);
	if (j) {
		o = json_incref(j->answer);
		job_free(j);
	}
	return o;
}

void directory_forget(struct directory *d, uint64_t id)
{
	struct job *j = NULL;

	pthread_mutex_lock(&d->lock);
	for (struct job *x = d->jobs; x; x = x->next)
		if (x->id == id && (x->ask || x->answer)) /* not one that a helper works on */
			j = unlink_job(d, id);
	pthread_mutex_unlock(&d->lock);
	if (j)
		job_free(j);
}

static struct job *next_job(struct directory *d)
{
	for (struct job *j = d->jobs; j; j = j->next)
		if (j->ask)
			return j;
	return NULL;
}

static void *helper_thread(void *arg)
{
	struct helper *h = arg;
	struct directory *d = h->d;
	char key[40];

	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		struct job *j = next_job(d);
		json_t *ask, *answer;

		if (!j) {
			pthread_cond_wait(&d->more, &d->lock);
			continue;
		}
		ask = j->ask;
		j->ask = NULL; /* ours now; the job itself stays until it has an answer */
		pthread_mutex_unlock(&d->lock);
		answer = helper_ask(h, ask);
		json_decref(ask);
		pthread_mutex_lock(&d->lock);
		j->answer = answer;
		j->at_ms = clock_ms();
		directory_key(j->id, key);
		pthread_cond_broadcast(&d->done);
		pthread_mutex_unlock(&d->lock);
		work_wake(d->work, key);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	helper_end(h);
	return NULL;
}

/* ---- users and groups are brought over ---- */

static void timespec_in(struct timespec *t, int seconds)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += seconds;
}

/* For the sync thread, which may wait. */
static json_t *ask_and_wait(struct directory *d, json_t *ask)
{
	uint64_t id = directory_ask(d, ask);
	json_t *o = NULL;
	struct timespec until;

	timespec_in(&until, LIST_MS / 1000 + 60);
	while (id && !(o = directory_answer(d, id))) {
		int r = 0;

		pthread_mutex_lock(&d->lock);
		if (!d->stopping)
			r = pthread_cond_timedwait(&d->done, &d->lock, &until);
		if (d->stopping)
			r = ECANCELED;
		pthread_mutex_unlock(&d->lock);
		if (r)
			break;
	}
	return o ? o : failed("the directory is asked too much already");
}

static void sync_once(struct directory *d, struct db *db, bool force)
{
	cleanup_free char *locked = NULL, *rows = NULL, *told = NULL;
	cleanup_json json_t *o = NULL;

	if (db_ready(db))
		return;
	locked = db_text_n(db, "SELECT pg_try_advisory_lock(" SYNC_LOCK ")", 0, NULL);
	if (!locked || *locked != 't')
		return; /* another broker does it */
	o = ask_and_wait(d, json_pack("{s:s}", "op", "list"));
	rows = json_dumps(o, JSON_COMPACT);
	told = rows ? db_text(db, "SELECT pane.directory_sync($1, $2, $3)::text", rows,
			      DB_INT(d->conf->retention_s), force ? "true" : "false")
		    : NULL;
	if (told)
		log_info("directory.sync", "told=%s", LOG_Q(told));
	else
		log_warn("directory.sync", "error=%s", LOG_Q(db->fail.msg));
	if (db_exec_n(db, "SELECT pg_advisory_unlock(" SYNC_LOCK ")", 0, NULL))
		log_warn("directory.sync", "error=unlock");
}

static void *sync_thread(void *arg)
{
	struct directory *d = arg;
	int every = d->conf->directory.sync_s;
	struct timespec until;
	struct db db;

	db_init(&db, d->conf->conninfo, "pane-broker directory", 60000);
	timespec_in(&until, every ? 0 : 86400);
	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		bool force;

		while (!d->stopping && !d->sync_now &&
		       pthread_cond_timedwait(&d->done, &d->lock, &until) != ETIMEDOUT)
			;
		if (d->stopping)
			break;
		force = d->force;
		if (every || d->sync_now) {
			d->sync_now = d->force = false;
			pthread_mutex_unlock(&d->lock);
			sync_once(d, &db, force);
			pthread_mutex_lock(&d->lock);
		}
		timespec_in(&until, every ? every : 86400);
	}
	pthread_mutex_unlock(&d->lock);
	db_fini(&db);
	return NULL;
}

void directory_sync(struct directory *d, bool force)
{
	pthread_mutex_lock(&d->lock);
	d->sync_now = true;
	d->force |= force;
	pthread_cond_broadcast(&d->done);
	pthread_mutex_unlock(&d->lock);
}

/* ---- life ---- */

static void init_conds(struct directory *d)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->more, &attr);
	pthread_cond_init(&d->done, &attr);
	pthread_condattr_destroy(&attr);
}

struct directory *directory_start(const struct broker_conf *c, struct work *w, struct err *e)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (!d) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	d->conf = c;
	d->work = w;
	init_conds(d);
	for (int i = 0; i < c->directory.helpers; i++) {
		struct helper *h = &d->helpers[i];

		h->d = d;
		h->started = !pthread_create(&h->thread, NULL, helper_thread, h);
	}
	d->syncing = !pthread_create(&d->syncer, NULL, sync_thread, d);
	if (!d->syncing || !d->helpers[0].started) {
		err_set(e, -EAGAIN, "cannot start the directory's threads");
		directory_stop(d);
		return NULL;
	}
	return d;
}

void directory_stop(struct directory *d)
{
	struct job *j;

	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_cond_broadcast(&d->more);
	pthread_cond_broadcast(&d->done);
	pthread_mutex_unlock(&d->lock);
	for (int i = 0; i < DIRECTORY_HELPERS_MAX; i++)
		if (d->helpers[i].started)
			pthread_join(d->helpers[i].thread, NULL);
	if (d->syncing)
		pthread_join(d->syncer, NULL);
	while ((j = d->jobs)) {
		d->jobs = j->next;
		job_free(j);
	}
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->more);
	pthread_cond_destroy(&d->done);
	free(d);
}
