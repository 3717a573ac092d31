/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Resources of the graphics device; see gpu_resource.h. Everything here is reached from guest
 * commands: sums are 64-bit, sizes capped first. Under the device lock.
 */
#include "vmm/virtio/gpu_resource.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/gpu_proto.h"

#define BACKING_MAX 65536u /* entries: 256 MiB in single pages */

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

struct gpu_resource *gpu_resource_find(struct gpu_resources *s, uint32_t id)
{
	struct gpu_resource *r = s->first;

	while (r && r->id != id)
		r = r->next;
	return r;
}

static bool format_known(uint32_t format, bool *opaque)
{
	switch (format) {
	case GPU_B8G8R8X8:
	case GPU_X8R8G8B8:
	case GPU_X8B8G8R8:
	case GPU_R8G8B8X8:
		*opaque = true;
		return true;
	case GPU_B8G8R8A8:
	case GPU_A8R8G8B8:
	case GPU_R8G8B8A8:
	case GPU_A8B8G8R8:
		*opaque = false;
		return true;
	default:
		return false;
	}
}

static int alloc_pixels(struct gpu_resource *r)
{
	void *p;

	r->fd = memfd_create("pane-resource", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return -errno;
	if (ftruncate(r->fd, (off_t)(r->bytes + r->stride)) < 0)
		return -errno;
	p = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->pixels = p;
	if (fcntl(r->fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static void release(struct gpu_resource *r)
{
	if (r->pixels)
		munmap(r->pixels, r->bytes);
	if (r->fd >= 0)
		close(r->fd);
	free(r->backing);
	free(r);
}

int gpu_resource_create(struct gpu_resources *s, uint32_t id, uint32_t format, uint32_t width,
			uint32_t height)
{
	struct gpu_resource *r;
	uint64_t bytes;
	bool opaque;
	int rc;

	if (id == 0 || !format_known(format, &opaque) || width == 0 || height == 0 ||
	    width > SURFACE_MAX_DIM || height > SURFACE_MAX_DIM)
		return -EINVAL;
	if (gpu_resource_find(s, id))
		return -EEXIST;
	bytes = (uint64_t)width * 4 * height;
	if (s->n >= s->max_n || bytes > s->max_bytes - s->bytes)
		return -ENOMEM;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct gpu_resource){.id = id,
				   .width = width,
				   .height = height,
				   .stride = width * 4,
				   .format = format,
				   .opaque = opaque,
				   .fd = -1,
				   .bytes = bytes};
	rc = alloc_pixels(r);
	if (rc < 0) {
		release(r);
		return rc;
	}
	r->next = s->first;
	s->first = r;
	s->n++;
	s->bytes += bytes;
	return 0;
}

void gpu_resource_detach(struct gpu_resources *s, struct gpu_resource *r)
{
	s->bytes -= (uint64_t)r->backing_n * sizeof(*r->backing);
	free(r->backing);
	r->backing = NULL;
	r->backing_n = 0;
	r->backing_bytes = 0;
}

void gpu_resource_destroy(struct gpu_resources *s, struct gpu_resource *r)
{
	struct gpu_resource **at = &s->first;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	gpu_resource_detach(s, r);
	s->n--;
	s->bytes -= r->bytes;
	release(r);
}

void gpu_resources_clear(struct gpu_resources *s)
{
	while (s->first)
		gpu_resource_destroy(s, s->first);
}

struct iovec *gpu_resource_backing(struct gpu_resources *s, struct gpu_resource *r, uint32_t n)
{
	uint64_t bytes = (uint64_t)n * sizeof(*r->backing);

	if (r->backing || n == 0 || n > BACKING_MAX || bytes > s->max_bytes - s->bytes)
		return NULL;
	r->backing = calloc(n, sizeof(*r->backing));
	if (!r->backing)
		return NULL;
	r->backing_n = n;
	s->bytes += bytes;
	return r->backing;
}

bool gpu_rect_inside(const struct surface_rect *c, uint32_t width, uint32_t height)
{
	return c->x >= 0 && c->y >= 0 && c->width > 0 && c->height > 0 &&
	       range_ok((uint32_t)c->x, (uint32_t)c->width, width) &&
	       range_ok((uint32_t)c->y, (uint32_t)c->height, height);
}

/* One pixel in the guest's byte order, loaded little-endian, to ARGB8888. */
static uint32_t convert(uint32_t v, uint32_t format)
{
	switch (format) {
	case GPU_A8R8G8B8:
	case GPU_X8R8G8B8:
		return __builtin_bswap32(v);
	case GPU_R8G8B8A8:
	case GPU_R8G8B8X8:
		return (v & 0xff00ff00u) | (v >> 16 & 0xff) | (v & 0xff) << 16;
	case GPU_A8B8G8R8:
	case GPU_X8B8G8R8:
		return v >> 8 | v << 24;
	default:
		return v;
	}
}

static void copy_pixels(uint32_t *dst, const uint8_t *src, size_t n, uint32_t format, uint32_t fill)
{
	if (format == GPU_B8G8R8A8 || format == GPU_B8G8R8X8) {
		memcpy(dst, src, n * 4);
		for (size_t i = 0; fill && i < n; i++)
			dst[i] |= fill;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t v;

		memcpy(&v, src + i * 4, 4);
		dst[i] = convert(v, format) | fill;
	}
}

/* A position in the backing, moving forward only. */
struct place {
	uint32_t i;
	uint64_t before; /* bytes in entries before i */
};

/* Copies n pixels at byte off of the backing. The caller checked that they are there. A pixel that
 * straddles two entries is put together first. */
static void copy_row(const struct gpu_resource *r, struct place *at, uint64_t off, uint32_t *dst,
		     size_t n, uint32_t fill)
{
	uint8_t split[4];
	unsigned have = 0;

	while (n > 0) {
		const struct iovec *v = &r->backing[at->i];
		uint64_t in = off - at->before;
		size_t part;

		if (in >= v->iov_len) {
			at->before += v->iov_len;
			at->i++;
			continue;
		}
		part = (v->iov_len - in) / 4;
		if (have || part == 0) {
			split[have++] = ((const uint8_t *)v->iov_base)[in];
			off++;
			if (have == 4) {
				copy_pixels(dst++, split, 1, r->format, fill);
				n--;
				have = 0;
			}
			continue;
		}
		if (part > n)
			part = n;
		copy_pixels(dst, (const uint8_t *)v->iov_base + in, part, r->format, fill);
		dst += part;
		off += part * 4;
		n -= part;
	}
}

int gpu_resource_transfer(struct gpu_resource *r, struct surface_rect c, uint64_t offset)
{
	struct place at = {0};
	uint32_t fill = r->opaque ? 0xff000000u : 0;
	uint64_t need;

	if (!r->backing || !gpu_rect_inside(&c, r->width, r->height))
		return -EINVAL;
	need = (uint64_t)(c.height - 1) * r->stride + (uint64_t)c.width * 4;
	if (!range_ok(offset, need, r->backing_bytes))
		return -EINVAL;
	for (int32_t y = 0; y < c.height; y++) {
		uint64_t dst = (uint64_t)(c.y + y) * r->width + (uint64_t)c.x;

		copy_row(r, &at, offset + (uint64_t)y * r->stride, r->pixels + dst, (size_t)c.width,
			 fill);
	}
	return 0;
}

void gpu_resource_make_opaque(struct gpu_resource *r)
{
	if (r->opaque)
		return;
	r->opaque = true;
	for (uint64_t i = 0; i < r->bytes / 4; i++)
		r->pixels[i] |= 0xff000000u;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

void gpu_resources_save(const struct gpu_resources *s, const struct vm_mem *mem,
			struct snap_out *out)
{
	snap_put_u32(out, s->n);
	for (const struct gpu_resource *r = s->first; r; r = r->next) {
		snap_put_u32(out, r->id);
		snap_put_u32(out, r->format);
		snap_put_u32(out, r->width);
		snap_put_u32(out, r->height);
		snap_put_u8(out, r->opaque);
		snap_put_u32(out, r->backing_n);
		for (uint32_t i = 0; i < r->backing_n; i++) {
			snap_put_u64(out, vm_mem_gpa(mem, r->backing[i].iov_base));
			snap_put_u32(out, (uint32_t)r->backing[i].iov_len);
		}
		snap_put_bytes(out, r->pixels, r->bytes);
	}
}

static void load_backing(struct gpu_resources *s, struct gpu_resource *r, const struct vm_mem *mem,
			 struct snap_in *in)
{
	uint32_t n = snap_u32(in);

	if (n == 0)
		return;
	/* Before room is made for them, they must be there. */
	if ((uint64_t)n * 12 > in->n - in->at || !gpu_resource_backing(s, r, n)) {
		snap_refuse(in);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t gpa = snap_u64(in);
		uint32_t len = snap_u32(in);
		void *at = vm_mem_ptr(mem, gpa, len);

		if (!at) {
			snap_refuse(in);
			gpu_resource_detach(s, r);
			return;
		}
		r->backing[i] = (struct iovec){.iov_base = at, .iov_len = len};
		r->backing_bytes += len;
	}
}

void gpu_resources_load(struct gpu_resources *s, const struct vm_mem *mem, struct snap_in *in)
{
	uint32_t n = snap_u32(in);

	for (uint32_t i = 0; i < n && !in->bad; i++) {
		uint32_t id = snap_u32(in), format = snap_u32(in);
		uint32_t width = snap_u32(in), height = snap_u32(in);
		bool opaque = snap_u8(in);
		const uint8_t *pixels;
		struct gpu_resource *r;

		if (in->bad || (uint64_t)width * height > (in->n - in->at) / 4 ||
		    gpu_resource_create(s, id, format, width, height) < 0) {
			snap_refuse(in);
			return;
		}
		r = gpu_resource_find(s, id);
		r->opaque = opaque;
		load_backing(s, r, mem, in);
		pixels = snap_view(in, r->bytes);
		if (pixels && r->pixels)
			memcpy(r->pixels, pixels, r->bytes);
	}
}
