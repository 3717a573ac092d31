/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Builds the devices from the command line and takes them down again, newest first.
 */
#include "vmm/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "common/surface_server.h"
#include "vmm/agents.h"
#include "vmm/hda.h"
#include "vmm/machine.h"
#include "vmm/pc/ahci.h"
#include "vmm/pc/nvme.h"
#include "vmm/pc/pc.h"
#include "vmm/pc/pc_seat.h"
#include "vmm/snapshot/identity.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/block_problem.h"
#include "vmm/virtio/disk_ring.h"
#include "vmm/virtio/net_fd.h"
#include "vmm/virtio/net_user.h"
#include "vmm/virtio/overlay.h"
#include "vmm/virtio/seat.h"
#include "vmm/virtio/slirp_lib.h"
#include "vmm/virtio/virtio_balloon.h"
#include "vmm/virtio/virtio_blk.h"
#include "vmm/virtio/virtio_net.h"
#include "vmm/virtio/virtio_pci.h"
#include "vmm/virtio/virtio_rng.h"
#include "vmm/vsock_door.h"

#define VM_MORE_DISKS 3
#define DISK_QUEUES   4

struct vm_devices {
	struct vm_devices_cfg cfg;
	struct virtio_env env;
	struct block *block;		   /* owned until blk has it */
	struct block *more[VM_MORE_DISKS]; /* owned until its blk_more has it */
	struct disk_ring *ring;		   /* likewise; NULL where a disk has none */
	struct disk_ring *ring_more[VM_MORE_DISKS];
	struct virtio_blk *blk; /* all owned */
	struct virtio_blk *blk_more[VM_MORE_DISKS];
	struct seat *seat;
	struct pc_seat *pc_seat; /* instead of seat, in a PC */
	struct pc *pc;		 /* borrowed; NULL without firmware */
	struct ahci *ahci;
	struct nvme *nvme;
	bool disk_port;		      /* the system disk is at port 0 of ahci */
	int cd_port;		      /* of ahci; -1: there is no CD drive */
	struct block_problem problem; /* of the disks behind those two */
	struct virtio_rng *rng;
	struct virtio_net *net;
	struct block *identity; /* borrowed from blk_identity */
	struct virtio_blk *blk_identity;
	struct virtio_balloon *balloon;
	struct hda *hda;
	struct agents *agents;
	struct vsock_door *vsock;
	uint8_t mac[6];
	int tap[NET_FD_MAX]; /* owned until net has them */
	unsigned taps;
};

/* The ring a disk shall and can have. Only who insists on one is told an error. */
static int open_ring(const struct vm_devices *d, struct block *b, const char *path,
		     struct disk_ring **ring, struct err *e)
{
	struct err why = {.msg = "as told"};

	if (d->cfg.disk_engine != VM_DISK_THREADS)
		*ring = disk_ring_new(b, &why);
	if (*ring)
		log_info("disk.engine", "engine=uring disk=%s", LOG_Q(path));
	else if (d->cfg.disk_engine == VM_DISK_URING)
		return err_setw(e, why.code, "disk.engine", "--disk-engine uring: disk %s: %s",
				path, why.msg);
	else
		log_info("disk.engine", "engine=threads disk=%s why=%s", LOG_Q(path),
			 LOG_Q(why.msg));
	return 0;
}

static int open_disk(struct vm_devices *d, struct err *e)
{
	const struct vm_devices_cfg *c = &d->cfg;

	if (c->disk_raw)
		d->block = block_raw_open(c->disk_raw, false, e);
	else if (c->disk_overlay)
		d->block = overlay_open_layered(c->disk_base, c->disk_layer, c->disk_overlay, 0, e);
	else
		return 0;
	if (!d->block)
		return -EIO;
	return open_ring(d, d->block, c->disk_raw ? c->disk_raw : c->disk_overlay, &d->ring, e);
}

static int open_more_disks(struct vm_devices *d, struct err *e)
{
	const struct vm_devices_cfg *c = &d->cfg;

	for (unsigned i = 0; i < c->n_more && i < VM_MORE_DISKS && c->more[i]; i++) {
		d->more[i] = block_raw_open(c->more[i], c->more_readonly[i], e);
		if (!d->more[i] || open_ring(d, d->more[i], c->more[i], &d->ring_more[i], e) < 0)
			return -EIO;
	}
	return 0;
}

/* The disk becomes the drive's; there is none where there is no disk. */
static int make_drive(struct vm_devices *d, struct block **block, const char *serial,
		      struct ata_drive **drive, unsigned *n, struct err *e)
{
	struct ata_drive *made;

