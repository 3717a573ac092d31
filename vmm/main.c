/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-vmm: one desktop as a virtual machine. Opens everything it will ever need, locks itself in,
 * runs the guest, and says how it ended: in the exit status, in --state, and to whoever is
 * connected to the control socket. The machine itself begins in machine.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "vmm/control.h"
#include "vmm/devices.h"
#include "vmm/hda.h"
#include "vmm/jail.h"
#include "vmm/kvm.h"
#include "vmm/machine.h"
#include "vmm/mem.h"
#include "vmm/migrate_in.h"
#include "vmm/mover.h"
#include "vmm/options.h"
#include "vmm/pc/pc.h"
#include "vmm/plugged.h"
#include "vmm/snapshot/identity.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/vcpu_state.h"
#include "vmm/snapshot/working_set.h"
#include "vmm/virtio/virtio_console.h"
#include "vmm/virtio/virtio_vsock.h"

#define BOOT_MENU_MS 5000

enum {
	EXIT_OK = 0,
	EXIT_START = 1,
	EXIT_RESET = 3,
	EXIT_PANIC = 4,
	EXIT_INTERNAL = 5
};

struct app {
	struct options opt;
	int state;		 /* --state, open and empty; -1 without */
	struct snap *snap;	 /* --restore, --incoming; until it is loaded */
	struct migrate_in *in;	 /* --incoming; until it runs */
	struct vm_mem *received; /* its memory, until there is a machine */
	int memory;		 /* its memory file */
	uint64_t identity_bytes; /* size of the identity disk, 0: none */
	bool sound;		 /* there is a sound card */
	bool agents;		 /* there are ports for the guest's agents */
	bool vsock;		 /* there is a virtio-vsock */
	struct working_set set;	 /* of a clone */
	struct vm *vm;
	struct vm_devices *devices;
	struct plugged *plugged;
	struct mover *mover;
	struct control *control;
};

/* ---- how it ended -------------------------------------------------------------------------------
 */

