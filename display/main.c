/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-display: turns one desktop's surface into RDP and RFB for its viewers. It holds the only
 * copy of nothing: it may be killed and started again under a live desktop.
 *
 * Threads: the main one runs the loop (surface socket, listener, timers); each viewer has one.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include "common/font.h"
#include "common/log.h"
#include "common/loop.h"
#include "display/ask.h"
#include "display/clip.h"
#include "display/control.h"
#include "display/dialer.h"
#include "display/door.h"
#include "display/microphone.h"
#include "display/overlay.h"
#include "display/rdp/peer.h"
#include "display/rfb/server.h"
#include "display/sandbox.h"
#include "display/sound.h"

#define LARGE_BYTES (1 << 20)
#define FONT	    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"

struct options {
	const char *surface, *listen, *name, *font;
	int idle_exit_s; /* 0 = never */
	uint32_t monitors;
	unsigned clip_ways, audio_ways;
};

struct display {
	struct loop *loop;
	struct disp_screen screen;
	struct disp_clip *clip;
	struct disp_sound *sound;
	struct disp_mic *mic;
	struct disp_dialer *dialer;
	struct disp_source *source;
	struct disp_viewers *viewers;
	struct font *font;
	struct disp_overlay *overlay;
	struct disp_control *control;
	struct disp_ask *ask;
	struct disp_door *door;
	struct loop_timer *idle;
	int idle_exit_s;
};

static void usage(FILE *f)
{
	fputs("usage: pane-display --surface SOCK --listen SOCK --name NAME [--idle-exit SECONDS]\n"
	      "                    [--clipboard both|in|out|none] [--audio both|in|out|none]\n"
	      "                    [--monitors N] [--font FILE]\n"
	      "  --surface SOCK       the desktop's surface socket\n"
	      "  --listen SOCK        where viewers' streams arrive\n"
	      "  --name NAME          the desktop's name, shown by viewers\n"
	      "  --idle-exit SECONDS  leave after so long without a viewer\n"
	      "  --clipboard WAYS     text to the desktop (in), from it (out), both (the default), "
	      "none\n"
	      "  --audio WAYS         what is played on the desktop (out), what a microphone hears "
	      "(in),\n"
	      "                       both (the default), none\n"
	      "  --monitors N         of a viewer's monitors at most so many (16), the primary one "
	      "first\n"
	      "  --font FILE          what messages are drawn with (" FONT ")\n"
	      "  --help               this text\n"
	      "  --version            the version\n",
	      f);
}

static int parse_ways(const char *word, unsigned *ways)
{
	static const struct {
		const char *word;
		unsigned ways;
	} words[] = {{"both", SURFACE_CLIP_IN | SURFACE_CLIP_OUT},
		     {"in", SURFACE_CLIP_IN},
		     {"out", SURFACE_CLIP_OUT},
		     {"none", 0}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i].word) == 0) {
			*ways = words[i].ways;
			return 0;
		}
	}
	return -EINVAL;
}

/* 0 to go on, 1 to leave with success, -1 on bad arguments. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"surface", required_argument, NULL, 's'},
					      {"listen", required_argument, NULL, 'l'},
					      {"name", required_argument, NULL, 'n'},
					      {"idle-exit", required_argument, NULL, 'i'},
					      {"clipboard", required_argument, NULL, 'c'},
					      {"audio", required_argument, NULL, 'a'},
					      {"monitors", required_argument, NULL, 'm'},
					      {"font", required_argument, NULL, 'f'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'v'},
					      {NULL, 0, NULL, 0}};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->surface = optarg;
			break;
		case 'l':
			o->listen = optarg;
			break;
		case 'n':
			o->name = optarg;
			break;
		case 'i':
			o->idle_exit_s = (int)strtol(optarg, &end, 10);
			if (*end || end == optarg || o->idle_exit_s < 0 || o->idle_exit_s > 86400)
				return -1;
			break;
		case 'c':
			if (parse_ways(optarg, &o->clip_ways) < 0)
				return -1;
			break;
		case 'a':
			if (parse_ways(optarg, &o->audio_ways) < 0)
				return -1;
			break;
		case 'm':
			o->monitors = (uint32_t)strtoul(optarg, &end, 10);
			if (*end || end == optarg || !o->monitors ||
			    o->monitors > SURFACE_MAX_MONITORS)
				return -1;
			break;
		case 'f':
			o->font = optarg;
			break;
		case 'h':
			usage(stdout);
			return 1;
		case 'v':
			puts("pane-display " PANE_VERSION);
			return 1;
		default:
			return -1;
		}
	}
	return o->surface && o->listen && o->name && optind == argc ? 0 : -1;
}

static void on_idle(void *arg)
{
	struct display *d = arg;

	if (disp_viewers_count(d->viewers) == 0) {
		log_info("display.idle", "seconds=%d", d->idle_exit_s);
		loop_stop(d->loop);
	}
}

/* Who looks on is on the screen for as long as they do. */
static void show_helpers(struct display *d)
{
	char text[DISP_MESSAGE_TEXT - 64], notice[DISP_MESSAGE_TEXT];
	unsigned n = disp_viewers_helpers(d->viewers, text, sizeof(text));

	snprintf(notice, sizeof(notice), "%s%s", text, n ? " Ctrl+F10 ends that." : "");
	disp_overlay_notice(d->overlay, notice);
	disp_ask_helped(d->ask, n > 0);
}

static void on_answered(void *arg, const char *id, bool yes)
{
	struct display *d = arg;

	disp_control_answered(d->control, id, yes);
}

