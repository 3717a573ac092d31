/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Joins the X server (xscreen.c, xinput.c) and the surface server (common/surface_server.c) in one
 * loop. Damage is asked for at most every FRAME_MS, at once when it was quiet; while no display is
 * connected and nobody makes a picture it is not asked for, so an X server that draws for nobody
 * wakes nobody: DAMAGE reports the first change only.
 */
#include "vmm/cell/screen.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/surface_server.h"
#include "vmm/cell/microphone.h"
#include "vmm/cell/sound.h"
#include "vmm/cell/xclip.h"
#include "vmm/cell/xinput.h"
#include "vmm/cell/xscreen.h"
#include "vmm/cell/xtype.h"

#define FRAME_MS 4

struct screen {
	struct loop *loop;	/* owned */
	xcb_connection_t *conn; /* owned */
	struct loop_io *conn_io;
	struct surface_server *server; /* owned; NULL without --surface */
	struct xscreen x;
	struct xinput in;
	struct xtype type;
	struct xclip *clip;	  /* owned; NULL without --surface */
	struct cell_sound *sound; /* owned; NULL without --surface */
	struct cell_mic *mic;	  /* likewise */
	struct loop_timer *frame; /* armed while the next question has to wait */
	int64_t asked_ms;
	bool waiting, dirty, ready;
	int tell, status;
	struct xcursor cursor; /* scratch */
};

static void tell(struct screen *s, enum cell_screen_news news)
{
	char c = (char)news;

	if (write(s->tell, &c, 1) != 1) {
		s->status = 0; /* nobody to work for */
		loop_stop(s->loop);
	}
}

/* ---- X to display ------------------------------------------------------------------------------
 */

static void on_rect(void *arg, struct surface_rect r)
{
	struct screen *s = arg;

	surface_server_damage(s->server, r);
}

static void ask_damage(struct screen *s)
{
	s->dirty = false;
	s->asked_ms = clock_ms();
	xscreen_take_damage(&s->x, on_rect, s);
}

static void on_frame(void *arg)
{
	struct screen *s = arg;

	s->waiting = false;
	if (s->dirty)
		ask_damage(s);
}

static void on_damage(struct screen *s)
{
	int64_t wait = s->asked_ms + FRAME_MS - clock_ms();

	s->dirty = true;
	if (s->waiting || !s->server || !surface_server_watched(s->server))
		return;
	if (wait <= 0) {
		ask_damage(s);
		return;
	}
	s->waiting = true;
	loop_timer_set(s->frame, wait);
}

static void show_cursor(struct screen *s)
{
	struct xcursor *c = &s->cursor;

	if (s->server && xscreen_cursor(&s->x, c))
		surface_server_cursor(s->server, c->width, c->height, c->hot_x, c->hot_y,
				      c->pixels);
}

static void show_screen(struct screen *s)
{
	if (s->server)
		surface_server_scanout(s->server, s->x.fb, &s->x.scanout);
}

static void on_ready(struct screen *s)
{
	if (s->ready)
		return;
	s->ready = true;
	tell(s, CELL_SCREEN_READY);
}

/* Someone inside may have set a size by RANDR: the scanout is what the server says. */
static void on_size(struct screen *s, const xcb_randr_screen_change_notify_event_t *ev)
{
	if (!ev->width || !ev->height || ev->width > s->x.max_width ||
	    ev->height > s->x.max_height || (ev->width == s->x.width && ev->height == s->x.height))
		return;
	s->x.width = s->x.scanout.width = ev->width;
	s->x.height = s->x.scanout.height = ev->height;
	show_screen(s);
}

static void on_event(struct screen *s, const xcb_generic_event_t *ev)
{
	uint8_t type = ev->response_type & 0x7f;
	const xcb_property_notify_event_t *property = (const void *)ev;
	const xcb_map_notify_event_t *map = (const void *)ev;
	const xcb_mapping_notify_event_t *mapping = (const void *)ev;

	if (type == s->x.damage_event + XCB_DAMAGE_NOTIFY)
		on_damage(s);
	else if (type == s->x.fixes_event + XCB_XFIXES_CURSOR_NOTIFY)
		show_cursor(s);
	else if (type == s->x.randr_event + XCB_RANDR_SCREEN_CHANGE_NOTIFY)
		on_size(s, (const void *)ev);
	else if (type == XCB_MAPPING_NOTIFY)
		xtype_mapping(&s->type, mapping->request, mapping->count);
	else if (type == XCB_PROPERTY_NOTIFY && property->atom == s->x.wm_check)
		on_ready(s);
	else if (type == XCB_MAP_NOTIFY && !map->override_redirect)
		on_ready(s);
	if (s->clip)
		xclip_event(s->clip, ev);
}

