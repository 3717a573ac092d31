/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dirldap.h. What comes from a directory is foreign: names are used as values only, text that
 * is not UTF-8 is left out, and the number of entries is bounded.
 */
#include "broker/dirldap.h"
#include "broker/dirtree.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/json.h"

#include <ctype.h>
#include <errno.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PAGE	    500
#define ENTRIES_MAX 200000
#define FILTER_MAX  2048
#define SECRET_LEN  512

void dirldap_escape(const char *value, char *out, size_t n)
{
	size_t at = 0;

	for (; *value && at + 4 < n; value++) {
		if (strchr("*()\\", *value))
			at += (size_t)snprintf(out + at, n - at, "\\%02x", (unsigned char)*value);
		else
			out[at++] = *value;
	}
	out[at] = 0;
}

int dirldap_check(const struct directory_conf *c, struct err *e)
{
	bool clear = !strncmp(c->uri, "ldap://", 7);

	if (!clear && strncmp(c->uri, "ldaps://", 8) && strncmp(c->uri, "ldapi://", 8))
		return err_set(e, -EINVAL,
			       "[directory] uri must begin with ldaps://, ldap:// or ldapi://");
	if (clear && !c->start_tls)
		return err_set(
			e, -EINVAL,
			"[directory] uri = ldap://… sends passwords in the clear: use ldaps:// "
			"or start_tls = yes");
	if (!c->user_base)
		return err_set(e, -EINVAL, "[directory] user_base is missing");
	if (!c->bind_dn != !c->bind_password_file)
		return err_set(e, -EINVAL,
			       "[directory] bind_dn and bind_password_file belong together");
	return 0;
}

static int ldap_err(LDAP *ld, int code, struct err *e, const char *what)
{
	char *more = NULL;
	int r = code == LDAP_INVALID_CREDENTIALS ? -EACCES : -EIO;

	if (ld)
		ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	err_set(e, r, "%s: %s%s%.200s", what, ldap_err2string(code), more && *more ? ": " : "",
		more ? more : "");
	ldap_memfree(more);
	return r;
}

static void ld_close(LDAP **ld)
{
	if (*ld)
		ldap_unbind_ext_s(*ld, NULL, NULL);
}
#define cleanup_ldap __attribute__((cleanup(ld_close)))

static int options(LDAP *ld, const struct directory_conf *c)
{
	const struct timeval tv = {.tv_sec = c->timeout_s};
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, zero = 0, r;

	r = ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	if (!r)
		r = ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	if (!r)
		r = ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
	if (!r)
		r = ldap_set_option(ld, LDAP_OPT_TIMEOUT, &tv);
	if (!r)
		r = ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
	if (!r && c->ca_cert)
		r = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, c->ca_cert);
	return r ? r : ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &zero);
}

static int reach(const struct directory_conf *c, LDAP **ld, struct err *e)
{
	int r = ldap_initialize(ld, c->uri);

	if (r)
		return ldap_err(NULL, r, e, c->uri);
	r = options(*ld, c);
	if (!r && c->start_tls)
		r = ldap_start_tls_s(*ld, NULL, NULL);
	if (!r) /* connects without one */
		r = ldap_connect(*ld);
	return r ? ldap_err(*ld, r, e, c->uri) : 0;
}

/* RFC 4513 §5.1.2: an empty password would be an anonymous bind that succeeds. */
static int bind_as(LDAP *ld, const char *dn, const char *password, struct err *e)
{
	struct berval cred = {.bv_val = (char *)(uintptr_t)password, .bv_len = strlen(password)};
	int r;

	if (!*password)
		return err_set(e, -EACCES, "an empty password is never right");
	r = ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL);
	return r ? ldap_err(ld, r, e, dn) : 0;
}

static int bind_service(LDAP *ld, const struct directory_conf *c, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t n;
	int r;

	if (!c->bind_dn)
		return 0;
	r = file_read(c->bind_password_file, SECRET_LEN, &text, &n, e);
	if (r)
		return r;
	text[strcspn(text, "\r\n")] = 0;
	r = bind_as(ld, c->bind_dn, text, e);
	explicit_bzero(text, n);
	return r == -EACCES ? -EIO : r; /* our own fault, not the user's */
}

/* ---- entries ---- */

