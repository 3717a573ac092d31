/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Command line parsing by GOption; see options.h. Every flag here is in docs/man/pane-thin.1.scd.
 */
#include "clients/thin/options.h"
#include "common/language.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#ifndef PANE_VERSION
#define PANE_VERSION "0.1"
#endif

static int read_password(struct secret *out, struct err *e)
{
	char line[SECRET_MAX];
	bool got = fgets(line, sizeof(line), stdin);
	size_t n = got ? strcspn(line, "\r\n") : 0;
	int r;

	if (!n)
		return err_set(e, -EINVAL, "--password-stdin: standard input held no password");
	r = secret_set(out, line, n);
	explicit_bzero(line, sizeof(line));
	return r ? err_set(e, r, "--password-stdin: the password is too long") : 0;
}

static int check(const struct thin_options *o, struct err *e)
{
	if (o->after_s < 0 || o->after_s > 3600 || o->timeout_s < 1 || o->timeout_s > 3600)
		return err_set(e, -EINVAL, "--after and --timeout take up to 3600 seconds");
	if (o->reconnect_s < 0 || o->reconnect_s > 86400)
		return err_set(e, -EINVAL, "--reconnect-for takes 0 to 86400 seconds");
	if (o->rdp_port < 0 || o->rdp_port > 65535)
		return err_set(e, -EINVAL, "--rdp-port takes 1 to 65535");
	if (o->language && !language_ok(o->language))
		return err_set(e, -EINVAL, "--language takes a language as de or pt_BR");
	if (o->screenshot && (!o->server || !o->user || !o->password_stdin))
		return err_set(e, -EINVAL,
			       "--screenshot needs --server, --user and --password-stdin");
	return 0;
}

int thin_options_parse(struct thin_options *o, int *argc, char ***argv, struct err *e)
{
	gboolean stdin_pw = FALSE, automatic = FALSE, full = FALSE, dark = FALSE, quiet = FALSE,
		 mute = FALSE, version = FALSE;
	const GOptionEntry entries[] = {
		{"server", 's', 0, G_OPTION_ARG_STRING, &o->server, "Server address or URL", "URL"},
		{"ca", 0, 0, G_OPTION_ARG_FILENAME, &o->ca, "Trust only this CA (PEM)", "FILE"},
		{"server-name", 0, 0, G_OPTION_ARG_STRING, &o->server_name,
		 "Name the server's certificate must carry", "NAME"},
		{"rdp-port", 0, 0, G_OPTION_ARG_INT, &o->rdp_port, "RDP port of the gateway (3389)",
		 "PORT"},
		{"config", 0, 0, G_OPTION_ARG_FILENAME, &o->config,
		 "Be the terminal that this file describes (/etc/pane/thin.conf)", "FILE"},
		{"user", 'u', 0, G_OPTION_ARG_STRING, &o->user, "User name", "NAME"},
		{"password-stdin", 0, 0, G_OPTION_ARG_NONE, &stdin_pw,
		 "Read the password from standard input and sign in", NULL},
		{"desktop", 'd', 0, G_OPTION_ARG_STRING, &o->desktop,
		 "Connect to this pool's desktop at once", "POOL"},
		{"auto", 'a', 0, G_OPTION_ARG_NONE, &automatic,
		 "Connect at once when there is only one desktop", NULL},
		{"reconnect-for", 0, 0, G_OPTION_ARG_INT, &o->reconnect_s,
		 "Seconds to try to come back after a loss (180; 0: not at all)", "SECONDS"},
		{"fullscreen", 'f', 0, G_OPTION_ARG_NONE, &full, "Start in full screen", NULL},
		{"no-sound", 0, 0, G_OPTION_ARG_NONE, &quiet, "Play nothing", NULL},
		{"language", 0, 0, G_OPTION_ARG_STRING, &o->language,
		 "Language of the pages, as de or pt_BR (that of the environment)", "LANG"},
		{"no-microphone", 0, 0, G_OPTION_ARG_NONE, &mute, "Never open the microphone",
		 NULL},
		{"dark", 0, 0, G_OPTION_ARG_NONE, &dark, "Dark appearance", NULL},
		{"screenshot", 0, 0, G_OPTION_ARG_FILENAME, &o->screenshot,
		 "Write a PNG of the window and exit", "FILE"},
		{"after", 0, 0, G_OPTION_ARG_INT, &o->after_s,
		 "Seconds from the first full picture to the screenshot (3)", "SECONDS"},
		{"timeout", 0, 0, G_OPTION_ARG_INT, &o->timeout_s,
		 "Seconds to wait for the first picture with --screenshot (120)", "SECONDS"},
		{"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
		{0},
	};
	g_autoptr(GOptionContext) ctx = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;

	o->after_s = 3;
	o->timeout_s = 120;
	o->reconnect_s = 180;
	g_option_context_set_summary(ctx,
				     "The thin client of Pane: sign in and be on your desktop.");
	g_option_context_add_main_entries(ctx, entries, NULL);
	if (!g_option_context_parse(ctx, argc, argv, &error))
		return err_set(e, -EINVAL, "%s; see pane-thin --help", error->message);
	if (*argc > 1)
		return err_set(e, -EINVAL, "unknown argument “%s”; see pane-thin --help",
			       (*argv)[1]);
	if (version) {
		printf("pane-thin %s\n", PANE_VERSION);
		return 1;
	}
	o->password_stdin = stdin_pw;
	o->auto_connect = automatic || o->screenshot;
	o->fullscreen = full;
	o->dark = dark;
	o->no_sound = quiet;
	o->no_microphone = mute;
	if (check(o, e))
		return -EINVAL;
	return stdin_pw ? read_password(&o->password, e) : 0;
}

void thin_options_free(struct thin_options *o)
{
	g_free(o->server);
	g_free(o->config);
	g_free(o->language);
	g_free(o->ca);
	g_free(o->server_name);
	g_free(o->user);
	g_free(o->desktop);
	g_free(o->screenshot);
	secret_wipe(&o->password);
}
