/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NTLM; see ntlm.h. No state.
 */
#include "gateway/ntlm.h"
#include "common/md4.h"
#include "gateway/cursor.h"
#include "gateway/utf16.h"

#include <errno.h>
#include <string.h>

#define SIGNATURE    "NTLMSSP" /* with its NUL, 8 bytes */
#define PASSWORD_MAX 1024      /* bytes of UTF-16 */

/* NEGOTIATE flags, [MS-NLMP] 2.2.2.5 */
#define F_UNICODE  0x00000001u
#define F_TARGET   0x00000004u
#define F_NTLM	   0x00000200u
#define F_SERVER   0x00020000u
#define F_EXTENDED 0x00080000u
#define F_INFO	   0x00800000u
#define F_VERSION  0x02000000u
/* What is the client's to choose: SIGN, SEAL, ALWAYS_SIGN, 128, KEY_EXCH, 56. */
#define F_ECHOED 0xE0008030u
/* EXTENDED_SESSIONSECURITY, SEAL, 128, KEY_EXCH: no less */
#define F_PROTECTED 0x60080020u

/* AV_PAIR ids, 2.2.2.1 */
#define AV_END		0
#define AV_NB_COMPUTER	1
#define AV_NB_DOMAIN	2
#define AV_DNS_COMPUTER 3
#define AV_DNS_DOMAIN	4
#define AV_FLAGS	6
#define AV_TIME		7

#define AV_FLAG_MIC 2

#define CHALLENGE_FIXED	   56
#define AUTHENTICATE_FIXED 64
#define AUTHENTICATE_MIC   72 /* behind Version */

unsigned ntlm_type(const uint8_t *p, size_t n)
{
	uint32_t type;

	if (n < 12 || memcmp(p, SIGNATURE, 8) != 0)
		return 0;
	type = get_le32(p + 8);
	return type <= NTLM_AUTHENTICATE ? type : 0;
}

/* ---- CHALLENGE_MESSAGE, 2.2.1.2 ---- */

static int add_pair(struct buf *b, unsigned id, const void *p, size_t n)
{
	uint8_t head[4];
	int r;

	put_le16(head, (uint16_t)id);
	put_le16(head + 2, (uint16_t)n);
	r = buf_append(b, head, 4);
	return r || !n ? r : buf_append(b, p, n);
}

/* FILETIME: 100 ns since 1601 ([MS-DTYP] 2.3.3). */
static int add_target_info(struct buf *b, int64_t unix_s)
{
	static const uint8_t name[] = {'P', 0, 'A', 0, 'N', 0, 'E', 0};
	static const unsigned ids[] = {AV_NB_DOMAIN, AV_NB_COMPUTER, AV_DNS_DOMAIN,
				       AV_DNS_COMPUTER};
	uint8_t time[8];
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_LEN(ids); i++)
		r = add_pair(b, ids[i], name, sizeof(name));
	put_le64(time, (uint64_t)(unix_s + 11644473600) * 10000000);
	if (!r)
		r = add_pair(b, AV_TIME, time, sizeof(time));
	return r ? r : add_pair(b, AV_END, NULL, 0);
}

static void put_field(uint8_t *at, size_t len, size_t offset)
{
	put_le16(at, (uint16_t)len);
	put_le16(at + 2, (uint16_t)len);
	put_le32(at + 4, (uint32_t)offset);
}

int ntlm_write_challenge(struct buf *b, const uint8_t *p, size_t n,
			 const uint8_t challenge[NTLM_CHALLENGE_LEN], int64_t unix_s)
{
	static const uint8_t target[] = {'P', 0, 'A', 0, 'N', 0, 'E', 0};
	uint8_t m[CHALLENGE_FIXED] = {0};
	uint32_t wants;
	struct buf info;
	int r;

	if (ntlm_type(p, n) != NTLM_NEGOTIATE || n < 16)
		return -EPROTO;
	wants = get_le32(p + 12);
	if (!(wants & F_UNICODE) || !(wants & F_NTLM))
		return -EPROTO;
	buf_init(&info, 256);
	r = add_target_info(&info, unix_s);
	memcpy(m, SIGNATURE, 8);
	put_le32(m + 8, NTLM_CHALLENGE);
	put_field(m + 12, sizeof(target), CHALLENGE_FIXED);
	put_le32(m + 20, (wants & F_ECHOED) | F_UNICODE | F_TARGET | F_NTLM | F_SERVER |
				 F_EXTENDED | F_INFO | F_VERSION);
	memcpy(m + 24, challenge, NTLM_CHALLENGE_LEN);
	put_field(m + 40, info.len, CHALLENGE_FIXED + sizeof(target));
	m[48] = 10;  /* Version, 2.2.2.10: 10.0, for debugging only */
	m[55] = 0xF; /* NTLMSSP_REVISION_W2K3 */
	if (!r)
		r = buf_append(b, m, sizeof(m));
	if (!r)
		r = buf_append(b, target, sizeof(target));
	if (!r)
		r = buf_append(b, buf_head(&info), info.len);
	buf_fini(&info);
	return r;
}

