/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A byte out is a character; a byte in is 0xe9, by which firmware recognises the port.
 */
#include "vmm/pc/debugcon.h"

#include <string.h>

#include "vmm/io.h"
#include "vmm/layout.h"

static void access_port(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct debugcon *d = arg;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&d->lock);
	if (write)
		console_log_put(&d->log, (uint8_t)*value);
	else
		*value = 0xe9;
	pthread_mutex_unlock(&d->lock);
}

static void ignore_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

int debugcon_add(struct debugcon *d, struct vm_io *io, const char *path, struct err *e)
{
	int r = console_log_open(&d->log, path, ignore_line, NULL, e);

	if (r < 0)
		return r;
	pthread_mutex_init(&d->lock, NULL);
	r = vm_io_add(io, true, VM_DEBUGCON_PORT, 1, access_port, d);
	return r < 0 ? err_set(e, r, "debug port: %s", strerrorname_np(-r)) : 0;
}

void debugcon_fini(struct debugcon *d)
{
	console_log_close(&d->log);
}
