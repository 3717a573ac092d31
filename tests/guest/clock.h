/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The card's clocks, as a guest reads them.
 */
#ifndef PANE_TESTS_GUEST_CLOCK_H
#define PANE_TESTS_GUEST_CLOCK_H

/* "clock" prints "clock TSC NS look N": the time stamp counter, the kvmclock (0 where KVM has none)
 * and which time this is. */
void clock_obey(const char *s);

#endif
