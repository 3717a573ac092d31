/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages of an RFB login: the first byte chooses the parser, the rest is its input.
 */
#include "gateway/broker_client.h"
#include "gateway/rfb_pdu.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_credentials c = {0};
	char user[RFB_MAX_USER + 1];
	struct secret s = {0};
	bool yes;
	int r, minor = 8;

	if (!size)
		return 0;
	data++;
	size--;
	switch (data[-1] % 4) {
	case 0:
		r = rfb_take_version(data, size, &minor);
		break;
	case 1:
		r = rfb_take_plain(data, size, user, &s);
		if (r > 0 && !gw_credentials_user(&c, user)) {
			struct buf b;

			c.password = s;
			buf_init(&b, 8192);
			if (!gw_request_build(&b, "rfb", "x", "y", &c) && !b.len)
				abort();
			buf_fini(&b);
		}
		break;
	case 2:
		r = rfb_take_types(data, size, &yes);
		break;
	default:
		r = rfb_take_result(data, size, &yes);
		break;
	}
	if (r > 0 && (size_t)r > size)
		abort();
	return 0;
}
