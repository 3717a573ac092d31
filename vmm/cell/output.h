/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What everything inside prints: read from a pipe and written to the log, of which no more than
 * OUTPUT_MAX bytes are kept, so that a desktop cannot fill the host's disk with it. The loop's
 * thread.
 */
#ifndef PANE_CELL_OUTPUT_H
#define PANE_CELL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define OUTPUT_MAX (1u << 20)

struct loop;
struct loop_io;

struct cell_output {
	int log;  /* owned: the log, also of programs of ours beside the sandbox */
	int in;	  /* owned: the pipe's end for the desktop; the caller closes it once handed on */
	int from; /* owned: ours */
	struct loop_io *io;
	uint64_t kept; /* bytes written since the log was last empty */
	bool file;     /* whether the log is a file, which can be emptied */
};

/* path NULL: standard error, to which no more is written after OUTPUT_MAX bytes. */
int cell_output_open(struct cell_output *o, struct loop *l, const char *path,
		     struct err *e) must_check;
/* Writes what is still in the pipe. */
void cell_output_close(struct cell_output *o);

#endif
