/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graphics card in a snapshot: the registers, and the pages of video memory that hold
 * something. What the surface shows is drawn again from them. The vCPUs are parked.
 */
#include <errno.h>
#include <string.h>
#include "vmm/pc/vga_card.h"
#include "vmm/snapshot/section.h"

#define NAME	"vga"
#define VERSION 1

enum {
	PAGE = 4096,
	NO_PAGE = 0xffffffff,
	SEQ_MASK = 7,
	GR_MASK = 15,
	D_ID = 0,
	D_BANK = 5
};

static bool holds(const uint8_t *page)
{
	return page[0] || memcmp(page, page + 1, PAGE - 1) != 0;
}

static void save_registers(const struct vga *v, struct snap_out *out)
{
	const uint8_t some[] = {v->misc,     v->feature,   v->status1, v->seq_i,    v->gr_i,
				v->cr_i,     v->ar_i,	   v->ar_data, v->dac_read, v->dac_write,
				v->dac_part, v->dac_state, v->dac_mask};

	snap_put_bytes(out, some, sizeof(some));
	snap_put_bytes(out, v->seq, sizeof(v->seq));
	snap_put_bytes(out, v->gr, sizeof(v->gr));
	snap_put_bytes(out, v->cr, sizeof(v->cr));
	snap_put_bytes(out, v->ar, sizeof(v->ar));
	snap_put_bytes(out, v->dac, sizeof(v->dac));
	snap_put_bytes(out, v->dac_new, sizeof(v->dac_new));
	snap_put_bytes(out, v->latch, sizeof(v->latch));
	snap_put_u16(out, v->dispi_i);
	for (unsigned i = 0; i < VGA_DISPI_INDEXS; i++)
		snap_put_u16(out, v->dispi[i]);
}

static void load_registers(struct vga *v, struct snap_in *in)
{
	uint8_t *const some[] = {&v->misc,     &v->feature,   &v->status1,  &v->seq_i,
				 &v->gr_i,     &v->cr_i,      &v->ar_i,	    NULL,
				 &v->dac_read, &v->dac_write, &v->dac_part, &v->dac_state,
				 &v->dac_mask};

	for (unsigned i = 0; i < sizeof(some) / sizeof(*some); i++) {
		uint8_t b = snap_u8(in);

		if (some[i])
			*some[i] = b;
		else
			v->ar_data = b;
	}
	snap_bytes(in, v->seq, sizeof(v->seq));
	snap_bytes(in, v->gr, sizeof(v->gr));
	snap_bytes(in, v->cr, sizeof(v->cr));
	snap_bytes(in, v->ar, sizeof(v->ar));
	snap_bytes(in, v->dac, sizeof(v->dac));
	snap_bytes(in, v->dac_new, sizeof(v->dac_new));
	snap_bytes(in, v->latch, sizeof(v->latch));
	v->dispi_i = snap_u16(in);
	for (unsigned i = 0; i < VGA_DISPI_INDEXS; i++)
		v->dispi[i] = snap_u16(in);
	/* What the ports could not have stored (vga.c indexes by these). */
	if (v->seq_i > SEQ_MASK || v->gr_i > GR_MASK || v->dac_part > 2 ||
	    v->dispi[D_BANK] >= VGA_VRAM >> 16)
		snap_refuse(in);
}

static void load_memory(uint8_t *vram, struct snap_in *in)
{
	uint32_t n;

	memset(vram, 0, VGA_VRAM);
	while (!in->bad && (n = snap_u32(in)) != NO_PAGE) {
		if (n >= VGA_PAGES)
			snap_refuse(in);
		else
			snap_bytes(in, vram + (size_t)n * PAGE, PAGE);
	}
}

void vga_card_save(struct vga_card *c, struct snap_out *out)
{
	pthread_mutex_lock(&c->lock);
	snap_begin(out, NAME, c->pci->slot, VERSION);
	snap_put_bytes(out, c->edid, sizeof(c->edid));
	save_registers(&c->vga, out);
	for (uint32_t n = 0; n < VGA_PAGES; n++) {
		if (!holds(c->vga.vram + (size_t)n * PAGE))
			continue;
		snap_put_u32(out, n);
		snap_put_bytes(out, c->vga.vram + (size_t)n * PAGE, PAGE);
	}
	snap_put_u32(out, NO_PAGE);
	snap_end(out);
	pthread_mutex_unlock(&c->lock);
}

int vga_card_load(struct vga_card *c, const struct snap *s, struct err *e)
{
	struct snap_in in;
	struct vga v = {0};
	int r = snap_find(s, NAME, c->pci->slot, VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	snap_bytes(&in, c->edid, sizeof(c->edid));
	load_registers(&v, &in);
	load_memory(c->vga.vram, &in);
	r = snap_done(&in, e);
	v.vram = c->vga.vram;
	v.redraw = true;
	if (r == 0)
		c->vga = v;
	pthread_mutex_unlock(&c->lock);
	vga_card_follow(c);
	return r;
}
