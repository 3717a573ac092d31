/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-vmm's command line.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/host/orders.h"
#include "vmm/host/vmm_driver.h"

#define ID "11111111-1111-4111-8111-111111111111"

static const char *value_of(const struct host_argv *a, const char *flag)
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
				      .home = "",
				      .parent = "",
				      .image = &img};
	struct host_argv a = {0};

	(void)state;
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_string_equal(a.v[0], "/usr/libexec/pane-vmm");
	assert_string_equal(value_of(&a, "--disk"),
			    "base=/s/images/office/disk.raw,overlay=/s/d/disk.overlay");
	assert_string_equal(value_of(&a, "--cmdline"), "quiet systemd.hostname=office-1");
	assert_string_equal(value_of(&a, "--memory"), "1024");
	assert_string_equal(value_of(&a, "--surface"), "/r/d/surface.sock");
	assert_string_equal(value_of(&a, "--ready"), "frame");
	assert_string_equal(value_of(&a, "--size"), "1280x800");
	assert_null(a.v[a.n]);
	host_argv_free(&a);
	img = (struct host_image){.dir = "/i"};
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_null(value_of(&a, "--initrd"));
	assert_null(value_of(&a, "--ready"));
	assert_string_equal(value_of(&a, "--cmdline"), "systemd.hostname=office-1");
	host_argv_free(&a);
}

static bool has(const struct host_argv *a, const char *word)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], word) == 0)
			return true;
	return false;
}

/* A card is there where it may be heard, and in parents, as clones have what their parent has. The
 * agents' ports always are. */
static void sound_is_a_matter_of_policy(void **state)
{
	struct host_config c = {.vmm = (char[]){"/usr/libexec/pane-vmm"}};
	struct host_image img = {.dir = "/i"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct host_machine_spec s = {.config = &c,
					      .id = ID,
					      .name = "office-1",
					      .dir = "/s/d",
					      .run = "/r/d",
					      .home = "",
					      .parent = "",
					      .sound = i == 1,
					      .park = i == 2,
					      .image = &img};
		struct host_argv a = {0};

		assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
		assert_int_equal(has(&a, "--sound"), i > 0);
		assert_true(has(&a, "--clipboard"));
		assert_string_equal(value_of(&a, "--agent"), "/r/d/agent.sock");
		host_argv_free(&a);
	}
	assert_true(host_plays("both") && host_plays("out") && host_plays(""));
	assert_false(host_plays("in") || host_plays("none"));
}

static void an_image_with_a_boot_loader_starts_by_firmware(void **state)
{
	struct host_config c = {.vmm = (char[]){"/usr/libexec/pane-vmm"}};
	struct host_image img = {.dir = "/i", .boot = HOST_BOOT_BIOS};
	struct host_machine_spec s = {.config = &c,
				      .id = ID,
				      .name = "office-1",
				      .dir = "/s/d",
				      .run = "/r/d",
				      .cpus = 1,
				      .memory_mib = 512,
				      .home = "",
				      .parent = "",
				      .image = &img};
	struct host_argv a = {0};

	(void)state;
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_string_equal(value_of(&a, "--firmware"), "bios");
	assert_string_equal(value_of(&a, "--boot"), "disk");
	assert_null(value_of(&a, "--kernel"));
	assert_null(value_of(&a, "--cmdline"));
	assert_null(value_of(&a, "--firmware-vars"));
	host_argv_free(&a);
	img.boot = HOST_BOOT_EFI;
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_string_equal(value_of(&a, "--firmware"), "efi");
	assert_string_equal(value_of(&a, "--firmware-vars"), "/s/d/efi.vars");
	host_argv_free(&a);
}

static void firmware_that_is_not_installed_is_named(void **state)
{
	struct host_image img = {.name = "win", .boot_reason = "found: ntfs"};
	struct err e = {0};

	(void)state;
	assert_int_equal(host_vmm_boots(&img, "/nowhere", &e), 0); /* has a kernel */
	img.boot = HOST_BOOT_EFI;
	assert_int_equal(host_vmm_boots(&img, "/nowhere", &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "ovmf"));
	assert_non_null(strstr(e.msg, "found: ntfs"));
	img.boot = HOST_BOOT_BIOS;
	assert_int_equal(host_vmm_boots(&img, "/nowhere", &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "seabios"));
}

static void clones_and_parents(void **state)
{
	struct host_config c = {.vmm = (char[]){"/v"}, .state_dir = (char[]){"/s"}};
	struct host_image img = {.dir = "/i", .cmdline = "quiet"};
	struct host_machine_spec s = {.config = &c,
				      .id = ID,
				      .name = "office-1",
				      .dir = "/d",
				      .run = "/r",
				      .cpus = 2,
				      .memory_mib = 1024,
				      .home = "",
				      .parent = "office@1-2x1024",
				      .clone = true,
				      .image = &img};
	struct host_argv a = {0};

	(void)state;
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_string_equal(value_of(&a, "--restore"), "/s/parents/office@1-2x1024");
	assert_null(value_of(&a, "--kernel"));
	assert_string_equal(value_of(&a, "--disk"),
			    "base=/i/disk.raw,layer=/s/parents/office@1-2x1024/disk.overlay,"
			    "overlay=/d/disk.overlay");
	host_argv_free(&a);
	s.clone = false; /* booted later, on the disk it began with */
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_null(value_of(&a, "--restore"));
	assert_string_equal(value_of(&a, "--kernel"), "/i/vmlinuz");
	assert_non_null(strstr(value_of(&a, "--disk"), "layer="));
	host_argv_free(&a);
	s.resume = true; /* where it was suspended, on the same disk */
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_string_equal(value_of(&a, "--restore"), "/d/suspended.used");
	assert_null(value_of(&a, "--kernel"));
	assert_null(value_of(&a, "--firmware-vars"));
	assert_non_null(strstr(value_of(&a, "--disk"), "layer="));
	host_argv_free(&a);
	img.boot = HOST_BOOT_EFI;
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_null(value_of(&a, "--firmware"));
	assert_string_equal(value_of(&a, "--firmware-vars"), "/d/efi.vars");
	host_argv_free(&a);
	img.boot = HOST_BOOT_DIRECT;
	s.resume = false;
	s.parent = "";
	s.park = true;
	assert_int_equal(host_vmm_driver.argv(&s, &a), 0);
	assert_string_equal(value_of(&a, "--cmdline"), "quiet"); /* no name its clones would keep */
	assert_non_null(value_of(&a, "--identity"));
	host_argv_free(&a);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_line),
		cmocka_unit_test(sound_is_a_matter_of_policy),
		cmocka_unit_test(an_image_with_a_boot_loader_starts_by_firmware),
		cmocka_unit_test(firmware_that_is_not_installed_is_named),
		cmocka_unit_test(clones_and_parents),
		cmocka_unit_test(a_mac_is_local_unicast_and_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
