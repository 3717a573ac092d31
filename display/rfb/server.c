/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See server.h. The planner's copy of the picture is the library's frame buffer: both belong to
 * this thread, so the cursor the library paints into it for old viewers disturbs nobody. Updates
 * are the client's to ask for, which paces them; the newest picture is encoded when it asks.
 */
#include "display/rfb/server.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <poll.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/wire.h"
#include "display/planner.h"
#include "display/rfb/audio.h"
#include "display/rfb/flow.h"
#include "display/rfb/keyboard.h"
#include "display/rfb/video.h"
#include "display/text.h"

#define EMPTY_WIDTH   1024 /* shown until there is a desktop */
#define EMPTY_HEIGHT  768
#define WHEEL_NOTCH   120
#define QUALITY_MAX   80 /* of JPEG, in percent */
#define QUALITY_MIN   25
#define QUALITY_STEP  5
#define SUBSAMPLE_420 1	    /* the library's number for it */
#define BLUR_BYTES    25000 /* a frame of what moves */
#define BLUR_AGAIN_MS 250   /* sooner than that it moves */

struct rfb_server {
	struct disp_viewer *viewer; /* borrowed */
	struct disp_planner planner;
	struct rfb_flow flow;
	rfbScreenInfoPtr screen; /* owned */
	rfbClientPtr client;	 /* owned by the library; NULL when it is gone */
	char *empty;		 /* owned; the picture before there is one */
	char name[128];
	uint32_t n_screens; /* that the client asked for last */
	struct rfbExtDesktopScreen screens[SURFACE_MAX_MONITORS];
	int buttons; /* last mask */
	char *text;  /* owned; what the client has to paste */
	size_t text_n;
	uint32_t seen;		       /* the desktop's last offer */
	bool waits;		       /* for the text of that */
	sraRegionPtr blur;	       /* owned; to be sent as JPEG or H.264 */
	struct surface_rect blur_rect; /* the planner's last */
	bool jpeg;		       /* the client takes that */
	int quality;		       /* of JPEG now, in percent */
	int64_t blur_ms;	       /* when something was blurred last */
	struct rfb_video video;
	struct rfb_audio audio;
	bool heard; /* the client was told that there is sound */
};

static struct rfb_server *server_of(rfbClientPtr cl)
{
	return cl->screen->screenData;
}

/* ---- input --------------------------------------------------------------------------------- */

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr cl)
{
	disp_rfb_key(server_of(cl)->viewer, keysym, down);
}

static void on_pointer(int mask, int x, int y, rfbClientPtr cl)
{
	static const uint16_t codes[8] = {BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, 0, 0, 0, 0, BTN_SIDE};
	struct rfb_server *s = server_of(cl);
	int changed = mask ^ s->buttons;

	disp_viewer_pointer(s->viewer, x < 0 ? 0 : (uint32_t)x, y < 0 ? 0 : (uint32_t)y);
	for (int i = 0; i < 8; i++) {
		if ((changed >> i & 1) && codes[i])
			disp_viewer_button(s->viewer, codes[i], mask >> i & 1);
	}
	/* Buttons 4 to 7 are the wheel; a notch is their press. */
	changed &= mask;
	if (changed & 0x18)
		disp_viewer_wheel(s->viewer, changed & 0x08 ? WHEEL_NOTCH : -WHEEL_NOTCH, 0);
	if (changed & 0x60)
		disp_viewer_wheel(s->viewer, 0, changed & 0x40 ? WHEEL_NOTCH : -WHEEL_NOTCH);
	s->buttons = mask;
	rfbDefaultPtrAddEvent(mask, x, y, cl);
}

static void on_release_all(rfbClientPtr cl)
{
	disp_viewer_release(server_of(cl)->viewer);
}

/* Screens that lie in the size and reach its ends make up a desktop of monitors, rfbproto 7.4.11.
 */
static bool monitors_of(int width, int height, int n, const struct rfbExtDesktopScreen *screens,
			struct surface_rect *out)
{
	int right = 0, bottom = 0;

