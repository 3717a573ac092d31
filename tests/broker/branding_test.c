/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/branding.h"

/* Figures of the contrast to #f2f2f2 by WCAG's formula, by hand. */
static void test_accent(void **state)
{
	static const char *const good[] = {"",	      "#000000", "#0b5394",
					   "#0066cc", "#6a1b9a", "#a61c00"};
	static const char *const bad[] = {"#ffffff", "#ffff00", "#ff8800", "#33aa33", "#808080"};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(branding_accent(good[i], &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char said[8] = "";

		assert_true(branding_accent(bad[i], &e) < 0);
		memcpy(said, strrchr(e.msg, '#'), 7); /* what is offered is good */
		assert_int_equal(branding_accent(said, &e), 0);
	}
}

static void test_words(void **state)
{
	static const char *const bad[] = {"red",      "#FFFFFF", "#12345",
					  "#1234567", "0b5394#", "#0b539g"};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(branding_accent(bad[i], &e) < 0);
}

/* A PNG of 16 by 16 whose chunks' lengths lie: never read past its end (asan). */
static void test_lengths(void **state)
{
	static const uint8_t head[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
				       0,    0,	  0,   13,  'I',  'H',	'D',  'R'};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		size_t n = sizeof(head) + i;
		uint8_t *png = calloc(1, n);

		assert_non_null(png);
		memcpy(png, head, sizeof(head));
		if (i & 1)
			memset(png + 8, 0xff, 4);
		assert_true(branding_logo(png, &n, &e) < 0);
		free(png);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accent),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
