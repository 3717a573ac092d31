/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who listens on the ports of the configurations: the daemon (well), nobody (it does not run), or
 * another program (it cannot start). From /proc/net/tcp*, and for the name from /proc/PID/fd.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "deploy/doctor/doctor.h"

#define LISTENING 0x0a

/* The inode of a socket that listens on this port, on any address; 0 when none does. */
static unsigned long listener_in(const char *path, unsigned port)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned at, state;
		unsigned long inode;

		if (sscanf(line,
			   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
			   &at, &state, &inode) == 3 &&
		    at == port && state == LISTENING)
			return inode;
	}
	return 0;
}

static bool holds(const char *pid, const char *target)
{
	char dir[300], path[600], link[64];
	const struct dirent *e;
	bool found = false;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%.32s/fd", pid);
	fds = opendir(dir);
	while (fds && !found && (e = readdir(fds))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%.255s", dir, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n > 0) {
			link[n] = 0;
			found = strcmp(link, target) == 0;
		}
	}
	if (fds)
		closedir(fds);
	return found;
}

/* "nginx (pid 12)"; "" when it cannot be seen. */
static void owner_of(unsigned long inode, char out[96])
{
	char target[48], path[64];
	const struct dirent *e;
	DIR *procs = opendir("/proc");

	out[0] = 0;
	snprintf(target, sizeof(target), "socket:[%lu]", inode);
	while (procs && !out[0] && (e = readdir(procs))) {
		cleanup_free char *comm = NULL;
		size_t n;

		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !holds(e->d_name, target))
			continue;
		snprintf(path, sizeof(path), "/proc/%.32s/comm", e->d_name);
		if (file_read(path, 64, &comm, &n, NULL))
			continue;
		comm[strcspn(comm, "\n")] = 0;
		snprintf(out, 96, "%s (pid %.32s)", comm, e->d_name);
	}
	if (procs)
		closedir(procs);
}

static void check_port(struct doctor *d, const char *what, const char *address, const char *program)
{
	const char *colon = strrchr(address, ':');
	unsigned port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
	unsigned long inode;
	char id[48], owner[96], fix[96];

	if (!port || strncmp(address, "unix:", 5) == 0)
		return;
	snprintf(id, sizeof(id), "port.%s", what);
	snprintf(fix, sizeof(fix), "systemctl start %s", program);
	inode = listener_in("/proc/net/tcp", port);
	if (!inode)
		inode = listener_in("/proc/net/tcp6", port);
	if (!inode) {
		report_add(&d->report, REPORT_WARN, id, fix,
			   "nobody listens on %s: %s does not run", address, program);
		return;
	}
	owner_of(inode, owner);
	if (!owner[0])
		report_add(&d->report, REPORT_OK, id, NULL,
			   "%s is taken; by whom only root can see", address);
	else if (strncmp(owner, program, strlen(program)) == 0)
		report_add(&d->report, REPORT_OK, id, NULL, "%s listens on %s", owner, address);
	else
		report_add(&d->report, REPORT_FAIL, id,
			   "stop that program, or give Pane another port", "%s is taken by %s",
			   address, owner);
}

void check_ports(struct doctor *d)
{
	static const char *const doors[][2] = {{"rdp_listen", "rdp"},
					       {"rfb_listen", "rfb"},
					       {"https_listen", "https"},
					       {"shared_listen", "shared"}};
	const char *host = settings_get(&d->host, "host", "listen");
	char address[256];

	for (size_t i = 0; i < ARRAY_LEN(doors); i++)
		for (int k = 0;
		     settings_nth(&d->gateway, "gateway", doors[i][0], k, address, sizeof(address));
		     k++)
			check_port(d, doors[i][1], address, "pane-gateway");
	if (host)
		check_port(d, "host", host, "pane-host");
}
