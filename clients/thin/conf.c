/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See conf.h. GTK thread, before the first window; apply also later.
 */
#include "clients/thin/conf.h"
#include "common/json.h"
#include "common/language.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define GROUP "terminal"

static int get(GKeyFile *k, const char *key, char *out, size_t n, struct err *e)
{
	g_autofree char *v = g_key_file_get_string(k, GROUP, key, NULL);

	if (v && strlen(v) >= n)
		return err_set(e, -EINVAL, "%s is longer than %zu bytes", key, n - 1);
	snprintf(out, n, "%s", v ? v : "");
	return 0;
}

static int read_group(GKeyFile *k, struct thin_conf *c, struct err *e)
{
	char port[8], yes[8];
	const struct {
		const char *key;
		char *out;
		size_t n;
	} text[] = {
		{"server", c->server, sizeof(c->server)},
		{"server_name", c->server_name, sizeof(c->server_name)},
		{"ca", c->ca, sizeof(c->ca)},
		{"fingerprint", c->fingerprint, sizeof(c->fingerprint)},
		{"pool", c->pool, sizeof(c->pool)},
		{"name", c->name, sizeof(c->name)},
		{"notice", c->notice, sizeof(c->notice)},
		{"exit_pin", c->exit_pin, sizeof(c->exit_pin)},
		{"enrol", c->enrol, sizeof(c->enrol)},
		{"state", c->state, sizeof(c->state)},
		{"language", c->language, sizeof(c->language)},
		{"rdp_port", port, sizeof(port)},
		{"auto", yes, sizeof(yes)},
	};
	char *end;

	for (size_t i = 0; i < G_N_ELEMENTS(text); i++)
		if (get(k, text[i].key, text[i].out, text[i].n, e))
			return -EINVAL;
	c->rdp_port = (int)strtol(port, &end, 10);
	if (*end || c->rdp_port < 0 || c->rdp_port > 65535)
		return err_set(e, -EINVAL, "rdp_port takes 1 to 65535");
	if (c->language[0] && !language_ok(c->language))
		return err_set(e, -EINVAL, "language is like de or pt_BR");
	c->auto_start = !strcmp(yes, "yes");
	return 0;
}

int thin_conf_load(struct thin_conf *c, const char *path, struct err *e)
{
	g_autoptr(GKeyFile) k = g_key_file_new();
	g_autoptr(GError) error = NULL;
	const char *where = path ? path : THIN_CONF_PATH;

	memset(c, 0, sizeof(*c));
	if (!path && !g_file_test(where, G_FILE_TEST_EXISTS))
		return 0;
	if (!g_key_file_load_from_file(k, where, G_KEY_FILE_NONE, &error))
		return err_set(e, -EINVAL, "%s: %s", where, error->message);
	if (!g_key_file_has_group(k, GROUP))
		return err_set(e, -EINVAL, "%s: there is no group [%s]", where, GROUP);
	if (read_group(k, c, e))
		return err_prefix(e, "%s", where);
	c->terminal = true;
	return 0;
}

static int take(json_t *o, const char *key, char *out, size_t n, struct err *e)
{
	const char *v = NULL;

	if (json_opt_str(o, key, n - 1, &v, e))
		return -EPROTO;
	if (v && *v)
		snprintf(out, n, "%s", v);
	return 0;
}

int thin_conf_apply(struct thin_conf *c, json_t *config, struct err *e)
{
	struct thin_conf n = *c;
	json_t *yes = json_object_get(config, "auto_connect");
	char language[sizeof(n.language)] = "";

	if (!json_is_object(config))
		return err_set(e, -EPROTO, "a terminal's configuration is an object");
	if (take(config, "name", n.name, sizeof(n.name), e) ||
	    take(config, "notice", n.notice, sizeof(n.notice), e) ||
	    take(config, "pool", n.pool, sizeof(n.pool), e) ||
	    take(config, "exit_pin", n.exit_pin, sizeof(n.exit_pin), e) ||
	    take(config, "keyboard", n.keyboard, sizeof(n.keyboard), e) ||
	    take(config, "language", language, sizeof(language), e))
		return -EPROTO;
	if (language_ok(language)) /* it names a file */
		snprintf(n.language, sizeof(n.language), "%s", language);
	if (json_is_true(yes))
		n.auto_start = true;
	*c = n;
	return 0;
}
