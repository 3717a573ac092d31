/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See seed.h. The desktop says pane.ready on its serial console at the end of every boot, which is
 * what makes it ready for its user (docs/contracts.md).
 */
#include "vmm/image/seed.h"
#include "vmm/image/source.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "common/firstboot.h"

#define CUSTOM	       "/var/lib/cloud/pane-custom"
#define READY_SKELETON "[ -e /home/%s/.profile ] || su %s -c 'cp -r /etc/skel/. ~/'\n"
#define READY_CUSTOM                                                                               \
	"once=/var/lib/cloud/instance/pane-custom.done\n"                                          \
	"[ -x " CUSTOM " ] && [ ! -s $once ] && { " CUSTOM "; echo $? >$once; }\n"
/* What failed is told in a line of its own before the desktop is ready, and again at every boot, as
 * long as it is so: the packages by what is installed, the script by its status. */
#define READY_PACKAGES                                                                             \
	"for p in %s; do\n"                                                                        \
	"\tif command -v dpkg-query >/dev/null; then\n"                                            \
	"\t\tdpkg-query -W -f '${db:Status-Status}\\n' $p 2>/dev/null | grep -qx installed\n"      \
	"\telse rpm -q $p >/dev/null 2>&1; fi || lacks=\"$lacks $p\"\n"                            \
	"done\n"
#define READY_TAIL                                                                                 \
	"log=/var/log/cloud-init-output.log\n"                                                     \
	"[ -z \"$lacks\" ] || ! grep -qs 'Failed to install packages' /var/log/cloud-init.log ||"  \
	" why=\" not installed:$(echo \"$lacks\" | cut -c1-40)"                                    \
	" ($(grep -hs '^E: ' $log | tail -n 1 | cut -c1-60))\"\n"                                  \
	"rc=$(cat $once 2>/dev/null)\n"                                                            \
	"[ \"${rc:-0}\" = 0 ] || why=\"$why script ended with status $rc\"\n"                      \
	"{ [ -z \"$why\" ] || echo \"pane.note first boot:$why; see $log in it\"\n"                \
	"echo pane.ready; } >/dev/ttyS0\n"
#define HOME_UID 1000 /* the owner of a home disk, in golden images too */

static bool all_of(const char *s, const char *more)
{
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	}
	return true;
}

/* RFC 1123: labels of letters, digits and inner hyphens. */
static bool hostname_ok(const char *s)
{
	size_t label = 0;

	if (!*s || strlen(s) > 253 || !all_of(s, "-."))
		return false;
	for (; *s; s++) {
		if (*s == '.' || *s == '-') {
			if (label == 0 || (s[1] == 0 || (*s == '-' && s[1] == '.')))
				return false;
			label = *s == '.' ? 0 : label + 1;
		} else if (++label > 63) {
			return false;
		}
	}
	return true;
}

/* Text for people: UTF-8 without control characters. */
static bool text_ok(const char *s)
{
	json_t *j = json_string(s); /* NULL when it is not UTF-8 */
	bool ok = j != NULL && strlen(s) < 200;

	json_decref(j);
	for (; ok && *s; s++)
		ok = (unsigned char)*s >= 0x20 && *s != 0x7f && *s != ':' && *s != ',' &&
		     ((unsigned char)*s != 0xc2 || (unsigned char)s[1] >= 0xa0);
	return ok;
}

