/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See branding.h. The logo is shown to people who are not logged in and comes from this site's own
 * address, so it must be a picture whatever else its sender says: no SVG, no page that calls itself
 * one, nothing behind the picture's end. Clause numbers are those of the PNG specification, third
 * edition.
 */
#include "broker/branding.h"
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTRAST_MIN 4.5
#define GREY	     0xf2 /* of the console's light pages; white is easier to read against */

/* ---- the colour ---- */

/* WCAG 2.1, "relative luminance". */
static double part(unsigned c)
{
	double x = c / 255.0;

	return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static double luminance(unsigned r, unsigned g, unsigned b)
{
	return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}

static double contrast(const unsigned c[3])
{
	return (luminance(GREY, GREY, GREY) + 0.05) / (luminance(c[0], c[1], c[2]) + 0.05);
}

int branding_accent(const char *text, struct err *e)
{
	unsigned c[3], dark[3];
	double had;

	if (!*text)
		return 0;
	if (strlen(text) != 7 || text[0] != '#' || strspn(text + 1, "0123456789abcdef") != 6 ||
	    sscanf(text + 1, "%2x%2x%2x", &c[0], &c[1], &c[2]) != 3)
		return err_set(e, -EINVAL,
			       "\"accent\" is a colour like #0b5394: # and six of 0-9 and a-f.");
	had = contrast(c);
	if (had >= CONTRAST_MIN)
		return 0;
	memcpy(dark, c, sizeof(dark));
	for (int i = 99; i >= 0 && contrast(dark) < CONTRAST_MIN; i--)
		for (int k = 0; k < 3; k++)
			dark[k] = c[k] * (unsigned)i / 100;
	return err_set(
		e, -EINVAL,
		"%s is too bright to be read: its contrast to a page is %.1f to 1, and at least "
		"%.1f is needed. #%02x%02x%02x is dark enough.",
		text, had, CONTRAST_MIN, dark[0], dark[1], dark[2]);
}

/* ---- the logo ---- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Annex D. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
	}
	return ~c;
}

/* What belongs to the picture: 11.2, and of the ancillary chunks those that change what is seen. */
static bool wanted(const uint8_t *type)
{
	static const char types[][5] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "sRGB"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!memcmp(types[i], type, 4))
			return true;
	return false;
}

/* 11.2.1: size, and a bit depth that goes with the colour type. */
static int check_header(const uint8_t *p, struct err *e)
{
	static const uint32_t depths[] = {[0] = 1 | 2 | 4 | 8 | 16,
					  [2] = 8 | 16,
					  [3] = 1 | 2 | 4 | 8,
					  [4] = 8 | 16,
					  [6] = 8 | 16};
	uint32_t w = be32(p), h = be32(p + 4);
	uint8_t depth = p[8], type = p[9];

	if (w < BRANDING_MIN_PX || h < BRANDING_MIN_PX || w > BRANDING_MAX_PX ||
	    h > BRANDING_MAX_PX)
		return err_set(e, -EINVAL,
			       "The logo is %u by %u pixels; %d to %d each way are good.", w, h,
			       BRANDING_MIN_PX, BRANDING_MAX_PX);
	if (type >= ARRAY_LEN(depths) || !depth || (depth & (depth - 1)) ||
	    !(depths[type] & depth) || p[10] || p[11] || p[12] > 1)
		return err_set(e, -EINVAL, "The logo is no PNG: its header makes no sense.");
	return 0;
}

static int broken(struct err *e)
{
	return err_set(e, -EINVAL,
		       "The logo is a PNG that is cut short or damaged. Save it again.");
}

