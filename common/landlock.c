/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See landlock.h.
 */
#include "common/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/log.h"

#define ABI_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* every right of it */

static int allow(int rules, const char *path)
{
	cleanup_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr a = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
					       .parent_fd = fd};

	if (fd < 0)
		return 0;
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0) ? -errno
											: 0;
}

int landlock_files(const char *const *files, size_t n, struct err *e)
{
	struct landlock_ruleset_attr all = {.handled_access_fs = ABI_1};
	cleanup_close int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	int r = 0;

	if (rules < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
		log_warn("jail.landlock", "missing=\"this kernel has no Landlock\"");
		return 0;
	}
	if (rules < 0)
		return err_set(e, -errno, "Landlock: %s", strerror(errno));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = allow(rules, files[i]);
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0))
		r = -errno;
	return r < 0 ? err_set(e, r, "Landlock: %s", strerror(-r)) : 0;
}
