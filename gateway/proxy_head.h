/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head that a load balancer puts before a client's first byte, to say who the client is: "The
 * PROXY protocol, versions 1 & 2" (HAProxy's specification), version 2 only, section 2.2.
 */
#ifndef PANE_GATEWAY_PROXY_HEAD_H
#define PANE_GATEWAY_PROXY_HEAD_H

#include "common/sock.h"

#define PROXY_FIXED 16			 /* signature, command, family, length */
#define PROXY_MAX   (PROXY_FIXED + 1024) /* with what follows the addresses, which is passed over */

struct proxy_head {
	size_t bytes; /* of the whole head */
	/* "ip:port" of the client; "" where the balancer speaks for itself (LOCAL, as its health
	 * checks do) or does not know. */
	char peer[SOCK_ADDR_MAX];
};

/* Looks at n bytes. -EAGAIN: h->bytes are needed to say more; -EPROTO: no such head; -EMSGSIZE:
 * larger than PROXY_MAX. */
int proxy_head_parse(const uint8_t *p, size_t n, struct proxy_head *h) must_check;

#endif
