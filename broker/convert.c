/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See convert.h. The child reads files from strangers, so nothing it says is believed beyond a
 * number and a text, and what it leaves behind is looked at without following links. Whatever way a
 * job ends, the store holds either a whole image or nothing of it. A version deleted meanwhile is
 * noticed at the next progress report. The image is renamed into place before the row says ready;
 * an image whose row is gone is removed again.
 */
#include "broker/convert.h"
#include "broker/db.h"
#include "broker/manifest.h"
#include "broker/store.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define LOOK_S	       2
#define STOP_MS	       3000
#define REPORT_MS      500
#define LINE_MAX_BYTES 4096

struct converter {
	const struct broker_conf *conf; /* borrowed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool poked; /* under lock */
	atomic_bool stopping;
};

/* One version being worked on. */
struct job {
	struct converter *c;
	struct db *db;
	const char *id, *name, *version, *sha256; /* borrowed from the row */
	int64_t size_bytes;			  /* of what is being read */
	int64_t done_bytes, reported_ms;
	const char *state;
	bool gone; /* its row is */
	char error[400];
	bool firmware; /* the image has no kernel to boot directly, because: */
	char boot_reason[300];
};

/* False when the work is to be given up. */
static bool report(struct job *j, int percent, bool now)
{
	cleanup_free char *there = NULL;

	if (atomic_load(&j->c->stopping) || j->gone)
		return false;
	if (!now && clock_ms() - j->reported_ms < REPORT_MS)
		return true;
	j->reported_ms = clock_ms();
	percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
	there = db_text(j->db, "SELECT pane.image_progress($1, $2, $3, '')", j->id, j->state,
			DB_INT(percent));
	if (there && there[0] == 'f')
		j->gone = true;
	return !j->gone; /* a database that is away does not stop the work */
}

static bool on_read(void *arg, int64_t n)
{
	struct job *j = arg;

	j->done_bytes += n;
	return report(j, (int)(j->done_bytes * 100 / (j->size_bytes ? j->size_bytes : 1)), false);
}

static int verify(struct job *j, const char *upload, struct err *e)
{
	cleanup_close int fd = open(upload, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char hex[65];
	int r;

	j->state = "verifying";
	if (fd < 0)
		return err_set(e, -errno, "the upload is not in this broker's store");
	if (lseek(fd, 0, SEEK_END) != j->size_bytes)
		return err_set(e, -EINVAL, "the upload in the store has another size");
	if (!report(j, 0, true))
		return -ECANCELED;
	r = manifest_hash(fd, hex, on_read, j);
	if (r < 0)
		return r == -ECANCELED ? r : err_set(e, r, "reading the upload: %s", strerror(-r));
	if (strcmp(hex, j->sha256) != 0)
		return err_set(
			e, -EBADMSG,
			"its SHA-256 is %s, announced was %s: the file changed or was damaged", hex,
			j->sha256);
	return 0;
}

/* ---- the child ---- */

static void child_line(struct job *j, const char *line, size_t n)
{
	cleanup_json json_t *o = json_parse(line, n, NULL);
	json_t *error = json_object_get(o, "error");
	const char *text = json_string_value(error);
	int64_t percent = -1;

	if (json_is_object(error))
		text = json_string_value(json_object_get(error, "message"));
	if (text) {
		size_t i = 0;

		for (; text[i] && i + 1 < sizeof(j->error); i++)
			j->error[i] =
				(unsigned char)text[i] >= ' ' && text[i] != 127 ? text[i] : '?';
		j->error[i] = 0;
	}
	if (json_opt_int(o, "percent", 0, 100, &percent, NULL) == 0 && percent >= 0)
		(void)report(j, (int)percent, false);
}

/* Reads the child's lines until it closes its output or the work is given up. */
static void child_read(struct job *j, int fd)
{
	char buf[LINE_MAX_BYTES];
	size_t len = 0;

	while (report(j, -1, false) || !(j->gone || atomic_load(&j->c->stopping))) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;
		char *nl;

		if (poll(&p, 1, 200) == 0)
			continue;
		n = read(fd, buf + len, sizeof(buf) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		len += (size_t)n;
		while ((nl = memchr(buf, '\n', len))) {
			size_t used = (size_t)(nl - buf) + 1;

			child_line(j, buf, used - 1);
			memmove(buf, buf + used, len - used);
			len -= used;
		}
		if (len == sizeof(buf))
			len = 0; /* no line of ours is that long */
	}
}

static pid_t child_start(char *const argv[], int out)
{
	pid_t pid = fork();
	sigset_t none;
	int null;

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR);
	if (null >= 0)
		dup2(null, 0);
	dup2(out, 1);
	execv(argv[0], argv);
	_exit(127);
}

