/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modern virtio over PCI (virtio 1.2 §4.1). BAR 4 holds, a page each, the common configuration, the
 * ISR byte, the device's configuration and one notification address a queue; BAR 1 is the MSI-X
 * table. The same structures are reachable through configuration space (§4.1.4.9).
 *
 * Threads: the bar_* and config_* operations run on vCPU threads under pci_lock(); on_kick() in the
 * queue's loop; the signal functions on any thread under the device lock, which also guards
 * everything in struct virtio_pci.
 */
#include "vmm/virtio/virtio_pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/loop.h"
#include "common/wire.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio.h"

enum {
	BAR_MSIX = 1,
	BAR_REGS = 4,
	REGS_BYTES = 0x4000,
	AT_COMMON = 0x0000,
	AT_ISR = 0x1000,
	AT_DEVICE = 0x2000,
	AT_NOTIFY = 0x3000,
	PAGE = 0x1000,
	NOTIFY_STEP = 4,
	NO_VECTOR = 0xffff
};

/* struct virtio_pci_cap, §4.1.4 */
enum {
	CAP_VENDOR = 0x09,
	CAP_COMMON = 1,
	CAP_NOTIFY = 2,
	CAP_ISR = 3,
	CAP_DEVICE = 4,
	CAP_PCI_CFG = 5,
	CAP_BYTES = 16
};

/* struct virtio_pci_common_cfg, §4.1.4.3 */
enum {
	C_DEVICE_FEATURE_SELECT = 0x00,
	C_DEVICE_FEATURE = 0x04,
	C_DRIVER_FEATURE_SELECT = 0x08,
	C_DRIVER_FEATURE = 0x0c,
	C_CONFIG_VECTOR = 0x10,
	C_NUM_QUEUES = 0x12,
	C_STATUS = 0x14,
	C_GENERATION = 0x15,
	C_QUEUE_SELECT = 0x16,
	C_QUEUE_SIZE = 0x18,
	C_QUEUE_VECTOR = 0x1a,
	C_QUEUE_ENABLE = 0x1c,
	C_QUEUE_NOTIFY_OFF = 0x1e,
	C_QUEUE_DESC = 0x20,
	C_QUEUE_DRIVER = 0x28,
	C_QUEUE_DEVICE = 0x30,
	C_BYTES = 0x38
};

enum {
	ISR_QUEUE = 1,
	ISR_CONFIG = 2
};

struct kick {
	struct virtio_pci *vp;
	unsigned queue;
	int fd; /* eventfd, owned */
	struct loop_io *io;
};

struct virtio_pci {
	struct pci_dev pci;
	struct virtio_dev *dev; /* borrowed: the owner of this */
	struct kick kick[VIRTIO_QUEUES];
	unsigned cfg_cap; /* offset of the PCI configuration access capability */

	/* Registers; dev->lock. */
	uint32_t device_select, driver_select;
	uint16_t queue_select, config_vector;
	uint8_t isr;
};

/* ---- interrupts ----------------------------------------------------------------------------- */

static void signal_vector(struct virtio_pci *vp, uint16_t vector, uint8_t isr)
{
	if (pci_msix_enabled(&vp->pci)) {
		if (vector != NO_VECTOR)
			(void)pci_msix_signal(&vp->pci, vector);
		return;
	}
	vp->isr |= isr;
	pci_intx(&vp->pci, true);
}

static void signal_queue(void *arg, unsigned q)
{
	struct virtio_pci *vp = arg;

	signal_vector(vp, vp->dev->vq[q].vector, ISR_QUEUE);
}

static void signal_config(void *arg)
{
	struct virtio_pci *vp = arg;

	signal_vector(vp, vp->config_vector, ISR_CONFIG);
}

static uint8_t isr_take(struct virtio_pci *vp)
{
	uint8_t v;

	pthread_mutex_lock(&vp->dev->lock);
	v = vp->isr;
	vp->isr = 0;
	pci_intx(&vp->pci, false);
	pthread_mutex_unlock(&vp->dev->lock);
	return v;
}

/* ---- notifications -------------------------------------------------------------------------- */

static void kick_write(struct virtio_pci *vp, unsigned q)
{
	uint64_t one = 1;

	/* Full means already signalled. */
	if (q < vp->dev->queues && write(vp->kick[q].fd, &one, sizeof(one)) < 0)
		return;
}

