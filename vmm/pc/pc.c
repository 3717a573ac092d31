/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Builds the PC's devices and gives firmware what it asks for: memory sizes in CMOS and fw_cfg,
 * ACPI tables, option ROMs, the processor count.
 *
 * The image ends at 4 GiB, read-only, and its last 256 KiB are copied to 0xc0000 into RAM that is
 * always writable: q35.c tells firmware that this has been arranged.
 */
#include "vmm/pc/pc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/wire.h"
#include "vmm/boot/acpi.h"
#include "vmm/boot/acpi_loader.h"
#include "vmm/boot/smbios.h"
#include "vmm/io.h"
#include "vmm/kvm.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/pc/debugcon.h"
#include "vmm/pc/fw_cfg.h"
#include "vmm/pc/i8042.h"
#include "vmm/pc/pc_state.h"
#include "vmm/pc/pflash.h"
#include "vmm/pc/q35.h"
#include "vmm/pc/vga_card.h"
#include "vmm/rtc.h"
#include "vmm/snapshot/section.h"

#define BIOS_IMAGE    "/usr/share/seabios/bios-256k.bin"
#define BIOS_VGA_ROM  "/usr/share/seabios/vgabios-stdvga.bin"
#define BIOS_GPU_ROM  "/usr/share/seabios/vgabios-virtio.bin"
#define BIOS_NET_ROM  "/usr/lib/ipxe/qemu/pxe-virtio.rom"
#define EFI_IMAGE     "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define EFI_VARIABLES "/usr/share/OVMF/OVMF_VARS_4M.fd"

#define IMAGE_MAX (8u << 20)
#define ROM_MAX	  (512u << 10)

enum {
	KEY_CPUS = 5,
	KEY_NUMA = 0x0d,
	KEY_BOOT_MENU = 0x0e,
	KEY_MAX_CPUS = 0x0f,
	KEY_ACPI = 0x8000,
	KEY_SMBIOS = 0x8001,
	KEY_IRQ0 = 0x8002
};

struct pc {
	struct pc_cfg cfg;
	struct fw_cfg fw_cfg;
	struct q35 q35;
	struct i8042 i8042;
	struct vga_card vga;
	struct debugcon debugcon;
	struct pflash flash;
	enum pc_firmware firmware;
	uint8_t *rom, *variables; /* owned: allocated, and mapped */
	uint64_t rom_bytes, variables_bytes;
	int variables_fd; /* owned; keeps the lock on the file */
};

struct vga_card *pc_vga(struct pc *pc)
{
	return &pc->vga;
}

struct i8042 *pc_i8042(struct pc *pc)
{
	return &pc->i8042;
}

/* ---- what devices ask of the machine --------------------------------------------------------- */

static void keyboard_irq(void *arg, bool mouse, bool level)
{
	struct pc *pc = arg;

	vm_kvm_irq(pc->cfg.kvm, mouse ? VM_MOUSE_IRQ : VM_KEYBOARD_IRQ, level);
}

static void on_reset(void *arg)
{
	struct pc *pc = arg;

	pc->cfg.reset(pc->cfg.arg);
}

