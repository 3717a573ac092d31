/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is in the hot-plug slots; see plugged.h. A device is built out of the guest's sight, shown
 * (virtio_pci_show), then told of (hotplug_fill). An ejection arrives on a vCPU thread, which only
 * hides the device; the main thread takes it down, and until then its place is taken.
 */
#include "vmm/plugged.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/log.h"
#include "common/loop.h"
#include "vmm/hotplug.h"
#include "vmm/machine.h"
#include "vmm/pci.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/net_fd.h"
#include "vmm/virtio/virtio_blk.h"
#include "vmm/virtio/virtio_net.h"
#include "vmm/virtio/virtio_pci.h"

#define WORKERS 2

struct item {
	struct plugged *p;
	char id[PLUGGED_ID + 1]; /* "": the place is empty */
	struct virtio_blk *blk;	 /* owned, one of the two */
	struct virtio_net *net;
	struct loop_timer *timer; /* owned; while the guest is asked */
	int64_t timeout_ms;
};

struct plugged {
	struct plugged_cfg cfg;
	struct hotplug *hotplug; /* borrowed from the machine */
	struct pci_bus *pci;
	struct limit disk, net;
	struct item item[PLUGGED_MAX];
	uint8_t gone; /* ejected, to be taken down; atomic */
};

static unsigned number(const struct item *it)
{
	return (unsigned)(it - it->p->item);
}

static struct virtio_dev *dev_of(const struct item *it)
{
	return it->blk ? virtio_blk_dev(it->blk) : virtio_net_dev(it->net);
}

static void take_down(struct item *it)
{
	loop_timer_del(it->timer);
	virtio_blk_free(it->blk); /* waits for what is in flight, and flushes */
	virtio_net_free(it->net);
	*it = (struct item){.p = it->p};
}

/* ---- what the guest ejected ------------------------------------------------------------------ */

static void reap(void *arg)
{
	struct plugged *p = arg;
	uint8_t gone = __atomic_exchange_n(&p->gone, 0, __ATOMIC_ACQ_REL);

	for (unsigned i = 0; i < PLUGGED_MAX; i++) {
		struct item *it = &p->item[i];
		char id[sizeof(it->id)];

		if (!(gone & 1u << i) || !it->id[0])
			continue;
		memcpy(id, it->id, sizeof(id));
		take_down(it);
		log_info("hotplug.unplugged", "id=%s slot=%u", id, VM_HOTPLUG_SLOT + i);
		p->cfg.event(p->cfg.arg, "unplugged", id);
	}
}

/* On a vCPU thread, but for what the host takes itself. What cannot be posted is taken down with
 * the next one. */
static void on_ejected(void *arg, uint8_t slots)
{
	struct plugged *p = arg;

	for (unsigned i = 0; i < PLUGGED_MAX; i++)
		if (slots & 1u << i)
			pci_hide(p->pci, VM_HOTPLUG_SLOT + i);
	__atomic_or_fetch(&p->gone, slots, __ATOMIC_ACQ_REL);
	if (loop_post(vm_loop(p->cfg.vm), reap, p) < 0)
		log_err("hotplug.unplugged", "error=\"main loop cannot be told\"");
}

/* ---- plugging -------------------------------------------------------------------------------- */

static struct item *find(struct plugged *p, const char *id)
{
	for (unsigned i = 0; i < PLUGGED_MAX; i++)
		if (!strcmp(p->item[i].id, id))
			return &p->item[i];
	return NULL;
}

static bool id_ok(const char *id)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return id[0] && strlen(id) <= PLUGGED_ID && id[strspn(id, chars)] == 0 &&
	       strncmp(id, "pane", 4) != 0; /* the machine's own disks, by serial number */
}

static int running(const struct plugged *p, struct err *e)
{
	struct vm_status s;

	vm_status(p->cfg.vm, &s);
	return s.paused ? err_setw(e, -EBUSY, "vm.paused", "the machine is paused: resume it first")
			: 0;
}

