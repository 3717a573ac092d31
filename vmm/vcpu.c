/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The vCPU loop. Each exit is answered on the vCPU's own thread: port and memory accesses through
 * vm_io_access(), ends of the machine through vm_stop(). Everything in struct kvm_run was written
 * by the kernel on the guest's behalf: sizes and counts are its promise, addresses and values are
 * the guest's.
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include "common/log.h"
#include "vmm/hyperv.h"
#include "vmm/io.h"
#include "vmm/machine.h"

#define KICK	  SIGUSR1
#define RFLAGS_IF 0x200

void vm_gate_init(struct vm_gate *g, int (*enter)(void))
{
	memset(g, 0, sizeof(*g));
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	g->enter = enter;
}

void vm_gate_open(struct vm_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void wait_at_gate(struct vm_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->waiting++;
	pthread_cond_broadcast(&g->changed);
	while (!g->open)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

/* A thread's own start-up calls must be over before the jail closes. */
static void wait_until_there(struct vm_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->started++;
	while (g->waiting < g->started)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

/* KVM_RUN came back without an exit: what the last exit began (an instruction's device access) is
 * complete, so this is where a vCPU may rest. */
static bool park_if_asked(struct vm_gate *g)
{
	if (!__atomic_load_n(&g->pause, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&g->lock);
	g->parked++;
	pthread_cond_broadcast(&g->changed);
	while (g->pause && !__atomic_load_n(&g->leave, __ATOMIC_ACQUIRE))
		pthread_cond_wait(&g->changed, &g->lock);
	g->parked--;
	pthread_mutex_unlock(&g->lock);
	return true;
}

void vm_gate_pause(struct vm_gate *g, struct vm_vcpu *v, unsigned n)
{
	pthread_mutex_lock(&g->lock);
	__atomic_store_n(&g->pause, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&g->lock);
	for (unsigned i = 0; i < n; i++)
		vm_vcpu_kick(&v[i]);
	pthread_mutex_lock(&g->lock);
	while (g->parked + g->ended < g->started)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

void vm_gate_resume(struct vm_gate *g, struct vm_vcpu *v, unsigned n)
{
	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < n; i++)
		__atomic_store_n(&v[i].run->immediate_exit,
				 __atomic_load_n(&g->leave, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	__atomic_store_n(&g->pause, false, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* hlt is left by any interrupt, so every system looks in a loop around it whether there is work
 * (Intel SDM vol. 2, HLT). One that does not wait for interrupts has stopped for good. */
static void look_again(struct vm_vcpu *v)
{
	struct kvm_mp_state mp;
	struct kvm_regs regs;

	if (ioctl(v->fd, KVM_GET_MP_STATE, &mp) < 0 || mp.mp_state != KVM_MP_STATE_HALTED ||
	    ioctl(v->fd, KVM_GET_REGS, &regs) < 0 || !(regs.rflags & RFLAGS_IF))
		return;
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	(void)ioctl(v->fd, KVM_SET_MP_STATE, &mp);
}

static void thread_ends(struct vm_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->ended++;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void on_port(struct vm_vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint64_t value = 0;

		if (write)
			memcpy(&value, data, run->io.size);
		vm_io_access(v->io, true, write, run->io.port, run->io.size, &value);
		if (!write)
			memcpy(data, &value, run->io.size);
	}
}

static void on_memory(struct vm_vcpu *v)
{
	struct kvm_run *run = v->run;
	uint64_t value = 0;

	if (run->mmio.len > sizeof(value))
		return;
	memcpy(&value, run->mmio.data, run->mmio.is_write ? run->mmio.len : 0);
	vm_io_access(v->io, false, run->mmio.is_write, run->mmio.phys_addr, run->mmio.len, &value);
	if (!run->mmio.is_write)
		memcpy(run->mmio.data, &value, run->mmio.len);
}

static void on_system_event(struct vm_vcpu *v)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(v->vm, VM_POWEROFF, NULL);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_stop(v->vm, VM_RESET, NULL);
		break;
	default:
		vm_stop(v->vm, VM_PANIC, NULL);
	}
}

/* KVM could not go on: say where, so that a report is worth something. */
static void on_internal_error(struct vm_vcpu *v)
{
	struct kvm_regs r = {0};

	(void)ioctl(v->fd, KVM_GET_REGS, &r);
	vm_stop(v->vm, VM_ERROR, "vCPU %u: KVM cannot run the guest's code at %#llx (suberror %u)",
		v->id, (unsigned long long)r.rip, v->run->internal.suberror);
}

static void on_exit_reason(struct vm_vcpu *v)
{
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		on_port(v);
		break;
	case KVM_EXIT_MMIO:
		on_memory(v);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN: /* triple fault: what a PC answers with a reset */
		log_warn("guest.triple_fault", "vcpu=%u", v->id);
		vm_stop(v->vm, VM_RESET, NULL);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		on_system_event(v);
		break;
	case KVM_EXIT_HYPERV:
		hyperv_exit(v->run);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		on_internal_error(v);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vm_stop(v->vm, VM_ERROR,
			"vCPU %u: entry into the guest failed, hardware reason %#llx", v->id,
			(unsigned long long)v->run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		vm_stop(v->vm, VM_ERROR, "vCPU %u: unknown exit %u", v->id, v->run->exit_reason);
	}
}

static void *vcpu_main(void *arg)
{
	struct vm_vcpu *v = arg;
	struct vm_gate *g = v->gate;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", v->id);
	pthread_setname_np(pthread_self(), name);
	wait_at_gate(g);
	if (g->enter && g->enter() < 0)
		vm_stop(v->vm, VM_ERROR, "vCPU %u could not be jailed", v->id);
	while (!__atomic_load_n(&g->leave, __ATOMIC_ACQUIRE)) {
		if (ioctl(v->fd, KVM_RUN, 0) == 0) {
			on_exit_reason(v);
		} else if (errno == EFAULT) {
			vm_stop(v->vm, VM_ERROR,
				"vCPU %u: guest memory could not be provided "
				"(the host is out of memory?)",
				v->id);
		} else if (errno != EINTR && errno != EAGAIN) {
			vm_stop(v->vm, VM_ERROR, "vCPU %u: KVM_RUN: %s", v->id,
				strerrorname_np(errno));
		} else {
			bool nudged = __atomic_exchange_n(&v->nudged, false, __ATOMIC_ACQ_REL);

			if (park_if_asked(g) || nudged)
				look_again(v);
		}
	}
	thread_ends(g);
	return NULL;
}

static void on_kick(int signo)
{
	(void)signo; /* its arrival ends KVM_RUN, and immediate_exit the next one */
}

int vm_vcpu_start(struct vm_vcpu *v, struct err *e)
{
	struct sigaction sa = {.sa_handler = on_kick};

	if (sigaction(KICK, &sa, NULL) < 0)
		return err_set(e, -errno, "sigaction: %m");

	int r = pthread_create(&v->thread, NULL, vcpu_main, v);

	if (r)
		return err_set(e, -r, "thread of vCPU %u: %s", v->id, strerrorname_np(r));
	v->started = true;
	wait_until_there(v->gate);
	return 0;
}

void vm_vcpu_nudge(struct vm_vcpu *v)
{
	if (!v->started)
		return;
	__atomic_store_n(&v->nudged, true, __ATOMIC_RELEASE);
	pthread_kill(v->thread, KICK); /* without effect on one that runs */
}

void vm_vcpu_kick(struct vm_vcpu *v)
{
	if (!v->started)
		return;
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(v->thread, KICK);
}

void vm_vcpu_join(struct vm_vcpu *v)
{
	if (!v->started)
		return;
	vm_vcpu_kick(v);
	pthread_join(v->thread, NULL);
	v->started = false;
}