/* Asks it to clean up after itself; the caller waits for its end. */
static void child_stop(pid_t pid)
{
	siginfo_t gone = {0};

	kill(-pid, SIGTERM);
	for (int i = 0; i < STOP_MS / 50 && !gone.si_pid; i++) {
		usleep(50000);
		if (waitid(P_PID, (id_t)pid, &gone, WEXITED | WNOHANG | WNOWAIT) < 0)
			break;
	}
	kill(-pid, SIGKILL);
}

static int convert(struct job *j, const char *upload, const char *tmp, struct err *e)
{
	const char *program = j->c->conf->pane_image;
	const char *argv[] = {program, "convert",  upload,    "" /* tmp */, "--name",
			      j->name, "--sha256", j->sha256, NULL};
	int p[2], status = 0;
	pid_t pid;

	argv[3] = tmp;
	j->state = "converting";
	if (!report(j, 0, true))
		return -ECANCELED;
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	pid = child_start((char *const *)(uintptr_t)argv, p[1]);
	close(p[1]);
	if (pid > 0) {
		setpgid(pid, pid);
		child_read(j, p[0]);
	}
	close(p[0]);
	if (pid < 0)
		return err_set(e, -EAGAIN, "cannot start %s", program);
	if (j->gone || atomic_load(&j->c->stopping))
		child_stop(pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL); /* what it may have left in its group */
	if (j->gone || atomic_load(&j->c->stopping))
		return -ECANCELED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, -ENOENT, "%s cannot be run on the broker's machine", program);
	if (WIFSIGNALED(status))
		return err_set(e, -EIO, "the converter was ended by signal %d", WTERMSIG(status));
	return err_set(e, -EINVAL, "%s",
		       j->error[0] ? j->error : "the converter failed without a reason");
}

/* ---- what comes of it ---- */

/* The host goes by name and version of image.json: they are ours, whatever the converter wrote. How
 * it boots is kept with the row. */
static int describe(struct job *j, const char *tmp, struct err *e)
{
	const char *boot = "direct", *why = "";
	cleanup_json json_t *o = NULL;
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	int r;

	if (path_join(path, sizeof(path), tmp, "image.json") < 0)
		return -ENAMETOOLONG;
	o = json_parse_file(path, e);
	if (!o)
		return e->code ? e->code : -EINVAL;
	if ((r = json_opt_str(o, "boot", 16, &boot, e)) < 0 ||
	    (r = json_opt_str(o, "boot_reason", sizeof(j->boot_reason) - 1, &why, e)) < 0)
		return r;
	j->firmware = strcmp(boot, "firmware") == 0;
	snprintf(j->boot_reason, sizeof(j->boot_reason), "%s", why);
	if (json_object_set_new(o, "name", json_string(j->name)) ||
	    json_object_set_new(o, "version", json_string(j->version)) ||
	    !(text = json_dumps(o, JSON_INDENT(1))))
		return -ENOMEM;
	return file_write(path, text, strlen(text), 0444, e);
}

static int finish(struct job *j, const char *tmp, struct err *e)
{
	const char *dir = j->c->conf->store;
	cleanup_json json_t *manifest = NULL;
	cleanup_free char *text = NULL, *there = NULL;
	char image[PATH_MAX];
	int64_t disk_mib = 0;
	int r;

	if ((r = describe(j, tmp, e)) < 0)
		return r;
	j->reported_ms =
		clock_ms() + INT64_C(1) * 1000 * 3600 * 24; /* percent stays at the child's */
	j->done_bytes = 0;
	r = manifest_make(tmp, &manifest, &disk_mib, on_read, j, e);
	if (r < 0)
		return r;
	text = json_dumps(manifest, JSON_COMPACT);
	if (!text || store_path(dir, STORE_IMAGES, j->id, image) < 0)
		return -ENOMEM;
	store_drop(dir, STORE_IMAGES, j->id);
	if (rename(tmp, image) < 0)
		return err_set(e, -errno, "%s: %s", image, strerror(errno));
	there = db_text(j->db, "SELECT pane.image_ready($1, $2, $3, $4, $5)", j->id, text,
			DB_INT(disk_mib), j->firmware ? "firmware" : "direct", j->boot_reason);
	if (there && there[0] == 't')
		return 0;
	store_drop(dir, STORE_IMAGES, j->id);
	return there ? -ECANCELED : err_set(e, -EIO, "the database: %.300s", j->db->fail.msg);
}

