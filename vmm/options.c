/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * getopt_long, then one setter per option. Limits are named here, and every refusal says the limit.
 */
#include "vmm/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "vmm/devices.h"
#include "vmm/kvm.h"
#include "vmm/pc/pc.h"

#define MEMORY_MIN_MIB 128
#define MEMORY_MAX_MIB (64 * 1024)
#define SIDE_MIN_PX    320
#define SIDE_MAX_PX    8192
#define WAKE_MAX_MS    60000

static const char help[] =
	"usage: pane-vmm --kernel FILE [options]\n"
	"       pane-vmm --firmware bios|efi [options]\n"
	"       pane-vmm --probe\n"
	"\n"
	"Runs one desktop as a virtual machine on KVM.\n"
	"\n"
	"  --name NAME         name in log lines (default: desktop)\n"
	"  --cpus N            virtual processors, 1 to 16 (default: 1)\n"
	"  --memory MIB        memory in MiB, 128 to 65536 (default: 512)\n"
	"  --memory-merge      equal pages of this host's desktops are merged (KSM)\n"
	"  --memory-huge       in huge pages where the host has some\n"
	"  --kernel FILE       Linux kernel (bzImage)\n"
	"  --initrd FILE       initial RAM disk\n"
	"  --cmdline TEXT      kernel command line\n"
	"  --firmware bios|efi boot by SeaBIOS or OVMF instead of --kernel\n"
	"  --firmware-image FILE  another image than the distribution's\n"
	"  --firmware-vars FILE   where UEFI variables are kept; made when missing\n"
	"  --firmware-log FILE    what the firmware says\n"
	"  --cdrom FILE        ISO image in a CD drive of a PC\n"
	"  --boot ORDER        of disk, cdrom, net; comma between (default: disk,cdrom,net)\n"
	"  --boot-menu         offer the firmware's boot menu at the start\n"
	"  --disk SPEC         raw=FILE, or base=FILE[,layer=FILE],overlay=FILE; up to three\n"
	"                      more as raw=FILE or raw=FILE,readonly\n"
	"  --disk-bus virtio|ahci|nvme  what the disks are to the guest (default: virtio)\n"
	"  --disk-engine auto|uring|threads  how disks transfer: by an io_uring, by worker\n"
	"                      threads, or (default) by the first where there is one\n"
	"  --disk-limit SPEC   bytes=N,ops=N,burst=MS: of each disk, a second; burst is what\n"
	"                      may be saved up (default: 100 ms); what is left out is free\n"
	"  --net-limit SPEC    the same for the network, of either direction\n"
	"  --net user|none     network (default: none)\n"
	"  --net tap=NAME[,queues=N][,ip=ADDRESS]  a tap device that is there; the guest\n"
	"                      speaks from its own addresses only; queues (1 to 8) as many as\n"
	"                      processors use it at once, of a device with multi_queue\n"
	"  --net fd=N[:N...][,ip=ADDRESS]  the same of descriptors that were passed, one a queue\n"
	"  --sound             a sound card, heard where the display listens; with --restore\n"
	"                      the snapshot's card is heard\n"
	"  --agent SOCKET      where whoever speaks with the guest's qemu-guest-agent connects\n"
	"  --clipboard         the display shares the clipboard of the guest's spice-vdagent;\n"
	"                      with --restore where the snapshot has its port\n"
	"  --vsock SOCKET      where programs here meet those of the guest by AF_VSOCK\n"
	"  --mac ADDRESS       network address of the desktop\n"
	"  --surface SOCKET    where the display connects\n"
	"  --control SOCKET    where the host agent connects\n"
	"  --serial FILE       log of the serial console\n"
	"  --state FILE        why it ended, as JSON\n"
	"  --size WIDTHxHEIGHT size of the screen in pixels (default: 1280x800)\n"
	"  --ready serial|frame what makes the desktop ready: the line pane.ready on the\n"
	"                      serial console (default), or the first frame\n"
	"  --tpm SOCKET        a TPM 2.0, by the swtpm that listens there for control\n"
	"  --windows           what Windows expects: Hyper-V's interface, the clock in local time\n"
	"  --restore DIR       go on from the snapshot in DIR instead of booting\n"
	"  --incoming SOCKET   go on with the machine that another pane-vmm sends: a socket to\n"
	"                      listen on, or fd:N, a connected one\n"
	"  --clone             go on as another desktop than the one in the snapshot, with\n"
	"                      an identity of its own\n"
	"  --identity          give the guest the disk clones learn their identity from\n"
	"  --wake MS           let halted processors look again so often; 0 never (default:\n"
	"                      never, and 250 where the host itself is emulated)\n"
	"  --probe             print what this host's KVM is good for, as JSON\n"
	"  --help              print this text\n"
	"  --version           print the version\n"
	"\n"
	"Exit status: 0 power-off or quit, 1 bad arguments or failed start, 3 reset by the\n"
	"guest, 4 panic of the guest, 5 internal error.\n";

