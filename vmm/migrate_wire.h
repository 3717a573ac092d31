/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is said while a machine moves from one pane-vmm (the source) to another (the receiver), over
 * any stream. Frames of 16 bytes, u32 type, u32 n, u64 at, little-endian; some have bytes behind:
 *
 *   source                                          receiver
 *   HELLO  at = version, n bytes: a state file      WANTED
 *          with the sections "machine" and "cpu"
 *   PAGES  n pages from page `at`, their bytes
 *   ZEROS  n pages from page `at` are zeros
 *   STATE  n more bytes of the state file
 *   END    n = 1: at is the memory's checksum       READY
 *   GO                                              RUNS
 *
 * Instead of any of its answers the receiver may say REFUSED (n bytes: word, 0, sentence), which is
 * its promise never to run this machine.
 *
 * Who has the machine: the source until it has sent the first byte of GO, the receiver from the
 * moment it has read the last one. Nobody runs in between. If the line breaks there, no message
 * can help, as the last one may always be the one that was lost. Then the receiver's word counts:
 * only it knows whether it has read GO. It runs or has ended, and says so to whoever started it;
 * the source stands still with all it has until it is told, by the same, to go on ("resume") or to
 * end
 * ("quit"). Two running machines would destroy each other's disk; one that stands still does not.
 */
#ifndef PANE_VMM_MIGRATE_WIRE_H
#define PANE_VMM_MIGRATE_WIRE_H

#include "common/wire.h"

#define MIGRATE_VERSION	  0x31564f4d454e4150ull /* "PANEMOV1" */
#define MIGRATE_FRAME	  16			/* bytes of a frame's head */
#define MIGRATE_PAGE	  4096
#define MIGRATE_RUN	  256	      /* pages in one PAGES, at most */
#define MIGRATE_HELLO	  (64 * 1024) /* bytes behind HELLO, at most */
#define MIGRATE_STATE	  (64 * 1024) /* behind STATE */
#define MIGRATE_STATE_MAX (128 << 20) /* of all STATE together */
#define MIGRATE_REASON	  512	      /* behind REFUSED */
#define MIGRATE_SILENT_MS 30000	      /* either side gives up after so long without a byte */

enum migrate_type {
	MIGRATE_T_HELLO = 1,
	MIGRATE_T_PAGES,
	MIGRATE_T_ZEROS,
	MIGRATE_T_STATE,
	MIGRATE_T_END,
	MIGRATE_T_GO,
	MIGRATE_T_WANTED = 16,
	MIGRATE_T_READY,
	MIGRATE_T_RUNS,
	MIGRATE_T_REFUSED
};

struct migrate_frame {
	uint32_t type, n;
	uint64_t at;
};

static inline void migrate_frame_put(uint8_t raw[MIGRATE_FRAME], const struct migrate_frame *f)
{
	put_le32(raw, f->type);
	put_le32(raw + 4, f->n);
	put_le64(raw + 8, f->at);
}

static inline struct migrate_frame migrate_frame_get(const uint8_t raw[MIGRATE_FRAME])
{
	return (struct migrate_frame){
		.type = get_le32(raw), .n = get_le32(raw + 4), .at = get_le64(raw + 8)};
}

#endif
