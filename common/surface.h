/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The surface protocol: how any desktop (VMM, container's X agent, replayer) meets pane-display.
 *
 * One AF_UNIX SOCK_SEQPACKET connection; the desktop listens, the display connects. The newest
 * connection wins: the desktop closes the older one. Every message is one datagram: an 8-byte head
 * {u16 type, u16 zero, u32 payload length} and a payload of little-endian fields; descriptors
 * travel by SCM_RIGHTS. On connecting the desktop sends HELLO, then the current SCANOUT (if any),
 * a DAMAGE of all of it, and the current cursor. Neither side trusts the other: a message that
 * fails validation ends the connection, never the process.
 *
 * Pixels are XRGB8888: a little-endian u32 0xffRRGGBB, byte order B,G,R,X.
 * Cursor pixels are ARGB8888, not premultiplied.
 *
 * A desktop never blocks on a slow display: when the socket is full it merges damage and sends the
 * union later. The display must copy damaged pixels out of the scanout before it encodes them, as
 * the desktop may write there at any moment.
 */
#ifndef PANE_COMMON_SURFACE_H
#define PANE_COMMON_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define SURFACE_VERSION	    1
#define SURFACE_MAX_DIM	    8192 /* pixels, either way */
#define SURFACE_MAX_RECTS   256
#define SURFACE_MAX_CURSOR  96 /* pixels, either way */
#define SURFACE_HEAD	    8
#define SURFACE_MAX_MESSAGE (SURFACE_HEAD + 16 + SURFACE_MAX_CURSOR * SURFACE_MAX_CURSOR * 4)

enum surface_type {
	/* desktop -> display */
	SURFACE_HELLO = 1, /* both ways: u32 version, u32 flags (0) */
	SURFACE_SCANOUT =
		2, /* + one descriptor; see struct surface_scanout. 0x0 = no screen, no fd */
	SURFACE_DAMAGE = 3,	  /* u32 seq, u32 n, n times rect */
	SURFACE_CURSOR_SHAPE = 4, /* u32 width, height, hot_x, hot_y, pixels; 0x0 hides it */
	SURFACE_CURSOR_POS = 5,	  /* s32 x, y of the hot spot, in pixels, moved by the desktop */
	SURFACE_AUDIO = 6,	  /* reserved */
	SURFACE_CLIPBOARD = 7,	  /* reserved, both ways */
	/* display -> desktop */
	SURFACE_KEY = 32,     /* u32 evdev key code, u32 down (0/1; 2 = auto-repeat is not sent) */
	SURFACE_POINTER = 33, /* u32 x, y pixels in the current scanout */
	SURFACE_BUTTON = 34,  /* u32 evdev button code (BTN_LEFT..), u32 down */
	SURFACE_WHEEL = 35,  /* s32 vertical, s32 horizontal, in 1/120 notch, positive = up/right */
	SURFACE_RESIZE = 36, /* u32 width, height pixels, u32 scale percent */
	SURFACE_VIEWERS = 37,	 /* u32 how many viewers are connected */
	SURFACE_POINTER_REL = 38 /* s32 dx, dy */
};

struct surface_rect {
	int32_t x, y, width, height;
};

struct surface_scanout {
	uint32_t id;			/* changes with every new scanout */
	uint32_t width, height, stride; /* pixels, pixels, bytes */
	uint64_t offset, size; /* bytes: where the pixels start in the file; length of the file */
};

struct surface_msg {
	enum surface_type type;
	int fd; /* owned by the caller after surface_recv(); -1 when none */
	union {
		struct {
			uint32_t version, flags;
		} hello;
		struct surface_scanout scanout;
		struct {
			uint32_t seq, n;
			struct surface_rect rects[SURFACE_MAX_RECTS];
		} damage;
		struct {
			uint32_t width, height, hot_x, hot_y;
			uint32_t pixels[SURFACE_MAX_CURSOR * SURFACE_MAX_CURSOR];
		} cursor;
		struct {
			int32_t x, y;
		} point; /* CURSOR_POS, POINTER_REL; POINTER (never negative) */
		struct {
			uint32_t code, down;
		} key; /* KEY, BUTTON */
		struct {
			int32_t vertical, horizontal;
		} wheel;
		struct {
			uint32_t width, height, scale_percent;
		} resize;
		uint32_t viewers;
	};
};

/* Sends m as one datagram (m->fd is passed along when >= 0 and stays the caller's).
 * 0, -EAGAIN when the socket is full, or another negative errno. */
int surface_send(int sock, const struct surface_msg *m) must_check;
/* Receives and validates one datagram: 1 when *m was filled, 0 at end of stream, -EAGAIN when
 * nothing is there, -EPROTO when the peer sent nonsense. Rectangles are non-empty and lie within
 * SURFACE_MAX_DIM; whether they lie in the scanout is the receiver's to clip. A SCANOUT's geometry
 * fits its size, and the descriptor is at least that long (fstat). */
int surface_recv(int sock, struct surface_msg *m) must_check;
/* The two halves of the above, for tests and fuzzing: size or negative errno. */
int surface_encode(const struct surface_msg *m, uint8_t *out, size_t size) must_check;
int surface_decode(struct surface_msg *m, const uint8_t *p, size_t n) must_check;

/* A bounded set of damage: adds r; when full, merges everything into the bounding box. */
struct surface_damage {
	uint32_t n;
	struct surface_rect rects[SURFACE_MAX_RECTS];
};
void surface_damage_add(struct surface_damage *d, struct surface_rect r);

#endif
