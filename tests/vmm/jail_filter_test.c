/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/jail_filter.c: its programs, run by an interpreter of the few instructions they are made of,
 * answer every number, architecture, request and flag as the list says. That the kernel takes them
 * is jail_test.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "vmm/jail_filter.h"

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

struct program {
	struct sock_filter code[JAIL_CODE_MAX];
	unsigned n;
};

/* *steps: instructions it took. */
static uint32_t run(const struct program *p, const struct seccomp_data *d, unsigned *steps)
{
	uint32_t a = 0;
	unsigned i = 0;

	for (*steps = 1; i < p->n; i++, ++*steps) {
		const struct sock_filter *s = &p->code[i];

		switch (s->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(s->k % 4 == 0 && s->k < sizeof(*d));
			memcpy(&a, (const uint8_t *)d + s->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= s->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == s->k ? s->jt : s->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			i += a >= s->k ? s->jt : s->jf;
			break;
		case BPF_RET | BPF_K:
			return s->k;
		default:
			fail_msg("instruction %#x", s->code);
		}
	}
	fail_msg("it ends without an answer");
	return 0;
}

static uint32_t answer(const struct program *p, uint32_t nr, uint64_t arg0, uint64_t arg1)
{
	const struct seccomp_data d = {
		.nr = (int)nr, .arch = AUDIT_ARCH_X86_64, .args = {arg0, arg1}};
	unsigned steps;
	uint32_t is = run(p, &d, &steps);

	assert_true(steps <= 40); /* none goes through the whole list */
	return is;
}

static struct program of(struct jail_filter *f)
{
	struct program p = {0};
	int n = jail_filter_program(f, p.code);

	assert_in_range(n, 1, JAIL_CODE_MAX);
	p.n = (unsigned)n;
	return p;
}

/* Sets of calls of every density, with those at the ends of the line and runs of neighbours. */
static void every_number_is_answered_as_listed(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct jail_filter f = {0};
		uint32_t want[600];

		for (unsigned nr = 0; nr < 600; nr++) {
			const int one = (int)nr;

			want[nr] = SECCOMP_RET_TRAP;
			seed = seed * 1103515245 + 12345;
			if (nr == SYS_ioctl || (seed >> 16) % 600 >= round / 2 + 3 ||
			    f.calls + 1 >= 90)
				continue;
			if (seed & 1 << 20) {
				jail_filter_allow(&f, &one, 1);
				want[nr] = SECCOMP_RET_ALLOW;
			} else {
				jail_filter_refuse(&f, one, EACCES);
				want[nr] = SECCOMP_RET_ERRNO | EACCES;
			}
		}
		if (!f.calls)
			continue;

		struct program p = of(&f);

		for (unsigned nr = 0; nr < 600; nr++) {
			assert_int_equal(answer(&p, nr, 0, 0), want[nr]);
			assert_int_equal(answer(&p, nr | 0x40000000, 0, 0), SECCOMP_RET_TRAP);
		}
		assert_int_equal(answer(&p, UINT32_MAX, 0, 0), SECCOMP_RET_TRAP);
	}
}

static void another_architecture_traps(void **state)
{
	const int calls[] = {SYS_read, SYS_write};
	struct jail_filter f = {0};
	struct seccomp_data d = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};
	unsigned steps;

	(void)state;
	jail_filter_allow(&f, calls, 2);

	struct program p = of(&f);

	assert_int_equal(run(&p, &d, &steps), SECCOMP_RET_TRAP);
	d.arch = AUDIT_ARCH_X86_64;
	assert_int_equal(run(&p, &d, &steps), SECCOMP_RET_ALLOW);
}

static void an_ioctl_is_known_by_its_request(void **state)
{
	const uint32_t requests[] = {0xae80, 0x4004ae00, 0x5401};
	const int calls[] = {SYS_read};
	struct jail_filter f = {0};

	(void)state;
	jail_filter_allow(&f, calls, 1);

	struct program none = of(&f);

	jail_filter_ioctls(&f, requests, 3);

	struct program p = of(&f);

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(answer(&none, SYS_ioctl, 0, requests[i]), SECCOMP_RET_TRAP);
		assert_int_equal(answer(&p, SYS_ioctl, 7, requests[i]), SECCOMP_RET_ALLOW);
		assert_int_equal(answer(&p, SYS_ioctl, 7, requests[i] + 1), SECCOMP_RET_TRAP);
		assert_int_equal(answer(&p, SYS_ioctl, 7, requests[i] | 1ull << 32),
				 SECCOMP_RET_TRAP);
	}
}

static void a_clone_is_a_thread_or_traps(void **state)
{
	static const uint64_t never[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
					 CLONE_NEWIPC, CLONE_NEWUSER,	CLONE_NEWPID,
					 CLONE_NEWNET, CLONE_PTRACE,	CLONE_PARENT};
	struct jail_filter f = {0};

	(void)state;
	jail_filter_threads(&f);

	struct program p = of(&f);

	assert_int_equal(answer(&p, SYS_clone, THREAD | CLONE_SETTLS, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&p, SYS_clone, THREAD & ~CLONE_THREAD, 0), SECCOMP_RET_TRAP);
	assert_int_equal(answer(&p, SYS_clone, 17, 0), SECCOMP_RET_TRAP); /* what fork asks */
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_int_equal(answer(&p, SYS_clone, THREAD | never[i], 0), SECCOMP_RET_TRAP);
	assert_int_equal(answer(&p, SYS_clone3, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}

static void what_cannot_be_said_is_refused(void **state)
{
	struct sock_filter code[JAIL_CODE_MAX];
	struct jail_filter none = {0}, twice = {0}, much = {0}, wide = {0};
	const int call = SYS_read;

	(void)state;
	assert_int_equal(jail_filter_program(&none, code), -EINVAL);
	jail_filter_allow(&twice, &call, 1);
	jail_filter_refuse(&twice, call, EACCES);
	assert_int_equal(jail_filter_program(&twice, code), -EEXIST);
	for (int i = 0; i <= JAIL_CALLS_MAX; i++)
		jail_filter_refuse(&much, i, EACCES);
	assert_int_equal(jail_filter_program(&much, code), -E2BIG);
	for (int i = 0; i < JAIL_CALLS_MAX; i++) /* more parts than a jump reaches over */
		jail_filter_refuse(&wide, 2 * i, EACCES);
	assert_int_equal(jail_filter_program(&wide, code), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_is_answered_as_listed),
		cmocka_unit_test(another_architecture_traps),
		cmocka_unit_test(an_ioctl_is_known_by_its_request),
		cmocka_unit_test(a_clone_is_a_thread_or_traps),
		cmocka_unit_test(what_cannot_be_said_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
