/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codes of a second factor: RFC 6238 with SHA-1, 30 s and six digits (what every authenticator app
 * does), by liboath; and recovery codes, which are worth a login each.
 */
#ifndef PANE_BROKER_TOTP_H
#define PANE_BROKER_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TOTP_SECRET_LEN 32 /* base32 of 160 bits */
#define TOTP_DIGITS	6
#define TOTP_URI_MAX	320
#define RECOVERY_CODES	10
#define CODE_MAX	64 /* of what is typed as one */
#define RECOVERY_LEN	19 /* "abcd-efgh-ijkl-mnop": 80 bits */

void totp_secret_make(char out[TOTP_SECRET_LEN + 1]);
/* The time step a code belongs to: that of now, the one before or the one after; -1 for none. */
int64_t totp_step(const char *secret, time_t now, const char *code);
/* otpauth://totp/… as authenticator apps read from a QR code. account is a user's name. */
void totp_uri(const char *secret, const char *issuer, const char *account, char out[TOTP_URI_MAX]);

/* "secret123456" -> "secret" and "123456"; false when there are not six digits after a password. */
bool totp_split(const char *typed, char *password, size_t n, char code[TOTP_DIGITS + 1]);

void recovery_make(char out[RECOVERY_LEN + 1]);
/* As it is hashed: lower case, without dashes and blanks; false when it cannot be a recovery code.
 */
bool recovery_normal(const char *typed, char out[RECOVERY_LEN + 1]);

#endif
