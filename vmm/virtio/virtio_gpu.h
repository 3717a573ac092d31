/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graphics card, 2D only (virtio 1.2 §5.7): one screen, a cursor plane, EDID. A resource is a
 * sealed memfd of its own, XRGB8888, into which TRANSFER_TO_HOST_2D copies (and converts) what the
 * guest drew; the one that is the scanout is shown through the surface server, FLUSH is its damage.
 * Commands are answered in order as they come, so a fence is done when its answer is.
 *
 * Everything a guest can make us hold (pixels, backing lists, number of resources) counts against
 * max_bytes and VIRTIO_GPU_RESOURCES; beyond them it gets ERR_OUT_OF_MEMORY.
 *
 * In a PC it is the VGA card as well, as one PCI function (virtio-vga of QEMU): firmware and
 * systems without a driver use the VGA, and the driver finds what they showed to be its own.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_GPU_H
#define PANE_VMM_VIRTIO_VIRTIO_GPU_H

#include "vmm/virtio/virtio.h"

#define VIRTIO_GPU_RESOURCES 256 /* at most at a time */

struct surface_server;
struct virtio_pci_mate;
struct virtio_gpu;

struct virtio_gpu_config {
	uint32_t width, height;		/* the first preferred size, pixels; 0: 1280x800 */
	uint64_t max_bytes;		/* 0: 256 MiB */
	struct surface_server *surface; /* borrowed, outlives the device; NULL: shown to nobody */
	void (*frame)(void *arg);	/* a frame was flushed to the screen; may be NULL */
	void *arg;
	const struct virtio_pci_mate *vga; /* the VGA in the same function, borrowed; may be NULL */
	/* With vga: from its first scanout to its reset the screen is this device's alone. Any
	 * thread, under the device lock. */
	void (*take)(void *arg, bool mine);
	void *take_arg;
};

struct virtio_gpu *virtio_gpu_new(const struct virtio_env *env, const struct virtio_gpu_config *c,
				  struct err *e) must_check;
void virtio_gpu_free(struct virtio_gpu *g);
/* Suggests a size to the guest: display info, EDID and a display event. Clamped to what the device
 * can hold. Any thread. */
void virtio_gpu_resize(struct virtio_gpu *g, uint32_t width, uint32_t height);
struct virtio_dev *virtio_gpu_dev(struct virtio_gpu *g); /* for tests */

#endif
