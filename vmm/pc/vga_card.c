/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Drawing: the dirty log and the window's own marks say which pages changed, the mode says which
 * lines those are, and comparing pixels says what of them looks different. Everything is redrawn
 * where a register changed, and in the modes in which a byte is shown in more than one place.
 */
#include "vmm/pc/vga_card.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/surface_server.h"
#include "common/wire.h"
#include "vmm/io.h"
#include "vmm/layout.h"
#include "vmm/virtio/edid.h"

enum {
	FRAME_MS = 33,
	UNSEEN_MS = 250, /* while no display is connected */
	REGISTERS = 4096,
	AT_PORTS = 0x400,
	AT_DISPI = 0x500,
	AT_EXTRA = 0x600,
	DISPI_PORTS = 4
};

/* ---- the guest's side ------------------------------------------------------------------------ */

/* Programs write index and data at once: wider accesses are bytes in a row. */
static void port_bytes(struct vga_card *c, bool write, unsigned n, unsigned size, uint64_t *value)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++) {
		if (write)
			vga_port_write(&c->vga, n + i, (uint8_t)(*value >> 8 * i));
		else
			v |= (uint64_t)vga_port_read(&c->vga, n + i) << 8 * i;
	}
	if (!write)
		*value = v;
}

static void colour_ports(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct vga_card *c = arg;

	pthread_mutex_lock(&c->lock);
	if (offset < 0x10 || (c->vga.misc & 1)) /* else those registers are at 0x3b0 */
		port_bytes(c, write, (unsigned)offset, size, value);
	pthread_mutex_unlock(&c->lock);
}

static void mono_ports(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct vga_card *c = arg;

	pthread_mutex_lock(&c->lock);
	if (!(c->vga.misc & 1))
		port_bytes(c, write, (unsigned)offset + 0x10, size, value);
	pthread_mutex_unlock(&c->lock);
}

static void dispi_ports(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct vga_card *c = arg;
	unsigned n = offset ? 1 : 0; /* data is at the next port, or the one after it */

	pthread_mutex_lock(&c->lock);
	if (write && size == 2)
		vga_dispi_write(&c->vga, n, (uint16_t)*value);
	else if (!write)
		*value = vga_dispi_read(&c->vga, n);
	pthread_mutex_unlock(&c->lock);
}

static void window(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct vga_card *c = arg;
	uint64_t v = 0;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < size; i++) {
		if (write)
			vga_window_write(&c->vga, (uint32_t)offset + i, (uint8_t)(*value >> 8 * i));
		else
			v |= (uint64_t)vga_window_read(&c->vga, (uint32_t)offset + i) << 8 * i;
	}
	if (!write)
		*value = v;
	pthread_mutex_unlock(&c->lock);
}

static uint16_t *dispi_register(struct vga_card *c, uint64_t offset, unsigned size)
{
	unsigned n = (unsigned)(offset - AT_DISPI) / 2;

	return offset >= AT_DISPI && size == 2 && n < VGA_DISPI_INDEXS ? &c->vga.dispi[n] : NULL;
}

static uint64_t read_register(struct vga_card *c, uint64_t offset, unsigned size)
{
	uint64_t v = 0;

	if (offset + size <= sizeof(c->edid)) {
		memcpy(&v, c->edid + offset, size);
	} else if (offset >= AT_PORTS && offset + size <= AT_PORTS + 32) {
		port_bytes(c, false, (unsigned)(offset - AT_PORTS), size, &v);
	} else if (dispi_register(c, offset, size)) {
		uint16_t was = c->vga.dispi_i;

		c->vga.dispi_i = (uint16_t)((offset - AT_DISPI) / 2);
		v = vga_dispi_read(&c->vga, 1);
		c->vga.dispi_i = was;
	} else if (offset == AT_EXTRA) {
		v = 8; /* bytes of this part; the byte order after it is fixed */
	} else if (offset == AT_EXTRA + 4) {
		v = 0x1e1e1e1e;
	}
	return v;
}