/* An empty place for id, or NULL and -errno. */
static int place(struct plugged *p, const char *id, struct item **out, struct err *e)
{
	int r = running(p, e);

	*out = NULL;
	if (r < 0)
		return r;
	if (!id_ok(id))
		return err_setw(e, -EINVAL, "plug.id",
				"%s: give a name of 1 to %d letters, digits and ._- that does not "
				"begin with \"pane\"",
				id, PLUGGED_ID);
	if (find(p, id))
		return err_setw(e, -EEXIST, "plug.id",
				"%s is plugged already: unplug it first, or give another name", id);
	*out = find(p, "");
	return *out ? 0
		    : err_setw(e, -ENOSPC, "plug.full",
			       "all %u hot-plug slots are taken: unplug something first",
			       PLUGGED_MAX);
}

static struct virtio_env env_of(const struct plugged *p, const struct item *it)
{
	return (struct virtio_env){.mem = vm_ram(p->cfg.vm),
				   .pci = p->pci,
				   .loop = vm_loop(p->cfg.vm),
				   .slot = VM_HOTPLUG_SLOT + number(it)};
}

static void show(struct item *it, const char *id, unsigned *slot)
{
	struct plugged *p = it->p;

	snprintf(it->id, sizeof(it->id), "%s", id);
	*slot = VM_HOTPLUG_SLOT + number(it);
	log_info("hotplug.plugged", "id=%s kind=%s slot=%u", id, it->blk ? "disk" : "net", *slot);
	virtio_pci_show(dev_of(it));
	hotplug_fill(p->hotplug, number(it));
}

int plugged_disk(struct plugged *p, const char *id, int passed, bool read_only, unsigned *slot,
		 struct err *e)
{
	cleanup_close int fd = passed;
	struct virtio_blk_config c = {
		.serial = id, .workers = WORKERS, .problem = p->cfg.problem, .arg = p->cfg.arg};
	struct virtio_env env;
	struct item *it;
	int r = place(p, id, &it, e);

	if (!it)
		return r;
	c.block = block_raw_adopt(fd, id, read_only, e);
	if (!c.block)
		return -EINVAL;
	(void)steal_fd(&fd);
	env = env_of(p, it);
	it->blk = virtio_blk_new(&env, &c, e);
	if (!it->blk) {
		block_close(c.block);
		return -EIO;
	}
	virtio_blk_limit(it->blk, &p->disk);
	show(it, id, slot);
	return 0;
}

int plugged_net(struct plugged *p, const char *id, int passed, const uint8_t mac[6], unsigned *slot,
		struct err *e)
{
	cleanup_close int fd = passed;
	struct virtio_net_config c = {0};
	struct virtio_env env;
	struct item *it;
	int r = place(p, id, &it, e);

	if (!it)
		return r;
	memcpy(c.mac, mac, sizeof(c.mac));
	c.backend = net_fd_new(&fd, 1, e);
	if (!c.backend)
		return -EINVAL;
	(void)steal_fd(&fd);
	c.offloads = net_fd_offloads(c.backend);
	env = env_of(p, it);
	it->net = virtio_net_new(&env, &c, e);
	if (!it->net) {
		c.backend->ops->close(c.backend);
		return -EIO;
	}
	virtio_net_limit(it->net, &p->net);
	show(it, id, slot);
	return 0;
}

/* ---- unplugging ------------------------------------------------------------------------------ */

static void on_timeout(void *arg)
{
	struct item *it = arg;
	char text[200];

	loop_timer_del(steal_ptr(&it->timer));
	snprintf(text, sizeof(text),
		 "%s: the guest did not let go of it within %lld s and still has it: close what "
		 "uses it in there and order again, or shut the machine down",
		 it->id, (long long)((it->timeout_ms + 999) / 1000));
	log_warn("hotplug.kept", "id=%s slot=%u", it->id, VM_HOTPLUG_SLOT + number(it));
	it->p->cfg.event(it->p->cfg.arg, "unplug.failed", text);
}

