/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lobby's fonts have the letters of every language there is a place for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/font.h"
#include "common/utf8.h"

#define FONTS "/usr/share/fonts/truetype/dejavu/"
#define SIZE  32

static uint32_t pixels[2][SIZE * SIZE];

static void draw(struct font *f, int which, uint32_t c)
{
	struct canvas to = {SIZE, SIZE, pixels[which]};

	memset(pixels[which], 0, sizeof(pixels[which]));
	font_draw(f, &to, 4, 24, c, 0xffffff);
}

static void has_all(const char *file)
{
	/* German, French, Spanish, Italian, Dutch, Polish, Portuguese, Swedish, Czech, and signs */
	const char *letters =
		"äöüÄÖÜßéèêëàâçîïôùûœÉÈñ¿¡áíóúòìĳąćęłńśźżŁŚŻãõåÅčďěňřšťůýžČŘŠŽ„“”«»’…–·•";
	const uint8_t *p = (const uint8_t *)letters, *end = p + strlen(letters);
	struct font *f = font_new(file, NULL);

	assert_non_null(f);
	assert_int_equal(font_begin(f, 20), 0);
	draw(f, 0, 0xe123); /* nobody's character: the box */
	while (p < end) {
		uint32_t c = utf8_next(&p, end);

		draw(f, 1, c);
		if (!memcmp(pixels[0], pixels[1], sizeof(pixels[0])))
			fail_msg("%s has no U+%04X", file, c);
	}
	font_end(f);
	font_free(f);
}

static void letters_of_ten_languages(void **state)
{
	(void)state;
	has_all(FONTS "DejaVuSans.ttf");
	has_all(FONTS "DejaVuSans-Bold.ttf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(letters_of_ten_languages)};

	if (access(FONTS "DejaVuSans.ttf", R_OK)) {
		puts("fonts-dejavu-core is not installed");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
