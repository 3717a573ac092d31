/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `pane image build` and `pane image recipes`: an image is made on the administrator's own machine,
 * by pane-image and mmdebstrap from that machine's mirror, and goes the way of every other file
 * from there: packed as qcow2 and imported. A build needs neither rights nor room on the servers.
 * The children are in our process group, so that an interruption ends them; we outlive it to remove
 * what they began.
 */
#include "clients/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clients/cli/progress.h"
#include "clients/cli/session.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

/* pane-image lies beside pane, or is found as any program is. */
static const char *pane_image(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 16);
	char *slash;

	if (n <= 0)
		return "pane-image";
	path[n] = 0;
	slash = strrchr(path, '/');
	memcpy(slash + 1, "pane-image", 11);
	return access(path, X_OK) == 0 ? path : "pane-image";
}

struct child {
	pid_t pid;
	FILE *out; /* owned: what it prints, NULL when it prints where we do */
	void (*sigint)(int);
};

static int start(const char *const argv[], bool piped, struct child *c, struct err *e)
{
	int p[2] = {-1, -1};

	if (piped && pipe2(p, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	c->sigint = signal(SIGINT, SIG_IGN);
	c->pid = fork();
	if (c->pid == 0) {
		signal(SIGINT, SIG_DFL);
		if (piped)
			dup2(p[1], 1);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (piped)
		close(p[1]);
	c->out = piped ? fdopen(p[0], "re") : NULL;
	return c->pid < 0 ? err_set(e, -errno, "fork: %s", strerror(errno)) : 0;
}

static int finish(struct child *c, const char *what, struct err *e)
{
	int status = 0;

	if (c->out)
		fclose(c->out);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, c->sigint);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, -EIO, "%s %s", what,
		       WIFSIGNALED(status) ? "was interrupted: nothing was kept" : "failed");
}

static void show(struct progress *p, const char *line)
{
	cleanup_json json_t *o = json_parse(line, strlen(line), NULL);
	const char *step = json_string_value(json_object_get(o, "step"));
	char what[64];

	snprintf(what, sizeof(what), "building: %s", step ? step : "");
	if (step)
		progress_show(p, what, (int)json_integer_value(json_object_get(o, "percent")));
}

static int build(const struct cli_call *c, const char *dir, struct err *e)
{
	const char *recipes = cli_local(c, "recipes");
	char program[PATH_MAX], line[1000];
	const char *argv[] = {pane_image(program),	    "build", c->arg[0], dir,
			      recipes ? "--recipes" : NULL, recipes, NULL};
	struct progress p = {.quiet = c->json};
	struct child k = {0};
	int r = start(argv, true, &k, e);

	if (r < 0)
		return r;
	while (k.out && fgets(line, sizeof(line), k.out))
		show(&p, line);
	progress_end(&p);
	return finish(&k, "the build", e);
}

/* Only what holds data is uploaded then. */
static int pack(const char *dir, const char *file, struct err *e)
{
	char raw[PATH_MAX];
	const char *argv[] = {"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file, NULL};
	struct child k = {0};
	int r = path_join(raw, sizeof(raw), dir, "disk.raw");

	if (r == 0)
		r = start(argv, false, &k, e);
	return r < 0 ? r : finish(&k, "qemu-img", e);
}

/* Everything but the log of a build, which says why it failed. */
static void clean(const char *work, const char *dir)
{
	static const char *const files[] = {"disk.raw", "vmlinuz", "initrd.img", "image.json"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (path_join(path, sizeof(path), dir, files[i]) == 0)
			unlink(path);
	rmdir(dir);
	if (path_join(path, sizeof(path), work, "image.qcow2") == 0)
		unlink(path);
	rmdir(work);
}

static int build_and_import(struct cli_call *c, const char *work, const char *name, struct err *e)
{
	char dir[PATH_MAX], file[PATH_MAX], log[PATH_MAX];
	int r;

	if (path_join(dir, sizeof(dir), work, name) < 0 ||
	    path_join(file, sizeof(file), work, "image.qcow2") < 0 ||
	    snprintf(log, sizeof(log), "%s.log", dir) >= (int)sizeof(log))
		return err_set(e, -ENAMETOOLONG, "%s: the path is too long", work);
	r = build(c, dir, e);
	if (r == 0)
		r = pack(dir, file, e);
	if (r == 0) {
		unlink(log);
		r = cli_import_file(c, file, name, e);
	}
	clean(work, dir);
	return r;
}

/* Before minutes of building: does the broker know us? */
static int check_login(struct cli_call *c, struct err *e)
{
	struct cli_session s = {0};
	struct http_client *h = NULL;
	cleanup_json json_t *me = NULL;
	int r = cli_open_session(c, &s, &h, e);

	if (r == 0)
		r = cli_ask(h, "GET", "/api/v1/images?limit=1", NULL, &me, e);
	http_free(h);
	secret_wipe(&s.token);
	return r < 0 ? r : 0;
}

int cli_run_image_build(struct cli_call *c, struct err *e)
{
	const char *name = cli_local(c, "name"), *base = strrchr(c->arg[0], '/');
	const char *tmp = getenv("TMPDIR");
	char work[PATH_MAX];
	int r;

	if (!name)
		name = base ? base + 1 : c->arg[0];
	if ((r = check_login(c, e)) < 0)
		return r;
	if (snprintf(work, sizeof(work), "%s/pane-build.XXXXXX",
		     tmp && tmp[0] ? tmp : "/var/tmp") >= (int)sizeof(work) ||
	    !mkdtemp(work))
		return err_set(e, -errno, "%s: %s", work, strerror(errno));
	return build_and_import(c, work, name, e);
}

int cli_run_image_recipes(struct cli_call *c, struct err *e)
{
	const char *recipes = cli_local(c, "recipes");
	char program[PATH_MAX];
	const char *argv[] = {pane_image(program),	    "build", "--list",
			      recipes ? "--recipes" : NULL, recipes, NULL};
	struct child k = {0};
	int r = start(argv, false, &k, e);

	return r < 0 ? r : finish(&k, "pane-image", e);
}
