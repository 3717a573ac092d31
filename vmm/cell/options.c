/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * getopt_long, then one setter per option. Limits are named here, and every refusal says the limit.
 */
#include "vmm/cell/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define CPUS_MAX       256
#define MEMORY_MIN_MIB 64
#define MEMORY_MAX_MIB (1024 * 1024)
#define PIDS_MIN       32
#define PIDS_MAX       100000
#define DISK_MIN_MIB   16
#define DISK_MAX_MIB   (4 * 1024 * 1024)
#define IO_MAX_MIB     (1024 * 1024)
#define IO_MAX_OPS     100000000
#define SIDE_MIN_PX    320
#define WIDTH_MAX_PX   3840
#define HEIGHT_MAX_PX  2160
#define NAME_MAX_CHARS 40

static const char help[] =
	"usage: pane-cell --name NAME --root IMAGE --upper DIR --home DIR [options]\n"
	"       pane-cell --probe\n"
	"       pane-cell --cleanup NAME [--scope TEXT]\n"
	"       pane-cell --remove PATH\n"
	"\n"
	"Runs one desktop as a container: the image read-only, changes and home on disks of\n"
	"their own, an X server whose picture is handed to the display.\n"
	"\n"
	"  --name NAME         the desktop's name, also its host name\n"
	"  --scope TEXT        whose desktop it is: a name is one desktop's within a scope\n"
	"  --root IMAGE        the image: a directory, or a file with an ext4 file system\n"
	"  --upper DIR         where the desktop's changes to the image are kept\n"
	"  --home DIR          where the user's files are kept\n"
	"  --reset             throw the changes away first; the home stays\n"
	"  --cpus N            processors' worth of time, 1 to 256 (default: 1)\n"
	"  --memory MIB        memory in MiB, 64 to 1048576 (default: 1024)\n"
	"  --pids N            processes and threads, 32 to 100000 (default: 1024)\n"
	"  --disk MIB          size of each of the two disks, 16 and up (default: 4096);\n"
	"                      0: directories without a limit\n"
	"  --io-mib N          most MiB a second read, and written, on each disk (default: 0, "
	"any)\n"
	"  --io-ops N          most operations a second, likewise\n"
	"  --net SPEC          none (default), user, or bridge=NAME,ip=ADDRESS/LENGTH with\n"
	"                      optional ,gw=ADDRESS and ,dns=ADDRESS\n"
	"  --surface SOCKET    where the display connects\n"
	"  --control SOCKET    where the host agent connects\n"
	"  --log FILE          takes what the session prints (default: standard error)\n"
	"  --state FILE        why it ended, as JSON\n"
	"  --size WIDTHxHEIGHT size of the screen in pixels (default: 1280x800)\n"
	"  --session COMMAND   program of the image that is the session\n"
	"                      (default: /usr/lib/desktop/session)\n"
	"  --glx               OpenGL by GLX in the X server, for 25 MiB more a desktop\n"
	"  --probe             print what this host can do for containers, as JSON\n"
	"  --cleanup NAME      remove what a killed pane-cell of that name left behind\n"
	"  --remove PATH       remove what an ordinary user's desktops left there\n"
	"  --help              print this text\n"
	"  --version           print the version\n"
	"\n"
	"Exit status: 0 logout, power-off or quit, 1 bad arguments or failed start, 4 crash of\n"
	"the X server or the session, 5 internal error.\n";

const char *cell_options_help(void)
{
	return help;
}

const char *cell_net_name(enum cell_net_kind kind)
{
	static const char *const names[] = {"none", "user", "bridge"};

	return names[kind];
}

enum {
	O_NAME = 256,
	O_ROOT,
	O_UPPER,
	O_HOME,
	O_RESET,
	O_CPUS,
	O_MEMORY,
	O_PIDS,
	O_DISK,
	O_IO_MIB,
	O_IO_OPS,
	O_SCOPE,
	O_NET,
	O_SURFACE,
	O_CONTROL,
	O_LOG,
	O_STATE,
	O_SIZE,
	O_SESSION,
	O_GLX,
	O_PROBE,
	O_CLEANUP,
	O_REMOVE,
	O_HELP,
	O_VERSION,
};

