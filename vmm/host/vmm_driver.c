/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs desktops in pane-vmm processes (docs/contracts.md, "Host agent -> pane-vmm"): starts one,
 * follows its control socket until the guest is ready, and tells from exit status and state file
 * how it ended. The control connection may come and go (the socket appears some time after exec,
 * the agent may have been restarted); the pidfd alone decides whether the machine lives.
 */
#include "vmm/host/vmm_driver.h"

#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "common/buf.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sock.h"

#define LINE_MAX_BYTES	 4096
#define CONNECT_FIRST_MS 10
#define CONNECT_MOST_MS	 1000

struct host_machine {
	struct loop *loop; /* borrowed */
	struct host_machine_events ev;
	struct host_proc proc;
	struct loop_io *proc_io;      /* owned */
	int control;		      /* owned; -1 while not connected */
	struct loop_io *control_io;   /* owned */
	struct loop_timer *reconnect; /* owned */
	int64_t reconnect_ms;
	struct buf in;
	const char *pending; /* a command given before the connection was there; static */
	bool ready;
	char id[HOST_UUID];
	char dir[PATH_MAX], socket[128];
};

/* ---- command line ---- */

static int arg_add(struct host_vmm_argv *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int arg_add(struct host_vmm_argv *a, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (a->n + 1 >= HOST_VMM_ARGS)
		return -E2BIG;
	va_start(ap, fmt);
	n = vasprintf(&a->v[a->n], fmt, ap);
	va_end(ap);
	if (n < 0) {
		a->v[a->n] = NULL;
		return -ENOMEM;
	}
	a->n++;
	return 0;
}

void host_vmm_argv_free(struct host_vmm_argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	*a = (struct host_vmm_argv){0};
}

void host_vmm_mac(const char *id, char out[18])
{
	uint8_t h[EVP_MAX_MD_SIZE] = {0};

	(void)EVP_Digest(id, strlen(id), h, NULL, EVP_sha256(), NULL);
	snprintf(out, 18, "02:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4]);
}

static int argv_fill(const struct host_machine_spec *s, struct host_vmm_argv *a)
{
	const struct host_image *img = s->image;
	char mac[18];
	int r = 0;

	host_vmm_mac(s->id, mac);
	r = r ? r : arg_add(a, "%s", s->config->vmm);
	r = r ? r : arg_add(a, "--name");
	r = r ? r : arg_add(a, "%s", s->name);
	r = r ? r : arg_add(a, "--cpus");
	r = r ? r : arg_add(a, "%d", s->cpus);
	r = r ? r : arg_add(a, "--memory");
	r = r ? r : arg_add(a, "%d", s->memory_mib);
	r = r ? r : arg_add(a, "--kernel");
	r = r ? r : arg_add(a, "%s/vmlinuz", img->dir);
	if (img->initrd) {
		r = r ? r : arg_add(a, "--initrd");
		r = r ? r : arg_add(a, "%s/initrd.img", img->dir);
	}
	r = r ? r : arg_add(a, "--cmdline");
	/* systemd takes the desktop's name as its host name; a name is plain (host_name_ok). */
	r = r ? r
	      : arg_add(a, "%s%ssystemd.hostname=%s", img->cmdline, img->cmdline[0] ? " " : "",
			s->name);
	r = r ? r : arg_add(a, "--disk");
	r = r ? r : arg_add(a, "base=%s/disk.raw,overlay=%s/disk.overlay", img->dir, s->dir);
	r = r ? r : arg_add(a, "--net");
	r = r ? r : arg_add(a, "user");
	r = r ? r : arg_add(a, "--mac");
	r = r ? r : arg_add(a, "%s", mac);
	r = r ? r : arg_add(a, "--surface");
	r = r ? r : arg_add(a, "%s/surface.sock", s->run);
	r = r ? r : arg_add(a, "--control");
	r = r ? r : arg_add(a, "%s/control.sock", s->run);
	r = r ? r : arg_add(a, "--serial");
	r = r ? r : arg_add(a, "%s/serial.log", s->dir);
	r = r ? r : arg_add(a, "--state");
	r = r ? r : arg_add(a, "%s/exit.json", s->dir);
	if (img->size[0]) {
		r = r ? r : arg_add(a, "--size");
		r = r ? r : arg_add(a, "%s", img->size);
	}
	if (img->ready_frame) {
		r = r ? r : arg_add(a, "--ready");
		r = r ? r : arg_add(a, "frame");
	}
	return r;
}

int host_vmm_argv(const struct host_machine_spec *s, struct host_vmm_argv *a)
{
	int r;

	*a = (struct host_vmm_argv){0};
	r = argv_fill(s, a);
	if (r < 0)
		host_vmm_argv_free(a);
	return r;
}

/* ---- what it says ---- */

int host_vmm_line(const char *p, size_t n, enum host_vmm_line *out)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	const char *event = NULL;
	bool ready = false;

	*out = HOST_VMM_OTHER;
	if (!json_is_object(o) || json_opt_str(o, "event", 32, &event, NULL) < 0 ||
	    json_opt_bool(o, "ready", &ready, NULL) < 0)
		return -EPROTO;
	if (event && strcmp(event, "ready") == 0)
		*out = HOST_VMM_READY;
	else if (event && strcmp(event, "stopping") == 0)
		*out = HOST_VMM_STOPPING;
	else if (!event && json_object_get(o, "ready"))
		*out = ready ? HOST_VMM_READY : HOST_VMM_NOT_READY;
	return 0;
}

/* Printable ASCII only: it travels into reports and onto screens. */
static void copy_plain(char *out, size_t n, const char *s)
{
	size_t i = 0;

	for (; *s && i + 1 < n; s++)
		out[i++] = *s >= ' ' && *s < 127 ? *s : '?';
	out[i] = 0;
}

static void ended_by_state(const char *text, struct host_ended *end)
{
	cleanup_json json_t *o = json_parse(text, strlen(text), NULL);
	const char *reason = "";

	if (!o || json_opt_str(o, "reason", 4096, &reason, NULL) < 0)
		return;
	if (strcmp(reason, "poweroff") == 0)
		end->how = HOST_END_POWEROFF;
	else if (strcmp(reason, "reset") == 0)
		end->how = HOST_END_RESET;
	else if (strcmp(reason, "panic") == 0)
		end->how = HOST_END_PANIC;
	else if (strcmp(reason, "quit") == 0)
		end->how = HOST_END_QUIT;
	else
		end->how = HOST_END_ERROR;
	if (strncmp(reason, "error: ", 7) == 0)
		reason += 7;
	if (end->how == HOST_END_ERROR)
		copy_plain(end->why, sizeof(end->why), reason);
}

void host_vmm_ended(const struct host_exit *x, const char *state_text, struct host_ended *end)
{
	*end = (struct host_ended){.how = HOST_END_SIGNAL};
	if (x->known && x->signal) {
		end->detail = x->signal;
		return;
	}
	if (x->known) {
		end->how = x->code == 0	  ? HOST_END_POWEROFF
			   : x->code == 3 ? HOST_END_RESET
			   : x->code == 4 ? HOST_END_PANIC
					  : HOST_END_ERROR;
		end->detail = x->code;
	}
	if (state_text)
		ended_by_state(state_text, end);
}

/* The last line pane-vmm wrote, where its state file does not explain an error. */
static void last_log_line(const char *dir, char *out, size_t n)
{
	char path[PATH_MAX], tail[1024];
	cleanup_fclose FILE *f = NULL;
	size_t got;
	char *s;

	if (path_join(path, sizeof(path), dir, "vmm.log") < 0 || !(f = fopen(path, "re")))
		return;
	if (fseek(f, -(long)sizeof(tail) + 1, SEEK_END) < 0)
		rewind(f);
	got = fread(tail, 1, sizeof(tail) - 1, f);
	while (got && tail[got - 1] == '\n')
		got--;
	tail[got] = 0;
	s = strrchr(tail, '\n');
	copy_plain(out, n, s ? s + 1 : tail);
}

static void vmm_obituary(const char *dir, const struct host_exit *x, struct host_ended *end)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	size_t len;

	if (path_join(path, sizeof(path), dir, "exit.json") == 0 &&
	    file_read(path, 65536, &text, &len, NULL) < 0)
		text = NULL;
	host_vmm_ended(x, text, end);
	if (end->how == HOST_END_ERROR && !end->why[0])
		last_log_line(dir, end->why, sizeof(end->why));
}

