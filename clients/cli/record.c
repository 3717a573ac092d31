/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `pane record export|play|pool`. The bytes of a recording come piece by piece from the host that
 * keeps it, by way of the broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clients/cli/progress.h"
#include "clients/cli/run.h"
#include "clients/cli/session.h"
#include "common/http.h"
#include "common/json.h"

#define TRIES	  6 /* without a byte, of 20 s each */
#define PIECE_MAX (4u << 20)

extern char **environ;

static int write_all(int fd, const uint8_t *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_set(e, r ? -errno : -EIO, "writing the file: %s",
				       strerror(r ? errno : EIO));
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* The bytes of base64 text into the file: how many, or -errno. */
static int64_t write_piece(int fd, const char *text, struct err *e)
{
	size_t n = strlen(text);
	cleanup_free uint8_t *bytes = malloc(n / 4 * 3 + 4);
	int got = bytes ? EVP_DecodeBlock(bytes, (const uint8_t *)text, (int)n) : -1;
	int r;

	if (got < 0)
		return err_set(e, -EPROTO, "the broker's answer is not what it should be");
	if (n && text[n - 1] == '=')
		got -= text[n - 2] == '=' ? 2 : 1;
	r = write_all(fd, bytes, (size_t)got, e);
	return r < 0 ? r : got;
}

static int ask_piece(struct http_client *h, const char *base, int64_t at, json_t **reply,
		     struct err *e)
{
	char path[200];
	int r = 0;

	snprintf(path, sizeof(path), "%s/data?offset=%" PRId64, base, at);
	for (int tries = 0; tries < TRIES; tries++) {
		*e = (struct err){0};
		r = cli_ask(h, "GET", path, NULL, reply, e);
		if (r >= 0 || strcmp(e->word, "recording.late") != 0)
			return r;
		json_decref(*reply);
		*reply = NULL;
	}
	return r;
}

static int fetch(struct http_client *h, const char *base, int fd, struct progress *progress,
		 struct err *e)
{
	int64_t at = 0, all, n = 1;

	while (n > 0) {
		cleanup_json json_t *reply = NULL;
		const char *text;
		int r = ask_piece(h, base, at, &reply, e);

		if (r < 0 || (r = json_need_int(reply, "bytes", 0, INT64_MAX, &all, e)) < 0 ||
		    (r = json_need_str(reply, "data", 0, PIECE_MAX, &text, e)) < 0)
			return r;
		n = write_piece(fd, text, e);
		if (n < 0)
			return (int)n;
		at += n;
		if (all)
			progress_show(progress, "fetching", (int)(at * 100 / all));
	}
	return at ? 0
		  : err_set(e, -EAGAIN,
			    "nothing of it can be had yet: it goes on. Ask when its "
			    "session has paused or ended");
}

static int export_to(struct cli_call *c, int fd, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	struct progress progress = {.quiet = c->json};
	cleanup_free char *base = cli_fill("/api/v1/recordings/{1}", c, true);
	int r;

	if (!base)
		return -ENOMEM;
	if (strlen(base) > 120)
		return err_set(e, -EINVAL, "a recording is named by its id here");
	if ((r = cli_open_session(c, &s, &h, e)) < 0)
		return r;
	r = fetch(h, base, fd, &progress, e);
	progress_end(&progress);
	return r;
}

/* Under another name until all of it is there. */
int cli_run_record_export(struct cli_call *c, struct err *e)
{
	cleanup_free char *part = NULL;
	cleanup_close int fd = -1;
	int r;

	if (asprintf(&part, "%s.part", c->arg[1]) < 0) {
		part = NULL;
		return -ENOMEM;
	}
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", part, strerror(errno));
	r = export_to(c, fd, e);
	if (r == 0 && rename(part, c->arg[1]) < 0)
		r = err_set(e, -errno, "%s: %s", c->arg[1], strerror(errno));
	if (r < 0)
		unlink(part);
	else if (!c->json)
		printf("recording %s is in %s\n", c->arg[0], c->arg[1]);
	return r;
}

/* Runs a player to its end: its exit status, or -errno where there is none of that name. */
static int play(const char *player, char *file)
{
	char *argv[] = {(char *)(uintptr_t)player, file, NULL};
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, player, NULL, NULL, argv, environ);
	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* xdg-open ends before the player has read the file, which stays then. */
static int play_file(struct cli_call *c, char *file, bool *keep, struct err *e)
{
	const char *player = cli_local(c, "player");
	int r = play(player ? player : "ffplay", file);

	if (r == -ENOENT && !player) {
		player = "xdg-open";
		*keep = true;
		r = play(player, file);
	}
	if (r < 0)
		return err_set(e, r, "%s cannot be started: %s", player ? player : "ffplay",
			       strerror(-r));
	if (r > 0)
		return err_set(e, -EIO, "the player ended with status %d", r);
	if (*keep)
		printf("recording %s is in %s until you delete it\n", c->arg[0], file);
	return 0;
}

int cli_run_record_play(struct cli_call *c, struct err *e)
{
	const char *tmp = getenv("XDG_RUNTIME_DIR");
	cleanup_close int fd = -1;
	bool keep = false;
	char file[300];
	int r;

	if (snprintf(file, sizeof(file), "%s/pane-XXXXXX.mkv",
		     tmp && tmp[0] == '/' ? tmp : "/tmp") >= (int)sizeof(file))
		return -ENAMETOOLONG;
	fd = mkostemps(file, 4, O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", file, strerror(errno));
	r = export_to(c, fd, e);
	if (r == 0)
		r = play_file(c, file, &keep, e);
	if (r < 0 || !keep)
		unlink(file);
	return r;
}

/* ---- policy -------------------------------------------------------------------------------- */

/* What else the pool's policy says stays. */
static int change(json_t *policy, struct cli_call *c, struct err *e)
{
	const char *what = c->arg[1], *days = cli_local(c, "days");
	bool on = strcmp(what, "on") == 0, required = strcmp(what, "required") == 0;

	if (!on && !required && strcmp(what, "off") != 0)
		return err_set(e, -EINVAL, "say on, off or required, not '%s'", what);
	if (days && (days[0] < '1' || days[0] > '9' || strspn(days, "0123456789") != strlen(days) ||
		     strlen(days) > 4))
		return err_set(e, -EINVAL, "--days wants a number of days, not '%s'", days);
	(void)json_object_set_new(policy, "recording", json_boolean(on || required));
	(void)json_object_set_new(policy, "recording_required", json_boolean(required));
	if (days)
		(void)json_object_set_new(policy, "recording_days", json_integer(atoll(days)));
	return 0;
}

int cli_run_record_pool(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *pool = NULL, *policy = NULL, *body = NULL, *reply = NULL;
	cleanup_free char *path = cli_fill("/api/v1/pools/{1}", c, true);
	int r;

	if (!path)
		return -ENOMEM;
	if ((r = cli_open_session(c, &s, &h, e)) < 0 ||
	    (r = cli_ask(h, "GET", path, NULL, &pool, e)) < 0)
		return r;
	policy = json_deep_copy(json_object_get(pool, "policy"));
	if (!json_is_object(policy)) {
		json_decref(policy);
		policy = json_object();
	}
	if ((r = change(policy, c, e)) < 0)
		return r;
	body = json_pack("{s:O}", "policy", policy);
	if ((r = cli_ask(h, "PATCH", path, body, &reply, e)) < 0)
		return r;
	if (c->json)
		return cli_print(reply);
	printf("recording of pool %s: %s\n", c->arg[0], c->arg[1]);
	return 0;
}
