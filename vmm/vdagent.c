/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See vdagent.h. Two halves as in vmm/cell/xclip.c, each with one transfer at a time and a
 * deadline. The guest's agent speaks first or is asked to: nothing is said before its capabilities
 * are known, as the shape of clipboard messages depends on them.
 */
#include "vmm/vdagent.h"

#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/surface.h"
#include "common/wire.h"
#include "vmm/snapshot/section.h"
#include "vmm/vdagent_wire.h"

#define OUT_MS	 3000 /* the agent's time to answer */
#define IN_MS	 5000 /* the display's */
#define WAITING	 8    /* pastes that wait for the display */
#define OUT_BUSY (64u << 10)

/* Capabilities, numbers of bits. */
enum {
	CAP_CLIPBOARD_BY_DEMAND = 5,
	CAP_CLIPBOARD_SELECTION = 6,
	CAP_GUEST_LINEEND_CRLF = 9,
	CAP_MAX_CLIPBOARD = 10
};

enum {
	SELECTION_CLIPBOARD = 0,
	SELECTION_BYTES = 4,
	TYPE_NONE = 0,
	TYPE_TEXT = 1
};

struct vdagent {
	struct vdagent_io io;
	struct vdagent_in in;
	struct vdagent_out out;
	bool met;     /* its capabilities are known */
	bool loading; /* the port is not to be used */
	uint32_t caps;

	/* guest -> display */
	bool offered;		      /* the display knows of a selection */
	uint32_t out_serial;	      /* being fetched; 0: nothing is */
	struct loop_timer *out_timer; /* owned */

	/* display -> guest */
	uint32_t in_serial, in_formats; /* formats 0: nothing is offered */
	bool own;			/* the guest knows of it */
	unsigned waiting;
	bool in_asked;
	char *text; /* owned; NULL until asked for; as the guest likes its lines */
	size_t text_n;
	struct loop_timer *in_timer; /* owned */
	struct log_bucket log;
};

static bool can(const struct vdagent *v, unsigned cap)
{
	return (v->caps & 1u << cap) != 0;
}

/* ---- to the guest -----------------------------------------------------------------------------
 */

void vdagent_room(struct vdagent *v)
{
	while (v->out.at < v->out.n && !v->loading) {
		size_t n = v->io.give(v->io.arg, v->out.p + v->out.at, v->out.n - v->out.at);

		if (!n)
			return;
		vdagent_out_sent(&v->out, n);
	}
}

bool vdagent_busy(const struct vdagent *v)
{
	return v->out.n - v->out.at > OUT_BUSY;
}

static void say(struct vdagent *v, uint32_t type, const void *a, size_t a_n, const void *b,
		size_t b_n)
{
	int r = vdagent_out_add(&v->out, type, a, a_n, b, b_n);

	if (r < 0 && log_allow(&v->log, 1))
		log_warn("vdagent.full", "type=%u error=%s", type, strerrorname_np(-r));
	vdagent_room(v);
}

/* The selection goes before all else in a clipboard message, where the guest knows of selections.
 */
static void say_clip(struct vdagent *v, uint32_t type, bool has_format, uint32_t format,
		     const void *text, size_t n)
{
	uint8_t b[SELECTION_BYTES + 4] = {SELECTION_CLIPBOARD};
	size_t at = can(v, CAP_CLIPBOARD_SELECTION) ? SELECTION_BYTES : 0;

	if (has_format) {
		put_le32(b + at, format);
		at += 4;
	}
	say(v, type, b, at, text, n);
}

static void say_caps(struct vdagent *v, bool ask)
{
	uint8_t b[8];

	put_le32(b, ask);
	put_le32(b + 4, 1u << CAP_CLIPBOARD_BY_DEMAND | 1u << CAP_CLIPBOARD_SELECTION);
	say(v, VDAGENT_CAPABILITIES, b, sizeof(b), NULL, 0);
}

static void grab(struct vdagent *v)
{
	if (!v->met || !(v->in_formats & SURFACE_CLIP_TEXT))
		return;
	v->own = true;
	say_clip(v, VDAGENT_GRAB, true, TYPE_TEXT, NULL, 0);
}

