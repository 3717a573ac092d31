/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verbs (High Definition Audio 1.0a §7.3.3) and parameters (§7.3.4). What a node does not have
 * answers 0, as hardware does.
 */
#include "vmm/hda_codec.h"

enum {
	ROOT,
	GROUP,
	CONVERTER,
	PIN,
	NODES
};

/* Parameters, §7.3.4 */
enum {
	P_VENDOR = 0x00,
	P_REVISION = 0x02,
	P_NODES = 0x04,
	P_GROUP_TYPE = 0x05,
	P_GROUP_CAPS = 0x08,
	P_WIDGET_CAPS = 0x09,
	P_PCM = 0x0a,
	P_FORMATS = 0x0b,
	P_PIN_CAPS = 0x0c,
	P_CONNECTIONS = 0x0e,
	P_POWER = 0x0f
};

/* Verbs of 12 bits; set is 0x7xx, get 0xfxx. */
enum {
	V_PARAMETER = 0xf00,
	V_CONNECTION = 0xf02,
	V_POWER = 0x05,
	V_STREAM = 0x06,
	V_PIN = 0x07,
	V_UNSOLICITED = 0x08,
	V_SENSE = 0xf09,
	V_CONFIG = 0xf1c,
	V_SET_CONFIG = 0x71c, /* to 0x71f, a byte each */
	V_SUBSYSTEM = 0xf20,
	V_RESET = 0x7ff
};

#define VENDOR	    0x1af40012u
#define REVISION    0x00100101u
#define PCM	    0x00020060u /* 16 bits; 48 and 44.1 kHz */
#define POWER	    0x0000000fu /* D0 to D3 */
#define CONFIG	    0x01014110u /* a jack at the rear, line out, green, 1/8"; not detected */
#define PIN_OUT	    0x40
#define FORMAT	    0x0011 /* 48 kHz, 16 bits, two channels */
#define CONNECTED   0x80000000u
#define W_CONVERTER 0x00000011u /* audio output, its own formats, stereo */
#define W_PIN	    0x00400101u /* pin complex with a connection list, stereo */

void hda_codec_reset(struct hda_codec *c)
{
	*c = (struct hda_codec){.format = FORMAT, .config = CONFIG};
}

static uint32_t parameter(unsigned node, unsigned what)
{
	static const struct {
		uint8_t node, what;
		uint32_t value;
	} table[] = {
		{ROOT, P_VENDOR, VENDOR},
		{ROOT, P_REVISION, REVISION},
		{ROOT, P_NODES, GROUP << 16 | 1},
		{GROUP, P_NODES, CONVERTER << 16 | 2},
		{GROUP, P_GROUP_TYPE, 1},
		{GROUP, P_GROUP_CAPS, 0x00000808},
		{GROUP, P_PCM, PCM},
		{GROUP, P_FORMATS, 1},
		{GROUP, P_POWER, POWER},
		{CONVERTER, P_WIDGET_CAPS, W_CONVERTER},
		{CONVERTER, P_PCM, PCM},
		{CONVERTER, P_FORMATS, 1},
		{CONVERTER, P_POWER, POWER},
		{PIN, P_WIDGET_CAPS, W_PIN},
		{PIN, P_PIN_CAPS, 0x10}, /* output */
		{PIN, P_CONNECTIONS, 1},
		{PIN, P_POWER, POWER},
	};

	for (unsigned i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].node == node && table[i].what == what)
			return table[i].value;
	return 0;
}

/* A register of a byte: verb 0x7nn sets, 0xfnn gets. NULL where the node has none. */
static uint8_t *byte_of(struct hda_codec *c, unsigned node, unsigned what)
{
	if (what == V_POWER && node >= GROUP)
		return &c->power[node - GROUP];
	if (what == V_STREAM && node == CONVERTER)
		return &c->stream;
	if (what == V_PIN && node == PIN)
		return &c->pin;
	return what == V_UNSOLICITED && node == PIN ? &c->unsolicited : NULL;
}

static uint32_t set(struct hda_codec *c, unsigned node, unsigned verb, uint8_t value)
{
	uint8_t *b = byte_of(c, node, verb & 0xff);

	if (verb == V_RESET && node == GROUP) {
		hda_codec_reset(c);
	} else if (node == PIN && verb >= V_SET_CONFIG && verb < V_SET_CONFIG + 4) {
		unsigned shift = 8 * (verb - V_SET_CONFIG);

		c->config = (c->config & ~(0xffu << shift)) | (uint32_t)value << shift;
	} else if (b) {
		*b = value;
	}
	return 0;
}

static uint32_t get(struct hda_codec *c, unsigned node, unsigned verb, uint8_t what)
{
	const uint8_t *b = byte_of(c, node, verb & 0xff);

	if (b && (verb & 0xff) == V_POWER) /* what was set is reached at once (§7.3.3.10) */
		return (*b & 3u) | (*b & 3u) << 4;
	if (b)
		return *b;
	switch (verb) {
	case V_PARAMETER:
		return parameter(node, what);
	case V_CONNECTION:
		return node == PIN && what == 0 ? CONVERTER : 0;
	case V_SENSE:
		return node == PIN ? CONNECTED : 0;
	case V_CONFIG:
		return node == PIN ? c->config : 0;
	case V_SUBSYSTEM:
		return node == GROUP ? VENDOR : 0;
	default:
		return 0;
	}
}

bool hda_codec_verb(struct hda_codec *c, uint32_t verb, uint32_t *response)
{
	unsigned node = verb >> 20 & 0xff, op = verb >> 8 & 0xfff;

	*response = 0;
	if (verb >> 28)
		return false;
	if (node >= NODES)
		return true;
	if (op >> 8 == 0x2 && node == CONVERTER)
		c->format = (uint16_t)verb;
	else if (op >> 8 == 0xa && node == CONVERTER)
		*response = c->format;
	else if (op >> 8 == 0x7)
		*response = set(c, node, op, (uint8_t)verb);
	else if (op >> 8 == 0xf)
		*response = get(c, node, op, (uint8_t)verb);
	return true;
}

bool hda_codec_plays(const struct hda_codec *c, unsigned stream)
{
	return stream && c->stream >> 4 == stream && (c->pin & PIN_OUT) && !(c->power[0] & 3) &&
	       !(c->power[CONVERTER - GROUP] & 3) && !(c->power[PIN - GROUP] & 3);
}
