/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-vmm's command line, its control lines and its last words.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "vmm/host/vmm_driver.h"

#define ID "11111111-1111-4111-8111-111111111111"

static const char *value_of(const struct host_vmm_argv *a, const char *flag)
{
	for (size_t i = 0; i + 1 < a->n; i++)
		if (a->v[i] && strcmp(a->v[i], flag) == 0)
			return a->v[i + 1];
	return NULL;
}

static void the_command_line(void **state)
{
	struct host_config c = {.vmm = (char[]){"/usr/libexec/pane-vmm"}};
	struct host_image img = {.dir = "/s/images/office",
				 .cmdline = "quiet",
				 .size = "1280x800",
				 .initrd = true,
				 .ready_frame = true};
	struct host_machine_spec s = {.config = &c,
				      .id = ID,
				      .name = "office-1",
				      .dir = "/s/d",
				      .run = "/r/d",
				      .cpus = 2,
				      .memory_mib = 1024,
				      .image = &img};
	struct host_vmm_argv a;

	(void)state;
	assert_int_equal(host_vmm_argv(&s, &a), 0);
	assert_string_equal(a.v[0], "/usr/libexec/pane-vmm");
	assert_string_equal(value_of(&a, "--disk"),
			    "base=/s/images/office/disk.raw,overlay=/s/d/disk.overlay");
	assert_string_equal(value_of(&a, "--cmdline"), "quiet systemd.hostname=office-1");
	assert_string_equal(value_of(&a, "--memory"), "1024");
	assert_string_equal(value_of(&a, "--surface"), "/r/d/surface.sock");
	assert_string_equal(value_of(&a, "--ready"), "frame");
	assert_string_equal(value_of(&a, "--size"), "1280x800");
	assert_null(a.v[a.n]);
	host_vmm_argv_free(&a);
	img = (struct host_image){.dir = "/i"};
	assert_int_equal(host_vmm_argv(&s, &a), 0);
	assert_null(value_of(&a, "--initrd"));
	assert_null(value_of(&a, "--ready"));
	assert_string_equal(value_of(&a, "--cmdline"), "systemd.hostname=office-1");
	host_vmm_argv_free(&a);
}

static void a_mac_is_local_unicast_and_stays(void **state)
{
	char one[18], again[18], two[18];
	unsigned first;

	(void)state;
	host_vmm_mac(ID, one);
	host_vmm_mac(ID, again);
	host_vmm_mac("21111111-1111-4111-8111-111111111111", two);
	assert_string_equal(one, again);
	assert_string_not_equal(one, two);
	assert_int_equal(sscanf(one, "%2x:", &first), 1);
	assert_int_equal(first & 3, 2);
}

static void control_lines(void **state)
{
	static const struct {
		const char *text;
		int r;
		enum host_vmm_line what;
	} lines[] = {
		{"{\"event\":\"ready\"}", 0, HOST_VMM_READY},
		{"{\"event\":\"stopping\",\"reason\":\"x\"}", 0, HOST_VMM_STOPPING},
		{"{\"event\":\"other\",\"ready\":true}", 0, HOST_VMM_OTHER},
		{"{\"state\":\"running\",\"ready\":true}", 0, HOST_VMM_READY},
		{"{\"state\":\"running\",\"ready\":false}", 0, HOST_VMM_NOT_READY},
		{"{}", 0, HOST_VMM_OTHER},
		{"{\"ready\":1}", -71, HOST_VMM_OTHER},
		{"{\"event\":7}", -71, HOST_VMM_OTHER},
		{"[]", -71, HOST_VMM_OTHER},
		{"nonsense", -71, HOST_VMM_OTHER},
		{"", -71, HOST_VMM_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		enum host_vmm_line what;

		assert_int_equal(host_vmm_line(lines[i].text, strlen(lines[i].text), &what),
				 lines[i].r);
		assert_int_equal(what, lines[i].what);
	}
}

static void last_words(void **state)
{
	struct host_exit code0 = {.known = true}, code3 = {.known = true, .code = 3};
	struct host_exit killed = {.known = true, .code = -1, .signal = 9}, unknown = {.code = -1};
	struct host_exit code5 = {.known = true, .code = 5};
	struct host_ended end;

	(void)state;
	host_vmm_ended(&code0, "{\"code\":0,\"reason\":\"quit\"}", &end);
	assert_int_equal(end.how, HOST_END_QUIT);
	host_vmm_ended(&code0, NULL, &end);
	assert_int_equal(end.how, HOST_END_POWEROFF);
	host_vmm_ended(&code3, NULL, &end);
	assert_int_equal(end.how, HOST_END_RESET);
	host_vmm_ended(&killed, "{\"code\":0,\"reason\":\"quit\"}", &end);
	assert_int_equal(end.how, HOST_END_SIGNAL);
	assert_int_equal(end.detail, 9);
	host_vmm_ended(&unknown, NULL, &end); /* adopted, left no word */
	assert_int_equal(end.how, HOST_END_SIGNAL);
	assert_int_equal(end.detail, 0);
	host_vmm_ended(&unknown, "{\"code\":4,\"reason\":\"panic\"}", &end);
	assert_int_equal(end.how, HOST_END_PANIC);
	host_vmm_ended(&code5, "{\"code\":5,\"reason\":\"error: disk \\u001b[2Jgone\"}", &end);
	assert_int_equal(end.how, HOST_END_ERROR);
	assert_null(strchr(end.why, 27));
	assert_int_equal(strncmp(end.why, "disk ", 5), 0);
	host_vmm_ended(&code5, "garbage", &end);
	assert_int_equal(end.how, HOST_END_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_line),
		cmocka_unit_test(a_mac_is_local_unicast_and_stays),
		cmocka_unit_test(control_lines),
		cmocka_unit_test(last_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
