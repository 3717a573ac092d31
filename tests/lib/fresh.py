# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a system manager of its own that is a copy of this one: its root is this machine's under an overlay in memory,
its process 1 is systemd (systemd-nspawn), its network has a loopback and nothing else. What is done in it is gone with it."""
import os
import signal
import subprocess
import tempfile
import time

# Services that this machine may have for other tests; none of them is asked for here.
MASKED = """haproxy nginx slapd hitch stunnel4 apt-daily.timer apt-daily-upgrade.timer man-db.timer systemd-networkd
systemd-networkd.socket systemd-networkd-wait-online systemd-resolved pg_receivewal@15-main console-getty""".split()
BOOT = """
set -e
mount -t tmpfs -o size=2g,mode=755 tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
cd "$0/root"
rm -f etc/machine-id etc/resolv.conf usr/sbin/policy-rc.d
echo fresh >etc/hostname
mkdir -p root/debs tmp etc/systemd/system
for unit in $2; do ln -sfn /dev/null "etc/systemd/system/$unit"; done
cp $1 root/debs/
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
exec systemd-nspawn --quiet --boot --directory="$0/root" --private-network --register=no --keep-unit --console=pipe \
     --machine=fresh --capability=CAP_NET_ADMIN --bind=/dev/kvm $3 \
     --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" systemd.unit=multi-user.target
"""


def why_not():
    """A reason why there can be none here, or None."""
    if os.getuid() != 0:
        return "needs root (an overlay over the machine's own root)"
    with open("/proc/filesystems", encoding="ascii") as file:
        if "overlay" not in file.read():
            return "this kernel has no overlay file system"
    return None


class Fresh:
    def __init__(self, files, **shown):
        """files are packages for it, shown is what of this machine is there too, read-only: name=path is at /srv/name."""
        self.folder = tempfile.mkdtemp(prefix="pane-fresh-")
        self.log = open(f"{self.folder}.log", "wb")
        units = " ".join(u if "." in u else f"{u}.service" for u in MASKED)
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "/bin/bash", "-c", BOOT, self.folder,
                                         " ".join(files), units, " ".join(f"--bind-ro={path}:/srv/{name}" for name, path in shown.items())],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.leader = None

    def up(self, timeout=120):
        """Waits until its system manager says that it is up."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended: {self.text()}")
            self.leader = self.leader or self.find()
            if self.leader and self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"):
                return self
            time.sleep(0.3) # another machine's system manager: there is nothing here to wait for
        raise TimeoutError(f"it did not come up: {self.text()}")

    def like_hardware(self):
        """What a machine of its own has and a copy lacks for container desktops: loop devices, and a /proc of which nothing is hidden."""
        self.run("""umount /proc/kmsg /proc/sys/kernel/random/boot_id 2>/dev/null
            [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; [ -e /dev/net/tun ] || mknod -m 666 /dev/net/tun c 10 200
            for i in $(seq 0 255); do [ -e /dev/loop$i ] || mknod /dev/loop$i b 7 $i; done""")

    def find(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            children = file.read().split()
        for child in children:
            with open(f"/proc/{child}/comm", encoding="ascii") as file:
                if file.read().strip() == "systemd":
                    return child
        return None

    def run(self, command, check=True, stdin=""):
        done = subprocess.run(["nsenter", "-t", self.leader, "-a", "/bin/bash", "-c", command], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"})
        if check and done.returncode:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}")
        return done.stdout

    def text(self):
        with open(f"{self.folder}.log", encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def down(self):
        if self.leader:
            os.kill(int(self.leader), signal.SIGKILL)
        self.process.terminate()
        self.process.wait()
        self.log.close()
        os.rmdir(self.folder)
        os.unlink(f"{self.folder}.log")
