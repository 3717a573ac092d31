/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Guest RAM in one sealed memfd, mapped once and shared with KVM's memory slots. A guest physical
 * range is turned into a host pointer in exactly one place, ram_at(), which refuses whatever is
 * not entirely inside one region. The map is immutable after vm_mem_new(), hence free of locks.
 *
 * Giving pages back: a hole in a memfd, MADV_DONTNEED for anonymous memory. Neither will do over a
 * snapshot's memory file, as the file's page would come back: there anonymous memory is mapped over
 * the file. The addresses stay mapped all the time, so KVM and pointers into RAM are not
 * concerned. Each such piece may cost the kernel two mappings, of which a process has 65,530: with
 * PIECES_MAX of them no more is given back, which no guest can tell.
 */
#include "vmm/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include "common/log.h"
#include "common/wire.h"

#define PAGE	   4096u
#define PIECES_MAX 16384

static int make_memfd(struct vm_mem *m, struct err *e)
{
	m->fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd < 0)
		return err_set(e, -errno, "memfd for guest memory: %m");
	if (ftruncate(m->fd, (off_t)m->size) < 0)
		return err_setw(e, -errno, "memory.short",
				"guest memory of %llu MiB: %m (look at ulimit -f)",
				(unsigned long long)(m->size >> 20));
	if (fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(e, -errno, "sealing guest memory: %m");
	return 0;
}

static int map_ram(struct vm_mem *m, struct err *e)
{
	int how = (m->is_private ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE |
		  (m->fd < 0 ? MAP_ANONYMOUS : 0);
	void *p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, how, m->fd, 0);

	if (p == MAP_FAILED)
		return err_setw(e, -errno, "memory.short",
				"mapping %llu MiB of guest memory: %m (look at ulimit -v and at "
				"vm.overcommit_memory, which must not be 2)",
				(unsigned long long)(m->size >> 20));
	m->base = p;
	(void)madvise(p, m->size, MADV_DONTDUMP);
	return 0;
}

static void advise(const struct vm_mem *m, int what, const char *name)
{
	if (madvise(m->base, m->size, what) < 0)
		log_warn("memory.policy", "missing=%s error=%s", name, strerrorname_np(errno));
}

void vm_mem_advise(const struct vm_mem *m, const struct vm_mem_policy *policy)
{
	if (policy->merge)
		advise(m, MADV_MERGEABLE, "merge");
	if (policy->huge)
		advise(m, MADV_HUGEPAGE, "huge");
}

enum kind {
	SHARED, /* a memfd of our own */
	ANONYMOUS,
	FROM_FILE /* private, over `source` */
};

static struct vm_mem *make(enum kind kind, int source, uint64_t size_bytes, struct err *e)
{
	if (!size_bytes || size_bytes % 4096 || size_bytes > 1ull << 46) {
		(void)err_set(e, -EINVAL, "guest memory of %llu bytes is not a multiple of 4096",
			      (unsigned long long)size_bytes);
		return NULL;
	}

	struct vm_mem *m = calloc(1, sizeof(*m));
	int r = 0;

	if (!m) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	m->is_private = kind != SHARED;
	m->size = size_bytes;
	m->fd = kind == FROM_FILE ? fcntl(source, F_DUPFD_CLOEXEC, 3) : -1;
	if (kind == SHARED)
		r = make_memfd(m, e);
	else if (kind == FROM_FILE && m->fd < 0)
		r = err_set(e, -errno, "the memory file: %m");
	if (r == 0 && kind == FROM_FILE) {
		m->anonymous = calloc(size_bytes / PAGE / 8 + 1, 1);
		r = m->anonymous ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	if (r == 0)
		r = map_ram(m, e);
	if (r < 0) {
		vm_mem_free(m);
		return NULL;
	}

	uint64_t low = size_bytes < VM_MEM_LOW_MAX ? size_bytes : VM_MEM_LOW_MAX;

	m->region[0] = (struct vm_mem_region){.gpa = 0, .size = low, .host = m->base};
	m->region[1] = (struct vm_mem_region){
		.gpa = VM_MEM_HIGH, .size = size_bytes - low, .host = m->base + low};
	return m;
}

struct vm_mem *vm_mem_new(uint64_t size_bytes, struct err *e)
{
	return make(SHARED, -1, size_bytes, e);
}

struct vm_mem *vm_mem_new_policy(uint64_t size_bytes, const struct vm_mem_policy *policy,
				 struct err *e)
{
	struct vm_mem *m =
		make(policy->merge || policy->huge ? ANONYMOUS : SHARED, -1, size_bytes, e);

