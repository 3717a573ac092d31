/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors for people; see err.h. No state.
 */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void fill(struct err *e, int code, const char *word,
						       const char *fmt, va_list ap)
{
	if (!e)
		return;
	e->code = code;
	snprintf(e->word, sizeof(e->word), "%s", word);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, code, "", fmt, ap);
	va_end(ap);
	return code;
}

int err_setw(struct err *e, int code, const char *word, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, code, word, fmt, ap);
	va_end(ap);
	return code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char head[200], old[sizeof(e->msg)];
	va_list ap;

	if (!e)
		return 0;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	memcpy(old, e->msg, sizeof(old));
	if (snprintf(e->msg, sizeof(e->msg), "%s: %s", head, old) >= (int)sizeof(e->msg))
		e->msg[sizeof(e->msg) - 1] = '\0';
	return e->code;
}
