/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See nla.h. One per login, owned by it; everything in it is bounded by CREDSSP_MESSAGE_MAX.
 */
#include "gateway/nla.h"
#include "gateway/ntlm_seal.h"
#include "gateway/spnego.h"
#include "gateway/utf16.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX	     4096 /* of a certificate */
#define MESSAGES_MAX (3 * NTLM_MESSAGE_MAX)
#define HASH_LEN     32 /* SHA-256 */

enum nla_state {
	WANT_NEGOTIATE,
	WANT_AUTHENTICATE,
	PROVING,
	WANT_KEY,
	WANT_SECRET,
	OVER
};

struct nla {
	enum nla_state state;
	uint32_t version; /* of both; 0 = not yet known */
	bool wrapped;	  /* in SPNEGO */
	bool chose;	  /* SPNEGO has been told the mechanism */
	bool needs_mic;	  /* NTLM was not the client's first choice */
	uint8_t mechs[256];
	size_t n_mechs;
	struct buf messages; /* owned: the three of NTLM, what a MIC is over */
	size_t auth_at;	     /* where the third is in there */
	struct ntlm_proof proof;
	struct ntlm_exchange exchange;
	char user[NTLM_NAME_MAX * 2];
	uint8_t mic[NTLM_SIGNATURE_LEN]; /* mechListMIC */
	size_t n_mic;
	uint8_t nonce[CREDSSP_NONCE_LEN];
	bool has_nonce;
	struct ntlm_seal seal;
	struct credssp_password password;
	size_t n_key, n_key_auth;
	uint8_t key[KEY_MAX];				/* ours */
	uint8_t key_auth[KEY_MAX + NTLM_SIGNATURE_LEN]; /* pubKeyAuth that waits for the proof */
};

struct nla *nla_new(const uint8_t *key, size_t n)
{
	struct nla *l = n && n <= KEY_MAX ? calloc(1, sizeof(*l)) : NULL;

	if (!l)
		return NULL;
	memcpy(l->key, key, n);
	l->n_key = n;
	buf_init(&l->messages, MESSAGES_MAX);
	return l;
}

void nla_free(struct nla *l)
{
	if (!l)
		return;
	buf_fini(&l->messages);
	explicit_bzero(l, sizeof(*l));
	free(l);
}

const char *nla_user(const struct nla *l)
{
	return l->user;
}

const struct credssp_password *nla_password(const struct nla *l)
{
	return &l->password;
}

struct ntlmv2_answer nla_answer(const struct nla *l, uint8_t *names)
{
	return (struct ntlmv2_answer){.names = names,
				      .n_names = ntlm_names(&l->proof, names),
				      .challenge = l->proof.challenge,
				      .response = l->proof.response,
				      .n_response = l->proof.n_response};
}

/* ---- what we say ---- */

/* token (NTLM's, may be NULL) goes into SPNEGO where the client speaks that. */
static int say(struct nla *l, enum spnego_state state, const struct cursor *token,
	       const struct cursor *mic, const struct cursor *key_auth, struct buf *out)
{
	uint8_t m[CREDSSP_MESSAGE_MAX];
	struct der_out o = {.p = m, .size = sizeof(m)};
	struct credssp_request q = {.version = CREDSSP_VERSION_MAX};

	if (l->wrapped) {
		spnego_put_response(&o, state, !l->chose, token, mic);
		l->chose = true;
		q.token = cursor_of(m + sizeof(m) - o.len, o.len);
	} else if (token) {
		q.token = *token;
	}
	if (key_auth)
		q.pub_key_auth = *key_auth;
	return o.bad ? -EMSGSIZE : credssp_write(out, &q);
}

/* errorCode is known to versions 3, 4 and 6 ([MS-CSSP] 2.2.1). */
int nla_refuse(struct nla *l, enum nla_status status, struct buf *out)
{
	struct credssp_request q = {.version = CREDSSP_VERSION_MAX, .error = (uint32_t)status};

	l->state = OVER;
	return l->version < 3 || l->version == 5 ? 0 : credssp_write(out, &q);
}

static int deny(struct nla *l, struct buf *out)
{
	int r = nla_refuse(l, NLA_LOGON_FAILURE, out);

	return r ? r : -EACCES;
}

/* ---- NTLM's messages ---- */

static int on_negotiate(struct nla *l, const struct cursor *token, int64_t unix_s, struct buf *out)
{
	struct cursor answer;
	size_t at;
	int r;

	if (ntlm_type(token->p, token->n) != NTLM_NEGOTIATE || token->n > NTLM_MESSAGE_MAX)
		return -EPROTO;
	random_bytes(l->proof.challenge, sizeof(l->proof.challenge));
	r = buf_append(&l->messages, token->p, token->n);
	at = l->messages.len;
	if (!r)
		r = ntlm_write_challenge(&l->messages, token->p, token->n, l->proof.challenge,
					 unix_s);
	if (r)
		return r;
	answer = cursor_of(buf_head(&l->messages) + at, l->messages.len - at);
	l->auth_at = l->messages.len;
	l->state = WANT_AUTHENTICATE;
	r = say(l, SPNEGO_INCOMPLETE, &answer, NULL, NULL, out);
	return r ? r : NLA_MORE;
}

