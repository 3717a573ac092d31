/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/snapshot/identity.c: no two identities are alike, names are fit for hosts, and the disk says
 * nothing before it is filled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/snapshot/identity.h"
#include "vmm/virtio/block.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 0xaf};

static void two_are_never_alike(void **state)
{
	struct identity a, b;

	(void)state;
	assert_int_equal(identity_make(&a, "x", mac), 0);
	assert_int_equal(identity_make(&b, "x", mac), 0);
	assert_memory_not_equal(a.generation, b.generation, sizeof(a.generation));
	assert_memory_not_equal(a.seed, b.seed, sizeof(a.seed));
}

static const char *named(const char *name)
{
	static struct identity id;

	assert_int_equal(identity_make(&id, name, mac), 0);
	return id.hostname;
}

static void names_are_fit_for_hosts(void **state)
{
	char text[IDENTITY_BLANK];
	struct identity id;

	(void)state;
	assert_string_equal(named("office-7"), "office-7");
	assert_string_equal(named("a b\n=c"), "a-b--c");
	assert_string_equal(named("--x--"), "x");
	assert_string_equal(named("\xc3\xa4"), "desktop");
	assert_int_equal(
		strlen(named(
			"0123456789012345678901234567890123456789012345678901234567890123456789")),
		IDENTITY_NAME_MAX);
	assert_int_equal(identity_make(&id, "evil\nseed=1", mac), 0);
	identity_text(&id, text);
	assert_non_null(strstr(text, "hostname=evil-seed-1\nmac=52:54:00:01:02:af\ngeneration="));
}

static void the_disk_grows_when_filled(void **state)
{
	struct block *b = identity_disk_new(IDENTITY_BLANK);
	static char got[IDENTITY_BYTES];
	struct iovec v = {.iov_base = got, .iov_len = IDENTITY_BLANK};
	struct identity id;

	(void)state;
	assert_non_null(b);
	assert_int_equal(b->size, IDENTITY_BLANK);
	assert_int_equal(b->ops->readv(b, &v, 1, 0), 0);
	for (size_t i = 0; i < IDENTITY_BLANK; i++)
		assert_int_equal(got[i], 0);
	assert_true(b->ops->readv(b, &v, 1, 512) < 0);
	assert_true(b->ops->writev(b, &v, 1, 0) < 0);
	assert_int_equal(identity_make(&id, "n", mac), 0);
	identity_disk_fill(b, &id);
	assert_int_equal(b->size, IDENTITY_BYTES);
	v.iov_len = IDENTITY_BYTES;
	assert_int_equal(b->ops->readv(b, &v, 1, 0), 0);
	assert_int_equal(strncmp(got + IDENTITY_BLANK, "pane-identity 1\nhostname=n\n", 27), 0);
	block_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_are_never_alike),
		cmocka_unit_test(names_are_fit_for_hosts),
		cmocka_unit_test(the_disk_grows_when_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
