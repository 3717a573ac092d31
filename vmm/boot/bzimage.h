/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of a Linux bzImage (Documentation/arch/x86/boot.rst): checked, and reduced to what the
 * loader needs. The file may be anything: every field is range-checked against its size.
 */
#ifndef PANE_VMM_BOOT_BZIMAGE_H
#define PANE_VMM_BOOT_BZIMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define BZIMAGE_HEAD                                                                               \
	4096 /* bytes of the file bzimage_parse() wants to see, if there are as many               \
	      */
#define BZIMAGE_HEADER	   0x1f1 /* the setup header, in the file and in boot_params alike */
#define BZIMAGE_HEADER_MAX 0x290
#define BZIMAGE_ENTRY64	   0x200 /* 64-bit entry, from the start of the protected-mode code */

struct bzimage {
	uint16_t version;     /* boot protocol: 0x020f = 2.15 */
	uint64_t code_offset; /* bytes: where the protected-mode code begins in the file */
	uint64_t code_size;   /* bytes */
	uint64_t load;	      /* where it wants to lie in memory */
	uint64_t init_size;   /* bytes it needs from there on */
	uint64_t initrd_max;  /* highest address an initrd byte may have */
	uint32_t cmdline_max; /* bytes, without the NUL */
	size_t header_size;   /* bytes of setup header from BZIMAGE_HEADER on */
	uint8_t header[BZIMAGE_HEADER_MAX - BZIMAGE_HEADER];
};

/* head: the first n bytes of the file, file_size its whole length. The error says what is wrong
 * with the file ("is cut short: …"), the caller puts its name in front. */
int bzimage_parse(const uint8_t *head, size_t n, uint64_t file_size, struct bzimage *out,
		  struct err *e) must_check;

#endif
