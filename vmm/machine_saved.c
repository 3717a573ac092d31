/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine stands still, is written to files, and goes on from them.
 *
 * Saving: vCPUs parked, devices quiet, then the state, then the memory, which nobody changes any
 * more. Loading: devices first, as they raise their interrupt lines; then the interrupt
 * controllers, which know better what came of that; then the vCPUs; then devices may speak.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "vmm/machine_internal.h"
#include "vmm/mem.h"
#include "vmm/pc/pc.h"
#include "vmm/pci.h"
#include "vmm/snapshot/kvm_state.h"
#include "vmm/snapshot/ram_file.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/vcpu_state.h"

#define SAVED	      "machine"
#define SAVED_VERSION 1

int vm_generation(struct vm *vm, const uint8_t id[16])
{
	uint8_t fresh[16];

	if (!id && getrandom(fresh, sizeof(fresh), 0) != sizeof(fresh))
		return -EIO;
	return vm_mem_write(vm->ram, VM_GENERATION_AT, id ? id : fresh, sizeof(fresh));
}

void vm_pause(struct vm *vm)
{
	if (vm->paused)
		return;
	vm->paused = true;
	vm_gate_pause(&vm->gate, vm->vcpu, vm->cfg.cpus);
	pci_pause(vm->pci);
}

/* Linux is told that its watchdogs need not wonder where the time went. */
static void excuse_clocks(struct vm *vm)
{
	for (unsigned i = 0; i < vm->cfg.cpus; i++)
		(void)ioctl(vm->vcpu[i].fd, KVM_KVMCLOCK_CTRL,
			    0); /* fails where it has no kvmclock */
}

void vm_resume(struct vm *vm)
{
	if (!vm->paused)
		return;
	vm->paused = false;
	excuse_clocks(vm);
	pci_resume(vm->pci);
	vm_gate_resume(&vm->gate, vm->vcpu, vm->cfg.cpus);
}

void vm_save_machine(struct vm *vm, uint64_t identity_bytes, const uint8_t id[16],
		     struct snap_out *out)
{
	struct vm_status st;

	vm_status(vm, &st);
	snap_begin(out, SAVED, 0, SAVED_VERSION);
	snap_put_u32(out, vm->cfg.cpus);
	snap_put_u64(out, vm->cfg.memory_bytes);
	snap_put_u64(out, identity_bytes);
	snap_put_u8(out, st.ready);
	snap_put_u8(out, vm->kvm.kind == VM_KVM_HARDWARE);
	snap_put_bytes(out, id, RAM_FILE_ID);
	snap_end(out);
}

int vm_saved_read(const struct snap *s, struct vm_saved *out, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, SAVED, 0, SAVED_VERSION, &in, e);

	if (r < 0)
		return r;
	out->cpus = snap_u32(&in);
	out->memory_bytes = snap_u64(&in);
	out->identity_bytes = snap_u64(&in);
	out->ready = snap_u8(&in);
	out->hardware = snap_u8(&in);
	snap_bytes(&in, out->memory_id, sizeof(out->memory_id));
	if (out->cpus == 0 || out->cpus > VM_CPUS_MAX || !out->memory_bytes ||
	    out->memory_bytes % (1 << 20) || out->memory_bytes > 1ull << 40 ||
	    out->identity_bytes > 1 << 20)
		snap_refuse(&in);
	return snap_done(&in, e);
}

static int save_state(struct vm *vm, struct snap_out *out, struct err *e)
{
	int r = 0;

	host_stamp_save(&vm->host, out);
	pci_save(vm->pci, out);
	serial_save(&vm->serial, out);
	power_save(&vm->power, out);
	rtc_save(&vm->rtc, out);
	if (vm->pc)
		pc_save(vm->pc, out);
	for (unsigned i = 0; i < vm->cfg.cpus && r == 0; i++)
		r = vcpu_state_save(&vm->kvm, vm->vcpu[i].fd, i, out, e);
	return r == 0 ? kvm_state_save(&vm->kvm, out, e) : r;
}

