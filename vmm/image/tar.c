/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POSIX.1-1988 ustar and what GNU and pax writers add for sizes beyond 8 GiB; see tar.h.
 */
#include "vmm/image/tar.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define BLOCK	512
#define PAX_MAX 8192

struct header {
	char name[IMG_NAME_MAX];
	uint64_t size;
	char type;
	bool end;
};

bool img_plain_name(const char *name)
{
	if (!name[0] || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++) {
		if (*name < 0x20 || *name > 0x7e || *name == '/' || *name == '\\')
			return false;
	}
	return true;
}

static bool zero_block(const uint8_t *b)
{
	for (int i = 0; i < BLOCK; i++) {
		if (b[i])
			return false;
	}
	return true;
}

/* An octal field, or GNU's base-256 for what does not fit. */
static int number(const uint8_t *f, size_t n, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	if (f[0] & 0x80) {
		if (f[0] != 0x80)
			return -EINVAL;
		for (i = 1; i < n; i++) {
			if (v >> 55)
				return -EINVAL;
			v = v << 8 | f[i];
		}
		*out = v;
		return 0;
	}
	while (i < n && f[i] == ' ')
		i++;
	for (; i < n && f[i] >= '0' && f[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(f[i] - '0');
	if (i < n && f[i] != 0 && f[i] != ' ')
		return -EINVAL;
	*out = v;
	return 0;
}

static bool checksum_ok(const uint8_t *b)
{
	uint64_t want;
	unsigned sum = 0;

	for (int i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : b[i];
	return number(b + 148, 8, &want) == 0 && want == sum;
}

bool img_tar_magic(const struct img_src *s)
{
	uint8_t b[BLOCK];

	return img_read(s, 0, b, BLOCK) == 0 && !memcmp(b + 257, "ustar", 5);
}

static int parse_header(const uint8_t *b, struct header *h, struct err *e)
{
	const char *name = (const char *)b;

	*h = (struct header){.end = zero_block(b)};
	if (h->end)
		return 0;
	if (!checksum_ok(b) || memcmp(b + 257, "ustar", 5) != 0 ||
	    number(b + 124, 12, &h->size) < 0)
		return err_setw(e, -EINVAL, "image.damaged",
				"the appliance's tar has a damaged header: fetch the file again");
	h->type = (char)b[156];
	if (h->type == 'x' || h->type == 'g')
		return 0;
	if (!memcmp(b + 257, "ustar\0", 6) && b[345])
		return err_setw(e, -EINVAL, "image.path",
				"the appliance's tar holds a file in a folder; an OVA holds plain "
				"files only: pack it again without folders");
	memcpy(h->name, name, 100);
	if (!strncmp(h->name, "./", 2))
		memmove(h->name, h->name + 2, 99);
	return 0;
}

static int check_member(const struct img_tar *t, const struct header *h, struct err *e)
{
	if (h->type == '1' || h->type == '2')
		return err_setw(e, -EINVAL, "image.path",
				"the appliance's tar holds a link; an OVA holds plain files only: "
				"do not use this file unless you know who made it");
	if (h->type == '5')
		return err_setw(e, -EINVAL, "image.path",
				"the appliance's tar holds a folder; an OVA holds plain files "
				"only: pack it again without folders");
	if (h->type != '0' && h->type != 0)
		return err_setw(e, -EINVAL, "image.path",
				"the appliance's tar holds a device or a special entry (type "
				"0x%02x): do not use this file unless you know who made it",
				(unsigned)(uint8_t)h->type);
	if (!img_plain_name(h->name))
		return err_setw(e, -EINVAL, "image.path",
				"the appliance's tar holds a file whose name is a path or is "
				"unprintable: do not use this file unless you know who made it");
	if (img_tar_find(t, h->name))
		return err_setw(e, -EINVAL, "image.duplicate",
				"the appliance's tar holds %s twice: pack it again", h->name);
	if (t->n >= IMG_MEMBERS_MAX)
		return err_setw(e, -EINVAL, "image.members",
				"the appliance's tar holds more than %d files", IMG_MEMBERS_MAX);
	return 0;
}

static int pax_record(const char *key, const char *value, uint64_t *size, struct err *e)
{
	static const char *const harmless[] = {
		"mtime=", "atime=", "ctime=",	"uid=",	   "gid=",
		"uname=", "gname=", "comment=", "SCHILY.", "LIBARCHIVE."};
	uint64_t v = 0;

	if (!strncmp(key, "size=", 5)) {
		for (const char *c = value; *c; c++) {
			if (*c < '0' || *c > '9' || v > (1ull << 58))
				return err_setw(e, -EINVAL, "image.damaged",
						"the appliance's tar has a damaged pax size");
			v = v * 10 + (uint64_t)(*c - '0');
		}
		*size = v;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
		if (!strncmp(key, harmless[i], strlen(harmless[i])))
			return 0;
	}
	return err_setw(e, -EINVAL, "image.path",
			"the appliance's tar renames files by extended headers: pack it again as "
			"plain ustar");
}

/* Records "LENGTH KEY=VALUE\n" (POSIX.1-2001 pax). size is left alone when none says it. */
static int parse_pax(const struct img_src *s, uint64_t off, uint64_t n, uint64_t *size,
		     struct err *e)
{
	char text[PAX_MAX + 1];
	char *p = text, *end, *sp, *eq;
	int r;

	if (n > PAX_MAX || img_read(s, off, text, (size_t)n) < 0)
		return err_setw(e, -EINVAL, "image.damaged",
				"the appliance's tar has a damaged extended header");
	text[n] = 0;
	for (; p < text + n && *p; p = end) {
		size_t len = strtoul(p, &sp, 10);

		if (*sp != ' ' || len < 5 || len > (size_t)(text + n - p) || p[len - 1] != '\n')
			break;
		end = p + len;
		end[-1] = 0;
		eq = sp < end ? strchr(sp + 1, '=') : NULL;
		if (!eq)
			break;
		if ((r = pax_record(sp + 1, eq + 1, size, e)) < 0)
			return r;
	}
	if (p < text + n && *p)
		return err_setw(e, -EINVAL, "image.damaged",
				"the appliance's tar has a damaged extended header");
	return 0;
}

static int take(const struct img_src *s, struct img_tar *t, const struct header *h, uint64_t off,
		struct err *e)
{
	struct img_member *m;
	int r = check_member(t, h, e);

	if (r < 0)
		return r;
	m = &t->v[t->n];
	memcpy(m->name, h->name, sizeof(m->name));
	if (img_window(s, off, h->size, &m->src) < 0)
		return err_setw(e, -ENODATA, "image.truncated",
				"the appliance is cut short inside %s: fetch the file again",
				h->name);
	t->n++;
	return 0;
}

int img_tar_read(const struct img_src *s, struct img_tar *t, struct err *e)
{
	uint64_t off = 0, pax_size = UINT64_MAX;
	uint8_t b[BLOCK];
	struct header h;
	int r, headers = 0;

	t->n = 0;
	for (;; off += (h.size + BLOCK - 1) / BLOCK * BLOCK) {
		if (img_read(s, off, b, BLOCK) < 0)
			return err_setw(e, -ENODATA, "image.truncated",
					"the appliance's tar has no end: it was cut short, fetch "
					"the file again");
		if ((r = parse_header(b, &h, e)) < 0)
			return r;
		if (h.end)
			return 0;
		if (++headers > 4 * IMG_MEMBERS_MAX)
			return err_setw(e, -EINVAL, "image.members",
					"the appliance's tar has too many headers");
		off += BLOCK;
		if (h.type == 'x' || h.type == 'g') {
			r = parse_pax(s, off, h.size, &pax_size, e);
		} else {
			if (pax_size != UINT64_MAX)
				h.size = pax_size;
			pax_size = UINT64_MAX;
			r = take(s, t, &h, off, e);
		}
		if (r < 0)
			return r;
	}
}

const struct img_member *img_tar_find(const struct img_tar *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!strcmp(t->v[i].name, name))
			return &t->v[i];
	}
	return NULL;
}
