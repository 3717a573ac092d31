/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * FreeRDP's side of a session: settings, certificate check, painting, pointer shapes, resizing.
 * Input is in session_input.c. Everything here runs in the session thread.
 *
 * TLS only, no NLA and no password: the one-time ticket rides in the routing token
 * ([MS-RDPBCGR] 2.2.1.1), where the gateway takes it before TLS is up.
 */
#include "clients/thin/pin.h"
#include "clients/thin/session_priv.h"
#include "common/language.h"
#include "common/log.h"

#include <errno.h>
#include <freerdp/channels/audin.h>
#include <freerdp/channels/disp.h>
#include <freerdp/channels/rdpgfx.h>
#include <freerdp/client/cmdline.h>
#include <freerdp/error.h>
#include <freerdp/gdi/gdi.h>
#include <freerdp/gdi/gfx.h>
#include <freerdp/graphics.h>
#include <freerdp/locale/keyboard.h>
#include <freerdp/settings.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <winpr/wlog.h>

#define ACK_TIMEOUT_MS	   10000 /* a dead network is noticed in about this time */
#define CONNECT_TIMEOUT_MS 15000

static int on_certificate(freerdp *instance, const BYTE *data, size_t length, const char *host,
			  UINT16 port, DWORD flags)
{
	struct thin_session *s = session_of(instance->context);

	(void)host, (void)port, (void)flags;
	s->reached = true;
	if (thin_pin_verify(&s->site, (const char *)data, length, &s->verify)) {
		log_warn("session.untrusted", "why=%s", LOG_Q(s->verify.msg));
		return 0;
	}
	return 2; /* for this connection only; FreeRDP remembers nothing */
}

void thin_rdp_layout(struct thin_session *s)
{
	DISPLAY_CONTROL_MONITOR_LAYOUT m = {.Flags = DISPLAY_CONTROL_MONITOR_PRIMARY};

	if (!s->disp || !s->disp_ready || !s->want_w ||
	    (s->want_w == s->sent_w && s->want_h == s->sent_h))
		return;
	m.Width = (UINT32)s->want_w;
	m.Height = (UINT32)s->want_h;
	m.Orientation = ORIENTATION_LANDSCAPE;
	m.DesktopScaleFactor = (UINT32)s->want_scale;
	m.DeviceScaleFactor = 100;
	if (s->disp->SendMonitorLayout(s->disp, 1, &m) == CHANNEL_RC_OK) {
		s->sent_w = s->want_w;
		s->sent_h = s->want_h;
	}
}

static UINT on_disp_caps(DispClientContext *disp, UINT32 monitors, UINT32 a, UINT32 b)
{
	struct thin_session *s = disp->custom;

	(void)monitors, (void)a, (void)b;
	s->disp_ready = true;
	SetEvent(s->kick); /* the loop sends what the window asked for meanwhile */
	return CHANNEL_RC_OK;
}

static void microphone(struct thin_session *s, bool on)
{
	atomic_store(&s->microphone, on);
	log_info("session.microphone", "open=%s", on ? "yes" : "no");
	thin_session_emit(s, THIN_EVENT_MICROPHONE);
}

static void on_channel(void *context, const ChannelConnectedEventArgs *e)
{
	struct thin_session *s = session_of(context);

	if (!strcmp(e->name, DISP_DVC_CHANNEL_NAME)) {
		s->disp = e->pInterface;
		s->disp->custom = s;
		s->disp->DisplayControlCaps = on_disp_caps;
		return;
	}
	if (!strcmp(e->name, AUDIN_DVC_CHANNEL_NAME))
		microphone(s, true);
	freerdp_client_OnChannelConnectedEventHandler(context, e);
}

static void on_channel_gone(void *context, const ChannelDisconnectedEventArgs *e)
{
	struct thin_session *s = session_of(context);

	if (!strcmp(e->name, DISP_DVC_CHANNEL_NAME)) {
		s->disp = NULL;
		s->disp_ready = false;
		return;
	}
	if (!strcmp(e->name, AUDIN_DVC_CHANNEL_NAME))
		microphone(s, false);
	freerdp_client_OnChannelDisconnectedEventHandler(context, e);
}

static BOOL on_begin_paint(rdpContext *c)
{
	HGDI_WND w = c->gdi->primary->hdc->hwnd;

	w->invalid->null = TRUE;
	w->ninvalid = 0;
	return TRUE;
}

