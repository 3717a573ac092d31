/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Further attempts of escape.c: descriptors left open, other kinds of sockets, the network's
 * settings, neighbours' X servers, kernel settings, devices, and links and marks left for who
 * mounts the disks next.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include "escape.h"

/* Left open: the process ends with the attempt. */
static int opens(int family, int type, int protocol)
{
	int s = socket(family, type, protocol);

	return s >= 0;
}

static long try_setns_pidfd(void)
{
	return setns((int)syscall(SYS_pidfd_open, 1, 0), CLONE_NEWUSER | CLONE_NEWNET);
}

static long try_pidfd_getfd(void)
{
	return syscall(438 /* pidfd_getfd */, syscall(SYS_pidfd_open, 1, 0), 0, 0);
}

static long try_write_init_memory(void)
{
	char b[8] = {0};
	struct iovec l = {b, 8}, r = {(void *)0x400000, 8};

	return syscall(SYS_process_vm_writev, 1, &l, 1, &r, 1, 0);
}

static long try_host_memory_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", host_pid);
	return open(path, O_RDWR);
}

/* Descriptors of pane-cell's that came along: the first process and this one have none but the
 * standard ones. */
static long try_leaked_descriptor(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return fd;
	errno = EBADF;
	return -1;
}

static long try_leaked_descriptor_of_init(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		char path[64], to[256];

		snprintf(path, sizeof(path), "/proc/1/fd/%d", fd);
		if (readlink(path, to, sizeof(to)) > 0 &&
		    (!strncmp(to, "/", 1) || !strncmp(to, "user:", 5)))
			return fd;
	}
	errno = EBADF;
	return -1;
}

/* Any family but those of the net, of the desktop itself, and netlink. */
static long try_other_family(void)
{
	for (int family = 3; family < 48; family++)
		for (int type = 1; type < 6; type++)
			if (family != AF_INET6 && family != AF_NETLINK && opens(family, type, 0))
				return family;
	return -1;
}

/* Protocols whose modules the kernel would load for the asking. */
static long try_other_protocol(void)
{
	static const int protocols[] = {33 /* DCCP */, 132 /* SCTP */, 136 /* UDP-Lite */,
					262 /* MPTCP */};

	for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		for (int type = 1; type < 7; type++)
			if (opens(AF_INET, type, protocols[i]) ||
			    opens(AF_INET6, type, protocols[i]))
				return protocols[i];
	return -1;
}

/* Any netlink but routes. */
static long try_other_netlink(void)
{
	for (int protocol = 1; protocol < 23; protocol++)
		if (opens(AF_NETLINK, SOCK_RAW, protocol))
			return protocol;
	return -1;
}

static long netlink(const void *message, size_t n)
{
	struct {
		unsigned length;
		unsigned short type, flags;
		unsigned seq, pid;
		int error;
	} answer;
	int s = socket(AF_NETLINK, SOCK_RAW, 0);

	if (s < 0 || send(s, message, n, 0) < 0 || recv(s, &answer, sizeof(answer), 0) < 0)
		return -1;
	errno = -answer.error;
	return answer.type == 2 /* NLMSG_ERROR */ && answer.error ? -1 : 0;
}

/* Another's address on our own interface: what ARP spoofing begins with. */
static long try_take_address(void)
{
	struct {
		unsigned length;
		unsigned short type, flags;
		unsigned seq, pid;
		unsigned char family, prefix, f, scope;
		unsigned index;
		unsigned short attribute_length, attribute;
		unsigned char address[4];
	} m = {.type = 20 /* RTM_NEWADDR */,
	       .flags = 0x605,
	       .family = AF_INET,
	       .prefix = 32,
	       .index = 1,
	       .attribute_length = 8,
	       .attribute = 2,
	       .address = {10, 9, 8, 7}};

	m.length = sizeof(m);
	return netlink(&m, sizeof(m));
}

static long try_new_interface(void)
{
	struct {
		unsigned length;
		unsigned short type, flags;
		unsigned seq, pid;
		unsigned char family, pad;
		unsigned short device;
		int index;
		unsigned ifi_flags, change;
	} m = {.type = 16 /* RTM_NEWLINK */, .flags = 5, .index = 1, .ifi_flags = 0, .change = 1};

	m.length = sizeof(m);
	return netlink(&m, sizeof(m));
}

static long try_hardware_address(void)
{
	struct {
		char name[16];
		unsigned short family;
		unsigned char mac[22];
	} ifr = {.name = "eth0", .family = 1, .mac = {2, 0, 0, 0, 0, 1}};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	return ioctl(s, 0x8924 /* SIOCSIFHWADDR */, &ifr);
}

static long try_iptables(void)
{
	char replace[256] = "filter";
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	return setsockopt(s, 0, 64 /* IPT_SO_SET_REPLACE */, replace, sizeof(replace));
}

