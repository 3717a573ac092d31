/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The device core of virtio.h: what every device and every transport agree on. The order of steps
 * a driver must keep (virtio 1.2 §3.1.1) is enforced where ignoring it would hurt us: features are
 * frozen by FEATURES_OK, queues work only after DRIVER_OK and not once the device needs a reset.
 */
#include "vmm/virtio/virtio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/loop.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtio_pci.h"

#define VIRTIO_F_ALL                                                                               \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED)

int virtio_dev_init(struct virtio_dev *d, const struct virtio_env *env, struct err *e)
{
	int rc = 0;

	if (d->queues == 0 || d->queues > VIRTIO_QUEUES)
		return err_set(e, -EINVAL, "%s: %u queues", d->name, d->queues);
	d->env = *env;
	d->offered |= VIRTIO_F_ALL;
	for (unsigned i = 0; i < d->queues; i++)
		virtq_init(&d->vq[i], env->mem, d->queue_size[i]);
	rc = pthread_mutex_init(&d->lock, NULL);
	if (rc)
		return err_set(e, -rc, "%s: no lock", d->name);
	if (env->pci)
		rc = virtio_pci_attach(d, e);
	if (rc < 0)
		pthread_mutex_destroy(&d->lock);
	return rc;
}

static void reset_locked(struct virtio_dev *d)
{
	d->resetting = true;
	d->ops->reset(d);
	for (unsigned i = 0; i < d->queues; i++)
		virtq_reset(&d->vq[i]);
	d->status = 0;
	d->accepted = 0;
	d->resetting = false;
}

void virtio_dev_stop(struct virtio_dev *d)
{
	if (d->pci)
		virtio_pci_detach(d);
	pthread_mutex_lock(&d->lock);
	reset_locked(d);
	pthread_mutex_unlock(&d->lock);
}

void virtio_dev_fini(struct virtio_dev *d)
{
	virtio_dev_stop(d);
	pthread_mutex_destroy(&d->lock);
}

bool virtio_running(const struct virtio_dev *d)
{
	return (d->status & (VIRTIO_S_DRIVER_OK | VIRTIO_S_NEEDS_RESET)) == VIRTIO_S_DRIVER_OK &&
	       !d->resetting && !d->paused;
}

void virtio_signal(struct virtio_dev *d, unsigned q)
{
	if (d->signal_queue && virtq_wants_signal(&d->vq[q]))
		d->signal_queue(d->transport, q);
}

void virtio_broken(struct virtio_dev *d, const char *why)
{
	if (d->status & VIRTIO_S_NEEDS_RESET)
		return;
	if (log_allow(&d->log, 1))
		log_warn("virtio.broken", "device=%s reason=%s", d->name, LOG_Q(why));
	d->status |= VIRTIO_S_NEEDS_RESET;
	if ((d->status & VIRTIO_S_DRIVER_OK) && d->signal_config)
		d->signal_config(d->transport);
}

bool virtio_pop(struct virtio_dev *d, unsigned q, struct virtq_chain *c)
{
	int rc;

	if (!virtio_running(d))
		return false;
	do {
		rc = virtq_pop(&d->vq[q], c);
	} while (rc == 0 && virtq_notify_enable(&d->vq[q], true));
	if (rc < 0)
		virtio_broken(d, d->vq[q].broken);
	return rc > 0;
}

void virtio_push(struct virtio_dev *d, unsigned q, const struct virtq_chain *c, uint32_t written)
{
	virtq_push(&d->vq[q], c, written);
}

void virtio_config_changed(struct virtio_dev *d)
{
	d->generation++;
	if ((d->status & VIRTIO_S_DRIVER_OK) && d->signal_config)
		d->signal_config(d->transport);
}

void virtio_again(struct virtio_dev *d, unsigned q)
{
	if (d->kick)
		d->kick(d->transport, q);
}

uint32_t virtio_features_get(struct virtio_dev *d, bool driver, uint32_t select)
{
	uint64_t v;

	pthread_mutex_lock(&d->lock);
	v = driver ? d->accepted : d->offered;
	pthread_mutex_unlock(&d->lock);
	return select > 1 ? 0 : (uint32_t)(v >> (32 * select));
}

