/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See peer.h. States: connecting (FreeRDP's own machine up to activation), waiting for the dynamic
 * channel, then drawing by the graphics pipeline, or by bitmap updates when the client has no
 * dynamic channels or refuses the graphics one. Everything runs in the viewer's thread, FreeRDP's
 * callbacks included; writes block, and that stalls this viewer only.
 */
#include "display/rdp/peer.h"

#include <errno.h>
#include <freerdp/channels/channels.h>
#include <freerdp/channels/drdynvc.h>
#include <freerdp/channels/rdpsnd.h>
#include <freerdp/channels/wtsvc.h>
#include <freerdp/crypto/certificate.h>
#include <freerdp/freerdp.h>
#include <freerdp/peer.h>
#include <string.h>
#include <sys/eventfd.h>
#include <winpr/synch.h>
#include <winpr/wlog.h>
#include <winpr/wtsapi.h>
#include "common/log.h"
#include "common/loop.h"
#include "display/rdp/bitmap.h"
#include "display/rdp/cliprdr.h"
#include "display/rdp/dispctl.h"
#include "display/rdp/gfx.h"
#include "display/rdp/input.h"
#include "display/rdp/mic.h"
#include "display/rdp/pointer.h"
#include "display/rdp/rdpsnd.h"

#define CONNECT_MS  30000 /* to become active */
#define MESSAGE_MAX 65536 /* the longest one from a client's dynamic channel */
#define CHUNK_SIZE  16256 /* of virtual channels */
#define HANDLES	    32

/* FreeRDP's server wants a certificate even when it never does TLS. This one has no private key. */
static const char unused_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBeTCCAR+gAwIBAgIUH2tt2bUpNwp51nLWdMWEh1B+NiAwCgYIKoZIzj0EAwIw\n"
	"ETEPMA0GA1UEAwwGdW51c2VkMCAXDTI2MTEyMTA4MjM0MloYDzIxMjYxMDI4MDgy\n"
	"MzQyWjARMQ8wDQYDVQQDDAZ1bnVzZWQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
	"AAS+Vyegg2mxX5PsVa2vUWdsVsIe1RIxYTsBv5hlBcV5xj6u7lN7kqwTNIxKyGOD\n"
	"tddxIRjIhiEkfIp5bvR6Dmrxo1MwUTAdBgNVHQ4EFgQU9sjkA+Qv4kqE8VleHB5k\n"
	"sotFoTgwHwYDVR0jBBgwFoAU9sjkA+Qv4kqE8VleHB5ksotFoTgwDwYDVR0TAQH/\n"
	"BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBl60M3489Qr5ZqeR7KjHCR9zU14JVi\n"
	"QAzlkfRlUP2SDwIhAJq+5xpKjDx2QTqd+NHJg5lOC8r73qOY1LR4rXAgCQE5\n"
	"-----END CERTIFICATE-----\n";

struct channel {
	HANDLE handle; /* owned; NULL = not open */
	uint32_t id;
	bool ready, refused;
};

struct rdp_peer {
	struct disp_viewer *viewer; /* borrowed */
	freerdp_peer *client;	    /* owned */
	HANDLE vcm;		    /* owned */
	HANDLE wake;		    /* owned; over the feed's eventfd */
	struct disp_planner planner;
	uint32_t caps_seen; /* of gfx; when the planner began */
	bool has_planner;
	struct gfx gfx;
	struct bitmap_out bitmap;
	struct pointer_cache pointers;
	struct channel graphics, control, audio;
	struct rdp_clip clip;
	struct rdp_mic mic;
	struct rdpsnd sound;
	bool sound_static; /* the static channel, where there is no dynamic one */
	bool listens;
	bool opened;	 /* the channels were asked for */
	bool fallback;	 /* bitmap updates */
	bool active;	 /* the client may be drawn to */
	bool suppressed; /* the client's window is not visible */
	uint8_t message[MESSAGE_MAX];
};

static struct rdp_peer *peer_of(rdpContext *context)
{
	return ((struct peer_context *)context)->peer;
}

/* ---- what the planner draws ---------------------------------------------------------------- */

static int op_resize(void *w, uint32_t width, uint32_t height, uint32_t *pixels)
{
	struct rdp_peer *p = w;
	int r;

	p->gfx.n_monitors =
		disp_source_monitors_of(p->viewer->source, width, height, p->gfx.monitors);
	if (!p->fallback)
		return disp_gfx_writer.resize(&p->gfx, width, height, pixels);
	r = disp_bitmap_resize(&p->bitmap, width, height);
	if (r == 0 && p->bitmap.resizing) {
		p->active = false; /* until on_activate() */
		r = -EAGAIN;
	}
	return r;
}

static int op_begin(void *w)
{
	struct rdp_peer *p = w;

	return p->fallback ? 0 : disp_gfx_writer.begin(&p->gfx);
}

static int op_solid(void *w, const struct surface_rect *r, uint32_t xrgb)
{
	struct rdp_peer *p = w;

	return p->fallback ? disp_bitmap_solid(&p->bitmap, r, xrgb)
			   : disp_gfx_writer.solid(&p->gfx, r, xrgb);
}

static int op_image(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct rdp_peer *p = w;

	return p->fallback ? disp_bitmap_image(&p->bitmap, r, pixels, stride_px)
			   : disp_gfx_writer.image(&p->gfx, r, pixels, stride_px);
}

static int op_move(void *w, const struct disp_move *m)
{
	struct rdp_peer *p = w;

	return p->fallback ? -EOPNOTSUPP : disp_gfx_writer.move(&p->gfx, m);
}

static int op_blur(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct rdp_peer *p = w;

	return p->fallback ? -EOPNOTSUPP : disp_gfx_writer.blur(&p->gfx, r, pixels, stride_px);
}

static int op_end(void *w)
{
	struct rdp_peer *p = w;

	return p->fallback ? 0 : disp_gfx_writer.end(&p->gfx);
}

static int op_keep(void *w, uint16_t slot, const struct surface_rect *r)
{
	struct rdp_peer *p = w;

	return disp_gfx_writer.keep(&p->gfx, slot, r);
}

static int op_drop(void *w, uint16_t slot)
{
	struct rdp_peer *p = w;

	return disp_gfx_writer.drop(&p->gfx, slot);
}

static int op_recall(void *w, uint16_t slot, const struct surface_rect *r)
{
	struct rdp_peer *p = w;

	return disp_gfx_writer.recall(&p->gfx, slot, r);
}

static int op_cursor(void *w, const struct disp_cursor *c)
{
	struct rdp_peer *p = w;

	return disp_pointer_send(&p->pointers, p->client->context, c);
}

static const struct disp_writer peer_writer = {
	.resize = op_resize,
	.begin = op_begin,
	.move = op_move,
	.solid = op_solid,
	.image = op_image,
	.blur = op_blur,
	.end = op_end,
	.cursor = op_cursor,
	.keep = op_keep,
	.recall = op_recall,
	.drop = op_drop,
};

static int send_graphics(void *arg, const uint8_t *bytes, size_t n)
{
	struct rdp_peer *p = arg;
	ULONG written = 0;

	if (n > UINT32_MAX || !WTSVirtualChannelWrite(p->graphics.handle, (PCHAR)(uintptr_t)bytes,
						      (ULONG)n, &written))
		return -EPIPE;
	return 0;
}

static int send_audio(void *arg, const uint8_t *bytes, size_t n)
{
	struct rdp_peer *p = arg;
	ULONG written = 0;

	return WTSVirtualChannelWrite(p->audio.handle, (PCHAR)(uintptr_t)bytes, (ULONG)n, &written)
		       ? 0
		       : -EPIPE;
}

/* ---- FreeRDP's callbacks ------------------------------------------------------------------- */

/* The client's monitors ([MS-RDPBCGR] 2.2.1.3.6) into r, the primary first: how many, or 0 where it
 * has one, or ones that no surface has room for. */
static uint32_t client_monitors(const rdpSettings *s, struct surface_rect r[SURFACE_MAX_MONITORS])
{
	uint32_t n = freerdp_settings_get_uint32(s, FreeRDP_MonitorCount), primary = 0;

	if (n < 2 || n > SURFACE_MAX_MONITORS)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const rdpMonitor *m =
			freerdp_settings_get_pointer_array(s, FreeRDP_MonitorDefArray, i);

		if (!m || abs(m->x) > SURFACE_MAX_DIM || abs(m->y) > SURFACE_MAX_DIM ||
		    m->width < 1 || m->height < 1 || m->width > SURFACE_MAX_DIM ||
		    m->height > SURFACE_MAX_DIM)
			return 0;
		r[i] = (struct surface_rect){m->x, m->y, m->width, m->height};
		primary = m->is_primary ? i : primary;
	}
	return disp_ctl_place(n, r, primary) ? n : 0;
}