static json_t *values_of(LDAP *ld, LDAPMessage *entry, const char *attr)
{
	struct berval **v = attr ? ldap_get_values_len(ld, entry, attr) : NULL;
	json_t *list = json_array();

	for (int i = 0; v && v[i]; i++)
		json_array_append_new(list,
				      json_stringn(v[i]->bv_val, v[i]->bv_len)); /* UTF-8 only */
	ldap_value_free_len(v);
	return list;
}

static void set_first(json_t *o, const char *key, LDAP *ld, LDAPMessage *entry, const char *attr)
{
	cleanup_json json_t *list = values_of(ld, entry, attr);
	json_t *first = json_array_get(list, 0);

	json_object_set(o, key, first ? first : json_string(""));
}

/* Active Directory: bit 2 of userAccountControl is ACCOUNTDISABLE. */
static bool is_disabled(LDAP *ld, LDAPMessage *entry)
{
	cleanup_json json_t *list = values_of(ld, entry, "userAccountControl");
	const char *s = json_string_value(json_array_get(list, 0));

	return s && (strtol(s, NULL, 10) & 2);
}

typedef json_t *(*entry_fn)(const struct directory_conf *c, LDAP *ld, LDAPMessage *entry);

static json_t *user_entry(const struct directory_conf *c, LDAP *ld, LDAPMessage *entry)
{
	char *dn = ldap_get_dn(ld, entry);
	json_t *o = json_pack("{s:s}", "dn", dn ? dn : "");

	ldap_memfree(dn);
	if (!o)
		return NULL;
	set_first(o, "name", ld, entry, c->user_name);
	set_first(o, "full_name", ld, entry, c->full_name);
	set_first(o, "email", ld, entry, c->email);
	if (is_disabled(ld, entry))
		json_object_set_new(o, "disabled", json_true());
	return o;
}

bool dirldap_range(const char *name, const char *attr, unsigned long *next)
{
	static const char word[] = ";range=";
	size_t n = strlen(attr);
	char *end;

	if (strncasecmp(name, attr, n) || strncasecmp(name + n, word, sizeof(word) - 1))
		return false;
	name += n + sizeof(word) - 1;
	if (!isdigit((unsigned char)*name))
		return false;
	(void)strtoul(name, &end, 10);
	if (*end != '-')
		return false;
	name = end + 1;
	if (!strcmp(name, "*")) {
		*next = 0;
		return true;
	}
	*next = isdigit((unsigned char)*name) ? strtoul(name, &end, 10) + 1 : 0;
	return *next && !*end;
}

/* The range of an attribute that an entry has: its name as it came, for the caller's
 * ldap_memfree(), and where the next begins. */
static char *range_of(LDAP *ld, LDAPMessage *entry, const char *attr, unsigned long *next)
{
	BerElement *ber = NULL;
	char *name = ldap_first_attribute(ld, entry, &ber);

	while (name && !dirldap_range(name, attr, next)) {
		ldap_memfree(name);
		name = ldap_next_attribute(ld, entry, ber);
	}
	ber_free(ber, 0);
	return name;
}

static int ask_range(LDAP *ld, const struct directory_conf *c, const char *dn, const char *attr,
		     unsigned long from, LDAPMessage **res)
{
	struct timeval tv = {.tv_sec = c->timeout_s};
	char name[160], *attrs[] = {name, NULL};

	snprintf(name, sizeof(name), "%.100s;range=%lu-*", attr, from);
	return ldap_search_ext_s(ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attrs, 0, NULL, NULL,
				 &tv, 1, res);
}

/* Every value of an attribute that a server may give in parts, as Active Directory does with more
 * than 1500 members. NULL: a part is missing, and who would be left out must not be. */
