/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ELF loader. The file is somebody's download: every header field is checked against the file
 * and against RAM before it is used. Low memory while the kernel starts:
 *   0x500 descriptor table | 0x6000 start_info or multiboot info | 0x20000 command line
 */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/wire.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

enum {
	AT_GDT = 0x500,
	AT_INFO = 0x6000,
	AT_MODULE = 0x6100,
	AT_MAP = 0x6200,
	AT_CMDLINE = 0x20000,
	CMDLINE_ROOM = 0x10000,
	LOW_RAM_END = 0x9fc00,
	KERNEL_FROM = 0x100000,
	PAGE = 4096
};
enum {
	HEADER_MAX = 64,
	SEGMENTS_MAX = 64,
	NOTES_MAX = 64 << 10,
	NOTE_PVH = 18,
	MB_SEARCH = 8192,
	MAP_ENTRIES = 4
};
#define MB_MAGIC  0x1badb002u
#define MB_LOADED 0x2badb002u
#define MB_UNKNOWN                                                                                 \
	0x0000fff8u /* required features we do not have: all but alignment, memory, video */
#define START_INFO    0x336ec578u
#define RAM_TYPE      1
#define RESERVED_TYPE 2

struct segment {
	uint32_t type;
	uint64_t offset, address, in_file, in_memory;
};

struct file {
	int fd; /* borrowed */
	const char *name;
	uint64_t size;
	bool wide; /* ELF64 */
	unsigned segments;
	struct segment segment[SEGMENTS_MAX];
	uint32_t entry;
};

static int pull(const struct file *f, uint64_t offset, void *to, uint64_t n, struct err *e)
{
	uint64_t done = 0;

	if (!range_ok(offset, n, f->size))
		return err_set(e, -EINVAL, "kernel %s is cut short", f->name);
	while (done < n) {
		ssize_t r = pread(f->fd, (uint8_t *)to + done, n - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_set(e, r < 0 ? -errno : -EIO, "kernel %s: cannot be read",
				       f->name);
		done += (uint64_t)r;
	}
	return 0;
}

bool elf_is(int fd)
{
	uint8_t magic[SELFMAG];

	return pread(fd, magic, SELFMAG, 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);
}

/* ---- the file -------------------------------------------------------------------------------- */

static int read_segment(struct file *f, uint64_t at, struct segment *s, struct err *e)
{
	uint8_t p[sizeof(Elf64_Phdr)] = {0};
	int r = pull(f, at, p, f->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), e);

	if (r < 0)
		return r;
	if (f->wide)
		*s = (struct segment){.type = get_le32(p),
				      .offset = get_le64(p + 8),
				      .address = get_le64(p + 24),
				      .in_file = get_le64(p + 32),
				      .in_memory = get_le64(p + 40)};
	else
		*s = (struct segment){.type = get_le32(p),
				      .offset = get_le32(p + 4),
				      .address = get_le32(p + 12),
				      .in_file = get_le32(p + 16),
				      .in_memory = get_le32(p + 20)};
	return 0;
}

static int read_header(struct file *f, struct err *e)
{
	uint8_t h[HEADER_MAX] = {0};
	uint64_t table, step;
	int r = pull(f, 0, h, sizeof(h), e);

	if (r < 0)
		return r;
	f->wide = h[EI_CLASS] == ELFCLASS64;
	if (h[EI_DATA] != ELFDATA2LSB || (!f->wide && h[EI_CLASS] != ELFCLASS32) ||
	    get_le16(h + 16) != ET_EXEC || get_le16(h + 18) != (f->wide ? EM_X86_64 : EM_386))
		return err_set(e, -EINVAL, "kernel %s is not an x86 executable", f->name);
	f->entry = get_le32(h + 24);
	table = f->wide ? get_le64(h + 32) : get_le32(h + 28);
	step = get_le16(h + (f->wide ? 54 : 42));
	f->segments = get_le16(h + (f->wide ? 56 : 44));
	if (!f->segments || f->segments > SEGMENTS_MAX || table > f->size)
		return err_set(e, -EINVAL, "kernel %s has no usable program headers", f->name);
	for (unsigned i = 0; i < f->segments && r == 0; i++)
		r = read_segment(f, table + i * step, &f->segment[i], e);
	return r;
}

