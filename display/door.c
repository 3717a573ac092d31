/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See door.h. The bytes are read exactly: head, then as many as it says, so that what follows the
 * preface stays in the socket for the viewer.
 */
#include "display/door.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "common/json.h"
#include "common/log.h"
#include "common/preface.h"
#include "common/sock.h"
#include "common/wire.h"
#include "display/control.h"

struct guest {
	struct disp_door *door;
	struct guest *next;
	int fd; /* owned */
	struct loop_io *io;
	struct loop_timer *deadline;
	size_t have;
	uint8_t bytes[PREFACE_HEAD + PREFACE_MAX];
};

struct disp_door {
	struct loop *loop;	      /* borrowed */
	struct disp_viewers *viewers; /* borrowed */
	struct disp_control *control; /* borrowed */
	int fd;			      /* owned */
	struct loop_io *io;
	struct guest *guests; /* owned */
	unsigned waiting;
	struct log_bucket bucket;
};

static void guest_free(struct guest *g)
{
	struct disp_door *d = g->door;

	for (struct guest **p = &d->guests; *p; p = &(*p)->next) {
		if (*p == g) {
			*p = g->next;
			d->waiting--;
			break;
		}
	}
	loop_io_del(g->io);
	loop_timer_del(g->deadline);
	if (g->fd >= 0)
		close(g->fd);
	free(g);
}

static void refuse(struct guest *g, const char *word, const char *message)
{
	cleanup_json json_t *o =
		json_pack("{s:b,s:s,s:s}", "ok", 0, "code", word, "message", message);
	struct buf b;

	if (log_allow(&g->door->bucket, 1))
		log_warn("viewer.refused", "code=%s message=\"%s\"", word, message);
	buf_init(&b, PREFACE_HEAD + PREFACE_MAX);
	if (o && preface_append(&b, o) == 0)
		(void)!write(g->fd, buf_head(&b), b.len);
	buf_fini(&b);
	guest_free(g);
}

static int answer_ok(int fd)
{
	cleanup_json json_t *o = json_pack("{s:b}", "ok", 1);
	struct buf b;
	int r;

	if (!o)
		return -ENOMEM;
	buf_init(&b, PREFACE_HEAD + PREFACE_MAX);
	r = preface_append(&b, o);
	if (r >= 0)
		r = write(fd, buf_head(&b), b.len) == (ssize_t)b.len ? 0 : -EIO;
	buf_fini(&b);
	return r;
}

static int read_mode(const char *mode, enum disp_mode *out, struct err *e)
{
	if (!mode[0])
		*out = DISP_USER;
	else if (strcmp(mode, "control") == 0)
		*out = DISP_CONTROL;
	else if (strcmp(mode, "view") == 0)
		*out = DISP_VIEW;
	else
		return err_set(e, -EPROTO, "the mode is neither view nor control");
	return 0;
}

/* The preface's fields into *v. */
static int read_fields(json_t *o, struct disp_viewer *v, struct err *e)
{
	const char *protocol, *conn = "", *mode = "", *user = "";
	int64_t requested = 1, selected = 1;
	bool plain = false;
	json_t *rdp = json_object_get(o, "rdp");
	int r = json_need_str(o, "protocol", 1, 8, &protocol, e);

	if (r == 0)
		r = json_opt_str(o, "conn", sizeof(v->conn) - 1, &conn, e);
	if (r == 0 && json_is_object(rdp))
		r = json_opt_int(rdp, "requested_protocols", 0, UINT32_MAX, &requested, e);
	if (r == 0 && json_is_object(rdp))
		r = json_opt_int(rdp, "selected_protocol", 0, UINT32_MAX, &selected, e);
	if (r == 0 && json_is_object(rdp))
		r = json_opt_bool(rdp, "plain", &plain, e);
	if (r == 0)
		r = json_opt_str(o, "mode", 8, &mode, e);
	if (r == 0 && mode[0])
		r = json_need_str(o, "user", 1, DISP_HELPER_NAME - 1, &user, e);
	if (r == 0)
		r = read_mode(mode, &v->mode, e);
	if (r < 0)
		return r;
	snprintf(v->helper, sizeof(v->helper), "%s", user);
	if (strcmp(protocol, "rdp") == 0)
		v->protocol = DISP_RDP;
	else if (strcmp(protocol, "rfb") == 0)
		v->protocol = DISP_RFB;
	else
		return err_set(e, -EPROTONOSUPPORT, "the display speaks rdp and rfb");
	snprintf(v->conn, sizeof(v->conn), "%s", conn);
	for (char *c = v->conn; *c; c++)
		*c = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ? *c : '_';
	v->requested_protocols = (uint32_t)requested;
	v->selected_protocol = (uint32_t)selected;
	v->plain = plain;
	return 0;
}