/* Before each wait: what was asked is sent, and what came is seen. Whoever reads a reply or writes
 * (xcb reads while it does) may have queued events that the socket shows no more. */
static void settle(void *arg)
{
	struct screen *s = arg;
	xcb_generic_event_t *ev;

	xcb_flush(s->conn);
	while ((ev = xcb_poll_for_queued_event(s->conn))) {
		on_event(s, ev);
		free(ev);
		xcb_flush(s->conn);
	}
	if (xcb_connection_has_error(s->conn)) {
		log_info("screen.end", "reason=\"the X server is gone\"");
		s->status = 4;
		loop_stop(s->loop);
	}
}

static void on_x(void *arg, int fd, unsigned events)
{
	struct screen *s = arg;
	xcb_generic_event_t *ev = xcb_poll_for_event(s->conn); /* queues all there is */

	(void)fd;
	(void)events;
	if (ev)
		on_event(s, ev);
	free(ev);
}

/* ---- display to X ------------------------------------------------------------------------------
 */

static void sink_key(void *arg, uint32_t code, bool down)
{
	struct screen *s = arg;

	xinput_key(&s->in, code, down);
}

static void sink_keysym(void *arg, uint32_t keysym)
{
	struct screen *s = arg;

	xtype_keysym(&s->type, keysym);
}

static void sink_layout(void *arg, uint32_t layout)
{
	struct screen *s = arg;

	xtype_layout(&s->type, layout);
}

static void sink_pointer(void *arg, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	struct screen *s = arg;

	(void)width;
	(void)height;
	xinput_pointer(&s->in, x, y);
}

static void sink_button(void *arg, uint32_t code, bool down)
{
	struct screen *s = arg;

	xinput_button(&s->in, code, down);
}

static void sink_wheel(void *arg, int32_t vertical, int32_t horizontal)
{
	struct screen *s = arg;

	xinput_wheel(&s->in, vertical, horizontal);
}

static void sink_resize(void *arg, uint32_t width, uint32_t height)
{
	struct screen *s = arg;
	uint32_t w = s->x.width, h = s->x.height;
	int r = xscreen_resize(&s->x, width, height);

	if (r < 0)
		log_warn("screen.resize", "width=%u height=%u error=%s", width, height,
			 strerrorname_np(-r));
	else if (w != s->x.width || h != s->x.height)
		show_screen(s);
}

static void sink_monitors(void *arg, uint32_t n, const struct surface_rect *rects)
{
	struct screen *s = arg;

	xscreen_monitors(&s->x, n, rects);
	log_info("screen.monitors", "asked=%u made=%u", n, s->x.n_monitors);
}

static void sink_clip_ways(void *arg, uint32_t ways)
{
	struct screen *s = arg;

	xclip_ways(s->clip, ways);
}

static void sink_clip_offer(void *arg, uint32_t serial, uint32_t formats)
{
	struct screen *s = arg;

	xclip_offer(s->clip, serial, formats);
}

static void sink_clip_request(void *arg, uint32_t serial, uint32_t format)
{
	struct screen *s = arg;

	(void)format; /* text is the only one */
	xclip_request(s->clip, serial);
}

static void sink_clip_data(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	struct screen *s = arg;

	xclip_data(s->clip, serial, status, text, n);
}

static void sink_audio_listen(void *arg, bool on)
{
	struct screen *s = arg;

	cell_sound_listen(s->sound, on);
}

static void sink_voice(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	struct screen *s = arg;

	(void)rate; /* the one it records at */
	cell_mic_voice(s->mic, p, frames);
}

static void sink_look(void *arg)
{
	struct screen *s = arg;

	if (s->dirty && !s->waiting)
		ask_damage(s);
}

