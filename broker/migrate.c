/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Both commands connect as the owner role (owner_conninfo); the serving broker never does. One
 * session advisory lock lets any number of brokers start this at once. Numbered files (tables) are
 * applied once each; one that was applied must not change: its checksum is kept. The files in code/
 * (functions, views, triggers) are applied together whenever any of them differs from what the
 * database has.
 *
 * Whoever waits for a lock makes everybody wait who comes after: each try is shorter than a serving
 * broker's patience (statement_timeout_ms, 5 s), so that what queued behind it gets through between
 * two tries. A second connection sees meanwhile who holds the lock; that is told at once, and again
 * when it is given up. Nothing of a file is kept then.
 */
#include "broker/migrate.h"
#include "broker/db.h"
#include "broker/password.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/file.h"
#include "common/secret.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define SQL_MAX	     (1u << 20)
#define SETUP_TTL_S  86400
#define STATEMENT_MS (15 * 60 * 1000) /* one that fills a new column of a large table */
#define ADMIN_MS     10000
#define LOCK_MS	     3000
#define LOCK_TRIES   5
#define TURN_LOCK_MS "120s" /* another pane-broker migrate */
#define LOOK_MS	     1000

/* The owner's connection, and a second one that looks who is in its way. */
struct owner {
	struct db db;
	struct db look;
	char pids[80], holders[240]; /* as last seen; "" = nobody was in the way */
};

static int owner_connect(const struct broker_conf *c, int statement_ms, struct owner *o,
			 struct err *e)
{
	*o = (struct owner){0};
	db_init(&o->db, c->owner_conninfo, "pane-broker migrate", statement_ms);
	o->db.lock_timeout_ms = LOCK_MS;
	db_init(&o->look, c->owner_conninfo, "pane-broker migrate: looks", LOCK_MS);
	if (!db_ready(&o->db))
		return 0;
	err_set(e, -ECONNREFUSED, "cannot connect to the database (owner_conninfo): %s",
		o->db.conn ? PQerrorMessage(o->db.conn) : "out of memory");
	db_fini(&o->db);
	return -ECONNREFUSED;
}

static void owner_fini(struct owner *o)
{
	db_fini(&o->db); /* releases the lock */
	db_fini(&o->look);
}

static int db_err(const struct db *db, struct err *e, const char *what)
{
	return err_set(e, -EIO, "%s: %s", what, PQerrorMessage(db->conn));
}

/* ---- waiting for locks ---- */

/* What a role may not see of others' connections (state, times) is NULL there. */
static const char sql_holders[] =
	"SELECT string_agg(a.pid::text, ', ' ORDER BY a.pid), string_agg(format('%s (%s, user "
	"%s%s)', a.pid, coalesce(nullif(a.application_name, ''), 'a program without a name'), "
	"a.usename, coalesce(format(', %s for %s s', a.state, extract(epoch FROM clock_timestamp() "
	"- a.state_change)::int), '')), ', ' ORDER BY a.pid) "
	"FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids($1))";

static void look_who(struct owner *o, const char *what)
{
	char pid[24];
	cleanup_pgresult PGresult *res = NULL;
	const char *who;

	snprintf(pid, sizeof(pid), "%d", PQbackendPID(o->db.conn));
	if (db_ready(&o->look))
		return;
	res = db_query(&o->look, sql_holders, 1, (const char *const[]){pid});
	if (!res || PQntuples(res) < 1 || PQgetisnull(res, 0, 0))
		return;
	who = PQgetvalue(res, 0, 1);
	if (strcmp(o->pids, PQgetvalue(res, 0, 0)))
		fprintf(stderr, "%s: waits for a lock of the database that is held by %s\n", what,
			who);
	snprintf(o->pids, sizeof(o->pids), "%s", PQgetvalue(res, 0, 0));
	snprintf(o->holders, sizeof(o->holders), "%s", who);
}

