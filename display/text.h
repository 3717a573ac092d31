/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text as clipboards have it: UTF-8 with LF here, UTF-16 with CR LF at an RDP client, UTF-8 with CR
 * LF at an RFB one. What is not well formed becomes U+FFFD; a NUL ends the text.
 */
#ifndef PANE_DISPLAY_TEXT_H
#define PANE_DISPLAY_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

/* Each returns memory the caller frees, NULL when there is none; *out is its length in bytes. */

/* Little-endian, with CR LF and a final NUL (which *out includes). */
uint8_t *disp_text_to_utf16(const char *text, size_t n, size_t *out);
/* With a NUL behind the end (which *out does not include). n may be odd: a last half is ignored. */
char *disp_text_from_utf16(const uint8_t *p, size_t n, size_t *out);
char *disp_text_from_latin1(const char *p, size_t n, size_t *out);
/* What Latin-1 does not have becomes a question mark. */
char *disp_text_to_latin1(const char *text, size_t n, size_t *out);
/* LF to CR LF, and the other way; also makes it well formed. */
char *disp_text_crlf(const char *text, size_t n, size_t *out);
char *disp_text_lf(const char *text, size_t n, size_t *out);

#endif
