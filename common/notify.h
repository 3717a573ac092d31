/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The service manager's notification socket (sd_notify(3)), without its library.
 */
#ifndef PANE_COMMON_NOTIFY_H
#define PANE_COMMON_NOTIFY_H

/* Says that this process serves from now on, and that it is the one to watch (READY=1, MAINPID=).
 * Nothing happens without NOTIFY_SOCKET; a socket that does not take it is logged. */
void notify_ready(void);

#endif