	for (int i = 0; i < n; i++) {
		const struct rfbExtDesktopScreen *s = &screens[i];

		if (!s->width || !s->height || s->x + s->width > width || s->y + s->height > height)
			return false;
		out[i] = (struct surface_rect){s->x, s->y, s->width, s->height};
		right = s->x + s->width > right ? s->x + s->width : right;
		bottom = s->y + s->height > bottom ? s->y + s->height : bottom;
	}
	return right == width && bottom == height;
}

static int on_desktop_size(int width, int height, int n, struct rfbExtDesktopScreen *screens,
			   rfbClientPtr cl)
{
	struct rfb_server *s = server_of(cl);
	struct surface_rect rects[SURFACE_MAX_MONITORS];

	if (s->viewer->mode != DISP_USER ||
	    (n > 1 && (uint32_t)n > disp_source_most_monitors(s->viewer->source)))
		return rfbExtDesktopSize_ResizeProhibited;
	if (n < 1 || n > SURFACE_MAX_MONITORS || width < 1 || height < 1 ||
	    width > SURFACE_MAX_DIM || height > SURFACE_MAX_DIM ||
	    !monitors_of(width, height, n, screens, rects))
		return rfbExtDesktopSize_InvalidScreenLayout;
	memcpy(s->screens, screens, (size_t)n * sizeof(*screens));
	s->n_screens = (uint32_t)n;
	disp_source_monitors(s->viewer->source, (uint32_t)n, rects, 100);
	/* The answer goes with the new frame buffer, when the desktop has followed. */
	return rfbExtDesktopSize_Success;
}

/* What the client is told of: the monitors that were asked for, by whomever, where they make up
 * the desktop's size. Those of its own request keep its names for them. */
static int on_screen_count(rfbClientPtr cl)
{
	struct surface_rect r[SURFACE_MAX_MONITORS];

	return (int)disp_source_monitors_of(server_of(cl)->viewer->source,
					    (uint32_t)cl->screen->width,
					    (uint32_t)cl->screen->height, r);
}

static rfbBool on_screen(int i, struct rfbExtDesktopScreen *out, rfbClientPtr cl)
{
	struct rfb_server *s = server_of(cl);
	struct surface_rect r[SURFACE_MAX_MONITORS];
	uint32_t n = disp_source_monitors_of(s->viewer->source, (uint32_t)cl->screen->width,
					     (uint32_t)cl->screen->height, r);

	if (i < 0 || (uint32_t)i >= n)
		return FALSE;
	*out = (struct rfbExtDesktopScreen){(uint32_t)i + 1,	   (uint16_t)r[i].x,
					    (uint16_t)r[i].y,	   (uint16_t)r[i].width,
					    (uint16_t)r[i].height, 0};
	for (uint32_t k = 0; n == s->n_screens && k < n; k++) {
		const struct rfbExtDesktopScreen *o = &s->screens[k];

		if (o->x == out->x && o->y == out->y && o->width == out->width &&
		    o->height == out->height) {
			*out = *o;
			break;
		}
	}
	return TRUE;
}

/* Takes text over. It waits until the desktop pastes. */
static void take_text(struct rfb_server *s, char *text, size_t n)
{
	if (!text || !s->viewer->clip)
		return free(text);
	free(s->text);
	s->text = text;
	s->text_n = n;
	disp_clip_own(s->viewer->clip, s->viewer, s->viewer->source);
}

static void on_cut_text(char *text, int n, rfbClientPtr cl)
{
	size_t out = 0;
	char *utf8 = n < 0 ? NULL : disp_text_from_latin1(text, (size_t)n, &out);

	take_text(server_of(cl), utf8, out);
}

static void on_cut_text_utf8(char *text, int n, rfbClientPtr cl)
{
	size_t out = 0;
	char *utf8 = n < 0 ? NULL : disp_text_lf(text, (size_t)n, &out);

	take_text(server_of(cl), utf8, out);
}