static BOOL on_end_paint(rdpContext *c)
{
	struct thin_session *s = session_of(c);
	rdpGdi *gdi = c->gdi;
	HGDI_WND w = gdi->primary->hdc->hwnd;

	if (w->ninvalid < 1)
		return TRUE;
	for (INT32 i = 0; i < w->ninvalid; i++) {
		const GDI_RGN *r = &w->cinvalid[i];

		thin_frame_put(&s->frame, gdi->primary_buffer, gdi->stride, r->x, r->y, r->w, r->h);
	}
	w->invalid->null = TRUE;
	w->ninvalid = 0;
	thin_session_emit(s, THIN_EVENT_FRAME);
	return TRUE;
}

static BOOL on_desktop_resize(rdpContext *c)
{
	struct thin_session *s = session_of(c);
	UINT32 w = freerdp_settings_get_uint32(c->settings, FreeRDP_DesktopWidth);
	UINT32 h = freerdp_settings_get_uint32(c->settings, FreeRDP_DesktopHeight);

	if (w > THIN_FRAME_MAX_PX || h > THIN_FRAME_MAX_PX || !gdi_resize(c->gdi, w, h))
		return FALSE;
	log_debug("session.size", "width=%u height=%u", w, h);
	return !thin_frame_resize(&s->frame, (int)w, (int)h);
}

static void set_pointer(struct thin_session *s, struct thin_pointer *p)
{
	uint8_t *old;

	pthread_mutex_lock(&s->lock);
	old = s->pointer.bgra;
	s->pointer = *p;
	pthread_mutex_unlock(&s->lock);
	free(old);
	thin_session_emit(s, THIN_EVENT_POINTER);
}

static BOOL on_pointer_set(rdpContext *c, rdpPointer *p)
{
	struct thin_pointer out = {.kind = THIN_POINTER_SHAPE,
				   .width = (int)p->width,
				   .height = (int)p->height,
				   .hot_x = (int)p->xPos,
				   .hot_y = (int)p->yPos};

	if (!p->width || !p->height || p->width > 384 || p->height > 384)
		return TRUE;
	out.bgra = calloc((size_t)p->width * p->height, 4);
	if (!out.bgra)
		return FALSE;
	if (!freerdp_image_copy_from_pointer_data(out.bgra, PIXEL_FORMAT_BGRA32, 0, 0, 0, p->width,
						  p->height, p->xorMaskData, p->lengthXorMask,
						  p->andMaskData, p->lengthAndMask, p->xorBpp,
						  &c->gdi->palette)) {
		free(out.bgra);
		return TRUE;
	}
	set_pointer(session_of(c), &out);
	return TRUE;
}

static BOOL on_pointer_null(rdpContext *c)
{
	set_pointer(session_of(c), &(struct thin_pointer){.kind = THIN_POINTER_HIDDEN});
	return TRUE;
}

static BOOL on_pointer_default(rdpContext *c)
{
	set_pointer(session_of(c), &(struct thin_pointer){.kind = THIN_POINTER_DEFAULT});
	return TRUE;
}

static BOOL on_pointer_new(rdpContext *c, rdpPointer *p)
{
	(void)c, (void)p;
	return TRUE;
}

static void on_pointer_free(rdpContext *c, rdpPointer *p)
{
	(void)c, (void)p;
}

static BOOL on_pointer_position(rdpContext *c, UINT32 x, UINT32 y)
{
	(void)c, (void)x, (void)y; /* a window may not move the person's mouse */
	return TRUE;
}

static BOOL on_pre_connect(freerdp *instance)
{
	rdpContext *c = instance->context;

	return PubSub_SubscribeChannelConnected(c->pubSub, on_channel) >= 0 &&
	       PubSub_SubscribeChannelDisconnected(c->pubSub, on_channel_gone) >= 0;
}

