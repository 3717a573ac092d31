/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See http.h. A request is created at its head, suspended when its body is complete, and answered
 * from the epoll thread after the worker resumed it. X-Pane-* headers are believed because only
 * gateways can reach the sockets (mode 0660, their group).
 */
#include "broker/http.h"
#include "broker/browser.h"
#include "broker/events.h"
#include "broker/work.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics_server.h"
#include "common/sock.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define STOP_WAIT_S	2
#define TIMEOUT_S	30 /* of an idle or slow connection, not of a held request */

struct http_server {
	struct MHD_Daemon *daemon;
	enum req_listener which;
	struct work *work; /* borrowed */
	char path[128];
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int unsent; /* requests taken whose answer has not gone out; under lock */
};

static void count(struct http_server *s, struct req *r, bool begin)
{
	if (r->counted == begin)
		return;
	r->counted = begin;
	pthread_mutex_lock(&s->lock);
	s->unsent += begin ? 1 : -1;
	if (!s->unsent)
		pthread_cond_signal(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

static void header(struct MHD_Connection *c, const char *name, char *out, size_t n)
{
	const char *v = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);

	if (v && strlen(v) < n)
		snprintf(out, n, "%s", v);
}

static bool whole_number(const char *s, int64_t *out)
{
	size_t n = strspn(s, "0123456789");

	if (n < 1 || n > 15)
		return false;
	*out = strtoll(s, NULL, 10);
	return true;
}

/* "bytes=A-B" or "bytes=A-"; anything else is answered with the whole file, RFC 9110 14.2. */
static void read_range(const char *s, struct req *r)
{
	const char *dash = strchr(s, '-');

	if (strncmp(s, "bytes=", 6) || !dash || strchr(s, ',') ||
	    !whole_number(s + 6, &r->range_from))
		return;
	if (dash[1] && !whole_number(dash + 1, &r->range_to)) {
		r->range_from = 0;
		return;
	}
	r->ranged = true;
}

/* What does not fit cannot be meant: it is there as "?", which no value is. */
static void argument(struct MHD_Connection *c, const char *name, char *out, size_t n)
{
	const char *v = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);

	if (v)
		snprintf(out, n, "%s", strlen(v) < n ? v : "?");
}

static void read_query(struct MHD_Connection *c, struct req *r)
{
	const char *limit = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "limit");
	const char *after = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "after");
	const char *force = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "force");
	const char *dry = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "dry_run");
	const char *pictures = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "pictures");
	static const char *const filters[REQ_FILTERS] = {"pool", "state", "host", "user", "q"};
	const char *format;
	const char *offset = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "offset");

	if (limit && atoi(limit) > 0)
		r->limit = atoi(limit) > 10000 ? 10000 : atoi(limit);
	if (after && strlen(after) < sizeof(r->after))
		snprintf(r->after, sizeof(r->after), "%s", after);
	for (size_t i = 0; i < REQ_FILTERS; i++) {
		const char *v = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, filters[i]);

		if (v && strlen(v) < sizeof(r->filter[i]))
			snprintf(r->filter[i], sizeof(r->filter[i]), "%s", v);
	}
	format = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "format");
	if (format && strlen(format) < sizeof(r->format))
		snprintf(r->format, sizeof(r->format), "%s", format);
	format = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "range");
	if (format && strlen(format) < sizeof(r->range))
		snprintf(r->range, sizeof(r->range), "%s", format);
	argument(c, "from", r->from, sizeof(r->from));
	argument(c, "to", r->to, sizeof(r->to));
	argument(c, "by", r->by, sizeof(r->by));
	format = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "sort");
	if (format && strlen(format) < sizeof(r->sort))
		snprintf(r->sort, sizeof(r->sort), "%s", format);
	if (offset && !whole_number(offset, &r->offset))
		r->offset = -1;
	r->dry_run = dry && (!strcmp(dry, "true") || !strcmp(dry, "1"));
	r->pictures = pictures && (!strcmp(pictures, "true") || !strcmp(pictures, "1"));
	r->force = force && (!strcmp(force, "true") || !strcmp(force, "1"));
}

