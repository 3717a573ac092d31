/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The connection, and turning PostgreSQL's errors into answers. The server bounds every statement
 * (statement_timeout, lock_timeout); the socket bounds a dead server (tcp_user_timeout). After a
 * loss a thread waits half a second before it tries again, so requests fail fast meanwhile; that
 * another has reached the server ends the wait.
 */
#include "broker/db.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 500

/* When a connection was made last, by any thread: nobody waits any longer then. */
static _Atomic int64_t answered_ms;

void db_init(struct db *db, const char *conninfo, const char *app, int statement_timeout_ms)
{
	*db = (struct db){
		.conninfo = conninfo, .app = app, .statement_timeout_ms = statement_timeout_ms};
}

void db_fini(struct db *db)
{
	if (db->conn)
		PQfinish(db->conn);
	db->conn = NULL;
}

static int fail_unavailable(struct db *db)
{
	db->fail = (struct db_fail){.status = 503};
	snprintf(db->fail.code, sizeof(db->fail.code), "database.unavailable");
	snprintf(db->fail.msg, sizeof(db->fail.msg),
		 "The database does not answer. Running desktops are not affected; try again in a "
		 "few seconds.");
	return -ECONNREFUSED;
}

static void quiet(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static int connect_now(struct db *db)
{
	char options[256];
	const char *const names[] = {"dbname",		 "application_name",
				     "connect_timeout",	 "options",
				     "keepalives_idle",	 "keepalives_interval",
				     "keepalives_count", "tcp_user_timeout",
				     "client_encoding",	 NULL};
	const char *const values[] = {db->conninfo, db->app, "3",    options, "2",
				      "1",	    "3",     "5000", "UTF8",  NULL};

	snprintf(options, sizeof(options),
		 "-c statement_timeout=%d -c lock_timeout=%d -c TimeZone=UTC "
		 "-c idle_in_transaction_session_timeout=15000 -c search_path=pane,pg_catalog",
		 db->statement_timeout_ms,
		 db->lock_timeout_ms ? db->lock_timeout_ms : db->statement_timeout_ms);
	db_fini(db);
	memset(db->prepared, 0, sizeof(db->prepared));
	db->conn = PQconnectdbParams(names, values, 1);
	if (!db->conn || PQstatus(db->conn) != CONNECTION_OK)
		return -ECONNREFUSED;
	PQsetNoticeProcessor(db->conn, quiet, NULL);
	atomic_store(&answered_ms, clock_ms());
	return 0;
}

/* An idle connection whose server died has an end of file waiting, often behind a farewell
 * ("terminating connection ..."): read on until nothing waits or the end shows. */
static bool alive(PGconn *conn)
{
	struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};

	if (PQstatus(conn) != CONNECTION_OK)
		return false;
	for (int i = 0; i < 8 && poll(&p, 1, 0) > 0; i++)
		if (!PQconsumeInput(conn))
			return false;
	return PQtransactionStatus(conn) == PQTRANS_IDLE;
}

int db_ready(struct db *db)
{
	bool had = db->conn != NULL;

	if (db->conn && alive(db->conn))
		return 0;
	if (clock_ms() < db->retry_at_ms && atomic_load(&answered_ms) <= db->retry_at_ms - RETRY_MS)
		return fail_unavailable(db);
	if (connect_now(db)) {
		db->retry_at_ms = clock_ms() + RETRY_MS;
		log_warn("db.unavailable", "app=%s reason=%s", db->app,
			 LOG_Q(db->conn ? PQerrorMessage(db->conn) : "no memory"));
		return fail_unavailable(db);
	}
	if (had)
		log_info("db.reconnected", "app=%s", db->app);
	return 0;
}

static void copy(char *out, size_t n, const char *s)
{
	snprintf(out, n, "%s", s ? s : "");
}

