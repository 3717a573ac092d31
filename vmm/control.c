/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the host agent may ask of a VM; the socket itself is common/control_server.c.
 */
#include "vmm/control.h"

#include <errno.h>
#include <string.h>
#include "common/control_server.h"
#include "common/json.h"
#include "vmm/machine.h"
#include "vmm/mover.h"
#include "vmm/plugged.h"
#include "vmm/virtio/limiter.h"
#include "vmm/virtio/virtio_balloon.h"
#include "vmm/virtio/virtio_net.h"

#define UNPLUG_MS     30000
#define UNPLUG_MS_MAX 600000

struct control {
	struct vm *vm; /* borrowed */
	struct control_ops ops;
	void *arg;
	struct control_server *server; /* owned */
};

static json_t *answer_status(struct control *c)
{
	struct vm_status s;
	char problem[200] = "";

	vm_status(c->vm, &s);
	if (c->ops.problem)
		c->ops.problem(c->arg, problem, sizeof(problem));

	json_t *o = json_pack("{s:s, s:b, s:I, s:s, s:b}", "state", s.paused ? "paused" : "running",
			      "ready", s.ready, "uptime_ms", (json_int_t)s.uptime_ms, "kvm", s.kvm,
			      "surface", c->ops.surface && c->ops.surface(c->arg));

	if (o && s.ready)
		(void)json_object_set_new(o, "ready_ms", json_integer(s.ready_ms));
	if (o && mover_state(c->ops.mover(c->arg)))
		(void)json_object_set_new(o, "migrate",
					  json_string(mover_state(c->ops.mover(c->arg))));
	if (o && s.waits)
		(void)json_object_set_new(o, "waits", json_true());
	if (o && problem[0])
		(void)json_object_set_new(o, "problem", json_string(problem));
	if (o && s.note[0])
		(void)json_object_set_new(o, "note", json_string(s.note));
	return o;
}

/* The files come along with the order, as this process opens none: state, memory. */
static json_t *answer_snapshot(struct control *c)
{
	int fd[2] = {-1, -1};
	struct err e = {0};
	unsigned n = control_server_take_fds(c->server, fd, 2);
	cleanup_close int state = fd[0], memory = fd[1];
	int r;

	if (n < 2)
		return json_pack("{s:s}", "error",
				 "pass two empty files with the order: state and memory");
	r = c->ops.snapshot(c->arg, state, memory, &e);
	if (r < 0)
		return json_pack("{s:s, s:s}", "error", e.msg, "word", e.word);
	return json_pack("{s:b}", "ok", 1);
}

static void add_stats(json_t *o, const struct virtio_balloon_status *s)
{
	static const char *const names[BALLOON_STATS] = {
		[BALLOON_SWAP_IN] = "swap_in_bytes",
		[BALLOON_SWAP_OUT] = "swap_out_bytes",
		[BALLOON_MAJOR_FAULTS] = "major_faults",
		[BALLOON_MINOR_FAULTS] = "minor_faults",
		[BALLOON_FREE] = "free_bytes",
		[BALLOON_TOTAL] = "total_bytes",
		[BALLOON_AVAILABLE] = "available_bytes",
		[BALLOON_CACHES] = "caches_bytes",
		[BALLOON_HUGE_OK] = "huge_pages",
		[BALLOON_HUGE_FAIL] = "huge_page_failures"};
	json_t *stats = json_pack("{s:I}", "age_ms", (json_int_t)s->stats_ms);

	for (unsigned i = 0; i < BALLOON_STATS; i++)
		if (s->stats & 1u << i) /* the guest's word: as large as JSON integers go */
			(void)json_object_set_new(
				stats, names[i],
				json_integer((json_int_t)(s->stat[i] & INT64_MAX)));
	(void)json_object_set_new(o, "stats", stats);
}

/* With "target_mib" the balloon is to have that much from now on. */
static json_t *answer_balloon(struct control *c)
{
	struct virtio_balloon *b = c->ops.balloon ? c->ops.balloon(c->arg) : NULL;
	const json_t *target = json_object_get(control_server_order(c->server), "target_mib");
	json_int_t mib = json_integer_value(target);
	struct virtio_balloon_status s;
	json_t *o;

	if (!b)
		return json_pack("{s:s}", "error", "this machine has no balloon");
	if (target && (!json_is_integer(target) || mib < 0 || mib > INT32_MAX ||
		       virtio_balloon_target(b, (uint64_t)mib << 20) < 0))
		return json_pack("{s:s}", "error",
				 "target_mib is not from 0 to the desktop's memory");
	virtio_balloon_status(b, &s);
	o = json_pack("{s:I, s:I, s:I, s:b}", "target_mib", (json_int_t)(s.target_bytes >> 20),
		      "actual_mib", (json_int_t)(s.actual_bytes >> 20), "released_mib",
		      (json_int_t)(s.released_bytes >> 20), "driver", s.driver);
	if (o && s.stats)
		add_stats(o, &s);
	return o;
}

