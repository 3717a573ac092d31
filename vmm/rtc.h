/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The MC146818 clock and its CMOS memory. The time is the host's, in UTC or, as Windows expects, in
 * the host's local time (tzset() must have been called): what the guest writes to the clock
 * registers is forgotten, as the host's clock is the truth. No alarm or periodic interrupt.
 */
#ifndef PANE_VMM_RTC_H
#define PANE_VMM_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct snap;
struct snap_out;

struct rtc {
	pthread_mutex_t lock; /* guards index and cmos */
	bool local;	      /* set once, before the first access */
	uint8_t index;
	uint8_t cmos[128];
};

void rtc_init(struct rtc *r);
void rtc_fini(struct rtc *r);
/* Snapshots (vmm/snapshot/section.h), section "rtc". */
void rtc_save(struct rtc *r, struct snap_out *out);
int rtc_load(struct rtc *r, const struct snap *s, struct err *e) must_check;
/* A vm_io_fn for ports 0x70 and 0x71. */
void rtc_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

#endif