static int open_state(struct app *a, struct err *e)
{
	if (!a->opt.state)
		return 0;
	a->state = open(a->opt.state, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return a->state < 0 ? err_set(e, -errno, "state file %s: %m", a->opt.state) : 0;
}

static void write_state(const struct app *a, int code, const char *reason)
{
	cleanup_json json_t *o =
		json_pack("{s:i, s:s%}", "code", code, "reason", reason, strlen(reason));
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (a->state < 0 || !text)
		return;
	if (write(a->state, text, strlen(text)) < 0 || fdatasync(a->state) < 0)
		log_err("vm.state", "error=%s", strerrorname_np(errno));
}

static int fail_start(struct app *a, const struct err *e)
{
	char reason[sizeof(e->msg) + 8];

	snprintf(reason, sizeof(reason), "error: %s", e->msg);
	log_err("vm.start", "name=%s error=%s", LOG_Q(a->opt.name), LOG_Q(e->msg));
	write_state(a, EXIT_START, reason);
	return EXIT_START;
}

static int exit_code(enum vm_stop why)
{
	switch (why) {
	case VM_POWEROFF:
	case VM_QUIT:
	case VM_MIGRATED:
		return EXIT_OK;
	case VM_RESET:
		return EXIT_RESET;
	case VM_PANIC:
		return EXIT_PANIC;
	default:
		return EXIT_INTERNAL;
	}
}

static int finish(struct app *a, enum vm_stop why, const char *detail)
{
	char reason[320];
	int code = exit_code(why);

	if (why == VM_ERROR)
		snprintf(reason, sizeof(reason), "error: %s", detail);
	else
		snprintf(reason, sizeof(reason), "%s", vm_stop_name(why));
	control_event(a->control, "stopping", reason);
	mover_free(steal_ptr(&a->mover));
	plugged_free(steal_ptr(&a->plugged));
	vm_devices_free(a->devices); /* flushes the disk before the state says it is over */
	a->devices = NULL;
	log_info("vm.end", "name=%s reason=%s code=%d", LOG_Q(a->opt.name), LOG_Q(reason), code);
	write_state(a, code, reason);
	return code;
}

/* ---- start
 * ---------------------------------------------------------------------------------------- */

static bool surface_connected(void *arg)
{
	struct app *a = arg;

	return vm_devices_surface_connected(a->devices);
}

static void on_ready(void *arg)
{
	struct app *a = arg;
	int64_t n;

	control_event(a->control, "ready", NULL);
	n = working_set_record(&a->set, vm_ram(a->vm));
	if (n)
		log_info("clone.recorded", "pages=%lld", (long long)n);
}

static void on_waits(void *arg)
{
	struct app *a = arg;

	control_event(a->control, "waits", NULL);
}

static void on_note(void *arg, const char *text)
{
	struct app *a = arg;

	control_event(a->control, "note", text);
}

static void disk_problem(void *arg, char *out, size_t n)
{
	struct app *a = arg;

	out[0] = 0;
	if (a->devices)
		vm_devices_problem(a->devices, out, n);
	if (a->plugged && !out[0])
		plugged_problem(a->plugged, out, n);
}

static void tell_problem(void *arg)
{
	struct app *a = arg;
	char text[200];

	disk_problem(a, text, sizeof(text));
	control_event(a->control, "problem", text);
}

/* In a disk's thread. What cannot be posted is told by the next failure. */
static void on_problem(void *arg)
{
	struct app *a = arg;

	(void)!loop_post(vm_loop(a->vm), tell_problem, a);
}

static struct virtio_balloon *balloon(void *arg)
{
	struct app *a = arg;

	return a->devices ? vm_devices_balloon(a->devices) : NULL;
}

static struct plugged *plugged(void *arg)
{
	return ((struct app *)arg)->plugged;
}

static struct mover *mover(void *arg)
{
	return ((struct app *)arg)->mover;
}

static void on_mover(void *arg, json_t *o)
{
	control_tell(((struct app *)arg)->control, o);
}

static void on_plugged(void *arg, const char *event, const char *reason)
{
	control_event(((struct app *)arg)->control, event, reason);
}

static void limits(void *arg, struct limit **disk, struct limit **net)
{
	struct app *a = arg;

	*disk = &a->opt.disk_limit;
	*net = &a->opt.net_limit;
}

static void limited(void *arg)
{
	struct app *a = arg;

	if (a->devices)
		vm_devices_limit(a->devices, &a->opt.disk_limit, &a->opt.net_limit);
	if (a->plugged)
		plugged_limit(a->plugged, &a->opt.disk_limit, &a->opt.net_limit);
}

static bool passed(void *arg, uint64_t *in, uint64_t *out)
{
	struct app *a = arg;

	return a->devices && vm_devices_passed(a->devices, in, out);
}

static void on_signal(void *arg, int signo)
{
	struct app *a = arg;

	(void)signo;
	vm_stop(a->vm, VM_QUIT, NULL);
}

static int on_snapshot(void *arg, int state, int memory, struct err *e)
{
	struct app *a = arg;
	int r = plugged_check_snapshot(a->plugged, e);

	if (r < 0)
		return r;
	return vm_snapshot(a->vm, a->identity_bytes, state, memory, e);
}

static int open_files(struct app *a, int *dir, struct err *e)
{
	const char *path = a->opt.restore;
	cleanup_close int state = -1;

	*dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir >= 0)
		state = openat(*dir, "state", O_RDONLY | O_CLOEXEC);
	if (state >= 0)
		a->memory = openat(*dir, "memory", O_RDONLY | O_CLOEXEC);
	if (a->memory < 0)
		return err_setw(e, -errno, "snapshot.missing", "snapshot %s: %m", path);
	a->snap = snap_read(state, e);
	return a->snap ? 0 : -EINVAL;
}

/* Refuses a command line that is about another machine. */
static int check_saved(const struct options *o, const struct snap *s, struct vm_saved *saved,
		       struct err *e)
{
	int r = vm_saved_read(s, saved, e);

