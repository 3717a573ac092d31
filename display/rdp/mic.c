/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See mic.h. States: no channel; asked for (handle, neither ready nor refused: it is not closed
 * before the client has answered, who would keep its end for ever); ready, with audin's state. A
 * client that refuses, or has no device for it, is not asked again.
 */
#include "display/rdp/mic.h"

#include <errno.h>
#include <string.h>
#include <freerdp/channels/wtsvc.h>
#include <winpr/wtsapi.h>
#include "common/log.h"
#include "common/loop.h"

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	struct rdp_mic *m = arg;
	ULONG written = 0;

	return WTSVirtualChannelWrite(m->handle, (PCHAR)(uintptr_t)p, (ULONG)n, &written) ? 0
											  : -EPIPE;
}

static void on_heard(void *arg, const uint8_t *p, size_t frames)
{
	struct rdp_mic *m = arg;

	disp_mic_say(m->viewer->mic, &m->mouth, m->audin.rate, p, frames, clock_ms());
}

void disp_rdp_mic_init(struct rdp_mic *m, struct disp_viewer *v, const rdpSettings *s, int wake_fd)
{
	static const struct audin_ops ops = {on_send, on_heard};

	if (!v->mic || !disp_mic_allowed(v->mic) ||
	    !freerdp_settings_get_bool(s, FreeRDP_AudioCapture))
		return;
	m->viewer = v;
	m->mouth.wake_fd = wake_fd;
	disp_audin_init(&m->audin, &ops, m);
	disp_mic_join(v->mic, &m->mouth);
}

bool disp_rdp_mic_created(struct rdp_mic *m, uint32_t id, int32_t status)
{
	if (!m->handle || m->id != id)
		return false;
	m->ready = status >= 0;
	m->refused = status < 0;
	return true;
}

static void shut(struct rdp_mic *m)
{
	if (m->audin.state == AUDIN_OPEN)
		log_info("rdp.microphone", "conn=%s open=no frames=%llu lost=%llu", m->viewer->conn,
			 (unsigned long long)m->mouth.said, (unsigned long long)m->mouth.lost);
	if (m->handle)
		WTSVirtualChannelClose(m->handle);
	m->handle = NULL;
	m->ready = false;
	disp_audin_close(&m->audin);
}

void disp_rdp_mic_fini(struct rdp_mic *m)
{
	if (!m->viewer)
		return;
	disp_mic_leave(m->viewer->mic, &m->mouth);
	shut(m);
	m->viewer = NULL;
}

/* It cannot speak: another viewer's turn. */
static int give_up(struct rdp_mic *m, const char *why)
{
	log_info("rdp.microphone", "conn=%s none=\"%s\"", m->viewer->conn, why);
	disp_rdp_mic_fini(m);
	return 0;
}

static int ask(struct rdp_mic *m, HANDLE vcm)
{
	DWORD session = 0, size = 0;
	LPSTR text = NULL;

	if (!WTSQuerySessionInformationA(vcm, WTS_CURRENT_SESSION, WTSSessionId, &text, &size))
		return give_up(m, "there are no channels");
	memcpy(&session, text, sizeof(session));
	WTSFreeMemory(text);
	m->handle = WTSVirtualChannelOpenEx(session, (LPSTR)(uintptr_t)AUDIN_CHANNEL,
					    WTS_CHANNEL_OPTION_DYNAMIC);
	if (!m->handle)
		return give_up(m, "the channel cannot be opened");
	m->id = WTSChannelGetIdByHandle(m->handle);
	return 0;
}

static int receive(struct rdp_mic *m, uint8_t *message, size_t size)
{
	enum audin_state before = m->audin.state;
	int r = 0;

	while (r == 0) {
		ULONG n = 0;

		if (!WTSVirtualChannelRead(m->handle, 0, NULL, 0, &n) || !n)
			break;
		if (n > size ||
		    !WTSVirtualChannelRead(m->handle, 0, (PCHAR)message, (ULONG)size, &n))
			return -EPROTO;
		r = disp_audin_receive(&m->audin, message, n);
	}
	if (r == 0 && before != AUDIN_OPEN && m->audin.state == AUDIN_OPEN)
		log_info("rdp.microphone", "conn=%s open=yes rate=%u channels=%u", m->viewer->conn,
			 m->audin.rate, m->audin.channels);
	return r;
}

int disp_rdp_mic_run(struct rdp_mic *m, HANDLE vcm, uint8_t *message, size_t size)
{
	uint32_t rate;
	int r = 0;

	if (!m->viewer)
		return 0;
	if (m->refused)
		return give_up(m, "the client refuses the channel");
	rate = disp_mic_wanted(m->viewer->mic, &m->mouth);
	if (m->ready && m->audin.state != AUDIN_CLOSED && m->audin.rate != rate)
		shut(m);
	if (m->ready && !rate)
		shut(m);
	if (!m->handle)
		return rate ? ask(m, vcm) : 0;
	if (m->ready && m->audin.state == AUDIN_CLOSED)
		r = disp_audin_open(&m->audin, rate);
	if (r == 0 && m->ready)
		r = receive(m, message, size);
	if (r == 0 && m->audin.state == AUDIN_DUMB)
		return give_up(m, "no format or no device");
	return r;
}
