/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any text as what a stranger's disk says about booting: names without paths, words without quotes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "vmm/image/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void plain(const char *s)
{
	for (; *s; s++)
		assert(*s >= ' ' && *s <= '~' && !strchr("\"'$`\\;|&<>(){}", *s));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1), args[BOOT_LINE_MAX], root[128], line[1024];
	struct boot_files f;

	memcpy(text, p, n);
	text[n] = 0;
	if (boot_pick(text, &f) == 0) {
		plain(f.kernel);
		plain(f.initrd);
		assert(!strchr(f.kernel, '/') && !strchr(f.initrd, '/'));
	}
	if (boot_grub_args(text, "vmlinuz-6.1", args, sizeof(args), root, sizeof(root)) == 0 &&
	    boot_cmdline(root, args, line, sizeof(line)) == 0)
		plain(line);
	boot_default_args(text, args, sizeof(args));
	plain(args);
	boot_fstab_root(text, root, sizeof(root));
	plain(root);
	(void)boot_version_compare(text, "6.1.0-18");
	(void)boot_kernel_ok(p, n);
	free(text);
	return 0;
}