/* The first viewer's screen is what the desktop's becomes. */
static void ask_size(const struct rdp_peer *p, const rdpSettings *s)
{
	uint32_t width = freerdp_settings_get_uint32(s, FreeRDP_DesktopWidth);
	uint32_t height = freerdp_settings_get_uint32(s, FreeRDP_DesktopHeight);
	uint32_t scale = freerdp_settings_get_uint32(s, FreeRDP_DesktopScaleFactor), w, h, n;
	struct surface_rect monitors[SURFACE_MAX_MONITORS];

	scale = scale >= 100 && scale <= 500 ? scale : 100;
	disp_screen_size(p->viewer->screen, &w, &h);
	n = client_monitors(s, monitors);
	if (n)
		disp_source_monitors(p->viewer->source, n, monitors, scale);
	else if (width != w || height != h ||
		 disp_source_monitors_of(p->viewer->source, w, h, monitors) > 1)
		disp_source_resize(p->viewer->source, width, height, scale);
}

/* The client's core data is known, Demand Active is not sent yet. */
static BOOL on_capabilities(freerdp_peer *client)
{
	struct rdp_peer *p = peer_of(client->context);
	rdpSettings *s = client->context->settings;
	uint32_t w, h;

	if (p->viewer->first)
		ask_size(p, s);
	disp_screen_size(p->viewer->screen, &w, &h);
	if (p->viewer->mode == DISP_USER)
		disp_source_layout(p->viewer->source,
				   freerdp_settings_get_uint32(s, FreeRDP_KeyboardLayout));
	if (!w)
		return TRUE;
	return freerdp_settings_set_uint32(s, FreeRDP_DesktopWidth, w) &&
	       freerdp_settings_set_uint32(s, FreeRDP_DesktopHeight, h);
}

