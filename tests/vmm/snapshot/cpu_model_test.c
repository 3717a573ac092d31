/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/snapshot/cpu_model.c: the same processor, or one that can more, is accepted; another one, or
 * one that lacks a feature, is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/snapshot/cpu_model.h"
#include "vmm/snapshot/section.h"

static union cpu_model make(void)
{
	union cpu_model m = {0};

	m.t.nent = 3;
	m.t.entries[0] = (struct kvm_cpuid_entry2){
		.function = 0, .ebx = 0x68747541, .edx = 0x69746e65, .ecx = 0x444d4163};
	m.t.entries[1] =
		(struct kvm_cpuid_entry2){.function = 1, .eax = 0x800f12, .ecx = 0xf0, .edx = 0xff};
	m.t.entries[2] = (struct kvm_cpuid_entry2){
		.function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 0x120};
	return m;
}

static void the_same_or_more_is_accepted(void **state)
{
	union cpu_model saved = make(), host = make();

	(void)state;
	assert_int_equal(cpu_model_check(&saved, &host, NULL), 0);
	host.t.entries[2].ebx |= 0x1000;
	assert_int_equal(cpu_model_check(&saved, &host, NULL), 0);
	saved.t.entries[1].ecx |= 1u << 27; /* the guest has set CR4.OSXSAVE */
	assert_int_equal(cpu_model_check(&saved, &host, NULL), 0);
}

static void another_processor_is_refused(void **state)
{
	union cpu_model saved = make(), host = make();
	struct err e = {0};

	(void)state;
	host.t.entries[1].eax = 0x800f13;
	assert_int_equal(cpu_model_check(&saved, &host, &e), -ENOTSUP);
	assert_string_equal(e.word, "snapshot.cpu");
	assert_non_null(
		strstr(e.msg, "AuthenticAMD 0x800f12, this host has AuthenticAMD 0x800f13"));
	host = make();
	host.t.entries[0].ebx++;
	assert_int_equal(cpu_model_check(&saved, &host, &e), -ENOTSUP);
}

static void a_missing_feature_is_named(void **state)
{
	union cpu_model saved = make(), host = make();
	struct err e = {0};

	(void)state;
	host.t.entries[2].ebx = 0x20;
	assert_int_equal(cpu_model_check(&saved, &host, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "CPUID 0x7.0 ebx 0x100"));
	host.t.nent = 2; /* the whole leaf is missing */
	assert_int_equal(cpu_model_check(&saved, &host, &e), -ENOTSUP);
}

static void the_table_comes_back(void **state)
{
	union cpu_model m = make(), again;
	int fd = memfd_create("test", 0);
	struct snap_out o;
	struct snap *s;
	struct snap_in in;

	(void)state;
	snap_out_init(&o, fd);
	snap_begin(&o, "cpuid", 0, 1);
	cpu_model_save(&m, &o);
	snap_end(&o);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	assert_int_equal(snap_find(s, "cpuid", 0, 1, &in, NULL), 0);
	cpu_model_load(&again, &in);
	assert_int_equal(snap_done(&in, NULL), 0);
	assert_memory_equal(&again, &m, sizeof(m));
	snap_free(s);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_or_more_is_accepted),
		cmocka_unit_test(another_processor_is_refused),
		cmocka_unit_test(a_missing_feature_is_named),
		cmocka_unit_test(the_table_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