static void on_end_helpers(void *arg)
{
	struct display *d = arg;

	log_info("viewer.helpers", "end=\"the user's wish\"");
	disp_viewers_end_helpers(d->viewers);
}

static void on_count(void *arg, unsigned count)
{
	struct display *d = arg;

	log_info("display.viewers", "count=%u", count);
	show_helpers(d);
	disp_control_count(d->control, count);
	if (!count)
		malloc_trim(0);
	if (d->idle)
		loop_timer_set(d->idle, count ? -1 : d->idle_exit_s * 1000ll);
}

static void on_signal(void *arg, int signo)
{
	struct display *d = arg;

	log_info("display.stop", "signal=%d", signo);
	loop_stop(d->loop);
}

/* What a burst took goes back to the system: large blocks when they are freed (libc would raise
 * its threshold with every such block, and keep them), the rest when it is the end of a heap. */
static void set_memory(void)
{
	/* x264 rounds each block to huge pages, which the kernel then fills as a whole: a third
	 * more. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
		log_debug("memory.thp", "error=\"%s\"", strerror(errno));
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

static int start(struct display *d, const struct options *o, struct err *e)
{
	struct err no_font = {0};
	int r;

	d->font = font_new(o->font, &no_font);
	if (!d->font)
		log_warn("display.font", "error=%s", LOG_Q(no_font.msg));
	d->dialer = disp_dialer_new(o->surface, e); /* while there is one thread and no signalfd */
	if (!d->dialer)
		return e->code;
	d->loop = loop_new();
	if (!d->loop)
		return err_set(e, -ENOMEM, "cannot make an event loop");
	r = loop_signal(d->loop, SIGTERM, on_signal, d);
	if (r == 0)
		r = loop_signal(d->loop, SIGINT, on_signal, d);
	if (r < 0)
		return err_set(e, r, "signals: %s", strerror(-r));
	signal(SIGPIPE, SIG_IGN);
	disp_rdp_setup();
	disp_rfb_setup();
	d->clip = disp_clip_new(&d->screen, o->clip_ways);
	d->sound = disp_sound_new((o->audio_ways & SURFACE_CLIP_OUT) != 0);
	d->mic = disp_mic_new((o->audio_ways & SURFACE_CLIP_IN) != 0);
	d->source = disp_source_new(d->loop, d->dialer, &d->screen);
	if (!d->clip || !d->sound || !d->mic || !d->source)
		return err_set(e, -ENOMEM, "out of memory");
	disp_source_set_most_monitors(d->source, o->monitors);
	disp_source_set_clip(d->source, d->clip);
	disp_source_set_sound(d->source, d->sound);
	disp_source_set_mic(d->source, d->mic);
	d->ask = disp_ask_new(d->loop);
	if (!d->ask)
		return err_set(e, -ENOMEM, "out of memory");
	d->viewers = disp_viewers_new(d->loop, &d->screen, d->source, o->name, on_count, d);
	if (!d->viewers)
		return err_set(e, -ENOMEM, "out of memory");
	disp_viewers_set_clip(d->viewers, d->clip);
	disp_viewers_set_sound(d->viewers, d->sound);
	disp_viewers_set_mic(d->viewers, d->mic);
	disp_viewers_set_ask(d->viewers, d->ask);
	if (o->idle_exit_s) {
		d->idle_exit_s = o->idle_exit_s;
		d->idle = loop_timer_add(d->loop, o->idle_exit_s * 1000ll, on_idle, d);
	}
	d->overlay = disp_overlay_new(d->loop, &d->screen, d->font);
	if (!d->overlay)
		return err_set(e, -ENOMEM, "out of memory");
	disp_overlay_set_ask(d->overlay, d->ask);
	d->control = disp_control_new(d->loop, d->viewers, d->overlay, &d->screen);
	if (!d->control)
		return err_set(e, -ENOMEM, "out of memory");
	disp_ask_set_ops(d->ask, &(struct disp_ask_ops){on_answered, on_end_helpers, d});
	d->door = disp_door_new(d->loop, o->listen, d->viewers, d->control, e);
	if (!d->door)
		return e->code;
	disp_sandbox_prepare();
	return disp_sandbox_enter(e);
}

static void stop(struct display *d)
{
	disp_door_free(d->door);
	disp_control_free(d->control);
	disp_overlay_free(d->overlay);
	disp_viewers_free(d->viewers);
	disp_ask_free(d->ask);
	disp_source_free(d->source);
	disp_dialer_free(d->dialer);
	disp_clip_free(d->clip);
	disp_sound_free(d->sound);
	disp_mic_free(d->mic);
	loop_timer_del(d->idle);
	loop_free(d->loop);
	disp_screen_fini(&d->screen);
	font_free(d->font);
}

int main(int argc, char **argv)
{
	struct options o = {.font = FONT,
			    .monitors = SURFACE_MAX_MONITORS,
			    .clip_ways = SURFACE_CLIP_IN | SURFACE_CLIP_OUT,
			    .audio_ways = SURFACE_CLIP_IN | SURFACE_CLIP_OUT};
	struct display d = {0};
	struct err e = {0};
	int r = parse(argc, argv, &o);

	if (r) {
		if (r < 0)
			usage(stderr);
		return r < 0;
	}
	log_init("pane-display", LOG_INFO);
	set_memory();
	r = disp_screen_init(&d.screen);
	if (r == 0)
		r = start(&d, &o, &e);
	if (r == 0) {
		log_info("display.start", "name=%s", LOG_Q(o.name));
		r = loop_run(d.loop);
	} else {
		fprintf(stderr, "pane-display: %s\n", e.msg);
	}
	stop(&d);
	return r < 0;
}
