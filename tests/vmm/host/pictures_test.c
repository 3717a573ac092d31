/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/host/pictures.c against real surface servers and an HTTP server that counts: pictures of what
 * is watched arrive, once for each change, and again when they were refused. Desktops and server
 * are a child process, so that what this one spends is what pictures cost: with
 * PICTURES_BENCH=N the program says what N desktops that change all the time take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/surface_server.h"
#include "vmm/host/pictures.h"

#define WIDTH	1280
#define HEIGHT	800
#define SCREENS 32 /* distinct ones: more than any cache holds */
#define DRAW_MS 250

/* What both processes see. */
struct shared {
	volatile unsigned puts, pictures, refuse, wrong;
	volatile unsigned drawing; /* desktops from 0 that change all the time */
	volatile bool ready;
};

static struct shared *shared;
static char dir[32];
static pid_t child;

/* ---- the child: desktops and the broker ---- */

static struct surface_server *servers[HOST_PICTURES_MAX];
static uint32_t *screens[SCREENS];
static unsigned n_servers;
static struct loop_timer *drawing;

static void on_draw(void *arg)
{
	static uint32_t colour;

	(void)arg;
	colour += 0x10305;
	for (unsigned i = 0; i < SCREENS; i++) /* a window of changing text */
		for (unsigned y = 100; y < 300; y++)
			for (unsigned x = 100; x < 500; x++)
				screens[i][y * WIDTH + x] =
					(x * y + colour) % 7 < 2 ? 0xff202020 : 0xfff0f0f0;
	for (unsigned i = 0; i < shared->drawing; i++)
		surface_server_damage(servers[i], (struct surface_rect){0, 0, WIDTH, HEIGHT});
	loop_timer_set(drawing, DRAW_MS);
}

/* One request: a head, a body of Content-Length bytes, an answer. */
static void on_client(void *arg, int fd, unsigned events)
{
	static char body[2 << 20];
	size_t have = 0, want = SIZE_MAX;
	const char *answer;

	(void)arg, (void)events;
	while (have < want) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;
		char *end, *length;

		(void)poll(&p, 1, 2000);
		n = recv(fd, body + have, sizeof(body) - 1 - have, 0);
		if (n <= 0) {
			close(fd);
			return;
		}
		have += (size_t)n;
		body[have] = 0;
		end = strstr(body, "\r\n\r\n");
		length = end ? strcasestr(body, "Content-Length:") : NULL;
		if (length)
			want = (size_t)(end + 4 - body) + strtoul(length + 15, NULL, 10);
		if (end && strcasestr(body, "Expect: 100")) {
			(void)!write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
			*strcasestr(body, "Expect: 100") = 'x';
		}
	}
	if (strncmp(body, "PUT /internal/v1/hosts/me/pictures ", 35) != 0)
		shared->wrong++;
	if (shared->refuse) {
		shared->refuse--;
		answer = "HTTP/1.1 503 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	} else {
		for (const char *p = body; (p = strstr(p, "\"jpeg\":\"/9j/")); p += 8)
			shared->pictures++;
		shared->puts++;
		answer = "HTTP/1.1 204 ok\r\nConnection: close\r\n\r\n";
	}
	(void)!write(fd, answer, strlen(answer));
	close(fd);
}

static void on_accept(void *arg, int fd, unsigned events)
{
	char peer[SOCK_ADDR_MAX];
	int conn = sock_accept(fd, peer);

	if (conn >= 0)
		on_client(arg, conn, events);
}

static void desktops(unsigned n)
{
	struct loop *l = loop_new();
	const struct surface_sink sink = {0};
	char path[96];
	int fd[SCREENS], door;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < SCREENS; i++) {
		size_t bytes = (size_t)WIDTH * HEIGHT * 4;

		fd[i] = memfd_create("screen", MFD_CLOEXEC);
		if (ftruncate(fd[i], (off_t)bytes) < 0)
			_exit(1);
		screens[i] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd[i], 0);
		for (unsigned p = 0; p < WIDTH * HEIGHT; p++) /* like text on a page */
			screens[i][p] = (p * 2654435761u >> 28) + p / WIDTH % 16 < 5 ? 0xff202020
										     : 0xfff0f0f0;
	}
	for (n_servers = 0; n_servers < n; n_servers++) {
		const struct surface_scanout sc = {.width = WIDTH,
						   .height = HEIGHT,
						   .stride = WIDTH * 4,
						   .size = (uint64_t)WIDTH * HEIGHT * 4};

		snprintf(path, sizeof(path), "%s/%u", dir, n_servers);
		servers[n_servers] = surface_server_new(l, path, &sink, NULL);
		surface_server_scanout(servers[n_servers], fd[n_servers % SCREENS], &sc);
	}
	snprintf(path, sizeof(path), "unix:%s/http", dir);
	door = sock_listen(path, SOCK_STREAM, false, 0600, NULL);
	drawing = loop_timer_add(l, DRAW_MS, on_draw, NULL);
	loop_io_add(l, door, LOOP_READ, on_accept, NULL);
	shared->ready = true;
	_exit(loop_run(l) < 0 ? 1 : 0);
}

