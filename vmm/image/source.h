/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bytes somebody brought: a window over a file (a member of an appliance is a window inside it), or
 * over memory in tests. Reads are by offset and never leave the window.
 */
#ifndef PANE_IMAGE_SOURCE_H
#define PANE_IMAGE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct img_src {
	int fd;		    /* borrowed; unused when mem is set */
	const uint8_t *mem; /* borrowed; NULL: read from fd */
	uint64_t base;	    /* bytes, where the window begins */
	uint64_t size;	    /* bytes */
};

/* Zeroed memory for cleanup_free; NULL when there is none. */
void *img_alloc(size_t n) must_check;

/* Exactly n bytes at off: 0, -ENODATA when they are not all there, or the errno of the read. */
int img_read(const struct img_src *s, uint64_t off, void *p, size_t n) must_check;
/* A part of a window; -ENODATA when it would leave it. */
int img_window(const struct img_src *s, uint64_t off, uint64_t n, struct img_src *out) must_check;
/* The SHA-1, SHA-256 or SHA-512 (an OpenSSL name) of the whole window, in lower-case hex. tick (or
 * NULL) is called after every few MiB; a negative answer ends the work. */
typedef int (*img_tick_fn)(void *arg, uint64_t done, uint64_t all);
int img_hash(const struct img_src *s, const char *algorithm, char out[129], img_tick_fn tick,
	     void *arg) must_check;

#endif
