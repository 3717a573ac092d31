/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Claims; see claim.h. No state beyond each claim's own.
 */
#include "gateway/claim.h"
#include "gateway/utf16.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum claim_kind {
	CLAIM_PASSWORD,
	CLAIM_TICKET,
	CLAIM_NTLM
};

struct gw_claim {
	enum claim_kind kind;
	struct gw_credentials cred; /* NTLM: the user only */
	struct ntlm_proof proof;
};

int gw_base64_decode(uint8_t *out, size_t max, const char *p, size_t n)
{
	char text[NTLM_MESSAGE_MAX / 3 * 4 + 8];
	int r;

	if (n % 4 || n >= sizeof(text))
		return -EINVAL;
	for (unsigned i = 0; i < 2 && n && p[n - 1] == '='; i++)
		n--;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '-' || p[i] == '_')
			return -EINVAL;
		text[i] = (char)(p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i]);
	}
	r = base64url_decode(out, max, text, n);
	explicit_bzero(text, sizeof(text));
	return r;
}

void gw_claim_free(struct gw_claim *k)
{
	if (k)
		explicit_bzero(k, sizeof(*k));
	free(k);
}

const char *gw_claim_kind(const struct gw_claim *k)
{
	static const char *const names[] = {"password", "ticket", "ntlm"};

	return names[k->kind];
}

static int keep(struct gw_claim **out, struct gw_claim *k, int r)
{
	if (r)
		gw_claim_free(k);
	else
		*out = k;
	return r == -ENOMEM || !r ? r : -EPROTO;
}

/* user is NUL-terminated; n bytes of password, which may be a ticket. */
static int set_password(struct gw_credentials *c, const char *user, const char *p, size_t n)
{
	int r = gw_credentials_user(c, user);

	if (memchr(p, '\0', n))
		return -EPROTO;
	return r ? r : secret_set(&c->password, p, n);
}

int gw_claim_basic(struct gw_claim **out, const char *p, size_t n)
{
	struct gw_claim *k = calloc(1, sizeof(*k));
	uint8_t text[1024];
	char *colon;
	int len = gw_base64_decode(text, sizeof(text) - 1, p, n), r = -EPROTO;

	if (!k)
		return -ENOMEM;
	k->kind = CLAIM_PASSWORD;
	text[len < 0 ? 0 : len] = '\0';
	colon = strchr((char *)text, ':');
	if (len > 0 && colon) {
		*colon = '\0';
		r = set_password(&k->cred, (char *)text, colon + 1,
				 (size_t)((char *)text + len - colon - 1));
	}
	explicit_bzero(text, sizeof(text));
	return keep(out, k, r);
}

int gw_claim_ticket(struct gw_claim **out, const char *p, size_t n)
{
	struct gw_claim *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->kind = CLAIM_TICKET;
	return keep(out, k, gw_is_ticket(p, n) ? secret_set(&k->cred.ticket, p, n) : -EPROTO);
}

int gw_claim_ntlm(struct gw_claim **out, const uint8_t challenge[NTLM_CHALLENGE_LEN],
		  const uint8_t *p, size_t n)
{
	struct gw_claim *k = calloc(1, sizeof(*k));
	char user[NTLM_NAME_MAX * 2];
	int r;

	if (!k)
		return -ENOMEM;
	k->kind = CLAIM_NTLM;
	memcpy(k->proof.challenge, challenge, NTLM_CHALLENGE_LEN);
	r = ntlm_parse_authenticate(p, n, &k->proof);
	if (!r && utf16_to_utf8(user, sizeof(user), k->proof.user, k->proof.n_user) < 0)
		r = -EPROTO;
	return keep(out, k, r ? r : gw_credentials_user(&k->cred, user));
}

/* Without a Windows domain before it or behind it: we have none. */
static void account(const char *user, const char **p, size_t *n)
{
	const char *slash = strchr(user, '\\');

	*p = slash ? slash + 1 : user;
	*n = strcspn(*p, "@");
}

static bool same_account(const char *a, const char *b)
{
	const char *p, *q;
	size_t n, m;

	account(a, &p, &n);
	account(b, &q, &m);
	return n == m && !strncasecmp(p, q, n);
}

int gw_claim_settle(const struct gw_claim *k, struct gw_credentials *c)
{
	if (!k || c->ticket.len) /* a ticket inside is proof of its own */
		return 0;
	if (k->kind == CLAIM_TICKET) {
		secret_wipe(&c->password);
		c->ticket = k->cred.ticket;
		return 0;
	}
	if (k->kind == CLAIM_PASSWORD && !c->password.len) {
		if (c->user[0] && !same_account(c->user, k->cred.user))
			return -EACCES;
		c->password = k->cred.password;
		if (!c->desktop[0])
			memcpy(c->desktop, k->cred.desktop, sizeof(c->desktop));
		memcpy(c->user, k->cred.user, sizeof(c->user));
		return 0;
	}
	if (!same_account(c->user, k->cred.user))
		return -EACCES;
	if (k->kind == CLAIM_PASSWORD)
		return secret_equal(&c->password, &k->cred.password) ? 0 : -EACCES;
	return ntlm_proves(&k->proof, c->password.bytes) ? 0 : -EACCES;
}