/* To a client that speaks the extended clipboard the library announces the text and sends it when
 * asked; to any other it sends what Latin-1 has of it. */
static void send_text(struct rfb_server *s, const char *text, size_t n)
{
	size_t out = 0, narrow_n = 0;
	char *crlf = disp_text_crlf(text, n, &out),
	     *narrow = disp_text_to_latin1(text, n, &narrow_n);

	if (crlf && narrow)
		rfbSendServerCutTextUTF8(s->screen, crlf, (int)out, narrow, (int)narrow_n);
	free(crlf);
	free(narrow);
}

static void run_clipboard(struct rfb_server *s)
{
	struct disp_clip *c = s->viewer->clip;
	char *text = NULL;
	size_t n = 0;
	int r;

	if (!c || s->client->state != RFB_NORMAL)
		return;
	if (disp_clip_offered(c, &s->seen)) {
		disp_clip_want(c, s->viewer->source);
		s->waits = true;
	}
	if (s->waits) {
		r = disp_clip_text(c, &text, &n);
		if (r > 0)
			send_text(s, text, n);
		s->waits = r == 0;
		free(text);
	}
	if (disp_clip_wanted(c, s->viewer))
		disp_clip_give(c, s->viewer, s->viewer->source, s->text, s->text_n);
}

/* ---- sound --------------------------------------------------------------------------------- */

static int send_audio(void *arg, const uint8_t *p, size_t n)
{
	struct rfb_server *s = arg;

	return s->client && rfbWriteExact(s->client, (const char *)p, (int)n) >= 0 ? 0 : -EPIPE;
}

static int mark_audio(void *arg, uint32_t number)
{
	struct rfb_server *s = arg;

	return s->client ? disp_rfb_flow_mark(s->client, number) : -EPIPE;
}

/* An update with nothing in it but the pseudo-encoding says that it is known. */
static rfbBool on_audio_encoding(rfbClientPtr cl, void **data, int encoding)
{
	struct rfb_server *s = server_of(cl);
	uint8_t m[16] = {rfbFramebufferUpdate, 0, 0, 1};

	(void)data;
	if (encoding != RFB_AUDIO_ENCODING || !disp_rfb_audio_allowed(&s->audio))
		return FALSE;
	put_be32(m + 12, (uint32_t)RFB_AUDIO_ENCODING);
	if (!s->heard) {
		(void)rfbWriteExact(cl, (char *)m, sizeof(m));
		log_info("rfb.sound", "conn=%s", s->viewer->conn);
	}
	s->heard = true;
	return TRUE;
}

static rfbBool on_audio_message(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
	uint8_t m[RFB_AUDIO_MESSAGE];
	int rest;

	(void)data;
	if (msg->type != RFB_QEMU_MESSAGE)
		return FALSE;
	if (rfbReadExact(cl, (char *)m, RFB_AUDIO_HEAD) <= 0 ||
	    (rest = disp_rfb_audio_rest(m)) < 0 ||
	    (rest && rfbReadExact(cl, (char *)m + RFB_AUDIO_HEAD, rest) <= 0) ||
	    disp_rfb_audio_receive(&server_of(cl)->audio, m, RFB_AUDIO_HEAD + (size_t)rest) < 0)
		rfbCloseClient(cl);
	return TRUE;
}

static void setup_audio(void)
{
	static int encodings[] = {RFB_AUDIO_ENCODING, 0};
	static rfbProtocolExtension extension = {.pseudoEncodings = encodings,
						 .enablePseudoEncoding = on_audio_encoding,
						 .handleMessage = on_audio_message};

	disp_pcm_setup();
	rfbRegisterProtocolExtension(&extension);
}

static int run_audio(struct rfb_server *s)
{
	struct pollfd fd = {.fd = s->client->sock, .events = POLLOUT};

	if (!s->audio.on)
		return 0;
	disp_rfb_audio_read(&s->audio, s->flow.heard, clock_ms());
	return disp_rfb_audio_run(&s->audio, s->flow.fence, poll(&fd, 1, 0) > 0, clock_ms());
}