int vm_save_state(struct vm *vm, uint64_t identity_bytes, const uint8_t id[16], int fd,
		  struct err *e)
{
	struct snap_out out;
	int r;

	snap_out_init(&out, fd);
	vm_save_machine(vm, identity_bytes, id, &out);
	r = save_state(vm, &out, e);
	if (r == 0 && (r = snap_finish(&out)) < 0)
		(void)err_setw(e, r, r == -ENOSPC ? "disk.full" : "snapshot.write",
			       "writing the snapshot: %s", strerror(-r));
	snap_out_fini(&out);
	return r;
}

int vm_snapshot(struct vm *vm, uint64_t identity_bytes, int state, int memory, struct err *e)
{
	int64_t from = clock_ms();
	uint8_t id[RAM_FILE_ID];
	uint64_t pages = 0;
	int r;

	if (vm->cfg.windows) /* whose interrupts and clocks nothing here saves */
		return err_setw(e, -ENOTSUP, "snapshot.machine",
				"a machine with --windows cannot be saved");
	if (vm->swtpm) /* whose keys and counters are another process's */
		return err_setw(e, -ENOTSUP, "snapshot.tpm",
				"a machine with a TPM cannot be saved: the TPM's state is not in "
				"the snapshot");
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return err_set(e, -EIO, "the host has no random numbers");
	vm_pause(vm);
	r = vm_save_state(vm, identity_bytes, id, state, e);
	if (r == 0)
		r = ram_file_write(memory, vm->ram, id, &pages, e);
	/* Whoever renames it into place relies on its being there after a power cut, too. */
	if (r == 0 && (fdatasync(state) < 0 || fdatasync(memory) < 0))
		r = err_set(e, -errno, "writing the snapshot: %s", strerror(errno));
	if (r == 0)
		log_info("vm.snapshot", "ms=%lld memory_mib=%llu", (long long)(clock_ms() - from),
			 (unsigned long long)(pages >> 8));
	return r;
}

/* away_ns: for how long it stood still, where its clocks are to catch up. */
static int load_state(struct vm *vm, const struct snap *s, int64_t away_ns, struct err *e)
{
	bool known = host_stamp_same(&vm->host, s);
	int r;

	if ((r = pci_load(vm->pci, s, e)) < 0 || (r = serial_load(&vm->serial, s, e)) < 0 ||
	    (r = power_load(&vm->power, s, e)) < 0 || (r = rtc_load(&vm->rtc, s, e)) < 0 ||
	    (vm->pc && (r = pc_restore(vm->pc, s, e)) < 0) ||
	    (r = kvm_state_load(&vm->kvm, s, away_ns, e)) < 0)
		return r;
	for (unsigned i = 0; i < vm->cfg.cpus && r == 0; i++)
		r = vcpu_state_load(&vm->kvm, vm->vcpu[i].fd, i, vm->cfg.cpus, known, s, away_ns,
				    e);
	return r;
}

int vm_restore(struct vm *vm, const uint8_t generation[16], struct err *e)
{
	const struct snap *s = vm->cfg.snap;
	struct vm_saved saved;
	int r;

	if ((r = vm_saved_read(s, &saved, e)) < 0 ||
	    (r = load_state(vm, s, generation ? 0 : kvm_state_away_ns(s), e)) < 0)
		return r;
	vm->cfg.snap = NULL;
	if (generation && vm->pc)
		r = pc_generation(vm->pc, generation);
	else if (generation)
		r = vm_generation(vm, generation);
	if (r < 0)
		return err_set(e, r, "VM generation id: %s", strerrorname_np(-r));
	if (generation)
		power_event(&vm->power, VM_GPE_GENERATION);
	else if (saved.ready)
		vm_ready(vm);
	if (!vm->cfg.received)
		vm_restored_go(vm);
	return 0;
}

void vm_restored_go(struct vm *vm)
{
	excuse_clocks(vm);
	pci_resume(vm->pci);
	if (vm->pc)
		pc_go_on(vm->pc);
}
