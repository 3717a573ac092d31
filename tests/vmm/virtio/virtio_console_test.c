/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The serial ports: how they are announced, bytes both ways with neither side overrunning the
 * other, closing, reset, and a snapshot in the middle of a chain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio_console.h"

enum {
	CTL_IN = 2,
	CTL_OUT = 3,
	RX = 4, /* of the first port */
	TX = 5,
	BUF = 4096
};

struct side {
	unsigned events;
	uint32_t state;
};

struct ctx {
	struct guest g;
	struct virtio_console *con;
	struct side side[VIRTIO_CONSOLE_PORTS];
	uint64_t buf[16], out;
	uint8_t got[1 << 16];
};

static void on_event(void *arg, unsigned events)
{
	((struct side *)arg)->events |= events;
}

static void on_save(void *arg, struct snap_out *out)
{
	snap_put_u32(out, ((struct side *)arg)->state);
}

static void on_load(void *arg, struct snap_in *in)
{
	((struct side *)arg)->state = snap_u32(in);
}

static struct virtio_console *make(struct ctx *x)
{
	const struct console_port ports[VIRTIO_CONSOLE_PORTS] = {
		{.name = "first", .event = on_event, .arg = &x->side[0]},
		{.name = "second.port",
		 .event = on_event,
		 .save = on_save,
		 .load = on_load,
		 .arg = &x->side[1]}};
	struct virtio_env env = guest_env(&x->g);
	struct virtio_console *con = virtio_console_new(&env, ports, NULL);

	assert_non_null(con);
	return con;
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	guest_init(&x->g);
	x->con = make(x);
	guest_start(&x->g, virtio_console_dev(x->con), VIRTIO_CONSOLE_F_MULTIPORT);
	for (unsigned i = 0; i < 16; i++)
		x->buf[i] = guest_alloc(&x->g, BUF);
	x->out = guest_alloc(&x->g, 1 << 16);
	*state = x;
	return 0;
}

static bool never(void *arg)
{
	(void)arg;
	return true;
}

/* Runs what is posted. */
static void turn(struct ctx *x)
{
	assert_true(guest_wait(&x->g, never, NULL, 1000));
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	turn(x);
	virtio_console_free(x->con);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static void offer(struct ctx *x, unsigned q, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		struct guest_buf b = {x->buf[i], len, true};

		guest_add(&x->g, q, &b, 1);
	}
	virtio_notify(x->g.dev, q);
}

static void ctl(struct ctx *x, uint32_t id, uint16_t event, uint16_t value)
{
	struct guest_buf b = {x->out, 8, false};
	uint8_t *m = guest_at(&x->g, x->out);

	put_le32(m, id);
	put_le16(m + 4, event);
	put_le16(m + 6, value);
	guest_add(&x->g, CTL_OUT, &b, 1);
	virtio_notify(x->g.dev, CTL_OUT);
	assert_true(guest_used(&x->g, CTL_OUT, NULL, NULL));
}

/* The next message of the device, which lies in the nth buffer. */
static void told(struct ctx *x, unsigned nth, uint32_t id, uint16_t event, const char *name)
{
	const uint8_t *m = guest_at(&x->g, x->buf[nth]);
	uint32_t len = 0;

	assert_true(guest_used(&x->g, CTL_IN, NULL, &len));
	assert_int_equal(len, 8 + (name ? strlen(name) : 0));
	assert_int_equal(get_le32(m), id);
	assert_int_equal(get_le16(m + 4), event);
	assert_int_equal(get_le16(m + 6), 1);
	if (name)
		assert_memory_equal(m + 8, name, strlen(name));
}

static void ports_are_announced_as_buffers_come(void **state)
{
	struct ctx *x = *state;
	uint8_t max[4];

	virtio_config_read(x->g.dev, 4, max, 4);
	assert_int_equal(get_le32(max), VIRTIO_CONSOLE_PORTS + 1);
	ctl(x, 0xffffffff, 0, 1); /* DEVICE_READY, with nowhere to answer */
	offer(x, CTL_IN, 1, BUF);
	told(x, 0, 1, 1, NULL);
	offer(x, CTL_IN, 3, BUF);
	told(x, 0, 2, 1, NULL);
	ctl(x, 1, 3, 1); /* PORT_READY */
	told(x, 1, 1, 7, "first");
	told(x, 2, 1, 6, NULL);
	ctl(x, 2, 3, 1);
	assert_false(guest_used(&x->g, CTL_IN, NULL, NULL));
	offer(x, CTL_IN, 2, BUF);
	told(x, 0, 2, 7, "second.port");
	told(x, 1, 2, 6, NULL);
	assert_false(guest_used(&x->g, CTL_IN, NULL, NULL));
}

