/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See source.h. Connection states: no socket (a timer will try again), or connected. A peer that
 * sends nonsense is dropped and tried again like one that went away. The last picture stays on
 * the screen while there is no desktop.
 */
#include "display/source.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "common/log.h"
#include "display/clip.h"
#include "display/dialer.h"
#include "display/microphone.h"
#include "display/sound.h"

#define RETRY_MIN_MS   50
#define RETRY_MAX_MS   1000
#define INPUT_MAX      512 /* events waiting for a desktop that does not read */
#define DISP_LAYOUT_US 0x0409
#define MESSAGES       32 /* handled a wake-up before others get their turn */

struct input {
	uint32_t type;
	int32_t a, b, c;
	int fd; /* owned; CLIP_DATA's, else -1 */
};

struct disp_source {
	struct loop *loop;	    /* borrowed */
	struct disp_dialer *dialer; /* borrowed */
	struct disp_screen *screen; /* borrowed */
	struct loop_io *io;	    /* owned; NULL while not connected */
	struct loop_timer *retry;   /* owned */
	int64_t retry_ms;
	struct log_bucket bucket;
	bool shown;		  /* the screen's picture is that of this connection */
	struct surface_msg msg;	  /* being received; main thread */
	struct disp_clip *clip;	  /* borrowed; NULL = none */
	struct disp_sound *sound; /* likewise */
	struct disp_ring ring;	  /* main thread */
	struct disp_mic *mic;	  /* borrowed; NULL = none, or none is allowed */

	pthread_mutex_t lock; /* guards what follows */
	int sock;	      /* owned; -1 while not connected */
	bool has_clip;	      /* the desktop said so */
	bool has_keysyms;     /* likewise */
	bool has_audio;
	bool has_mic;
	uint32_t layout; /* of the user's keyboard; said again to a new desktop */
	struct input queue[INPUT_MAX];
	uint32_t head, count;
	bool armed; /* LOOP_WRITE was asked for */
	uint32_t viewers;
	uint32_t want_width, want_height, want_scale; /* last resize, said again to a new desktop */
	bool has_monitors;
	uint32_t most_monitors;
	uint32_t n_monitors; /* of the last resize */
	struct surface_rect monitors[SURFACE_MAX_MONITORS];
};

/* ---- input --------------------------------------------------------------------------------- */

static void input_message(const struct input *in, struct surface_msg *m)
{
	m->type = (enum surface_type)in->type;
	m->fd = in->fd;
	switch (m->type) {
	case SURFACE_CLIP_POLICY:
		m->clip_ways = (uint32_t)in->a;
		break;
	case SURFACE_CLIP_OFFER:
	case SURFACE_CLIP_REQUEST:
		m->clip.serial = (uint32_t)in->a;
		m->clip.format = (uint32_t)in->b;
		break;
	case SURFACE_CLIP_DATA:
		m->clip.serial = (uint32_t)in->a;
		m->clip.format = SURFACE_CLIP_TEXT;
		m->clip.status = (uint32_t)in->b;
		m->clip.size = (uint32_t)in->c;
		break;
	case SURFACE_KEY:
	case SURFACE_BUTTON:
		m->key.code = (uint32_t)in->a;
		m->key.down = (uint32_t)in->b;
		break;
	case SURFACE_WHEEL:
		m->wheel.vertical = in->a;
		m->wheel.horizontal = in->b;
		break;
	case SURFACE_RESIZE:
		m->resize.width = (uint32_t)in->a;
		m->resize.height = (uint32_t)in->b;
		m->resize.scale_percent = (uint32_t)in->c;
		break;
	case SURFACE_VIEWERS:
		m->viewers = (uint32_t)in->a;
		break;
	case SURFACE_KEYSYM:
		m->keysym = (uint32_t)in->a;
		break;
	case SURFACE_LAYOUT:
		m->layout = (uint32_t)in->a;
		break;
	case SURFACE_AUDIO_LISTEN:
		m->listen = (uint32_t)in->a;
		break;
	default:
		m->point.x = in->a;
		m->point.y = in->b;
		break;
	}
}

/* Under s->lock. Monitors are state, not a queue of messages. */
static void monitors_message(const struct disp_source *s, struct surface_msg *m)
{
	m->damage.seq = 0;
	m->damage.n = s->n_monitors;
	memcpy(m->damage.rects, s->monitors, s->n_monitors * sizeof(s->monitors[0]));
}

