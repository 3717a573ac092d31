/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration files by inih, without a table of keys; see settings.h.
 */
#include "deploy/doctor/settings.h"

#include <errno.h>
#include <ini.h>
#include <string.h>
#include "common/file.h"

#define ITEMS_MAX 1000

static int take(void *arg, const char *section, const char *key, const char *value)
{
	struct settings *s = arg;
	struct setting *grown;

	if (s->n >= ITEMS_MAX)
		return 0;
	grown = realloc(s->items, (s->n + 1) * sizeof(*grown));
	if (!grown)
		return 0;
	s->items = grown;
	grown[s->n++] = (struct setting){strdup(section), strdup(key), strdup(value)};
	return 1;
}

int settings_read(struct settings *s, const char *dir, const char *name)
{
	int r;

	*s = (struct settings){0};
	r = path_join(s->path, sizeof(s->path), dir, name);
	if (r)
		return r;
	if (access(s->path, R_OK))
		return errno == ENOENT ? 0 : -errno;
	s->found = true;
	return ini_parse(s->path, take, s) < 0 ? -EIO : 0;
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].section);
		free(s->items[i].key);
		free(s->items[i].value);
	}
	free(s->items);
	*s = (struct settings){0};
}

static bool is(const struct setting *i, const char *section, const char *key)
{
	return i->section && i->key && i->value && strcmp(i->section, section) == 0 &&
	       strcmp(i->key, key) == 0;
}

const char *settings_get(const struct settings *s, const char *section, const char *key)
{
	for (size_t i = s->n; i > 0; i--)
		if (is(&s->items[i - 1], section, key))
			return s->items[i - 1].value;
	return NULL;
}

bool settings_nth(const struct settings *s, const char *section, const char *key, int i, char *out,
		  size_t n)
{
	for (size_t k = 0; k < s->n; k++) {
		const char *v = is(&s->items[k], section, key) ? s->items[k].value : "";

		while (*(v += strspn(v, ", \t"))) {
			size_t len = strcspn(v, ", \t");

			if (i-- == 0) {
				snprintf(out, n, "%.*s", (int)len, v);
				return true;
			}
			v += len;
		}
	}
	return false;
}
