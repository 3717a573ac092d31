/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Builds the tables back to front: a table is written when everything it points at has an address.
 * Offsets are those of ACPI 6.4 §5.2; MCFG is PCI Firmware 3.0 §4.1.2.
 */
#include "vmm/boot/acpi.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/boot/aml.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/pc/tpm.h"
#include "vmm/pci.h"

enum {
	HEADER = 36,
	XSDT_TABLES = 4 /* at most */
};

struct tables {
	uint8_t *out;
	size_t n;
	uint32_t base; /* the address out stands for */
	bool pc;       /* with VGA, keyboard controller */
	bool tpm;
	uint32_t generation; /* offset, see acpi_layout */
};

static void checksum(uint8_t *p, size_t n, uint8_t *at)
{
	uint8_t sum = 0;

	*at = 0;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	*at = (uint8_t)-sum;
}

/* Room for a table of n bytes, 64-byte aligned (FACS needs it). */
static uint8_t *table_begin(struct tables *t, size_t n)
{
	size_t at = (t->n + 63) & ~63ul;

	if (n > VM_GENERATION_AT - ACPI_AT - at)
		return NULL;
	t->n = at + n;
	memset(t->out + at, 0, n);
	return t->out + at;
}

static uint32_t address(const struct tables *t, const uint8_t *p)
{
	return t->base + (uint32_t)(p - t->out);
}

static void finish(uint8_t *p, const char *signature, uint8_t revision, size_t n)
{
	memcpy(p, signature, 4);
	put_le32(p + 4, (uint32_t)n);
	p[8] = revision;
	memcpy(p + 10, "PANE  PANEVMM ", 14); /* OEM id, OEM table id */
	put_le32(p + 24, 1);
	memcpy(p + 28, "PANE", 4);
	put_le32(p + 32, 1);
	checksum(p, n, p + 9);
}

/* Generic address structure for a port, §5.2.3.2. */
static void gas_port(uint8_t *p, uint16_t port, uint8_t bits)
{
	p[0] = 1; /* system I/O */
	p[1] = bits;
	p[3] = bits == 8 ? 1 : bits == 16 ? 2 : bits == 32 ? 3 : 0;
	put_le64(p + 4, port);
}

/* ---- DSDT ----------------------------------------------------------------------------------- */

/* Slots that can be filled and emptied (ACPI 6.4 §6.3): a device with a way out (_EJ0) each, which
 * is what makes Linux and Windows watch them, and nothing that was there from the start has it. */
static void hotplug_slots(struct aml *a)
{
	static const char *const registers[] = {"HPUP", "HPDN", "HPEJ"}; /* hotplug.h */

	aml_registers(a, "HPRG", VM_HOTPLUG_PORT, registers, ARRAY_LEN(registers));
	for (unsigned i = 0; i < VM_HOTPLUG_SLOTS; i++) {
		const char name[] = {'S', 'L', 'T', (char)('0' + i), 0};
		size_t dev = aml_device_begin(a, name), method;

		aml_name(a, "_ADR");
		aml_int(a, (VM_HOTPLUG_SLOT + i) << 16);
		aml_name(a, "_SUN");
		aml_int(a, VM_HOTPLUG_SLOT + i);
		method = aml_method_begin(a, "_EJ0", 1);
		aml_store(a, (uint8_t)(1u << i), "HPEJ");
		aml_end(a, method);
		aml_end(a, dev);
	}
}

static void host_bridge(struct aml *a, bool pc)
{
	size_t dev = aml_device_begin(a, "PCI0");

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0A08");
	aml_name(a, "_CID");
	aml_eisa_id(a, "PNP0A03");
	aml_name(a, "_UID");
	aml_int(a, 0);

	size_t crs = aml_resources_begin(a, "_CRS");

	aml_res_bus_window(a, 0, 255);
	aml_res_port(a, 0xcf8, 8);
	aml_res_port_window(a, 0, 0xcf7);
	aml_res_port_window(a, 0xd00, 0xffff);
	if (pc)
		aml_res_memory_window(a, VM_VGA_WINDOW, VM_VGA_WINDOW_END - 1);
	aml_res_memory_window(a, VM_PCI_MEM, VM_PCI_MEM_END - 1);
	aml_resources_end(a, crs);

	aml_name(a, "_PRT");

	size_t prt = aml_package_begin(a, PCI_SLOTS);

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		size_t route = aml_package_begin(a, 4);

		aml_int(a, slot << 16 | 0xffff);
		aml_int(a, 0); /* INTA# */
		aml_int(a, 0); /* no link device: the next number is the interrupt itself */
		aml_int(a, VM_INTX_GSI(slot));
		aml_end(a, route);
	}
	aml_end(a, prt);
	hotplug_slots(a);
	aml_end(a, dev);
}

