/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See yaml.h. Aliases are followed as what they stand for, so what they may grow to is bounded.
 */
#include "clients/cli/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define NODES_MAX 100000
#define DEPTH_MAX 16

struct reader {
	yaml_document_t *doc; /* borrowed */
	int nodes;
};

static json_t *convert(struct reader *r, int index, int depth, struct err *e);

static json_t *scalar(const yaml_node_t *n)
{
	const char *s = (const char *)n->data.scalar.value;
	size_t len = n->data.scalar.length;
	char *end;

	if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (!strcmp(s, "true") || !strcmp(s, "false"))
			return json_boolean(*s == 't');
		if (!*s || !strcmp(s, "null") || !strcmp(s, "~"))
			return json_null();
		if (len < 18 && strspn(s + (*s == '-'), "0123456789") == len - (*s == '-') &&
		    s[*s == '-'])
			return json_integer(strtoll(s, &end, 10));
	}
	return json_stringn(s, len);
}

static json_t *mapping(struct reader *r, const yaml_node_t *n, int depth, struct err *e)
{
	json_t *o = json_object();

	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
		json_t *v = NULL;

		if (!key || key->type != YAML_SCALAR_NODE)
			err_set(e, -EINVAL, "line %zu: a key must be a word",
				n->start_mark.line + 1);
		else
			v = convert(r, p->value, depth + 1, e);
		if (!v || json_object_set_new(o, (const char *)key->data.scalar.value, v)) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static json_t *convert(struct reader *r, int index, int depth, struct err *e)
{
	const yaml_node_t *n = yaml_document_get_node(r->doc, index);
	json_t *list;

	if (!n || depth > DEPTH_MAX || ++r->nodes > NODES_MAX) {
		err_set(e, -EINVAL, "the file is too deep or too large");
		return NULL;
	}
	if (n->type == YAML_SCALAR_NODE)
		return scalar(n);
	if (n->type == YAML_MAPPING_NODE)
		return mapping(r, n, depth, e);
	list = json_array();
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++) {
		json_t *v = convert(r, *i, depth + 1, e);

		if (!v || json_array_append_new(list, v)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* 1: a document was added; 0: the stream is at its end. */
static int next_document(yaml_parser_t *parser, json_t *out, struct err *e)
{
	yaml_document_t doc;
	struct reader r = {.doc = &doc};
	json_t *v = NULL;
	int ret = 0;

	if (!yaml_parser_load(parser, &doc))
		return err_set(e, -EINVAL, "line %zu: %s", parser->problem_mark.line + 1,
			       parser->problem ? parser->problem : "not YAML");
	if (yaml_document_get_root_node(&doc)) {
		v = convert(&r, 1, 0, e);
		ret = v && !json_array_append_new(out, v) ? 1 : -EINVAL;
	}
	yaml_document_delete(&doc);
	if (ret < 0 && e && !e->code)
		err_set(e, -EINVAL, "the file is not UTF-8");
	return ret;
}

int cli_yaml_read(const char *text, size_t n, json_t **out, struct err *e)
{
	yaml_parser_t parser;
	int r;

	*out = json_array();
	if (!*out || !yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	do {
		r = next_document(&parser, *out, e);
	} while (r > 0);
	yaml_parser_delete(&parser);
	if (r < 0) {
		json_decref(*out);
		*out = NULL;
	}
	return r;
}

static bool emit_scalar(yaml_emitter_t *em, const char *s, bool text)
{
	yaml_event_t ev;
	const yaml_char_t *value = (const yaml_char_t *)s;
	/* Text that would be read back as something else is quoted. */
	bool odd =
		text && (!*s || !strcmp(s, "true") || !strcmp(s, "false") || !strcmp(s, "null") ||
			 !strcmp(s, "~") || strspn(s, "-0123456789") == strlen(s));

	return yaml_scalar_event_initialize(&ev, NULL, NULL, value, (int)strlen(s), 1, 1,
					    odd ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
						: YAML_ANY_SCALAR_STYLE) &&
	       yaml_emitter_emit(em, &ev);
}

static bool emit(yaml_emitter_t *em, json_t *v);

static bool emit_object(yaml_emitter_t *em, json_t *o)
{
	yaml_event_t ev;
	const char *key;
	json_t *v;

	if (!yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) ||
	    !yaml_emitter_emit(em, &ev))
		return false;
	json_object_foreach(o, key, v)
	{
		if (!emit_scalar(em, key, true) || !emit(em, v))
			return false;
	}
	return yaml_mapping_end_event_initialize(&ev) && yaml_emitter_emit(em, &ev);
}

static bool emit_array(yaml_emitter_t *em, json_t *list)
{
	yaml_event_t ev;
	json_t *v;
	size_t i;

	if (!yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, YAML_FLOW_SEQUENCE_STYLE) ||
	    !yaml_emitter_emit(em, &ev))
		return false;
	json_array_foreach(list, i, v)
	{
		if (!emit(em, v))
			return false;
	}
	return yaml_sequence_end_event_initialize(&ev) && yaml_emitter_emit(em, &ev);
}

static bool emit(yaml_emitter_t *em, json_t *v)
{
	char number[32];

	if (json_is_object(v))
		return emit_object(em, v);
	if (json_is_array(v))
		return emit_array(em, v);
	if (json_is_string(v))
		return emit_scalar(em, json_string_value(v), true);
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	return emit_scalar(em,
			   json_is_integer(v) ? number
			   : json_is_true(v)  ? "true"
			   : json_is_false(v) ? "false"
					      : "null",
			   false);
}

static bool emit_document(yaml_emitter_t *em, json_t *v)
{
	yaml_event_t ev;

	return yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 0) &&
	       yaml_emitter_emit(em, &ev) && emit(em, v) &&
	       yaml_document_end_event_initialize(&ev, 1) && yaml_emitter_emit(em, &ev);
}

int cli_yaml_write(FILE *out, json_t *items)
{
	yaml_emitter_t em;
	yaml_event_t ev;
	json_t *v;
	size_t i;
	bool ok;

	if (!yaml_emitter_initialize(&em))
		return -ENOMEM;
	yaml_emitter_set_output_file(&em, out);
	yaml_emitter_set_unicode(&em, 1);
	ok = yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING) &&
	     yaml_emitter_emit(&em, &ev);
	json_array_foreach(items, i, v) ok = ok && emit_document(&em, v);
	ok = ok && yaml_stream_end_event_initialize(&ev) && yaml_emitter_emit(&em, &ev) &&
	     yaml_emitter_flush(&em);
	yaml_emitter_delete(&em);
	return ok ? 0 : -EIO;
}