	if (r < 0)
		return r;
	if ((o->cpus_given && o->cpus != saved->cpus) ||
	    (o->memory_given && o->memory_mib << 20 != saved->memory_bytes))
		return err_setw(e, -EINVAL, "snapshot.machine",
				"the snapshot is of a machine with %u processors and %llu MiB",
				saved->cpus, (unsigned long long)(saved->memory_bytes >> 20));
	if (o->clone && !saved->identity_bytes)
		return err_setw(e, -EINVAL, "snapshot.machine",
				"the snapshot is of a machine without --identity, which cannot "
				"become another one");
	return 0;
}

/* What a sender says of its machine, before it sends it. */
static int wanted(void *arg, const struct snap *hello, uint64_t *memory_bytes, struct err *e)
{
	struct app *a = arg;
	struct vm_saved saved;
	int r = check_saved(&a->opt, hello, &saved, e);

	if (r == 0)
		r = vcpu_model_check(hello, saved.cpus, e);
	if (r == 0)
		r = vm_check_memory(saved.memory_bytes, e);
	*memory_bytes = saved.memory_bytes;
	return r;
}

static int take_in(struct app *a, struct err *e)
{
	const struct vm_mem_policy policy = {.merge = a->opt.memory_merge,
					     .huge = a->opt.memory_huge};
	const struct migrate_in_cfg cfg = {.wanted = wanted, .arg = a, .policy = &policy};

	a->in = migrate_in_open(a->opt.incoming, e);
	return a->in ? migrate_in_receive(a->in, &cfg, &a->snap, &a->received, e) : -EINVAL;
}

/* Opens the snapshot, or takes one in. */
static int open_snapshot(struct app *a, struct err *e)
{
	const struct options *o = &a->opt;
	cleanup_close int dir = -1;
	struct vm_saved saved;
	int r;

	a->identity_bytes = o->identity ? IDENTITY_BLANK : 0;
	a->sound = o->sound;
	a->agents = o->agent || o->clipboard;
	a->vsock = o->vsock != NULL;
	if (!o->restore && !o->incoming)
		return 0;
	r = o->incoming ? take_in(a, e) : open_files(a, &dir, e);
	if (r < 0 || (r = check_saved(o, a->snap, &saved, e)) < 0)
		return r;
	if (!o->incoming)
		working_set_open(&a->set, o->clone ? dir : -1, saved.memory_id);
	a->identity_bytes = saved.identity_bytes;
	a->sound = hda_saved(a->snap);
	a->agents = virtio_console_saved(a->snap);
	a->vsock = virtio_vsock_saved(a->snap);
	a->opt.firmware = pc_saved(a->snap);
	if (!a->opt.firmware && (o->cdrom || o->variables || o->firmware_log))
		return err_setw(e, -EINVAL, "snapshot.machine",
				"the snapshot is of a machine without firmware, which takes no "
				"--cdrom and no --firmware-*");
	a->opt.cpus = saved.cpus;
	a->opt.memory_mib = saved.memory_bytes >> 20;
	return 0;
}

