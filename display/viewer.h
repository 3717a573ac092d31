/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One connected viewer: a thread of its own that runs its protocol from the first byte to the end,
 * so a viewer that stops reading blocks only itself. Its input goes to the desktop through here,
 * which remembers what it holds down and releases that when it leaves.
 *
 * The set of viewers belongs to the main thread. A viewer's thread ends by posting to the main
 * loop, which joins it.
 */
#ifndef PANE_DISPLAY_VIEWER_H
#define PANE_DISPLAY_VIEWER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/loop.h"
#include "display/clip.h"
#include "display/keys.h"
#include "display/microphone.h"
#include "display/screen.h"
#include "display/sound.h"
#include "display/source.h"

#define DISP_MAX_VIEWERS 16
#define DISP_KEY_MAX	 768 /* evdev codes */

enum disp_protocol {
	DISP_RDP,
	DISP_RFB
};

/* Who it is to the desktop. A helper changes neither its size nor its keyboard, hears nothing and
 * never speaks; one that only looks has no input and no clipboard, whatever its client sends. */
enum disp_mode {
	DISP_USER,
	DISP_CONTROL,
	DISP_VIEW
};

#define DISP_HELPER_NAME 128

struct disp_ask;
struct disp_viewers;

struct disp_viewer {
	int fd; /* owned; the protocol's stream, blocking when the thread starts */
	enum disp_protocol protocol;
	enum disp_mode mode;
	char helper[DISP_HELPER_NAME]; /* whose name is shown; "" of DISP_USER */
	char conn[16];
	uint32_t requested_protocols; /* RDP: the client's mask, from the preface */
	uint32_t selected_protocol;
	bool plain; /* RDP: bitmap updates and no virtual channel: a lobby's viewer moves on */
	const char *name;		/* borrowed: the desktop's name */
	struct disp_screen *screen;	/* borrowed */
	struct disp_source *source;	/* borrowed */
	struct disp_clip *clip;		/* borrowed; NULL = none */
	struct disp_sound *sound;	/* likewise */
	struct disp_mic *mic;		/* likewise; of DISP_USER only */
	struct disp_ask *ask;		/* likewise; of DISP_USER only */
	uint32_t x, y;			/* of its pointer; its thread's */
	bool first;			/* no other viewer was there: its size decides */
	_Atomic int64_t input_ms;	/* clock_ms() of its last input; its coming counts */
	int64_t told_ms;		/* of that which was told last; main thread's */
	uint8_t held[DISP_KEY_MAX / 8]; /* its thread's */
	struct disp_viewers *set;
	struct disp_viewer *next; /* main thread's */
	pthread_t thread;
};

typedef void (*disp_count_fn)(void *arg, unsigned count);

/* changed is called in the main thread whenever the number of viewers changed. */
struct disp_viewers *disp_viewers_new(struct loop *l, struct disp_screen *screen,
				      struct disp_source *source, const char *name,
				      disp_count_fn changed, void *arg);
/* What viewers that come from now on share. Borrowed. */
void disp_viewers_set_clip(struct disp_viewers *s, struct disp_clip *clip);
void disp_viewers_set_sound(struct disp_viewers *s, struct disp_sound *sound);
void disp_viewers_set_mic(struct disp_viewers *s, struct disp_mic *mic);
void disp_viewers_set_ask(struct disp_viewers *s, struct disp_ask *ask);
/* "anna sees this screen.", a line a helper, in at most size bytes; how many there are. */
unsigned disp_viewers_helpers(const struct disp_viewers *s, char *text, size_t size);
/* Ends the helpers' connections. */
void disp_viewers_end_helpers(struct disp_viewers *s);
/* Ends every viewer and waits for their threads. */
void disp_viewers_free(struct disp_viewers *s);
unsigned disp_viewers_count(const struct disp_viewers *s);
/* Takes *v (on the heap, fd, protocol, conn, protocols filled in) over on success. */
int disp_viewers_add(struct disp_viewers *s, struct disp_viewer *v) must_check;

/* Who wants to know of input (main thread): while watched, touch is called once after a viewer's
 * first input from now on, and the watch is over. */
void disp_viewers_set_touch(struct disp_viewers *s, void (*touch)(void *arg), void *arg);
void disp_viewers_watch(struct disp_viewers *s, bool on);
/* Calls fn for every viewer, or for those with input that was not told yet; ago: how long since.
 * Returns how many it was called for. */
unsigned disp_viewers_news(struct disp_viewers *s, bool all,
			   void (*fn)(void *arg, const struct disp_viewer *v, int64_t ago_ms),
			   void *arg);

/* Input, in the viewer's thread. Repeats of a key that is down are dropped: the guest repeats. */
void disp_viewer_key(struct disp_viewer *v, uint32_t code, bool down);
void disp_viewer_button(struct disp_viewer *v, uint32_t code, bool down);
void disp_viewer_pointer(struct disp_viewer *v, uint32_t x, uint32_t y);
void disp_viewer_wheel(struct disp_viewer *v, int32_t vertical, int32_t horizontal);
/* Presses a key as shift says, whatever the level keys are: those are put back afterwards. */
void disp_viewer_press(struct disp_viewer *v, uint32_t key, enum disp_shift shift);
/* Types a character by its X keysym; false when the desktop has no way to. */
bool disp_viewer_keysym(struct disp_viewer *v, uint32_t keysym);
bool disp_viewer_held(const struct disp_viewer *v, uint32_t code);
void disp_viewer_release(struct disp_viewer *v);

#endif
