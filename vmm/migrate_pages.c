/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A map of pages and a place in it. Memory of our own that nobody touched is a hole of its memfd,
 * which is found without looking at it, as looking would fill it.
 */
#include "vmm/migrate_pages.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "vmm/mem.h"
#include "vmm/migrate_wire.h"
#include "vmm/snapshot/xxh64.h"

enum {
	PAGE = MIGRATE_PAGE
};

static bool is_zero(const uint8_t *p)
{
	return p[0] == 0 && memcmp(p, p + 1, PAGE - 1) == 0;
}

/* The next pages from *at on that may be other than zeros, [*at, *to). False: no more. */
static bool next_data(const struct vm_mem *m, uint64_t *at, uint64_t *to)
{
	uint64_t pages = m->size / PAGE;
	off_t data, hole;

	if (*at >= pages)
		return false;
	*to = pages;
	if (m->is_private || m->fd < 0)
		return true;
	data = lseek(m->fd, (off_t)(*at * PAGE), SEEK_DATA);
	if (data < 0)
		return errno != ENXIO; /* holes up to the end; or it cannot tell */
	hole = lseek(m->fd, data, SEEK_HOLE);
	*at = (uint64_t)data / PAGE;
	if (hole > data)
		*to = ((uint64_t)hole + PAGE - 1) / PAGE;
	return true;
}

int migrate_pages_init(struct migrate_pages *p, const struct vm_mem *ram)
{
	uint64_t at = 0, to;

	*p = (struct migrate_pages){.ram = ram, .pages = ram->size / PAGE, .first = true};
	p->left = calloc((p->pages + 63) / 64, sizeof(*p->left));
	if (!p->left)
		return -ENOMEM;
	for (; next_data(ram, &at, &to); at = to)
		for (uint64_t i = at; i < to; i++)
			p->left[i / 64] |= 1ull << i % 64;
	return 0;
}

void migrate_pages_fini(struct migrate_pages *p)
{
	free(p->left);
	p->left = NULL;
}

void migrate_pages_again(struct migrate_pages *p)
{
	p->at = 0;
	p->first = false;
}

static bool is_left(const struct migrate_pages *p, uint64_t page)
{
	return page < p->pages && p->left[page / 64] >> page % 64 & 1;
}

/* From p->at on; whole words of nothing cost nothing. */
static bool find(struct migrate_pages *p)
{
	while (p->at < p->pages && !is_left(p, p->at))
		p->at = p->left[p->at / 64] >> p->at % 64 ? p->at + 1 : (p->at / 64 + 1) * 64;
	if (p->at > p->pages)
		p->at = p->pages;
	return p->at < p->pages;
}

static void take(struct migrate_pages *p, struct migrate_run *run)
{
	const uint8_t *base = p->ram->base;

	*run = (struct migrate_run){.page = p->at, .zeros = is_zero(base + p->at * PAGE)};
	do {
		p->left[p->at / 64] &= ~(1ull << p->at % 64);
		p->at++;
		run->n++;
	} while (run->n < MIGRATE_RUN && is_left(p, p->at) &&
		 is_zero(base + p->at * PAGE) == run->zeros);
}

bool migrate_pages_next(struct migrate_pages *p, uint64_t *budget, struct migrate_run *run)
{
	while (*budget && find(p)) {
		take(p, run);
		*budget -= run->n < *budget ? run->n : *budget;
		if (!run->zeros || !p->first)
			return true;
	}
	return false;
}

uint64_t migrate_pages_left(const struct migrate_pages *p)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < (p->pages + 63) / 64; i++)
		n += (uint64_t)__builtin_popcountll(p->left[i]);
	return n;
}

uint64_t migrate_pages_sum(const struct vm_mem *ram)
{
	uint64_t at = 0, to, sum = ram->size;

	for (; next_data(ram, &at, &to); at = to)
		for (uint64_t i = at; i < to; i++)
			if (!is_zero(ram->base + i * PAGE))
				sum = xxh64(ram->base + i * PAGE, PAGE, sum + i);
	return sum;
}