	if (!*block)
		return 0;
	made = ata_disk_new(steal_ptr(block), serial, &d->problem);
	if (!made)
		return err_set(e, -ENOMEM, "out of memory");
	drive[(*n)++] = made;
	return 0;
}

static int make_disk_drives(struct vm_devices *d, struct ata_drive **drive, unsigned *n,
			    struct err *e)
{
	int r;

	if (d->cfg.disk_bus != VM_DISK_AHCI)
		return 0;
	d->disk_port = d->block != NULL;
	r = make_drive(d, &d->block, "pane", drive, n, e);
	for (unsigned i = 0; i < VM_MORE_DISKS && r == 0; i++) {
		const char serial[] = {
			'p', 'a', 'n', 'e', '-', 'm', 'o', 'r', 'e', '-', (char)('1' + i), 0};

		r = make_drive(d, &d->more[i], serial, drive, n, e);
	}
	return r;
}

static int make_cd_drive(struct vm_devices *d, struct ata_drive **drive, unsigned *n, struct err *e)
{
	struct block *disc;

	d->cd_port = -1;
	if (!d->pc || !d->cfg.cdrom)
		return 0;
	disc = block_raw_open(d->cfg.cdrom, true, e);
	if (!disc)
		return -EIO;
	drive[*n] = ata_cd_new(disc);
	if (!drive[*n])
		return err_set(e, -ENOMEM, "out of memory");
	d->cd_port = (int)(*n)++;
	return 0;
}

/* What is behind the SATA controller, if anything is: disks in their order, then the CD drive. */
static int add_drives(struct vm_devices *d, struct err *e)
{
	struct ata_drive *drive[AHCI_PORTS];
	struct ahci_cfg ahci = {
		.pci = d->env.pci, .mem = d->env.mem, .loop = d->env.loop, .drive = drive};
	int r = make_disk_drives(d, drive, &ahci.n, e);

	if (r == 0)
		r = make_cd_drive(d, drive, &ahci.n, e);
	if (r < 0) {
		for (unsigned i = 0; i < ahci.n; i++)
			ata_drive_free(drive[i]);
		return r;
	}
	if (!ahci.n)
		return 0;
	d->ahci = ahci_new(&ahci, e);
	return d->ahci ? 0 : -EIO;
}

/* The disks as namespaces of one controller, in their order. */
static int add_namespaces(struct vm_devices *d, struct err *e)
{
	struct nvme_cfg nvme = {
		.pci = d->env.pci, .mem = d->env.mem, .loop = d->env.loop, .problem = &d->problem};

	if (d->cfg.disk_bus != VM_DISK_NVME || !d->block)
		return 0;
	nvme.disk[nvme.n++] = steal_ptr(&d->block);
	for (unsigned i = 0; i < VM_MORE_DISKS && d->more[i]; i++)
		nvme.disk[nvme.n++] = steal_ptr(&d->more[i]);
	d->nvme = nvme_new(&nvme, e);
	return d->nvme ? 0 : -EIO;
}

/* After the system disk, so that they are vdb, vdc, … in the guest. */
static int add_more_disks(struct vm_devices *d, struct err *e)
{
	for (unsigned i = 0; i < VM_MORE_DISKS && d->more[i]; i++) {
		struct virtio_blk_config blk = {.serial = "pane-more",
						.block = d->more[i],
						.ring = d->ring_more[i],
						.problem = d->cfg.problem,
						.arg = d->cfg.arg};

		d->blk_more[i] = virtio_blk_new(&d->env, &blk, e);
		if (!d->blk_more[i])
			return -EIO;
		d->ring_more[i] = NULL;
		d->more[i] = NULL;
	}
	return 0;
}

static int add_disk(struct vm_devices *d, struct err *e)
{
	const struct virtio_blk_config blk = {.serial = "pane",
					      .block = d->block,
					      .ring = d->ring,
					      .queues = d->cfg.cpus < DISK_QUEUES ? d->cfg.cpus
										  : DISK_QUEUES,
					      .problem = d->cfg.problem,
					      .arg = d->cfg.arg};

	if (!d->block)
		return 0;
	d->blk = virtio_blk_new(&d->env, &blk, e);
	if (!d->blk)
		return -EIO;
	d->ring = NULL;
	d->block = NULL;
	return 0;
}

static void on_frame(void *arg)
{
	vm_frame(arg);
}

static void on_listen(void *arg, bool on)
{
	hda_listen(((struct vm_devices *)arg)->hda, on);
}

