/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The settings of a daemon's configuration file as text, whatever they are: the daemon's own
 * --check says whether they are right.
 */
#ifndef PANE_DOCTOR_SETTINGS_H
#define PANE_DOCTOR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include "common/cleanup.h"

struct setting {
	char *section, *key, *value; /* owned */
};

struct settings {
	char path[512];
	bool found; /* the file is there */
	struct setting *items;
	size_t n;
};

/* 0; where there is no file found is false. Negative errno: it cannot be read. */
int settings_read(struct settings *s, const char *dir, const char *name) must_check;
void settings_fini(struct settings *s);
/* The last value given, or NULL. */
const char *settings_get(const struct settings *s, const char *section, const char *key);
/* The i-th value of a list (separated by commas, repeatable) into out; false past the last. */
bool settings_nth(const struct settings *s, const char *section, const char *key, int i, char *out,
		  size_t n);

#endif
