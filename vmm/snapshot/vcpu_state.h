/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One virtual processor's state to and from a section "vcpu". The vCPU does not run meanwhile: it
 * is parked with no access half done (vcpu.h), or has not run yet.
 */
#ifndef PANE_VMM_SNAPSHOT_VCPU_STATE_H
#define PANE_VMM_SNAPSHOT_VCPU_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct snap;
struct snap_out;
struct vm_kvm;

/* The processor alone, in a section "cpu": told before a machine moves here. */
int vcpu_model_save(int vcpu, struct snap_out *out, struct err *e) must_check;
/* Whether a machine of n vCPUs like that could run here. Makes a VM for the moment. */
int vcpu_model_check(const struct snap *s, unsigned n, struct err *e) must_check;

int vcpu_state_save(const struct vm_kvm *k, int vcpu, unsigned id, struct snap_out *out,
		    struct err *e) must_check;
/* Into a vCPU id of n that never ran; checks the processor first, unless it is known to be the one
 * the snapshot was made on (host_stamp.h). Its time stamp counter goes forward by away_ns
 * (kvm_state.h). */
int vcpu_state_load(const struct vm_kvm *k, int vcpu, unsigned id, unsigned n, bool known,
		    const struct snap *s, int64_t away_ns, struct err *e) must_check;

#endif
