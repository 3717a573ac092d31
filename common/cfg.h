/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration files (INI). A program declares its keys in one table; an unknown section or key,
 * a key given twice (unless CFG_LIST) or a value of the wrong form is an error that names file
 * and line.
 */
#ifndef PANE_COMMON_CFG_H
#define PANE_COMMON_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include "common/cleanup.h"
#include "common/err.h"

enum cfg_type {
	CFG_STR,  /* char *, owned by the structure, freed by cfg_free() */
	CFG_INT,  /* int within [min, max] */
	CFG_BOOL, /* bool: yes/no/true/false/on/off */
	CFG_LIST, /* char **, NULL-terminated; comma separated and repeatable */
};

struct cfg_key {
	const char *section, *name;
	enum cfg_type type;
	size_t offset; /* of the field in the program's structure */
	int min, max;  /* CFG_INT */
	bool required;
};

/* Reads path into *conf. Fields not mentioned keep their value, so fill in defaults first (strings
 * by strdup). keys ends with a zero entry. */
int cfg_read(const char *path, const struct cfg_key *keys, void *conf, struct err *e) must_check;
void cfg_free(const struct cfg_key *keys, void *conf);

#endif