/* The machine and its devices; build_around() adds what the host agent speaks with. */
static int build(struct app *a, struct err *e)
{
	const struct options *o = &a->opt;
	struct vm_mem *received = steal_ptr(&a->received);
	const struct vm_cfg cfg = {.name = o->name,
				   .cpus = o->cpus,
				   .memory_bytes = o->memory_mib << 20,
				   .merge = o->memory_merge,
				   .huge = o->memory_huge,
				   .serial_log = o->serial,
				   .ready_is_frame = o->ready_is_frame,
				   .windows = o->windows,
				   .tpm = o->tpm,
				   .snap = a->snap,
				   .memory = a->memory,
				   .received = received,
				   .pc = o->firmware != PC_NONE,
				   .width = o->width,
				   .height = o->height,
				   .wake_ms = o->wake_ms,
				   .enter = jail_vcpu,
				   .on_ready = on_ready,
				   .on_waits = on_waits,
				   .on_note = on_note,
				   .arg = a};
	const struct vm_devices_cfg devices = {.name = o->name,
					       .disk_base = o->disk_base,
					       .disk_layer = o->disk_layer,
					       .disk_overlay = o->disk_overlay,
					       .disk_raw = o->disk_raw,
					       .more = o->more,
					       .more_readonly = o->more_readonly,
					       .n_more = OPTIONS_MORE_DISKS,
					       .disk_bus = o->disk_bus,
					       .disk_engine = o->disk_engine,
					       .cdrom = o->cdrom,
					       .boot_order = o->boot_order,
					       .net = o->net,
					       .tap = o->tap,
					       .net_fd = o->net_fd,
					       .net_queues = o->net_queues,
					       .net_ip = o->net_ip,
					       .mac = o->mac,
					       .sound = a->sound,
					       .heard = a->sound && o->sound,
					       .agents = a->agents,
					       .agent = o->agent,
					       .vsock = a->vsock,
					       .vsock_socket = o->vsock,
					       .clipboard = o->clipboard,
					       .cpus = o->cpus,
					       .surface = o->surface,
					       .width = o->width,
					       .height = o->height,
					       .problem = on_problem,
					       .arg = a,
					       .identity_bytes = a->identity_bytes};
	int r;

	a->vm = vm_new(&cfg, e);
	if (!a->vm)
		return -EINVAL;
	if ((r = loop_signal(vm_loop(a->vm), SIGTERM, on_signal, a)) < 0 ||
	    (r = loop_signal(vm_loop(a->vm), SIGINT, on_signal, a)) < 0)
		return err_set(e, r, "signals: %s", strerrorname_np(-r));
	return vm_devices_new(a->vm, &devices, &a->devices, e);
}

static int build_around(struct app *a, struct err *e)
{
	const struct options *o = &a->opt;
	const struct plugged_cfg plug = {
		.vm = a->vm, .event = on_plugged, .problem = on_problem, .arg = a};

	a->plugged = plugged_new(&plug, e);
	if (!a->plugged)
		return -ENOMEM;
	const struct mover_cfg move = {.vm = a->vm,
				       .devices = a->devices,
				       .plugged = a->plugged,
				       .identity_bytes = &a->identity_bytes,
				       .variables = o->variables != NULL,
				       .event = on_mover,
				       .arg = a};

	a->mover = mover_new(&move);
	if (!a->mover)
		return err_set(e, -ENOMEM, "out of memory");
	if (o->control) {
		static const struct control_ops ops = {.surface = surface_connected,
						       .problem = disk_problem,
						       .balloon = balloon,
						       .plugged = plugged,
						       .mover = mover,
						       .limits = limits,
						       .passed = passed,
						       .limited = limited,
						       .snapshot = on_snapshot};

		a->control = control_new(vm_loop(a->vm), a->vm, o->control, &ops, a, e);
		if (!a->control)
			return -EINVAL;
	}
	return 0;
}

/* Loads the snapshot; a clone becomes somebody else before it runs. */
static int go_on(struct app *a, struct err *e)
{
	struct identity id = {0};
	uint8_t mac[6];
	int r;

	vm_devices_mac(a->devices, mac);
	if (a->opt.clone && identity_make(&id, a->opt.name, mac) < 0)
		return err_set(e, -EIO, "the host has no random numbers");
	r = vm_restore(a->vm, a->opt.clone ? id.generation : NULL, e);
	if (r == 0)
		r = vm_devices_check(a->devices, e);
	if (r == 0 && a->opt.clone) {
		vm_devices_identify(a->devices, &id);
		a->identity_bytes = IDENTITY_BYTES;
		log_info("clone.fetch", "pages=%llu",
			 (unsigned long long)working_set_fetch(&a->set, vm_ram(a->vm)));
	}
	explicit_bzero(&id, sizeof(id));
	snap_free(steal_ptr(&a->snap));
	cleanup_close_fn(&a->memory);
	a->memory = -1;
	return r;
}