static BOOL on_post_connect(freerdp_peer *client)
{
	/* Without either there is no way to show anything. */
	return freerdp_settings_get_bool(client->context->settings, FreeRDP_FastPathOutput) ||
	       freerdp_settings_get_bool(client->context->settings,
					 FreeRDP_SupportGraphicsPipeline);
}

static BOOL on_activate(freerdp_peer *client)
{
	struct rdp_peer *p = peer_of(client->context);

	p->active = true;
	p->bitmap.resizing = false;
	memset(&p->pointers, 0, sizeof(p->pointers));
	p->planner.cursor.serial = 0;
	disp_planner_refresh(&p->planner);
	return TRUE;
}

static BOOL on_refresh(rdpContext *context, BYTE count, const RECTANGLE_16 *areas)
{
	(void)count;
	(void)areas;
	disp_planner_refresh(&peer_of(context)->planner);
	return TRUE;
}

static BOOL on_suppress(rdpContext *context, BYTE allow, const RECTANGLE_16 *area)
{
	(void)area;
	peer_of(context)->suppressed = !allow;
	return TRUE;
}

static BOOL on_channel_created(void *arg, UINT32 id, INT32 status)
{
	struct rdp_peer *p = arg;
	struct channel *c = p->graphics.id == id  ? &p->graphics
			    : p->control.id == id ? &p->control
			    : p->audio.id == id	  ? &p->audio
						  : NULL;

	if (c) {
		c->ready = status >= 0;
		c->refused = status < 0;
	} else {
		(void)disp_rdp_mic_created(&p->mic, id, status);
	}
	return TRUE;
}

/* ---- setting up ---------------------------------------------------------------------------- */