static int add_seat(struct vm_devices *d, struct vm *vm, struct err *e)
{
	const struct vm_devices_cfg *c = &d->cfg;
	const struct seat_listener listener = {.listen = c->heard ? on_listen : NULL, .arg = d};
	struct surface_sink clip = {0};
	const struct seat_config seat = {.surface = c->surface,
					 .width = c->width,
					 .height = c->height,
					 .frame = on_frame,
					 .arg = vm,
					 .listener = listener,
					 .clip = c->agents && c->clipboard ? &clip : NULL};

	if (!c->surface)
		return 0;
	if (seat.clip)
		agents_clip_sink(d->agents, &clip);
	if (vm_pc(vm)) {
		d->pc_seat = pc_seat_new(&d->env, vm_pc(vm), &seat, e);
		return d->pc_seat ? 0 : -EIO;
	}
	d->seat = seat_new(&d->env, &seat, e);
	return d->seat ? 0 : -EIO;
}

/* A stable, locally administered address for a desktop that was given none (FNV-1a of its name). */
static void mac_from_name(const char *name, uint8_t mac[6])
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	mac[0] = 0x52;
	mac[1] = 0x54;
	for (unsigned i = 0; i < 4; i++)
		mac[2 + i] = (uint8_t)(h >> 8 * i);
}

/* While files can be opened: add_net() finds it loaded. */
static int load_net(const struct vm_devices *d, struct err *e)
{
	struct slirp_lib lib;

	return strcmp(d->cfg.net, "user") ? 0 : slirp_lib_load(&lib, e);
}

static int add_net(struct vm_devices *d, struct err *e)
{
	const struct vm_devices_cfg *c = &d->cfg;
	const struct net_user_config user = {.hostname = c->name};
	struct virtio_net_config net = {0};

	mac_from_name(c->name, d->mac);
	if (c->mac && virtio_net_parse_mac(c->mac, d->mac, e) < 0)
		return -EINVAL;
	memcpy(net.mac, d->mac, sizeof(net.mac));
	if (d->taps > 0) {
		net.pairs = d->taps;
		net.backend = net_fd_new(d->tap, d->taps, e);
		if (!net.backend)
			return -EIO;
		d->taps = 0;
		net.offloads = net_fd_offloads(net.backend);
		net.guarded = true;
		net.guard.ip = c->net_ip;
		memcpy(net.guard.mac, d->mac, sizeof(net.guard.mac));
	} else if (!strcmp(c->net, "user")) {
		net.backend = net_user_new(&user, e);
		if (!net.backend)
			return -EIO;
	} else {
		return 0;
	}
	d->net = virtio_net_new(&d->env, &net, e);
	if (!d->net) {
		net.backend->ops->close(net.backend);
		return -EIO;
	}
	return 0;
}

static struct surface_server *surface_of(struct vm_devices *d)
{
	if (d->seat)
		return seat_surface(d->seat);
	return d->pc_seat ? pc_seat_surface(d->pc_seat) : NULL;
}

static int open_net(struct vm_devices *d, struct err *e)
{
	int r = 0;

	if (!strcmp(d->cfg.net, "tap"))
		r = net_fd_tap(d->cfg.tap, d->cfg.net_queues, d->tap, e);
	else if (!strcmp(d->cfg.net, "fd"))
		memcpy(d->tap, d->cfg.net_fd, d->cfg.net_queues * sizeof(d->tap[0]));
	else
		return 0;
	if (r < 0)
		return r;
	d->taps = d->cfg.net_queues;
	for (unsigned i = 0; i < d->taps; i++)
		if (fcntl(d->tap[i], F_SETFD, FD_CLOEXEC) < 0)
			return err_set(e, -errno, "--net: descriptor %d: %m", d->tap[i]);
	return 0;
}

static int add_sound(struct vm_devices *d, struct err *e)
{
	if (!d->cfg.sound)
		return 0;
	d->hda = hda_new(d->env.pci, d->env.mem, d->env.loop, surface_of(d), e);
	return d->hda ? 0 : -EIO;
}

/* The socket and who serves the ports; the device comes with the others. */
static int open_agents(struct vm_devices *d, struct err *e)
{
	if (!d->cfg.agents)
		return 0;
	d->agents = agents_new(d->env.loop, d->cfg.agent, e);
	return d->agents ? 0 : -EIO;
}

static int open_vsock(struct vm_devices *d, struct err *e)
{
	if (!d->cfg.vsock)
		return 0;
	d->vsock = vsock_door_new(d->env.loop, d->cfg.vsock_socket, e);
	return d->vsock ? 0 : -EIO;
}

static int add_agents(struct vm_devices *d, struct err *e)
{
	struct surface_server *surface = d->cfg.clipboard ? surface_of(d) : NULL;

	return d->agents ? agents_start(d->agents, &d->env, surface, e) : 0;
}

