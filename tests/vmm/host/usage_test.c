/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is used, from a /proc of files made for it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"
#include "vmm/host/usage.h"

#define A "11111111-1111-4111-8111-111111111111"
#define B "22222222-2222-4222-8222-222222222222"

static char proc[64];

static void put(const char *name, const char *text)
{
	char path[160], *slash;

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	slash = strrchr(path, '/');
	*slash = 0;
	assert_int_equal(dir_make(path, 0700, NULL), 0);
	*slash = '/';
	assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

/* ticks: user, system, of children that have ended, as a guest (part of user). */
static void process(int pid, int parent, const int ticks[4], int pages)
{
	char name[32], text[400];

	snprintf(name, sizeof(name), "%d/stat", pid);
	snprintf(text, sizeof(text),
		 "%d (a ) b (c) S %d 1 1 0 -1 4194560 1 2 3 4 %d %d %d 0 20 0 1 0 77 99999 %d "
		 "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 %d 0 0 0 0 0 0 0 0 0\n",
		 pid, parent, ticks[0], ticks[1], ticks[2], pages, ticks[3]);
	put(name, text);
}

/* A thread of a process: user, system, as a guest (part of user). */
static void thread(int pid, int tid, const char *what, const int ticks[3])
{
	char name[48], text[400];

	snprintf(name, sizeof(name), "%d/task/%d/stat", pid, tid);
	snprintf(text, sizeof(text),
		 "%d (%s) S 1 1 1 0 -1 4194560 1 2 3 4 %d %d 0 0 20 0 1 0 77 99999 9 "
		 "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 %d 0 0 0 0 0 0 0 0 0\n",
		 tid, what, ticks[0], ticks[1], ticks[2]);
	put(name, text);
}

static void host(int busy)
{
	char text[200];

	snprintf(text, sizeof(text), "cpu  %d 0 0 5000 60 0 0 9 0 0\ncpu0 1 1 1 1 1 1 1\n", busy);
	put("stat", text);
	put("meminfo", "MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 1048576 kB\n");
}

static int setup(void **state)
{
	(void)state;
	snprintf(proc, sizeof(proc), "/tmp/usage.XXXXXX");
	return mkdtemp(proc) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", proc);
	return system(command);
}

static json_int_t figure(json_t *o, size_t desktop, size_t i)
{
	json_t *v = json_array_get(json_array_get(json_object_get(o, "desktops"), desktop), i);

	return json_is_null(v) ? -1 : json_integer_value(v);
}

static int hundredths(const struct host_usage *u, enum host_usage_part part)
{
	return (int)(host_usage_cpu_s(u, part) * 100 + 0.5);
}

/* Ticks are of 10 ms, looks 10 s apart: 100 ticks are a tenth of a processor. */
static void machines(void **state)
{
	/* what its card carried it says itself, at a time of its own: 5 s apart */
	struct host_usage_of v[] = {{A, 100, 200, true, 1024, 2048, 500}};
	struct host_usage *u = host_usage_new(proc);
	json_t *o;

	(void)state;
	host(1000);
	process(1, 0, (int[]){9, 9, 9, 0}, 9);
	process(100, 1, (int[]){500, 100, 0, 400}, 512 * 256);
	process(101, 100, (int[]){10, 0, 0, 0}, 256); /* a helper of the machine */
	process(200, 1, (int[]){0, 0, 0, 0}, 10 * 256);
	process(300, 1, (int[]){1, 1, 1, 0}, 1000000); /* nobody's */
	put("100/io", "rchar: 1\nread_bytes: 1024000\nwrite_bytes: 0\ncancelled_write_bytes: 7\n");
	put("101/io", "rchar: 1\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 7\n");
	assert_null(host_usage_look(u, v, 1, 1000));
	host(2000);
	process(100, 1, (int[]){900, 200, 50, 700}, 512 * 256);
	process(101, 100, (int[]){110, 0, 0, 0}, 256);
	process(200, 1, (int[]){100, 100, 0, 0}, 10 * 256);
	process(300, 1, (int[]){999, 1, 1, 0}, 1000000);
	put("100/io", "rchar: 1\nread_bytes: 1024000\nwrite_bytes: 2048000\n");
	v[0].in += 5 * 102400;
	v[0].out += 5 * 204800;
	v[0].net_ms += 5000;
	o = host_usage_look(u, v, 1, 11000);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_array_get(
				    json_array_get(json_object_get(o, "desktops"), 0), 0)),
			    A);
	assert_int_equal(figure(o, 0, 1), 300); /* the guest: 300 ticks in 10 s */
	assert_int_equal(figure(o, 0, 2), 350); /* 200 of its own, 50 of ended, 100 of helper */
	assert_int_equal(figure(o, 0, 3), 200);
	assert_int_equal(figure(o, 0, 4), 513);
	assert_int_equal(figure(o, 0, 5), 10);
	assert_int_equal(figure(o, 0, 6), 0);
	assert_int_equal(figure(o, 0, 7), 200);
	assert_int_equal(figure(o, 0, 8), 100);
	assert_int_equal(figure(o, 0, 9), 200);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "host"), 0)), 1000);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "host"), 1)), 3072);
	json_decref(o);
	o = host_usage_look(u, v, 1, 21000); /* it has said nothing new */
	assert_int_equal(figure(o, 0, 8), -1);
	json_decref(o);
	host_usage_free(u);
}

