/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Room on the file systems that database, images, desktops and logs lie on, and how old the last
 * backup is.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include "deploy/doctor/doctor.h"

#define FULL_PERCENT 3
#define FULL_MIB     100
#define NEAR_PERCENT 10
#define BACKUP_DAYS  2
#define STAMP	     "/var/lib/pane-backup/last"

static void check_room(struct doctor *d, const char *id, const char *path, const char *fix)
{
	struct statvfs v;
	unsigned long long free_mib;
	unsigned percent, nodes;
	enum report_status s;

	if (statvfs(path, &v)) {
		report_add(&d->report, errno == ENOENT ? REPORT_WARN : REPORT_FAIL, id,
			   "make it, or mend its rights", "%s: %s", path, strerror(errno));
		return;
	}
	free_mib = (unsigned long long)v.f_bavail * v.f_frsize >> 20;
	percent = v.f_blocks ? (unsigned)(v.f_bavail * 100 / v.f_blocks) : 100;
	nodes = v.f_files ? (unsigned)(v.f_favail * 100 / v.f_files) : 100;
	if (nodes < percent)
		percent = nodes;
	s = percent < FULL_PERCENT || free_mib < FULL_MIB ? REPORT_FAIL
	    : percent < NEAR_PERCENT			  ? REPORT_WARN
							  : REPORT_OK;
	report_add(&d->report, s, id, s == REPORT_OK ? NULL : fix, "%s: %llu MiB free (%u %%)",
		   path, free_mib, percent);
}

static void check_backup(struct doctor *d)
{
	struct stat st;
	double days;

	if (stat(STAMP, &st)) {
		report_add(&d->report, REPORT_WARN, "backup",
			   "pane-backup init, then systemctl enable --now "
			   "pane-backup.timer (docs/backup.md)",
			   "there was never a backup of this machine");
		return;
	}
	days = difftime(time(NULL), st.st_mtime) / 86400;
	report_add(&d->report, days > BACKUP_DAYS ? REPORT_WARN : REPORT_OK, "backup",
		   days > BACKUP_DAYS ? "journalctl -u pane-backup -n 30" : NULL,
		   "the last backup is %.1f days old", days);
}

void check_space(struct doctor *d)
{
	const char *store = settings_get(&d->broker, "images", "store");
	const char *conninfo = settings_get(&d->broker, "database", "conninfo");
	const char *state = settings_get(&d->host, "host", "state_dir");
	static const char database[] = "/var/lib/postgresql";

	if (conninfo && access(database, F_OK) == 0)
		check_room(d, "space.database", database,
			   "make room: a full database refuses every login");
	if (store)
		check_room(d, "space.images", store, "pane image delete what no pool uses");
	if (state)
		check_room(d, "space.desktops", state,
			   "pane homes list, pane desktops list: delete what nobody needs, or add "
			   "room");
	check_room(d, "space.logs", "/var/log", "journalctl --vacuum-size=500M");
	if (d->broker.found || d->host.found)
		check_backup(d);
}
