/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The balloon: pages given or reported are the host's again, whatever order they come in; targets
 * reach the driver, statistics us; a hostile driver breaks its device only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/virtio_balloon.h"

enum {
	Q_INFLATE = 0,
	Q_DEFLATE = 1,
	Q_STATS = 2,
	Q_REPORT = 3,
	PLAY = 4 << 20, /* RAM that the tests give away */
	PLAY_PAGE = PLAY / 4096,
	PAGES = 256
};

struct ctx {
	struct guest g;
	struct virtio_balloon *b;
	struct virtio_balloon_status s;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	x->b = virtio_balloon_new(&env, NULL);
	assert_non_null(x->b);
	guest_start(&x->g, virtio_balloon_dev(x->b), 0);
	memset(guest_at(&x->g, PLAY), 0x5a, PAGES * 4096);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_balloon_free(x->b);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static unsigned resident(struct ctx *x)
{
	unsigned char there[PAGES];
	unsigned sum = 0;

	assert_int_equal(mincore(guest_at(&x->g, PLAY), PAGES * 4096, there), 0);
	for (unsigned i = 0; i < PAGES; i++)
		sum += there[i] & 1;
	return sum;
}

static uint64_t released(struct ctx *x)
{
	virtio_balloon_status(x->b, &x->s);
	return x->s.released_bytes / 4096;
}

static void put_pfns(struct ctx *x, unsigned q, const uint32_t *pfn, unsigned n)
{
	uint8_t raw[4096 * 4] = {0};
	struct guest_buf b = {0, 4 * n, false};

	for (unsigned i = 0; i < n; i++)
		put_le32(raw + 4 * i, pfn[i]);
	b.gpa = guest_put(&x->g, raw, 4u * n);
	guest_add(&x->g, q, &b, 1);
	virtio_notify(x->g.dev, q);
}

static void given_pages_are_free(void **state)
{
	struct ctx *x = *state;
	uint32_t pfn[600];

	for (unsigned i = 0; i < 100; i++) { /* up, down, one for itself, one twice */
		pfn[i] = PLAY_PAGE + i;
		pfn[100 + i] = PLAY_PAGE + 255 - i;
	}
	pfn[200] = PLAY_PAGE + 128;
	pfn[201] = PLAY_PAGE + 128;
	put_pfns(x, Q_INFLATE, pfn, 202);
	assert_true(guest_used(&x->g, Q_INFLATE, NULL, NULL));
	assert_true(x->g.signals[Q_INFLATE] > 0);
	assert_int_equal(resident(x), PAGES - 201);
	for (unsigned i = 0; i < PAGES * 4096; i += 4096)
		assert_int_equal(*((uint8_t *)guest_at(&x->g, PLAY) + i),
				 i / 4096 >= 100 && i / 4096 < 156 && i / 4096 != 128 ? 0x5a : 0);
}

static void pages_that_are_none_are_passed_over(void **state)
{
	struct ctx *x = *state;
	const uint32_t pfn[] = {UINT32_MAX, GUEST_RAM / 4096, PLAY_PAGE, 0x80000000u};

	put_pfns(x, Q_INFLATE, pfn, 4);
	assert_int_equal(released(x), 1);
	assert_false(guest_needs_reset(&x->g));
}

static void reported_pages_are_free(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b[] = {{PLAY, 64 * 4096, true}, {PLAY + 100 * 4096 + 5, 2 * 4096, true}};

	for (unsigned q = Q_REPORT; q < Q_REPORT + 2; q++) { /* by either way of counting */
		memset(guest_at(&x->g, PLAY), 0x5a, PAGES * 4096);
		guest_add(&x->g, q, b, 2);
		virtio_notify(x->g.dev, q);
		assert_true(guest_used(&x->g, q, NULL, NULL));
		assert_int_equal(resident(x), PAGES - 65);
	}
	assert_int_equal(released(x), 130);
}

static void poisoned_pages_stay(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {PLAY, 64 * 4096, true};
	uint8_t poison[4] = {0xaa, 0xaa, 0xaa, 0xaa};

	virtio_config_write(x->g.dev, 12, poison, 4);
	guest_add(&x->g, Q_REPORT, &b, 1);
	virtio_notify(x->g.dev, Q_REPORT);
	assert_true(guest_used(&x->g, Q_REPORT, NULL, NULL));
	assert_int_equal(resident(x), PAGES);
}

static void target_reaches_the_driver(void **state)
{
	struct ctx *x = *state;
	uint8_t c[8], actual[4];

	assert_int_equal(virtio_balloon_target(x->b, 1 << 20), 0);
	assert_int_equal(x->g.config_signals, 1);
	assert_int_equal(virtio_balloon_target(x->b, 1 << 20), 0);
	assert_int_equal(x->g.config_signals, 1);
	virtio_config_read(x->g.dev, 0, c, 8);
	assert_int_equal(get_le32(c), 256);
	put_le32(actual, 200);
	virtio_config_write(x->g.dev, 4, actual, 4);
	virtio_config_write(x->g.dev, 0, actual, 4); /* not the driver's */
	virtio_balloon_status(x->b, &x->s);
	assert_int_equal(x->s.target_bytes, 1 << 20);
	assert_int_equal(x->s.actual_bytes, 200 * 4096);
	assert_true(x->s.driver);
	assert_int_equal(virtio_balloon_target(x->b, GUEST_RAM), -ERANGE);
}

static void give_stats(struct ctx *x, uint64_t available)
{
	uint8_t raw[30] = {0};
	struct guest_buf b = {0, 30, false};

	put_le16(raw, BALLOON_AVAILABLE);
	put_le64(raw + 2, available);
	put_le16(raw + 10, 0xfff0); /* of a later version */
	put_le16(raw + 20, BALLOON_SWAP_IN);
	b.gpa = guest_put(&x->g, raw, sizeof(raw));
	guest_add(&x->g, Q_STATS, &b, 1);
	virtio_notify(x->g.dev, Q_STATS);
}

static void statistics_come_when_asked_for(void **state)
{
	struct ctx *x = *state;

	virtio_balloon_status(x->b, &x->s);
	assert_int_equal(x->s.stats_ms, -1);
	give_stats(x, 5000);
	assert_false(guest_used(&x->g, Q_STATS, NULL, NULL)); /* kept until then */
	virtio_balloon_status(x->b, &x->s);
	assert_int_equal(x->s.stats, 1 << BALLOON_AVAILABLE | 1 << BALLOON_SWAP_IN);
	assert_int_equal(x->s.stat[BALLOON_AVAILABLE], 5000);
	assert_true(x->s.stats_ms >= 0);
	assert_true(guest_used(&x->g, Q_STATS, NULL, NULL));
	virtio_balloon_status(x->b, &x->s); /* the driver is at it: nothing to give back */
	assert_false(guest_used(&x->g, Q_STATS, NULL, NULL));
	give_stats(x, 6000);
	virtio_balloon_status(x->b, &x->s);
	assert_int_equal(x->s.stat[BALLOON_AVAILABLE], 6000);
}

/* As Linux does it. */
static void a_buffer_offered_before_the_driver_is_ready_is_found(void **state)
{
	struct ctx *x = *state;
	uint8_t raw[10] = {BALLOON_TOTAL};
	struct guest_buf b = {0, sizeof(raw), false};

	x->g.dev->status &= (uint8_t)~VIRTIO_S_DRIVER_OK;
	b.gpa = guest_put(&x->g, raw, sizeof(raw));
	guest_add(&x->g, Q_STATS, &b, 1);
	virtio_notify(x->g.dev, Q_STATS);
	assert_int_equal(x->g.kicks, 0);
	virtio_status_set(x->g.dev, 0xf);
	assert_int_equal(x->g.kicks, 1);
}

static void a_pause_gives_the_statistics_back(void **state)
{
	struct ctx *x = *state;

	give_stats(x, 5000);
	virtio_dev_pause(x->g.dev);
	assert_int_equal(x->g.dev->vq[Q_STATS].out, 0);
	virtio_dev_resume(x->g.dev);
	virtio_notify(x->g.dev, Q_STATS);
	assert_int_equal(x->g.dev->vq[Q_STATS].out, 1);
}

static void hostile_requests_break_the_device(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		void *s;

		setup(&s);
		struct ctx *x = s;
		struct guest_buf odd = {PLAY, 7, false}, lots = {PLAY, 4096 * 4 + 4, false};
		struct guest_buf all[] = {{0, GUEST_RAM, true}, {0, 4096, true}};

		if (i == 2)
			guest_add(&x->g, Q_REPORT, all, 2);
		else
			guest_add(&x->g, Q_INFLATE, i ? &lots : &odd, 1);
		virtio_notify(x->g.dev, i == 2 ? Q_REPORT : Q_INFLATE);
		assert_true(guest_needs_reset(&x->g));
		assert_int_equal(resident(x), PAGES);
		teardown(&s);
	}
}

