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
 * The clipboard moves only when asked for. Whoever's selection is the newest says so in an OFFER
 * (serial, formats); the other side may REQUEST one format of that serial; DATA answers, its bytes
 * in a sealed memfd. Each side has one REQUEST open: a newer one takes the place of the older.
 * A desktop whose HELLO lacks SURFACE_HAS_CLIPBOARD knows none of these messages. Which ways are
 * allowed is the display's to say, by CLIP_POLICY; nothing is until it has, so a desktop keeps its
 * selections to itself and takes none. Text is UTF-8 with LF line ends, without NUL, at most
 * SURFACE_CLIP_MAX bytes.
 *
 * Sound is S16LE stereo in a ring: a memfd that the desktop makes and writes, frame p (4 bytes) of
 * a stream at p mod frames. AUDIO names the ring, AUDIO_POS how far it is written; older frames
 * than `frames` before that are gone, and the newest of those may be overwritten at any moment, so
 * a reader takes what it wants at once and copies it. Nothing is captured before the display says
 * that somebody listens (AUDIO_LISTEN), and what was to be heard before that is never sent. A
 * desktop whose HELLO lacks SURFACE_HAS_AUDIO knows none of these messages. While there is only
 * silence there is no stream.
 *
 * A microphone is S16LE mono. Both HELLOs have SURFACE_HAS_MICROPHONE where there may be one: the
 * desktop's has a device to record from, the display's has a policy that lets sound in; without
 * either neither message is sent. RECORD says that somebody in the desktop records, and at which
 * rate (again by a newer one, also to a display that comes meanwhile); only then microphones are
 * opened, and VOICE brings what they hear, at that rate. There is no queue of it: what the socket
 * or the desktop cannot take at once is lost, a desktop that gets none records silence.
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

#define SURFACE_VERSION	     1
#define SURFACE_MAX_DIM	     8192 /* pixels, either way */
#define SURFACE_MAX_RECTS    256
#define SURFACE_MAX_MONITORS 16
#define SURFACE_MAX_CURSOR   96 /* pixels, either way */
#define SURFACE_HEAD	     8
#define SURFACE_CLIP_MAX     (1u << 20) /* bytes of one clipboard answer */
#define SURFACE_AUDIO_FRAME  4		/* bytes: two samples of 16 bits */
#define SURFACE_AUDIO_MIN    2048	/* frames of a ring */
#define SURFACE_AUDIO_MAX    65536
#define SURFACE_VOICE_FRAME  2	  /* bytes: one sample */
#define SURFACE_VOICE_MAX    2048 /* frames of one VOICE */
#define SURFACE_MAX_MESSAGE  (SURFACE_HEAD + 16 + SURFACE_MAX_CURSOR * SURFACE_MAX_CURSOR * 4)

enum surface_type {
	/* desktop -> display */
	SURFACE_HELLO = 1, /* both ways: u32 version, u32 flags (enum surface_flag) */
	SURFACE_SCANOUT =
		2, /* + one descriptor; see struct surface_scanout. 0x0 = no screen, no fd */
	SURFACE_DAMAGE = 3,	  /* u32 seq, u32 n, n times rect */
	SURFACE_CURSOR_SHAPE = 4, /* u32 width, height, hot_x, hot_y, pixels; 0x0 hides it */
	SURFACE_CURSOR_POS = 5,	  /* s32 x, y of the hot spot, in pixels, moved by the desktop */
	SURFACE_AUDIO = 6,	  /* u32 stream, rate (44100 or 48000), frames of the ring, 0 + one
				     descriptor; frames 0, without one: that stream has ended */
	SURFACE_AUDIO_POS = 7,	  /* u32 stream, u32 0, u64 frames of it written so far */
	SURFACE_RECORD = 8,	  /* u32 rate (44100 or 48000); 0: nobody records */
	/* display -> desktop */
	SURFACE_KEY = 32,     /* u32 evdev key code, u32 down (0/1; 2 = auto-repeat is not sent) */
	SURFACE_POINTER = 33, /* u32 x, y pixels in the current scanout */
	SURFACE_BUTTON = 34,  /* u32 evdev button code (BTN_LEFT..), u32 down */
	SURFACE_WHEEL = 35,  /* s32 vertical, s32 horizontal, in 1/120 notch, positive = up/right */
	SURFACE_RESIZE = 36, /* u32 width, height pixels, u32 scale percent */
	SURFACE_VIEWERS = 37,	  /* u32 how many viewers are connected */
	SURFACE_POINTER_REL = 38, /* s32 dx, dy */
	SURFACE_CLIP_POLICY = 39, /* u32 enum surface_clip_way, or-ed; 0 forbids both */
	SURFACE_KEYSYM = 40,	  /* u32 X keysym of a character (surface_keysym_ok): typed once */
	SURFACE_LAYOUT =
		41, /* u32 keyboard layout as Windows numbers them ([MS-RDPBCGR] 2.2.1.3.2) */
	SURFACE_MONITORS = 42, /* u32 0, u32 n, n times rect: how the next, or the last, RESIZE is
				  divided among the user's monitors, the primary one first */
	SURFACE_AUDIO_LISTEN = 43, /* u32 0 or 1: whether somebody listens */
	SURFACE_LOOK = 44,  /* u32 scanout's id, u32 seq of the damage seen (surface_peek.h) */
	SURFACE_VOICE = 45, /* u32 rate, u32 n, n frames (1 to SURFACE_VOICE_MAX) */
	/* both ways */
	SURFACE_CLIP_OFFER = 64,   /* u32 serial, u32 formats (or-ed; 0: the selection is gone) */
	SURFACE_CLIP_REQUEST = 65, /* u32 serial of the peer's offer, u32 format */
	SURFACE_CLIP_DATA = 66 /* u32 serial, format, status, size + a descriptor when size > 0 */
};

