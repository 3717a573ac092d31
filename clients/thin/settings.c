/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Remembered settings; see settings.h. GTK thread.
 */
#include "clients/thin/settings.h"
#include "common/file.h"
#include "common/language.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define GROUP "thin"

static int config_path(char *out, size_t n, const char *name)
{
	int len =
		snprintf(out, n, "%s/pane%s%s", g_get_user_config_dir(), name[0] ? "/" : "", name);

	return len < (int)n ? 0 : -ENAMETOOLONG;
}

static void get(GKeyFile *k, const char *key, char *out, size_t n)
{
	g_autofree char *v = g_key_file_get_string(k, GROUP, key, NULL);

	snprintf(out, n, "%s", v && strlen(v) < n ? v : "");
}

void thin_settings_load(struct thin_settings *s)
{
	g_autoptr(GKeyFile) k = g_key_file_new();
	char path[THIN_PATH_MAX];

	memset(s, 0, sizeof(*s));
	if (config_path(path, sizeof(path), "thin.ini") ||
	    !g_key_file_load_from_file(k, path, G_KEY_FILE_NONE, NULL))
		return;
	get(k, "server", s->server, sizeof(s->server));
	get(k, "user", s->user, sizeof(s->user));
}

int thin_settings_save(const struct thin_settings *s, struct err *e)
{
	g_autoptr(GKeyFile) k = g_key_file_new();
	g_autofree char *text = NULL;
	char path[THIN_PATH_MAX];
	gsize len;

	if (config_path(path, sizeof(path), ""))
		return err_set(e, -ENAMETOOLONG, _("the settings directory's name is too long"));
	if (dir_make(path, 0700, e))
		return -EIO;
	g_key_file_set_string(k, GROUP, "server", s->server);
	g_key_file_set_string(k, GROUP, "user", s->user);
	text = g_key_file_to_data(k, &len, NULL);
	if (config_path(path, sizeof(path), "thin.ini"))
		return err_set(e, -ENAMETOOLONG, _("the settings file's name is too long"));
	return file_write(path, text, len, 0600, e);
}

/* A host that passed thin_site_parse() may still hold "..", but never a slash. */
static int pin_path(const struct thin_site *site, char *out, size_t n)
{
	char name[300];

	snprintf(name, sizeof(name), "pins/%s_%u.pem", site->host, site->port);
	return config_path(out, n, name);
}

void thin_settings_find_pin(struct thin_site *site)
{
	if (pin_path(site, site->pin, sizeof(site->pin)) ||
	    !g_file_test(site->pin, G_FILE_TEST_IS_REGULAR))
		site->pin[0] = '\0';
}

int thin_settings_save_pin(struct thin_site *site, const char *pem, struct err *e)
{
	char path[THIN_PATH_MAX];

	if (config_path(path, sizeof(path), "pins") || dir_make(path, 0700, e))
		return err_prefix(e, _("cannot remember the certificate"));
	if (pin_path(site, path, sizeof(path)))
		return err_set(e, -ENAMETOOLONG, _("the certificate's file name is too long"));
	if (file_write(path, pem, strlen(pem), 0600, e))
		return -EIO;
	snprintf(site->pin, sizeof(site->pin), "%s", path);
	return 0;
}
