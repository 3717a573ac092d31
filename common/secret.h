/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Secrets have a type of their own that no format prints and that is wiped when it goes.
 */
#ifndef PANE_COMMON_SECRET_H
#define PANE_COMMON_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include "common/cleanup.h"

#define SECRET_MAX 512

struct secret {
	size_t len;
	char bytes[SECRET_MAX]; /* NUL-terminated */
};

int secret_set(struct secret *s, const void *p, size_t n) must_check; /* -E2BIG */
void secret_wipe(struct secret *s);
bool secret_equal(const struct secret *a,
		  const struct secret *b); /* constant time for equal lengths */
#define cleanup_secret __attribute__((cleanup(secret_wipe)))

/* For a process that holds secrets, and those it starts: no core file is ever written. */
void secret_no_core(void);

/* n random bytes from the kernel; never fails short. */
void random_bytes(void *p, size_t n);
/* base64url without padding (RFC 4648 §5). out has room for 4*((n+2)/3)+1. Returns the length. */
size_t base64url_encode(char *out, const void *p, size_t n);
/* Returns the number of bytes, or -EINVAL; out has room for max. */
int base64url_decode(void *out, size_t max, const char *s, size_t n) must_check;
/* Lower-case hex of SHA-256 over p. */
void sha256_hex(char out[65], const void *p, size_t n);
/* A random word of letters and digits without look-alikes, n characters plus NUL. */
void random_password(char *out, size_t n);
/* A connection or error id: 12 lower-case base32 characters. */
#define ID_LEN 12
void random_id(char out[ID_LEN + 1]);

#endif