static json_t *all_values(LDAP *ld, const struct directory_conf *c, LDAPMessage *entry,
			  const char *dn, const char *attr)
{
	json_t *list = values_of(ld, entry, attr);
	unsigned long next = 0, before = 0;
	LDAPMessage *res = NULL;
	char *name = range_of(ld, entry, attr, &next);
	bool whole = true;

	while (name) {
		json_t *part = values_of(ld, entry, name);

		json_array_extend(list, part);
		json_decref(part);
		ldap_memfree(name);
		name = NULL;
		if (!next)
			break;
		ldap_msgfree(res);
		res = NULL;
		whole = next > before && json_array_size(list) <= ENTRIES_MAX &&
			!ask_range(ld, c, dn, attr, next, &res);
		entry = whole ? ldap_first_entry(ld, res) : NULL;
		before = next;
		name = entry ? range_of(ld, entry, attr, &next) : NULL;
		whole = whole && name;
	}
	ldap_msgfree(res);
	if (whole)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *group_entry(const struct directory_conf *c, LDAP *ld, LDAPMessage *entry)
{
	char *dn = ldap_get_dn(ld, entry);
	json_t *o = json_pack("{s:s}", "dn", dn ? dn : ""),
	       *members = all_values(ld, c, entry, dn ? dn : "", c->member);

	ldap_memfree(dn);
	if (!o || !members) {
		json_decref(o);
		json_decref(members);
		return NULL;
	}
	set_first(o, "name", ld, entry, c->group_name);
	json_object_set_new(o, "members", members);
	return o;
}

static int next_page(LDAP *ld, LDAPMessage *res, struct berval *cookie)
{
	LDAPControl **ctrls = NULL, *page;
	ber_int_t total;
	int code = 0, r = ldap_parse_result(ld, res, &code, NULL, NULL, NULL, &ctrls, 0);

	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){0};
	page = r ? NULL : ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, ctrls, NULL);
	if (page)
		r = ldap_parse_pageresponse_control(ld, page, &total, cookie);
	ldap_controls_free(ctrls);
	return r ? r : code;
}

static int one_page(LDAP *ld, const struct directory_conf *c, const char *base, const char *filter,
		    struct berval *cookie, LDAPMessage **res)
{
	struct timeval tv = {.tv_sec = c->timeout_s};
	LDAPControl *page = NULL, *ctrls[2] = {0};
	int r = ldap_create_page_control(ld, PAGE, cookie->bv_val ? cookie : NULL, 0, &page);

	if (r)
		return r;
	ctrls[0] = page;
	r = ldap_search_ext_s(ld, base, LDAP_SCOPE_SUBTREE, filter, NULL, 0, ctrls, NULL, &tv,
			      LDAP_NO_LIMIT, res);
	ldap_control_free(page);
	return r;
}

/* All entries, in pages (RFC 2696): servers give no more than a thousand or so at once. */
static int search(LDAP *ld, const struct directory_conf *c, const char *base, const char *filter,
		  entry_fn fn, json_t *list, struct err *e)
{
	struct berval cookie = {0};
	int r;

	do {
		LDAPMessage *res = NULL;

		r = one_page(ld, c, base, filter, &cookie, &res);
		for (LDAPMessage *m = r ? NULL : ldap_first_entry(ld, res); m;
		     m = ldap_next_entry(ld, m))
			if (json_array_append_new(list, fn(c, ld, m))) {
				r = LDAP_PARTIAL_RESULTS; /* no list is better than half a one */
				break;
			}
		if (!r)
			r = next_page(ld, res, &cookie);
		ldap_msgfree(res);
		if (!r && json_array_size(list) > ENTRIES_MAX)
			r = LDAP_SIZELIMIT_EXCEEDED;
	} while (!r && cookie.bv_len);
	ber_memfree(cookie.bv_val);
	return r ? ldap_err(ld, r, e, base) : 0;
}

/* The one entry of a user by name. */
static int find_user(LDAP *ld, const struct directory_conf *c, const char *user, json_t **found,
		     struct err *e)
{
	char filter[FILTER_MAX], value[3 * 128 + 8];
	cleanup_json json_t *list = json_array();
	int r;

	dirldap_escape(user, value, sizeof(value));
	r = snprintf(filter, sizeof(filter), "(&%s(%s=%s))", c->user_filter, c->user_name, value);
	if (r < 0 || (size_t)r >= sizeof(filter))
		return err_set(e, -EINVAL, "user_filter is too long");
	r = search(ld, c, c->user_base, filter, user_entry, list, e);
	if (r)
		return r;
	if (json_array_size(list) != 1)
		return err_set(e, -EACCES, "%zu entries below %s match %s, one is needed",
			       json_array_size(list), c->user_base, filter);
	*found = json_incref(json_array_get(list, 0));
	return 0;
}

/* ---- what is asked ---- */

static int check_password(const struct directory_conf *c, const char *dn, const char *password,
			  struct err *e)
{
	cleanup_ldap LDAP *ld = NULL;
	int r = reach(c, &ld, e);