const char *options_help(void)
{
	return help;
}

enum {
	O_NAME = 256,
	O_CPUS,
	O_MEMORY,
	O_MEMORY_MERGE,
	O_MEMORY_HUGE,
	O_KERNEL,
	O_INITRD,
	O_CMDLINE,
	O_FIRMWARE,
	O_FIRMWARE_IMAGE,
	O_FIRMWARE_VARS,
	O_FIRMWARE_LOG,
	O_CDROM,
	O_BOOT,
	O_BOOT_MENU,
	O_DISK,
	O_DISK_BUS,
	O_DISK_ENGINE,
	O_DISK_LIMIT,
	O_NET_LIMIT,
	O_NET,
	O_SOUND,
	O_AGENT,
	O_CLIPBOARD,
	O_VSOCK,
	O_MAC,
	O_SURFACE,
	O_CONTROL,
	O_SERIAL,
	O_STATE,
	O_SIZE,
	O_READY,
	O_TPM,
	O_WINDOWS,
	O_RESTORE,
	O_INCOMING,
	O_CLONE,
	O_IDENTITY,
	O_WAKE,
	O_PROBE,
	O_HELP,
	O_VERSION,
};

static const struct option longs[] = {
	{"name", required_argument, NULL, O_NAME},
	{"cpus", required_argument, NULL, O_CPUS},
	{"memory", required_argument, NULL, O_MEMORY},
	{"memory-merge", no_argument, NULL, O_MEMORY_MERGE},
	{"memory-huge", no_argument, NULL, O_MEMORY_HUGE},
	{"kernel", required_argument, NULL, O_KERNEL},
	{"initrd", required_argument, NULL, O_INITRD},
	{"cmdline", required_argument, NULL, O_CMDLINE},
	{"firmware", required_argument, NULL, O_FIRMWARE},
	{"firmware-image", required_argument, NULL, O_FIRMWARE_IMAGE},
	{"firmware-vars", required_argument, NULL, O_FIRMWARE_VARS},
	{"firmware-log", required_argument, NULL, O_FIRMWARE_LOG},
	{"cdrom", required_argument, NULL, O_CDROM},
	{"boot", required_argument, NULL, O_BOOT},
	{"boot-menu", no_argument, NULL, O_BOOT_MENU},
	{"disk", required_argument, NULL, O_DISK},
	{"disk-bus", required_argument, NULL, O_DISK_BUS},
	{"disk-engine", required_argument, NULL, O_DISK_ENGINE},
	{"disk-limit", required_argument, NULL, O_DISK_LIMIT},
	{"net-limit", required_argument, NULL, O_NET_LIMIT},
	{"net", required_argument, NULL, O_NET},
	{"sound", no_argument, NULL, O_SOUND},
	{"agent", required_argument, NULL, O_AGENT},
	{"vsock", required_argument, NULL, O_VSOCK},
	{"clipboard", no_argument, NULL, O_CLIPBOARD},
	{"mac", required_argument, NULL, O_MAC},
	{"surface", required_argument, NULL, O_SURFACE},
	{"control", required_argument, NULL, O_CONTROL},
	{"serial", required_argument, NULL, O_SERIAL},
	{"state", required_argument, NULL, O_STATE},
	{"size", required_argument, NULL, O_SIZE},
	{"ready", required_argument, NULL, O_READY},
	{"tpm", required_argument, NULL, O_TPM},
	{"windows", no_argument, NULL, O_WINDOWS},
	{"restore", required_argument, NULL, O_RESTORE},
	{"incoming", required_argument, NULL, O_INCOMING},
	{"clone", no_argument, NULL, O_CLONE},
	{"identity", no_argument, NULL, O_IDENTITY},
	{"wake", required_argument, NULL, O_WAKE},
	{"probe", no_argument, NULL, O_PROBE},
	{"help", no_argument, NULL, O_HELP},
	{"version", no_argument, NULL, O_VERSION},
	{0},
};

