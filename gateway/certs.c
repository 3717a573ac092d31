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
#include <openssl/x509v3.h>
#include <string.h>

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

/* RFC 6066, 3: the first certificate for the name the client asks for; the very first where it asks
 * for none, or for one that is not ours. The context's argument is its door's list. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *const *fronts = arg;

	(void)alert;
	for (; name && *fronts; fronts++)
		if (X509_check_host(SSL_CTX_get0_certificate(*fronts), name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, *fronts);
			break;
		}
	return SSL_TLSEXT_ERR_OK;
}

struct material {
	char *texts[GW_KEEPER_FILES];	 /* owned */
	EVP_PKEY *host;			 /* owned */
	EVP_PKEY *fronts[GW_FRONTS_MAX]; /* owned */
};

static void material_fini(struct material *m)
{
	for (int i = 0; i < GW_KEEPER_FILES; i++)
		free(m->texts[i]);
	EVP_PKEY_free(m->host);
	for (int i = 0; i < GW_FRONTS_MAX; i++)
		EVP_PKEY_free(m->fronts[i]);
}

static int gather(struct material *m, const struct gw_worker *w, struct err *e)
{
	int r = gw_keeper_file(w->keeper, GW_CA, &m->texts[GW_CA], e);

	if (!r)
		r = gw_keeper_file(w->keeper, GW_HOST_CERT, &m->texts[GW_HOST_CERT], e);
	if (!r && !(m->host = gw_remote_key(m->texts[GW_HOST_CERT], w->keeper, e)))
		r = -EINVAL;
	for (int i = 0; !r && w->conf->cert[i]; i++) {
		char **text = &m->texts[GW_FRONT_CERT + i];

		r = gw_keeper_file(w->keeper, (enum gw_keeper_file)(GW_FRONT_CERT + i), text, e);
		if (!r && !(m->fronts[i] = gw_remote_key(*text, w->keeper, e)))
			r = -EINVAL;
	}
	return r;
}

static SSL_CTX *front(const struct material *m, int i, bool ask, struct gw_ticket_keys *keys,
		      struct err *e)
{
	SSL_CTX *c = tls_context(&(struct tls_params){.role = TLS_SERVER,
						      .cert_pem = m->texts[GW_FRONT_CERT + i],
						      .identity = m->fronts[i],
						      .ca_pem = ask ? m->texts[GW_CA] : NULL},
				 e);

	if (c && gw_ticket_keys_use(keys, c)) {
		err_set(e, -ENOMEM, "out of memory");
		SSL_CTX_free(c);
		return NULL;
	}
	if (c && ask)
		SSL_CTX_set_client_hello_cb(c, on_hello, NULL);
	return c;
}

static void free_fronts(SSL_CTX *list[GW_FRONTS_MAX + 1])
{
	for (int i = 0; i <= GW_FRONTS_MAX; i++) {
		SSL_CTX_free(list[i]);
		list[i] = NULL;
	}
}

/* One door's contexts, from what was gathered. */
static int make_fronts(SSL_CTX *list[GW_FRONTS_MAX + 1], const struct material *m, bool ask,
		       struct gw_ticket_keys *keys, struct err *e)
{
	for (int i = 0; i < GW_FRONTS_MAX && m->fronts[i]; i++) {
		list[i] = front(m, i, ask, keys, e);
		if (!list[i])
			return -EINVAL;
	}
	return 0;
}

/* A handshake under way holds a reference of its own to the old ones. */
static void take_over(struct gw_worker *w, const struct gw_worker *new)
{
	gw_certs_free(w);
	memcpy(w->public_tls, new->public_tls, sizeof(w->public_tls));
	memcpy(w->https_tls, new->https_tls, sizeof(w->https_tls));
	w->host_tls = new->host_tls;
	if (w->public_tls[1]) { /* with one certificate there is nothing to choose */
		SSL_CTX_set_tlsext_servername_callback(w->public_tls[0], on_name);
		SSL_CTX_set_tlsext_servername_arg(w->public_tls[0], w->public_tls);
		SSL_CTX_set_tlsext_servername_callback(w->https_tls[0], on_name);
		SSL_CTX_set_tlsext_servername_arg(w->https_tls[0], w->https_tls);
	}
}

int gw_certs_load(struct gw_worker *w, struct err *e)
{
	struct material m = {0};
	struct gw_worker new = {0};
	int r = gather(&m, w, e);

	if (!r)
		r = make_fronts(new.public_tls, &m, false, w->ticket_keys, e);
	if (!r)
		r = make_fronts(new.https_tls, &m, true, w->ticket_keys, e);
	if (!r) {
		new.host_tls = tls_context(&(struct tls_params){.role = TLS_CLIENT,
								.cert_pem = m.texts[GW_HOST_CERT],
								.identity = m.host,
								.ca_pem = m.texts[GW_CA]},
					   e);
		r = new.host_tls ? 0 : -EINVAL;
	}
	material_fini(&m);
	if (r)
		gw_certs_free(&new);
	else
		take_over(w, &new);
	return r;
}

void gw_certs_free(struct gw_worker *w)
{
	free_fronts(w->public_tls);
	free_fronts(w->https_tls);
	SSL_CTX_free(w->host_tls);
	w->host_tls = NULL;
}