void virtio_features_set(struct virtio_dev *d, uint32_t select, uint32_t value)
{
	pthread_mutex_lock(&d->lock);
	if (select <= 1 && !(d->status & VIRTIO_S_FEATURES_OK)) {
		unsigned shift = 32 * select;

		d->accepted &= ~(0xffffffffull << shift);
		d->accepted |= (uint64_t)value << shift;
	}
	pthread_mutex_unlock(&d->lock);
}

uint8_t virtio_status_get(struct virtio_dev *d)
{
	uint8_t v;

	pthread_mutex_lock(&d->lock);
	v = d->status;
	pthread_mutex_unlock(&d->lock);
	return v;
}

/* §2.2: FEATURES_OK stays clear when the driver accepted something we did not offer, or does not
 * speak virtio 1. */
static bool features_ok(struct virtio_dev *d)
{
	return (d->accepted & ~d->offered) == 0 && virtio_has(d, VIRTIO_F_VERSION_1);
}

/* Buffers may wait already, their notifications passed over: Linux's balloon driver offers one and
 * kicks before it says DRIVER_OK. */
static void start_locked(struct virtio_dev *d)
{
	for (unsigned i = 0; i < d->queues; i++) {
		struct virtq *q = &d->vq[i];

		if (q->enabled && virtq_notify_enable(q, true))
			virtio_again(d, i);
	}
	if (d->ops->start)
		d->ops->start(d);
}

void virtio_status_set(struct virtio_dev *d, uint8_t status)
{
	uint8_t old;

	pthread_mutex_lock(&d->lock);
	old = d->status;
	if (d->resetting) {
		pthread_mutex_unlock(&d->lock);
		return;
	}
	if (status == 0) {
		reset_locked(d);
		pthread_mutex_unlock(&d->lock);
		return;
	}
	/* Bits are only ever added by the driver (§2.1.1); NEEDS_RESET is ours. */
	status = (uint8_t)((status & ~VIRTIO_S_NEEDS_RESET) | old);
	if ((status & ~old & VIRTIO_S_FEATURES_OK) && !features_ok(d))
		status &= (uint8_t)~VIRTIO_S_FEATURES_OK;
	if (!(status & VIRTIO_S_FEATURES_OK))
		status &= (uint8_t)~VIRTIO_S_DRIVER_OK;
	d->status = status;
	if (status & ~old & VIRTIO_S_DRIVER_OK)
		start_locked(d);
	pthread_mutex_unlock(&d->lock);
}

void virtio_config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	memset(dst, 0, n);
	if (off >= d->config_bytes || !d->ops->config_read)
		return;
	if (n > d->config_bytes - off)
		n = d->config_bytes - off;
	pthread_mutex_lock(&d->lock);
	d->ops->config_read(d, off, dst, n);
	pthread_mutex_unlock(&d->lock);
}

void virtio_config_write(struct virtio_dev *d, uint32_t off, const void *src, uint32_t n)
{
	if (off >= d->config_bytes || n > d->config_bytes - off || !d->ops->config_write)
		return;
	pthread_mutex_lock(&d->lock);
	d->ops->config_write(d, off, src, n);
	pthread_mutex_unlock(&d->lock);
}

void virtio_queue_enable(struct virtio_dev *d, unsigned q)
{
	struct virtq *vq = &d->vq[q];

	pthread_mutex_lock(&d->lock);
	if (!d->resetting && (d->status & VIRTIO_S_FEATURES_OK)) {
		vq->event_idx = virtio_has(d, VIRTIO_F_EVENT_IDX);
		vq->packed = virtio_has(d, VIRTIO_F_RING_PACKED);
		vq->indirect = virtio_has(d, VIRTIO_F_INDIRECT_DESC);
		if (virtq_enable(vq) < 0)
			virtio_broken(d, vq->broken);
	}
	pthread_mutex_unlock(&d->lock);
}

void virtio_notify(struct virtio_dev *d, unsigned q)
{
	pthread_mutex_lock(&d->lock);
	if (q < d->queues && virtio_running(d))
		d->ops->notify(d, q);
	pthread_mutex_unlock(&d->lock);
}
