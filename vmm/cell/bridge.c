/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ip(8) and nft(8) do the work, by scripts on their standard input. The table "bridge pane_cell"
 * holds two sets: `ports` and `known` (port . MAC . address); a packet from a port of ours that is
 * not known, by its IP or ARP source, is dropped, and so is what is neither IPv4 nor ARP. The table
 * "inet pane_cell" holds the bridges: what comes from them may be forwarded to the Internet, not to
 * private networks, and reach this host for nothing but ARP and answers.
 *
 * Tables are added as a whole and idempotently, elements one by one, so desktops may start at once.
 */
#include "vmm/cell/bridge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "common/file.h"
#include "vmm/cell/options.h"
#include "vmm/cell/place.h"

#define SCRIPT_MAX 4096

static unsigned hash(const char *s)
{
	unsigned h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

void cell_bridge_port(const char *name, char out[16])
{
	snprintf(out, 16, "pc%08x%03x", hash(name), (unsigned)strlen(name) & 0xfff);
}

static void mac_of(const char *name, char out[18])
{
	unsigned h = hash(name), l = (unsigned)strlen(name) * 251u + (unsigned char)*name;

	snprintf(out, 18, "02:%02x:%02x:%02x:%02x:%02x", h >> 24, h >> 16 & 255, h >> 8 & 255,
		 h & 255, l & 255);
}

/* Runs argv with text as its input; what it prints goes nowhere when quiet. */
static int run(char *const argv[], const char *text, bool quiet, struct err *e)
{
	char *const env[] = {(char[]){"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}, NULL};
	cleanup_close int in = memfd_create("script", MFD_CLOEXEC);
	posix_spawn_file_actions_t fa;
	int status = 0, r;
	pid_t pid;

	if (in < 0 || write(in, text, strlen(text)) != (ssize_t)strlen(text) ||
	    lseek(in, 0, SEEK_SET) < 0)
		return err_set(e, -errno, "%s: %m", argv[0]);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in, 0);
	if (quiet) {
		posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
		posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	}
	r = posix_spawnp(&pid, argv[0], &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	if (r)
		return err_set(e, -r, "%s: %s", argv[0], strerrordesc_np(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "%s: %m", argv[0]);
	return status ? err_set(e, -EIO, "%s failed (status %d), see the log", argv[0],
				WEXITSTATUS(status))
		      : 0;
}

static int run_nft(const char *script, bool quiet, struct err *e)
{
	char *const argv[] = {(char[]){"nft"}, (char[]){"-f"}, (char[]){"-"}, NULL};

	return run(argv, script, quiet, e);
}

static int run_ip(const char *script, bool quiet, struct err *e)
{
	char *const argv[] = {(char[]){"ip"}, (char[]){"-batch"}, (char[]){"-"}, NULL};

	return run(argv, script, quiet, e);
}

/* ---- rules -------------------------------------------------------------------------------------
 */

static const char tables[] =
	"table bridge pane_cell {\n"
	" set ports { type ifname; }\n"
	" set known { type ifname . ether_addr . ipv4_addr; }\n"
	" chain from { type filter hook prerouting priority -300; policy accept;\n"
	"  iifname != @ports accept\n"
	"  ether type ip iifname . ether saddr . ip saddr @known accept\n"
	"  ether type arp iifname . arp saddr ether . arp saddr ip @known accept\n"
	"  drop; }\n"
	"}\n"
	"table inet pane_cell {\n"
	" set bridges { type ifname; }\n"
	" chain input { type filter hook input priority -10; policy accept;\n"
	"  iifname != @bridges accept\n"
	"  ct state established,related accept\n"
	"  drop; }\n"
	" chain forward { type filter hook forward priority -10; policy accept;\n"
	"  iifname != @bridges accept\n"
	"  ct state established,related accept\n"
	"  ip daddr { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16,"
	" 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3 } drop\n"
	"  meta nfproto ipv6 drop; }\n"
	"}\n";

/* A table that is there keeps its rules as they are: adding chains twice would double them. */
static int make_tables(struct err *e)
{
	char *const have[] = {(char[]){"nft"},
			      (char[]){"list"},
			      (char[]){"set"},
			      (char[]){"inet"},
			      (char[]){"pane_cell"},
			      (char[]){"bridges"},
			      NULL};

	return run(have, "", true, NULL) == 0 ? 0 : run_nft(tables, false, e);
}

/* The address a port was given, so that its rules can be found when pane-cell was killed. */
static void note_path(const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/net.%s", cell_run_dir(), name);
}

static int change(const char *verb, const char *port, const char *mac, const char *address,
		  struct err *e)
{
	char script[512];

	snprintf(script, sizeof(script),
		 "%s element bridge pane_cell known { \"%s\" . %s . %s }\n"
		 "%s element bridge pane_cell ports { \"%s\" }\n",
		 verb, port, mac, address, verb, port);
	return run_nft(script, false, e);
}

static int allow(const char *name, const char *port, const char *mac,
		 const struct cell_net_options *n, struct err *e)
{
	char path[PATH_MAX], script[128], address[20];
	int r;

	snprintf(address, sizeof(address), "%.*s", (int)strcspn(n->ip, "/"), n->ip);
	note_path(name, path);
	r = file_write(path, address, strlen(address), 0600, e);
	snprintf(script, sizeof(script), "add element inet pane_cell bridges { \"%s\" }\n",
		 n->bridge);
	r = r ? r : run_nft(script, false, e);
	return r ? r : change("add", port, mac, address, e);
}

/* Adding what is there is fine, so add and delete takes away what may not be there. */
static int disallow(const char *name, const char *port, struct err *e)
{
	char path[PATH_MAX], mac[18];
	cleanup_free char *address = NULL;
	struct in_addr a;
	size_t n;
	int r;

	note_path(name, path);
	if (file_read(path, 64, &address, &n, NULL) < 0)
		return 0; /* never had one */
	mac_of(name, mac);
	if (inet_pton(AF_INET, address, &a) == 1) {
		r = change("add", port, mac, address, e);
		r = r ? r : change("delete", port, mac, address, e);
		if (r < 0)
			return r;
	}
	return unlink(path) < 0 ? err_set(e, -errno, "%s: %m", path) : 0;
}

/* ---- interfaces --------------------------------------------------------------------------------
 */

int cell_bridge_attach(const char *name, const struct cell_net_options *n, pid_t pid, struct err *e)
{
	char script[SCRIPT_MAX], port[16], mac[18];
	char pid_text[16];
	int r;

	cell_bridge_port(name, port);
	mac_of(name, mac);
	if (!if_nametoindex(n->bridge))
		return err_set(e, -ENODEV, "bridge %s is not there: make it, or choose --net user",
			       n->bridge);
	r = make_tables(e);
	r = r ? r : allow(name, port, mac, n, e);
	snprintf(script, sizeof(script),
		 "link add %s type veth peer name eth0 address %s netns %d\n"
		 "link set %s master %s\n"
		 "link set %s type bridge_slave isolated on\n"
		 "link set %s up\n",
		 port, mac, pid, port, n->bridge, port, port);
	r = r ? r : run_ip(script, false, e);
	if (r < 0)
		return r;
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	snprintf(script, sizeof(script), "addr add %s dev eth0\nlink set eth0 up\n%s%s%s", n->ip,
		 n->gw ? "route add default via " : "", n->gw ? n->gw : "", n->gw ? "\n" : "");

	char *const argv[] = {(char[]){"nsenter"}, (char[]){"-n"},     (char[]){"-t"}, pid_text,
			      (char[]){"ip"},	   (char[]){"-batch"}, (char[]){"-"},  NULL};

	return run(argv, script, false, e);
}

int cell_bridge_detach(const char *name, struct err *e)
{
	char script[64], port[16];

	cell_bridge_port(name, port);
	if (if_nametoindex(port)) {
		snprintf(script, sizeof(script), "link del %s\n", port);
		if (run_ip(script, true, e) < 0 && if_nametoindex(port))
			return -EIO;
	}
	return disallow(name, port, e);
}
