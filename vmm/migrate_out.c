/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The source's side: a state machine over one frame that is being sent and one that is being read.
 * Pages are sent from guest RAM itself: one that changes meanwhile is in the log, and sent again.
 */
#include "vmm/migrate_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "vmm/machine_internal.h"
#include "vmm/mem.h"
#include "vmm/migrate_pages.h"
#include "vmm/migrate_wire.h"
#include "vmm/snapshot/ram_file.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/vcpu_state.h"

enum {
	ROUNDS = 30,
	SLICE_PAGES = 1024,   /* looked at or sent before the loop looks at the others */
	RATE_BYTES = 1 << 20, /* a round of less says nothing of the line's speed */
	RETURN_MS = 20,	      /* between two tries for the disks */
	NEWS_MS = 200
};

enum state {
	GREETING, /* HELLO goes, WANTED is awaited */
	SENDING,  /* rounds, the machine runs */
	LAST,	  /* the machine stands still: pages, then state, then END */
	ASKED,	  /* END is said, READY is awaited */
	GO,	  /* GO goes or is gone, RUNS is awaited */
	DOUBT,
	RETURNING, /* it will go on here, as soon as its disks are ours */
	OVER
};

struct migrate_out {
	struct vm *vm; /* borrowed */
	struct migrate_out_cfg cfg;
	int fd;			  /* owned; -1 once the line is given up */
	struct loop_io *io;	  /* owned */
	struct loop_timer *timer; /* owned: the line's silence; RETURNING: the next try */
	enum state state;
	bool ended;	/* END is said */
	struct err why; /* what went wrong, for failed() */

	/* The frame being sent. */
	uint8_t head[MIGRATE_FRAME];
	const uint8_t *body; /* borrowed: guest RAM or piece */
	size_t body_n, sent; /* sent: of both; a frame without bytes left is none */
	bool frame;
	uint8_t piece[MIGRATE_HELLO];

	/* What is being read. */
	uint8_t in[MIGRATE_FRAME + MIGRATE_REASON];
	size_t in_n;

	struct migrate_pages pages;
	uint64_t *dirty; /* owned: KVM's log as it comes, of as many words */
	unsigned round;
	uint64_t round_pages;		     /* at its beginning */
	uint64_t bytes, round_bytes;	     /* sent, all and of this round */
	int64_t began_ms, round_ms, news_ms; /* when they began */
	uint64_t bytes_per_ms;
	int64_t paused_ms; /* when the machine stood still */
	int state_fd;	   /* owned: the state file, a memfd; -1 before */
	uint8_t id[RAM_FILE_ID];
};

/* ---- the end --------------------------------------------------------------------------------- */

