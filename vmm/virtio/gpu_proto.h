/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Numbers and offsets of the graphics device's 2D commands (virtio 1.2 §5.7.6). All fields are
 * little-endian; offsets count from the start of the command, whose first 24 bytes are the header.
 */
#ifndef PANE_VMM_VIRTIO_GPU_PROTO_H
#define PANE_VMM_VIRTIO_GPU_PROTO_H

enum {
	GPU_CMD_GET_DISPLAY_INFO = 0x0100,
	GPU_CMD_RESOURCE_CREATE_2D,
	GPU_CMD_RESOURCE_UNREF,
	GPU_CMD_SET_SCANOUT,
	GPU_CMD_RESOURCE_FLUSH,
	GPU_CMD_TRANSFER_TO_HOST_2D,
	GPU_CMD_ATTACH_BACKING,
	GPU_CMD_DETACH_BACKING,
	GPU_CMD_GET_EDID = 0x010a,
	GPU_CMD_UPDATE_CURSOR = 0x0300,
	GPU_CMD_MOVE_CURSOR
};

enum {
	GPU_OK_NODATA = 0x1100,
	GPU_OK_DISPLAY_INFO = 0x1101,
	GPU_OK_EDID = 0x1104,
	GPU_ERR_UNSPEC = 0x1200,
	GPU_ERR_OUT_OF_MEMORY,
	GPU_ERR_SCANOUT,
	GPU_ERR_RESOURCE,
	GPU_ERR_CONTEXT,
	GPU_ERR_PARAMETER
};

/* struct virtio_gpu_ctrl_hdr */
enum {
	GPU_H_TYPE = 0,
	GPU_H_FLAGS = 4,
	GPU_H_FENCE = 8, /* le64 */
	GPU_H_CTX = 16,
	GPU_HEAD = 24,
	GPU_FLAG_FENCE = 1
};

/* enum virtio_gpu_formats: the order of bytes in memory. */
enum {
	GPU_B8G8R8A8 = 1,
	GPU_B8G8R8X8 = 2,
	GPU_A8R8G8B8 = 3,
	GPU_X8R8G8B8 = 4,
	GPU_R8G8B8A8 = 67,
	GPU_X8B8G8R8 = 68,
	GPU_A8B8G8R8 = 121,
	GPU_R8G8B8X8 = 134
};

enum {
	GPU_SCANOUTS_MAX = 16, /* entries in a display info answer, whatever is used */
	GPU_DISPLAY_INFO_BYTES = GPU_HEAD + 24 * GPU_SCANOUTS_MAX,
	GPU_EDID_BYTES = GPU_HEAD + 8 + 1024,
	GPU_RECT = 16,	    /* le32 x, y, width, height */
	GPU_MEM_ENTRY = 16, /* le64 address, le32 length, le32 padding */
	GPU_CURSOR_BYTES = GPU_HEAD + 32,
	GPU_CMD_MAX = GPU_HEAD + 40 /* fixed part of the longest command */
};

/* struct virtio_gpu_config */
enum {
	GPU_C_EVENTS = 0,
	GPU_C_CLEAR = 4,
	GPU_C_SCANOUTS = 8,
	GPU_C_CAPSETS = 12,
	GPU_C_BYTES = 16,
	GPU_EVENT_DISPLAY = 1
};

#endif
