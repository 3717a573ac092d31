/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON from peers: strict parsing (no duplicate keys, bounded size and depth) and typed getters
 * that name the field in the error.
 */
#ifndef PANE_COMMON_JSON_H
#define PANE_COMMON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define JSON_MAX_BYTES (1u << 20)

static inline void cleanup_json_fn(json_t **j)
{
	json_decref(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_fn)))

/* Parses an object or array of at most JSON_MAX_BYTES; NULL with *e set on failure. */
json_t *json_parse(const void *p, size_t n, struct err *e) must_check;
json_t *json_parse_file(const char *path, struct err *e) must_check;
/* Required fields. The string is borrowed from the object; len in bytes within [min, max]. */
int json_need_str(json_t *o, const char *key, size_t min, size_t max, const char **out,
		  struct err *e) must_check;
int json_need_int(json_t *o, const char *key, int64_t min, int64_t max, int64_t *out,
		  struct err *e) must_check;
/* Optional fields: *out is left alone when the key is absent or null, wrong types still fail. */
int json_opt_str(json_t *o, const char *key, size_t max, const char **out,
		 struct err *e) must_check;
int json_opt_int(json_t *o, const char *key, int64_t min, int64_t max, int64_t *out,
		 struct err *e) must_check;
int json_opt_bool(json_t *o, const char *key, bool *out, struct err *e) must_check;
/* An array field that must be there; borrowed. */
int json_need_array(json_t *o, const char *key, json_t **out, struct err *e) must_check;

#endif