/* ---- guest -> display -------------------------------------------------------------------------
 */

static void finish_out(struct vdagent *v, uint32_t status, const char *text, size_t n)
{
	uint32_t serial = v->out_serial;

	loop_timer_set(v->out_timer, -1);
	v->out_serial = 0;
	v->in.text_max = 0;
	if (serial)
		v->io.answer(v->io.arg, serial, status, text, n);
}

static void on_out_timer(void *arg)
{
	finish_out(arg, SURFACE_CLIP_FAILED, NULL, 0);
}

static void tell_offer(struct vdagent *v, uint32_t formats)
{
	if (!formats && !v->offered)
		return;
	v->offered = formats != 0;
	v->io.offer(v->io.arg, formats);
}

void vdagent_clip_request(struct vdagent *v, uint32_t serial)
{
	bool runs = v->out_serial != 0;

	v->out_serial = serial; /* the owner is the same: a new one ends what runs */
	if (!v->met || !v->offered) {
		finish_out(v, SURFACE_CLIP_FAILED, NULL, 0);
		return;
	}
	if (runs)
		return;
	v->in.text_max = 2 * SURFACE_CLIP_MAX + SELECTION_BYTES + 4;
	loop_timer_set(v->out_timer, OUT_MS);
	say_clip(v, VDAGENT_REQUEST, true, TYPE_TEXT, NULL, 0);
}

/* Ends lines with LF, in place; returns what is left. */
static size_t without_cr(char *p, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++)
		if (p[i] != '\r' || i + 1 == n || p[i + 1] != '\n')
			p[to++] = p[i];
	return to;
}

static void on_text(struct vdagent *v, const uint8_t *p, size_t n)
{
	cleanup_free char *text = NULL;

	if (!v->out_serial)
		return;
	if (n < 4 || get_le32(p) != TYPE_TEXT) {
		finish_out(v, SURFACE_CLIP_FAILED, NULL, 0);
		return;
	}
	n -= 4;
	text = malloc(n + 1);
	if (!text) {
		finish_out(v, SURFACE_CLIP_FAILED, NULL, 0);
		return;
	}
	memcpy(text, p + 4, n);
	if (can(v, CAP_GUEST_LINEEND_CRLF))
		n = without_cr(text, n);
	while (n && !text[n - 1]) /* some owners count the end of the string in */
		n--;
	finish_out(v, n > SURFACE_CLIP_MAX ? SURFACE_CLIP_TOO_BIG : SURFACE_CLIP_OK, text, n);
}

/* ---- display -> guest -------------------------------------------------------------------------
 */

static void say_text(struct vdagent *v)
{
	say_clip(v, VDAGENT_CLIPBOARD, true, v->text ? TYPE_TEXT : TYPE_NONE, v->text,
		 v->text ? v->text_n : 0);
}

static void serve_waiting(struct vdagent *v)
{
	unsigned n = v->waiting;

	loop_timer_set(v->in_timer, -1);
	v->waiting = 0;
	v->in_asked = false;
	while (n--)
		say_text(v);
}

static void on_in_timer(void *arg)
{
	serve_waiting(arg);
}

static void forget_text(struct vdagent *v)
{
	free(v->text);
	v->text = NULL;
	v->text_n = 0;
	serve_waiting(v); /* with nothing */
}

/* Somebody pastes. */
static void on_paste(struct vdagent *v, uint32_t format)
{
	if (v->own && v->text && format == TYPE_TEXT) {
		say_text(v);
		return;
	}
	if (!v->own || format != TYPE_TEXT || v->waiting == WAITING ||
	    (!v->in_asked && v->io.ask(v->io.arg, v->in_serial) < 0)) {
		say_clip(v, VDAGENT_CLIPBOARD, true, TYPE_NONE, NULL, 0);
		return;
	}
	v->waiting++;
	if (!v->in_asked)
		loop_timer_set(v->in_timer, IN_MS);
	v->in_asked = true;
}

