/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Desktops in pane-vmm processes: the command line of docs/contracts.md, "Host agent -> pane-vmm".
 */
#include "vmm/host/vmm_driver.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "vmm/host/suspend.h"

void host_vmm_mac(const char *id, char out[18])
{
	uint8_t h[EVP_MAX_MD_SIZE] = {0};

	(void)EVP_Digest(id, strlen(id), h, NULL, EVP_sha256(), NULL);
	snprintf(out, 18, "02:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4]);
}

int host_vmm_boots(const struct host_image *img, const char *share, struct err *e)
{
	bool efi = img->boot == HOST_BOOT_EFI;
	char path[PATH_MAX];
	int r;

	if (img->boot == HOST_BOOT_DIRECT)
		return 0;
	r = path_join(path, sizeof(path), share,
		      efi ? "OVMF/OVMF_CODE_4M.fd" : "seabios/bios-256k.bin");
	if (r == 0 && access(path, R_OK) == 0)
		return 0;
	return err_setw(
		e, -EOPNOTSUPP, "image.firmware",
		"image %s starts by firmware only (%s), and this host has none: install package %s",
		img->name, img->boot_reason, efi ? "ovmf" : "seabios");
}

bool host_vmm_firmware(void)
{
	return host_vmm_boots(&(struct host_image){.boot = HOST_BOOT_BIOS}, HOST_FIRMWARE, NULL) ==
	       0;
}

/* An image that brings its kernel. */
static int add_kernel(const struct host_machine_spec *s, struct host_argv *a)
{
	const struct host_image *img = s->image;
	int r = host_argv_add(a, "--kernel");

	r = r ? r : host_argv_add(a, "%s/vmlinuz", img->dir);
	if (img->initrd) {
		r = r ? r : host_argv_add(a, "--initrd");
		r = r ? r : host_argv_add(a, "%s/initrd.img", img->dir);
	}
	r = r ? r : host_argv_add(a, "--cmdline");
	/* systemd takes the desktop's name as its host name; a name is plain (host_name_ok). A
	 * parent has none: its clones would keep it. */
	if (s->park)
		return r ? r : host_argv_add(a, "%s", img->cmdline);
	return r ? r
		 : host_argv_add(a, "%s%ssystemd.hostname=%s", img->cmdline,
				 img->cmdline[0] ? " " : "", s->name);
}

static int add_clone(const struct host_machine_spec *s, struct host_argv *a)
{
	int r = host_argv_add(a, "--clone");

	r = r ? r : host_argv_add(a, "--restore");
	return r ? r : host_argv_add(a, "%s/parents/%s", s->config->state_dir, s->parent);
}

static int add_variables(const struct host_machine_spec *s, struct host_argv *a)
{
	int r = host_argv_add(a, "--firmware-vars");

	return r ? r : host_argv_add(a, "%s/efi.vars", s->dir);
}

/* Where it was suspended. */
static int add_resume(const struct host_machine_spec *s, struct host_argv *a)
{
	int r = host_argv_add(a, "--restore");

	r = r ? r : host_argv_add(a, "%s/" HOST_SUSPEND_USED, s->dir);
	return r || s->image->boot != HOST_BOOT_EFI ? r : add_variables(s, a);
}

/* An image whose disk has a boot loader. UEFI variables are the desktop's own. */
static int add_firmware(const struct host_machine_spec *s, struct host_argv *a)
{
	bool efi = s->image->boot == HOST_BOOT_EFI;
	int r = host_argv_add(a, "--firmware");

	r = r ? r : host_argv_add(a, "%s", efi ? "efi" : "bios");
	if (efi)
		r = r ? r : add_variables(s, a);
	r = r ? r : host_argv_add(a, "--boot");
	return r ? r : host_argv_add(a, "disk");
}

static int add_rate(const char *option, const struct host_rate *rate, struct host_argv *a)
{
	char words[80];
	int r;

	host_rate_words(rate, words, sizeof(words));
	if (!words[0])
		return 0;
	r = host_argv_add(a, "%s", option);
	return r ? r : host_argv_add(a, "%s", words);
}

/* A parent is nobody's: what it has, all clones of it share. */
static int add_share(const struct host_machine_spec *s, struct host_argv *a)
{
	int r = 0;

	if (s->park)
		return 0;
	if (s->share.merge)
		r = host_argv_add(a, "--memory-merge");
	if (s->share.huge)
		r = r ? r : host_argv_add(a, "--memory-huge");
	r = r ? r : add_rate("--disk-limit", &s->share.disk, a);
	return r ? r : add_rate("--net-limit", &s->share.net, a);
}

static int add_home(const struct host_machine_spec *s, struct host_argv *a)
{
	char path[PATH_MAX];
	int r = host_config_homes(s->config, path, s->home);

	r = r ? r : host_argv_add(a, "--disk");
	return r ? r : host_argv_add(a, "raw=%s.raw", path);
}

static int vmm_argv(const struct host_machine_spec *s, struct host_argv *a)
{
	const struct host_image *img = s->image;
	char mac[18];
	int r = 0;

	host_vmm_mac(s->id, mac);
	r = r ? r : host_argv_add(a, "%s", s->config->vmm);
	r = r ? r : host_argv_add(a, "--name");
	r = r ? r : host_argv_add(a, "%s", s->name);
	r = r ? r : host_argv_add(a, "--cpus");
	r = r ? r : host_argv_add(a, "%d", s->cpus);
	r = r ? r : host_argv_add(a, "--memory");
	r = r ? r : host_argv_add(a, "%d", s->memory_mib);
	r = r ? r : add_share(s, a);
	r = r				    ? r
	    : s->resume			    ? add_resume(s, a)
	    : s->clone			    ? add_clone(s, a)
	    : img->boot == HOST_BOOT_DIRECT ? add_kernel(s, a)
					    : add_firmware(s, a);
	r = r ? r : host_argv_add(a, "--disk");
	if (s->parent[0])
		r = r ? r
		      : host_argv_add(a,
				      "base=%s/disk.raw,layer=%s/parents/%s/disk.overlay,"
				      "overlay=%s/disk.overlay",
				      img->dir, s->config->state_dir, s->parent, s->dir);
	else
		r = r ? r
		      : host_argv_add(a, "base=%s/disk.raw,overlay=%s/disk.overlay", img->dir,
				      s->dir);
	if (s->park)
		r = r ? r : host_argv_add(a, "--identity");
	if (img->seed) {
		r = r ? r : host_argv_add(a, "--disk");
		r = r ? r : host_argv_add(a, "raw=%s/seed.raw,readonly", s->dir);
	}
	if (s->home[0] && s->home_mib)
		r = r ? r : add_home(s, a);
	r = r ? r : host_argv_add(a, "--net");
	r = r ? r : host_argv_add(a, "user");
	r = r ? r : host_argv_add(a, "--mac");
	r = r ? r : host_argv_add(a, "%s", mac);
	if (s->sound || s->park)
		r = r ? r : host_argv_add(a, "--sound");
	r = r ? r : host_argv_add(a, "--agent");
	r = r ? r : host_argv_add(a, "%s/agent.sock", s->run);
	r = r ? r : host_argv_add(a, "--clipboard"); /* its ways are the display's to say */
	r = r ? r : host_argv_add(a, "--surface");
	r = r ? r : host_argv_add(a, "%s/surface.sock", s->run);
	r = r ? r : host_argv_add(a, "--control");
	r = r ? r : host_argv_add(a, "%s/control.sock", s->run);
	r = r ? r : host_argv_add(a, "--serial");
	r = r ? r : host_argv_add(a, "%s/serial.log", s->dir);
	r = r ? r : host_argv_add(a, "--state");
	r = r ? r : host_argv_add(a, "%s/exit.json", s->dir);
	if (img->size[0]) {
		r = r ? r : host_argv_add(a, "--size");
		r = r ? r : host_argv_add(a, "%s", img->size);
	}
	if (img->ready_frame) {
		r = r ? r : host_argv_add(a, "--ready");
		r = r ? r : host_argv_add(a, "frame");
	}
	return r;
}

const struct host_driver host_vmm_driver = {
	.name = "vm",
	.program = "pane-vmm",
	.log = "vmm.log",
	.weighed = true,
	.argv = vmm_argv,
};
