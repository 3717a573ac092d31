/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See mkv.h. Elements' ids are RFC 9559's, section 5. Small elements are put together in memory and
 * written at once; sizes known later are of 8 bytes and written over (lseek(2) and write(2): the
 * sandbox has no pwrite).
 */
#include "display/record/mkv.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define ID_EBML	       0x1a45dfa3
#define ID_VOID	       0xec
#define ID_SEGMENT     0x18538067
#define ID_SEEK_HEAD   0x114d9b74
#define ID_SEEK	       0x4dbb
#define ID_SEEK_ID     0x53ab
#define ID_SEEK_AT     0x53ac
#define ID_INFO	       0x1549a966
#define ID_SCALE       0x2ad7b1
#define ID_DURATION    0x4489
#define ID_DATE	       0x4461
#define ID_TITLE       0x7ba9
#define ID_MUXER       0x4d80
#define ID_WRITER      0x5741
#define ID_TRACKS      0x1654ae6b
#define ID_TRACK       0xae
#define ID_TRACK_NR    0xd7
#define ID_TRACK_UID   0x73c5
#define ID_TRACK_TYPE  0x83
#define ID_LACING      0x9c
#define ID_LANGUAGE    0x22b59c
#define ID_CODEC       0x86
#define ID_PRIVATE     0x63a2
#define ID_VIDEO       0xe0
#define ID_INTERLACED  0x9a
#define ID_WIDTH       0xb0
#define ID_HEIGHT      0xba
#define ID_CROP_DOWN   0x54aa
#define ID_CROP_RIGHT  0x54dd
#define ID_COLOUR      0x55b0
#define ID_MATRIX      0x55b1
#define ID_RANGE       0x55b9
#define ID_TRANSFER    0x55ba
#define ID_PRIMARIES   0x55bb
#define ID_CLUSTER     0x1f43b675
#define ID_TIMESTAMP   0xe7
#define ID_BLOCK       0xa3
#define ID_CUES	       0x1c53bb6b
#define ID_CUE	       0xbb
#define ID_CUE_TIME    0xb3
#define ID_CUE_PLACE   0xb7
#define ID_CUE_TRACK   0xf7
#define ID_CUE_CLUSTER 0xf1

#define UNKNOWN	   UINT64_MAX /* RFC 8794 6.2: all bits of a size are ones */
#define SEEK_BYTES 26	      /* of a SeekHead with one place of 8 bytes */
#define TIME_BYTES 11	      /* of a Duration */
#define EPOCH_S	   978307200  /* 2001-01-01, where Matroska's dates begin */
#define HEAD_MAX   2048
#define CUE_BYTES  40

/* What is being put together; n beyond size says that it did not fit. */
struct out {
	uint8_t *p;
	size_t n, size;
};

