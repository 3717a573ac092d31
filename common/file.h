/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Small files: read whole with a cap, written atomically (temporary name, fsync, rename).
 */
#ifndef PANE_COMMON_FILE_H
#define PANE_COMMON_FILE_H

#include <stddef.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

/* NUL-terminated contents, to be freed; -EFBIG beyond max bytes. */
int file_read(const char *path, size_t max, char **out, size_t *len, struct err *e) must_check;
int file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *e) must_check;
/* Makes path unless it is there, once, whoever else makes it at this time, on another host of the
 * same storage too: fill() writes "path.new", which one of them holds by flock(2), and only a whole
 * file gets the name. -EBUSY while another one fills it. */
int file_make_once(const char *path, int (*fill)(int fd, const char *tmp, void *arg, struct err *e),
		   void *arg, struct err *e) must_check;
/* mkdir -p */
int dir_make(const char *path, mode_t mode, struct err *e) must_check;
/* "dir/name" into a fixed buffer; -ENAMETOOLONG. */
int path_join(char *out, size_t n, const char *dir, const char *name) must_check;

#endif
