/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The outer layers of RDP's connection sequence: TPKT (RFC 1006), X.224 class 0, the MCS domain
 * PDUs (T.125) and the few PDUs a refusal is made of. Pure functions over bytes;
 * [MS-RDPBCGR] 2.2.1.
 */
#ifndef PANE_GATEWAY_RDP_PDU_H
#define PANE_GATEWAY_RDP_PDU_H

#include <stdbool.h>
#include "common/buf.h"

#define RDP_MAX_CR	512
#define RDP_MAX_INITIAL 16384
#define RDP_MAX_DOMAIN	64
#define RDP_MAX_INFO	4096

#define RDP_DATA_HEAD	   7 /* TPKT and X.224 data */
#define RDP_IO_CHANNEL	   1003
#define RDP_SERVER_CHANNEL 1002
#define RDP_USER_BASE	   1001 /* user ids travel as their distance from it */

enum rdp_protocol { /* [MS-RDPBCGR] 2.2.1.1.1 */
	RDP_PROTOCOL_SSL = 1,
	RDP_PROTOCOL_HYBRID = 2,
};

enum rdp_mcs_kind { /* T.125 DomainMCSPDU */
	RDP_MCS_ERECT_DOMAIN = 1,
	RDP_MCS_DISCONNECT = 8,
	RDP_MCS_ATTACH_USER = 10,
	RDP_MCS_CHANNEL_JOIN = 14,
	RDP_MCS_SEND_DATA = 25,
};

enum rdp_share_kind { /* pduType, [MS-RDPBCGR] 2.2.8.1.1.1.1 */
	RDP_SHARE_DEMAND_ACTIVE = 1,
	RDP_SHARE_CONFIRM_ACTIVE = 3,
	RDP_SHARE_DEACTIVATE_ALL = 6,
};

enum rdp_error_info { /* [MS-RDPBCGR] 2.2.5.1.1 */
	RDP_ERR_IDLE = 0x3,
	RDP_ERR_LOGON_TIMEOUT = 0x4,
	RDP_ERR_DENIED = 0x7,
	RDP_ERR_PRIVILEGES = 0x9,
	RDP_ERR_BY_USER = 0xC,
	RDP_ERR_NOT_FOUND = 0x400,
	RDP_ERR_LOADING = 0x402,
	RDP_ERR_REDIRECTING = 0x404,
	RDP_ERR_POOL_NOT_FREE = 0x408,
	RDP_ERR_BOOT_TIMEOUT = 0x411,
};

struct rdp_connect_request {
	bool negotiates;    /* an RDP_NEG_REQ was there */
	uint32_t protocols; /* its requestedProtocols */
	uint16_t src_ref;
	char token[160]; /* routing token or cookie, without "Cookie: msts="; "" = none */
};

/* The TPKT frame at p: 0 with its length, -EAGAIN, -EPROTO for another protocol, -EMSGSIZE. */
int rdp_frame(const uint8_t *p, size_t n, size_t max, size_t *len) must_check;
/* Parsers take one whole frame. */
int rdp_parse_connect_request(const uint8_t *p, size_t n,
			      struct rdp_connect_request *cr) must_check;
int rdp_write_connect_confirm(struct buf *b, const struct rdp_connect_request *cr,
			      enum rdp_protocol selected) must_check;
/* RDP_NEG_FAILURE: SSL_REQUIRED_BY_SERVER or HYBRID_REQUIRED_BY_SERVER */
int rdp_write_needs(struct buf *b, const struct rdp_connect_request *cr,
		    enum rdp_protocol needed) must_check;

/* The PDU at p once both sides are past MCS, TPKT or fast-path: as rdp_frame(), without a limit. */
int rdp_any_frame(const uint8_t *p, size_t n, size_t *len) must_check;

/* Appends TPKT and X.224 data headers for a payload of n bytes. */
int rdp_write_data_head(struct buf *b, size_t n) must_check;
/* Checks those headers of a frame; returns where the payload starts or -EPROTO. */
int rdp_data_payload(const uint8_t *p, size_t n) must_check;

/* The kind of a domain PDU (an enum rdp_mcs_kind or another number), or -EPROTO. */
int rdp_mcs_kind(const uint8_t *p, size_t n) must_check;
int rdp_parse_erect_domain(const uint8_t *p, size_t n) must_check;
int rdp_parse_attach_user(const uint8_t *p, size_t n) must_check;
int rdp_parse_channel_join(const uint8_t *p, size_t n, uint16_t *user,
			   uint16_t *channel) must_check;
int rdp_write_attach_confirm(struct buf *b, uint16_t user) must_check;
int rdp_write_join_confirm(struct buf *b, uint16_t user, uint16_t channel) must_check;

/* The sequence that ends a login after Client Info: license granted, Set Error Info (when the
 * client understands it; code 0 leaves it out), Disconnect Provider Ultimatum. */
int rdp_write_refusal(struct buf *b, uint32_t error_info) must_check;
/* A whole PDU of a server: is it one of licensing (2.2.1.12)? */
bool rdp_is_license(const uint8_t *p, size_t n) must_check;
/* A whole PDU of either side: its kind of share PDU (an enum rdp_share_kind or another number) with
 * *share_id where that kind begins with one, or -EPROTO for what is none. */
int rdp_share_kind(const uint8_t *p, size_t n, uint32_t *share_id) must_check;
/* 2.2.3.1: what follows begins with a Demand Active. */
int rdp_write_deactivate_all(struct buf *b, uint32_t share_id) must_check;
/* The same for a client that is past that: Set Error Info, Disconnect Provider Ultimatum. */
int rdp_write_error_info(struct buf *b, uint32_t error_info) must_check;

#endif
