/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane login and pane passwd: passwords come from the terminal without an echo, or from standard
 * input, never from the command line. The server is trusted by a CA file, by a fingerprint given,
 * or by a fingerprint the person at the terminal confirms; without a terminal there is nobody to
 * ask.
 */
#include "clients/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include "clients/cli/session.h"
#include "clients/cli/trust.h"
#include "common/http.h"
#include "common/json.h"

static int read_line(FILE *f, struct secret *s, struct err *e)
{
	char line[SECRET_MAX];
	int r;

	if (!fgets(line, sizeof(line), f))
		return err_set(e, -EINVAL, "no password was given");
	line[strcspn(line, "\r\n")] = 0;
	r = secret_set(s, line, strlen(line));
	explicit_bzero(line, sizeof(line));
	return r < 0 ? err_set(e, r, "the password is too long") : 0;
}

/* From the terminal without echo, or a line of standard input. */
static int ask_password(const char *prompt, bool from_stdin, struct secret *s, struct err *e)
{
	struct termios old, quiet;
	cleanup_fclose FILE *tty = NULL;
	int r;

	if (from_stdin)
		return read_line(stdin, s, e);
	tty = fopen("/dev/tty", "r+e");
	if (!tty || tcgetattr(fileno(tty), &old) < 0)
		return err_set(
			e, -ENOTTY,
			"there is no terminal to ask for the password: use --password-stdin");
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* What was typed before the question is no answer to it; what comes after it is not lost.
	 */
	tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
	fprintf(tty, "%s", prompt);
	fflush(tty);
	r = read_line(tty, s, e);
	tcsetattr(fileno(tty), TCSADRAIN, &old);
	fputc('\n', tty);
	return r;
}

static bool confirm(const char *server, const struct trust_cert *c)
{
	cleanup_fclose FILE *tty = fopen("/dev/tty", "r+e");
	char line[16] = "";

	if (!tty)
		return false;
	fprintf(tty,
		"%s shows a certificate that nothing here vouches for.\n"
		"  name         %s\n  fingerprint  SHA256 %s\n"
		"Compare it with what the gateway's administrator told you. Trust it? [y/N] ",
		server, c->name[0] ? c->name : "(none)", c->fingerprint);
	fflush(tty);
	if (!fgets(line, sizeof(line), tty))
		return false;
	return line[0] == 'y' || line[0] == 'Y';
}

static int trust_first_use(const struct cli_call *c, struct cli_session *s, struct err *e)
{
	struct trust_cert cert;
	int r = trust_fetch(s->server, &cert, e);

	if (r < 0)
		return r;
	if (c->fingerprint && !trust_same(cert.fingerprint, c->fingerprint))
		r = err_setw(e, -EPROTO, "server.untrusted",
			     "%s shows another certificate than you named: SHA256 %s", s->server,
			     cert.fingerprint);
	else if (!c->fingerprint && !confirm(s->server, &cert))
		r = err_setw(e, -EPROTO, "server.untrusted",
			     "%s is not trusted. Its certificate has SHA256 %s; give --ca FILE, or "
			     "--fingerprint when that is the right one",
			     s->server, cert.fingerprint);
	else
		r = trust_pin(s, &cert, e);
	free(cert.pem);
	return r;
}

/* Which server, and why it is believed. What was trusted before holds for the same server. */
static int choose_server(const struct cli_call *c, struct cli_session *s, struct err *e)
{
	char address[256];
	bool same = !c->server || strcmp(c->server, s->server) == 0;
	int r;

	if (!c->server && !s->server[0])
		return err_set(e, -EINVAL,
			       "which server? pane login --server https://HOST:PORT USER");
	if (c->server && (r = trust_address(c->server, address, e)) < 0)
		return r;
	if (c->server)
		snprintf(s->server, sizeof(s->server), "%s", c->server);
	if (c->ca) {
		if (!realpath(c->ca, s->ca))
			return err_set(e, -errno, "%s: %s", c->ca, strerror(errno));
		s->verify_name[0] = 0;
		return 0;
	}
	if (same && s->ca[0] && !c->fingerprint)
		return 0;
	return trust_first_use(c, s, e);
}

