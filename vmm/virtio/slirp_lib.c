/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See slirp_lib.h. Every symbol is bound at once, as the jail opens no files later.
 */
#include "vmm/virtio/slirp_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define NAME "libslirp.so.0"

/* A function's address comes as an object's (POSIX dlsym, rationale). */
static bool take(void *lib, const char *name, void *to)
{
	void *at = dlsym(lib, name);

	memcpy(to, &at, sizeof(at));
	return at;
}

int slirp_lib_load(struct slirp_lib *l, struct err *e)
{
	void *lib = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);

	if (lib && take(lib, "slirp_new", &l->start) && take(lib, "slirp_cleanup", &l->end) &&
	    take(lib, "slirp_input", &l->input) && take(lib, "slirp_pollfds_fill", &l->fill) &&
	    take(lib, "slirp_pollfds_poll", &l->poll))
		return 0;
	return err_setw(e, -ENOENT, "slirp.missing", "user-mode networking needs libslirp: %s",
			dlerror());
}
