/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logging; see log.h. The program's name and level are the only state: set once at start, read by
 * every thread afterwards.
 */
#include "common/log.h"
#include "common/loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char log_program[32] = "pane";
static enum log_level log_level = LOG_INFO;

static const char *level_name(enum log_level l)
{
	switch (l) {
	case LOG_ERR:
		return "err";
	case LOG_WARN:
		return "warn";
	case LOG_INFO:
		return "info";
	case LOG_DEBUG:
		return "debug";
	}
	return "?";
}

void log_init(const char *program, enum log_level level)
{
	static const enum log_level all[] = {LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG};
	const char *env = getenv("PANE_LOG");

	snprintf(log_program, sizeof(log_program), "%s", program);
	log_level = level;
	for (unsigned i = 0; env && i < 4; i++)
		if (!strcmp(env, level_name(all[i])))
			log_level = all[i];
}

bool log_wants(enum log_level level)
{
	return level <= log_level;
}

/* Control bytes would let a peer forge lines or drive a terminal. */
static void neutralise(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[1400];
	struct timespec ts;
	struct tm tm;
	va_list ap;
	int n;

	if (!log_wants(level))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = (int)strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += snprintf(line + n, sizeof(line) - (size_t)n, ".%03ldZ %s %s %s ", ts.tv_nsec / 1000000,
		      log_program, level_name(level), event);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	neutralise(line + n);
	n = (int)strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to say so */
}

const char *log_quote(char *buf, unsigned n, const char *s)
{
	unsigned o = 0;

	if (!s)
		s = "";
	buf[o++] = '"';
	for (; *s && o + 6 < n; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			buf[o++] = '\\';
			buf[o++] = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			o += (unsigned)snprintf(buf + o, n - o, "\\x%02x", c);
		} else {
			buf[o++] = (char)c;
		}
	}
	buf[o++] = '"';
	buf[o] = '\0';
	return buf;
}

bool log_allow(struct log_bucket *b, int per_second)
{
	int64_t now = clock_ms();

	if (!b->last_ms || now - b->last_ms >= 1000) {
		if (b->dropped)
			log_info("log.suppressed", "n=%u", b->dropped);
		b->dropped = 0;
		b->last_ms = now;
		b->tokens = per_second;
	}
	if (b->tokens <= 0) {
		b->dropped++;
		return false;
	}
	b->tokens--;
	return true;
}
