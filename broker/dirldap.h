/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A directory as Pane asks it (LDAP v3, RFC 4511): whose password is this, who is there, and what
 * goes wrong on the way. Every call may block and belongs into the helper process (dirhelper.c).
 */
#ifndef PANE_BROKER_DIRLDAP_H
#define PANE_BROKER_DIRLDAP_H

#include <jansson.h>
#include <stdbool.h>
#include "broker/conf.h"
#include "common/err.h"

/* A value for a search filter: RFC 4515 §3 escapes. out needs 3 bytes a byte and one. */
void dirldap_escape(const char *value, char *out, size_t n);
/* The range of "member;range=0-1499", of Active Directory ([MS-ADTS] 3.1.1.3.1.3.3): the next value
 * to ask for, 0 for the last part ("0-*"). False where name is no range of attr. */
bool dirldap_range(const char *name, const char *attr, unsigned long *next);
/* What makes no sense in the configuration: -EINVAL. */
int dirldap_check(const struct directory_conf *c, struct err *e) must_check;

/* 0: it is theirs; -EACCES: it is not, or nobody (one only) has that name; otherwise the directory
 * could not be asked. */
int dirldap_login(const struct directory_conf *c, const char *user, const char *password,
		  struct err *e) must_check;
/* {"users":[…],"groups":[…]} as dirtree_resolve() takes them. */
int dirldap_list(const struct directory_conf *c, json_t **out, struct err *e) must_check;
/* {"ok","steps":[{"step","ok","detail"}]}: each step until the first that fails. user and password
 * may be NULL. */
json_t *dirldap_test(const struct directory_conf *c, const char *user, const char *password);

#endif
