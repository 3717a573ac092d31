/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /terminals: thin clients enrol by a code, report and read their configuration;
 * sql/code/86_terminal.sql. A terminal shows a token of its own and not a client certificate: it
 * says who asks for a configuration and opens nothing, a certificate would have to be renewed while
 * the terminal is off for months, one that starts by network would be given another at every start,
 * and a token is void at once when its terminal is forgotten.
 */
#include "broker/api.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/exitpin.h"
#include "common/json.h"
#include "common/secret.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define CODE_HOURS_MAX 8760
#define CODE_USES_MAX  10000

/* "k7wq-2mxd-a5fn" is shown; dashes, blanks and capitals are as the person likes. */
static int code_hash(const char *text, char hash[DB_HASH_LEN])
{
	char code[ID_LEN + 1];
	size_t n = 0;

	for (; *text; text++) {
		if (*text == '-' || *text == ' ')
			continue;
		if (n == ID_LEN)
			return -EINVAL;
		code[n++] = (char)tolower((unsigned char)*text);
	}
	if (n != ID_LEN)
		return -EINVAL;
	db_hash(hash, code, ID_LEN);
	return 0;
}

struct report {
	const char *version, *addresses, *hardware, *code;
};

static int read_report(json_t *o, struct report *p, struct err *e)
{
	static const char *const keys[] = {"version", "addresses", "hardware", "code", NULL};
	int r = valid_keys(o, keys, e);

	*p = (struct report){"", "", "", ""};
	if (!r)
		r = json_opt_str(o, "version", 64, &p->version, e);
	if (!r)
		r = json_opt_str(o, "addresses", 300, &p->addresses, e);
	if (!r)
		r = json_opt_str(o, "hardware", 100, &p->hardware, e);
	if (!r)
		r = json_opt_str(o, "code", 40, &p->code, e);
	return r;
}

static enum req_step answer(struct req *r, int status, const char *config, const char *token)
{
	json_t *o = json_loads(config, 0, NULL);

	if (!o)
		return req_fail(r, 500, "internal", "The configuration is not readable.");
	return req_reply_json(
		r, status,
		json_pack("{s:o, s:i, s:s*}", "config", o, "interval_s", 60, "token", token));
}

enum req_step api_terminal_enrol(struct broker *b, struct db *db, struct req *r)
{
	char token[TICKET_LEN + 1], hash[DB_HASH_LEN], code[DB_HASH_LEN];
	cleanup_free char *config = NULL;
	struct report p;
	struct err e = {0};
	enum req_step step;
	json_t *o;

	(void)b;
	if (read_report(r->json, &p, &e))
		return req_fail_err(r, &e);
	if (code_hash(p.code, code))
		return req_fail(r, 403, "terminal.code",
				"This is not an enrolment code. Get one with: pane thin "
				"enrol-code");
	ticket_make(DEVICE_PREFIX, token);
	db_hash(hash, token, TICKET_LEN);
	config = db_text(db, "SELECT pane.terminal_enrol($1, $2, $3, $4, $5, $6)::text", code, hash,
			 p.hardware, p.version, p.addresses, r->client);
	if (!config)
		return req_fail_db(r, db);
	o = json_loads(config, 0, NULL);
	snprintf(r->object, sizeof(r->object), "%s", json_string_value(json_object_get(o, "name")));
	json_decref(o);
	step = answer(r, 201, config, token);
	explicit_bzero(token, sizeof(token));
	return step;
}

enum req_step api_terminal_self(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *config = NULL;
	char hash[DB_HASH_LEN];
	struct report p;
	struct err e = {0};

	(void)b;
	if (read_report(r->json, &p, &e))
		return req_fail_err(r, &e);
	if (!ticket_hash(DEVICE_PREFIX, r->bearer, hash))
		config = db_text(db, "SELECT pane.terminal_report($1, $2, $3, $4)::text", hash,
				 p.version, p.addresses, r->client);
	if (!config && db->fail.status)
		return req_fail_db(r, db);
	if (!config)
		return req_fail(r, 401, "terminal.unknown",
				"This terminal is not enrolled here (any more). Enrol it with a "
				"code: pane thin enrol-code");
	return answer(r, 200, config, NULL);
}

