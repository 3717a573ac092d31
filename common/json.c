/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Strict JSON; see json.h. jansson bounds nesting at 2048 levels (JSON_PARSER_MAX_DEPTH); size is
 * bounded here.
 */
#include "common/json.h"
#include "common/file.h"

#include <errno.h>
#include <string.h>

json_t *json_parse(const void *p, size_t n, struct err *e)
{
	json_error_t je;
	json_t *j;

	if (n > JSON_MAX_BYTES) {
		err_setw(e, -EFBIG, "json.size", "the JSON text is larger than %u bytes",
			 JSON_MAX_BYTES);
		return NULL;
	}
	j = json_loadb(p, n, JSON_REJECT_DUPLICATES, &je);
	if (!j)
		err_setw(e, -EINVAL, "json.syntax", "not valid JSON: %s (line %d, column %d)",
			 je.text, je.line, je.column);
	return j;
}

json_t *json_parse_file(const char *path, struct err *e)
{
	cleanup_free char *text = NULL;
	json_t *j;
	size_t n;

	if (file_read(path, JSON_MAX_BYTES, &text, &n, e))
		return NULL;
	j = json_parse(text, n, e);
	if (!j)
		err_prefix(e, "%s", path);
	return j;
}

static int check_str(json_t *v, const char *key, size_t min, size_t max, const char **out,
		     struct err *e)
{
	size_t n;

	if (!json_is_string(v))
		return err_setw(e, -EINVAL, "field.type", "\"%s\" must be a string", key);
	n = json_string_length(v);
	if (n < min || n > max)
		return err_setw(e, -EINVAL, "field.length",
				"\"%s\" must be %zu to %zu bytes long, not %zu", key, min, max, n);
	if (strlen(json_string_value(v)) != n)
		return err_setw(e, -EINVAL, "field.nul", "\"%s\" must not hold a NUL", key);
	*out = json_string_value(v);
	return 0;
}

static int check_int(json_t *v, const char *key, int64_t min, int64_t max, int64_t *out,
		     struct err *e)
{
	if (!json_is_integer(v))
		return err_setw(e, -EINVAL, "field.type", "\"%s\" must be a whole number", key);
	if (json_integer_value(v) < min || json_integer_value(v) > max)
		return err_setw(e, -EINVAL, "field.range", "\"%s\" must be from %lld to %lld", key,
				(long long)min, (long long)max);
	*out = json_integer_value(v);
	return 0;
}

static bool absent(const json_t *v)
{
	return !v || json_is_null(v);
}

int json_need_str(json_t *o, const char *key, size_t min, size_t max, const char **out,
		  struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (absent(v))
		return err_setw(e, -EINVAL, "field.missing", "\"%s\" is missing", key);
	return check_str(v, key, min, max, out, e);
}

int json_need_int(json_t *o, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (absent(v))
		return err_setw(e, -EINVAL, "field.missing", "\"%s\" is missing", key);
	return check_int(v, key, min, max, out, e);
}

int json_opt_str(json_t *o, const char *key, size_t max, const char **out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	return absent(v) ? 0 : check_str(v, key, 0, max, out, e);
}

int json_opt_int(json_t *o, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	return absent(v) ? 0 : check_int(v, key, min, max, out, e);
}

int json_opt_bool(json_t *o, const char *key, bool *out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (absent(v))
		return 0;
	if (!json_is_boolean(v))
		return err_setw(e, -EINVAL, "field.type", "\"%s\" must be true or false", key);
	*out = json_is_true(v);
	return 0;
}

int json_need_array(json_t *o, const char *key, json_t **out, struct err *e)
{
	json_t *v = json_object_get(o, key);

	if (!json_is_array(v))
		return err_setw(e, -EINVAL, "field.type", "\"%s\" must be a list", key);
	*out = v;
	return 0;
}
