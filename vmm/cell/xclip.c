/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See xclip.h. Two independent halves, each with one transfer at a time and a deadline:
 *
 * Out: a new owner is asked for its TARGETS, so that only text is offered. A request of the display
 * is one ConvertSelection into a property of our window, whole or in pieces (INCR, ICCCM §2.7.2).
 * The property's name changes with every conversion: an answer of an earlier owner that comes late
 * is known by it and dropped.
 *
 * In: our window owns the selection. SelectionRequests wait, at most WAITERS of them, for the text;
 * once it is there it is kept until the next offer, and given in one ChangeProperty.
 */
#include "vmm/cell/xclip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/xfixes.h>
#include "common/loop.h"
#include "common/surface.h"
#include "common/surface_server.h"

#define WAITERS	    8
#define PROPERTIES  4
#define TARGETS_MAX 256
#define OUT_MS	    3000 /* an owner's time to answer, and to send each piece */
#define IN_MS	    5000 /* the display's */

enum atom {
	A_CLIPBOARD,
	A_TARGETS,
	A_TIMESTAMP,
	A_UTF8,
	A_TEXT,
	A_MIME,
	A_INCR,
	A_ASKED, /* where owners put their targets */
	A_PROPERTY,
	N_ATOMS = A_PROPERTY + PROPERTIES
};

static const char *const atom_names[N_ATOMS] = {
	"CLIPBOARD",   "TARGETS",      "TIMESTAMP",
	"UTF8_STRING", "TEXT",	       "text/plain;charset=utf-8",
	"INCR",	       "PANE_TARGETS", "PANE_TEXT_0",
	"PANE_TEXT_1", "PANE_TEXT_2",  "PANE_TEXT_3"};

struct xclip {
	xcb_connection_t *conn;	       /* borrowed */
	struct surface_server *server; /* borrowed */
	xcb_window_t window;
	uint8_t fixes_event;
	xcb_atom_t atoms[N_ATOMS];

	/* desktop -> display */
	bool offered;	     /* the display knows of a selection */
	uint32_t out_serial; /* being fetched; 0: nothing is */
	xcb_atom_t out_property;
	unsigned conversions;
	bool incr;
	char *out; /* owned */
	size_t out_n;
	struct loop_timer *out_timer; /* owned */

	/* display -> desktop */
	bool own; /* our window owns the selection */
	uint32_t in_serial;
	bool in_asked;
	char *in; /* owned; NULL until asked for */
	size_t in_n;
	xcb_selection_request_event_t waiters[WAITERS];
	unsigned n_waiters;
	struct loop_timer *in_timer; /* owned */
};

/* ---- out ---------------------------------------------------------------------------------------
 */

static void finish_out(struct xclip *c, uint32_t status)
{
	uint32_t serial = c->out_serial;

	loop_timer_set(c->out_timer, -1);
	c->out_serial = 0;
	c->out_property = XCB_ATOM_NONE;
	c->incr = false;
	while (c->out_n && !c->out[c->out_n - 1]) /* some owners count the end of the string in */
		c->out_n--;
	if (serial)
		surface_server_clip_data(c->server, serial, status, c->out ? c->out : "", c->out_n);
	free(c->out);
	c->out = NULL;
	c->out_n = 0;
}

static void on_out_timer(void *arg)
{
	finish_out(arg, SURFACE_CLIP_FAILED);
}

static void tell_offer(struct xclip *c, uint32_t formats)
{
	if (!formats && !c->offered)
		return;
	c->offered = formats != 0;
	surface_server_clip_offer(c->server, formats);
}

static void on_owner(struct xclip *c, xcb_window_t owner)
{
	if (owner == c->window)
		return;
	if (c->out_serial)
		finish_out(c, SURFACE_CLIP_STALE);
	if (owner == XCB_NONE)
		tell_offer(c, 0);
	else
		xcb_convert_selection(c->conn, c->window, c->atoms[A_CLIPBOARD],
				      c->atoms[A_TARGETS], c->atoms[A_ASKED], XCB_CURRENT_TIME);
}

