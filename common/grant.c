/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signed grants; see grant.h. Ed25519 by OpenSSL (RFC 8032). grant_seen is a plain table: a host
 * accepts few connections a second and a nonce lives half a minute.
 */
#include "common/grant.h"
#include "common/file.h"
#include "common/json.h"
#include "common/secret.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define GRANT_SEEN_MAX 8192
#define SIG_BYTES      64

EVP_PKEY *grant_key_load(const char *path, bool private_key, struct err *e)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	EVP_PKEY *k;

	if (!f) {
		err_set(e, -errno, "cannot read the grant key %s: %s", path, strerror(errno));
		return NULL;
	}
	k = private_key ? PEM_read_PrivateKey(f, NULL, NULL, NULL)
			: PEM_read_PUBKEY(f, NULL, NULL, NULL);
	if (!k || EVP_PKEY_get_id(k) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(k);
		err_set(e, -EINVAL, "%s is not an Ed25519 %s key in PEM form", path,
			private_key ? "private" : "public");
		return NULL;
	}
	return k;
}

EVP_PKEY *grant_key_parse_public(const char *pem, struct err *e)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *k = b ? PEM_read_bio_PUBKEY(b, NULL, NULL, NULL) : NULL;

	BIO_free(b);
	if (k && EVP_PKEY_get_id(k) == EVP_PKEY_ED25519)
		return k;
	EVP_PKEY_free(k);
	err_set(e, -EINVAL, "the grant key is not an Ed25519 public key in PEM form");
	return NULL;
}

static int sign(EVP_PKEY *key, const char *text, size_t n, uint8_t sig[SIG_BYTES])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = SIG_BYTES;
	int ok = c && EVP_DigestSignInit(c, NULL, NULL, NULL, key) == 1 &&
		 EVP_DigestSign(c, sig, &len, (const uint8_t *)text, n) == 1;

	EVP_MD_CTX_free(c);
	return ok && len == SIG_BYTES ? 0 : -EIO;
}

static bool signature_ok(EVP_PKEY *key, const char *text, size_t n, const uint8_t sig[SIG_BYTES])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(c, sig, SIG_BYTES, (const uint8_t *)text, n) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

int grant_sign(EVP_PKEY *key, const struct grant *g, char out[GRANT_MAX], struct err *e)
{
	cleanup_json json_t *j =
		json_pack("{ss ss sI ss ss ss sI}", "host", g->host, "desktop", g->desktop, "epoch",
			  (json_int_t)g->epoch, "user", g->user, "conn", g->conn, "nonce", g->nonce,
			  "exp", (json_int_t)g->expires_s);
	bool moded = !g->mode[0] || (j && !json_object_set_new(j, "mode", json_string(g->mode)));
	cleanup_free char *text = j && moded ? json_dumps(j, JSON_COMPACT) : NULL;
	uint8_t sig[SIG_BYTES];
	size_t n;

	if (!text)
		return err_set(e, -EINVAL, "a grant field is not valid text");
	/* prefix + payload + dot + signature */
	if (4 + 4 * ((strlen(text) + 2) / 3) + 1 + 4 * ((SIG_BYTES + 2) / 3) + 1 > GRANT_MAX)
		return err_set(e, -E2BIG, "the grant is too long");
	memcpy(out, "pg1.", 4);
	n = 4 + base64url_encode(out + 4, text, strlen(text));
	if (sign(key, out, n, sig))
		return err_set(e, -EIO, "cannot sign the grant");
	out[n++] = '.';
	base64url_encode(out + n, sig, SIG_BYTES);
	return 0;
}

static int copy_field(json_t *j, const char *key, char *to, size_t size, struct err *e)
{
	const char *v;
	int r = json_need_str(j, key, 1, size - 1, &v, e);

	if (!r)
		memcpy(to, v, strlen(v) + 1);
	return r;
}

/* What is no known mode is no grant: nobody is let in as more than they are. */
static int parse_mode(json_t *j, struct grant *g, struct err *e)
{
	const char *mode = "";
	int r = json_opt_str(j, "mode", sizeof(g->mode) - 1, &mode, e);

	if (!r && mode[0] && strcmp(mode, "view") != 0 && strcmp(mode, "control") != 0)
		r = err_setw(e, -EINVAL, "grant.form", "the grant is of an unknown mode");
	if (!r)
		memcpy(g->mode, mode, strlen(mode) + 1);
	return r;
}

static int parse_payload(json_t *j, struct grant *g, struct err *e)
{
	int r = copy_field(j, "host", g->host, sizeof(g->host), e);

	r = r ? r : copy_field(j, "desktop", g->desktop, sizeof(g->desktop), e);
	r = r ? r : copy_field(j, "user", g->user, sizeof(g->user), e);
	r = r ? r : copy_field(j, "conn", g->conn, sizeof(g->conn), e);
	r = r ? r : copy_field(j, "nonce", g->nonce, sizeof(g->nonce), e);
	r = r ? r : parse_mode(j, g, e);
	r = r ? r : json_need_int(j, "epoch", 0, INT64_MAX, &g->epoch, e);
	return r ? r : json_need_int(j, "exp", 0, INT64_MAX, &g->expires_s, e);
}

int grant_verify(EVP_PKEY *key, const char *text, struct grant *g, struct err *e)
{
	size_t n = strnlen(text, GRANT_MAX);
	const char *dot = n < GRANT_MAX && n > 4 ? strchr(text + 4, '.') : NULL;
	uint8_t sig[SIG_BYTES], payload[GRANT_MAX];
	cleanup_json json_t *j = NULL;
	int len;

	if (!dot || strncmp(text, "pg1.", 4) ||
	    base64url_decode(sig, sizeof(sig), dot + 1, strlen(dot + 1)) != SIG_BYTES)
		return err_setw(e, -EINVAL, "grant.form", "the grant is malformed");
	if (!signature_ok(key, text, (size_t)(dot - text), sig))
		return err_setw(e, -EACCES, "grant.signature", "the grant is not the broker's");
	len = base64url_decode(payload, sizeof(payload), text + 4, (size_t)(dot - text - 4));
	if (len < 0)
		return err_setw(e, -EINVAL, "grant.form", "the grant is malformed");
	j = json_parse(payload, (size_t)len, e);
	return j ? parse_payload(j, g, e) : -EINVAL;
}

struct grant_seen {
	size_t n;
	struct {
		char nonce[32];
		int64_t expires_s;
	} at[GRANT_SEEN_MAX];
};

struct grant_seen *grant_seen_new(void)
{
	return calloc(1, sizeof(struct grant_seen));
}

void grant_seen_free(struct grant_seen *s)
{
	free(s);
}

int grant_once(struct grant_seen *s, const struct grant *g, int64_t now_s)
{
	for (size_t i = 0; i < s->n;) {
		if (!strcmp(s->at[i].nonce, g->nonce))
			return -EEXIST;
		/* A minute beyond expiry, so that a small step of the clock opens no gap. */
		if (s->at[i].expires_s + 60 < now_s)
			s->at[i] = s->at[--s->n];
		else
			i++;
	}
	if (s->n == GRANT_SEEN_MAX)
		return -ENOSPC;
	memcpy(s->at[s->n].nonce, g->nonce, sizeof(g->nonce));
	s->at[s->n++].expires_s = g->expires_s;
	return 0;
}