static void isa_device(struct aml *a, const char *name, const char *hid, uint16_t port, uint8_t len,
		       unsigned irq)
{
	size_t dev = aml_device_begin(a, name);

	aml_name(a, "_HID");
	aml_eisa_id(a, hid);
	aml_name(a, "_UID");
	aml_int(a, 1);

	size_t crs = aml_resources_begin(a, "_CRS");

	aml_res_port(a, port, len);
	aml_res_irq(a, irq);
	aml_resources_end(a, crs);
	aml_end(a, dev);
}

/* The keyboard has the controller's ports, the mouse only its interrupt. */
static void keyboard_controller(struct aml *a)
{
	size_t dev = aml_device_begin(a, "KBD"), crs;

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0303");
	crs = aml_resources_begin(a, "_CRS");
	aml_res_port(a, VM_I8042_PORT, 1);
	aml_res_port(a, VM_I8042_PORT + 4, 1);
	aml_res_irq(a, VM_KEYBOARD_IRQ);
	aml_resources_end(a, crs);
	aml_end(a, dev);

	dev = aml_device_begin(a, "MOU");
	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0F13");
	crs = aml_resources_begin(a, "_CRS");
	aml_res_irq(a, VM_MOUSE_IRQ);
	aml_resources_end(a, crs);
	aml_end(a, dev);
}

/* What is taken and belongs to no driver: ECAM (Linux trusts it only when reserved here). */
static void motherboard(struct aml *a)
{
	size_t dev = aml_device_begin(a, "MBRD");

	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0C02");
	aml_name(a, "_UID");
	aml_int(a, 0);

	size_t crs = aml_resources_begin(a, "_CRS");

	aml_res_memory(a, VM_ECAM, VM_ECAM_SIZE);
	aml_res_port(a, VM_PM1_EVT, 0x30);
	aml_resources_end(a, crs);
	aml_end(a, dev);
}

/* The VM generation counter: 16 bytes in reserved memory that change when the machine goes on as
 * another one, and the event that says so. */
static void generation_device(struct tables *t, struct aml *a)
{
	size_t dev = aml_device_begin(a, "VGEN");

	aml_name(a, "_HID");
	aml_string(a, "PANE0001");
	aml_name(a, "_CID");
	aml_string(a, "VM_Gen_Counter");
	aml_name(a, "_DDN");
	aml_string(a, "VM_Gen_Counter");
	aml_name(a, "ADDR");

	size_t addr = aml_package_begin(a, 2);

	aml_int(a, VM_GENERATION_AT);
	if (t->pc && aml_ok(a)) { /* firmware decides where, and fills it in */
		t->generation = (uint32_t)a->n - 4;
		put_le32(t->out + t->generation, ACPI_GENERATION_OFFSET);
	}
	aml_int(a, 0);
	aml_end(a, addr);
	aml_end(a, dev);
}

static void tpm_device(struct aml *a)
{
	size_t dev = aml_device_begin(a, "TPM"), crs;

	aml_name(a, "_HID");
	aml_string(a, "MSFT0101");
	aml_name(a, "_STR");
	aml_string(a, "TPM 2.0 Device");
	aml_name(a, "_UID");
	aml_int(a, 1);
	aml_name(a, "_STA");
	aml_int(a, 15);
	crs = aml_resources_begin(a, "_CRS");
	aml_res_memory(a, VM_TPM, VM_TPM_BYTES);
	aml_resources_end(a, crs);
	aml_end(a, dev);
}

/* What is seen in a register is cleared first: news that come later raise the event again. */
static void hotplug_news(struct aml *a, const char *reg, uint8_t what)
{
	char slot[] = "\\_SB.PCI0.SLT0";

	aml_take(a, reg);
	for (unsigned i = 0; i < VM_HOTPLUG_SLOTS; i++) {
		size_t mark = aml_if_begin(a, (uint8_t)(1u << i));

		slot[sizeof(slot) - 2] = (char)('0' + i);
		aml_notify(a, slot, what);
		aml_end(a, mark);
	}
}

static void events(struct aml *a)
{
	enum {
		DEVICE_CHECK = 1, /* §5.6.6 */
		EJECT_REQUEST = 3
	};
	_Static_assert(VM_GPE_HOTPLUG == 1 && VM_GPE_GENERATION == 5,
		       "the methods' names say the events");
	size_t gpe = aml_scope_begin(a, "\\_GPE");
	size_t method = aml_method_begin(a, "_E01", 0);

	hotplug_news(a, "\\_SB.PCI0.HPUP", DEVICE_CHECK);
	hotplug_news(a, "\\_SB.PCI0.HPDN", EJECT_REQUEST);
	aml_end(a, method);
	method = aml_method_begin(a, "_E05", 0);
	aml_notify(a, "\\_SB.VGEN", 0x80);
	aml_end(a, method);
	aml_end(a, gpe);
}