static void containers(void **state)
{
	const struct host_usage_of v[] = {{.id = B, .machine = 100}};
	struct host_usage *u = host_usage_new(proc);
	char text[200];
	json_t *o;

	(void)state;
	host(1);
	for (int round = 0; round < 2; round++) {
		process(100, 1, (int[]){10 + 10 * round, 0, 100 * round, 0}, 256);
		process(110, 100, (int[]){0, 0, 100 * round, 0}, 256);
		process(111, 110, (int[]){300 * round, 0, 0, 0}, 256);
		put("100/status", "Name:\tx\nNSpid:\t100\nVmRSS: 1 kB\n");
		put("110/status", "Name:\tx\nNSpid:\t110\t1\nVmRSS: 1 kB\n");
		put("111/status", "Name:\tx\nNSpid:\t111\t2\nVmRSS: 1 kB\n");
		snprintf(text, sizeof(text),
			 "Inter-| Receive\n face |bytes\n    lo: 5 0 0 0 0 0 0 0 5 0\n"
			 "  eth0:%d 1 0 0 0 0 0 0 %d 1 0\n",
			 102400 * round, 204800 * round);
		put("110/net/dev", text);
		o = host_usage_look(u, v, 1, 1000 + 10000 * round);
	}
	assert_non_null(o);
	assert_int_equal(figure(o, 0, 1), 500); /* 100 + 100 of ended ones, 300 of one that runs */
	assert_int_equal(figure(o, 0, 2), 10);
	assert_int_equal(figure(o, 0, 3), 0);
	assert_int_equal(figure(o, 0, 6), -1); /* no file to read it from */
	assert_int_equal(figure(o, 0, 8), 10);
	assert_int_equal(figure(o, 0, 9), 20);
	json_decref(o);
	host_usage_free(u);
}

/* What is a device's work is known by the names of threads; what a guest calls itself is no
 * thread's name, and a main thread of the right name is one, too. */
