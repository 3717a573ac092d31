/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MD4, which NTLM makes its password hash with and OpenSSL 3 keeps among what nobody should use.
 * RFC 1320. Nothing of ours rests on its strength.
 */
#ifndef PANE_COMMON_MD4_H
#define PANE_COMMON_MD4_H

#include <stddef.h>
#include <stdint.h>

#define MD4_LEN 16

void md4(uint8_t out[MD4_LEN], const uint8_t *p, size_t n);

#endif
