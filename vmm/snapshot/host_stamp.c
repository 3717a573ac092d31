/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See host_stamp.h. The boot id changes with every boot; CPUID leaves 1 and 7 tell another
 * processor (a host that was itself moved while it ran) or new microcode (Intel SDM vol. 2 CPUID).
 */
#include "vmm/snapshot/host_stamp.h"

#include <fcntl.h>
#include <string.h>
#include <sys/platform/x86.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/wire.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/xxh64.h"

#define SECTION "host"
#define VERSION 1
#define BOOT_ID 36 /* characters */

enum {
	EAX,
	EBX,
	ECX,
	EDX
};
enum {
	OSXSAVE = 1u << 27, /* leaf 1 ecx, and OSPKE in leaf 7 ecx: they mirror CR4 */
	OSPKE = 1u << 4
};

static bool boot_id(char out[BOOT_ID])
{
	cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, out, BOOT_ID) == BOOT_ID;
}

/* As libc found them: CPUID is an exit where the host is a virtual machine. */
static uint64_t processor(void)
{
	const struct cpuid_feature *one = __x86_get_cpuid_feature_leaf(CPUID_INDEX_1),
				   *seven = __x86_get_cpuid_feature_leaf(CPUID_INDEX_7);
	const uint32_t r[] = {one->cpuid_array[EAX],
			      one->cpuid_array[ECX] & ~(uint32_t)OSXSAVE,
			      one->cpuid_array[EDX],
			      seven->cpuid_array[EBX],
			      seven->cpuid_array[ECX] & ~(uint32_t)OSPKE,
			      seven->cpuid_array[EDX]};

	return xxh64(r, sizeof(r), 0);
}

void host_stamp_take(struct host_stamp *s, int kvm)
{
	char boot[BOOT_ID];
	struct stat node, module = {0};

	memset(s, 0, sizeof(*s));
	if (!boot_id(boot) || fstat(kvm, &node) < 0)
		return;
	(void)!stat("/sys/module/kvm", &module); /* there is none where KVM is built in */
	put_le64(s->bytes, xxh64(boot, sizeof(boot), 0));
	put_le64(s->bytes + 8, processor());
	put_le64(s->bytes + 16, node.st_ino);
	put_le64(s->bytes + 24, module.st_ino);
}

void host_stamp_save(const struct host_stamp *s, struct snap_out *out)
{
	snap_begin(out, SECTION, 0, VERSION);
	snap_put_bytes(out, s->bytes, sizeof(s->bytes));
	snap_end(out);
}

bool host_stamp_same(const struct host_stamp *s, const struct snap *snap)
{
	static const struct host_stamp unknown;
	struct host_stamp saved = {0};
	struct snap_in in;

	if (snap_find(snap, SECTION, 0, VERSION, &in, NULL) < 0)
		return false;
	snap_bytes(&in, saved.bytes, sizeof(saved.bytes));
	return snap_done(&in, NULL) == 0 && memcmp(&saved, s, sizeof(saved)) == 0 &&
	       memcmp(s, &unknown, sizeof(*s)) != 0;
}