static int map_framebuffer(void *arg, uint64_t gpa, uint64_t size, void *memory)
{
	struct pc *pc = arg;

	return vm_kvm_slot(pc->cfg.kvm, VM_SLOT_FRAMEBUFFER, gpa, size, memory,
			   size ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

static int dirty_framebuffer(void *arg, uint64_t *bitmap)
{
	struct pc *pc = arg;

	return vm_kvm_dirty(pc->cfg.kvm, VM_SLOT_FRAMEBUFFER, bitmap);
}

static uint64_t variables_at(const struct pc *pc)
{
	return VM_FIRMWARE_END - pc->rom_bytes - pc->variables_bytes;
}

static int show_flash(void *arg, bool on)
{
	struct pc *pc = arg;

	return vm_kvm_slot(pc->cfg.kvm, VM_SLOT_FLASH, variables_at(pc),
			   on ? pc->variables_bytes : 0, pc->variables, on ? KVM_MEM_READONLY : 0);
}

/* ---- building -------------------------------------------------------------------------------- */

static int add_keyboard(struct pc *pc)
{
	int r;

	i8042_init(&pc->i8042, keyboard_irq, on_reset, pc);
	r = vm_io_add(pc->cfg.io, true, VM_I8042_PORT, 1, i8042_data_access, &pc->i8042);
	return r < 0 ? r
		     : vm_io_add(pc->cfg.io, true, VM_I8042_PORT + 4, 1, i8042_command_access,
				 &pc->i8042);
}

static int add_fw_cfg(struct pc *pc)
{
	int r = fw_cfg_init(&pc->fw_cfg, pc->cfg.mem);

	return r < 0 ? r
		     : vm_io_add(pc->cfg.io, true, VM_FW_CFG_PORT, FW_CFG_PORTS, fw_cfg_access,
				 &pc->fw_cfg);
}

struct pc *pc_new(const struct pc_cfg *cfg, struct err *e)
{
	struct pc *pc = calloc(1, sizeof(*pc));
	const struct vga_host vga = {.arg = pc, .map = map_framebuffer, .dirty = dirty_framebuffer};
	int r;

	if (!pc) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	pc->cfg = *cfg;
	pc->variables_fd = -1;
	pc->debugcon.log.fd = pc->debugcon.log.old = -1;
	if ((r = add_fw_cfg(pc)) < 0 || (r = add_keyboard(pc)) < 0 ||
	    (r = q35_add(&pc->q35, cfg->pci, cfg->bridge, cfg->io)) < 0)
		(void)err_set(e, r, "PC devices: %s", strerrorname_np(-r));
	else
		r = vga_card_add(&pc->vga, cfg->io, &vga, cfg->width, cfg->height, e);
	if (r < 0) {
		pc_free(pc);
		return NULL;
	}
	return pc;
}

void pc_free(struct pc *pc)
{
	if (!pc)
		return;
	vga_card_fini(&pc->vga);
	pci_dev_fini(&pc->q35.lpc);
	i8042_fini(&pc->i8042);
	debugcon_fini(&pc->debugcon);
	pflash_fini(&pc->flash);
	fw_cfg_fini(&pc->fw_cfg);
	free(pc->rom);
	if (pc->variables)
		munmap(pc->variables, pc->variables_bytes);
	cleanup_close_fn(&pc->variables_fd);
	free(pc);
}

/* ---- what firmware asks ---------------------------------------------------------------------- */

/* CMOS, as PC firmware has long found memory in it (Bochs' rombios, "CMOS registers"). */
static void fill_cmos(struct pc *pc)
{
	const struct vm_mem_region *low = &pc->cfg.mem->region[0], *high = &pc->cfg.mem->region[1];
	uint64_t kib = (low->size >> 10) - 1024, above16m = (low->size >> 16) - (16 << 20 >> 16);
	uint8_t *cmos = pc->cfg.rtc->cmos;

	if (kib > 0xffff)
		kib = 0xffff;
	put_le16(cmos + 0x15, 640);
	put_le16(cmos + 0x17, (uint16_t)kib);
	put_le16(cmos + 0x30, (uint16_t)kib);
	put_le16(cmos + 0x34, (uint16_t)above16m);
	cmos[0x5b] = (uint8_t)(high->size >> 16);
	cmos[0x5c] = (uint8_t)(high->size >> 24);
	cmos[0x5d] = (uint8_t)(high->size >> 32);
	cmos[0x5f] = (uint8_t)(pc->cfg.cpus - 1);
	cmos[0x14] = 0x06; /* equipment: VGA, coprocessor, mouse */
}

static uint8_t *e820(uint8_t *p, uint64_t from, uint64_t n, uint32_t type)
{
	put_le64(p, from);
	put_le64(p + 8, n);
	put_le32(p + 16, type);
	return n ? p + 20 : p;
}

static int add_memory_map(struct pc *pc)
{
	const struct vm_mem *m = pc->cfg.mem;
	uint8_t map[60], *end = map;

	end = e820(end, 0, m->region[0].size, 1);
	end = e820(end, VM_MEM_HIGH, m->region[1].size, 1);
	end = e820(end, VM_ECAM, VM_ECAM_SIZE, 2);
	return fw_cfg_add_file(&pc->fw_cfg, "etc/e820", map, (uint32_t)(end - map), false);
}

static int add_menu(struct pc *pc, unsigned ms)
{
	uint8_t wait[2];
	int r = fw_cfg_add_le16(&pc->fw_cfg, KEY_BOOT_MENU, ms > 0);

	put_le16(wait, (uint16_t)ms);
	return r < 0 || !ms ? r
			    : fw_cfg_add_file(&pc->fw_cfg, "etc/boot-menu-wait", wait, 2, false);
}

static int fill_fw_cfg(struct pc *pc, const struct pc_boot *b)
{
	static const uint8_t none[8], irq0 = 1;
	struct fw_cfg *f = &pc->fw_cfg;
	const struct smbios smbios = {
		.name = pc->cfg.name, .cpus = pc->cfg.cpus, .ram = pc->cfg.mem, .firmware = true};
	const struct acpi_machine acpi = {.cpus = pc->cfg.cpus, .tpm = pc->cfg.tpm};
	uint8_t id[ACPI_GENERATION];
	uint16_t cpus = (uint16_t)pc->cfg.cpus;
	int r;

	if ((r = fw_cfg_add_le16(f, KEY_CPUS, cpus)) < 0 ||
	    (r = fw_cfg_add_le16(f, KEY_MAX_CPUS, cpus)) < 0 ||
	    (r = fw_cfg_add(f, KEY_NUMA, none, 8)) < 0 ||
	    (r = fw_cfg_add_le16(f, KEY_ACPI, 0)) < 0 ||
	    (r = fw_cfg_add_le16(f, KEY_SMBIOS, 0)) < 0 ||
	    (r = fw_cfg_add(f, KEY_IRQ0, &irq0, 1)) < 0 || (r = add_menu(pc, b->menu_ms)) < 0 ||
	    (r = add_memory_map(pc)) < 0 || (r = smbios_offer(f, &smbios)) < 0)
		return r;
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	return acpi_loader_add(f, &acpi, id);
}

int pc_boot_order(struct pc *pc, const char *lines, struct err *e)
{
	int r = fw_cfg_add_file(&pc->fw_cfg, "bootorder", lines, (uint32_t)strlen(lines) + 1,
				false);

	return r < 0 ? err_set(e, r, "boot order: %s", strerrorname_np(-r)) : 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int open_file(const char *what, const char *path, uint64_t most, int *fd, uint64_t *size,
		     struct err *e)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0 && errno == ENOENT && !strncmp(path, "/usr/", 5))
		return err_set(e, -errno, "%s %s is missing: install the package %s", what, path,
			       strstr(path, "OVMF") ? "ovmf" : "seabios");
	if (*fd < 0 || fstat(*fd, &st) < 0)
		return err_set(e, -errno, "%s %s: %m", what, path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > most ||
	    st.st_size % 512)
		return err_set(e, -EINVAL,
			       "%s %s: not a file of whole sectors of at most %llu bytes", what,
			       path, (unsigned long long)most);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int read_all(int fd, void *to, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (uint8_t *)to + done, n - done, (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		done += (uint64_t)r;
	}
	return 0;
}

static int make_rom(struct pc *pc, uint64_t bytes, struct err *e)
{
	pc->rom = aligned_alloc(4096, bytes); /* whole pages, as KVM maps them */
	pc->rom_bytes = bytes;
	return pc->rom ? 0 : err_set(e, -ENOMEM, "firmware: out of memory");
}

/* Read-only memory below 4 GiB. */
static int show_rom(struct pc *pc, struct err *e)
{
	int r = vm_kvm_slot(pc->cfg.kvm, VM_SLOT_ROM, VM_FIRMWARE_END - pc->rom_bytes,
			    pc->rom_bytes, pc->rom, KVM_MEM_READONLY);

	return r < 0 ? err_set(e, r, "firmware memory: %s", strerrorname_np(-r)) : 0;
}

/* The image as read-only memory, and its end below 1 MiB. */
static int load_image(struct pc *pc, const char *path, struct err *e)
{
	cleanup_close int fd = -1;
	uint64_t tail, bytes = 0;
	int r = open_file("firmware", path, IMAGE_MAX, &fd, &bytes, e);
	void *low;

	if (r < 0)
		return r;
	if (bytes % 4096)
		return err_set(e, -EINVAL, "firmware %s: its size is not a multiple of 4096", path);
	if ((r = make_rom(pc, bytes, e)) < 0)
		return r;
	tail = bytes < VM_FIRMWARE_LOW_N ? bytes : VM_FIRMWARE_LOW_N;
	low = vm_mem_ptr(pc->cfg.mem, VM_FIRMWARE_LOW + VM_FIRMWARE_LOW_N - tail, tail);
	if ((r = read_all(fd, pc->rom, bytes)) < 0 || !low)
		return err_set(e, r, "firmware %s: %s", path, strerrorname_np(-r));
	memcpy(low, pc->rom + bytes - tail, tail);
	return show_rom(pc, e);
}

/* An option ROM SeaBIOS finds by its file name. One that is missing is not added. */
static int add_rom(struct pc *pc, const char *name, const char *path, bool needed, struct err *e)
{
	cleanup_close int fd = -1;
	cleanup_free uint8_t *rom = NULL;
	uint64_t n = 0;
	int r;

	if (!needed && access(path, R_OK) < 0)
		return 0;
	r = open_file("option ROM", path, ROM_MAX, &fd, &n, e);
	if (r < 0)
		return r;
	rom = malloc(n + 1);
	r = rom ? read_all(fd, rom, n) : -ENOMEM;
	if (r == 0)
		r = fw_cfg_add_file(&pc->fw_cfg, name, rom, (uint32_t)n, false);
	return r < 0 ? err_set(e, r, "option ROM %s: %s", path, strerrorname_np(-r)) : 0;
}

/* Copies the template (-1: zeros) to a new file, and nothing over one that is there. */
static int make_variables(const char *path, int from, uint64_t n, struct err *e)
{
	cleanup_free uint8_t *bytes = calloc(1, n + 1);
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = !bytes ? -ENOMEM : from < 0 ? 0 : read_all(from, bytes, n);

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return err_set(e, -errno, "UEFI variables %s: %m", path);
	if (r == 0 && (write(fd, bytes, n) != (ssize_t)n || fdatasync(fd) < 0))
		r = -EIO;
	if (r < 0)
		(void)unlink(path);
	return r < 0 ? err_set(e, r, "UEFI variables %s: %s", path, strerrorname_np(-r)) : 0;
}

static int lock_variables(struct pc *pc, const char *path, uint64_t n, struct err *e)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;

	pc->variables_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (pc->variables_fd < 0 || fstat(pc->variables_fd, &st) < 0)
		return err_set(e, -errno, "UEFI variables %s: %m", path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != n)
		return err_set(e, -EINVAL, "UEFI variables %s: not a file of %llu bytes", path,
			       (unsigned long long)n);
	if (fcntl(pc->variables_fd, F_OFD_SETLK, &whole) < 0)
		return err_set(e, -EBUSY, "UEFI variables %s are in use by another machine", path);
	return 0;
}

/* Maps n bytes of the locked file, or a private copy of fd (-1: zeros). */
static int map_variables(struct pc *pc, const char *path, int fd, uint64_t n, struct err *e)
{
	int how = path ? MAP_SHARED : fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE;
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, how, path ? pc->variables_fd : fd, 0);

	if (p == MAP_FAILED)
		return err_set(e, -errno, "UEFI variables: %m");
	pc->variables = p;
	pc->variables_bytes = n;
	return 0;
}

