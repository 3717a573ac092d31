/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dirhelper.h.
 */
#include "broker/dirhelper.h"
#include "broker/dirldap.h"
#include "broker/dirtree.h"
#include "common/cleanup.h"
#include "common/json.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static json_t *login(const struct directory_conf *c, const char *user, const char *password)
{
	struct err e = {0};
	int r = dirldap_login(c, user, password, &e);

	if (!r)
		return json_pack("{s:b}", "ok", 1);
	if (r == -EACCES)
		return json_pack("{s:b, s:s}", "ok", 0, "why", e.msg);
	return json_pack("{s:s}", "error", e.msg);
}

static json_t *list(const struct directory_conf *c)
{
	cleanup_json json_t *all = NULL;
	struct err e = {0};

	if (dirldap_list(c, &all, &e))
		return json_pack("{s:s}", "error", e.msg);
	return dirtree_resolve(json_object_get(all, "users"), json_object_get(all, "groups"));
}

static json_t *answer(const struct directory_conf *c, json_t *ask)
{
	const char *op = "", *user = NULL, *password = NULL;

	(void)json_unpack(ask, "{s:s, s?s, s?s}", "op", &op, "user", &user, "password", &password);
	if (!strcmp(op, "login") && user && password)
		return login(c, user, password);
	if (!strcmp(op, "list"))
		return list(c);
	if (!strcmp(op, "test"))
		return dirldap_test(c, user, password);
	return json_pack("{s:s}", "error", "not understood");
}

int dirhelper_run(const struct directory_conf *c, struct err *e)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!c->uri)
		return err_set(e, -EINVAL, "there is no directory in the configuration");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((n = getline(&line, &size, stdin)) > 0) {
		cleanup_json json_t *ask = json_loadb(line, (size_t)n, 0, NULL);
		cleanup_json json_t *o = answer(c, ask);
		cleanup_free char *text = json_dumps(o, JSON_COMPACT);

		explicit_bzero(line, size);
		if (printf("%s\n", text ? text : "{\"error\":\"out of memory\"}") < 0 ||
		    fflush(stdout))
			break;
	}
	free(line);
	return 0;
}