static uint8_t *write_dsdt(struct tables *t)
{
	uint8_t *p = table_begin(t, HEADER);

	if (!p)
		return NULL;

	struct aml a = {.out = t->out, .n = t->n, .size = VM_GENERATION_AT - ACPI_AT};
	size_t sb = aml_scope_begin(&a, "\\_SB");

	host_bridge(&a, t->pc);
	motherboard(&a);
	isa_device(&a, "COM1", "PNP0501", VM_COM1_PORT, 8, VM_COM1_IRQ);
	isa_device(&a, "RTC", "PNP0B00", VM_RTC_PORT, 2, VM_RTC_IRQ);
	generation_device(t, &a);
	if (t->pc)
		keyboard_controller(&a);
	if (t->tpm)
		tpm_device(&a);
	aml_end(&a, sb);
	events(&a);
	aml_name(&a, "\\_S5");

	size_t s5 = aml_package_begin(&a, 4);

	aml_int(&a, VM_SLEEP_S5);
	aml_int(&a, VM_SLEEP_S5);
	aml_int(&a, 0);
	aml_int(&a, 0);
	aml_end(&a, s5);
	if (!aml_ok(&a))
		return NULL;
	t->n = a.n;
	finish(p, "DSDT", 2, (size_t)(t->out + t->n - p));
	return p;
}

/* ---- the fixed tables ------------------------------------------------------------------------ */

static uint8_t *write_facs(struct tables *t)
{
	uint8_t *p = table_begin(t, 64);

	if (p) {
		memcpy(p, "FACS", 4);
		put_le32(p + 4, 64);
		p[32] = 2; /* version; the FACS has no checksum */
	}
	return p;
}

static uint8_t *write_fadt(struct tables *t, uint32_t facs, uint32_t dsdt)
{
	enum {
		SIZE = 276,
		WBINVD = 1,
		PROC_C1 = 4,
		NO_SLEEP_BUTTON = 32,
		FIX_RTC = 64,
		TIMER_32 = 256,
		RESET_REG = 1024,
		NO_VGA = 4,
		LEGACY = 1,
		I8042 = 2
	};
	uint8_t *p = table_begin(t, SIZE);

	if (!p)
		return NULL;
	put_le32(p + 36, facs);
	put_le32(p + 40, dsdt);
	p[45] = 1; /* desktop */
	put_le16(p + 46, VM_SCI_IRQ);
	put_le32(p + 56, VM_PM1_EVT); /* SMI_CMD stays 0: always in ACPI mode */
	put_le32(p + 64, VM_PM1_CNT);
	put_le32(p + 76, VM_PM_TIMER);
	put_le32(p + 80, VM_GPE0);
	p[88] = 4;
	p[89] = 2;
	p[91] = 4;
	p[92] = VM_GPE0_LEN;
	put_le16(p + 96, 0xffff); /* no C2, no C3 */
	put_le16(p + 98, 0xffff);
	/* Without an i8042 there is nothing to wait for. */
	put_le16(p + 109, t->pc ? LEGACY | I8042 : NO_VGA);
	put_le32(p + 112, WBINVD | PROC_C1 | NO_SLEEP_BUTTON | FIX_RTC | TIMER_32 | RESET_REG);
	gas_port(p + 116, VM_RESET_PORT, 8);
	p[128] = 6;
	put_le64(p + 140, dsdt);
	gas_port(p + 148, VM_PM1_EVT, 32);
	gas_port(p + 172, VM_PM1_CNT, 16);
	gas_port(p + 208, VM_PM_TIMER, 32);
	gas_port(p + 220, VM_GPE0, 8 * VM_GPE0_LEN);
	memcpy(p + 268, "PANEVMM", 7); /* hypervisor vendor */
	finish(p, "FACP", 6, SIZE);
	return p;
}

static uint8_t *madt_override(uint8_t *p, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	p[0] = 2;
	p[1] = 10;
	p[3] = irq;
	put_le32(p + 4, gsi);
	put_le16(p + 8, flags);
	return p + 10;
}