/* What the object leaves out is free. */
static bool read_limit(const json_t *o, struct limit *l)
{
	json_int_t bytes = json_integer_value(json_object_get(o, "bytes_per_s"));
	json_int_t ops = json_integer_value(json_object_get(o, "ops_per_s"));
	json_int_t burst = json_integer_value(json_object_get(o, "burst_ms"));

	if (!json_is_object(o) || bytes < 0 || ops < 0 || burst < 0 || burst > UINT32_MAX)
		return false;
	*l = (struct limit){.bytes_per_s = (uint64_t)bytes,
			    .ops_per_s = (uint64_t)ops,
			    .burst_ms = (uint32_t)burst};
	return limit_ok(l);
}

static json_t *limit_json(const struct limit *l)
{
	return json_pack("{s:I, s:I, s:I}", "bytes_per_s", (json_int_t)l->bytes_per_s, "ops_per_s",
			 (json_int_t)l->ops_per_s, "burst_ms",
			 (json_int_t)(l->burst_ms ? l->burst_ms : LIMIT_BURST_MS));
}

/* "disk" and "net", where given, replace what holds now; the answer also says what went through. */
static json_t *answer_limits(struct control *c)
{
	const json_t *order = control_server_order(c->server);
	const json_t *disk = json_object_get(order, "disk"), *net = json_object_get(order, "net");
	struct limit *d, *n, new_disk, new_net;
	uint64_t in, out;
	json_t *passed = NULL;

	if (!c->ops.limits)
		return NULL;
	c->ops.limits(c->arg, &d, &n);
	if ((disk && !read_limit(disk, &new_disk)) || (net && !read_limit(net, &new_net)))
		return json_pack(
			"{s:s}", "error",
			"give bytes_per_s, ops_per_s and burst_ms as numbers, each or some");
	if (disk)
		*d = new_disk;
	if (net)
		*n = new_net;
	if (disk || net)
		c->ops.limited(c->arg);
	if (c->ops.passed && c->ops.passed(c->arg, &in, &out))
		passed = json_pack("{s:I, s:I}", "net_in", (json_int_t)in, "net_out",
				   (json_int_t)out);
	return json_pack("{s:o, s:o, s:o*}", "disk", limit_json(d), "net", limit_json(n), "passed",
			 passed);
}

static json_t *refused(const struct err *e)
{
	return json_pack("{s:s, s:s}", "error", e->msg, "word", e->word[0] ? e->word : "plug.bad");
}

static int plug(struct control *c, json_t *order, int fd, unsigned *slot, struct err *e)
{
	struct plugged *p = c->ops.plugged(c->arg);
	cleanup_close int mine = fd;
	const char *id, *kind, *mac_text = NULL;
	bool read_only = false;
	uint8_t mac[6];
	int r;

	if ((r = json_need_str(order, "kind", 1, 8, &kind, e)) < 0 ||
	    (r = json_need_str(order, "id", 1, 64, &id, e)) < 0 ||
	    (r = json_opt_bool(order, "readonly", &read_only, e)) < 0 ||
	    (r = json_opt_str(order, "mac", 32, &mac_text, e)) < 0)
		return r;
	if (!strcmp(kind, "disk"))
		return plugged_disk(p, id, steal_fd(&mine), read_only, slot, e);
	if (strcmp(kind, "net"))
		return err_set(e, -EINVAL, "kind: give disk or net");
	if (!mac_text)
		return err_set(e, -EINVAL, "give mac, like 52:54:00:12:34:56");
	r = virtio_net_parse_mac(mac_text, mac, e);
	return r < 0 ? r : plugged_net(p, id, steal_fd(&mine), mac, slot, e);
}

/* The file, tap or socket comes along with the order. */
static json_t *answer_plug(struct control *c)
{
	/* Borrowed; jansson's getters take no const. */
	json_t *order = (json_t *)(uintptr_t)control_server_order(c->server);
	struct err e = {0};
	unsigned slot = 0;
	int fd = -1;

	if (control_server_take_fds(c->server, &fd, 1) < 1)
		return json_pack("{s:s, s:s}", "error",
				 "pass the disk's file, the tap or the socket with the order",
				 "word", "plug.bad");
	if (plug(c, order, fd, &slot, &e) < 0)
		return refused(&e);
	return json_pack("{s:b, s:i}", "ok", 1, "slot", (int)slot);
}

