/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Still further attempts of escape.c: what a desktop could take from all others of the machine
 * (terminals, asynchronous I/O), set-id files made without chmod, kernel modules loaded for the
 * asking, file systems frozen or resized, other processes' scheduling, system calls that did not
 * exist when the filter was written.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "escape.h"

/* A set-id file of the desktop's user is one of an account of the host, where the home is a plain
 * directory. */
static long set_id(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_mode & (S_ISUID | S_ISGID))
		return 0;
	errno = EPERM;
	return -1;
}

static long try_set_id_by_open(void)
{
	unlink("/home/user/s1");
	return set_id(open("/home/user/s1", O_WRONLY | O_CREAT, 06755));
}

static long try_set_id_by_old_open(void)
{
	unlink("/home/user/s1b");
	return set_id((int)syscall(SYS_open, "/home/user/s1b", O_WRONLY | O_CREAT, 04755));
}

static long try_set_id_by_creat(void)
{
	unlink("/home/user/s2");
	return set_id((int)syscall(SYS_creat, "/home/user/s2", 04755));
}

static long try_set_id_by_openat2(void)
{
	uint64_t how[3] = {O_WRONLY | O_CREAT, 04755, 0};

	unlink("/home/user/s3");
	return set_id((int)syscall(437, AT_FDCWD, "/home/user/s3", how, sizeof(how)));
}

static long try_set_id_by_tmpfile(void)
{
	int fd = open("/home/user", O_TMPFILE | O_WRONLY, 04755);

	return set_id(fd);
}

static long try_set_id_by_fchmodat2(void)
{
	close(open("/home/user/s4", O_WRONLY | O_CREAT, 0755));
	return syscall(452, AT_FDCWD, "/home/user/s4", 04755, 0);
}

static long try_set_id_by_mkdir(void)
{
	mkdir("/home/user/sdir", 02755);
	return set_id(open("/home/user/sdir", O_RDONLY | O_DIRECTORY));
}

/* Terminals are counted for the whole machine. */
static long try_take_terminals(void)
{
	struct rlimit l = {4096, 4096};
	int fd = 0, n = 0;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	for (; n < 600 && fd >= 0; n++) /* left open: the process ends with the attempt */
		fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	return fd;
}

/* So is what asynchronous I/O has reserved (fs.aio-max-nr). */
static long try_take_aio(void)
{
	unsigned long context = 0;

	return syscall(SYS_io_setup, 30000, &context);
}

/* A line discipline is a kernel module loaded for the asking. */
static long try_line_discipline(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = 13 /* N_HDLC */;

	if (ioctl(fd, 0x5423 /* TIOCSETD */, &n) == 0)
		return 0;
	return errno == EPERM ? -1 : 0; /* the kernel was asked for it */
}

static long try_line_discipline_high_bits(void)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = 21 /* N_GSM */;

	if (syscall(SYS_ioctl, fd, 0x700005423ul, &n) == 0)
		return 0;
	return errno == EPERM ? -1 : 0;
}

static long try_freeze(void)
{
	return ioctl(open("/home/user", O_RDONLY), FIFREEZE, 0);
}

static long try_trim(void)
{
	struct fstrim_range r = {.len = UINT64_MAX};

	return ioctl(open("/home/user", O_RDONLY), FITRIM, &r);
}

static long try_ext4_shutdown(void)
{
	uint32_t how = 2;

	return ioctl(open("/home/user", O_RDONLY), 0x8004587d /* EXT4_IOC_SHUTDOWN */, &how);
}

static long try_ext4_resize(void)
{
	uint64_t blocks = 1 << 20;

	return ioctl(open("/home/user", O_RDONLY), 0x40086610 /* EXT4_IOC_RESIZE_FS */, &blocks);
}

static long try_immutable(void)
{
	int fd = open("/home/user/immutable", O_WRONLY | O_CREAT, 0644), flags = 0x10;

	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static long try_project_quota(void)
{
	struct fsxattr x = {0};
	int fd = open("/home/user", O_RDONLY);

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -1;
	x.fsx_projid = 77;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x);
}

static long try_own_maps(void)
{
	int fd = open("/proc/self/uid_map", O_WRONLY);

	return write(fd, "0 0 1\n", 6);
}

static long try_setgroups_file(void)
{
	int fd = open("/proc/self/setgroups", O_WRONLY);

	return write(fd, "allow", 5);
}

static long try_unshare_each(void)
{
	static const int kinds[] = {0x00000080 /* time */, CLONE_NEWNS,	 CLONE_NEWCGROUP,
				    CLONE_NEWUTS,	   CLONE_NEWIPC, CLONE_NEWPID};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (unshare(kinds[i]) == 0 || unshare(kinds[i] | CLONE_NEWUSER) == 0)
			return kinds[i];
	return -1;
}

