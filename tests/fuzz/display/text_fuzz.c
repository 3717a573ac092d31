/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clipboard text as clients and desktops send it: whatever comes is converted to something well
 * formed, which converts to the same again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "common/surface.h"
#include "display/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n, wide_n, back_n, other_n;
	char *text = disp_text_from_utf16(data, size, &n), *back, *other;
	uint8_t *wide;

	if (!surface_clip_text_ok(text, n))
		abort();
	wide = disp_text_to_utf16(text, n, &wide_n);
	back = disp_text_from_utf16(wide, wide_n, &back_n);
	if (back_n != n || memcmp(back, text, n) != 0)
		abort();
	other = disp_text_lf((const char *)data, size, &other_n);
	if (!surface_clip_text_ok(other, other_n))
		abort();
	free(other);
	other = disp_text_from_latin1((const char *)data, size, &other_n);
	free(disp_text_to_latin1(other, other_n, &n));
	free(disp_text_crlf(other, other_n, &n));
	free(other);
	free(text);
	free(wide);
	free(back);
	return 0;
}
