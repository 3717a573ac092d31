/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See rdp_refusal.h. What is not listed is the gateway's own trouble on the way to a desktop.
 */
#include "gateway/rdp_refusal.h"
#include "common/cleanup.h"
#include "gateway/rdp_pdu.h"

#include <string.h>

uint32_t rdp_refusal_info(const char *code)
{
	static const struct {
		const char *code;
		uint32_t info;
	} map[] = {
		{"login.failed", RDP_ERR_PRIVILEGES},
		{"login.needed", RDP_ERR_PRIVILEGES},
		{"login.throttled", RDP_ERR_DENIED},
		{"desktop.starting", RDP_ERR_BOOT_TIMEOUT},
		{"desktop.unavailable", RDP_ERR_POOL_NOT_FREE},
		{"desktop.unknown", RDP_ERR_NOT_FOUND},
		{"desktop.choose", RDP_ERR_NOT_FOUND},
		{"broker.down", RDP_ERR_LOADING},
	};

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (!strcmp(map[i].code, code))
			return map[i].info;
	return RDP_ERR_REDIRECTING;
}