static long try_setns_each(void)
{
	static const char *const names[] = {"mnt", "pid", "ipc", "uts", "net", "cgroup", "time"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/1/ns/%s", names[i]);
		if (setns(open(path, O_RDONLY), 0) == 0)
			return i;
	}
	return -1;
}

static long try_schedule_host(void)
{
	cpu_set_t all;
	struct sched_param p = {0};

	CPU_ZERO(&all);
	CPU_SET(0, &all);
	return sched_setaffinity(host_pid, sizeof(all), &all) == 0 ||
			       sched_setscheduler(host_pid, SCHED_IDLE, &p) == 0 ||
			       setpriority(PRIO_PROCESS, (id_t)host_pid, 19) == 0 ||
			       syscall(SYS_ioprio_set, 1, host_pid, 3 << 13) == 0
		       ? 0
		       : -1;
}

static long try_kcmp_host(void)
{
	return syscall(SYS_kcmp, host_pid, getpid(), 0 /* KCMP_FILE */, 0, 0);
}

static long try_move_pages_host(void)
{
	return syscall(SYS_migrate_pages, host_pid, 0, NULL, NULL) == 0 ||
			       syscall(SYS_move_pages, host_pid, 0, NULL, NULL, NULL, 0) == 0
		       ? 0
		       : -1;
}

static long try_core_schedule_host(void)
{
	return prctl(62 /* PR_SCHED_CORE */, 2 /* SHARE_TO */, host_pid, 0, 0);
}

static long try_ldt(void)
{
	char entry[16] = {0};

	return syscall(SYS_modify_ldt, 1, entry, sizeof(entry));
}

static long try_quota(void)
{
	return syscall(SYS_quotactl, 0, "/dev/loop0", 0, NULL) == 0 || syscall(443, 0, 0, 0, 0) == 0
		       ? 0
		       : -1;
}

/* Calls newer than this list of the filter's: all but none exist. */
static long try_unknown_calls(void)
{
	for (long n = 450; n < 700; n++) {
		errno = 0;
		syscall(n, -1, -1, -1, -1, -1, -1);
		if (errno != ENOSYS && errno != EPERM)
			return n;
	}
	return -1;
}

static long try_x32_open(void)
{
	return syscall(0x40000000 + SYS_open, "/etc/passwd", O_RDONLY);
}

/* The 32-bit entry of mount, by a process of its own. */
static long try_int80_mount(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(21L), "b"(0L), "c"(0L), "d"(0L) : "memory");
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

static long try_vsyscall_timer(void)
{
	return syscall(SYS_clock_adjtime, 0, NULL);
}

static long try_bpf_filter_program(void)
{
	int program = 3;

	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, 50 /* SO_ATTACH_BPF */,
			  &program, sizeof(program));
}

static long try_socket_mark(void)
{
	int mark = 1;

	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, 36 /* SO_MARK */, &mark,
			  sizeof(mark));
}

static long try_socket_priority_buffer(void)
{
	int bytes = 64 << 20;

	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, 33 /* SO_RCVBUFFORCE */,
			  &bytes, sizeof(bytes));
}

/* A set-id program of the image run from memory, where no mount option holds. */
static long try_set_id_from_memory(void)
{
	int from = open("/usr/bin/su", O_RDONLY), to = (int)syscall(SYS_memfd_create, "su", 0);
	char b[65536];
	ssize_t n;

	if (from < 0)
		from = open("/usr/bin/mount", O_RDONLY);
	while ((n = read(from, b, sizeof(b))) > 0)
		if (write(to, b, (size_t)n) != n)
			return -1;
	return fchmod(to, 04755);
}

static long try_bind_privileged_port(void)
{
	char address[16] = {2, 0, 0, 22};

	return bind(socket(AF_INET, SOCK_STREAM, 0), (void *)address, sizeof(address));
}

const struct escape deep_attempts[] = {T(set_id_by_open),
				       T(set_id_by_old_open),
				       T(set_id_by_creat),
				       T(set_id_by_openat2),
				       T(set_id_by_tmpfile),
				       T(set_id_by_fchmodat2),
				       T(set_id_by_mkdir),
				       T(take_terminals),
				       T(take_aio),
				       T(line_discipline),
				       T(line_discipline_high_bits),
				       T(freeze),
				       T(trim),
				       T(ext4_shutdown),
				       T(ext4_resize),
				       T(immutable),
				       T(project_quota),
				       T(own_maps),
				       T(setgroups_file),
				       T(unshare_each),
				       T(setns_each),
				       T(schedule_host),
				       T(kcmp_host),
				       T(move_pages_host),
				       T(core_schedule_host),
				       T(ldt),
				       T(quota),
				       T(unknown_calls),
				       T(x32_open),
				       T(int80_mount),
				       T(vsyscall_timer),
				       T(bpf_filter_program),
				       T(socket_mark),
				       T(socket_priority_buffer),
				       T(set_id_from_memory),
				       T(bind_privileged_port),
				       {NULL, NULL}};
