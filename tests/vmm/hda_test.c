/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sound card as a driver sees it: reset, commands, a stream that moves with the clock; and what
 * a hostile one can do to it, which is nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/wire.h"
#include "vmm/hda.h"
#include "vmm/hda_codec.h"
#include "vmm/mem.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"

#define AT     0xfe000000u
#define RAM    (1u << 20)
#define SECOND 1000000000ll

enum {
	CORB = 0x1000,
	RIRB = 0x2000,
	LIST = 0x3000,
	POS = 0x4000,
	DATA = 0x10000,
	GCTL = 0x08,
	STATESTS = 0x0e,
	INTCTL = 0x20,
	INTSTS = 0x24,
	SD = 0x80
};

struct ctx {
	struct vm_mem *mem;
	struct pci_bus *bus;
	struct loop *loop;
	struct hda *h;
	bool irq;
	int64_t now;
	uint8_t corb_wp, rirb_rp;
};

static void intx(void *arg, unsigned slot, bool level)
{
	struct ctx *x = arg;

	(void)slot;
	x->irq = level;
}

static void set(struct ctx *x, uint32_t at, unsigned size, uint32_t v)
{
	uint64_t value = v;

	assert_true(pci_access(x->bus, false, true, AT + at, size, &value));
}

static uint32_t get(struct ctx *x, uint32_t at, unsigned size)
{
	uint64_t v = 0;

	assert_true(pci_access(x->bus, false, false, AT + at, size, &v));
	return (uint32_t)v;
}

static void put32(struct ctx *x, uint32_t at, uint32_t v)
{
	put_le32(x->mem->base + at, v);
}

static void start_card(struct ctx *x)
{
	pci_config_write(x->bus, 0x10, 4, AT);
	pci_config_write(x->bus, 0x04, 2, 6);
	set(x, GCTL, 4, 1);
	set(x, INTCTL, 4, 0xc0000001);
	set(x, 0x40, 4, CORB);
	set(x, 0x50, 4, RIRB);
	set(x, 0x5c, 1, 3);
	set(x, 0x4c, 1, 2);
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	const struct pci_host host = {.arg = x, .intx = intx};

	x->mem = vm_mem_new(RAM, NULL);
	x->bus = pci_bus_new(&host);
	x->loop = loop_new();
	x->h = hda_new(x->bus, x->mem, x->loop, NULL, NULL);
	assert_non_null(x->h);
	start_card(x);
	x->now = 1000 * SECOND;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	hda_free(x->h);
	loop_free(x->loop);
	pci_bus_free(x->bus);
	vm_mem_free(x->mem);
	free(x);
	return 0;
}

static void reset_handshake(void **state)
{
	struct ctx *x = *state;

	assert_int_equal(get(x, 0, 2), 0x1001);
	assert_int_equal(get(x, 2, 2), 0x0100);
	assert_int_equal(get(x, STATESTS, 2), 1);
	set(x, STATESTS, 2, 1);
	assert_int_equal(get(x, STATESTS, 2), 0);
	set(x, SD + 8, 4, 1234);
	set(x, GCTL, 4, 0);
	assert_int_equal(get(x, GCTL, 4), 0);
	set(x, SD + 8, 4, 99); /* in reset nothing is taken */
	assert_int_equal(get(x, SD + 8, 4), 0);
	set(x, GCTL, 4, 1);
	assert_int_equal(get(x, STATESTS, 2), 1);
	assert_int_equal(get(x, 0x4e, 1), 0x42);
	set(x, 0x4a, 2, 0x8000); /* CORBRP: the bit is seen until it is taken back */
	assert_int_equal(get(x, 0x4a, 2), 0x8000);
	set(x, 0x4a, 2, 0);
	assert_int_equal(get(x, 0x4a, 2), 0);
	assert_int_equal(get(x, 0x3000, 4), 0); /* beyond what there is */
}

static uint32_t command(struct ctx *x, uint32_t verb)
{
	put32(x, CORB + 4u * ++x->corb_wp, verb);
	set(x, 0x48, 2, x->corb_wp);
	assert_int_equal(get(x, 0x4a, 2), x->corb_wp);
	assert_int_equal(get(x, 0x58, 2), ++x->rirb_rp);
	return get_le32(x->mem->base + RIRB + 8u * x->rirb_rp);
}

