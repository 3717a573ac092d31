/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/console_log.c: lines, the bound on both files, the rate limit, the previous boot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vmm/console_log.h"

struct bench {
	char folder[64], path[96], old[100];
	struct console_log log;
	unsigned lines;
	size_t longest;
};

static void on_line(void *arg, const char *line)
{
	struct bench *b = arg;

	b->lines++;
	if (strlen(line) > b->longest)
		b->longest = strlen(line);
}

static void start(struct bench *b)
{
	assert_int_equal(console_log_open(&b->log, b->path, on_line, b, NULL), 0);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	strcpy(b->folder, "/tmp/console_log.XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	sprintf(b->path, "%s/serial", b->folder);
	sprintf(b->old, "%s/serial.old", b->folder);
	start(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	console_log_close(&b->log);
	unlink(b->path);
	unlink(b->old);
	rmdir(b->folder);
	free(b);
	return 0;
}

static void say(struct bench *b, const char *s)
{
	while (*s)
		console_log_put(&b->log, (uint8_t)*s++);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void the_previous_boot_is_kept(void **state)
{
	struct bench *b = *state;
	char text[32] = {0};

	say(b, "first boot\nrest");
	console_log_close(&b->log);
	start(b);
	say(b, "second\n");
	assert_int_equal(size_of(b->path), 7);

	int fd = open(b->old, O_RDONLY);

	assert_int_equal(read(fd, text, sizeof(text) - 1), 15);
	assert_string_equal(text, "first boot\nrest");
	close(fd);
}

static void both_files_are_bounded(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 60000; i++) {
		b->log.budget = CONSOLE_LOG_BURST; /* not the rate limit's test */
		say(b, "0123456789abcdef0123456789abcdef\n");
	}
	assert_true(size_of(b->path) <= CONSOLE_LOG_MAX + CONSOLE_LINE);
	assert_true(size_of(b->old) <= CONSOLE_LOG_MAX + CONSOLE_LINE);
	assert_true(size_of(b->old) >= CONSOLE_LOG_MAX);
}

static void babble_is_dropped_and_counted(void **state)
{
	struct bench *b = *state;
	char text[65536] = {0};

	for (unsigned i = 0; i < 40000; i++)
		say(b, "0123456789abcdef0123456789abcdef\n");
	assert_int_equal(b->lines, 40000); /* still watched */
	assert_true(size_of(b->path) < CONSOLE_LOG_BURST + 128 * 1024);
	b->log.budget = CONSOLE_LOG_BURST;
	say(b, "last\n");

	int fd = open(b->path, O_RDONLY);
	ssize_t n = pread(fd, text, sizeof(text) - 1, size_of(b->path) - 64);

	assert_true(n > 0);
	assert_non_null(strstr(text, " bytes dropped]\nlast\n"));
	close(fd);
}

static void long_lines_come_in_pieces(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 1000; i++)
		console_log_put(&b->log, i % 2 ? 0xff : 0);
	assert_true(b->lines >= 3);
	assert_true(b->longest < CONSOLE_LINE);
}

/* A prompt has no end: it is in the file once the guest is silent, and once only. */
static void a_prompt_is_kept_before_its_line_ends(void **state)
{
	struct bench *b = *state;
	char text[32] = {0};

	say(b, "host login: ");
	assert_true(console_log_settle(&b->log));
	assert_int_equal(size_of(b->path), 0);
	assert_false(console_log_settle(&b->log));
	assert_int_equal(size_of(b->path), 12);
	assert_int_equal(b->lines, 0);
	say(b, "root\n");
	assert_int_equal(size_of(b->path), 17);
	assert_int_equal(b->lines, 1);
	assert_int_equal(b->longest, 16); /* to who waits for lines it goes whole */
	assert_true(console_log_settle(&b->log));
	assert_false(console_log_settle(&b->log));

	int fd = open(b->path, O_RDONLY);

	assert_int_equal(read(fd, text, sizeof(text) - 1), 17);
	assert_string_equal(text, "host login: root\n");
	close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_previous_boot_is_kept),
		T(both_files_are_bounded),
		T(babble_is_dropped_and_counted),
		T(long_lines_come_in_pieces),
		T(a_prompt_is_kept_before_its_line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