static uint8_t *write_madt(struct tables *t, unsigned cpus)
{
	size_t n = HEADER + 8 + 8 * cpus + 12 + 10 + 10 + 6;
	uint8_t *p = table_begin(t, n);

	if (!p)
		return NULL;
	put_le32(p + 36, VM_LAPIC);
	put_le32(p + 40, 1); /* there is a PIC too */

	uint8_t *at = p + HEADER + 8;

	for (unsigned i = 0; i < cpus; i++, at += 8) {
		at[1] = 8;
		at[2] = at[3] = (uint8_t)i;
		put_le32(at + 4, 1);
	}
	at[0] = 1; /* IOAPIC 0 from interrupt 0 on */
	at[1] = 12;
	put_le32(at + 4, VM_IOAPIC);
	at = madt_override(at + 12, 0, 2, 0); /* the PIT is wired to pin 2 */
	at = madt_override(at, VM_SCI_IRQ, VM_SCI_IRQ, 0xd /* level, active high */);
	at[0] = 4; /* NMI at LINT1 of every processor */
	at[1] = 6;
	at[2] = 0xff;
	at[5] = 1;
	finish(p, "APIC", 5, n);
	return p;
}

static uint8_t *write_mcfg(struct tables *t)
{
	enum {
		SIZE = HEADER + 8 + 16
	};
	uint8_t *p = table_begin(t, SIZE);

	if (!p)
		return NULL;
	put_le64(p + 44, VM_ECAM);
	p[55] = 255; /* last bus */
	finish(p, "MCFG", 1, SIZE);
	return p;
}

/* TCG ACPI Specification 1.2 §8. Of a PC the log's address is added by firmware. */
static uint8_t *write_tpm2(struct tables *t)
{
	enum {
		SIZE = 76,
		BY_CRB = 7
	};
	uint8_t *p = table_begin(t, SIZE);

	if (!p)
		return NULL;
	put_le64(p + 40, VM_TPM + TPM_CONTROL);
	put_le32(p + 48, BY_CRB);
	put_le32(p + ACPI_TPM2_LOG - 4, t->pc ? TPM_LOG_BYTES : 0);
	finish(p, "TPM2", 4, SIZE);
	return p;
}

static uint8_t *write_rsdp(struct tables *t, uint32_t xsdt)
{
	uint8_t *p = table_begin(t, 36);

	if (!p)
		return NULL;
	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "PANE  ", 6);
	p[15] = 2;
	put_le32(p + 20, 36);
	put_le64(p + 24, xsdt);
	checksum(p, 20, p + 8);
	checksum(p, 36, p + 32);
	return p;
}

static int build(struct tables *t, const struct acpi_machine *m, struct acpi_layout *l)
{
	uint8_t *dsdt, *facs, *table[XSDT_TABLES];
	unsigned n = 0;

	t->tpm = m->tpm;
	dsdt = write_dsdt(t);
	facs = write_facs(t);

	if (!dsdt || !facs)
		return -ENOSPC;
	table[n++] = write_fadt(t, address(t, facs), address(t, dsdt));
	table[n++] = write_madt(t, m->cpus);
	table[n++] = write_mcfg(t);
	if (m->tpm)
		table[n++] = write_tpm2(t);

	uint8_t *xsdt = table_begin(t, HEADER + 8 * n);

	if (!xsdt)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		if (!table[i])
			return -ENOSPC;
		put_le64(xsdt + HEADER + 8 * i, address(t, table[i]));
	}
	finish(xsdt, "XSDT", 1, HEADER + 8 * n);

	uint8_t *root = write_rsdp(t, address(t, xsdt));

	if (!root)
		return -ENOSPC;
	*l = (struct acpi_layout){.facs = address(t, facs),
				  .dsdt = address(t, dsdt),
				  .fadt = address(t, table[0]),
				  .madt = address(t, table[1]),
				  .mcfg = address(t, table[2]),
				  .tpm2 = m->tpm ? address(t, table[3]) : 0,
				  .entries = n,
				  .xsdt = address(t, xsdt),
				  .rsdp = address(t, root),
				  .generation = t->generation,
				  .end = t->base + (uint32_t)t->n};
	return 0;
}

int acpi_build(uint8_t *out, const struct acpi_machine *m, uint64_t *rsdp)
{
	struct tables t = {.out = out, .base = ACPI_AT};
	struct acpi_layout l;
	int r = build(&t, m, &l);

	if (r == 0)
		*rsdp = l.rsdp;
	return r;
}

int acpi_build_pc(uint8_t *out, const struct acpi_machine *m, struct acpi_layout *l)
{
	struct tables t = {.out = out, .pc = true};

	return build(&t, m, l);
}

int acpi_write(const struct vm_mem *ram, const struct acpi_machine *m, uint64_t *rsdp)
{
	uint8_t *at = vm_mem_ptr(ram, ACPI_AT, ACPI_ROOM);

	return at ? acpi_build(at, m, rsdp) : -EFAULT;
}
