/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See seal.h. Nonces are random: 2^32 seals a key are far away (NIST SP 800-38D 8.3).
 */
#include "broker/seal.h"
#include "broker/db.h"
#include "common/file.h"
#include "common/log.h"
#include "common/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define KEYS_MAX    16
#define KEY_BYTES   32
#define KEY_NAME    16
#define FILE_MAX    8192
#define IV_BYTES    12
#define TAG_BYTES   16
#define BATCH	    500
#define SEAL_PREFIX "ps1."

struct key {
	char name[KEY_NAME + 1];
	uint8_t bytes[KEY_BYTES];
};

struct seal {
	struct key key[KEYS_MAX]; /* the first seals */
	int n;
};

/* ---- the file ---- */

static int hex(const char *s, uint8_t out[KEY_BYTES])
{
	for (int i = 0; i < KEY_BYTES; i++) {
		unsigned v;

		if (strspn(s + 2 * i, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(s + 2 * i, "%2x", &v) != 1)
			return -EINVAL;
		out[i] = (uint8_t)v;
	}
	return s[2 * KEY_BYTES] ? -EINVAL : 0;
}

static const struct key *find(const struct seal *s, const char *name, size_t n)
{
	for (int i = 0; s && i < s->n; i++)
		if (strlen(s->key[i].name) == n && !memcmp(s->key[i].name, name, n))
			return &s->key[i];
	return NULL;
}

/* "name hex" */
static int read_key(struct seal *s, char *line)
{
	char *blank = strchr(line, ' ');
	size_t n = blank ? (size_t)(blank - line) : 0;
	struct key *k = &s->key[s->n];

	if (!n || n > KEY_NAME || s->n == KEYS_MAX || find(s, line, n) ||
	    strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-") != n || hex(blank + 1, k->bytes))
		return -EINVAL;
	memcpy(k->name, line, n);
	k->name[n] = 0;
	s->n++;
	return 0;
}

struct seal *seal_load(const char *path, struct err *e)
{
	char *text = NULL, *save = NULL;
	struct seal *s = calloc(1, sizeof(*s));
	size_t len;
	int line = 0;

	if (!s || file_read(path, FILE_MAX, &text, &len, e)) {
		free(s);
		return NULL;
	}
	for (char *l = strtok_r(text, "\n", &save); l && s; l = strtok_r(NULL, "\n", &save)) {
		line++;
		if (*l == '#' || !read_key(s, l))
			continue;
		err_set(e, -EINVAL, "%s, key %d: a name of its own and 64 hexadecimal digits", path,
			line);
		seal_free(s);
		s = NULL;
	}
	if (s && !s->n) {
		err_set(e, -EINVAL, "%s has no key", path);
		seal_free(s);
		s = NULL;
	}
	explicit_bzero(text, len);
	free(text);
	return s;
}

void seal_free(struct seal *s)
{
	if (s)
		explicit_bzero(s, sizeof(*s));
	free(s);
}

/* ---- one text ---- */

/* Both ways; the tag follows the ciphertext. n is of the plain text. */
static int gcm(const struct key *k, bool seals, const uint8_t *iv, const char *of, uint8_t *in,
	       int n, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t *tag = seals ? out + n : in + n;
	int len, r = -EBADMSG;

	if (c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, iv, seals) == 1 &&
	    EVP_CipherUpdate(c, NULL, &len, (const uint8_t *)of, (int)strlen(of)) == 1 &&
	    EVP_CipherUpdate(c, out, &len, in, n) == 1 &&
	    (seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1) &&
	    EVP_CipherFinal_ex(c, out + len, &len) == 1 &&
	    (!seals || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1))
		r = 0;
	EVP_CIPHER_CTX_free(c);
	return r;
}

int seal_close(const struct seal *s, const char *of, const char *plain, char out[SEAL_TEXT_MAX])
{
	uint8_t all[IV_BYTES + SEAL_PLAIN_MAX + TAG_BYTES], in[SEAL_PLAIN_MAX];
	size_t n = strlen(plain);
	int r, at;

	if (n > SEAL_PLAIN_MAX)
		return -E2BIG;
	if (!s) {
		snprintf(out, SEAL_TEXT_MAX, "%s", plain);
		return 0;
	}
	random_bytes(all, IV_BYTES);
	memcpy(in, plain, n);
	r = gcm(&s->key[0], true, all, of, in, (int)n, all + IV_BYTES);
	explicit_bzero(in, sizeof(in));
	at = snprintf(out, SEAL_TEXT_MAX, SEAL_PREFIX "%s.", s->key[0].name);
	base64url_encode(out + at, all, IV_BYTES + n + TAG_BYTES);
	return r;
}

/* The key's name within the text, or NULL where there is no seal. */
static const char *name_in(const char *text, size_t *n)
{
	const char *name = text + strlen(SEAL_PREFIX), *dot;

	if (strncmp(text, SEAL_PREFIX, strlen(SEAL_PREFIX)) || !(dot = strchr(name, '.')))
		return NULL;
	*n = (size_t)(dot - name);
	return name;
}

int seal_open(const struct seal *s, const char *of, const char *text, char out[SEAL_PLAIN_MAX + 1])
{
	uint8_t all[IV_BYTES + SEAL_PLAIN_MAX + TAG_BYTES];
	const struct key *k;
	const char *name;
	size_t n = 0;
	int len, r;

	name = name_in(text, &n);
	if (!name) {
		n = strlen(text);
		if (n > SEAL_PLAIN_MAX)
			return -EBADMSG;
		memcpy(out, text, n + 1);
		return 0;
	}
	k = find(s, name, n);
	if (!k)
		return -ENOKEY;
	len = base64url_decode(all, sizeof(all), name + n + 1, strlen(name + n + 1));
	if (len < IV_BYTES + TAG_BYTES)
		return -EBADMSG;
	len -= IV_BYTES + TAG_BYTES;
	r = gcm(k, false, all, of, all + IV_BYTES, len, (uint8_t *)out);
	out[r ? 0 : len] = 0; /* nothing of what was not proven is given out */
	return r;
}

bool seal_current(const struct seal *s, const char *text)
{
	size_t n = 0;
	const char *name = name_in(text, &n);

	return s ? name && find(s, name, n) == &s->key[0] : true;
}

/* ---- all of them ---- */

/* 1: it was sealed anew; 0: not; negative: the database did not answer. */
static int reseal(const struct seal *s, struct db *db, const char *user, const char *text,
		  int *unknown)
{
	char plain[SEAL_PLAIN_MAX + 1], sealed[SEAL_TEXT_MAX];
	int r;

	if (seal_current(s, text))
		return 0;
	r = seal_open(s, user, text, plain);
	if (!r)
		r = seal_close(s, user, plain, sealed);
	explicit_bzero(plain, sizeof(plain));
	if (r) {
		(*unknown)++;
		return 0;
	}
	/* Of one that was made anew meanwhile nothing is changed. */
	r = db_exec(db, "UPDATE pane.totp SET secret = $3 WHERE user_id = $1 AND secret = $2", user,
		    text, sealed);
	return r ? -EIO : 1;
}

int seal_totp(const struct seal *s, struct db *db)
{
	char after[40] = "00000000-0000-0000-0000-000000000000";
	int sealed = 0, unknown = 0, rows = BATCH;
	char mine[SEAL_TEXT_MAX];

	/* A move that was begun under another key is begun again. */
	snprintf(mine, sizeof(mine), SEAL_PREFIX "%s.%%", s ? s->key[0].name : "");
	if (s && db_exec(db,
			 "UPDATE pane.totp SET next_secret = NULL, next_at = NULL WHERE "
			 "next_secret NOT LIKE $1",
			 mine))
		return -EIO;

	while (s && rows == BATCH) {
		cleanup_pgresult PGresult *res =
			db_query(db,
				 "SELECT user_id, secret FROM pane.totp WHERE user_id > $1 "
				 "ORDER BY user_id LIMIT 500",
				 DB_ARGS(after));

		if (!res)
			return -EIO;
		rows = PQntuples(res);
		for (int i = 0; i < rows; i++) {
			int r = reseal(s, db, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1),
				       &unknown);

			if (r < 0)
				return r;
			sealed += r;
		}
		if (rows)
			snprintf(after, sizeof(after), "%s", PQgetvalue(res, rows - 1, 0));
	}
	if (sealed || unknown)
		log_info("secrets.sealed", "key=%s sealed=%d unknown=%d", s->key[0].name, sealed,
			 unknown);
	return unknown;
}