/* A comma between two. */
static bool packages_ok(const char *s)
{
	if (strlen(s) > FIRSTBOOT_PACKAGES_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(s, ",");

		if (!firstboot_package_ok(s, n))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

static int bad(struct err *e, const char *option, const char *should)
{
	return err_set(e, -EINVAL, "%s: give %s", option, should);
}

int img_seed_check(const struct img_seed *s, struct err *e)
{
	if (!s->hostname || !hostname_ok(s->hostname))
		return bad(e, "--hostname", "a name of letters, digits and hyphens");
	if (s->instance &&
	    (!s->instance[0] || !all_of(s->instance, "-_.") || strlen(s->instance) > 64))
		return bad(e, "--instance", "a word of letters, digits and hyphens");
	if (s->user && !firstboot_account_ok(s->user))
		return bad(e, "--user", "a lower-case account name, not root");
	if (s->gecos && !text_ok(s->gecos))
		return bad(e, "--gecos", "a name without colons, commas and control characters");
	if (s->timezone && !firstboot_timezone_ok(s->timezone))
		return bad(e, "--timezone", "a zone like Europe/Berlin");
	if (s->keyboard && !firstboot_keyboard_ok(s->keyboard))
		return bad(e, "--keyboard",
			   "a layout like de, or layout:variant like de:nodeadkeys");
	if (s->packages && !packages_ok(s->packages))
		return bad(e, "--packages", "names of Debian packages separated by commas");
	if (s->ssh_key && (strncmp(s->ssh_key, "ssh-", 4) || !all_of(s->ssh_key, " +/=@.-_") ||
			   strlen(s->ssh_key) > 2000))
		return bad(e, "--ssh-key", "a file with one public key");
	if (s->script && !firstboot_script_ok(s->script, FIRSTBOOT_SCRIPT_MAX))
		return bad(e, "--script", "a script of at most 64 KiB that begins with #!");
	return 0;
}

static json_t *file(const char *path, const char *mode, const char *text)
{
	size_t n = strlen(text);
	cleanup_free unsigned char *b64 = img_alloc(n / 3 * 4 + 8);

	if (!b64)
		return NULL;
	EVP_EncodeBlock(b64, (const unsigned char *)text, (int)n);
	return json_pack("{s:s,s:s,s:s,s:s}", "path", path, "permissions", mode, "encoding", "b64",
			 "content", b64);
}

static json_t *user(const struct img_seed *s)
{
	json_t *u = json_pack("{s:s,s:i,s:s,s:b,s:[s,s,s,s,s]}", "name", s->user, "uid", HOME_UID,
			      "shell", "/bin/bash", "lock_passwd", 1, "groups", "audio", "video",
			      "input", "dialout", "users");

	if (s->gecos)
		json_object_set_new(u, "gecos", json_string(s->gecos));
	if (s->sudo)
		json_object_set_new(u, "sudo", json_string("ALL=(ALL) NOPASSWD:ALL"));
	if (s->ssh_key)
		json_object_set_new(u, "ssh_authorized_keys", json_pack("[s]", s->ssh_key));
	return u;
}

static json_t *packages(const char *list)
{
	json_t *a = json_array();

	while (*list) {
		size_t n = strcspn(list, ",");

		json_array_append_new(a, json_stringn(list, n));
		list += n + (list[n] == ',');
	}
	return a;
}

/* Said at the end of every boot; files for a new home come first. */
static char *ready_script(const struct img_seed *s)
{
	cleanup_free char *list = s->packages ? strdup(s->packages) : NULL;
	cleanup_free char *home = NULL, *packages = NULL;
	char *text;
	int n = 0;

	for (size_t i = 0; list && list[i]; i++)
		list[i] = list[i] == ',' ? ' ' : list[i];
	if (s->user && s->home_disk)
		n = asprintf(&home, READY_SKELETON, s->user, s->user);
	if (n >= 0 && list)
		n = asprintf(&packages, READY_PACKAGES, list);
	if (n < 0 || (s->packages && !list))
		return NULL;
	n = asprintf(&text, "#!/bin/sh\n%s" READY_CUSTOM "%s" READY_TAIL, home ? home : "",
		     packages ? packages : "");
	return n < 0 ? NULL : text;
}

/* Before accounts are made, so that an account's directory is the disk's from the beginning.
 * bootcmd runs at every boot. */
static json_t *home_mount(const char *user)
{
	return json_pack("[o]",
			 json_sprintf("h=/home/%s; mkdir -p $h; grep -q '^LABEL=pane-home ' "
				      "/etc/fstab || echo \"LABEL=pane-home $h ext4 noatime,"
				      "nofail,x-systemd.device-timeout=2s 0 2\" >>/etc/fstab; "
				      "mountpoint -q $h || mount $h || true",
				      user));
}

/* keyboard(5), which X and the console read. cloud-init's own module fails on images without
 * console-setup, as cloud images are. */
static json_t *keyboard(const char *layout)
{
	size_t n = strcspn(layout, ":");
	cleanup_free char *text = NULL;

	if (asprintf(&text,
		     "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"%.*s\"\nXKBVARIANT=\"%s\"\n"
		     "XKBOPTIONS=\"\"\nBACKSPACE=\"guess\"\n",
		     (int)n, layout, layout[n] ? layout + n + 1 : "") < 0)
		return NULL;
	return file("/etc/default/keyboard", "0644", text);
}

static json_t *base(const struct img_seed *s)
{
	cleanup_free char *script = ready_script(s);
	json_t *o;

	if (!script)
		return NULL;
	o = json_pack("{s:s,s:b,s:[],s:[o]}", "hostname", s->hostname, "manage_etc_hosts", 1,
		      "users", "write_files",
		      file("/var/lib/cloud/scripts/per-boot/90-pane-ready", "0755", script));
	if (!o || !s->user)
		return o;
	if (json_array_append_new(json_object_get(o, "users"), user(s)) == 0 &&
	    (!s->home_disk || json_object_set_new(o, "bootcmd", home_mount(s->user)) == 0))
		return o;
	json_decref(o);
	return NULL;
}

char *img_seed_user_data(const struct img_seed *s)
{
	json_t *o = base(s);
	cleanup_free char *json = NULL;
	char *text = NULL;
	int r = o ? 0 : -1;

	if (r == 0 && s->timezone)
		r = json_object_set_new(o, "timezone", json_string(s->timezone));
	if (r == 0 && s->keyboard)
		r = json_array_append_new(json_object_get(o, "write_files"), keyboard(s->keyboard));
	if (r == 0 && s->packages) {
		r = json_object_set_new(o, "packages", packages(s->packages));
		json_object_set_new(o, "package_update", json_true());
	}
	if (r == 0 && s->script)
		r = json_array_append_new(json_object_get(o, "write_files"),
					  file(CUSTOM, "0755", s->script));
	json = r == 0 ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!json || asprintf(&text, "#cloud-config\n%s\n", json) < 0)
		return NULL;
	return text;
}

char *img_seed_meta_data(const struct img_seed *s)
{
	json_t *o = json_pack("{s:s,s:s}", "instance-id", s->instance ? s->instance : s->hostname,
			      "local-hostname", s->hostname);
	char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	json_decref(o);
	return text;
}
