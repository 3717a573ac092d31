/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine under Pane: what its kernel offers. Whether desktops run here is asked of the
 * programs that run them (pane-vmm --probe, pane-cell --probe), so the answer is theirs.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include "common/file.h"
#include "deploy/doctor/child.h"
#include "deploy/doctor/doctor.h"

#define MAPS_MIN  65530 /* the kernel's own default */
#define FILES_MIN 65536 /* what the units ask for */

/* A number in a file of /proc or /sys; -1 when there is none. */
static long number_of(const char *path)
{
	cleanup_free char *text = NULL;
	size_t n;

	if (file_read(path, 4096, &text, &n, NULL))
		return -1;
	return text[0] == 'Y' ? 1 : text[0] == 'N' ? 0 : strtol(text, NULL, 10);
}

static bool has_word(const char *path, const char *word)
{
	cleanup_free char *text = NULL;
	size_t n;

	return file_read(path, 1 << 20, &text, &n, NULL) == 0 && strstr(text, word);
}

/* The JSON object that program --probe prints; NULL when it does not. */
static json_t *probe(const char *program)
{
	const char *const argv[] = {program, "--probe", NULL};
	char out[4096];

	if (child_run(argv, out, sizeof(out)) < 0)
		return NULL;
	return json_loads(out, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
}

static const char *text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void check_nested(struct doctor *d)
{
	if (has_word("/proc/cpuinfo", " hypervisor"))
		report_add(&d->report, REPORT_WARN, "kvm.nested",
			   "for many desktops take a machine that is not virtual",
			   "this machine is itself a virtual one: desktops run nested in it");
	else
		report_add(&d->report, REPORT_OK, "kvm.nested", NULL,
			   "this machine is not a virtual one");
}

static void check_kvm(struct doctor *d)
{
	const char *program = settings_get(&d->host, "desktops", "vmm");
	const char *vm = settings_get(&d->host, "desktops", "vm");
	bool never = vm && strcmp(vm, "never") == 0;
	json_t *o = probe(program ? program : "pane-vmm");
	const char *kvm = text_of(o, "kvm"), *why = text_of(o, "why");

	if (!o) {
		report_add(&d->report, REPORT_FAIL, "kvm.device", "apt install pane-host",
			   "pane-vmm --probe does not answer: it cannot be told what KVM can do");
	} else if (strcmp(kvm, "hardware") == 0) {
		report_add(&d->report, REPORT_OK, "kvm.device", NULL,
			   "virtual machines run on the processor");
		check_nested(d);
	} else {
		report_add(&d->report, never ? REPORT_OK : REPORT_WARN, "kvm.device",
			   never ? NULL
				 : "enable VT-x or AMD-V in the firmware (or nested "
				   "virtualization of the machine around this one), load kvm_intel "
				   "or kvm_amd; or vm = never in host.conf, for containers only",
			   "KVM is %s: %s", kvm, why);
	}
	json_decref(o);
}

static void check_cell(struct doctor *d)
{
	const char *program = settings_get(&d->host, "desktops", "cell");
	json_t *o = probe(program ? program : "pane-cell");
	const char *cell = text_of(o, "cell"), *lacks = text_of(o, "lacks");

	if (!o)
		report_add(&d->report, REPORT_FAIL, "container.probe", "apt install pane-host",
			   "pane-cell --probe does not answer");
	else if (strcmp(cell, "none") == 0)
		report_add(&d->report, REPORT_FAIL, "container.probe", text_of(o, "why"),
			   "no container desktops here");
	else
		report_add(&d->report, lacks[0] ? REPORT_WARN : REPORT_OK, "container.probe",
			   lacks[0] ? "see pane-cell(1); desktops run without that" : NULL,
			   "container desktops run here (%s)%s%s", cell,
			   lacks[0] ? "; lacking: " : "", lacks);
	json_decref(o);
}

static void check_iommu(struct doctor *d)
{
	DIR *dir = opendir("/sys/class/iommu");
	int n = -2; /* . and .. */

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	report_add(&d->report, REPORT_OK, "iommu", NULL,
		   n > 0 ? "there is an IOMMU"
			 : "no IOMMU; Pane hands no device to a guest, so none is needed");
}

static void check_cgroup(struct doctor *d)
{
	static const char root[] = "/sys/fs/cgroup/cgroup.controllers";
	static const char *const need[] = {"cpu", "memory", "pids", "io"};
	char missing[64] = "";

	if (access(root, R_OK)) {
		bool v1 = access("/sys/fs/cgroup/memory", X_OK) == 0;

		report_add(
			&d->report, v1 ? REPORT_WARN : REPORT_FAIL, "cgroup",
			"boot with systemd.unified_cgroup_hierarchy=1 (Debian's default)",
			v1 ? "control groups of version 1: limits hold, except for buffered writing"
			   : "no control groups: desktops could take all of the machine");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(need); i++)
		if (!has_word(root, need[i]))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				 " %s", need[i]);
	if (missing[0])
		report_add(&d->report, REPORT_WARN, "cgroup",
			   "see cgroup_disable= of the kernel's command line",
			   "control groups of version 2 without%s", missing);
	else
		report_add(&d->report, REPORT_OK, "cgroup", NULL, "control groups of version 2");
}

