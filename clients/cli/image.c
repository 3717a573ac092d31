/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `pane image import|export|delete` and `pane pools update`: what needs more than one call. An
 * import hashes the file, announces it, sends it in chunks and waits until the broker has made a
 * version of it. A connection that breaks is taken up again where the broker says.
 */
#include "clients/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clients/cli/progress.h"
#include "clients/cli/session.h"
#include "common/http.h"
#include "common/json.h"
#include "common/pull.h"

#define CHUNK	   (4u << 20)
#define TRIES	   10 /* without a byte of progress */
#define FIRST_READ (1u << 20)

static void cleanup_md(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}

/* An upload on its way. */
struct import {
	struct http_client *http; /* borrowed */
	int fd;
	int64_t size;
	char sha[65];
	char base[200]; /* "/api/v1/images/NAME/VERSION" once announced */
	char name[64], version[64];
	struct progress progress;
};

static int hash_file(struct import *u, struct err *e)
{
	__attribute__((cleanup(cleanup_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	cleanup_free uint8_t *buf = malloc(FIRST_READ);
	uint8_t sum[EVP_MAX_MD_SIZE];
	int64_t at = 0;

	if (!md || !buf || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		return -ENOMEM;
	while (at < u->size) {
		ssize_t n = pread(u->fd, buf, FIRST_READ, at);

		if (n <= 0)
			return err_set(e, -EIO, "reading the file: %s",
				       n ? strerror(errno) : "it became shorter");
		if (!EVP_DigestUpdate(md, buf, (size_t)n))
			return -ENOMEM;
		at += n;
		progress_show(&u->progress, "reading", (int)(at * 100 / u->size));
	}
	if (!EVP_DigestFinal_ex(md, sum, NULL))
		return -ENOMEM;
	for (int i = 0; i < 32; i++)
		snprintf(u->sha + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static void name_of(const char *file, char *out, size_t n)
{
	const char *slash = strrchr(file, '/'), *s = slash ? slash + 1 : file;

	snprintf(out, n, "%.*s", (int)strcspn(s, "."), s);
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
		else if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9'))
			*p = '-';
}

static int set_base(struct import *u)
{
	struct cli_call quote = {.arg = {u->name, u->version}};
	cleanup_free char *path = cli_fill("/api/v1/images/{1}/{2}", &quote, true);

	return path && snprintf(u->base, sizeof(u->base), "%s", path) < (int)sizeof(u->base)
		       ? 0
		       : -ENAMETOOLONG;
}

static int announce(struct import *u, const char *changelog, struct err *e)
{
	cleanup_json json_t *reply = NULL;
	cleanup_json json_t *body =
		json_pack("{s:s,s:I,s:s,s:s}", "name", u->name, "size", (json_int_t)u->size,
			  "sha256", u->sha, "changelog", changelog ? changelog : "");
	const char *version;
	int r;

	if (!body)
		return err_set(e, -EINVAL, "the changelog is not text");
	if ((r = cli_ask(u->http, "POST", "/api/v1/images", body, &reply, e)) < 0 ||
	    (r = json_need_str(reply, "version", 1, sizeof(u->version) - 1, &version, e)) < 0)
		return r;
	memcpy(u->version, version, strlen(version) + 1);
	return set_base(u);
}

/* The version's row; where the broker is. */
static int look(struct import *u, json_t **row, struct err *e)
{
	json_decref(*row);
	*row = NULL;
	return cli_ask(u->http, "GET", u->base, NULL, row, e);
}

static int64_t received(json_t *row)
{
	return json_integer_value(json_object_get(row, "received_bytes"));
}

static bool transport_trouble(int r)
{
	return r == -EIO || r == -ETIMEDOUT || r == -ECONNREFUSED || r == -EPIPE;
}

/* Sends from at on; asks where to go on when a chunk was not taken. */
static int send_all(struct import *u, int64_t at, struct err *e)
{
	cleanup_free uint8_t *buf = malloc(CHUNK);
	cleanup_json json_t *row = NULL;
	int tries = 0;

	if (!buf)
		return -ENOMEM;
	while (at < u->size) {
		cleanup_json json_t *reply = NULL;
		ssize_t n = pread(u->fd, buf, CHUNK, at);
		char path[300];
		int64_t before = at;
		int r;

		if (n <= 0)
			return err_set(e, -EIO, "reading the file: %s",
				       n ? strerror(errno) : "it became shorter");
		snprintf(path, sizeof(path), "%s/data?offset=%" PRId64, u->base, at);
		r = http_send(u->http, "PUT", path, buf, (size_t)n, &reply, e);
		if (r >= 0) {
			at += n;
			tries = 0;
			progress_show(&u->progress, "sending", (int)(at * 100 / u->size));
			continue;
		}
		if (!transport_trouble(r) && strcmp(e->word, "upload.offset") != 0 &&
		    strcmp(e->word, "broker.busy") != 0 && strcmp(e->word, "broker.down") != 0)
			return r;
		if (++tries == TRIES)
			return r;
		sleep((unsigned)tries); /* the broker or the way to it is away */
		if (look(u, &row, &(struct err){0}) >= 0)
			at = received(row);
		if (at > before)
			tries = 0;
	}
	return 0;
}

static int wait_ready(struct import *u, json_t **row, struct err *e)
{
	for (;;) {
		const char *state, *reason = "";
		int64_t percent = 0;
		int r = look(u, row, e);

		if (r < 0)
			return r;
		if ((r = json_need_str(*row, "state", 1, 32, &state, e)) < 0 ||
		    (r = json_opt_int(*row, "percent", 0, 100, &percent, e)) < 0 ||
		    (r = json_opt_str(*row, "reason", 1000, &reason, e)) < 0)
			return r;
		if (!strcmp(state, "ready") || !strcmp(state, "published"))
			return 0;
		if (!strcmp(state, "failed"))
			return err_set(e, -EBADMSG, "the image was refused: %s", reason);
		progress_show(&u->progress, state, (int)percent);
		usleep(300000); /* the API has no event to wait for */
	}
}

static int import(struct import *u, struct cli_call *c, const char *file, struct err *e)
{
	cleanup_json json_t *row = NULL;
	const char *resume = cli_local(c, "continue");
	int r = resume ? 0 : hash_file(u, e);

	if (resume && strlen(resume) < sizeof(u->version)) {
		memcpy(u->version, resume, strlen(resume) + 1);
		r = set_base(u);
	} else if (r == 0) {
		r = announce(u, cli_local(c, "changelog"), e);
	}
	if (r < 0 || (r = look(u, &row, e)) < 0)
		return r;
	if (json_integer_value(json_object_get(row, "size_bytes")) != u->size)
		return err_set(e, -EINVAL, "version %s was begun with a file of another size",
			       u->version);
	if ((r = send_all(u, received(row), e)) < 0 && transport_trouble(r)) {
		size_t n = strlen(e->msg);

		snprintf(e->msg + n, sizeof(e->msg) - n,
			 "\nGo on later with: pane image import %s --name %s --continue %s", file,
			 u->name, u->version);
	}
	if (r == 0)
		r = wait_ready(u, &row, e);
	progress_end(&u->progress);
	if (r < 0)
		return r;
	if (c->json)
		return cli_print(row);
	printf("image %s version %s is ready", u->name, u->version);
	if (json_array_size(json_object_get(row, "tags")))
		printf(" and stable\n");
	else
		printf("\nPublish it with: pane image publish %s %s\n", u->name, u->version);
	return 0;
}

int cli_import_file(struct cli_call *c, const char *file, const char *name, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_close int fd = -1;
	struct import u = {.progress.quiet = c->json};
	struct stat st;
	int r;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return err_set(e, -EINVAL, "%s is not a file with something in it", file);
	u.fd = fd;
	u.size = st.st_size;
	if (name)
		snprintf(u.name, sizeof(u.name), "%s", name);
	else
		name_of(file, u.name, sizeof(u.name));
	if ((r = cli_open_session(c, &s, &h, e)) < 0)
		return r;
	u.http = h;
	return import(&u, c, file, e);
}

int cli_run_image_import(struct cli_call *c, struct err *e)
{
	return cli_import_file(c, c->arg[0], cli_local(c, "name"), e);
}

int cli_run_image_export(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_free char *files = cli_fill("/api/v1/images/{1}/{2}/files/", c, true);
	char manifest[300];
	struct pull_params p = {.manifest = manifest, .files = files, .dir = c->arg[2]};
	int r;

	if (!files ||
	    snprintf(manifest, sizeof(manifest), "%smanifest", files) >= (int)sizeof(manifest))
		return -ENAMETOOLONG;
	if ((r = cli_open_session(c, &s, &h, e)) < 0)
		return r;
	p.http = h;
	if ((r = pull_image(&p, e)) < 0)
		return r;
	if (!c->json)
		printf("image %s version %s is in %s\n", c->arg[0], c->arg[1], c->arg[2]);
	return 0;
}

int cli_run_image_delete(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *reply = NULL;
	struct cli_call to = {.arg = {c->arg[0], cli_local(c, "image-version")}};
	cleanup_free char *path =
		cli_fill(to.arg[1] ? "/api/v1/images/{1}/{2}" : "/api/v1/images/{1}", &to, true);
	int r;

	if (!path)
		return -ENOMEM;
	if ((r = cli_open_session(c, &s, &h, e)) < 0 ||
	    (r = cli_ask(h, "DELETE", path, NULL, &reply, e)) < 0)
		return r;
	if (!c->json)
		printf("image %s%s%s deleted\n", c->arg[0], to.arg[1] ? " version " : "",
		       to.arg[1] ? to.arg[1] : "");
	return 0;
}

static const char *new_state(const struct cli_call *c)
{
	return cli_local(c, "pause")	? "paused"
	       : cli_local(c, "resume") ? "running"
	       : cli_local(c, "stop")	? "stopped"
					: NULL;
}

int cli_run_pool_update(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *body = NULL, *reply = NULL;
	cleanup_free char *path = cli_fill(c->command->path, c, true);
	const char *state = new_state(c);
	char url[300];
	int r;

	if (!path || (r = cli_body(c, &body, e)) < 0)
		return path ? r : -ENOMEM;
	if (state && json_object_size(body))
		return err_set(e, -EINVAL, "--pause, --resume and --stop go alone");
	if (state) {
		json_decref(body);
		body = json_pack("{s:s}", "state", state);
	} else if (!body) {
		body = json_object();
	}
	snprintf(url, sizeof(url), "%s%s", path, cli_force(c) ? "?force=true" : "");
	if ((r = cli_open_session(c, &s, &h, e)) < 0 ||
	    (r = cli_ask(h, state ? "PATCH" : "POST", url, body, &reply, e)) < 0)
		return r;
	if (c->json)
		return cli_print(reply);
	printf("pool %s, version %s: update %s, %lld of %lld desktops done\n", c->arg[0],
	       json_string_value(json_object_get(reply, "version")),
	       json_string_value(json_object_get(reply, "state")),
	       (long long)json_integer_value(json_object_get(reply, "done")),
	       (long long)json_integer_value(json_object_get(reply, "total")));
	return 0;
}
