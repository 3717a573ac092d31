/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS contexts; see certs.h. The HTTPS port asks for a client certificate only where the client
 * can have one for us: host agents (libcurl) offer post-handshake authentication, browsers do not.
 * They are spared a dialogue, and their handshake two messages.
 */
#include "gateway/certs.h"
#include "common/tls.h"
#include "gateway/keeper.h"
#include "gateway/remote_key.h"
#include "gateway/ticket_keys.h"

#include <errno.h>
#include <openssl/tls1.h>

static int on_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *p;
	size_t n;

	(void)alert, (void)arg;
	/* Only where TLS 1.3 is spoken can the extension be missed. */
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n) &&
	    !SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_post_handshake_auth, &p, &n))
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	return SSL_CLIENT_HELLO_SUCCESS;
}

struct material {
	char *texts[GW_KEEPER_FILES]; /* owned */
	EVP_PKEY *front, *host;	      /* owned */
};

static void material_fini(struct material *m)
{
	for (int i = 0; i < GW_KEEPER_FILES; i++)
		free(m->texts[i]);
	EVP_PKEY_free(m->front);
	EVP_PKEY_free(m->host);
}

static int gather(struct material *m, int sock, struct err *e)
{
	int r = 0;

	for (int i = 0; !r && i < GW_KEEPER_FILES; i++)
		r = gw_keeper_file(sock, (enum gw_keeper_file)i, &m->texts[i], e);
	if (r)
		return r;
	m->front = gw_remote_key(m->texts[GW_FRONT_CERT], sock, e);
	if (m->front)
		m->host = gw_remote_key(m->texts[GW_HOST_CERT], sock, e);
	return m->host ? 0 : -EINVAL;
}

static SSL_CTX *context(const struct material *m, enum tls_role role, bool ca,
			struct gw_ticket_keys *keys, struct err *e)
{
	bool host = role == TLS_CLIENT;
	SSL_CTX *c = tls_context(
		&(struct tls_params){.role = role,
				     .cert_pem = m->texts[host ? GW_HOST_CERT : GW_FRONT_CERT],
				     .identity = host ? m->host : m->front,
				     .ca_pem = ca ? m->texts[GW_CA] : NULL},
		e);

	if (c && !host && gw_ticket_keys_use(keys, c)) {
		err_set(e, -ENOMEM, "out of memory");
		SSL_CTX_free(c);
		return NULL;
	}
	if (c && !host && ca)
		SSL_CTX_set_client_hello_cb(c, on_hello, NULL);
	return c;
}

int gw_certs_load(struct gw_worker *w, struct err *e)
{
	struct material m = {0};
	struct gw_worker new = {0};
	int r = gather(&m, w->keeper, e);

	if (!r)
		new.public_tls = context(&m, TLS_SERVER, false, w->ticket_keys, e);
	if (new.public_tls)
		new.https_tls = context(&m, TLS_SERVER, true, w->ticket_keys, e);
	if (new.https_tls)
		new.host_tls = context(&m, TLS_CLIENT, true, w->ticket_keys, e);
	material_fini(&m);
	if (!new.host_tls) {
		gw_certs_free(&new);
		return r ? r : -EINVAL;
	}
	/* Connections under way hold references of their own to the old ones. */
	gw_certs_free(w);
	w->public_tls = new.public_tls;
	w->https_tls = new.https_tls;
	w->host_tls = new.host_tls;
	return 0;
}

void gw_certs_free(struct gw_worker *w)
{
	SSL_CTX_free(w->public_tls);
	SSL_CTX_free(w->https_tls);
	SSL_CTX_free(w->host_tls);
	w->public_tls = w->https_tls = w->host_tls = NULL;
}
