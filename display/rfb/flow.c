/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See flow.h. The library calls what is here from rfbProcessClientMessage(), in the viewer's
 * thread.
 */
#include "display/rfb/flow.h"

#include <errno.h>
#include <rfb/rfbregion.h>
#include <string.h>
#include "common/loop.h"
#include "common/wire.h"

#define ENCODING_FENCE	    (-312)
#define ENCODING_CONTINUOUS (-313)
#define MESSAGE_CONTINUOUS  150 /* both ways */
#define MESSAGE_FENCE	    248 /* both ways */
#define FENCE_REQUEST	    0x80000000u
#define FENCE_FLAGS	    7u /* BlockBefore, BlockAfter, SyncNext: we are in order anyway */
#define FENCE_PAYLOAD	    64
#define FENCE_HEAD	    9
#define MARK		    0x70616e65u /* our fences' payload begins with it */
#define SOUND_MARK	    0x68656172u /* or with this */

static int send_fence(rfbClientPtr cl, uint32_t flags, const uint8_t *payload, uint8_t n)
{
	uint8_t m[FENCE_HEAD + FENCE_PAYLOAD] = {MESSAGE_FENCE};

	put_be32(m + 4, flags);
	m[8] = n;
	memcpy(m + FENCE_HEAD, payload, n);
	return rfbWriteExact(cl, (char *)m, FENCE_HEAD + n) < 0 ? -EPIPE : 0;
}

static int send_mark(rfbClientPtr cl, uint32_t kind, uint32_t number)
{
	uint8_t payload[8];

	put_be32(payload, kind);
	put_be32(payload + 4, number);
	return send_fence(cl, FENCE_REQUEST, payload, sizeof(payload));
}

/* Says that continuous updates are known, or are over. */
static void send_end(rfbClientPtr cl)
{
	char m = (char)MESSAGE_CONTINUOUS;

	(void)rfbWriteExact(cl, &m, 1);
}

static rfbBool on_encoding(rfbClientPtr cl, void **data, int encoding)
{
	struct rfb_flow *f = cl->clientData;

	(void)data;
	/* The library asks here for every encoding it does not know, other extensions' too. */
	if (!f || (encoding != ENCODING_FENCE && encoding != ENCODING_CONTINUOUS))
		return FALSE;
	if (encoding == ENCODING_FENCE && !f->fence) {
		f->fence = true;
		(void)send_fence(cl, FENCE_REQUEST, (const uint8_t *)"", 0);
	}
	/* Without fences there would be no telling how much is under way. */
	if (encoding == ENCODING_CONTINUOUS && !f->offered) {
		f->offered = true;
		send_end(cl);
	}
	return TRUE;
}

static rfbBool gone(rfbClientPtr cl)
{
	rfbCloseClient(cl);
	return TRUE;
}

static rfbBool on_continuous(rfbClientPtr cl, struct rfb_flow *f)
{
	uint8_t m[9];

	if (rfbReadExact(cl, (char *)m, sizeof(m)) <= 0)
		return gone(cl);
	if (!m[0] && f->continuous) {
		send_end(cl);
		sraRgnMakeEmpty(cl->requestedRegion); /* what was asked in its name */
	}
	f->continuous = m[0] && f->fence;
	f->x = get_be16(m + 1);
	f->y = get_be16(m + 3);
	f->w = get_be16(m + 5);
	f->h = get_be16(m + 7);
	f->read = f->sent; /* what was asked for before has no fence */
	return TRUE;
}

/* One of ours came back: everything up to its number has been read. */
static void on_mark(struct rfb_flow *f, uint32_t number)
{
	int64_t rtt;

	if (number - f->read > f->sent - f->read)
		return; /* not one that was sent */
	f->read = number;
	rtt = clock_ms() - f->at_ms[number % FLOW_WINDOW_MAX];
	rtt = rtt > 0 ? rtt : 1;
	if (!f->rtt_ms || rtt < f->rtt_ms)
		f->rtt_ms = rtt;
}

static rfbBool on_fence(rfbClientPtr cl, struct rfb_flow *f)
{
	uint8_t m[FENCE_HEAD - 1], payload[FENCE_PAYLOAD];
	uint32_t flags;

	if (rfbReadExact(cl, (char *)m, sizeof(m)) <= 0 || m[7] > FENCE_PAYLOAD ||
	    (m[7] && rfbReadExact(cl, (char *)payload, m[7]) <= 0))
		return gone(cl);
	flags = get_be32(m + 3);
	if (flags & FENCE_REQUEST)
		(void)send_fence(cl, flags & FENCE_FLAGS, payload, m[7]);
	else if (m[7] == 8 && get_be32(payload) == MARK)
		on_mark(f, get_be32(payload + 4));
	else if (m[7] == 8 && get_be32(payload) == SOUND_MARK)
		f->heard = get_be32(payload + 4);
	return TRUE;
}

static rfbBool on_message(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
	struct rfb_flow *f = cl->clientData;

	(void)data;
	if (f && msg->type == MESSAGE_CONTINUOUS)
		return on_continuous(cl, f);
	if (f && msg->type == MESSAGE_FENCE)
		return on_fence(cl, f);
	return FALSE;
}

void disp_rfb_flow_setup(void)
{
	static int encodings[] = {ENCODING_FENCE, ENCODING_CONTINUOUS, 0};
	static rfbProtocolExtension extension = {.pseudoEncodings = encodings,
						 .enablePseudoEncoding = on_encoding,
						 .handleMessage = on_message};

	rfbRegisterProtocolExtension(&extension);
}

void disp_rfb_flow_attach(rfbClientPtr cl, struct rfb_flow *f)
{
	cl->clientData = f;
}

uint32_t disp_rfb_flow_window(const struct rfb_flow *f)
{
	int64_t n = 2 + f->rtt_ms * 60 / 1000;

	return n < FLOW_WINDOW_MAX ? (uint32_t)n : FLOW_WINDOW_MAX;
}

void disp_rfb_flow_ask(rfbClientPtr cl)
{
	const struct rfb_flow *f = cl->clientData;
	sraRegionPtr all;

	if (!f->continuous || f->sent - f->read >= disp_rfb_flow_window(f))
		return;
	all = sraRgnCreateRect(f->x, f->y, f->x + f->w, f->y + f->h);
	sraRgnOr(cl->requestedRegion, all);
	sraRgnDestroy(all);
}

void disp_rfb_flow_sent(rfbClientPtr cl)
{
	struct rfb_flow *f = cl->clientData;

	if (!f->continuous)
		return;
	f->sent++;
	f->at_ms[f->sent % FLOW_WINDOW_MAX] = clock_ms();
	(void)send_mark(cl, MARK, f->sent);
}

int disp_rfb_flow_mark(rfbClientPtr cl, uint32_t number)
{
	return send_mark(cl, SOUND_MARK, number);
}
