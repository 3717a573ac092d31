/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A virtio device in a snapshot: status, features, queues (addresses and indices; the rings
 * themselves are guest RAM), then the device's own state. Loading believes nothing: features must
 * be offered here, rings must lie in RAM, indices are any 16 bits as the guest could have made
 * them. A paused device has no chain out, so none is saved. Main loop; everything under d->lock.
 */
#include <stdlib.h>
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio.h"

void virtio_dev_pause(struct virtio_dev *d)
{
	pthread_mutex_lock(&d->lock);
	d->paused = true;
	if (d->ops->drain)
		d->ops->drain(d);
	pthread_mutex_unlock(&d->lock);
}

/* Whatever came or waited meanwhile is found by looking at every queue. */
void virtio_dev_resume(struct virtio_dev *d)
{
	pthread_mutex_lock(&d->lock);
	d->paused = false;
	for (unsigned i = 0; i < d->queues; i++)
		if (virtio_running(d) && d->vq[i].enabled)
			virtio_again(d, i);
	pthread_mutex_unlock(&d->lock);
}

/* The byte that was once only "indirect": a reader of then refuses the packed ring by the driver's
 * features, which it does not offer. */
enum {
	Q_INDIRECT = 1,
	Q_PACKED = 2,
	Q_AVAIL_WRAP = 4,
	Q_USED_WRAP = 8
};

static uint8_t layout(const struct virtq *q)
{
	return (uint8_t)((q->indirect ? Q_INDIRECT : 0) | (q->packed ? Q_PACKED : 0) |
			 (q->packed && q->avail_wrap ? Q_AVAIL_WRAP : 0) |
			 (q->packed && q->used_wrap ? Q_USED_WRAP : 0));
}

static void queue_save(const struct virtq *q, struct snap_out *out)
{
	snap_put_u16(out, q->size);
	snap_put_u16(out, q->vector);
	snap_put_u8(out, q->enabled);
	snap_put_u8(out, q->event_idx);
	snap_put_u8(out, layout(q));
	snap_put_u64(out, q->desc_gpa);
	snap_put_u64(out, q->avail_gpa);
	snap_put_u64(out, q->used_gpa);
	snap_put_u16(out, q->avail_next);
	snap_put_u16(out, q->used_next);
	snap_put_u16(out, q->signalled);
	snap_put_u8(out, q->signalled_valid);
}

static void queue_load(struct virtq *q, struct snap_in *in)
{
	bool enabled;
	uint8_t how;

	q->size = snap_u16(in);
	q->vector = snap_u16(in);
	enabled = snap_u8(in);
	q->event_idx = snap_u8(in);
	how = snap_u8(in);
	q->indirect = (how & Q_INDIRECT) != 0;
	q->packed = (how & Q_PACKED) != 0;
	q->avail_wrap = (how & Q_AVAIL_WRAP) != 0;
	q->used_wrap = (how & Q_USED_WRAP) != 0;
	q->desc_gpa = snap_u64(in);
	q->avail_gpa = snap_u64(in);
	q->used_gpa = snap_u64(in);
	q->avail_next = snap_u16(in);
	q->used_next = snap_u16(in);
	q->signalled = snap_u16(in);
	q->signalled_valid = snap_u8(in);
	if (enabled && !in->bad && virtq_enable(q) < 0)
		snap_refuse(in);
}

void virtio_dev_save(struct virtio_dev *d, struct snap_out *out)
{
	pthread_mutex_lock(&d->lock);
	snap_put_u8(out, d->status);
	snap_put_u8(out, d->generation);
	snap_put_u64(out, d->accepted);
	snap_put_u32(out, d->queues);
	for (unsigned i = 0; i < d->queues; i++)
		queue_save(&d->vq[i], out);
	if (d->ops->save)
		d->ops->save(d, out);
	pthread_mutex_unlock(&d->lock);
}

void virtio_dev_load(struct virtio_dev *d, struct snap_in *in)
{
	pthread_mutex_lock(&d->lock);
	d->status = snap_u8(in);
	d->generation = snap_u8(in);
	d->accepted = snap_u64(in);
	if ((d->accepted & ~d->offered) || snap_u32(in) != d->queues)
		snap_refuse(in);
	d->paused = true; /* until virtio_dev_resume() */
	for (unsigned i = 0; i < d->queues && !in->bad; i++)
		queue_load(&d->vq[i], in);
	if (d->ops->load && !in->bad)
		d->ops->load(d, in);
	pthread_mutex_unlock(&d->lock);
}

uint32_t virtio_dev_state_version(const struct virtio_dev *d)
{
	return d->ops->state_version ? d->ops->state_version : 1;
}
