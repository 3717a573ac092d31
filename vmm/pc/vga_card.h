/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graphics card firmware and unmodified systems find first: VGA with Bochs' extension on the
 * PCI bus (QEMU docs/specs/standard-vga.rst), and what it shows, drawn on a surface. Its PCI
 * function is its own (1234:1111) or that of a virtio-gpu, which then takes the screen over.
 * The linear framebuffer is guest memory with a dirty log; the surface is a second memory, opaque
 * XRGB8888, into which changed pixels are converted a few dozen times a second.
 */
#ifndef PANE_VMM_PC_VGA_CARD_H
#define PANE_VMM_PC_VGA_CARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/surface.h"
#include "vmm/pc/vga.h"
#include "vmm/pci.h"
#include "vmm/virtio/virtio_pci.h"

struct loop;
struct loop_timer;
struct surface_server;
struct vm_io;

/* What the card needs from the machine; tests bring their own. Any member may be NULL. */
struct vga_host {
	void *arg;
	/* Shows memory at a guest address, with a dirty log; gpa 0 takes it away. */
	int (*map)(void *arg, uint64_t gpa, uint64_t size, void *memory);
	/* Pages written by the guest since the last call: VGA_PAGES bits. */
	int (*dirty)(void *arg, uint64_t *bitmap);
};

struct vga_card {
	struct pci_dev dev;   /* used where it is alone */
	struct pci_dev *pci;  /* what it is on the bus; NULL before that */
	pthread_mutex_t lock; /* guards everything below; nests inside pci_lock() */
	struct vga vga;
	struct vga_host host;
	int vram_fd;	 /* owned: video memory */
	uint64_t mapped; /* where the framebuffer is shown, 0 nowhere */
	uint8_t edid[128];
	bool hidden; /* the screen is somebody else's */

	/* Main thread. */
	struct loop_timer *timer;	/* owned */
	struct surface_server *surface; /* borrowed; NULL: shown to nobody */
	void (*frame)(void *arg);	/* something new is on the screen; may be NULL */
	void *arg;
	struct vga_mode mode; /* as drawn last */
	int fd;		      /* the surface's memory, owned; -1 before the first mode */
	uint32_t *pixels;     /* the same, mapped */
	size_t bytes;
	uint32_t line[VGA_MAX_WIDTH];
	bool shown; /* the surface has been told of it */
};

/* Makes the card, its ports and its window. width and height go into its EDID. */
int vga_card_add(struct vga_card *c, struct vm_io *io, const struct vga_host *host, uint32_t width,
		 uint32_t height, struct err *e) must_check;
/* Puts it on the bus by itself, */
int vga_card_plug(struct vga_card *c, struct pci_bus *bus, struct err *e) must_check;
/* or describes it to the virtio device whose PCI function it is to share. */
struct virtio_pci_mate vga_card_mate(struct vga_card *c);
/* Shows nothing any more, or all of it again. Any thread. */
void vga_card_hide(struct vga_card *c, bool hidden);
/* Starts drawing. */
int vga_card_show(struct vga_card *c, struct loop *loop, struct surface_server *surface,
		  void (*frame)(void *arg), void *arg, struct err *e) must_check;
/* Draws what changed; the timer does. Returns the number of damaged rectangles. */
unsigned vga_card_draw(struct vga_card *c);
void vga_card_fini(struct vga_card *c);
/* Shows the framebuffer where its BAR is now. */
void vga_card_follow(struct vga_card *c);

/* vga_state.c */
void vga_card_save(struct vga_card *c, struct snap_out *out);
int vga_card_load(struct vga_card *c, const struct snap *s, struct err *e) must_check;

#endif