static void kick_op(void *arg, unsigned q)
{
	kick_write(arg, q);
}

static void on_kick(void *arg, int fd, unsigned events)
{
	struct kick *k = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		virtio_notify(k->vp->dev, k->queue);
}

/* ---- the common configuration --------------------------------------------------------------- */

static void common_image(struct virtio_pci *vp, uint8_t img[C_BYTES])
{
	struct virtio_dev *d = vp->dev;
	uint32_t offered = virtio_features_get(d, false, vp->device_select);
	uint32_t accepted = virtio_features_get(d, true, vp->driver_select);

	memset(img, 0, C_BYTES);
	pthread_mutex_lock(&d->lock);
	put_le32(img + C_DEVICE_FEATURE_SELECT, vp->device_select);
	put_le32(img + C_DEVICE_FEATURE, offered);
	put_le32(img + C_DRIVER_FEATURE_SELECT, vp->driver_select);
	put_le32(img + C_DRIVER_FEATURE, accepted);
	put_le16(img + C_CONFIG_VECTOR, vp->config_vector);
	put_le16(img + C_NUM_QUEUES, (uint16_t)d->queues);
	img[C_STATUS] = d->status;
	img[C_GENERATION] = d->generation;
	put_le16(img + C_QUEUE_SELECT, vp->queue_select);
	/* A queue that does not exist has size 0 (§4.1.4.3.1). */
	if (vp->queue_select < d->queues) {
		const struct virtq *q = &d->vq[vp->queue_select];

		put_le16(img + C_QUEUE_SIZE, q->size);
		put_le16(img + C_QUEUE_VECTOR, q->vector);
		put_le16(img + C_QUEUE_ENABLE, q->enabled);
		put_le16(img + C_QUEUE_NOTIFY_OFF, vp->queue_select);
		put_le64(img + C_QUEUE_DESC, q->desc_gpa);
		put_le64(img + C_QUEUE_DRIVER, q->avail_gpa);
		put_le64(img + C_QUEUE_DEVICE, q->used_gpa);
	}
	pthread_mutex_unlock(&d->lock);
}

static uint16_t checked_vector(const struct virtio_pci *vp, uint32_t v)
{
	return v < vp->pci.msix.vectors ? (uint16_t)v : NO_VECTOR;
}

static void put_half(uint64_t *v, bool high, uint32_t half)
{
	*v = high ? (*v & 0xffffffffull) | (uint64_t)half << 32 : (*v & ~0xffffffffull) | half;
}

/* Registers of the selected queue; ignored while it runs, except for its vector. */
static void queue_write(struct virtio_pci *vp, uint64_t off, uint32_t v)
{
	struct virtio_dev *d = vp->dev;
	struct virtq *q;

	if (vp->queue_select >= d->queues)
		return;
	q = &d->vq[vp->queue_select];
	if (off == C_QUEUE_VECTOR) {
		q->vector = checked_vector(vp, v);
		return;
	}
	if (q->enabled)
		return;
	switch (off) {
	case C_QUEUE_SIZE:
		q->size = (uint16_t)v;
		break;
	case C_QUEUE_DESC:
	case C_QUEUE_DESC + 4:
		put_half(&q->desc_gpa, off != C_QUEUE_DESC, v);
		break;
	case C_QUEUE_DRIVER:
	case C_QUEUE_DRIVER + 4:
		put_half(&q->avail_gpa, off != C_QUEUE_DRIVER, v);
		break;
	case C_QUEUE_DEVICE:
	case C_QUEUE_DEVICE + 4:
		put_half(&q->used_gpa, off != C_QUEUE_DEVICE, v);
		break;
	default:
		break;
	}
}

static void status_write(struct virtio_pci *vp, uint8_t status)
{
	virtio_status_set(vp->dev, status);
	if (status)
		return;
	pthread_mutex_lock(&vp->dev->lock);
	vp->isr = 0;
	vp->config_vector = NO_VECTOR;
	vp->queue_select = 0;
	vp->device_select = vp->driver_select = 0;
	pci_intx(&vp->pci, false);
	pthread_mutex_unlock(&vp->dev->lock);
}