static void fail_from(struct db *db, const PGresult *res)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	struct db_fail *f = &db->fail;

	*f = (struct db_fail){.status = 500};
	if (state && !strcmp(state, "53100")) { /* disk_full: it answers, and takes nothing */
		log_warn("db.full", "app=%s reason=%s", db->app, LOG_Q(PQerrorMessage(db->conn)));
		f->status = 503;
		copy(f->code, sizeof(f->code), "database.full");
		copy(f->msg, sizeof(f->msg),
		     "The database's disk is full. Running desktops are not affected; it goes on "
		     "when an administrator has made room.");
	} else if (PQstatus(db->conn) != CONNECTION_OK || !state || !strncmp(state, "57P", 3) ||
		   !strncmp(state, "08", 2) || !strncmp(state, "53", 2) ||
		   !strcmp(state, "25006")) {
		log_warn("db.lost", "app=%s reason=%s", db->app, LOG_Q(PQerrorMessage(db->conn)));
		(void)fail_unavailable(db);
	} else if (!strncmp(state, "PN", 2)) {
		f->status = atoi(state + 2);
		copy(f->code, sizeof(f->code), PQresultErrorField(res, PG_DIAG_MESSAGE_HINT));
		copy(f->msg, sizeof(f->msg), PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
		copy(f->reasons, sizeof(f->reasons),
		     PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL));
	} else if (!strcmp(state, "40P01") || !strcmp(state, "40001")) {
		f->retry = true;
		f->status = 503;
		copy(f->code, sizeof(f->code), "database.busy");
		copy(f->msg, sizeof(f->msg), "Too many changes at once. Try again.");
	} else if (!strcmp(state, "57014") || !strcmp(state, "55P03")) {
		f->status = 503;
		copy(f->code, sizeof(f->code), "database.slow");
		copy(f->msg, sizeof(f->msg), "The database is too slow to answer. Try again.");
	} else {
		copy(f->code, sizeof(f->code), "internal");
		copy(f->msg, sizeof(f->msg), "The broker failed; its log has the cause.");
		log_err("db.error", "app=%s sqlstate=%s message=%s context=%s", db->app, state,
			LOG_Q(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)),
			LOG_Q(PQresultErrorField(res, PG_DIAG_CONTEXT)
				      ? PQresultErrorField(res, PG_DIAG_CONTEXT)
				      : ""));
	}
}

/* The slot of a statement, prepared there; -1 when it is better run as it is. */
static int prepare(struct db *db, const char *sql, int n)
{
	size_t i = ((uintptr_t)sql >> 4) % DB_PREPARED_MAX;
	char name[8];

	if (!n || PQtransactionStatus(db->conn) == PQTRANS_INERROR)
		return -1;
	for (int tries = 0; tries < 8; tries++, i = (i + 1) % DB_PREPARED_MAX) {
		if (db->prepared[i] == sql)
			return (int)i;
		if (!db->prepared[i]) {
			cleanup_pgresult PGresult *res = NULL;

			snprintf(name, sizeof(name), "p%zu", i);
			res = PQprepare(db->conn, name, sql, n, NULL);
			if (PQresultStatus(res) != PGRES_COMMAND_OK)
				return -1; /* the plain way says why */
			db->prepared[i] = sql;
			return (int)i;
		}
	}
	return -1;
}

static PGresult *execute(struct db *db, const char *sql, int n, const char *const *params)
{
	int slot = prepare(db, sql, n);
	char name[8];

	if (slot < 0)
		return PQexecParams(db->conn, sql, n, NULL, params, NULL, NULL, 0);
	snprintf(name, sizeof(name), "p%d", slot);
	return PQexecPrepared(db->conn, name, n, params, NULL, NULL, 0);
}

PGresult *db_query(struct db *db, const char *sql, int n, const char *const *params)
{
	PGresult *res;
	ExecStatusType st;

	if (!db->conn) {
		(void)fail_unavailable(db);
		return NULL;
	}
	res = execute(db, sql, n, params);
	st = PQresultStatus(res);
	if (st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK) {
		db->fail.status = 0;
		return res;
	}
	fail_from(db, res);
	PQclear(res);
	return NULL;
}

char *db_text_n(struct db *db, const char *sql, int n, const char *const *params)
{
	cleanup_pgresult PGresult *res = db_query(db, sql, n, params);
	char *s;

	if (!res || PQntuples(res) < 1 || PQgetisnull(res, 0, 0))
		return NULL;
	s = strdup(PQgetvalue(res, 0, 0));
	if (!s)
		(void)fail_unavailable(db);
	return s;
}

int db_exec_n(struct db *db, const char *sql, int n, const char *const *params)
{
	cleanup_pgresult PGresult *res = db_query(db, sql, n, params);

	return res ? 0 : -EIO;
}

int db_long(struct db *db)
{
	return db_exec_n(db, "SET LOCAL statement_timeout = '60s'", 0, NULL);
}

void db_hash(char out[DB_HASH_LEN], const void *p, size_t n)
{
	out[0] = '\\';
	out[1] = 'x';
	sha256_hex(out + 2, p, n);
}

const char *db_int(char buf[24], int64_t v)
{
	snprintf(buf, 24, "%" PRId64, v);
	return buf;
}
