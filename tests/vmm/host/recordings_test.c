/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list of recordings: what goes when, and what a later agent makes of a folder in any state.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json.h"
#include "common/tree.h"
#include "vmm/host/recordings.h"

#define DAY	86400
#define NOW	1790000000
#define DESKTOP "11111111-2222-4333-8444-555555555555"

static char state_dir[64], dir[96];
static struct host_config conf;

static int setup_in(const char *where)
{
	snprintf(state_dir, sizeof(state_dir), "%s/recordings-test-XXXXXX", where);
	if (!mkdtemp(state_dir))
		return -1;
	snprintf(dir, sizeof(dir), "%s/recordings", state_dir);
	conf = (struct host_config){.state_dir = state_dir, .recordings_mib = 8};
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_in("/tmp");
}

/* For thousands of files; where it may be small. */
static int setup_in_memory(void **state)
{
	(void)state;
	return access("/dev/shm", W_OK) == 0 ? setup_in("/dev/shm") : setup_in("/tmp");
}

static int teardown(void **state)
{
	(void)state;
	return tree_delete(state_dir, NULL);
}

static struct host_recordings *opened(void)
{
	struct host_recordings *r = host_recordings_new(&conf, NULL);

	assert_non_null(r);
	return r;
}

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool there(const char *id, const char *ext)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", id, ext);
	return access(path_of(name), F_OK) == 0;
}

/* Not through file_write(): what lies there need not be whole. */
static void lay(const char *name, const char *text, size_t n)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static const char *id_of(unsigned n)
{
	static char id[HOST_UUID];

	snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012x", n);
	return id;
}

/* As an agent of before left one that began then; ended 0: it goes on. */
static void lay_recording(unsigned n, int64_t began, int64_t ended, int days, size_t bytes)
{
	char name[64], text[400];

	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	snprintf(text, sizeof(text),
		 "{\"id\":\"%s\",\"desktop\":\"" DESKTOP
		 "\",\"name\":\"office-1\",\"user\":\"alice\",\"began\":%lld,"
		 "\"ended\":%lld,\"bytes\":0,\"days\":%d,\"why\":\"\"}",
		 id_of(n), (long long)began, (long long)ended, days);
	snprintf(name, sizeof(name), "%s.json", id_of(n));
	lay(name, text, strlen(text));
	snprintf(name, sizeof(name), "%s.mkv", id_of(n));
	lay(name, "", 0);
	assert_int_equal(truncate(path_of(name), (off_t)bytes), 0);
}