/* The property's value, taken away; NULL when it is not of 8 or 32 bit units or too long. */
static xcb_get_property_reply_t *take_property(struct xclip *c, xcb_atom_t property, uint32_t max)
{
	xcb_get_property_reply_t *r = xcb_get_property_reply(
		c->conn,
		xcb_get_property(c->conn, 1, c->window, property, XCB_ATOM_ANY, 0, max / 4 + 1),
		NULL);

	if (r && r->bytes_after) /* it was not deleted */
		xcb_delete_property(c->conn, c->window, property);
	return r;
}

static void on_targets(struct xclip *c, const xcb_selection_notify_event_t *ev)
{
	cleanup_free xcb_get_property_reply_t *r =
		ev->property ? take_property(c, c->atoms[A_ASKED], TARGETS_MAX * 4) : NULL;
	const xcb_atom_t *list = r ? xcb_get_property_value(r) : NULL;
	int n = r && r->format == 32 ? xcb_get_property_value_length(r) / 4 : 0;
	bool text = false;

	for (int i = 0; i < n; i++)
		text |= list[i] == c->atoms[A_UTF8];
	if (!c->own)
		tell_offer(c, text ? SURFACE_CLIP_TEXT : 0);
}

static bool append(struct xclip *c, const void *p, size_t n)
{
	char *grown = c->out_n + n <= SURFACE_CLIP_MAX ? realloc(c->out, c->out_n + n + 1) : NULL;

	if (!grown)
		return false;
	memcpy(grown + c->out_n, p, n);
	c->out = grown;
	c->out_n += n;
	return true;
}

static void on_text(struct xclip *c)
{
	cleanup_free xcb_get_property_reply_t *r =
		take_property(c, c->out_property, SURFACE_CLIP_MAX);
	size_t n = r ? (size_t)xcb_get_property_value_length(r) : 0;

	if (!r || (r->type != c->atoms[A_INCR] && r->format != 8)) {
		finish_out(c, SURFACE_CLIP_FAILED);
	} else if (r->type == c->atoms[A_INCR]) {
		c->incr = true; /* having deleted the property asked for the first piece */
		loop_timer_set(c->out_timer, OUT_MS);
	} else if (r->bytes_after || !append(c, xcb_get_property_value(r), n)) {
		finish_out(c, SURFACE_CLIP_TOO_BIG);
	} else if (c->incr && n > 0) {
		loop_timer_set(c->out_timer, OUT_MS);
	} else {
		finish_out(c, SURFACE_CLIP_OK);
	}
}

static void on_notify(struct xclip *c, const xcb_selection_notify_event_t *ev)
{
	if (ev->requestor != c->window || ev->selection != c->atoms[A_CLIPBOARD])
		return;
	if (ev->target == c->atoms[A_TARGETS])
		on_targets(c, ev);
	else if (!c->out_serial)
		return;
	else if (ev->property == XCB_ATOM_NONE)
		finish_out(c, SURFACE_CLIP_FAILED);
	else if (ev->property == c->out_property)
		on_text(c);
}

