/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Everything an RDP client can say before login, as one stream of frames: Connection Request, then
 * Connect-Initial, then domain PDUs and Client Info in any order. What parses is also answered, and
 * what is answered must be what a client can frame.
 */
#include "gateway/rdp_info.h"
#include "gateway/rdp_pdu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(struct buf *b)
{
	size_t len;

	if (b->len && (rdp_frame(buf_head(b), b->len, 65535, &len) || len > b->len))
		abort();
	buf_fini(b);
}

static void domain(const uint8_t *p, size_t n, const struct rdp_client *c)
{
	uint16_t user, channel;
	struct rdp_info i;
	uint8_t *copy;

	if (rdp_mcs_kind(p, n) < 0 || rdp_parse_erect_domain(p, n) == 0 ||
	    rdp_parse_attach_user(p, n) == 0 ||
	    rdp_parse_channel_join(p, n, &user, &channel) == 0 || rdp_parse_info(p, n, c, &i) != 0)
		return;
	copy = malloc(n);
	if (!copy)
		return;
	memcpy(copy, p, n);
	rdp_scrub_info(copy, &i);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rdp_connect_request cr = {0};
	struct rdp_client c = {0};
	struct buf b;
	size_t len;

	buf_init(&b, 4096);
	if (rdp_frame(data, size, RDP_MAX_CR, &len) == 0) {
		if (!rdp_parse_connect_request(data, len, &cr) &&
		    !rdp_write_connect_confirm(&b, &cr, RDP_PROTOCOL_SSL))
			check_answer(&b);
		data += len;
		size -= len;
	}
	if (rdp_frame(data, size, RDP_MAX_INITIAL, &len) == 0) {
		if (!rdp_parse_connect_initial(data, len, RDP_PROTOCOL_SSL, &c)) {
			if (rdp_write_connect_response(&b, &c, cr.protocols))
				abort();
			check_answer(&b);
		}
		data += len;
		size -= len;
	}
	while (rdp_frame(data, size, RDP_MAX_INFO, &len) == 0) {
		domain(data, len, &c);
		data += len;
		size -= len;
	}
	buf_fini(&b);
	return 0;
}
