/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The surface protocol on the wire; see surface.h. Pure encode and decode plus the socket calls.
 */
#include "common/surface.h"
#include "common/sock.h"
#include "common/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CLIP_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK)

/* ---- encode ---- */

static size_t encode_damage(const struct surface_msg *m, uint8_t *p)
{
	put_le32(p, m->damage.seq);
	put_le32(p + 4, m->damage.n);
	p += 8;
	for (uint32_t i = 0; i < m->damage.n; i++, p += 16) {
		const struct surface_rect *r = &m->damage.rects[i];

		put_le32(p, (uint32_t)r->x);
		put_le32(p + 4, (uint32_t)r->y);
		put_le32(p + 8, (uint32_t)r->width);
		put_le32(p + 12, (uint32_t)r->height);
	}
	return 8 + (size_t)m->damage.n * 16;
}

static size_t encode_cursor(const struct surface_msg *m, uint8_t *p)
{
	size_t n = (size_t)m->cursor.width * m->cursor.height;

	put_le32(p, m->cursor.width);
	put_le32(p + 4, m->cursor.height);
	put_le32(p + 8, m->cursor.hot_x);
	put_le32(p + 12, m->cursor.hot_y);
	for (size_t i = 0; i < n; i++)
		put_le32(p + 16 + 4 * i, m->cursor.pixels[i]);
	return 16 + 4 * n;
}

static size_t encode_scanout(const struct surface_msg *m, uint8_t *p)
{
	put_le32(p, m->scanout.id);
	put_le32(p + 4, m->scanout.width);
	put_le32(p + 8, m->scanout.height);
	put_le32(p + 12, m->scanout.stride);
	put_le64(p + 16, m->scanout.offset);
	put_le64(p + 24, m->scanout.size);
	return 32;
}

static size_t encode_words(uint8_t *p, unsigned n, const uint32_t *w)
{
	for (unsigned i = 0; i < n; i++)
		put_le32(p + 4 * i, w[i]);
	return 4 * (size_t)n;
}

static bool rate_ok(uint32_t rate)
{
	return rate == 44100 || rate == 48000;
}

static size_t encode_voice(const struct surface_msg *m, uint8_t *p)
{
	size_t bytes = (size_t)m->voice.n * SURFACE_VOICE_FRAME;

	if (!m->voice.n || m->voice.n > SURFACE_VOICE_MAX)
		return 0;
	memcpy(p + 8, m->voice.frames, bytes);
	return bytes + encode_words(p, 2, (uint32_t[]){m->voice.rate, m->voice.n});
}

/* Payload length, or 0 for a message that may not be sent. */
static size_t encode_payload(const struct surface_msg *m, uint8_t *p)
{
	switch (m->type) {
	case SURFACE_HELLO:
		return encode_words(p, 2, (uint32_t[]){m->hello.version, m->hello.flags});
	case SURFACE_SCANOUT:
		return encode_scanout(m, p);
	case SURFACE_DAMAGE:
		return m->damage.n && m->damage.n <= SURFACE_MAX_RECTS ? encode_damage(m, p) : 0;
	case SURFACE_MONITORS:
		return m->damage.n && m->damage.n <= SURFACE_MAX_MONITORS ? encode_damage(m, p) : 0;
	case SURFACE_CURSOR_SHAPE:
		if (m->cursor.width > SURFACE_MAX_CURSOR || m->cursor.height > SURFACE_MAX_CURSOR)
			return 0;
		return encode_cursor(m, p);
	case SURFACE_CURSOR_POS:
	case SURFACE_POINTER:
	case SURFACE_POINTER_REL:
		return encode_words(p, 2, (uint32_t[]){(uint32_t)m->point.x, (uint32_t)m->point.y});
	case SURFACE_KEY:
	case SURFACE_BUTTON:
		return encode_words(p, 2, (uint32_t[]){m->key.code, m->key.down});
	case SURFACE_WHEEL:
		return encode_words(
			p, 2,
			(uint32_t[]){(uint32_t)m->wheel.vertical, (uint32_t)m->wheel.horizontal});
	case SURFACE_RESIZE:
		return encode_words(
			p, 3,
			(uint32_t[]){m->resize.width, m->resize.height, m->resize.scale_percent});
	case SURFACE_VIEWERS:
		return encode_words(p, 1, &m->viewers);
	case SURFACE_CLIP_POLICY:
		return encode_words(p, 1, &m->clip_ways);
	case SURFACE_KEYSYM:
		return encode_words(p, 1, &m->keysym);
	case SURFACE_LAYOUT:
		return encode_words(p, 1, &m->layout);
	case SURFACE_LOOK:
		return encode_words(p, 2, (uint32_t[]){m->look.id, m->look.seq});
	case SURFACE_CLIP_OFFER:
	case SURFACE_CLIP_REQUEST:
		return encode_words(p, 2, (uint32_t[]){m->clip.serial, m->clip.format});
	case SURFACE_CLIP_DATA:
		return encode_words(
			p, 4,
			(uint32_t[]){m->clip.serial, m->clip.format, m->clip.status, m->clip.size});
	case SURFACE_AUDIO:
		return encode_words(
			p, 4, (uint32_t[]){m->audio.stream, m->audio.rate, m->audio.frames, 0});
	case SURFACE_AUDIO_POS:
		put_le64(p + 8, m->audio.pos);
		return 8 + encode_words(p, 2, (uint32_t[]){m->audio.stream, 0});
	case SURFACE_AUDIO_LISTEN:
		return encode_words(p, 1, &m->listen);
	case SURFACE_RECORD:
		return encode_words(p, 1, &m->record);
	case SURFACE_VOICE:
		return encode_voice(m, p);
	}
	return 0;
}

