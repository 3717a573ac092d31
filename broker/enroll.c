/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POST /enroll: a one-time token and a certificate request become a host certificate. Token use and
 * signature are one transaction: a request that cannot be signed leaves the token usable.
 */
#include "broker/api.h"
#include "broker/pki.h"
#include "broker/ticket.h"
#include "broker/valid.h"

enum req_step api_enroll(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *id = NULL, *cert = NULL;
	char hash[DB_HASH_LEN], serial[48];
	struct enroll_body body;
	struct err e = {0};

	if (valid_enroll(r->json, &body, &e))
		return req_fail_err(r, &e);
	if (ticket_hash(ENROLL_PREFIX, body.token, hash))
		return req_fail(
			r, 403, "enroll.refused",
			"This is not an enrolment token. Get one with: pane hosts create NAME");
	id = db_text(db, "SELECT pane.host_enroll($1, $2)", hash, body.address);
	if (!id)
		return req_fail_db(r, db);
	if (broker_ca_sign_host(b->ca, body.csr, id, b->conf->cert_days, &cert, serial, &e))
		return req_fail_err(r, &e);
	if (db_exec(db, "UPDATE pane.host SET cert_serial = $2 WHERE id = $1", id, serial))
		return req_fail_db(r, db);
	snprintf(r->object, sizeof(r->object), "host/%s", id);
	return req_reply_json(r, 200,
			      json_pack("{s:s, s:s, s:s, s:s}", "host", id, "cert", cert, "ca",
					broker_ca_pem(b->ca), "grant_key", b->grant_pub));
}
