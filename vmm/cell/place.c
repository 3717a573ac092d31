/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names and id ranges by flock(2). Ranges lie above those that distributions give to people
 * (/etc/subuid) and to systemd-nspawn (524288..1879048191), and below 2^31. Where a search begins
 * follows from the name, so a desktop usually gets the same range again.
 */
#include "vmm/cell/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "common/file.h"

#define FIRST_ID 1879048192u /* 0x70000000 */
#define RANGES	 4094u	     /* up to 0x7ffe0000 */

static char run_dir[160] = "/run/pane-cell";

const char *cell_run_dir(void)
{
	return run_dir;
}

int cell_run_dir_own(struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	int n;

	if (runtime && runtime[0] == '/' && access(runtime, W_OK) == 0)
		n = snprintf(run_dir, sizeof(run_dir), "%s/pane-cell", runtime);
	else
		n = snprintf(run_dir, sizeof(run_dir), "/tmp/pane-cell-%u", getuid());
	if (n >= (int)sizeof(run_dir))
		return err_set(e, -ENAMETOOLONG, "XDG_RUNTIME_DIR is too long");
	if (mkdir(run_dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %m", run_dir);
	/* In /tmp anybody may have made it first. */
	if (lstat(run_dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid() ||
	    (st.st_mode & 077))
		return err_set(e, -EPERM, "%s is not a directory of yours alone", run_dir);
	return 0;
}

/* A file that its last owner has just removed is no lock: the next try makes a new one. */
static int lock_file(const char *path, int *out)
{
	for (;;) {
		cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat st;

		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0)
			return -errno;
		if (st.st_nlink == 0)
			continue;
		*out = steal_fd(&fd);
		return 0;
	}
}

static int take_range(const char *name, struct cell_place *p, struct err *e)
{
	unsigned h = 2166136261u;

	for (const char *s = name; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	for (unsigned i = 0; i < RANGES; i++) {
		unsigned slot = (h + i) % RANGES;
		char path[256];
		int r;

		snprintf(path, sizeof(path), "%s/range.%u", cell_run_dir(), slot);
		r = lock_file(path, &p->range_fd);
		if (r == 0) {
			p->base = FIRST_ID + slot * CELL_RANGE;
			return 0;
		}
		if (r != -EWOULDBLOCK)
			return err_set(e, r, "%s: %s", path, strerrordesc_np(-r));
	}
	return err_set(e, -EAGAIN, "all %u id ranges of this host are taken", RANGES);
}

int cell_place_take(const char *key, bool rootless, struct cell_place *p, struct err *e)
{
	int r;

	*p = (struct cell_place){.name_fd = -1, .range_fd = -1};
	r = dir_make(cell_run_dir(), rootless ? 0700 : 0711, e);
	if (r < 0)
		return r;
	snprintf(p->name_path, sizeof(p->name_path), "%s/name.%s", cell_run_dir(), key);
	r = lock_file(p->name_path, &p->name_fd);
	if (r == -EWOULDBLOCK)
		return err_set(e, -EBUSY, "a desktop named %s is running on this host", key);
	if (r < 0)
		return err_set(e, r, "%s: %s", p->name_path, strerrordesc_np(-r));
	return rootless ? 0 : take_range(key, p, e);
}

void cell_place_drop(struct cell_place *p)
{
	if (p->name_fd >= 0)
		(void)unlink(p->name_path);
	cleanup_close_fn(&p->range_fd);
	cleanup_close_fn(&p->name_fd);
	p->range_fd = p->name_fd = -1;
}