int surface_encode(const struct surface_msg *m, uint8_t *out, size_t size)
{
	size_t n;

	if (size < SURFACE_MAX_MESSAGE)
		return -ENOBUFS;
	n = encode_payload(m, out + SURFACE_HEAD);
	if (!n)
		return -EINVAL;
	put_le16(out, (uint16_t)m->type);
	put_le16(out + 2, 0);
	put_le32(out + 4, (uint32_t)n);
	return (int)(SURFACE_HEAD + n);
}

int surface_send(int sock, const struct surface_msg *m)
{
	uint8_t out[SURFACE_MAX_MESSAGE];
	bool carries = m->type == SURFACE_SCANOUT || m->type == SURFACE_CLIP_DATA ||
		       m->type == SURFACE_AUDIO;
	int n = surface_encode(m, out, sizeof(out));
	ssize_t r;

	if (n < 0)
		return n;
	r = sock_send_fd(sock, out, (size_t)n, carries ? m->fd : -1);
	return r < 0 ? (int)r : 0;
}

/* ---- decode ---- */

bool surface_keysym_ok(uint32_t k)
{
	uint32_t unicode = k - 0x01000000;

	if (k >= 0x01000000) /* not a surrogate, and a code point that Latin-1 has not */
		return unicode >= 0x100 && unicode <= 0x10ffff && unicode >> 11 != 0x1b;
	return (k >= 0x20 && k <= 0x7e) || (k >= 0xa0 && k < 0x2000) ||
	       (k >= 0x20a0 && k <= 0x20ff) || (k >= 0xfe50 && k <= 0xfe93);
}

static int decode_scanout(struct surface_msg *m, const uint8_t *p)
{
	struct surface_scanout *s = &m->scanout;

	s->id = get_le32(p);
	s->width = get_le32(p + 4);
	s->height = get_le32(p + 8);
	s->stride = get_le32(p + 12);
	s->offset = get_le64(p + 16);
	s->size = get_le64(p + 24);
	if (!s->width && !s->height)
		return 0;
	if (!s->width || !s->height || s->width > SURFACE_MAX_DIM || s->height > SURFACE_MAX_DIM)
		return -EPROTO;
	if (s->stride < s->width * 4 || s->stride > SURFACE_MAX_DIM * 8 || s->stride % 4 ||
	    s->offset % 4)
		return -EPROTO;
	if (!range_ok(s->offset, (uint64_t)s->stride * s->height, s->size))
		return -EPROTO;
	return 0;
}

static bool rect_ok(const struct surface_rect *r)
{
	return r->x >= 0 && r->y >= 0 && r->width > 0 && r->height > 0 && r->x <= SURFACE_MAX_DIM &&
	       r->y <= SURFACE_MAX_DIM && r->width <= SURFACE_MAX_DIM - r->x &&
	       r->height <= SURFACE_MAX_DIM - r->y;
}

