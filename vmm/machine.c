/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine: how the parts of pane-vmm fit together. Read on in this order:
 *
 *   layout.h           the guest's address map
 *   mem.c kvm.c        guest RAM; the host's KVM
 *   vcpu.c io.c        the processor's loop, and who answers what leaves it
 *   pci.c pci_msix.c   the bus every virtio device sits on; host_bridge.c, the doors to it
 *   serial.c console_log.c rtc.c power.c hotplug.c pvpanic.c    the small devices
 *   boot/              bzimage.c linux.c (loader), acpi.c aml.c smbios.c (tables), cpuid.c
 *   devices.c plugged.c virtio/  the devices that matter; hda.c hda_codec.c  sound
 *   pc/                a whole PC for firmware (pc.c)
 *   machine_saved.c snapshot/  how all of it is saved and restored
 *   jail.c jail_filter.c control.c options.c main.c    the process around it
 *
 * Life: vm_new() builds, devices are added by main(), vm_load() puts a kernel in, vm_start()
 * makes the threads, the process is jailed, vm_go() lets the vCPUs run, vm_run() serves devices
 * until someone calls vm_stop(). Main thread, except what machine.h marks "any thread".
 */
#include "vmm/machine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "vmm/boot/acpi.h"
#include "vmm/boot/elf.h"
#include "vmm/boot/linux.h"
#include "vmm/boot/smbios.h"
#include "vmm/cpuid.h"
#include "vmm/mem.h"
#include "vmm/pc/pc.h"
#include "vmm/pc/swtpm.h"
#include "vmm/snapshot/ram_file.h"

#define READY_LINE "pane.ready"
#define WAITS_LINE "pane.waits"
#define NOTE_LINE  "pane.note "
#define NOTE_MS	   1000

struct vm_mem *vm_ram(struct vm *vm)
{
	return vm->ram;
}

struct pci_bus *vm_pci(struct vm *vm)
{
	return vm->pci;
}

struct loop *vm_loop(struct vm *vm)
{
	return vm->loop;
}

struct hotplug *vm_hotplug(struct vm *vm)
{
	return &vm->hotplug;
}

struct pc *vm_pc(struct vm *vm)
{
	return vm->pc;
}

/* ---- ready and the end ------------------------------------------------------------------------
 */

static void announce_ready(void *arg)
{
	struct vm *vm = arg;

	log_info("guest.ready", "ms=%lld", (long long)vm->ready_ms);
	if (vm->cfg.on_ready)
		vm->cfg.on_ready(vm->cfg.arg);
}

void vm_ready(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);

	bool first = !vm->ready;

	if (first) {
		vm->ready = true;
		vm->ready_ms = clock_ms() - vm->started_ms;
	}
	pthread_mutex_unlock(&vm->lock);
	if (first && loop_post(vm->loop, announce_ready, vm) < 0)
		log_err("guest.ready", "error=\"main loop cannot be told\"");
}

void vm_frame(struct vm *vm)
{
	if (vm->cfg.ready_is_frame)
		vm_ready(vm);
}

static void leave_loop(void *arg)
{
	struct vm *vm = arg;

	loop_stop(vm->loop);
}

void vm_stop(struct vm *vm, enum vm_stop why, const char *fmt, ...)
{
	pthread_mutex_lock(&vm->lock);

	bool first = vm->why == VM_RUNNING;

	if (first) {
		vm->why = why;
		if (fmt) {
			va_list ap;

			va_start(ap, fmt);
			vsnprintf(vm->detail, sizeof(vm->detail), fmt, ap);
			va_end(ap);
		}
	}
	pthread_mutex_unlock(&vm->lock);
	__atomic_store_n(&vm->gate.leave, true, __ATOMIC_RELEASE);
	if (first && loop_post(vm->loop, leave_loop, vm) < 0)
		log_err("vm.stop", "error=\"main loop cannot be told\"");
}