	return r ? r : bind_as(ld, dn, password, e);
}

int dirldap_login(const struct directory_conf *c, const char *user, const char *password,
		  struct err *e)
{
	cleanup_ldap LDAP *ld = NULL;
	cleanup_json json_t *found = NULL;
	int r = reach(c, &ld, e);

	if (!r)
		r = bind_service(ld, c, e);
	if (!r)
		r = find_user(ld, c, user, &found, e);
	if (!r && json_is_true(json_object_get(found, "disabled")))
		r = err_set(e, -EACCES, "the account is disabled in the directory");
	return r ? r
		 : check_password(c, json_string_value(json_object_get(found, "dn")), password, e);
}

static int list_groups(LDAP *ld, const struct directory_conf *c, json_t *groups, struct err *e)
{
	return c->group_base ? search(ld, c, c->group_base, c->group_filter, group_entry, groups, e)
			     : 0;
}

int dirldap_list(const struct directory_conf *c, json_t **out, struct err *e)
{
	cleanup_ldap LDAP *ld = NULL;
	cleanup_json json_t *users = json_array(), *groups = json_array();
	int r = reach(c, &ld, e);

	if (!r)
		r = bind_service(ld, c, e);
	if (!r)
		r = search(ld, c, c->user_base, c->user_filter, user_entry, users, e);
	if (!r)
		r = list_groups(ld, c, groups, e);
	if (!r)
		*out = json_pack("{s:O, s:O}", "users", users, "groups", groups);
	return r;
}

/* ---- the test ---- */

static int step(json_t *steps, const char *what, int r, struct err *e, const char *good)
{
	json_array_append_new(steps, json_pack("{s:s, s:b, s:s}", "step", what, "ok", !r, "detail",
					       r ? e->msg : good));
	return r;
}

static int test_lists(LDAP *ld, const struct directory_conf *c, json_t *steps, json_t *users,
		      json_t *groups)
{
	struct err e = {0};
	char text[200];
	int r = search(ld, c, c->user_base, c->user_filter, user_entry, users, &e);

	snprintf(text, sizeof(text), "%zu below %.100s", json_array_size(users), c->user_base);
	if (!r && !json_array_size(users))
		r = err_set(&e, -ENOENT, "nobody below %s matches %s", c->user_base,
			    c->user_filter);
	if (step(steps, "find users", r, &e, text) || !c->group_base)
		return r;
	r = list_groups(ld, c, groups, &e);
	snprintf(text, sizeof(text), "%zu below %.100s", json_array_size(groups), c->group_base);
	return step(steps, "find groups", r, &e, text);
}

static int test_user(LDAP *ld, const struct directory_conf *c, json_t *steps, const char *user,
		     const char *password, json_t *users, json_t *groups)
{
	cleanup_json json_t *found = NULL, *one = json_array(), *o = NULL;
	cleanup_free char *names = NULL;
	struct err e = {0};
	const char *dn = "";
	int r = find_user(ld, c, user, &found, &e);

	(void)users;
	if (!r)
		dn = json_string_value(json_object_get(found, "dn"));
	if (step(steps, "find the user", r, &e, dn))
		return r;
	json_array_append(one, found);
	o = dirtree_resolve(one, groups);
	names = json_dumps(
		json_object_get(json_array_get(json_object_get(o, "users"), 0), "groups"),
		JSON_COMPACT);
	step(steps, "groups of the user", 0, &e,
	     names ? names : "none: the name is not usable here");
	if (!password)
		return 0;
	r = check_password(c, dn, password, &e);
	return step(steps, "the user's password", r, &e, "is right");
}

json_t *dirldap_test(const struct directory_conf *c, const char *user, const char *password)
{
	cleanup_ldap LDAP *ld = NULL;
	cleanup_json json_t *users = json_array(), *groups = json_array();
	json_t *steps = json_array();
	struct err e = {0};
	int r = step(steps, "connect", reach(c, &ld, &e), &e, c->uri);

	if (!r)
		r = step(steps, "bind", bind_service(ld, c, &e), &e,
			 c->bind_dn ? c->bind_dn : "anonymously");
	if (!r)
		r = test_lists(ld, c, steps, users, groups);
	if (!r && user)
		r = test_user(ld, c, steps, user, password, users, groups);
	return json_pack("{s:b, s:o}", "ok", !r, "steps", steps);
}
