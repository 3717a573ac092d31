/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper; see keeper.h. One thread, one poll loop; whatever a worker sends is checked here as a
 * stranger's bytes would be, as that is what they are once a worker is taken over. It holds the
 * keys of the last two generations, so that handshakes begun before a reload end well. It can be
 * made to sign, not to tell: that is the point.
 */
#include "gateway/keeper.h"
#include "common/file.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/tls.h"
#include "gateway/jail.h"
#include "gateway/stats.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define GENERATIONS 2
#define EXPIRY_DAYS 30

enum {
	HOST,
	FRONT, /* the first of them */
	KEYS = FRONT + GW_FRONTS_MAX
};

struct held {
	EVP_PKEY *key;	     /* owned */
	EVP_PKEY_CTX *ecdsa; /* owned; made ready once, as that costs as much as to sign */
	uint8_t id[GW_KEY_ID];
};

struct generation {
	struct held keys[KEYS];
	char *files[GW_KEEPER_FILES]; /* owned */
};

struct keeper {
	const struct gw_config *conf; /* borrowed */
	struct gw_stats *stats;	      /* borrowed, shared */
	struct generation gens[GENERATIONS];
};

static void generation_free(struct generation *g)
{
	for (int i = 0; i < KEYS; i++) {
		EVP_PKEY_CTX_free(g->keys[i].ecdsa);
		EVP_PKEY_free(g->keys[i].key);
	}
	for (int i = 0; i < GW_KEEPER_FILES; i++)
		free(g->files[i]);
	*g = (struct generation){0};
}

/* ---- loading ---- */

static int key_id(EVP_PKEY *key, uint8_t id[GW_KEY_ID])
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	int ok = n > 0 && EVP_Digest(der, (size_t)n, id, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok ? 0 : -EINVAL;
}

static int load_key(struct held *h, const char *cert_text, const char *cert, const char *path,
		    struct err *e)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	X509 *x = tls_first_certificate(cert_text);
	int r = 0;

	if (!x)
		r = err_set(e, -EINVAL, "cannot use the certificate %s: it is no PEM certificate",
			    cert);
	else if (!f)
		r = err_set(e, -errno, "cannot use the private key %s: %s", path, strerror(errno));
	else if (!(h->key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) || key_id(h->key, h->id))
		r = err_set(e, -EINVAL, "cannot use the private key %s: it is no PEM key", path);
	else if (X509_check_private_key(x, h->key) != 1)
		r = err_set(e, -EINVAL, "the key %s does not belong to the certificate %s", path,
			    cert);
	if (!r && EVP_PKEY_is_a(h->key, "EC")) {
		h->ecdsa = EVP_PKEY_CTX_new(h->key, NULL);
		if (!h->ecdsa || EVP_PKEY_sign_init(h->ecdsa) != 1)
			r = err_set(e, -EINVAL, "cannot sign with the private key %s", path);
	}
	X509_free(x);
	ERR_clear_error();
	return r;
}

static int check_ca(const char *text, const char *path, struct err *e)
{
	X509 *x = tls_first_certificate(text);

	X509_free(x);
	ERR_clear_error();
	return x ? 0
		 : err_set(e, -EINVAL, "cannot use the CA file %s: it is no PEM certificate", path);
}

/* An administrator hears of it while there is time. */
static void warn_of_expiry(const char *text, const char *path)
{
	X509 *x = tls_first_certificate(text);
	int days = 0, seconds = 0;

	if (x && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) == 1 &&
	    days < EXPIRY_DAYS)
		log_warn("cert.expires", "file=%s days=%d%s", LOG_Q(path), days,
			 days < 0 || seconds < 0 ? " expired=yes" : "");
	X509_free(x);
}

static int load(const struct gw_config *c, struct generation *g, struct err *e)
{
	const char *files[GW_KEEPER_FILES] = {[GW_HOST_CERT] = c->host_cert, [GW_CA] = c->ca};
	int n = GW_FRONT_CERT, r = 0;

	for (char **f = c->cert; *f; f++)
		files[n++] = *f;
	for (int i = 0; !r && i < n; i++) {
		r = file_read(files[i], GW_FILE_MAX - 1, &g->files[i], NULL, e);
		if (r)
			err_prefix(e, "cannot use the %s", i == GW_CA ? "CA file" : "certificate");
	}
	if (!r)
		r = check_ca(g->files[GW_CA], c->ca, e);
	if (!r)
		r = load_key(&g->keys[HOST], g->files[GW_HOST_CERT], c->host_cert, c->host_key, e);
	for (int i = 0; !r && c->cert[i]; i++)
		r = load_key(&g->keys[FRONT + i], g->files[GW_FRONT_CERT + i], c->cert[i],
			     c->key[i], e);
	for (int i = 0; !r && i < n; i++)
		warn_of_expiry(g->files[i], files[i]);
	return r;
}

