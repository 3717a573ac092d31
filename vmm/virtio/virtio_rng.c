/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The entropy device; see virtio_rng.h. Main loop only, apart from reset. When the second's quota
 * is spent the queue is left alone until the timer of the next second.
 */
#include "vmm/virtio/virtio_rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "common/loop.h"

enum {
	QUEUE_SIZE = 64,
	CHUNK = 256, /* getrandom(2) does not stop short up to this */
	QUOTA = 65536
};

struct virtio_rng {
	struct virtio_dev dev;
	struct loop_timer *timer;
	uint32_t quota, left; /* bytes a second; of this second */
	bool waiting;	      /* the timer runs */
};

static struct virtio_rng *of(struct virtio_dev *d)
{
	return (struct virtio_rng *)(void *)d;
}

/* Fills the chain's writable part, at most n bytes; returns how many. */
static uint32_t fill(const struct virtq_chain *c, uint64_t n)
{
	uint8_t b[CHUNK];
	uint64_t done = 0;

	while (done < n) {
		size_t part = n - done < CHUNK ? n - done : CHUNK;

		if (getrandom(b, part, 0) != (ssize_t)part)
			break;
		done += virtq_write(c, done, b, part);
	}
	explicit_bzero(b, sizeof(b));
	return (uint32_t)done;
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_rng *r = of(d);
	struct virtq_chain c;

	while (r->left > 0 && virtio_pop(d, q, &c)) {
		uint32_t n = fill(&c, c.in_len < r->left ? c.in_len : r->left);

		r->left -= n ? n : 1; /* an empty request costs as well */
		virtio_push(d, q, &c, n);
		virtio_signal(d, q);
	}
	if (!r->waiting) {
		r->waiting = true;
		loop_timer_set(r->timer, 1000);
	}
}

static void on_second(void *arg)
{
	struct virtio_rng *r = arg;

	pthread_mutex_lock(&r->dev.lock);
	r->waiting = false;
	r->left = r->quota;
	if (virtio_running(&r->dev) && virtq_waiting(&r->dev.vq[0]))
		notify(&r->dev, 0);
	pthread_mutex_unlock(&r->dev.lock);
}

static void reset(struct virtio_dev *d)
{
	(void)d; /* nothing is ever in flight; a spent quota stays spent */
}

static const struct virtio_ops ops = {.notify = notify, .reset = reset};

struct virtio_rng *virtio_rng_new(const struct virtio_env *env, const struct virtio_rng_config *c,
				  struct err *e)
{
	struct virtio_rng *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(e, -ENOMEM, "virtio-rng: out of memory");
		return NULL;
	}
	r->quota = c->bytes_per_s ? c->bytes_per_s : QUOTA;
	r->left = r->quota;
	r->dev.ops = &ops;
	r->dev.name = "virtio-rng";
	r->dev.id = VIRTIO_ID_RNG;
	r->dev.class_code = 0x00ff00;
	r->dev.queues = 1;
	r->dev.queue_size[0] = QUEUE_SIZE;
	r->timer = loop_timer_add(env->loop, -1, on_second, r);
	if (!r->timer) {
		err_set(e, -ENOMEM, "virtio-rng: out of memory");
		goto fail;
	}
	if (virtio_dev_init(&r->dev, env, e) < 0)
		goto fail;
	return r;
fail:
	loop_timer_del(r->timer);
	free(r);
	return NULL;
}

void virtio_rng_free(struct virtio_rng *r)
{
	if (!r)
		return;
	virtio_dev_fini(&r->dev);
	loop_timer_del(r->timer);
	free(r);
}

struct virtio_dev *virtio_rng_dev(struct virtio_rng *r)
{
	return &r->dev;
}