static bool apply_settings(rdpSettings *s, const struct disp_viewer *v)
{
	static const struct {
		FreeRDP_Settings_Keys_Bool key;
		BOOL value;
	} bools[] = {
		{FreeRDP_TlsSecurity, TRUE},
		{FreeRDP_NlaSecurity, FALSE},
		{FreeRDP_RdpSecurity, FALSE},
		{FreeRDP_UseRdpSecurityLayer, FALSE},
		{FreeRDP_SupportGraphicsPipeline, TRUE},
		{FreeRDP_GfxH264, FALSE},
		{FreeRDP_GfxAVC444, FALSE},
		{FreeRDP_GfxAVC444v2, FALSE},
		{FreeRDP_RemoteFxCodec, FALSE},
		{FreeRDP_NSCodec, FALSE},
		{FreeRDP_FastPathOutput, TRUE},
		{FreeRDP_FastPathInput, TRUE},
		{FreeRDP_NetworkAutoDetect, FALSE},
		{FreeRDP_SupportHeartbeatPdu, FALSE},
		{FreeRDP_SupportMultitransport, FALSE},
		{FreeRDP_SupportSkipChannelJoin, TRUE},
		{FreeRDP_SupportDynamicTimeZone, FALSE},
		{FreeRDP_SupportMonitorLayoutPdu, FALSE},
		{FreeRDP_CompressionEnabled, FALSE},
		{FreeRDP_HasExtendedMouseEvent, TRUE},
		{FreeRDP_HasHorizontalWheel, TRUE},
		{FreeRDP_UnicodeInput, TRUE},
		{FreeRDP_SuppressOutput, TRUE},
		{FreeRDP_RefreshRect, TRUE},
		{FreeRDP_AutoReconnectionEnabled, FALSE},
	};
	const struct {
		FreeRDP_Settings_Keys_UInt32 key;
		uint32_t value;
	} numbers[] = {
		{FreeRDP_ColorDepth, 32},
		{FreeRDP_EncryptionLevel, ENCRYPTION_LEVEL_NONE},
		{FreeRDP_PointerCacheSize, POINTER_SLOTS},
		{FreeRDP_VCChunkSize, CHUNK_SIZE},
		{FreeRDP_RequestedProtocols, v->requested_protocols},
		{FreeRDP_SelectedProtocol, v->selected_protocol},
	};

	for (size_t i = 0; i < ARRAY_LEN(bools); i++) {
		if (!freerdp_settings_set_bool(s, bools[i].key, bools[i].value))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!freerdp_settings_set_uint32(s, numbers[i].key, numbers[i].value))
			return false;
	}
	return true;
}

static bool set_certificate(rdpSettings *s)
{
	rdpCertificate *cert = freerdp_certificate_new_from_pem(unused_certificate);

	return cert && freerdp_settings_set_pointer_len(s, FreeRDP_RdpServerCertificate, cert, 1);
}

static int setup_client(struct rdp_peer *p)
{
	freerdp_peer *c = p->client;
	struct peer_context *context;

	c->ContextSize = sizeof(struct peer_context);
	if (!freerdp_peer_context_new(c))
		return -ENOMEM;
	context = (struct peer_context *)c->context;
	context->peer = p;
	context->viewer = p->viewer;
	if (!apply_settings(c->context->settings, p->viewer) ||
	    !set_certificate(c->context->settings))
		return -EIO;
	c->Capabilities = on_capabilities;
	c->PostConnect = on_post_connect;
	c->Activate = on_activate;
	disp_rdp_input_setup(c->context->input);
	c->context->update->RefreshRect = on_refresh;
	c->context->update->SuppressOutput = on_suppress;
	if (!c->Initialize(c) || !c->SetState(c, CONNECTION_STATE_MCS_CREATE_REQUEST))
		return -EIO;
	/* Initialize() may have read these back from its own idea of the negotiation. */
	return apply_settings(c->context->settings, p->viewer) ? 0 : -EIO;
}

static int setup(struct rdp_peer *p)
{
	int fd = dup(p->viewer->fd), r;

	if (fd < 0)
		return -errno;
	p->client = freerdp_peer_new(fd);
	if (!p->client) {
		close(fd);
		return -ENOMEM;
	}
	r = disp_planner_init(&p->planner, p->viewer->screen, &peer_writer, p);
	if (r < 0)
		return r;
	p->has_planner = true;
	r = setup_client(p);
	if (r == 0)
		r = disp_gfx_init(&p->gfx, send_graphics, p);
	if (r == 0)
		r = disp_bitmap_init(&p->bitmap, p->client->context);
	if (r < 0)
		return r;
	disp_rdpsnd_init(&p->sound, send_audio, p);
	p->vcm = WTSOpenServerA((LPSTR)p->client->context);
	p->wake = CreateFileDescriptorEvent(NULL, TRUE, FALSE, p->planner.feed.wake_fd,
					    WINPR_FD_READ);
	if (!p->vcm || p->vcm == INVALID_HANDLE_VALUE || !p->wake)
		return -ENOMEM;
	WTSVirtualChannelManagerSetDVCCreationCallback(p->vcm, on_channel_created, p);
	return 0;
}