static void input_drop(struct input *in)
{
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

/* Under s->lock. Sends what the socket takes. */
static void flush_locked(struct disp_source *s)
{
	struct surface_msg m;

	while (s->count && s->sock >= 0) {
		int r;

		input_message(&s->queue[s->head], &m);
		if (m.type == SURFACE_MONITORS)
			monitors_message(s, &m);
		r = surface_send(s->sock, &m);
		if (r == -EAGAIN)
			return;
		/* Another error means the connection is ending: reading will tell. */
		input_drop(&s->queue[s->head]);
		s->head = (s->head + 1) % INPUT_MAX;
		s->count--;
	}
}

static void arm_write(void *arg)
{
	struct disp_source *s = arg;
	bool want;

	pthread_mutex_lock(&s->lock);
	want = s->count > 0;
	s->armed = want;
	pthread_mutex_unlock(&s->lock);
	if (s->io)
		loop_io_set(s->io, LOOP_READ | (want ? LOOP_WRITE : 0));
}

static struct input *queue_at(struct disp_source *s, uint32_t i)
{
	return &s->queue[(s->head + i) % INPUT_MAX];
}

/* Motion replaces motion at the end of the queue. */
static bool merge_locked(struct disp_source *s, const struct input *in)
{
	struct input *last;

	if (!s->count)
		return false;
	last = queue_at(s, s->count - 1);
	if (last->type != in->type)
		return false;
	if (in->type == SURFACE_POINTER || in->type == SURFACE_VIEWERS ||
	    in->type == SURFACE_RESIZE || in->type == SURFACE_MONITORS ||
	    in->type == SURFACE_AUDIO_LISTEN) {
		*last = *in;
		return true;
	}
	return false;
}

/* Makes room for a release by removing its press, or else something that is no release. */
static bool evict_locked(struct disp_source *s, const struct input *in)
{
	uint32_t victim = s->count;

	for (uint32_t i = s->count; i-- > 0;) {
		struct input *q = queue_at(s, i);
		bool release = (q->type == SURFACE_KEY || q->type == SURFACE_BUTTON) && !q->b;

		if (q->type == in->type && q->a == in->a && q->b)
			victim = i;
		else if (!release && victim == s->count)
			victim = i;
		if (victim == i && q->type == in->type)
			break;
	}
	if (victim == s->count)
		return false;
	input_drop(queue_at(s, victim));
	for (uint32_t i = victim; i + 1 < s->count; i++)
		*queue_at(s, i) = *queue_at(s, i + 1);
	s->count--;
	return true;
}

static void push(struct disp_source *s, struct input in)
{
	bool release = (in.type == SURFACE_KEY || in.type == SURFACE_BUTTON) && !in.b, post;

	pthread_mutex_lock(&s->lock);
	if (s->sock < 0) {
		pthread_mutex_unlock(&s->lock);
		input_drop(&in);
		return;
	}
	flush_locked(s);
	if (!merge_locked(s, &in) && (s->count < INPUT_MAX || (release && evict_locked(s, &in)))) {
		*queue_at(s, s->count) = in;
		s->count++;
		in.fd = -1;
	}
	input_drop(&in);
	flush_locked(s);
	post = s->count && !s->armed;
	s->armed |= post;
	pthread_mutex_unlock(&s->lock);
	if (post && loop_post(s->loop, arm_write, s) < 0)
		log_warn("surface.input", "error=\"cannot wake the main loop\"");
}

void disp_source_key(struct disp_source *s, uint32_t code, bool down)
{
	push(s, (struct input){SURFACE_KEY, (int32_t)code, down, 0, -1});
}

void disp_source_button(struct disp_source *s, uint32_t code, bool down)
{
	push(s, (struct input){SURFACE_BUTTON, (int32_t)code, down, 0, -1});
}

void disp_source_pointer(struct disp_source *s, uint32_t x, uint32_t y)
{
	uint32_t w, h;

	disp_screen_size(s->screen, &w, &h);
	if (!w)
		return;
	x = x < w ? x : w - 1;
	y = y < h ? y : h - 1;
	disp_screen_pointer(s->screen, x, y);
	push(s, (struct input){SURFACE_POINTER, (int32_t)x, (int32_t)y, 0, -1});
}

void disp_source_motion(struct disp_source *s, int32_t dx, int32_t dy)
{
	push(s, (struct input){SURFACE_POINTER_REL, dx, dy, 0, -1});
}

void disp_source_wheel(struct disp_source *s, int32_t vertical, int32_t horizontal)
{
	push(s, (struct input){SURFACE_WHEEL, vertical, horizontal, 0, -1});
}

static bool has_keysyms(struct disp_source *s)
{
	bool has;

	pthread_mutex_lock(&s->lock);
	has = s->has_keysyms;
	pthread_mutex_unlock(&s->lock);
	return has;
}

bool disp_source_keysym(struct disp_source *s, uint32_t keysym)
{
	if (!surface_keysym_ok(keysym) || !has_keysyms(s))
		return false;
	push(s, (struct input){SURFACE_KEYSYM, (int32_t)keysym, 0, 0, -1});
	return true;
}

void disp_source_layout(struct disp_source *s, uint32_t layout)
{
	if (!layout)
		return; /* a client that does not say */
	pthread_mutex_lock(&s->lock);
	s->layout = layout;
	pthread_mutex_unlock(&s->lock);
	if (has_keysyms(s))
		push(s, (struct input){SURFACE_LAYOUT, (int32_t)layout, 0, 0, -1});
}

bool disp_source_foreign(struct disp_source *s)
{
	bool foreign;

	pthread_mutex_lock(&s->lock);
	foreign = s->has_keysyms && s->layout != DISP_LAYOUT_US;
	pthread_mutex_unlock(&s->lock);
	return foreign;
}

void disp_source_set_most_monitors(struct disp_source *s, uint32_t most)
{
	s->most_monitors = most;
}

uint32_t disp_source_most_monitors(const struct disp_source *s)
{
	return s->most_monitors;
}

/* The first of them, moved so that their corner is at 0, 0 again. */
static void keep_first(struct surface_rect *out, const struct surface_rect *rects, uint32_t n)
{
	int32_t x = rects[0].x, y = rects[0].y;

	for (uint32_t i = 1; i < n; i++) {
		x = rects[i].x < x ? rects[i].x : x;
		y = rects[i].y < y ? rects[i].y : y;
	}
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct surface_rect){rects[i].x - x, rects[i].y - y, rects[i].width,
					       rects[i].height};
}

