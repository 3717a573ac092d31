/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See boot.h. All of it comes out of a stranger's disk: names and words are taken only when they
 * are of the plain letters a kernel version or argument is made of.
 */
#include "vmm/image/boot.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/wire.h"

static bool name_ok(const char *s, size_t n)
{
	if (n == 0 || n >= BOOT_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("._+~-", s[i]))
			return false;
	}
	return true;
}

static bool word_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("._+~-=,:/@%", s[i]))
			return false;
	}
	return n > 0 && n < 200;
}

int boot_version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			size_t n, m;

			a += strspn(a, "0");
			b += strspn(b, "0");
			n = strspn(a, "0123456789");
			m = strspn(b, "0123456789");
			if (n != m)
				return n < m ? -1 : 1;
			for (; n > 0; n--, a++, b++) {
				if (*a != *b)
					return *a < *b ? -1 : 1;
			}
			continue;
		}
		if (*a != *b) /* 6.1~rc1 is older than 6.1 */
			return *a == '~'			       ? -1
			       : *b == '~'			       ? 1
			       : (unsigned char)*a < (unsigned char)*b ? -1
								       : 1;
		a++;
		b++;
	}
	return 0;
}

/* One line of the listing; false when it is no plain file of a plain name. */
static bool entry(const char *line, size_t len, char name[BOOT_NAME_MAX], size_t *bytes)
{
	const char *f[7] = {line}, *end = line + len;
	int n = 1;

	for (const char *p = line; p < end && n < 7; p++) {
		if (*p == '/')
			f[n++] = p + 1;
	}
	/* f[1] inode, f[2] mode, f[3] uid, f[4] gid, f[5] name, f[6] size */
	if (n < 7 || f[1] != line + 1 || (f[2][0] != '1' || f[2][1] != '0') ||
	    !name_ok(f[5], (size_t)(f[6] - f[5] - 1)))
		return false;
	memcpy(name, f[5], (size_t)(f[6] - f[5] - 1));
	name[f[6] - f[5] - 1] = 0;
	*bytes = strtoul(f[6], NULL, 10);
	return *bytes > 0;
}

/* Debian, Fedora and SUSE name the initial RAM disk of version V in these ways. */
static bool initrd_of(const char *name, const char *version)
{
	char want[3][BOOT_NAME_MAX + 16];

	snprintf(want[0], sizeof(want[0]), "initrd.img-%s", version);
	snprintf(want[1], sizeof(want[1]), "initramfs-%s.img", version);
	snprintf(want[2], sizeof(want[2]), "initrd-%s", version);
	return !strcmp(name, want[0]) || !strcmp(name, want[1]) || !strcmp(name, want[2]);
}

static void for_lines(const char *text, void (*fn)(void *, const char *, size_t), void *arg)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		fn(arg, text, n);
		text += n + (text[n] == '\n');
	}
}

static void see_kernel(void *arg, const char *line, size_t len)
{
	struct boot_files *f = arg;
	char name[BOOT_NAME_MAX];
	size_t bytes;

	if (!entry(line, len, name, &bytes) || strncmp(name, "vmlinuz-", 8) != 0 ||
	    strstr(name, "rescue"))
		return;
	if (!f->kernel[0] || boot_version_compare(name, f->kernel) > 0) {
		memcpy(f->kernel, name, sizeof(name));
		f->kernel_bytes = bytes;
	}
}

static void see_initrd(void *arg, const char *line, size_t len)
{
	struct boot_files *f = arg;
	char name[BOOT_NAME_MAX];
	size_t bytes;

	if (entry(line, len, name, &bytes) && initrd_of(name, f->kernel + 8)) {
		memcpy(f->initrd, name, sizeof(name));
		f->initrd_bytes = bytes;
	}
}

int boot_pick(const char *listing, struct boot_files *f)
{
	*f = (struct boot_files){0};
	for_lines(listing, see_kernel, f);
	if (!f->kernel[0])
		return -ENOENT;
	for_lines(listing, see_initrd, f);
	return 0;
}