static int add_flash(struct pc *pc, struct err *e)
{
	uint64_t n = pc->variables_bytes;
	int r = pflash_init(&pc->flash, pc->variables, n, show_flash, pc);

	if (r == 0)
		r = vm_io_add(pc->cfg.io, false, variables_at(pc), n, pflash_access, &pc->flash);
	return r < 0 ? err_set(e, r, "flash: %s", strerrorname_np(-r)) : 0;
}

static int load_variables(struct pc *pc, const char *path, struct err *e)
{
	cleanup_close int fd = -1;
	uint64_t n = 0;
	int r = open_file("UEFI variables", EFI_VARIABLES, IMAGE_MAX, &fd, &n, e);

	if (r == 0 && path)
		r = make_variables(path, fd, n, e);
	if (r == 0 && path)
		r = lock_variables(pc, path, n, e);
	if (r == 0)
		r = map_variables(pc, path, fd, n, e);
	return r == 0 ? add_flash(pc, e) : r;
}

static int load_efi(struct pc *pc, const struct pc_boot *b, struct err *e)
{
	int r = load_image(pc, b->image ? b->image : EFI_IMAGE, e);

	return r == 0 ? load_variables(pc, b->variables, e) : r;
}

static int load_bios(struct pc *pc, const struct pc_boot *b, struct err *e)
{
	int r = load_image(pc, b->image ? b->image : BIOS_IMAGE, e);

	if (r == 0)
		r = pc->vga.pci == &pc->vga.dev
			    ? add_rom(pc, "pci1234,1111.rom", BIOS_VGA_ROM, true, e)
			    : add_rom(pc, "pci1af4,1050.rom", BIOS_GPU_ROM, true, e);
	return r == 0 ? add_rom(pc, "pci1af4,1041.rom", BIOS_NET_ROM, false, e) : r;
}