static void teardown(struct rdp_peer *p)
{
	if (p->graphics.handle)
		WTSVirtualChannelClose(p->graphics.handle);
	if (p->control.handle)
		WTSVirtualChannelClose(p->control.handle);
	if (p->audio.handle)
		WTSVirtualChannelClose(p->audio.handle);
	if (p->listens)
		disp_sound_leave(p->viewer->sound, &p->sound.ear);
	disp_rdp_clip_fini(&p->clip);
	disp_rdp_mic_fini(&p->mic);
	if (p->client && p->client->context)
		p->client->Disconnect(p->client);
	if (p->vcm && p->vcm != INVALID_HANDLE_VALUE)
		WTSCloseServer(p->vcm);
	if (p->wake)
		CloseHandle(p->wake);
	disp_bitmap_fini(&p->bitmap);
	disp_gfx_fini(&p->gfx);
	if (p->has_planner)
		disp_planner_fini(&p->planner);
	if (p->client) {
		freerdp_peer_context_free(p->client);
		freerdp_peer_free(p->client);
	}
}

/* ---- dynamic channels ---------------------------------------------------------------------- */

static void open_channel(struct rdp_peer *p, struct channel *c, const char *name, DWORD session)
{
	c->handle = WTSVirtualChannelOpenEx(session, (LPSTR)(uintptr_t)name,
					    WTS_CHANNEL_OPTION_DYNAMIC);
	if (c->handle)
		c->id = WTSChannelGetIdByHandle(c->handle);
	else
		c->refused = true;
	(void)p;
}

/* What a pool's policy forbids has no channel at all, nor has a client that wants none: it may have
 * one that plays to nobody (INFO_NOAUDIOPLAYBACK, [MS-RDPBCGR] 2.2.1.11.1.1). */
static bool may_hear(const struct rdp_peer *p)
{
	return p->viewer->sound && disp_sound_allowed(p->viewer->sound) &&
	       freerdp_settings_get_bool(p->client->context->settings, FreeRDP_AudioPlayback);
}

static void open_channels(struct rdp_peer *p)
{
	DWORD session = 0, size = 0;
	LPSTR text = NULL;
	bool want = freerdp_settings_get_bool(p->client->context->settings,
					      FreeRDP_SupportGraphicsPipeline);

	p->opened = true;
	if (!WTSQuerySessionInformationA(p->vcm, WTS_CURRENT_SESSION, WTSSessionId, &text, &size)) {
		p->graphics.refused = true;
		return;
	}
	memcpy(&session, text, sizeof(session));
	WTSFreeMemory(text);
	if (want)
		open_channel(p, &p->graphics, "Microsoft::Windows::RDS::Graphics", session);
	else
		p->graphics.refused = true;
	open_channel(p, &p->control, "Microsoft::Windows::RDS::DisplayControl", session);
	if (may_hear(p))
		open_channel(p, &p->audio, RDPSND_DVC_CHANNEL_NAME, session);
	disp_rdp_mic_init(&p->mic, p->viewer, p->client->context->settings,
			  p->planner.feed.wake_fd);
}

/* The next message: its length, 0 when none waits, -EPROTO for one too long. */
static int read_message(struct rdp_peer *p, struct channel *c)
{
	ULONG n = 0;

	if (!c->handle || !WTSVirtualChannelRead(c->handle, 0, NULL, 0, &n) || !n)
		return 0;
	if (n > sizeof(p->message))
		return -EPROTO;
	if (!WTSVirtualChannelRead(c->handle, 0, (PCHAR)p->message, sizeof(p->message), &n))
		return -EPROTO;
	return (int)n;
}

static int graphics_messages(struct rdp_peer *p)
{
	int n, r = 0;

	while (r == 0 && (n = read_message(p, &p->graphics)) != 0)
		r = n < 0 ? n : disp_gfx_receive(&p->gfx, p->message, (size_t)n);
	return r;
}