static void put(struct out *o, const void *p, size_t n)
{
	if (n <= o->size && o->n <= o->size - n)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void put_be(struct out *o, uint64_t v, unsigned bytes)
{
	uint8_t b[8];

	for (unsigned i = 0; i < bytes; i++)
		b[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
	put(o, b, bytes);
}

static void put_id(struct out *o, uint32_t id)
{
	put_be(o, id, id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1);
}

/* Short, or of 8 bytes (RFC 8794 4). */
static void put_size(struct out *o, uint64_t n)
{
	if (n < 127)
		put_be(o, 0x80 | n, 1);
	else
		put_be(o, n == UNKNOWN ? 0x01ffffffffffffff : 1ull << 56 | n, 8);
}

static void put_bytes(struct out *o, uint32_t id, const void *p, size_t n)
{
	put_id(o, id);
	put_size(o, n);
	put(o, p, n);
}

static void put_text(struct out *o, uint32_t id, const char *s)
{
	put_bytes(o, id, s, strlen(s));
}

static void put_uint(struct out *o, uint32_t id, uint64_t v)
{
	unsigned n = 1;

	while (n < 8 && v >> 8 * n)
		n++;
	put_id(o, id);
	put_size(o, n);
	put_be(o, v, n);
}

static void put_u64(struct out *o, uint32_t id, uint64_t v)
{
	put_id(o, id);
	put_size(o, 8);
	put_be(o, v, 8);
}

static void put_void(struct out *o, unsigned bytes)
{
	static const uint8_t zeros[64];

	put_bytes(o, ID_VOID, zeros, bytes - 2);
}

/* Where the size of a master element stands, to be filled in by shut(). */
static size_t open_master(struct out *o, uint32_t id)
{
	put_id(o, id);
	put_size(o, UNKNOWN);
	return o->n;
}

static void shut(struct out *o, size_t at)
{
	struct out size = {o->p + at - 8, 0, 8};

	if (o->n <= o->size)
		put_be(&size, 1ull << 56 | (o->n - at), 8);
}

/* ---- the file ------------------------------------------------------------------------------ */

static int write_all(int fd, struct iovec *v, int n)
{
	while (n) {
		ssize_t r = writev(fd, v, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO;
		while (n && (size_t)r >= v->iov_len) {
			r -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (uint8_t *)v->iov_base + r;
			v->iov_len -= (size_t)r;
		}
	}
	return 0;
}

/* After it all of it is there, or none. */
static int append(struct mkv *m, const struct out *head, const uint8_t *data, size_t n)
{
	struct iovec v[2] = {{head->p, head->n}, {(void *)(uintptr_t)data, n}};
	int r = head->n > head->size ? -EMSGSIZE : write_all(m->fd, v, n ? 2 : 1);

	if (r < 0) {
		(void)!ftruncate(m->fd, (off_t)m->bytes);
		(void)!lseek(m->fd, (off_t)m->bytes, SEEK_SET);
		return r;
	}
	m->bytes += head->n + n;
	return 0;
}

/* Over what is there. */
static int patch(struct mkv *m, uint64_t at, const struct out *o)
{
	struct iovec v = {o->p, o->n};
	int r = lseek(m->fd, (off_t)at, SEEK_SET) < 0 ? -errno : write_all(m->fd, &v, 1);

	if (lseek(m->fd, (off_t)m->bytes, SEEK_SET) < 0 && r == 0)
		r = -errno;
	return r;
}

/* The size of what began there and ends here. */
static int patch_size(struct mkv *m, uint64_t at)
{
	uint8_t b[8];
	struct out o = {b, 0, sizeof(b)};

	put_be(&o, 1ull << 56 | (m->bytes - at), 8);
	return patch(m, at - 8, &o);
}

/* ---- its parts ----------------------------------------------------------------------------- */

static void put_ebml(struct out *o)
{
	size_t at = open_master(o, ID_EBML);

	put_uint(o, 0x4286, 1); /* EBMLVersion */
	put_uint(o, 0x42f7, 1); /* EBMLReadVersion */
	put_uint(o, 0x42f2, 4); /* EBMLMaxIDLength */
	put_uint(o, 0x42f3, 8); /* EBMLMaxSizeLength */
	put_text(o, 0x4282, "matroska");
	put_uint(o, 0x4287, 4); /* DocTypeVersion */
	put_uint(o, 0x4285, 2); /* DocTypeReadVersion: SimpleBlock */
	shut(o, at);
}

static void put_info(struct out *o, struct mkv *m, const struct mkv_video *v)
{
	size_t at = open_master(o, ID_INFO);
	int n = (int)strnlen(v->title, MKV_TITLE_MAX);

	put_uint(o, ID_SCALE, 1000000); /* milliseconds */
	m->duration = o->n;
	put_void(o, TIME_BYTES);
	put_u64(o, ID_DATE, (uint64_t)((v->began_s - EPOCH_S) * 1000000000));
	put_bytes(o, ID_TITLE, v->title, (size_t)n);
	put_text(o, ID_MUXER, "Pane");
	put_text(o, ID_WRITER, "pane-display " PANE_VERSION);
	shut(o, at);
}

/* BT.709 of full range: display/avc.c. */
static void put_colour(struct out *o)
{
	size_t at = open_master(o, ID_COLOUR);

	put_uint(o, ID_MATRIX, 1);
	put_uint(o, ID_RANGE, 2);
	put_uint(o, ID_TRANSFER, 1);
	put_uint(o, ID_PRIMARIES, 1);
	shut(o, at);
}

static void put_tracks(struct out *o, const struct mkv_video *v)
{
	size_t tracks = open_master(o, ID_TRACKS), track = open_master(o, ID_TRACK), video;

	put_uint(o, ID_TRACK_NR, 1);
	put_uint(o, ID_TRACK_UID, 1);
	put_uint(o, ID_TRACK_TYPE, 1); /* video */
	put_uint(o, ID_LACING, 0);
	put_text(o, ID_LANGUAGE, "und");
	put_text(o, ID_CODEC, "V_MPEG4/ISO/AVC");
	put_bytes(o, ID_PRIVATE, v->avcc, v->avcc_n);
	video = open_master(o, ID_VIDEO);
	put_uint(o, ID_INTERLACED, 2); /* progressive */
	put_uint(o, ID_WIDTH, v->width);
	put_uint(o, ID_HEIGHT, v->height);
	if (v->crop_down)
		put_uint(o, ID_CROP_DOWN, v->crop_down);
	if (v->crop_right)
		put_uint(o, ID_CROP_RIGHT, v->crop_right);
	put_colour(o);
	shut(o, video);
	shut(o, track);
	shut(o, tracks);
}

int mkv_begin(struct mkv *m, int fd, const struct mkv_video *v)
{
	uint8_t b[HEAD_MAX];
	struct out o = {b, 0, sizeof(b)};

	if (v->avcc_n > MKV_PRIVATE_MAX)
		return -EMSGSIZE;
	memset(m, 0, sizeof(*m));
	m->fd = fd;
	m->cue_every = 1;
	put_ebml(&o);
	m->segment = open_master(&o, ID_SEGMENT);
	m->seek = o.n;
	put_void(&o, SEEK_BYTES); /* a SeekHead at the end */
	put_info(&o, m, v);
	put_tracks(&o, v);
	return append(m, &o, NULL, 0);
}

static int shut_cluster(struct mkv *m)
{
	if (!m->in_cluster)
		return 0;
	m->in_cluster = false;
	return patch_size(m, m->cluster);
}

/* Of many every other is forgotten, and only every second, fourth … is kept from then on. */
static void note_cue(struct mkv *m, int64_t ms, uint64_t at)
{
	if (m->keys++ % m->cue_every)
		return;
	if (m->n_cues == MKV_CUES) {
		for (unsigned i = 0; i < MKV_CUES / 2; i++)
			m->cues[i] = m->cues[2 * i];
		m->n_cues = MKV_CUES / 2;
		m->cue_every *= 2;
	}
	m->cues[m->n_cues++] = (struct mkv_cue){(uint32_t)ms, at - m->segment};
}

static int open_cluster(struct mkv *m, int64_t ms, bool key)
{
	uint8_t b[32];
	struct out o = {b, 0, sizeof(b)};
	uint64_t at = m->bytes;
	int r = shut_cluster(m);

	put_id(&o, ID_CLUSTER);
	put_size(&o, UNKNOWN);
	m->cluster = at + o.n;
	put_uint(&o, ID_TIMESTAMP, (uint64_t)ms);
	if (r == 0)
		r = append(m, &o, NULL, 0);
	if (r < 0)
		return r;
	m->in_cluster = true;
	m->cluster_ms = ms;
	if (key)
		note_cue(m, ms, at);
	return 0;
}

/* SimpleBlock: RFC 9559 10.2. A frame one can begin with begins a cluster. */
int mkv_frame(struct mkv *m, int64_t ms, const uint8_t *data, size_t n, bool key)
{
	uint8_t b[16];
	struct out o = {b, 0, sizeof(b)};
	int r = 0;

	if (ms < m->last_ms || ms > UINT32_MAX || n > UINT32_MAX)
		return -EINVAL;
	if (!m->in_cluster || key || ms - m->cluster_ms >= MKV_CLUSTER_MS)
		r = open_cluster(m, ms, key);
	put_id(&o, ID_BLOCK);
	put_size(&o, n + 4);
	put_be(&o, 0x81, 1); /* track 1 */
	put_be(&o, (uint64_t)(ms - m->cluster_ms), 2);
	put_be(&o, key ? 0x80 : 0, 1);
	if (r == 0)
		r = append(m, &o, data, n);
	if (r == 0)
		m->last_ms = ms;
	return r;
}

static int write_cues(struct mkv *m)
{
	static const size_t size = (size_t)MKV_CUES * CUE_BYTES + 16;
	cleanup_free uint8_t *b = malloc(size);
	struct out o = {b, 0, size};
	size_t at, cue, place;

	if (!b)
		return -ENOMEM;
	at = open_master(&o, ID_CUES);
	for (unsigned i = 0; i < m->n_cues; i++) {
		cue = open_master(&o, ID_CUE);
		put_uint(&o, ID_CUE_TIME, m->cues[i].ms);
		place = open_master(&o, ID_CUE_PLACE);
		put_uint(&o, ID_CUE_TRACK, 1);
		put_uint(&o, ID_CUE_CLUSTER, m->cues[i].at);
		shut(&o, place);
		shut(&o, cue);
	}
	shut(&o, at);
	return append(m, &o, NULL, 0);
}

static int write_seek(struct mkv *m, uint64_t cues)
{
	uint8_t b[SEEK_BYTES], id[4];
	struct out o = {b, 0, sizeof(b)}, name = {id, 0, sizeof(id)};

	put_id(&name, ID_CUES);
	put_id(&o, ID_SEEK_HEAD);
	put_size(&o, SEEK_BYTES - 5);
	put_id(&o, ID_SEEK);
	put_size(&o, SEEK_BYTES - 8);
	put_bytes(&o, ID_SEEK_ID, id, sizeof(id));
	put_u64(&o, ID_SEEK_AT, cues - m->segment);
	return patch(m, m->seek, &o);
}

static int write_duration(struct mkv *m, int64_t ms)
{
	uint8_t b[TIME_BYTES];
	struct out o = {b, 0, sizeof(b)};
	double d = (double)ms;
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	put_u64(&o, ID_DURATION, bits);
	return patch(m, m->duration, &o);
}

int mkv_end(struct mkv *m, int64_t ms)
{
	uint64_t cues;
	int r = shut_cluster(m), s;

	cues = m->bytes;
	if (r == 0)
		r = write_duration(m, ms);
	s = r == 0 && m->n_cues ? write_cues(m) : -ENODATA;
	if (s == 0)
		s = write_seek(m, cues);
	if (r == 0 && s < 0 && s != -ENODATA)
		r = s;
	s = patch_size(m, m->segment);
	return r < 0 ? r : s;
}