/* Loads what is to be loaded; *end becomes the first page after it. */
static int load_segments(struct file *f, const struct vm_mem *ram, uint64_t *end, struct err *e)
{
	*end = KERNEL_FROM;
	for (unsigned i = 0; i < f->segments; i++) {
		const struct segment *s = &f->segment[i];
		uint8_t *to;
		int r;

		if (s->type != PT_LOAD || !s->in_memory)
			continue;
		to = s->address >= KERNEL_FROM && s->in_file <= s->in_memory &&
				     s->address < VM_MEM_LOW_MAX
			     ? vm_mem_ptr(ram, s->address, s->in_memory)
			     : NULL;
		if (!to)
			return err_set(e, -ENOMEM,
				       "kernel %s wants %llu bytes at %#llx, where the desktop has "
				       "no memory for it",
				       f->name, (unsigned long long)s->in_memory,
				       (unsigned long long)s->address);
		r = pull(f, s->offset, to, s->in_file, e);
		if (r < 0)
			return r;
		memset(to + s->in_file, 0, s->in_memory - s->in_file);
		if (s->address + s->in_memory > *end)
			*end = (s->address + s->in_memory + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	}
	return *end > KERNEL_FROM ? 0
				  : err_set(e, -EINVAL, "kernel %s has nothing to load", f->name);
}

/* Multiboot §3.1: within the first 8192 bytes, on a multiple of four. */
static bool find_multiboot(const struct file *f)
{
	uint8_t head[MB_SEARCH];
	uint64_t n = f->size < sizeof(head) ? f->size : sizeof(head);
	struct err ignored;

	if (pull(f, 0, head, n, &ignored) < 0)
		return false;
	for (uint64_t i = 0; i + 12 <= n; i += 4) {
		uint32_t flags = get_le32(head + i + 4);

		if (get_le32(head + i) == MB_MAGIC && !(flags & MB_UNKNOWN) &&
		    MB_MAGIC + flags + get_le32(head + i + 8) == 0)
			return true;
	}
	return false;
}

/* Looks for the note {name "Xen", type 18} in n bytes of notes. */
static bool find_pvh(const uint8_t *notes, uint64_t n, uint32_t *entry)
{
	for (uint64_t at = 0; range_ok(at, 12, n);) {
		uint64_t name = get_le32(notes + at), desc = get_le32(notes + at + 4);
		uint64_t body = at + 12 + ((name + 3) & ~3ull);

		if (!range_ok(body, desc, n))
			return false;
		if (get_le32(notes + at + 8) == NOTE_PVH && name == 4 && desc >= 4 &&
		    !memcmp(notes + at + 12, "Xen", 4)) {
			*entry = get_le32(notes + body);
			return true;
		}
		at = body + ((desc + 3) & ~3ull);
	}
	return false;
}

static bool pvh_entry(const struct file *f, uint32_t *entry)
{
	struct err ignored;

	for (unsigned i = 0; i < f->segments; i++) {
		const struct segment *s = &f->segment[i];
		cleanup_free uint8_t *notes = NULL;

		if (s->type != PT_NOTE || s->in_file > NOTES_MAX)
			continue;
		notes = malloc(s->in_file + 1);
		if (notes && pull(f, s->offset, notes, s->in_file, &ignored) == 0 &&
		    find_pvh(notes, s->in_file, entry))
			return true;
	}
	return false;
}

/* ---- what the kernel is told ----------------------------------------------------------------- */

struct told {
	const struct vm_mem *ram;
	uint64_t module, module_bytes, rsdp;
	size_t cmdline; /* bytes, with its end */
};

/* The initrd goes on the first page after the kernel. */
static int load_module(const struct linux_boot *b, uint64_t at, struct told *t, struct err *e)
{
	struct file f = {.fd = b->initrd, .name = b->initrd_name};
	struct stat st;
	void *to;

	if (b->initrd < 0)
		return 0;
	if (fstat(b->initrd, &st) < 0)
		return err_set(e, -errno, "initrd %s: %m", b->initrd_name);
	f.size = (uint64_t)st.st_size;
	if (!f.size)
		return err_set(e, -EINVAL, "initrd %s is empty", b->initrd_name);
	to = vm_mem_ptr(t->ram, at, f.size);
	if (!to)
		return err_set(e, -ENOMEM, "initrd %s does not fit into memory", b->initrd_name);
	t->module = at;
	t->module_bytes = f.size;
	return pull(&f, 0, to, f.size, e);
}

struct range {
	uint64_t at, n;
	uint32_t type;
};

static unsigned memory_map(const struct vm_mem *ram, struct range map[MAP_ENTRIES])
{
	map[0] = (struct range){0, LOW_RAM_END, RAM_TYPE};
	map[1] = (struct range){KERNEL_FROM, ram->region[0].size - KERNEL_FROM, RAM_TYPE};
	map[2] = (struct range){VM_ECAM, VM_ECAM_SIZE, RESERVED_TYPE};
	map[3] = (struct range){VM_MEM_HIGH, ram->region[1].size, RAM_TYPE};
	return ram->region[1].size ? 4 : 3;
}

static void tell_pvh(uint8_t *low, const struct told *t)
{
	struct range map[MAP_ENTRIES];
	unsigned n = memory_map(t->ram, map);
	uint8_t *p = low + AT_INFO;

	put_le32(p, START_INFO);
	put_le32(p + 4, 1);
	put_le32(p + 12, t->module_bytes ? 1 : 0);
	put_le64(p + 16, AT_MODULE);
	put_le64(p + 24, AT_CMDLINE);
	put_le64(p + 32, t->rsdp);
	put_le64(p + 40, AT_MAP);
	put_le32(p + 48, n);
	put_le64(low + AT_MODULE, t->module);
	put_le64(low + AT_MODULE + 8, t->module_bytes);
	for (unsigned i = 0; i < n; i++) {
		put_le64(low + AT_MAP + 24 * i, map[i].at);
		put_le64(low + AT_MAP + 24 * i + 8, map[i].n);
		put_le32(low + AT_MAP + 24 * i + 16, map[i].type);
	}
}

/* Multiboot §3.3. */
static void tell_multiboot(uint8_t *low, const struct told *t)
{
	enum {
		MEMORY = 1,
		CMDLINE = 4,
		MODULES = 8,
		MAP = 64
	};
	struct range map[MAP_ENTRIES];
	unsigned n = memory_map(t->ram, map);
	uint8_t *p = low + AT_INFO;

	put_le32(p, MEMORY | CMDLINE | MAP | (t->module_bytes ? MODULES : 0));
	put_le32(p + 4, LOW_RAM_END >> 10);
	put_le32(p + 8, (uint32_t)(map[1].n >> 10));
	put_le32(p + 16, AT_CMDLINE);
	put_le32(p + 20, t->module_bytes ? 1 : 0);
	put_le32(p + 24, AT_MODULE);
	put_le32(p + 44, 24 * n);
	put_le32(p + 48, AT_MAP);
	put_le32(low + AT_MODULE, (uint32_t)t->module);
	put_le32(low + AT_MODULE + 4, (uint32_t)(t->module + t->module_bytes));
	for (unsigned i = 0; i < n; i++) {
		put_le32(low + AT_MAP + 24 * i, 20);
		put_le64(low + AT_MAP + 24 * i + 4, map[i].at);
		put_le64(low + AT_MAP + 24 * i + 12, map[i].n);
		put_le32(low + AT_MAP + 24 * i + 20, map[i].type);
	}
}

static int tell(const struct vm_mem *ram, const struct linux_boot *b, const struct told *t,
		bool multiboot, struct err *e)
{
	static const uint64_t gdt[] = {0, 0, 0x00cf9b000000ffff /* 0x10: code */,
				       0x00cf93000000ffff /* 0x18: data */};
	uint8_t *low = vm_mem_ptr(ram, 0, AT_CMDLINE + CMDLINE_ROOM);

	if (!low)
		return err_set(e, -ENOMEM, "no memory for the boot information");
	memcpy(low + AT_GDT, gdt, sizeof(gdt));
	memcpy(low + AT_CMDLINE, b->cmdline, t->cmdline);
	if (multiboot)
		tell_multiboot(low, t);
	else
		tell_pvh(low, t);
	return 0;
}

int elf_load(const struct vm_mem *ram, const struct linux_boot *b, struct elf_entry *entry,
	     struct err *e)
{
	struct file f = {.fd = b->kernel, .name = b->kernel_name};
	struct told t = {.ram = ram, .rsdp = b->rsdp, .cmdline = strlen(b->cmdline) + 1};
	struct stat st;
	uint64_t end = 0;
	int r;

	if (fstat(f.fd, &st) < 0)
		return err_set(e, -errno, "kernel %s: %m", f.name);
	f.size = (uint64_t)st.st_size;
	if (t.cmdline > CMDLINE_ROOM)
		return err_set(e, -EINVAL, "the command line has %zu bytes, at most %d fit",
			       t.cmdline - 1, CMDLINE_ROOM - 1);
	if ((r = read_header(&f, e)) < 0)
		return r;
	entry->multiboot = find_multiboot(&f);
	entry->at = f.entry;
	if (!entry->multiboot && !pvh_entry(&f, &entry->at))
		return err_set(e, -EINVAL,
			       "kernel %s has neither a PVH entry nor a multiboot header", f.name);
	if ((r = load_segments(&f, ram, &end, e)) < 0 || (r = load_module(b, end, &t, e)) < 0)
		return r;
	return tell(ram, b, &t, entry->multiboot, e);
}

void elf_registers(struct kvm_sregs *s, struct kvm_regs *r, const struct elf_entry *entry)
{
	struct kvm_segment flat = {.limit = 0xffffffff,
				   .selector = 0x18,
				   .type = 3,
				   .present = 1,
				   .db = 1,
				   .s = 1,
				   .g = 1};

	s->ds = s->es = s->fs = s->gs = s->ss = flat;
	flat.selector = 0x10;
	flat.type = 11;
	s->cs = flat;
	s->tr = (struct kvm_segment){.limit = 0x67, .type = 11, .present = 1};
	s->gdt.base = AT_GDT;
	s->gdt.limit = 4 * 8 - 1;
	s->idt.base = s->idt.limit = 0;
	s->cr0 = 0x11; /* protected mode, extension type */
	s->cr3 = s->cr4 = s->efer = 0;
	*r = (struct kvm_regs){.rip = entry->at,
			       .rax = entry->multiboot ? MB_LOADED : 0,
			       .rbx = AT_INFO,
			       .rflags = 2};
}