const char *vm_stop_name(enum vm_stop why)
{
	static const char *const names[] = {
		[VM_RUNNING] = "running", [VM_POWEROFF] = "poweroff", [VM_RESET] = "reset",
		[VM_PANIC] = "panic",	  [VM_QUIT] = "quit",	      [VM_MIGRATED] = "migrated",
		[VM_ERROR] = "error"};

	return names[why];
}

void vm_powerdown(struct vm *vm)
{
	power_button(&vm->power);
}

void vm_status(struct vm *vm, struct vm_status *s)
{
	pthread_mutex_lock(&vm->lock);
	*s = (struct vm_status){.ready = vm->ready,
				.paused = vm->paused,
				.waits = vm->waits,
				.ready_ms = vm->ready_ms,
				.uptime_ms = clock_ms() - vm->started_ms,
				.kvm = vm_kvm_kind_name(vm->kvm.kind)};
	memcpy(s->note, vm->note, sizeof(s->note));
	pthread_mutex_unlock(&vm->lock);
}

/* ---- wiring -----------------------------------------------------------------------------------
 */

static void announce_note(void *arg)
{
	struct vm *vm = arg;
	struct vm_status s;

	vm_status(vm, &s);
	log_info("guest.note", "text=%s", LOG_Q(s.note));
	if (vm->cfg.on_note)
		vm->cfg.on_note(vm->cfg.arg, s.note);
}

/* A guest that babbles is heard once a second; nothing but printable ASCII goes on. */
static void take_note(struct vm *vm, const char *text)
{
	int64_t now = clock_ms();
	size_t n = 0;

	pthread_mutex_lock(&vm->lock);

	bool heard = !vm->noted_ms || now - vm->noted_ms >= NOTE_MS;

	if (heard) {
		vm->noted_ms = now;
		for (; *text && n + 1 < sizeof(vm->note); text++)
			vm->note[n++] = *text >= ' ' && *text < 127 ? *text : '?';
		vm->note[n] = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	if (heard && loop_post(vm->loop, announce_note, vm) < 0)
		log_err("guest.note", "error=\"main loop cannot be told\"");
}

static void announce_waits(void *arg)
{
	struct vm *vm = arg;

	log_info("guest.waits", "ms=%lld", (long long)(clock_ms() - vm->started_ms));
	if (vm->cfg.on_waits)
		vm->cfg.on_waits(vm->cfg.arg);
}

static void take_waits(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);

	bool first = !vm->waits;

	vm->waits = true;
	pthread_mutex_unlock(&vm->lock);
	if (first && loop_post(vm->loop, announce_waits, vm) < 0)
		log_err("guest.waits", "error=\"main loop cannot be told\"");
}

static void on_serial_line(void *arg, const char *line)
{
	struct vm *vm = arg;

	while (*line == ' ')
		line++;
	if (!strncmp(line, NOTE_LINE, sizeof(NOTE_LINE) - 1))
		take_note(vm, line + sizeof(NOTE_LINE) - 1);
	if (!strcmp(line, WAITS_LINE))
		take_waits(vm);
	if (!strcmp(line, READY_LINE) && !vm->cfg.ready_is_frame)
		vm_ready(vm);
}

static void serial_irq(void *arg, bool level)
{
	struct vm *vm = arg;

	vm_kvm_irq(&vm->kvm, VM_COM1_IRQ, level);
}

static void sci_irq(void *arg, bool level)
{
	struct vm *vm = arg;

	vm_kvm_irq(&vm->kvm, VM_SCI_IRQ, level);
}

static void on_hotplug(void *arg)
{
	struct vm *vm = arg;

	power_event(&vm->power, VM_GPE_HOTPLUG);
}

static void on_power_end(void *arg, bool poweroff)
{
	vm_stop(arg, poweroff ? VM_POWEROFF : VM_RESET, NULL);
}

static void on_panic(void *arg)
{
	vm_stop(arg, VM_PANIC, NULL);
}

static void on_pc_reset(void *arg)
{
	vm_stop(arg, VM_RESET, NULL);
}

static int host_msi(void *arg, uint64_t address, uint32_t data)
{
	struct vm *vm = arg;

	return vm_kvm_msi(&vm->kvm, address, data);
}

