/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether a guest that has seen one processor can go on with another. A running system has decided
 * by CPUID which instructions it uses and will not ask again, so vendor, family, model and stepping
 * must be the same and no feature may be missing. Pure, apart from the section it reads and writes.
 */
#ifndef PANE_VMM_SNAPSHOT_CPU_MODEL_H
#define PANE_VMM_SNAPSHOT_CPU_MODEL_H

#include <linux/kvm.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CPU_MODEL_ENTRIES 256

struct snap_in;
struct snap_out;

/* A struct kvm_cpuid2 with its entries. */
union cpu_model {
	struct kvm_cpuid2 t;
	uint8_t room[sizeof(struct kvm_cpuid2) +
		     CPU_MODEL_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
};

void cpu_model_save(const union cpu_model *m, struct snap_out *out);
void cpu_model_load(union cpu_model *m, struct snap_in *in);
/* 0, or -ENOTSUP (snapshot.cpu) with what the host lacks. */
int cpu_model_check(const union cpu_model *saved, const union cpu_model *host,
		    struct err *e) must_check;

#endif
