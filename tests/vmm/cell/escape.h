/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of the escape program share: what the story said of the host, and the table
 * of attempts.
 */
#ifndef TESTS_VMM_CELL_ESCAPE_H
#define TESTS_VMM_CELL_ESCAPE_H

struct escape {
	const char *name;
	long (*fn)(void); /* 0 or more when it got what it wanted, else -1 with errno */
};

#define T(name)                                                                                    \
	{                                                                                          \
#name, try_##name                                                                  \
	}

extern int host_pid, host_port;
extern const char *host_file, *host_socket;
extern const struct escape more_attempts[], deep_attempts[]; /* the last has no name */

long connect_to(const char *address); /* host_port there */

#endif
