/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The digest of a disk's content: what it covers, and that holes cost nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/content.h"

#define PIECE 65536

static int temp(void)
{
	char path[] = "/tmp/pane-content-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void put(int fd, off_t at, uint8_t byte, size_t n)
{
	uint8_t buf[PIECE];

	memset(buf, byte, n);
	assert_int_equal(pwrite(fd, buf, n, at), n);
}

static void digest(int fd, char hex[65])
{
	assert_int_equal(content_sha256(fd, hex, NULL, NULL), 0);
}

/* By the words of content.h: pieces 1 and 3 (a short one) of a file of 3 pieces and 5 bytes. */
static void covers_what_it_says(void **state)
{
	static uint8_t text[8 + PIECE + 8 + 5 + 8];
	uint8_t sum[32], *p = text;
	char hex[65], want[65];
	int fd = temp();

	(void)state;
	put(fd, PIECE + 100, 7, 10);
	put(fd, 3 * PIECE, 9, 5);
	p[2] = 1; /* 65536, le64 */
	memset(p + 8 + 100, 7, 10);
	p += 8 + PIECE;
	p[2] = 3;
	memset(p + 8, 9, 5);
	p += 8 + 5;
	p[0] = 5, p[2] = 3; /* 3 * 65536 + 5 */
	assert_true(EVP_Digest(text, sizeof(text), sum, NULL, EVP_sha256(), NULL));
	for (int i = 0; i < 32; i++)
		snprintf(want + 2 * i, 3, "%02x", sum[i]);
	digest(fd, hex);
	assert_string_equal(hex, want);
	close(fd);
}

static void layout_does_not_count(void **state)
{
	int holes = temp(), zeros = temp();
	char a[65], b[65];

	(void)state;
	put(holes, 5 * PIECE, 1, 100);
	assert_int_equal(ftruncate(holes, 8 * PIECE), 0);
	for (int i = 0; i < 8; i++)
		put(zeros, i * PIECE, 0, PIECE);
	put(zeros, 5 * PIECE, 1, 100);
	digest(holes, a);
	digest(zeros, b);
	assert_string_equal(a, b);
	assert_int_equal(ftruncate(holes, 8 * PIECE + 1), 0); /* one zero more */
	digest(holes, a);
	assert_string_not_equal(a, b);
	put(zeros, 5 * PIECE, 0, 100);
	put(zeros, 6 * PIECE, 1, 100); /* the same bytes elsewhere */
	digest(zeros, a);
	assert_string_not_equal(a, b);
	close(holes);
	close(zeros);
}

static bool count(void *arg, int64_t bytes)
{
	*(int64_t *)arg += bytes;
	return *(int64_t *)arg <= 4 * PIECE;
}

static void holes_are_not_read(void **state)
{
	int fd = temp(), copy = temp();
	char hex[65], again[65];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int64_t read_bytes = 0;
	struct stat st;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)1 << 38), 0); /* 256 GiB */
	put(fd, (off_t)1 << 37, 1, 100);
	assert_int_equal(content_sha256(fd, hex, count, &read_bytes), 0);
	assert_true(read_bytes > 0);
	assert_true(EVP_DigestInit_ex(md, EVP_sha256(), NULL));
	assert_int_equal(content_add(fd, copy, md, NULL, NULL), 0);
	EVP_MD_CTX_free(md);
	assert_int_equal(fstat(copy, &st), 0);
	assert_int_equal(st.st_size, (off_t)1 << 38);
	assert_true(st.st_blocks * 512 <= 4 * PIECE);
	digest(copy, again);
	assert_string_equal(again, hex);
	read_bytes = 4 * PIECE;
	assert_int_equal(content_sha256(fd, hex, count, &read_bytes), -125); /* ECANCELED */
	close(fd);
	close(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covers_what_it_says),
		cmocka_unit_test(layout_does_not_count),
		cmocka_unit_test(holes_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