/* What only a browser sends: browser.h judges it. */
static void read_browser(struct MHD_Connection *c, struct req *r)
{
	const char *agent = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "User-Agent");
	const char *cookie = MHD_lookup_connection_value(c, MHD_COOKIE_KIND, BROWSER_COOKIE);
	const char *flight = MHD_lookup_connection_value(c, MHD_COOKIE_KIND, BROWSER_FLIGHT);

	header(c, "Origin", r->origin, sizeof(r->origin));
	header(c, "Host", r->host, sizeof(r->host));
	header(c, "Sec-Fetch-Site", r->site, sizeof(r->site));
	for (size_t i = 0; agent && agent[i] && i + 1 < sizeof(r->agent); i++)
		r->agent[i] = agent[i] >= ' ' && agent[i] < 0x7f ? agent[i] : '?';
	if (cookie && strlen(cookie) < sizeof(r->cookie))
		snprintf(r->cookie, sizeof(r->cookie), "%s", cookie);
	if (flight && strlen(flight) < sizeof(r->flight))
		snprintf(r->flight, sizeof(r->flight), "%s", flight);
}

static struct req *read_head(struct http_server *s, struct MHD_Connection *c, const char *url,
			     const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct req *r = req_new();
	char auth[128] = "", range[64] = "";

	if (!r)
		return NULL;
	r->mhd = c;
	r->fd = info ? info->connect_fd : -1;
	if (strlen(method) < sizeof(r->method) && strlen(url) < sizeof(r->path)) {
		snprintf(r->method, sizeof(r->method), "%s", method);
		snprintf(r->path, sizeof(r->path), "%s", url);
	}
	r->listener =
		s->which == REQ_METRICS && !strcmp(r->path, "/metrics") ? REQ_INTERNAL : s->which;
	header(c, "X-Pane-Client", r->client, sizeof(r->client));
	header(c, "X-Pane-Cert", r->cert, sizeof(r->cert));
	header(c, "X-Pane-Conn", r->conn, sizeof(r->conn));
	if (!r->conn[0])
		random_id(r->conn);
	header(c, "Authorization", auth, sizeof(auth));
	if (!strncasecmp(auth, "Bearer ", 7))
		snprintf(r->bearer, sizeof(r->bearer), "%.*s", (int)sizeof(r->bearer) - 1,
			 auth + 7);
	explicit_bzero(auth, sizeof(auth));
	read_browser(c, r);
	header(c, "Last-Event-ID", r->last_event, sizeof(r->last_event));
	header(c, "If-None-Match", r->if_none_match, sizeof(r->if_none_match));
	header(c, "Range", range, sizeof(range));
	if (range[0])
		read_range(range, r);
	if (!strcmp(r->method, "PUT"))
		r->body.cap = REQ_CHUNK_MAX;
	read_query(c, r);
	return r;
}

static struct MHD_Response *file_response(struct req *r)
{
	int64_t n = r->range_to - r->range_from + 1;
	struct MHD_Response *res;
	char range[96];

	if (!r->file_size)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	res = MHD_create_response_from_fd_at_offset64((uint64_t)n, r->file,
						      (uint64_t)r->range_from);
	if (!res)
		return NULL;
	r->file = -1; /* MHD closes it */
	MHD_add_response_header(res, "Content-Type", "application/octet-stream");
	snprintf(range, sizeof(range), "bytes %lld-%lld/%lld", (long long)r->range_from,
		 (long long)r->range_to, (long long)r->file_size);
	if (r->ranged)
		MHD_add_response_header(res, "Content-Range", range);
	return res;
}

static struct MHD_Response *response(struct MHD_Connection *c, struct req *r)
{
	struct MHD_Response *res;

