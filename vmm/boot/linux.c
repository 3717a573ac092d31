/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The Linux loader. Low memory while the kernel starts:
 *   0x500 descriptor table | 0x7000 boot_params | 0x9000..0xefff page tables, identity for 4 GiB
 *   0x20000 command line   | 0xe0000.. ACPI tables (boot/acpi.c) | kernel where it prefers to be
 *   | initrd as high below its limit as RAM allows
 * Main thread, before the first instruction; guest memory is still ours alone.
 */
#include "vmm/boot/linux.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/wire.h"
#include "vmm/boot/bzimage.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

enum {
	AT_GDT = 0x500,
	AT_PARAMS = 0x7000,
	AT_PML4 = 0x9000,
	AT_PDPT = 0xa000,
	AT_PD = 0xb000, /* four pages */
	AT_CMDLINE = 0x20000,
	CMDLINE_ROOM = 0x10000,
	LOW_RAM_END = 0x9fc00, /* the EBDA began here */
};

/* boot_params: Documentation/arch/x86/zero-page.rst */
enum {
	P_RSDP = 0x070,
	P_E820_COUNT = 0x1e8,
	P_LOADER = 0x210,
	P_LOADFLAGS = 0x211,
	P_INITRD = 0x218,
	P_INITRD_SIZE = 0x21c,
	P_HEAP_END = 0x224,
	P_CMDLINE = 0x228,
	P_E820 = 0x2d0,
	P_SIZE = 4096,
};

enum {
	E820_RAM = 1,
	E820_RESERVED = 2
};
enum {
	CR0_PE = 1,
	CR0_PG = 1u << 31,
	CR4_PAE = 0x20,
	EFER_LME = 0x100,
	EFER_LMA = 0x400
};

static int read_into(int fd, uint64_t offset, void *to, size_t n, const char *name, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (uint8_t *)to + done, n - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_set(e, -errno, "%s: %m", name);
		if (r == 0)
			return err_set(e, -EIO, "%s: shrank while it was read", name);
		done += (size_t)r;
	}
	return 0;
}

static int file_size(int fd, const char *name, uint64_t *size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %m", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s is not a regular file", name);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int load_kernel(const struct vm_mem *ram, const struct linux_boot *b, struct bzimage *k,
		       struct err *e)
{
	uint8_t head[BZIMAGE_HEAD];
	uint64_t size = 0;
	int r = file_size(b->kernel, b->kernel_name, &size, e);

	if (r < 0)
		return r;

	size_t n = size < sizeof(head) ? (size_t)size : sizeof(head);

	if ((r = read_into(b->kernel, 0, head, n, b->kernel_name, e)) < 0)
		return r;
	if ((r = bzimage_parse(head, n, size, k, e)) < 0)
		return err_prefix(e, "kernel %s", b->kernel_name), r;

	void *to = vm_mem_ptr(ram, k->load, k->init_size);

	if (!to)
		return err_set(e, -ENOMEM,
			       "kernel %s needs %llu MiB of memory to start, the desktop has %llu",
			       b->kernel_name,
			       (unsigned long long)((k->load + k->init_size) >> 20) + 1,
			       (unsigned long long)(ram->size >> 20));
	return read_into(b->kernel, k->code_offset, to, k->code_size, b->kernel_name, e);
}

static int load_initrd(const struct vm_mem *ram, const struct linux_boot *b,
		       const struct bzimage *k, uint64_t *at, uint64_t *size, struct err *e)
{
	uint64_t top = ram->region[0].size;
	int r;

	*at = *size = 0;
	if (b->initrd < 0)
		return 0;
	if ((r = file_size(b->initrd, b->initrd_name, size, e)) < 0)
		return r;
	if (!*size)
		return err_set(e, -EINVAL, "initrd %s is empty", b->initrd_name);
	if (k->initrd_max && top > k->initrd_max + 1)
		top = k->initrd_max + 1;

	uint64_t low = k->load + k->init_size;

	if (top < low || top - low < *size + 4096)
		return err_set(
			e, -ENOMEM,
			"initrd %s (%llu MiB) and the kernel do not fit into %llu MiB of memory",
			b->initrd_name, (unsigned long long)(*size >> 20) + 1,
			(unsigned long long)(ram->size >> 20));
	*at = (top - *size) & ~4095ull;

	void *to = vm_mem_ptr(ram, *at, *size);

	return to ? read_into(b->initrd, 0, to, *size, b->initrd_name, e) : -EFAULT;
}

static unsigned add_e820(uint8_t *params, unsigned n, uint64_t at, uint64_t size, uint32_t type)
{
	uint8_t *entry = params + P_E820 + 20 * n;

	if (!size)
		return n;
	put_le64(entry, at);
	put_le64(entry + 8, size);
	put_le32(entry + 16, type);
	params[P_E820_COUNT] = (uint8_t)(n + 1);
	return n + 1;
}

