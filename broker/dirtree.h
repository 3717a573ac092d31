/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who is in which group, through groups in groups, and which names Pane can use. Pure.
 */
#ifndef PANE_BROKER_DIRTREE_H
#define PANE_BROKER_DIRTREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* users: [{"dn","name","full_name","email","disabled"?}], groups: [{"dn","name","members":[dn]}] ->
 * {"users":[{"user","full_name","email","groups":[name]}],"groups":[name],"skipped":[{"dn","why"}]}.
 */
json_t *dirtree_resolve(json_t *users, json_t *groups);

/* A directory's name as Pane's: lower case; for groups every other character becomes '-'. False
 * when nothing usable is left. */
bool dirtree_user_name(const char *name, char *out, size_t n);
bool dirtree_group_name(const char *name, char *out, size_t n);

#endif