static void hang_up(struct migrate_out *m)
{
	loop_io_del(steal_ptr(&m->io));
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

static void end_logs(struct migrate_out *m)
{
	(void)!vm_kvm_log_ram(&m->vm->kvm, m->vm->ram, false);
	(void)!vm_mem_log(m->vm->ram, false);
}

static void go_on_here(struct migrate_out *m)
{
	m->state = OVER;
	loop_timer_set(m->timer, -1);
	end_logs(m);
	vm_resume(m->vm);
	log_warn("migrate.failed", "round=%u word=%s reason=%s", m->round, m->why.word,
		 LOG_Q(m->why.msg));
	m->cfg.failed(m->cfg.arg, &m->why);
}

/* Disks that another process has still are not ours to write to. */
static void try_return(struct migrate_out *m)
{
	int r = m->paused_ms ? m->cfg.hand_over(m->cfg.arg, false) : 0;

	if (r == 0) {
		go_on_here(m);
		return;
	}
	if (m->state != RETURNING)
		log_warn("migrate.returning", "error=%s", strerrorname_np(-r));
	m->state = RETURNING;
	loop_timer_set(m->timer, RETURN_MS);
}

/* Whether GO may have been heard decides where the machine is. */
static void fail(struct migrate_out *m, const struct err *why)
{
	bool unsaid = m->frame && m->sent == 0;

	m->why = *why;
	hang_up(m);
	if (m->state != GO || unsaid) {
		try_return(m);
		return;
	}
	m->state = DOUBT;
	loop_timer_set(m->timer, -1);
	log_err("migrate.doubt", "reason=%s", LOG_Q(why->msg));
	m->cfg.doubt(m->cfg.arg, why);
}

static void fail_word(struct migrate_out *m, int code, const char *word, const char *text)
{
	struct err e = {0};

	(void)err_setw(&e, code, word, "%s", text);
	fail(m, &e);
}

static void broken(struct migrate_out *m, int code)
{
	struct err e = {0};

	(void)err_setw(&e, code, "migrate.broken", "the line to the receiver broke: %s",
		       code == -EPIPE ? "it ended" : strerror(-code));
	fail(m, &e);
}

static void on_timer(void *arg)
{
	struct migrate_out *m = arg;

	if (m->state == RETURNING)
		try_return(m);
	else if (m->state != DOUBT && m->state != OVER)
		fail_word(m, -ETIMEDOUT, "migrate.silent",
			  "the receiver said nothing for too long");
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void tell(struct migrate_out *m, bool now)
{
	struct migrate_news news = {.round = m->round};
	uint64_t left;

	if (!now && clock_ms() - m->news_ms < NEWS_MS)
		return;
	left = migrate_pages_left(&m->pages);
	news.left_bytes = left * MIGRATE_PAGE;
	m->news_ms = clock_ms();
	/* The first round is most of the work; how many more there will be nobody knows. */
	if (m->state == SENDING && m->round == 1)
		news.percent = (unsigned)((m->round_pages - left) * 90 / (m->round_pages | 1));
	else
		news.percent = m->state == SENDING ? (m->round < 9 ? 89 + m->round : 98) : 99;
	m->cfg.progress(m->cfg.arg, &news);
}

static void begin_round(struct migrate_out *m)
{
	m->round++;
	m->round_ms = clock_ms();
	m->round_bytes = 0;
	m->round_pages = migrate_pages_left(&m->pages);
	tell(m, true);
}

/* What KVM and our devices logged is what is to be sent now. */
static int take_logs(struct migrate_out *m)
{
	int r = vm_kvm_dirty_ram(&m->vm->kvm, m->vm->ram, m->dirty);

	for (uint64_t i = 0; r == 0 && i < m->pages.pages / 64; i++)
		m->pages.left[i] |= m->dirty[i];
	vm_mem_take_log(m->vm->ram, m->pages.left);
	migrate_pages_again(&m->pages);
	return r;
}

static void measure(struct migrate_out *m)
{
	int64_t now = clock_ms(), ms = now - m->round_ms;

	if (m->round_bytes >= RATE_BYTES)
		m->bytes_per_ms = m->round_bytes / (uint64_t)(ms > 0 ? ms : 1);
	else if (!m->bytes_per_ms)
		m->bytes_per_ms = m->bytes / (uint64_t)(now > m->began_ms ? now - m->began_ms : 1);
}

static bool fits(const struct migrate_out *m)
{
	uint64_t bytes = migrate_pages_left(&m->pages) * MIGRATE_PAGE;

	return bytes <= m->bytes_per_ms * (uint64_t)m->cfg.downtime_ms || m->round >= ROUNDS;
}

static int stop_machine(struct migrate_out *m, struct err *e)
{
	struct vm *vm = m->vm;
	int r;

	m->paused_ms = clock_ms();
	vm_pause(vm);
	if (__atomic_load_n(&vm->gate.leave, __ATOMIC_ACQUIRE))
		return err_setw(e, -ECANCELED, "migrate.ended", "the machine ended meanwhile");
	m->state_fd = memfd_create("state", MFD_CLOEXEC);
	if (m->state_fd < 0)
		return err_set(e, -errno, "memory for the state: %m");
	r = vm_save_state(vm, m->cfg.identity_bytes, m->id, m->state_fd, e);
	if (r == 0 && lseek(m->state_fd, 0, SEEK_SET) < 0)
		r = err_set(e, -errno, "the state: %m");
	if (r == 0 && (r = m->cfg.hand_over(m->cfg.arg, true)) < 0)
		(void)err_set(e, r, "the disks: %s", strerror(-r));
	/* Last: saving may write to guest memory, too. */
	if (r == 0 && (r = take_logs(m)) < 0)
		(void)err_set(e, r, "KVM's dirty log: %s", strerror(-r));
	return r;
}

/* A round is over: another, or the last pages while the machine stands still. */
static void next_round(struct migrate_out *m)
{
	struct err e = {0};
	int r;

	measure(m);
	if ((r = take_logs(m)) < 0) {
		fail_word(m, r, "migrate.kvm", "KVM does not say what the guest wrote");
		return;
	}
	if (fits(m)) {
		m->state = LAST;
		if (stop_machine(m, &e) < 0) {
			fail(m, &e);
			return;
		}
	}
	begin_round(m);
}

/* ---- frames out ------------------------------------------------------------------------------ */

static void put(struct migrate_out *m, enum migrate_type type, uint32_t n, uint64_t at,
		const void *body, size_t body_n)
{
	const struct migrate_frame f = {.type = type, .n = n, .at = at};

	migrate_frame_put(m->head, &f);
	m->body = body;
	m->body_n = body_n;
	m->sent = 0;
	m->frame = true;
}

static void put_run(struct migrate_out *m, const struct migrate_run *run)
{
	if (run->zeros)
		put(m, MIGRATE_T_ZEROS, run->n, run->page, NULL, 0);
	else
		put(m, MIGRATE_T_PAGES, run->n, run->page,
		    m->vm->ram->base + run->page * MIGRATE_PAGE, (size_t)run->n * MIGRATE_PAGE);
}

/* After the last page: the state, and the end. */
static void put_state(struct migrate_out *m)
{
	ssize_t n = read(m->state_fd, m->piece, MIGRATE_STATE);

	if (n < 0) {
		fail_word(m, -errno, "migrate.state", "the state cannot be read back");
	} else if (n > 0) {
		put(m, MIGRATE_T_STATE, (uint32_t)n, 0, m->piece, (size_t)n);
	} else {
		put(m, MIGRATE_T_END, m->cfg.verify,
		    m->cfg.verify ? migrate_pages_sum(m->vm->ram) : 0, NULL, 0);
		m->ended = true;
	}
}

/* Puts the next frame, if there is one to send and some of the budget left. */
static void next_frame(struct migrate_out *m, uint64_t *budget)
{
	struct migrate_run run;

	if (m->state == LAST && m->ended) {
		m->state = ASKED;
		return;
	}
	if (m->state != SENDING && m->state != LAST)
		return;
	if (migrate_pages_next(&m->pages, budget, &run))
		put_run(m, &run);
	else if (m->pages.at < m->pages.pages)
		*budget = 0;
	else if (m->state == SENDING)
		next_round(m);
	else
		put_state(m);
}

/* Sends of the frame what the line takes: 1 all of it, 0 not all, or negative errno. */
static int push(struct migrate_out *m)
{
	size_t head = m->sent < MIGRATE_FRAME ? MIGRATE_FRAME - m->sent : 0;
	size_t body_at = head ? 0 : m->sent - MIGRATE_FRAME;
	struct iovec v[2] = {{.iov_base = m->head + MIGRATE_FRAME - head, .iov_len = head},
			     {.iov_base = (void *)(uintptr_t)(m->body + body_at),
			      .iov_len = m->body_n - body_at}};
	struct msghdr msg = {.msg_iov = v, .msg_iovlen = m->body_n ? 2 : 1};
	ssize_t n = sendmsg(m->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return -errno;
	m->sent += (size_t)n;
	m->bytes += (size_t)n;
	m->round_bytes += (size_t)n;
	loop_timer_set(m->timer, MIGRATE_SILENT_MS);
	m->frame = m->sent < MIGRATE_FRAME + m->body_n;
	return !m->frame;
}

static void on_readable(struct migrate_out *m);

/* Before the line broke the receiver may have said why. */
static void last_words(struct migrate_out *m, int code)
{
	for (int i = 0; i < 8 && m->fd >= 0; i++)
		on_readable(m);
	if (m->fd >= 0)
		broken(m, code);
}

static bool has_more(const struct migrate_out *m)
{
	return m->frame || m->state == SENDING || m->state == LAST;
}

/* A slice of what is to be sent. */
static void advance(struct migrate_out *m)
{
	uint64_t budget = SLICE_PAGES;

	while (m->fd >= 0 && budget) {
		int r;

		if (!m->frame)
			next_frame(m, &budget);
		if (!m->frame) {
			if (has_more(m))
				continue;
			break;
		}
		r = push(m);
		if (r < 0)
			last_words(m, r);
		if (r <= 0)
			break;
	}
	if (m->fd >= 0)
		loop_io_set(m->io, LOOP_READ | (has_more(m) ? LOOP_WRITE : 0));
	if (m->fd >= 0 && m->state == SENDING)
		tell(m, false);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void on_ready(struct migrate_out *m)
{
	if (__atomic_load_n(&m->vm->gate.leave, __ATOMIC_ACQUIRE)) {
		fail_word(m, -ECANCELED, "migrate.ended", "the machine was ended meanwhile");
		return;
	}
	m->state = GO; /* from the first byte on */
	put(m, MIGRATE_T_GO, 0, 0, NULL, 0);
	advance(m);
}

static void on_runs(struct migrate_out *m)
{
	int64_t ms = clock_ms() - m->paused_ms;

	m->state = OVER;
	hang_up(m);
	loop_timer_set(m->timer, -1);
	log_info("migrate.done", "downtime_ms=%lld ms=%lld rounds=%u mib=%llu last_kib=%llu",
		 (long long)ms, (long long)(clock_ms() - m->began_ms), m->round,
		 (unsigned long long)(m->bytes >> 20), (unsigned long long)(m->round_bytes >> 10));
	m->cfg.moved(m->cfg.arg, ms);
}

/* The receiver's promise never to run the machine holds after GO, too. */
static void on_refused(struct migrate_out *m, uint32_t n)
{
	char *word = (char *)m->in + MIGRATE_FRAME;
	struct err e = {0};
	size_t len;

	word[n - 1] = 0;
	len = strlen(word);
	for (char *p = word; p < word + n - 1; p++)
		if ((*p < ' ' || *p > '~') && p != word + len)
			*p = '?';
	(void)err_setw(&e, -ECONNREFUSED, len && len < sizeof(e.word) ? word : "migrate.refused",
		       "the receiver refused: %s",
		       len + 1 < n ? word + len + 1 : "no reason given");
	if (m->state == GO)
		m->state = ASKED;
	fail(m, &e);
}

static void on_frame(struct migrate_out *m, const struct migrate_frame *f)
{
	if (f->type == MIGRATE_T_REFUSED && m->state != OVER) {
		on_refused(m, f->n);
	} else if (f->type == MIGRATE_T_WANTED && m->state == GREETING && !m->frame) {
		m->state = SENDING;
		m->began_ms = clock_ms();
		begin_round(m);
		advance(m);
	} else if (f->type == MIGRATE_T_READY && m->state == ASKED) {
		on_ready(m);
	} else if (f->type == MIGRATE_T_RUNS && m->state == GO && !m->frame) {
		on_runs(m);
	} else {
		fail_word(m, -EBADMSG, "migrate.protocol",
			  "the receiver said something out of turn");
	}
}

/* Reads until a frame is whole. Of its bytes no more are read than belong to it. */
static void on_readable(struct migrate_out *m)
{
	size_t want = MIGRATE_FRAME;
	struct migrate_frame f = {0};
	ssize_t n;

	if (m->in_n >= MIGRATE_FRAME) {
		f = migrate_frame_get(m->in);
		want += f.n;
	}
	n = recv(m->fd, m->in + m->in_n, want - m->in_n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		broken(m, n < 0 ? -errno : -EPIPE);
		return;
	}
	loop_timer_set(m->timer, MIGRATE_SILENT_MS);
	m->in_n += (size_t)n;
	if (m->in_n < MIGRATE_FRAME)
		return;
	f = migrate_frame_get(m->in);
	if ((f.type == MIGRATE_T_REFUSED) != (f.n > 0) || f.n > MIGRATE_REASON) {
		fail_word(m, -EBADMSG, "migrate.protocol", "the receiver said what nobody may");
	} else if (m->in_n == MIGRATE_FRAME + f.n) {
		m->in_n = 0;
		on_frame(m, &f);
	}
}

static void on_line(void *arg, int fd, unsigned events)
{
	struct migrate_out *m = arg;

	(void)fd;
	if (events & (LOOP_READ | LOOP_HUP))
		on_readable(m);
	if (m->fd >= 0 && (events & LOOP_WRITE))
		advance(m);
}

/* ---- beginning and orders -------------------------------------------------------------------- */

static int put_hello(struct migrate_out *m, struct err *e)
{
	cleanup_close int fd = memfd_create("hello", MFD_CLOEXEC);
	struct snap_out out;
	ssize_t n;
	int r;

	if (fd < 0)
		return err_set(e, -errno, "memory for the greeting: %m");
	snap_out_init(&out, fd);
	vm_save_machine(m->vm, m->cfg.identity_bytes, m->id, &out);
	r = vcpu_model_save(m->vm->vcpu[0].fd, &out, e);
	if (r == 0 && (r = snap_finish(&out)) < 0)
		(void)err_set(e, r, "the greeting: %s", strerror(-r));
	snap_out_fini(&out);
	if (r < 0)
		return r;
	n = pread(fd, m->piece, sizeof(m->piece), 0);
	if (n <= 0 || n == (ssize_t)sizeof(m->piece))
		return err_set(e, -E2BIG, "the greeting is too long");
	put(m, MIGRATE_T_HELLO, (uint32_t)n, MIGRATE_VERSION, m->piece, (size_t)n);
	return 0;
}

/* Logs before pages: what is written from here on is in them. */
static int begin_logs(struct migrate_out *m, struct err *e)
{
	int r = vm_mem_log(m->vm->ram, true);

	if (r == 0)
		r = vm_kvm_log_ram(&m->vm->kvm, m->vm->ram, true);
	if (r == 0)
		r = migrate_pages_init(&m->pages, m->vm->ram);
	if (r == 0 && !(m->dirty = calloc(m->pages.pages / 64, sizeof(*m->dirty))))
		r = -ENOMEM;
	return r < 0 ? err_set(e, r, "logging what is written: %s", strerror(-r)) : 0;
}

static int check(const struct vm *vm, int fd, struct err *e)
{
	int type = 0;
	socklen_t n = sizeof(type);

	if (vm->cfg.windows)
		return err_setw(e, -ENOTSUP, "snapshot.machine",
				"a machine with --windows cannot be moved");
	if (vm->paused)
		return err_setw(e, -EBUSY, "vm.paused", "the machine is paused: resume it first");
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM)
		return err_setw(e, -EINVAL, "migrate.bad",
				"pass a connected stream socket with the order");
	return 0;
}

struct migrate_out *migrate_out_new(struct vm *vm, int fd, const struct migrate_out_cfg *cfg,
				    struct err *e)
{
	struct migrate_out *m;
	int r;

	if (check(vm, fd, e) < 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*m = (struct migrate_out){.vm = vm, .cfg = *cfg, .fd = -1, .state_fd = -1};
	if (getrandom(m->id, sizeof(m->id), 0) != sizeof(m->id)) {
		(void)err_set(e, -EIO, "the host has no random numbers");
		goto fail;
	}
	m->timer = loop_timer_add(vm->loop, MIGRATE_SILENT_MS, on_timer, m);
	m->io = loop_io_add(vm->loop, fd, LOOP_READ | LOOP_WRITE, on_line, m);
	if (!m->timer || !m->io) {
		(void)err_set(e, -ENOMEM, "out of memory");
		goto fail;
	}
	/* It rests for a moment: KVM says nothing of a vCPU that runs, and no device may be writing
	 * while the log begins. */
	vm_pause(vm);
	r = put_hello(m, e);
	if (r == 0)
		r = begin_logs(m, e);
	vm_resume(vm);
	if (r < 0)
		goto fail;
	m->fd = fd;
	return m;
fail:
	end_logs(m);
	migrate_out_free(m);
	return NULL;
}

void migrate_out_free(struct migrate_out *m)
{
	if (!m)
		return;
	hang_up(m);
	loop_timer_del(m->timer);
	migrate_pages_fini(&m->pages);
	free(m->dirty);
	if (m->state_fd >= 0)
		close(m->state_fd);
	free(m);
}

const char *migrate_out_state(const struct migrate_out *m)
{
	static const char *const names[] = {
		[GREETING] = "sending",	  [SENDING] = "sending", [LAST] = "handing",
		[ASKED] = "handing",	  [GO] = "handing",	 [DOUBT] = "doubt",
		[RETURNING] = "returning"};

	return m && m->state != OVER ? names[m->state] : NULL;
}

int migrate_out_cancel(struct migrate_out *m)
{
	if (m->state >= GO)
		return -EALREADY;
	fail_word(m, -ECANCELED, "migrate.cancelled", "the move was called off");
	return 0;
}

int migrate_out_resume(struct migrate_out *m)
{
	if (m->state != DOUBT)
		return -EINVAL;
	try_return(m);
	return 0;
}
