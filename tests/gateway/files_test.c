/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The console's files: what is taken into memory, what a request finds there, what it is answered.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "gateway/files.h"

static char dir[64];

static void put(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	char assets[128];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/gwf-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(assets, sizeof(assets), "%s/assets", dir);
	if (mkdir(assets, 0700))
		return -1;
	put("index.html", "<p>hello");
	put("assets/app-1.js", "script");
	put("assets/app-1.js.gz", "zipped");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const struct gw_file *find(const struct gw_files *f, const char *target)
{
	return gw_files_find(f, target, strlen(target));
}

static void found(void **state)
{
	struct err e = {0};
	struct gw_files *f = gw_files_load(dir, &e);
	static const char *const absent[] = {
		"/index.html", "/assets/", "/assets/app-1.js.gz",
		"//",	       "/./",	   "/assets/../assets/app-1.js",
		"/%61ssets",   "",	   "/assets/app-1.j"};

	(void)state;
	assert_non_null(f);
	assert_memory_equal(find(f, "/")->data, "<p>hello", 8);
	assert_ptr_equal(find(f, "/?x=/assets"), find(f, "/"));
	assert_string_equal(find(f, "/assets/app-1.js")->type, "text/javascript; charset=utf-8");
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		if (find(f, absent[i]))
			fail_msg("found: %s", absent[i]);
	assert_null(gw_files_find(NULL, "/", 1));
	gw_files_free(f);
}

/* Good until the next call. */
static const char *head_of(const struct gw_file *f, struct gw_file_request q, size_t *n_body)
{
	static char text[2048];
	const uint8_t *body;
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(gw_file_head(&b, f, &q, &body, n_body), 0);
	assert_true(b.len < sizeof(text));
	memcpy(text, buf_head(&b), b.len);
	text[b.len] = 0;
	buf_fini(&b);
	return text;
}

static void answered(void **state)
{
	struct err e = {0};
	struct gw_files *f = gw_files_load(dir, &e);
	const struct gw_file *page, *script;
	const char *head;
	size_t n;

	(void)state;
	assert_non_null(f);
	page = find(f, "/");
	script = find(f, "/assets/app-1.js");
	head = head_of(page, (struct gw_file_request){.gzip = true}, &n);
	assert_int_equal(n, 8);
	assert_non_null(strstr(head, "Cache-Control: no-cache\r\n"));
	assert_non_null(strstr(head, "default-src 'none'; script-src 'self'; style-src 'self'"));
	assert_non_null(strstr(head, "frame-ancestors 'none'"));
	assert_null(strstr(head, "unsafe"));
	assert_null(strstr(head, "Content-Encoding"));
	head = head_of(script, (struct gw_file_request){.gzip = true}, &n);
	assert_non_null(strstr(head, "Content-Encoding: gzip\r\n"));
	assert_non_null(strstr(head, "immutable"));
	head = head_of(script, (struct gw_file_request){.head = true}, &n);
	assert_int_equal(n, 0);
	assert_non_null(strstr(head, "Content-Length: 6\r\n"));
	head = head_of(page,
		       (struct gw_file_request){.etags = page->etag, .n_etags = strlen(page->etag)},
		       &n);
	assert_int_equal(n, 0);
	assert_int_equal(strncmp(head, "HTTP/1.1 304 ", 13), 0);
	gw_files_free(f);
}

static void refused(void **state)
{
	struct err e = {0};
	char link[128];

	(void)state;
	assert_null(gw_files_load("/nonexistent", &e));
	snprintf(link, sizeof(link), "%s/passwd.txt", dir);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_null(gw_files_load(dir, &e));
	unlink(link);
	put("notes.conf", "not a page's");
	assert_null(gw_files_load(dir, &e));
	snprintf(link, sizeof(link), "%s/notes.conf", dir);
	unlink(link);
	put(".hidden.js", "");
	assert_null(gw_files_load(dir, &e));
	snprintf(link, sizeof(link), "%s/.hidden.js", dir);
	unlink(link);
	snprintf(link, sizeof(link), "%s/index.html", dir);
	unlink(link);
	assert_null(gw_files_load(dir, &e));
	assert_non_null(strstr(e.msg, "no index.html"));
	put("index.html", "<p>hello");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"A request finds a file by its exact name only; detours, encodings and packed "
		 "twins find nothing",
		 found, NULL, NULL, NULL},
		{"An answer carries the content policy, caching by name, gzip where asked, and 304 "
		 "for the same ETag",
		 answered, NULL, NULL, NULL},
		{"A link, a hidden or foreign file, or a missing index stops the gateway's start",
		 refused, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
