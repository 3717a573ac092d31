/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Claims: what HTTP and the tunnel say beside what the login inside says, and who gets in by it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <openssl/evp.h>
#include "gateway/claim.h"

#define TICKET "pt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct gw_claim *basic(const char *text)
{
	char b64[256];
	struct gw_claim *k = NULL;
	int n = EVP_EncodeBlock((unsigned char *)b64, (const unsigned char *)text,
				(int)strlen(text));

	assert_int_equal(gw_claim_basic(&k, b64, (size_t)n), 0);
	return k;
}

static struct gw_credentials inside(const char *user, const char *password)
{
	struct gw_credentials c = {0};

	assert_int_equal(gw_credentials_user(&c, user), 0);
	assert_int_equal(secret_set(&c.password, password, strlen(password)), 0);
	return c;
}

static int settle(const char *said, const char *user, const char *password)
{
	struct gw_claim *k = basic(said);
	struct gw_credentials c = inside(user, password);
	int r = gw_claim_settle(k, &c);

	gw_claim_free(k);
	return r;
}

static void passwords(void **state)
{
	(void)state;
	assert_int_equal(settle("alice:wonderland", "alice", "wonderland"), 0);
	assert_int_equal(settle("alice:wonderland", "Alice#office", "wonderland"), 0);
	assert_int_equal(settle("PANE\\alice:wonderland", "alice", "wonderland"), 0);
	assert_int_equal(settle("alice@example.org:wonderland", "alice", "wonderland"), 0);
	assert_int_equal(settle("alice:with:colon", "alice", "with:colon"), 0);
	assert_int_equal(settle("alice:wrong", "alice", "wonderland"), -EACCES);
	assert_int_equal(settle("alice:wonderland", "alice", "wrong"), -EACCES);
	assert_int_equal(settle("bob:wonderland", "alice", "wonderland"), -EACCES);
	assert_int_equal(settle(":wonderland", "alice", "wonderland"), -EACCES);
	assert_int_equal(settle("alice:", "alice", "wonderland"), -EACCES);
	assert_int_equal(settle("bob:wonderland", "alice", ""), -EACCES);
}

static void said_once(void **state)
{
	struct gw_claim *k = basic("alice#office:wonderland");
	struct gw_credentials c = inside("", "");

	(void)state;
	assert_int_equal(gw_claim_settle(k, &c), 0);
	assert_string_equal(c.user, "alice");
	assert_string_equal(c.desktop, "office");
	assert_string_equal(c.password.bytes, "wonderland");
	c = inside("alice#lab", "");
	assert_int_equal(gw_claim_settle(k, &c), 0);
	assert_string_equal(c.desktop, "lab");
	gw_claim_free(k);
}

static void tickets(void **state)
{
	struct gw_claim *k = NULL;
	struct gw_credentials c = inside("x", "y");

	(void)state;
	assert_int_equal(gw_claim_ticket(&k, TICKET, strlen(TICKET)), 0);
	assert_int_equal(gw_claim_settle(k, &c), 0);
	assert_string_equal(c.ticket.bytes, TICKET);
	assert_int_equal(c.password.len, 0);
	gw_claim_free(k);
	k = NULL;
	assert_int_equal(gw_claim_ticket(&k, "pt1_short", 9), -EPROTO);
	assert_null(k);
	/* One inside wins over whatever was said outside. */
	k = basic("bob:wrong");
	c = inside("x", "y");
	assert_int_equal(secret_set(&c.ticket, TICKET, strlen(TICKET)), 0);
	assert_int_equal(gw_claim_settle(k, &c), 0);
	gw_claim_free(k);
	assert_int_equal(gw_claim_settle(NULL, &c), 0);
}

static void malformed(void **state)
{
	struct gw_claim *k = NULL;

	(void)state;
	assert_int_equal(gw_claim_basic(&k, "", 0), -EPROTO);
	assert_int_equal(gw_claim_basic(&k, "YWxpY2U=", 8), -EPROTO); /* no colon */
	assert_int_equal(gw_claim_basic(&k, "YWxpY2U6d29u*A==", 16), -EPROTO);
	assert_int_equal(gw_claim_basic(&k, "YTpi-w==", 8), -EPROTO); /* the other alphabet */
	assert_int_equal(gw_claim_basic(&k, "YTpiAGM=", 8), -EPROTO); /* "a:b\0c" */
	assert_null(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords),
		cmocka_unit_test(said_once),
		cmocka_unit_test(tickets),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