static uint64_t bar_read(void *arg, unsigned bar, uint64_t offset, unsigned size)
{
	struct vga_card *c = arg;
	uint64_t v = 0;

	pthread_mutex_lock(&c->lock);
	if (bar == 0)
		memcpy(&v, c->vga.vram + offset, size);
	else
		v = read_register(c, offset, size);
	pthread_mutex_unlock(&c->lock);
	return v;
}

static void write_register(struct vga_card *c, uint64_t offset, unsigned size, uint64_t value)
{
	if (offset >= AT_PORTS && offset + size <= AT_PORTS + 32) {
		port_bytes(c, true, (unsigned)(offset - AT_PORTS), size, &value);
	} else if (dispi_register(c, offset, size)) {
		uint16_t was = c->vga.dispi_i;

		c->vga.dispi_i = (uint16_t)((offset - AT_DISPI) / 2);
		vga_dispi_write(&c->vga, 1, (uint16_t)value);
		c->vga.dispi_i = was;
	}
}

static void bar_write(void *arg, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	struct vga_card *c = arg;

	pthread_mutex_lock(&c->lock);
	if (bar == 0) {
		memcpy(c->vga.vram + offset, &value, size);
		vga_mark(&c->vga, (uint32_t)offset);
	} else {
		write_register(c, offset, size, value);
	}
	pthread_mutex_unlock(&c->lock);
}

void vga_card_follow(struct vga_card *c)
{
	const struct pci_bar *bar = &c->pci->bar[0];
	uint64_t at = bar->mapped ? bar->addr : 0;

	pthread_mutex_lock(&c->lock);
	if (at != c->mapped && c->host.map) {
		if (c->mapped)
			(void)!c->host.map(c->host.arg, 0, 0, NULL);
		/* Where it cannot be mapped, every access arrives in bar_read() and bar_write(). */
		c->mapped = at && c->host.map(c->host.arg, at, VGA_VRAM, c->vga.vram) == 0 ? at : 0;
		c->vga.redraw = true;
	}
	pthread_mutex_unlock(&c->lock);
}

void vga_card_hide(struct vga_card *c, bool hidden)
{
	pthread_mutex_lock(&c->lock);
	if (c->hidden && !hidden) {
		c->vga.redraw = true;
		c->shown = false;
	}
	c->hidden = hidden;
	pthread_mutex_unlock(&c->lock);
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* A sealed memfd of n bytes, mapped; NULL with errno. */
static void *map_memory(const char *name, size_t n, int *out)
{
	cleanup_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)n) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return NULL;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	*out = steal_fd(&fd);
	return p;
}

/* New memory for a new size; the old one stays with displays that still look at it. */
static int resize(struct vga_card *c, const struct vga_mode *m)
{
	size_t bytes = (size_t)m->width * m->height * 4;
	int fd = -1;
	void *p = map_memory("vga", bytes, &fd);

	if (!p)
		return -ENOMEM;
	if (c->pixels)
		munmap(c->pixels, c->bytes);
	cleanup_close_fn(&c->fd);
	c->fd = fd;
	c->pixels = p;
	c->bytes = bytes;
	c->shown = false;
	return 0;
}

static void show(struct vga_card *c)
{
	const struct surface_scanout sc = {.width = c->mode.width,
					   .height = c->mode.height,
					   .stride = c->mode.width * 4,
					   .size = c->bytes};

	if (c->surface && !c->shown)
		surface_server_scanout(c->surface, c->fd, &sc);
	c->shown = true;
}

/* Draws line y; true with the changed span of pixels. */
static bool draw_line(struct vga_card *c, uint32_t y, uint32_t *from, uint32_t *to)
{
	uint32_t *old = c->pixels + (size_t)y * c->mode.width, a = 0, b = c->mode.width;

	vga_draw_line(&c->vga, &c->mode, y, c->line);
	while (a < b && old[a] == c->line[a])
		a++;
	if (a == b)
		return false;
	while (old[b - 1] == c->line[b - 1])
		b--;
	memcpy(old + a, c->line + a, (b - a) * sizeof(*old));
	*from = a;
	*to = b;
	return true;
}

