/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * getopt_long over one table for all commands; each command then says what it needs.
 */
#include "vmm/image/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define VIRTUAL_DEFAULT_MIB (256ull << 10)
#define DATA_DEFAULT	    (64ull << 30)
#define VIRTUAL_MAX_MIB	    (16ull << 20)

static const char help[] =
	"usage: pane-image inspect FILE [--json] [--quick] [--disk N]\n"
	"       pane-image convert FILE OUTDIR --name NAME [options]\n"
	"       pane-image seed OUTFILE --hostname NAME [options]\n"
	"       pane-image build RECIPE OUTDIR [--force] [--recipes DIR]\n"
	"       pane-image build RECIPE --simulate | --list\n"
	"\n"
	"Turns disk files and appliances into images for desktops.\n"
	"\n"
	"inspect and convert (raw, qcow2, vmdk, vdi, vhdx, OVA, OVF):\n"
	"  --disk N            which disk of an appliance (from 1)\n"
	"  --max-virtual MIB   largest virtual disk taken (default: 262144)\n"
	"  --max-bytes BYTES   most data written (default: 68719476736)\n"
	"  --json              inspect: print JSON\n"
	"  --quick             inspect: do not look inside the disk\n"
	"  --name NAME         convert: name of the image\n"
	"  --sha256 HEX        convert: refuse a file with another checksum\n"
	"\n"
	"seed (a cloud-init NoCloud volume):\n"
	"  --hostname NAME     host name\n"
	"  --user NAME         the user's account; without it none is made\n"
	"  --gecos TEXT        the user's full name\n"
	"  --sudo              the user may become root\n"
	"  --home-disk         the home directory is the disk labelled pane-home\n"
	"  --ssh-key FILE      public key that may log in as the user\n"
	"  --timezone ZONE     like Europe/Berlin\n"
	"  --keyboard LAYOUT   like de, or de:nodeadkeys\n"
	"  --packages LIST     Debian packages to install, separated by commas\n"
	"  --script FILE       run once as root at first boot\n"
	"  --instance ID       a new one makes first boot happen again (default: host name)\n"
	"\n"
	"build (recipes for mmdebstrap):\n"
	"  --recipes DIR       where recipes lie (default: $PANE_RECIPES, those installed, "
	"deploy/image)\n"
	"  --simulate          only see whether the packages can be had\n"
	"  --force             build although the image is up to date\n"
	"  --list              list the recipes\n"
	"\n"
	"  --help              print this text\n"
	"  --version           print the version\n";

const char *img_options_help(void)
{
	return help;
}

enum {
	O_DISK = 256,
	O_VIRTUAL,
	O_BYTES,
	O_JSON,
	O_QUICK,
	O_NAME,
	O_SHA256,
	O_HOSTNAME,
	O_USER,
	O_GECOS,
	O_SUDO,
	O_HOME_DISK,
	O_SSH_KEY,
	O_TIMEZONE,
	O_KEYBOARD,
	O_PACKAGES,
	O_SCRIPT,
	O_INSTANCE,
	O_RECIPES,
	O_SIMULATE,
	O_FORCE,
	O_LIST,
	O_HELP,
	O_VERSION
};

static const struct option longs[] = {
	{"disk", required_argument, NULL, O_DISK},
	{"max-virtual", required_argument, NULL, O_VIRTUAL},
	{"max-bytes", required_argument, NULL, O_BYTES},
	{"json", no_argument, NULL, O_JSON},
	{"quick", no_argument, NULL, O_QUICK},
	{"name", required_argument, NULL, O_NAME},
	{"sha256", required_argument, NULL, O_SHA256},
	{"hostname", required_argument, NULL, O_HOSTNAME},
	{"user", required_argument, NULL, O_USER},
	{"gecos", required_argument, NULL, O_GECOS},
	{"sudo", no_argument, NULL, O_SUDO},
	{"home-disk", no_argument, NULL, O_HOME_DISK},
	{"ssh-key", required_argument, NULL, O_SSH_KEY},
	{"timezone", required_argument, NULL, O_TIMEZONE},
	{"keyboard", required_argument, NULL, O_KEYBOARD},
	{"packages", required_argument, NULL, O_PACKAGES},
	{"script", required_argument, NULL, O_SCRIPT},
	{"instance", required_argument, NULL, O_INSTANCE},
	{"recipes", required_argument, NULL, O_RECIPES},
	{"simulate", no_argument, NULL, O_SIMULATE},
	{"force", no_argument, NULL, O_FORCE},
	{"list", no_argument, NULL, O_LIST},
	{"help", no_argument, NULL, O_HELP},
	{"version", no_argument, NULL, O_VERSION},
	{0},
};

static int number(const char *option, const char *s, uint64_t max, uint64_t *out, struct err *e)
{
	char *end;

	errno = 0;

	unsigned long long v = strtoull(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || errno || v < 1 || v > max)
		return err_set(e, -EINVAL, "%s %s: give a number from 1 to %llu", option, s,
			       (unsigned long long)max);
	*out = v;
	return 0;
}

