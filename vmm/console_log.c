/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bytes are gathered to lines, so a line is one write(2), or two where it was a prompt. A guest
 * that babbles loses output, not the host's disk or processor: what exceeds the budget is counted
 * and the gap is marked.
 */
#include "vmm/console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "common/loop.h"

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* a full disk costs the log, not the desktop */
		p += w;
		n -= (size_t)w;
	}
}

static void rotate(struct console_log *c)
{
	char chunk[4096];
	off_t at = 0;
	ssize_t n;

	if (ftruncate(c->old, 0) < 0 || lseek(c->old, 0, SEEK_SET) < 0)
		return;
	while ((n = pread(c->fd, chunk, sizeof(chunk), at)) > 0 && at < 2 * CONSOLE_LOG_MAX) {
		write_all(c->old, chunk, (size_t)n);
		at += n;
	}
	if (ftruncate(c->fd, 0) == 0)
		c->size = 0;
}

int console_log_open(struct console_log *c, const char *path, console_line_fn fn, void *arg,
		     struct err *e)
{
	char old[4096];

	memset(c, 0, sizeof(*c));
	c->fd = c->old = -1;
	c->on_line = fn;
	c->arg = arg;
	c->budget = CONSOLE_LOG_BURST;
	c->last_ms = clock_ms();
	if (!path)
		return 0;
	if (snprintf(old, sizeof(old), "%s.old", path) >= (int)sizeof(old))
		return err_set(e, -ENAMETOOLONG, "serial log %s: name too long", path);
	c->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	c->old = open(old, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (c->fd < 0 || c->old < 0) {
		int r = err_set(e, -errno, "serial log %s: %m", path);

		console_log_close(c);
		return r;
	}
	rotate(c);
	return 0;
}

static bool within_budget(struct console_log *c, size_t n)
{
	int64_t now = clock_ms(), grown = c->budget + (now - c->last_ms) * CONSOLE_LOG_RATE / 1000;

	c->budget = grown > CONSOLE_LOG_BURST ? CONSOLE_LOG_BURST : grown;
	c->last_ms = now;
	if (c->budget < (int64_t)n)
		return false;
	c->budget -= (int64_t)n;
	return true;
}

static void write_line(struct console_log *c)
{
	const char *rest = c->line + c->kept;
	size_t n = c->n - c->kept;

	c->kept = c->n;
	if (c->fd < 0 || !n)
		return;
	if (!within_budget(c, n)) {
		c->dropped += n;
		return;
	}
	if (c->dropped) {
		char gap[64];
		int len = snprintf(gap, sizeof(gap), "[%llu bytes dropped]\n",
				   (unsigned long long)c->dropped);

		write_all(c->fd, gap, (size_t)len);
		c->size += (size_t)len;
		c->dropped = 0;
	}
	write_all(c->fd, rest, n);
	c->size += n;
	if (c->size >= CONSOLE_LOG_MAX)
		rotate(c);
}

static void flush_line(struct console_log *c)
{
	size_t n = c->n;

	write_line(c);
	c->n = c->kept = 0;
	while (n && (c->line[n - 1] == '\n' || c->line[n - 1] == '\r'))
		n--;
	c->line[n] = 0;
	if (c->on_line)
		c->on_line(c->arg, c->line);
}

void console_log_put(struct console_log *c, uint8_t byte)
{
	c->added = true;
	c->line[c->n++] = (char)byte;
	if (byte == '\n' || c->n == sizeof(c->line) - 1)
		flush_line(c);
}

bool console_log_settle(struct console_log *c)
{
	bool added = c->added;

	c->added = false;
	if (!added)
		write_line(c);
	return added;
}

void console_log_close(struct console_log *c)
{
	if (c->n)
		flush_line(c);
	cleanup_close_fn(&c->fd);
	cleanup_close_fn(&c->old);
	c->fd = c->old = -1;
}
