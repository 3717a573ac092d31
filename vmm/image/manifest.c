/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See manifest.h.
 */
#include "vmm/image/manifest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	size_t hex;
} known[] = {{"SHA1", 40}, {"SHA256", 64}, {"SHA512", 128}};

static int bad_line(struct err *e, unsigned line)
{
	return err_setw(e, -EINVAL, "image.manifest",
			"the appliance's manifest is not understood at line %u: it should read "
			"SHA256(file)= digits",
			line);
}

/* "SHA256(name)= hex"; the line is NUL-terminated and is changed. */
static int parse_line(char *s, struct img_digest *d)
{
	char *open = strchr(s, '('), *close = strrchr(s, ')'), *hex;
	size_t i, n;

	if (!open || !close || close < open)
		return -EINVAL;
	*open = *close = 0;
	for (n = strlen(s); n > 0 && s[n - 1] == ' '; n--)
		s[n - 1] = 0;
	for (i = 0; i < ARRAY_LEN(known) && strcasecmp(s, known[i].name) != 0; i++)
		;
	hex = close + 1;
	hex += strspn(hex, " ");
	if (i == ARRAY_LEN(known) || *hex != '=' || !img_plain_name(open + 1) ||
	    strlen(open + 1) >= sizeof(d->name))
		return -EINVAL;
	hex++;
	hex += strspn(hex, " ");
	n = strspn(hex, "0123456789abcdefABCDEF");
	if (n != known[i].hex || hex[n + strspn(hex + n, " \t\r")])
		return -EINVAL;
	snprintf(d->algorithm, sizeof(d->algorithm), "%s", known[i].name);
	snprintf(d->name, sizeof(d->name), "%s", open + 1);
	for (size_t k = 0; k < n; k++)
		d->hex[k] = (char)tolower((unsigned char)hex[k]);
	d->hex[n] = 0;
	return 0;
}

int img_manifest_parse(const char *text, struct img_manifest *m, struct err *e)
{
	char line[512];
	unsigned no = 0;

	m->n = 0;
	while (*text) {
		size_t n = strcspn(text, "\n");

		no++;
		if (n >= sizeof(line))
			return bad_line(e, no);
		memcpy(line, text, n);
		line[n] = 0;
		text += n + (text[n] == '\n');
		if (!line[strspn(line, " \t\r")])
			continue;
		if (m->n == IMG_MEMBERS_MAX || parse_line(line, &m->v[m->n]) < 0)
			return bad_line(e, no);
		m->n++;
	}
	return 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && !strcasecmp(s + n - k, suffix);
}

static const struct img_digest *digest_of(const struct img_manifest *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (!strcmp(m->v[i].name, name))
			return &m->v[i];
	}
	return NULL;
}

int img_manifest_verify(const struct img_manifest *m, const struct img_tar *t, img_tick_fn tick,
			void *arg, struct err *e)
{
	char hex[129];
	int r;

	for (size_t i = 0; i < t->n; i++) {
		const char *name = t->v[i].name;

		if (!has_suffix(name, ".mf") && !has_suffix(name, ".cert") && !digest_of(m, name))
			return err_setw(e, -EBADMSG, "image.manifest",
					"the appliance holds %s, which its manifest does not name: "
					"the file was changed after it was made",
					name);
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct img_member *f = img_tar_find(t, m->v[i].name);

		if (!f)
			return err_setw(e, -EBADMSG, "image.manifest",
					"the appliance's manifest names %s, which is missing: "
					"fetch the file again",
					m->v[i].name);
		if ((r = img_hash(&f->src, m->v[i].algorithm, hex, tick, arg)) < 0)
			return r == -ECANCELED ? err_set(e, r, "interrupted")
					       : err_set(e, r, "%s: %s", f->name, strerror(-r));
		if (strcmp(hex, m->v[i].hex) != 0)
			return err_setw(e, -EBADMSG, "image.checksum",
					"%s does not have the %s checksum its manifest says: it is "
					"damaged or was changed, fetch it again",
					f->name, m->v[i].algorithm);
	}
	return 0;
}
