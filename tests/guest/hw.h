/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine under the test card: ports, serial line, PCI, interrupts, the ways to end. One
 * processor, identity-mapped memory, no library.
 */
#ifndef PANE_TESTS_GUEST_HW_H
#define PANE_TESTS_GUEST_HW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* Device registers: one access of exactly this width. */
static inline uint8_t mmio_read8(uint64_t at)
{
	return *(volatile uint8_t *)at;
}

static inline uint16_t mmio_read16(uint64_t at)
{
	return *(volatile uint16_t *)at;
}

static inline uint32_t mmio_read32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static inline void mmio_write8(uint64_t at, uint8_t v)
{
	*(volatile uint8_t *)at = v;
}

static inline void mmio_write16(uint64_t at, uint16_t v)
{
	*(volatile uint16_t *)at = v;
}

static inline void mmio_write32(uint64_t at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}

/* Prints to the serial line: %s, %d, %u, %x (32 bits), %X (64 bits). */
void print(const char *fmt, ...);

/* PCI by ports; slot of the first device with these ids, or -1. */
uint32_t pci_read(unsigned slot, unsigned offset);
void pci_write(unsigned slot, unsigned offset, uint32_t v);
int pci_find(uint16_t vendor, uint16_t device);
uint64_t pci_bar(unsigned slot, unsigned n);
/* Lists the bus on the serial line, read through ECAM and checked against the ports. */
void pci_list(void);
/* Offset of the next capability with this id after offset (0: the first), or 0. */
unsigned pci_cap(unsigned slot, unsigned offset, uint8_t id);
/* Routes every MSI-X vector of slot to the device interrupt. */
void pci_msix_enable(unsigned slot);

void interrupts_init(void);
/* Sleeps until an interrupt, unless *flag is set already. Interrupts are off outside it. */
void sleep_unless(const volatile bool *flag);
extern volatile bool device_interrupt, power_button, generation_changed, hotplug_changed;

void power_off(void);
void reset(void);
void panic(void);
void triple_fault(void);

void *memset(void *to, int v, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int strcmp(const char *a, const char *b);
size_t strlen(const char *s);

#endif
