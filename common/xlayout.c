/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See xlayout.h. The number is a language in its lower half ([MS-LCID]) and a variant in its upper
 * one; a variant that is not listed is taken as its language's standard layout.
 */
#include "common/xlayout.h"

#include <stddef.h>
#include <stdio.h>
#include "common/cleanup.h"

static const struct {
	uint32_t number;
	const char *name;
} latin[] = {
	/* variants first */
	{0x00010409, "us(dvorak)"},
	{0x00020409, "us(intl)"},
	{0x00060409, "us(colemak)"},
	{0x00030409, "us(dvorak-l)"},
	{0x00040409, "us(dvorak-r)"},
	{0x00000452, "gb(intl)"},
	{0x00011009, "ca(multix)"},
	{0x00010416, "br(nodeadkeys)"},
	{0x00010415, "pl(qwertz)"},
	{0x00010405, "cz(qwerty)"},
	{0x0001080c, "be"},
	/* languages */
	{0x0403, "es(cat)"},
	{0x0405, "cz"},
	{0x0406, "dk"},
	{0x0407, "de"},
	{0x0409, "us"},
	{0x040a, "es"},
	{0x040b, "fi"},
	{0x040c, "fr"},
	{0x040e, "hu"},
	{0x040f, "is"},
	{0x0410, "it"},
	{0x0413, "us(intl)"}, /* what the Netherlands use */
	{0x0414, "no"},
	{0x0415, "pl"},
	{0x0416, "br"},
	{0x0418, "ro"},
	{0x041a, "hr"},
	{0x041b, "sk"},
	{0x041d, "se"},
	{0x041f, "tr"},
	{0x0424, "si"},
	{0x0425, "ee"},
	{0x0426, "lv"},
	{0x0427, "lt"},
	{0x042a, "vn"},
	{0x0807, "ch"},
	{0x0809, "gb"},
	{0x080a, "latam"},
	{0x080c, "be"},
	{0x0813, "be"},
	{0x0816, "pt"},
	{0x0c07, "at"},
	{0x0c0a, "es"},
	{0x0c0c, "ca"},
	{0x1009, "ca"},
	{0x100c, "ch(fr)"},
	{0x1809, "ie"},
};

static const struct {
	uint16_t language;
	const char *name;
} other[] = {
	{0x0401, "ara"}, {0x0402, "bg(phonetic)"}, {0x0408, "gr"}, {0x040d, "il"}, {0x0419, "ru"},
	{0x041e, "th"},	 {0x0422, "ua"},	   {0x0423, "by"}, {0x0429, "ir"}, {0x042b, "am"},
	{0x042f, "mk"},	 {0x0437, "ge"},	   {0x043f, "kz"}, {0x0c1a, "rs"},
};

/* By primary language identifier, the lower ten bits of a language ([MS-LCID] 2.1). */
static const struct {
	uint16_t language;
	const char *name;
} languages[] = {
	{0x03, "ca"}, {0x05, "cs"}, {0x06, "da"}, {0x07, "de"}, {0x0a, "es"},
	{0x0b, "fi"}, {0x0c, "fr"}, {0x0e, "hu"}, {0x10, "it"}, {0x13, "nl"},
	{0x14, "nb"}, {0x15, "pl"}, {0x16, "pt"}, {0x18, "ro"}, {0x19, "ru"},
	{0x1b, "sk"}, {0x1d, "sv"}, {0x1f, "tr"}, {0x22, "uk"},
};

bool xlayout_symbols(uint32_t layout, char out[XLAYOUT_SYMBOLS])
{
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_LEN(latin) && !name; i++)
		if (latin[i].number == layout)
			name = latin[i].name;
	for (size_t i = 0; i < ARRAY_LEN(latin) && !name; i++)
		if (latin[i].number == (layout & 0xffff))
			name = latin[i].name;
	if (name) {
		snprintf(out, XLAYOUT_SYMBOLS, "pc+%s+inet(evdev)", name);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		if (other[i].language != (layout & 0xffff))
			continue;
		snprintf(out, XLAYOUT_SYMBOLS, "pc+us+%s:2+inet(evdev)+group(alt_shift_toggle)",
			 other[i].name);
		return true;
	}
	return false;
}

const char *xlayout_language(uint32_t layout)
{
	if ((layout & 0xffff) == 0x0416)
		return "pt_BR";
	for (size_t i = 0; i < ARRAY_LEN(languages); i++)
		if (languages[i].language == (layout & 0x3ff))
			return languages[i].name;
	return NULL;
}
