/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The bytes of a recording, read by a reader of EBML of the test's own (RFC 8794, RFC 9559): while
 * it is written, cut off anywhere, after writes that failed, and whole.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "display/record/mkv.h"

#define UNKNOWN UINT64_MAX
#define SEGMENT 0x18538067
#define CLUSTER 0x1f43b675
#define BLOCK	0xa3
#define STAMP	0xe7
#define CUES	0x1c53bb6b
#define BEGAN_S 1790000000

static const uint8_t avcc[] = {1, 0x4d, 0x40, 0x1f, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68};

struct file {
	struct mkv m; /* its descriptor is owned here */
	uint8_t *p;   /* owned; what load() read */
	uint64_t n;
};

struct element {
	uint32_t id;
	uint64_t data, size; /* where it lies; UNKNOWN */
};

static struct mkv_video video(const char *title)
{
	return (struct mkv_video){.width = 502,
				  .height = 302,
				  .crop_right = 1,
				  .avcc = avcc,
				  .avcc_n = sizeof(avcc),
				  .began_s = BEGAN_S,
				  .title = title};
}

static struct file begun(void)
{
	struct mkv_video v = video("office-1, ålice");
	struct file f = {0};

	assert_int_equal(mkv_begin(&f.m, memfd_create("recording", MFD_CLOEXEC), &v), 0);
	return f;
}

static void load(struct file *f)
{
	struct stat st;

	free(f->p);
	assert_int_equal(fstat(f->m.fd, &st), 0);
	f->n = (uint64_t)st.st_size;
	f->p = malloc(f->n + 1);
	assert_non_null(f->p);
	assert_int_equal(pread(f->m.fd, f->p, f->n, 0), f->n);
}

static void done(struct file *f)
{
	free(f->p);
	close(f->m.fd);
}

/* ---- the reader ---------------------------------------------------------------------------- */