static void vmm_post_mortem(const char *dir, struct host_ended *end)
{
	struct host_exit x = {.code = -1};

	vmm_obituary(dir, &x, end);
}

/* ---- control connection ---- */

static void control_close(struct host_machine *m)
{
	loop_io_del(m->control_io);
	m->control_io = NULL;
	if (m->control >= 0)
		close(m->control);
	m->control = -1;
	buf_fini(&m->in);
	buf_init(&m->in, LINE_MAX_BYTES);
}

static void control_retry(struct host_machine *m)
{
	control_close(m);
	loop_timer_set(m->reconnect, m->reconnect_ms);
	m->reconnect_ms =
		m->reconnect_ms * 2 > CONNECT_MOST_MS ? CONNECT_MOST_MS : m->reconnect_ms * 2;
}

static int control_say(struct host_machine *m, const char *line)
{
	size_t n = strlen(line);

	if (m->control < 0)
		return -ENOTCONN;
	return send(m->control, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -EIO;
}

static void control_lines(struct host_machine *m)
{
	uint8_t *nl;

	while (m->in.len && (nl = memchr(buf_head(&m->in), '\n', m->in.len))) {
		size_t n = (size_t)(nl - buf_head(&m->in));
		enum host_vmm_line what;

		if (host_vmm_line((char *)buf_head(&m->in), n, &what) < 0)
			log_warn("vmm.garbled", "desktop=%s", m->id);
		buf_consume(&m->in, n + 1);
		if (what == HOST_VMM_READY && !m->ready) {
			m->ready = true;
			m->ev.ready(m->ev.arg);
		}
	}
}

static void on_control(void *arg, int fd, unsigned events)
{
	struct host_machine *m = arg;
	uint8_t *p = buf_reserve(&m->in, 1024);
	ssize_t n;

	(void)events;
	if (!p) { /* a line longer than the cap */
		log_warn("vmm.garbled", "desktop=%s", m->id);
		control_retry(m);
		return;
	}
	n = recv(fd, p, 1024, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		control_retry(m);
		return;
	}
	buf_commit(&m->in, (size_t)n);
	control_lines(m);
}

static void control_connect(void *arg)
{
	struct host_machine *m = arg;
	int pending = 0;
	int fd = sock_connect(m->socket, SOCK_STREAM, &pending, NULL);

	if (fd < 0) {
		control_retry(m);
		return;
	}
	m->control = fd;
	m->control_io = loop_io_add(m->loop, fd, LOOP_READ, on_control, m);
	if (!m->control_io || control_say(m, "{\"op\":\"status\"}\n") < 0 ||
	    (m->pending && control_say(m, m->pending) < 0)) {
		control_retry(m);
		return;
	}
	m->pending = NULL;
	m->reconnect_ms = CONNECT_FIRST_MS;
}

static void vmm_command(struct host_machine *m, const char *line)
{
	if (control_say(m, line) < 0)
		m->pending = line;
}

static void vmm_powerdown(struct host_machine *m)
{
	vmm_command(m, "{\"op\":\"powerdown\"}\n");
}

static void vmm_quit(struct host_machine *m)
{
	vmm_command(m, "{\"op\":\"quit\"}\n");
}

static void vmm_kill(struct host_machine *m)
{
	host_proc_signal(&m->proc, SIGKILL);
}

/* ---- life ---- */

static void on_proc(void *arg, int fd, unsigned events)
{
	struct host_machine *m = arg;
	struct host_ended end;
	struct host_exit x;

	(void)fd, (void)events;
	if (!host_proc_ended(&m->proc, &x))
		return;
	loop_io_del(m->proc_io);
	m->proc_io = NULL;
	control_close(m);
	loop_timer_set(m->reconnect, -1);
	vmm_obituary(m->dir, &x, &end);
	m->ev.ended(m->ev.arg, &end);
}

static void vmm_free(struct host_machine *m)
{
	if (!m)
		return;
	control_close(m);
	loop_io_del(m->proc_io);
	loop_timer_del(m->reconnect);
	host_proc_fini(&m->proc);
	free(m);
}

static struct host_machine *vmm_new(const struct host_machine_spec *s, struct host_proc proc)
{
	struct host_machine *m = calloc(1, sizeof(*m));

	if (!m) {
		host_proc_fini(&proc);
		return NULL;
	}
	m->loop = s->loop;
	m->ev = s->ev;
	m->proc = proc;
	m->control = -1;
	m->reconnect_ms = CONNECT_FIRST_MS;
	buf_init(&m->in, LINE_MAX_BYTES);
	snprintf(m->id, sizeof(m->id), "%s", s->id);
	snprintf(m->dir, sizeof(m->dir), "%s", s->dir);
	snprintf(m->socket, sizeof(m->socket), "unix:%s/control.sock", s->run);
	m->reconnect = loop_timer_add(s->loop, 0, control_connect, m);
	m->proc_io = loop_io_add(s->loop, proc.pidfd, LOOP_READ, on_proc, m);
	if (!m->reconnect || !m->proc_io) {
		vmm_free(m);
		return NULL;
	}
	return m;
}

static void remove_stale(const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), dir, name) == 0)
		unlink(path);
}

