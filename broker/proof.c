/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POST /internal/v1/proofs: a gateway has a client's answer to an NTLM challenge, and asks whether
 * it was made with one of the user's tickets that are good now. The hashes stay here; what goes
 * back is the key of this one exchange. The ticket is not spent: its text follows, with
 * /internal/v1/connections.
 */
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/auth.h"
#include "broker/valid.h"
#include "common/json.h"
#include "common/ntlmv2.h"

#include <errno.h>
#include <string.h>

/* The account's name: some clients put a Windows domain before or behind it. */
static void account(const char *user, char out[256])
{
	const char *slash = strchr(user, '\\');

	snprintf(out, 256, "%s", slash ? slash + 1 : user);
	out[strcspn(out, "@")] = '\0';
}

/* Tries each hash of the list, which is hex with a blank between. */
static bool proves(const struct ntlmv2_answer *a, char *list, uint8_t key[NTLMV2_KEY_LEN])
{
	uint8_t hash[NTLMV2_HASH_LEN];
	bool ok = false;
	size_t n;
	char *rest = NULL;

	for (char *s = strtok_r(list, " ", &rest); s && !ok; s = strtok_r(NULL, " ", &rest))
		ok = !ntlmv2_unhex(hash, sizeof(hash), s, &n) && n == sizeof(hash) &&
		     ntlmv2_proves(a, hash, key);
	explicit_bzero(hash, sizeof(hash));
	return ok;
}

static enum req_step denied(struct db *db, struct req *r, const char *user)
{
	if (audit_write(db, r, user, "connect.ticket", "", "denied", "no ticket proved"))
		return req_fail_db(r, db);
	return auth_denied(r);
}

enum req_step api_proof(struct broker *b, struct db *db, struct req *r)
{
	uint8_t names[NTLMV2_NAMES_MAX], challenge[NTLMV2_CHALLENGE_LEN];
	uint8_t response[NTLMV2_RESPONSE_MAX], key[NTLMV2_KEY_LEN];
	struct ntlmv2_answer a = {.names = names, .challenge = challenge, .response = response};
	char user[256], text[2 * NTLMV2_KEY_LEN + 1];
	cleanup_free char *list = NULL;
	struct proof_body p;
	struct err e = {0};
	size_t n;

	(void)b;
	if (valid_proof(r->json, &p, &e))
		return req_fail_err(r, &e);
	if (ntlmv2_unhex(names, sizeof(names), p.names, &a.n_names) ||
	    ntlmv2_unhex(challenge, sizeof(challenge), p.challenge, &n) ||
	    ntlmv2_unhex(response, sizeof(response), p.response, &a.n_response))
		return req_fail(r, 400, "request.invalid", "A proof is written in hex.");
	snprintf(r->conn, sizeof(r->conn), "%s", p.conn);
	snprintf(r->client, sizeof(r->client), "%s", p.client);
	account(p.user, user);
	list = db_text(db, "SELECT pane.ticket_proofs($1)", user);
	if (!list)
		return req_fail_db(r, db);
	if (!proves(&a, list, key))
		return denied(db, r, user);
	ntlmv2_hex(text, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return req_reply_json(r, 200, json_pack("{s:s}", "session_key", text));
}