static json_t *answer_unplug(struct control *c)
{
	json_t *order = (json_t *)(uintptr_t)control_server_order(c->server);
	int64_t timeout_ms = UNPLUG_MS;
	struct err e = {0};
	const char *id;

	if (json_need_str(order, "id", 1, 64, &id, &e) < 0 ||
	    json_opt_int(order, "timeout_ms", 1, UNPLUG_MS_MAX, &timeout_ms, &e) < 0 ||
	    plugged_unplug(c->ops.plugged(c->arg), id, timeout_ms, &e) < 0)
		return refused(&e);
	return json_pack("{s:b}", "ok", 1);
}

static json_t *answer_plugged(struct control *c)
{
	static const char *const states[] = {[PLUGGED_OFFERED] = "offered",
					     [PLUGGED_SEEN] = "seen",
					     [PLUGGED_USED] = "used",
					     [PLUGGED_LEAVING] = "leaving"};
	json_t *list = json_array();
	struct plugged_info info;

	for (unsigned i = 0; i < PLUGGED_MAX; i++)
		if (plugged_at(c->ops.plugged(c->arg), i, &info))
			(void)json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s}", "id",
								    info.id, "kind", info.kind,
								    "slot", (int)info.slot, "state",
								    states[info.state]));
	return json_pack("{s:o, s:i}", "plugged", list, "slots", (int)PLUGGED_MAX);
}

/* The line to the receiver comes along with the order. */
static json_t *answer_migrate(struct control *c)
{
	json_t *order = (json_t *)(uintptr_t)control_server_order(c->server);
	struct err e = {0};
	int fd = -1;

	if (control_server_take_fds(c->server, &fd, 1) < 1)
		return json_pack("{s:s, s:s}", "error",
				 "pass a connected stream socket with the order", "word",
				 "migrate.bad");
	if (mover_start(c->ops.mover(c->arg), order, fd, &e) < 0)
		return refused(&e);
	return json_pack("{s:b}", "ok", 1);
}

/* What would change the machine under a move; "resume" ends a doubt. */
static json_t *answer_moving(struct control *c, const char *op)
{
	static const char *const not_now[] = {"pause", "resume", "snapshot", "plug", "unplug"};
	struct mover *m = c->ops.mover(c->arg);
	struct err e = {0};

	for (unsigned i = 0; i < ARRAY_LEN(not_now); i++)
		if (!strcmp(op, not_now[i])) {
			bool resume = !strcmp(op, "resume");

			if (!resume)
				(void)err_setw(&e, -EBUSY, "migrate.busy",
					       "the machine is being moved");
			return resume && mover_resume(m, &e) == 0 ? json_pack("{s:b}", "ok", 1)
								  : refused(&e);
		}
	return NULL;
}

static json_t *answer_cancel(struct control *c)
{
	struct err e = {0};

	if (mover_cancel(c->ops.mover(c->arg), &e) < 0)
		return refused(&e);
	return json_pack("{s:b}", "ok", 1);
}

static json_t *answer(void *arg, const char *op)
{
	struct control *c = arg;
	json_t *busy = mover_state(c->ops.mover(c->arg)) ? answer_moving(c, op) : NULL;

	if (busy)
		return busy;
	if (!strcmp(op, "status"))
		return answer_status(c);
	if (!strcmp(op, "migrate"))
		return answer_migrate(c);
	if (!strcmp(op, "migrate.cancel"))
		return answer_cancel(c);
	if (!strcmp(op, "powerdown")) {
		vm_powerdown(c->vm);
		return json_pack("{s:b}", "ok", 1);
	}
	if (!strcmp(op, "quit")) {
		vm_stop(c->vm, VM_QUIT, NULL);
		return json_pack("{s:b}", "ok", 1);
	}
	if (!strcmp(op, "pause")) {
		vm_pause(c->vm);
		return json_pack("{s:b}", "ok", 1);
	}
	if (!strcmp(op, "resume")) {
		vm_resume(c->vm);
		return json_pack("{s:b}", "ok", 1);
	}
	if (!strcmp(op, "limits"))
		return answer_limits(c);
	if (!strcmp(op, "balloon"))
		return answer_balloon(c);
	if (!strcmp(op, "plug"))
		return answer_plug(c);
	if (!strcmp(op, "unplug"))
		return answer_unplug(c);
	if (!strcmp(op, "plugged"))
		return answer_plugged(c);
	return !strcmp(op, "snapshot") ? answer_snapshot(c) : NULL;
}

struct control *control_new(struct loop *l, struct vm *vm, const char *path,
			    const struct control_ops *ops, void *arg, struct err *e)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*c = (struct control){.vm = vm, .ops = *ops, .arg = arg};
	c->server = control_server_new(l, path, answer, c, e);
	if (!c->server) {
		control_free(c);
		return NULL;
	}
	return c;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	control_server_free(c->server);
	free(c);
}

void control_tell(struct control *c, json_t *o)
{
	if (c)
		control_server_tell(c->server, o);
}

void control_event(struct control *c, const char *event, const char *reason)
{
	if (c)
		control_server_event(c->server, event, reason);
}