/* Several slots share a pin: it is high while any of them is. */
static void host_intx(void *arg, unsigned slot, bool level)
{
	struct vm *vm = arg;
	unsigned gsi = VM_INTX_GSI(slot), *count = &vm->intx[gsi - VM_INTX_GSI(0)];

	if (level && __atomic_fetch_add(count, 1, __ATOMIC_ACQ_REL) == 0)
		vm_kvm_irq(&vm->kvm, gsi, true);
	else if (!level && __atomic_sub_fetch(count, 1, __ATOMIC_ACQ_REL) == 0)
		vm_kvm_irq(&vm->kvm, gsi, false);
}

static int host_eventfd(void *arg, bool add, bool port, uint64_t addr, unsigned len, int fd)
{
	struct vm *vm = arg;

	return vm_kvm_eventfd(&vm->kvm, add, port, addr, len, fd);
}

/* ---- building ---------------------------------------------------------------------------------
 */

int vm_check_memory(uint64_t wanted, struct err *e)
{
	cleanup_fclose FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long long free_kib = 0, total_kib = 0;

	while (f && fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "MemAvailable: %llu kB", &free_kib);
		(void)sscanf(line, "MemTotal: %llu kB", &total_kib);
	}
	if (!f || !total_kib || wanted >> 10 <= free_kib)
		return 0;
	return err_setw(e, -ENOMEM, "memory.short",
			"the desktop needs %llu MiB of memory, this host has %llu MiB free of %llu",
			(unsigned long long)(wanted >> 20), free_kib >> 10, total_kib >> 10);
}

static int build_kvm(struct vm *vm, struct err *e)
{
	enum vm_kvm_kind saved = vm->kvm.kind; /* of a snapshot: it is not tested again */
	int r = vm_kvm_open(&vm->kvm, e);

	vm->kvm.vga_window = vm->cfg.pc;
	vm->kvm.hyperv = vm->cfg.windows;
	if (vm->cfg.snap)
		vm->kvm.kind = saved;
	if (r == 0) {
		host_stamp_take(&vm->host, vm->kvm.sys);
		r = vm_kvm_create(&vm->kvm, vm->ram, e);
	}
	for (unsigned i = 0; i < vm->cfg.cpus && r == 0; i++) {
		struct vm_vcpu *v = &vm->vcpu[i];

		*v = (struct vm_vcpu){
			.id = i, .fd = -1, .vm = vm, .io = &vm->io, .gate = &vm->gate};
		r = vm_kvm_vcpu(&vm->kvm, i, &v->fd, &v->run, e);
		if (r == 0 && !vm->cfg.snap)
			r = vm_cpuid_apply(&vm->kvm, v->fd, i, vm->cfg.cpus, e);
	}
	if (r == 0 && !vm->cfg.snap) /* it uses the vCPU and the memory */
		r = vm_kvm_selftest(&vm->kvm, vm->vcpu[0].fd, vm->vcpu[0].run, vm->ram, e);
	if (r == 0 && vm->kvm.kind == VM_KVM_INTERPRETED)
		log_warn("kvm.interpreted",
			 "what=\"guest code is interpreted by the host kernel: test guests only\"");
	return r;
}

static int build_tpm(struct vm *vm, struct err *e)
{
	const struct tpm_host none = {0};
	int r;

	if (!vm->cfg.tpm)
		return 0;
	tpm_init(&vm->tpm, &none);
	vm->swtpm = swtpm_new(vm->cfg.tpm, vm->loop, &vm->tpm, e);
	if (!vm->swtpm)
		return -EIO;
	r = vm_io_add(&vm->io, false, VM_TPM, VM_TPM_BYTES, tpm_access, &vm->tpm);
	return r < 0 ? err_set(e, r, "TPM: %s", strerrorname_np(-r)) : 0;
}

