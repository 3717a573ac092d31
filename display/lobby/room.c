/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See room.h. Theory of operation: the gateway says who comes (hello). A surface is set up in the
 * size of the client's screen, pane-display is started for it as for any desktop, and a connection
 * to it, with the preface said, goes back to the gateway: that is where the client's RDP goes. Then
 * the sandbox closes, and there are the gateway's link and the surface only.
 *
 * One process, one thread, one loop. It ends with its link; the display ends with it.
 */
#include "display/lobby/room.h"

#include <errno.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/json.h"
#include "common/language.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/preface.h"
#include "common/sock.h"
#include "common/surface_server.h"
#include "common/xlayout.h"
#include "display/lobby/form.h"
#include "display/lobby/jail.h"
#include "display/lobby/keys.h"
#include "display/lobby/paint.h"

#define MESSAGE_MAX	8192
#define HELLO_MS	3000
#define START_MS	4000 /* pane-display, to its socket */
#define TRY_MS		5
#define TICK_MS		1000
#define REPEAT_FIRST_MS 400
#define REPEAT_MS	40
#define NOTCH		120

struct hello {
	char conn[16], user[LOBBY_TEXT];
	int64_t width, height, layout, requested, selected;
};

struct room {
	const struct lobby_house *house; /* borrowed */
	struct loop *loop;
	int link; /* owned */
	char surface_sock[SOCK_ADDR_MAX], display_sock[SOCK_ADDR_MAX];
	char conn[16];
	struct surface_server *surface;
	struct lobby_form form;
	struct lobby_look look;
	struct lobby_keys *keys;
	struct canvas canvas;
	int32_t x, y;  /* the pointer */
	uint32_t held; /* the key that is down last; 0 = none */
	struct lobby_key repeated;
	struct loop_timer *tick, *repeat, *idle;
};

/* ---- the screen ---- */

static void paint(struct room *r)
{
	struct surface_rect all = {0, 0, r->canvas.width, r->canvas.height};

	if (!r->canvas.pixels)
		return;
	lobby_paint(&r->canvas, &r->look, &r->form, clock_ms());
	surface_server_damage(r->surface, all);
}

static int set_size(struct room *r, uint32_t width, uint32_t height)
{
	size_t size = (size_t)width * height * 4;
	struct surface_scanout sc = {
		.width = width, .height = height, .stride = width * 4, .size = size};
	cleanup_close int fd = memfd_create("lobby", MFD_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)size))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	if (r->canvas.pixels)
		munmap(r->canvas.pixels, (size_t)r->canvas.width * (size_t)r->canvas.height * 4);
	r->canvas = (struct canvas){(int32_t)width, (int32_t)height, p};
	lobby_paint(&r->canvas, &r->look, &r->form, clock_ms());
	surface_server_scanout(r->surface, fd, &sc);
	return 0;
}

static void on_resize(void *arg, uint32_t width, uint32_t height)
{
	struct room *r = arg;

	if (r->look.monitor.x + r->look.monitor.width > (int32_t)width ||
	    r->look.monitor.y + r->look.monitor.height > (int32_t)height)
		r->look.monitor = (struct surface_rect){0};
	if (width && height && width <= SURFACE_MAX_DIM && height <= SURFACE_MAX_DIM &&
	    set_size(r, width, height))
		log_warn("lobby.resize", "conn=%s error=memory", r->conn);
}

static void on_monitors(void *arg, uint32_t n, const struct surface_rect *rects)
{
	struct room *r = arg;

	r->look.monitor = n ? rects[0] : (struct surface_rect){0};
	if (r->canvas.pixels && (r->look.monitor.x + r->look.monitor.width > r->canvas.width ||
				 r->look.monitor.y + r->look.monitor.height > r->canvas.height))
		return; /* of the size to come */
	paint(r);
}

/* ---- the link ---- */

