/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs inside a container desktop and tries to get out: escape HOSTPID HOSTFILE ABSTRACT PORT,
 * where these name a process, a file, an abstract socket and a loopback port of the host. One line
 * an attempt: "refused NAME ERRNO" or "ESCAPED NAME"; the last line counts them. Compiled
 * statically with escape_more.c and escape_deep.c by the story (cell_test.py); each attempt has a
 * process of its own, as some end in a signal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "escape.h"

int host_pid, host_port;
const char *host_file, *host_socket;

/* Each returns 0 or more when it got what it wanted, else -1 with errno. */

static long try_mount_tmpfs(void)
{
	return mount("tmpfs", "/mnt", "tmpfs", 0, NULL);
}

static long try_mount_bind(void)
{
	return mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL);
}

static long try_remount_root(void)
{
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}

static long try_umount(void)
{
	return umount2("/proc/kcore", MNT_DETACH);
}

static long try_fsopen(void)
{
	return syscall(SYS_fsopen, "tmpfs", 0);
}

static long try_open_tree(void)
{
	return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */);
}

static long try_pivot(void)
{
	return syscall(SYS_pivot_root, "/mnt", "/mnt");
}

static long try_chroot(void)
{
	return chroot("/tmp");
}

static long try_ptrace_host(void)
{
	return ptrace(PTRACE_ATTACH, host_pid, NULL, NULL);
}

static long try_signal_host(void)
{
	return kill(host_pid, 0);
}

static long try_read_host_memory(void)
{
	char b[8];
	struct iovec l = {b, 8}, r = {(void *)0x400000, 8};

	return syscall(SYS_process_vm_readv, host_pid, &l, 1, &r, 1, 0);
}

static long try_pidfd_host(void)
{
	return syscall(SYS_pidfd_open, host_pid, 0);
}

static long try_prlimit_host(void)
{
	struct rlimit l;

	return prlimit(host_pid, RLIMIT_NOFILE, NULL, &l);
}

static long try_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long try_raw6_socket(void)
{
	return socket(AF_INET6, SOCK_RAW, IPPROTO_TCP);
}

static long try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0x300);
}

static long try_packet_dgram(void)
{
	return socket(AF_PACKET, SOCK_DGRAM, 0x300);
}

static long try_netfilter_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */);
}

static long try_uevent_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 15 /* NETLINK_KOBJECT_UEVENT */);
}

static long try_vsock(void)
{
	return socket(40 /* AF_VSOCK */, SOCK_STREAM, 0);
}

static long try_alg_socket(void)
{
	return socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0);
}

static long try_interface_down(void)
{
	struct {
		char name[16];
		short flags;
		char rest[24];
	} ifr = {.name = "lo"};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	return ioctl(s, 0x8914 /* SIOCSIFFLAGS */, &ifr);
}

static long open_read(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return -1;
	return read(fd, &c, 1) == 1 ? 0 : (errno = errno ? errno : ENODATA, -1);
}

static long try_host_file(void)
{
	return open_read(host_file);
}

static long try_host_file_by_init(void)
{
	char path[512];

	snprintf(path, sizeof(path), "/proc/1/root%s", host_file);
	return open_read(path);
}

static long try_host_file_by_dots(void)
{
	char path[512] = "/proc/self/root/../../../../../../..";

	strcat(path, host_file);
	return open_read(path);
}

static long try_host_file_by_host_pid(void)
{
	char path[512];

	snprintf(path, sizeof(path), "/proc/%d/root%s", host_pid, host_file);
	return open_read(path);
}

static long try_handle(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[8];
	} f = {.h = {.handle_bytes = 8, .handle_type = 1}, .bytes = {2}};
	int fd = open("/", O_RDONLY);

	return open_by_handle_at(fd, &f.h, O_RDONLY);
}

static long try_shadow(void)
{
	return open_read("/etc/shadow");
}

static long try_write_image(void)
{
	return open("/usr/bin/escape-test", O_WRONLY | O_CREAT, 0755);
}

