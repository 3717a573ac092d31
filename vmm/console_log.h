/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guest's serial output on disk: bounded and rate-limited. Two files, NAME and NAME.old, are
 * opened once at the start (the jail forbids it later); a full NAME is copied to NAME.old and
 * begins anew, and so it does at every start, which keeps the previous boot's output.
 */
#ifndef PANE_VMM_CONSOLE_LOG_H
#define PANE_VMM_CONSOLE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CONSOLE_LOG_MAX	  (512 * 1024) /* bytes of each file */
#define CONSOLE_LOG_RATE  (64 * 1024)  /* bytes a second */
#define CONSOLE_LOG_BURST (256 * 1024) /* bytes */
#define CONSOLE_LINE	  256	       /* bytes; longer lines are passed on in pieces */

typedef void (*console_line_fn)(void *arg, const char *line);

struct console_log {
	int fd, old; /* owned; -1: output is only watched, not kept */
	size_t size; /* bytes in NAME */
	int64_t budget, last_ms;
	uint64_t dropped; /* bytes since the last line that was written */
	char line[CONSOLE_LINE];
	size_t n, kept; /* bytes of the line, and how many of them are in the file already */
	bool added;	/* a byte came since console_log_settle() */
	console_line_fn on_line; /* each line without its end, control bytes included */
	void *arg;
};

/* path may be NULL: nothing is kept. */
int console_log_open(struct console_log *c, const char *path, console_line_fn fn, void *arg,
		     struct err *e) must_check;
void console_log_close(struct console_log *c);
/* One byte at a time, as it comes off the line. Not thread-safe: the serial port's lock guards it.
 */
void console_log_put(struct console_log *c, uint8_t byte);
/* A prompt is a line without an end: when nothing came since the last call, what there is of a line
 * goes to the file (to on_line it goes whole, later). True: something came, call again in a while.
 */
bool console_log_settle(struct console_log *c);

#endif