static int log_in_once(struct http_client *h, const char *user, const struct secret *password,
		       const struct secret *code, json_t **reply, struct err *e)
{
	cleanup_json json_t *body =
		json_pack("{s:s,s:s}", "user", user, "password", password->bytes);
	int r;

	if (!body || (code && json_object_set_new(body, "code", json_string(code->bytes))))
		return err_set(e, -EINVAL, "user or password is not UTF-8 text");
	r = http_call(h, "POST", "/api/v1/login", body, reply, e);
	return r < 0 ? r : 0;
}

static void show_recovery(json_t *reply)
{
	json_t *list = json_object_get(reply, "recovery_codes"), *v;
	size_t i;

	if (!json_array_size(list))
		return;
	printf("Keep these recovery codes where the device is not; each is good for one login:\n");
	json_array_foreach(list, i, v) printf("  %s\n", json_string_value(v));
}

/* A password, and where the account asks for it the code of a second factor. */
static int log_in(struct cli_session *s, const char *user, bool from_stdin, json_t **reply,
		  struct err *e)
{
	cleanup_http_client struct http_client *h = NULL;
	cleanup_secret struct secret password = {0}, code = {0};
	char prompt[200];
	int r;

	secret_wipe(&s->token);
	h = cli_session_http(s, e);
	if (!h)
		return -ENOMEM;
	snprintf(prompt, sizeof(prompt), "Password for %.100s: ", user);
	if ((r = ask_password(prompt, from_stdin, &password, e)) < 0)
		return r;
	r = log_in_once(h, user, &password, NULL, reply, e);
	if (!r || (strcmp(e->word, "totp.required") && strcmp(e->word, "totp.enroll")))
		return r;
	if (!strcmp(e->word, "totp.enroll"))
		fprintf(stderr, "%s\n  %s\n", e->msg,
			json_string_value(json_array_get(
				json_object_get(json_object_get(*reply, "error"), "reasons"), 0)));
	json_decref(*reply);
	*reply = NULL;
	if ((r = ask_password("Code: ", from_stdin, &code, e)) < 0)
		return r;
	return log_in_once(h, user, &password, &code, reply, e);
}

int cli_run_login(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_json json_t *reply = NULL;
	const char *token;
	int r;

	if ((r = cli_session_load(&s, e)) < 0 || (r = choose_server(c, &s, e)) < 0 ||
	    (r = log_in(&s, c->arg[0], cli_local(c, "password-stdin") != NULL, &reply, e)) < 0 ||
	    (r = json_need_str(reply, "token", 1, SECRET_MAX - 1, &token, e)) < 0)
		return r;
	if (strlen(c->arg[0]) >= sizeof(s.user))
		return err_set(e, -EINVAL, "the user name is too long");
	snprintf(s.user, sizeof(s.user), "%s", c->arg[0]);
	if ((r = secret_set(&s.token, token, strlen(token))) < 0)
		return err_set(e, r, "the server's token is too long");
	if ((r = cli_session_save(&s, e)) < 0)
		return r;
	if (!c->json)
		printf("logged in to %s as %s\n", s.server, s.user);
	show_recovery(reply);
	return 0;
}

int cli_run_passwd(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_secret struct secret old = {0}, fresh = {0}, again = {0};
	cleanup_json json_t *body = NULL, *reply = NULL;
	bool from_stdin = cli_local(c, "password-stdin") != NULL;
	int r;

	if ((r = cli_session_load(&s, e)) < 0)
		return r;
	if (!s.token.len)
		return err_set(e, -EACCES, "you are not logged in: pane login USER");
	if ((r = ask_password("Old password: ", from_stdin, &old, e)) < 0 ||
	    (r = ask_password("New password: ", from_stdin, &fresh, e)) < 0)
		return r;
	if (!from_stdin && (r = ask_password("New password again: ", false, &again, e)) < 0)
		return r;
	if (!from_stdin && !secret_equal(&fresh, &again))
		return err_set(e, -EINVAL, "the two new passwords differ");
	body = json_pack("{s:s,s:s}", "old", old.bytes, "new", fresh.bytes);
	h = cli_session_http(&s, e);
	if (!h || !body)
		return err_set(e, -EINVAL, "a password is not UTF-8 text");
	r = http_call(h, "POST", "/api/v1/me/password", body, &reply, e);
	if (r < 0)
		return r;
	printf("password changed\n");
	return 0;
}