/* What one notification may do is bounded; the rest is done in further rounds of the loop. */
static void many_requests_let_others_in_between(void **state)
{
	struct ctx *x = *state;
	uint32_t pfn = PLAY_PAGE;
	unsigned done = 0, rounds = 0;

	x->g.dev->paused = true;
	for (unsigned i = 0; i < 100; i++)
		put_pfns(x, Q_INFLATE, &pfn, 1);
	x->g.dev->paused = false;
	do {
		int before = x->g.kicks;

		virtio_notify(x->g.dev, Q_INFLATE);
		rounds++;
		if (x->g.kicks == before)
			break;
	} while (rounds < 1000);
	while (guest_used(&x->g, Q_INFLATE, NULL, NULL))
		done++;
	assert_int_equal(done, 100);
	assert_true(rounds > 3 && rounds < 100);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(given_pages_are_free),
		T(pages_that_are_none_are_passed_over),
		T(reported_pages_are_free),
		T(poisoned_pages_stay),
		T(target_reaches_the_driver),
		T(statistics_come_when_asked_for),
		T(a_buffer_offered_before_the_driver_is_ready_is_found),
		T(a_pause_gives_the_statistics_back),
		cmocka_unit_test(hostile_requests_break_the_device),
		T(many_requests_let_others_in_between),
	};

	return guest_both_layouts(tests);
}