static int control_messages(struct rdp_peer *p)
{
	struct dispctl_wish wish;
	int n, r;

	while ((n = read_message(p, &p->control)) != 0) {
		r = n < 0 ? n : disp_ctl_parse(p->message, (size_t)n, &wish);
		if (r < 0)
			return r;
		if (r && p->viewer->mode == DISP_USER)
			disp_source_monitors(p->viewer->source, wish.n, wish.monitors,
					     wish.scale_percent);
	}
	return 0;
}

/* The static channel of clients that have no dynamic one for sound ([MS-RDPEA] 2.1). */
static void open_static_audio(struct rdp_peer *p)
{
	bool dynamic = p->audio.handle && !p->audio.refused;

	if (p->sound_static || !may_hear(p) || dynamic || !(p->fallback || p->audio.refused) ||
	    !WTSVirtualChannelManagerIsChannelJoined(p->vcm, RDPSND_CHANNEL_NAME))
		return;
	p->sound_static = true;
	if (p->audio.handle)
		WTSVirtualChannelClose(p->audio.handle);
	p->audio = (struct channel){
		.handle = WTSVirtualChannelOpen(p->vcm, WTS_CURRENT_SESSION,
						(LPSTR)(uintptr_t)RDPSND_CHANNEL_NAME)};
	p->audio.ready = p->audio.handle != NULL;
}

static int run_audio(struct rdp_peer *p)
{
	int n, r = 0;

	open_static_audio(p);
	if (!p->audio.ready)
		return 0;
	if (p->sound.state == RDPSND_CLOSED)
		r = disp_rdpsnd_open(&p->sound);
	while (r == 0 && (n = read_message(p, &p->audio)) != 0)
		r = n < 0 ? n : disp_rdpsnd_receive(&p->sound, p->message, (size_t)n, clock_ms());
	if (r == 0 && p->sound.state == RDPSND_READY && !p->listens) {
		p->listens = true;
		p->sound.ear.wake_fd = p->planner.feed.wake_fd;
		disp_sound_listen(p->viewer->sound, &p->sound.ear);
		log_info("rdp.sound", "conn=%s channel=%s", p->viewer->conn,
			 p->sound_static ? "static" : "dynamic");
	}
	return r == 0 ? disp_rdpsnd_run(&p->sound, p->viewer->sound, clock_ms()) : r;
}

static int greet_control(struct rdp_peer *p)
{
	uint8_t caps[DISPCTL_CAPS_SIZE];
	ULONG written;

	p->control.ready = false; /* once */
	disp_ctl_caps(caps, disp_source_most_monitors(p->viewer->source));
	return WTSVirtualChannelWrite(p->control.handle, (PCHAR)caps, sizeof(caps), &written)
		       ? 0
		       : -EPIPE;
}

static int run_channels(struct rdp_peer *p)
{
	bool joined = p->active &&
		      WTSVirtualChannelManagerIsChannelJoined(p->vcm, DRDYNVC_SVC_CHANNEL_NAME);
	int r;

	if (p->viewer->plain) {
		p->fallback = true;
		return WTSVirtualChannelManagerCheckFileDescriptorEx(p->vcm, FALSE) ? 0 : -EPIPE;
	}
	/* Opening it any earlier leaves the channel manager waiting for ever. */
	if (!WTSVirtualChannelManagerCheckFileDescriptorEx(p->vcm, joined))
		return -EPIPE;
	if (!p->active)
		return 0;
	if (!joined || WTSVirtualChannelManagerGetDrdynvcState(p->vcm) == DRDYNVC_STATE_FAILED)
		p->fallback = true;
	else if (!p->opened &&
		 WTSVirtualChannelManagerGetDrdynvcState(p->vcm) == DRDYNVC_STATE_READY)
		open_channels(p);
	if (p->graphics.refused)
		p->fallback = true;
	r = p->control.ready && !p->control.refused ? greet_control(p) : 0;
	if (r == 0)
		r = graphics_messages(p);
	if (r == 0)
		r = control_messages(p);
	if (r == 0)
		r = disp_rdp_clip_run(&p->clip, p->viewer, p->vcm);
	if (r == 0)
		r = run_audio(p);
	if (r == 0)
		r = disp_rdp_mic_run(&p->mic, p->vcm, p->message, sizeof(p->message));
	return r;
}

