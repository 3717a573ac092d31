/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Guest RAM in one sealed memfd, mapped once and shared with KVM's memory slots. A guest physical
 * range is turned into a host pointer in exactly one place, ram_at(), which refuses whatever is
 * not entirely inside one region. Immutable after vm_mem_new(), hence free of locks.
 */
#include "vmm/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "common/wire.h"

static int make_memfd(struct vm_mem *m, struct err *e)
{
	m->fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd < 0)
		return err_set(e, -errno, "memfd for guest memory: %m");
	if (ftruncate(m->fd, (off_t)m->size) < 0)
		return err_set(e, -errno, "guest memory of %llu MiB: %m",
			       (unsigned long long)(m->size >> 20));
	if (fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(e, -errno, "sealing guest memory: %m");
	return 0;
}

static int map_ram(struct vm_mem *m, struct err *e)
{
	int how = (m->is_private ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE;
	void *p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, how, m->fd, 0);

	if (p == MAP_FAILED)
		return err_set(e, -errno, "mapping %llu MiB of guest memory: %m",
			       (unsigned long long)(m->size >> 20));
	m->base = p;
	(void)madvise(p, m->size, MADV_DONTDUMP);
	return 0;
}

/* source: the file to begin as, or -1 for zeros. */
static struct vm_mem *make(int source, uint64_t size_bytes, struct err *e)
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
	m->is_private = source >= 0;
	m->size = size_bytes;
	m->fd = source < 0 ? -1 : fcntl(source, F_DUPFD_CLOEXEC, 3);
	if (source < 0)
		r = make_memfd(m, e);
	else if (m->fd < 0)
		r = err_set(e, -errno, "the memory file: %m");
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
	return make(-1, size_bytes, e);
}

struct vm_mem *vm_mem_map(int fd, uint64_t size_bytes, struct err *e)
{
	return make(fd, size_bytes, e);
}

void vm_mem_free(struct vm_mem *m)
{
	if (!m)
		return;
	if (m->base)
		munmap(m->base, m->size);
	cleanup_close_fn(&m->fd);
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
	return 0;
}

void *vm_mem_ptr(const struct vm_mem *m, uint64_t gpa, size_t n)
{
	return n ? ram_at(m, gpa, n) : NULL;
}

uint64_t vm_mem_gpa(const struct vm_mem *m, const void *p)
{
	uint64_t at = (uint64_t)((const uint8_t *)p - m->base);

	return at < m->region[0].size ? at : at - m->region[0].size + m->region[1].gpa;
}
