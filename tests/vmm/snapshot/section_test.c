/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/snapshot/section.c and xxh64.c: what is written comes back field by field; what is damaged,
 * cut short, newer, or longer than it says is refused with the reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "common/wire.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/xxh64.h"

struct file {
	uint8_t p[4096];
	size_t n;
};

static struct file make(void)
{
	struct file f = {0};
	struct snap_out o;
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	snap_out_init(&o, fd);
	snap_begin(&o, "disk", 3, 2);
	snap_put_u8(&o, 0xfe);
	snap_put_u16(&o, 0xabcd);
	snap_put_u32(&o, 0xdeadbeef);
	snap_put_u64(&o, 0x0123456789abcdefull);
	snap_put_text(&o, "office-7");
	snap_put_bytes(&o, "tail", 4);
	snap_end(&o);
	snap_begin(&o, "empty", 0, 1);
	snap_end(&o);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	f.n = (size_t)pread(fd, f.p, sizeof(f.p), 0);
	close(fd);
	return f;
}

static void fields_come_back(void **state)
{
	struct file f = make();
	struct snap *s = snap_parse(f.p, f.n, NULL);
	struct snap_in in;
	char text[16], tail[4];

	(void)state;
	assert_non_null(s);
	assert_int_equal(snap_find(s, "disk", 3, 2, &in, NULL), 0);
	assert_int_equal(in.version, 2);
	assert_int_equal(snap_u8(&in), 0xfe);
	assert_int_equal(snap_u16(&in), 0xabcd);
	assert_int_equal(snap_u32(&in), 0xdeadbeef);
	assert_true(snap_u64(&in) == 0x0123456789abcdefull);
	snap_text(&in, text, sizeof(text));
	assert_string_equal(text, "office-7");
	snap_bytes(&in, tail, sizeof(tail));
	assert_memory_equal(tail, "tail", 4);
	assert_int_equal(snap_done(&in, NULL), 0);
	assert_int_equal(snap_find(s, "empty", 0, 1, &in, NULL), 0);
	assert_int_equal(snap_done(&in, NULL), 0);
	snap_free(s);
}

static void reading_past_the_end_is_noticed(void **state)
{
	struct file f = make();
	struct snap *s = snap_parse(f.p, f.n, NULL);
	struct snap_in in;
	struct err e = {0};
	uint8_t b[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	assert_int_equal(snap_find(s, "empty", 0, 1, &in, NULL), 0);
	snap_bytes(&in, b, sizeof(b));
	assert_int_equal(get_le64(b), 0);
	assert_int_equal(snap_done(&in, &e), -EBADMSG);
	assert_string_equal(e.word, "snapshot.damaged");
	assert_int_equal(snap_find(s, "disk", 3, 2, &in, NULL), 0);
	assert_int_equal(snap_u8(&in), 0xfe);
	assert_int_equal(snap_done(&in, NULL), -EBADMSG); /* something is left over */
	snap_free(s);
}

static void newer_and_missing_sections_are_told_apart(void **state)
{
	struct file f = make();
	struct snap *s = snap_parse(f.p, f.n, NULL);
	struct snap_in in;
	struct err e = {0};

	(void)state;
	assert_int_equal(snap_find(s, "disk", 3, 1, &in, &e), -ENOTSUP);
	assert_string_equal(e.word, "snapshot.newer");
	assert_int_equal(snap_find(s, "disk", 4, 9, &in, &e), -ENOENT);
	assert_string_equal(e.word, "snapshot.machine");
	snap_free(s);
}

/* Whatever bit flips, wherever the file ends: refused. */
static void no_damage_goes_unseen(void **state)
{
	struct file f = make();

	(void)state;
	for (size_t i = 0; i < f.n; i++) {
		struct err e = {0};

		if (i >= 12 && i < 16)
			continue; /* room for later use */
		f.p[i] ^= 0x10;
		assert_null(snap_parse(f.p, f.n, &e));
		assert_true(e.msg[0]);
		f.p[i] ^= 0x10;
	}
	for (size_t n = 0; n < f.n; n++)
		assert_null(snap_parse(f.p, n, NULL));
	f.p[f.n] = 0;
	assert_null(snap_parse(f.p, f.n + 1, NULL));
}

/* A length that would overflow the sum of offset and length. */
static void lengths_are_checked_before_use(void **state)
{
	struct file f = make();
	struct err e = {0};

	(void)state;
	put_le64(f.p + 16 + 24, UINT64_MAX - 8);
	assert_null(snap_parse(f.p, f.n, &e));
	assert_non_null(strstr(e.msg, "cut short"));
}

static void failing_to_write_is_told_at_the_end(void **state)
{
	struct snap_out o;

	(void)state;
	snap_out_init(&o, -1);
	snap_begin(&o, "x", 0, 1);
	snap_put_u32(&o, 1);
	snap_end(&o);
	assert_int_equal(snap_finish(&o), -EBADF);
	snap_out_fini(&o);
}

static void xxh64_is_the_published_one(void **state)
{
	static const char text[] = "Nobody inspects the spammish repetition";

	(void)state;
	assert_true(xxh64("", 0, 0) == 0xef46db3751d8e999ull);
	assert_true(xxh64("a", 1, 0) == 0xd24ec4f1a98c6e5bull);
	assert_true(xxh64("abc", 3, 0) == 0x44bc2cf5ad770999ull);
	assert_true(xxh64(text, sizeof(text) - 1, 0) == 0xfbcea83c8a378bf1ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back),
		cmocka_unit_test(reading_past_the_end_is_noticed),
		cmocka_unit_test(newer_and_missing_sections_are_told_apart),
		cmocka_unit_test(no_damage_goes_unseen),
		cmocka_unit_test(lengths_are_checked_before_use),
		cmocka_unit_test(failing_to_write_is_told_at_the_end),
		cmocka_unit_test(xxh64_is_the_published_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
