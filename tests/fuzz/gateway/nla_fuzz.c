/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's CredSSP messages, each behind two bytes of length: as a login takes them, with a
 * broker that finds every second proof good; then each by itself through the parsers.
 */
#include "gateway/nla.h"
#include "gateway/spnego.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const struct cursor *c, const uint8_t *p, size_t n)
{
	return !c->n || (c->p >= p && c->p + c->n <= p + n);
}

static void parse_alone(const uint8_t *p, size_t n)
{
	struct credssp_request q, again;
	struct credssp_password pw;
	struct spnego_token t;
	struct buf b;
	size_t len;

	buf_init(&b, 0);
	if (!der_frame(p, n, DER_SEQUENCE, CREDSSP_MESSAGE_MAX, &len) && len > n)
		abort();
	if (!credssp_parse(p, n, &q)) {
		if (!inside(&q.token, p, n) || !inside(&q.auth_info, p, n) ||
		    !inside(&q.pub_key_auth, p, n) || !inside(&q.nonce, p, n))
			abort();
		/* What we write of it reads the same. */
		if (!credssp_write(&b, &q) &&
		    (credssp_parse(buf_head(&b), b.len, &again) || again.error != q.error ||
		     again.version != q.version || again.token.n != q.token.n ||
		     again.nonce.n != q.nonce.n))
			abort();
		if (!spnego_parse(q.token.p, q.token.n, &t) &&
		    (!inside(&t.token, p, n) || !inside(&t.mechs, p, n) || !inside(&t.mic, p, n)))
			abort();
	}
	if (!credssp_parse_credentials(p, n, &pw) && pw.password.len >= SECRET_MAX)
		abort();
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t ours[65] = {4}, key[NTLMV2_KEY_LEN] = {1};
	struct nla *l = nla_new(ours, sizeof(ours));
	struct buf out;
	int r = NLA_MORE;

	buf_init(&out, 0);
	while (l && size >= 2) {
		size_t n = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (n > size)
			n = size;
		parse_alone(data, n);
		if (r == NLA_MORE)
			r = nla_take(l, data, n, 1, &out);
		if (r == NLA_PROOF) {
			uint8_t names[NTLMV2_NAMES_MAX];
			struct ntlmv2_answer a = nla_answer(l, names);

			if (a.n_names > sizeof(names) || a.n_response > NTLMV2_RESPONSE_MAX)
				abort();
			r = n & 1 ? nla_refuse(l, NLA_LOGON_FAILURE, &out)
				  : nla_proved(l, key, &out);
		}
		data += n;
		size -= n;
	}
	if (r == NLA_DONE)
		abort(); /* nobody has the key of a proof made here */
	buf_fini(&out);
	nla_free(l);
	return 0;
}