/* Whether a page that line y shows is in the bitmap. */
static bool line_dirty(const struct vga_card *c, const uint64_t *dirty, uint32_t y)
{
	uint64_t first = c->mode.start + (uint64_t)y * c->mode.pitch;
	uint64_t last = first + (uint64_t)c->mode.width * ((c->mode.bits + 7u) / 8) - 1;

	for (uint64_t page = first >> 12; page <= last >> 12; page++)
		if (dirty[page / 64 % (VGA_PAGES / 64)] >> page % 64 & 1)
			return true;
	return false;
}

static void damage(struct vga_card *c, uint32_t x0, uint32_t x1, uint32_t y0, uint32_t y1)
{
	const struct surface_rect r = {.x = (int32_t)x0,
				       .y = (int32_t)y0,
				       .width = (int32_t)(x1 - x0),
				       .height = (int32_t)(y1 - y0)};

	if (c->surface)
		surface_server_damage(c->surface, r);
}

/* dirty NULL: every line. Neighbouring changed lines become one rectangle. */
static unsigned draw_lines(struct vga_card *c, const uint64_t *dirty)
{
	uint32_t x0 = 0, x1 = 0, y0 = 0, from, to;
	unsigned n = 0;

	for (uint32_t y = 0; y <= c->mode.height; y++) {
		bool changed = y < c->mode.height && (!dirty || line_dirty(c, dirty, y)) &&
			       draw_line(c, y, &from, &to);

		if (changed) {
			y0 = x1 ? y0 : y;
			x0 = x1 && x0 < from ? x0 : from;
			x1 = x1 > to ? x1 : to;
		} else if (x1) {
			damage(c, x0, x1, y0, y);
			x1 = 0;
			n++;
		}
	}
	return n;
}

/* What was written since the last time, into pages; false for nothing. */
static bool gather(struct vga_card *c, uint64_t *pages)
{
	uint64_t any = 0;

	memset(pages, 0, VGA_PAGES / 8);
	if (c->mapped && c->host.dirty && c->host.dirty(c->host.arg, pages) < 0)
		c->vga.redraw = true;
	for (unsigned i = 0; i < VGA_PAGES / 64; i++) {
		pages[i] |= c->vga.dirty[i];
		any |= pages[i];
	}
	memset(c->vga.dirty, 0, sizeof(c->vga.dirty));
	return any;
}

static bool new_mode(struct vga_card *c)
{
	struct vga_mode m;

	vga_mode(&c->vga, &m);
	if (!m.width) /* half-programmed: what was there stays */
		return c->pixels != NULL;
	if ((!c->pixels || m.width != c->mode.width || m.height != c->mode.height) &&
	    resize(c, &m) < 0)
		return false;
	c->mode = m;
	return true;
}

unsigned vga_card_draw(struct vga_card *c)
{
	uint64_t pages[VGA_PAGES / 64];
	bool all;
	unsigned n = 0;

	pthread_mutex_lock(&c->lock);
	all = c->vga.redraw;
	if (!c->hidden && (gather(c, pages) || all || c->vga.redraw) &&
	    (!c->vga.redraw || new_mode(c)) && c->pixels) {
		all = c->vga.redraw || c->mode.kind != VGA_LINEAR;
		c->vga.redraw = false;
		n = draw_lines(c, all ? NULL : pages);
		show(c);
	}
	pthread_mutex_unlock(&c->lock);
	if (n && c->frame)
		c->frame(c->arg);
	return n;
}

static void on_timer(void *arg)
{
	struct vga_card *c = arg;
	bool seen = c->surface && surface_server_connected(c->surface);

	(void)vga_card_draw(c);
	loop_timer_set(c->timer, seen ? FRAME_MS : UNSEEN_MS);
}

/* ---- on the bus ------------------------------------------------------------------------------ */

static int join(void *arg, struct pci_dev *d)
{
	struct vga_card *c = arg;
	int r = pci_bar_add(d, 0, PCI_BAR_MEM32, VGA_VRAM);

	c->pci = d;
	return r < 0 ? r : pci_bar_add(d, 2, PCI_BAR_MEM32, REGISTERS);
}

static void configured(void *arg)
{
	vga_card_follow(arg);
}