int plugged_unplug(struct plugged *p, const char *id, int64_t timeout_ms, struct err *e)
{
	struct item *it = id[0] ? find(p, id) : NULL;
	int r = running(p, e);
	unsigned n;

	if (r < 0)
		return r;
	if (!it)
		return err_setw(e, -ENOENT, "plug.unknown",
				"nothing by the name %s is plugged; what the machine was started "
				"with stays",
				id);
	n = number(it);
	/* A guest that never looked, nor has a driver on it, need not be asked. */
	if (!hotplug_seen(p->hotplug, n) && virtio_status_get(dev_of(it)) == 0 &&
	    hotplug_take(p->hotplug, n)) {
		on_ejected(p, (uint8_t)(1u << n));
		return 0;
	}
	loop_timer_del(it->timer);
	it->timeout_ms = timeout_ms;
	it->timer = loop_timer_add(vm_loop(p->cfg.vm), timeout_ms, on_timeout, it);
	if (!it->timer)
		return err_set(e, -ENOMEM, "out of memory");
	hotplug_ask(p->hotplug, n);
	return 0;
}

/* ---- what there is --------------------------------------------------------------------------- */

static enum plugged_state state_of(const struct item *it)
{
	if (it->timer)
		return PLUGGED_LEAVING;
	if (virtio_status_get(dev_of(it)) & VIRTIO_S_DRIVER_OK)
		return PLUGGED_USED;
	return hotplug_seen(it->p->hotplug, number(it)) ? PLUGGED_SEEN : PLUGGED_OFFERED;
}

bool plugged_at(struct plugged *p, unsigned i, struct plugged_info *out)
{
	const struct item *it = &p->item[i];

	if (i >= PLUGGED_MAX || !it->id[0])
		return false;
	*out = (struct plugged_info){.id = it->id,
				     .kind = it->blk ? "disk" : "net",
				     .slot = VM_HOTPLUG_SLOT + i,
				     .state = state_of(it)};
	return true;
}

int plugged_check_snapshot(struct plugged *p, struct err *e)
{
	struct plugged_info info;

	for (unsigned i = 0; i < PLUGGED_MAX; i++)
		if (plugged_at(p, i, &info))
			return err_setw(e, -EBUSY, "snapshot.plugged",
					"%s was plugged in while the machine ran, and a snapshot "
					"cannot hold that: unplug it first",
					info.id);
	return 0;
}

void plugged_limit(struct plugged *p, const struct limit *disk, const struct limit *net)
{
	if (disk)
		p->disk = *disk;
	if (net)
		p->net = *net;
	for (unsigned i = 0; i < PLUGGED_MAX; i++) {
		if (disk && p->item[i].blk)
			virtio_blk_limit(p->item[i].blk, disk);
		if (net && p->item[i].net)
			virtio_net_limit(p->item[i].net, net);
	}
}

void plugged_problem(struct plugged *p, char *out, size_t n)
{
	out[0] = 0;
	for (unsigned i = 0; i < PLUGGED_MAX && !out[0]; i++)
		if (p->item[i].blk)
			virtio_blk_problem(p->item[i].blk, out, n);
}

struct plugged *plugged_new(const struct plugged_cfg *cfg, struct err *e)
{
	struct plugged *p = calloc(1, sizeof(*p));

	if (!p) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	p->cfg = *cfg;
	p->hotplug = vm_hotplug(cfg->vm);
	p->pci = vm_pci(cfg->vm);
	for (unsigned i = 0; i < PLUGGED_MAX; i++)
		p->item[i].p = p;
	hotplug_listen(p->hotplug, on_ejected, p);
	return p;
}

void plugged_free(struct plugged *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < PLUGGED_MAX; i++)
		if (p->item[i].id[0])
			take_down(&p->item[i]);
	free(p);
}