/* ---- this process: the agent's part ---- */

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void start(unsigned n)
{
	strcpy(dir, "/tmp/picturesXXXXXX");
	assert_non_null(mkdtemp(dir));
	memset((void *)shared, 0, sizeof(*shared));
	child = fork();
	if (child == 0)
		desktops(n);
	for (int i = 0; i < 2000 && !shared->ready; i++)
		pause_ms(5);
	assert_true(shared->ready);
}

static void stop(void)
{
	char path[96];

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (unsigned i = 0; i < HOST_PICTURES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%u", dir, i);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%u.p", dir, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/http", dir);
	unlink(path);
	assert_return_code(rmdir(dir), errno);
}

static struct host_pictures *agent(void)
{
	char socket[64];
	struct http_params hp = {.base = "http://broker", .unix_socket = socket};
	struct err e = {0};
	struct host_pictures *p;

	snprintf(socket, sizeof(socket), "%s/http", dir);
	p = host_pictures_new(&hp, "me", &e);
	assert_non_null(p);
	return p;
}

static void want(struct host_pictures *p, unsigned n)
{
	struct host_picture_want *v = n ? calloc(n, sizeof(*v)) : NULL;

	for (unsigned i = 0; i < n; i++) {
		snprintf(v[i].id, sizeof(v[i].id), "00000000-0000-0000-0000-%012x", i);
		v[i].epoch = 1;
		snprintf(v[i].surface, sizeof(v[i].surface), "%s/%u", dir, i);
	}
	host_pictures_want(p, v, n);
}

static void until(unsigned pictures)
{
	for (int i = 0; i < 2000 && shared->pictures < pictures; i++)
		pause_ms(5);
	assert_true(shared->pictures >= pictures);
}

static void what_is_watched_arrives_together(void **state)
{
	(void)state;
	struct host_pictures *p;

	start(5);
	p = agent();
	pause_ms(300);
	assert_int_equal(shared->puts, 0); /* nobody looks */
	want(p, 3);
	until(3);
	assert_int_equal(shared->puts, 1);
	pause_ms(HOST_PICTURE_MS + 800);
	assert_int_equal(shared->pictures, 3); /* nothing changed: nothing is sent */
	shared->drawing = 1;
	until(4);
	want(p, 0);
	pause_ms(300);
	shared->pictures = 0;
	pause_ms(HOST_PICTURE_MS + 300);
	assert_int_equal(shared->pictures, 0); /* nobody looks any more */
	assert_int_equal(shared->wrong, 0);
	host_pictures_free(p);
	stop();
}

static void what_was_refused_is_brought_again(void **state)
{
	(void)state;
	struct host_pictures *p;

	start(2);
	shared->refuse = 1;
	p = agent();
	want(p, 2);
	until(2); /* unchanged, and all the same once more */
	assert_int_equal(shared->refuse, 0);
	host_pictures_free(p);
	stop();
}

static int bench(unsigned n)
{
	struct host_pictures *p;
	struct rusage a, b;
	unsigned before;
	double s = 30, cpu;

	start(n);
	p = agent();
	want(p, n);
	pause_ms(5000);
	shared->drawing = n;
	pause_ms(5000);
	before = shared->pictures;
	getrusage(RUSAGE_SELF, &a);
	pause_ms((long)(s * 1000));
	getrusage(RUSAGE_SELF, &b);
	cpu = (double)(b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec -
		       a.ru_stime.tv_sec) +
	      (double)(b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec -
		       a.ru_stime.tv_usec) /
		      1e6;
	before = shared->pictures - before;
	printf("%u desktops of %dx%d that change all the time: %.1f %% of a processor, %.1f "
	       "pictures/s, one of a desktop every %.1f s, %.2f ms each\n",
	       n, WIDTH, HEIGHT, cpu / s * 100, before / s, n * s / before, cpu / before * 1000);
	host_pictures_free(p);
	stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_watched_arrives_together),
		cmocka_unit_test(what_was_refused_is_brought_again),
	};
	const char *n = getenv("PICTURES_BENCH");

	signal(SIGPIPE, SIG_IGN);
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (n && atoi(n) > 0 && atoi(n) <= HOST_PICTURES_MAX)
		return bench((unsigned)atoi(n));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
