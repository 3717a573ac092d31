/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See usage.h. One pass over all processes a look: each belongs to the desktop whose machine or
 * display is the nearest above it. The times of children that have ended are counted with the
 * parent that waited for them [proc(5), stat cutime], so the sum over a tree hardly ever falls;
 * where it does (somebody ignored SIGCHLD) the rate is 0. Threads of pane-vmm that do the devices'
 * work are named for it ("io-..."), and the kernel puts its own workers beside them: what they had
 * is told apart. With a thread that ends goes what it had; as far as a look saw that, it is kept.
 */
#include "vmm/host/usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "common/log.h"

#define STAT_MAX  1024
#define DEPTH_MAX 64 /* of a tree of processes; a loop cannot be, but is not relied upon */
#define NOBODY	  SIZE_MAX

/* Counters that only grow, and what is held now. -1: cannot be known. */
struct count {
	int64_t guest, machine, display; /* clock ticks of a processor */
	int64_t io;			 /* the same, no part of machine */
	int64_t memory, display_memory;	 /* pages */
	int64_t read, written, in, out;	 /* bytes */
	int64_t net_ms;			 /* of in and out */
};

struct known {
	char id[40];
	pid_t machine;
	pid_t init;	 /* of a container; 0: not looked for or not found */
	int64_t io_gone; /* ticks of I/O threads that have ended */
	struct count c;
};

/* A process as /proc/PID/stat has it. */
struct process {
	pid_t pid, parent;
	int64_t own, children, guest; /* ticks; own has guest in it */
	int64_t pages;
	size_t of; /* index of its desktop, or NOBODY */
	bool display, root;
};

struct host_usage {
	char proc[64];
	int64_t ms;		       /* of the last look; 0: none */
	int64_t busy;		       /* ticks of the host's processors then */
	int64_t sum[HOST_USAGE_PARTS]; /* ticks that all desktops had, between looks */
	struct known *known;	       /* owned, by id as they came */
	size_t n_known;
};

struct host_usage *host_usage_new(const char *proc)
{
	struct host_usage *u = calloc(1, sizeof(*u));

	if (u)
		snprintf(u->proc, sizeof(u->proc), "%s", proc);
	return u;
}

void host_usage_free(struct host_usage *u)
{
	if (u)
		free(u->known);
	free(u);
}

/* A short file; its length or -1. What a process is called may be anything: callers find the end.
 */