static void commands_go_round(void **state)
{
	struct ctx *x = *state;

	for (unsigned i = 0; i < 600; i++) {
		assert_int_equal(command(x, 0x000f0000), 0x1af40012);
		assert_true(x->irq);
		assert_int_equal(get(x, INTSTS, 4), 0xc0000000);
		set(x, 0x5d, 1, 1);
		assert_false(x->irq);
	}
	/* a batch; nobody has address 1 */
	for (unsigned i = 1; i <= 10; i++)
		put32(x, CORB + 4u * (uint8_t)(x->corb_wp + i), i & 1 ? 0x000f0004 : 0x100f0000);
	x->corb_wp = (uint8_t)(x->corb_wp + 10);
	set(x, 0x48, 2, x->corb_wp);
	assert_int_equal(get(x, 0x58, 2), (uint8_t)(x->rirb_rp + 5));
	/* by hand */
	set(x, 0x60, 4, 0x001f0005);
	set(x, 0x68, 2, 1);
	assert_int_equal(get(x, 0x68, 2), 2);
	assert_int_equal(get(x, 0x64, 4), 1);
}

static void rings_outside_ram_answer_nothing(void **state)
{
	struct ctx *x = *state;

	set(x, 0x40, 4, RAM);
	set(x, 0x48, 2, 255);
	assert_int_equal(get(x, 0x58, 2), 0);
	assert_false(x->irq);
	set(x, 0x40, 4, CORB);
	set(x, 0x50, 4, 0xffffff80);
	set(x, 0x54, 4, 0xffffffff);
	set(x, 0x48, 2, 254); /* 255 commands: zeros, each answered to nowhere */
	assert_int_equal(get(x, 0x4a, 2), 254);
	assert_int_equal(get(x, 0x58, 2), 255);
}

static void codec_is_what_a_driver_wants(void **state)
{
	struct hda_codec c;
	uint32_t v;

	(void)state;
	hda_codec_reset(&c);
#define ASK(verb) (assert_true(hda_codec_verb(&c, verb, &v)), v)
	assert_int_equal(ASK(0x000f0004), 0x00010001); /* one function group, node 1 */
	assert_int_equal(ASK(0x001f0005), 1);
	assert_int_equal(ASK(0x001f0004), 0x00020002); /* two widgets from node 2 on */
	assert_int_equal(ASK(0x002f0009) >> 20, 0);    /* converter */
	assert_int_equal(ASK(0x003f0009) >> 20, 4);    /* pin */
	assert_int_equal(ASK(0x003f0200), 2);	       /* connected to it */
	assert_int_equal(ASK(0x003f1c00), 0x01014110);
	assert_int_equal(ASK(0x00271f33), 0); /* not this node's */
	assert_int_equal(ASK(0x00371f33), 0);
	assert_int_equal(ASK(0x003f1c00), 0x33014110);
	assert_false(hda_codec_plays(&c, 0));
	assert_int_equal(ASK(0x00270610), 0);
	assert_false(hda_codec_plays(&c, 1)); /* the jack is off */
	assert_int_equal(ASK(0x00370740), 0);
	assert_true(hda_codec_plays(&c, 1));
	assert_false(hda_codec_plays(&c, 2));
	assert_int_equal(ASK(0x00224011), 0);
	assert_int_equal(ASK(0x002a0000), 0x4011);
	assert_int_equal(ASK(0x00170503), 0); /* asleep */
	assert_int_equal(ASK(0x001f0500), 0x33);
	assert_false(hda_codec_plays(&c, 1));
	assert_int_equal(ASK(0x0017ff00), 0); /* reset */
	assert_int_equal(ASK(0x002a0000), 0x0011);
	assert_int_equal(ASK(0x0fff0000), 0); /* no such node */
	assert_false(hda_codec_verb(&c, 0x10000000, &v));
}

static void entry(struct ctx *x, unsigned i, uint64_t at, uint32_t len, uint32_t flags)
{
	put_le64(x->mem->base + LIST + 16u * i, at);
	put32(x, LIST + 16u * i + 8, len);
	put32(x, LIST + 16u * i + 12, flags);
}

/* Two pieces of 10 ms, 48 kHz, two channels. */
static void start_stream(struct ctx *x)
{
	entry(x, 0, DATA, 1920, 0);
	entry(x, 1, DATA + 1920, 1920, 1);
	set(x, SD + 0x18, 4, LIST);
	set(x, SD + 8, 4, 3840);
	set(x, SD + 0xc, 2, 1);
	set(x, SD + 0x12, 2, 0x11);
	set(x, 0x70, 4, POS | 1);
	set(x, SD, 4, 0x1c10001e);
	hda_play(x->h, x->now); /* now the card's clock stands at now, whatever that played */
	set(x, SD, 4, 1);	/* and from the start again */
	set(x, SD, 4, 0);
	set(x, SD + 0x18, 4, LIST);
	set(x, SD + 8, 4, 3840);
	set(x, SD + 0xc, 2, 1);
	set(x, SD + 0x12, 2, 0x11);
	set(x, SD, 4, 0x1c10001e);
}

static void tick(struct ctx *x, int64_t ms)
{
	x->now += ms * SECOND / 1000;
	hda_play(x->h, x->now);
}

