/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine under the test card. Addresses are those of vmm/layout.h.
 */
#include "tests/guest/hw.h"

#include <stdarg.h>
#include "vmm/layout.h"

/* ---- a library's worth ---------------------------------------------------------------------- */

void *memset(void *to, int v, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(v) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a - *b;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void put(char c)
{
	outb(VM_COM1_PORT, (uint8_t)c);
}

static void put_number(uint64_t v, unsigned base, unsigned digits)
{
	char text[24];
	unsigned n = 0;

	do
		text[n++] = "0123456789abcdef"[v % base];
	while ((v /= base) || n < digits);
	while (n)
		put(text[--n]);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		switch (*++fmt) {
		case 's':
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(*s);
			break;
		case 'd': {
			int v = va_arg(ap, int);

			if (v < 0)
				put('-');
			put_number((unsigned)(v < 0 ? -v : v), 10, 1);
			break;
		}
		case 'u':
			put_number(va_arg(ap, unsigned), 10, 1);
			break;
		case 'x':
			put_number(va_arg(ap, unsigned), 16, 4);
			break;
		case 'X':
			put_number(va_arg(ap, uint64_t), 16, 8);
			break;
		}
	}
	va_end(ap);
}

/* ---- PCI ------------------------------------------------------------------------------------- */

uint32_t pci_read(unsigned slot, unsigned offset)
{
	outl(0xcf8, 0x80000000 | slot << 11 | (offset & 0xfc));
	return inl(0xcfc);
}

void pci_write(unsigned slot, unsigned offset, uint32_t v)
{
	outl(0xcf8, 0x80000000 | slot << 11 | (offset & 0xfc));
	outl(0xcfc, v);
}

int pci_find(uint16_t vendor, uint16_t device)
{
	for (unsigned slot = 0; slot < 32; slot++)
		if (pci_read(slot, 0) == ((uint32_t)device << 16 | vendor))
			return (int)slot;
	return -1;
}

void pci_list(void)
{
	for (unsigned slot = 0; slot < 32; slot++) {
		uint32_t id = pci_read(slot, 0), ecam = mmio_read32(VM_ECAM + (slot << 15));

		if (id != ecam)
			print("pci %u: ports say %x, ECAM says %x\n", slot, id, ecam);
		else if (id != 0xffffffff)
			print("pci %u %x:%x class %x\n", slot, id & 0xffff, id >> 16,
			      pci_read(slot, 8) >> 8);
	}
}

uint64_t pci_bar(unsigned slot, unsigned n)
{
	uint32_t low = pci_read(slot, 0x10 + 4 * n);
	uint64_t at = low & (low & 1 ? ~3u : ~15u);

	if ((low & 7) == 4)
		at |= (uint64_t)pci_read(slot, 0x14 + 4 * n) << 32;
	return at;
}

unsigned pci_cap(unsigned slot, unsigned offset, uint8_t id)
{
	unsigned at = offset ? pci_read(slot, offset) >> 8 & 0xff : pci_read(slot, 0x34) & 0xff;

	while (at && (pci_read(slot, at) & 0xff) != id)
		at = pci_read(slot, at) >> 8 & 0xff;
	return at;
}

/* ---- interrupts --------------------------------------------------------------------------------
 */

enum {
	VECTOR_DEVICE = 64,
	VECTOR_SCI = 65,
	VECTOR_SPURIOUS = 255
};
enum {
	APIC_EOI = 0xb0,
	APIC_SPURIOUS = 0xf0,
	APIC_LVT0 = 0x350
};

volatile bool device_interrupt, power_button, generation_changed, hotplug_changed;

void irq_entry_64(void);
void irq_entry_65(void);
void irq_entry_255(void);
void interrupt_sleep(void);
extern char trap_entries[32][16];
void on_interrupt(unsigned vector);
void on_trap(unsigned vector, uint64_t top, uint64_t next);

static struct gate {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, zero;
} idt[256];

static struct __attribute__((packed)) {
	uint16_t limit;
	uint64_t base;
} idtr;

