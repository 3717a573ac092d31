/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The resources of the graphics device: pixels on our side in a sealed memfd, and the guest pages
 * they are copied from. The set keeps account of every byte the guest makes us hold.
 *
 * The memfd cannot be resized by whom it is shown to (a display that shrinks it would kill us), nor
 * written.
 */
#ifndef PANE_VMM_VIRTIO_GPU_RESOURCE_H
#define PANE_VMM_VIRTIO_GPU_RESOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "common/cleanup.h"
#include "common/surface.h"

struct snap_in;
struct snap_out;
struct vm_mem;

struct gpu_resource {
	uint32_t id;			/* never 0 in use */
	uint32_t width, height, stride; /* pixels, pixels, bytes */
	uint32_t format;
	bool opaque; /* the fourth byte is forced to 0xff (X formats, and what was on screen) */
	int fd;	     /* memfd, owned */
	uint32_t *pixels; /* its mapping, owned: XRGB8888 or ARGB8888 */
	uint64_t bytes; /* of pixels; the file is a stride longer, so that any part can be shown */
	struct iovec *backing; /* guest RAM; owned array of borrowed pointers */
	uint32_t backing_n;
	uint64_t backing_bytes; /* what the entries add up to */
	struct gpu_resource *next;
};

struct gpu_resources {
	struct gpu_resource *first; /* owned list */
	unsigned n, max_n;
	uint64_t bytes, max_bytes; /* held; allowed */
};

void gpu_resources_clear(struct gpu_resources *s);
struct gpu_resource *gpu_resource_find(struct gpu_resources *s, uint32_t id);
/* -EEXIST, -EINVAL (format or size), -ENOMEM (a limit). */
int gpu_resource_create(struct gpu_resources *s, uint32_t id, uint32_t format, uint32_t width,
			uint32_t height) must_check;
void gpu_resource_destroy(struct gpu_resources *s, struct gpu_resource *r);
/* Room for n backing entries, to be filled by the caller and set with gpu_resource_attach(); NULL
 * when there is one already, n is out of bounds or over the budget. */
struct iovec *gpu_resource_backing(struct gpu_resources *s, struct gpu_resource *r,
				   uint32_t n) must_check;
void gpu_resource_detach(struct gpu_resources *s, struct gpu_resource *r);
/* Copies rectangle c of the resource from its backing, whose first pixel is at byte offset (rows
 * are stride apart). -EINVAL when the rectangle or the backing does not reach that far. */
int gpu_resource_transfer(struct gpu_resource *r, struct surface_rect c,
			  uint64_t offset) must_check;
/* From now on, and for what is there, the fourth byte is 0xff. */
void gpu_resource_make_opaque(struct gpu_resource *r);
/* Snapshots: all resources with their pixels and backings. Loading goes through the same limits as
 * a guest's commands. */
void gpu_resources_save(const struct gpu_resources *s, const struct vm_mem *mem,
			struct snap_out *out);
void gpu_resources_load(struct gpu_resources *s, const struct vm_mem *mem, struct snap_in *in);
/* c lies within width x height and is not empty. */
bool gpu_rect_inside(const struct surface_rect *c, uint32_t width, uint32_t height);

#endif
