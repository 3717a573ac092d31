/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding a user their desktop. The choice is made in SQL (sql/003_assign.sql), where the
 * constraints are; here its outcome gets a name.
 */
#ifndef PANE_BROKER_ASSIGN_H
#define PANE_BROKER_ASSIGN_H

#include <jansson.h>
#include <stdint.h>
#include "broker/db.h"
#include "broker/req.h"

enum assign_kind {
	ASSIGN_READY,	 /* id, name, host, address, epoch are set */
	ASSIGN_STARTING, /* state and percent are set; id and name may be empty */
	ASSIGN_REFUSED	 /* reasons is set */
};

struct assignment {
	enum assign_kind kind;
	char id[40], name[72], host[40], address[72], state[16];
	int64_t epoch;
	int percent;
	json_t *reasons; /* owned */
};

void assignment_fini(struct assignment *a);
#define cleanup_assignment __attribute__((cleanup(assignment_fini)))

/* Negative on database failure (db->fail). */
int broker_assign(struct db *db, const char *user_id, const char *pool_id,
		  struct assignment *a) must_check;
/* Names the pool a user means into pool[40]; REQ_FAIL with the reply set when there is none, or
 * when it is not open to them from client now. client NULL: somebody else asks for them. */
enum req_step broker_pick_pool(struct db *db, struct req *r, const char *user_id, const char *name,
			       const char *client, char pool[40]) must_check;
/* The sentence for a desktop that is on its way. */
const char *assign_message(const struct assignment *a);
/* Pure: reads the answer of pane.assign(); -EINVAL when it makes no sense. */
int assign_parse(const char *text, struct assignment *a) must_check;

#endif
