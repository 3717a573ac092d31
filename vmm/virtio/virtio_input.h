/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keyboard and absolute pointer (virtio 1.2 §5.8). Events wait in a bounded queue while the guest
 * posts no buffers; when it overflows, what the device knows of wanted state (keys held, pointer
 * position) replaces what was lost, so no key stays stuck.
 *
 * All functions may be called from any thread.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_INPUT_H
#define PANE_VMM_VIRTIO_VIRTIO_INPUT_H

#include "vmm/virtio/virtio.h"

#define VIRTIO_INPUT_BACKLOG 4096  /* events waiting for the guest: a thousand key strokes */
#define VIRTIO_INPUT_ABS_MAX 32767 /* either axis */

struct virtio_input;

enum virtio_input_kind {
	VIRTIO_INPUT_KEYBOARD,
	VIRTIO_INPUT_TABLET
};

struct virtio_input *virtio_input_new(const struct virtio_env *env, enum virtio_input_kind kind,
				      struct err *e) must_check;
void virtio_input_free(struct virtio_input *in);

/* An evdev key or button code; codes the device does not have are ignored, and so is a repetition.
 */
void virtio_input_key(struct virtio_input *in, uint32_t code, bool down);
/* Position on a screen of width x height pixels. */
void virtio_input_pointer(struct virtio_input *in, uint32_t x, uint32_t y, uint32_t width,
			  uint32_t height);
/* In 1/120 notch, positive is up and right. */
void virtio_input_wheel(struct virtio_input *in, int32_t vertical, int32_t horizontal);
/* Lets go of everything that is down. */
void virtio_input_release(struct virtio_input *in);
struct virtio_dev *virtio_input_dev(struct virtio_input *in); /* for tests */

#endif
