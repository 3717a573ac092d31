/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * slirp4netns runs as the desktop's user (who owns the user namespace) with its own seccomp and
 * mount sandbox, and dies with pane-cell.
 */
#include "vmm/cell/net.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "vmm/cell/bridge.h"
#include "vmm/cell/options.h"
#include "vmm/cell/place.h"

static void slirp_main(uid_t base, int userns, int netns, int log, pid_t parent)
{
	uid_t id = base + CELL_UID_USER;
	char user[48], net[48];
	sigset_t none;

	snprintf(user, sizeof(user), "--userns-path=/proc/self/fd/%d", userns);
	snprintf(net, sizeof(net), "/proc/self/fd/%d", netns);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(101);
	if (dup2(log, 1) < 0 || dup2(log, 2) < 0 || fcntl(userns, F_SETFD, 0) < 0 ||
	    fcntl(netns, F_SETFD, 0) < 0)
		_exit(102);
	execl("/usr/bin/slirp4netns", "slirp4netns", "--configure", "--mtu=65520",
	      "--disable-host-loopback", "--enable-seccomp", user, "--netns-type=path", net, "tap0",
	      NULL);
	_exit(103);
}

static int start_user(uid_t base, int userns, pid_t inside, int log, struct cell_net *n,
		      struct err *e)
{
	char path[64];
	pid_t parent = getpid();
	cleanup_close int netns = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", inside);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return err_set(e, -errno, "network namespace: %m");
	n->helper = fork();
	if (n->helper == 0)
		slirp_main(base, userns, netns, log, parent);
	if (n->helper < 0) {
		n->helper = 0;
		return err_set(e, -errno, "fork: %m");
	}
	return 0;
}

int cell_net_start(const struct cell_options *o, uid_t base, int userns, pid_t inside, int log,
		   struct cell_net *n, struct err *e)
{
	if (o->net.kind == CELL_NET_USER)
		return start_user(base, userns, inside, log, n, e);
	if (o->net.kind == CELL_NET_BRIDGE)
		return cell_bridge_attach(o->key, &o->net, inside, e);
	return 0;
}

void cell_net_stop(struct cell_net *n)
{
	if (n->helper <= 0)
		return;
	kill(n->helper, SIGKILL);
	while (waitpid(n->helper, NULL, 0) < 0 && errno == EINTR)
		;
	n->helper = 0;
}

int cell_net_remove(const char *key, struct err *e)
{
	return cell_bridge_detach(key, e);
}
