/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A Matroska file (RFC 9559, RFC 8794) with one H.264 track, written front to back. It can be
 * played at any moment as far as it has been written: Segment and the cluster being written are of
 * unknown size (RFC 9559, 23.3: as live streams are), a frame is in the file when mkv_frame()
 * returns, and what a failed write left of one is cut off. mkv_end() fills in sizes, duration and
 * index, by which a player jumps.
 *
 * No state but the struct, no thread of its own. The descriptor is a regular file at its beginning.
 */
#ifndef PANE_DISPLAY_RECORD_MKV_H
#define PANE_DISPLAY_RECORD_MKV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define MKV_CLUSTER_MS	5000 /* a cluster is never longer */
#define MKV_CUES	2048 /* of more every other is left out */
#define MKV_TITLE_MAX	200
#define MKV_PRIVATE_MAX 512

struct mkv_video {
	uint32_t width, height;		/* of the stream */
	uint32_t crop_right, crop_down; /* of it not to be shown */
	const uint8_t *avcc;		/* AVCDecoderConfigurationRecord, ISO/IEC 14496-15 5.3.3 */
	size_t avcc_n;
	int64_t began_s;   /* since 1970 */
	const char *title; /* UTF-8 */
};

struct mkv_cue {
	uint32_t ms;
	uint64_t at; /* its cluster's place in the Segment */
};

struct mkv {
	int fd;		  /* borrowed */
	uint64_t bytes;	  /* written */
	uint64_t segment; /* where its data begin; so the next three */
	uint64_t seek, duration, cluster;
	bool in_cluster;
	int64_t cluster_ms, last_ms;
	struct mkv_cue cues[MKV_CUES];
	unsigned n_cues, cue_every, keys;
};

int mkv_begin(struct mkv *m, int fd, const struct mkv_video *v) must_check;
/* data: NAL units, each after its length in 4 bytes. Times do not go back. */
int mkv_frame(struct mkv *m, int64_t ms, const uint8_t *data, size_t n, bool key) must_check;
/* The file is complete; so long it is. */
int mkv_end(struct mkv *m, int64_t ms) must_check;

#endif