/* In a desktop's HELLO; the last one in a display's too. Unknown bits are ignored. */
enum surface_flag {
	SURFACE_HAS_CLIPBOARD = 1,
	SURFACE_HAS_KEYSYMS = 2,    /* takes KEYSYM and LAYOUT */
	SURFACE_HAS_MONITORS = 4,   /* takes MONITORS */
	SURFACE_HAS_AUDIO = 8,	    /* takes AUDIO_LISTEN */
	SURFACE_HAS_MICROPHONE = 16 /* takes VOICE; a display: takes RECORD */
};

enum surface_clip_way {
	SURFACE_CLIP_OUT = 1, /* desktop -> display */
	SURFACE_CLIP_IN = 2   /* display -> desktop */
};

enum surface_clip_format {
	SURFACE_CLIP_TEXT = 1 /* text/plain;charset=utf-8 */
};

enum surface_clip_status {
	SURFACE_CLIP_OK = 0,	/* size may be 0: an empty text */
	SURFACE_CLIP_STALE = 1, /* not the serial on offer any more */
	SURFACE_CLIP_TOO_BIG = 2,
	SURFACE_CLIP_FAILED = 3 /* its owner does not answer, or not in that format */
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
		} damage; /* DAMAGE; MONITORS, of at most SURFACE_MAX_MONITORS */
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
		uint32_t clip_ways; /* CLIP_POLICY */
		uint32_t keysym;
		struct {
			uint32_t id, seq;
		} look;
		uint32_t layout;
		struct {
			uint32_t stream, rate, frames; /* AUDIO */
			uint64_t pos;		       /* AUDIO_POS */
		} audio;
		uint32_t listen;
		uint32_t record; /* Hz, or 0 */
		struct {
			uint32_t rate, n;
			uint8_t frames[SURFACE_VOICE_MAX * SURFACE_VOICE_FRAME];
		} voice;
		struct {
			uint32_t serial, format; /* OFFER: formats */
			uint32_t status, size;	 /* DATA */
		} clip;
	};
};

/* Sends m as one datagram (m->fd is passed along, by SCANOUT, AUDIO and CLIP_DATA, when >= 0 and
 * stays the caller's). 0, -EAGAIN when the socket is full, or another negative errno. */
int surface_send(int sock, const struct surface_msg *m) must_check;
/* Receives and validates one datagram: 1 when *m was filled, 0 at end of stream, -EAGAIN when
 * nothing is there, -EPROTO when the peer sent nonsense. Rectangles are non-empty and lie within
 * SURFACE_MAX_DIM; whether they lie in the scanout is the receiver's to clip. A SCANOUT's geometry
 * fits its size, and the descriptor is at least that long (fstat), as is an AUDIO's. A CLIP_DATA's
 * descriptor is a memfd that can neither shrink nor change (its seals). */
int surface_recv(int sock, struct surface_msg *m) must_check;
/* The two halves of the above, for tests and fuzzing: size or negative errno. */
int surface_encode(const struct surface_msg *m, uint8_t *out, size_t size) must_check;
int surface_decode(struct surface_msg *m, const uint8_t *p, size_t n) must_check;

/* A sealed memfd holding n bytes (1 to SURFACE_CLIP_MAX): descriptor or negative errno. */
int surface_clip_seal(const void *p, size_t n) must_check;
/* The n bytes of a received CLIP_DATA, followed by a NUL; NULL with errno. */
char *surface_clip_read(const struct surface_msg *m) must_check;
/* Whether it is what the protocol calls text: UTF-8 (RFC 3629) without NUL. */
bool surface_clip_text_ok(const char *p, size_t n);

/* Whether a keysym is one that makes a character (X11 protocol, appendix A): Latin-1, the other
 * alphabets, currencies, dead keys, or any of Unicode at 0x01000000 + code point. */
bool surface_keysym_ok(uint32_t keysym);

/* A bounded set of damage: adds r; when full, merges everything into the bounding box. */
struct surface_damage {
	uint32_t n;
	struct surface_rect rects[SURFACE_MAX_RECTS];
};
void surface_damage_add(struct surface_damage *d, struct surface_rect r);

#endif