static const struct option longs[] = {
	{"name", required_argument, NULL, O_NAME},
	{"root", required_argument, NULL, O_ROOT},
	{"upper", required_argument, NULL, O_UPPER},
	{"home", required_argument, NULL, O_HOME},
	{"reset", no_argument, NULL, O_RESET},
	{"cpus", required_argument, NULL, O_CPUS},
	{"memory", required_argument, NULL, O_MEMORY},
	{"pids", required_argument, NULL, O_PIDS},
	{"disk", required_argument, NULL, O_DISK},
	{"io-mib", required_argument, NULL, O_IO_MIB},
	{"io-ops", required_argument, NULL, O_IO_OPS},
	{"scope", required_argument, NULL, O_SCOPE},
	{"net", required_argument, NULL, O_NET},
	{"surface", required_argument, NULL, O_SURFACE},
	{"control", required_argument, NULL, O_CONTROL},
	{"log", required_argument, NULL, O_LOG},
	{"state", required_argument, NULL, O_STATE},
	{"size", required_argument, NULL, O_SIZE},
	{"session", required_argument, NULL, O_SESSION},
	{"glx", no_argument, NULL, O_GLX},
	{"probe", no_argument, NULL, O_PROBE},
	{"cleanup", required_argument, NULL, O_CLEANUP},
	{"remove", required_argument, NULL, O_REMOVE},
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

/* It becomes a host name, a directory and part of interface names: letters, digits, - and . only,
 * none of the latter at the ends. */
static int set_name(struct cell_options *o, const char *s, struct err *e)
{
	size_t n = strlen(s);
	bool ok = n >= 1 && n <= NAME_MAX_CHARS;

	for (size_t i = 0; i < n && ok; i++) {
		bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
			     (s[i] >= '0' && s[i] <= '9');

		ok = plain || ((s[i] == '-' || s[i] == '.') && i > 0 && i + 1 < n);
	}
	if (!ok)
		return err_set(e, -EINVAL, "name %s: give 1 to %d letters, digits, - and .", s,
			       NAME_MAX_CHARS);
	o->name = s;
	return 0;
}

static int set_size(struct cell_options *o, const char *s, struct err *e)
{
	unsigned w, h;
	char rest;

	if (sscanf(s, "%5ux%5u%c", &w, &h, &rest) != 2 || w < SIDE_MIN_PX || w > WIDTH_MAX_PX ||
	    h < SIDE_MIN_PX || h > HEIGHT_MAX_PX)
		return err_set(e, -EINVAL, "--size %s: give WIDTHxHEIGHT, from %dx%d to %dx%d", s,
			       SIDE_MIN_PX, SIDE_MIN_PX, WIDTH_MAX_PX, HEIGHT_MAX_PX);
	o->width = w;
	o->height = h;
	return 0;
}

static bool address_ok(const char *s)
{
	struct in_addr a;

	return s && inet_pton(AF_INET, s, &a) == 1;
}

static bool address_length_ok(const char *s)
{
	char a[64];
	const char *slash = s ? strchr(s, '/') : NULL;
	unsigned length;
	char rest;

	if (!slash || (size_t)(slash - s) >= sizeof(a))
		return false;
	memcpy(a, s, (size_t)(slash - s));
	a[slash - s] = 0;
	return address_ok(a) && sscanf(slash + 1, "%2u%c", &length, &rest) == 1 && length >= 1 &&
	       length <= 30;
}

static bool bridge_ok(const char *s)
{
	return s && *s && strlen(s) < IF_NAMESIZE &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
		       strlen(s);
}

static int set_bridge(struct cell_net_options *n, char *spec, struct err *e)
{
	char *const keys[] = {(char[]){"bridge"}, (char[]){"ip"}, (char[]){"gw"}, (char[]){"dns"},
			      NULL};
	const char **const to[] = {&n->bridge, &n->ip, &n->gw, &n->dns};
	char *value;

	while (*spec) {
		int k = getsubopt(&spec, keys, &value);

		if (k < 0 || !value)
			return err_set(e, -EINVAL, "--net: %s is not known; see --help",
				       value ? value : "an empty part");
		*to[k] = value;
	}
	if (!bridge_ok(n->bridge))
		return err_set(e, -EINVAL, "--net bridge=: give the name of an interface");
	if (!address_length_ok(n->ip))
		return err_set(e, -EINVAL, "--net bridge=: give ip=ADDRESS/LENGTH (1 to 30)");
	if ((n->gw && !address_ok(n->gw)) || (n->dns && !address_ok(n->dns)))
		return err_set(e, -EINVAL, "--net bridge=: gw= and dns= take IPv4 addresses");
	n->kind = CELL_NET_BRIDGE;
	return 0;
}

static int set_net(struct cell_options *o, char *s, struct err *e)
{
	o->net = (struct cell_net_options){.kind = CELL_NET_NONE};
	if (!strcmp(s, "none"))
		return 0;
	if (!strcmp(s, "user")) {
		o->net.kind = CELL_NET_USER;
		return 0;
	}
	if (!strncmp(s, "bridge=", 7))
		return set_bridge(&o->net, s, e);
	return err_set(e, -EINVAL, "--net %s: give none, user or bridge=NAME,ip=ADDRESS/LENGTH", s);
}

static const char **path_of(struct cell_options *o, int opt)
{
	switch (opt) {
	case O_ROOT:
		return &o->root;
	case O_UPPER:
		return &o->upper;
	case O_HOME:
		return &o->home;
	case O_SURFACE:
		return &o->surface;
	case O_CONTROL:
		return &o->control;
	case O_LOG:
		return &o->log;
	case O_STATE:
		return &o->state;
	case O_SCOPE:
		return &o->scope;
	default:
		return &o->session;
	}
}

static int set(struct cell_options *o, int opt, char *arg, struct err *e)
{
	uint64_t v = 0;
	int r;

	switch (opt) {
	case O_NAME:
		return set_name(o, arg, e);
	case O_RESET:
		o->reset = true;
		return 0;
	case O_CPUS:
		r = number("--cpus", arg, 1, CPUS_MAX, &v, e);
		o->cpus = r < 0 ? o->cpus : (unsigned)v;
		return r;
	case O_MEMORY:
		return number("--memory", arg, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &o->memory_mib, e);
	case O_PIDS:
		r = number("--pids", arg, PIDS_MIN, PIDS_MAX, &v, e);
		o->pids = r < 0 ? o->pids : (unsigned)v;
		return r;
	case O_DISK:
		if (!strcmp(arg, "0")) {
			o->disk_mib = 0;
			return 0;
		}
		return number("--disk", arg, DISK_MIN_MIB, DISK_MAX_MIB, &o->disk_mib, e);
	case O_IO_MIB:
		return number("--io-mib", arg, 0, IO_MAX_MIB, &o->io_mib, e);
	case O_IO_OPS:
		return number("--io-ops", arg, 0, IO_MAX_OPS, &o->io_ops, e);
	case O_NET:
		return set_net(o, arg, e);
	case O_SIZE:
		return set_size(o, arg, e);
	case O_GLX:
		o->glx = true;
		return 0;
	case O_PROBE:
		o->action = CELL_PROBE;
		return 0;
	case O_CLEANUP:
		o->action = CELL_CLEANUP;
		return set_name(o, arg, e);
	case O_REMOVE:
		o->action = CELL_REMOVE;
		o->remove = arg;
		return 0;
	case O_HELP:
		o->action = CELL_HELP;
		return 0;
	case O_VERSION:
		o->action = CELL_VERSION;
		return 0;
	default:
		*path_of(o, opt) = arg;
		return 0;
	}
}

/* '@' is in no name, so a scoped one is never another's. */
static void set_key(struct cell_options *o)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (const char *s = o->scope; s && *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	if (!o->name)
		return;
	if (o->scope && *o->scope)
		snprintf(o->key, sizeof(o->key), "%s@%012llx", o->name,
			 (unsigned long long)(h & 0xffffffffffff));
	else
		snprintf(o->key, sizeof(o->key), "%s", o->name);
}

static int check(const struct cell_options *o, struct err *e)
{
	if (o->action != CELL_RUN)
		return 0;
	if (!o->name || !o->root || !o->upper || !o->home)
		return err_set(e, -EINVAL, "%s is missing; see --help",
			       !o->name	   ? "--name"
			       : !o->root  ? "--root"
			       : !o->upper ? "--upper"
					   : "--home");
	if (o->session[0] != '/')
		return err_set(e, -EINVAL, "--session %s: give an absolute path", o->session);
	return 0;
}

int cell_options_parse(int argc, char **argv, struct cell_options *o, struct err *e)
{
	int opt, r = 0;

	*o = (struct cell_options){.cpus = 1,
				   .memory_mib = 1024,
				   .pids = 1024,
				   .disk_mib = 4096,
				   .width = 1280,
				   .height = 800,
				   .session = "/usr/lib/desktop/session"};
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
	set_key(o);
	return r == 0 ? check(o, e) : r;
}
