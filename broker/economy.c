/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies that say what a pool's desktops may take of their host: "memory" and "limits". See
 * valid.h; what they mean is in docs/contracts.md, "Policy: memory and rates".
 */
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>

#define BYTES_MAX 1000000000000
#define OPS_MAX	  1000000000

static int memory(json_t *o, struct err *e)
{
	static const char *const keys[] = {"merge", "huge", NULL};
	bool flag;
	int r = valid_keys(o, keys, e);

	if (!r)
		r = json_opt_bool(o, "merge", &flag, e);
	return r ? r : json_opt_bool(o, "huge", &flag, e);
}

static int limit(json_t *o, struct err *e)
{
	static const char *const keys[] = {"bytes_per_s", "ops_per_s", NULL};
	int64_t n;
	int r = valid_keys(o, keys, e);

	if (!r)
		r = json_opt_int(o, "bytes_per_s", 0, BYTES_MAX, &n, e);
	return r ? r : json_opt_int(o, "ops_per_s", 0, OPS_MAX, &n, e);
}

static int limits(json_t *o, struct err *e)
{
	static const char *const keys[] = {"disk", "net", NULL};
	int r = valid_keys(o, keys, e);

	for (size_t i = 0; i < 2 && !r; i++) {
		json_t *one = json_object_get(o, keys[i]);

		r = one ? limit(one, e) : 0;
		if (r)
			return err_prefix(e, "%s", keys[i]);
	}
	return r;
}

int valid_economy(json_t *o, struct err *e)
{
	json_t *m = json_object_get(o, "memory"), *l = json_object_get(o, "limits");
	int r = m ? memory(m, e) : 0;

	if (r)
		return err_prefix(e, "memory");
	r = l ? limits(l, e) : 0;
	return r ? err_prefix(e, "limits") : 0;
}