static uint64_t be(const uint8_t *p, uint64_t n)
{
	uint64_t v = 0;

	for (uint64_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* RFC 8794 4: the length of a number is in its first byte's leading zeros. */
static unsigned length(uint8_t first)
{
	return first ? (unsigned)__builtin_clz(first) - 23 : 9;
}

/* The element at that place; false where its head is not whole. */
static bool head(const struct file *f, uint64_t at, struct element *e)
{
	unsigned n;

	if (at >= f->n || (n = length(f->p[at])) > 4 || n > f->n - at)
		return false;
	e->id = (uint32_t)be(f->p + at, n);
	at += n;
	if (at >= f->n || (n = length(f->p[at])) > 8 || n > f->n - at)
		return false;
	e->size = be(f->p + at, n) & ((1ull << 7 * n) - 1);
	if (e->size == (1ull << 7 * n) - 1)
		e->size = UNKNOWN;
	e->data = at + n;
	return true;
}

/* The n-th child of that id within bounds. */
static bool child(const struct file *f, struct element in, uint32_t id, unsigned n,
		  struct element *e)
{
	uint64_t end = in.size == UNKNOWN ? f->n : in.data + in.size;

	for (uint64_t at = in.data; at < end && head(f, at, e); at = e->data + e->size) {
		if (e->id == id && n-- == 0)
			return true;
		if (e->size == UNKNOWN)
			return false;
	}
	return false;
}

static struct element need(const struct file *f, struct element in, uint32_t id)
{
	struct element e = {0};

	assert_true(child(f, in, id, 0, &e));
	return e;
}

static uint64_t number(const struct file *f, struct element in, uint32_t id)
{
	struct element e = need(f, in, id);

	assert_in_range(e.size, 1, 8);
	return be(f->p + e.data, e.size);
}

static void need_text(const struct file *f, struct element in, uint32_t id, const char *want)
{
	struct element e = need(f, in, id);

	assert_int_equal(e.size, strlen(want));
	assert_memory_equal(f->p + e.data, want, e.size);
}

static struct element segment(const struct file *f)
{
	struct element root = {0, 0, f->n};

	return need(f, root, SEGMENT);
}

struct frame {
	uint64_t ms, data, n;
	bool key;
};

/* Walks the Segment as a player does, into clusters of unknown size as well; the number of frames
 * that are whole, and of clusters. */
static unsigned walk(const struct file *f, struct frame *v, unsigned max, unsigned *clusters)
{
	struct element e = {0};
	uint64_t stamp = 0;
	unsigned n = 0;

	*clusters = 0;
	for (uint64_t at = segment(f).data; at < f->n && head(f, at, &e);) {
		*clusters += e.id == CLUSTER;
		at = e.id == CLUSTER ? e.data : e.data + e.size;
		if (e.id == CLUSTER || e.size > f->n - e.data)
			continue;
		if (e.id == STAMP)
			stamp = be(f->p + e.data, e.size);
		if (e.id != BLOCK)
			continue;
		assert_int_equal(f->p[e.data], 0x81); /* track 1 */
		assert_true(n < max);
		v[n++] = (struct frame){stamp + be(f->p + e.data + 1, 2), e.data + 4, e.size - 4,
					f->p[e.data + 3] == 0x80};
	}
	return n;
}

static void write_frame(struct file *f, int64_t ms, size_t n, bool key)
{
	static uint8_t data[5000];

	assert_true(n <= sizeof(data));
	memset(data, (int)(ms & 0xff), n);
	assert_int_equal(mkv_frame(&f->m, ms, data, n, key), 0);
}

/* ---- what is proved ------------------------------------------------------------------------ */

static void the_head_says_what_it_is(void **state)
{
	struct file f = begun();
	struct element root, e, seg, none = {0};

	(void)state;
	load(&f);
	root = (struct element){0, 0, f.n};
	assert_memory_equal(f.p, "\x1a\x45\xdf\xa3", 4);
	e = need(&f, root, 0x1a45dfa3);
	need_text(&f, e, 0x4282, "matroska");
	assert_int_equal(number(&f, e, 0x4286), 1);
	assert_int_equal(number(&f, e, 0x42f7), 1);
	assert_int_equal(number(&f, e, 0x4287), 4);
	assert_int_equal(number(&f, e, 0x4285), 2); /* SimpleBlock: RFC 9559 5.1.3.4 */
	seg = segment(&f);
	assert_int_equal(e.data + e.size + 12, seg.data); /* nothing between */
	assert_true(seg.size == UNKNOWN);
	e = need(&f, seg, 0x1549a966);
	assert_int_equal(number(&f, e, 0x2ad7b1), 1000000);
	assert_int_equal(number(&f, e, 0x4461), (BEGAN_S - 978307200ull) * 1000000000);
	need_text(&f, e, 0x7ba9, "office-1, ålice");
	assert_false(child(&f, e, 0x4489, 0, &none)); /* no duration yet */
	done(&f);
}

static void the_track_is_h264_of_that_size(void **state)
{
	struct file f = begun();
	struct element t, e, bare = {0};

	(void)state;
	load(&f);
	t = need(&f, need(&f, segment(&f), 0x1654ae6b), 0xae);
	assert_int_equal(number(&f, t, 0xd7), 1);
	assert_true(number(&f, t, 0x73c5) != 0); /* RFC 9559 5.1.4.1.2: not 0 */
	assert_int_equal(number(&f, t, 0x83), 1);
	assert_int_equal(number(&f, t, 0x9c), 0);
	need_text(&f, t, 0x86, "V_MPEG4/ISO/AVC");
	e = need(&f, t, 0x63a2);
	assert_int_equal(e.size, sizeof(avcc));
	assert_memory_equal(f.p + e.data, avcc, sizeof(avcc));
	e = need(&f, t, 0xe0);
	assert_int_equal(number(&f, e, 0xb0), 502);
	assert_int_equal(number(&f, e, 0xba), 302);
	assert_int_equal(number(&f, e, 0x54dd), 1);
	assert_false(child(&f, e, 0x54aa, 0, &bare)); /* nothing is cut off below */
	e = need(&f, e, 0x55b0);
	assert_int_equal(number(&f, e, 0x55b1), 1);
	assert_int_equal(number(&f, e, 0x55b9), 2);
	done(&f);
}

/* 127 in one byte would say unknown. */
static void frames_of_every_size_are_read_back(void **state)
{
	static const size_t sizes[] = {1, 122, 123, 124, 125, 252, 253, 4999};
	struct file f = begun();
	struct frame v[8];
	unsigned clusters;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		write_frame(&f, i * 100, sizes[i], i == 0);
	load(&f);
	assert_int_equal(walk(&f, v, 8, &clusters), 8);
	assert_int_equal(clusters, 1);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(v[i].n, sizes[i]);
		assert_int_equal(v[i].ms, i * 100);
		assert_int_equal(v[i].key, i == 0);
		assert_int_equal(f.p[v[i].data], i * 100 & 0xff);
		assert_int_equal(f.p[v[i].data + v[i].n - 1], i * 100 & 0xff);
	}
	done(&f);
}

static void clusters_before_the_last_have_their_size(void **state)
{
	struct file f = begun();
	struct element seg, a = {0}, b = {0}, c = {0};

	(void)state;
	write_frame(&f, 0, 100, true);
	write_frame(&f, 4999, 100, false); /* still in it */
	write_frame(&f, 5000, 100, false);
	write_frame(&f, 5100, 100, true); /* one can begin with it */
	load(&f);
	seg = segment(&f);
	assert_true(seg.size == UNKNOWN);
	assert_true(child(&f, seg, CLUSTER, 0, &a));
	assert_true(child(&f, seg, CLUSTER, 1, &b));
	assert_true(child(&f, seg, CLUSTER, 2, &c));
	assert_int_equal(a.data + a.size + 12, b.data);
	assert_int_equal(b.data + b.size + 12, c.data);
	assert_true(c.size == UNKNOWN);
	assert_int_equal(number(&f, a, STAMP), 0);
	assert_int_equal(number(&f, b, STAMP), 5000);
	assert_int_equal(number(&f, c, STAMP), 5100);
	done(&f);
}

static void its_end_fills_in_sizes_duration_and_index(void **state)
{
	struct file f = begun();
	struct element seg, e = {0}, seek, cues = {0}, c = {0};
	double duration;
	uint64_t bits;

	(void)state;
	write_frame(&f, 0, 100, true);
	write_frame(&f, 7000, 100, false);
	write_frame(&f, 20000, 100, true);
	assert_int_equal(mkv_end(&f.m, 21500), 0);
	load(&f);
	assert_int_equal(f.n, f.m.bytes);
	seg = segment(&f);
	assert_int_equal(seg.data + seg.size, f.n);
	bits = number(&f, need(&f, seg, 0x1549a966), 0x4489);
	memcpy(&duration, &bits, sizeof(duration));
	assert_true(duration == 21500.0);
	seek = need(&f, need(&f, seg, 0x114d9b74), 0x4dbb);
	assert_int_equal(number(&f, seek, 0x53ab), CUES);
	assert_true(head(&f, seg.data + number(&f, seek, 0x53ac), &cues));
	assert_int_equal(cues.id, CUES);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(child(&f, cues, 0xbb, i, &c));
		assert_int_equal(number(&f, c, 0xb3), i * 20000);
		c = need(&f, c, 0xb7);
		assert_int_equal(number(&f, c, 0xf7), 1);
		assert_true(head(&f, seg.data + number(&f, c, 0xf1), &e));
		assert_int_equal(e.id, CLUSTER);
		assert_true(e.size != UNKNOWN);
		assert_int_equal(number(&f, e, STAMP), i * 20000);
		assert_int_equal(f.p[need(&f, e, BLOCK).data + 3], 0x80);
	}
	assert_false(child(&f, cues, 0xbb, 2, &c)); /* none for the cluster without a key */
	assert_true(child(&f, seg, CLUSTER, 2, &e));
	assert_int_equal(e.data + e.size + 12, cues.data);
	done(&f);
}