/* ---- the loop ------------------------------------------------------------------------------ */

static bool may_draw(const struct rdp_peer *p)
{
	if (!p->active || p->suppressed)
		return false;
	return p->fallback || disp_gfx_ready(&p->gfx);
}

static int draw(struct rdp_peer *p)
{
	int r;

	if (!may_draw(p))
		return 0;
	p->planner.can = p->fallback ? 0 : disp_gfx_can(&p->gfx);
	p->planner.cache_slots = p->gfx.cache_slots;
	p->planner.cache_bytes = p->gfx.cache_bytes;
	if (p->caps_seen != p->gfx.caps_seen) /* its surfaces and cache are empty */
		disp_planner_refresh(&p->planner);
	p->caps_seen = p->gfx.caps_seen;
	p->planner.spare = p->gfx.in_flight == 0;
	p->planner.spare_tiles = disp_pace_tiles(&p->gfx.pace);
	r = disp_planner_step(&p->planner);
	if (r == -EAGAIN) { /* the size changed: everything again when the client is ready */
		disp_planner_refresh(&p->planner);
		return 0;
	}
	if (r > 0) /* move what was queued */
		r = WTSVirtualChannelManagerCheckFileDescriptorEx(p->vcm, FALSE) ? 0 : -EPIPE;
	return r;
}

/* How long nothing may happen: until there is something to sharpen, or to give back. */
static DWORD patience(struct rdp_peer *p)
{
	int ms = -1, lent = disp_gfx_tidy(&p->gfx, clock_ms());

	if (!p->active)
		return CONNECT_MS;
	if (may_draw(p) && p->gfx.in_flight == 0)
		ms = disp_planner_wait(&p->planner);
	if (lent >= 0 && (ms < 0 || lent < ms))
		ms = lent;
	return ms < 0 ? INFINITE : (DWORD)ms;
}

static int wait_for_work(struct rdp_peer *p)
{
	HANDLE handles[HANDLES];
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): dup() that fails sets errno */
	DWORD n = p->client->GetEventHandles(p->client, handles, HANDLES - 2), r;
	eventfd_t count;

	if (!n)
		return -EIO;
	handles[n++] = WTSVirtualChannelManagerGetEventHandle(p->vcm);
	handles[n++] = p->wake;
	r = WaitForMultipleObjects(n, handles, FALSE, patience(p));
	if (r == WAIT_FAILED)
		return -EIO;
	if (r == WAIT_TIMEOUT && !p->active && !p->bitmap.resizing)
		return -ETIMEDOUT;
	(void)!eventfd_read(p->planner.feed.wake_fd, &count);
	return 0;
}

static int run(struct rdp_peer *p)
{
	int r = 0;

	while (r == 0) {
		r = wait_for_work(p);
		if (r == 0 && !p->client->CheckFileDescriptor(p->client))
			r = -EPIPE;
		if (r == 0)
			r = run_channels(p);
		if (r == 0)
			r = draw(p);
	}
	return r;
}

void disp_rdp_run(struct disp_viewer *v)
{
	struct rdp_peer *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return;
	p->viewer = v;
	r = setup(p);
	if (r == 0)
		r = run(p);
	log_info("rdp.end", "conn=%s why=\"%s\" path=%s frames=%llu bytes=%llu", v->conn,
		 r == -EPIPE ? "closed" : strerror(-r), p->fallback ? "bitmap" : "gfx",
		 (unsigned long long)p->gfx.frames, (unsigned long long)p->gfx.bytes);
	if (p->sound.blocks)
		log_info("rdp.sound.end", "conn=%s blocks=%llu bytes=%llu lost=%llu best_ms=%lld",
			 v->conn, (unsigned long long)p->sound.blocks,
			 (unsigned long long)p->sound.bytes, (unsigned long long)p->sound.ear.lost,
			 (long long)p->sound.best_ms);
	teardown(p);
	free(p);
}

void disp_rdp_setup(void)
{
	/* FreeRDP logs clients' bytes as they come: only for a developer who asks. */
	WLog_SetLogLevel(WLog_GetRoot(), log_wants(LOG_DEBUG) ? WLOG_INFO : WLOG_OFF);
	WTSRegisterWtsApiFunctionTable(FreeRDP_InitWtsApi());
}