static int decode_damage(struct surface_msg *m, const uint8_t *p, size_t n)
{
	if (n < 8)
		return -EPROTO;
	m->damage.seq = get_le32(p);
	m->damage.n = get_le32(p + 4);
	if (!m->damage.n || m->damage.n > SURFACE_MAX_RECTS || n != 8 + (size_t)m->damage.n * 16)
		return -EPROTO;
	p += 8;
	for (uint32_t i = 0; i < m->damage.n; i++, p += 16) {
		struct surface_rect *r = &m->damage.rects[i];

		r->x = (int32_t)get_le32(p);
		r->y = (int32_t)get_le32(p + 4);
		r->width = (int32_t)get_le32(p + 8);
		r->height = (int32_t)get_le32(p + 12);
		if (!rect_ok(r))
			return -EPROTO;
	}
	return 0;
}

static int decode_cursor(struct surface_msg *m, const uint8_t *p, size_t n)
{
	uint32_t w, h;

	if (n < 16)
		return -EPROTO;
	w = m->cursor.width = get_le32(p);
	h = m->cursor.height = get_le32(p + 4);
	m->cursor.hot_x = get_le32(p + 8);
	m->cursor.hot_y = get_le32(p + 12);
	if (w > SURFACE_MAX_CURSOR || h > SURFACE_MAX_CURSOR || !w != !h ||
	    n != 16 + (size_t)w * h * 4)
		return -EPROTO;
	if (w && (m->cursor.hot_x >= w || m->cursor.hot_y >= h))
		return -EPROTO;
	for (size_t i = 0; i < (size_t)w * h; i++)
		m->cursor.pixels[i] = get_le32(p + 16 + 4 * i);
	return 0;
}

static int decode_resize(struct surface_msg *m, const uint8_t *p)
{
	m->resize.width = get_le32(p);
	m->resize.height = get_le32(p + 4);
	m->resize.scale_percent = get_le32(p + 8);
	if (!m->resize.width || !m->resize.height || m->resize.width > SURFACE_MAX_DIM ||
	    m->resize.height > SURFACE_MAX_DIM || m->resize.scale_percent > 500)
		return -EPROTO;
	return 0;
}

static int decode_point(struct surface_msg *m, const uint8_t *p)
{
	m->point.x = (int32_t)get_le32(p);
	m->point.y = (int32_t)get_le32(p + 4);
	if (m->type != SURFACE_POINTER)
		return 0;
	return m->point.x < 0 || m->point.y < 0 || m->point.x >= SURFACE_MAX_DIM ||
			       m->point.y >= SURFACE_MAX_DIM
		       ? -EPROTO
		       : 0;
}

static int decode_clip(struct surface_msg *m, const uint8_t *p)
{
	m->clip.serial = get_le32(p);
	m->clip.format = get_le32(p + 4);
	m->clip.status = m->clip.size = 0;
	if (m->type == SURFACE_CLIP_OFFER) /* formats to come are for those who know them */
		return 0;
	if (m->clip.format != SURFACE_CLIP_TEXT)
		return -EPROTO;
	if (m->type == SURFACE_CLIP_REQUEST)
		return 0;
	m->clip.status = get_le32(p + 8);
	m->clip.size = get_le32(p + 12);
	if (m->clip.status > SURFACE_CLIP_FAILED || m->clip.size > SURFACE_CLIP_MAX ||
	    (m->clip.status != SURFACE_CLIP_OK && m->clip.size))
		return -EPROTO;
	return 0;
}

static int decode_audio(struct surface_msg *m, const uint8_t *p)
{
	m->audio.stream = get_le32(p);
	m->audio.pos = 0;
	m->audio.rate = m->audio.frames = 0;
	if (m->type == SURFACE_AUDIO_POS) {
		m->audio.pos = get_le64(p + 8);
		return get_le32(p + 4) ? -EPROTO : 0;
	}
	m->audio.rate = get_le32(p + 4);
	m->audio.frames = get_le32(p + 8);
	if (get_le32(p + 12))
		return -EPROTO;
	if (!m->audio.frames)
		return 0;
	if (!rate_ok(m->audio.rate))
		return -EPROTO;
	return m->audio.frames < SURFACE_AUDIO_MIN || m->audio.frames > SURFACE_AUDIO_MAX ? -EPROTO
											  : 0;
}

static int decode_voice(struct surface_msg *m, const uint8_t *p, size_t n)
{
	if (n < 8)
		return -EPROTO;
	m->voice.rate = get_le32(p);
	m->voice.n = get_le32(p + 4);
	if (!rate_ok(m->voice.rate) || !m->voice.n || m->voice.n > SURFACE_VOICE_MAX ||
	    n != 8 + (size_t)m->voice.n * SURFACE_VOICE_FRAME)
		return -EPROTO;
	memcpy(m->voice.frames, p + 8, n - 8);
	return 0;
}