static BOOL on_post_connect(freerdp *instance)
{
	rdpContext *c = instance->context;
	struct thin_session *s = session_of(c);
	rdpPointer pointer = {.size = sizeof(rdpPointer),
			      .New = on_pointer_new,
			      .Free = on_pointer_free,
			      .Set = on_pointer_set,
			      .SetNull = on_pointer_null,
			      .SetDefault = on_pointer_default,
			      .SetPosition = on_pointer_position};

	if (!gdi_init(instance, PIXEL_FORMAT_BGRX32) ||
	    thin_frame_resize(&s->frame, c->gdi->width, c->gdi->height))
		return FALSE;
	graphics_register_pointer(c->graphics, &pointer);
	c->update->BeginPaint = on_begin_paint;
	c->update->EndPaint = on_end_paint;
	c->update->DesktopResize = on_desktop_resize;
	s->sent_w = s->width;
	s->sent_h = s->height;
	s->up = true;
	/* The ticket is used up. */
	freerdp_settings_set_pointer_len(c->settings, FreeRDP_LoadBalanceInfo, NULL, 0);
	secret_wipe(&s->ticket);
	log_info("session.up", "width=%d height=%d", c->gdi->width, c->gdi->height);
	thin_session_emit(s, THIN_EVENT_UP);
	return TRUE;
}

static void on_post_disconnect(freerdp *instance)
{
	rdpContext *c = instance->context;

	PubSub_UnsubscribeChannelConnected(c->pubSub, on_channel);
	PubSub_UnsubscribeChannelDisconnected(c->pubSub, on_channel_gone);
	gdi_free(instance);
}

/* Whether this machine can record: FreeRDP ends the session when it is asked to and cannot. A
 * PulseAudio (or PipeWire in its place), else a capture device of ALSA's. */
static bool can_record(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];
	glob_t found;
	bool any;

	if (getenv("PULSE_SERVER"))
		return true;
	if (run && snprintf(path, sizeof(path), "%s/pulse/native", run) < (int)sizeof(path) &&
	    access(path, F_OK) == 0)
		return true;
	any = glob("/dev/snd/pcmC*c", 0, NULL, &found) == 0;
	globfree(&found);
	return any;
}

/* Recorded by FreeRDP's own means as well, and opened when the server opens the channel, which it
 * does while the desktop records. PCM alone (format 1): no encoder of FreeRDP's is needed. */
static bool set_microphone(rdpSettings *st, const struct thin_session *s)
{
	const char *const channel[] = {AUDIN_CHANNEL_NAME, "format:1"};
	bool on = !s->no_microphone && can_record();

	return freerdp_settings_set_bool(st, FreeRDP_AudioCapture, on) &&
	       (!on || freerdp_client_add_dynamic_channel(st, ARRAY_LEN(channel), channel));
}

static BOOL on_new(freerdp *instance, rdpContext *context)
{
	(void)context;
	instance->PreConnect = on_pre_connect;
	instance->PostConnect = on_post_connect;
	instance->PostDisconnect = on_post_disconnect;
	instance->VerifyX509Certificate = on_certificate;
	instance->AuthenticateEx = NULL; /* nothing here ever asks on a terminal */
	return TRUE;
}