static long try_abstract_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t n = strlen(host_socket);

	memcpy(a.sun_path + 1, host_socket, n);
	return connect(s, (void *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
}

long connect_to(const char *address)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)host_port)};
	struct timeval t = {.tv_sec = 2};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	inet_pton(AF_INET, address, &a.sin_addr);
	return connect(s, (void *)&a, sizeof(a));
}

static long try_host_loopback(void)
{
	return connect_to("127.0.0.1");
}

static long try_host_by_gateway(void)
{
	return connect_to("10.0.2.2");
}

static long try_keyctl(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1);
}

static long try_add_key(void)
{
	return syscall(SYS_add_key, "user", "a", "b", 1, KEY_SPEC_USER_KEYRING);
}

static long try_request_key(void)
{
	return syscall(SYS_request_key, "user", "a", NULL, KEY_SPEC_USER_KEYRING);
}

static long try_io_uring(void)
{
	char params[256] = {0};

	return syscall(425, 8, params);
}

static long try_unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

static long try_unshare_net(void)
{
	return unshare(CLONE_NEWNET);
}

static long try_clone_user(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long try_clone3_user(void)
{
	unsigned long long args[8] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid;
}

static long try_setns(void)
{
	return setns(open("/proc/1/ns/user", O_RDONLY), 0);
}

static long try_setns_mount(void)
{
	return setns(open("/proc/self/ns/mnt", O_RDONLY), CLONE_NEWNS);
}

static long try_dev_mem(void)
{
	return open_read("/dev/mem");
}

static long try_mknod_mem(void)
{
	return mknod("/tmp/mem", S_IFCHR | 0666, 1 << 8 | 1);
}

static long try_mknod_disk(void)
{
	return mknod("/home/user/disk", S_IFBLK | 0666, 7 << 8);
}

static long try_loop_device(void)
{
	return open("/dev/loop0", O_RDONLY);
}

static long try_kmsg(void)
{
	return open_read("/dev/kmsg");
}

static long try_kexec(void)
{
	return syscall(SYS_kexec_load, 0, 0, NULL, 0);
}

static long try_module(void)
{
	return syscall(SYS_init_module, "", 0, "");
}

static long try_bpf(void)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
}

static long try_perf(void)
{
	char attr[128] = {0};

	attr[4] = 112;
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}

static long try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 1);
}

static long try_reboot(void)
{
	return syscall(SYS_reboot, 0xfee1dead, 672274793, 0 /* CAD off */, NULL);
}

static long try_swapon(void)
{
	return syscall(SYS_swapon, "/home/user/disk", 0);
}

static long try_hostname(void)
{
	return sethostname("escaped", 7);
}

static long try_clock(void)
{
	struct timeval t = {.tv_sec = 1};

	return settimeofday(&t, NULL);
}

static long try_syslog(void)
{
	char b[64];

	return syscall(SYS_syslog, 3, b, sizeof(b));
}

static long try_iopl(void)
{
	return syscall(SYS_iopl, 3);
}

static long try_acct(void)
{
	return syscall(SYS_acct, "/home/user/acct");
}

static long try_fanotify(void)
{
	return syscall(SYS_fanotify_init, 0, 0);
}

static long try_setuid_root(void)
{
	return setuid(0);
}

static long try_setgroups(void)
{
	gid_t g = 0;

	return syscall(SYS_setgroups, 1, &g);
}

static long try_setuid_file(void)
{
	int fd = open("/home/user/suid", O_WRONLY | O_CREAT, 0755);

	close(fd);
	return chmod("/home/user/suid", 04755);
}

static long try_sudo(void)
{
	return system("/usr/bin/sudo -n true >/dev/null 2>&1") == 0 ? 0 : (errno = EPERM, -1);
}

static long try_capability(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21 /* CAP_SYS_ADMIN */, 0, 0);
}

static long write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 ? -1 : write(fd, text, strlen(text));
}

static long try_core_pattern(void)
{
	return write_to("/proc/sys/kernel/core_pattern", "|/home/user/x");
}

static long try_sysrq(void)
{
	return write_to("/proc/sysrq-trigger", "h");
}

static long try_kcore(void)
{
	return open_read("/proc/kcore");
}