/* Payload length of the fixed-size messages; 0 for those that check their own. */
static size_t fixed_length(enum surface_type t)
{
	switch (t) {
	case SURFACE_SCANOUT:
		return 32;
	case SURFACE_RESIZE:
		return 12;
	case SURFACE_VIEWERS:
	case SURFACE_CLIP_POLICY:
	case SURFACE_KEYSYM:
	case SURFACE_LAYOUT:
	case SURFACE_AUDIO_LISTEN:
	case SURFACE_RECORD:
		return 4;
	case SURFACE_CLIP_DATA:
	case SURFACE_AUDIO:
	case SURFACE_AUDIO_POS:
		return 16;
	case SURFACE_DAMAGE:
	case SURFACE_MONITORS:
	case SURFACE_CURSOR_SHAPE:
	case SURFACE_VOICE:
		return 0;
	default:
		return 8;
	}
}

int surface_decode(struct surface_msg *m, const uint8_t *p, size_t n)
{
	size_t want;

	m->fd = -1;
	if (n < SURFACE_HEAD || get_le16(p + 2) || get_le32(p + 4) != n - SURFACE_HEAD)
		return -EPROTO;
	m->type = (enum surface_type)get_le16(p);
	p += SURFACE_HEAD;
	n -= SURFACE_HEAD;
	want = fixed_length(m->type);
	if (want && n != want)
		return -EPROTO;
	switch (m->type) {
	case SURFACE_HELLO:
		m->hello.version = get_le32(p);
		m->hello.flags = get_le32(p + 4);
		return m->hello.version == SURFACE_VERSION ? 0 : -EPROTO;
	case SURFACE_SCANOUT:
		return decode_scanout(m, p);
	case SURFACE_DAMAGE:
		return decode_damage(m, p, n);
	case SURFACE_MONITORS:
		if (n > 8 + SURFACE_MAX_MONITORS * 16)
			return -EPROTO;
		return decode_damage(m, p, n);
	case SURFACE_CURSOR_SHAPE:
		return decode_cursor(m, p, n);
	case SURFACE_CURSOR_POS:
	case SURFACE_POINTER:
	case SURFACE_POINTER_REL:
		return decode_point(m, p);
	case SURFACE_KEY:
	case SURFACE_BUTTON:
		m->key.code = get_le32(p);
		m->key.down = get_le32(p + 4);
		return m->key.code < 0x300 && m->key.down <= 1 ? 0 : -EPROTO;
	case SURFACE_WHEEL:
		m->wheel.vertical = (int32_t)get_le32(p);
		m->wheel.horizontal = (int32_t)get_le32(p + 4);
		return 0;
	case SURFACE_RESIZE:
		return decode_resize(m, p);
	case SURFACE_VIEWERS:
		m->viewers = get_le32(p);
		return 0;
	case SURFACE_KEYSYM:
		m->keysym = get_le32(p);
		return surface_keysym_ok(m->keysym) ? 0 : -EPROTO;
	case SURFACE_LAYOUT:
		m->layout = get_le32(p);
		return 0;
	case SURFACE_LOOK:
		m->look.id = get_le32(p);
		m->look.seq = get_le32(p + 4);
		return 0;
	case SURFACE_CLIP_POLICY:
		m->clip_ways = get_le32(p);
		return m->clip_ways & ~(SURFACE_CLIP_OUT | SURFACE_CLIP_IN) ? -EPROTO : 0;
	case SURFACE_CLIP_OFFER:
	case SURFACE_CLIP_REQUEST:
	case SURFACE_CLIP_DATA:
		return decode_clip(m, p);
	case SURFACE_AUDIO:
	case SURFACE_AUDIO_POS:
		return decode_audio(m, p);
	case SURFACE_AUDIO_LISTEN:
		m->listen = get_le32(p);
		return m->listen <= 1 ? 0 : -EPROTO;
	case SURFACE_RECORD:
		m->record = get_le32(p);
		return !m->record || rate_ok(m->record) ? 0 : -EPROTO;
	case SURFACE_VOICE:
		return decode_voice(m, p, n);
	}
	return -EPROTO;
}

