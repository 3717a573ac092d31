/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RDP 8.0 bulk compressor, [MS-RDPEGFX] 2.2.5 and 3.1.9.1: a match history of 2.5 MB that
 * lives as long as the channel, so a screen seen before costs a few hundred bytes.
 */
#ifndef PANE_DISPLAY_RDP_ZGFX_H
#define PANE_DISPLAY_RDP_ZGFX_H

#include <stddef.h>
#include <stdint.h>
#include "common/buf.h"

#define ZGFX_HISTORY 2500000u /* bytes a match may reach back */
#define ZGFX_SEGMENT 65535u   /* bytes of input a segment */

struct zgfx;

struct zgfx *disp_zgfx_new(void);
void disp_zgfx_free(struct zgfx *z);
/* Appends n bytes as one RDP_SEGMENTED_DATA to out. 0 or -ENOMEM/-ENOBUFS, after which the history
 * no longer matches the client's: end the channel. */
int disp_zgfx_compress(struct zgfx *z, const uint8_t *p, size_t n, struct buf *out) must_check;
/* The same without looking for matches: for what is packed already. */
int disp_zgfx_store(struct zgfx *z, const uint8_t *p, size_t n, struct buf *out) must_check;

#endif
