/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See metrics.h; what each family means is in docs/contracts.md, "Metrics". Nothing here has a
 * desktop's or a user's name: the broker tells of pools, and the journal of each desktop.
 */
#include "vmm/host/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "common/file.h"
#include "common/metrics_server.h"
#include "common/tls.h"
#include "vmm/host/agent.h"
#include "vmm/host/turn.h"

#define MIB   1048576.0
#define KINDS 2
#define PARTS 64 /* files of one image or parent that are looked at */

static const double start_bounds[METRICS_BOUNDS] = {1, 2, 5, 10, 20, 40, 60, 120, 300};
static const char *const ways[HOST_WAYS] = {"boot", "clone", "resume", "container"};

struct host_metrics {
	int fd[METRICS_LISTEN_MAX]; /* owned */
	unsigned n;
	struct metrics_server *server; /* owned */
};

/* ---- counting ---- */

void host_count_sync(struct host_agent *a, enum host_sync_result r)
{
	a->counts.syncs[r]++;
	if (r == HOST_SYNC_OK)
		a->counts.synced_ms = clock_ms();
}

void host_count_start(struct host_desktop *d)
{
	enum host_way way = d->rec.order.isolation == HOST_CONTAINER ? HOST_WAY_CONTAINER
			    : d->resuming			     ? HOST_WAY_RESUME
			    : d->clone				     ? HOST_WAY_CLONE
								     : HOST_WAY_BOOT;

	metrics_observe(&d->agent->counts.starts[way], start_bounds,
			(double)(clock_ms() - d->started_ms) / 1000);
}

void host_count_end(struct host_desktop *d, const struct host_ended *end, bool wanted)
{
	d->agent->counts.ends[d->rec.order.isolation][end->how][wanted]++;
}

/* ---- what is so ---- */

static void write_desktops(const struct host_agent *a, struct metrics *m)
{
	unsigned n[KINDS][HOST_ABSENT + 1] = {0}, displays = 0, viewers = 0;
	int starting, waiting;

	for (const struct host_desktop *d = a->desktops; d; d = d->next) {
		n[d->rec.order.isolation][d->state]++;
		displays += d->display && host_display_proc(d->display)->pid > 0;
		viewers += a->door ? host_door_count(a->door, d->rec.order.id) : 0;
	}
	metrics_family(m, "pane_host_desktops", METRICS_GAUGE,
		       "Desktops of this host by kind and state.");
	for (int k = 0; k < KINDS; k++)
		for (int s = 0; s < HOST_ABSENT; s++)
			metrics_put(m, n[k][s], "kind", host_isolation_name((enum host_isolation)k),
				    "state", host_state_name((enum host_state)s), METRICS_END);
	host_turn_count(a->desktops, clock_ms(), &starting, &waiting);
	metrics_one(m, "pane_host_starting", METRICS_GAUGE, "Desktops that start just now.",
		    starting);
	metrics_one(m, "pane_host_starts_queued", METRICS_GAUGE,
		    "Desktops that wait for their turn to start.", waiting);
	metrics_one(m, "pane_host_displays", METRICS_GAUGE, "Displays that run.", displays);
	metrics_one(m, "pane_host_viewers", METRICS_GAUGE, "Connections of people to desktops.",
		    viewers);
}