void disp_source_monitors(struct disp_source *s, uint32_t n, const struct surface_rect *rects,
			  uint32_t scale)
{
	struct surface_rect first[SURFACE_MAX_MONITORS];
	int32_t w = 0, h = 0;
	bool say;

	if (!n || n > SURFACE_MAX_MONITORS)
		return;
	if (n > s->most_monitors) {
		n = s->most_monitors;
		keep_first(first, rects, n);
		rects = first;
	}
	for (uint32_t i = 0; i < n; i++) {
		w = rects[i].x + rects[i].width > w ? rects[i].x + rects[i].width : w;
		h = rects[i].y + rects[i].height > h ? rects[i].y + rects[i].height : h;
	}
	pthread_mutex_lock(&s->lock);
	s->want_width = (uint32_t)w;
	s->want_height = (uint32_t)h;
	s->want_scale = scale;
	s->n_monitors = n;
	memcpy(s->monitors, rects, n * sizeof(*rects));
	say = s->has_monitors;
	pthread_mutex_unlock(&s->lock);
	push(s, (struct input){SURFACE_RESIZE, w, h, (int32_t)scale, -1});
	if (say)
		push(s, (struct input){SURFACE_MONITORS, 0, 0, 0, -1});
}

void disp_source_resize(struct disp_source *s, uint32_t width, uint32_t height, uint32_t scale)
{
	const struct surface_rect all = {0, 0, (int32_t)width, (int32_t)height};

	if (width && height && width <= SURFACE_MAX_DIM && height <= SURFACE_MAX_DIM)
		disp_source_monitors(s, 1, &all, scale);
}

uint32_t disp_source_monitors_of(struct disp_source *s, uint32_t width, uint32_t height,
				 struct surface_rect out[SURFACE_MAX_MONITORS])
{
	uint32_t n = 0;

	pthread_mutex_lock(&s->lock);
	if (s->want_width == width && s->want_height == height) {
		n = s->n_monitors;
		memcpy(out, s->monitors, n * sizeof(*out));
	}
	pthread_mutex_unlock(&s->lock);
	if (!n)
		out[0] = (struct surface_rect){0, 0, (int32_t)width, (int32_t)height};
	return n ? n : 1;
}