int gw_keeper_check(const struct gw_config *c, struct err *e)
{
	struct generation g = {0};
	int r = load(c, &g, e);

	generation_free(&g);
	return r;
}

/* Unix time; 0 = no certificate. */
static int64_t not_after(const char *text)
{
	X509 *x = text ? tls_first_certificate(text) : NULL;
	struct tm tm = {0};
	int64_t at = 0;

	if (x && ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1)
		at = timegm(&tm);
	X509_free(x);
	ERR_clear_error();
	return at;
}

static int reload(struct keeper *k, struct err *e)
{
	struct generation g = {0};
	int r = load(k->conf, &g, e);

	if (r) {
		generation_free(&g);
		return r;
	}
	generation_free(&k->gens[1]);
	k->gens[1] = k->gens[0];
	k->gens[0] = g;
	for (unsigned i = 0; i < GW_KEEPER_FILES; i++)
		gw_stats_certificate(k->stats, i, not_after(g.files[i]));
	return 0;
}

/* ---- answering ---- */

static const struct held *find(const struct keeper *k, const uint8_t id[GW_KEY_ID])
{
	for (int g = 0; g < GENERATIONS; g++)
		for (int i = 0; i < KEYS; i++) {
			const struct held *h = &k->gens[g].keys[i];

			if (h->key && !memcmp(h->id, id, GW_KEY_ID))
				return h;
		}
	return NULL;
}

static bool sign_rsa(EVP_PKEY *key, const struct gw_keeper_ask *q, uint8_t *out, size_t *n)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	bool ok = c && EVP_PKEY_sign_init(c) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(c, (int)q->arg) == 1 &&
		  EVP_PKEY_sign(c, out, n, q->data, q->len) == 1;

	EVP_PKEY_CTX_free(c);
	return ok;
}

static int sign(const struct held *h, const struct gw_keeper_ask *q, struct gw_keeper_answer *a)
{
	size_t n = GW_SIGN_MAX;
	bool ok;

	if (q->op == GW_KEEPER_ECDSA && h->ecdsa)
		ok = EVP_PKEY_sign(h->ecdsa, a->data, &n, q->data, q->len) == 1;
	else if (q->op == GW_KEEPER_RSA && !h->ecdsa && EVP_PKEY_is_a(h->key, "RSA"))
		ok = sign_rsa(h->key, q, a->data, &n);
	else
		return -EINVAL;
	ERR_clear_error();
	a->len = ok ? (uint32_t)n : 0;
	return ok ? 0 : -EIO;
}

static int give_file(const struct keeper *k, uint32_t which, struct gw_keeper_answer *a)
{
	const char *text = which < GW_KEEPER_FILES ? k->gens[0].files[which] : NULL;

	if (!text)
		return -ENOENT;
	a->len = (uint32_t)strlen(text); /* load() saw to the size */
	memcpy(a->data, text, a->len);
	return 0;
}

static void say_failure(struct gw_keeper_answer *a, int r, const struct err *e)
{
	a->result = r;
	a->len = r ? (uint32_t)strlen(e->msg) : 0;
	memcpy(a->data, e->msg, a->len);
}

static void answer(struct keeper *k, const struct gw_keeper_ask *q, bool supervisor,
		   struct gw_keeper_answer *a)
{
	struct err e = {0};
	const struct held *h;

	a->len = 0;
	if (q->op == GW_KEEPER_RELOAD && supervisor) {
		say_failure(a, reload(k, &e), &e);
		return;
	}
	if (q->op == GW_KEEPER_FILE) {
		a->result = give_file(k, q->arg, a);
		return;
	}
	h = find(k, q->key);
	if (!h || q->op == GW_KEEPER_RELOAD || q->op > GW_KEEPER_RELOAD)
		a->result = -ENOENT;
	else
		a->result = q->op == GW_KEEPER_HAVE ? 0 : sign(h, q, a);
}

