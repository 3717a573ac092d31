/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a site may look like: a colour that can be read, a logo that is a picture and nothing else.
 * Pure: no database.
 */
#ifndef PANE_BROKER_BRANDING_H
#define PANE_BROKER_BRANDING_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define BRANDING_LOGO_MAX (128u * 1024) /* bytes */
#define BRANDING_MIN_PX	  16
#define BRANDING_MAX_PX	  1024

/* "#rrggbb": white text on it, and it as text on the console's light grey, has a contrast of 4.5 to
 * 1 at least (WCAG 2.1, 1.4.3). Else -EINVAL, with a darker one that has. "" is fine. */
int branding_accent(const char *text, struct err *e) must_check;

/* A PNG of BRANDING_MIN_PX to BRANDING_MAX_PX each way. Whole, or -EINVAL with the reason. What is
 * kept is the picture: *n bytes at png, moved together, without texts, times and other things a
 * camera or a program put in. */
int branding_logo(uint8_t *png, size_t *n, struct err *e) must_check;

/* A change: {"name","login_text","support","accent","logo"}, any of them; "logo" base64 or null.
 * The logo is replaced by what is kept of it. */
int branding_check(json_t *o, struct err *e) must_check;

#endif