static void small_control_buffer_breaks_the_device(void **state)
{
	struct ctx *x = *state;

	ctl(x, 0, 0, 1);
	offer(x, CTL_IN, 1, 7);
	assert_true(guest_needs_reset(&x->g));
}

static void unknown_ports_and_events_change_nothing(void **state)
{
	struct ctx *x = *state;

	offer(x, CTL_IN, 4, BUF);
	ctl(x, 0, 3, 1);
	ctl(x, 3, 3, 1);
	ctl(x, 0xffffffff, 6, 1);
	ctl(x, 1, 99, 1);
	turn(x);
	assert_int_equal(x->side[0].events | x->side[1].events, 0);
	assert_false(guest_used(&x->g, CTL_IN, NULL, NULL));
	assert_false(guest_needs_reset(&x->g));
}

static void send(struct ctx *x, unsigned q, size_t n)
{
	struct guest_buf b[2] = {{x->out, (uint32_t)(n / 2), false},
				 {x->out + n / 2, (uint32_t)(n - n / 2), false}};
	uint8_t *p = guest_at(&x->g, x->out);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	guest_add(&x->g, q, b, 2);
	virtio_notify(x->g.dev, q);
}

static void guest_bytes_are_taken_in_parts(void **state)
{
	struct ctx *x = *state;
	size_t got = 0, n;

	ctl(x, 1, 6, 1);
	turn(x);
	assert_int_equal(x->side[0].events, CONSOLE_OPENED | CONSOLE_ROOM);
	send(x, TX, 10000);
	turn(x);
	assert_true(x->side[0].events & CONSOLE_DATA);
	assert_int_equal(virtio_console_take(x->con, 0, x->got, 3333), 3333);
	assert_false(guest_used(&x->g, TX, NULL, NULL)); /* so the guest waits */
	got = 3333;
	while ((n = virtio_console_take(x->con, 0, x->got + got, 3000)) > 0)
		got += n;
	assert_int_equal(got, 10000);
	assert_memory_equal(x->got, guest_at(&x->g, x->out), 10000);
	assert_true(guest_used(&x->g, TX, NULL, NULL));
	assert_int_equal(x->side[1].events, 0);
}

static void host_bytes_wait_for_buffers(void **state)
{
	struct ctx *x = *state;
	uint8_t text[9000];
	uint32_t len = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 3 + i / 256);
	offer(x, RX, 2, BUF);
	assert_int_equal(virtio_console_give(x->con, 0, text, sizeof(text)), 0);
	ctl(x, 1, 6, 1);
	assert_int_equal(virtio_console_give(x->con, 0, text, sizeof(text)), 2 * BUF);
	turn(x);
	x->side[0].events = 0;
	offer(x, RX, 1, BUF);
	turn(x);
	assert_int_equal(x->side[0].events, CONSOLE_ROOM);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(guest_used(&x->g, RX, NULL, &len));
		assert_int_equal(len, BUF);
	}
	assert_memory_equal(guest_at(&x->g, x->buf[1]), text + BUF, BUF);
	assert_int_equal(virtio_console_give(x->con, 0, text + 2 * BUF, sizeof(text) - 2 * BUF),
			 sizeof(text) - 2 * BUF);
	assert_true(guest_used(&x->g, RX, NULL, &len));
	assert_int_equal(len, sizeof(text) - 2 * BUF);
	assert_memory_equal(guest_at(&x->g, x->buf[0]), text + 2 * BUF, len);
}

static void closed_port_is_told_once_and_swallows(void **state)
{
	struct ctx *x = *state;

	ctl(x, 1, 6, 1);
	ctl(x, 1, 6, 0);
	turn(x);
	assert_int_equal(x->side[0].events, CONSOLE_CLOSED);
	send(x, TX, 100);
	assert_true(guest_used(&x->g, TX, NULL, NULL));
	turn(x);
	assert_int_equal(x->side[0].events, CONSOLE_CLOSED);
	assert_int_equal(virtio_console_take(x->con, 0, x->got, 100), 0);
}

