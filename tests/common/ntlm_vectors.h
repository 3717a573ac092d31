/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What [MS-NLMP] 4.2.1 and 4.2.4 work through: the server's challenge, and the client's answer
 * (NTProofStr, temp) of 4.2.4.2.2.
 */
#ifndef PANE_TESTS_NTLM_VECTORS_H
#define PANE_TESTS_NTLM_VECTORS_H

#include <stdint.h>

static const uint8_t challenge[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
static const uint8_t response[] = {
	0x68, 0xcd, 0x0a, 0xb8, 0x51, 0xe5, 0x1c, 0x96, 0xaa, 0xbc, 0x92, 0x7b, 0xeb, 0xef,
	0x6a, 0x1c, 0x01, 0x01, 0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,
	0,    0,    0,	  0,	0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0,    0,
	0,    0,    0x02, 0,	0x0c, 0,    'D',  0,	'o',  0,    'm',  0,	'a',  0,
	'i',  0,    'n',  0,	0x01, 0,    0x0c, 0,	'S',  0,    'e',  0,	'r',  0,
	'v',  0,    'e',  0,	'r',  0,    0,	  0,	0,    0,    0,	  0,	0,    0};

#endif