static int number(const char *option, const char *s, uint64_t min, uint64_t max, uint64_t *out,
		  struct err *e)
{
	char *end;

	errno = 0;

	unsigned long long v = strtoull(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || errno || v < min || v > max)
		return err_set(e, -EINVAL, "%s %s: give a number from %llu to %llu", option, s,
			       (unsigned long long)min, (unsigned long long)max);
	*out = v;
	return 0;
}

static int set_more_disk(struct options *o, char *spec, struct err *e)
{
	char *comma = strchr(spec, ',');

	for (unsigned i = 0; i < OPTIONS_MORE_DISKS; i++) {
		if (o->more[i])
			continue;
		if (strncmp(spec, "raw=", 4) || !spec[4] || comma == spec + 4 ||
		    (comma && strcmp(comma, ",readonly")))
			return err_set(e, -EINVAL,
				       "--disk %s: a further disk is raw=FILE or raw=FILE,readonly",
				       spec);
		if (comma)
			*comma = 0;
		o->more[i] = spec + 4;
		o->more_readonly[i] = comma != NULL;
		return 0;
	}
	return err_set(e, -EINVAL, "--disk %s: at most %d disks", spec, OPTIONS_MORE_DISKS + 1);
}

static int set_disk_engine(struct options *o, const char *word, struct err *e)
{
	static const char *const words[] = {"auto", "uring", "threads"}; /* enum vm_disk_engine */

	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(word, words[i])) {
			o->disk_engine = i;
			return 0;
		}
	return err_set(e, -EINVAL, "--disk-engine %s: give auto, uring or threads", word);
}

static int set_disk(struct options *o, char *spec, struct err *e)
{
	char *comma, *layer;

	if (o->disk_raw || o->disk_base)
		return set_more_disk(o, spec, e);
	if (!strncmp(spec, "raw=", 4) && spec[4]) {
		o->disk_raw = spec + 4;
		o->disk_base = o->disk_overlay = o->disk_layer = NULL;
		return 0;
	}
	comma = strstr(spec, ",overlay=");
	layer = strstr(spec, ",layer=");
	if (layer > comma)
		layer = NULL; /* part of the overlay's name */
	if (strncmp(spec, "base=", 5) || !comma || comma == spec + 5 || layer == spec + 5 ||
	    (layer && layer + 7 == comma) || !comma[9])
		return err_set(e, -EINVAL,
			       "--disk %s: give raw=FILE or base=FILE[,layer=FILE],overlay=FILE",
			       spec);
	*comma = 0;
	if (layer)
		*layer = 0;
	o->disk_layer = layer ? layer + 7 : NULL;
	o->disk_raw = NULL;
	o->disk_base = spec + 5;
	o->disk_overlay = comma + 9;
	return 0;
}

/* Words bytes=N, ops=N, burst=MS with a comma between. */
static int set_limit(const char *option, struct limit *limit, const char *spec, struct err *e)
{
	*limit = (struct limit){0};
	for (const char *at = spec;; at++) {
		unsigned long long v = 0;
		char word[8];
		int n = 0;

		if (sscanf(at, "%7[a-z]=%13llu%n", word, &v, &n) != 2 || (at[n] && at[n] != ','))
			v = ULLONG_MAX;
		if (!strcmp(word, "bytes"))
			limit->bytes_per_s = v;
		else if (!strcmp(word, "ops"))
			limit->ops_per_s = v;
		else if (!strcmp(word, "burst"))
			limit->burst_ms = v <= UINT32_MAX ? (uint32_t)v : UINT32_MAX;
		else
			v = ULLONG_MAX;
		if (v == ULLONG_MAX || !limit_ok(limit))
			return err_set(e, -EINVAL,
				       "%s %s: give bytes=N,ops=N,burst=MS, each or some", option,
				       spec);
		at += n;
		if (!*at)
			return 0;
	}
}