static int on_authenticate(struct nla *l, const struct cursor *token)
{
	int r = ntlm_parse_authenticate(token->p, token->n, &l->proof);

	if (!r)
		r = ntlm_parse_exchange(token->p, token->n, &l->proof, &l->exchange);
	if (!r && utf16_to_utf8(l->user, sizeof(l->user), l->proof.user, l->proof.n_user) < 0)
		r = -EPROTO;
	if (!r)
		r = buf_append(&l->messages, token->p, token->n);
	l->state = PROVING;
	return r ? r : NLA_PROOF;
}

/* The NTLM message in a token: SPNEGO where the first one was. */
static int unwrap(struct nla *l, struct cursor *token)
{
	struct spnego_token t;
	int r;

	if (l->state == WANT_NEGOTIATE && !l->chose)
		l->wrapped = !ntlm_type(token->p, token->n);
	if (!l->wrapped)
		return 0;
	r = spnego_parse(token->p, token->n, &t);
	if (r)
		return -EPROTO;
	if (t.init != (l->state == WANT_NEGOTIATE && !l->chose) || t.mechs.n > sizeof(l->mechs))
		return -EPROTO;
	if (t.init) {
		memcpy(l->mechs, t.mechs.p, t.mechs.n);
		l->n_mechs = t.mechs.n;
		l->needs_mic = !t.ntlm_first;
		if (!t.ntlm_first)
			t.token = (struct cursor){0}; /* another mechanism's */
	}
	if (t.mic.n && (t.init || t.mic.n != sizeof(l->mic)))
		return -EPROTO;
	if (t.mic.n)
		memcpy(l->mic, t.mic.p, t.mic.n);
	l->n_mic = t.mic.n;
	*token = t.token;
	return 0;
}

/* ---- the binding to our certificate, [MS-CSSP] 3.1.5 ---- */

/* SHA-256 over a sentence with its NUL, the nonce and the key. */
static int binding(const struct nla *l, const char *sentence, uint8_t out[HASH_LEN])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(c, sentence, strlen(sentence) + 1) == 1 &&
		  EVP_DigestUpdate(c, l->nonce, sizeof(l->nonce)) == 1 &&
		  EVP_DigestUpdate(c, l->key, l->n_key) == 1 &&
		  EVP_DigestFinal_ex(c, out, NULL) == 1;

	EVP_MD_CTX_free(c);
	return ok ? 0 : -ENOMEM;
}

/* What the client must have sealed, and what we answer; both of *n bytes. From version 5 on hashes,
 * before the key itself, and it with 1 added to its first byte. */
static int expected(const struct nla *l, uint8_t *said, uint8_t *answer, size_t *n)
{
	int r;

	if (l->version >= 5) {
		*n = HASH_LEN;
		r = binding(l, "CredSSP Client-To-Server Binding Hash", said);
		return r ? r : binding(l, "CredSSP Server-To-Client Binding Hash", answer);
	}
	*n = l->n_key;
	memcpy(said, l->key, *n);
	memcpy(answer, l->key, *n);
	answer[0]++;
	return 0;
}

/* Checks pubKeyAuth and makes our own in sealed. */
static int check_key(struct nla *l, uint8_t *sealed, size_t *n_sealed)
{
	uint8_t want[KEY_MAX], answer[KEY_MAX], said[KEY_MAX];
	size_t n;
	int r;

	if (l->version >= 5 && !l->has_nonce)
		return -EPROTO;
	r = expected(l, want, answer, &n);
	if (r)
		return r;
	if (l->n_key_auth != n + NTLM_SIGNATURE_LEN)
		return -EACCES;
	r = ntlm_unwrap(&l->seal.in, l->key_auth, l->n_key_auth, said);
	if (r || CRYPTO_memcmp(said, want, n) != 0)
		return r ? r : -EACCES;
	*n_sealed = l->n_key_auth;
	return ntlm_wrap(&l->seal.out, answer, n, sealed);
}

static int end_mics(struct nla *l, uint8_t mine[NTLM_SIGNATURE_LEN])
{
	uint8_t want[NTLM_SIGNATURE_LEN];
	int r = ntlm_sign(&l->seal.in, l->mechs, l->n_mechs, want);

	if (!r)
		r = CRYPTO_memcmp(want, l->mic, sizeof(want)) ? -EACCES : 0;
	if (!r)
		r = ntlm_sign(&l->seal.out, l->mechs, l->n_mechs, mine);
	ntlm_restart(&l->seal.in);
	ntlm_restart(&l->seal.out);
	return r;
}