static void disown(struct vdagent *v)
{
	forget_text(v);
	v->in_formats = 0;
	if (v->own && v->met)
		say_clip(v, VDAGENT_RELEASE, false, 0, NULL, 0);
	v->own = false;
}

void vdagent_clip_offer(struct vdagent *v, uint32_t serial, uint32_t formats)
{
	if (!(formats & SURFACE_CLIP_TEXT)) {
		disown(v);
		return;
	}
	forget_text(v);
	if (v->out_serial)
		finish_out(v, SURFACE_CLIP_STALE, NULL, 0);
	v->in_serial = serial;
	v->in_formats = formats;
	tell_offer(v, 0); /* the desktop's selection is no more */
	grab(v);
}

/* Keeps a text as the guest's programs like it. */
static void keep_text(struct vdagent *v, const char *text, size_t n)
{
	bool crlf = can(v, CAP_GUEST_LINEEND_CRLF);
	size_t to = 0;

	if (n > SURFACE_CLIP_MAX)
		return;
	v->text = malloc(crlf ? 2 * n + 1 : n + 1);
	for (size_t i = 0; v->text && i < n; i++) {
		if (crlf && text[i] == '\n')
			v->text[to++] = '\r';
		v->text[to++] = text[i];
	}
	v->text_n = to;
}

void vdagent_clip_data(struct vdagent *v, uint32_t serial, uint32_t status, const char *text,
		       size_t n)
{
	if (!v->own || serial != v->in_serial || v->text)
		return;
	if (status == SURFACE_CLIP_OK)
		keep_text(v, text, n);
	serve_waiting(v);
}

void vdagent_ways(struct vdagent *v, uint32_t ways)
{
	if (!(ways & SURFACE_CLIP_IN))
		disown(v);
}

/* ---- what the agent says ----------------------------------------------------------------------
 */

static void on_caps(struct vdagent *v, const uint8_t *p, size_t n)
{
	bool first = !v->met;
	uint8_t max[4];

	if (n < 8)
		return;
	v->caps = get_le32(p + 4);
	v->met = can(v, CAP_CLIPBOARD_BY_DEMAND);
	if (get_le32(p))
		say_caps(v, false);
	if (!v->met || !first)
		return;
	put_le32(max, SURFACE_CLIP_MAX);
	if (can(v, CAP_MAX_CLIPBOARD))
		say(v, VDAGENT_MAX_CLIPBOARD, max, sizeof(max), NULL, 0);
	grab(v);
}

static void on_grab(struct vdagent *v, const uint8_t *p, size_t n)
{
	bool text = false;

	for (size_t i = 0; i + 4 <= n; i += 4)
		text |= get_le32(p + i) == TYPE_TEXT;
	if (v->out_serial)
		finish_out(v, SURFACE_CLIP_STALE, NULL, 0);
	v->own = false;
	v->in_formats = 0;
	forget_text(v);
	tell_offer(v, text ? SURFACE_CLIP_TEXT : 0);
}

static void on_release(struct vdagent *v)
{
	if (v->out_serial)
		finish_out(v, SURFACE_CLIP_STALE, NULL, 0);
	tell_offer(v, 0);
}

static void on_clip(struct vdagent *v, const struct vdagent_msg *m)
{
	const uint8_t *p = m->body;
	size_t n = m->n;

	if (!v->met)
		return;
	if (can(v, CAP_CLIPBOARD_SELECTION)) {
		if (n < SELECTION_BYTES || p[0] != SELECTION_CLIPBOARD)
			return;
		p += SELECTION_BYTES;
		n -= SELECTION_BYTES;
	}
	if (m->type == VDAGENT_GRAB)
		on_grab(v, p, n);
	else if (m->type == VDAGENT_CLIPBOARD)
		on_text(v, p, n);
	else if (m->type == VDAGENT_REQUEST && n >= 4)
		on_paste(v, get_le32(p));
	else if (m->type == VDAGENT_RELEASE)
		on_release(v);
}