static bool set_flags(rdpSettings *st, const struct thin_session *s)
{
	static const struct {
		FreeRDP_Settings_Keys_Bool key;
		BOOL value;
	} flags[] = {
		{FreeRDP_TlsSecurity, TRUE},
		{FreeRDP_NlaSecurity, FALSE},
		{FreeRDP_RdpSecurity, FALSE},
		{FreeRDP_ExtSecurity, FALSE},
		{FreeRDP_UseRdpSecurityLayer, FALSE},
		{FreeRDP_ExternalCertificateManagement, TRUE},
		{FreeRDP_CertificateCallbackPreferPEM, TRUE},
		{FreeRDP_AutoReconnectionEnabled, FALSE},
		{FreeRDP_SupportGraphicsPipeline, TRUE},
		{FreeRDP_GfxH264, FALSE},
		{FreeRDP_GfxAVC444, FALSE},
		{FreeRDP_GfxAVC444v2, FALSE},
		{FreeRDP_SoftwareGdi, TRUE},
		{FreeRDP_SupportDisplayControl, TRUE},
		{FreeRDP_DynamicResolutionUpdate, TRUE},
		{FreeRDP_DesktopResize, TRUE},
		{FreeRDP_NetworkAutoDetect, TRUE},
		{FreeRDP_SupportMultitransport, FALSE},
		{FreeRDP_SupportHeartbeatPdu, TRUE},
		{FreeRDP_HasHorizontalWheel, TRUE},
		{FreeRDP_HasExtendedMouseEvent, TRUE},
		{FreeRDP_RedirectClipboard, FALSE},
		{FreeRDP_DeviceRedirection, FALSE},
		{FreeRDP_TcpKeepAlive, TRUE},
		/* Channels run in the session thread: one thread touches the picture. */
		{FreeRDP_SynchronousDynamicChannels, TRUE},
		{FreeRDP_SynchronousStaticChannels, TRUE},
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (!freerdp_settings_set_bool(st, flags[i].key, flags[i].value))
			return false;
	/* Played by FreeRDP's own means: PulseAudio, or ALSA. */
	return freerdp_settings_set_bool(st, FreeRDP_AudioPlayback, !s->no_sound) &&
	       set_microphone(st, s);
}

static bool set_numbers(rdpSettings *st, const struct thin_session *s)
{
	const struct {
		FreeRDP_Settings_Keys_UInt32 key;
		UINT32 value;
	} numbers[] = {
		{FreeRDP_ServerPort, s->site.rdp_port},
		{FreeRDP_DesktopWidth, (UINT32)s->width},
		{FreeRDP_DesktopHeight, (UINT32)s->height},
		{FreeRDP_DesktopScaleFactor, (UINT32)s->scale_percent},
		{FreeRDP_DeviceScaleFactor, 100},
		/* Found out from the X server, else from the locale. */
		{FreeRDP_KeyboardLayout, freerdp_keyboard_init_ex(0, NULL)},
		{FreeRDP_ColorDepth, 32},
		{FreeRDP_ConnectionType, CONNECTION_TYPE_LAN},
		{FreeRDP_LargePointerFlag, LARGE_POINTER_FLAG_96x96 | LARGE_POINTER_FLAG_384x384},
		{FreeRDP_MultifragMaxRequestSize, 0x3f0000},
		{FreeRDP_TlsSecLevel, 1},
		{FreeRDP_TcpConnectTimeout, CONNECT_TIMEOUT_MS},
		{FreeRDP_TcpAckTimeout, ACK_TIMEOUT_MS},
		{FreeRDP_TcpKeepAliveRetries, 3},
		{FreeRDP_TcpKeepAliveDelay, 4},
		{FreeRDP_TcpKeepAliveInterval, 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!freerdp_settings_set_uint32(st, numbers[i].key, numbers[i].value))
			return false;
	return true;
}

static bool set_strings(rdpSettings *st, const struct thin_session *s)
{
	char token[SECRET_MAX + 32];
	int n = snprintf(token, sizeof(token), "Cookie: msts=%s\r\n", s->ticket.bytes);
	bool ok = n > 0 && n < (int)sizeof(token) &&
		  freerdp_settings_set_string(st, FreeRDP_ServerHostname, s->site.host) &&
		  freerdp_settings_set_string(st, FreeRDP_Username, "pane") &&
		  freerdp_settings_set_string(st, FreeRDP_Password, "") &&
		  freerdp_settings_set_string(st, FreeRDP_ClientHostname, "pane-thin") &&
		  freerdp_settings_set_pointer_len(st, FreeRDP_LoadBalanceInfo, token, (size_t)n);

	explicit_bzero(token, sizeof(token));
	return ok;
}

rdpContext *thin_rdp_new(struct thin_session *s, struct err *e)
{
	RDP_CLIENT_ENTRY_POINTS entry = {.Size = sizeof(entry),
					 .Version = RDP_CLIENT_INTERFACE_VERSION,
					 .ContextSize = sizeof(struct thin_rdp_context),
					 .ClientNew = on_new};
	rdpContext *c;

	WLog_SetLogLevel(WLog_GetRoot(), log_wants(LOG_DEBUG) ? WLOG_WARN : WLOG_OFF);
	c = freerdp_client_context_new(&entry);
	if (!c) {
		err_set(e, -ENOMEM, _("cannot make an RDP client"));
		return NULL;
	}
	((struct thin_rdp_context *)c)->session = s;
	if (!set_flags(c->settings, s) || !set_numbers(c->settings, s) ||
	    !set_strings(c->settings, s)) {
		err_set(e, -EINVAL, _("cannot set up the RDP client"));
		freerdp_client_context_free(c);
		return NULL;
	}
	return c;
}

/* What a code of [MS-RDPBCGR] 2.2.5.1.1 says to the person; the lower half is what our gateway
 * answers before there is a desktop. */
static const struct info {
	UINT32 code;
	const char *word, *text;
} infos[] = {
	{ERRINFO_RPC_INITIATED_DISCONNECT, "session.ended",
	 N_("an administrator ended the session")},
	{ERRINFO_RPC_INITIATED_LOGOFF, "session.ended", N_("an administrator ended the session")},
	{ERRINFO_IDLE_TIMEOUT, "session.ended", N_("the session was idle for too long")},
	{ERRINFO_LOGON_TIMEOUT, "session.ended", N_("the session's time is over")},
	{ERRINFO_RPC_INITIATED_DISCONNECT_BY_USER, "session.ended", N_("you disconnected")},
	{ERRINFO_LOGOFF_BY_USER, "session.ended", N_("you logged off")},
	{ERRINFO_DISCONNECTED_BY_OTHER_CONNECTION, "session.taken",
	 N_("somebody with your name connected from another place")},
	{ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES, "session.refused",
	 N_("the gateway did not accept the ticket: it was expired or used already")},
	{ERRINFO_SERVER_DENIED_CONNECTION, "session.throttled",
	 N_("the gateway has refused too many connections from here")},
	{ERRINFO_CB_DESTINATION_NOT_FOUND, "desktop.unknown",
	 N_("there is no such desktop any more")},
	{ERRINFO_CB_LOADING_DESTINATION, "broker.down", N_("the broker does not answer")},
	{ERRINFO_CB_REDIRECTING_TO_DESTINATION, "desktop.unreachable",
	 N_("the host of your desktop does not answer")},
	{ERRINFO_CB_DESTINATION_POOL_NOT_FREE, "desktop.unavailable",
	 N_("no desktop is available")},
	{ERRINFO_CB_SESSION_ONLINE_VM_BOOT_TIMEOUT, "desktop.starting",
	 N_("the desktop is still starting")},
};

static const struct info *find_info(UINT32 code)
{
	for (size_t i = 0; i < ARRAY_LEN(infos); i++)
		if (infos[i].code == code)
			return &infos[i];
	return NULL;
}

static int connect_error(struct thin_session *s, UINT32 last, struct err *e)
{
	const char *host = s->site.host;
	unsigned port = s->site.rdp_port;

	switch (last) {
	case FREERDP_ERROR_DNS_ERROR:
	case FREERDP_ERROR_DNS_NAME_NOT_FOUND:
		return err_setw(e, -ECONNREFUSED, "server.unreachable",
				_("the name %s has no address"), host);
	case FREERDP_ERROR_CONNECT_FAILED:
		return err_setw(e, -ECONNREFUSED, "server.unreachable",
				_("cannot reach %s, port %u (RDP)"), host, port);
	case FREERDP_ERROR_CONNECT_ACTIVATION_TIMEOUT:
		return err_setw(e, -ETIMEDOUT, "session.timeout",
				_("the desktop did not take the connection in time"));
	default:
		if (!s->reached)
			return err_setw(e, -ECONNREFUSED, "server.unreachable",
					_("no RDP gateway answers at %s, port %u (%s)"), host, port,
					freerdp_get_last_error_name(last));
		return err_setw(e, -ECONNRESET, "session.refused",
				_("the gateway at %s, port %u, ended the connection before the "
				  "desktop appeared (%s)"),
				host, port, freerdp_get_last_error_name(last));
	}
}

void thin_rdp_error(struct thin_session *s, rdpContext *c, struct err *e)
{
	UINT32 info = freerdp_error_info(c->instance);
	UINT32 last = freerdp_get_last_error(c);
	const struct info *known;

	/* Before the desktop is up FreeRDP keeps the code in the other place. */
	if (!info && GET_FREERDP_ERROR_CLASS(last) == FREERDP_ERROR_ERRINFO_CLASS)
		info = GET_FREERDP_ERROR_TYPE(last);
	known = find_info(info);
	log_info("session.why", "info=%#x last=%s", info, freerdp_get_last_error_name(last));
	if (s->verify.code)
		*e = s->verify;
	else if (known)
		err_setw(e, -ECONNRESET, known->word, "%s", _(known->text));
	else if (!s->up)
		connect_error(s, last, e);
	else
		err_setw(e, -ECONNRESET, "session.lost", _("the connection to %s broke"),
			 s->site.host);
}