void disp_source_viewers(struct disp_source *s, uint32_t n)
{
	pthread_mutex_lock(&s->lock);
	s->viewers = n;
	pthread_mutex_unlock(&s->lock);
	push(s, (struct input){SURFACE_VIEWERS, (int32_t)n, 0, 0, -1});
}

/* ---- the clipboard ------------------------------------------------------------------------- */

void disp_source_set_clip(struct disp_source *s, struct disp_clip *clip)
{
	s->clip = clip;
}

static bool has_clip(struct disp_source *s)
{
	bool has;

	pthread_mutex_lock(&s->lock);
	has = s->has_clip;
	pthread_mutex_unlock(&s->lock);
	return has;
}

void disp_source_clip(struct disp_source *s, enum surface_type type, uint32_t serial,
		      uint32_t format)
{
	if (has_clip(s))
		push(s, (struct input){type, (int32_t)serial, (int32_t)format, 0, -1});
}

static void clip_answer(struct disp_source *s, uint32_t serial, enum surface_clip_status status,
			int fd, size_t n)
{
	if (has_clip(s))
		push(s, (struct input){SURFACE_CLIP_DATA, (int32_t)serial, status, (int32_t)n, fd});
	else if (fd >= 0)
		close(fd);
}

void disp_source_clip_data(struct disp_source *s, uint32_t serial, const char *text, size_t n)
{
	int fd = -1;

	if (text && n > SURFACE_CLIP_MAX) {
		clip_answer(s, serial, SURFACE_CLIP_TOO_BIG, -1, 0);
		return;
	}
	if (text && n)
		fd = surface_clip_seal(text, n);
	if (!text || (n && fd < 0))
		clip_answer(s, serial, SURFACE_CLIP_FAILED, -1, 0);
	else
		clip_answer(s, serial, SURFACE_CLIP_OK, fd, n);
}

/* ---- sound --------------------------------------------------------------------------------- */

/* Whether somebody listens. */
static void on_listen(void *arg, bool on)
{
	struct disp_source *s = arg;
	bool has;

	pthread_mutex_lock(&s->lock);
	has = s->has_audio;
	pthread_mutex_unlock(&s->lock);
	if (has)
		push(s, (struct input){SURFACE_AUDIO_LISTEN, on, 0, 0, -1});
}

void disp_source_set_sound(struct disp_source *s, struct disp_sound *sound)
{
	s->sound = sound;
	disp_sound_set_listen(sound, on_listen, s);
}

static int on_audio(struct disp_source *s, struct surface_msg *m)
{
	int r = 0;

	if (!s->sound)
		return 0;
	if (m->type == SURFACE_AUDIO)
		disp_ring_begin(&s->ring, s->sound, m);
	else
		r = disp_ring_read(&s->ring, s->sound, m->audio.stream, m->audio.pos);
	if (r < 0 && log_allow(&s->bucket, 1))
		log_warn("surface.sound", "error=\"%s\"", strerror(-r));
	return 0; /* its own sound suffers, nothing else */
}

/* Somebody speaks. What the socket does not take now is lost. */
static void on_voice(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	struct disp_source *s = arg;
	struct surface_msg m;

	m.type = SURFACE_VOICE;
	m.fd = -1;
	m.voice.rate = rate;
	m.voice.n = (uint32_t)frames;
	memcpy(m.voice.frames, p, frames * SURFACE_VOICE_FRAME);
	pthread_mutex_lock(&s->lock);
	if (s->sock >= 0 && s->has_mic && !s->count)
		(void)!surface_send(s->sock, &m);
	pthread_mutex_unlock(&s->lock);
}

void disp_source_set_mic(struct disp_source *s, struct disp_mic *mic)
{
	s->mic = disp_mic_allowed(mic) ? mic : NULL;
	disp_mic_set_send(mic, on_voice, s);
}

static int on_record(struct disp_source *s, uint32_t rate)
{
	if (!s->mic)
		return -EPROTO; /* it was not told of microphones */
	disp_mic_record(s->mic, rate);
	return 0;
}

/* A desktop that types characters is told which keyboard the user has, one that knows of monitors
 * which those are. */