static int set_size(struct options *o, const char *s, struct err *e)
{
	unsigned w, h;
	char rest;

	if (sscanf(s, "%5ux%5u%c", &w, &h, &rest) != 2 || w < SIDE_MIN_PX || w > SIDE_MAX_PX ||
	    h < SIDE_MIN_PX || h > SIDE_MAX_PX)
		return err_set(e, -EINVAL, "--size %s: give WIDTHxHEIGHT, each from %d to %d", s,
			       SIDE_MIN_PX, SIDE_MAX_PX);
	o->width = w;
	o->height = h;
	return 0;
}

static int set_mac(struct options *o, const char *s, struct err *e)
{
	unsigned b[6];
	char rest;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", b, b + 1, b + 2, b + 3, b + 4, b + 5, &rest) !=
		    6 ||
	    (b[0] & 1))
		return err_set(e, -EINVAL,
			       "--mac %s: give a unicast address like 52:54:00:12:34:56", s);
	o->mac = s;
	return 0;
}

static int one_of(const char *option, const char *s, const char *a, const char *b, struct err *e)
{
	if (!strcmp(s, a))
		return 0;
	if (!strcmp(s, b))
		return 1;
	return err_set(e, -EINVAL, "%s %s: give %s or %s", option, s, a, b);
}

static int set_disk_bus(struct options *o, const char *s, struct err *e)
{
	static const char *const words[] = {
		[VM_DISK_VIRTIO] = "virtio", [VM_DISK_AHCI] = "ahci", [VM_DISK_NVME] = "nvme"};

	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(s, words[i])) {
			o->disk_bus = i;
			return 0;
		}
	return err_set(e, -EINVAL, "--disk-bus %s: give virtio, ahci or nvme", s);
}

static int set_net_fds(struct options *o, char *list, struct err *e)
{
	o->net_queues = 0;
	for (char *at = list, *end; at; at = end) {
		uint64_t fd = 0;

		end = strchr(at, ':');
		if (end)
			*end++ = 0;
		if (o->net_queues == NET_FD_MAX)
			return err_set(e, -EINVAL, "--net fd=: give at most %d descriptors",
				       NET_FD_MAX);
		if (number("--net fd=", at, 3, INT_MAX, &fd, e) < 0)
			return -EINVAL;
		for (unsigned i = 0; i < o->net_queues; i++)
			if (o->net_fd[i] == (int)fd)
				return err_set(e, -EINVAL, "--net fd=: %s is there twice", at);
		o->net_fd[o->net_queues++] = (int)fd;
	}
	return 0;
}

/* One of the words behind tap=NAME and fd=N: ip=ADDRESS, or of a tap queues=N. */
static bool set_net_word(struct options *o, const char *word, bool tap)
{
	struct in_addr ip = {0};
	uint64_t queues = 0;

	if (!strncmp(word, "ip=", 3) && inet_pton(AF_INET, word + 3, &ip) == 1 && ip.s_addr)
		o->net_ip = ntohl(ip.s_addr);
	else if (tap && !strncmp(word, "queues=", 7) &&
		 number("queues", word + 7, 1, NET_FD_MAX, &queues, NULL) == 0)
		o->net_queues = (unsigned)queues;
	else
		return false;
	return true;
}