static int vmm_start(const struct host_machine_spec *s, struct host_machine **out, struct err *e)
{
	struct host_vmm_argv a;
	struct host_proc proc;
	char log[PATH_MAX];
	int r = path_join(log, sizeof(log), s->dir, "vmm.log");

	if (r == 0)
		r = host_vmm_argv(s, &a);
	if (r < 0)
		return err_set(e, r, "command line: %s", strerror(-r));
	/* So that what is there after the start is of this run. */
	remove_stale(s->dir, "exit.json");
	remove_stale(s->run, "control.sock");
	remove_stale(s->run, "surface.sock");
	r = host_proc_spawn(&(struct host_spawn){.argv = (const char *const *)a.v,
						 .log = log,
						 .cgroup = s->config->cgroup,
						 .data_mib = s->config->limit_data_mib,
						 .files = 1024,
						 .commit = s->ev.starting,
						 .arg = s->ev.arg},
			    &proc, e);
	host_vmm_argv_free(&a);
	if (r < 0)
		return r;
	*out = vmm_new(s, proc);
	if (*out)
		return 0;
	kill(proc.pid, SIGKILL); /* our child, not reaped: the pid is still its own */
	return err_set(e, -ENOMEM, "no memory");
}

static int vmm_adopt(const struct host_machine_spec *s, pid_t pid, uint64_t started,
		     struct host_machine **out)
{
	struct host_proc proc;
	int r = host_proc_adopt(pid, started, &proc);

	if (r < 0)
		return r;
	*out = vmm_new(s, proc);
	return *out ? 0 : -ENOMEM;
}

static const struct host_proc *vmm_proc(const struct host_machine *m)
{
	return &m->proc;
}

const struct host_driver host_vmm_driver = {
	.name = "vm",
	.start = vmm_start,
	.adopt = vmm_adopt,
	.powerdown = vmm_powerdown,
	.quit = vmm_quit,
	.kill = vmm_kill,
	.proc = vmm_proc,
	.free = vmm_free,
	.post_mortem = vmm_post_mortem,
};