static void end_job(struct job *j, int r, const struct err *e)
{
	const char *dir = j->c->conf->store;

	store_drop(dir, STORE_TMP, j->id);
	if (r == -ECANCELED && !j->gone)
		return; /* we are stopping: the upload stays for the next start */
	store_drop(dir, STORE_UPLOAD, j->id);
	if (r == 0) {
		log_info("image.ready", "image=%s version=%s id=%s", j->name, j->version, j->id);
		return;
	}
	log_warn("image.failed", "image=%s version=%s id=%s gone=%d error=%s", j->name, j->version,
		 j->id, j->gone, LOG_Q(e->msg));
	if (!j->gone && db_exec(j->db, "SELECT pane.image_progress($1, 'failed', 0, $2)", j->id,
				e->msg[0] ? e->msg : strerror(-r)))
		log_warn("image.failed", "id=%s error=%s", j->id, LOG_Q(j->db->fail.msg));
}

static void work_on(struct converter *c, struct db *db, json_t *row)
{
	struct job j = {.c = c,
			.db = db,
			.id = json_string_value(json_object_get(row, "id")),
			.name = json_string_value(json_object_get(row, "name")),
			.version = json_string_value(json_object_get(row, "version")),
			.sha256 = json_string_value(json_object_get(row, "sha256")),
			.size_bytes = json_integer_value(json_object_get(row, "size"))};
	char upload[PATH_MAX], tmp[PATH_MAX];
	struct err e = {0};
	int r;

	if (!j.id || !j.name || !j.version || !j.sha256 ||
	    store_path(c->conf->store, STORE_UPLOAD, j.id, upload) < 0 ||
	    store_path(c->conf->store, STORE_TMP, j.id, tmp) < 0)
		return;
	store_drop(c->conf->store, STORE_TMP, j.id);
	r = verify(&j, upload, &e);
	if (r == 0)
		r = convert(&j, upload, tmp, &e);
	if (r == 0)
		r = finish(&j, tmp, &e);
	end_job(&j, r, &e);
	if (db_exec(db, "SELECT pane.image_work_end($1)", j.id))
		log_warn("image.work", "id=%s error=%s", j.id, LOG_Q(db->fail.msg));
}

static void rest(struct converter *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_S;
	pthread_mutex_lock(&c->lock);
	while (!c->poked && !atomic_load(&c->stopping) &&
	       pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT)
		;
	c->poked = false;
	pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg)
{
	struct converter *c = arg;
	bool swept = false;
	struct db db;

	db_init(&db, c->conf->conninfo, "pane-broker images", c->conf->statement_timeout_ms);
	while (!atomic_load(&c->stopping)) {
		cleanup_free char *ids = NULL, *text = NULL;
		cleanup_json json_t *row = NULL;

		if (db_ready(&db) == 0) {
			if (!swept && (ids = db_text_n(&db, "SELECT pane.image_ids()", 0, NULL))) {
				cleanup_json json_t *list = json_loads(ids, 0, NULL);

				if (list)
					store_sweep(c->conf->store, list);
				swept = true;
			}
			text = db_text_n(&db, "SELECT pane.image_work()", 0, NULL);
			row = text ? json_loads(text, 0, NULL) : NULL;
		}
		if (row)
			work_on(c, &db, row);
		else
			rest(c);
	}
	db_fini(&db);
	return NULL;
}

struct converter *converter_start(const struct broker_conf *conf, struct err *e)
{
	struct converter *c;
	pthread_condattr_t attr;

	if (!conf->store || store_open(conf->store, e) < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	c->conf = conf;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&c->thread, NULL, run, c)) {
		free(c);
		err_set(e, -EAGAIN, "cannot start the converter's thread");
		return NULL;
	}
	return c;
}

void converter_poke(struct converter *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->poked = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

void converter_stop(struct converter *c)
{
	if (!c)
		return;
	atomic_store(&c->stopping, true);
	converter_poke(c);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	free(c);
}
