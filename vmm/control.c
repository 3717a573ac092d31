/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the host agent may ask of a VM; the socket itself is common/control_server.c.
 */
#include "vmm/control.h"

#include <errno.h>
#include <string.h>
#include "common/control_server.h"
#include "vmm/machine.h"

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

static json_t *answer(void *arg, const char *op)
{
	struct control *c = arg;

	if (!strcmp(op, "status"))
		return answer_status(c);
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

void control_event(struct control *c, const char *event, const char *reason)
{
	if (c)
		control_server_event(c->server, event, reason);
}
