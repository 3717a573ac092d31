/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Front of deploy/image/build: finds a recipe by name and turns what the builder says into
 * progress.
 */
#ifndef PANE_IMAGE_BUILD_H
#define PANE_IMAGE_BUILD_H

#include <limits.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

struct img_build {
	const char *recipes; /* directory with the program build and one directory a recipe */
	const char *recipe;  /* name of a directory there, or a path to one */
	const char *out_dir; /* NULL when simulating */
	bool simulate;	     /* only see whether the packages can be had */
	bool force;
	int cancel_fd;
};

/* Where recipes lie when nobody says: $PANE_RECIPES, those installed with this program, or the
 * source tree's. path is what the answer may point to. */
const char *img_build_recipes(char path[PATH_MAX]);
int img_build(const struct img_build *b, struct err *e) must_check;
/* Prints the recipes with the first comment of each. */
int img_build_list(const char *recipes, struct err *e) must_check;
/* 0..100 for a line of the builder, -1 for one that says nothing; *step is a static word. */
int img_build_percent(const char *line, const char **step);

#endif
