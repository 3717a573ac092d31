/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sections as section.h describes them. A section being written is gathered in memory, so that its
 * length and checksum can go before it and nothing is sought: a socket will do.
 */
#include "vmm/snapshot/section.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "common/wire.h"
#include "vmm/snapshot/xxh64.h"

enum {
	FILE_HEAD = 16,
	HEAD = SNAP_NAME + 4 + 4 + 8, /* what the checksum covers besides the bytes */
	HEAD_ALL = HEAD + 8,
	CHUNK = 1 << 20
};

static const char MAGIC[8] = {'P', 'A', 'N', 'E', 'S', 'N', 'A', 'P'};
static const char END[] = "end";

/* ---- writing -------------------------------------------------------------------------------- */

static void write_all(struct snap_out *o, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n && !o->error) {
		ssize_t w = write(o->fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			o->error = w < 0 ? -errno : -EIO;
			return;
		}
		p += w;
		n -= (size_t)w;
	}
}

void snap_out_init(struct snap_out *o, int fd)
{
	uint8_t head[FILE_HEAD] = {0};

	*o = (struct snap_out){.fd = fd};
	memcpy(head, MAGIC, sizeof(MAGIC));
	put_le32(head + 8, SNAP_FORMAT);
	write_all(o, head, sizeof(head));
}

void snap_out_fini(struct snap_out *o)
{
	free(o->p);
	o->p = NULL;
}

void snap_begin(struct snap_out *o, const char *name, uint32_t instance, uint32_t version)
{
	memset(o->name, 0, sizeof(o->name));
	memcpy(o->name, name, strnlen(name, SNAP_NAME - 1));
	o->instance = instance;
	o->version = version;
	o->n = 0;
}

void snap_end(struct snap_out *o)
{
	uint8_t head[HEAD_ALL];

	memcpy(head, o->name, SNAP_NAME);
	put_le32(head + SNAP_NAME, o->instance);
	put_le32(head + SNAP_NAME + 4, o->version);
	put_le64(head + SNAP_NAME + 8, o->n);
	put_le64(head + HEAD, xxh64(o->p, o->n, xxh64(head, HEAD, 0)));
	write_all(o, head, sizeof(head));
	write_all(o, o->p, o->n);
	o->sections++;
}

void snap_put_bytes(struct snap_out *o, const void *p, size_t n)
{
	if (n > o->room - o->n) {
		size_t room = (o->n + n) * 2 + 256;
		void *more = o->error ? NULL : realloc(o->p, room);

		if (!more) {
			o->error = o->error ? o->error : -ENOMEM;
			return;
		}
		o->p = more;
		o->room = room;
	}
	if (n)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

void snap_put_u8(struct snap_out *o, uint8_t v)
{
	snap_put_bytes(o, &v, 1);
}

void snap_put_u16(struct snap_out *o, uint16_t v)
{
	uint8_t b[2];

	put_le16(b, v);
	snap_put_bytes(o, b, sizeof(b));
}

void snap_put_u32(struct snap_out *o, uint32_t v)
{
	uint8_t b[4];

	put_le32(b, v);
	snap_put_bytes(o, b, sizeof(b));
}

void snap_put_u64(struct snap_out *o, uint64_t v)
{
	uint8_t b[8];

	put_le64(b, v);
	snap_put_bytes(o, b, sizeof(b));
}

void snap_put_text(struct snap_out *o, const char *s)
{
	size_t n = strnlen(s, 255);

	snap_put_u8(o, (uint8_t)n);
	snap_put_bytes(o, s, n);
}

int snap_finish(struct snap_out *o)
{
	uint32_t n = o->sections;

	snap_begin(o, END, 0, 1);
	snap_put_u32(o, n);
	snap_end(o);
	return o->error;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct snap {
	uint8_t *p; /* owned */
	size_t n;
	struct snap_section {
		char name[SNAP_NAME];
		uint32_t instance, version;
		size_t at, n;
	} section[SNAP_SECTIONS];
	unsigned sections;
};

static int damaged(struct err *e, const char *what)
{
	return err_setw(e, -EBADMSG, "snapshot.damaged", "the snapshot is damaged: %s", what);
}

static int take_section(struct snap *s, size_t *at, struct err *e)
{
	const uint8_t *head = s->p + *at;
	struct snap_section *sec = &s->section[s->sections];

	if (!range_ok(*at, HEAD_ALL, s->n))
		return damaged(e, "it is cut short");

	uint64_t n = get_le64(head + SNAP_NAME + 8);

	if (head[SNAP_NAME - 1] || !head[0])
		return damaged(e, "a section has no name");
	if (!range_ok(*at + HEAD_ALL, n, s->n))
		return damaged(e, "it is cut short");
	if (get_le64(head + HEAD) != xxh64(head + HEAD_ALL, (size_t)n, xxh64(head, HEAD, 0)))
		return damaged(e, "a checksum is wrong");
	memcpy(sec->name, head, SNAP_NAME);
	sec->instance = get_le32(head + SNAP_NAME);
	sec->version = get_le32(head + SNAP_NAME + 4);
	sec->at = *at + HEAD_ALL;
	sec->n = (size_t)n;
	*at = sec->at + sec->n;
	return 0;
}

static int check(struct snap *s, struct err *e)
{
	size_t at = FILE_HEAD;
	int r;

	if (s->n < FILE_HEAD || memcmp(s->p, MAGIC, sizeof(MAGIC)) != 0)
		return err_setw(e, -EBADMSG, "snapshot.foreign",
				"this is no snapshot of a Pane desktop");
	if (get_le32(s->p + 8) != SNAP_FORMAT)
		return err_setw(e, -ENOTSUP, "snapshot.newer",
				"the snapshot has format %u, this program knows %u: it was made by "
				"a newer one",
				get_le32(s->p + 8), SNAP_FORMAT);
	for (;;) {
		const struct snap_section *sec = &s->section[s->sections];

		if ((r = take_section(s, &at, e)) < 0)
			return r;
		if (!strcmp(sec->name, END))
			break;
		if (++s->sections == SNAP_SECTIONS)
			return damaged(e, "it has too many sections");
	}
	const struct snap_section *end = &s->section[s->sections];

	if (end->n != 4 || get_le32(s->p + end->at) != s->sections || at != s->n)
		return damaged(e, "its end does not fit its beginning");
	return 0;
}

/* Takes p over, also on failure. */
static struct snap *adopt(uint8_t *p, size_t n, struct err *e)
{
	struct snap *s = calloc(1, sizeof(*s));

	if (!s) {
		(void)err_set(e, -ENOMEM, "out of memory");
		free(p);
		return NULL;
	}
	s->p = p;
	s->n = n;
	if (check(s, e) < 0) {
		snap_free(s);
		return NULL;
	}
	return s;
}

struct snap *snap_parse(const void *p, size_t n, struct err *e)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	if (n)
		memcpy(copy, p, n);
	return adopt(copy, n, e);
}

/* What a length field promises is not believed: room grows with what arrives. */
struct snap *snap_read(int fd, struct err *e)
{
	cleanup_free uint8_t *p = NULL;
	size_t n = 0, room = 0;
	struct stat st;
	size_t first = CHUNK;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uint64_t)st.st_size < SNAP_MAX)
		first = (size_t)st.st_size + 1; /* and one for noticing the end */
	for (;;) {
		ssize_t r;

		if (n == room) {
			uint8_t *more = realloc(p, room = room ? room * 2 : first);

			if (!more) {
				(void)err_set(e, -ENOMEM, "out of memory");
				return NULL;
			}
			p = more;
		}
		r = read(fd, p + n, room - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			(void)err_set(e, -errno, "reading the snapshot: %m");
			return NULL;
		}
		if (r == 0)
			break;
		n += (size_t)r;
		if (n > SNAP_MAX) {
			(void)damaged(e, "it is too large");
			return NULL;
		}
	}
	return adopt(steal_ptr(&p), n, e);
}

