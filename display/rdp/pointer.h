/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pointer shapes towards an RDP client, [MS-RDPBCGR] 2.2.9.1.1.4: a shape the client has in its
 * cache is named by number instead of being sent again.
 */
#ifndef PANE_DISPLAY_RDP_POINTER_H
#define PANE_DISPLAY_RDP_POINTER_H

#include <freerdp/freerdp.h>
#include "display/screen.h"

#define POINTER_SLOTS 20 /* at most; clients announce at least as many */

struct pointer_cache {
	uint64_t hash[POINTER_SLOTS]; /* 0 = empty */
	uint64_t used[POINTER_SLOTS]; /* when, by clock */
	uint64_t clock;
};

/* Makes c the client's pointer. 0 or -EIO. */
int disp_pointer_send(struct pointer_cache *cache, rdpContext *context,
		      const struct disp_cursor *c) must_check;

#endif