static void a_stream_moves_with_the_clock(void **state)
{
	struct ctx *x = *state;

	start_stream(x);
	tick(x, 5);
	assert_int_equal(get(x, SD + 4, 4), 960);
	assert_int_equal(get_le32(x->mem->base + POS), 960);
	assert_false(x->irq);
	tick(x, 10);
	assert_int_equal(get(x, SD + 4, 4), 2880);
	assert_false(x->irq); /* the first piece asked for none */
	tick(x, 5);
	assert_int_equal(get(x, SD + 4, 4), 0); /* around */
	assert_true(x->irq);
	assert_int_equal(get(x, INTSTS, 4), 0x80000001);
	assert_int_equal(get(x, SD + 3, 1), 0x24);
	set(x, SD + 3, 1, 4);
	assert_false(x->irq);
	for (int i = 0; i < 100; i++) /* a second, in odd steps: nothing is lost */
		tick(x, 3 + i % 2);
	assert_int_equal(get(x, SD + 4, 4), 350 * 192 % 3840);
	tick(x, 3600 * 1000); /* held up: only so much of it is made up for */
	assert_int_equal(get(x, SD + 4, 4), (350 * 192 + 19200) % 3840);
	set(x, SD, 1, 0);
	tick(x, 5);
	assert_int_equal(get(x, SD + 4, 4), (350 * 192 + 19200) % 3840);
}

static void a_piece_outside_ram_stops_the_stream(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t len;
	} t[] = {{RAM - 100, 101}, {UINT64_MAX - 3, 4}, {AT, 1920}, {DATA, UINT32_MAX}};
	struct ctx *x = *state;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		start_stream(x);
		entry(x, 0, t[i].at, t[i].len, 1);
		tick(x, 5);
		assert_int_equal(get(x, SD, 1) & 2, 0);
		assert_int_equal(get(x, SD + 3, 1) & 16, 16);
		assert_true(x->irq);
		assert_int_equal(get(x, SD + 4, 4), 0);
	}
	start_stream(x);
	set(x, SD + 0x1c, 4, 0xffffffff); /* the list itself */
	tick(x, 5);
	assert_int_equal(get(x, SD + 3, 1) & 16, 16);
}

static void pieces_of_nothing_end(void **state)
{
	struct ctx *x = *state;

	start_stream(x);
	entry(x, 0, 0, 0, 1);
	entry(x, 1, UINT64_MAX, 0, 1);
	tick(x, 50); /* and comes back */
	assert_int_equal(get(x, SD + 4, 4), 0);
	entry(x, 0, DATA, 1, 0);
	entry(x, 1, DATA, 1, 0);
	tick(x, 50);
	assert_true(get(x, SD + 4, 4) < 2);
}

static void any_register_write_is_survived(void **state)
{
	struct ctx *x = *state;
	uint32_t seed = 1;

	start_stream(x);
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t at;

		seed = seed * 1664525 + 1013904223;
		at = seed >> 8 & 0xff;
		set(x, at & ~3u, 4, seed * 2654435761u);
		set(x, GCTL, 4, 1);
		if (i % 16 == 0)
			tick(x, 2);
	}
	assert_int_equal(get(x, 0, 2), 0x1001);
}

static struct snap *saved(struct ctx *x)
{
	int fd = memfd_create("test", 0);
	struct snap_out o;
	struct snap *s;

	snap_out_init(&o, fd);
	pci_pause(x->bus);
	pci_save(x->bus, &o);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	close(fd);
	return s;
}

static void a_stream_goes_on_after_a_snapshot(void **state)
{
	struct ctx *x = *state;
	struct snap *s;

	start_stream(x);
	tick(x, 5);
	s = saved(x);
	tick(x, 5); /* paused: stands still */
	assert_int_equal(get(x, SD + 4, 4), 960);
	hda_free(x->h);
	x->h = hda_new(x->bus, x->mem, x->loop, NULL, NULL);
	assert_int_equal(pci_load(x->bus, s, NULL), 0);
	pci_resume(x->bus);
	assert_int_equal(get(x, SD + 4, 4), 960);
	hda_play(x->h, x->now);
	set(x, SD + 3, 1, 4);
	int64_t was = get(x, SD + 4, 4);
	tick(x, 5);
	assert_int_equal(get(x, SD + 4, 4), (was + 960) % 3840);
	snap_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reset_handshake),
		T(commands_go_round),
		T(rings_outside_ram_answer_nothing),
		cmocka_unit_test(codec_is_what_a_driver_wants),
		T(a_stream_moves_with_the_clock),
		T(a_piece_outside_ram_stops_the_stream),
		T(pieces_of_nothing_end),
		T(any_register_write_is_survived),
		T(a_stream_goes_on_after_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