/* Without a seat nobody has put it on the bus. */
static int plug_vga(struct pc *pc, struct err *e)
{
	return pc->vga.pci ? 0 : vga_card_plug(&pc->vga, pc->cfg.pci, e);
}

int pc_load(struct pc *pc, const struct pc_boot *b, struct err *e)
{
	int r = b->log ? debugcon_add(&pc->debugcon, pc->cfg.io, b->log, e) : 0;

	pc->firmware = b->firmware;
	fill_cmos(pc);
	if (r == 0 && (r = fill_fw_cfg(pc, b)) < 0)
		return err_set(e, r, "firmware configuration: %s", strerrorname_np(-r));
	if (r == 0)
		r = plug_vga(pc, e);
	if (r < 0)
		return r;
	return b->firmware == PC_EFI ? load_efi(pc, b, e) : load_bios(pc, b, e);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

#define SAVED	      "firmware"
#define SAVED_VERSION 1

enum pc_firmware pc_saved(const struct snap *s)
{
	struct snap_in in;

	if (snap_find(s, SAVED, 0, SAVED_VERSION, &in, NULL) < 0)
		return PC_NONE;
	return snap_u8(&in) == PC_EFI ? PC_EFI : PC_BIOS;
}

void pc_save(struct pc *pc, struct snap_out *out)
{
	snap_begin(out, SAVED, 0, SAVED_VERSION);
	snap_put_u8(out, (uint8_t)pc->firmware);
	snap_put_u64(out, pc->rom_bytes);
	snap_put_bytes(out, pc->rom, pc->rom_bytes);
	snap_put_u64(out, pc->variables_bytes);
	if (pc->variables)
		snap_put_bytes(out, pc->variables, pc->variables_bytes);
	snap_end(out);
	fw_cfg_save(&pc->fw_cfg, out);
	i8042_save(&pc->i8042, out);
	q35_save(&pc->q35, out);
	if (pc->variables)
		pflash_save(&pc->flash, out);
}

static int reload_rom(struct pc *pc, struct snap_in *in, struct err *e)
{
	uint64_t n = snap_u64(in);
	const uint8_t *bytes;
	int r;

	if (!n || n % 4096 || n > IMAGE_MAX)
		snap_refuse(in);
	bytes = in->bad ? NULL : snap_view(in, n);
	if (!bytes)
		return snap_done(in, e);
	if ((r = make_rom(pc, n, e)) < 0)
		return r;
	memcpy(pc->rom, bytes, n);
	return show_rom(pc, e);
}

static int reload_variables(struct pc *pc, const char *path, struct snap_in *in, struct err *e)
{
	uint64_t n = snap_u64(in);
	const uint8_t *bytes;
	int r = 0;

	if (n > IMAGE_MAX || n % 4096 || (pc->firmware == PC_EFI) != (n > 0))
		snap_refuse(in);
	bytes = in->bad ? NULL : snap_view(in, n);
	if (!bytes || !n)
		return snap_done(in, e);
	if (path)
		r = make_variables(path, -1, n, e);
	if (r == 0 && path)
		r = lock_variables(pc, path, n, e);
	if (r == 0)
		r = map_variables(pc, path, -1, n, e);
	if (r < 0)
		return r;
	memcpy(pc->variables, bytes, n);
	return add_flash(pc, e);
}

int pc_reload(struct pc *pc, const struct pc_boot *b, const struct snap *s, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, SAVED, 0, SAVED_VERSION, &in, e);

	if (r == 0)
		r = plug_vga(pc, e);
	if (r == 0 && b->log)
		r = debugcon_add(&pc->debugcon, pc->cfg.io, b->log, e);
	if (r < 0)
		return r;
	pc->firmware = snap_u8(&in) == PC_EFI ? PC_EFI : PC_BIOS;
	r = reload_rom(pc, &in, e);
	if (r == 0)
		r = reload_variables(pc, b->variables, &in, e);
	return r == 0 ? snap_done(&in, e) : r;
}