static int answer_proof(struct nla *l, struct buf *out)
{
	uint8_t mine[NTLM_SIGNATURE_LEN], sealed[sizeof(l->key_auth)];
	struct cursor mic = {0}, key_auth = {0};
	size_t n = 0;
	int r = 0;

	if (l->needs_mic && !l->n_mic)
		return -EACCES;
	if (l->n_mic) {
		r = end_mics(l, mine);
		mic = cursor_of(mine, sizeof(mine));
	}
	if (!r && l->n_key_auth) {
		r = check_key(l, sealed, &n);
		key_auth = cursor_of(sealed, n);
	}
	if (r)
		return r;
	l->state = n ? WANT_SECRET : WANT_KEY;
	r = say(l, SPNEGO_COMPLETED, NULL, &mic, &key_auth, out);
	return r ? r : NLA_MORE;
}

int nla_proved(struct nla *l, const uint8_t key[NTLMV2_KEY_LEN], struct buf *out)
{
	int r = ntlm_seal_init(&l->seal, key, l->exchange.key);

	if (!r && l->exchange.mic_at &&
	    !ntlm_seal_mic_ok(&l->seal, buf_head(&l->messages), l->messages.len,
			      l->auth_at + l->exchange.mic_at))
		r = -EACCES;
	buf_fini(&l->messages);
	/* Without SPNEGO there is nothing to say that a key alone does not. */
	if (!r && !l->n_key_auth && !l->wrapped)
		r = -EPROTO;
	if (!r)
		r = answer_proof(l, out);
	return r == -EACCES ? deny(l, out) : r;
}

/* ---- after the proof ---- */

static int on_key(struct nla *l, struct buf *out)
{
	uint8_t sealed[sizeof(l->key_auth)];
	struct credssp_request q = {.version = CREDSSP_VERSION_MAX};
	size_t n = 0;
	int r = check_key(l, sealed, &n);

	if (r)
		return r == -EACCES ? deny(l, out) : r;
	q.pub_key_auth = cursor_of(sealed, n);
	l->state = WANT_SECRET;
	r = credssp_write(out, &q);
	return r ? r : NLA_MORE;
}

/* The secret must be the one that was proved: nobody logs in as somebody else's proof. */
static int on_secret(struct nla *l, const struct cursor *sealed, struct buf *out)
{
	uint8_t m[CREDSSP_MESSAGE_MAX];
	int r = sealed->n > NTLM_SIGNATURE_LEN && sealed->n <= sizeof(m)
			? ntlm_unwrap(&l->seal.in, sealed->p, sealed->n, m)
			: -EPROTO;

	if (!r)
		r = credssp_parse_credentials(m, sealed->n - NTLM_SIGNATURE_LEN, &l->password);
	explicit_bzero(m, sizeof(m));
	if (!r && !ntlm_proves(&l->proof, l->password.password.bytes))
		r = -EACCES;
	if (r)
		return r == -EACCES ? deny(l, out) : r;
	l->state = OVER;
	return NLA_DONE;
}

/* Keeps what may come before its time. */
static int keep(struct nla *l, const struct credssp_request *q)
{
	if (l->version && q->version != l->version)
		return -EPROTO;
	l->version = q->version;
	if (q->nonce.n) {
		memcpy(l->nonce, q->nonce.p, q->nonce.n);
		l->has_nonce = true;
	}
	if (q->pub_key_auth.n > sizeof(l->key_auth) || (q->pub_key_auth.n && l->n_key_auth))
		return -EPROTO;
	if (q->pub_key_auth.n) {
		memcpy(l->key_auth, q->pub_key_auth.p, q->pub_key_auth.n);
		l->n_key_auth = q->pub_key_auth.n;
	}
	return 0;
}

static int on_token(struct nla *l, struct cursor token, int64_t unix_s, struct buf *out)
{
	int r = unwrap(l, &token);

	if (r)
		return r;
	if (l->state == WANT_AUTHENTICATE)
		return on_authenticate(l, &token);
	if (token.n)
		return on_negotiate(l, &token, unix_s, out);
	if (l->chose || !l->wrapped)
		return -EPROTO;
	r = say(l, SPNEGO_REQUEST_MIC, NULL, NULL, NULL, out);
	return r ? r : NLA_MORE;
}

int nla_take(struct nla *l, const uint8_t *p, size_t n, int64_t unix_s, struct buf *out)
{
	struct credssp_request q;
	int r = credssp_parse(p, n, &q);

	if (!r)
		r = keep(l, &q);
	if (r)
		return r;
	if (l->state != WANT_AUTHENTICATE && l->state != WANT_KEY && q.pub_key_auth.n)
		return -EPROTO;
	switch (l->state) {
	case WANT_NEGOTIATE:
	case WANT_AUTHENTICATE:
		return q.token.n ? on_token(l, q.token, unix_s, out) : -EPROTO;
	case WANT_KEY:
		return q.pub_key_auth.n && !q.token.n ? on_key(l, out) : -EPROTO;
	case WANT_SECRET:
		return on_secret(l, &q.auth_info, out);
	default:
		return -EPROTO;
	}
}
