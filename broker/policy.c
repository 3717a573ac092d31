/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies that set policy: the timers of a pool's sessions, and quotas. See valid.h; what the words
 * mean is in docs/contracts.md, "Policy".
 */
#include "broker/valid.h"
#include "common/json.h"

int valid_policy(json_t *o, struct err *e)
{
	static const char *const ways[] = {"disconnect", "logoff", NULL};
	static const char *const stays[] = {"keep", "logoff", NULL};
	int64_t n;
	int r = valid_word(o, "idle_action", ways, NULL, e);

	if (!r)
		r = valid_word(o, "disconnected_action", stays, NULL, e);
	if (!r)
		r = valid_word(o, "session_max_action", ways, NULL, e);
	return r ? r : json_opt_int(o, "warn_s", 0, 3600, &n, e);
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
