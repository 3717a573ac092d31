/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Characters of UTF-8 (RFC 3629).
 */
#ifndef PANE_COMMON_UTF8_H
#define PANE_COMMON_UTF8_H

#include <stdint.h>

#define UTF8_BAD 0xfffdu /* U+FFFD, in place of what is not well formed */

/* The next character, which is advanced over; at least one byte is there. */
uint32_t utf8_next(const uint8_t **p, const uint8_t *end);
/* Removes what is left of a character that was cut at the end of s. */
void utf8_trim(char *s);

#endif