static bool makes_user_namespace(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) ? 1 : 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void check_userns(struct doctor *d)
{
	if (makes_user_namespace())
		report_add(&d->report, REPORT_OK, "userns", NULL, "user namespaces can be made");
	else
		report_add(&d->report, REPORT_FAIL, "userns",
			   "sysctl -w user.max_user_namespaces=10000 "
			   "kernel.unprivileged_userns_clone=1",
			   "user namespaces cannot be made: containers and sandboxes need them");
}

static void check_sysctls(struct doctor *d)
{
	long overcommit = number_of("/proc/sys/vm/overcommit_memory");
	long maps = number_of("/proc/sys/vm/max_map_count");
	struct rlimit files = {0};

	if (overcommit == 2)
		report_add(
			&d->report, REPORT_WARN, "sysctl.overcommit",
			"sysctl -w vm.overcommit_memory=0",
			"vm.overcommit_memory is 2: clones share memory that it counts for each");
	else
		report_add(&d->report, REPORT_OK, "sysctl.overcommit", NULL,
			   "vm.overcommit_memory is %ld", overcommit);
	report_add(&d->report, maps < MAPS_MIN ? REPORT_WARN : REPORT_OK, "sysctl.maps",
		   maps < MAPS_MIN ? "sysctl -w vm.max_map_count=65530" : NULL,
		   "vm.max_map_count is %ld", maps);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		report_add(
			&d->report, files.rlim_max < FILES_MIN ? REPORT_WARN : REPORT_OK,
			"limit.files",
			files.rlim_max < FILES_MIN
				? "the units ask for 65536 (LimitNOFILE); raise fs.nr_open or the "
				  "container's limit if they do not get them"
				: NULL,
			"at most %llu open files a process", (unsigned long long)files.rlim_max);
}

static void check_clock(struct doctor *d)
{
	struct timex t = {0};
	time_t now = time(NULL);
	int r = adjtimex(&t);

	if (now < 1704067200) /* 2024: before there was any Pane */
		report_add(&d->report, REPORT_FAIL, "clock", "timedatectl set-ntp true",
			   "the clock is at %lld seconds: it was never set", (long long)now);
	else if (r < 0)
		report_add(&d->report, REPORT_WARN, "clock", "timedatectl set-ntp true",
			   "whether the clock is kept cannot be told: %s", strerror(errno));
	else if (t.status & STA_UNSYNC)
		report_add(&d->report, REPORT_WARN, "clock",
			   "apt install systemd-timesyncd (or chrony)",
			   "nothing keeps the clock: certificates, tickets and codes go by it");
	else
		report_add(&d->report, REPORT_OK, "clock", NULL,
			   "the clock is kept (within %ld ms)", t.maxerror / 1000);
}

void check_machine(struct doctor *d)
{
	check_clock(d);
	if (!d->host.found)
		return;
	check_kvm(d);
	check_iommu(d);
	check_cell(d);
	check_cgroup(d);
	check_userns(d);
	check_sysctls(d);
}