static void hello_hardware(struct disp_source *s, uint32_t flags)
{
	uint32_t layout;
	bool monitors;

	pthread_mutex_lock(&s->lock);
	s->has_keysyms = (flags & SURFACE_HAS_KEYSYMS) != 0;
	layout = s->layout;
	s->has_monitors = (flags & SURFACE_HAS_MONITORS) != 0;
	s->has_audio = (flags & SURFACE_HAS_AUDIO) != 0;
	s->has_mic = s->mic && flags & SURFACE_HAS_MICROPHONE;
	monitors = s->has_monitors && s->n_monitors;
	pthread_mutex_unlock(&s->lock);
	if (monitors)
		push(s, (struct input){SURFACE_MONITORS, 0, 0, 0, -1});
	if (flags & SURFACE_HAS_KEYSYMS)
		push(s, (struct input){SURFACE_LAYOUT, (int32_t)layout, 0, 0, -1});
}

/* A desktop with a clipboard is told what is allowed, and what viewers have. */
static void on_hello(struct disp_source *s, uint32_t flags)
{
	uint32_t serial;

	hello_hardware(s, flags);
	if (s->sound)
		disp_sound_tell(s->sound);
	if (!s->clip || !(flags & SURFACE_HAS_CLIPBOARD))
		return;
	pthread_mutex_lock(&s->lock);
	s->has_clip = true;
	pthread_mutex_unlock(&s->lock);
	push(s, (struct input){SURFACE_CLIP_POLICY, (int32_t)disp_clip_ways(s->clip), 0, 0, -1});
	serial = disp_clip_in_serial(s->clip);
	if (serial)
		disp_source_clip(s, SURFACE_CLIP_OFFER, serial, SURFACE_CLIP_TEXT);
}

static int on_clip(struct disp_source *s, const struct surface_msg *m)
{
	char *text = NULL;

	if (!s->clip)
		return -EPROTO; /* it was not allowed to */
	switch (m->type) {
	case SURFACE_CLIP_OFFER:
		disp_clip_on_offer(s->clip, m->clip.serial, m->clip.format);
		return 0;
	case SURFACE_CLIP_REQUEST:
		if (!disp_clip_on_request(s->clip, m->clip.serial, m->clip.format))
			clip_answer(s, m->clip.serial, SURFACE_CLIP_STALE, -1, 0);
		return 0;
	default:
		if (m->clip.status == SURFACE_CLIP_OK)
			text = m->clip.size ? surface_clip_read(m) : calloc(1, 1);
		if (text && !surface_clip_text_ok(text, m->clip.size)) {
			free(text);
			text = NULL;
		}
		disp_clip_on_data(s->clip, m->clip.serial, text, text ? m->clip.size : 0);
		return 0;
	}
}

/* ---- messages ------------------------------------------------------------------------------ */

static int on_scanout(struct disp_source *s, const struct surface_msg *m)
{
	s->shown = m->fd >= 0 && m->scanout.width;
	if (!s->shown)
		return 0; /* no screen: the last picture stays */
	log_info("surface.scanout", "id=%u width=%u height=%u", m->scanout.id, m->scanout.width,
		 m->scanout.height);
	return disp_screen_scanout(s->screen, m->fd, &m->scanout);
}

static int on_damage(struct disp_source *s, const struct surface_msg *m)
{
	for (uint32_t i = 0; s->shown && i < m->damage.n; i++)
		disp_screen_damage(s->screen, m->damage.rects[i]);
	return 0;
}

static int handle(struct disp_source *s, struct surface_msg *m)
{
	switch (m->type) {
	case SURFACE_HELLO:
		if (m->hello.version != SURFACE_VERSION)
			return -EPROTO;
		on_hello(s, m->hello.flags);
		return 0;
	case SURFACE_CLIP_OFFER:
	case SURFACE_CLIP_REQUEST:
	case SURFACE_CLIP_DATA:
		return on_clip(s, m);
	case SURFACE_SCANOUT:
		return on_scanout(s, m);
	case SURFACE_DAMAGE:
		return on_damage(s, m);
	case SURFACE_CURSOR_SHAPE:
		disp_screen_cursor(s->screen, m->cursor.width, m->cursor.height, m->cursor.hot_x,
				   m->cursor.hot_y, m->cursor.pixels);
		return 0;
	case SURFACE_AUDIO:
	case SURFACE_AUDIO_POS:
		return on_audio(s, m);
	case SURFACE_RECORD:
		return on_record(s, m->record);
	case SURFACE_CURSOR_POS:
		return 0;
	default:
		return -EPROTO; /* a display's message */
	}
}

