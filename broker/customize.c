/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The "customize" of a pool: what desktops whose image has cloud-init are told at their first boot.
 * A field that is null is taken away.
 */
#include "broker/valid.h"
#include "common/firstboot.h"
#include "common/json.h"

#include <errno.h>
#include <string.h>

#define SCRIPT_MAX 16384 /* it travels in orders */

static int valid_packages(json_t *list, struct err *e)
{
	size_t i, total = 0;
	json_t *v;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(e, -EINVAL, "\"packages\" must be a list of package names.");
	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v);

		if (!s || !firstboot_package_ok(s, strlen(s)))
			return err_set(e, -EINVAL, "\"%.60s\" is not the name of a Debian package.",
				       s ? s : "");
		total += strlen(s) + 1;
	}
	return total <= FIRSTBOOT_PACKAGES_MAX
		       ? 0
		       : err_set(e, -EINVAL,
				 "\"packages\" are too many: build an image with them.");
}

static int valid_words(json_t *o, struct err *e)
{
	const char *zone = NULL, *keyboard = NULL, *script = NULL, *account = NULL;
	int r;

	if ((r = json_opt_str(o, "timezone", 63, &zone, e)) ||
	    (r = json_opt_str(o, "keyboard", 64, &keyboard, e)) ||
	    (r = json_opt_str(o, "script", SCRIPT_MAX, &script, e)) ||
	    (r = json_opt_str(o, "account", 16, &account, e)))
		return r;
	if (zone && !firstboot_timezone_ok(zone))
		return err_set(e, -EINVAL, "\"timezone\" is a zone like Europe/Berlin.");
	if (keyboard && !firstboot_keyboard_ok(keyboard))
		return err_set(e, -EINVAL,
			       "\"keyboard\" is a layout like de, or layout:variant like "
			       "de:nodeadkeys.");
	if (script && !firstboot_script_ok(script, SCRIPT_MAX))
		return err_set(e, -EINVAL, "\"script\" begins with #! and has at most %d bytes.",
			       SCRIPT_MAX);
	if (account && strcmp(account, "user") && strcmp(account, "assigned"))
		return err_set(e, -EINVAL, "\"account\" must be \"user\" or \"assigned\".");
	return 0;
}

int valid_customize(json_t *o, struct err *e)
{
	static const char *const keys[] = {"timezone", "keyboard", "packages", "script",
					   "account",  "sudo",	   NULL};
	bool sudo;
	int r;

	if (!o)
		return 0;
	if (!json_is_object(o))
		return err_set(e, -EINVAL, "\"customize\" must be an object.");
	if ((r = valid_keys(o, keys, e)) || (r = valid_words(o, e)) ||
	    (r = json_opt_bool(o, "sudo", &sudo, e)))
		return r;
	return valid_packages(json_object_get(o, "packages"), e);
}
