/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The preface: what is said once at the start of a byte stream that is handed on, gateway -> host
 * (over mTLS) and host -> display (over a unix socket), and the answer to it. Both are one frame:
 * "PANE", u16 version (1), u16 length (big-endian), and a JSON object of that many bytes (at most
 * 8 KiB). After the answer {"ok":true} the stream belongs to the protocol (RDP or RFB).
 *
 * preface: {"grant": "...", "protocol":"rdp"|"rfb", "conn":"<id>", "client":"ip:port",
 * "user":"alice", "desktop":"<uuid>", "rdp":{"requested_protocols":3,"selected_protocol":1}} (grant
 * only on the gateway -> host leg; "mode":"view"|"control" only on the host -> display leg, from
 * the grant: "user" is then somebody who looks at this user's session) answer:  {"ok":true} or
 * {"ok":false,"code":"desktop.unknown","message":"..."}
 */
#ifndef PANE_COMMON_PREFACE_H
#define PANE_COMMON_PREFACE_H

#include <jansson.h>
#include "common/buf.h"
#include "common/err.h"

#define PREFACE_MAX  8192
#define PREFACE_HEAD 8

/* Appends the frame for o to b. */
int preface_append(struct buf *b, json_t *o) must_check;
/* Takes one frame from the front of p: returns bytes used and a new reference in *o, 0 when more
 * bytes are needed, -EPROTO when this is not a preface. */
int preface_take(const void *p, size_t n, json_t **o, struct err *e) must_check;

#endif
