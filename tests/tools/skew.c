/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LD_PRELOAD for tests/fault/clock_test.py: the wall clock of each program is off by what a file
 * named after it says (PANE_SKEW/NAME, seconds as a 64-bit number), which a test may change at any
 * time. The file is mapped before the program shuts itself in, so no call is needed later that a
 * jail forbids. The monotonic clock is left alone, as it is when a machine's clock jumps.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *off;
static int (*real_clock)(clockid_t, struct timespec *);

static int64_t skew(void)
{
	return off ? *off : 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *dir = getenv("PANE_SKEW");
	char path[512];
	void *at;
	int fd;

	real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (!dir || snprintf(path, sizeof(path), "%s/%s", dir, program_invocation_short_name) >=
			    (int)sizeof(path))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	(void)fchmod(fd, 0666);
	if (ftruncate(fd, sizeof(*off)) == 0) {
		at = mmap(NULL, sizeof(*off), PROT_READ, MAP_SHARED, fd, 0);
		off = at == MAP_FAILED ? NULL : at;
	}
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int r;

	if (!real_clock)
		real_clock =
			(int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	r = real_clock(id, t);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += skew();
	return r;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec t;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &t);
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}
