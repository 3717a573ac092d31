/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See jail_filter.h. The program: is it this architecture; is it ioctl, and which; else which part
 * of the line of numbers is this one in, by a tree of comparisons, one instruction each, that lead
 * to the answers at the end. Jumps of classic BPF go forward only, and no farther than 255
 * instructions.
 */
#include "vmm/jail_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 1u /* an action of ours: no SECCOMP_RET_* is 1 */
#define NR	offsetof(struct seccomp_data, nr)
#define ARCH	offsetof(struct seccomp_data, arch)
#define ARG(i)	(offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t))
#define UPPER	sizeof(uint32_t) /* bytes to the upper half of an argument */
#define REACH	255

enum {
	HEAD = 4,  /* architecture, number, ioctl */
	IOCTL = 3, /* and one for each request */
	CLONE = 3,
	ANSWERS = 8, /* different ones */
	PARTS = 2 * JAIL_CALLS_MAX + 1
};

/* A part of the line of numbers, up to where the next one begins. */
struct part {
	uint32_t from, action;
};

struct program {
	struct sock_filter *code;
	unsigned n;	     /* instructions so far */
	unsigned clone, end; /* where the look at clone's flags is, and the answers */
	uint32_t answer[ANSWERS];
	unsigned answers;
	struct part part[PARTS];
	unsigned parts;
	bool far; /* a jump goes too far */
};

/* ---- the list ------------------------------------------------------------------------------- */

static void add(struct jail_filter *f, int nr, uint32_t action)
{
	if (f->calls == JAIL_CALLS_MAX)
		f->full = true;
	else
		f->call[f->calls++] = (struct jail_call){.nr = (uint32_t)nr, .action = action};
}

void jail_filter_allow(struct jail_filter *f, const int *nr, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(f, nr[i], SECCOMP_RET_ALLOW);
}

void jail_filter_refuse(struct jail_filter *f, int nr, int error)
{
	add(f, nr, SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA));
}

void jail_filter_ioctls(struct jail_filter *f, const uint32_t *request, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (f->ioctls == JAIL_IOCTLS_MAX)
			f->full = true;
		else
			f->ioctl[f->ioctls++] = request[i];
	}
}

void jail_filter_threads(struct jail_filter *f)
{
	add(f, SYS_clone, THREADS);
	jail_filter_refuse(f, SYS_clone3, ENOSYS);
}

/* ---- the program ---------------------------------------------------------------------------- */

static void put(struct program *p, uint16_t code, uint32_t k)
{
	p->code[p->n++] = (struct sock_filter)BPF_STMT(code, k);
}

static void put_load(struct program *p, size_t at)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at);
}

/* Where the program answers so. */
static unsigned answer(struct program *p, uint32_t action)
{
	unsigned i = 0;

	if (action == THREADS)
		return p->clone;
	while (i < p->answers && p->answer[i] != action)
		i++;
	if (i == ANSWERS) {
		p->far = true;
		return p->end;
	}
	p->answer[i] = action;
	p->answers += i == p->answers;
	return p->end + i;
}

static void put_jump(struct program *p, uint16_t how, uint32_t k, unsigned yes, unsigned no)
{
	unsigned next = p->n + 1;

	p->far |= yes - next > REACH || no - next > REACH;
	p->code[p->n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | how | BPF_K, k,
						       (uint8_t)(yes - next), (uint8_t)(no - next));
}

/* The kernel takes the lower half alone: the upper one must be empty all the same. */
static void put_ioctls(struct program *p, const struct jail_filter *f)
{
	unsigned allow = answer(p, SECCOMP_RET_ALLOW), trap = answer(p, SECCOMP_RET_TRAP);

	put_jump(p, BPF_JEQ, SYS_ioctl, p->n + 1, p->n + 1 + IOCTL + f->ioctls);
	put_load(p, ARG(1) + UPPER);
	put_jump(p, BPF_JEQ, 0, f->ioctls ? p->n + 1 : trap, trap);
	put_load(p, ARG(1));
	for (unsigned i = 0; i < f->ioctls; i++)
		put_jump(p, BPF_JEQ, f->ioctl[i], allow, i + 1 < f->ioctls ? p->n + 1 : trap);
}

/* Of parts `from` to `to`, of which there are two at least. */
static void put_tree(struct program *p, unsigned from, unsigned to)
{
	unsigned half = (from + to + 1) / 2, left = half - 1 - from, here = p->n;
	unsigned no = left ? here + 1 : answer(p, p->part[from].action);
	unsigned yes = half < to ? here + 1 + left : answer(p, p->part[to].action);

	put_jump(p, BPF_JGE, p->part[half].from, yes, no);
	if (left)
		put_tree(p, from, half - 1);
	if (half < to)
		put_tree(p, half, to);
}

static void put_clone(struct program *p)
{
	const uint32_t needs = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	const uint32_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
			       CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE |
			       CLONE_PARENT;

	put_load(p, ARG(0));
	put(p, BPF_ALU | BPF_AND | BPF_K, needs | never);
	put_jump(p, BPF_JEQ, needs, answer(p, SECCOMP_RET_ALLOW), answer(p, SECCOMP_RET_TRAP));
}

/* Between two calls that follow each other lies nothing. */
static void add_part(struct program *p, uint32_t from, uint32_t action)
{
	if (p->parts && p->part[p->parts - 1].from == from)
		p->parts--;
	if (!p->parts || p->part[p->parts - 1].action != action)
		p->part[p->parts++] = (struct part){.from = from, .action = action};
}

static int by_number(const void *a, const void *b)
{
	const struct jail_call *x = a, *y = b;

	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static int make_parts(struct program *p, struct jail_filter *f)
{
	qsort(f->call, f->calls, sizeof(f->call[0]), by_number);
	add_part(p, 0, SECCOMP_RET_TRAP);
	for (unsigned i = 0; i < f->calls; i++) {
		if (i > 0 && f->call[i].nr == f->call[i - 1].nr)
			return -EEXIST;
		add_part(p, f->call[i].nr, f->call[i].action);
		add_part(p, f->call[i].nr + 1, SECCOMP_RET_TRAP);
	}
	return p->parts > 1 ? 0 : -EINVAL;
}

int jail_filter_program(struct jail_filter *f, struct sock_filter code[JAIL_CODE_MAX])
{
	struct program p = {.code = code};
	int r = f->full ? -E2BIG : make_parts(&p, f);

	if (r < 0)
		return r;
	p.clone = HEAD + IOCTL + f->ioctls + p.parts - 1;
	p.end = p.clone + CLONE;
	put_load(&p, ARCH);
	put_jump(&p, BPF_JEQ, AUDIT_ARCH_X86_64, p.n + 1, answer(&p, SECCOMP_RET_TRAP));
	put_load(&p, NR);
	put_ioctls(&p, f);
	put_tree(&p, 0, p.parts - 1);
	put_clone(&p);
	for (unsigned i = 0; i < p.answers; i++)
		put(&p, BPF_RET | BPF_K, p.answer[i]);
	return p.far ? -E2BIG : (int)p.n;
}

int jail_filter_load(struct jail_filter *f, bool whole_process)
{
	struct sock_filter code[JAIL_CODE_MAX];
	int n = jail_filter_program(f, code);
	struct sock_fprog prog = {.len = (unsigned short)n, .filter = code};
	long r;

	if (n < 0)
		return n;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    whole_process ? SECCOMP_FILTER_FLAG_TSYNC : 0, &prog);
	if (r > 0)
		return -ESRCH; /* a thread that could not be bound */
	return r < 0 ? -errno : 0;
}