static long try_cgroup(void)
{
	return open("/sys/fs/cgroup", O_RDONLY);
}

static long try_oom_score(void)
{
	return write_to("/proc/self/oom_score_adj", "-900");
}

static long try_realtime(void)
{
	struct sched_param p = {.sched_priority = 50};

	return sched_setscheduler(0, SCHED_FIFO, &p);
}

static long try_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, -20);
}

static long try_tiocsti(void)
{
	return ioctl(0, 0x5412 /* TIOCSTI */, "x");
}

static long try_tiocsti_high_bits(void)
{
	return syscall(SYS_ioctl, 0, 0x100005412ul, "x");
}

/* The 32-bit entry: unshare(CLONE_NEWUSER) is 310 there. */
static long try_int80(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(310L), "b"((long)CLONE_NEWUSER) : "memory");
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* The x32 entry of the same table. */
static long try_x32(void)
{
	return syscall(0x40000000 + SYS_unshare, CLONE_NEWUSER);
}

static const struct escape attempts[] = {
	T(mount_tmpfs),
	T(mount_bind),
	T(remount_root),
	T(umount),
	T(fsopen),
	T(open_tree),
	T(pivot),
	T(chroot),
	T(ptrace_host),
	T(signal_host),
	T(read_host_memory),
	T(pidfd_host),
	T(prlimit_host),
	T(raw_socket),
	T(raw6_socket),
	T(packet_socket),
	T(packet_dgram),
	T(netfilter_socket),
	T(uevent_socket),
	T(vsock),
	T(alg_socket),
	T(interface_down),
	T(host_file),
	T(host_file_by_init),
	T(host_file_by_dots),
	T(host_file_by_host_pid),
	T(handle),
	T(shadow),
	T(write_image),
	T(abstract_socket),
	T(host_loopback),
	T(host_by_gateway),
	T(keyctl),
	T(add_key),
	T(request_key),
	T(io_uring),
	T(unshare_user),
	T(unshare_net),
	T(clone_user),
	T(clone3_user),
	T(setns),
	T(setns_mount),
	T(dev_mem),
	T(mknod_mem),
	T(mknod_disk),
	T(loop_device),
	T(kmsg),
	T(kexec),
	T(module),
	T(bpf),
	T(perf),
	T(userfaultfd),
	T(reboot),
	T(swapon),
	T(hostname),
	T(clock),
	T(syslog),
	T(iopl),
	T(acct),
	T(fanotify),
	T(setuid_root),
	T(setgroups),
	T(setuid_file),
	T(sudo),
	T(capability),
	T(core_pattern),
	T(sysrq),
	T(kcore),
	T(cgroup),
	T(oom_score),
	T(realtime),
	T(priority),
	T(tiocsti),
	T(tiocsti_high_bits),
	T(int80),
	T(x32),
};

/* 0 when refused. */
static int attempt(const char *name, long (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		errno = 0;
		_exit(fn() >= 0 ? 255 : errno & 127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		printf("BROKEN %s\n", name);
		return 1;
	}
	if (WIFSIGNALED(status))
		printf("refused %s signal %d\n", name, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 255)
		printf("ESCAPED %s\n", name);
	else
		printf("refused %s %s\n", name, strerror(WEXITSTATUS(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == 255;
}

int main(int argc, char **argv)
{
	unsigned n = sizeof(attempts) / sizeof(attempts[0]), out = 0;

	if (argc != 5)
		return 2;
	host_pid = atoi(argv[1]);
	host_file = argv[2];
	host_socket = argv[3];
	host_port = atoi(argv[4]);
	for (unsigned i = 0; i < n; i++)
		out += (unsigned)attempt(attempts[i].name, attempts[i].fn);
	for (const struct escape *e = more_attempts; e->name; e++, n++)
		out += (unsigned)attempt(e->name, e->fn);
	for (const struct escape *e = deep_attempts; e->name; e++, n++)
		out += (unsigned)attempt(e->name, e->fn);
	printf("attempts %u escaped %u\n", n, out);
	return out ? 1 : 0;
}
