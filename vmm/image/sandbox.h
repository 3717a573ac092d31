/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs a tool (qemu-img, debugfs) over a hostile file: bubblewrap with every namespace unshared, no
 * network, no privileges, the system read-only, the input read-only as /in/disk, one directory
 * writable as /out; a system call allow-list; limits on memory, file size and time.
 */
#ifndef PANE_IMAGE_SANDBOX_H
#define PANE_IMAGE_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

struct img_sandbox {
	const char *in;	     /* path of the input */
	const char *out_dir; /* writable; NULL: none */
	uint64_t file_bytes; /* largest file it may write */
	int timeout_s;	     /* silence of that length ends it; 0: 60 */
	int cancel_fd;	     /* readable: give up with -ECANCELED; -1: none */
	/* What it prints on standard output; a negative answer ends it with that. May be NULL. */
	int (*output)(void *arg, const char *p, size_t n);
	/* Called five times a second while it runs; a negative answer ends it with that. */
	int (*tick)(void *arg);
	void *arg;
};

/* 0 when the tool exited with 0; else an errno with the tool's own last words in *e. */
int img_sandbox_run(const struct img_sandbox *s, const char *const argv[],
		    struct err *e) must_check;

#endif