static int add_identity(struct vm_devices *d, struct err *e)
{
	struct virtio_blk_config blk = {.serial = IDENTITY_DISK, .workers = 1};

	if (!d->cfg.identity_bytes)
		return 0;
	blk.block = identity_disk_new(d->cfg.identity_bytes);
	if (!blk.block)
		return err_set(e, -ENOMEM, "out of memory");
	d->blk_identity = virtio_blk_new(&d->env, &blk, e);
	if (!d->blk_identity) {
		block_close(blk.block);
		return -EIO;
	}
	d->identity = blk.block;
	return 0;
}

int vm_devices_new(struct vm *vm, const struct vm_devices_cfg *c, struct vm_devices **out,
		   struct err *e)
{
	struct vm_devices *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(e, -ENOMEM, "out of memory");
	d->cfg = *c;
	d->pc = vm_pc(vm);
	d->env = (struct virtio_env){.mem = vm_ram(vm), .pci = vm_pci(vm), .loop = vm_loop(vm)};
	block_problem_init(&d->problem, c->problem, c->arg);
	if ((r = open_disk(d, e)) < 0 || (r = open_more_disks(d, e)) < 0 ||
	    (r = open_agents(d, e)) < 0 || (r = open_vsock(d, e)) < 0 ||
	    (r = add_seat(d, vm, e)) < 0 || (r = add_namespaces(d, e)) < 0 ||
	    (r = add_drives(d, e)) < 0 || (r = load_net(d, e)) < 0 || (r = open_net(d, e)) < 0) {
		vm_devices_free(d);
		return r;
	}
	*out = d;
	return 0;
}

static void boot_line(char *to, size_t n, const char *kind, unsigned slot, const char *rest)
{
	size_t at = strlen(to);

	snprintf(to + at, n - at, "/pci@i0cf8/%s@%x/%s\n", kind, slot, rest);
}

static void boot_drive(struct vm_devices *d, char *to, size_t n, unsigned port)
{
	char rest[32];

	snprintf(rest, sizeof(rest), "drive@%x/disk@0", port);
	boot_line(to, n, "pci8086,2922", d->ahci->dev.slot, rest);
}

/* Firmware knows devices by their Open Firmware paths (QEMU docs/bootindex.rst). */
static int tell_boot_order(struct vm_devices *d, struct err *e)
{
	const char *at = d->cfg.boot_order ? d->cfg.boot_order : "disk,cdrom,net";
	char lines[256] = "";

	for (; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (*at == 'd' && d->blk)
			boot_line(lines, sizeof(lines), "scsi",
				  virtio_pci_slot(virtio_blk_dev(d->blk)), "disk@0,0");
		else if (*at == 'd' && d->ahci && d->disk_port)
			boot_drive(d, lines, sizeof(lines), 0);
		else if (*at == 'd' && d->nvme) /* a name firmware knows; the slot counts */
			boot_line(lines, sizeof(lines), "pci8086,5845", nvme_slot(d->nvme),
				  "namespace@1,0");
		else if (*at == 'c' && d->ahci && d->cd_port >= 0)
			boot_drive(d, lines, sizeof(lines), (unsigned)d->cd_port);
		else if (*at == 'n' && d->net)
			boot_line(lines, sizeof(lines), "ethernet",
				  virtio_pci_slot(virtio_net_dev(d->net)), "ethernet-phy@0");
	}
	strncat(lines, "HALT", sizeof(lines) - strlen(lines) - 1); /* and nothing else */
	return pc_boot_order(d->pc, lines, e);
}

int vm_devices_start(struct vm_devices *d, struct err *e)
{
	const struct virtio_rng_config rng = {0};
	int r = add_disk(d, e);

	if (r < 0)
		return r;
	r = add_more_disks(d, e);
	if (r < 0)
		return r;
	d->rng = virtio_rng_new(&d->env, &rng, e);
	if (!d->rng)
		return -EIO;
	r = add_net(d, e);
	if (r == 0)
		r = add_identity(d, e);
	if (r == 0) {
		d->balloon = virtio_balloon_new(&d->env, e);
		r = d->balloon ? 0 : -EIO;
	}
	if (r == 0)
		r = add_sound(d, e);
	if (r == 0)
		r = add_agents(d, e);
	if (r == 0 && d->vsock)
		r = vsock_door_start(d->vsock, &d->env, e);
	if (r == 0 && d->ahci)
		r = ahci_start(d->ahci, e);
	if (r == 0 && d->nvme)
		r = nvme_start(d->nvme, e);
	return r == 0 && d->pc ? tell_boot_order(d, e) : r;
}

