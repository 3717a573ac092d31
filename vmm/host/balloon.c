/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See balloon.h. What fills a balloon may be pages the host never gave, or has back already: free
 * pages are reported by the guest (virtio 1.2 §5.5.6.7). Those are reckoned to come first, so that
 * a guest is asked for enough to give something in fact, or not at all.
 */
#include "vmm/host/balloon.h"

#include <errno.h>
#include "common/json.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t bounded(int64_t v, int64_t min, int64_t max)
{
	return v < min ? min : v > max ? max : v;
}

/* Pages of it that are neither here nor in the balloon. */
static int64_t nowhere(const struct host_balloon_guest *g)
{
	int64_t held = bounded(g->held, 0, g->memory);

	return bounded(g->memory - held - bounded(g->actual, 0, g->memory), 0, g->memory);
}

/* What the host would get back of it if it were asked for all it can give. */
static int64_t gives(const struct host_balloon_guest *g)
{
	int64_t keep =
		g->memory / 4 > HOST_BALLOON_KEEP_MIB ? g->memory / 4 : HOST_BALLOON_KEEP_MIB;
	int64_t more = least(g->memory - keep - g->target,
			     bounded(g->free, -1, g->memory) - HOST_BALLOON_SPARE_MIB) -
		       nowhere(g);

	if (!g->idle || !g->driver || g->free < 0)
		return 0;
	more = least(more, bounded(g->held, 0, g->memory));
	return more < HOST_BALLOON_STEP_MIB ? 0 : more;
}

static struct host_balloon_guest *most_giving(struct host_balloon_guest *v, size_t n)
{
	struct host_balloon_guest *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (v[i].want == v[i].target && gives(&v[i]) > (best ? gives(best) : 0))
			best = &v[i];
	return best;
}

/* As few desktops as will do: each gives up some of its caches. */
static void inflate(int64_t need, struct host_balloon_guest *v, size_t n)
{
	struct host_balloon_guest *g;

	while (need > 0 && (g = most_giving(v, n))) {
		int64_t part = bounded(need, HOST_BALLOON_STEP_MIB, gives(g));

		g->want = g->target + nowhere(g) + part;
		need -= part;
	}
}

static void deflate(int64_t spare, struct host_balloon_guest *v, size_t n)
{
	for (size_t i = 0; i < n && spare > 0; i++) {
		int64_t part = least(v[i].want, spare);

		v[i].want -= part;
		spare -= part;
	}
}

void host_balloon_decide(const struct host_balloon_host *h, struct host_balloon_guest *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i].want = v[i].idle ? bounded(v[i].target, 0, v[i].memory) : 0;
	if (h->available < h->low)
		inflate(h->high - h->available, v, n);
	else if (h->available > h->high)
		deflate(h->available - h->high, v, n);
}

int host_balloon_parse(const char *p, size_t n, struct host_balloon_status *out)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	int64_t available = -1;
	json_t *stats;

	*out = (struct host_balloon_status){.free = -1};
	if (!json_is_object(o) ||
	    json_need_int(o, "target_mib", 0, INT32_MAX, &out->target, NULL) < 0 ||
	    json_need_int(o, "actual_mib", 0, INT32_MAX, &out->actual, NULL) < 0 ||
	    json_opt_bool(o, "driver", &out->driver, NULL) < 0)
		return -EPROTO;
	stats = json_object_get(o, "stats");
	if (json_is_object(stats) &&
	    json_opt_int(stats, "available_bytes", 0, INT64_MAX, &available, NULL) == 0 &&
	    available >= 0)
		out->free = available >> 20;
	return 0;
}