void on_interrupt(unsigned vector)
{
	if (vector == VECTOR_DEVICE) {
		device_interrupt = true;
	} else if (vector == VECTOR_SCI) {
		uint16_t status = inw(VM_PM1_EVT);

		outw(VM_PM1_EVT, status); /* ones clear */
		if (status & 0x100)
			power_button = true;

		uint8_t events = inb(VM_GPE0);

		outb(VM_GPE0, events);
		if (events & 1 << VM_GPE_GENERATION)
			generation_changed = true;
		if (events & 1 << VM_GPE_HOTPLUG)
			hotplug_changed = true;
	}
	if (vector != VECTOR_SPURIOUS)
		mmio_write32(VM_LAPIC + APIC_EOI, 0);
}

void on_trap(unsigned vector, uint64_t top, uint64_t next)
{
	print("trap %u: %X %X\n", vector, top, next);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void set_gate(unsigned vector, uint64_t to)
{
	idt[vector] = (struct gate){.offset0 = (uint16_t)to,
				    .selector = 0x10,
				    .flags = 0x8e00,
				    .offset1 = (uint16_t)(to >> 16),
				    .offset2 = (uint32_t)(to >> 32)};
}

static void ioapic(uint32_t reg, uint32_t v)
{
	mmio_write32(VM_IOAPIC, reg);
	mmio_write32(VM_IOAPIC + 16, v);
}

void interrupts_init(void)
{
	for (unsigned i = 0; i < 32; i++)
		set_gate(i, (uint64_t)trap_entries[i]);
	set_gate(VECTOR_DEVICE, (uint64_t)irq_entry_64);
	set_gate(VECTOR_SCI, (uint64_t)irq_entry_65);
	set_gate(VECTOR_SPURIOUS, (uint64_t)irq_entry_255);
	idtr.limit = sizeof(idt) - 1;
	idtr.base = (uint64_t)idt;
	__asm__ volatile("lidt %0" : : "m"(idtr));
	mmio_write32(VM_LAPIC + APIC_LVT0, 0x10000);			 /* no PIC */
	mmio_write32(VM_LAPIC + APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS); /* on */
	ioapic(0x10 + 2 * VM_SCI_IRQ + 1, 0);
	ioapic(0x10 + 2 * VM_SCI_IRQ, 0x8000 | VECTOR_SCI); /* level, active high */
	outw(VM_PM1_EVT + 2, 0x100);			    /* power button */
	outb(VM_GPE0 + VM_GPE0_LEN / 2, 1 << VM_GPE_GENERATION | 1 << VM_GPE_HOTPLUG);
}

void pci_msix_enable(unsigned slot)
{
	unsigned cap = pci_cap(slot, 0, 0x11);

	if (!cap)
		return;

	uint32_t where = pci_read(slot, cap + 4), control = pci_read(slot, cap);
	uint64_t table = pci_bar(slot, where & 7) + (where & ~7u);
	unsigned vectors = (control >> 16 & 0x7ff) + 1;

	for (unsigned i = 0; i < vectors; i++, table += 16) {
		mmio_write32(table, VM_LAPIC);
		mmio_write32(table + 4, 0);
		mmio_write32(table + 8, VECTOR_DEVICE);
		mmio_write32(table + 12, 0);
	}
	pci_write(slot, cap, control | 0x80000000);
}

void sleep_unless(const volatile bool *flag)
{
	if (!*flag)
		interrupt_sleep();
}

/* ---- the end ------------------------------------------------------------------------------------
 */

void power_off(void)
{
	outw(VM_PM1_CNT, VM_SLEEP_S5 << 10 | 1 << 13);
}

void reset(void)
{
	outb(VM_RESET_PORT, 2);
	outb(VM_RESET_PORT, 6);
}

void panic(void)
{
	int slot = pci_find(0x1b36, 0x0011);

	if (slot < 0)
		return;
	pci_write((unsigned)slot, 4, 2);
	mmio_write8(pci_bar((unsigned)slot, 0), 1);
}

void triple_fault(void)
{
	idtr.limit = 0;
	__asm__ volatile("lidt %0; ud2" : : "m"(idtr));
}