	if (r->stream)
		return event_stream_response(steal_ptr(&r->stream), c);
	if (r->file >= 0)
		return file_response(r);
	res = MHD_create_response_from_buffer(r->reply_bytes ? r->reply_bytes
					      : r->reply     ? strlen(r->reply)
							     : 0,
					      r->reply, MHD_RESPMEM_MUST_COPY);
	if (res && r->reply)
		MHD_add_response_header(res, "Content-Type",
					r->content_type ? r->content_type : "application/json");
	return res;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct req *r)
{
	struct MHD_Response *res = response(c, r);
	enum MHD_Result ret;
	char seconds[16];

	if (!res)
		return MHD_NO;
	/* What has an ETag may be kept, and is asked for each time all the same. */
	MHD_add_response_header(res, "Cache-Control",
				r->etag[0] ? "private, no-cache" : "no-store");
	MHD_add_response_header(res, "X-Content-Type-Options", "nosniff");
	if (r->etag[0])
		MHD_add_response_header(res, "ETag", r->etag);
	if (r->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%d", r->retry_after_s);
		MHD_add_response_header(res, "Retry-After", seconds);
	}
	if (r->set_cookie[0])
		MHD_add_response_header(res, "Set-Cookie", r->set_cookie);
	if (r->status == 401)
		MHD_add_response_header(res, "WWW-Authenticate", "Bearer");
	ret = MHD_queue_response(c, (unsigned)r->status, res);
	MHD_destroy_response(res);
	return ret;
}

static void take_body(struct req *r, const char *p, size_t n)
{
	if (!r->status && buf_append(&r->body, p, n))
		req_fail(r, 413, "request.large", "The request body is larger than %u bytes.",
			 (unsigned)r->body.cap);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	struct http_server *s = cls;
	struct req *r = *state;

	(void)version;
	if (!r) {
		*state = read_head(s, c, url, method);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*size) {
		take_body(r, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (r->status)
		return send_answer(c, r);
	count(s, r, true);
	MHD_suspend_connection(c);
	if (work_submit(s->work, r)) {
		r->retry_after_s = 2;
		req_fail(r, 503, "broker.busy", "The broker is busy. Try again in a few seconds.");
		MHD_resume_connection(c);
	}
	return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct req *r = *state;

	(void)c;
	(void)why;
	if (r)
		count(cls, r, false);
	req_free(r);
	*state = NULL;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *fmt, va_list ap)
{
	static struct log_bucket bucket; /* of one thread per daemon; a race loses a line */
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	if (log_allow(&bucket, 1))
		log_info("http.note", "text=%s", LOG_Q(line));
}

void http_answer(struct req *r)
{
	log_debug("http.answer", "conn=%s method=%s path=%s status=%d", r->conn, r->method,
		  LOG_Q(r->path), r->status);
	MHD_resume_connection(r->mhd);
}

static int listen_at(struct http_server *s, const char *addr, struct err *e)
{
	char path[SOCK_ADDR_MAX];

	if (addr[0] != '/')
		return metrics_listen(addr, e);
	if (strlen(addr) >= sizeof(s->path))
		return err_set(e, -ENAMETOOLONG, "socket path %s is too long", addr);
	snprintf(s->path, sizeof(s->path), "%s", addr);
	snprintf(path, sizeof(path), "unix:%s", addr);
	return sock_listen(path, SOCK_STREAM, false, 0660, e);
}

struct http_server *http_server_new(const char *addr, enum req_listener which, struct work *w,
				    struct err *e)
{
	struct http_server *s = calloc(1, sizeof(*s));
	cleanup_close int fd = s ? listen_at(s, addr, e) : err_set(e, -ENOMEM, "out of memory");

	if (!s || fd < 0) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->which = which;
	s->work = w;
	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 * 1024), MHD_OPTION_END);
	if (!s->daemon) {
		err_set(e, -EIO, "cannot serve HTTP on %s", addr);
		free(s);
		return NULL;
	}
	(void)steal_fd(&fd); /* MHD closes it */
	return s;
}

void http_server_quiesce(struct http_server *s)
{
	int fd = MHD_quiesce_daemon(s->daemon);

	if (fd >= 0)
		close(fd);
	if (s->path[0])
		unlink(s->path);
}

/* Answers already made go out first; a peer that does not read cannot hold us up for long. */
static void wait_unsent(struct http_server *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_WAIT_S;
	pthread_mutex_lock(&s->lock);
	while (s->unsent && pthread_cond_timedwait(&s->idle, &s->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&s->lock);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	wait_unsent(s);
	MHD_stop_daemon(s->daemon);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->idle);
	free(s);
}
