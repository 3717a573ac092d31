/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logging: one logfmt line an event on stderr, "<level> event key=value ...", values quoted and
 * escaped where they need it. Event names are stable words ("session.start"). No secrets, and
 * no peer's bytes unescaped: strings given as values through log_kv() are always escaped.
 * Thread-safe (one write(2) a line).
 */
#ifndef PANE_COMMON_LOG_H
#define PANE_COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_ERR = 3,
	LOG_WARN = 4,
	LOG_INFO = 6,
	LOG_DEBUG = 7
};

/* Names the program in every line and sets the lowest level shown. PANE_LOG=debug|info|warn|err
 * in the environment overrides level. */
void log_init(const char *program, enum log_level level);
bool log_wants(enum log_level level);

/* fmt makes the "key=value ..." part. Control bytes in the result are escaped. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_err(ev, ...)   log_event(LOG_ERR, ev, __VA_ARGS__)
#define log_warn(ev, ...)  log_event(LOG_WARN, ev, __VA_ARGS__)
#define log_info(ev, ...)  log_event(LOG_INFO, ev, __VA_ARGS__)
#define log_debug(ev, ...) log_event(LOG_DEBUG, ev, __VA_ARGS__)

/* Quotes and escapes s for use after "key=": into buf of size n; returns buf. */
const char *log_quote(char *buf, unsigned n, const char *s);
#define LOG_Q(s) log_quote((char[200]){0}, 200, (s))

/* Token bucket for lines a peer can trigger: true when this line may be written. When lines were
 * suppressed before, the next allowed one is preceded by "log.suppressed n=...". */
struct log_bucket {
	int64_t last_ms;
	int tokens;	  /* 0 before first use */
	unsigned dropped; /* since the last allowed line */
};
bool log_allow(struct log_bucket *b, int per_second);

#endif