static bool ours(const char *w, size_t n)
{
	static const char *const given[] = {"root=", "BOOT_IMAGE=", "initrd="};

	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		if (n >= strlen(given[i]) && !strncmp(w, given[i], strlen(given[i])))
			return true;
	}
	return n == 2 && (!strncmp(w, "ro", 2) || !strncmp(w, "rw", 2));
}

/* Appends the plain words of s[0..len); root= goes to root when that is not NULL. */
static void take_words(const char *s, size_t len, char *args, size_t n, char *root, size_t root_n)
{
	const char *end = s + len;

	while (s < end) {
		size_t w, have = strlen(args);

		while (s < end && isspace((unsigned char)*s))
			s++;
		for (w = 0; s + w < end && !isspace((unsigned char)s[w]); w++)
			;
		if (root && w > 5 && w - 5 < root_n && !strncmp(s, "root=", 5) && word_ok(s, w)) {
			memcpy(root, s + 5, w - 5);
			root[w - 5] = 0;
		}
		if (word_ok(s, w) && !ours(s, w) && have + w + 2 < n)
			snprintf(args + have, n - have, "%s%.*s", have ? " " : "", (int)w, s);
		s += w;
	}
}

int boot_grub_args(const char *cfg, const char *kernel, char *args, size_t n, char *root,
		   size_t root_n)
{
	args[0] = root[0] = 0;
	while (*cfg) {
		size_t len = strcspn(cfg, "\n"), lead = strspn(cfg, " \t"), path;
		const char *p = cfg + lead, *base;

		cfg += len + (cfg[len] == '\n');
		if (strncmp(p, "linux", 5) != 0 || lead >= len)
			continue;
		len -= lead;
		path = strcspn(p, " \t\n");
		path += strspn(p + path, " \t");
		base = p + path;
		size_t word = strcspn(base, " \t\n"), k = strlen(kernel);

		if (path + word > len || word < k || strncmp(base + word - k, kernel, k) != 0 ||
		    (word > k && base[word - k - 1] != '/'))
			continue;
		take_words(base + word, len - path - word, args, n, root, root_n);
		return 0;
	}
	return -ENOENT;
}

void boot_default_args(const char *text, char *args, size_t n)
{
	static const char *const keys[] = {"GRUB_CMDLINE_LINUX=", "GRUB_CMDLINE_LINUX_DEFAULT="};

	args[0] = 0;
	while (*text) {
		size_t len = strcspn(text, "\n");

		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			size_t k = strlen(keys[i]), q;

			if (len <= k || strncmp(text, keys[i], k) != 0 ||
			    (text[k] != '"' && text[k] != '\''))
				continue;
			q = strcspn(text + k + 1, "\"'\n");
			take_words(text + k + 1, q, args, n, NULL, 0);
		}
		text += len + (text[len] == '\n');
	}
}

void boot_fstab_root(const char *text, char *dev, size_t n)
{
	dev[0] = 0;
	while (*text) {
		size_t len = strcspn(text, "\n"), a = strspn(text, " \t"), b, c;

		b = a + strcspn(text + a, " \t\n");
		c = b + strspn(text + b, " \t");
		if (text[a] != '#' && c + 1 <= len && text[c] == '/' &&
		    (c + 1 == len || text[c + 1] == ' ' || text[c + 1] == '\t') &&
		    word_ok(text + a, b - a) && b - a < n) {
			memcpy(dev, text + a, b - a);
			dev[b - a] = 0;
			return;
		}
		text += len + (text[len] == '\n');
	}
}

int boot_cmdline(const char *root, const char *args, char *line, size_t n)
{
	int k = snprintf(line, n, "root=%s rw%s%s%s", root, args[0] ? " " : "", args,
			 strstr(args, "console=ttyS0") ? "" : " console=ttyS0");

	return k < 0 || (size_t)k >= n ? -E2BIG : 0;
}

/* Documentation/arch/x86/boot.rst: "HdrS" at 0x202, version at 0x206, xloadflags at 0x236. */
bool boot_kernel_ok(const unsigned char *head, size_t n)
{
	return n >= 0x260 && get_le16(head + 0x1fe) == 0xaa55 &&
	       get_le32(head + 0x202) == 0x53726448 && get_le16(head + 0x206) >= 0x020c &&
	       (get_le16(head + 0x236) & 1);
}