static int say(const struct room *r, json_t *o, int fd)
{
	char text[MESSAGE_MAX];
	size_t n = o ? json_dumpb(o, text, sizeof(text), JSON_COMPACT) : 0;
	ssize_t sent;

	json_decref(o);
	if (!n || n > sizeof(text))
		return -EMSGSIZE;
	sent = sock_send_fd(r->link, text, n, fd);
	explicit_bzero(text, sizeof(text)); /* may hold a password */
	return sent < 0 ? (int)sent : 0;
}

static void act(struct room *r, enum lobby_wish wish)
{
	if (wish == LOBBY_NOTHING)
		return;
	loop_timer_set(r->idle, r->house->idle_s * 1000ll);
	if (wish != LOBBY_REDRAW && say(r, lobby_form_answer(&r->form, wish), -1))
		loop_stop(r->loop);
	paint(r);
}

static void on_link(void *arg, int fd, unsigned events)
{
	struct room *r = arg;
	char text[MESSAGE_MAX];
	cleanup_json json_t *o = NULL;
	struct err e = {0};
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	o = n > 0 ? json_parse(text, (size_t)n, &e) : NULL;
	if (!o || lobby_form_show(&r->form, o, clock_ms(), &e)) {
		log_info("lobby.over", "conn=%s why=%s", r->conn, n > 0 ? LOG_Q(e.msg) : "closed");
		loop_stop(r->loop);
		return;
	}
	loop_timer_set(r->tick, r->form.mode == LOBBY_WAIT ? TICK_MS : -1);
	if (r->form.mode == LOBBY_WAIT)
		loop_timer_set(r->idle, -1);
	else
		loop_timer_set(r->idle, r->house->idle_s * 1000ll);
	paint(r);
}

static void on_tick(void *arg)
{
	struct room *r = arg;

	paint(r);
	loop_timer_set(r->tick, TICK_MS);
}

static void on_idle(void *arg)
{
	struct room *r = arg;

	log_info("lobby.over", "conn=%s why=idle", r->conn);
	loop_stop(r->loop);
}

/* ---- the user ---- */

static void press(struct room *r, const struct lobby_key *k)
{
	if (k->keysym)
		act(r, lobby_form_key(&r->form, k->keysym, k->utf8, k->shift, k->control));
}

static void on_key(void *arg, uint32_t code, bool down)
{
	struct room *r = arg;
	struct lobby_key k;

	lobby_keys_press(r->keys, code, down, &k);
	if (!down) {
		if (code == r->held)
			loop_timer_set(r->repeat, -1);
		return;
	}
	press(r, &k);
	r->held = code;
	r->repeated = k;
	/* A desktop repeats its keys itself; of ours those that fill or empty a field. */
	loop_timer_set(r->repeat, k.utf8[0] && (uint8_t)k.utf8[0] != '\r' && k.utf8[0] != '\t' &&
						  k.utf8[0] != 0x1B
					  ? REPEAT_FIRST_MS
					  : -1);
}

static void on_repeat(void *arg)
{
	struct room *r = arg;

	press(r, &r->repeated);
	loop_timer_set(r->repeat, REPEAT_MS);
}

static void on_keysym(void *arg, uint32_t keysym)
{
	struct lobby_key k;

	lobby_keys_character(keysym, &k);
	press(arg, &k);
}

static void on_pointer(void *arg, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	struct room *r = arg;

	(void)width, (void)height;
	r->x = (int32_t)x;
	r->y = (int32_t)y;
}

static void on_button(void *arg, uint32_t code, bool down)
{
	struct room *r = arg;

	if (down && code == BTN_LEFT)
		act(r, lobby_form_click(&r->form, r->x, r->y));
}

static void on_wheel(void *arg, int32_t vertical, int32_t horizontal)
{
	struct room *r = arg;

	(void)horizontal;
	act(r, lobby_form_wheel(&r->form, vertical / NOTCH));
}

static void on_release(void *arg)
{
	struct room *r = arg;

	loop_timer_set(r->repeat, -1);
	log_info("lobby.over", "conn=%s why=\"the display ended\"", r->conn);
	loop_stop(r->loop);
}

/* ---- coming up ---- */