/* The last of a text's results; a failed one ends them. */
static PGresult *take_result(PGconn *conn)
{
	PGresult *last = NULL, *res;

	while ((res = PQgetResult(conn))) {
		PQclear(last);
		last = res;
	}
	return last;
}

/* Runs trusted text (many statements, which only the simple protocol takes) or one statement with
 * parameters, and looks who is in the way while it takes long. -EAGAIN: a lock was not to be had.
 */
static int run_watched(struct owner *o, const char *what, const char *sql, int n,
		       const char *const *params)
{
	PGconn *conn = o->db.conn;
	cleanup_pgresult PGresult *res = NULL;
	const char *state;
	ExecStatusType st;
	int sent = n ? PQsendQueryParams(conn, sql, n, NULL, params, NULL, NULL, 0)
		     : PQsendQuery(conn, sql);

	while (sent && PQisBusy(conn)) {
		struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};
		int r = poll(&p, 1, LOOK_MS);

		if (r == 0)
			look_who(o, what);
		else if (!PQconsumeInput(conn))
			break;
	}
	res = take_result(conn);
	st = PQresultStatus(res);
	if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK)
		return 0;
	state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	return state && !strcmp(state, "55P03") ? -EAGAIN : -EIO;
}

static int lock_err(const struct owner *o, struct err *e, const char *what)
{
	if (!o->pids[0])
		return err_set(e, -EAGAIN,
			       "%s: nothing was changed, as a lock of the database was not to be "
			       "had: try again in a moment",
			       what);
	return err_set(e, -EAGAIN,
		       "%s: nothing was changed, as a lock of the database is held by %s: wait "
		       "until that has ended, or end it (as the database's administrator: SELECT "
		       "pg_terminate_backend(%s)), and try again",
		       what, o->holders, o->pids);
}

static int run_err(const struct owner *o, int r, struct err *e, const char *what)
{
	return r == -EAGAIN ? lock_err(o, e, what) : db_err(&o->db, e, what);
}

/* ---- migrating ---- */

static int is_sql(const struct dirent *d)
{
	size_t n = strlen(d->d_name), digits = strspn(d->d_name, "0123456789");

	return n > 6 && digits >= 2 && d->d_name[digits] == '_' &&
	       !strcmp(d->d_name + n - 4, ".sql");
}

static int is_migration(const struct dirent *d)
{
	return is_sql(d) && strspn(d->d_name, "0123456789") == 3;
}

/* All of a file, and the note that it was applied, or nothing; a few times where another's lock is
 * in the way. */
static int run_file(struct owner *o, const char *what, const char *text, const char *note, int n,
		    const char *const *params, struct err *e)
{
	struct db *db = &o->db;

	for (int try = 1;; try++) {
		int r = db_exec_n(db, "BEGIN", 0, NULL);

		r = r ? r : run_watched(o, what, text, 0, NULL);
		r = r ? r : run_watched(o, what, note, n, params);
		r = r ? r : db_exec_n(db, "COMMIT", 0, NULL);
		if (!r)
			return 0;
		if (r != -EAGAIN || try == LOCK_TRIES)
			return run_err(o, r, e, what);
		if (db_exec_n(db, "ROLLBACK", 0, NULL))
			return db_err(db, e, what);
	}
}

static int apply_one(struct owner *o, const char *dir, const char *name, struct err *e)
{
	cleanup_free char *text = NULL, *known = NULL;
	struct db *db = &o->db;
	char path[512], sum[65];
	size_t n;
	int r = path_join(path, sizeof(path), dir, name);

	if (r)
		return err_set(e, r, "path %s/%s is too long", dir, name);
	r = file_read(path, SQL_MAX, &text, &n, e);
	if (r)
		return r;
	sha256_hex(sum, text, n);
	known = db_text(db, "SELECT checksum FROM pane.migration WHERE name = $1", name);
	if (!known && db->fail.status)
		return db_err(db, e, name);
	if (known && strcmp(known, sum))
		return err_set(e, -EINVAL,
			       "%s has changed since it was applied; restore it and put the change "
			       "into a new file",
			       path);
	if (known)
		return 0;
	r = run_file(o, name, text, "INSERT INTO pane.migration (name, checksum) VALUES ($1, $2)",
		     2, (const char *const[]){name, sum}, e);
	if (!r)
		printf("applied %s\n", name);
	return r;
}

