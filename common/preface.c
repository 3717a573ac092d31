/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The preface frame; see preface.h. No state. The reader takes whatever stands in front of the
 * protocol's own bytes and no more: what follows the frame stays where it is.
 */
#include "common/preface.h"
#include "common/json.h"
#include "common/wire.h"

#include <errno.h>
#include <string.h>

static const uint8_t magic[4] = {'P', 'A', 'N', 'E'};
#define PREFACE_VERSION 1

int preface_append(struct buf *b, json_t *o)
{
	cleanup_free char *text = json_dumps(o, JSON_COMPACT);
	uint8_t head[PREFACE_HEAD];
	size_t n;
	int r;

	if (!text)
		return -ENOMEM;
	n = strlen(text);
	if (n > PREFACE_MAX)
		return -EMSGSIZE;
	memcpy(head, magic, sizeof(magic));
	put_be16(head + 4, PREFACE_VERSION);
	put_be16(head + 6, (uint16_t)n);
	r = buf_append(b, head, sizeof(head));
	return r ? r : buf_append(b, text, n);
}

int preface_take(const void *p, size_t n, json_t **o, struct err *e)
{
	const uint8_t *b = p;
	size_t len;

	if (!n)
		return 0;
	if (memcmp(b, magic, n < sizeof(magic) ? n : sizeof(magic)) != 0)
		return err_setw(e, -EPROTO, "preface.magic", "the peer did not send a preface");
	if (n < PREFACE_HEAD)
		return 0;
	if (get_be16(b + 4) != PREFACE_VERSION)
		return err_setw(e, -EPROTO, "preface.version",
				"the peer speaks preface version %u, this program %d",
				get_be16(b + 4), PREFACE_VERSION);
	len = get_be16(b + 6);
	if (len > PREFACE_MAX)
		return err_setw(e, -EPROTO, "preface.size", "the preface has %zu bytes, over %d",
				len, PREFACE_MAX);
	if (n - PREFACE_HEAD < len)
		return 0;
	*o = json_parse(b + PREFACE_HEAD, len, e);
	if (*o && !json_is_object(*o)) {
		json_decref(*o);
		*o = NULL;
		err_setw(e, -EPROTO, "preface.json", "the preface is not a JSON object");
	}
	if (!*o) {
		if (e)
			e->code = -EPROTO;
		return -EPROTO;
	}
	return (int)(PREFACE_HEAD + len);
}