static void one_without_a_frame_ends_whole(void **state)
{
	struct file f = begun();
	struct element e = {0};

	(void)state;
	assert_int_equal(mkv_end(&f.m, 0), 0);
	load(&f);
	assert_int_equal(segment(&f).data + segment(&f).size, f.n);
	assert_false(child(&f, segment(&f), CUES, 0, &e));
	done(&f);
}

static void the_index_of_a_long_one_is_thinned_evenly(void **state)
{
	struct file f = begun();
	struct element seg, cues, c = {0}, e = {0};
	unsigned n = 0;
	uint64_t ms;

	(void)state;
	for (int i = 0; i < 2 * MKV_CUES + 1; i++)
		write_frame(&f, i * INT64_C(20000), 1, true);
	assert_int_equal(mkv_end(&f.m, 2 * MKV_CUES * INT64_C(20000)), 0);
	load(&f);
	seg = segment(&f);
	cues = need(&f, seg, CUES);
	for (uint64_t at = cues.data; at < cues.data + cues.size; at = c.data + c.size, n++) {
		assert_true(head(&f, at, &c));
		ms = number(&f, c, 0xb3);
		assert_int_equal(ms, n * UINT64_C(80000));
		assert_true(head(&f, seg.data + number(&f, need(&f, c, 0xb7), 0xf1), &e));
		assert_int_equal(e.id, CLUSTER);
		assert_int_equal(number(&f, e, STAMP), ms);
	}
	assert_int_equal(n, MKV_CUES / 2 + 1);
	done(&f);
}

