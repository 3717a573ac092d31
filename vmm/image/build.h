/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Front of deploy/image/build: finds a recipe by name and turns what the builder says into
 * progress.
 */
#ifndef PANE_IMAGE_BUILD_H
#define PANE_IMAGE_BUILD_H

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

int img_build(const struct img_build *b, struct err *e) must_check;
/* Prints the recipes with the first comment of each. */
int img_build_list(const char *recipes, struct err *e) must_check;
/* 0..100 for a line of the builder, -1 for one that says nothing; *step is a static word. */
int img_build_percent(const char *line, const char **step);

#endif