int vm_devices_enter(struct vm_devices *d, int (*fn)(void), struct err *e)
{
	int r = d->blk ? virtio_blk_enter(d->blk, fn) : 0;

	for (unsigned i = 0; i < VM_MORE_DISKS && r == 0; i++)
		r = d->blk_more[i] ? virtio_blk_enter(d->blk_more[i], fn) : 0;
	return r < 0 ? err_set(e, r, "a disk's jail: %s", strerror(-r)) : 0;
}

int vm_devices_check(const struct vm_devices *d, struct err *e)
{
	bool other = (d->blk && virtio_blk_is_other(d->blk)) || (d->ahci && d->ahci->other_disc);

	other |= d->nvme && nvme_is_other(d->nvme);
	for (unsigned i = 0; i < VM_MORE_DISKS; i++)
		other |= d->blk_more[i] && virtio_blk_is_other(d->blk_more[i]);
	return other ? err_setw(e, -EINVAL, "snapshot.disk",
				"the snapshot was made with other disks, or they have changed "
				"since; "
				"boot the desktop afresh")
		     : 0;
}

void vm_devices_identify(struct vm_devices *d, const struct identity *id)
{
	if (!d->identity)
		return;
	identity_disk_fill(d->identity, id);
	virtio_blk_resized(d->blk_identity);
}

void vm_devices_mac(const struct vm_devices *d, uint8_t mac[6])
{
	memcpy(mac, d->mac, sizeof(d->mac));
}

void vm_devices_free(struct vm_devices *d)
{
	if (!d)
		return;
	vsock_door_free(d->vsock);
	agents_free(d->agents); /* before the seat, whose display it speaks to */
	virtio_balloon_free(d->balloon);
	virtio_blk_free(d->blk_identity);
	if (d->net)
		virtio_net_free(d->net);
	if (d->rng)
		virtio_rng_free(d->rng);
	for (unsigned i = VM_MORE_DISKS; i-- > 0;) {
		if (d->blk_more[i])
			virtio_blk_free(d->blk_more[i]);
		disk_ring_free(d->ring_more[i]);
		block_close(d->more[i]);
	}
	if (d->blk)
		virtio_blk_free(d->blk);
	disk_ring_free(d->ring);
	block_close(d->block);
	while (d->taps > 0)
		close(d->tap[--d->taps]);
	ahci_free(d->ahci);
	nvme_free(d->nvme);
	block_problem_fini(&d->problem);
	hda_free(steal_ptr(&d->hda)); /* first: it speaks to the seat's surface */
	seat_free(d->seat);
	pc_seat_free(d->pc_seat);
	free(d);
}

void vm_devices_limit(struct vm_devices *d, const struct limit *disk, const struct limit *net)
{
	if (disk && d->blk)
		virtio_blk_limit(d->blk, disk);
	for (unsigned i = 0; disk && i < VM_MORE_DISKS && d->blk_more[i]; i++)
		virtio_blk_limit(d->blk_more[i], disk);
	if (disk && d->nvme)
		nvme_limit(d->nvme, disk);
	if (disk && d->ahci)
		ahci_limit(d->ahci, disk);
	if (net && d->net)
		virtio_net_limit(d->net, net);
}

bool vm_devices_passed(const struct vm_devices *d, uint64_t *in, uint64_t *out)
{
	if (d->net)
		virtio_net_passed(d->net, in, out);
	return d->net;
}

int vm_devices_hand_over(struct vm_devices *d, bool away)
{
	int r = d->blk ? virtio_blk_hand_over(d->blk, away) : 0;

	for (unsigned i = 0; r == 0 && i < VM_MORE_DISKS && d->blk_more[i]; i++)
		r = virtio_blk_hand_over(d->blk_more[i], away);
	return r;
}

struct virtio_balloon *vm_devices_balloon(const struct vm_devices *d)
{
	return d->balloon;
}

bool vm_devices_surface_connected(const struct vm_devices *d)
{
	if (d && d->pc_seat)
		return pc_seat_connected(d->pc_seat);
	return d && d->seat && seat_connected(d->seat);
}

void vm_devices_problem(struct vm_devices *d, char *out, size_t n)
{
	out[0] = 0;
	if (d->blk)
		virtio_blk_problem(d->blk, out, n);
	for (unsigned i = 0; i < VM_MORE_DISKS && !out[0] && d->blk_more[i]; i++)
		virtio_blk_problem(d->blk_more[i], out, n);
	if (!out[0])
		block_problem_text(&d->problem, out, n);
}
