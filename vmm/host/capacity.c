/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Capacity and admission. Memory is counted twice and the smaller figure holds: what is not
 * promised to running desktops (a guest that just booted has not touched its memory yet), and what
 * the kernel says is available (others use memory too). Main thread.
 */
#include "vmm/host/capacity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"

#define PROBE_MS 10000

int host_meminfo(const char *text, int64_t *total_mib, int64_t *available_mib)
{
	const char *t = strstr(text, "MemTotal:"), *a = strstr(text, "MemAvailable:");

	if (!t || !a)
		return -EPROTO;
	*total_mib = strtoll(t + 9, NULL, 10) / 1024;
	*available_mib = strtoll(a + 13, NULL, 10) / 1024;
	return 0;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t not_negative(int64_t v)
{
	return v < 0 ? 0 : v;
}

void host_capacity_measure(const struct host_config *c, int64_t promised_mib,
			   struct host_capacity *cap)
{
	cleanup_free char *text = NULL;
	int64_t total = 0, available = 0;
	struct statvfs fs;
	size_t len;

	cap->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (file_read("/proc/meminfo", 65536, &text, &len, NULL) == 0 &&
	    host_meminfo(text, &total, &available) == 0) {
		cap->memory_mib = not_negative(total - c->memory_reserve_mib);
		cap->memory_free_mib = not_negative(
			least(cap->memory_mib - promised_mib, available - c->memory_reserve_mib));
	}
	if (statvfs(c->state_dir, &fs) == 0)
		cap->disk_free_mib = not_negative(
			(int64_t)((uint64_t)fs.f_bavail * fs.f_frsize >> 20) - c->disk_reserve_mib);
}

int host_capacity_admit(const struct host_capacity *cap, int64_t memory_mib, struct err *e)
{
	if (strcmp(cap->kvm, "none") == 0)
		return err_setw(e, -ENODEV, "host.kvm", "this host cannot run virtual machines: %s",
				cap->why);
	if (memory_mib > cap->memory_mib)
		return err_setw(e, -ENOMEM, "host.memory",
				"needs %" PRId64 " MiB, this host has %" PRId64 " MiB in all",
				memory_mib, cap->memory_mib);
	if (memory_mib > cap->memory_free_mib)
		return err_setw(e, -ENOMEM, "host.memory",
				"needs %" PRId64 " MiB, %" PRId64 " free", memory_mib,
				cap->memory_free_mib);
	if (cap->disk_free_mib <= 0)
		return err_setw(e, -ENOSPC, "host.disk",
				"the disk of this host is full (nothing free above its reserve): "
				"delete desktops or images, or lower disk_reserve_mib");
	return 0;
}

/* Everything the program prints until it ends, or -ETIMEDOUT. */
static int read_output(int fd, char *buf, size_t size)
{
	int64_t end = clock_ms() + PROBE_MS;
	size_t n = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_ms();
		ssize_t r;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return -ETIMEDOUT;
		r = read(fd, buf + n, size - 1 - n);
		if (r <= 0 || n + (size_t)r == size - 1) {
			buf[n + (size_t)(r > 0 ? r : 0)] = 0;
			return r < 0 ? -errno : 0;
		}
		n += (size_t)r;
	}
}

static int probe_run(const char *program, char *out, size_t size)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--probe", NULL};
	cleanup_close int rd = -1, wr = -1;
	posix_spawn_file_actions_t fa;
	int pipe_fd[2], r;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return -errno;
	rd = pipe_fd[0];
	wr = pipe_fd[1];
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, wr, 1);
	r = -posix_spawn(&pid, program, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (r < 0)
		return r;
	close(steal_fd(&wr));
	r = read_output(rd, out, size);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

void host_capacity_probe(const struct host_config *c, struct host_capacity *cap)
{
	cleanup_json json_t *o = NULL;
	const char *kvm = "none", *why = "";
	char out[2048];
	int r = probe_run(c->vmm, out, sizeof(out));

	snprintf(cap->kvm, sizeof(cap->kvm), "none");
	if (r < 0) {
		snprintf(cap->why, sizeof(cap->why), "cannot run %s: %s", c->vmm, strerror(-r));
	} else if (!(o = json_parse(out, strlen(out), NULL)) ||
		   json_need_str(o, "kvm", 1, 15, &kvm, NULL) < 0 ||
		   json_opt_str(o, "why", 4096, &why, NULL) < 0) {
		snprintf(cap->why, sizeof(cap->why), "%s --probe gave no answer", c->vmm);
	} else {
		snprintf(cap->kvm, sizeof(cap->kvm), "%s", kvm);
		snprintf(cap->why, sizeof(cap->why), "%s", why);
	}
	log_info("host.kvm", "kind=%s why=%s", cap->kvm, LOG_Q(cap->why));
}
