/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The database, asked as the broker asks it. With peer authentication that means as its account: a
 * child takes it on.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include "deploy/doctor/child.h"
#include "deploy/doctor/doctor.h"

#define SKEW_S 2

struct asked {
	int connected;
	char why[300];
	int version, standby; /* 150018; in recovery */
	long long clock;      /* the server's, in ms since 1970 */
	char level[64];	      /* newest migration */
};

/* The account that peer authentication wants: the conninfo's user, when it is one of this machine.
 */
static void become_user_of(const char *conninfo)
{
	PQconninfoOption *list = PQconninfoParse(conninfo, NULL);
	struct passwd entry, *pw = NULL;
	char text[4096];

	for (PQconninfoOption *o = list; o && o->keyword; o++)
		if (strcmp(o->keyword, "user") == 0 && o->val)
			(void)getpwnam_r(o->val, &entry, text, sizeof(text), &pw);
	PQconninfoFree(list);
	if (pw && (initgroups(pw->pw_name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid)))
		_exit(1);
}

static void ask(PGconn *c, struct asked *a)
{
	PGresult *r = PQexec(
		c, "SELECT pg_is_in_recovery()::int, (extract(epoch from clock_timestamp()) * "
		   "1000)::bigint, (SELECT max(name) FROM pane.migration)");

	if (PQresultStatus(r) == PGRES_TUPLES_OK) {
		a->standby = atoi(PQgetvalue(r, 0, 0));
		a->clock = atoll(PQgetvalue(r, 0, 1));
		snprintf(a->level, sizeof(a->level), "%s", PQgetvalue(r, 0, 2));
	} else {
		snprintf(a->why, sizeof(a->why), "%s", PQresultErrorMessage(r));
	}
	PQclear(r);
}

static void connect_and_ask(const char *conninfo, struct asked *a)
{
	static const char *const names[] = {"dbname", "connect_timeout", "application_name",
					    "options", NULL};
	const char *const values[] = {conninfo, "3", "pane-doctor", "-c statement_timeout=3000",
				      NULL};
	PGconn *c = PQconnectdbParams(names, values, 1);

	a->connected = PQstatus(c) == CONNECTION_OK;
	if (a->connected) {
		a->version = PQserverVersion(c);
		ask(c, a);
	} else {
		snprintf(a->why, sizeof(a->why), "%s", PQerrorMessage(c));
	}
	PQfinish(c);
}

static int in_child(bool root, const char *conninfo, struct asked *a)
{
	cleanup_close int from = -1;
	int fds[2];
	pid_t pid;
	ssize_t n;

	*a = (struct asked){0};
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	from = fds[0];
	pid = fork();
	if (pid == 0) {
		if (root)
			become_user_of(conninfo);
		connect_and_ask(conninfo, a);
		n = write(fds[1], a, sizeof(*a));
		_exit(n == sizeof(*a) ? 0 : 1);
	}
	close(fds[1]);
	n = pid < 0 ? -1 : read(from, a, sizeof(*a));
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return n == sizeof(*a) ? 0 : -EIO;
}

/* The newest NNN_name.sql that this machine's broker knows. */
static void newest_file(const char *dir, char out[64])
{
	const char *const argv[] = {"sh", "-c", "cd \"$1\" && ls [0-9][0-9][0-9]_*.sql | tail -n 1",
				    "sh", dir,	NULL};

	if (child_run(argv, out, 64) != 0)
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
}

static void check_level(struct doctor *d, const struct asked *a)
{
	const char *dir = settings_get(&d->broker, "database", "sql_dir");
	char known[64] = "";

	newest_file(dir ? dir : "/usr/share/pane/sql", known);
	if (!a->level[0])
		report_add(&d->report, REPORT_FAIL, "database.schema",
			   "systemctl start pane-migrate", "the schema is not there: %s", a->why);
	else if (strcmp(a->level, known) == 0)
		report_add(&d->report, REPORT_OK, "database.schema", NULL, "the schema is at %s",
			   a->level);
	else
		report_add(&d->report, REPORT_FAIL, "database.schema",
			   strcmp(a->level, known) < 0
				   ? "systemctl start pane-migrate (pane-broker migrate)"
				   : "install the pane-broker that made it",
			   "the schema is at %s, this broker's is %s", a->level, known);
}

static void check_skew(struct doctor *d, const struct asked *a)
{
	struct timespec t;
	long long ms;

	clock_gettime(CLOCK_REALTIME, &t);
	ms = t.tv_sec * 1000LL + t.tv_nsec / 1000000 - a->clock;
	if (ms < 0)
		ms = -ms;
	report_add(&d->report, ms > SKEW_S * 1000 ? REPORT_FAIL : REPORT_OK, "clock.database",
		   ms > SKEW_S * 1000 ? "keep both machines' clocks (systemd-timesyncd, chrony)"
				      : NULL,
		   "the database's clock is %lld ms from this one", ms);
}

void check_database(struct doctor *d)
{
	const char *conninfo = settings_get(&d->broker, "database", "conninfo");
	struct asked a;
	int r;

	if (!conninfo)
		return;
	r = in_child(d->root, conninfo, &a);
	if (r < 0 || !a.connected) {
		report_add(&d->report, REPORT_FAIL, "database.reach",
			   "systemctl start postgresql; or mend conninfo in broker.conf", "%s",
			   r < 0 ? "it could not be asked" : a.why);
		return;
	}
	report_add(&d->report, a.version < 150000 ? REPORT_FAIL : REPORT_OK, "database.reach",
		   a.version < 150000 ? "PostgreSQL 15 or newer is needed" : NULL,
		   "PostgreSQL %d answers", a.version / 10000);
	if (a.standby)
		report_add(&d->report, REPORT_FAIL, "database.primary",
			   "name all servers in conninfo, with target_session_attrs=read-write",
			   "this is a standby: nothing can be written");
	else
		report_add(&d->report, REPORT_OK, "database.primary", NULL, "it takes writes");
	check_level(d, &a);
	check_skew(d, &a);
}