/* As a crash or a full disk leaves it: all frames before the cut are there. */
static void cut_off_anywhere_it_has_every_frame_before(void **state)
{
	struct file f = begun();
	struct frame all[6], v[6];
	unsigned clusters, n;
	uint64_t whole;

	(void)state;
	for (int i = 0; i < 6; i++)
		write_frame(&f, i * 2000, 50 + (size_t)i * 40, i == 0 || i == 4);
	load(&f);
	assert_int_equal(walk(&f, all, 6, &clusters), 6);
	assert_int_equal(clusters, 3);
	whole = f.n;
	for (uint64_t cut = whole; cut > segment(&f).data + 20; cut--) {
		unsigned want = 0;

		f.n = cut;
		while (want < 6 && all[want].data + all[want].n <= cut)
			want++;
		n = walk(&f, v, 6, &clusters);
		assert_int_equal(n, want);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(v[i].ms, all[i].ms);
			assert_int_equal(v[i].data, all[i].data);
		}
	}
	done(&f);
}

/* What lies beyond cannot be written meanwhile: a disk that is full at that byte. */
static rlim_t full_at(rlim_t bytes)
{
	struct rlimit l;
	rlim_t had;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	had = l.rlim_cur;
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
	return had;
}

static void a_write_that_failed_leaves_nothing(void **state)
{
	static uint8_t big[4000];
	struct file f = begun();
	struct frame v[3];
	unsigned clusters;
	uint64_t before;
	rlim_t had;
	int r, end;

	(void)state;
	write_frame(&f, 0, 100, true);
	write_frame(&f, 1000, 100, false);
	before = f.m.bytes;
	had = full_at(before + 300);
	r = mkv_frame(&f.m, 2000, big, sizeof(big), false); /* a part of it fits */
	full_at(had);
	assert_int_equal(r, -EFBIG);
	load(&f);
	assert_int_equal(f.n, before);
	write_frame(&f, 2000, 100, false); /* there is room again */
	had = full_at(f.m.bytes + 10);
	end = mkv_end(&f.m, 3000); /* but none for an index */
	full_at(had);
	assert_int_equal(end, -EFBIG);
	load(&f);
	assert_int_equal(f.n, f.m.bytes);
	assert_int_equal(walk(&f, v, 3, &clusters), 3);
	assert_int_equal(segment(&f).data + segment(&f).size, f.n);
	assert_true(need(&f, segment(&f), CLUSTER).size != UNKNOWN);
	assert_int_equal(number(&f, need(&f, segment(&f), 0x1549a966), 0x4489) >> 52, 0x40a);
	done(&f);
}

static void what_cannot_be_said_is_refused(void **state)
{
	struct mkv_video v = video("x");
	struct file f = begun();
	uint64_t before;

	(void)state;
	write_frame(&f, 1000, 10, true);
	before = f.m.bytes;
	assert_int_equal(mkv_frame(&f.m, 999, avcc, 5, false), -EINVAL);
	assert_int_equal(mkv_frame(&f.m, UINT32_MAX + 1ll, avcc, 5, false), -EINVAL);
	assert_int_equal(f.m.bytes, before);
	done(&f);
	v.avcc_n = MKV_PRIVATE_MAX + 1;
	assert_int_equal(mkv_begin(&f.m, -1, &v), -EMSGSIZE);
	v.avcc_n = sizeof(avcc);
	assert_int_equal(mkv_begin(&f.m, -1, &v), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_says_what_it_is),
		cmocka_unit_test(the_track_is_h264_of_that_size),
		cmocka_unit_test(frames_of_every_size_are_read_back),
		cmocka_unit_test(clusters_before_the_last_have_their_size),
		cmocka_unit_test(its_end_fills_in_sizes_duration_and_index),
		cmocka_unit_test(one_without_a_frame_ends_whole),
		cmocka_unit_test(the_index_of_a_long_one_is_thinned_evenly),
		cmocka_unit_test(cut_off_anywhere_it_has_every_frame_before),
		cmocka_unit_test(a_write_that_failed_leaves_nothing),
		cmocka_unit_test(what_cannot_be_said_is_refused),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
