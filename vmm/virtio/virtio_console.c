/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See virtio_console.h. Port ids count from 1: drivers keep 0 for a console that is there before
 * anything was negotiated, and nothing answers on its queues here.
 *
 * Threads: dev.lock guards everything. Resets come from vCPU threads, notifications from the main
 * loop; both leave event bits behind and post deliver(), which calls the ports without the lock.
 * No chain is ever kept: one that is only taken in part goes back into the ring, and the port
 * remembers how far it was read.
 */
#include "vmm/virtio/virtio_console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/loop.h"
#include "common/wire.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio_pci.h"

#define NAME	      "virtio-console"
#define STATE_VERSION 1

/* §5.3.2: port n has queues 2n + 2 and 2n + 3, but for the first, whose place the control queues
 * took. */
enum {
	Q_CTL_IN = 2, /* to the driver */
	Q_CTL_OUT = 3,
	Q_PORTS = 4,
	QUEUES = Q_PORTS + 2 * VIRTIO_CONSOLE_PORTS,
	/* Linux fills each receive queue with a page a descriptor. */
	QUEUE_SIZE = 16,
	NAME_MAX_BYTES = 64
};

/* struct virtio_console_config, §5.3.4 */
enum {
	C_MAX_NR_PORTS = 4,
	C_BYTES = 12
};

/* struct virtio_console_control, §5.3.6.2 */
enum {
	CTL_BYTES = 8,
	DEVICE_READY = 0,
	DEVICE_ADD = 1,
	PORT_READY = 3,
	PORT_OPEN = 6,
	PORT_NAME = 7
};

/* What the driver is still to be told of a port, in this order. */
enum {
	SAY_ADD = 1,
	SAY_NAME = 2,
	SAY_OPEN = 4,
	SAY_ALL = 7
};

struct port {
	struct console_port is;
	uint64_t taken; /* bytes of the first chain in its transmit queue */
	unsigned events;
	uint8_t say;
	bool open; /* by the guest */
};

struct virtio_console {
	struct virtio_dev dev;

	/* dev.lock */
	struct port port[VIRTIO_CONSOLE_PORTS];
	bool posted, stopping;
};

static struct virtio_console *of(struct virtio_dev *d)
{
	return (struct virtio_console *)(void *)d;
}

static unsigned rx(unsigned port)
{
	return Q_PORTS + 2 * port;
}

static unsigned tx(unsigned port)
{
	return Q_PORTS + 2 * port + 1;
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void deliver(void *arg)
{
	struct virtio_console *c = arg;
	unsigned events[VIRTIO_CONSOLE_PORTS];

	pthread_mutex_lock(&c->dev.lock);
	c->posted = false;
	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++) {
		struct port *p = &c->port[i];

		events[i] = p->open ? p->events : p->events & CONSOLE_CLOSED;
		p->events = 0;
	}
	pthread_mutex_unlock(&c->dev.lock);
	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++)
		if (events[i])
			c->port[i].is.event(c->port[i].is.arg, events[i]);
}

/* What cannot be posted goes along with the next event. */
static void tell(struct virtio_console *c, unsigned port, unsigned events)
{
	c->port[port].events |= events;
	if (!c->posted && !c->stopping)
		c->posted = loop_post(c->dev.env.loop, deliver, c) == 0;
}

void virtio_console_later(struct virtio_console *c, unsigned port, unsigned events)
{
	pthread_mutex_lock(&c->dev.lock);
	tell(c, port, events);
	pthread_mutex_unlock(&c->dev.lock);
}

/* ---- control queues ---------------------------------------------------------------------------
 */

static bool say(struct virtio_console *c, unsigned port, uint16_t event, uint16_t value,
		const char *name)
{
	uint8_t m[CTL_BYTES + NAME_MAX_BYTES];
	size_t n = CTL_BYTES;
	struct virtq_chain ch;

	put_le32(m, port + 1);
	put_le16(m + 4, event);
	put_le16(m + 6, value);
	if (name) { /* without its end, §5.3.6.2 */
		size_t len = strnlen(name, NAME_MAX_BYTES);

		memcpy(m + n, name, len);
		n += len;
	}
	if (!virtio_pop(&c->dev, Q_CTL_IN, &ch))
		return false;
	if (ch.in_len < n) {
		virtio_broken(&c->dev, "control buffer too small");
		return false;
	}
	virtq_write(&ch, 0, m, n);
	virtio_push(&c->dev, Q_CTL_IN, &ch, (uint32_t)n);
	return true;
}

