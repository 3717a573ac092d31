/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The codec behind the HD Audio link (High Definition Audio 1.0a §7): one function group with one
 * converter (node 2) on one line-out jack (node 3). 16 bits, stereo, 44.1 or 48 kHz; volume is the
 * driver's affair. Pure: a verb in, a response out.
 */
#ifndef PANE_VMM_HDA_CODEC_H
#define PANE_VMM_HDA_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

struct hda_codec {
	uint16_t format;  /* of the converter, §3.7.1 */
	uint8_t stream;	  /* stream << 4 | channel */
	uint8_t pin;	  /* widget control */
	uint8_t power[3]; /* of function group, converter, pin; as set */
	uint8_t unsolicited;
	uint32_t config; /* of the pin; software may write its own */
};

void hda_codec_reset(struct hda_codec *c);
/* False where no codec has this address: then nobody answers. */
bool hda_codec_verb(struct hda_codec *c, uint32_t verb, uint32_t *response) must_check;
/* Whether what comes in on this stream number is to be heard. */
bool hda_codec_plays(const struct hda_codec *c, unsigned stream) must_check;

#endif