	if (m)
		vm_mem_advise(m, policy);
	return m;
}

struct vm_mem *vm_mem_map(int fd, uint64_t size_bytes, struct err *e)
{
	return make(FROM_FILE, fd, size_bytes, e);
}

void vm_mem_free(struct vm_mem *m)
{
	if (!m)
		return;
	if (m->base)
		munmap(m->base, m->size);
	cleanup_close_fn(&m->fd);
	free(m->anonymous);
	free(m->wrote);
	free(m);
}

static uint8_t *ram_at(const struct vm_mem *m, uint64_t gpa, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(m->region); i++) {
		const struct vm_mem_region *r = &m->region[i];

		if (gpa >= r->gpa && range_ok(gpa - r->gpa, n, r->size))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

/* One load or store for naturally aligned integers: the guest must never see half an index. */
static void copy(void *dst, const void *src, size_t n, uintptr_t guest)
{
	if (n == 2 && !(guest & 1))
		__atomic_store_n((uint16_t *)dst,
				 __atomic_load_n((const uint16_t *)src, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	else if (n == 4 && !(guest & 3))
		__atomic_store_n((uint32_t *)dst,
				 __atomic_load_n((const uint32_t *)src, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	else if (n == 8 && !(guest & 7))
		__atomic_store_n((uint64_t *)dst,
				 __atomic_load_n((const uint64_t *)src, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	else
		memcpy(dst, src, n);
}

int vm_mem_read(const struct vm_mem *m, uint64_t gpa, void *dst, size_t n)
{
	const uint8_t *p = ram_at(m, gpa, n);
	uint64_t v;

	if (!p)
		return -EFAULT;
	if (n <= 8 && !((uintptr_t)p & (n - 1))) { /* dst may be unaligned: go by way of v */
		copy(&v, p, n, (uintptr_t)p);
		memcpy(dst, &v, n);
	} else {
		memcpy(dst, p, n);
	}
	return 0;
}

int vm_mem_write(const struct vm_mem *m, uint64_t gpa, const void *src, size_t n)
{
	uint8_t *p = ram_at(m, gpa, n);
	uint64_t v = 0;

	if (!p)
		return -EFAULT;
	if (n <= 8 && !((uintptr_t)p & (n - 1))) {
		memcpy(&v, src, n);
		copy(p, &v, n, (uintptr_t)p);
	} else {
		memcpy(p, src, n);
	}
	vm_mem_wrote(m, p, n);
	return 0;
}

void *vm_mem_ptr(const struct vm_mem *m, uint64_t gpa, size_t n)
{
	return n ? ram_at(m, gpa, n) : NULL;
}

/* ---- the log ---------------------------------------------------------------------------------
 *
 * A bit is set after its page was written, by an operation no store passes; who takes the log
 * clears a word before reading pages. Hence a page is either read with what was written, or found
 * in the next log. That a bit is set already says nothing: it may be cleared at this moment.
 */

static void log_pages(uint64_t *log, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		__atomic_fetch_or(&log[from / 64], 1ull << from % 64, __ATOMIC_SEQ_CST);
}

void vm_mem_wrote(const struct vm_mem *m, const void *p, size_t n)
{
	uint64_t *log = __atomic_load_n(&m->wrote, __ATOMIC_ACQUIRE);
	uint64_t at = (uint64_t)((const uint8_t *)p - m->base);

	if (log && n)
		log_pages(log, at / PAGE, (at + n - 1) / PAGE + 1);
}

static uint64_t log_words(const struct vm_mem *m)
{
	return (m->size / PAGE + 63) / 64;
}

/* Off: the words stay, as somebody may be about to set one. */
int vm_mem_log(struct vm_mem *m, bool on)
{
	uint64_t *log = m->wrote;

	if (!on || log) {
		for (uint64_t i = 0; log && i < log_words(m); i++)
			__atomic_store_n(&log[i], 0, __ATOMIC_SEQ_CST);
		return 0;
	}
	log = calloc(log_words(m), sizeof(*log));
	if (!log)
		return -ENOMEM;
	__atomic_store_n(&m->wrote, log, __ATOMIC_SEQ_CST);
	return 0;
}

void vm_mem_take_log(struct vm_mem *m, uint64_t *pages)
{
	for (uint64_t i = 0; m->wrote && i < log_words(m); i++)
		if (__atomic_load_n(&m->wrote[i], __ATOMIC_RELAXED))
			pages[i] |= __atomic_exchange_n(&m->wrote[i], 0, __ATOMIC_SEQ_CST);
}

uint64_t vm_mem_gpa(const struct vm_mem *m, const void *p)
{
	uint64_t at = (uint64_t)((const uint8_t *)p - m->base);

	return at < m->region[0].size ? at : at - m->region[0].size + m->region[1].gpa;
}

static bool is_anonymous(const struct vm_mem *m, uint64_t page)
{
	return m->anonymous[page / 8] >> (page % 8) & 1;
}

static bool map_over(struct vm_mem *m, uint64_t from, uint64_t to)
{
	uint8_t *p = m->base + from * PAGE;
	size_t n = (size_t)(to - from) * PAGE;
	const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	if (m->pieces == PIECES_MAX)
		return false;
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	void *got = mmap(p, n, PROT_READ | PROT_WRITE, how, -1, 0);

	if (got == MAP_FAILED)
		return false;
	(void)madvise(p, n, MADV_DONTDUMP); /* as its neighbours: the kernel joins equal ones */
	m->pieces++;
	for (uint64_t page = from; page < to; page++)
		m->anonymous[page / 8] |= (uint8_t)(1u << page % 8);
	return true;
}

/* Bytes given back of pages [from, to) over a memory file, run by run of those that are the file's
 * and those that are not any more. */
static uint64_t drop_over_file(struct vm_mem *m, uint64_t from, uint64_t to)
{
	uint64_t done = 0;

	while (from < to) {
		bool anonymous = is_anonymous(m, from), ok;
		uint64_t end = from + 1;

		while (end < to && is_anonymous(m, end) == anonymous)
			end++;
		ok = anonymous ? madvise(m->base + from * PAGE, (size_t)(end - from) * PAGE,
					 MADV_DONTNEED) == 0
			       : map_over(m, from, end);
		done += ok ? (end - from) * PAGE : 0;
		from = end;
	}
	return done;
}

static uint64_t drop_pages(struct vm_mem *m, uint64_t at, uint64_t n)
{
	int r;

	if (m->anonymous)
		return drop_over_file(m, at / PAGE, (at + n) / PAGE);
	if (m->is_private)
		r = madvise(m->base + at, n, MADV_DONTNEED);
	else
		r = fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			      (off_t)n);
	return r == 0 ? n : 0;
}

uint64_t vm_mem_release(struct vm_mem *m, uint64_t gpa, uint64_t n)
{
	uint64_t done = 0;
	uint64_t *log = m->wrote;

	if (n > UINT64_MAX - gpa)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(m->region); i++) {
		const struct vm_mem_region *r = &m->region[i];
		uint64_t from = gpa > r->gpa ? gpa - r->gpa : 0;
		uint64_t to = gpa + n > r->gpa ? gpa + n - r->gpa : 0;

		from = (from + PAGE - 1) & ~(uint64_t)(PAGE - 1);
		to = (to < r->size ? to : r->size) & ~(uint64_t)(PAGE - 1);
		if (from < to)
			done += drop_pages(m, (uint64_t)(r->host - m->base) + from, to - from);
		if (from < to && log)
			log_pages(log, ((uint64_t)(r->host - m->base) + from) / PAGE,
				  ((uint64_t)(r->host - m->base) + to) / PAGE);
	}
	return done;
}