static bool say_one(struct virtio_console *c, unsigned port, uint8_t what)
{
	if (what == SAY_ADD)
		return say(c, port, DEVICE_ADD, 1, NULL);
	if (what == SAY_NAME)
		return say(c, port, PORT_NAME, 1, c->port[port].is.name);
	return say(c, port, PORT_OPEN, 1, NULL);
}

/* As far as the driver has buffers; the rest when it has more. */
static void say_pending(struct virtio_console *c)
{
	bool any = false, room = true;

	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS && room; i++)
		for (uint8_t what = SAY_ADD; what <= SAY_OPEN && room; what <<= 1) {
			if (!(c->port[i].say & what))
				continue;
			room = say_one(c, i, what);
			if (room)
				c->port[i].say &= (uint8_t)~what;
			any |= room;
		}
	if (any)
		virtio_signal(&c->dev, Q_CTL_IN);
}

static void opened(struct virtio_console *c, unsigned port, bool open)
{
	struct port *p = &c->port[port];

	if (p->open == open)
		return;
	p->open = open;
	/* Buffers it offered before are room. */
	tell(c, port, open ? CONSOLE_OPENED | CONSOLE_ROOM : CONSOLE_CLOSED);
}

static void heard(struct virtio_console *c, const uint8_t m[CTL_BYTES])
{
	uint32_t id = get_le32(m);
	uint16_t event = get_le16(m + 4), value = get_le16(m + 6);

	if (event == DEVICE_READY) { /* its id says nothing */
		for (unsigned i = 0; value && i < VIRTIO_CONSOLE_PORTS; i++)
			c->port[i].say |= SAY_ADD;
	} else if (id >= 1 && id <= VIRTIO_CONSOLE_PORTS) {
		if (event == PORT_READY && value)
			c->port[id - 1].say |= SAY_NAME | SAY_OPEN;
		else if (event == PORT_OPEN)
			opened(c, id - 1, value != 0);
	}
}

static void hear(struct virtio_console *c)
{
	unsigned tries = QUEUE_SIZE;
	struct virtq_chain ch;
	uint8_t m[CTL_BYTES];

	while (tries && virtio_pop(&c->dev, Q_CTL_OUT, &ch)) {
		tries--;
		if (virtq_read(&ch, 0, m, sizeof(m)) == sizeof(m))
			heard(c, m);
		virtio_push(&c->dev, Q_CTL_OUT, &ch, 0);
	}
	if (tries < QUEUE_SIZE)
		virtio_signal(&c->dev, Q_CTL_OUT);
	if (!tries)
		virtio_again(&c->dev, Q_CTL_OUT);
	say_pending(c);
}

/* ---- ports ------------------------------------------------------------------------------------
 */

size_t virtio_console_take(struct virtio_console *c, unsigned port, void *dst, size_t n)
{
	struct port *p = &c->port[port];
	unsigned tries = QUEUE_SIZE;
	struct virtq_chain ch;
	bool pushed = false;
	size_t got = 0;

	pthread_mutex_lock(&c->dev.lock);
	while (got < n && tries && virtio_pop(&c->dev, tx(port), &ch)) {
		size_t part = virtq_read(&ch, p->taken, (uint8_t *)dst + got, n - got);

		tries--;
		got += part;
		p->taken += part;
		if (p->taken < ch.out_len) {
			virtq_unpop(&c->dev.vq[tx(port)]);
			break;
		}
		p->taken = 0;
		virtio_push(&c->dev, tx(port), &ch, 0);
		pushed = true;
	}
	if (!tries && got < n)
		virtio_again(&c->dev, tx(port));
	if (pushed)
		virtio_signal(&c->dev, tx(port));
	pthread_mutex_unlock(&c->dev.lock);
	return got;
}