/* The language of the client's keyboard, else the site's. */
static void speak(const struct room *r, uint32_t layout)
{
	const char *theirs = xlayout_language(layout), *site = r->house->language;
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "%s%s%s", theirs ? theirs : "", theirs ? ":" : "",
		 *site ? site : "en");
	language_begin("pane-lobby", NULL, wanted);
}

static int take_hello(struct room *r, struct hello *h, struct err *e)
{
	struct pollfd p = {.fd = r->link, .events = POLLIN};
	const char *conn = "", *user = "";
	char text[MESSAGE_MAX];
	cleanup_json json_t *o = NULL;
	ssize_t n;
	int res;

	if (poll(&p, 1, HELLO_MS) != 1)
		return err_set(e, -ETIMEDOUT, "the gateway said nothing");
	n = recv(r->link, text, sizeof(text), 0);
	o = n > 0 ? json_parse(text, (size_t)n, e) : NULL;
	if (!o)
		return err_set(e, -EPROTO, "the gateway did not say hello");
	*h = (struct hello){.width = 1024, .height = 768, .layout = 0x409, .selected = 1};
	res = json_opt_str(o, "conn", sizeof(h->conn) - 1, &conn, e);
	res = res ? res : json_opt_str(o, "user", sizeof(h->user) - 1, &user, e);
	res = res ? res : json_opt_int(o, "width", 0, UINT16_MAX, &h->width, e);
	res = res ? res : json_opt_int(o, "height", 0, UINT16_MAX, &h->height, e);
	res = res ? res : json_opt_int(o, "layout", 0, UINT32_MAX, &h->layout, e);
	res = res ? res : json_opt_int(o, "requested_protocols", 0, UINT32_MAX, &h->requested, e);
	res = res ? res : json_opt_int(o, "selected_protocol", 0, UINT32_MAX, &h->selected, e);
	snprintf(h->conn, sizeof(h->conn), "%s", conn);
	snprintf(h->user, sizeof(h->user), "%s", user);
	/* [MS-RDPBCGR] 2.2.1.3.2: servers clamp sizes; this is what the display would ask for. */
	h->width = h->width < 200 ? 200 : h->width > SURFACE_MAX_DIM ? SURFACE_MAX_DIM : h->width;
	h->height = h->height < 200		  ? 200
		    : h->height > SURFACE_MAX_DIM ? SURFACE_MAX_DIM
						  : h->height;
	return res;
}

static int open_surface(struct room *r, const struct hello *h, struct err *e)
{
	const struct surface_sink sink = {.arg = r,
					  .key = on_key,
					  .pointer = on_pointer,
					  .button = on_button,
					  .wheel = on_wheel,
					  .resize = on_resize,
					  .keysym = on_keysym,
					  .monitors = on_monitors,
					  .release = on_release};

	r->surface = surface_server_new(r->loop, r->surface_sock, &sink, e);
	if (!r->surface)
		return e->code ? e->code : -ENOMEM;
	return set_size(r, (uint32_t)h->width, (uint32_t)h->height);
}

/* In the child. */
static _Noreturn void run_display(const struct room *r, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl(r->house->display, r->house->display, "--surface", r->surface_sock, "--listen",
	      r->display_sock, "--name", "lobby", "--clipboard", "none", "--audio", "none", NULL);
	log_err("lobby.display", "program=%s error=%s", r->house->display, strerror(errno));
	_exit(1);
}

/* The socket is there when the display listens: a path appears, which no descriptor tells. */
static int dial(const struct room *r, struct err *e)
{
	char addr[SOCK_ADDR_MAX];
	int64_t end = clock_ms() + START_MS;
	int pending, fd;

	if ((size_t)snprintf(addr, sizeof(addr), "unix:%s", r->display_sock) >= sizeof(addr))
		return err_set(e, -ENAMETOOLONG, "--state: the path is too long for a socket");
	for (;;) {
		fd = sock_connect(addr, SOCK_STREAM, &pending, e);
		if (fd >= 0 || clock_ms() > end)
			return fd;
		poll(NULL, 0, TRY_MS);
	}
}

