/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The generic cell rate algorithm (ITU-T I.371, virtual scheduling); see limiter.h.
 */
#include "vmm/virtio/limiter.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/timerfd.h>
#include "common/loop.h"

#define NS 1000000000ll

static void on_timer(void *arg, int fd, unsigned events)
{
	struct limiter *l = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		l->resume(l->arg);
}

int limiter_init(struct limiter *l, struct loop *loop, void (*resume)(void *arg), void *arg)
{
	*l = (struct limiter){.resume = resume, .arg = arg};
	l->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->fd < 0)
		return -errno;
	l->io = loop_io_add(loop, l->fd, LOOP_READ, on_timer, l);
	if (!l->io) {
		limiter_fini(l);
		return -ENOMEM;
	}
	return 0;
}

void limiter_fini(struct limiter *l)
{
	loop_io_del(l->io);
	cleanup_close_fn(&l->fd);
	l->io = NULL;
	l->fd = -1;
}

static void arm(const struct limiter *l, int64_t wait_ns)
{
	struct itimerspec t = {.it_value = {.tv_sec = wait_ns / NS, .tv_nsec = wait_ns % NS}};

	(void)timerfd_settime(l->fd, 0, &t, NULL);
}

bool limit_ok(const struct limit *limit)
{
	return limit->bytes_per_s <= LIMIT_RATE_MAX && limit->ops_per_s <= LIMIT_RATE_MAX &&
	       limit->burst_ms <= LIMIT_BURST_MS_MAX;
}

void limiter_set(struct limiter *l, const struct limit *limit)
{
	l->limit = *limit;
	l->bytes_paid_ns = l->ops_paid_ns = 0;
	arm(l, 1);
}

int64_t limiter_wait_ns(const struct limiter *l, int64_t now_ns)
{
	int64_t paid = 0;

	if (l->limit.bytes_per_s)
		paid = l->bytes_paid_ns;
	if (l->limit.ops_per_s && l->ops_paid_ns > paid)
		paid = l->ops_paid_ns;
	return paid > now_ns ? paid - now_ns : 0;
}

bool limiter_ready(struct limiter *l)
{
	int64_t wait;

	if (!l->limit.bytes_per_s && !l->limit.ops_per_s)
		return true;
	wait = limiter_wait_ns(l, clock_ns());
	if (wait)
		arm(l, wait);
	return wait == 0;
}

/* Costs of one request stay below 2^32 s, whatever the rate. */
static void pay(int64_t *paid_ns, uint64_t n, uint64_t rate, int64_t saved_since_ns)
{
	if (!rate)
		return;
	if (*paid_ns < saved_since_ns)
		*paid_ns = saved_since_ns;
	*paid_ns += (int64_t)((n < UINT32_MAX ? n : UINT32_MAX) * (uint64_t)NS / rate);
}

void limiter_charge_at(struct limiter *l, uint64_t bytes, int64_t now_ns)
{
	uint32_t burst = l->limit.burst_ms ? l->limit.burst_ms : LIMIT_BURST_MS;
	int64_t since = now_ns - (int64_t)burst * (NS / 1000);

	pay(&l->bytes_paid_ns, bytes, l->limit.bytes_per_s, since);
	pay(&l->ops_paid_ns, 1, l->limit.ops_per_s, since);
}

void limiter_charge(struct limiter *l, uint64_t bytes)
{
	atomic_fetch_add_explicit(&l->passed, bytes, memory_order_relaxed);
	if (l->limit.bytes_per_s || l->limit.ops_per_s)
		limiter_charge_at(l, bytes, clock_ns());
}

uint64_t limiter_passed(const struct limiter *l)
{
	return atomic_load_explicit(&l->passed, memory_order_relaxed);
}