int pc_restore(struct pc *pc, const struct snap *s, struct err *e)
{
	int r;

	if ((r = fw_cfg_load(&pc->fw_cfg, s, e)) < 0 || (r = i8042_load(&pc->i8042, s, e)) < 0 ||
	    (r = q35_load(&pc->q35, s, e)) < 0)
		return r;
	return pc->variables ? pflash_load(&pc->flash, s, e) : 0;
}

int pc_generation(struct pc *pc, const uint8_t id[16])
{
	uint64_t at = acpi_loader_generation(&pc->fw_cfg);

	return at ? vm_mem_write(pc->cfg.mem, at, id, ACPI_GENERATION) : -ENOENT;
}

void pc_go_on(struct pc *pc)
{
	i8042_release(&pc->i8042);
}

void pc_registers(struct kvm_sregs *s, struct kvm_regs *r)
{
	const struct kvm_segment data = {.limit = 0xffff, .type = 3, .present = 1, .s = 1};

	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->cs = data;
	s->cs.type = 11;
	s->cs.selector = 0xf000;
	s->cs.base = 0xffff0000;
	s->tr = (struct kvm_segment){.limit = 0xffff, .type = 11, .present = 1};
	s->ldt = (struct kvm_segment){.limit = 0xffff, .type = 2, .present = 1};
	s->gdt.base = s->idt.base = 0;
	s->gdt.limit = s->idt.limit = 0xffff;
	s->cr0 = 0x60000010;
	s->cr3 = s->cr4 = s->efer = 0;
	*r = (struct kvm_regs){.rip = 0xfff0, .rflags = 2, .rdx = 0x600};
}
