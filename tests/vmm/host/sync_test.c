/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The worker behind the agent: outcomes arrive in the loop, and a waiting call ends when it is told
 * to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include "common/sock.h"
#include "vmm/host/sync.h"

struct outcome {
	struct loop *loop;
	int n, r;
};

static void on_done(void *arg, int r, json_t *reply, const struct err *e)
{
	struct outcome *o = arg;

	(void)reply, (void)e;
	o->n++;
	o->r = r;
	loop_stop(o->loop);
}

static void cancel(void *arg)
{
	host_sync_cancel(arg);
}

static struct host_sync *make(struct outcome *o, const char *base)
{
	struct http_params p = {.base = base, .timeout_ms = 20000};
	struct host_sync *s;

	o->loop = loop_new();
	s = host_sync_new(o->loop, &p, "/x", on_done, o, NULL);
	assert_non_null(s);
	return s;
}

static void an_unreachable_broker_is_an_outcome(void **state)
{
	struct outcome o = {0};
	struct host_sync *s = make(&o, "https://127.0.0.1:1");

	(void)state;
	assert_true(host_sync_idle(s));
	host_sync_submit(s, json_object());
	assert_false(host_sync_idle(s));
	assert_int_equal(loop_run(o.loop), 0);
	assert_int_equal(o.n, 1);
	assert_int_equal(o.r, -ECONNREFUSED);
	assert_true(host_sync_idle(s));
	host_sync_free(s);
	loop_free(o.loop);
}

static void a_waiting_call_is_cancelled(void **state)
{
	struct outcome o = {0};
	char addr[SOCK_ADDR_MAX], base[SOCK_ADDR_MAX + 16];
	int fd = sock_listen("127.0.0.1:0", SOCK_STREAM, false, 0,
			     NULL); /* accepts, never answers */
	struct loop_timer *t;
	struct host_sync *s;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(sock_name(fd, addr), 0);
	snprintf(base, sizeof(base), "https://%s", addr);
	s = make(&o, base);
	t = loop_timer_add(o.loop, 50, cancel, s);
	host_sync_submit(s, json_object());
	assert_int_equal(loop_run(o.loop), 0);
	assert_int_equal(o.r, -ECANCELED);
	loop_timer_del(t);
	host_sync_submit(s, json_object());
	host_sync_free(s); /* while a call runs */
	assert_int_equal(o.n, 1);
	loop_free(o.loop);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unreachable_broker_is_an_outcome),
		cmocka_unit_test(a_waiting_call_is_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