/* ---- AUTHENTICATE_MESSAGE, 2.2.1.3 ---- */

/* Copies what a field (length, maximum, offset; 2.2.1.3) points at. */
static int take_field(const uint8_t *p, size_t n, size_t at, uint8_t *out, size_t max, size_t *len)
{
	uint32_t offset = get_le32(p + at + 4);

	*len = get_le16(p + at);
	if (!*len)
		return 0;
	if (offset < AUTHENTICATE_FIXED || !range_ok(offset, *len, n) || *len > max)
		return -EPROTO;
	memcpy(out, p + offset, *len);
	return 0;
}

int ntlm_parse_authenticate(const uint8_t *p, size_t n, struct ntlm_proof *proof)
{
	if (ntlm_type(p, n) != NTLM_AUTHENTICATE || n < AUTHENTICATE_FIXED || n > NTLM_MESSAGE_MAX)
		return -EPROTO;
	if (!(get_le32(p + 60) & F_UNICODE))
		return -EPROTO;
	if (take_field(p, n, 20, proof->response, sizeof(proof->response), &proof->n_response) ||
	    take_field(p, n, 28, proof->domain, sizeof(proof->domain), &proof->n_domain) ||
	    take_field(p, n, 36, proof->user, sizeof(proof->user), &proof->n_user))
		return -EPROTO;
	/* A response of version 1 has 24 bytes, an anonymous one none. */
	if (proof->n_response < NTLMV2_RESPONSE_MIN || !proof->n_user || proof->n_user % 2 ||
	    proof->n_domain % 2)
		return -EPROTO;
	return 0;
}

/* MsvAvFlags of the AV pairs in an NTLMv2_CLIENT_CHALLENGE, 2.2.2.1; 0 where there are none. */
static uint32_t av_flags(const struct ntlm_proof *proof)
{
	struct cursor c = cursor_of(proof->response + NTLMV2_RESPONSE_MIN,
				    proof->n_response - NTLMV2_RESPONSE_MIN);

	while (c.n >= 4) {
		uint16_t id = cursor_le16(&c);
		struct cursor v = cursor_sub(&c, cursor_le16(&c));

		if (id == AV_END || c.bad)
			break;
		if (id == AV_FLAGS && v.n == 4)
			return cursor_le32(&v);
	}
	return 0;
}

int ntlm_parse_exchange(const uint8_t *p, size_t n, const struct ntlm_proof *proof,
			struct ntlm_exchange *x)
{
	size_t len = 0;
	uint32_t flags;

	if (ntlm_type(p, n) != NTLM_AUTHENTICATE || n < AUTHENTICATE_FIXED)
		return -EPROTO;
	flags = get_le32(p + 60);
	if ((flags & F_PROTECTED) != F_PROTECTED)
		return -EPROTO;
	if (take_field(p, n, 52, x->key, sizeof(x->key), &len) || len != sizeof(x->key))
		return -EPROTO;
	x->mic_at = av_flags(proof) & AV_FLAG_MIC ? AUTHENTICATE_MIC : 0;
	return x->mic_at && n < AUTHENTICATE_MIC + 16 ? -EPROTO : 0;
}

/* Capitals of US-ASCII only: other names prove nothing here. */
size_t ntlm_names(const struct ntlm_proof *proof, uint8_t names[2 * NTLM_NAME_MAX])
{
	memcpy(names, proof->user, proof->n_user);
	for (size_t i = 0; i < proof->n_user; i += 2)
		if (!names[i + 1] && names[i] >= 'a' && names[i] <= 'z')
			names[i] = (uint8_t)(names[i] - 32);
	memcpy(names + proof->n_user, proof->domain, proof->n_domain);
	return proof->n_user + proof->n_domain;
}

bool ntlm_proves(const struct ntlm_proof *proof, const char *password)
{
	uint8_t text[PASSWORD_MAX], hash[MD4_LEN], key[NTLMV2_KEY_LEN], names[2 * NTLM_NAME_MAX];
	struct ntlmv2_answer a = {.names = names,
				  .n_names = ntlm_names(proof, names),
				  .challenge = proof->challenge,
				  .response = proof->response,
				  .n_response = proof->n_response};
	long n = utf8_to_utf16(text, sizeof(text), password);
	bool ok;

	if (n < 0)
		return false;
	md4(hash, text, (size_t)n);
	ok = ntlmv2_proves(&a, hash, key);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(hash, sizeof(hash));
	explicit_bzero(key, sizeof(key));
	return ok;
}
