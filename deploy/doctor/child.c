/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Running a program for at most ten seconds; see child.h.
 */
#include "deploy/doctor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include "common/loop.h"

static void become(const char *const *argv, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char *words[32];
	size_t n = 0;

	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	for (; argv[n] && n + 1 < ARRAY_LEN(words); n++)
		words[n] = strdup(argv[n]);
	words[n] = NULL;
	if (words[0])
		execvp(words[0], words);
	_exit(127);
}

/* Reads until the end; false when it did not come in time. Past n it reads on and forgets. */
static bool drain(int fd, char *out, size_t n)
{
	int64_t end = clock_ms() + CHILD_WAIT_MS;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t have = 0;
	char more[4096];
	ssize_t got;

	for (;;) {
		int64_t left = end - clock_ms();

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			break;
		got = read(fd, more, sizeof(more));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			out[have] = 0;
			return true;
		}
		if (have + (size_t)got > n - 1)
			got = (ssize_t)(n - 1 - have);
		memcpy(out + have, more, (size_t)got);
		have += (size_t)got;
	}
	out[have] = 0;
	return false;
}

int child_run(const char *const *argv, char *out, size_t n)
{
	cleanup_close int from = -1;
	int fds[2], status = 0;
	bool ended;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	from = fds[0];
	pid = fork();
	if (pid == 0)
		become(argv, fds[1]);
	close(fds[1]);
	if (pid < 0)
		return -errno;
	ended = drain(from, out, n);
	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ended)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