static void fill_params(uint8_t *p, const struct vm_mem *ram, const struct linux_boot *b,
			const struct bzimage *k, uint64_t initrd, uint64_t initrd_size)
{
	unsigned n = 0;

	memcpy(p + BZIMAGE_HEADER, k->header, k->header_size);
	p[P_LOADER] = 0xff;	/* unregistered */
	p[P_LOADFLAGS] |= 0x80; /* heap_end_ptr is valid */
	put_le16(p + P_HEAP_END, 0xfe00);
	put_le32(p + P_INITRD, (uint32_t)initrd);
	put_le32(p + P_INITRD_SIZE, (uint32_t)initrd_size);
	put_le32(p + P_CMDLINE, AT_CMDLINE);
	put_le64(p + P_RSDP, b->rsdp);
	n = add_e820(p, n, 0, LOW_RAM_END, E820_RAM);
	n = add_e820(p, n, LOW_RAM_END, 0x100000 - LOW_RAM_END, E820_RESERVED);
	n = add_e820(p, n, 0x100000, ram->region[0].size - 0x100000, E820_RAM);
	n = add_e820(p, n, VM_ECAM, VM_ECAM_SIZE, E820_RESERVED); /* or Linux refuses MMCONFIG */
	(void)add_e820(p, n, VM_MEM_HIGH, ram->region[1].size, E820_RAM);
}

/* 2 MiB pages: gigabyte pages are not on every processor. */
static int write_tables(const struct vm_mem *ram)
{
	static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff /* 0x10: 64-bit code */,
				       0x00cf93000000ffff /* 0x18: data */};
	uint8_t *low = vm_mem_ptr(ram, 0, 0x10000);

	if (!low)
		return -EFAULT;
	memcpy(low + AT_GDT, gdt, sizeof(gdt));
	put_le64(low + AT_PML4, AT_PDPT | 3);
	for (unsigned i = 0; i < 4; i++)
		put_le64(low + AT_PDPT + 8 * i, (AT_PD + 4096 * i) | 3);
	for (unsigned i = 0; i < 2048; i++)
		put_le64(low + AT_PD + 8 * i, (uint64_t)i << 21 | 0x83);
	return 0;
}

int linux_load(const struct vm_mem *ram, const struct linux_boot *b, uint64_t *entry, struct err *e)
{
	uint8_t params[P_SIZE] = {0};
	struct bzimage k;
	uint64_t initrd = 0, initrd_size = 0;
	size_t cmdline = strlen(b->cmdline);
	int r = load_kernel(ram, b, &k, e);

	if (r == 0)
		r = load_initrd(ram, b, &k, &initrd, &initrd_size, e);
	if (r < 0)
		return r;
	if (cmdline >= CMDLINE_ROOM || (k.cmdline_max && cmdline > k.cmdline_max))
		return err_set(e, -EINVAL, "the command line has %zu bytes, kernel %s takes %u",
			       cmdline, b->kernel_name, k.cmdline_max);
	fill_params(params, ram, b, &k, initrd, initrd_size);
	if ((r = vm_mem_write(ram, AT_PARAMS, params, sizeof(params))) < 0 ||
	    (r = vm_mem_write(ram, AT_CMDLINE, b->cmdline, cmdline + 1)) < 0 ||
	    (r = write_tables(ram)) < 0)
		return err_set(e, r, "no memory for the boot parameters");
	*entry = k.load + BZIMAGE_ENTRY64;
	return 0;
}

void linux_registers(struct kvm_sregs *s, struct kvm_regs *r, uint64_t entry)
{
	struct kvm_segment data = {.limit = 0xffffffff,
				   .selector = 0x18,
				   .type = 3,
				   .present = 1,
				   .db = 1,
				   .s = 1,
				   .g = 1};
	struct kvm_segment code = {.limit = 0xffffffff,
				   .selector = 0x10,
				   .type = 11,
				   .present = 1,
				   .l = 1,
				   .s = 1,
				   .g = 1};

	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = (struct kvm_segment){.limit = 0x67, .type = 11, .present = 1};
	s->gdt.base = AT_GDT;
	s->gdt.limit = 4 * 8 - 1;
	s->idt.base = s->idt.limit = 0;
	s->cr3 = AT_PML4;
	s->cr4 = CR4_PAE;
	s->cr0 |= CR0_PE | CR0_PG;
	s->efer = EFER_LME | EFER_LMA;
	*r = (struct kvm_regs){.rip = entry, .rsi = AT_PARAMS, .rflags = 2};
}
