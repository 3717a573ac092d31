/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A refusal in the numbers an RDP client knows.
 */
#ifndef PANE_GATEWAY_RDP_REFUSAL_H
#define PANE_GATEWAY_RDP_REFUSAL_H

#include <stdint.h>

/* An enum rdp_error_info for the code of a struct gw_refusal. */
uint32_t rdp_refusal_info(const char *code);

#endif
