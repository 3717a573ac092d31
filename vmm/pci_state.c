/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The bus in a snapshot. One section "pci" a slot: who sits there, configuration space, MSI-X,
 * interrupt pin; the device's own state follows in a section of the device's name. A snapshot goes
 * on only in a machine with the same devices in the same slots, as its guest has them in use.
 *
 * Interrupt lines are raised while loading, MSI-X messages are not: pending ones stay pending, and
 * devices look at their queues when they resume. Main loop, the vCPUs parked.
 */
#include <errno.h>
#include <string.h>
#include "common/err.h"
#include "common/wire.h"
#include "vmm/pci.h"
#include "vmm/pci_internal.h"
#include "vmm/snapshot/section.h"

#define NAME	"pci"
#define VERSION 1

enum {
	CFG_STATUS = 6,
	STATUS_INTX = 8,
	MSIX_CONTROL = 2
};

void pci_pause(struct pci_bus *b)
{
	for (unsigned s = 0; s < PCI_SLOTS; s++)
		if (b->dev[s] && b->dev[s]->ops && b->dev[s]->ops->pause)
			b->dev[s]->ops->pause(b->dev[s]);
}

void pci_resume(struct pci_bus *b)
{
	for (unsigned s = 0; s < PCI_SLOTS; s++)
		if (b->dev[s] && b->dev[s]->ops && b->dev[s]->ops->resume)
			b->dev[s]->ops->resume(b->dev[s]);
}

static void save_slot(const struct pci_dev *d, struct snap_out *out)
{
	const struct pci_msix *x = &d->msix;

	snap_put_text(out, d->name);
	snap_put_bytes(out, d->cfg, sizeof(d->cfg));
	snap_put_u8(out, d->intx_level);
	snap_put_u32(out, x->vectors);
	for (unsigned i = 0; i < x->vectors; i++)
		snap_put_bytes(out, x->table[i], sizeof(x->table[i]));
	snap_put_bytes(out, x->pending, sizeof(x->pending));
}

void pci_save(struct pci_bus *b, struct snap_out *out)
{
	for (unsigned s = 0; s < PCI_SLOTS; s++) {
		struct pci_dev *d = b->dev[s];

		snap_begin(out, NAME, s, VERSION);
		snap_put_u8(out, d != NULL);
		if (d)
			save_slot(d, out);
		snap_end(out);
		if (d && d->ops && d->ops->save)
			d->ops->save(d, out);
	}
}

/* Bits the guest cannot write say what the device is. */
static bool same_device(const struct pci_dev *d, const uint8_t *cfg)
{
	for (unsigned i = 0; i < PCI_CFG_BYTES; i++) {
		uint8_t fixed = (uint8_t)~d->writable[i];

		if (i == CFG_STATUS)
			fixed &= (uint8_t)~STATUS_INTX;
		if ((cfg[i] ^ d->cfg[i]) & fixed)
			return false;
	}
	return true;
}

static int load_slot(struct pci_dev *d, struct snap_in *in, struct err *e)
{
	struct pci_msix *x = &d->msix;
	char name[sizeof(d->name)];
	uint8_t cfg[PCI_CFG_BYTES], level;

	snap_text(in, name, sizeof(name));
	snap_bytes(in, cfg, sizeof(cfg));
	level = snap_u8(in);
	if (in->bad)
		return snap_done(in, e);
	if (strcmp(name, d->name) != 0 || !same_device(d, cfg) || snap_u32(in) != x->vectors)
		return err_setw(e, -EINVAL, "snapshot.machine",
				"the snapshot has %.20s in PCI slot %u, this machine has %s of "
				"another kind: give it the same devices as before, a network card "
				"with as many queues=",
				name, d->slot, d->name);
	for (unsigned i = 0; i < x->vectors; i++)
		snap_bytes(in, x->table[i], sizeof(x->table[i]));
	snap_bytes(in, x->pending, sizeof(x->pending));
	memcpy(d->cfg, cfg, sizeof(cfg));
	d->cfg[CFG_STATUS] &= (uint8_t)~STATUS_INTX;
	pci_bars_rescan(d);
	if (x->vectors) {
		uint16_t control = get_le16(d->cfg + x->cap + MSIX_CONTROL);

		x->enabled = control & 0x8000;
		x->masked = control & 0x4000;
	}
	if (level)
		pci_intx(d, true);
	return 0;
}

int pci_load(struct pci_bus *b, const struct snap *s, struct err *e)
{
	for (unsigned n = 0; n < PCI_SLOTS; n++) {
		struct pci_dev *d = b->dev[n];
		struct snap_in in;
		int r = snap_find(s, NAME, n, VERSION, &in, e);

		if (r < 0)
			return r;
		if (snap_u8(&in) != (d != NULL)) {
			char name[24] = "nothing";

			if (!d)
				snap_text(&in, name, sizeof(name));
			return err_setw(e, -EINVAL, "snapshot.machine",
					"the snapshot has %s in PCI slot %u, this machine has %s: "
					"give it the same devices as before",
					name, n, d ? d->name : "nothing");
		}
		if (d) {
			pci_lock(b);
			r = load_slot(d, &in, e);
			pci_unlock(b);
		}
		if (r == 0)
			r = snap_done(&in, e);
		if (r == 0 && d && d->ops && d->ops->load)
			r = d->ops->load(d, s, e);
		if (r < 0)
			return r;
	}
	return 0;
}
