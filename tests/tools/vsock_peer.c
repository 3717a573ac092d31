/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A Linux guest's end of AF_VSOCK for tests/lab/guests/rows.py, a static program in an initramfs:
 * who it is, a port of the host nobody offers, an echo to port 1024 there until that says no more,
 * then its own port 52 for one that comes, whose bytes it counts. Then, after "wait" as argument,
 * its connection to port 1025 and what becomes of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static char b[65536];

static struct sockaddr_vm at(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static int to_host(unsigned port)
{
	struct sockaddr_vm a = at(VMADDR_CID_HOST, port);
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		printf("port %u: %s\n", port, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static void echo(int fd)
{
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, b, sizeof(b))) > 0)
		for (ssize_t done = 0, k; done < n; done += k, total += (size_t)k)
			if ((k = write(fd, b + done, (size_t)(n - done))) <= 0) {
				perror("echo");
				return;
			}
	printf("echoed %zu\n", total);
	close(fd);
}

static void serve(void)
{
	struct sockaddr_vm a = at(VMADDR_CID_ANY, 52);
	int l = socket(AF_VSOCK, SOCK_STREAM, 0), fd;
	size_t total = 0;
	uint32_t sum = 0;
	ssize_t n;

	if (bind(l, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(l, 4) < 0)
		perror("listen");
	printf("listening\n");
	fd = accept(l, NULL, NULL);
	while ((n = read(fd, b, sizeof(b))) > 0)
		for (ssize_t i = 0; i < n; i++, total++)
			sum = sum * 31 + (uint8_t)b[i];
	n = snprintf(b, sizeof(b), "got %zu sum %u\n", total, sum);
	if (write(fd, b, (size_t)n) != n)
		perror("answer");
	close(fd);
	close(l);
}

int main(int argc, char **argv)
{
	unsigned cid = 0;
	int fd = open("/dev/vsock", O_RDONLY);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
		perror("/dev/vsock");
	printf("cid %u\n", cid);
	(void)to_host(9);
	fd = to_host(1024);
	if (fd >= 0)
		echo(fd);
	serve();
	fd = argc > 1 && !strcmp(argv[1], "wait") ? to_host(1025) : -1;
	if (fd >= 0) {
		ssize_t n;

		printf("waiting\n");
		n = read(fd, b, sizeof(b));
		printf("then %s\n", n < 0 ? strerror(errno) : n ? "data" : "the end");
	}
	return 0;
}
