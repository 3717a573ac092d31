/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Joins ports, socket and surface (agents.h).
 */
#include "vmm/agents.h"

#include <errno.h>
#include <stdlib.h>
#include "common/surface_server.h"
#include "vmm/guest_agent.h"
#include "vmm/vdagent.h"
#include "vmm/virtio/virtio_console.h"

enum {
	PORT_GUEST_AGENT,
	PORT_VDAGENT,
	BUFFER = 4096,
	BURST = 16 /* buffers, before the loop serves others */
};

struct agents {
	struct guest_agent *guest; /* all owned */
	struct vdagent *vdagent;
	struct virtio_console *con;	/* NULL before agents_start() */
	struct surface_server *surface; /* borrowed, or NULL */
};

/* ---- the clipboard's two sides ----------------------------------------------------------------
 */

static size_t give(void *arg, const void *p, size_t n)
{
	struct agents *a = arg;

	return a->con ? virtio_console_give(a->con, PORT_VDAGENT, p, n) : 0;
}

static void offer(void *arg, uint32_t formats)
{
	struct agents *a = arg;

	if (a->surface)
		(void)surface_server_clip_offer(a->surface, formats);
}

static int ask(void *arg, uint32_t serial)
{
	struct agents *a = arg;

	return a->surface ? surface_server_clip_request(a->surface, serial, SURFACE_CLIP_TEXT)
			  : -EPERM;
}

static void answer(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	struct agents *a = arg;

	if (a->surface)
		surface_server_clip_data(a->surface, serial, status, text ? text : "", n);
}

static void clip_ways(void *arg, uint32_t ways)
{
	vdagent_ways(((struct agents *)arg)->vdagent, ways);
}

static void clip_offer(void *arg, uint32_t serial, uint32_t formats)
{
	vdagent_clip_offer(((struct agents *)arg)->vdagent, serial, formats);
}

static void clip_request(void *arg, uint32_t serial, uint32_t format)
{
	(void)format; /* there is one */
	vdagent_clip_request(((struct agents *)arg)->vdagent, serial);
}

static void clip_data(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	vdagent_clip_data(((struct agents *)arg)->vdagent, serial, status, text, n);
}

void agents_clip_sink(struct agents *a, struct surface_sink *sink)
{
	sink->clip_arg = a;
	sink->clip_ways = clip_ways;
	sink->clip_offer = clip_offer;
	sink->clip_request = clip_request;
	sink->clip_data = clip_data;
}

/* ---- the port ---------------------------------------------------------------------------------
 */

/* An agent that reads nothing is not listened to. */
static void listen_to(struct agents *a)
{
	uint8_t b[BUFFER];

	for (unsigned i = 0; i < BURST; i++) {
		size_t n = vdagent_busy(a->vdagent)
				   ? 0
				   : virtio_console_take(a->con, PORT_VDAGENT, b, sizeof(b));

		if (!n)
			return;
		vdagent_feed(a->vdagent, b, n);
	}
	virtio_console_later(a->con, PORT_VDAGENT, CONSOLE_DATA);
}

static void on_vdagent(void *arg, unsigned events)
{
	struct agents *a = arg;

	if (events & CONSOLE_CLOSED)
		vdagent_open(a->vdagent, false);
	if (events & CONSOLE_OPENED)
		vdagent_open(a->vdagent, true);
	if (events & CONSOLE_ROOM)
		vdagent_room(a->vdagent);
	if (events & (CONSOLE_DATA | CONSOLE_ROOM))
		listen_to(a);
}

static void save(void *arg, struct snap_out *out)
{
	vdagent_save(((struct agents *)arg)->vdagent, out);
}

static void load(void *arg, struct snap_in *in)
{
	vdagent_load(((struct agents *)arg)->vdagent, in);
}

struct agents *agents_new(struct loop *l, const char *socket, struct err *e)
{
	struct agents *a = calloc(1, sizeof(*a));
	const struct vdagent_io io = {
		.arg = a, .give = give, .offer = offer, .ask = ask, .answer = answer};

	if (!a || !(a->vdagent = vdagent_new(l, &io))) {
		(void)err_set(e, -ENOMEM, "out of memory");
		agents_free(a);
		return NULL;
	}
	a->guest = guest_agent_new(l, socket, e);
	if (!a->guest) {
		agents_free(a);
		return NULL;
	}
	return a;
}

int agents_start(struct agents *a, const struct virtio_env *env, struct surface_server *surface,
		 struct err *e)
{
	const struct console_port ports[VIRTIO_CONSOLE_PORTS] = {
		[PORT_GUEST_AGENT] = {.name = GUEST_AGENT_PORT,
				      .event = guest_agent_event,
				      .arg = a->guest},
		[PORT_VDAGENT] = {.name = VDAGENT_PORT,
				  .event = on_vdagent,
				  .save = save,
				  .load = load,
				  .arg = a}};

	a->surface = surface;
	a->con = virtio_console_new(env, ports, e);
	if (!a->con)
		return -EIO;
	return guest_agent_start(a->guest, a->con, PORT_GUEST_AGENT, e);
}

void agents_free(struct agents *a)
{
	if (!a)
		return;
	virtio_console_free(a->con);
	guest_agent_free(a->guest);
	vdagent_free(a->vdagent);
	free(a);
}

struct virtio_console *agents_console(struct agents *a)
{
	return a->con;
}
