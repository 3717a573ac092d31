/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dirhelper.h.
 */
#include "broker/dirhelper.h"
#include "broker/dirldap.h"
#include "broker/dirtree.h"
#include "broker/helpers.h"
#include "common/cleanup.h"
#include "common/json.h"

#include <errno.h>
#include <string.h>

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

static json_t *answer(void *arg, json_t *ask)
{
	const struct directory_conf *c = arg;
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

int dirhelper_run(struct directory_conf *c, struct err *e)
{
	if (!c->uri)
		return err_set(e, -EINVAL, "there is no directory in the configuration");
	helpers_serve(answer, c);
	return 0;
}
