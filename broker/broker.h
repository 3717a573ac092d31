/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What every handler may use: configuration, keys, the password pool and the queue. All of it is
 * set up before the first request and immutable afterwards, or has its own lock.
 */
#ifndef PANE_BROKER_BROKER_H
#define PANE_BROKER_BROKER_H

#include <openssl/evp.h>
#include <stdatomic.h>
#include "broker/conf.h"

struct work;
struct hash_pool;
struct broker_ca;
struct converter;
struct event_hub;
struct directory;
struct helpers;
struct seal;

struct broker {
	const struct broker_conf *conf; /* borrowed from main() */
	EVP_PKEY *grant_key;		/* owned; signs, and is safe to share between threads */
	char *grant_pub;		/* owned PEM text given to hosts */
	struct broker_ca *ca;		/* owned */
	struct seal *seal;		/* owned; NULL: secrets stay plain */
	struct hash_pool *hashes;	/* owned */
	struct work *work;		/* owned */
	struct converter *converter;	/* owned; NULL without a store */
	struct event_hub *events;	/* owned */
	struct directory *directory;	/* owned; NULL without one */
	struct helpers *oidc;		/* owned; NULL without a login provider */
	atomic_ulong answers[6];	/* by the hundreds of their status */
};

#endif