static void on_gone(rfbClientPtr cl)
{
	server_of(cl)->client = NULL;
}

/* ---- what the planner draws ---------------------------------------------------------------- */

/* XRGB as the surface has it; the library's idea of 32 bits is another. */
static void set_format(rfbScreenInfoPtr screen)
{
	rfbPixelFormat *f = &screen->serverFormat;

	f->bitsPerPixel = 32;
	f->depth = 24;
	f->bigEndian = FALSE;
	f->trueColour = TRUE;
	f->redMax = f->greenMax = f->blueMax = 255;
	f->redShift = 16;
	f->greenShift = 8;
	f->blueShift = 0;
}

static void blur_nothing(struct rfb_server *s)
{
	sraRgnMakeEmpty(s->blur);
}

static int op_resize(void *w, uint32_t width, uint32_t height, uint32_t *pixels)
{
	struct rfb_server *s = w;
	bool same;

	blur_nothing(s);
	disp_rfb_video_forget(&s->video);
	same = s->screen->width == (int)width && s->screen->height == (int)height;

	if (s->client && !same && !s->client->useNewFBSize)
		return -EOPNOTSUPP; /* it could only be sent what it has no room for */
	if (same && s->client) {
		s->screen->frameBuffer = (char *)pixels;
		rfbMarkRectAsModified(s->screen, 0, 0, (int)width, (int)height);
		return 0;
	}
	rfbNewFramebuffer(s->screen, (char *)pixels, (int)width, (int)height, 8, 3, 4);
	set_format(s->screen);
	if (s->client && !s->screen->setTranslateFunction(s->client))
		return -EIO;
	return 0;
}

static int op_begin(void *w)
{
	(void)w;
	return 0;
}

static int mark(struct rfb_server *s, const struct surface_rect *r)
{
	sraRegionPtr region = sraRgnCreateRect(r->x, r->y, r->x + r->width, r->y + r->height);

	/* What is to be exact is not blurred afterwards. */
	sraRgnSubtract(s->blur, region);
	sraRgnDestroy(region);
	rfbMarkRectAsModified(s->screen, r->x, r->y, r->x + r->width, r->y + r->height);
	return 0;
}

static int op_solid(void *w, const struct surface_rect *r, uint32_t xrgb)
{
	(void)xrgb;
	return mark(w, r);
}

static int op_image(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	(void)pixels;
	(void)stride_px;
	return mark(w, r);
}

/* The planner has moved the frame buffer's pixels itself. */
static int op_move(void *w, const struct disp_move *m)
{
	struct rfb_server *s = w;
	const struct surface_rect *r = &m->to;

	rfbScheduleCopyRect(s->screen, r->x, r->y, r->x + r->width, r->y + r->height, m->dx, m->dy);
	return 0;
}

static int op_blur(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct rfb_server *s = w;
	sraRegionPtr region = sraRgnCreateRect(r->x, r->y, r->x + r->width, r->y + r->height);

	(void)pixels;
	(void)stride_px;
	sraRgnOr(s->blur, region);
	sraRgnDestroy(region);
	s->blur_rect = *r;
	return 0;
}

static int op_end(void *w)
{
	(void)w;
	return 0;
}

/* The library frees a cursor, with what the cleanup flags name, by free(). */
static rfbCursorPtr make_cursor(const struct disp_cursor *c)
{
	uint32_t w = c->width ? c->width : 1, h = c->height ? c->height : 1;
	size_t stride = (w + 7) / 8;
	rfbCursorPtr cursor = calloc(1, sizeof(*cursor));

	if (!cursor)
		return NULL;
	cursor->cleanup = cursor->cleanupSource = cursor->cleanupMask = TRUE;
	cursor->cleanupRichSource = TRUE;
	cursor->width = (unsigned short)w;
	cursor->height = (unsigned short)h;
	cursor->xhot = (unsigned short)c->hot_x;
	cursor->yhot = (unsigned short)c->hot_y;
	cursor->source = calloc(stride, h);
	cursor->mask = calloc(stride, h);
	cursor->richSource = calloc((size_t)w * h, 4);
	if (!cursor->source || !cursor->mask || !cursor->richSource) {
		rfbFreeCursor(cursor);
		return NULL; /* NOLINT(clang-analyzer-unix.Malloc): freed by the library */
	}
	for (uint32_t i = 0; i < c->width * c->height; i++) {
		uint32_t x = i % w, y = i / w;

		memcpy(cursor->richSource + (size_t)i * 4, &c->pixels[i], 4);
		if (c->pixels[i] >> 24 >= 0x80)
			cursor->mask[y * stride + x / 8] |= (unsigned char)(0x80 >> x % 8);
	}
	return cursor;
}