size_t virtio_console_give(struct virtio_console *c, unsigned port, const void *src, size_t n)
{
	unsigned tries = QUEUE_SIZE;
	struct virtq_chain ch;
	bool pushed = false;
	size_t done = 0;

	pthread_mutex_lock(&c->dev.lock);
	while (c->port[port].open && done < n && tries && virtio_pop(&c->dev, rx(port), &ch)) {
		size_t part = virtq_write(&ch, 0, (const uint8_t *)src + done, n - done);

		tries--;
		done += part;
		virtio_push(&c->dev, rx(port), &ch, (uint32_t)part);
		pushed = true;
	}
	if (!tries && done < n)
		virtio_again(&c->dev, rx(port));
	if (pushed)
		virtio_signal(&c->dev, rx(port));
	pthread_mutex_unlock(&c->dev.lock);
	return done;
}

/* What is sent on a port nobody has opened, or on the one that is none. */
static void discard(struct virtio_console *c, unsigned q)
{
	unsigned tries = QUEUE_SIZE;
	struct virtq_chain ch;

	while (tries && virtio_pop(&c->dev, q, &ch)) {
		tries--;
		virtio_push(&c->dev, q, &ch, 0);
	}
	if (tries < QUEUE_SIZE)
		virtio_signal(&c->dev, q);
	if (!tries)
		virtio_again(&c->dev, q);
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_console *c = of(d);
	unsigned port = (q - Q_PORTS) / 2;

	if (q == Q_CTL_IN)
		say_pending(c);
	else if (q == Q_CTL_OUT)
		hear(c);
	else if (q == 1)
		discard(c, q);
	else if (q == 0) /* nothing is ever said there */
		return;
	else if (q == rx(port))
		tell(c, port, CONSOLE_ROOM);
	else if (c->port[port].open)
		tell(c, port, CONSOLE_DATA);
	else
		discard(c, q);
}

static void reset(struct virtio_dev *d)
{
	struct virtio_console *c = of(d);

	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++) {
		opened(c, i, false);
		c->port[i].say = 0;
		c->port[i].taken = 0;
	}
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t b[C_BYTES] = {0};

	(void)d;
	put_le32(b + C_MAX_NR_PORTS, VIRTIO_CONSOLE_PORTS + 1);
	memcpy(dst, b + off, n);
}

/* ---- snapshots and life -----------------------------------------------------------------------
 */

static void save(struct virtio_dev *d, struct snap_out *out)
{
	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++) {
		const struct port *p = &of(d)->port[i];

		snap_put_u8(out, p->open);
		snap_put_u8(out, p->say);
		snap_put_u64(out, p->taken);
		if (p->is.save)
			p->is.save(p->is.arg, out);
	}
}

static void load(struct virtio_dev *d, struct snap_in *in)
{
	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS && !in->bad; i++) {
		struct port *p = &of(d)->port[i];

		p->open = snap_u8(in);
		p->say = snap_u8(in) & SAY_ALL;
		p->taken = snap_u64(in);
		if (p->is.load)
			p->is.load(p->is.arg, in);
	}
}

bool virtio_console_saved(const struct snap *s)
{
	return snap_has(s, NAME);
}

static const struct virtio_ops ops = {.config_read = config_read,
				      .notify = notify,
				      .reset = reset,
				      .save = save,
				      .load = load,
				      .state_version = STATE_VERSION};

struct virtio_console *virtio_console_new(const struct virtio_env *env,
					  const struct console_port ports[VIRTIO_CONSOLE_PORTS],
					  struct err *e)
{
	struct virtio_console *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)err_set(e, -ENOMEM, NAME ": out of memory");
		return NULL;
	}
	for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++)
		c->port[i].is = ports[i];
	c->dev.ops = &ops;
	c->dev.name = NAME;
	c->dev.id = VIRTIO_ID_CONSOLE;
	c->dev.class_code = 0x078000; /* communication controller, of no other kind */
	c->dev.offered = VIRTIO_CONSOLE_F_MULTIPORT;
	c->dev.config_bytes = C_BYTES;
	c->dev.queues = QUEUES;
	for (unsigned q = 0; q < QUEUES; q++)
		c->dev.queue_size[q] = QUEUE_SIZE;
	if (virtio_dev_init(&c->dev, env, e) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

void virtio_console_free(struct virtio_console *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->dev.lock);
	c->stopping = true;
	pthread_mutex_unlock(&c->dev.lock);
	virtio_dev_fini(&c->dev);
	free(c);
}

struct virtio_dev *virtio_console_dev(struct virtio_console *c)
{
	return &c->dev;
}