static void common_write(struct virtio_pci *vp, uint64_t off, uint32_t v)
{
	struct virtio_dev *d = vp->dev;

	/* These take the lock themselves. */
	switch (off) {
	case C_DRIVER_FEATURE:
		virtio_features_set(d, vp->driver_select, v);
		return;
	case C_STATUS:
		status_write(vp, (uint8_t)v);
		return;
	case C_QUEUE_ENABLE:
		if (v == 1 && vp->queue_select < d->queues)
			virtio_queue_enable(d, vp->queue_select);
		return;
	default:
		break;
	}
	pthread_mutex_lock(&d->lock);
	switch (off) {
	case C_DEVICE_FEATURE_SELECT:
		vp->device_select = v;
		break;
	case C_DRIVER_FEATURE_SELECT:
		vp->driver_select = v;
		break;
	case C_CONFIG_VECTOR:
		vp->config_vector = checked_vector(vp, v);
		break;
	case C_QUEUE_SELECT:
		vp->queue_select = (uint16_t)v;
		break;
	default:
		queue_write(vp, off, v);
		break;
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- the guest's accesses ------------------------------------------------------------------- */

static void regs_read(struct virtio_pci *vp, uint64_t off, uint8_t *out, unsigned size)
{
	uint8_t img[C_BYTES];

	memset(out, 0, size);
	switch (off & ~(uint64_t)(PAGE - 1)) {
	case AT_COMMON:
		if (!range_ok(off, size, C_BYTES))
			return;
		common_image(vp, img);
		memcpy(out, img + off, size);
		break;
	case AT_ISR:
		if (off == AT_ISR)
			out[0] = isr_take(vp);
		break;
	case AT_DEVICE:
		virtio_config_read(vp->dev, (uint32_t)(off - AT_DEVICE), out, size);
		break;
	default:
		break;
	}
}

static void regs_write(struct virtio_pci *vp, uint64_t off, const uint8_t *in, unsigned size)
{
	switch (off & ~(uint64_t)(PAGE - 1)) {
	case AT_COMMON:
		if (!range_ok(off, size, C_BYTES))
			return;
		if (size == 8) {
			common_write(vp, off, get_le32(in));
			common_write(vp, off + 4, get_le32(in + 4));
		} else {
			common_write(vp, off,
				     size == 4	 ? get_le32(in)
				     : size == 2 ? get_le16(in)
						 : in[0]);
		}
		break;
	case AT_DEVICE:
		virtio_config_write(vp->dev, (uint32_t)(off - AT_DEVICE), in, size);
		break;
	case AT_NOTIFY:
		kick_write(vp, (unsigned)((off - AT_NOTIFY) / NOTIFY_STEP));
		break;
	default:
		break;
	}
}

static const struct virtio_pci_mate *mate_of(const struct pci_dev *pd)
{
	return ((const struct virtio_pci *)pd->opaque)->dev->mate;
}

static uint64_t bar_read(struct pci_dev *pd, unsigned bar, uint64_t off, unsigned size)
{
	uint8_t b[8] = {0};

	const struct virtio_pci_mate *mate = mate_of(pd);

	if (mate && bar != BAR_REGS)
		return mate->read(mate->arg, bar, off, size);
	if (bar == BAR_REGS && size <= sizeof(b) && range_ok(off, size, REGS_BYTES))
		regs_read(pd->opaque, off, b, size);
	return get_le64(b);
}

static void bar_write(struct pci_dev *pd, unsigned bar, uint64_t off, unsigned size, uint64_t value)
{
	const struct virtio_pci_mate *mate = mate_of(pd);
	uint8_t b[8];

	put_le64(b, value);
	if (mate && bar != BAR_REGS)
		mate->write(mate->arg, bar, off, size, value);
	if (bar == BAR_REGS && size <= sizeof(b) && range_ok(off, size, REGS_BYTES))
		regs_write(pd->opaque, off, b, size);
}

/* §4.1.4.9: the guest writes bar, offset and length into the capability and then accesses the
 * window behind it. True when that describes an access we allow. */
static bool window(const struct virtio_pci *vp, unsigned cfg_off, uint32_t *off, uint32_t *len)
{
	const uint8_t *cap = vp->pci.cfg + vp->cfg_cap;

	*off = get_le32(cap + 8);
	*len = get_le32(cap + 12);
	return cfg_off == vp->cfg_cap + CAP_BYTES && cap[4] == BAR_REGS &&
	       (*len == 1 || *len == 2 || *len == 4) && *off % *len == 0 &&
	       range_ok(*off, *len, REGS_BYTES);
}

static void config_read(struct pci_dev *pd, unsigned offset, unsigned size)
{
	struct virtio_pci *vp = pd->opaque;
	uint8_t b[4] = {0};
	uint32_t off, len;

	(void)size;
	if (!window(vp, offset, &off, &len))
		return;
	regs_read(vp, off, b, len);
	pci_cfg_put(pd, vp->cfg_cap + CAP_BYTES, b, sizeof(b));
}

static void config_write(struct pci_dev *pd, unsigned offset, unsigned size)
{
	struct virtio_pci *vp = pd->opaque;
	uint32_t off, len;

	(void)size;
	if (vp->dev->mate)
		vp->dev->mate->configured(vp->dev->mate->arg);
	if (window(vp, offset, &off, &len))
		regs_write(vp, off, pd->cfg + vp->cfg_cap + CAP_BYTES, len);
}

static void reset(struct pci_dev *pd)
{
	status_write(pd->opaque, 0);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void pause_dev(struct pci_dev *pd)
{
	virtio_dev_pause(((struct virtio_pci *)pd->opaque)->dev);
}

static void resume_dev(struct pci_dev *pd)
{
	virtio_dev_resume(((struct virtio_pci *)pd->opaque)->dev);
}

static void save(struct pci_dev *pd, struct snap_out *out)
{
	struct virtio_pci *vp = pd->opaque;

	snap_begin(out, pd->name, pd->slot, virtio_dev_state_version(vp->dev));
	snap_put_u32(out, vp->device_select);
	snap_put_u32(out, vp->driver_select);
	snap_put_u16(out, vp->queue_select);
	snap_put_u16(out, vp->config_vector);
	snap_put_u8(out, vp->isr);
	virtio_dev_save(vp->dev, out);
	snap_end(out);
	if (vp->dev->mate)
		vp->dev->mate->save(vp->dev->mate->arg, out);
}

static int load(struct pci_dev *pd, const struct snap *s, struct err *e)
{
	struct virtio_pci *vp = pd->opaque;
	struct snap_in in;
	int rc = snap_find(s, pd->name, pd->slot, virtio_dev_state_version(vp->dev), &in, e);

	if (rc < 0)
		return rc;
	vp->device_select = snap_u32(&in);
	vp->driver_select = snap_u32(&in);
	vp->queue_select = snap_u16(&in);
	vp->config_vector = checked_vector(vp, snap_u16(&in));
	vp->isr = snap_u8(&in);
	virtio_dev_load(vp->dev, &in);
	for (unsigned i = 0; i < vp->dev->queues; i++)
		vp->dev->vq[i].vector = checked_vector(vp, vp->dev->vq[i].vector);
	rc = snap_done(&in, e);
	return rc == 0 && vp->dev->mate ? vp->dev->mate->load(vp->dev->mate->arg, s, e) : rc;
}

static const struct pci_ops ops = {.bar_read = bar_read,
				   .bar_write = bar_write,
				   .reset = reset,
				   .config_read = config_read,
				   .config_write = config_write,
				   .pause = pause_dev,
				   .resume = resume_dev,
				   .save = save,
				   .load = load};

/* ---- making one ----------------------------------------------------------------------------- */

static int cap_add(struct virtio_pci *vp, uint8_t type, uint32_t off, uint32_t len)
{
	uint8_t cap[CAP_BYTES + 4] = {CAP_VENDOR, 0, CAP_BYTES, type, BAR_REGS};
	uint8_t writable[CAP_BYTES + 4] = {0};
	size_t n = CAP_BYTES;

	put_le32(cap + 8, off);
	put_le32(cap + 12, len);
	if (type == CAP_NOTIFY) {
		put_le32(cap + CAP_BYTES, NOTIFY_STEP);
		n += 4;
	} else if (type == CAP_PCI_CFG) {
		writable[4] = 0xff;
		memset(writable + 8, 0xff, 12);
		n += 4;
	}
	cap[2] = (uint8_t)n;
	return pci_cap_add(&vp->pci, cap, writable, n);
}

static int add_caps(struct virtio_pci *vp)
{
	int rc = cap_add(vp, CAP_COMMON, AT_COMMON, C_BYTES);

	if (rc >= 0)
		rc = cap_add(vp, CAP_NOTIFY, AT_NOTIFY, NOTIFY_STEP * vp->dev->queues);
	if (rc >= 0)
		rc = cap_add(vp, CAP_ISR, AT_ISR, 1);
	if (rc >= 0 && vp->dev->config_bytes)
		rc = cap_add(vp, CAP_DEVICE, AT_DEVICE, vp->dev->config_bytes);
	if (rc >= 0)
		rc = cap_add(vp, CAP_PCI_CFG, 0, 0);
	if (rc >= 0)
		vp->cfg_cap = (unsigned)rc;
	return rc < 0 ? rc : 0;
}

static struct loop *loop_of(const struct virtio_dev *d, unsigned q)
{
	return d->queue_loop[q] ? d->queue_loop[q] : d->env.loop;
}

static int add_kicks(struct virtio_pci *vp)
{
	for (unsigned i = 0; i < vp->dev->queues; i++) {
		struct kick *k = &vp->kick[i];
		int rc;

		k->vp = vp;
		k->queue = i;
		k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (k->fd < 0)
			return -errno;
		k->io = loop_io_add(loop_of(vp->dev, i), k->fd, LOOP_READ, on_kick, k);
		if (!k->io)
			return -ENOMEM;
		rc = pci_bar_eventfd(&vp->pci, BAR_REGS, AT_NOTIFY + NOTIFY_STEP * i, 2, k->fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void virtio_pci_show(const struct virtio_dev *d)
{
	pci_show(&d->pci->pci);
}

unsigned virtio_pci_slot(const struct virtio_dev *d)
{
	return d->pci->pci.slot;
}

void virtio_pci_detach(struct virtio_dev *d)
{
	struct virtio_pci *vp = d->pci;

	pthread_mutex_lock(&d->lock);
	d->signal_queue = NULL;
	d->signal_config = NULL;
	d->kick = NULL;
	d->pci = NULL;
	pci_intx(&vp->pci, false); /* others share the pin */
	pthread_mutex_unlock(&d->lock);
	pci_dev_fini(&vp->pci);
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		loop_io_del(vp->kick[i].io);
		if (vp->kick[i].fd >= 0)
			close(vp->kick[i].fd);
	}
	free(vp);
}

int virtio_pci_attach(struct virtio_dev *d, struct err *e)
{
	struct virtio_pci *vp = calloc(1, sizeof(*vp));
	struct pci_dev *pd;
	int rc;

	if (!vp)
		return err_set(e, -ENOMEM, "%s: out of memory", d->name);
	vp->dev = d;
	vp->config_vector = NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		vp->kick[i].fd = -1;
	pd = &vp->pci;
	snprintf(pd->name, sizeof(pd->name), "%s", d->name);
	pd->vendor = pd->subvendor = 0x1af4;
	pd->device = (uint16_t)(0x1040 + d->id);
	pd->subdevice = 0x1100;
	pd->revision = 1;
	pd->class_code = d->class_code;
	pd->intx = true;
	pd->ops = &ops;
	pd->opaque = vp;
	d->pci = vp;
	d->transport = vp;
	d->signal_queue = signal_queue;
	d->signal_config = signal_config;
	d->kick = kick_op;
	rc = pci_bar_add(pd, BAR_REGS, PCI_BAR_MEM64, REGS_BYTES);
	if (rc >= 0)
		rc = pci_msix_add(pd, BAR_MSIX, d->queues + 1);
	if (rc >= 0 && d->mate)
		rc = d->mate->join(d->mate->arg, pd);
	if (rc >= 0)
		rc = add_caps(vp);
	if (rc >= 0)
		rc = d->env.slot ? pci_plug(d->env.pci, pd, d->env.slot) : pci_add(d->env.pci, pd);
	if (rc >= 0)
		rc = add_kicks(vp);
	if (rc < 0) {
		virtio_pci_detach(d);
		return err_set(e, rc, "%s: cannot join the PCI bus: %s", d->name, strerror(-rc));
	}
	return 0;
}