static void io_threads(void **state)
{
	struct host_usage_of v[] = {{.id = A, .machine = 100, .display = 200, .vm = true},
				    {.id = B, .machine = 400}};
	struct host_usage *u = host_usage_new(proc);
	json_t *o = NULL;

	(void)state;
	host(1);
	process(200, 1, (int[]){0, 0, 0, 0}, 256);
	process(400, 1, (int[]){10, 0, 0, 0}, 256);
	thread(400, 400, "io-blk", (int[]){10, 0, 0});
	for (int round = 0; round < 2; round++) {
		process(100, 1, (int[]){900 * round, 200 * round, 0, 600 * round}, 256);
		thread(100, 100, "pane-vmm", (int[]){40 * round, 10 * round, 0});
		thread(100, 101, "vcpu0", (int[]){650 * round, 50 * round, 600 * round});
		thread(100, 102, "io-blk-ring", (int[]){80 * round, 40 * round, 0});
		thread(100, 103, "io-net", (int[]){60 * round, 20 * round, 0});
		thread(100, 104, "iou-wrk-102", (int[]){0, 30 * round, 0});
		thread(100, 105, "vhost-100", (int[]){0, 20 * round, 0});
		thread(100, 106, "a (io-net)", (int[]){70 * round, 30 * round, 0});
		process(200, 1, (int[]){50 * round, 0, 0, 0}, 256);
		thread(200, 200, "io-net", (int[]){50 * round, 0, 0});
		o = host_usage_look(u, v, 2, 1000 + 10000 * round);
	}
	assert_non_null(o);
	assert_int_equal(figure(o, 0, 1), 600);
	assert_int_equal(figure(o, 0, 10), 250); /* 120, 80, 30, 20 */
	assert_int_equal(figure(o, 0, 2), 250);	 /* 1100 less 600 of the guest and 250 */
	assert_int_equal(figure(o, 0, 3), 50);
	assert_int_equal(figure(o, 1, 10), -1); /* nobody can tell of a container */
	json_decref(o);
	/* A disk is unplugged: its thread's 120 ticks are the process's still, and are not told
	 * again as the machine's. 50 more of the card. */
	process(100, 1, (int[]){950, 200, 0, 600}, 512 * 256);
	thread(100, 102, "ended", (int[]){0, 0, 0});
	thread(100, 103, "io-net", (int[]){110, 20, 0});
	o = host_usage_look(u, v, 2, 21000);
	assert_int_equal(figure(o, 0, 2) + figure(o, 0, 10), 50);
	json_decref(o);
	process(100, 1, (int[]){980, 200, 0, 600}, 512 * 256);
	thread(100, 103, "io-net", (int[]){130, 20, 0});
	o = host_usage_look(u, v, 2, 31000);
	assert_int_equal(figure(o, 0, 10), 20);
	assert_int_equal(figure(o, 0, 2), 10);
	assert_int_equal(hundredths(u, HOST_USAGE_GUEST), 600);
	assert_int_equal(hundredths(u, HOST_USAGE_IO) + hundredths(u, HOST_USAGE_MACHINE), 580);
	assert_int_equal(hundredths(u, HOST_USAGE_DISPLAY), 50);
	json_decref(o);
	host_usage_free(u);
}

/* Started anew since the last look: its counters have begun anew, and it is left out once. */
static void restarted(void **state)
{
	struct host_usage *u = host_usage_new(proc);
	struct host_usage_of v[] = {{.id = A, .machine = 100, .vm = true},
				    {.id = B, .machine = 400, .vm = true}};
	json_t *o;

	(void)state;
	host(1);
	process(100, 1, (int[]){100, 0, 0, 0}, 256);
	process(400, 1, (int[]){100, 0, 0, 0}, 256);
	assert_null(host_usage_look(u, v, 2, 1000));
	v[0].machine = 101;
	process(101, 1, (int[]){1, 0, 0, 0}, 256);
	process(400, 1, (int[]){50, 0, 0, 0}, 256); /* fell: somebody ignored a child's end */
	o = host_usage_look(u, v, 2, 11000);
	assert_int_equal(json_array_size(json_object_get(o, "desktops")), 1);
	assert_int_equal(figure(o, 0, 2), 0);
	json_decref(o);
	host_usage_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(machines, setup, teardown),
		cmocka_unit_test_setup_teardown(containers, setup, teardown),
		cmocka_unit_test_setup_teardown(io_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(restarted, setup, teardown),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