static void write_counts(const struct host_agent *a, struct metrics *m)
{
	static const char *const hows[] = {"poweroff", "logout", "quit", "reset",
					   "panic",    "signal", "error"};
	static const char *const results[] = {"ok", "failed", "cancelled"};
	const struct host_counts *c = &a->counts;

	metrics_family(m, "pane_host_start_seconds", METRICS_HISTOGRAM,
		       "From a desktop's start to its being ready, by how it began.");
	for (int w = 0; w < HOST_WAYS; w++)
		metrics_put_histogram(m, &c->starts[w], start_bounds, "how", ways[w]);
	metrics_one(m, "pane_host_starts_refused_total", METRICS_COUNTER,
		    "Starts that this host could not begin, each attempt.", (double)c->refused);
	metrics_family(m, "pane_host_ends_total", METRICS_COUNTER,
		       "Desktops' ends by kind and how; those nobody asked for are not wanted.");
	for (int k = 0; k < KINDS; k++)
		for (int h = 0; h <= HOST_END_ERROR; h++)
			for (int w = 0; w < 2; w++)
				if (c->ends[k][h][w] || (h >= HOST_END_PANIC && !w))
					metrics_put(m, (double)c->ends[k][h][w], "kind",
						    host_isolation_name((enum host_isolation)k),
						    "how", hows[h], "wanted", w ? "yes" : "no",
						    METRICS_END);
	metrics_family(m, "pane_host_syncs_total", METRICS_COUNTER,
		       "Conversations with the broker; most wait there for news.");
	for (int r = 0; r < HOST_SYNC_RESULTS; r++)
		metrics_put(m, (double)c->syncs[r], "result", results[r], METRICS_END);
	metrics_one(m, "pane_host_sync_age_seconds", METRICS_GAUGE,
		    "How long ago the broker's last orders came; since this agent's start while "
		    "none have.",
		    (double)(clock_ms() - (c->synced_ms ? c->synced_ms : a->begun_ms)) / 1000);
}

/* Where nothing is looked at (usage_s = 0) there is nothing to tell. */
static void write_usage(const struct host_agent *a, struct metrics *m)
{
	static const char *const parts[HOST_USAGE_PARTS] = {"guest", "vmm", "io", "display"};

	if (!a->usage || !a->config->usage_s)
		return;
	metrics_family(m, "pane_host_desktops_cpu_seconds_total", METRICS_COUNTER,
		       "Processor time of desktops: their own work, their machines' processes, of "
		       "those the threads of disks and network cards apart, and their displays.");
	for (int i = 0; i < HOST_USAGE_PARTS; i++)
		metrics_put(m, host_usage_cpu_s(a->usage, (enum host_usage_part)i), "of", parts[i],
			    METRICS_END);
}

/* [proc(5), /proc/vmstat]: -1 where this kernel does not say. */
static double oom_kills(void)
{
	cleanup_free char *text = NULL;
	size_t len;
	const char *at;

	if (file_read("/proc/vmstat", 65536, &text, &len, NULL) < 0 ||
	    !(at = strstr(text, "\noom_kill ")))
		return -1;
	return strtod(at + 10, NULL);
}

static void write_memory(struct host_agent *a, struct metrics *m)
{
	const struct host_capacity *c = &a->capacity;
	int64_t asked = 0, given = 0, filled = 0;
	double killed = oom_kills();

	for (const struct host_desktop *d = a->desktops; d; d = d->next) {
		struct host_balloon_status s;

		if (!d->machine || !host_machine_balloon(d->machine, &s))
			continue;
		asked += s.target;
		given += s.actual;
		filled += s.actual > 0;
	}
	host_economy_measure(a);
	metrics_one(m, "pane_host_cpus", METRICS_GAUGE, "Processors of this host.", c->cpus);
	metrics_family(m, "pane_host_memory_bytes", METRICS_GAUGE,
		       "Memory for desktops: all there is, promised to those that run, left to "
		       "promise, and what the kernel says is available.");
	metrics_put(m, (double)c->memory_mib * MIB, "of", "total", METRICS_END);
	metrics_put(m, (double)c->promised_mib * MIB, "of", "promised", METRICS_END);
	metrics_put(m, (double)c->memory_free_mib * MIB, "of", "free", METRICS_END);
	metrics_put(m, (double)c->memory_available_mib * MIB, "of", "available", METRICS_END);
	metrics_one(m, "pane_host_disk_free_bytes", METRICS_GAUGE,
		    "Room for desktops and images above the reserve.",
		    (double)c->disk_free_mib * MIB);
	metrics_family(m, "pane_host_balloon_bytes", METRICS_GAUGE,
		       "Memory that virtual machines are asked to give back, and that they gave.");
	metrics_put(m, (double)asked * MIB, "of", "asked", METRICS_END);
	metrics_put(m, (double)given * MIB, "of", "given", METRICS_END);
	metrics_one(m, "pane_host_balloons_filled", METRICS_GAUGE,
		    "Virtual machines that gave memory back.", (double)filled);
	if (killed >= 0)
		metrics_one(m, "pane_host_oom_kills_total", METRICS_COUNTER,
			    "Processes that this machine's kernel ended for want of memory.",
			    killed);
}

