/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * RFB login messages; see rfb_pdu.h. No state.
 */
#include "gateway/rfb_pdu.h"
#include "common/wire.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

int rfb_take_version(const uint8_t *p, size_t n, int *minor)
{
	static const char form[] = "RFB ddd.ddd\n";
	int v;

	for (size_t i = 0; i < n && i < RFB_VERSION_LEN; i++)
		if (form[i] == 'd' ? !isdigit(p[i]) : p[i] != (uint8_t)form[i])
			return -EPROTO;
	if (n < RFB_VERSION_LEN)
		return 0;
	v = ((p[4] - '0') * 100 + (p[5] - '0') * 10 + (p[6] - '0')) * 1000 + (p[8] - '0') * 100 +
	    (p[9] - '0') * 10 + (p[10] - '0');
	if (v < 3003)
		return -EPROTO;
	*minor = v >= 3008 ? 8 : v == 3007 ? 7 : 3; /* RFC 6143 §7.1.1: others are 3.3 */
	return RFB_VERSION_LEN;
}

int rfb_take_plain(const uint8_t *p, size_t n, char user[RFB_MAX_USER + 1], struct secret *password)
{
	uint32_t u, w;

	if (n < 8)
		return 0;
	u = get_be32(p);
	w = get_be32(p + 4);
	if (u > RFB_MAX_USER || w > RFB_MAX_PASSWORD)
		return -EMSGSIZE;
	if (n < 8 + u + w)
		return 0;
	if (memchr(p + 8, '\0', u + w))
		return -EINVAL;
	memcpy(user, p + 8, u);
	user[u] = '\0';
	if (secret_set(password, p + 8 + u, w))
		return -EMSGSIZE;
	return (int)(8 + u + w);
}

int rfb_take_types(const uint8_t *p, size_t n, bool *none)
{
	if (n < 1)
		return 0;
	if (p[0] == 0)
		return -ECONNREFUSED;
	if (n < 1u + p[0])
		return 0;
	*none = memchr(p + 1, RFB_SEC_NONE, p[0]) != NULL;
	return 1 + p[0];
}

int rfb_take_result(const uint8_t *p, size_t n, bool *ok)
{
	if (n < 4)
		return 0;
	*ok = get_be32(p) == 0;
	return 4;
}

int rfb_write_result_ok(struct buf *b)
{
	static const uint8_t zero[4];

	return buf_append(b, zero, sizeof(zero));
}

static int write_reason(struct buf *b, const char *reason)
{
	uint8_t len[4];
	int r;

	put_be32(len, (uint32_t)strlen(reason));
	r = buf_append(b, len, sizeof(len));
	return r ? r : buf_append(b, reason, strlen(reason));
}

int rfb_write_result_failed(struct buf *b, int minor, const char *reason)
{
	static const uint8_t failed[4] = {0, 0, 0, 1};
	int r = buf_append(b, failed, sizeof(failed));

	return r || minor < 8 ? r : write_reason(b, reason);
}

int rfb_write_no_types(struct buf *b, int minor, const char *reason)
{
	static const uint8_t zero[4];
	int r = buf_append(b, zero, minor < 7 ? 4 : 1); /* 3.3: a 32-bit type, else a count */

	return r ? r : write_reason(b, reason);
}
