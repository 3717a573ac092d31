/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clocks of a machine that goes on: how long it was away, and that what KVM keeps of time goes
 * forward by it. Skips what needs a /dev/kvm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/cpuid.h"
#include "vmm/kvm.h"
#include "vmm/mem.h"
#include "vmm/snapshot/kvm_state.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/vcpu_state.h"

#define HOUR_NS INT64_C(3600000000000)

static void times_that_cannot_be_are_no_time(void **state)
{
	(void)state;
	assert_int_equal(kvm_state_between_ns(1000, 4000), 3000);
	assert_int_equal(kvm_state_between_ns(4000, 1000), 0); /* the host's clock was set back */
	assert_int_equal(kvm_state_between_ns(0, 4000), 0);    /* nobody said when */
	assert_int_equal(kvm_state_between_ns(1, UINT64_MAX), 0);
}

static void a_snapshot_without_the_time_of_day_is_taken(void **state)
{
	int fd = memfd_create("test", 0);
	struct snap_out o;
	struct snap *s;

	(void)state;
	snap_out_init(&o, fd);
	snap_begin(&o, "clock", 0, 1);
	snap_put_u64(&o, 7);
	snap_end(&o);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	assert_int_equal(kvm_state_away_ns(s), 0);
	snap_free(s);
	close(fd);
}

struct rig {
	struct vm_kvm k;
	struct vm_mem *ram;
	struct kvm_run *run;
	int vcpu;
};

static bool rig_open(struct rig *g)
{
	if (vm_kvm_open(&g->k, NULL) < 0)
		return false;
	g->ram = vm_mem_new(1 << 20, NULL);
	assert_int_equal(vm_kvm_create(&g->k, g->ram, NULL), 0);
	assert_int_equal(vm_kvm_vcpu(&g->k, 0, &g->vcpu, &g->run, NULL), 0);
	assert_int_equal(vm_cpuid_apply(&g->k, g->vcpu, 0, 1, NULL), 0);
	return true;
}

static void rig_close(struct rig *g)
{
	munmap(g->run, g->k.run_size);
	close(g->vcpu);
	vm_kvm_close(&g->k);
	vm_mem_free(g->ram);
}

static uint64_t counter(const struct rig *g)
{
	union {
		struct kvm_msrs m;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} u = {.m.nmsrs = 1};

	u.m.entries[0].index = 0x10;
	assert_int_equal(ioctl(g->vcpu, KVM_GET_MSRS, &u.m), 1);
	return u.m.entries[0].data;
}

/* An interpreting KVM gives guests the processor's own counter, which is right by itself. */
static bool takes_counter(const struct rig *g)
{
	union {
		struct kvm_msrs m;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} u = {.m.nmsrs = 1};
	uint64_t now = counter(g);

	u.m.entries[0] = (struct kvm_msr_entry){.index = 0x10, .data = now + (1ull << 50)};
	return ioctl(g->vcpu, KVM_SET_MSRS, &u.m) == 1 && counter(g) > now + (1ull << 49);
}

static struct snap *saved(const struct rig *g)
{
	int fd = memfd_create("test", 0);
	struct snap_out o;
	struct snap *s;

	snap_out_init(&o, fd);
	assert_int_equal(vcpu_state_save(&g->k, g->vcpu, 0, &o, NULL), 0);
	assert_int_equal(kvm_state_save(&g->k, &o, NULL), 0);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	close(fd);
	return s;
}

static void the_counter_goes_forward_by_an_hour(void **state)
{
	struct rig a = {0}, b = {0}, c = {0};
	uint64_t hour;
	struct snap *s;

	(void)state;
	if (!rig_open(&a))
		skip();
	if (!takes_counter(&a)) {
		print_message("this KVM does not set time stamp counters\n");
		rig_close(&a);
		skip();
	}
	assert_true(rig_open(&b));
	assert_true(rig_open(&c));
	s = saved(&a);
	assert_true(kvm_state_away_ns(s) < HOUR_NS);
	hour = (uint64_t)ioctl(b.vcpu, KVM_GET_TSC_KHZ, 0) * 3600000;
	assert_int_equal(vcpu_state_load(&b.k, b.vcpu, 0, 1, false, s, HOUR_NS, NULL), 0);
	assert_int_equal(vcpu_state_load(&c.k, c.vcpu, 0, 1, false, s, 0, NULL), 0);

	uint64_t with = counter(&b), without = counter(&c);

	assert_true(with - without > hour - hour / 10 && with - without < hour + hour / 10);
	snap_free(s);
	rig_close(&a);
	rig_close(&b);
	rig_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_that_cannot_be_are_no_time),
		cmocka_unit_test(a_snapshot_without_the_time_of_day_is_taken),
		cmocka_unit_test(the_counter_goes_forward_by_an_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
