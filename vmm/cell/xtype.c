/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See xtype.h. XKEYBOARD's GetKbdByName makes the server compile a keymap from the names of its
 * parts (The X Keyboard Extension, 16.3.12); libxcb's call for it cannot carry the names, so the
 * request is written here.
 */
#include "vmm/cell/xtype.h"

#include <stdlib.h>
#include <string.h>
#include <xcb/xcbext.h>
#include "common/log.h"
#include "common/wire.h"
#include "common/xlayout.h"

#define XKB_USE_EXTENSION    0 /* minor opcodes */
#define XKB_GET_KBD_BY_NAME  23
#define XKB_CORE_KEYBOARD    0x0100
#define XKB_ALL_BUT_GEOMETRY 0xbf /* types, compat, symbols both, indicators, keycodes, others */
#define LEVELS		     2

/* A request of an extension that libxcb does not know; its reply is of no interest. */
static void request(xcb_connection_t *c, uint8_t opcode, uint8_t *p, size_t n)
{
	const xcb_protocol_request_t r = {.count = 1, .opcode = opcode};
	struct iovec parts[3] = {[2] = {.iov_base = p, .iov_len = n}}; /* two are libxcb's */

	p[0] = opcode;
	xcb_send_request(c, XCB_REQUEST_RAW | XCB_REQUEST_DISCARD_REPLY, parts + 2, &r);
}

static void use_xkb(struct xtype *t)
{
	static const char name[] = "XKEYBOARD";
	xcb_query_extension_reply_t *r = xcb_query_extension_reply(
		t->in->conn, xcb_query_extension(t->in->conn, sizeof(name) - 1, name), NULL);
	uint8_t p[8] = {0, XKB_USE_EXTENSION};

	put_le16(p + 2, sizeof(p) / 4);
	put_le16(p + 4, 1); /* version 1.0 */
	if (r && r->present)
		t->xkb = r->major_opcode;
	free(r);
	if (t->xkb)
		request(t->in->conn, t->xkb, p, sizeof(p));
}

void xtype_init(struct xtype *t, struct xinput *in)
{
	*t = (struct xtype){.in = in, .layout = XLAYOUT_US};
	use_xkb(t);
}

static bool is_free(const xcb_keysym_t *syms, unsigned per_code)
{
	for (unsigned i = 0; i < per_code; i++)
		if (syms[i])
			return false;
	return true;
}

/* Asks which codes the layout leaves free. Those evdev knows keys for are taken last. */
static void learn(struct xtype *t)
{
	const xcb_setup_t *setup = xcb_get_setup(t->in->conn);
	uint8_t first = setup->min_keycode, count = (uint8_t)(setup->max_keycode - first + 1);
	xcb_get_keyboard_mapping_reply_t *r = xcb_get_keyboard_mapping_reply(
		t->in->conn, xcb_get_keyboard_mapping(t->in->conn, first, count), NULL);
	const xcb_keysym_t *syms;

	t->n = 0;
	t->known = r != NULL;
	if (!r)
		return;
	syms = xcb_get_keyboard_mapping_keysyms(r);
	for (unsigned i = count; i-- > 0 && t->n < XTYPE_SPARES;) {
		if (!is_free(syms + (size_t)i * r->keysyms_per_keycode, r->keysyms_per_keycode))
			continue;
		t->spare[t->n].code = (uint8_t)(first + i);
		t->spare[t->n].keysym = 0;
		t->spare[t->n++].used = 0;
	}
	free(r);
}

/* The code that makes keysym already, else the one used longest ago. */
static unsigned choose(const struct xtype *t, uint32_t keysym)
{
	unsigned best = 0;

	for (unsigned i = 0; i < t->n; i++) {
		if (t->spare[i].keysym == keysym)
			return i;
		if (t->spare[i].used < t->spare[best].used)
			best = i;
	}
	return best;
}

void xtype_keysym(struct xtype *t, uint32_t keysym)
{
	const xcb_keysym_t both[LEVELS] = {keysym, keysym}; /* whatever Shift is */
	unsigned i;

	if (!t->known)
		learn(t);
	if (!t->n)
		return;
	i = choose(t, keysym);
	if (t->spare[i].keysym != keysym) {
		xcb_change_keyboard_mapping(t->in->conn, 1, t->spare[i].code, LEVELS, both);
		t->spare[i].keysym = keysym;
		t->own++;
	}
	t->spare[i].used = ++t->turn;
	xinput_key(t->in, t->spare[i].code - 8u, true);
	xinput_key(t->in, t->spare[i].code - 8u, false);
}

static size_t put_name(uint8_t *p, const char *name)
{
	size_t n = strlen(name);

	p[0] = (uint8_t)n;
	memcpy(p + 1, name, n);
	return n + 1;
}

void xtype_layout(struct xtype *t, uint32_t layout)
{
	char symbols[XLAYOUT_SYMBOLS];
	uint8_t p[64 + XLAYOUT_SYMBOLS] = {0, XKB_GET_KBD_BY_NAME};
	size_t n = 12;

	if (!t->xkb || layout == t->layout || !xlayout_symbols(layout, symbols))
		return;
	t->layout = layout;
	put_le16(p + 4, XKB_CORE_KEYBOARD);
	put_le16(p + 6, 0);		       /* none is needed: what can be had is taken */
	put_le16(p + 8, XKB_ALL_BUT_GEOMETRY); /* wanted */
	p[10] = 1;			       /* and loaded */
	n += put_name(p + n, "");	       /* keymap */
	n += put_name(p + n, "evdev+aliases(qwerty)");
	n += put_name(p + n, "complete");
	n += put_name(p + n, "complete");
	n += put_name(p + n, symbols);
	n += put_name(p + n, ""); /* geometry */
	n = (n + 3) & ~(size_t)3;
	put_le16(p + 2, (uint16_t)(n / 4));
	xinput_release(t->in); /* what is held would be let go as another key */
	request(t->in->conn, t->xkb, p, n);
	t->known = false;
	log_info("screen.layout", "layout=0x%08x symbols=%s", layout, symbols);
}

void xtype_mapping(struct xtype *t, uint8_t request_, uint8_t count)
{
	if (request_ != XCB_MAPPING_KEYBOARD)
		return;
	if (count == 1 && t->own) {
		t->own--;
		return;
	}
	t->known = false; /* somebody inside has changed the layout */
}
