/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What people and peers write: configuration (cfg.c), JSON (json.c), base64url (secret.c), log
 * values (log.c), the byte queue (buf.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cfg.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/secret.h"

struct conf {
	char *cert;
	int workers;
	bool strict;
	char **listen;
};

static const struct cfg_key keys[] = {
	{"door", "cert", CFG_STR, offsetof(struct conf, cert), 0, 0, true},
	{"door", "workers", CFG_INT, offsetof(struct conf, workers), 1, 16, false},
	{"door", "strict", CFG_BOOL, offsetof(struct conf, strict), 0, 0, false},
	{"door", "listen", CFG_LIST, offsetof(struct conf, listen), 0, 0, false},
	{0},
};

static int read_conf(const char *text, struct conf *c, struct err *e)
{
	char path[] = "/tmp/pane-cfg-XXXXXX";
	int fd = mkstemp(path), r;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	*c = (struct conf){.workers = 2};
	r = cfg_read(path, keys, c, e);
	unlink(path);
	return r;
}

static void a_configuration_is_read(void **state)
{
	struct conf c;
	struct err e = {0};

	(void)state;
	assert_int_equal(read_conf("# door\n[door]\ncert = /a b\nstrict = yes\nlisten = a:1, b:2\n"
				   "listen = c:3\n",
				   &c, &e),
			 0);
	assert_string_equal(c.cert, "/a b");
	assert_int_equal(c.workers, 2);
	assert_true(c.strict);
	assert_string_equal(c.listen[2], "c:3");
	assert_null(c.listen[3]);
	cfg_free(keys, &c);
}

static void a_wrong_configuration_names_the_line(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"[door]\ncert = a\nwrokers = 3\n", ":3: unknown key \"wrokers\""},
		{"[door]\ncert = a\nworkers = 99\n",
		 ":3: \"workers\" must be a whole number from 1 to 16"},
		{"[door]\ncert = a\ncert = b\n", ":3: \"cert\" is given twice"},
		{"[door]\nstrict = perhaps\n", ":2: \"strict\" must be yes or no"},
		{"[door]\nworkers = 1\n", "\"cert\" is missing"},
		{"[door]\ncert = a\nnonsense\n", ":3: not \"key = value\""},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct conf c;
		struct err e = {0};

		assert_true(read_conf(bad[i].text, &c, &e) < 0);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("expected \"%s\" in \"%s\"", bad[i].says, e.msg);
		cfg_free(keys, &c);
	}
}

static void json_fields_are_checked(void **state)
{
	static const char text[] = "{\"a\":\"word\",\"n\":7,\"z\":null}";
	cleanup_json json_t *o = json_parse(text, sizeof(text) - 1, NULL);
	const char *s = NULL;
	struct err e = {0};
	int64_t n = 0;

	(void)state;
	assert_non_null(o);
	assert_int_equal(json_need_str(o, "a", 1, 4, &s, &e), 0);
	assert_int_equal(json_need_str(o, "a", 1, 3, &s, &e), -EINVAL);
	assert_int_equal(json_need_str(o, "n", 1, 3, &s, &e), -EINVAL);
	assert_int_equal(json_need_int(o, "n", 0, 6, &n, &e), -EINVAL);
	assert_int_equal(json_opt_int(o, "z", 0, 6, &n, &e), 0);
	assert_int_equal(json_need_int(o, "z", 0, 6, &n, &e), -EINVAL);
	assert_string_equal(e.word, "field.missing");
	assert_null(json_parse("{\"a\":1,\"a\":2}", 13, &e));
	assert_null(json_parse("{\"a\":1}x", 8, &e));
}

static void base64url_is_canonical(void **state)
{
	uint8_t in[64], out[64];
	char text[100];

	(void)state;
	for (size_t n = 0; n < 64; n++) {
		random_bytes(in, n);
		assert_int_equal(
			base64url_decode(out, sizeof(out), text, base64url_encode(text, in, n)),
			(int)n);
		assert_memory_equal(in, out, n);
	}
	assert_int_equal(base64url_decode(out, sizeof(out), "QR", 2), -EINVAL); /* QQ is 'A' */
	assert_int_equal(base64url_decode(out, sizeof(out), "Q+==", 4), -EINVAL);
	assert_int_equal(base64url_decode(out, 1, "QUE", 3), -EINVAL);
}

static void log_values_cannot_forge_lines(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(log_quote(buf, sizeof(buf), "a\"\n\x1b[2J"), "\"a\\\"\\x0a\\x1b[2J\"");
	assert_true(strlen(log_quote(buf, 16, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) < 16);
}

static void a_buffer_respects_its_cap(void **state)
{
	struct buf b;
	char chunk[100] = {1};

	(void)state;
	buf_init(&b, 250);
	assert_int_equal(buf_append(&b, chunk, 100), 0);
	assert_int_equal(buf_append(&b, chunk, 100), 0);
	assert_int_equal(buf_append(&b, chunk, 100), -ENOBUFS);
	buf_consume(&b, 150);
	assert_int_equal(buf_append(&b, chunk, 100), 0);
	assert_int_equal(b.len, 150);
	assert_int_equal(buf_head(&b)[50], 1);
	buf_consume(&b, 150);
	assert_null(b.data);
	assert_int_equal(buf_printf(&b, "%d-%s", 5, "x"), 0);
	assert_memory_equal(buf_head(&b), "5-x", 3);
	buf_fini(&b);
}

static void files_are_replaced_whole(void **state)
{
	char dir[] = "/tmp/pane-file-XXXXXX", path[64];
	cleanup_free char *text = NULL;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b", dir);
	assert_int_equal(dir_make(path, 0700, NULL), 0);
	snprintf(path, sizeof(path), "%s/a/b/f", dir);
	assert_int_equal(file_write(path, "one", 3, 0600, NULL), 0);
	assert_int_equal(file_write(path, "three", 5, 0600, NULL), 0);
	assert_int_equal(file_read(path, 100, &text, &n, NULL), 0);
	assert_string_equal(text, "three");
	assert_int_equal(file_read(path, 4, &text, &n, NULL), -EFBIG);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_is_read),
		cmocka_unit_test(a_wrong_configuration_names_the_line),
		cmocka_unit_test(json_fields_are_checked),
		cmocka_unit_test(base64url_is_canonical),
		cmocka_unit_test(log_values_cannot_forge_lines),
		cmocka_unit_test(a_buffer_respects_its_cap),
		cmocka_unit_test(files_are_replaced_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
