/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The Client Info PDU: who the client says it is. Pure functions. [MS-RDPBCGR] 2.2.1.11.
 */
#ifndef PANE_GATEWAY_RDP_INFO_H
#define PANE_GATEWAY_RDP_INFO_H

#include "common/secret.h"
#include "gateway/rdp_gcc.h"

struct rdp_info {
	char user[256], domain[256]; /* UTF-8 */
	struct secret password;
	size_t password_at, password_bytes; /* where it lies in the frame */
	bool unicode;
};

/* n: one whole frame. -EPROTO for what is no Client Info of this client. */
int rdp_parse_info(const uint8_t *p, size_t n, const struct rdp_client *c,
		   struct rdp_info *i) must_check;
/* Overwrites the password in the frame with spaces. */
void rdp_scrub_info(uint8_t *p, const struct rdp_info *i);

#endif
