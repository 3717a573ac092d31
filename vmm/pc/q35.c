/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Identities and write masks (Intel 3 Series chipset data sheet §5.1, ICH9 data sheet §13.1).
 *
 * Three registers matter for what they read as. PAM0 says that the RAM below 1 MiB already shows
 * itself, so SeaBIOS does not copy itself there. SMI_EN says that system management is set up:
 * there is none, and SeaBIOS would wait for it for ever. PCIEXBAR is where the machine's ECAM is.
 */
#include "vmm/pc/q35.h"

#include <string.h>
#include "common/wire.h"
#include "vmm/io.h"
#include "vmm/layout.h"

enum {
	MCH_PCIEXBAR = 0x60, /* 8 bytes */
	MCH_PAM = 0x90,	     /* 7 registers, 0xc0000.. in 16 KiB steps */
	MCH_SMRAM = 0x9d,
	MCH_ESMRAMC = 0x9e,
	PAM0_RAM = 0x10 /* reads of 0xf0000 go to RAM */
};
enum {
	LPC_PMBASE = 0x40,
	LPC_ACPI_CNTL = 0x44,
	LPC_PIRQ_A = 0x60,
	LPC_PIRQ_E = 0x68,
	LPC_GEN_PMCON_1 = 0xa0,
	LPC_RCBA = 0xf0,
	PMBASE_IO = 1,
	PIRQ_OFF = 0x80
};
enum {
	SMI_EN_GLOBAL = 1,
	SMI_EN_APMC = 1 << 5
};

static void smi_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct q35 *q = arg;

	if (write && offset == 0 && size == 4)
		__atomic_store_n(&q->smi_en, (uint32_t)*value, __ATOMIC_RELAXED);
	else if (!write)
		*value = (uint64_t)(__atomic_load_n(&q->smi_en, __ATOMIC_RELAXED) | SMI_EN_GLOBAL |
				    SMI_EN_APMC) >>
			 8 * offset;
}

static void dress_bridge(struct pci_dev *d)
{
	static const uint8_t ids[] = {0x86, 0x80, 0xc0, 0x29}, sub[] = {0xf4, 0x1a, 0x00, 0x11};
	uint8_t ecam[8], pam0 = PAM0_RAM;

	put_le64(ecam, VM_ECAM | 1);
	pci_cfg_put(d, 0, ids, sizeof(ids));
	pci_cfg_put(d, 0x2c, sub, sizeof(sub));
	pci_cfg_put(d, MCH_PCIEXBAR, ecam, sizeof(ecam));
	pci_cfg_put(d, MCH_PAM, &pam0, 1);
	memset(d->writable + MCH_PAM, 0x33, 7);
	d->writable[MCH_SMRAM] = d->writable[MCH_ESMRAMC] = 0x7f;
}

static int add_lpc(struct q35 *q, struct pci_bus *bus)
{
	uint8_t pmbase[4], off[4] = {PIRQ_OFF, PIRQ_OFF, PIRQ_OFF, PIRQ_OFF};
	struct pci_dev *d = &q->lpc;

	*d = (struct pci_dev){.name = "lpc",
			      .vendor = 0x8086,
			      .device = 0x2918,
			      .subvendor = 0x1af4,
			      .subdevice = 0x1100,
			      .revision = 2,
			      .class_code = 0x060100,
			      .opaque = q};
	put_le32(pmbase, VM_PM1_EVT | PMBASE_IO);
	pci_cfg_put(d, LPC_PMBASE, pmbase, sizeof(pmbase));
	pci_cfg_put(d, LPC_PIRQ_A, off, sizeof(off));
	pci_cfg_put(d, LPC_PIRQ_E, off, sizeof(off));
	put_le32(d->writable + LPC_PMBASE, 0xff80);
	d->writable[LPC_ACPI_CNTL] = 0xff;
	memset(d->writable + LPC_PIRQ_A, 0x8f, 4);
	memset(d->writable + LPC_PIRQ_E, 0x8f, 4);
	put_le16(d->writable + LPC_GEN_PMCON_1, 0xffff);
	put_le32(d->writable + LPC_RCBA, 0xffffc001);
	return pci_add_at(bus, d, VM_LPC_SLOT);
}

int q35_add(struct q35 *q, struct pci_bus *bus, struct pci_dev *bridge, struct vm_io *io)
{
	memset(q, 0, sizeof(*q));
	dress_bridge(bridge);

	int r = add_lpc(q, bus);

	return r == 0 ? vm_io_add(io, true, VM_SMI_EN, 4, smi_access, q) : r;
}
