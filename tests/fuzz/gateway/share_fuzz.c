/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PDUs past the login, as the lobby cuts and looks at them: a frame never reaches beyond its bytes,
 * and a prefix of it is incomplete.
 */
#include "gateway/rdp_pdu.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t share;
	size_t len, part;

	while (rdp_any_frame(data, size, &len) == 0) {
		if (!len || len > size)
			abort();
		for (size_t n = 0; n < len; n++)
			if (rdp_any_frame(data, n, &part) != -EAGAIN)
				abort();
		if (rdp_share_kind(data, len, &share) > 15)
			abort();
		(void)!rdp_is_license(data, len);
		data += len;
		size -= len;
	}
	return 0;
}