static int op_cursor(void *w, const struct disp_cursor *c)
{
	struct rfb_server *s = w;
	rfbCursorPtr cursor = make_cursor(c);

	if (!cursor)
		return -ENOMEM;
	rfbSetCursor(s->screen, cursor);
	return 0;
}

static const struct disp_writer rfb_writer = {
	.resize = op_resize,
	.begin = op_begin,
	.move = op_move,
	.solid = op_solid,
	.image = op_image,
	.blur = op_blur,
	.end = op_end,
	.cursor = op_cursor,
};

/* ---- setting up and running ---------------------------------------------------------------- */

static int setup_screen(struct rfb_server *s)
{
	rfbScreenInfoPtr r = rfbGetScreen(NULL, NULL, EMPTY_WIDTH, EMPTY_HEIGHT, 8, 3, 4);

	s->blur = sraRgnCreate();
	s->empty = calloc((size_t)EMPTY_WIDTH * EMPTY_HEIGHT, 4);
	s->screen = r;
	if (!r || !s->empty || !s->blur)
		return -ENOMEM;
	snprintf(s->name, sizeof(s->name), "%s", s->viewer->name);
	r->screenData = s;
	r->frameBuffer = s->empty;
	r->desktopName = s->name;
	r->autoPort = FALSE;
	r->port = r->ipv6port = -1;
	r->httpDir = NULL;
	r->alwaysShared = TRUE;
	r->deferUpdateTime = 0;
	r->deferPtrUpdateTime = 0;
	r->permitFileTransfer = FALSE;
	r->kbdAddEvent = on_key;
	r->kbdReleaseAllKeys = on_release_all;
	r->ptrAddEvent = on_pointer;
	r->setXCutText = on_cut_text;
	r->setXCutTextUTF8 = on_cut_text_utf8;
	r->setDesktopSizeHook = on_desktop_size;
	r->numberOfExtDesktopScreensHook = on_screen_count;
	r->getExtDesktopScreenHook = on_screen;
	r->cursor = NULL;
	set_format(r);
	return 0;
}

static int setup(struct rfb_server *s)
{
	const struct rfb_audio_out out = {send_audio, mark_audio, s};
	int fd, r = setup_screen(s);

	if (r < 0)
		return r;
	r = disp_planner_init(&s->planner, s->viewer->screen, &rfb_writer, s);
	if (r < 0)
		return r;
	r = disp_planner_step(&s->planner); /* so that the first size said is the right one */
	if (r < 0)
		return r;
	disp_rfb_audio_init(&s->audio, s->viewer->sound, s->planner.feed.wake_fd, &out);
	fd = dup(s->viewer->fd);
	if (fd < 0)
		return -errno;
	s->client = rfbNewClient(s->screen, fd); /* owns fd, also when it fails */
	if (!s->client)
		return -EPIPE;
	s->client->clientGoneHook = on_gone;
	disp_rfb_flow_attach(s->client, &s->flow);
	return 0;
}

/* The library leaves its notes of what the client extends to nobody. */
static void drop_extensions(rfbClientPtr cl)
{
	while (cl->extensions) {
		rfbExtensionData *e = cl->extensions;

		cl->extensions = e->next;
		free(e);
	}
}

