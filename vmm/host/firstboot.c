/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See firstboot.h. Values are passed on as they came: pane-image refuses what they may not be. The
 * volume takes mtools some tens of milliseconds, short enough for the agent's loop.
 */
#include "vmm/host/firstboot.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json.h"
#include "vmm/host/driver.h"

#define SCRIPT	 "firstboot.script"
#define INSTANCE "firstboot.instance" /* what the volume says, by its digest */
#define WHY_MAX	 300

extern char **environ;

/* Runs it and waits; what it prints on stderr is the reason. */
static int run(char *const argv[], struct err *e)
{
	posix_spawn_file_actions_t fa;
	char why[WHY_MAX] = "";
	int p[2], status = 0, r;
	ssize_t n;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p[1], 2);
	r = posix_spawn(&pid, argv[0], &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(p[1]);
	for (size_t at = 0; r == 0 && at + 1 < sizeof(why); at += (size_t)n)
		if ((n = read(p[0], why + at, sizeof(why) - 1 - at)) <= 0)
			break;
	close(p[0]);
	if (r)
		return err_set(e, -r, "cannot run %s: %s", argv[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	why[strcspn(why, "\n")] = 0;
	return WIFEXITED(status) && !WEXITSTATUS(status)
		       ? 0
		       : err_set(e, -EINVAL, "the first-boot volume could not be made: %s", why);
}

static int add_text(struct host_argv *a, json_t *o, const char *key, const char *option)
{
	const char *s = json_string_value(json_object_get(o, key));
	int r = s ? host_argv_add(a, "%s", option) : 0;

	return s && r == 0 ? host_argv_add(a, "%s", s) : r;
}

static int add_packages(struct host_argv *a, json_t *list)
{
	char text[FIRSTBOOT_PACKAGES_MAX + 1] = "";
	size_t i, n = 0;
	json_t *v;
	int r;

	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v);

		r = snprintf(text + n, sizeof(text) - n, "%s%s", n ? "," : "", s ? s : "");
		if (r < 0 || (size_t)r >= sizeof(text) - n)
			return -E2BIG;
		n += (size_t)r;
	}
	if (!n)
		return 0;
	r = host_argv_add(a, "--packages");
	return r < 0 ? r : host_argv_add(a, "%s", text);
}

static int add_script(struct host_argv *a, const char *dir, json_t *script, struct err *e)
{
	const char *s = json_string_value(script);
	char path[PATH_MAX];
	int r;

	if (!s)
		return 0;
	if ((r = path_join(path, sizeof(path), dir, SCRIPT)) < 0 ||
	    (r = file_write(path, s, strlen(s), 0600, e)) < 0 ||
	    (r = host_argv_add(a, "--script")) < 0)
		return r;
	return host_argv_add(a, "%s", path);
}

static int add_custom(struct host_argv *a, const char *dir, json_t *o, struct err *e)
{
	json_t *sudo = json_object_get(o, "sudo");
	int r = json_is_false(sudo) ? 0 : host_argv_add(a, "--sudo");

	r = r ? r : add_text(a, o, "timezone", "--timezone");
	r = r ? r : add_text(a, o, "keyboard", "--keyboard");
	r = r ? r : add_packages(a, json_object_get(o, "packages"));
	return r ? r : add_script(a, dir, json_object_get(o, "script"), e);
}

/* Everything but the instance, which follows from it. */
static int seed_args(const struct host_config *c, const char *dir, const struct host_order *o,
		     json_t *custom, struct host_argv *a, struct err *e)
{
	int r = host_argv_add(a, "%s", c->pane_image);

	r = r ? r : host_argv_add(a, "seed");
	r = r ? r : host_argv_add(a, "%s/seed.raw", dir);
	r = r ? r : host_argv_add(a, "--hostname");
	r = r ? r : host_argv_add(a, "%s", o->name);
	if (o->account[0]) {
		r = r ? r : host_argv_add(a, "--user");
		r = r ? r : host_argv_add(a, "%s", o->account);
	}
	if (o->home[0] && o->home_mib)
		r = r ? r : host_argv_add(a, "--home-disk");
	return r ? r : add_custom(a, dir, custom, e);
}

/* A desktop's id and eight digits of what its volume says. */
static void instance_of(const struct host_order *o, const struct host_argv *a, json_t *custom,
			char out[HOST_UUID + 9])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t h[EVP_MAX_MD_SIZE] = {0};
	const char *script = json_string_value(json_object_get(custom, "script"));

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)) {
		for (size_t i = 3; i < a->n; i++)
			(void)EVP_DigestUpdate(md, a->v[i], strlen(a->v[i]) + 1);
		if (script)
			(void)EVP_DigestUpdate(md, script, strlen(script));
		(void)EVP_DigestFinal_ex(md, h, NULL);
	}
	EVP_MD_CTX_free(md);
	snprintf(out, HOST_UUID + 9, "%s-%02x%02x%02x%02x", o->id, h[0], h[1], h[2], h[3]);
}

static bool says_this(const char *dir, const char *instance)
{
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	size_t n;

	if (path_join(path, sizeof(path), dir, "seed.raw") < 0 || access(path, F_OK) < 0 ||
	    path_join(path, sizeof(path), dir, INSTANCE) < 0 ||
	    file_read(path, 256, &text, &n, NULL) < 0)
		return false;
	return strcmp(text, instance) == 0;
}

static int make(const char *dir, struct host_argv *a, const char *instance, struct err *e)
{
	char path[PATH_MAX];
	int r = host_argv_add(a, "--instance");

	if (r == 0)
		r = host_argv_add(a, "%s", instance);
	if (r < 0 || (r = run(a->v, e)) < 0 ||
	    (r = path_join(path, sizeof(path), dir, INSTANCE)) < 0)
		return r;
	return file_write(path, instance, strlen(instance), 0600, e);
}

int host_seed_make(const struct host_config *c, const char *dir, const struct host_order *o,
		   json_t *customizations, struct err *e)
{
	json_t *custom = json_object_get(customizations, o->customize);
	struct host_argv a = {0};
	char instance[HOST_UUID + 9];
	int r;

	if (!c->pane_image)
		return err_set(e, -ENOENT,
			       "this image needs a cloud-init volume: set pane_image in "
			       "[desktops] of this host's configuration");
	if (o->customize[0] && !custom)
		return err_set(e, -EPROTO,
			       "the customisation of this desktop did not come with "
			       "its order");
	r = seed_args(c, dir, o, custom, &a, e);
	if (r == 0) {
		instance_of(o, &a, custom, instance);
		r = says_this(dir, instance) ? 0 : make(dir, &a, instance, e);
	}
	host_argv_free(&a);
	return r < 0 && e && !e->msg[0] ? err_set(e, r, "the first-boot volume: %s", strerror(-r))
					: r;
}

void host_firstboot_unheard(const struct host_order *o, const struct host_image *img,
			    json_t *customizations, char *out, size_t n)
{
	json_t *custom = json_object_get(customizations, o->customize);
	const char *script = json_string_value(json_object_get(custom, "script"));
	bool asked = json_array_size(json_object_get(custom, "packages")) || (script && script[0]);

	out[0] = 0;
	if (asked && o->isolation == HOST_CONTAINER)
		snprintf(out, n,
			 "first boot: the pool's packages and script were not used, as "
			 "containers have no cloud-init: build them into the image");
	else if (asked && !img->seed)
		snprintf(out, n,
			 "first boot: the pool's packages and script were not used, as image %s "
			 "has no cloud-init: build them into it",
			 img->name);
}