/* Everything is open: load the guest, make the threads, lock the door. */
static int enter(struct app *a, struct err *e)
{
	const struct pc_boot firmware = {.firmware = a->opt.firmware,
					 .image = a->opt.firmware_image,
					 .variables = a->opt.variables,
					 .log = a->opt.firmware_log,
					 .menu_ms = a->opt.boot_menu ? BOOT_MENU_MS : 0};
	const struct vm_boot boot = {.kernel = a->opt.kernel,
				     .initrd = a->opt.initrd,
				     .cmdline = a->opt.cmdline,
				     .firmware = &firmware};
	bool net = !strcmp(a->opt.net, "user");
	int r = vm_load(a->vm, &boot, e);

	if (r == 0)
		r = jail_files(net, e);
	if (r == 0)
		r = vm_devices_start(a->devices, e);
	if (r == 0)
		limited(a);
	if (r == 0 && a->snap)
		r = go_on(a, e);
	if (r == 0)
		r = vm_start(a->vm, e);
	if (r == 0)
		r = jail_process(net, e);
	if (r == 0)
		r = vm_devices_enter(a->devices, jail_disk, e);
	return r;
}

/* A machine that came in is ours when its sender says so, and not before. */
static int take_over(struct app *a, struct err *e)
{
	int r = a->in ? migrate_in_go(a->in, e) : 0;

	if (r == 0 && a->in)
		vm_restored_go(a->vm);
	if (r == 0)
		migrate_in_free(steal_ptr(&a->in));
	return r;
}

static int run(struct app *a)
{
	struct err e = {0};
	const char *detail;

	if (open_snapshot(a, &e) < 0 || build(a, &e) < 0 || build_around(a, &e) < 0 ||
	    enter(a, &e) < 0 || take_over(a, &e) < 0) {
		migrate_in_refuse(a->in, &e);
		return fail_start(a, &e);
	}

	struct vm_status s;

	vm_status(a->vm, &s);
	log_info("vm.start", "name=%s cpus=%u memory_mib=%llu kvm=%s start_ms=%lld",
		 LOG_Q(a->opt.name), a->opt.cpus, (unsigned long long)a->opt.memory_mib, s.kvm,
		 (long long)s.uptime_ms);
	vm_go(a->vm);

	enum vm_stop why = vm_run(a->vm, &detail);

	return finish(a, why, detail);
}

static int print_probe(void)
{
	char why[300];
	enum vm_kvm_kind kind = vm_kvm_probe(why, sizeof(why));
	cleanup_json json_t *o = json_pack("{s:s, s:s}", "kvm", vm_kvm_kind_name(kind), "why", why);
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (!text)
		return EXIT_INTERNAL;
	puts(text);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct app a = {.state = -1, .memory = -1, .set = {.fd = -1, .pagemap = -1}};
	struct err e = {0}, state = {0};

	log_init("pane-vmm", LOG_INFO);
	tzset();		  /* while files can still be read */
	signal(SIGPIPE, SIG_IGN); /* whoever reads our log may die before us */
	signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error like others */

	int bad = options_parse(argc, argv, &a.opt, &e);
	int code;

	if (bad == 0 && a.opt.action == OPTIONS_HELP) {
		fputs(options_help(), stdout);
		return EXIT_OK;
	}
	if (bad == 0 && a.opt.action == OPTIONS_VERSION) {
		puts("pane-vmm " PANE_VERSION);
		return EXIT_OK;
	}
	if (bad == 0 && a.opt.action == OPTIONS_PROBE)
		return print_probe();
	if (open_state(&a, &state) < 0 && bad == 0) {
		bad = state.code;
		e = state;
	}
	code = bad < 0 ? fail_start(&a, &e) : run(&a);
	control_free(a.control);
	mover_free(a.mover);
	plugged_free(a.plugged);
	vm_devices_free(a.devices);
	vm_free(a.vm);
	snap_free(a.snap);
	migrate_in_free(a.in);
	vm_mem_free(a.received);
	working_set_close(&a.set);
	cleanup_close_fn(&a.memory);
	cleanup_close_fn(&a.state);
	return code;
}
