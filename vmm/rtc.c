/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MC146818 registers (Motorola data sheet). Times are read in the format register B asks for.
 */
#include "vmm/rtc.h"

#include <string.h>
#include <time.h>
#include "vmm/snapshot/section.h"

enum {
	SECONDS = 0,
	MINUTES = 2,
	HOURS = 4,
	WEEKDAY = 6,
	DAY = 7,
	MONTH = 8,
	YEAR = 9
};
enum {
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
	CENTURY = 0x32
};
enum {
	B_24H = 2,
	B_BINARY = 4,
	D_VALID = 0x80,
	A_DIVIDER = 0x26,
	HOUR_PM = 0x80
};

void rtc_init(struct rtc *r)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	r->cmos[REG_A] = A_DIVIDER;
	r->cmos[REG_B] = B_24H;
}

void rtc_fini(struct rtc *r)
{
	pthread_mutex_destroy(&r->lock);
}

static uint8_t coded(const struct rtc *r, int v)
{
	return (uint8_t)(r->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static uint8_t hours(const struct rtc *r, int h)
{
	if (r->cmos[REG_B] & B_24H)
		return coded(r, h);
	return (uint8_t)(coded(r, h % 12 ? h % 12 : 12) | (h >= 12 ? HOUR_PM : 0));
}

static uint8_t read_register(const struct rtc *r)
{
	struct tm t = {0};
	time_t now = time(NULL);

	if (r->local)
		localtime_r(&now, &t);
	else
		gmtime_r(&now, &t);
	switch (r->index) {
	case SECONDS:
		return coded(r, t.tm_sec);
	case MINUTES:
		return coded(r, t.tm_min);
	case HOURS:
		return hours(r, t.tm_hour);
	case WEEKDAY:
		return coded(r, t.tm_wday + 1);
	case DAY:
		return coded(r, t.tm_mday);
	case MONTH:
		return coded(r, t.tm_mon + 1);
	case YEAR:
		return coded(r, t.tm_year % 100);
	case CENTURY:
		return coded(r, t.tm_year / 100 + 19);
	case REG_C:
		return 0;
	case REG_D:
		return D_VALID;
	default:
		return r->cmos[r->index];
	}
}

void rtc_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct rtc *r = arg;

	(void)size;
	pthread_mutex_lock(&r->lock);
	if (write && offset == 0)
		r->index = *value & 0x7f;
	else if (write && r->index == REG_A)
		r->cmos[REG_A] = *value & 0x7f; /* update-in-progress is ours */
	else if (write)
		r->cmos[r->index] = (uint8_t)*value;
	else if (offset == 1)
		*value = read_register(r);
	pthread_mutex_unlock(&r->lock);
}

void rtc_save(struct rtc *r, struct snap_out *out)
{
	pthread_mutex_lock(&r->lock);
	snap_begin(out, "rtc", 0, 1);
	snap_put_u8(out, r->index);
	snap_put_bytes(out, r->cmos, sizeof(r->cmos));
	snap_end(out);
	pthread_mutex_unlock(&r->lock);
}

int rtc_load(struct rtc *r, const struct snap *s, struct err *e)
{
	struct snap_in in;
	int rc = snap_find(s, "rtc", 0, 1, &in, e);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	r->index = snap_u8(&in) & 0x7f;
	snap_bytes(&in, r->cmos, sizeof(r->cmos));
	pthread_mutex_unlock(&r->lock);
	return snap_done(&in, e);
}
