/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Documentation/virt/kvm/x86/msr.rst: MSR_KVM_SYSTEM_TIME_NEW and struct pvclock_vcpu_time_info.
 */
#include "tests/guest/clock.h"

#include "tests/guest/hw.h"

#define MSR_SYSTEM_TIME 0x4b564d01u
#define KVM_FEATURES	0x40000001u
#define HAS_CLOCK	8u /* KVM_FEATURE_CLOCKSOURCE2 */

static volatile struct {
	uint32_t version, pad;
	uint64_t tsc, system_ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, more[2];
} page __attribute__((aligned(64)));

static uint64_t tsc(void)
{
	uint32_t a, d;

	__asm__ volatile("lfence; rdtsc" : "=a"(a), "=d"(d) : : "memory");
	return (uint64_t)d << 32 | a;
}

static bool kvmclock_on(void)
{
	uint32_t a = KVM_FEATURES, b, c = 0, d;
	uint64_t at = (uint64_t)&page | 1;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(a & HAS_CLOCK))
		return false;
	if (!page.version)
		__asm__ volatile("wrmsr"
				 :
				 : "c"(MSR_SYSTEM_TIME), "a"((uint32_t)at),
				   "d"((uint32_t)(at >> 32))
				 : "memory");
	return true;
}

static uint64_t kvmclock_ns(void)
{
	uint64_t ns = 0;
	uint32_t version;

	if (!kvmclock_on())
		return 0;
	do {
		uint64_t delta;

		version = page.version;
		delta = tsc() - page.tsc;
		delta = page.shift < 0 ? delta >> -page.shift : delta << page.shift;
		ns = page.system_ns + (uint64_t)((unsigned __int128)delta * page.mul >> 32);
	} while ((version & 1) || version != page.version);
	return ns;
}

void clock_obey(const char *s)
{
	static unsigned looks;

	if (!strcmp(s, "clock"))
		print("clock %X %X look %u\n", tsc(), kvmclock_ns(), ++looks);
}
