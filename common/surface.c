/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The surface protocol on the wire; see surface.h. Pure encode and decode plus the socket calls.
 */
#include "common/surface.h"
#include "common/sock.h"
#include "common/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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
	case SURFACE_AUDIO:
	case SURFACE_CLIPBOARD:
		break;
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
	int n = surface_encode(m, out, sizeof(out));
	ssize_t r;

	if (n < 0)
		return n;
	r = sock_send_fd(sock, out, (size_t)n, m->type == SURFACE_SCANOUT ? m->fd : -1);
	return r < 0 ? (int)r : 0;
}

/* ---- decode ---- */

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

/* Payload length of the fixed-size messages; 0 for those that check their own. */
static size_t fixed_length(enum surface_type t)
{
	switch (t) {
	case SURFACE_SCANOUT:
		return 32;
	case SURFACE_RESIZE:
		return 12;
	case SURFACE_VIEWERS:
		return 4;
	case SURFACE_DAMAGE:
	case SURFACE_CURSOR_SHAPE:
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
	case SURFACE_AUDIO:
	case SURFACE_CLIPBOARD:
		break;
	}
	return -EPROTO;
}

/* The descriptor that came along must be there when pixels need it, long enough, and absent
 * otherwise. */
static int check_fd(const struct surface_msg *m)
{
	bool wants = m->type == SURFACE_SCANOUT && m->scanout.width;
	struct stat st;

	if (wants != (m->fd >= 0))
		return -EPROTO;
	if (!wants)
		return 0;
	if (fstat(m->fd, &st) || st.st_size < 0 || (uint64_t)st.st_size < m->scanout.size)
		return -EPROTO;
	return 0;
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