/* The X server of the host, or of a neighbour, by the socket names they usually have. */
static long try_other_x(void)
{
	for (int n = 0; n < 20; n++) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		int s = socket(AF_UNIX, SOCK_STREAM, 0);
		int length =
			snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "/tmp/.X11-unix/X%d", n);

		if (connect(s, (void *)&a,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
					(size_t)length)) == 0)
			return n;
		snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/.X11-unix/X%d", n);
		if (n > 0 && connect(s, (void *)&a, sizeof(a)) == 0)
			return n;
		close(s);
	}
	return -1;
}

static long try_x_by_net(void)
{
	int keep = host_port;
	long r;

	host_port = 6000;
	r = connect_to("127.0.0.1");
	host_port = keep;
	return r;
}

/* A kernel setting, of those that reach beyond the desktop. */
static long try_kernel_settings(void)
{
	static const char *const files[] = {
		"kernel/modprobe",	  "kernel/hostname",	       "kernel/ns_last_pid",
		"kernel/hotplug",	  "kernel/randomize_va_space", "vm/overcommit_memory",
		"vm/drop_caches",	  "fs/suid_dumpable",	       "fs/file-max",
		"net/ipv4/ip_forward",	  "net/ipv4/ping_group_range", "user/max_user_namespaces",
		"fs/binfmt_misc/register"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[128], now[64];
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/sys/%s", files[i]);
		fd = open(path, O_RDWR);
		n = fd < 0 ? -1 : read(fd, now, sizeof(now));
		if (n >= 0 && pwrite(fd, now, (size_t)n, 0) >= 0)
			return (long)i;
	}
	return -1;
}

static long try_devices(void)
{
	static const char *const files[] = {
		"/dev/kvm",	      "/dev/fuse",	"/dev/net/tun",	     "/dev/vhost-net",
		"/dev/loop-control",  "/dev/dri/card0", "/dev/input/event0", "/dev/uinput",
		"/dev/snd/controlC0", "/dev/sda",	"/dev/vda",	     "/dev/port",
		"/dev/userfaultfd",   "/dev/rfkill",	"/dev/tty0"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY | O_NONBLOCK);

		if (fd >= 0)
			return (long)i;
	}
	return -1;
}

/* The directory shared with the X server leads nowhere but into itself. */
static long try_symlink_screen(void)
{
	return symlink(host_file, "/run/desktop-screen/Xvfb_screen0");
}

static long try_replace_x_socket(void)
{
	return unlink("/tmp/.X11-unix/X0");
}

/* The mount points themselves can be moved by nobody: a link in their place would be followed by
 * who mounts them next time. */
static long try_swap_home(void)
{
	return rename("/home/user", "/home/other");
}

static long try_swap_etc(void)
{
	return rename("/etc", "/other");
}

static long try_whiteout(void)
{
	return mknod("/home/user/whiteout", S_IFCHR, 0);
}

static long try_overlay_mark(void)
{
	return syscall(SYS_setxattr, "/usr", "user.overlay.opaque", "y", 1, 0);
}

static long try_trusted_mark(void)
{
	return syscall(SYS_setxattr, "/home/user", "trusted.overlay.opaque", "y", 1, 0);
}

static long try_file_capability(void)
{
	static const unsigned char value[20] = {1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff};

	close(open("/home/user/capable", O_WRONLY | O_CREAT, 0755));
	return syscall(SYS_setxattr, "/home/user/capable", "security.capability", value, 20, 0);
}

static long try_more_processes(void)
{
	struct rlimit l = {1 << 20, 1 << 20};

	return setrlimit(RLIMIT_NPROC, &l) == 0 && setrlimit(RLIMIT_CORE, &l) == 0 ? 0 : -1;
}

static long try_realtime_io(void)
{
	return syscall(SYS_ioprio_set, 1, 0, 1 << 13 | 0 /* IOPRIO_CLASS_RT */);
}

static long try_memfd_secret(void)
{
	return syscall(447, 0);
}

static long try_new_mount_calls(void)
{
	static const long calls[] = {429 /* move_mount */,
				     431 /* fsconfig */,
				     432 /* fsmount */,
				     433 /* fspick */,
				     442 /* mount_setattr */,
				     457 /* statmount */,
				     467 /* open_tree_attr */};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		errno = 0;
		syscall(calls[i], -1, "", -1, "", 0);
		if (errno != EPERM && errno != ENOSYS)
			return calls[i];
	}
	return -1;
}

const struct escape more_attempts[] = {
	T(setns_pidfd),	     T(pidfd_getfd),	   T(write_init_memory),
	T(host_memory_file), T(leaked_descriptor), T(leaked_descriptor_of_init),
	T(other_family),     T(other_protocol),	   T(other_netlink),
	T(take_address),     T(new_interface),	   T(hardware_address),
	T(iptables),	     T(other_x),	   T(x_by_net),
	T(kernel_settings),  T(devices),	   T(symlink_screen),
	T(replace_x_socket), T(swap_home),	   T(swap_etc),
	T(whiteout),	     T(overlay_mark),	   T(trusted_mark),
	T(file_capability),  T(more_processes),	   T(realtime_io),
	T(memfd_secret),     T(new_mount_calls),   {NULL, NULL}};