/* user, none, tap=NAME or fd=N[:N…], the last two with words behind commas. */
static int set_net(struct options *o, char *arg, struct err *e)
{
	bool tap = !strncmp(arg, "tap=", 4), passed = !strncmp(arg, "fd=", 3), good = tap || passed;
	char *words = good ? strchr(arg, ',') : NULL;
	const char *bad = "";

	if (!strcmp(arg, "user") || !strcmp(arg, "none")) {
		o->net = arg;
		return 0;
	}
	o->net_ip = 0;
	o->net_queues = 1;
	if (words)
		*words++ = 0;
	while (good && words) {
		char *next = strchr(words, ',');

		if (next)
			*next++ = 0;
		good = set_net_word(o, words, tap);
		bad = words;
		words = next;
	}
	if (!good)
		return err_set(e, -EINVAL,
			       "--net %s%s%s: give user, none, tap=NAME or fd=N[:N...], the last "
			       "two with ,ip=ADDRESS or without, tap with ,queues=N (1 to %d) or "
			       "without",
			       arg, *bad ? "," : "", bad, NET_FD_MAX);
	o->net = tap ? "tap" : "fd";
	o->tap = arg + 4;
	if (tap && (!arg[4] || strlen(arg + 4) >= IF_NAMESIZE))
		return err_set(e, -EINVAL, "--net %s: a name has 1 to %d characters", arg,
			       IF_NAMESIZE - 1);
	return passed ? set_net_fds(o, arg + 3, e) : 0;
}

/* Each word at most once; what is left out is not booted from. */
static int set_boot(struct options *o, const char *s, struct err *e)
{
	static const char *const words[] = {"disk", "cdrom", "net"};
	unsigned seen = 0;

	for (const char *at = s;; at++) {
		size_t n = strcspn(at, ",");
		unsigned i = 0;

		while (i < ARRAY_LEN(words) &&
		       (strlen(words[i]) != n || strncmp(at, words[i], n) != 0))
			i++;
		if (i == ARRAY_LEN(words) || (seen & 1u << i))
			return err_set(e, -EINVAL, "--boot %s: give each of disk, cdrom, net once",
				       s);
		seen |= 1u << i;
		at += n;
		if (!*at)
			break;
	}
	o->boot_order = s;
	return 0;
}

static const char **path_of(struct options *o, int opt)
{
	switch (opt) {
	case O_NAME:
		return &o->name;
	case O_KERNEL:
		return &o->kernel;
	case O_INITRD:
		return &o->initrd;
	case O_CMDLINE:
		return &o->cmdline;
	case O_FIRMWARE_IMAGE:
		return &o->firmware_image;
	case O_FIRMWARE_VARS:
		return &o->variables;
	case O_FIRMWARE_LOG:
		return &o->firmware_log;
	case O_CDROM:
		return &o->cdrom;
	case O_TPM:
		return &o->tpm;
	case O_AGENT:
		return &o->agent;
	case O_VSOCK:
		return &o->vsock;
	case O_SURFACE:
		return &o->surface;
	case O_CONTROL:
		return &o->control;
	case O_SERIAL:
		return &o->serial;
	case O_STATE:
		return &o->state;
	case O_RESTORE:
		return &o->restore;
	case O_INCOMING:
		return &o->incoming;
	default:
		return NULL;
	}
}

/* What an option without a value switches on; NULL for the others. */
static bool *flag_of(struct options *o, int opt)
{
	switch (opt) {
	case O_MEMORY_MERGE:
		return &o->memory_merge;
	case O_MEMORY_HUGE:
		return &o->memory_huge;
	case O_BOOT_MENU:
		return &o->boot_menu;
	case O_WINDOWS:
		return &o->windows;
	case O_SOUND:
		return &o->sound;
	case O_CLIPBOARD:
		return &o->clipboard;
	case O_CLONE:
		return &o->clone;
	case O_IDENTITY:
		return &o->identity;
	default:
		return NULL;
	}
}