/* The session's client, for somebody who is logged in. */
static int logged_in(struct cli_session *s, struct http_client **h, struct err *e)
{
	int r = cli_session_load(s, e);

	if (r < 0)
		return r;
	if (!s->token.len)
		return err_set(e, -EACCES, "you are not logged in: pane login USER");
	*h = cli_session_http(s, e);
	return *h ? 0 : -ENOMEM;
}

/* POST {first: a, "code": b} without keeping either; b NULL: one field. */
static int post_secrets(struct http_client *h, const char *path, const char *first,
			const struct secret *a, const struct secret *b, json_t **reply,
			struct err *e)
{
	cleanup_json json_t *body = json_pack("{s:s}", first, a->bytes);
	int r;

	if (!body || (b && json_object_set_new(body, "code", json_string(b->bytes))))
		return err_set(e, -EINVAL, "what was typed is not UTF-8 text");
	r = http_call(h, "POST", path, body, reply, e);
	return r < 0 ? r : 0;
}

/* What enrolling and moving end with: the address for the app, and a code that it shows. */
static int confirm_code(struct http_client *h, json_t *begun, bool from_stdin, struct err *e)
{
	cleanup_secret struct secret code = {0};
	cleanup_json json_t *done = NULL;
	const char *uri;
	int r;

	if ((r = json_need_str(begun, "uri", 1, 1000, &uri, e)) < 0)
		return r;
	printf("Add this address to an authenticator app:\n  %s\n", uri);
	fflush(stdout);
	if ((r = ask_password("Code it shows: ", from_stdin, &code, e)) < 0 ||
	    (r = post_secrets(h, "/api/v1/me/totp/confirm", "code", &code, NULL, &done, e)) < 0)
		return r;
	show_recovery(done);
	return 0;
}

static int enroll(struct cli_call *c, bool moves, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_secret struct secret password = {0}, code = {0};
	cleanup_json json_t *begun = NULL;
	bool from_stdin = cli_local(c, "password-stdin") != NULL;
	int r;

	if ((r = logged_in(&s, &h, e)) < 0 ||
	    (r = ask_password("Password: ", from_stdin, &password, e)) < 0 ||
	    (moves &&
	     (r = ask_password("Code of the device you have: ", from_stdin, &code, e)) < 0))
		return r;
	r = post_secrets(h, "/api/v1/me/totp", "password", &password, moves ? &code : NULL, &begun,
			 e);
	return r < 0 ? r : confirm_code(h, begun, from_stdin, e);
}

int cli_run_totp_enroll(struct cli_call *c, struct err *e)
{
	return enroll(c, false, e);
}

/* The device one has counts until the other one's first code. */
int cli_run_totp_move(struct cli_call *c, struct err *e)
{
	return enroll(c, true, e);
}

int cli_run_totp_end(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_secret struct secret password = {0}, code = {0};
	cleanup_json json_t *reply = NULL;
	bool from_stdin = cli_local(c, "password-stdin") != NULL;
	int r;

	if ((r = logged_in(&s, &h, e)) < 0 ||
	    (r = ask_password("Password: ", from_stdin, &password, e)) < 0 ||
	    (r = ask_password("Code: ", from_stdin, &code, e)) < 0)
		return r;
	r = post_secrets(h, "/api/v1/me/totp/end", "password", &password, &code, &reply, e);
	if (r < 0)
		return r;
	printf("you have no second factor any more\n");
	return 0;
}
