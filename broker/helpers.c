/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See helpers.h. A helper that is not back in time is killed: no library promises how long a name
 * look-up or a TLS handshake takes.
 */
#include "broker/helpers.h"
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_MAX  64
#define KEEP_MS	   60000 /* an answer nobody fetched */
#define SLICE_MS   500
#define ANSWER_MAX (64u << 20)

struct job {
	uint64_t id;
	int ms;		/* how long the helper may take */
	json_t *ask;	/* owned; NULL once taken */
	json_t *answer; /* owned; NULL until there */
	int64_t at_ms;	/* asked, then answered */
	struct job *next;
};

struct helper {
	struct helpers *of;
	pthread_t thread;
	bool started;
	pid_t pid; /* 0: none runs */
	int fd;
};

struct helpers {
	const char *word, *config; /* borrowed: "pane-broker WORD --config CONFIG" */
	struct work *work;	   /* borrowed */
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct job *jobs; /* under lock, as all below; oldest first */
	uint64_t last_id;
	atomic_bool stopping; /* also read without */
	struct helper helper[HELPERS_MAX];
};

/* ---- the helper process ---- */

static int helper_spawn(struct helper *h)
{
	const char *argv[] = {"pane-broker", h->of->word, "--config", h->of->config, NULL};
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
static json_t *helper_ask(struct helper *h, json_t *ask, int ms)
{
	const char *op = json_string_value(json_object_get(ask, "op"));
	cleanup_free char *line = NULL;
	char why[96];
	json_t *o = NULL;

	for (int tries = 0; tries < 2 && !line; tries++) { /* an idle one may have died */
		bool fresh = !h->pid;

		if (fresh && helper_spawn(h))
			return failed("the helper cannot be started");
		if (!write_line(h->fd, ask))
			line = read_line(h->fd, clock_ms() + ms, &h->of->stopping);
		if (!line)
			helper_end(h);
		if (fresh)
			break;
	}
	o = line ? json_loads(line, 0, NULL) : NULL;
	if (o)
		return o;
	log_warn("helper.slow", "what=%s op=%s ms=%d", h->of->word, LOG_Q(op ? op : ""), ms);
	snprintf(why, sizeof(why), "the %s did not answer in time", h->of->word);
	return failed(why);
}

/* ---- the queue ---- */

void helpers_key(const struct helpers *d, uint64_t id, char out[HELPERS_KEY])
{
	snprintf(out, HELPERS_KEY, "%s:%" PRIu64, d->word, id);
}

static void job_free(struct job *j)
{
	json_decref(j->ask);
	json_decref(j->answer);
	free(j);
}

/* With the lock held: unlinks what pick is the id of, or (0) what nobody fetched in time. */
static struct job *unlink_job(struct helpers *d, uint64_t id)
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

static int waiting(struct helpers *d)
{
	int n = 0;

	for (struct job *j = d->jobs; j; j = j->next)
		n += j->ask != NULL;
	return n;
}

uint64_t helpers_ask(struct helpers *d, json_t *ask, int ms)
{
	struct job *j = calloc(1, sizeof(*j)), *old;
	struct job **end = &d->jobs;
	uint64_t id = 0;

	pthread_mutex_lock(&d->lock);
	while ((old = unlink_job(d, 0)))
		job_free(old);
	if (j && ask && !d->stopping && waiting(d) < QUEUE_MAX) {
		id = ++d->last_id;
		*j = (struct job){.id = id, .ms = ms, .ask = ask, .at_ms = clock_ms()};
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

json_t *helpers_answer(struct helpers *d, uint64_t id)
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

void helpers_forget(struct helpers *d, uint64_t id)
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

static struct job *next_job(struct helpers *d)
{
	for (struct job *j = d->jobs; j; j = j->next)
		if (j->ask)
			return j;
	return NULL;
}

static void *helper_thread(void *arg)
{
	struct helper *h = arg;
	struct helpers *d = h->of;
	char key[HELPERS_KEY];

	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		struct job *j = next_job(d);
		json_t *ask, *answer;
		int ms;

		if (!j) {
			pthread_cond_wait(&d->more, &d->lock);
			continue;
		}
		ask = j->ask;
		ms = j->ms;
		j->ask = NULL; /* ours now; the job itself stays until it has an answer */
		pthread_mutex_unlock(&d->lock);
		answer = helper_ask(h, ask, ms);
		json_decref(ask);
		pthread_mutex_lock(&d->lock);
		j->answer = answer;
		j->at_ms = clock_ms();
		helpers_key(d, j->id, key);
		pthread_cond_broadcast(&d->done);
		pthread_mutex_unlock(&d->lock);
		work_wake(d->work, key);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	helper_end(h);
	return NULL;
}

/* ---- waiting for an answer, for threads that may ---- */

json_t *helpers_wait(struct helpers *d, json_t *ask, int ms)
{
	uint64_t id = helpers_ask(d, ask, ms);
	json_t *o = NULL;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000 + 60;
	while (id && !(o = helpers_answer(d, id))) {
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
	return o ? o : failed("too much is asked already");
}

/* ---- life ---- */

static void init_conds(struct helpers *d)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->more, &attr);
	pthread_cond_init(&d->done, &attr);
	pthread_condattr_destroy(&attr);
}

struct helpers *helpers_start(const char *word, const char *config, int n, struct work *w,
			      struct err *e)
{
	struct helpers *d = calloc(1, sizeof(*d));

	if (!d) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	d->word = word;
	d->config = config;
	d->work = w;
	init_conds(d);
	for (int i = 0; i < n && i < HELPERS_MAX; i++) {
		struct helper *h = &d->helper[i];

		h->of = d;
		h->started = !pthread_create(&h->thread, NULL, helper_thread, h);
	}
	if (!d->helper[0].started) {
		err_set(e, -EAGAIN, "cannot start the threads of the %s helpers", word);
		helpers_stop(d);
		return NULL;
	}
	return d;
}

void helpers_cancel(struct helpers *d)
{
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_cond_broadcast(&d->more);
	pthread_cond_broadcast(&d->done);
	pthread_mutex_unlock(&d->lock);
}

void helpers_stop(struct helpers *d)
{
	struct job *j;

	if (!d)
		return;
	helpers_cancel(d);
	for (int i = 0; i < HELPERS_MAX; i++)
		if (d->helper[i].started)
			pthread_join(d->helper[i].thread, NULL);
	while ((j = d->jobs)) {
		d->jobs = j->next;
		job_free(j);
	}
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->more);
	pthread_cond_destroy(&d->done);
	free(d);
}

/* ---- in the helper ---- */

void helpers_serve(json_t *(*answer)(void *arg, json_t *ask), void *arg)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((n = getline(&line, &size, stdin)) > 0) {
		cleanup_json json_t *ask = json_loadb(line, (size_t)n, 0, NULL);
		cleanup_json json_t *o = answer(arg, ask);
		cleanup_free char *text = json_dumps(o, JSON_COMPACT);

		explicit_bzero(line, size);
		if (printf("%s\n", text ? text : "{\"error\":\"out of memory\"}") < 0 ||
		    fflush(stdout))
			break;
	}
	free(line);
}
