/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * However a stream is cut, the borders found are the same, and a border is where a PDU by itself
 * would end. The first byte is the size of the pieces.
 */
#include "gateway/rdp_framing.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rdp_framing whole = {0}, cut = {0};
	size_t piece = size ? data[0] % 32 + 1u : 1;

	if (!size)
		return 0;
	rdp_framing_feed(&whole, data + 1, size - 1);
	for (size_t at = 1; at < size; at += piece)
		rdp_framing_feed(&cut, data + at, size - at < piece ? size - at : piece);
	if (rdp_framing_between(&whole) != rdp_framing_between(&cut) || whole.left != cut.left ||
	    whole.have != cut.have || whole.have > 3)
		abort();
	return 0;
}
