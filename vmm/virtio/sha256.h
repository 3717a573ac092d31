/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-256 (FIPS 180-4) for the names and checksums of overlays (overlay.h), which guard against
 * mistakes and not against forgers. pane-vmm has its own because loading a library of cryptography
 * took longer than everything else a clone does before its guest runs. Pure.
 */
#ifndef PANE_VMM_VIRTIO_SHA256_H
#define PANE_VMM_VIRTIO_SHA256_H

#include <stddef.h>

#define SHA256_TEXT 65 /* 64 hexadecimal digits, lower case, and NUL */

void sha256_text(char out[SHA256_TEXT], const void *p, size_t n);
/* The same without the processor's own instructions for it; a test compares them. */
void sha256_text_portable(char out[SHA256_TEXT], const void *p, size_t n);

#endif