static void reset_closes_the_ports(void **state)
{
	struct ctx *x = *state;

	ctl(x, 2, 6, 1);
	send(x, TX + 2, 100);
	assert_int_equal(virtio_console_take(x->con, 1, x->got, 60), 60);
	turn(x);
	x->side[1].events = 0;
	virtio_status_set(x->g.dev, 0);
	turn(x);
	assert_int_equal(x->side[1].events, CONSOLE_CLOSED);
	assert_int_equal(x->side[0].events, 0);
	x->g.top = 1 << 20;
	guest_start(&x->g, x->g.dev, VIRTIO_CONSOLE_F_MULTIPORT);
	ctl(x, 2, 6, 1);
	send(x, TX + 2, 50); /* nothing of the old chain is left */
	assert_int_equal(virtio_console_take(x->con, 1, x->got, 100), 50);
}

static void later_is_told_after_the_loop_was_left(void **state)
{
	struct ctx *x = *state;

	ctl(x, 1, 6, 1);
	turn(x);
	x->side[0].events = 0;
	virtio_console_later(x->con, 0, CONSOLE_DATA);
	assert_int_equal(x->side[0].events, 0);
	turn(x);
	assert_int_equal(x->side[0].events, CONSOLE_DATA);
}

/* The state of one machine, read by another of the same RAM. */
static struct snap *photo(struct virtio_dev *d)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct snap_out out;
	struct snap *s;

	snap_out_init(&out, fd);
	snap_begin(&out, "virtio-console", 12, virtio_dev_state_version(d));
	virtio_dev_save(d, &out);
	snap_end(&out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	close(fd);
	return s;
}

static void snapshot_goes_on_in_the_middle_of_a_chain(void **state)
{
	struct ctx *x = *state;
	struct virtio_console *old = x->con;
	struct snap_in in;
	struct snap *s;

	ctl(x, 2, 6, 1);
	ctl(x, 0, 0, 1); /* DEVICE_READY, not answered yet */
	x->side[1].state = 4711;
	send(x, TX + 2, 1000);
	assert_int_equal(virtio_console_take(old, 1, x->got, 400), 400);
	virtio_dev_pause(virtio_console_dev(old));
	assert_int_equal(virtio_console_take(old, 1, x->got + 400, 400), 0);
	s = photo(virtio_console_dev(old));
	assert_true(virtio_console_saved(s));
	turn(x);
	virtio_console_free(old);

	x->side[1] = (struct side){0};
	x->con = make(x);
	x->g.dev = virtio_console_dev(x->con);
	x->g.dev->transport = &x->g;
	x->g.dev->signal_queue = guest_signal_queue;
	x->g.dev->kick = guest_kick;
	assert_int_equal(snap_find(s, "virtio-console", 12, 1, &in, NULL), 0);
	virtio_dev_load(x->g.dev, &in);
	assert_int_equal(snap_done(&in, NULL), 0);
	virtio_dev_resume(x->g.dev);
	assert_int_equal(x->side[1].state, 4711);
	assert_int_equal(virtio_console_take(x->con, 1, x->got + 400, 1000), 600);
	assert_memory_equal(x->got, guest_at(&x->g, x->out), 1000);
	offer(x, CTL_IN, 2, BUF);
	told(x, 0, 1, 1, NULL);
	told(x, 1, 2, 1, NULL);
	snap_free(s);
}

static void snapshot_without_it_says_so(void **state)
{
	struct ctx *x = *state;
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct snap_out out;
	struct snap *s;

	(void)x;
	snap_out_init(&out, fd);
	snap_begin(&out, "virtio-rng", 4, 1);
	snap_end(&out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	assert_false(virtio_console_saved(s));
	snap_free(s);
	close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(ports_are_announced_as_buffers_come),
		T(small_control_buffer_breaks_the_device),
		T(unknown_ports_and_events_change_nothing),
		T(guest_bytes_are_taken_in_parts),
		T(host_bytes_wait_for_buffers),
		T(closed_port_is_told_once_and_swallows),
		T(reset_closes_the_ports),
		T(later_is_told_after_the_loop_was_left),
		T(snapshot_goes_on_in_the_middle_of_a_chain),
		T(snapshot_without_it_says_so),
	};

	return guest_both_layouts(tests);
}
