/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes what a guest's agent says of the clipboard. The input is a sequence of {u8 what, u8 n, n
 * bytes}: bytes from the guest as they are, a well-formed message of them, or a move of the display
 * or the port.
 */
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/surface.h"
#include "vmm/vdagent.h"
#include "vmm/vdagent_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static size_t room;

static size_t give(void *arg, const void *p, size_t n)
{
	static uint8_t last[64];

	(void)arg;
	if (n > room)
		n = room;
	room -= n;
	memcpy(last, p, n < sizeof(last) ? n : sizeof(last));
	return n;
}

static void offer(void *arg, uint32_t formats)
{
	(void)arg;
	(void)formats;
}

static int ask(void *arg, uint32_t serial)
{
	(void)arg;
	return serial & 1 ? 0 : -1;
}

static void answer(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	(void)arg;
	(void)serial;
	if (status == SURFACE_CLIP_OK && n > SURFACE_CLIP_MAX)
		abort();
	if (n)
		(void)surface_clip_text_ok(text, n);
}

static void message(struct vdagent *v, uint32_t type, const uint8_t *p, size_t n)
{
	struct vdagent_out o = {0};

	if (vdagent_out_add(&o, type, NULL, 0, p, n) == 0)
		vdagent_feed(v, o.p, o.n);
	vdagent_out_reset(&o);
}

static void step(struct vdagent *v, uint8_t what, const uint8_t *p, size_t n)
{
	switch (what & 15) {
	case 0:
		vdagent_open(v, what & 16);
		break;
	case 1:
		vdagent_clip_offer(v, what, what & 16 ? SURFACE_CLIP_TEXT : 0);
		break;
	case 2:
		vdagent_clip_request(v, what);
		break;
	case 3:
		vdagent_clip_data(v, what, what >> 6, (const char *)p, n);
		break;
	case 4:
		vdagent_ways(v, what >> 4);
		break;
	case 5:
		room = (size_t)what << 4;
		vdagent_room(v);
		break;
	case 6:
	case 7:
	case 8:
		vdagent_feed(v, p, n);
		break;
	default: /* the types it knows, 4 to 9, and 14 */
		message(v, (what & 15) == 15 ? 14 : (what & 15) - 5, p, n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct loop *l;
	const struct vdagent_io io = {.give = give, .offer = offer, .ask = ask, .answer = answer};
	struct vdagent *v;

	if (!l) {
		log_init("fuzz", LOG_ERR);
		l = loop_new();
	}
	v = l ? vdagent_new(l, &io) : NULL;
	if (!v)
		abort();
	room = 1 << 20;
	vdagent_open(v, true);
	while (n >= 2) {
		uint8_t what = p[0];
		size_t len = p[1] < n - 2 ? p[1] : n - 2;

		step(v, what, p + 2, len);
		p += 2 + len;
		n -= 2 + len;
	}
	vdagent_free(v);
	return 0;
}
