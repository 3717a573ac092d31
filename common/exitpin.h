/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PIN of a terminal's administrator page, as it is kept: "pbkdf2-sha256$ROUNDS$SALT$HASH" with
 * salt and hash in hexadecimal. It hinders the person in front of a terminal, nobody who has its
 * medium and time.
 */
#ifndef PANE_COMMON_EXITPIN_H
#define PANE_COMMON_EXITPIN_H

#include <stdbool.h>
#include "common/cleanup.h"

#define EXITPIN_LEN 128

/* 4 to 12 digits become text for out[EXITPIN_LEN]; -EINVAL when pin is something else. */
int exitpin_make(const char *pin, char *out) must_check;
/* kept: the text of exitpin_make(), or the digits themselves. "" fits nothing. */
bool exitpin_fits(const char *kept, const char *pin);

#endif
