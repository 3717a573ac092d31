/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See nonces.h. Two journal files of lines "<expiry> <nonce>", grants.log and grants.old: when the
 * newer has been written to for longer than a grant lives, it replaces the older. Not fsynced: a
 * crash of the agent keeps what write(2) took, and a crash of the machine takes longer than a grant
 * lives. Loop's thread.
 */
#include "vmm/host/nonces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/file.h"

#define TURN_S	 (4 * GRANT_TTL_S)
#define LOG_MAX	 (1u << 20)
#define LOG_NAME "grants.log"
#define OLD_NAME "grants.old"

struct host_nonces {
	struct grant_seen *seen; /* owned */
	int fd;			 /* owned */
	int64_t opened_s;
	char log[PATH_MAX], old[PATH_MAX];
};

static void nonces_load(struct host_nonces *n, const char *path, int64_t now_s)
{
	cleanup_free char *text = NULL;
	char *line, *save = NULL;
	size_t len;

	if (file_read(path, LOG_MAX, &text, &len, NULL) < 0)
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct grant g = {0};

		if (sscanf(line, "%" SCNd64 " %31s", &g.expires_s, g.nonce) == 2 &&
		    g.expires_s + 60 >= now_s && grant_once(n->seen, &g, now_s) == -ENOSPC)
			return;
	}
}

static int nonces_turn(struct host_nonces *n, int64_t now_s, struct err *e)
{
	if (n->fd >= 0)
		close(n->fd);
	(void)rename(n->log, n->old);
	n->fd = open(n->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	n->opened_s = now_s;
	return n->fd < 0 ? err_set(e, -errno, "%s: %s", n->log, strerror(errno)) : 0;
}

struct host_nonces *host_nonces_open(const char *dir, int64_t now_s, struct err *e)
{
	struct host_nonces *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->fd = -1;
	n->opened_s = now_s;
	n->seen = grant_seen_new();
	if (!n->seen || path_join(n->log, sizeof(n->log), dir, LOG_NAME) < 0 ||
	    path_join(n->old, sizeof(n->old), dir, OLD_NAME) < 0)
		goto fail;
	nonces_load(n, n->old, now_s);
	nonces_load(n, n->log, now_s);
	n->fd = open(n->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (n->fd < 0) {
		err_set(e, -errno, "%s: %s", n->log, strerror(errno));
		goto fail;
	}
	return n;
fail:
	host_nonces_free(n);
	return NULL;
}

void host_nonces_free(struct host_nonces *n)
{
	if (!n)
		return;
	if (n->fd >= 0)
		close(n->fd);
	grant_seen_free(n->seen);
	free(n);
}

int host_nonces_use(struct host_nonces *n, const struct grant *g, int64_t now_s)
{
	char line[80];
	int len, r = grant_once(n->seen, g, now_s);

	if (r < 0)
		return r;
	/* The clock may step either way; a turn too many costs nothing but an old file. */
	if ((now_s - n->opened_s > TURN_S || n->fd < 0) && (r = nonces_turn(n, now_s, NULL)) < 0)
		return r;
	len = snprintf(line, sizeof(line), "%" PRId64 " %s\n", g->expires_s, g->nonce);
	return write(n->fd, line, (size_t)len) == len ? 0 : -EIO;
}
