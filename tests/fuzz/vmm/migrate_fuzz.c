/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as what another pane-vmm sends: refused with a reason, or a machine's memory, in which
 * nothing lies outside its bounds, and a state that parses. The first byte says whether the
 * greeting is one (and the rest is pages and state), or comes from the input, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/mem.h"
#include "vmm/migrate_in.h"
#include "vmm/migrate_wire.h"
#include "vmm/snapshot/section.h"

enum {
	MEMORY = 2 << 20,
	INPUT = 128 * 1024 /* what a socket takes without a reader */
};

static int wanted(void *arg, const struct snap *hello, uint64_t *memory_bytes, struct err *e)
{
	(void)arg;
	(void)hello;
	(void)e;
	*memory_bytes = MEMORY;
	return 0;
}

/* An empty state file behind a right head. */
static size_t greeting(uint8_t *p)
{
	int fd = memfd_create("hello", 0);
	struct snap_out out;
	ssize_t n;

	snap_out_init(&out, fd);
	if (snap_finish(&out) < 0)
		abort();
	snap_out_fini(&out);
	n = pread(fd, p + MIGRATE_FRAME, 256, 0);
	close(fd);

	const struct migrate_frame f = {
		.type = MIGRATE_T_HELLO, .n = (uint32_t)n, .at = MIGRATE_VERSION};

	migrate_frame_put(p, &f);
	return MIGRATE_FRAME + (size_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vm_mem_policy policy;
	const struct migrate_in_cfg cfg = {.wanted = wanted, .policy = &policy};
	struct vm_mem *ram = NULL;
	struct snap *state = NULL;
	struct err e = {0};
	uint8_t hello[512] = {0};
	size_t n;
	int s[2];

	if (size == 0 || size > INPUT || socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		return 0;
	n = greeting(hello);
	if ((data[0] & 1) && send(s[0], hello, n, 0) < 0)
		abort();
	if (size > 1 && send(s[0], data + 1, size - 1, MSG_DONTWAIT) < 0)
		abort();
	shutdown(s[0], SHUT_WR);

	struct migrate_in *m = migrate_in_over(s[1]);

	if (m && migrate_in_receive(m, &cfg, &state, &ram, &e) == 0) {
		if (!state || !ram || ram->size != MEMORY)
			abort();
	} else if (!e.msg[0]) {
		abort(); /* a refusal says why */
	}
	snap_free(state);
	vm_mem_free(ram);
	migrate_in_free(m);
	close(s[0]);
	return 0;
}