int branding_logo(uint8_t *png, size_t *n, struct err *e)
{
	static const uint8_t magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	size_t at = sizeof(magic), kept = at;
	bool data = false, end = false;

	if (*n > BRANDING_LOGO_MAX)
		return err_set(e, -EINVAL, "The logo has %zu bytes; at most %u are good.", *n,
			       BRANDING_LOGO_MAX);
	if (*n < at || memcmp(png, magic, at) != 0)
		return err_set(
			e, -EINVAL,
			"The logo is no PNG. Other kinds of picture are not taken: save it as "
			"PNG.");
	while (!end) {
		const uint8_t *chunk = png + at;
		size_t len = *n - at >= 12 ? be32(chunk) : SIZE_MAX;

		if (*n - at < 12 || len > *n - at - 12 ||
		    crc32_of(chunk + 4, len + 4) != be32(chunk + 8 + len))
			return broken(e);
		if ((at == sizeof(magic)) != !memcmp(chunk + 4, "IHDR", 4) ||
		    (at == sizeof(magic) && len != 13))
			return broken(e);
		if (at == sizeof(magic) && check_header(chunk + 8, e))
			return -EINVAL;
		data = data || (!memcmp(chunk + 4, "IDAT", 4) && len);
		end = !memcmp(chunk + 4, "IEND", 4);
		if (!wanted(chunk + 4) && !(chunk[4] & 0x20))
			return broken(e); /* critical, and unknown: nobody can show it */
		at += len + 12;
		if (wanted(chunk + 4)) {
			memmove(png + kept, chunk, len + 12);
			kept += len + 12;
		}
	}
	if (!data)
		return broken(e);
	*n = kept; /* nothing behind the end */
	return 0;
}

/* ---- a change ---- */

static int take_logo(json_t *o, struct err *e)
{
	const char *text = json_string_value(json_object_get(o, "logo"));
	size_t len = text ? strlen(text) : 0, n;
	cleanup_free uint8_t *png = malloc(len / 4 * 3 + 4);
	cleanup_free char *again = NULL;
	int got;

	if (!text || !len || len % 4 || len > (BRANDING_LOGO_MAX + 2) / 3 * 4 + 4)
		return err_set(e, -EINVAL,
			       "\"logo\" is a PNG of at most %u bytes in base64, or null.",
			       BRANDING_LOGO_MAX);
	if (!png)
		return err_set(e, -ENOMEM, "out of memory");
	got = EVP_DecodeBlock(png, (const uint8_t *)text, (int)len);
	if (got < 0)
		return err_set(e, -EINVAL, "\"logo\" is not base64.");
	n = (size_t)got - (text[len - 1] == '=') - (text[len - 2] == '=');
	if (branding_logo(png, &n, e))
		return -EINVAL;
	again = malloc(n / 3 * 4 + 8);
	if (!again)
		return err_set(e, -ENOMEM, "out of memory");
	EVP_EncodeBlock((uint8_t *)again, png, (int)n);
	return json_object_set_new(o, "logo", json_string(again)) ? -ENOMEM : 0;
}

/* Characters that can be read; lines where lines is set. */
static int check_text(json_t *o, const char *key, size_t max, bool lines, struct err *e)
{
	const char *s = NULL;
	size_t n = 0;
	int r = json_opt_str(o, key, max * 4, &s, e);

	for (const char *p = s; !r && p && *p; p++) {
		n += (*p & 0xc0) != 0x80;
		if ((unsigned char)*p < ' ' ? *p != '\n' || !lines : *p == 0x7f)
			return err_set(e, -EINVAL, "\"%s\" has a character that cannot be read%s.",
				       key, lines ? "" : " in one line");
	}
	if (!r && n > max)
		return err_set(e, -EINVAL, "\"%s\" has at most %zu characters; this one has %zu.",
			       key, max, n);
	return r;
}

int branding_check(json_t *o, struct err *e)
{
	static const char *const keys[] = {"name", "login_text", "support", "accent", "logo", NULL};
	const char *accent = "";
	json_t *logo = json_object_get(o, "logo");
	int r = valid_keys(o, keys, e);

	if (!r)
		r = check_text(o, "name", 60, false, e);
	if (!r)
		r = check_text(o, "login_text", 600, true, e);
	if (!r)
		r = check_text(o, "support", 200, false, e);
	if (!r)
		r = json_opt_str(o, "accent", 16, &accent, e);
	if (!r)
		r = branding_accent(accent, e);
	if (!r && logo && !json_is_null(logo))
		r = take_logo(o, e);
	return r;
}
