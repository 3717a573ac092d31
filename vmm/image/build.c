/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See build.h. The builder runs as a process group of its own, so that an interruption reaches
 * mmdebstrap too; it removes what it began.
 */
#include "vmm/image/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "common/file.h"
#include "vmm/image/progress.h"

const char *img_build_recipes(char path[PATH_MAX])
{
	const char *env = getenv("PANE_RECIPES");
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 32);
	char *slash;

	if (env && env[0])
		return env;
	/* PREFIX/bin/pane-image, PREFIX/share/pane/image */
	for (int i = 0; n > 0 && i < 2; i++) {
		path[n] = 0;
		slash = strrchr(path, '/');
		n = slash ? slash - path : 0;
	}
	if (n <= 0)
		return "deploy/image";
	snprintf(path + n, PATH_MAX - (size_t)n, "/share/pane/image");
	return access(path, R_OK | X_OK) == 0 ? path : "deploy/image";
}

int img_build_percent(const char *line, const char **step)
{
	static const struct {
		const char *has, *step;
		int percent;
	} steps[] = {
		{"running apt-get update", "index", 5},
		{"downloading packages", "download", 10},
		{"extracting archives", "extract", 40},
		{"installing essential", "install", 45},
		{"installing remaining", "install", 55},
		{"cleaning", "clean", 80},
		{"creating tarball", "pack", 85},
		{"writing the disk", "disk", 90},
		{"up to date", "done", 100},
		{"ready after", "done", 100},
		{"can be had", "done", 100},
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (strstr(line, steps[i].has)) {
			*step = steps[i].step;
			return steps[i].percent;
		}
	}
	return -1;
}

static int find_recipe(const struct img_build *b, char path[PATH_MAX], struct err *e)
{
	char file[PATH_MAX];
	int r;

	if (strchr(b->recipe, '/'))
		r = snprintf(path, PATH_MAX, "%s", b->recipe) >= PATH_MAX ? -ENAMETOOLONG : 0;
	else
		r = path_join(path, PATH_MAX, b->recipes, b->recipe);
	if (r < 0 || (r = path_join(file, sizeof(file), path, "recipe")) < 0)
		return err_set(e, r, "the path is too long");
	if (access(file, R_OK) < 0)
		return err_setw(e, -ENOENT, "recipe.unknown",
				"there is no recipe %s: see pane-image build --list", b->recipe);
	return 0;
}

static int start(const struct img_build *b, const char *recipe, int *out, struct err *e)
{
	cleanup_close int r_end = -1, w_end = -1;
	char prog[PATH_MAX];
	const char *argv[6] = {prog};
	int p[2], n = 1;
	pid_t pid;

	if (path_join(prog, sizeof(prog), b->recipes, "build") < 0)
		return -ENAMETOOLONG;
	if (b->force)
		argv[n++] = "--force";
	if (b->simulate)
		argv[n++] = "--simulate";
	argv[n++] = recipe;
	argv[n] = b->simulate ? NULL : b->out_dir;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	r_end = p[0], w_end = p[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		sigset_t none;

		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(w_end, 1);
		execv(prog, (char *const *)(uintptr_t)argv);
		fprintf(stderr, "%s: %s\n", prog, strerror(errno));
		_exit(126);
	}
	(void)e;
	*out = steal_fd(&r_end);
	return pid;
}

static int say(struct img_progress *p, const char *line)
{
	const char *step = NULL;
	int percent = img_build_percent(line, &step);

	if (percent < 0 || percent < p->last)
		return 0;
	return img_progress_step(p, step, percent, percent);
}

/* Lines until the builder closes its output, or somebody wants it to stop. */
static int follow(int fd, int cancel_fd)
{
	struct img_progress p = {.cancel_fd = cancel_fd, .last = -1};
	struct pollfd fds[2] = {{fd, POLLIN, 0}, {cancel_fd, POLLIN, 0}};
	char line[512];
	size_t n = 0;
	char c[256];
	int r = 0;

	while (r == 0) {
		ssize_t got;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		got = read(fd, c, sizeof(c));
		if (got <= 0)
			return got < 0 && errno != EINTR ? -errno : 0;
		for (ssize_t i = 0; i < got && r == 0; i++) {
			if (c[i] == '\n') {
				line[n] = 0;
				n = 0;
				r = say(&p, line);
			} else if (n + 1 < sizeof(line)) {
				line[n++] = c[i];
			}
		}
	}
	return r;
}

int img_build(const struct img_build *b, struct err *e)
{
	cleanup_close int out = -1;
	char recipe[PATH_MAX];
	int r, status = 0;
	pid_t pid;

	if ((r = find_recipe(b, recipe, e)) < 0)
		return r;
	pid = start(b, recipe, &out, e);
	if (pid < 0)
		return pid;
	r = follow(out, b->cancel_fd);
	if (r < 0)
		kill(-pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return err_setw(e, r, "image.canceled", "interrupted");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : err_setw(e, -EIO, "image.build", "the build of %s failed", b->recipe);
}

/* The second line of a recipe is a comment that says what it is. */
static void print_recipe(const char *name, const char *path)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	char line[200] = "";

	if (!f || !fgets(line, sizeof(line), f) || !fgets(line, sizeof(line), f))
		return;
	line[strcspn(line, "\n")] = 0;
	printf("%-12s %s\n", name, line + strspn(line, "# "));
}

int img_build_list(const char *recipes, struct err *e)
{
	struct dirent **list = NULL;
	int n = scandir(recipes, &list, NULL, alphasort);
	char dir[PATH_MAX], path[PATH_MAX];

	if (n < 0)
		return err_set(e, -errno, "%s: %s", recipes, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.' &&
		    path_join(dir, sizeof(dir), recipes, list[i]->d_name) == 0 &&
		    path_join(path, sizeof(path), dir, "recipe") == 0)
			print_recipe(list[i]->d_name, path);
		free(list[i]);
	}
	free(list);
	return 0;
}