static void send_answer(int sock, const struct gw_keeper_answer *a)
{
	size_t n = offsetof(struct gw_keeper_answer, data) + a->len;

	/* A worker that does not read waits for its own timeout, not we for it. */
	if (send(sock, a, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE)
		log_warn("keeper.answer", "error=%s", strerror(errno));
}

/* False when the peer is gone. */
static bool serve(struct keeper *k, int sock, bool supervisor, struct gw_keeper_answer *a)
{
	struct gw_keeper_ask q = {0};
	ssize_t n = recv(sock, &q, sizeof(q), MSG_DONTWAIT | MSG_TRUNC);

	if (n == 0)
		return false;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	a->number = q.number;
	if ((size_t)n != sizeof(q) || q.len > GW_SIGN_MAX) {
		a->result = -EBADMSG;
		a->len = 0;
	} else {
		answer(k, &q, supervisor, a);
	}
	send_answer(sock, a);
	OPENSSL_cleanse(&q, sizeof(q));
	return true;
}

int gw_keeper_run(const struct gw_config *c, const int *socks, unsigned n, struct gw_stats *stats)
{
	struct keeper *k = calloc(1, sizeof(*k));
	struct gw_keeper_answer *a = calloc(1, sizeof(*a));
	struct pollfd fds[GW_WORKERS_MAX + 1] = {0};
	struct err e = {0};
	int r = k && a && n <= ARRAY_LEN(fds) ? 0 : -ENOMEM;

	if (!r) {
		k->conf = c;
		k->stats = stats;
		r = reload(k, &e);
		say_failure(a, r, &e);
		send_answer(socks[0], a);
		if (r) { /* said; the supervisor decides */
			free(k);
			free(a);
			return 0;
		}
		r = gw_jail_keeper(&e);
	}
	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = socks[i], .events = POLLIN};
	while (!r && fds[0].fd >= 0) {
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			r = -errno;
		for (unsigned i = 0; !r && i < n; i++)
			if (fds[i].revents && !serve(k, fds[i].fd, i == 0, a))
				fds[i].fd = -1;
	}
	for (int i = 0; k && i < GENERATIONS; i++)
		generation_free(&k->gens[i]);
	free(k);
	free(a);
	return r;
}

/* ---- the other side ---- */

/* The answer of that number; what came after its time belongs to nobody. gw_keeper_socket() says
 * how long is waited. */
static int take(int sock, struct gw_keeper_answer *a, uint32_t number, struct err *e)
{
	const size_t head = offsetof(struct gw_keeper_answer, data);
	ssize_t n;

	do
		n = recv(sock, a, sizeof(*a), 0);
	while ((n < 0 && errno == EINTR) || (n >= (ssize_t)head && a->number != number));
	if (n < (ssize_t)head || a->len > GW_FILE_MAX || (size_t)n != head + a->len)
		return err_set(e, -EPIPE, "the process that holds the keys does not answer");
	if (a->result)
		return err_set(e, a->result, "%.*s", (int)(a->len < 390 ? a->len : 390), a->data);
	return 0;
}

int gw_keeper_wait(int sock, int timeout_ms, struct err *e)
{
	cleanup_free struct gw_keeper_answer *a = malloc(sizeof(*a));
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int r;

	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return err_set(e, -ETIMEDOUT, "the process that holds the keys does not start");
	return a ? take(sock, a, 0, e) : -ENOMEM;
}

int gw_keeper_socket(int sock)
{
	struct timeval tv = {.tv_sec = GW_KEEPER_MS / 1000};

	return setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ? -errno : 0;
}

static int call(int sock, const struct gw_keeper_ask *ask, void *data, size_t size, size_t *len,
		struct err *e)
{
	static _Thread_local struct gw_keeper_answer a; /* does not outlive this call */
	static _Thread_local uint32_t numbers;
	struct gw_keeper_ask q = *ask;
	int r;

	if (!numbers++) /* 0 is the keeper's own word; a crashed worker's successor counts elsewhere
			 */
		numbers = (uint32_t)clock_ns() | 1;
	q.number = numbers;
	if (send(sock, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_set(e, -errno, "the process that holds the keys takes no questions: %s",
			       strerror(errno));
	r = take(sock, &a, q.number, e);
	if (r)
		return r;
	if (a.len > size)
		return err_set(e, -EMSGSIZE, "an answer of %u bytes where %zu fit", a.len, size);
	memcpy(data, a.data, a.len);
	*len = a.len;
	return 0;
}

int gw_keeper_call(int sock, const struct gw_keeper_ask *ask, void *data, size_t size, size_t *len,
		   struct err *e)
{
	int r = call(sock, ask, data, size, len, e);

	gw_stats_keeper(r < 0);
	return r;
}

int gw_keeper_reload(int sock, struct err *e)
{
	const struct gw_keeper_ask q = {.op = GW_KEEPER_RELOAD};
	char none;
	size_t len;

	return gw_keeper_call(sock, &q, &none, 0, &len, e);
}

int gw_keeper_file(int sock, enum gw_keeper_file f, char **text, struct err *e)
{
	const struct gw_keeper_ask q = {.op = GW_KEEPER_FILE, .arg = f};
	char *p = malloc(GW_FILE_MAX + 1);
	size_t len = 0;
	int r = p ? gw_keeper_call(sock, &q, p, GW_FILE_MAX, &len, e) : -ENOMEM;

	if (r) {
		free(p);
		return r;
	}
	p[len] = '\0';
	*text = p;
	return 0;
}
