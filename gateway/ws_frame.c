/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * WebSocket frames; see ws_frame.h. What RFC 6455 lets an endpoint refuse is refused: unmasked
 * frames, reserved bits, text, lengths written longer than needed, fragmented control frames.
 */
#include "gateway/ws_frame.h"
#include "common/wire.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define FIN  0x80
#define RSV  0x70
#define MASK 0x80

static void unmask(struct ws_reader *r, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= r->mask[r->at++ & 3];
}

/* The payload length of a frame's head, RFC 6455 §5.2; *head is the head's size with the mask.
 * 0 when it needs more. */
static int read_length(const uint8_t *p, size_t n, size_t *head, uint64_t *length)
{
	unsigned code = p[1] & 0x7F;

	*head = 2 + 4 + (code == 126 ? 2 : code == 127 ? 8 : 0);
	if (n < *head)
		return 0;
	*length = code;
	if (code == 126)
		*length = (uint64_t)p[2] << 8 | p[3];
	else if (code == 127)
		*length = (uint64_t)get_be32(p + 2) << 32 | get_be32(p + 6);
	if ((code == 126 && *length < 126) || (code == 127 && *length <= 0xFFFF) ||
	    *length > WS_FRAME_MAX)
		return -EPROTO;
	return 1;
}

/* The next piece of a data frame whose head has been read. */
static int take_data(struct ws_reader *r, uint8_t *p, size_t n, struct ws_piece *piece)
{
	size_t now = n < r->left ? n : (size_t)r->left;

	unmask(r, p, now);
	r->left -= now;
	*piece = (struct ws_piece){.kind = WS_DATA, .p = p, .n = now};
	return (int)now;
}

static int take_control(struct ws_reader *r, uint8_t *p, size_t n, size_t head, size_t length,
			struct ws_piece *piece)
{
	if (n < head + length)
		return 0;
	memcpy(r->mask, p + head - 4, 4);
	r->at = 0;
	unmask(r, p + head, length);
	*piece = (struct ws_piece){.kind = p[0] & 0x0F, .p = p + head, .n = length};
	return (int)(head + length);
}

int ws_read(struct ws_reader *r, uint8_t *p, size_t n, struct ws_piece *piece)
{
	unsigned opcode;
	uint64_t length;
	size_t head;
	int res;

	if (n > WS_FRAME_MAX)
		n = WS_FRAME_MAX;
	if (!n)
		return 0;
	if (r->left)
		return take_data(r, p, n, piece);
	opcode = p[0] & 0x0F;
	if (p[0] & RSV || (n > 1 && !(p[1] & MASK)))
		return -EPROTO;
	if (opcode >= WS_CLOSE ? opcode > WS_PONG || !(p[0] & FIN)
			       : opcode != (r->unfinished ? 0 : WS_DATA))
		return -EPROTO;
	if (n < 2)
		return 0;
	if (opcode >= WS_CLOSE && (p[1] & 0x7F) > WS_CONTROL_MAX)
		return -EPROTO;
	res = read_length(p, n, &head, &length);
	if (res <= 0)
		return res;
	if (opcode >= WS_CLOSE)
		return take_control(r, p, n, head, (size_t)length, piece);
	r->unfinished = !(p[0] & FIN);
	memcpy(r->mask, p + head - 4, 4);
	r->at = 0;
	r->left = length;
	return (int)head + take_data(r, p + head, n - head, piece);
}

size_t ws_head(uint8_t out[WS_HEAD_MAX], enum ws_kind kind, size_t n)
{
	out[0] = (uint8_t)(FIN | kind);
	if (n < 126) {
		out[1] = (uint8_t)n;
		return 2;
	}
	if (n <= 0xFFFF) {
		out[1] = 126;
		out[2] = (uint8_t)(n >> 8);
		out[3] = (uint8_t)n;
		return 4;
	}
	out[1] = 127;
	put_be32(out + 2, (uint32_t)((uint64_t)n >> 32));
	put_be32(out + 6, (uint32_t)n);
	return 10;
}

/* §4.2.2: base64 of SHA-1 of the key and a fixed text. The hash proves only that the server knows
 * the protocol; nothing rests on its strength. */
int ws_accept(const char *key, size_t n, char out[WS_ACCEPT_LEN + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned md_len = 0;
	char text[WS_KEY_LEN + 40];

	if (n != WS_KEY_LEN || key[n - 1] != '=')
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)key[i]) && !strchr("+/=", key[i]))
			return -EINVAL;
	n = (size_t)snprintf(text, sizeof(text), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
			     WS_KEY_LEN, key);
	if (!EVP_Digest(text, n, md, &md_len, EVP_sha1(), NULL) || md_len != 20)
		return -EINVAL;
	EVP_EncodeBlock((unsigned char *)out, md, 20);
	return 0;
}
