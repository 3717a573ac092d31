/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Certificates: their dates, whether the key beside each is its own, whether what must chain to the
 * site's CA does, and whether the gateway's bears a name.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include "common/file.h"
#include "common/tls.h"
#include "deploy/doctor/doctor.h"

#define SOON_DAYS   21
#define PEM_MAX	    (1u << 20)
#define FIX_GATEWAY "pane-setup site --name NAME, then systemctl reload pane-gateway"
#define FIX_HOST    "pane hosts create NAME, then pane-host enroll --force with its token"
#define FIX_CA	    "restore pki/ca.crt and ca.key from the backup (docs/backup.md)"

struct paper {
	const char *id, *cert, *key, *ca,
		*fix; /* ca, key: NULL where there is nothing to compare */
	bool named;   /* it must bear a name or an address */
};

static X509 *read_cert(const char *path, struct err *e)
{
	cleanup_free char *text = NULL;
	X509 *x;
	size_t n;

	if (file_read(path, PEM_MAX, &text, &n, e))
		return NULL;
	x = tls_first_certificate(text);
	if (!x)
		err_set(e, -EINVAL, "%s holds no certificate", path);
	return x;
}

/* Its own (1), another's (0), or not to be read (-1). */
static int key_fits(X509 *x, const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *k = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	int r = k ? X509_check_private_key(x, k) == 1 : -1;

	EVP_PKEY_free(k);
	if (f)
		fclose(f);
	return r;
}

/* Whether x is issued by the certificate at path, whatever their dates. */
static bool chains_to(X509 *x, const char *path)
{
	X509 *ca = read_cert(path, NULL);
	bool good = ca && X509_check_issued(ca, x) == X509_V_OK &&
		    X509_verify(x, X509_get0_pubkey(ca)) == 1;

	X509_free(ca);
	return good;
}

static bool has_name(X509 *x)
{
	int critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
	bool any = names && sk_GENERAL_NAME_num(names) > 0;

	GENERAL_NAMES_free(names);
	return any;
}

/* Days until t; negative when it is past. */
static long days_until(const ASN1_TIME *t)
{
	int days = 0, seconds = 0;

	if (!ASN1_TIME_diff(&days, &seconds, NULL, t))
		return -1;
	return seconds < 0 || days < 0 ? (long)days - 1 : days;
}

static const char *wrong_with(X509 *x, const struct paper *p)
{
	int fits = p->key ? key_fits(x, p->key) : 1;

	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		return "has expired";
	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		return "is not valid yet: is the clock right?";
	if (fits == 0)
		return "does not belong to the key beside it";
	if (p->ca && !chains_to(x, p->ca))
		return "was not issued by the site's CA";
	if (p->named && !has_name(x))
		return "bears no name or address";
	return NULL;
}

static void check_paper(struct doctor *d, const struct paper *p)
{
	struct err e = {0};
	X509 *x = read_cert(p->cert, &e);
	const char *wrong = x ? wrong_with(x, p) : NULL;
	long days = x ? days_until(X509_get0_notAfter(x)) : 0;

	if (!x)
		report_add(&d->report, REPORT_FAIL, p->id, p->fix, "%s", e.msg);
	else if (wrong)
		report_add(&d->report, REPORT_FAIL, p->id, p->fix, "%s %s", p->cert, wrong);
	else if (days < SOON_DAYS)
		report_add(&d->report, REPORT_WARN, p->id, p->fix, "%s expires in %ld days",
			   p->cert, days);
	else if (p->key && key_fits(x, p->key) < 0)
		report_add(&d->report, REPORT_WARN, p->id, "run pane-doctor as root",
			   "%s is good for %ld days; its key %s cannot be read", p->cert, days,
			   p->key);
	else
		report_add(&d->report, REPORT_OK, p->id, NULL, "%s is good for %ld days", p->cert,
			   days);
	X509_free(x);
}

static void check_gateway(struct doctor *d)
{
	const char *ca = settings_get(&d->gateway, "gateway", "ca");
	const char *host_cert = settings_get(&d->gateway, "gateway", "host_cert");
	const char *host_key = settings_get(&d->gateway, "gateway", "host_key");
	char cert[512], key[512];

	for (int i = 0; settings_nth(&d->gateway, "gateway", "cert", i, cert, sizeof(cert)); i++) {
		struct paper p = {"cert.gateway", cert, NULL, NULL, FIX_GATEWAY, true};

		if (settings_nth(&d->gateway, "gateway", "key", i, key, sizeof(key)))
			p.key = key;
		check_paper(d, &p);
	}
	if (host_cert)
		check_paper(d, &(struct paper){"cert.relay", host_cert, host_key, ca, FIX_GATEWAY,
					       false});
}

void check_certificates(struct doctor *d)
{
	const char *ca = settings_get(&d->broker, "pki", "ca_cert");
	const char *ca_key = settings_get(&d->broker, "pki", "ca_key");
	const char *state = settings_get(&d->host, "host", "state_dir");
	const char *host_ca = settings_get(&d->host, "broker", "ca");

	if (ca)
		check_paper(d, &(struct paper){"cert.ca", ca, ca_key, ca, FIX_CA, false});
	check_gateway(d);
	if (host_ca)
		check_paper(d, &(struct paper){"cert.host_ca", host_ca, NULL, NULL,
					       "copy /etc/pane/pki/ca.crt from the site", false});
	if (state) {
		char cert[512], key[512];

		snprintf(cert, sizeof(cert), "%.480s/identity/host.crt", state);
		snprintf(key, sizeof(key), "%.480s/identity/host.key", state);
		check_paper(d, &(struct paper){"cert.host", cert, key, NULL, FIX_HOST, false});
	}
}
