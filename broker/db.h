/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One connection to PostgreSQL, used by one thread. Statements are constants with
 * parameters, told apart by their address and prepared at their first use; a
 * failure stays in db->fail until the next statement, in the form the API answers with. SQLSTATE
 * PNnnn (pane.refuse()) is a refusal meant for people: nnn is the HTTP status.
 */
#ifndef PANE_BROKER_DB_H
#define PANE_BROKER_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct db_fail {
	int status;    /* HTTP status: the refusal's own, 503 unreachable or slow, 500 otherwise */
	bool retry;    /* deadlock or serialization failure: the transaction may be run again */
	char code[48]; /* "pool.unknown", "database.unavailable" */
	char msg[400];
	char reasons[4000]; /* JSON array, or empty */
};

#define DB_PREPARED_MAX 128

struct db {
	PGconn *conn;		  /* owned; NULL before the first connection */
	const char *conninfo;	  /* borrowed from the configuration */
	const char *app;	  /* borrowed; shown in pg_stat_activity */
	int statement_timeout_ms; /* 0 = none */
	int lock_timeout_ms;	  /* 0 = as a statement's */
	int64_t retry_at_ms;	  /* do not try to connect before */
	struct db_fail fail;
	bool within;			       /* pane.within is set on this connection: route.c */
	const char *prepared[DB_PREPARED_MAX]; /* statements this connection knows, as "p<index>" */
};

void db_init(struct db *db, const char *conninfo, const char *app, int statement_timeout_ms);
void db_fini(struct db *db);
/* Makes sure there is a live connection, reconnecting where needed; -ECONNREFUSED with db->fail
 * filled otherwise. Call before a request, outside a transaction. */
int db_ready(struct db *db) must_check;

/* Runs one statement with text parameters (NULL = SQL NULL). NULL on failure, see db->fail. The
 * result is to be cleared by the caller. */
PGresult *db_query(struct db *db, const char *sql, int n, const char *const *params) must_check;
/* The first column of the first row as a new string; NULL and db->fail.status 0 when there is no
 * row or the value is SQL NULL. */
char *db_text_n(struct db *db, const char *sql, int n, const char *const *params) must_check;
int db_exec_n(struct db *db, const char *sql, int n, const char *const *params) must_check;
/* What changes thousands of people at once may take longer than any other call, until the end of
 * the transaction: a minute. */
int db_long(struct db *db) must_check;

#define DB_ARGS(...)                                                                               \
	(int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)),                  \
		(const char *const[])                                                              \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define db_text(db, sql, ...) db_text_n(db, sql, DB_ARGS(__VA_ARGS__))
#define db_exec(db, sql, ...) db_exec_n(db, sql, DB_ARGS(__VA_ARGS__))

static inline void cleanup_pgresult_fn(PGresult **r)
{
	PQclear(*r);
}
#define cleanup_pgresult __attribute__((cleanup(cleanup_pgresult_fn)))

/* bytea parameter text ("\x..." plus hex) of a SHA-256 over n bytes at p. */
#define DB_HASH_LEN 67
void db_hash(char out[DB_HASH_LEN], const void *p, size_t n);
/* An integer as parameter text. */
#define DB_INT(v) db_int((char[24]){0}, (v))
const char *db_int(char buf[24], int64_t v);

#endif
