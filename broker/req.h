/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One HTTP request on its way: read by http.c, queued and held by work.c, answered by a handler on
 * a worker thread. Between those it is owned by exactly one of them.
 */
#ifndef PANE_BROKER_REQ_H
#define PANE_BROKER_REQ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/buf.h"
#include "common/err.h"
#include "common/secret.h"

struct MHD_Connection;
struct event_stream;
struct db;
struct broker;

enum req_listener {
	REQ_API,
	REQ_INTERNAL,
	REQ_METRICS /* /metrics of REQ_INTERNAL and nothing else */
};
enum req_role {
	ROLE_ANYONE,
	ROLE_USER, /* from here to ADMIN each may what those before may */
	ROLE_READONLY,
	ROLE_HELPDESK,
	ROLE_OPERATOR,
	ROLE_ADMIN,
	ROLE_HOST,
	ROLE_GATEWAY
};

/* A handler's verdict. The reply is set for DONE and FAIL; a FAIL rolls the transaction back. */
enum req_step {
	REQ_DONE = 0,
	REQ_FAIL = -1,
	REQ_WAIT = 1
};

#define REQ_KEY_MAX   80
#define REQ_ARGS      4
#define REQ_FILTERS   5
#define REQ_USER      3
#define REQ_CHUNK_MAX (4u << 20) /* of an upload */

struct req {
	/* what was asked */
	enum req_listener listener;
	char method[8];
	char path[256];
	char arg[REQ_ARGS][72];		       /* path parameters */
	char client[80];		       /* X-Pane-Client: "ip:port", "" when unknown */
	char cert[80];			       /* X-Pane-Cert: "host/<uuid>" */
	char conn[32];			       /* X-Pane-Conn, else made here */
	char bearer[96];		       /* of Authorization, else of the browser's cookie */
	char origin[128], host[128], site[16]; /* Origin, Host, Sec-Fetch-Site */
	char agent[128];		       /* User-Agent, cut */
	char cookie[96];		       /* the login a browser keeps: browser.h */
	char flight[96];		       /* the secret of one that is under way */
	char after[72];
	char filter[REQ_FILTERS][72];  /* of ?pool=&state=&host=&user=&q=, in this order */
	char format[8];		       /* of ?format= */
	char range[8];		       /* of ?range= */
	char from[12], to[12], by[24]; /* of ?from=&to=&by=, of a report */
	char sort[24];		       /* of ?sort= */
	char last_event[48];	       /* Last-Event-ID */
	char if_none_match[48];
	bool pictures; /* ?pictures=1, of the stream of events */
	int limit;
	bool force, dry_run;
	int64_t offset;		      /* of ?offset=, else -1 */
	int64_t range_from, range_to; /* inclusive; the whole file unless ranged */
	bool ranged;
	struct buf body;
	json_t *json; /* owned; parsed body, NULL when there was none */

	/* who asks, once authorised */
	char user[72], user_id[40];
	enum req_role role;
	enum req_role scope; /* the most the login may be, whoever it is of */

	/* the answer */
	int status;
	char *reply;	    /* owned JSON text, NULL for an empty answer */
	size_t reply_bytes; /* of reply, where it is no text; else 0 */
	char etag[48];	    /* quoted; "" = none */
	int file; /* or, owned, -1: range_from to range_to of this file of file_size bytes */
	int64_t file_size;
	struct event_stream *stream; /* or, owned, a stream of events that never ends */
	const char *content_type;    /* of reply; NULL = JSON */
	char set_cookie[192];	     /* "" = none */
	char code[48];		     /* of the error, for the audit */
	int retry_after_s;
	char object[128]; /* for the audit, where the path does not name it */

	/* between attempts of a held request */
	char wait_key[REQ_KEY_MAX]; /* woken by work_wake() with this */
	int64_t wait_until_ms;	    /* 0 until first held; then fixed */
	int64_t recheck_ms;
	bool expired;	    /* wait_until passed: answer now */
	bool gone;	    /* the peer closed its connection */
	bool superseded;    /* a newer request of the same key arrived */
	bool overload;	    /* refused before any work */
	uint64_t helper_id; /* of what a helper was asked; 0 = nothing */
	void *state;	    /* owned by the handler, freed with free() after wiping */
	size_t state_size;

	/* plumbing */
	struct MHD_Connection *mhd; /* borrowed; valid until the answer is queued */
	int fd;			    /* borrowed from mhd, to notice a closed peer */
	bool answered;		    /* for tests: their done function ran */
	bool counted;		    /* http.c: stopping waits for its answer to be sent */
	struct req *next;	    /* in work.c's lists, under its lock */
};

const char *req_role_name(enum req_role role);
/* ROLE_ANYONE for a word that is not the role of a person. */
enum req_role req_role_of(const char *name);

struct req *req_new(void);
void req_free(struct req *r);

/* Answers. reply text is handed over; the _fmt forms return the step to return from a handler. */
enum req_step req_reply(struct req *r, int status, char *json_text);
enum req_step req_reply_json(struct req *r, int status, json_t *o); /* takes the reference */
enum req_step req_fail(struct req *r, int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* With reasons: a JSON array, borrowed, or NULL. */
enum req_step req_fail_reasons(struct req *r, int status, const char *code, json_t *reasons,
			       const char *fmt, ...) __attribute__((format(printf, 5, 6)));
enum req_step req_fail_err(struct req *r, const struct err *e); /* 400 request.invalid */
enum req_step req_fail_db(struct req *r, const struct db *db);
/* Holds the request until work_wake(key), the next recheck, or wait_s after it was first held. */
enum req_step req_hold(struct req *r, int wait_s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "1.2.3.4" of "1.2.3.4:567"; every loopback address is "loopback", v4-mapped v6 is v4. */
void req_source(const char *client, char out[64]);
#endif
