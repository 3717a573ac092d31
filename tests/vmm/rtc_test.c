/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/rtc.c: the host's time in each of the four formats, CMOS bytes, read-only registers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>
#include "vmm/rtc.h"

static void put(struct rtc *r, uint8_t reg, uint8_t v)
{
	uint64_t index = reg, value = v;

	rtc_access(r, true, 0, 1, &index);
	rtc_access(r, true, 1, 1, &value);
}

static uint8_t get(struct rtc *r, uint8_t reg)
{
	uint64_t index = reg, value = ~0ull;

	rtc_access(r, true, 0, 1, &index);
	rtc_access(r, false, 1, 1, &value);
	return (uint8_t)value;
}

static int decimal(uint8_t bcd)
{
	return (bcd >> 4) * 10 + (bcd & 15);
}

static void time_is_the_hosts(void **state)
{
	struct rtc r;
	time_t before, after;
	struct tm t = {0};

	(void)state;
	rtc_init(&r);
	do { /* once more where a second passed meanwhile */
		before = time(NULL);
		t.tm_sec = decimal(get(&r, 0));
		t.tm_min = decimal(get(&r, 2));
		t.tm_hour = decimal(get(&r, 4));
		t.tm_mday = decimal(get(&r, 7));
		t.tm_mon = decimal(get(&r, 8)) - 1;
		t.tm_year = decimal(get(&r, 9)) + decimal(get(&r, 0x32)) * 100 - 1900;
		after = time(NULL);
	} while (before != after);
	assert_int_equal(timegm(&t), before);
	rtc_fini(&r);
}

static void local_time_is_that_of_the_hosts_zone(void **state)
{
	const char *was = getenv("TZ");
	struct rtc utc, local;
	int a, b;

	(void)state;
	rtc_init(&utc);
	rtc_init(&local);
	local.local = true;
	setenv("TZ", "XYZ-5:30", 1);
	tzset();
	do {
		a = decimal(get(&utc, 4)) * 60 + decimal(get(&utc, 2));
		b = decimal(get(&local, 4)) * 60 + decimal(get(&local, 2));
	} while (a != decimal(get(&utc, 4)) * 60 + decimal(get(&utc, 2)));
	assert_int_equal((b - a + 24 * 60) % (24 * 60), 5 * 60 + 30);
	was ? setenv("TZ", was, 1) : unsetenv("TZ");
	tzset();
	rtc_fini(&utc);
	rtc_fini(&local);
}

static void formats(void **state)
{
	struct rtc r;
	uint8_t bcd, bin, half;

	(void)state;
	rtc_init(&r);
	do {
		put(&r, 11, 2);
		bcd = get(&r, 4);
		put(&r, 11, 6);
		bin = get(&r, 4);
		put(&r, 11, 4);
		half = get(&r, 4);
		put(&r, 11, 2);
	} while (get(&r, 4) != bcd);
	assert_int_equal(decimal(bcd), bin);
	assert_int_equal((half & 0x7f) % 12 + (half & 0x80 ? 12 : 0), bin);
	rtc_fini(&r);
}

static void cmos_holds_and_status_does_not(void **state)
{
	struct rtc r;

	(void)state;
	rtc_init(&r);
	put(&r, 0x40, 0x5a);
	assert_int_equal(get(&r, 0x40), 0x5a);
	assert_int_equal(get(&r, 0xc0), 0x5a); /* bit 7 is the NMI mask */
	put(&r, 13, 0);
	assert_int_equal(get(&r, 13), 0x80);
	put(&r, 10, 0xff);
	assert_int_equal(get(&r, 10) & 0x80, 0); /* never updating */
	put(&r, 0, 0x77);
	assert_int_not_equal(get(&r, 0), 0x77);
	rtc_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_the_hosts),
		cmocka_unit_test(local_time_is_that_of_the_hosts_zone),
		cmocka_unit_test(formats),
		cmocka_unit_test(cmos_holds_and_status_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
