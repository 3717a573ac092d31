/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See share.h. Pure: no clock, no files.
 */
#include "vmm/host/share.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "common/json.h"

#define BYTES_MAX INT64_C(1000000000000) /* what pane-vmm takes (limiter.h) */

static int object_field(json_t *o, const char *key, json_t **out, struct err *e)
{
	*out = o ? json_object_get(o, key) : NULL;
	if (json_is_null(*out))
		*out = NULL;
	if (*out && !json_is_object(*out))
		return err_set(e, -EPROTO, "%s is not an object", key);
	return 0;
}

static int rate_parse(json_t *limits, const char *key, struct host_rate *out, struct err *e)
{
	json_t *o = NULL;
	int r = object_field(limits, key, &o, e);

	if (r < 0 || !o)
		return r;
	r = json_opt_int(o, "bytes_per_s", 0, BYTES_MAX, &out->bytes_per_s, e);
	return r ? r : json_opt_int(o, "ops_per_s", 0, BYTES_MAX, &out->ops_per_s, e);
}

int host_share_parse(json_t *o, struct host_share *s, struct err *e)
{
	json_t *memory = NULL, *limits = NULL;
	int64_t percent = 100;
	int r = 0;

	*s = (struct host_share){.overcommit = 100};
	if (!o || json_is_null(o))
		return 0;
	if (!json_is_object(o))
		return err_set(e, -EPROTO, "a desktop's share is not an object");
	if ((r = object_field(o, "memory", &memory, e)) < 0 ||
	    (r = object_field(o, "limits", &limits, e)) < 0 ||
	    (r = json_opt_int(o, "overcommit", 100, 1000, &percent, e)) < 0 ||
	    (memory && (r = json_opt_bool(memory, "merge", &s->merge, e)) < 0) ||
	    (memory && (r = json_opt_bool(memory, "huge", &s->huge, e)) < 0) ||
	    (r = rate_parse(limits, "disk", &s->disk, e)) < 0 ||
	    (r = rate_parse(limits, "net", &s->net, e)) < 0)
		return r;
	s->overcommit = (int)percent;
	return 0;
}

static json_t *rate_json(const struct host_rate *r)
{
	return json_pack("{s:I,s:I}", "bytes_per_s", (json_int_t)r->bytes_per_s, "ops_per_s",
			 (json_int_t)r->ops_per_s);
}

json_t *host_share_json(const struct host_share *s)
{
	return json_pack("{s:{s:b,s:b},s:{s:o,s:o},s:i}", "memory", "merge", (int)s->merge, "huge",
			 (int)s->huge, "limits", "disk", rate_json(&s->disk), "net",
			 rate_json(&s->net), "overcommit",
			 s->overcommit < 100 ? 100 : s->overcommit);
}

static bool rate_same(const struct host_rate *a, const struct host_rate *b)
{
	return a->bytes_per_s == b->bytes_per_s && a->ops_per_s == b->ops_per_s;
}

bool host_rates_same(const struct host_share *a, const struct host_share *b)
{
	return rate_same(&a->disk, &b->disk) && rate_same(&a->net, &b->net);
}

bool host_share_same(const struct host_share *a, const struct host_share *b)
{
	return a->merge == b->merge && a->huge == b->huge && a->overcommit == b->overcommit &&
	       host_rates_same(a, b);
}

void host_rate_words(const struct host_rate *r, char *out, size_t n)
{
	if (!r->bytes_per_s && !r->ops_per_s)
		out[0] = 0;
	else
		snprintf(out, n, "bytes=%" PRId64 ",ops=%" PRId64, r->bytes_per_s, r->ops_per_s);
}

void host_share_order(const struct host_share *s, char out[HOST_SHARE_LINE])
{
	snprintf(out, HOST_SHARE_LINE,
		 "{\"op\":\"limits\",\"disk\":{\"bytes_per_s\":%" PRId64 ",\"ops_per_s\":%" PRId64
		 "},\"net\":{\"bytes_per_s\":%" PRId64 ",\"ops_per_s\":%" PRId64 "}}\n",
		 s->disk.bytes_per_s, s->disk.ops_per_s, s->net.bytes_per_s, s->net.ops_per_s);
}

int host_rate_mib(int64_t bytes_per_s)
{
	return (int)((bytes_per_s + (1 << 20) - 1) >> 20);
}

int host_ceiling(int64_t a, int64_t b)
{
	int64_t v = !a ? b : !b ? a : a < b ? a : b;

	return v > INT32_MAX ? INT32_MAX : (int)v;
}
