/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Buffered streams; see stream.h. One loop, one thread. A wake-up does, in this order: finish the
 * connect, the TLS handshake, write what is queued, read what is there, call the owner.
 */
#include "gateway/stream.h"
#include "common/sock.h"
#include "gateway/stats.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define READ_CHUNK 4096
#define OUT_CAP	   (96 * 1024)

void gw_stream_none(struct gw_stream *s)
{
	*s = (struct gw_stream){.c = {.fd = -1}};
}

bool gw_stream_used(const struct gw_stream *s)
{
	return s->c.fd >= 0;
}

bool gw_stream_ready(const struct gw_stream *s)
{
	return s->c.fd >= 0 && !s->connecting && !s->handshaking && !s->error;
}

bool gw_stream_full(const struct gw_stream *s)
{
	return s->in.len >= s->in.cap;
}

static void fail(struct gw_stream *s, int error)
{
	if (s->error)
		return;
	s->error = error;
	if (!s->err.code)
		err_set(&s->err, error, "%s", strerror(-error));
}

static void watch(struct gw_stream *s)
{
	unsigned ev = 0;

	if (!s->io)
		return;
	if (s->connecting)
		ev = LOOP_WRITE;
	else if (s->handshaking)
		ev = s->wants_write ? LOOP_WRITE : LOOP_READ;
	else {
		if (!s->paused && !s->eof && !gw_stream_full(s))
			ev |= s->wants_write ? LOOP_WRITE : LOOP_READ;
		if (s->out.len)
			ev |= LOOP_WRITE;
	}
	loop_io_set(s->io, ev);
}

static void flush(struct gw_stream *s)
{
	while (s->out.len && !s->error) {
		ssize_t w = tlsconn_write(&s->c, buf_head(&s->out), s->out.len);

		if (w == -EAGAIN)
			return;
		if (w < 0)
			fail(s, (int)w);
		else
			buf_consume(&s->out, (size_t)w);
	}
}

static void fill(struct gw_stream *s)
{
	while (!s->paused && !s->eof && !s->error && !gw_stream_full(s)) {
		size_t room = s->in.cap - s->in.len;
		size_t want = room < READ_CHUNK ? room : READ_CHUNK;
		uint8_t *p = buf_reserve(&s->in, want);
		ssize_t n;

		if (!p) {
			fail(s, -ENOMEM);
			return;
		}
		n = tlsconn_read(&s->c, p, want);
		s->wants_write = n == -EAGAIN && s->c.want_write;
		if (n == -EAGAIN)
			break;
		if (n == 0)
			s->eof = true;
		else if (n < 0)
			fail(s, (int)n);
		else
			buf_commit(&s->in, (size_t)n);
	}
	if (!s->in.len)
		buf_fini(&s->in);
}

static void handshake(struct gw_stream *s)
{
	int r = tlsconn_handshake(&s->c, &s->err);

	if (r == -EAGAIN) {
		s->wants_write = s->c.want_write;
		return;
	}
	s->handshaking = s->wants_write = false;
	gw_stats_handshake(!SSL_is_server(s->c.ssl), r ? GW_HANDSHAKE_FAILED
						     : SSL_session_reused(s->c.ssl)
							     ? GW_HANDSHAKE_RESUMED
							     : GW_HANDSHAKE_FULL);
	if (r)
		fail(s, r);
}

static void on_io(void *arg, int fd, unsigned events)
{
	struct gw_stream *s = arg;

	if (s->connecting) {
		int r = sock_error(fd);

		s->connecting = false;
		if (r)
			fail(s, r);
	}
	if (s->handshaking && !s->error)
		handshake(s);
	if (gw_stream_ready(s)) {
		flush(s);
		fill(s);
	}
	if ((events & LOOP_HUP) && (s->paused || s->eof))
		fail(s, -ECONNRESET);
	/* A hung-up descriptor would be reported for ever. What a full stream's peer said before it
	 * left is still there for gw_stream_pull(). */
	if (s->error || ((events & LOOP_HUP) && gw_stream_full(s))) {
		loop_io_del(s->io);
		s->io = NULL;
	}
	watch(s);
	s->step(s->arg);
}

int gw_stream_init(struct gw_stream *s, struct loop *l, int fd, size_t in_cap, gw_step_fn step,
		   void *arg)
{
	gw_stream_none(s);
	s->loop = l;
	s->step = step;
	s->arg = arg;
	buf_init(&s->in, in_cap);
	buf_init(&s->out, OUT_CAP);
	s->io = loop_io_add(l, fd, LOOP_READ, on_io, s);
	if (!s->io)
		return -ENOMEM;
	s->c.fd = fd;
	return 0;
}

int gw_stream_connect(struct gw_stream *s, struct loop *l, const char *addr, size_t in_cap,
		      gw_step_fn step, void *arg, struct err *e)
{
	int pending = 0, r;
	cleanup_close int fd = sock_connect(addr, SOCK_STREAM, &pending, e);

	if (fd < 0)
		return fd;
	sock_nodelay(fd);
	r = gw_stream_init(s, l, fd, in_cap, step, arg);
	if (r)
		return err_set(e, r, "out of memory");
	steal_fd(&fd);
	s->connecting = true; /* also when complete: the first wake-up says so */
	watch(s);
	return 0;
}

void gw_stream_fini(struct gw_stream *s)
{
	loop_io_del(s->io);
	s->io = NULL;
	if (s->c.fd >= 0)
		tlsconn_fini(&s->c);
	buf_fini(&s->in);
	buf_fini(&s->out);
}

int gw_stream_tls(struct gw_stream *s, SSL_CTX *ctx, enum tls_role role, struct err *e)
{
	struct tlsconn c;
	int r;

	if (s->in.len)
		return err_set(e, -EPROTO, "bytes arrived in the clear where TLS should start");
	if (s->out.len)
		return err_set(e, -EPROTO, "the peer does not read");
	r = tlsconn_init(&c, ctx, s->c.fd, role, NULL, e);
	if (r)
		return r;
	s->c = c;
	s->handshaking = true;
	s->wants_write = role == TLS_CLIENT;
	watch(s);
	return 0;
}

int gw_stream_send(struct gw_stream *s, const void *p, size_t n)
{
	int r = buf_append(&s->out, p, n);

	if (r)
		return r;
	if (gw_stream_ready(s))
		flush(s);
	watch(s);
	return 0;
}

void gw_stream_pull(struct gw_stream *s)
{
	if (gw_stream_ready(s))
		fill(s);
	watch(s);
}

void gw_stream_pause(struct gw_stream *s, bool paused)
{
	s->paused = paused;
	if (gw_stream_used(s))
		watch(s);
}

bool gw_stream_linger(struct gw_stream *s)
{
	buf_consume(&s->in, s->in.len);
	if (s->error || s->eof || !gw_stream_ready(s))
		return true;
	if (!s->out.len && !s->shut) {
		s->shut = true;
		tlsconn_shutdown(&s->c);
		shutdown(s->c.fd, SHUT_WR);
	}
	watch(s);
	return false;
}

void gw_stream_detach(struct gw_stream *s, struct tlsconn *c)
{
	loop_io_del(s->io);
	s->io = NULL;
	*c = s->c;
	s->c = (struct tlsconn){.fd = -1};
}