void xclip_request(struct xclip *c, uint32_t serial)
{
	if (c->out_serial) {
		c->out_serial = serial; /* the owner is the same: a new one ends what runs */
		return;
	}
	c->out_serial = serial;
	c->out_property = c->atoms[A_PROPERTY + c->conversions++ % PROPERTIES];
	xcb_delete_property(c->conn, c->window, c->out_property);
	xcb_convert_selection(c->conn, c->window, c->atoms[A_CLIPBOARD], c->atoms[A_UTF8],
			      c->out_property, XCB_CURRENT_TIME);
	loop_timer_set(c->out_timer, OUT_MS);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static void answer(struct xclip *c, const xcb_selection_request_event_t *ev, bool ok)
{
	xcb_selection_notify_event_t n = {.response_type = XCB_SELECTION_NOTIFY,
					  .time = ev->time,
					  .requestor = ev->requestor,
					  .selection = ev->selection,
					  .target = ev->target,
					  .property = !ok	     ? XCB_ATOM_NONE
						      : ev->property ? ev->property
								     : ev->target};
	char event[32] = {0}; /* events are of 32 bytes, this one's fields are fewer */

	memcpy(event, &n, sizeof(n));
	xcb_send_event(c->conn, 0, ev->requestor, 0, event);
}

/* ICCCM §2.2: obsolete requestors name no property. */
static void give(struct xclip *c, const xcb_selection_request_event_t *ev, xcb_atom_t type,
		 uint8_t format, size_t n, const void *p)
{
	xcb_change_property(c->conn, XCB_PROP_MODE_REPLACE, ev->requestor,
			    ev->property ? ev->property : ev->target, type, format, (uint32_t)n, p);
	answer(c, ev, true);
}

static void give_text(struct xclip *c, const xcb_selection_request_event_t *ev)
{
	xcb_atom_t type = ev->target == c->atoms[A_TEXT] ? c->atoms[A_UTF8] : ev->target;

	give(c, ev, type, 8, c->in_n, c->in);
}

static void serve_waiters(struct xclip *c)
{
	loop_timer_set(c->in_timer, -1);
	for (unsigned i = 0; i < c->n_waiters; i++) {
		if (c->in)
			give_text(c, &c->waiters[i]);
		else
			answer(c, &c->waiters[i], false);
	}
	c->n_waiters = 0;
	c->in_asked = false;
}

static void on_in_timer(void *arg)
{
	serve_waiters(arg);
}

static void want_text(struct xclip *c, const xcb_selection_request_event_t *ev)
{
	if (c->in) {
		give_text(c, ev);
		return;
	}
	if (c->n_waiters == WAITERS ||
	    (!c->in_asked &&
	     surface_server_clip_request(c->server, c->in_serial, SURFACE_CLIP_TEXT) < 0)) {
		answer(c, ev, false);
		return;
	}
	c->waiters[c->n_waiters++] = *ev;
	if (!c->in_asked)
		loop_timer_set(c->in_timer, IN_MS);
	c->in_asked = true;
}

static void on_request(struct xclip *c, const xcb_selection_request_event_t *ev)
{
	const xcb_atom_t *a = c->atoms;
	const xcb_atom_t targets[] = {a[A_TARGETS], a[A_TIMESTAMP], a[A_UTF8], a[A_MIME],
				      a[A_TEXT]};
	const uint32_t now = ev->time;

	if (ev->owner != c->window || ev->selection != a[A_CLIPBOARD] || !c->own)
		answer(c, ev, false);
	else if (ev->target == a[A_TARGETS])
		give(c, ev, XCB_ATOM_ATOM, 32, ARRAY_LEN(targets), targets);
	else if (ev->target == a[A_TIMESTAMP])
		give(c, ev, XCB_ATOM_INTEGER, 32, 1, &now);
	else if (ev->target == a[A_UTF8] || ev->target == a[A_MIME] || ev->target == a[A_TEXT])
		want_text(c, ev);
	else
		answer(c, ev, false);
}

static void forget_in(struct xclip *c)
{
	free(c->in);
	c->in = NULL;
	c->in_n = 0;
	serve_waiters(c); /* with nothing */
}

static void disown(struct xclip *c)
{
	if (c->own)
		xcb_set_selection_owner(c->conn, XCB_NONE, c->atoms[A_CLIPBOARD], XCB_CURRENT_TIME);
	c->own = false;
	forget_in(c);
}

void xclip_offer(struct xclip *c, uint32_t serial, uint32_t formats)
{
	forget_in(c);
	if (!(formats & SURFACE_CLIP_TEXT)) {
		disown(c);
		return;
	}
	c->in_serial = serial;
	c->own = true;
	tell_offer(c, 0); /* the desktop's selection is no more */
	xcb_set_selection_owner(c->conn, c->window, c->atoms[A_CLIPBOARD], XCB_CURRENT_TIME);
}

void xclip_data(struct xclip *c, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	if (!c->own || serial != c->in_serial)
		return;
	if (status == SURFACE_CLIP_OK && (c->in = malloc(n + 1))) {
		memcpy(c->in, text, n);
		c->in_n = n;
	}
	serve_waiters(c);
}

void xclip_ways(struct xclip *c, uint32_t ways)
{
	if (!(ways & SURFACE_CLIP_IN))
		disown(c);
}

/* ---- events and life ---------------------------------------------------------------------------
 */

static void on_clear(struct xclip *c, const xcb_selection_clear_event_t *ev)
{
	if (ev->owner != c->window || ev->selection != c->atoms[A_CLIPBOARD])
		return;
	c->own = false;
	forget_in(c);
}

static void on_property(struct xclip *c, const xcb_property_notify_event_t *ev)
{
	if (c->incr && ev->window == c->window && ev->atom == c->out_property &&
	    ev->state == XCB_PROPERTY_NEW_VALUE)
		on_text(c);
}

void xclip_event(struct xclip *c, const xcb_generic_event_t *ev)
{
	uint8_t type = ev->response_type & 0x7f;

	if (type == XCB_SELECTION_NOTIFY)
		on_notify(c, (const void *)ev);
	else if (type == XCB_SELECTION_REQUEST)
		on_request(c, (const void *)ev);
	else if (type == XCB_SELECTION_CLEAR)
		on_clear(c, (const void *)ev);
	else if (type == XCB_PROPERTY_NOTIFY)
		on_property(c, (const void *)ev);
	else if (type == c->fixes_event + XCB_XFIXES_SELECTION_NOTIFY)
		on_owner(c, ((const xcb_xfixes_selection_notify_event_t *)ev)->owner);
}

static void intern(struct xclip *c)
{
	xcb_intern_atom_cookie_t cookies[N_ATOMS];

	for (size_t i = 0; i < N_ATOMS; i++)
		cookies[i] =
			xcb_intern_atom(c->conn, 0, (uint16_t)strlen(atom_names[i]), atom_names[i]);
	for (size_t i = 0; i < N_ATOMS; i++) {
		cleanup_free xcb_intern_atom_reply_t *r =
			xcb_intern_atom_reply(c->conn, cookies[i], NULL);

		c->atoms[i] = r ? r->atom : XCB_ATOM_NONE;
	}
}

struct xclip *xclip_new(struct loop *l, xcb_connection_t *conn, xcb_window_t root,
			uint8_t fixes_event, struct surface_server *server, struct err *e)
{
	const uint32_t events = XCB_EVENT_MASK_PROPERTY_CHANGE;
	struct xclip *c = calloc(1, sizeof(*c));

	if (c) {
		*c = (struct xclip){.conn = conn,
				    .server = server,
				    .fixes_event = fixes_event,
				    .out_timer = loop_timer_add(l, -1, on_out_timer, c),
				    .in_timer = loop_timer_add(l, -1, on_in_timer, c)};
	}
	if (!c || !c->out_timer || !c->in_timer) {
		(void)err_set(e, -ENOMEM, "out of memory");
		xclip_free(c);
		return NULL;
	}
	intern(c);
	(void)xcb_get_maximum_request_length(conn); /* asks for BIG-REQUESTS: a text is one */
	c->window = xcb_generate_id(conn);
	xcb_create_window(conn, 0, c->window, root, -1, -1, 1, 1, 0, XCB_WINDOW_CLASS_INPUT_ONLY,
			  XCB_COPY_FROM_PARENT, XCB_CW_EVENT_MASK, &events);
	xcb_xfixes_select_selection_input(
		conn, c->window, c->atoms[A_CLIPBOARD],
		XCB_XFIXES_SELECTION_EVENT_MASK_SET_SELECTION_OWNER |
			XCB_XFIXES_SELECTION_EVENT_MASK_SELECTION_WINDOW_DESTROY |
			XCB_XFIXES_SELECTION_EVENT_MASK_SELECTION_CLIENT_CLOSE);
	return c;
}

void xclip_free(struct xclip *c)
{
	if (!c)
		return;
	loop_timer_del(c->out_timer);
	loop_timer_del(c->in_timer);
	free(c->out);
	free(c->in);
	free(c);
}