static void save(void *arg, struct snap_out *out)
{
	vga_card_save(arg, out);
}

static int load(void *arg, const struct snap *s, struct err *e)
{
	return vga_card_load(arg, s, e);
}

struct virtio_pci_mate vga_card_mate(struct vga_card *c)
{
	return (struct virtio_pci_mate){.arg = c,
					.join = join,
					.read = bar_read,
					.write = bar_write,
					.configured = configured,
					.save = save,
					.load = load};
}

/* The same for a function of its own. */
static uint64_t on_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	return bar_read(d->opaque, bar, offset, size);
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
		     uint64_t value)
{
	bar_write(d->opaque, bar, offset, size, value);
}

static void on_config_write(struct pci_dev *d, unsigned offset, unsigned size)
{
	(void)offset;
	(void)size;
	vga_card_follow(d->opaque);
}

static void on_save(struct pci_dev *d, struct snap_out *out)
{
	vga_card_save(d->opaque, out);
}

static int on_load(struct pci_dev *d, const struct snap *s, struct err *e)
{
	return vga_card_load(d->opaque, s, e);
}

int vga_card_plug(struct vga_card *c, struct pci_bus *bus, struct err *e)
{
	static const struct pci_ops ops = {.bar_read = on_read,
					   .bar_write = on_write,
					   .config_write = on_config_write,
					   .save = on_save,
					   .load = on_load};
	int r;

	c->dev = (struct pci_dev){.name = "vga",
				  .vendor = 0x1234,
				  .device = 0x1111,
				  .subvendor = 0x1af4,
				  .subdevice = 0x1100,
				  .revision = 2,
				  .class_code = 0x030000,
				  .ops = &ops,
				  .opaque = c};
	if ((r = join(c, &c->dev)) < 0 || (r = pci_add(bus, &c->dev)) < 0)
		return err_set(e, r, "graphics card: %s", strerrorname_np(-r));
	return 0;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int add_ranges(struct vga_card *c, struct vm_io *io)
{
	int r = vm_io_add(io, true, VGA_PORTS, 32, colour_ports, c);

	if (r == 0)
		r = vm_io_add(io, true, VGA_PORTS_MONO, 16, mono_ports, c);
	if (r == 0)
		r = vm_io_add(io, true, 0x1ce, DISPI_PORTS, dispi_ports, c);
	if (r == 0)
		r = vm_io_add(io, false, VM_VGA_WINDOW, VM_VGA_WINDOW_END - VM_VGA_WINDOW, window,
			      c);
	return r;
}

int vga_card_add(struct vga_card *c, struct vm_io *io, const struct vga_host *host, uint32_t width,
		 uint32_t height, struct err *e)
{
	void *vram;
	int r;

	memset(c, 0, sizeof(*c));
	c->fd = c->vram_fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	vram = map_memory("vram", VGA_VRAM, &c->vram_fd);
	if (!vram)
		return err_set(e, -errno, "video memory: %m");
	vga_init(&c->vga, vram);
	c->host = *host;
	edid_make(c->edid, width, height);
	r = add_ranges(c, io);
	return r < 0 ? err_set(e, r, "graphics card: %s", strerrorname_np(-r)) : 0;
}

int vga_card_show(struct vga_card *c, struct loop *loop, struct surface_server *surface,
		  void (*frame)(void *), void *arg, struct err *e)
{
	c->surface = surface;
	c->frame = frame;
	c->arg = arg;
	c->timer = loop_timer_add(loop, FRAME_MS, on_timer, c);
	return c->timer ? 0 : err_set(e, -ENOMEM, "graphics card: out of memory");
}

void vga_card_fini(struct vga_card *c)
{
	if (!c->vga.vram)
		return;
	loop_timer_del(c->timer);
	if (c->pci == &c->dev)
		pci_dev_fini(&c->dev);
	if (c->pixels)
		munmap(c->pixels, c->bytes);
	cleanup_close_fn(&c->fd);
	munmap(c->vga.vram, VGA_VRAM);
	cleanup_close_fn(&c->vram_fd);
	c->vga.vram = NULL;
	pthread_mutex_destroy(&c->lock);
}