/* Bytes on disk of the files of one directory; -1 when it cannot be read. */
static double dir_bytes(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	double sum = 0;
	int n = 0;

	if (!d)
		return -1;
	while (n < PARTS && (de = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode)) {
			sum += (double)st.st_blocks * 512;
			n++;
		}
	}
	closedir(d);
	return sum;
}

/* What lies below STATE/sub, one directory each; those that begin with a dot are being made. */
static void write_store(const struct host_agent *a, struct metrics *m, const char *sub,
			const char *const names[2], const char *const helps[2])
{
	char root[PATH_MAX], dir[PATH_MAX];
	double n = 0, bytes = 0, b;
	struct dirent *de;
	DIR *d = host_config_path(a->config, root, sub, NULL) == 0 ? opendir(root) : NULL;

	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.' || path_join(dir, sizeof(dir), root, de->d_name) < 0)
			continue;
		b = dir_bytes(dir);
		n += b >= 0;
		bytes += b > 0 ? b : 0;
	}
	if (d)
		closedir(d);
	metrics_one(m, names[0], METRICS_GAUGE, helps[0], n);
	metrics_one(m, names[1], METRICS_GAUGE, helps[1], bytes);
}

static void write_stores(const struct host_agent *a, struct metrics *m)
{
	static const char *const images[] = {"pane_host_images", "pane_host_images_bytes"};
	static const char *const images_help[] = {"Versions of images that are here.",
						  "What they take of the disk."};
	static const char *const parents[] = {"pane_host_parents", "pane_host_parents_bytes"};
	static const char *const parents_help[] = {"Parked parents that clones begin from.",
						   "What they take of the disk."};

	write_store(a, m, "images", images, images_help);
	write_store(a, m, "parents", parents, parents_help);
}

static void write_certificate(struct metrics *m, const char *path, const char *name)
{
	cleanup_free char *text = NULL;
	struct tm tm = {0};
	size_t len;
	X509 *x =
		file_read(path, 65536, &text, &len, NULL) == 0 ? tls_first_certificate(text) : NULL;

	if (x && ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1)
		metrics_put(m, (double)timegm(&tm) - (double)clock_wall_ms() / 1000, "name", name,
			    METRICS_END);
	X509_free(x);
}

void host_metrics_write(struct host_agent *a, struct metrics *m)
{
	write_desktops(a, m);
	write_counts(a, m);
	write_memory(a, m);
	write_usage(a, m);
	write_stores(a, m);
	metrics_family(m, "pane_host_certificate_expires_seconds", METRICS_GAUGE,
		       "How long a certificate is still good; negative once it is not.");
	write_certificate(m, a->identity.cert, "host");
	write_certificate(m, a->identity.ca, "ca");
	metrics_one(m, "pane_host_start_time_seconds", METRICS_GAUGE,
		    "When this agent began, Unix time.",
		    (double)(clock_wall_ms() - (clock_ms() - a->begun_ms)) / 1000);
}

/* ---- where ---- */

static void on_write(void *arg, struct metrics *m)
{
	host_metrics_write(arg, m);
}

struct host_metrics *host_metrics_new(struct host_agent *a, struct err *e)
{
	struct host_metrics *h = calloc(1, sizeof(*h));

	for (char **addr = a->config->metrics_listen; h && addr && *addr; addr++) {
		int fd = metrics_listen(*addr, e);

		if (fd < 0) {
			host_metrics_free(h);
			return NULL;
		}
		h->fd[h->n++] = fd;
	}
	if (h && h->n)
		h->server = metrics_server_new(a->loop, h->fd, h->n, on_write, a);
	if (!h || (h->n && !h->server)) {
		(void)err_set(e, -ENOMEM, "out of memory");
		host_metrics_free(h);
		return NULL;
	}
	return h;
}

void host_metrics_free(struct host_metrics *h)
{
	if (!h)
		return;
	metrics_server_free(h->server);
	while (h->n)
		close(h->fd[--h->n]);
	free(h);
}