static void teardown(struct rfb_server *s)
{
	if (s->client) {
		rfbCloseClient(s->client);
		drop_extensions(s->client);
		rfbClientConnectionGone(s->client);
	}
	if (s->screen) {
		if (s->screen->cursor && s->screen->cursor->cleanup)
			rfbFreeCursor(s->screen->cursor);
		s->screen->cursor = NULL;
		s->screen->frameBuffer = NULL;
		rfbScreenCleanup(s->screen);
	}
	disp_rfb_audio_fini(&s->audio);
	disp_planner_fini(&s->planner);
	disp_rfb_video_fini(&s->video);
	if (s->blur)
		sraRgnDestroy(s->blur);
	free(s->empty);
	free(s->text);
}

/* True when the client waits for an update: only then is there a point in looking for changes. */
static bool may_draw(const struct rfb_server *s)
{
	return s->client->state == RFB_NORMAL && !sraRgnEmpty(s->client->requestedRegion);
}

/* The library would send everything as JPEG to a client that takes it; here only what is to be
 * blurred is. Its wish is read off after each of its messages and the library's switch turned off.
 */
static void note_wishes(struct rfb_server *s)
{
	rfbClientPtr cl = s->client;

	if (cl->tightQualityLevel >= 0 && cl->preferredEncoding == rfbEncodingTight)
		s->jpeg = true;
	cl->tightQualityLevel = -1;
	cl->turboQualityLevel = -1;
	s->planner.can = (cl->useCopyRect ? DISP_CAN_MOVE : 0u) |
			 (s->jpeg || disp_rfb_video_wanted(cl) ? DISP_CAN_BLUR : 0u);
}

/* Whether what is to be blurred is the planner's rectangle and all of it: parts that were made
 * exact meanwhile must not come as a picture again, which nobody would sharpen. */
static bool blurs_all(const struct rfb_server *s)
{
	const struct surface_rect *r = &s->blur_rect;
	sraRegionPtr rect = sraRgnCreateRect(r->x, r->y, r->x + r->width, r->y + r->height);
	sraRegionPtr more = sraRgnCreateRgn(s->blur);
	bool all;

	sraRgnSubtract(more, rect);
	sraRgnSubtract(rect, s->blur);
	all = sraRgnEmpty(more) && sraRgnEmpty(rect);
	sraRgnDestroy(rect);
	sraRgnDestroy(more);
	return all;
}

/* One update of H.264 alone, for what moves: a single picture goes as JPEG where the client takes
 * that, as a decoder of its own does not pay then. 1 when it went out. */
static int send_video(struct rfb_server *s)
{
	struct disp_planner *p = &s->planner;
	struct surface_rect r = s->blur_rect;
	int64_t now = clock_ms();
	int e;

	if (!disp_rfb_video_wanted(s->client) || (s->jpeg && now - s->blur_ms > BLUR_AGAIN_MS) ||
	    !blurs_all(s) || !disp_rfb_video_even(&r, p->width, p->height))
		return 0;
	e = disp_rfb_video_send(&s->video, s->client, &r, p->pixels, p->width);
	if (e > 0) {
		blur_nothing(s);
		s->blur_ms = now;
	}
	return e;
}

/* One update of JPEG alone. A single picture gets a good one; what comes again and again is made
 * coarser until a frame fits the budget. */
static void send_blurred(struct rfb_server *s)
{
	rfbClientPtr cl = s->client;
	int64_t now = clock_ms();
	int before = rfbStatGetSentBytes(cl), n;

	if (now - s->blur_ms > BLUR_AGAIN_MS)
		s->quality = QUALITY_MAX;
	cl->turboQualityLevel = s->quality;
	cl->turboSubsampLevel = SUBSAMPLE_420;
	cl->tightQualityLevel = s->quality / 10;
	(void)rfbSendFramebufferUpdate(cl, s->blur);
	blur_nothing(s);
	note_wishes(s);
	n = rfbStatGetSentBytes(cl) - before;
	if (now - s->blur_ms <= BLUR_AGAIN_MS) {
		s->quality += n > BLUR_BYTES	   ? -QUALITY_STEP
			      : n < BLUR_BYTES / 2 ? QUALITY_STEP
						   : 0;
		s->quality = s->quality < QUALITY_MIN	? QUALITY_MIN
			     : s->quality > QUALITY_MAX ? QUALITY_MAX
							: s->quality;
	}
	s->blur_ms = now;
}

