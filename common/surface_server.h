/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's end of the surface protocol (common/surface.h): listens, serves the newest
 * display, and never waits for it. What there is to say is kept as state (scanout, damage, cursor)
 * and sent when the socket takes it, so a slow display gets the newest state and merged damage.
 *
 * The surface_server_*() setters may be called from any thread; sockets are touched and callbacks
 * run in the loop's thread only, without any lock held.
 */
#ifndef PANE_COMMON_SURFACE_SERVER_H
#define PANE_COMMON_SURFACE_SERVER_H

#include "common/cleanup.h"
#include "common/err.h"
#include "common/surface.h"

struct loop;
struct surface_server;

/* What displays ask for. Any member may be NULL. */
struct surface_sink {
	void *arg;
	void (*key)(void *arg, uint32_t code, bool down);
	/* x and y lie in the current scanout of width x height pixels. */
	void (*pointer)(void *arg, uint32_t x, uint32_t y, uint32_t width, uint32_t height);
	void (*button)(void *arg, uint32_t code, bool down);
	void (*wheel)(void *arg, int32_t vertical, int32_t horizontal);
	void (*resize)(void *arg, uint32_t width, uint32_t height);
	void (*viewers)(void *arg, uint32_t n);
	/* With keysym the desktop types characters that no key of its keyboard may have. */
	void (*keysym)(void *arg, uint32_t keysym);
	void (*layout)(void *arg, uint32_t layout);
	/* The user's monitors in the size asked for, before or after it was; the primary first. */
	void (*monitors)(void *arg, uint32_t n, const struct surface_rect *rects);
	void *clip_arg; /* of the four, where it is not arg */
	/* With clip_ways the desktop has a clipboard: the display says what is allowed now (enum
	 * surface_clip_way; 0 when it goes). The others come only while their way is allowed. */
	void (*clip_ways)(void *arg, uint32_t ways);
	void (*clip_offer)(void *arg, uint32_t serial, uint32_t formats);
	void (*clip_request)(void *arg, uint32_t serial, uint32_t format);
	/* text: n bytes and a NUL, borrowed, NULL unless status is SURFACE_CLIP_OK. */
	void (*clip_data)(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n);
	/* With audio_listen the desktop has sound: whether somebody listens now. */
	void (*audio_listen)(void *arg, bool on);
	/* With voice the desktop has a microphone: frames (S16LE mono) at the rate it records at
	 * (surface_server_record()), never while it does not. */
	void (*voice)(void *arg, uint32_t rate, const uint8_t *p, size_t frames);
	/* Somebody waits for a change (surface_server_watched()): what is known of only when asked
	 * for is to be said now. */
	void (*look)(void *arg);
	void (*connected)(void *arg); /* a display is there, before anything was said */
	void (*release)(void *arg);   /* the display is gone: nothing is held down any more */
};

/* Takes over the clip_* members of another sink; NULL: none. */
void surface_sink_clip(struct surface_sink *to, const struct surface_sink *from);

/* path is the socket's file. sink is copied. */
struct surface_server *surface_server_new(struct loop *loop, const char *path,
					  const struct surface_sink *sink,
					  struct err *e) must_check;
void surface_server_free(struct surface_server *s);

/* fd is duplicated; s->id is ignored, the server counts. NULL: no screen. */
void surface_server_scanout(struct surface_server *s, int fd, const struct surface_scanout *sc);
void surface_server_damage(struct surface_server *s, struct surface_rect r);
/* pixels: width * height ARGB8888, not premultiplied; 0x0 hides the cursor. */
void surface_server_cursor(struct surface_server *s, uint32_t width, uint32_t height,
			   uint32_t hot_x, uint32_t hot_y, const uint32_t *pixels);
void surface_server_cursor_pos(struct surface_server *s, int32_t x, int32_t y);
/* The desktop's selection is a new one (formats 0: none any more): the serial it goes by. Kept, and
 * told to each display that allows SURFACE_CLIP_OUT. */
uint32_t surface_server_clip_offer(struct surface_server *s, uint32_t formats);
/* Asks for what the display offered; -EPERM when it allows no SURFACE_CLIP_IN. */
int surface_server_clip_request(struct surface_server *s, uint32_t serial,
				uint32_t format) must_check;
/* Answers clip_request; text of n bytes with SURFACE_CLIP_OK. What is too big or no text is
 * answered with the status that says so. */
void surface_server_clip_data(struct surface_server *s, uint32_t serial, uint32_t status,
			      const char *text, size_t n);
/* A stream begins: fd (duplicated) is its ring of `frames` frames. fd -1: it has ended. */
void surface_server_audio(struct surface_server *s, int fd, uint32_t rate, uint32_t frames);
/* So many frames of the stream are written. */
void surface_server_audio_pos(struct surface_server *s, uint64_t pos);
/* Somebody records at this rate, 44100 or 48000; 0: nobody does. Told to each display that lets
 * sound in. */
void surface_server_record(struct surface_server *s, uint32_t rate);
bool surface_server_connected(struct surface_server *s);
/* A display is connected, or whoever makes pictures (common/surface_peek.h) waits for a change:
 * damage is worth finding. */
bool surface_server_watched(struct surface_server *s);

#endif
