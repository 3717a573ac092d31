/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connection limits; see limits.h. Shared between processes, without locks: a row belongs to the
 * source whose key it holds; a row whose counts are all zero and whose penalties have passed may be
 * taken over. Two workers that do
 * so at once can charge one connection to a stranger for as long as it lasts: harmless, and counts
 * never go wrong, as a connection is dropped from the row it was counted in. When no row is near
 * (more sources than rows), only the total counts.
 */
#include "gateway/limits.h"
#include "common/loop.h"
#include "common/secret.h"
#include "gateway/networks.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define ROWS	      4096u
#define PROBES	      16u
#define CROWDED_TENTH 9 /* above 9/10 of max_connections, new ones are dropped at random */

struct row {
	_Atomic uint64_t key;
	_Atomic int64_t until; /* clock_ms() at which its penalties have passed */
	_Atomic uint32_t n[GW_WORKERS_MAX];
};

struct gw_limits {
	struct gw_limits_params p;
	_Atomic uint32_t total[GW_WORKERS_MAX];
	struct row rows[ROWS];
};

struct gw_limits *gw_limits_new(const struct gw_limits_params *p)
{
	struct gw_limits *l;

	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l == MAP_FAILED)
		return NULL;
	l->p = *p;
	return l;
}

void gw_limits_free(struct gw_limits *l)
{
	if (l)
		munmap(l, sizeof(*l));
}

static uint64_t mix(const uint8_t *p, size_t n)
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h ? h : 1;
}

uint64_t gw_limits_source(const char *peer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t a[16];

	if (!gw_peer_address(peer, a))
		return mix((const uint8_t *)peer, strlen(peer));
	return memcmp(a, mapped, sizeof(mapped)) ? mix(a, 8) : mix(a + 12, 4);
}

static uint32_t row_sum(const struct row *r)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < GW_WORKERS_MAX; i++)
		n += atomic_load_explicit(&r->n[i], memory_order_relaxed);
	return n;
}

static int row_known(struct gw_limits *l, uint64_t key)
{
	unsigned at = (unsigned)(key % ROWS);

	for (unsigned i = 0; i < PROBES; i++)
		if (atomic_load(&l->rows[(at + i) % ROWS].key) == key)
			return (int)((at + i) % ROWS);
	return -1;
}

/* The source's row, made when there is room near its place; -1 when there is none. */
static int row_find(struct gw_limits *l, uint64_t key)
{
	unsigned at = (unsigned)(key % ROWS);
	int known = row_known(l, key);

	if (known >= 0)
		return known;
	for (unsigned i = 0; i < PROBES; i++) {
		struct row *r = &l->rows[(at + i) % ROWS];
		uint64_t old = atomic_load(&r->key);

		if (row_sum(r) == 0 && atomic_load(&r->until) <= clock_ms() &&
		    atomic_compare_exchange_strong(&r->key, &old, key))
			return (int)((at + i) % ROWS);
	}
	return -1;
}

unsigned gw_limits_total(const struct gw_limits *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GW_WORKERS_MAX; i++)
		n += atomic_load_explicit(&l->total[i], memory_order_relaxed);
	return n;
}

unsigned gw_limits_penalised(const struct gw_limits *l)
{
	int64_t now = clock_ms();
	unsigned n = 0;

	for (unsigned i = 0; i < ROWS; i++)
		n += atomic_load_explicit(&l->rows[i].until, memory_order_relaxed) - now >
		     GW_TOLERATED_MS;
	return n;
}

/* Random early drop: from none at 9/10 of the maximum to all at the maximum. */
static bool crowded(const struct gw_limits *l)
{
	unsigned max = (unsigned)l->p.max_connections, n = gw_limits_total(l);
	unsigned from = max / 10 * CROWDED_TENTH;
	uint32_t dice;

	if (n >= max)
		return true;
	if (n <= from || max < 100)
		return false;
	random_bytes(&dice, sizeof(dice));
	return dice % (max - from) < n - from;
}

enum gw_admission gw_limits_move(struct gw_limits *l, unsigned worker, const char *peer, int *slot)
{
	int row = row_find(l, gw_limits_source(peer));

	if (row >= 0 && atomic_load(&l->rows[row].until) - clock_ms() > GW_TOLERATED_MS)
		return GW_REFUSE_PENALTY;
	if (row >= 0 && row_sum(&l->rows[row]) >= (uint32_t)l->p.per_source_max)
		return GW_REFUSE_SOURCE;
	if (row >= 0)
		atomic_fetch_add(&l->rows[row].n[worker], 1);
	if (*slot >= 0)
		atomic_fetch_sub(&l->rows[*slot].n[worker], 1);
	*slot = row;
	return GW_ADMIT;
}

enum gw_admission gw_limits_take(struct gw_limits *l, unsigned worker, const char *peer, int *slot)
{
	enum gw_admission a = GW_ADMIT;

	*slot = -1;
	if (crowded(l))
		return GW_REFUSE_TOTAL;
	if (peer)
		a = gw_limits_move(l, worker, peer, slot);
	if (a == GW_ADMIT)
		atomic_fetch_add(&l->total[worker], 1);
	return a;
}

void gw_limits_blame(struct gw_limits *l, const char *peer, int ms)
{
	int row = ms > 0 ? row_find(l, gw_limits_source(peer)) : -1;
	int64_t now = clock_ms(), old, until;

	if (row < 0)
		return;
	old = atomic_load(&l->rows[row].until);
	do {
		until = (old > now ? old : now) + ms;
		if (until > now + GW_PENALTY_MAX_MS)
			until = now + GW_PENALTY_MAX_MS;
	} while (!atomic_compare_exchange_weak(&l->rows[row].until, &old, until));
}

void gw_limits_forgive(struct gw_limits *l, const char *peer)
{
	int row = row_known(l, gw_limits_source(peer));

	if (row >= 0)
		atomic_store(&l->rows[row].until, 0);
}

void gw_limits_drop(struct gw_limits *l, unsigned worker, int slot)
{
	if (slot >= 0)
		atomic_fetch_sub(&l->rows[slot].n[worker], 1);
	atomic_fetch_sub(&l->total[worker], 1);
}

void gw_limits_forget(struct gw_limits *l, unsigned worker)
{
	for (unsigned i = 0; i < ROWS; i++)
		atomic_store(&l->rows[i].n[worker], 0);
	atomic_store(&l->total[worker], 0);
}