static void free_entries(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static int apply_all(struct owner *o, const char *dir, struct err *e)
{
	struct dirent **list = NULL;
	struct db *db = &o->db;
	cleanup_free char *newest = NULL;
	int n = scandir(dir, &list, is_migration, alphasort), r = 0;

	if (n < 0)
		return err_set(e, -errno, "cannot read %s: %s", dir, strerror(errno));
	if (!n)
		r = err_set(e, -ENOENT, "%s holds no migrations (NNN_name.sql)", dir);
	newest = db_text_n(db, "SELECT max(name) FROM pane.migration", 0, NULL);
	if (!r && newest && strcmp(newest, list[n - 1]->d_name) > 0)
		r = err_set(e, -EINVAL,
			    "the database is at %s, newer than what this program (at %s) knows: "
			    "use the pane-broker that made it; a demo from before Pane's first "
			    "release is begun anew by make demo-clean",
			    newest, list[n - 1]->d_name);
	for (int i = 0; i < n && !r; i++)
		r = apply_one(o, dir, list[i]->d_name, e);
	free_entries(list, n);
	return r;
}

/* Appends a file's text to all. */
static int add_file(char **all, size_t *len, const char *dir, const char *name, struct err *e)
{
	cleanup_free char *text = NULL;
	char path[512], *more;
	size_t n;
	int r = path_join(path, sizeof(path), dir, name);

	if (r)
		return err_set(e, r, "path %s/%s is too long", dir, name);
	r = file_read(path, SQL_MAX, &text, &n, e);
	if (r)
		return r;
	more = realloc(*all, *len + n + 1);
	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(more + *len, text, n + 1);
	*all = more;
	*len += n;
	return 0;
}

/* The text of all definitions, in the order of their files' names. */
static int read_code(const char *sql_dir, char **all, size_t *len, struct err *e)
{
	struct dirent **list = NULL;
	char dir[512];
	int n, r = path_join(dir, sizeof(dir), sql_dir, "code");

	if (r)
		return err_set(e, r, "path %s/code is too long", sql_dir);
	n = scandir(dir, &list, is_sql, alphasort);
	if (n < 0)
		return err_set(e, -errno, "cannot read %s: %s", dir, strerror(errno));
	if (!n)
		r = err_set(e, -ENOENT, "%s holds no definitions (NN_name.sql)", dir);
	for (int i = 0; i < n && !r; i++)
		r = add_file(all, len, dir, list[i]->d_name, e);
	free_entries(list, n);
	return r;
}

static int apply_code(struct owner *o, const char *sql_dir, struct err *e)
{
	cleanup_free char *text = NULL, *known = NULL;
	struct db *db = &o->db;
	char sum[65];
	size_t n = 0;
	int r = read_code(sql_dir, &text, &n, e);

	if (r)
		return r;
	sha256_hex(sum, text, n);
	known = db_text_n(db, "SELECT checksum FROM pane.code", 0, NULL);
	if (!known && db->fail.status)
		return db_err(db, e, "code");
	if (known && !strcmp(known, sum))
		return 0;
	r = run_file(o, "code", text,
		     "WITH old AS (DELETE FROM pane.code) INSERT INTO pane.code (checksum) VALUES "
		     "($1)",
		     1, (const char *const[]){sum}, e);
	if (!r)
		printf("applied code\n");
	return r;
}

/* The role of the runtime conninfo; as libpq would, the OS user when it names none. */
static int runtime_role(const struct broker_conf *c, char out[64], struct err *e)
{
	char *why = NULL;
	PQconninfoOption *list = PQconninfoParse(c->conninfo, &why);
	const struct passwd *pw = getpwuid(geteuid());

	if (!list) {
		err_set(e, -EINVAL, "conninfo: %s", why ? why : "not understood");
		PQfreemem(why);
		return -EINVAL;
	}
	snprintf(out, 64, "%s", pw ? pw->pw_name : "");
	for (PQconninfoOption *o = list; o->keyword; o++)
		if (!strcmp(o->keyword, "user") && o->val)
			snprintf(out, 64, "%s", o->val);
	PQconninfoFree(list);
	return 0;
}

static int migrate_locked(struct owner *o, const struct broker_conf *c, const char *dir,
			  struct err *e)
{
	struct db *db = &o->db;
	char role[64];
	int r;

	if (db_exec_n(db, "CREATE SCHEMA IF NOT EXISTS pane", 0, NULL) ||
	    db_exec_n(db,
		      "CREATE TABLE IF NOT EXISTS pane.migration (name text PRIMARY KEY, checksum "
		      "text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
		      0, NULL) ||
	    db_exec_n(db,
		      "CREATE TABLE IF NOT EXISTS pane.code (checksum text NOT NULL, applied_at "
		      "timestamptz NOT NULL DEFAULT now())",
		      0, NULL))
		return db_err(db, e, "cannot make the schema");
	r = apply_all(o, dir, e);
	if (!r)
		r = apply_code(o, dir, e);
	if (!r)
		r = runtime_role(c, role, e);
	if (r)
		return r;
	r = run_watched(o, "rights", "SELECT pane.grant_runtime($1)", 1,
			(const char *const[]){role});
	return r ? run_err(o, r, e, "cannot grant the runtime role its rights") : 0;
}

int broker_migrate(const struct broker_conf *c, const char *sql_dir, struct err *e)
{
	struct owner o;
	int r = owner_connect(c, STATEMENT_MS, &o, e);

	if (r)
		return r;
	r = run_watched(&o, "turn",
			"BEGIN; SET LOCAL lock_timeout = '" TURN_LOCK_MS "'; "
			"SELECT pg_advisory_lock(1885433445, 0); COMMIT",
			0, NULL);
	if (r)
		r = run_err(&o, r, e, "cannot take the migration lock");
	else
		r = migrate_locked(&o, c, sql_dir ? sql_dir : c->sql_dir, e);
	owner_fini(&o);
	return r;
}

/* With a token that sets the password; NULL: the generated password itself is told. */
static int make_admin(const struct broker_conf *c, const char *name, const char *token,
		      struct err *e)
{
	char password[21], hash[PASSWORD_HASH_MAX], key[DB_HASH_LEN] = "";
	struct owner o;
	int r = valid_user_name(name, e);

	if (!r)
		r = owner_connect(c, ADMIN_MS, &o, e);
	if (r)
		return r;
	random_password(password, 20);
	if (password_hash(password, hash)) {
		r = err_set(e, -ENOMEM, "out of memory");
	} else {
		if (token)
			db_hash(key, token, TICKET_LEN);
		r = run_watched(&o, "administrator",
				token ? "SELECT pane.admin_reset($1, $2), "
					"pane.welcome_create($1, $3, $4)"
				      : "SELECT pane.admin_reset($1, $2)",
				token ? 4 : 2,
				(const char *const[]){name, hash, key, DB_INT(SETUP_TTL_S)});
		if (r)
			r = run_err(&o, r, e, "cannot write the administrator");
		else
			printf("%s\n", token ? token : password);
	}
	explicit_bzero(password, sizeof(password));
	owner_fini(&o);
	return r;
}

int broker_admin(const struct broker_conf *c, const char *name, struct err *e)
{
	return make_admin(c, name, NULL, e);
}

int broker_setup(const struct broker_conf *c, const char *name, struct err *e)
{
	char token[TICKET_LEN + 1];
	int r;

	ticket_make(WELCOME_PREFIX, token);
	r = make_admin(c, name, token, e);
	explicit_bzero(token, sizeof(token));
	return r;
}