static int build_pc(struct vm *vm, struct err *e)
{
	const struct pc_cfg pc = {.kvm = &vm->kvm,
				  .mem = vm->ram,
				  .pci = vm->pci,
				  .io = &vm->io,
				  .bridge = &vm->bridge.dev,
				  .rtc = &vm->rtc,
				  .name = vm->cfg.name,
				  .cpus = vm->cfg.cpus,
				  .tpm = vm->cfg.tpm,
				  .width = vm->cfg.width,
				  .height = vm->cfg.height,
				  .reset = on_pc_reset,
				  .arg = vm};

	if (!vm->cfg.pc)
		return 0;
	vm->pc = pc_new(&pc, e);
	return vm->pc ? 0 : -EINVAL;
}

#define PROMPT_MS 200 /* of silence: the guest has ended its line, or asks something */

static void on_prompt(void *arg)
{
	struct vm *vm = arg;

	if (serial_settle(&vm->serial))
		loop_timer_set(vm->prompt, PROMPT_MS);
}

static void begin_prompt(void *arg)
{
	struct vm *vm = arg;

	loop_timer_set(vm->prompt, PROMPT_MS);
}

static int serial_talks(void *arg) /* in a vCPU's thread, which sets no timers */
{
	struct vm *vm = arg;

	return loop_post(vm->loop, begin_prompt, vm);
}

static int build_platform(struct vm *vm, struct err *e)
{
	const struct pci_host host = {
		.arg = vm, .msi = host_msi, .intx = host_intx, .eventfd = host_eventfd};
	int r = console_log_open(&vm->console, vm->cfg.serial_log, on_serial_line, vm, e);

	if (r < 0)
		return r;
	vm->pci = pci_bus_new(&host);
	if (!vm->pci)
		return err_set(e, -ENOMEM, "out of memory");
	vm->io.pci = vm->pci;
	serial_init(&vm->serial, &vm->console, serial_irq, vm);
	vm->serial.talks = serial_talks;
	power_init(&vm->power, sci_irq, on_power_end, vm);
	vm->power.keyboard = vm->cfg.pc;
	hotplug_init(&vm->hotplug, on_hotplug, vm);
	rtc_init(&vm->rtc);
	vm->rtc.local = vm->cfg.windows;
	if ((r = host_bridge_add(&vm->bridge, vm->pci, &vm->io, power_reset_access, &vm->power)) <
		    0 ||
	    (r = pvpanic_add(&vm->pvpanic, vm->pci, on_panic, vm)) < 0 ||
	    (r = power_add(&vm->power, &vm->io)) < 0 ||
	    (r = hotplug_add(&vm->hotplug, &vm->io)) < 0 ||
	    (r = vm_io_add(&vm->io, true, VM_COM1_PORT, 8, serial_access, &vm->serial)) < 0 ||
	    (r = vm_io_add(&vm->io, true, VM_RTC_PORT, 2, rtc_access, &vm->rtc)) < 0)
		return err_set(e, r, "platform devices: %s", strerrorname_np(-r));
	r = build_tpm(vm, e);
	return r == 0 ? build_pc(vm, e) : r;
}

/* A snapshot's memory is shared until it is written to: how much it will cost nobody knows, and the
 * host agent counts it in full. */
static int make_memory(struct vm *vm, struct err *e)
{
	struct vm_cfg *cfg = &vm->cfg;
	const struct vm_mem_policy policy = {.merge = cfg->merge, .huge = cfg->huge};
	struct vm_saved saved;
	int r;

	if (!cfg->snap) {
		if ((r = vm_check_memory(cfg->memory_bytes, e)) < 0)
			return r;
		vm->ram = vm_mem_new_policy(cfg->memory_bytes, &policy, e);
		return vm->ram ? 0 : -ENOMEM;
	}
	if ((r = vm_saved_read(cfg->snap, &saved, e)) < 0 ||
	    (!vm->ram &&
	     (r = ram_file_check(cfg->memory, saved.memory_bytes, saved.memory_id, e)) < 0))
		return r;
	cfg->cpus = saved.cpus;
	cfg->memory_bytes = saved.memory_bytes;
	vm->kvm.kind = saved.hardware ? VM_KVM_HARDWARE : VM_KVM_INTERPRETED;
	if (vm->ram) /* received, with its policy */
		return vm->ram->size == saved.memory_bytes
			       ? 0
			       : err_set(e, -EINVAL, "memory of another machine");
	vm->ram = vm_mem_map(cfg->memory, saved.memory_bytes, e);
	if (!vm->ram)
		return -ENOMEM;
	vm_mem_advise(vm->ram, &policy);
	return 0;
}

