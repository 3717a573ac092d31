/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The splice; see splice.h. Byte comparison, as the display's answers hold nothing random under TLS
 * without RDP security: Connect-Response, AttachUserConfirm, ChannelJoinConfirms in the client's
 * order.
 */
#include "gateway/splice.h"
#include "gateway/rdp_pdu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* All of the client's messages to the bar; each is capped by itself as well. */
#define REPLAY_CAP (RDP_MAX_INITIAL + RDP_MAX_INFO + 64 * RDP_MAX_DOMAIN)
#define EXPECT_CAP 4096

void splice_init(struct splice *s)
{
	*s = (struct splice){0};
	buf_init(&s->replay, REPLAY_CAP);
	buf_init(&s->expect, EXPECT_CAP);
}

void splice_fini(struct splice *s)
{
	buf_fini(&s->replay);
	buf_fini(&s->expect);
}

int splice_start(struct splice *s, struct gw_stream *host)
{
	int r = gw_stream_send(host, buf_head(&s->replay), s->replay.len);

	buf_fini(&s->replay);
	return r;
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

int splice_poll(struct splice *s, struct gw_stream *host, char *why, size_t size)
{
	size_t n = s->expect.len < host->in.len ? s->expect.len : host->in.len;
	size_t same = n ? first_difference(buf_head(&s->expect), buf_head(&host->in), n) : 0;

	if (same < n) {
		snprintf(why, size, "byte %zu of the display's answers is %02x, not %02x",
			 s->compared + same, buf_head(&host->in)[same], buf_head(&s->expect)[same]);
		return -EPROTO;
	}
	if (n) {
		buf_consume(&s->expect, n);
		buf_consume(&host->in, n);
		s->compared += n;
	}
	if (!s->expect.len)
		return host->out.len ? -EAGAIN : 0;
	if (!host->error && !host->eof)
		return -EAGAIN;
	snprintf(why, size, "the display hung up after %zu bytes (%s)", s->compared,
		 host->error ? host->err.msg : "end of stream");
	return -ECONNRESET;
}