enum req_step api_terminal_code(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"name", "uses", "hours", NULL};
	char code[ID_LEN + 1], shown[ID_LEN + 3], hash[DB_HASH_LEN];
	cleanup_free char *text = NULL;
	const char *name = "terminal";
	int64_t uses = 1, hours = 24;
	struct err e = {0};
	json_t *o;

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_opt_str(r->json, "name", 56, &name, &e) ||
	    valid_host_name(name, &e) ||
	    json_opt_int(r->json, "uses", 1, CODE_USES_MAX, &uses, &e) ||
	    json_opt_int(r->json, "hours", 1, CODE_HOURS_MAX, &hours, &e))
		return req_fail_err(r, &e);
	random_id(code);
	db_hash(hash, code, ID_LEN);
	snprintf(shown, sizeof(shown), "%.4s-%.4s-%.4s", code, code + 4, code + 8);
	text = db_text(db, "SELECT pane.terminal_code_create($1, $2, $3, $4, $5)::text", hash, name,
		       DB_INT(uses), DB_INT(hours), r->user);
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	snprintf(r->object, sizeof(r->object), "%s", name);
	json_object_set_new(o, "code", json_string(shown));
	return req_reply_json(r, 201, o);
}

enum req_step api_terminal_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_terminals($1, $2)");
}

enum req_step api_terminal_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_terminal($1)", r->arg[0]),
			"terminal.unknown", "terminal");
}

/* "de", "de,us" */
static bool keyboard_ok(const char *s)
{
	for (;;) {
		size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

		if (n < 2 || n > 8)
			return false;
		s += n;
		if (!*s)
			return true;
		if (*s++ != ',')
			return false;
	}
}

/* "de", "pt_BR" */
static bool language_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	if (n < 2 || n > 3)
		return false;
	return !s[n] || (s[n] == '_' && strlen(s) == n + 3 && isupper((unsigned char)s[n + 1]) &&
			 isupper((unsigned char)s[n + 2]));
}

static int valid_terminal(json_t *o, struct err *e)
{
	static const char *const keys[] = {"name",     "pool",	 "auto_connect", "keyboard",
					   "language", "notice", "exit_pin",	 NULL};
	const char *name = NULL, *pool = NULL, *keyboard = "", *language = "", *notice = NULL,
		   *pin = NULL;
	bool yes;
	int r = valid_keys(o, keys, e);

	if (!r)
		r = json_opt_str(o, "name", 63, &name, e);
	if (!r && name)
		r = valid_host_name(name, e);
	if (!r)
		r = json_opt_str(o, "pool", 40, &pool, e);
	if (!r)
		r = json_opt_bool(o, "auto_connect", &yes, e);
	if (!r)
		r = json_opt_str(o, "keyboard", 30, &keyboard, e);
	if (!r)
		r = json_opt_str(o, "language", 8, &language, e);
	if (!r)
		r = json_opt_str(o, "notice", 250, &notice, e);
	if (!r)
		r = json_opt_str(o, "exit_pin", 12, &pin, e);
	if (!r && *keyboard && !keyboard_ok(keyboard))
		r = err_set(e, -EINVAL,
			    "\"keyboard\" is a layout of XKB, or several: \"de\", \"de,us\".");
	if (!r && *language && !language_ok(language))
		r = err_set(e, -EINVAL, "\"language\" is like \"de\" or \"pt_BR\".");
	return r;
}

/* The PIN is kept by its hash only. */
static int hash_pin(json_t *o, struct err *e)
{
	const char *pin = json_string_value(json_object_get(o, "exit_pin"));
	char kept[EXITPIN_LEN];

	if (!pin || !*pin)
		return 0;
	if (exitpin_make(pin, kept))
		return err_set(e, -EINVAL,
			       "\"exit_pin\" has 4 to 12 digits, or is empty for none.");
	return json_object_set_new(o, "exit_pin", json_string(kept));
}

enum req_step api_terminal_update(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	struct err e = {0};
	const char *name;

	(void)b;
	if (valid_terminal(r->json, &e) || hash_pin(r->json, &e))
		return req_fail_err(r, &e);
	name = json_string_value(json_object_get(r->json, "name"));
	text = json_dumps(r->json, JSON_COMPACT);
	snprintf(r->object, sizeof(r->object), "%s", name ? name : r->arg[0]);
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.terminal_set($1, $2)", r->arg[0], text),
			"terminal.unknown", "terminal");
}

enum req_step api_terminal_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.terminal_delete($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}