struct vm *vm_new(const struct vm_cfg *cfg, struct err *e)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int r = vm ? 0 : err_set(e, -ENOMEM, "out of memory");

	if (!vm) {
		vm_mem_free(cfg->received);
		return NULL;
	}
	vm->cfg = *cfg;
	vm->ram = cfg->received;
	vm->kvm.sys = vm->kvm.fd = -1;
	vm->console.fd = vm->console.old = -1;
	vm->started_ms = clock_ms();
	pthread_mutex_init(&vm->lock, NULL);
	vm_gate_init(&vm->gate, cfg->enter);
	vm->loop = loop_new();
	vm->prompt = vm->loop ? loop_timer_add(vm->loop, -1, on_prompt, vm) : NULL;
	if (!vm->prompt)
		r = err_set(e, -ENOMEM, "event loop: out of memory");
	if (r == 0)
		r = make_memory(vm, e);
	if (r == 0)
		r = build_kvm(vm, e);
	if (r == 0)
		r = build_platform(vm, e);
	if (r < 0) {
		vm_free(vm);
		return NULL;
	}
	return vm;
}

static int open_input(const char *what, const char *path, int *fd, struct err *e)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(e, -errno, "%s %s: %m", what, path) : 0;
}

/* elf: of an ELF kernel, NULL for the others. */
static int set_entry(struct vm *vm, uint64_t entry, const struct elf_entry *elf, struct err *e)
{
	int fd = vm->vcpu[0].fd;
	struct kvm_sregs s;
	struct kvm_regs r;

	if (ioctl(fd, KVM_GET_SREGS, &s) < 0)
		return err_set(e, -errno, "KVM_GET_SREGS: %m");
	if (vm->pc)
		pc_registers(&s, &r);
	else if (elf)
		elf_registers(&s, &r, elf);
	else
		linux_registers(&s, &r, entry);
	if (ioctl(fd, KVM_SET_SREGS, &s) < 0)
		return err_set(e, -errno, "KVM_SET_SREGS: %m");
	if (ioctl(fd, KVM_SET_REGS, &r) < 0)
		return err_set(e, -errno, "KVM_SET_REGS: %m");
	return 0;
}

/* What a directly booted kernel reads of its machine instead of asking firmware. */
static int write_descriptions(struct vm *vm, uint64_t *rsdp, struct err *e)
{
	const struct smbios smbios = {.name = vm->cfg.name, .cpus = vm->cfg.cpus, .ram = vm->ram};
	const struct acpi_machine acpi = {.cpus = vm->cfg.cpus, .tpm = vm->swtpm};
	int r;

	if ((r = acpi_write(vm->ram, &acpi, rsdp)) < 0)
		return err_set(e, r, "ACPI tables: %s", strerrorname_np(-r));
	if ((r = smbios_write(&smbios)) < 0)
		return err_set(e, r, "SMBIOS tables: %s", strerrorname_np(-r));
	if ((r = vm_generation(vm, NULL)) < 0)
		return err_set(e, r, "VM generation id: %s", strerrorname_np(-r));
	return 0;
}