static void on_message(struct vdagent *v, const struct vdagent_msg *m)
{
	if (!m->body) { /* longer than anything that is for us */
		if (m->type == VDAGENT_CLIPBOARD && v->out_serial)
			finish_out(v, SURFACE_CLIP_TOO_BIG, NULL, 0);
		return;
	}
	switch (m->type) {
	case VDAGENT_CAPABILITIES:
		on_caps(v, m->body, m->n);
		break;
	case VDAGENT_GRAB:
	case VDAGENT_REQUEST:
	case VDAGENT_RELEASE:
	case VDAGENT_CLIPBOARD:
		on_clip(v, m);
		break;
	default: /* of screens, files, sound: not ours */
		break;
	}
}

void vdagent_feed(struct vdagent *v, const uint8_t *p, size_t n)
{
	bool was = v->in.broken;
	struct vdagent_msg m;

	while (vdagent_in_next(&v->in, &p, &n, &m))
		on_message(v, &m);
	if (v->in.broken && !was && log_allow(&v->log, 1))
		log_warn("vdagent.broken", "why=\"no chunk or message begins there\"");
}

/* ---- life -------------------------------------------------------------------------------------
 */

void vdagent_open(struct vdagent *v, bool open)
{
	vdagent_in_reset(&v->in);
	vdagent_out_reset(&v->out);
	v->met = v->own = false;
	v->caps = 0;
	if (v->out_serial)
		finish_out(v, SURFACE_CLIP_FAILED, NULL, 0);
	tell_offer(v, 0);
	free(v->text); /* whose lines another agent may like otherwise */
	v->text = NULL;
	v->text_n = 0;
	v->waiting = 0;
	v->in_asked = false;
	loop_timer_set(v->in_timer, -1);
	if (open)
		say_caps(v, true);
}

void vdagent_save(const struct vdagent *v, struct snap_out *out)
{
	vdagent_in_save(&v->in, out);
	snap_put_u8(out, v->met);
	snap_put_u32(out, v->caps);
	snap_put_u8(out, v->offered);
	snap_put_u8(out, v->own);
	snap_put_u32(out, v->waiting);
	snap_put_u32(out, (uint32_t)(v->out.n - v->out.at));
	snap_put_bytes(out, v->out.p + v->out.at, v->out.n - v->out.at);
}

/* The display is another one: it learns of the guest's selection, and what the guest has of its
 * predecessor is taken back. */
void vdagent_load(struct vdagent *v, struct snap_in *in)
{
	const uint8_t *p;
	uint32_t n;

	vdagent_in_load(&v->in, in);
	v->met = snap_u8(in);
	v->caps = snap_u32(in);
	v->offered = snap_u8(in);
	v->own = snap_u8(in);
	v->waiting = snap_u32(in);
	n = snap_u32(in);
	if (v->waiting > WAITING || n > VDAGENT_OUT_MAX)
		snap_refuse(in);
	p = in->bad ? NULL : snap_view(in, n);
	if (!p || vdagent_out_set(&v->out, p, n) < 0) {
		v->waiting = 0;
		snap_refuse(in);
		return;
	}
	if (v->offered)
		v->io.offer(v->io.arg, SURFACE_CLIP_TEXT);
	v->loading = true; /* what is said waits until there is room, as after every start */
	disown(v);
	v->loading = false;
}

struct vdagent *vdagent_new(struct loop *l, const struct vdagent_io *io)
{
	struct vdagent *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->io = *io;
	v->out_timer = loop_timer_add(l, -1, on_out_timer, v);
	v->in_timer = loop_timer_add(l, -1, on_in_timer, v);
	if (!v->out_timer || !v->in_timer) {
		vdagent_free(v);
		return NULL;
	}
	return v;
}

void vdagent_free(struct vdagent *v)
{
	if (!v)
		return;
	loop_timer_del(v->out_timer);
	loop_timer_del(v->in_timer);
	vdagent_in_reset(&v->in);
	vdagent_out_reset(&v->out);
	free(v->text);
	free(v);
}
