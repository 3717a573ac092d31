/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The site's internal CA: signs the certificates of host agents.
 */
#ifndef PANE_BROKER_PKI_H
#define PANE_BROKER_PKI_H

#include "common/cleanup.h"
#include "common/err.h"

struct broker_ca;

struct broker_ca *broker_ca_load(const char *cert_path, const char *key_path,
				 struct err *e) must_check;
void broker_ca_free(struct broker_ca *ca);
const char *broker_ca_pem(const struct broker_ca *ca); /* borrowed */
/* Signs the key in a PEM certificate request as O=Pane, OU=host, CN=host_id; what else the request
 * says is ignored. *cert is PEM text to be freed, serial hexadecimal. Thread-safe. */
int broker_ca_sign_host(const struct broker_ca *ca, const char *csr_pem, const char *host_id,
			int days, char **cert, char serial[48], struct err *e) must_check;

#endif
