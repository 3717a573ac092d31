/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MCS Connect-Initial and Connect-Response with the GCC data blocks inside. Pure functions.
 * [MS-RDPBCGR] 2.2.1.3, 2.2.1.4; T.125 §7 (BER); T.124 (PER).
 */
#ifndef PANE_GATEWAY_RDP_GCC_H
#define PANE_GATEWAY_RDP_GCC_H

#include <stdbool.h>
#include "common/buf.h"

#define RDP_MAX_CHANNELS 31

struct rdp_domain_params {
	uint32_t channels, users, tokens, priorities, throughput, height, pdu_bytes, version;
};

/* What the gateway must know of a client to answer it as the display will. */
struct rdp_client {
	struct rdp_domain_params params;    /* the agreed ones */
	uint32_t version;		    /* agreed RDP version */
	uint16_t early_caps;		    /* earlyCapabilityFlags, 0 where absent */
	uint16_t n_channels;		    /* static virtual channels */
	uint16_t channel[RDP_MAX_CHANNELS]; /* their MCS ids */
	uint16_t message_channel;	    /* 0 = none */
	uint16_t user_channel;		    /* the id AttachUserConfirm will carry */
	bool skip_join;			    /* no ChannelJoinRequests will come */
	char name[64];			    /* the client's computer name, UTF-8 */
	uint16_t width, height;		    /* pixels, as the client wants them; unchecked */
	uint32_t layout;		    /* keyboardLayout */
	size_t selected_at;		    /* of serverSelectedProtocol in the frame; 0 = absent */
};

#define RDP_CS_SKIP_JOIN 0x0800 /* RNS_UD_CS_SUPPORT_SKIP_CHANNELJOIN */

/* n: one whole frame; selected: the protocol the client was told (enum rdp_protocol). */
int rdp_parse_connect_initial(const uint8_t *p, size_t n, uint32_t selected,
			      struct rdp_client *c) must_check;
/* The frame as a client would have sent it that was told plain TLS: what the display believes. */
void rdp_set_selected_tls(uint8_t *frame, const struct rdp_client *c);
int rdp_write_connect_response(struct buf *b, const struct rdp_client *c,
			       uint32_t requested_protocols) must_check;
/* The channels a client must join: ids in `out`, which has room for RDP_MAX_CHANNELS + 3. */
size_t rdp_channels_to_join(const struct rdp_client *c, uint16_t *out);

#endif