static ssize_t read_short(const struct host_usage *u, pid_t pid, const char *name, char *buf,
			  size_t size)
{
	char path[128];
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%d/%s", u->proc, pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* [proc(5), /proc/pid/stat]: the name is in parentheses and may have any of them in it. */
static bool stat_parse(const char *buf, struct process *p)
{
	const char *at = strrchr(buf, ')');
	int64_t user, system, cuser, csystem, guest;
	int parent;

	*p = (struct process){.of = NOBODY};
	if (!at || sscanf(at + 1,
			  " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64
			  " %" SCNd64 " %" SCNd64 " %*d %*d %*d %*d %*u %*u %" SCNd64
			  " %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %*d %*u %*u %*u"
			  " %" SCNd64,
			  &parent, &user, &system, &cuser, &csystem, &p->pages, &guest) != 7)
		return false;
	p->parent = parent;
	p->own = user + system;
	p->children = cuser + csystem;
	p->guest = guest;
	return true;
}

static bool process_read(const struct host_usage *u, pid_t pid, struct process *p)
{
	char buf[STAT_MAX];

	if (read_short(u, pid, "stat", buf, sizeof(buf)) <= 0 || !stat_parse(buf, p))
		return false;
	p->pid = pid;
	return true;
}

/* Threads of a machine that work for its disks and network cards: pane-vmm's own, those of
 * io_uring and (since Linux 6.4) of vhost. */
static bool is_io(const char *stat)
{
	static const char *const names[] = {"io-", "iou-", "vhost-"};
	const char *name = strchr(stat, '(');

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name + 1, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* What those of a process had so far; -1 where its threads are not ours to see. */
static int64_t io_ticks(const struct host_usage *u, pid_t pid)
{
	char path[128], buf[STAT_MAX];
	struct process p;
	struct dirent *de;
	int64_t sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%d/task", u->proc, pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "task/%.16s/stat", de->d_name);
		if (read_short(u, pid, path, buf, sizeof(buf)) > 0 && is_io(buf) &&
		    stat_parse(buf, &p))
			sum += p.own;
	}
	closedir(dir);
	return sum;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static struct process *process_find(struct process *v, size_t n, pid_t pid)
{
	struct process key = {.pid = pid};

	return n ? bsearch(&key, v, n, sizeof(*v), by_pid) : NULL;
}

/* All processes, sorted; what ends meanwhile is left out. */
static struct process *process_list(const struct host_usage *u, size_t *out)
{
	DIR *dir = opendir(u->proc);
	struct process *v = NULL;
	size_t n = 0, max = 0;
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		if (n == max) {
			size_t more = max ? 2 * max : 256;
			struct process *w = reallocarray(v, more, sizeof(*v));

			if (!w)
				break;
			v = w;
			max = more;
		}
		n += process_read(u, atoi(de->d_name), &v[n]);
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(v, n, sizeof(*v), by_pid);
	*out = n;
	return v;
}

static void mark_roots(struct process *v, size_t n, const struct host_usage_of *of, size_t n_of)
{
	for (size_t i = 0; i < n_of; i++) {
		struct process *m = process_find(v, n, of[i].machine);
		struct process *d = process_find(v, n, of[i].display);

		if (of[i].machine > 0 && m) {
			m->of = i;
			m->root = true;
		}
		if (of[i].display > 0 && d) {
			d->of = i;
			d->display = d->root = true;
		}
	}
}

/* Whose each process is: the root nearest above it. */
static void mark_trees(struct process *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct process *up = &v[i];

		for (int depth = 0; up && !up->root && depth < DEPTH_MAX; depth++)
			up = up->parent > 0 ? process_find(v, n, up->parent) : NULL;
		if (up && up->root) {
			v[i].of = up->of;
			v[i].display = up->display;
		}
	}
}

static void add_io(const struct host_usage *u, pid_t pid, struct count *c)
{
	char buf[512], *r, *w;

	if (c->read < 0 || read_short(u, pid, "io", buf, sizeof(buf)) <= 0 ||
	    !(r = strstr(buf, "read_bytes: ")) || !(w = strstr(buf, "\nwrite_bytes: "))) {
		c->read = c->written = -1; /* not ours to see, or no accounting */
		return;
	}
	c->read += strtoll(r + 12, NULL, 10);
	c->written += strtoll(w + 14, NULL, 10);
}

/* The first process of a namespace of its own: what it sees of the network is the container's. */
static bool is_init(const struct host_usage *u, pid_t pid)
{
	char buf[2048], *at, *end;

	if (read_short(u, pid, "status", buf, sizeof(buf)) <= 0 || !(at = strstr(buf, "\nNSpid:")))
		return false;
	at += 7;
	end = strchr(at, '\n');
	if (!end)
		return false;
	*end = 0;
	at = strrchr(at, '\t');
	return at && strcmp(at, "\t1") == 0;
}

/* [proc(5), /proc/pid/net/dev]: received bytes are a line's first figure, sent ones its ninth. */
static void read_net(const struct host_usage *u, pid_t pid, struct count *c)
{
	char buf[4096], *line, *rest = buf;
	int64_t in, out;

	c->in = c->out = -1;
	if (read_short(u, pid, "net/dev", buf, sizeof(buf)) <= 0)
		return;
	while ((line = strsep(&rest, "\n"))) {
		char *at = strchr(line, ':');

		if (!at || strncmp(line + strspn(line, " "), "lo:", 3) == 0 ||
		    sscanf(at + 1, "%" SCNd64 " %*u %*u %*u %*u %*u %*u %*u %" SCNd64, &in, &out) !=
			    2)
			continue;
		c->in = (c->in < 0 ? 0 : c->in) + in;
		c->out = (c->out < 0 ? 0 : c->out) + out;
	}
}

static void add_process(const struct host_usage *u, const struct host_usage_of *of,
			const struct process *p, struct known *k)
{
	struct count *c = &k->c;

	if (p->display) {
		c->display += p->own + p->children;
		c->display_memory += p->pages;
		return;
	}
	c->memory += p->pages;
	add_io(u, p->pid, c);
	if (of->vm) {
		c->guest += p->guest;
		c->machine += p->own - p->guest + p->children;
		if (p->root && (c->io = io_ticks(u, p->pid)) > 0)
			c->machine -= c->io;
		return;
	}
	if (p->root) {
		c->machine += p->own;
		c->guest += p->children;
		return;
	}
	c->guest += p->own + p->children;
	if (!k->init && is_init(u, p->pid))
		k->init = p->pid;
}

static struct known *count_all(const struct host_usage *u, const struct host_usage_of *of,
			       size_t n_of, int64_t now_ms)
{
	struct known *k = calloc(n_of ? n_of : 1, sizeof(*k));
	size_t n = 0;
	struct process *v = k ? process_list(u, &n) : NULL;

	mark_roots(v, n, of, n_of);
	mark_trees(v, n);
	for (size_t i = 0; k && i < n_of; i++) {
		snprintf(k[i].id, sizeof(k[i].id), "%s", of[i].id);
		k[i].machine = of[i].machine;
		k[i].c.io = -1; /* until its process is found; never of a container */
	}
	for (size_t i = 0; i < n; i++)
		if (v[i].of != NOBODY)
			add_process(u, &of[v[i].of], &v[i], &k[v[i].of]);
	for (size_t i = 0; k && i < n_of; i++) {
		k[i].c.in = of[i].vm && of[i].net_ms ? of[i].in : -1;
		k[i].c.out = of[i].vm && of[i].net_ms ? of[i].out : -1;
		k[i].c.net_ms = of[i].vm ? of[i].net_ms : now_ms;
		if (k[i].init)
			read_net(u, k[i].init, &k[i].c);
	}
	free(v);
	return k;
}

/* What the I/O threads had that have ended since the last look is not the machine's now. */
static void keep_gone(struct known *k, const struct known *was)
{
	struct count *c = &k->c;

	k->io_gone = was->io_gone;
	if (c->io < 0 || was->c.io < 0)
		return;
	if (c->io + k->io_gone < was->c.io)
		k->io_gone = was->c.io - c->io;
	c->io += k->io_gone;
	c->machine -= k->io_gone;
}

static const struct known *known_find(const struct host_usage *u, const struct known *k)
{
	for (size_t i = 0; i < u->n_known; i++)
		if (u->known[i].machine == k->machine && strcmp(u->known[i].id, k->id) == 0)
			return &u->known[i];
	return NULL;
}

static int64_t hertz(void)
{
	static long n;

	if (!n)
		n = sysconf(_SC_CLK_TCK);
	return n;
}

/* A thousandth of a processor. */
static json_t *load(int64_t ticks, int64_t ms)
{
	return json_integer(ticks <= 0 ? 0 : ticks * 1000 * 1000 / hertz() / ms);
}

/* How much more; of what could not be told at one of the looks -1. */
static int64_t grown(int64_t now, int64_t before)
{
	return now < 0 || before < 0 ? -1 : now <= before ? 0 : now - before;
}

static json_t *pages(int64_t n)
{
	return json_integer(n * sysconf(_SC_PAGESIZE) >> 20);
}

/* KiB a second. */
static json_t *rate(int64_t now, int64_t before, int64_t ms)
{
	if (now < 0 || before < 0 || ms <= 0)
		return json_null();
	return json_integer(now <= before ? 0 : (now - before) * 1000 / 1024 / ms);
}

static json_t *line(const struct known *now, const struct known *was, int64_t ms)
{
	const struct count *a = &now->c, *b = &was->c;
	int64_t net_ms = a->net_ms - b->net_ms, io = grown(a->io, b->io);

	return json_pack("[s,o,o,o,o,o,o,o,o,o,o]", now->id, load(a->guest - b->guest, ms),
			 load(a->machine - b->machine, ms), load(a->display - b->display, ms),
			 pages(a->memory), pages(a->display_memory), rate(a->read, b->read, ms),
			 rate(a->written, b->written, ms), rate(a->in, b->in, net_ms),
			 rate(a->out, b->out, net_ms), io < 0 ? json_null() : load(io, ms));
}

static void add_up(struct host_usage *u, const struct count *a, const struct count *b)
{
	const int64_t more[HOST_USAGE_PARTS] = {
		[HOST_USAGE_GUEST] = grown(a->guest, b->guest),
		[HOST_USAGE_MACHINE] = grown(a->machine, b->machine),
		[HOST_USAGE_IO] = grown(a->io, b->io),
		[HOST_USAGE_DISPLAY] = grown(a->display, b->display)};

	for (int i = 0; i < HOST_USAGE_PARTS; i++)
		u->sum[i] += more[i] > 0 ? more[i] : 0;
}

double host_usage_cpu_s(const struct host_usage *u, enum host_usage_part part)
{
	return (double)u->sum[part] / (double)hertz();
}

/* [proc(5), /proc/stat]: user nice system idle iowait irq softirq; what guests had is in user. */
static bool host_ticks(const struct host_usage *u, int64_t *busy)
{
	int64_t t[5];
	char path[80], buf[512];
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", u->proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return false;
	buf[n] = 0;
	if (sscanf(buf, "cpu %" SCNd64 " %" SCNd64 " %" SCNd64 " %*d %*d %" SCNd64 " %" SCNd64,
		   &t[0], &t[1], &t[2], &t[3], &t[4]) != 5)
		return false;
	*busy = t[0] + t[1] + t[2] + t[3] + t[4];
	return true;
}

/* In MiB: what is not available to a new program. */
static int64_t host_memory(const struct host_usage *u)
{
	cleanup_free char *text = NULL;
	const char *t, *a;
	char path[80];
	size_t len;

	snprintf(path, sizeof(path), "%s/meminfo", u->proc);
	if (file_read(path, 65536, &text, &len, NULL) < 0 || !(t = strstr(text, "MemTotal:")) ||
	    !(a = strstr(text, "MemAvailable:")))
		return 0;
	return (strtoll(t + 9, NULL, 10) - strtoll(a + 13, NULL, 10)) / 1024;
}

json_t *host_usage_look(struct host_usage *u, const struct host_usage_of *v, size_t n,
			int64_t now_ms)
{
	int64_t ms = now_ms - u->ms, busy = 0;
	bool first = u->ms == 0 || ms <= 0;
	struct known *k = count_all(u, v, n, now_ms);
	json_t *list = first ? NULL : json_array(), *o = NULL;

	if (!k || !host_ticks(u, &busy)) {
		free(k);
		json_decref(list);
		return NULL;
	}
	for (size_t i = 0; list && i < n; i++) {
		const struct known *was = known_find(u, &k[i]);

		if (!was)
			continue;
		keep_gone(&k[i], was);
		(void)json_array_append_new(list, line(&k[i], was, ms));
		add_up(u, &k[i].c, &was->c);
	}
	if (list)
		o = json_pack("{s:i,s:I,s:[o,I],s:o}", "ago_s", 0, "over_s",
			      (json_int_t)(ms < 1000	  ? 1
					   : ms > 7200000 ? 7200
							  : (ms + 500) / 1000),
			      "host", load(busy - u->busy, ms), (json_int_t)host_memory(u),
			      "desktops", list);
	free(u->known);
	u->known = k;
	u->n_known = n;
	u->ms = now_ms;
	u->busy = busy;
	return o;
}