/* The preface's first field: who it is decides what the rest means. */
static bool is_control(json_t *o)
{
	const char *protocol = json_string_value(json_object_get(o, "protocol"));

	return protocol && strcmp(protocol, "control") == 0;
}

static void admit_control(struct guest *g)
{
	struct disp_door *d = g->door;
	cleanup_close int fd = -1;

	loop_io_del(g->io); /* before the descriptor gets another owner */
	g->io = NULL;
	fd = steal_fd(&g->fd);
	guest_free(g);
	if (answer_ok(fd) == 0)
		disp_control_add(d->control, steal_fd(&fd));
}

static void admit(struct guest *g, json_t *o)
{
	struct disp_viewer *v = calloc(1, sizeof(*v));
	struct err e = {0};
	int r;

	if (!v) {
		guest_free(g);
		return;
	}
	v->fd = -1;
	if (read_fields(o, v, &e) < 0) {
		free(v);
		refuse(g, "preface.invalid", e.msg);
		return;
	}
	if (v->mode != DISP_USER && !disp_control_tells(g->door->control)) {
		free(v);
		refuse(g, "display.font",
		       "the desktop's user cannot be told of it: the host has no font for "
		       "messages");
		return;
	}
	if (disp_viewers_count(g->door->viewers) >= DISP_MAX_VIEWERS) {
		free(v);
		refuse(g, "viewers.limit", "this desktop has as many viewers as it can take");
		return;
	}
	r = answer_ok(g->fd);
	if (r == 0 && fcntl(g->fd, F_SETFL, fcntl(g->fd, F_GETFL) & ~O_NONBLOCK) < 0)
		r = -errno;
	loop_io_del(g->io); /* before the descriptor gets another owner */
	g->io = NULL;
	v->fd = steal_fd(&g->fd);
	if (r == 0)
		r = disp_viewers_add(g->door->viewers, v);
	if (r != 0) {
		close(v->fd);
		free(v);
	}
	guest_free(g);
}

/* How many bytes are wanted now: the head, then the length it gives. 0 = not a preface. */
static size_t wanted(const struct guest *g)
{
	size_t n;

	if (g->have < PREFACE_HEAD)
		return PREFACE_HEAD;
	n = get_be16(g->bytes + 6);
	return memcmp(g->bytes, "PANE", 4) == 0 && n && n <= PREFACE_MAX ? PREFACE_HEAD + n : 0;
}

static void on_guest(void *arg, int fd, unsigned events)
{
	struct guest *g = arg;
	size_t want = wanted(g);
	cleanup_json json_t *o = NULL;
	struct err e = {0};
	ssize_t n;

	(void)events;
	while (want > g->have) {
		n = read(fd, g->bytes + g->have, want - g->have);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			guest_free(g);
			return;
		}
		g->have += (size_t)n;
		want = wanted(g);
	}
	if (!want || preface_take(g->bytes, g->have, &o, &e) <= 0) {
		refuse(g, "preface.invalid", e.msg[0] ? e.msg : "not a preface");
		return;
	}
	if (is_control(o))
		admit_control(g);
	else
		admit(g, o);
}

static void on_deadline(void *arg)
{
	refuse(arg, "preface.timeout", "no preface came in time");
}

static void on_accept(void *arg, int fd, unsigned events)
{
	struct disp_door *d = arg;
	char peer[SOCK_ADDR_MAX];
	int c = sock_accept(fd, peer);
	struct guest *g;

	(void)events;
	if (c < 0)
		return;
	g = d->waiting < DISP_MAX_WAITING ? calloc(1, sizeof(*g)) : NULL;
	if (!g) {
		close(c);
		return;
	}
	g->door = d;
	g->fd = c;
	g->next = d->guests;
	d->guests = g;
	d->waiting++;
	g->io = loop_io_add(d->loop, c, LOOP_READ, on_guest, g);
	g->deadline = loop_timer_add(d->loop, DISP_PREFACE_MS, on_deadline, g);
	if (!g->io || !g->deadline)
		guest_free(g);
}

struct disp_door *disp_door_new(struct loop *l, const char *path, struct disp_viewers *viewers,
				struct disp_control *control, struct err *e)
{
	struct disp_door *d = calloc(1, sizeof(*d));

	if (!d) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	d->loop = l;
	d->viewers = viewers;
	d->control = control;
	d->fd = -1;
	d->fd = sock_listen_path(path, SOCK_STREAM, 0600, e);
	if (d->fd >= 0)
		d->io = loop_io_add(l, d->fd, LOOP_READ, on_accept, d);
	if (d->fd < 0 || !d->io) {
		disp_door_free(d);
		return NULL;
	}
	return d;
}

void disp_door_free(struct disp_door *d)
{
	if (!d)
		return;
	while (d->guests)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): takes it off the list */
		guest_free(d->guests);
	loop_io_del(d->io);
	if (d->fd >= 0)
		close(d->fd); /* its path stays: the sandbox has no files */
	free(d);
}