static void sink_connected(void *arg)
{
	struct screen *s = arg;

	tell(s, CELL_SCREEN_CONNECTED);
	if (s->dirty) /* shown whole by the server; what follows is asked for again */
		ask_damage(s);
	show_cursor(s);
}

static void sink_release(void *arg)
{
	struct screen *s = arg;

	xinput_release(&s->in);
	tell(s, CELL_SCREEN_ALONE);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static int drop_privileges(uid_t uid, struct err *e)
{
	if (getuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
			      setresuid(uid, uid, uid) < 0))
		return err_set(e, -errno, "screen: ids: %m");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set(e, -errno, "screen: %m");
	return 0;
}

static int open_surface(struct screen *s, const struct cell_screen_config *c, struct err *e)
{
	const struct surface_sink sink = {.arg = s,
					  .key = sink_key,
					  .keysym = sink_keysym,
					  .layout = sink_layout,
					  .pointer = sink_pointer,
					  .button = sink_button,
					  .wheel = sink_wheel,
					  .resize = sink_resize,
					  .monitors = sink_monitors,
					  .clip_ways = sink_clip_ways,
					  .clip_offer = sink_clip_offer,
					  .clip_request = sink_clip_request,
					  .clip_data = sink_clip_data,
					  .audio_listen = sink_audio_listen,
					  .voice = sink_voice,
					  .look = sink_look,
					  .connected = sink_connected,
					  .release = sink_release};

	if (!c->surface)
		return 0;
	s->server = surface_server_new(s->loop, c->surface, &sink, e);
	if (!s->server)
		return -EINVAL;
	s->sound = cell_sound_new(s->loop, s->server, c->sound, e);
	s->mic = s->sound ? cell_mic_new(s->loop, s->server, c->mic, c->mic_path, e) : NULL;
	return s->mic ? 0 : -ENOMEM;
}

static int start(struct screen *s, const struct cell_screen_config *c, struct err *e)
{
	int r = open_surface(s, c, e);

	r = r ? r : drop_privileges(c->uid, e);
	if (r < 0)
		return r;
	s->conn = xcb_connect_to_fd(c->x, NULL); /* waits for the server */
	if (xcb_connection_has_error(s->conn))
		return err_set(e, -ECONNRESET, "the X server did not start");
	r = xscreen_init(&s->x, s->conn, c->fb, e);
	r = r ? r : xscreen_resize(&s->x, c->width, c->height);
	if (r < 0)
		return r;
	s->in = (struct xinput){.conn = s->conn, .root = s->x.root};
	xtype_init(&s->type, &s->in);
	if (s->server) {
		s->clip = xclip_new(s->loop, s->conn, s->x.root, s->x.fixes_event, s->server, e);
		if (!s->clip)
			return -ENOMEM;
	}
	s->frame = loop_timer_add(s->loop, -1, on_frame, s);
	s->conn_io = loop_io_add(s->loop, xcb_get_file_descriptor(s->conn), LOOP_READ, on_x, s);
	if (!s->frame || !s->conn_io)
		return err_set(e, -ENOMEM, "out of memory");
	show_screen(s);
	show_cursor(s);
	tell(s, CELL_SCREEN_SIZED);
	loop_before_wait(s->loop, settle, s);
	return 0;
}

static void stop(struct screen *s)
{
	surface_server_free(s->server); /* its sink says no more */
	cell_sound_free(s->sound);
	cell_mic_free(s->mic);
	xclip_free(s->clip);
	loop_timer_del(s->frame);
	loop_io_del(s->conn_io);
	if (s->conn)
		xcb_disconnect(s->conn);
	xscreen_fini(&s->x);
	loop_free(s->loop);
}

int cell_screen_main(const struct cell_screen_config *c)
{
	struct screen s = {.loop = loop_new(), .tell = c->tell, .status = 5, .x.fb = -1};
	struct err e = {0};

	if (!s.loop || start(&s, c, &e) < 0) {
		log_err("screen.start", "error=%s", LOG_Q(e.msg));
		s.status = e.code == -ECONNRESET ? 4 : 1;
	} else {
		(void)loop_run(s.loop);
	}
	stop(&s);
	return s.status;
}