static const char **text_option(struct img_options *o, int c)
{
	switch (c) {
	case O_NAME:
		return &o->name;
	case O_SHA256:
		return &o->sha256;
	case O_HOSTNAME:
		return &o->seed.hostname;
	case O_USER:
		return &o->seed.user;
	case O_GECOS:
		return &o->seed.gecos;
	case O_SSH_KEY:
		return &o->seed.ssh_key;
	case O_TIMEZONE:
		return &o->seed.timezone;
	case O_KEYBOARD:
		return &o->seed.keyboard;
	case O_PACKAGES:
		return &o->seed.packages;
	case O_SCRIPT:
		return &o->seed.script;
	case O_INSTANCE:
		return &o->seed.instance;
	case O_RECIPES:
		return &o->build.recipes;
	default:
		return NULL;
	}
}

static int set(struct img_options *o, int c, const char *arg, struct err *e)
{
	const char **text = text_option(o, c);
	uint64_t v = 0;
	int r = 0;

	if (text) {
		*text = arg;
		return 0;
	}
	switch (c) {
	case O_DISK:
		r = number("--disk", arg, OVF_DISKS_MAX, &v, e);
		o->disk = (unsigned)v;
		break;
	case O_VIRTUAL:
		r = number("--max-virtual", arg, VIRTUAL_MAX_MIB, &v, e);
		o->lim.virtual_bytes = v << 20;
		break;
	case O_BYTES:
		r = number("--max-bytes", arg, VIRTUAL_MAX_MIB << 20, &o->lim.data_bytes, e);
		break;
	case O_JSON:
		o->json = true;
		break;
	case O_QUICK:
		o->quick = true;
		break;
	case O_SUDO:
		o->seed.sudo = true;
		break;
	case O_HOME_DISK:
		o->seed.home_disk = true;
		break;
	case O_SIMULATE:
		o->build.simulate = true;
		break;
	case O_FORCE:
		o->build.force = true;
		break;
	case O_LIST:
		o->command = IMG_CMD_RECIPES;
		break;
	case O_HELP:
		o->command = IMG_CMD_HELP;
		return 1;
	case O_VERSION:
		o->command = IMG_CMD_VERSION;
		return 1;
	default:
		r = err_set(e, -EINVAL, "see pane-image --help");
	}
	return r;
}

/* docs/contracts.md: a plain lower-case name, as it becomes a directory. */
static bool name_ok(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

	return s && *s && *s != '.' && *s != '-' && strlen(s) < 48 && strspn(s, plain) == strlen(s);
}

static int need(const struct img_options *o, struct err *e)
{
	static const int words[] = {[IMG_CMD_INSPECT] = 1,
				    [IMG_CMD_CONVERT] = 2,
				    [IMG_CMD_SEED] = 1,
				    [IMG_CMD_BUILD] = 2,
				    [IMG_CMD_RECIPES] = 0};
	int want = words[o->command] - (o->command == IMG_CMD_BUILD && o->build.simulate);

	if (o->words != want)
		return err_set(e, -EINVAL, "%s: see pane-image --help",
			       o->words < want ? "something is missing" : "too many arguments");
	if (o->command == IMG_CMD_CONVERT && !name_ok(o->name))
		return err_set(e, -EINVAL, "--name: give a plain lower-case name");
	if (o->sha256 &&
	    (strlen(o->sha256) != 64 || strspn(o->sha256, "0123456789abcdefABCDEF") != 64))
		return err_set(e, -EINVAL, "--sha256: give 64 hexadecimal digits");
	return 0;
}

int img_options_parse(int argc, char **argv, struct img_options *o, struct err *e)
{
	static const struct {
		const char *word;
		enum img_command command;
	} commands[] = {{"inspect", IMG_CMD_INSPECT},
			{"convert", IMG_CMD_CONVERT},
			{"seed", IMG_CMD_SEED},
			{"build", IMG_CMD_BUILD}};
	int c, r;
	size_t i;

	*o = (struct img_options){.lim = {VIRTUAL_DEFAULT_MIB << 20, DATA_DEFAULT}};
	o->build.recipes = img_build_recipes(o->recipes_dir);
	if (argc < 2)
		return err_set(e, -EINVAL, "say what to do: inspect, convert, seed or build");
	for (i = 0; i < ARRAY_LEN(commands) && strcmp(argv[1], commands[i].word) != 0; i++)
		;
	if (i == ARRAY_LEN(commands) && argv[1][0] != '-')
		return err_set(e, -EINVAL, "%s is no command: inspect, convert, seed or build",
			       argv[1]);
	if (i < ARRAY_LEN(commands))
		o->command = commands[i].command;
	optind = i < ARRAY_LEN(commands) ? 2 : 1;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if ((r = set(o, c, optarg, e)) != 0)
			return r < 0 ? r : 0;
	}
	if (i == ARRAY_LEN(commands))
		return err_set(e, -EINVAL, "say what to do: inspect, convert, seed or build");
	for (; optind < argc; optind++, o->words++) {
		if (o->words < 2)
			o->word[o->words] = argv[optind];
	}
	return need(o, e);
}
