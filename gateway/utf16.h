/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UTF-16LE, as RDP carries names and passwords, to UTF-8 and back.
 */
#ifndef PANE_GATEWAY_UTF16_H
#define PANE_GATEWAY_UTF16_H

#include <stddef.h>
#include <stdint.h>

/* Bytes before the first 16-bit zero, at most n. */
size_t utf16_length(const uint8_t *p, size_t n);
/* n bytes of p as NUL-terminated UTF-8 of at most size bytes. Returns its length; -1 (and "") for
 * an odd n, an unpaired surrogate, a zero, or when it does not fit. */
long utf16_to_utf8(char *out, size_t size, const uint8_t *p, size_t n);
/* NUL-terminated UTF-8 as UTF-16LE of at most size bytes. Returns its bytes; -1 for what is not
 * UTF-8, or when it does not fit. */
long utf8_to_utf16(uint8_t *out, size_t size, const char *s);

#endif
