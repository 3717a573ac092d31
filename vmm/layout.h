/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where everything lies in the guest's physical address space and port space. Shared by the
 * machine, the ACPI tables and the tests, so that they cannot disagree.
 *
 *   0 .. low RAM (at most VM_MEM_LOW_MAX) | ECAM | PCI memory window | IOAPIC, LAPIC | 4 GiB: high
 * RAM
 */
#ifndef PANE_VMM_LAYOUT_H
#define PANE_VMM_LAYOUT_H

#define VM_ECAM	     0xb0000000ull /* one bus = 1 MiB is decoded; 256 MiB are reserved */
#define VM_ECAM_SIZE 0x10000000ull

#define VM_PCI_MEM	 0xc0000000ull
#define VM_PCI_MEM_END	 0xfec00000ull
#define VM_PCI_PORTS	 0xc000
#define VM_PCI_PORTS_END 0xd000

#define VM_IOAPIC 0xfec00000ull
#define VM_LAPIC  0xfee00000ull
/* Locality 0 of a TPM: where every system looks, besides being told. */
#define VM_TPM	     0xfed40000ull
#define VM_TPM_BYTES 0x1000u
/* Three pages KVM wants on processors without unrestricted guest, and one more: below the largest
 * firmware image. */
#define VM_KVM_TSS   0xfeffd000ull
#define VM_KVM_IDMAP 0xfeffc000ull

/* Where a VGA card shows a part of its memory. */
#define VM_VGA_WINDOW	  0xa0000ull
#define VM_VGA_WINDOW_END 0xc0000ull

/* A firmware image ends at 4 GiB, and the end of it is also seen below 1 MiB. */
#define VM_FIRMWARE_END	  0x100000000ull
#define VM_FIRMWARE_LOW	  0xc0000ull
#define VM_FIRMWARE_LOW_N 0x40000ull

/* ACPI fixed hardware (ACPI 6.4 §4.8). */
#define VM_PM1_EVT	  0x600 /* 4 bytes: status, enable */
#define VM_PM1_CNT	  0x604 /* 2 bytes */
#define VM_PM_TIMER	  0x608 /* 4 bytes */
#define VM_GPE0		  0x620 /* 16 bytes: status, enable */
#define VM_GPE0_LEN	  16
#define VM_GPE_HOTPLUG	  1 /* look at VM_HOTPLUG_PORT */
#define VM_GPE_GENERATION 5 /* the VM generation id changed */
#define VM_RESET_PORT	  0xcf9
#define VM_SCI_IRQ	  9
#define VM_SLEEP_S5	  5 /* the SLP_TYP our DSDT names for S5 */

/* The VM generation id: 16 bytes at the end of the ACPI tables' room. */
#define VM_GENERATION_AT 0xefff0u

#define VM_COM1_PORT 0x3f8
#define VM_COM1_IRQ  4
#define VM_RTC_PORT  0x70
#define VM_RTC_IRQ   8

/* What unmodified systems expect of a PC. */
#define VM_I8042_PORT	 0x60
#define VM_KEYBOARD_IRQ	 1
#define VM_MOUSE_IRQ	 12
#define VM_FW_CFG_PORT	 0x510
#define VM_DEBUGCON_PORT 0x402
#define VM_SMI_EN	 0x630 /* ICH9 data sheet §13.8.3.12, 4 bytes */
#define VM_LPC_SLOT	 31

/* PCI slots that are filled and emptied while the guest runs (hotplug.h), a bit each. Among the
 * fixed hardware's ports, which the DSDT reserves as one. */
#define VM_HOTPLUG_PORT	 0x610 /* 4 bytes */
#define VM_HOTPLUG_SLOT	 23u
#define VM_HOTPLUG_SLOTS 8u

/* INTx of slot s arrives at this IOAPIC pin. */
#define VM_INTX_GSI(slot) (16u + (slot) % VM_INTX_GSIS)
#define VM_INTX_GSIS	  8u

#endif
