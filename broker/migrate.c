/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Both commands connect as the owner role (owner_conninfo); the serving broker never does. One
 * session advisory lock lets any number of brokers start this at once. Numbered files (tables) are
 * applied once each; one that was applied must not change: its checksum is kept. The files in code/
 * (functions, views, triggers) are applied together whenever any of them differs from what the
 * database has.
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
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define SQL_MAX	    (1u << 20)
#define SETUP_TTL_S 86400

static int owner_connect(const struct broker_conf *c, struct db *db, struct err *e)
{
	db_init(db, c->owner_conninfo, "pane-broker migrate", 0);
	if (!db_ready(db))
		return 0;
	err_set(e, -ECONNREFUSED, "cannot connect to the database (owner_conninfo): %s",
		db->conn ? PQerrorMessage(db->conn) : "out of memory");
	db_fini(db);
	return -ECONNREFUSED;
}

static int db_err(const struct db *db, struct err *e, const char *what)
{
	return err_set(e, -EIO, "%s: %s", what, PQerrorMessage(db->conn));
}

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

/* The file's text is trusted and holds many statements, which only the simple protocol takes. */
static int run_file(struct db *db, const char *text)
{
	cleanup_pgresult PGresult *res = PQexec(db->conn, text);
	ExecStatusType st = PQresultStatus(res);

	return st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK ? 0 : -EIO;
}

static int apply_one(struct db *db, const char *dir, const char *name, struct err *e)
{
	cleanup_free char *text = NULL, *known = NULL;
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
	if (db_exec_n(db, "BEGIN", 0, NULL) || run_file(db, text) ||
	    db_exec(db, "INSERT INTO pane.migration (name, checksum) VALUES ($1, $2)", name, sum) ||
	    db_exec_n(db, "COMMIT", 0, NULL))
		return db_err(db, e, name);
	printf("applied %s\n", name);
	return 0;
}

static void free_entries(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static int apply_all(struct db *db, const char *dir, struct err *e)
{
	struct dirent **list = NULL;
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
		r = apply_one(db, dir, list[i]->d_name, e);
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

static int apply_code(struct db *db, const char *sql_dir, struct err *e)
{
	cleanup_free char *text = NULL, *known = NULL;
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
	if (db_exec_n(db, "BEGIN", 0, NULL) || run_file(db, text) ||
	    db_exec_n(db, "DELETE FROM pane.code", 0, NULL) ||
	    db_exec(db, "INSERT INTO pane.code (checksum) VALUES ($1)", sum) ||
	    db_exec_n(db, "COMMIT", 0, NULL))
		return db_err(db, e, "code");
	printf("applied code\n");
	return 0;
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

static int migrate_locked(struct db *db, const struct broker_conf *c, const char *dir,
			  struct err *e)
{
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
	r = apply_all(db, dir, e);
	if (!r)
		r = apply_code(db, dir, e);
	if (!r)
		r = runtime_role(c, role, e);
	if (!r && db_exec(db, "SELECT pane.grant_runtime($1)", role))
		r = db_err(db, e, "cannot grant the runtime role its rights");
	return r;
}

int broker_migrate(const struct broker_conf *c, const char *sql_dir, struct err *e)
{
	struct db db;
	int r = owner_connect(c, &db, e);

	if (r)
		return r;
	if (db_exec_n(&db, "SELECT pg_advisory_lock(1885433445, 0)", 0, NULL))
		r = db_err(&db, e, "cannot take the migration lock");
	else
		r = migrate_locked(&db, c, sql_dir ? sql_dir : c->sql_dir, e);
	db_fini(&db); /* releases the lock */
	return r;
}

/* With a token that sets the password; NULL: the generated password itself is told. */
static int make_admin(const struct broker_conf *c, const char *name, const char *token,
		      struct err *e)
{
	char password[21], hash[PASSWORD_HASH_MAX], key[DB_HASH_LEN];
	struct db db;
	int r = valid_user_name(name, e), bad;

	if (!r)
		r = owner_connect(c, &db, e);
	if (r)
		return r;
	random_password(password, 20);
	if (password_hash(password, hash)) {
		r = err_set(e, -ENOMEM, "out of memory");
	} else {
		if (token)
			db_hash(key, token, TICKET_LEN);
		bad = token ? db_exec(&db,
				      "SELECT pane.admin_reset($1, $2), "
				      "pane.welcome_create($1, $3, $4)",
				      name, hash, key, DB_INT(SETUP_TTL_S))
			    : db_exec(&db, "SELECT pane.admin_reset($1, $2)", name, hash);
		if (bad)
			r = db_err(&db, e, "cannot write the administrator");
		else
			printf("%s\n", token ? token : password);
	}
	explicit_bzero(password, sizeof(password));
	db_fini(&db);
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
