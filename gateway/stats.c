/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counting; see stats.h. A worker is one process with one thread, so its column is the process's
 * own and needs no passing around.
 */
#include "gateway/stats.h"
#include "common/loop.h"
#include "common/relay.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_MS 1000 /* how often a busy worker looks at its memory */

static struct gw_column *mine; /* of this process; NULL = it counts nowhere */
static int statm = -1;
static int64_t looked_ms;

static const char *const drop_whys[GW_DROP_WHYS] = {
	"protocol", "oversize", "deadline",    "closed", "tls",
	"no-tls",   "no-nla",	"no-vencrypt", "memory", "other"};

/* The first is no refusal; the last stands for what is not among them. */
static const char *const login_words[GW_LOGIN_WORDS] = {
	"granted",	    "login.failed",	"login.needed",		"login.throttled",
	"login.busy",	    "login.expired",	"totp.required",	"totp.enroll",
	"access.refused",   "desktop.choose",	"desktop.starting",	"desktop.unavailable",
	"desktop.unknown",  "protocol.refused", "broker.down",		"broker.busy",
	"host.unreachable", "display.start",	"display.busy",		"display.recording",
	"display.differs",  "display.timeout",	"database.unavailable", "other"};

struct gw_stats *gw_stats_new(void)
{
	struct gw_stats *s;

	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	s->started_s = clock_wall_ms() / 1000;
	return s;
}

void gw_stats_free(struct gw_stats *s)
{
	if (s)
		munmap(s, sizeof(*s));
}

static void add(_Atomic uint64_t *n, uint64_t by)
{
	atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

static void less(_Atomic uint64_t *n)
{
	atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
}

/* [proc(5), /proc/pid/statm]: the second figure is resident pages. The file was opened before the
 * jail closed. */
static void look_at_memory(void)
{
	int64_t now = clock_ms();
	char buf[128];
	long pages;
	ssize_t n;

	if (statm < 0 || now - looked_ms < MEMORY_MS || lseek(statm, 0, SEEK_SET) != 0)
		return;
	looked_ms = now;
	n = read(statm, buf, sizeof(buf) - 1);
	if (n <= 0)
		return;
	buf[n] = '\0';
	if (sscanf(buf, "%*d %ld", &pages) == 1 && pages > 0)
		atomic_store(&mine->memory_bytes, (uint64_t)pages * (uint64_t)getpagesize());
}

void gw_stats_worker(struct gw_stats *s, unsigned worker)
{
	if (!s)
		return;
	mine = &s->workers[worker];
	statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	looked_ms = clock_ms() - MEMORY_MS;
	look_at_memory();
}

void gw_stats_forget(struct gw_stats *s, unsigned worker)
{
	struct gw_column *c = &s->workers[worker];

	for (int p = 0; p < GW_PROTOS; p++) {
		atomic_store(&c->connections[p], 0);
		atomic_store(&c->sessions[p], 0);
	}
	atomic_store(&c->lobby, 0);
	atomic_store(&c->memory_bytes, 0);
}

void gw_stats_death(struct gw_stats *s, enum gw_process which, int status)
{
	if (WIFSIGNALED(status))
		add(&s->deaths[which][0], 1);
	else if (WEXITSTATUS(status))
		add(&s->deaths[which][1], 1);
}

void gw_stats_certificate(struct gw_stats *s, unsigned file, int64_t not_after_s)
{
	if (s && file < GW_CERTS_MAX)
		atomic_store(&s->not_after_s[file], not_after_s);
}

void gw_stats_open(enum gw_proto door)
{
	if (!mine)
		return;
	add(&mine->connections[door], 1);
	add(&mine->accepted[door], 1);
	look_at_memory();
}

void gw_stats_close(enum gw_proto door)
{
	if (!mine)
		return;
	less(&mine->connections[door]);
	look_at_memory();
}

void gw_stats_session(enum gw_proto p, bool begins)
{
	if (mine && begins)
		add(&mine->sessions[p], 1);
	else if (mine)
		less(&mine->sessions[p]);
}

void gw_stats_lobby(bool enters)
{
	if (mine && enters)
		add(&mine->lobby, 1);
	else if (mine)
		less(&mine->lobby);
}

void gw_stats_refused(enum gw_admission why)
{
	if (mine)
		add(&mine->refused[why], 1);
}

static unsigned place(const char *const *words, unsigned n, const char *word)
{
	unsigned i = 0;

	while (i < n - 1 && strcmp(words[i], word) != 0)
		i++;
	return i;
}

void gw_stats_dropped(enum gw_proto p, const char *why)
{
	if (mine)
		add(&mine->dropped[p][place(drop_whys, GW_DROP_WHYS, why)], 1);
}

void gw_stats_handshake(bool host, enum gw_handshake result)
{
	if (mine)
		add(&mine->handshakes[host][result], 1);
}

void gw_stats_login(enum gw_proto p, const char *code)
{
	if (mine)
		add(&mine->logins[p][code ? place(login_words, GW_LOGIN_WORDS, code) : 0], 1);
}

void gw_stats_relay(struct relay *r, bool api)
{
	_Atomic uint64_t *to = mine ? (api ? mine->api_bytes : mine->desktop_bytes) : NULL;

	if (to)
		relay_totals(r, &to[0], &to[1]);
}

void gw_stats_bytes(bool from_client, size_t n)
{
	if (mine)
		add(&mine->desktop_bytes[!from_client], n);
}

void gw_stats_keeper(bool failed)
{
	if (!mine)
		return;
	add(&mine->keeper_asked, 1);
	if (failed)
		add(&mine->keeper_failed, 1);
}

const char *gw_stats_drop_why(unsigned i)
{
	return i < GW_DROP_WHYS ? drop_whys[i] : NULL;
}

const char *gw_stats_login_word(unsigned i)
{
	return i < GW_LOGIN_WORDS ? login_words[i] : NULL;
}
