/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a first-boot customisation may say. The broker refuses the rest when an administrator asks
 * for it, pane-image when it writes the volume: the values become YAML, names of packages and
 * accounts inside the desktop. Pure functions.
 */
#ifndef PANE_COMMON_FIRSTBOOT_H
#define PANE_COMMON_FIRSTBOOT_H

#include <stdbool.h>
#include <stddef.h>

#define FIRSTBOOT_SCRIPT_MAX   65536 /* of a volume */
#define FIRSTBOOT_ACCOUNT_MAX  32
#define FIRSTBOOT_PACKAGES_MAX 4000 /* all of them, with the commas between */

/* A lower-case account name, not root (useradd(8)). */
bool firstboot_account_ok(const char *s);
/* A zone's name as in /usr/share/zoneinfo. */
bool firstboot_timezone_ok(const char *s);
/* layout or layout:variant, as XKB names them. */
bool firstboot_keyboard_ok(const char *s);
/* A package's name of n bytes: Debian Policy 5.6.7. */
bool firstboot_package_ok(const char *s, size_t n);
/* Text that names its interpreter and has at most max bytes. */
bool firstboot_script_ok(const char *s, size_t max);

#endif
