/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See fleet.h. thin_fleet_round() runs in worker threads and touches nothing shared.
 */
#include "clients/thin/fleet.h"
#include "clients/thin/api.h"
#include "common/file.h"
#include "common/json.h"
#include "common/language.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef PANE_VERSION
#define PANE_VERSION "0.1"
#endif

#define CONFIG_MAX 65536

static int state_path(const struct thin_conf *c, const char *name, char *out, size_t n)
{
	return c->state[0] ? path_join(out, n, c->state, name) : -ENOENT;
}

void thin_fleet_load(struct thin_conf *c, struct secret *token)
{
	char path[THIN_PATH_MAX];
	cleanup_free char *text = NULL;
	cleanup_json json_t *config = NULL;
	struct err e = {0};
	size_t n;

	secret_wipe(token);
	if (state_path(c, "token", path, sizeof(path)) ||
	    file_read(path, SECRET_MAX - 1, &text, &n, NULL) ||
	    secret_set(token, text, strcspn(text, "\r\n")) || !token->len)
		return;
	explicit_bzero(text, n);
	if (state_path(c, "config.json", path, sizeof(path)))
		return;
	config = json_parse_file(path, &e);
	if (!config || thin_conf_apply(c, config, &e))
		log_warn("terminal.cache", "reason=%s", e.msg);
}

/* The machine behind the terminal, the same after every start: the firmware's UUID where it may be
 * read, else the first network card's address. */
static void hardware(char *out, size_t n)
{
	static const char *const paths[] = {"/run/terminal/hardware",
					    "/sys/class/net/eth0/address"};
	cleanup_free char *text = NULL;
	size_t len;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(paths) && !text; i++)
		if (file_read(paths[i], 200, &text, &len, NULL))
			text = NULL;
	if (text)
		snprintf(out, n, "%.*s", (int)strcspn(text, "\r\n"), text);
}

static bool worth_telling(const struct ifaddrs *i, char *out, size_t n)
{
	const void *a;

	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK))
		return false;
	if (i->ifa_addr->sa_family == AF_INET) {
		a = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
	} else if (i->ifa_addr->sa_family == AF_INET6) {
		const struct in6_addr *six =
			&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;

		if (IN6_IS_ADDR_LINKLOCAL(six))
			return false;
		a = six;
	} else {
		return false;
	}
	return inet_ntop(i->ifa_addr->sa_family, a, out, (socklen_t)n);
}

void thin_fleet_addresses(char *out, size_t n)
{
	struct ifaddrs *all = NULL;
	char one[INET6_ADDRSTRLEN];

	out[0] = '\0';
	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		size_t used = strlen(out);

		if (worth_telling(i, one, sizeof(one)) && used + strlen(one) + 3 < n)
			snprintf(out + used, n - used, "%s%s", used ? ", " : "", one);
	}
	freeifaddrs(all);
}

static int take_token(json_t *reply, struct secret *token, struct err *e)
{
	const char *t;

	if (json_need_str(reply, "token", 1, SECRET_MAX - 1, &t, e))
		return -EPROTO;
	return secret_set(token, t, strlen(t));
}

int thin_fleet_round(const struct thin_site *site, const char *code, struct secret *token,
		     json_t **config, struct err *e)
{
	bool enrol = !token->len;
	char addresses[300], machine[128];
	cleanup_json json_t *body = NULL, *reply = NULL;
	int r;

	thin_fleet_addresses(addresses, sizeof(addresses));
	hardware(machine, sizeof(machine));
	body = json_pack("{s:s, s:s, s:s}", "version", PANE_VERSION, "addresses", addresses,
			 "hardware", machine);
	if (body && enrol)
		json_object_set_new(body, "code", json_string(code));
	r = thin_api_terminal(site, enrol ? NULL : token, body, &reply, e);
	if (r < 0)
		return r;
	if (enrol && take_token(reply, token, e))
		return -EPROTO;
	*config = json_incref(json_object_get(reply, "config"));
	return *config ? 0 : err_set(e, -EPROTO, _("the server's answer has no configuration"));
}

static int keep_text(const struct thin_conf *c, const char *name, const char *text, struct err *e)
{
	char path[THIN_PATH_MAX], fresh[THIN_PATH_MAX + 8];

	if (state_path(c, name, path, sizeof(path)))
		return err_set(e, -ENOENT, _("there is no folder for what is to be kept"));
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (file_write(fresh, text, strlen(text), 0600, e))
		return -EIO;
	if (rename(fresh, path))
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static bool same(const struct thin_conf *c, const char *name, const char *text)
{
	char path[THIN_PATH_MAX];
	cleanup_free char *old = NULL;
	size_t n;

	return !state_path(c, name, path, sizeof(path)) &&
	       !file_read(path, CONFIG_MAX, &old, &n, NULL) && !strcmp(old, text);
}

int thin_fleet_keep(const struct thin_conf *c, const struct secret *token, json_t *config,
		    struct err *e)
{
	cleanup_free char *text = json_dumps(config, JSON_SORT_KEYS | JSON_COMPACT);
	char session[160];
	bool other;

	if (!text)
		return err_set(e, -ENOMEM, _("out of memory"));
	snprintf(session, sizeof(session), "keyboard=%s\nlanguage=%s\n", c->keyboard, c->language);
	other = !same(c, "session", session);
	if (!other && same(c, "config.json", text) && same(c, "token", token->bytes))
		return 0;
	if (keep_text(c, "token", token->bytes, e) || keep_text(c, "config.json", text, e) ||
	    keep_text(c, "session", session, e) || keep_text(c, "saved", "", e))
		return e && e->code ? e->code : -EIO;
	return other;
}

void thin_fleet_forget(const struct thin_conf *c)
{
	static const char *const names[] = {"token", "config.json", "session"};
	char path[THIN_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!state_path(c, names[i], path, sizeof(path)))
			(void)unlink(path);
	if (keep_text(c, "saved", "", NULL))
		log_warn("terminal.keep", "reason=forgetting failed");
}
