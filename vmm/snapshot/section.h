/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The form of a machine's state outside the machine: a file, or one day a socket to another host.
 *
 *   "PANESNAP", u32 format, u32 zero
 *   section: name[16], u32 instance, u32 version, u64 length, u64 checksum, the bytes
 *   …
 *   section "end": u32 number of sections before it
 *
 * Everything is little-endian, written and read field by field. A section belongs to one device and
 * has that device's version: who reads one that is newer than it knows refuses, and says so. The
 * checksum (XXH64) is over the section's head and bytes. The memory lies in a file of its own
 * (ram_file.h), because clones map it.
 *
 * Writing fails late: snap_put_*() remember, snap_finish() tells. Reading is for hostile input:
 * snap_read() checks the frame of every section before anything is believed; reading past a
 * section's end gives zeros and makes snap_done() fail. No thread of its own, no locks.
 */
#ifndef PANE_VMM_SNAPSHOT_SECTION_H
#define PANE_VMM_SNAPSHOT_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define SNAP_FORMAT   1
#define SNAP_NAME     16 /* bytes, the end included */
#define SNAP_SECTIONS 512
#define SNAP_MAX      (1ull << 30) /* bytes of all sections */

/* ---- writing -------------------------------------------------------------------------------- */

struct snap_out {
	int fd;	    /* borrowed; written front to back, never sought */
	uint8_t *p; /* the open section's bytes, owned */
	size_t n, room;
	char name[SNAP_NAME];
	uint32_t instance, version, sections;
	int error; /* the first failure, a negative errno */
};

void snap_out_init(struct snap_out *o, int fd);
void snap_out_fini(struct snap_out *o);
void snap_begin(struct snap_out *o, const char *name, uint32_t instance, uint32_t version);
void snap_end(struct snap_out *o);
void snap_put_u8(struct snap_out *o, uint8_t v);
void snap_put_u16(struct snap_out *o, uint16_t v);
void snap_put_u32(struct snap_out *o, uint32_t v);
void snap_put_u64(struct snap_out *o, uint64_t v);
void snap_put_bytes(struct snap_out *o, const void *p, size_t n);
/* At most 255 bytes; longer ones are cut. */
void snap_put_text(struct snap_out *o, const char *s);
/* Ends the file: 0, or the first failure. */
int snap_finish(struct snap_out *o) must_check;

/* ---- reading -------------------------------------------------------------------------------- */

struct snap;

/* One section, being read. */
struct snap_in {
	const char *name; /* borrowed from the snapshot */
	uint32_t instance, version;
	const uint8_t *p; /* borrowed */
	size_t n, at;
	bool bad; /* something did not fit */
};

/* Reads fd to its end and checks it. NULL with *e: snapshot.foreign, snapshot.newer,
 * snapshot.damaged. */
struct snap *snap_read(int fd, struct err *e) must_check;
/* The same from memory, which is copied. */
struct snap *snap_parse(const void *p, size_t n, struct err *e) must_check;
void snap_free(struct snap *s);
/* Opens a section of at most version newest: 0, -ENOENT, or -ENOTSUP when it is newer. */
int snap_find(const struct snap *s, const char *name, uint32_t instance, uint32_t newest,
	      struct snap_in *in, struct err *e) must_check;
/* Whether there is a section of that name, of whichever instance and version. */
bool snap_has(const struct snap *s, const char *name) must_check;
uint8_t snap_u8(struct snap_in *in);
uint16_t snap_u16(struct snap_in *in);
uint32_t snap_u32(struct snap_in *in);
uint64_t snap_u64(struct snap_in *in);
void snap_bytes(struct snap_in *in, void *p, size_t n);
/* The next n bytes in place, NULL when there are fewer. */
const uint8_t *snap_view(struct snap_in *in, size_t n);
/* What snap_put_text() wrote, with its end; cut to n. */
void snap_text(struct snap_in *in, char *p, size_t n);
/* For loaders: remembers that a value is none this machine could have. */
void snap_refuse(struct snap_in *in);
/* Everything was there, acceptable, and nothing is left over: 0, or -EBADMSG with a sentence. */
int snap_done(const struct snap_in *in, struct err *e) must_check;

#endif
