/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies that set policy: the timers of a pool's sessions, when and from where it is open, how many
 * desktops are kept ready, and quotas. See valid.h; what the words mean is in docs/contracts.md,
 * "Policy".
 */
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>

#define LIST_MAX 168 /* a line for each hour of the week */

static int text_list(json_t *o, const char *key, size_t max, struct err *e)
{
	json_t *list = json_object_get(o, key), *v;
	size_t i;

	if (list && (!json_is_array(list) || json_array_size(list) > LIST_MAX))
		return err_set(e, -EINVAL, "\"%s\" must be a list of at most %d.", key, LIST_MAX);
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v) || json_string_length(v) > max)
			return err_set(e, -EINVAL,
				       "\"%s\" must be a list of texts of at most %zu bytes.", key,
				       max);
	}
	return 0;
}

int valid_access(json_t *o, struct err *e)
{
	const char *text = NULL;
	int r = text_list(o, "hours", 60, e);

	if (!r)
		r = text_list(o, "networks", 49, e);
	return r ? r : json_opt_str(o, "refusal", 400, &text, e);
}

int valid_policy(json_t *o, struct err *e)
{
	static const char *const ways[] = {"disconnect", "logoff", NULL};
	static const char *const afters[] = {"keep", "off", "suspend", "recycle", NULL};
	static const char *const shadows[] = {"off", "ask", "notice", NULL};
	static const char *const stays[] = {"keep", "logoff", NULL};
	static const char *const ends[] = {"keep", "disconnect", "logoff", NULL};
	const char *zone = NULL;
	int64_t n;
	int r = valid_word(o, "idle_action", ways, NULL, e);

	if (!r)
		r = valid_word(o, "disconnected_action", stays, NULL, e);
	if (!r)
		r = valid_word(o, "session_max_action", ways, NULL, e);
	if (!r)
		r = valid_word(o, "hours_action", ends, NULL, e);
	if (!r)
		r = valid_word(o, "after_logoff", afters, NULL, e);
	if (!r)
		r = valid_word(o, "shadow", shadows, NULL, e);
	if (!r)
		r = json_opt_int(o, "warn_s", 0, 3600, &n, e);
	if (!r)
		r = json_opt_str(o, "timezone", 63, &zone, e);
	if (!r)
		r = text_list(o, "schedule", 60, e);
	if (!r)
		r = json_opt_int(o, "buffer_percent", 0, 100, &n, e);
	if (!r)
		r = json_opt_int(o, "breaker_failures", 0, 100, &n, e);
	return r ? r : valid_access(o, e);
}

int valid_quota(json_t *o, struct err *e)
{
	static const char *const fields[] = {VALID_QUOTA_FIELDS};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		int64_t n;
		int r = json_is_null(json_object_get(o, fields[i]))
				? 0
				: json_opt_int(o, fields[i], 0, INT32_MAX, &n, e);

		if (r)
			return r;
	}
	return 0;
}