void snap_free(struct snap *s)
{
	if (!s)
		return;
	free(s->p);
	free(s);
}

int snap_find(const struct snap *s, const char *name, uint32_t instance, uint32_t newest,
	      struct snap_in *in, struct err *e)
{
	for (unsigned i = 0; i < s->sections; i++) {
		const struct snap_section *sec = &s->section[i];

		if (strcmp(sec->name, name) != 0 || sec->instance != instance)
			continue;
		if (sec->version == 0 || sec->version > newest)
			return err_setw(e, -ENOTSUP, "snapshot.newer",
					"section %s %u of the snapshot has version %u, this "
					"program knows up to %u: it was made by a newer one",
					name, instance, sec->version, newest);
		*in = (struct snap_in){.name = sec->name,
				       .instance = instance,
				       .version = sec->version,
				       .p = s->p + sec->at,
				       .n = sec->n};
		return 0;
	}
	return err_setw(e, -ENOENT, "snapshot.machine",
			"the snapshot has no section %s %u: it is of another machine", name,
			instance);
}

bool snap_has(const struct snap *s, const char *name)
{
	for (unsigned i = 0; i < s->sections; i++)
		if (!strcmp(s->section[i].name, name))
			return true;
	return false;
}

const uint8_t *snap_view(struct snap_in *in, size_t n)
{
	const uint8_t *p = in->p + in->at;

	if (in->bad || !range_ok(in->at, n, in->n)) {
		in->bad = true;
		return NULL;
	}
	in->at += n;
	return p;
}

void snap_bytes(struct snap_in *in, void *p, size_t n)
{
	const uint8_t *from = snap_view(in, n);

	if (from)
		memcpy(p, from, n);
	else
		memset(p, 0, n);
}

uint8_t snap_u8(struct snap_in *in)
{
	uint8_t b[1];

	snap_bytes(in, b, sizeof(b));
	return b[0];
}

uint16_t snap_u16(struct snap_in *in)
{
	uint8_t b[2];

	snap_bytes(in, b, sizeof(b));
	return get_le16(b);
}

uint32_t snap_u32(struct snap_in *in)
{
	uint8_t b[4];

	snap_bytes(in, b, sizeof(b));
	return get_le32(b);
}

uint64_t snap_u64(struct snap_in *in)
{
	uint8_t b[8];

	snap_bytes(in, b, sizeof(b));
	return get_le64(b);
}

void snap_text(struct snap_in *in, char *p, size_t n)
{
	uint8_t len = snap_u8(in);
	const uint8_t *from = snap_view(in, len);
	size_t k = from ? len : 0;

	if (k > n - 1)
		k = n - 1;
	if (k)
		memcpy(p, from, k);
	p[k] = 0;
}

void snap_refuse(struct snap_in *in)
{
	in->bad = true;
}

int snap_done(const struct snap_in *in, struct err *e)
{
	if (!in->bad && in->at == in->n)
		return 0;
	return err_setw(e, -EBADMSG, "snapshot.damaged",
			"the snapshot is damaged: section %s %u holds what no machine of this kind "
			"could have",
			in->name, in->instance);
}