/* Whether something exact waits that the client asked for. */
static bool exact_waits(rfbClientPtr cl)
{
	sraRegionPtr both = sraRgnCreateRgn(cl->modifiedRegion);
	bool waits;

	sraRgnAnd(both, cl->requestedRegion);
	waits = !sraRgnEmpty(both);
	sraRgnDestroy(both);
	return waits;
}

static int update(struct rfb_server *s)
{
	rfbClientPtr cl = s->client;
	int r;

	if (!may_draw(s)) {
		rfbUpdateClient(cl);
		return 0;
	}
	s->planner.spare = s->flow.sent == s->flow.read;
	r = disp_planner_step(&s->planner);
	if (r < 0)
		return r;
	/* What is exact goes first; what is left goes with the next. */
	if (sraRgnEmpty(s->blur) || exact_waits(cl) || !sraRgnEmpty(cl->copyRegion) ||
	    cl->newFBSizePending)
		rfbUpdateClient(cl);
	else if ((r = send_video(s)) == 0)
		send_blurred(s);
	if (r < 0)
		return r;
	if (sraRgnEmpty(cl->requestedRegion)) /* an update went out */
		disp_rfb_flow_sent(cl);
	return 0;
}

/* Milliseconds until there is something to do without anything happening; -1 = never. */
static int pause_of(struct rfb_server *s)
{
	int ms = disp_rfb_video_tidy(&s->video, clock_ms());
	int draw = may_draw(s) ? disp_planner_wait(&s->planner) : -1;

	return ms < 0 || (draw >= 0 && draw < ms) ? draw : ms;
}

static int step(struct rfb_server *s)
{
	struct pollfd fds[2] = {{.fd = s->client->sock, .events = POLLIN},
				{.fd = s->planner.feed.wake_fd, .events = POLLIN}};
	eventfd_t count;
	int r;

	if (poll(fds, 2, pause_of(s)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		(void)!eventfd_read(s->planner.feed.wake_fd, &count);
	if (fds[0].revents)
		rfbProcessClientMessage(s->client);
	if (s->client->sock == RFB_INVALID_SOCKET)
		return -EPIPE;
	note_wishes(s);
	run_clipboard(s);
	disp_rfb_flow_ask(s->client);
	r = run_audio(s);
	if (r == 0)
		r = update(s);
	if (r < 0)
		return r;
	return s->client->sock == RFB_INVALID_SOCKET ? -EPIPE : 0;
}

void disp_rfb_run(struct disp_viewer *v)
{
	struct rfb_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return;
	s->viewer = v;
	s->planner.feed.wake_fd = -1;
	s->planner.screen = v->screen;
	r = setup(s);
	while (r == 0)
		r = step(s);
	log_info("rfb.end", "conn=%s why=\"%s\" h264=%u", v->conn,
		 r == -EPIPE ? "closed" : strerror(-r), s->video.pictures);
	if (s->audio.blocks)
		log_info("rfb.sound.end", "conn=%s blocks=%llu bytes=%llu lost=%llu best_ms=%lld",
			 v->conn, (unsigned long long)s->audio.blocks,
			 (unsigned long long)s->audio.bytes, (unsigned long long)s->audio.ear.lost,
			 (long long)s->audio.best_ms);
	teardown(s);
	free(s);
}

static void no_log(const char *format, ...)
{
	(void)format;
}

void disp_rfb_setup(void)
{
	disp_rfb_flow_setup();
	disp_rfb_video_setup();
	setup_audio();
	/* The library logs clients' bytes as they come. */
	if (!log_wants(LOG_DEBUG))
		rfbLog = rfbErr = no_log;
}
