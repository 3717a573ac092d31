/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The broker's HTTP answer: whatever it is, the strings that come out are terminated.
 */
#include "gateway/broker_client.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_answer a = {0};
	struct gw_refusal r = {0};
	struct err e = {0};
	int res = gw_answer_parse(data, size, size % 2, &a, &r, &e);

	if (res > 0)
		abort();
	if (res == 0 && (!a.grant[0] || strlen(a.address) >= sizeof(a.address)))
		abort();
	if (res == -13 && (!r.code[0] || strlen(r.message) >= sizeof(r.message)))
		abort();
	return 0;
}
