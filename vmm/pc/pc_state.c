/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Saving and loading, field by field; see pc_state.h.
 */
#include "vmm/pc/pc_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "vmm/pc/fw_cfg.h"
#include "vmm/pc/i8042.h"
#include "vmm/pc/pflash.h"
#include "vmm/pc/q35.h"
#include "vmm/snapshot/section.h"

#define VERSION 1

/* ---- fw_cfg ---------------------------------------------------------------------------------- */

void fw_cfg_save(struct fw_cfg *f, struct snap_out *out)
{
	pthread_mutex_lock(&f->lock);
	snap_begin(out, "fw_cfg", 0, VERSION);
	snap_put_u16(out, f->selector);
	snap_put_u32(out, f->at);
	snap_put_u32(out, f->dma_high);
	snap_put_u32(out, f->n);
	for (unsigned i = 0; i < f->n; i++) {
		const struct fw_cfg_item *it = &f->item[i];

		snap_put_u16(out, it->key);
		snap_put_u8(out, it->writable);
		snap_put_text(out, it->name);
		snap_put_u32(out, it->size);
		snap_put_bytes(out, it->data, it->size);
	}
	snap_end(out);
	pthread_mutex_unlock(&f->lock);
}

static int load_item(struct fw_cfg *f, struct snap_in *in)
{
	struct fw_cfg_item *it = &f->item[f->n];
	const uint8_t *bytes;

	*it = (struct fw_cfg_item){.key = snap_u16(in), .writable = snap_u8(in)};
	snap_text(in, it->name, sizeof(it->name));
	it->size = snap_u32(in);
	bytes = snap_view(in, it->size);
	if (in->bad)
		return -EBADMSG;
	it->data = malloc(it->size ? it->size : 1);
	if (!it->data)
		return -ENOMEM;
	if (it->size)
		memcpy(it->data, bytes, it->size);
	f->n++;
	return 0;
}

int fw_cfg_load(struct fw_cfg *f, const struct snap *s, struct err *e)
{
	struct snap_in in;
	uint32_t n;
	int r = snap_find(s, "fw_cfg", 0, VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&f->lock);
	while (f->n)
		free(f->item[--f->n].data);
	f->selector = snap_u16(&in);
	f->at = snap_u32(&in);
	f->dma_high = snap_u32(&in);
	n = snap_u32(&in);
	if (n > FW_CFG_ITEMS)
		snap_refuse(&in);
	while (!in.bad && r == 0 && f->n < n)
		r = load_item(f, &in);
	pthread_mutex_unlock(&f->lock);
	return r == -ENOMEM ? err_set(e, r, "fw_cfg: out of memory") : snap_done(&in, e);
}

/* ---- the keyboard controller ----------------------------------------------------------------- */

static void put_queue(struct snap_out *out, const struct i8042_queue *q)
{
	snap_put_u8(out, (uint8_t)q->n);
	for (unsigned i = 0; i < q->n; i++)
		snap_put_u8(out, q->byte[(q->first + i) % I8042_QUEUE]);
}

static void get_queue(struct snap_in *in, struct i8042_queue *q)
{
	q->first = 0;
	q->n = snap_u8(in);
	if (q->n > I8042_QUEUE)
		snap_refuse(in);
	else
		snap_bytes(in, q->byte, q->n);
}

void i8042_save(struct i8042 *k, struct snap_out *out)
{
	pthread_mutex_lock(&k->lock);

	const uint8_t byte[] = {k->status,	k->mode,    k->out,	      k->command,
				k->kbd_command, k->set,	    k->mouse_command, k->resolution,
				k->rate,	k->buttons, k->scanning,      k->broken,
				k->reporting,	k->remote,  k->wrap,	      k->scaled,
				k->wheel,	k->moved,   k->irq_level[0],  k->irq_level[1]};

	snap_begin(out, "i8042", 0, VERSION);
	snap_put_bytes(out, byte, sizeof(byte));
	snap_put_bytes(out, k->ram, sizeof(k->ram));
	snap_put_bytes(out, k->rates, sizeof(k->rates));
	snap_put_bytes(out, k->want, sizeof(k->want));
	snap_put_bytes(out, k->told, sizeof(k->told));
	put_queue(out, &k->reply);
	put_queue(out, &k->keyboard);
	put_queue(out, &k->mouse);
	snap_put_u32(out, (uint32_t)k->dx);
	snap_put_u32(out, (uint32_t)k->dy);
	snap_put_u32(out, (uint32_t)k->dz);
	snap_end(out);
	pthread_mutex_unlock(&k->lock);
}

static int32_t get_way(struct snap_in *in)
{
	int32_t v = (int32_t)snap_u32(in);

	if (v > 8192 || v < -8192) /* the device keeps no more */
		snap_refuse(in);
	return v;
}

static void load_keyboard(struct i8042 *k, struct snap_in *in)
{
	uint8_t *const byte[] = {&k->status,	  &k->mode,   &k->out,		 &k->command,
				 &k->kbd_command, &k->set,    &k->mouse_command, &k->resolution,
				 &k->rate,	  &k->buttons};
	bool *const flag[] = {&k->scanning,	&k->broken,	 &k->reporting, &k->remote,
			      &k->wrap,		&k->scaled,	 &k->wheel,	&k->moved,
			      &k->irq_level[0], &k->irq_level[1]};

	for (unsigned i = 0; i < ARRAY_LEN(byte); i++)
		*byte[i] = snap_u8(in);
	for (unsigned i = 0; i < ARRAY_LEN(flag); i++)
		*flag[i] = snap_u8(in);
	snap_bytes(in, k->ram, sizeof(k->ram));
	snap_bytes(in, k->rates, sizeof(k->rates));
	snap_bytes(in, k->want, sizeof(k->want));
	snap_bytes(in, k->told, sizeof(k->told));
	get_queue(in, &k->reply);
	get_queue(in, &k->keyboard);
	get_queue(in, &k->mouse);
	k->dx = get_way(in);
	k->dy = get_way(in);
	k->dz = get_way(in);
}

int i8042_load(struct i8042 *k, const struct snap *s, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, "i8042", 0, VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&k->lock);
	load_keyboard(k, &in);
	r = snap_done(&in, e);
	for (unsigned i = 0; i < 2 && r == 0; i++)
		k->irq(k->arg, i == 1, k->irq_level[i]);
	pthread_mutex_unlock(&k->lock);
	return r;
}

/* ---- chipset and flash ----------------------------------------------------------------------- */

void q35_save(struct q35 *q, struct snap_out *out)
{
	snap_begin(out, "smi", 0, VERSION);
	snap_put_u32(out, __atomic_load_n(&q->smi_en, __ATOMIC_RELAXED));
	snap_end(out);
}

int q35_load(struct q35 *q, const struct snap *s, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, "smi", 0, VERSION, &in, e);

	if (r < 0)
		return r;
	__atomic_store_n(&q->smi_en, snap_u32(&in), __ATOMIC_RELAXED);
	return snap_done(&in, e);
}

void pflash_save(struct pflash *p, struct snap_out *out)
{
	pthread_mutex_lock(&p->lock);
	snap_begin(out, "flash", 0, VERSION);
	snap_put_u8(out, p->command);
	snap_put_u8(out, p->status);
	snap_end(out);
	pthread_mutex_unlock(&p->lock);
}

int pflash_load(struct pflash *p, const struct snap *s, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, "flash", 0, VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&p->lock);
	p->command = snap_u8(&in);
	p->status = snap_u8(&in);
	pflash_show(p);
	pthread_mutex_unlock(&p->lock);
	return snap_done(&in, e);
}
