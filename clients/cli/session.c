/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See session.h. The token is a secret: the file is made 0600 before anything is in it, by an
 * atomic replace, and the copy in memory is wiped with the session.
 */
#include "clients/cli/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/file.h"
#include "common/json.h"

int cli_session_path(char out[PATH_MAX], const char *name, struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char dir[PATH_MAX];
	int n, r;

	if (xdg && xdg[0] == '/')
		n = snprintf(dir, sizeof(dir), "%s/pane", xdg);
	else if (home && home[0] == '/')
		n = snprintf(dir, sizeof(dir), "%s/.config/pane", home);
	else
		return err_set(e, -ENOENT, "neither XDG_CONFIG_HOME nor HOME is set");
	if (n >= (int)sizeof(dir))
		return err_set(e, -ENAMETOOLONG, "the configuration directory's path is too long");
	if ((r = dir_make(dir, 0700, e)) < 0)
		return r;
	return path_join(out, PATH_MAX, dir, name);
}

static int take(json_t *o, const char *key, char *out, size_t n, struct err *e)
{
	const char *v = "";
	int r = json_opt_str(o, key, n - 1, &v, e);

	if (r == 0)
		memcpy(out, v, strlen(v) + 1);
	return r;
}

int cli_session_load(struct cli_session *s, struct err *e)
{
	cleanup_json json_t *o = NULL;
	const char *token = "";
	char path[PATH_MAX];
	int r;

	*s = (struct cli_session){0};
	if ((r = cli_session_path(path, "session.json", e)) < 0)
		return r;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	o = json_parse_file(path, e);
	if (!o)
		return -EINVAL;
	if ((r = take(o, "server", s->server, sizeof(s->server), e)) < 0 ||
	    (r = take(o, "ca", s->ca, sizeof(s->ca), e)) < 0 ||
	    (r = take(o, "verify_name", s->verify_name, sizeof(s->verify_name), e)) < 0 ||
	    (r = take(o, "user", s->user, sizeof(s->user), e)) < 0 ||
	    (r = json_opt_str(o, "token", SECRET_MAX - 1, &token, e)) < 0)
		return r;
	return secret_set(&s->token, token, strlen(token));
}

int cli_session_save(const struct cli_session *s, struct err *e)
{
	cleanup_json json_t *o = NULL;
	char path[PATH_MAX], *text;
	int r = cli_session_path(path, "session.json", e);

	if (r < 0)
		return r;
	o = json_pack("{s:s,s:s,s:s,s:s,s:s}", "server", s->server, "ca", s->ca, "verify_name",
		      s->verify_name, "user", s->user, "token", s->token.bytes);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	r = file_write(path, text, strlen(text), 0600, e);
	explicit_bzero(text, strlen(text));
	free(text);
	return r;
}

struct http_client *cli_session_http(const struct cli_session *s, struct err *e)
{
	struct http_params p = {
		.base = s->server,
		.ca = s->ca[0] ? s->ca : NULL,
		.verify_name = s->verify_name[0] ? s->verify_name : NULL,
		.token = s->token.len ? s->token.bytes : NULL,
		.timeout_ms = 45000, /* an answer may wait for a person, up to 30 s */
	};

	return http_new(&p, e);
}