static int read_answer(int fd, struct err *e)
{
	uint8_t bytes[PREFACE_HEAD + 512];
	size_t have = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	cleanup_json json_t *o = NULL;

	/* A byte at a time: what follows is the client's. */
	while (have < sizeof(bytes) && preface_take(bytes, have, &o, e) == 0) {
		if (poll(&p, 1, START_MS) != 1 || read(fd, bytes + have, 1) != 1)
			return err_set(e, -ETIMEDOUT, "the display does not answer");
		have++;
	}
	return json_is_true(json_object_get(o, "ok")) ? 0
						      : err_set(e, -EPROTO, "the display refused");
}

static int greet_display(const struct room *r, const struct hello *h, int fd, struct err *e)
{
	cleanup_json json_t *o =
		json_pack("{s:s, s:s, s:{s:I, s:I, s:b}}", "protocol", "rdp", "conn", r->conn,
			  "rdp", "requested_protocols", (json_int_t)h->requested,
			  "selected_protocol", (json_int_t)h->selected, "plain", 1);
	struct buf b;
	int res;

	buf_init(&b, PREFACE_HEAD + PREFACE_MAX);
	res = o ? preface_append(&b, o) : -ENOMEM;
	if (!res && write(fd, buf_head(&b), b.len) != (ssize_t)b.len)
		res = -EPIPE;
	buf_fini(&b);
	return res ? err_set(e, res, "the display hung up") : read_answer(fd, e);
}

static int start_display(struct room *r, const struct hello *h, struct err *e)
{
	pid_t parent = getpid(), pid = fork();
	cleanup_close int fd = -1;
	int res;

	if (pid == 0)
		run_display(r, parent);
	if (pid < 0)
		return err_set(e, -errno, "fork: %s", strerror(errno));
	fd = dial(r, e);
	if (fd < 0)
		return fd;
	res = greet_display(r, h, fd, e);
	return res ? res : say(r, json_pack("{s:b}", "ok", 1), fd);
}

static int start_loop(struct room *r, struct err *e)
{
	r->tick = loop_timer_add(r->loop, -1, on_tick, r);
	r->repeat = loop_timer_add(r->loop, -1, on_repeat, r);
	r->idle = loop_timer_add(r->loop, r->house->idle_s * 1000ll, on_idle, r);
	if (!r->tick || !r->repeat || !r->idle ||
	    !loop_io_add(r->loop, r->link, LOOP_READ, on_link, r))
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

static int start(struct room *r, struct err *e)
{
	struct hello h = {0};
	int res = take_hello(r, &h, e);

	if (res)
		return res;
	speak(r, (uint32_t)h.layout);
	memcpy(r->conn, h.conn, sizeof(r->conn));
	lobby_form_init(&r->form, h.user);
	r->look = (struct lobby_look){
		.face = r->house->face, .bold = r->house->bold, .title = r->house->title};
	r->keys = lobby_keys_new((uint32_t)h.layout);
	r->loop = loop_new();
	if (!r->keys || !r->loop)
		return err_set(e, -ENOMEM, "no keymap (package xkb-data), or out of memory");
	res = open_surface(r, &h, e);
	if (!res)
		res = start_loop(r, e);
	if (!res)
		res = start_display(r, &h, e);
	return res ? res : lobby_jail(e);
}

int lobby_room_run(const struct lobby_house *h, int link, const char *dir)
{
	struct room r = {.house = h, .link = link};
	struct err e = {0};
	int res = -ENAMETOOLONG;

	if ((size_t)snprintf(r.surface_sock, SOCK_ADDR_MAX, "%s/" LOBBY_SURFACE, dir) <
		    SOCK_ADDR_MAX &&
	    (size_t)snprintf(r.display_sock, SOCK_ADDR_MAX, "%s/" LOBBY_DISPLAY, dir) <
		    SOCK_ADDR_MAX)
		res = start(&r, &e);
	if (res) {
		log_err("lobby.failed", "conn=%s why=%s", r.conn, LOG_Q(e.msg));
	} else {
		log_info("lobby.open", "conn=%s", r.conn);
		res = loop_run(r.loop);
	}
	lobby_form_wipe(&r.form);
	close(r.link);
	return res;
}
