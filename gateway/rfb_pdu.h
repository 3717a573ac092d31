/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages of an RFB login, both sides of it: RFC 6143 §7.1 and VeNCrypt 0.2 (security type 19,
 * subtype X509Plain). Pure functions; each parser returns the bytes it used, 0 when it needs more,
 * or a negative errno.
 */
#ifndef PANE_GATEWAY_RFB_PDU_H
#define PANE_GATEWAY_RFB_PDU_H

#include <stdbool.h>
#include "common/buf.h"
#include "common/secret.h"

#define RFB_VERSION	 "RFB 003.008\n"
#define RFB_VERSION_LEN	 12
#define RFB_SEC_NONE	 1
#define RFB_SEC_VENCRYPT 19
#define RFB_X509_PLAIN	 262
#define RFB_MAX_USER	 255
#define RFB_MAX_PASSWORD (SECRET_MAX - 1)

/* "RFB 003.00x\n": minor 3, 7 or 8 (others are rounded down to one of these). */
int rfb_take_version(const uint8_t *p, size_t n, int *minor) must_check;
/* VeNCrypt Plain: lengths, user, password. */
int rfb_take_plain(const uint8_t *p, size_t n, char user[RFB_MAX_USER + 1],
		   struct secret *password) must_check;
/* A server's list of security types; *none says whether None is in it. */
int rfb_take_types(const uint8_t *p, size_t n, bool *none) must_check;
/* SecurityResult; *ok. A failure's reason is left where it is. */
int rfb_take_result(const uint8_t *p, size_t n, bool *ok) must_check;

int rfb_write_result_ok(struct buf *b) must_check;
/* A failed SecurityResult; viewers of 3.8 read the reason, older ones must not be sent it. */
int rfb_write_result_failed(struct buf *b, int minor, const char *reason) must_check;
/* Instead of a list of security types: none, and why. */
int rfb_write_no_types(struct buf *b, int minor, const char *reason) must_check;

#endif
