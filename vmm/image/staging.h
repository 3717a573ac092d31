/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A result that is there as a whole or not at all: it is made in a hidden directory beside its
 * place and renamed. The hidden directory is locked while its maker lives; one nobody locks was
 * left by a killed run, and the next run in the same parent removes it.
 */
#ifndef PANE_IMAGE_STAGING_H
#define PANE_IMAGE_STAGING_H

#include <limits.h>
#include "common/cleanup.h"
#include "common/err.h"

struct img_staging {
	char dir[PATH_MAX];   /* the hidden directory; "" when there is none */
	char work[PATH_MAX];  /* inside it: what tools write into */
	char image[PATH_MAX]; /* inside it: what becomes the result */
	char target[PATH_MAX];
	int lock; /* owned: the hidden directory, locked */
};

/* target must not exist, or be an empty directory. */
int img_staging_begin(struct img_staging *s, const char *target, struct err *e) must_check;
/* Puts the result in its place. */
int img_staging_commit(struct img_staging *s, struct err *e) must_check;
/* Removes everything; after a commit, what is left. */
void img_staging_end(struct img_staging *s);

#endif
