/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Scope-bound ownership. A local that owns something is declared with one of these attributes and
 * handed on with steal_fd() or steal_ptr(); nothing else needs a cleanup label.
 */
#ifndef PANE_COMMON_CLEANUP_H
#define PANE_COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose_fn(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define cleanup_free   __attribute__((cleanup(cleanup_free_fn)))
#define cleanup_close  __attribute__((cleanup(cleanup_close_fn)))
#define cleanup_fclose __attribute__((cleanup(cleanup_fclose_fn)))

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(*(p)) v_ = *(p);                                                        \
		*(p) = NULL;                                                                       \
		v_;                                                                                \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define must_check   __attribute__((warn_unused_result))

#endif
