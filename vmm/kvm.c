/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /dev/kvm by its ioctls (Documentation/virt/kvm/api.rst). Set-up runs on the main thread; the
 * interrupt and eventfd calls are single ioctls, safe from any thread.
 */
#include "vmm/kvm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "common/loop.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

/* Below this a dec/jnz pair ran on a processor: hardware takes 1 ns, a processor emulated by
 * QEMU 5 ns, the interpreter 500 ns. */
#define SELFTEST_ROUNDS	      500
#define SELFTEST_NS_PER_ROUND 100
#define SELFTEST_CODE	      0x1000
#define SELFTEST_PORT	      0x80

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{KVM_CAP_IRQCHIP, "in-kernel irqchip"}, {KVM_CAP_PIT2, "in-kernel PIT"},
	{KVM_CAP_USER_MEMORY, "user memory"},	{KVM_CAP_SIGNAL_MSI, "MSI"},
	{KVM_CAP_IOEVENTFD, "ioeventfd"},	{KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
	{KVM_CAP_SET_TSS_ADDR, "TSS address"},	{KVM_CAP_EXT_CPUID, "CPUID"},
};

int vm_kvm_open(struct vm_kvm *k, struct err *e)
{
	*k = (struct vm_kvm){.fd = -1};
	k->sys = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->sys < 0 && errno == ENOENT)
		return err_setw(
			e, -ENOENT, "kvm.absent",
			"this host has no /dev/kvm: enable VT-x or AMD-V in its firmware and load "
			"kvm-intel or kvm-amd");
	if (k->sys < 0)
		return err_setw(e, -errno, "kvm.denied",
				"/dev/kvm: %m (run as a member of the group kvm)");

	int api = ioctl(k->sys, KVM_GET_API_VERSION, 0);

	if (api != KVM_API_VERSION)
		return err_setw(e, -ENOTSUP, "kvm.unfit", "/dev/kvm speaks API %d, not %d", api,
				KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (ioctl(k->sys, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_setw(e, -ENOTSUP, "kvm.unfit", "/dev/kvm lacks %s",
					needed[i].name);

	int size = ioctl(k->sys, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		return err_set(e, -EIO, "KVM_GET_VCPU_MMAP_SIZE: %m");
	k->run_size = (size_t)size;
	return 0;
}

int vm_kvm_slot(const struct vm_kvm *k, unsigned slot, uint64_t gpa, uint64_t size,
		const void *host, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(k->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

int vm_kvm_dirty(const struct vm_kvm *k, unsigned slot, uint64_t *bitmap)
{
	struct kvm_dirty_log log = {.slot = slot, .dirty_bitmap = bitmap};

	return ioctl(k->fd, KVM_GET_DIRTY_LOG, &log) < 0 ? -errno : 0;
}

struct ram_slot {
	unsigned slot;
	uint64_t gpa, size;
	const uint8_t *host;
};

/* Beside a VGA card low RAM has a hole, where the card answers. */
static unsigned ram_slots(const struct vm_kvm *k, const struct vm_mem *ram, struct ram_slot s[3])
{
	const struct vm_mem_region *low = &ram->region[0], *high = &ram->region[1];
	uint64_t first = k->vga_window ? VM_VGA_WINDOW : low->size, upper = VM_VGA_WINDOW_END;
	unsigned n = 0;

	s[n++] = (struct ram_slot){VM_SLOT_LOW, low->gpa, first, low->host};
	if (k->vga_window)
		s[n++] = (struct ram_slot){VM_SLOT_UPPER, upper, low->size - upper,
					   low->host + upper};
	if (high->size)
		s[n++] = (struct ram_slot){VM_SLOT_HIGH, high->gpa, high->size, high->host};
	return n;
}

static int set_slots(const struct vm_kvm *k, const struct vm_mem *ram, uint32_t flags)
{
	struct ram_slot s[3];
	unsigned n = ram_slots(k, ram, s);
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++)
		r = vm_kvm_slot(k, s[i].slot, s[i].gpa, s[i].size, s[i].host, flags);
	return r;
}

static int map_slots(struct vm_kvm *k, const struct vm_mem *ram, struct err *e)
{
	int r = set_slots(k, ram, 0);

	return r < 0 ? err_set(e, r, "KVM_SET_USER_MEMORY_REGION: %s", strerrorname_np(-r)) : 0;
}

int vm_kvm_log_ram(const struct vm_kvm *k, const struct vm_mem *ram, bool on)
{
	return set_slots(k, ram, on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

/* Each slot begins with a word of the map: RAM is whole MiB, and so much lies before the upper one
 * that is. KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 would spare protecting pages twice, but holds for the
 * whole machine, and the framebuffer's slot is read the plain way. */
int vm_kvm_dirty_ram(const struct vm_kvm *k, const struct vm_mem *ram, uint64_t *pages)
{
	struct ram_slot s[3];
	unsigned n = ram_slots(k, ram, s);
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++)
		r = vm_kvm_dirty(k, s[i].slot,
				 pages + (uint64_t)(s[i].host - ram->base) / 4096 / 64);
	return r;
}

int vm_kvm_create(struct vm_kvm *k, const struct vm_mem *ram, struct err *e)
{
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	uint64_t idmap = VM_KVM_IDMAP;

	do
		k->fd = ioctl(k->sys, KVM_CREATE_VM, 0);
	while (k->fd < 0 && errno == EINTR);
	if (k->fd < 0)
		return err_set(e, -errno, "KVM_CREATE_VM: %m");

	int xsave = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	k->xsave_bytes =
		xsave > (int)sizeof(struct kvm_xsave) ? (size_t)xsave : sizeof(struct kvm_xsave);

	int r = map_slots(k, ram, e);

	if (r < 0)
		return r;
	if (ioctl(k->fd, KVM_SET_IDENTITY_MAP_ADDR, &idmap) < 0)
		return err_set(e, -errno, "KVM_SET_IDENTITY_MAP_ADDR: %m");
	if (ioctl(k->fd, KVM_SET_TSS_ADDR, VM_KVM_TSS) < 0)
		return err_set(e, -errno, "KVM_SET_TSS_ADDR: %m");
	if (ioctl(k->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_set(e, -errno, "KVM_CREATE_IRQCHIP: %m");
	if (ioctl(k->fd, KVM_CREATE_PIT2, &pit) < 0)
		return err_set(e, -errno, "KVM_CREATE_PIT2: %m");
	return 0;
}

void vm_kvm_close(struct vm_kvm *k)
{
	cleanup_close_fn(&k->fd);
	cleanup_close_fn(&k->sys);
	k->fd = k->sys = -1;
}

int vm_kvm_vcpu(struct vm_kvm *k, unsigned id, int *fd, struct kvm_run **run, struct err *e)
{
	cleanup_close int vcpu = ioctl(k->fd, KVM_CREATE_VCPU, id);

	if (vcpu < 0)
		return err_set(e, -errno, "KVM_CREATE_VCPU %u: %m", id);

	void *p = mmap(NULL, k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (p == MAP_FAILED)
		return err_set(e, -errno, "mapping vCPU %u: %m", id);
	*run = p;
	*fd = steal_fd(&vcpu);
	return 0;
}

/* ---- hardware or interpreted ---------------------------------------------------------------- */

static int selftest_state(int vcpu, uint32_t rounds, struct err *e)
{
	struct kvm_sregs s;
	struct kvm_regs r = {.rip = SELFTEST_CODE, .rcx = rounds, .rflags = 2};

	if (ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
		return err_set(e, -errno, "KVM_GET_SREGS: %m");

	struct kvm_segment flat = {.limit = 0xffffffff,
				   .selector = 8,
				   .type = 3,
				   .present = 1,
				   .db = 1,
				   .s = 1,
				   .g = 1};

	s.ds = s.es = s.fs = s.gs = s.ss = flat;
	flat.type = 11;
	s.cs = flat;
	s.cr0 |= 1;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) < 0)
		return err_set(e, -errno, "KVM_SET_SREGS: %m");
	if (ioctl(vcpu, KVM_SET_REGS, &r) < 0)
		return err_set(e, -errno, "KVM_SET_REGS: %m");
	return 0;
}

static int selftest_round(int vcpu, struct kvm_run *run, uint32_t rounds, int64_t *ns,
			  struct err *e)
{
	int r = selftest_state(vcpu, rounds, e);

	if (r < 0)
		return r;

	int64_t from = clock_ns();

	while ((r = ioctl(vcpu, KVM_RUN, 0)) < 0 && errno == EINTR)
		continue;
	*ns = clock_ns() - from;
	if (r < 0)
		return err_set(e, -errno, "KVM_RUN: %m");
	if (run->exit_reason != KVM_EXIT_IO)
		return err_set(e, -EIO, "KVM self-test left with exit %u", run->exit_reason);
	run->immediate_exit = 1; /* let KVM finish the OUT before registers are set again */
	(void)ioctl(vcpu, KVM_RUN, 0);
	run->immediate_exit = 0;
	return 0;
}

int vm_kvm_selftest(struct vm_kvm *k, int vcpu, struct kvm_run *run, const struct vm_mem *ram,
		    struct err *e)
{
	static const uint8_t code[] = {0x49,	    /* again: dec ecx */
				       0x75, 0xfd,  /* jnz again */
				       0xe6, 0x80}; /* out 0x80, al */
	static const uint8_t zero[sizeof(code)];
	int64_t best = INT64_MAX;
	int r = vm_mem_write(ram, SELFTEST_CODE, code, sizeof(code));

	if (r < 0)
		return err_set(e, r, "no memory for the KVM self-test");
	for (int i = 0; i < 3 && best > SELFTEST_ROUNDS * SELFTEST_NS_PER_ROUND; i++) {
		int64_t base, loop;

		if ((r = selftest_round(vcpu, run, 1, &base, e)) < 0 ||
		    (r = selftest_round(vcpu, run, SELFTEST_ROUNDS, &loop, e)) < 0)
			return r;
		if (loop - base < best)
			best = loop - base;
		if (best > 3 * SELFTEST_ROUNDS * SELFTEST_NS_PER_ROUND)
			break; /* far beyond doubt: save the time */
	}
	k->kind = best > SELFTEST_ROUNDS * SELFTEST_NS_PER_ROUND ? VM_KVM_INTERPRETED
								 : VM_KVM_HARDWARE;
	return vm_mem_write(ram, SELFTEST_CODE, zero, sizeof(zero));
}

static int probe(struct vm_kvm *k, struct err *e)
{
	struct vm_mem *ram = vm_mem_new(1 << 20, e);
	struct kvm_run *run = NULL;
	int fd = -1, r = ram ? 0 : -ENOMEM;

	if (r == 0)
		r = vm_kvm_open(k, e);
	if (r == 0)
		r = vm_kvm_create(k, ram, e);
	if (r == 0)
		r = vm_kvm_vcpu(k, 0, &fd, &run, e);
	if (r == 0 && run)
		r = vm_kvm_selftest(k, fd, run, ram, e);
	if (run)
		munmap(run, k->run_size);
	cleanup_close_fn(&fd);
	vm_kvm_close(k);
	vm_mem_free(ram);
	return r;
}

enum vm_kvm_kind vm_kvm_probe(char *why, size_t n)
{
	struct vm_kvm k = {.sys = -1, .fd = -1};
	struct err e = {0};

	if (probe(&k, &e) < 0) {
		snprintf(why, n, "%s", e.msg);
		return VM_KVM_NONE;
	}
	if (k.kind == VM_KVM_HARDWARE)
		snprintf(why, n, "guest code runs on the processor");
	else
		snprintf(why, n,
			 "guest code is interpreted by the host kernel: test guests only, no "
			 "operating system can boot; use hardware or the lab host");
	return k.kind;
}

const char *vm_kvm_kind_name(enum vm_kvm_kind kind)
{
	return kind == VM_KVM_HARDWARE	    ? "hardware"
	       : kind == VM_KVM_INTERPRETED ? "interpreted"
					    : "none";
}

/* The hypervisor's name for itself (KVM's Documentation/virt/kvm/x86/cpuid.rst, for all of them).
 */
bool vm_kvm_host_emulated(void)
{
	unsigned a, b = 0, c = 0, d = 0;
	char name[13] = "";

	__cpuid(0x40000000, a, b, c, d);
	memcpy(name, &b, 4);
	memcpy(name + 4, &c, 4);
	memcpy(name + 8, &d, 4);
	return strcmp(name, "TCGTCGTCGTCG") == 0;
}

/* ---- interrupts and eventfds ---------------------------------------------------------------- */

void vm_kvm_irq(const struct vm_kvm *k, unsigned gsi, bool level)
{
	struct kvm_irq_level irq = {.irq = gsi, .level = level};

	(void)ioctl(k->fd, KVM_IRQ_LINE, &irq);
}

int vm_kvm_msi(const struct vm_kvm *k, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {.address_lo = (uint32_t)address,
			      .address_hi = (uint32_t)(address >> 32),
			      .data = data};

	return ioctl(k->fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

int vm_kvm_eventfd(const struct vm_kvm *k, bool add, bool port, uint64_t addr, unsigned len, int fd)
{
	struct kvm_ioeventfd ev = {
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = (port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return ioctl(k->fd, KVM_IOEVENTFD, &ev) < 0 ? -errno : 0;
}