static int set(struct options *o, int opt, char *arg, struct err *e)
{
	bool *flag = flag_of(o, opt);
	uint64_t v = 0;
	int r;

	if (flag) {
		*flag = true;
		return 0;
	}
	switch (opt) {
	case O_CPUS:
		r = number("--cpus", arg, 1, VM_CPUS_MAX, &v, e);
		o->cpus = (unsigned)v;
		o->cpus_given = true;
		return r;
	case O_MEMORY:
		o->memory_given = true;
		return number("--memory", arg, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &o->memory_mib, e);
	case O_FIRMWARE:
		r = one_of("--firmware", arg, "bios", "efi", e);
		o->firmware = r == 0 ? PC_BIOS : PC_EFI;
		return r < 0 ? r : 0;
	case O_BOOT:
		return set_boot(o, arg, e);
	case O_DISK:
		return set_disk(o, arg, e);
	case O_DISK_BUS:
		return set_disk_bus(o, arg, e);
	case O_DISK_ENGINE:
		return set_disk_engine(o, arg, e);
	case O_DISK_LIMIT:
		return set_limit("--disk-limit", &o->disk_limit, arg, e);
	case O_NET_LIMIT:
		return set_limit("--net-limit", &o->net_limit, arg, e);
	case O_NET:
		return set_net(o, arg, e);
	case O_MAC:
		return set_mac(o, arg, e);
	case O_SIZE:
		return set_size(o, arg, e);
	case O_READY:
		r = one_of("--ready", arg, "serial", "frame", e);
		o->ready_is_frame = r == 1;
		return r < 0 ? r : 0;
	case O_WAKE:
		r = number("--wake", arg, 0, WAKE_MAX_MS, &v, e);
		o->wake_ms = (int64_t)v;
		return r;
	case O_PROBE:
		o->action = OPTIONS_PROBE;
		return 0;
	case O_HELP:
		o->action = OPTIONS_HELP;
		return 0;
	case O_VERSION:
		o->action = OPTIONS_VERSION;
		return 0;
	default:
		*path_of(o, opt) = arg;
		return 0;
	}
}

/* A machine begins in one of three ways, and what only firmware takes goes only with it. */
static int check_start(const struct options *o, struct err *e)
{
	bool pc_only = o->cdrom || o->boot_order || o->boot_menu || o->firmware_image ||
		       o->variables || o->firmware_log;
	const char *saved = o->restore ? "--restore" : o->incoming ? "--incoming" : NULL;

	if (o->firmware && (o->kernel || o->initrd || o->cmdline[0]))
		return err_set(e, -EINVAL,
			       "--firmware does not go with --kernel, --initrd, --cmdline");
	if (!o->firmware && !saved && pc_only)
		return err_set(e, -EINVAL,
			       "--cdrom, --boot, --boot-menu and --firmware-* need --firmware");
	if (!o->firmware && !o->kernel && !saved)
		return err_set(e, -EINVAL,
			       "--kernel, --firmware or --restore is missing; see --help");
	if (o->restore && o->incoming)
		return err_set(e, -EINVAL, "--incoming does not go with --restore");
	if (saved && (o->kernel || o->firmware))
		return err_set(e, -EINVAL, "%s does not go with --kernel or --firmware", saved);
	if (saved && (o->firmware_image || o->boot_order || o->boot_menu || o->windows))
		return err_set(e, -EINVAL,
			       "%s does not go with --firmware-image, --boot, --boot-menu, "
			       "--windows",
			       saved);
	if (o->incoming && o->variables)
		return err_set(e, -EINVAL, "--incoming does not go with --firmware-vars");
	if (saved && o->tpm)
		return err_set(e, -EINVAL, "%s does not go with --tpm, whose state no snapshot has",
			       saved);
	if (o->clone && !o->restore)
		return err_set(e, -EINVAL, "--clone needs --restore");
	return 0;
}

int options_parse(int argc, char **argv, struct options *o, struct err *e)
{
	int opt, r = 0;

	*o = (struct options){.name = "desktop",
			      .cpus = 1,
			      .memory_mib = 512,
			      .cmdline = "",
			      .net = "none",
			      .width = 1280,
			      .height = 800,
			      .wake_ms = -1};
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		struct err one = {0};
		int bad;

		if (opt == '?')
			bad = err_set(&one, -EINVAL, "%s: unknown, or lacks its value; see --help",
				      argv[optind - 1]);
		else
			bad = set(o, opt, optarg, &one);
		if (bad < 0 && r == 0) { /* the first mistake is told, --state may still follow */
			r = bad;
			if (e)
				*e = one;
		}
	}
	if (r == 0 && optind < argc)
		r = err_set(e, -EINVAL, "%s: not an option; see --help", argv[optind]);
	return r == 0 && o->action == OPTIONS_RUN ? check_start(o, e) : r;
}
