/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See firstboot.h. ASCII whatever the locale.
 */
#include "common/firstboot.h"

#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static bool all_of(const char *s, const char *set)
{
	return strspn(s, set) == strlen(s);
}

bool firstboot_account_ok(const char *s)
{
	return *s && strchr(LOWER "_", *s) && strlen(s) <= FIRSTBOOT_ACCOUNT_MAX &&
	       all_of(s, LOWER DIGIT "_-") && strcmp(s, "root") != 0;
}

bool firstboot_timezone_ok(const char *s)
{
	return *s && strlen(s) < 64 && *s != '/' && !strstr(s, "..") &&
	       all_of(s, LOWER UPPER DIGIT "_+-/");
}

bool firstboot_keyboard_ok(const char *s)
{
	return *s && strlen(s) <= 64 && all_of(s, LOWER UPPER DIGIT ":_-");
}

bool firstboot_package_ok(const char *s, size_t n)
{
	if (n < 2 || n > 100 || strchr("+-.", s[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!s[i] || !strchr(LOWER DIGIT "+-.", s[i]))
			return false;
	return true;
}

bool firstboot_script_ok(const char *s, size_t max)
{
	return strncmp(s, "#!", 2) == 0 && strlen(s) <= max;
}