/* Begins one of so many bytes. */
static int begin(struct host_recordings *r, int64_t at, int days, size_t bytes, char id[HOST_UUID])
{
	struct host_recording_of of = {DESKTOP, "office-1", "alice", days, at};
	int fd = host_recordings_begin(r, &of, id, NULL);

	if (fd >= 0)
		assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void recorded(struct host_recordings *r, int64_t began, int64_t ended, int days,
		     size_t bytes, char id[HOST_UUID])
{
	int fd = begin(r, began, days, bytes, id);

	assert_true(fd >= 0);
	close(fd);
	host_recordings_end(r, id, "", ended);
}

static size_t count(struct host_recordings *r)
{
	cleanup_json json_t *list = host_recordings_report(r);

	return json_array_size(list);
}

static json_t *first(struct host_recordings *r)
{
	cleanup_json json_t *list = host_recordings_report(r);

	return json_incref(json_array_get(list, 0));
}

static void one_is_reported_from_its_beginning_to_its_end(void **state)
{
	struct host_recordings *r = opened();
	cleanup_json json_t *open_one = NULL, *ended = NULL;
	char id[HOST_UUID];
	struct stat st;
	int fd = begin(r, NOW, 30, 1000, id);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(host_uuid_ok(id));
	open_one = first(r);
	assert_string_equal(json_string_value(json_object_get(open_one, "id")), id);
	assert_int_equal(json_integer_value(json_object_get(open_one, "ended")), 0);
	host_recordings_end(r, id, "its display ended", NOW + 60);
	ended = first(r);
	assert_int_equal(json_integer_value(json_object_get(ended, "began")), NOW);
	assert_int_equal(json_integer_value(json_object_get(ended, "ended")), NOW + 60);
	assert_int_equal(json_integer_value(json_object_get(ended, "bytes")), 1000);
	assert_string_equal(json_string_value(json_object_get(ended, "why")), "its display ended");
	close(fd);
	host_recordings_free(r);
}

static void nothing_stays_of_one_in_which_nothing_is(void **state)
{
	struct host_recordings *r = opened();
	char id[HOST_UUID];

	(void)state;
	recorded(r, NOW, NOW + 5, 30, 0, id);
	assert_int_equal(count(r), 0);
	assert_false(there(id, "json") || there(id, "mkv"));
	host_recordings_free(r);
}

static void each_goes_when_its_own_days_are_over(void **state)
{
	struct host_recordings *r = opened();
	char a[HOST_UUID], b[HOST_UUID], c[HOST_UUID];
	int fd;

	(void)state;
	recorded(r, NOW - 100, NOW, 1, 10, a);
	recorded(r, NOW - 100, NOW, 2, 10, b);
	fd = begin(r, NOW - 100, 1, 10, c);
	assert_true(fd >= 0);
	assert_false(host_recordings_tick(r, NOW + DAY)); /* to the second */
	assert_int_equal(count(r), 3);
	assert_true(host_recordings_tick(r, NOW + DAY + 1));
	assert_false(there(a, "mkv") || there(a, "json"));
	assert_true(there(b, "mkv") && there(b, "json"));
	assert_true(host_recordings_tick(r, NOW + 2 * DAY + 1));
	assert_false(there(b, "mkv"));
	assert_false(host_recordings_tick(r, NOW + 999ll * DAY));
	assert_true(there(c, "mkv")); /* it goes on */
	assert_int_equal(count(r), 1);
	close(fd);
	host_recordings_free(r);
}

/* What is being written counts, and is not deleted itself. */
static void beyond_the_cap_the_oldest_ended_go(void **state)
{
	struct host_recordings *r = opened();
	char a[HOST_UUID], b[HOST_UUID], c[HOST_UUID], d[HOST_UUID];
	int fd = begin(r, NOW - 50, 30, 1000, a);

	(void)state;
	assert_true(fd >= 0);
	recorded(r, NOW + 20, NOW + 30, 30, 3 << 20, c); /* not in the order of beginning */
	recorded(r, NOW, NOW + 40, 30, 3 << 20, b);
	recorded(r, NOW + 30, NOW + 50, 30, 1 << 20, d);
	assert_false(host_recordings_tick(r, NOW + 60));
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_true(host_recordings_tick(r, NOW + 60));
	assert_false(there(b, "mkv") || there(b, "json"));
	assert_true(there(a, "mkv") && there(c, "mkv") && there(d, "mkv"));
	assert_int_equal(ftruncate(fd, 20 << 20), 0); /* more than all by itself */
	assert_true(host_recordings_tick(r, NOW + 60));
	assert_true(there(a, "mkv"));
	assert_int_equal(count(r), 1);
	assert_false(host_recordings_tick(r, NOW + 60));
	assert_int_equal(host_recordings_part(r), 2 << 20);
	close(fd);
	host_recordings_free(r);
}

static void of_too_many_the_oldest_go(void **state)
{
	struct host_recordings *r;

	(void)state;
	for (unsigned i = 0; i < HOST_RECORDINGS_MAX + 3; i++)
		lay_recording(i, NOW + i, NOW + i + 1, 30, 1);
	r = opened();
	assert_int_equal(count(r), HOST_RECORDINGS_MAX + 3);
	assert_true(host_recordings_tick(r, NOW + DAY));
	assert_int_equal(count(r), HOST_RECORDINGS_MAX);
	assert_false(there(id_of(2), "mkv"));
	assert_true(there(id_of(3), "mkv"));
	host_recordings_free(r);
}

/* Else the broker would refuse whatever the host reports. */
static void the_list_of_most_with_long_texts_fits_a_report(void **state)
{
	cleanup_json json_t *list = NULL;
	struct host_recordings *r;
	char name[64], text[800];
	size_t n;

	(void)state;
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	for (unsigned i = 0; i < HOST_RECORDINGS_MAX; i++) {
		snprintf(text, sizeof(text),
			 "{\"id\":\"%s\",\"desktop\":\"" DESKTOP
			 "\",\"name\":\"%063d\",\"user\":\"%0127d\",\"began\":%d,\"ended\":%d,"
			 "\"bytes\":0,\"days\":3650,\"why\":\"%0120d\"}",
			 id_of(i), 0, 0, NOW, NOW, 0);
		snprintf(name, sizeof(name), "%s.json", id_of(i));
		lay(name, text, strlen(text));
		snprintf(name, sizeof(name), "%s.mkv", id_of(i));
		lay(name, "", 0);
	}
	r = opened();
	assert_int_equal(count(r), HOST_RECORDINGS_MAX);
	list = host_recordings_report(r);
	n = json_dumpb(list, NULL, 0, JSON_COMPACT);
	assert_in_range(n, 1, JSON_MAX_BYTES - JSON_MAX_BYTES / 5);
	host_recordings_free(r);
}

static void an_agent_started_again_knows_them(void **state)
{
	struct host_recordings *r = opened();
	cleanup_json json_t *before = NULL, *after = NULL;
	char a[HOST_UUID], b[HOST_UUID];
	int fd;

	(void)state;
	recorded(r, NOW, NOW + 60, 7, 500, a);
	before = host_recordings_report(r);
	fd = begin(r, NOW + 100, 30, 700, b);
	assert_true(fd >= 0);
	close(fd);
	host_recordings_free(r);
	r = opened();
	after = host_recordings_report(r);
	assert_int_equal(json_array_size(after), 2);
	assert_true(json_equal(json_array_get(before, 0), json_array_get(after, 0)));
	host_recordings_free(r);
}

/* Its file says when: it was written last then. */
static void one_that_went_on_has_ended_when_it_was_last_written(void **state)
{
	struct timespec t[2] = {{NOW + 500, 0}, {NOW + 500, 0}};
	struct host_recordings *r;
	cleanup_json json_t *o = NULL, *again = NULL;

	(void)state;
	lay_recording(1, NOW, 0, 30, 900);
	assert_int_equal(
		utimensat(AT_FDCWD, path_of("00000000-0000-4000-8000-000000000001.mkv"), t, 0), 0);
	r = opened();
	o = first(r);
	assert_int_equal(json_integer_value(json_object_get(o, "ended")), NOW + 500);
	assert_int_equal(json_integer_value(json_object_get(o, "bytes")), 900);
	assert_string_equal(json_string_value(json_object_get(o, "why")), "the host agent ended");
	host_recordings_free(r);
	r = opened();
	again = first(r);
	assert_true(json_equal(o, again));
	host_recordings_free(r);
}

/* Else it would go on for ever in every report, and could not be deleted. */
static void one_whose_film_is_gone_is_gone(void **state)
{
	struct host_recordings *r;

	(void)state;
	lay_recording(1, NOW, 0, 30, 10);
	lay_recording(2, NOW, NOW + 5, 30, 10);
	lay_recording(3, NOW, NOW + 5, 30, 10);
	assert_int_equal(unlink(path_of("00000000-0000-4000-8000-000000000001.mkv")), 0);
	assert_int_equal(unlink(path_of("00000000-0000-4000-8000-000000000002.mkv")), 0);
	r = opened();
	assert_int_equal(count(r), 1);
	assert_false(there(id_of(1), "json"));
	assert_false(there(id_of(2), "json"));
	assert_true(there(id_of(3), "json"));
	host_recordings_free(r);
}

static void what_makes_no_sense_is_left_alone(void **state)
{
	static const char *const damaged[] = {
		"",
		"{\"id\":\"00000000-0000-4000-8000-000000000002\",\"desk",
		"[]",
		"{}",
		"{\"id\":\"00000000-0000-4000-8000-00000000ffff\",\"desktop\":\"" DESKTOP
		"\",\"name\":\"n\",\"user\":\"\",\"began\":1,\"ended\":2,\"days\":3}",
		"{\"id\":\"00000000-0000-4000-8000-000000000006\",\"desktop\":\"../../etc\","
		"\"name\":\"n\",\"user\":\"\",\"began\":1,\"ended\":2,\"days\":3}",
		"{\"id\":\"00000000-0000-4000-8000-000000000007\",\"desktop\":\"" DESKTOP
		"\",\"name\":\"n\",\"user\":\"\",\"began\":1,\"ended\":2,\"days\":4000}",
	};
	struct host_recordings *r;
	char name[80];
	unsigned i;

	(void)state;
	lay_recording(0, NOW, NOW + 1, 30, 10);
	for (i = 0; i < ARRAY_LEN(damaged); i++) {
		snprintf(name, sizeof(name), "%s.json", id_of(i + 1));
		lay(name, damaged[i], strlen(damaged[i]));
		snprintf(name, sizeof(name), "%s.mkv", id_of(i + 1));
		lay(name, "x", 1);
	}
	lay("notes.json", "{}", 2);
	lay("AAAAAAAA-0000-4000-8000-000000000000.json", "{}", 2);
	lay("00000000-0000-4000-8000-000000000099.json.new.4711", "{\"id\":\"0", 8);
	lay("00000000-0000-4000-8000-000000000098.mkv", "x", 1);
	r = opened();
	assert_int_equal(count(r), 1);
	(void)host_recordings_tick(r, NOW + 400ll * DAY);
	assert_int_equal(count(r), 0);
	for (i = 0; i < ARRAY_LEN(damaged); i++)
		assert_true(there(id_of(i + 1), "mkv") && there(id_of(i + 1), "json"));
	assert_int_equal(access(path_of("notes.json"), F_OK), 0);
	host_recordings_free(r);
}

static void an_order_deletes_what_has_ended_and_no_other_file(void **state)
{
	struct host_recordings *r = opened();
	char a[HOST_UUID], b[HOST_UUID];
	cleanup_json json_t *ids = NULL;
	int fd;

	(void)state;
	recorded(r, NOW, NOW + 1, 30, 10, a);
	fd = begin(r, NOW, 30, 10, b);
	assert_true(fd >= 0);
	lay("precious.mkv", "x", 1);
	ids = json_pack("[s,s,s,s,i,n]", b, "precious", "../recordings/precious",
			"00000000-0000-4000-8000-000000000000", 7);
	assert_false(host_recordings_drop(r, ids));
	assert_false(host_recordings_drop(r, NULL));
	assert_int_equal(json_array_append_new(ids, json_string(a)), 0);
	assert_true(host_recordings_drop(r, ids));
	assert_false(there(a, "mkv") || there(a, "json"));
	assert_true(there(b, "mkv"));
	assert_int_equal(access(path_of("precious.mkv"), F_OK), 0);
	close(fd);
	host_recordings_free(r);
}

/* A user's name is cut between characters, or it could not be said at all. */
static void a_long_name_is_cut_between_characters(void **state)
{
	struct host_recordings *r = opened();
	struct host_recording_of of = {DESKTOP, "office-1", NULL, 30, NOW};
	char id[HOST_UUID], user[160] = "a";
	cleanup_json json_t *o = NULL;
	int fd;

	(void)state;
	for (int i = 0; i < 70; i++)
		memcpy(user + 1 + (size_t)2 * i, "å", 3);
	of.user = user;
	fd = host_recordings_begin(r, &of, id, NULL);
	assert_true(fd >= 0);
	o = first(r);
	assert_int_equal(strlen(json_string_value(json_object_get(o, "user"))), 127);
	close(fd);
	of.user = user + 1;
	fd = host_recordings_begin(r, &of, id, NULL);
	assert_true(fd >= 0);
	assert_int_equal(count(r), 2);
	close(fd);
	host_recordings_free(r);
}

/* A disk that is full when the list is written: nothing has begun, and nothing is left. */
static void one_that_cannot_be_noted_does_not_begin(void **state)
{
	struct host_recordings *r = opened();
	struct rlimit had, none;
	char id[HOST_UUID];
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
	none = had;
	none.rlim_cur = 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	fd = begin(r, NOW, 30, 0, id);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
	assert_int_equal(fd, -EFBIG);
	assert_int_equal(count(r), 0);
	host_recordings_free(r);
	assert_int_equal(rmdir(dir), 0); /* it is empty */
}

/* A file system of less than what a recording is to find free; 77 = not possible here. */
static int small_disk(void)
{
	struct host_recordings *r;
	struct err e = {0};
	char id[HOST_UUID];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", state_dir, "tmpfs", 0, "size=8m") < 0)
		return 77;
	r = host_recordings_new(&conf, NULL);
	if (!r || host_recordings_room(r, &e) != -ENOSPC || !strstr(e.msg, "64 MiB"))
		return 1;
	if (begin(r, NOW, 30, 0, id) != -ENOSPC || count(r) != 0)
		return 2;
	host_recordings_free(r);
	return rmdir(dir) < 0 ? 3 : 0;
}

static void a_small_disk_takes_none_and_says_so(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(small_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("not here: no mounts of its own\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void without_a_folder_none_begins(void **state)
{
	struct host_recordings *r;
	char id[HOST_UUID];

	(void)state;
	assert_int_equal(file_write(dir, "x", 1, 0600, NULL), 0); /* in its place */
	r = opened();
	assert_int_equal(count(r), 0);
	assert_int_equal(begin(r, NOW, 30, 0, id), -ENOTDIR);
	assert_int_equal(unlink(dir), 0);
	assert_int_equal(host_recordings_room(r, NULL), 0);
	recorded(r, NOW, NOW + 1, 30, 5, id);
	assert_int_equal(count(r), 1);
	host_recordings_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_is_reported_from_its_beginning_to_its_end,
						setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_stays_of_one_in_which_nothing_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(each_goes_when_its_own_days_are_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(beyond_the_cap_the_oldest_ended_go, setup,
						teardown),
		cmocka_unit_test_setup_teardown(of_too_many_the_oldest_go, setup_in_memory,
						teardown),
		cmocka_unit_test_setup_teardown(the_list_of_most_with_long_texts_fits_a_report,
						setup_in_memory, teardown),
		cmocka_unit_test_setup_teardown(an_agent_started_again_knows_them, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_went_on_has_ended_when_it_was_last_written,
						setup, teardown),
		cmocka_unit_test_setup_teardown(one_whose_film_is_gone_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(an_order_deletes_what_has_ended_and_no_other_file,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_name_is_cut_between_characters, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_that_cannot_be_noted_does_not_begin, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_small_disk_takes_none_and_says_so, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_a_folder_none_begins, setup, teardown),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