int vm_load(struct vm *vm, const struct vm_boot *boot, struct err *e)
{
	cleanup_close int kernel = -1, initrd = -1;
	struct linux_boot b = {
		.kernel_name = boot->kernel, .initrd_name = boot->initrd, .cmdline = boot->cmdline};
	struct elf_entry elf = {0};
	uint64_t entry = 0;
	int r;

	if (vm->cfg.snap)
		return vm->pc ? pc_reload(vm->pc, boot->firmware, vm->cfg.snap, e) : 0;
	if (vm->pc) {
		r = pc_load(vm->pc, boot->firmware, e);
		return r == 0 ? set_entry(vm, 0, NULL, e) : r;
	}
	r = open_input("kernel", boot->kernel, &kernel, e);
	if (r == 0 && boot->initrd)
		r = open_input("initrd", boot->initrd, &initrd, e);
	if (r < 0)
		return r;
	b.kernel = kernel;
	b.initrd = initrd;
	if ((r = write_descriptions(vm, &b.rsdp, e)) < 0)
		return r;
	if (elf_is(kernel)) {
		r = elf_load(vm->ram, &b, &elf, e);
		return r == 0 ? set_entry(vm, 0, &elf, e) : r;
	}
	r = linux_load(vm->ram, &b, &entry, e);
	return r == 0 ? set_entry(vm, entry, NULL, e) : r;
}

/* An emulated host can serve an interrupt between a guest's sti and its hlt, where the processor
 * takes none (Intel SDM vol. 2, STI): then the work the interrupt brought waits for the next one,
 * and nobody sends it, as the sender sees that the processor knows. See tests/README.md. */
#define WAKE_EMULATED_MS 250

static void on_wake(void *arg)
{
	struct vm *vm = arg;

	for (unsigned i = 0; i < vm->cfg.cpus && !vm->paused; i++)
		vm_vcpu_nudge(&vm->vcpu[i]);
	loop_timer_set(vm->wake, vm->cfg.wake_ms);
}

static int arm_wake(struct vm *vm)
{
	if (vm->cfg.wake_ms < 0)
		vm->cfg.wake_ms = vm_kvm_host_emulated() ? WAKE_EMULATED_MS : 0;
	if (!vm->cfg.wake_ms)
		return 0;
	vm->wake = loop_timer_add(vm->loop, vm->cfg.wake_ms, on_wake, vm);
	return vm->wake ? 0 : -ENOMEM;
}

int vm_start(struct vm *vm, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < vm->cfg.cpus && r == 0; i++)
		r = vm_vcpu_start(&vm->vcpu[i], e);
	if (r == 0 && (r = arm_wake(vm)) < 0)
		(void)err_set(e, r, "timer: out of memory");
	return r;
}

void vm_go(struct vm *vm)
{
	vm_gate_open(&vm->gate);
}

/* ---- running and ending ------------------------------------------------------------------------
 */

static void join_vcpus(struct vm *vm)
{
	__atomic_store_n(&vm->gate.leave, true, __ATOMIC_RELEASE);
	vm_gate_open(&vm->gate);
	for (unsigned i = 0; i < vm->cfg.cpus; i++)
		vm_vcpu_kick(&vm->vcpu[i]);
	for (unsigned i = 0; i < vm->cfg.cpus; i++)
		vm_vcpu_join(&vm->vcpu[i]);
}

enum vm_stop vm_run(struct vm *vm, const char **detail)
{
	int r = loop_run(vm->loop);

	if (r < 0)
		vm_stop(vm, VM_ERROR, "main loop: %s", strerrorname_np(-r));
	join_vcpus(vm);
	*detail = vm->detail;
	return vm->why;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	join_vcpus(vm);
	for (unsigned i = 0; i < vm->cfg.cpus; i++) {
		struct vm_vcpu *v = &vm->vcpu[i];

		if (v->run) {
			munmap(v->run, vm->kvm.run_size);
			close(v->fd);
		}
	}
	pc_free(vm->pc);
	swtpm_free(vm->swtpm);
	if (vm->cfg.tpm)
		tpm_fini(&vm->tpm);
	if (vm->pci) {
		pci_dev_fini(&vm->pvpanic.dev);
		pci_dev_fini(&vm->bridge.dev);
		pci_bus_free(vm->pci);
		hotplug_fini(&vm->hotplug);
	}
	console_log_close(&vm->console);
	loop_timer_del(vm->wake);
	loop_timer_del(vm->prompt);
	vm_kvm_close(&vm->kvm);
	vm_mem_free(vm->ram);
	loop_free(vm->loop);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
