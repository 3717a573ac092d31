/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * struct err carries a failure to a person: a negative errno for the program, a stable dotted
 * word for other programs ("pool.unknown"), and a sentence saying what happened and what to do.
 * It is passed as the last argument, may be NULL, and is untouched on success.
 */
#ifndef PANE_COMMON_ERR_H
#define PANE_COMMON_ERR_H

struct err {
	int code;      /* negative errno, 0 while nothing failed */
	char word[48]; /* stable identifier, "" where nobody branches on it */
	char msg[400]; /* cause, and the next step where there is one */
};

/* Fills *e (when not NULL) and returns code, so callers write `return err_set(e, -EINVAL, ...)`. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with a stable word. */
int err_setw(struct err *e, int code, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Puts "context: " in front of e->msg; returns e->code. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