static void drop_queue(struct disp_source *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		input_drop(queue_at(s, i));
	s->count = 0;
}

static void disconnect(struct disp_source *s, const char *why)
{
	if (log_allow(&s->bucket, 1))
		log_info("surface.lost", "why=\"%s\"", why);
	loop_io_del(s->io);
	s->io = NULL;
	pthread_mutex_lock(&s->lock);
	close(s->sock);
	s->sock = -1;
	s->has_clip = false;
	s->has_keysyms = false;
	s->has_monitors = false;
	s->has_audio = false;
	s->has_mic = false;
	drop_queue(s);
	s->armed = false;
	pthread_mutex_unlock(&s->lock);
	if (s->clip)
		disp_clip_on_offer(s->clip, 0, 0);
	if (s->sound)
		disp_ring_end(&s->ring, s->sound);
	if (s->mic)
		disp_mic_record(s->mic, 0);
	s->shown = false;
	loop_timer_set(s->retry, s->retry_ms);
}

static void on_io(void *arg, int fd, unsigned events)
{
	struct disp_source *s = arg;
	int r = 0;

	if (events & LOOP_WRITE) {
		pthread_mutex_lock(&s->lock);
		flush_locked(s);
		pthread_mutex_unlock(&s->lock);
		arm_write(s);
	}
	if (!(events & (LOOP_READ | LOOP_HUP)))
		return;
	for (int i = 0; i < MESSAGES; i++) {
		int e;

		r = surface_recv(fd, &s->msg);
		if (r <= 0)
			break;
		e = handle(s, &s->msg);
		if (s->msg.fd >= 0)
			close(s->msg.fd);
		if (e < 0) {
			r = e;
			break;
		}
	}
	disp_screen_wake(s->screen);
	if (r == 0)
		disconnect(s, "closed");
	else if (r < 0 && r != -EAGAIN)
		disconnect(s, strerror(-r));
}

/* ---- connecting ---------------------------------------------------------------------------- */

static int greet(const struct disp_source *s, int sock)
{
	struct surface_msg m = {.type = SURFACE_HELLO, .fd = -1};

	m.hello.version = SURFACE_VERSION;
	m.hello.flags = s->mic ? SURFACE_HAS_MICROPHONE : 0;
	return surface_send(sock, &m);
}

static void on_connected(struct disp_source *s, int sock)
{
	uint32_t viewers, w, h, scale;

	pthread_mutex_lock(&s->lock);
	s->sock = sock;
	viewers = s->viewers;
	w = s->want_width;
	h = s->want_height;
	scale = s->want_scale;
	pthread_mutex_unlock(&s->lock);
	s->retry_ms = RETRY_MIN_MS;
	disp_source_viewers(s, viewers);
	if (w)
		push(s, (struct input){SURFACE_RESIZE, (int32_t)w, (int32_t)h, (int32_t)scale, -1});
	log_info("surface.connected", "viewers=%u", viewers);
}

static void on_retry(void *arg)
{
	struct disp_source *s = arg;
	int sock = disp_dialer_connect(s->dialer);

	if (sock >= 0 && greet(s, sock) == 0)
		s->io = loop_io_add(s->loop, sock, LOOP_READ, on_io, s);
	if (s->io) {
		on_connected(s, sock);
		return;
	}
	if (sock >= 0)
		close(sock);
	loop_timer_set(s->retry, s->retry_ms);
	s->retry_ms = s->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->retry_ms * 2;
}

struct disp_source *disp_source_new(struct loop *l, struct disp_dialer *dialer,
				    struct disp_screen *screen)
{
	struct disp_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = l;
	s->dialer = dialer;
	s->screen = screen;
	s->sock = -1;
	s->ring.fd = -1;
	s->retry_ms = RETRY_MIN_MS;
	s->layout = DISP_LAYOUT_US;
	s->most_monitors = SURFACE_MAX_MONITORS;
	pthread_mutex_init(&s->lock, NULL);
	s->retry = loop_timer_add(l, 0, on_retry, s);
	if (!s->retry) {
		disp_source_free(s);
		return NULL;
	}
	return s;
}

void disp_source_free(struct disp_source *s)
{
	if (!s)
		return;
	loop_io_del(s->io);
	loop_timer_del(s->retry);
	if (s->sock >= 0)
		close(s->sock);
	cleanup_close_fn(&s->ring.fd);
	drop_queue(s);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