/* How long the descriptor that comes along must be; 0: there is none. */
static uint64_t wants_bytes(const struct surface_msg *m)
{
	if (m->type == SURFACE_SCANOUT && m->scanout.width)
		return m->scanout.size;
	if (m->type == SURFACE_AUDIO)
		return (uint64_t)m->audio.frames * SURFACE_AUDIO_FRAME;
	return m->type == SURFACE_CLIP_DATA ? m->clip.size : 0;
}

/* The descriptor that came along must be there when the message needs it, long enough, and absent
 * otherwise. Only memfds have seals (fcntl(2)), so reading a sealed one never waits. */
static int check_fd(const struct surface_msg *m)
{
	uint64_t wants = wants_bytes(m);
	struct stat st;
	int seals;

	if ((wants > 0) != (m->fd >= 0))
		return -EPROTO;
	if (!wants)
		return 0;
	if (fstat(m->fd, &st) || st.st_size < 0 || (uint64_t)st.st_size < wants)
		return -EPROTO;
	if (m->type != SURFACE_CLIP_DATA)
		return 0;
	seals = fcntl(m->fd, F_GET_SEALS);
	return seals >= 0 && (seals & CLIP_SEALS) == CLIP_SEALS ? 0 : -EPROTO;
}

int surface_recv(int sock, struct surface_msg *m)
{
	uint8_t in[SURFACE_MAX_MESSAGE];
	int fd, r;
	ssize_t n = sock_recv_fd(sock, in, sizeof(in), &fd);

	if (n == -EMSGSIZE)
		return -EPROTO;
	if (n < 0)
		return (int)n;
	if (!n) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	r = surface_decode(m, in, (size_t)n);
	m->fd = fd;
	if (!r)
		r = check_fd(m);
	if (!r)
		return 1;
	if (fd >= 0)
		close(fd);
	m->fd = -1;
	return r;
}

/* ---- clipboard ---- */

int surface_clip_seal(const void *p, size_t n)
{
	cleanup_close int fd = memfd_create("clipboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (n == 0 || n > SURFACE_CLIP_MAX)
		return -EMSGSIZE;
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, (const char *)p + done, n - done);

		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		done += (size_t)w;
	}
	return fcntl(fd, F_ADD_SEALS, CLIP_SEALS | F_SEAL_GROW) < 0 ? -errno : steal_fd(&fd);
}

char *surface_clip_read(const struct surface_msg *m)
{
	cleanup_free char *p = malloc((size_t)m->clip.size + 1);

	for (size_t done = 0; p && done < m->clip.size;) {
		ssize_t r = pread(m->fd, p + done, m->clip.size - done, (off_t)done);

		if (r <= 0) {
			errno = r < 0 ? errno : EIO;
			return NULL;
		}
		done += (size_t)r;
	}
	if (p)
		p[m->clip.size] = 0;
	return steal_ptr(&p);
}

/* Bytes of the character that starts at p, 0 when none does (RFC 3629 §4). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	if (len > n || (len == 4 && p[0] >> 3 != 30))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c == 0 || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

bool surface_clip_text_ok(const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = utf8_length((const unsigned char *)p + i, n - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

/* ---- damage ---- */

static struct surface_rect unite(struct surface_rect a, struct surface_rect b)
{
	int32_t x = a.x < b.x ? a.x : b.x, y = a.y < b.y ? a.y : b.y;
	int32_t ar = a.x + a.width, br = b.x + b.width, ab = a.y + a.height, bb = b.y + b.height;

	return (struct surface_rect){x, y, (ar > br ? ar : br) - x, (ab > bb ? ab : bb) - y};
}

static bool contains(struct surface_rect a, struct surface_rect b)
{
	return a.x <= b.x && a.y <= b.y && a.x + a.width >= b.x + b.width &&
	       a.y + a.height >= b.y + b.height;
}

void surface_damage_add(struct surface_damage *d, struct surface_rect r)
{
	if (r.width <= 0 || r.height <= 0)
		return;
	for (uint32_t i = 0; i < d->n; i++) {
		if (contains(d->rects[i], r))
			return;
		if (contains(r, d->rects[i])) {
			d->rects[i] = r;
			return;
		}
	}
	if (d->n < SURFACE_MAX_RECTS) {
		d->rects[d->n++] = r;
		return;
	}
	for (uint32_t i = 0; i < d->n; i++)
		r = unite(r, d->rects[i]);
	d->rects[0] = r;
	d->n = 1;
}
