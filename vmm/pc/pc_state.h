/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PC's small devices in a snapshot, a section each: "fw_cfg" with everything firmware can ask,
 * "i8042", "smi", "flash". Loaders believe nothing: a section that does not fit leaves its device
 * unusable and fails the restore. Main thread, the vCPUs parked or not yet running.
 */
#ifndef PANE_VMM_PC_PC_STATE_H
#define PANE_VMM_PC_PC_STATE_H

#include "common/cleanup.h"
#include "common/err.h"

struct fw_cfg;
struct i8042;
struct pflash;
struct q35;
struct snap;
struct snap_out;

void fw_cfg_save(struct fw_cfg *f, struct snap_out *out);
int fw_cfg_load(struct fw_cfg *f, const struct snap *s, struct err *e) must_check;
void i8042_save(struct i8042 *k, struct snap_out *out);
int i8042_load(struct i8042 *k, const struct snap *s, struct err *e) must_check;
void q35_save(struct q35 *q, struct snap_out *out);
int q35_load(struct q35 *q, const struct snap *s, struct err *e) must_check;
/* The command it is in; its bytes are the owner's. */
void pflash_save(struct pflash *p, struct snap_out *out);
int pflash_load(struct pflash *p, const struct snap *s, struct err *e) must_check;

#endif
