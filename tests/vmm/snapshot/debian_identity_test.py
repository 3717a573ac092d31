# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden image's identity script (deploy/image/debian), run as in a clone but in namespaces of this machine: its /sys,
/dev, /etc and /run are made up, it sees no process but its own, and the commands that would change more than those only write
down that they were called."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import vm

SCRIPT = os.path.join(vm.SOURCE, "deploy/image/debian/files/usr/lib/desktop/identity")
STAGE = r"""
set -eu
ip link add net0 type veth peer name eth1
mount -t tmpfs none /sys
mkdir -p /sys/block/vda /sys/block/vdb /sys/class/net/lo /sys/class/net/net0/device /sys/bus/virtio/drivers/virtio_net
printf pane >/sys/block/vda/serial
printf pane-identity >/sys/block/vdb/serial
printf '8\n' >/sys/block/vdb/size
ip -br link show net0 | awk '{ print $3 }' >/sys/class/net/net0/address
ln -s /sys/bus/virtio/drivers/virtio_net /sys/class/net/net0/device/driver
cp /etc/passwd /etc/ld.so.cache etc/
echo user:x:4242:4242::/:/bin/bash >>etc/passwd
mount --bind etc /etc
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
ln -s /proc/self/fd /dev/fd
cp disk /dev/vdb
: >/dev/urandom
mkfifo /dev/ttyS0
exec 3<>/dev/ttyS0
mount -t tmpfs none /var/lib/systemd
mount -t tmpfs none /run
mkdir -p /run/user/4242
: >/run/user/4242/desktop.ready
mkfifo -m 666 /run/never
: >/run/told
: >/run/up
chmod 666 /run/told /run/up
mkdir /etc/ssh
touch /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_rsa_key.pub
echo a-longer-name-than-the-new-one >/etc/hostname
perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' setpriv --reuid 4242 --clear-groups bash -c \
	'trap "echo told >/run/told; exit" INT; echo up >/run/up; while :; do read -rt 1 _ <>/run/never || :; done' &
while [ ! -s /run/up ]; do sleep 0.02; done
PATH=$PWD/bin:$PATH perl script &
timeout 20 head -c 12 <&3 >waits
test -s /run/pane-identity
ls /etc/ssh >parked_keys
printf %65536s x >&3 # who writes to it now waits until it is read
printf '16\n' >/sys/block/vdb/size
perl -e 'socket S, 16, 3, 15; send S, "change\@/x\0", 0, pack("SSLL", 16, 0, 0, 1) or die $!' # as the kernel does
while [ ! -s /run/told ]; do kill -0 $!; sleep 0.02; done # before the desktop is ready
head -c 65536 <&3 >full
timeout 20 head -c 12 <&3 >ttyS0
wait $!
cp /proc/sys/kernel/hostname kernel_hostname
ip -o link show eth0 >link
cp /etc/hostname /etc/machine-id /dev/urandom /var/lib/systemd/random-seed .
"""
# udev gives the card its name while the script waits for it to settle, not before the script begins.
RENAME = '[ "$*" != settle ] || { mv /sys/class/net/net0 /sys/class/net/eth0; ip link set net0 name eth0; }\n'
TEXT = "pane-identity 1\nhostname=office-7\nmac=52:54:00:00:07:01\ngeneration={}\nseed={}\ntime=1790000000\n"


@unittest.skipIf(os.geteuid() != 0, "needs root for namespaces")
class Identity(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pane-id-")
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("bin", "etc"):
            os.mkdir(os.path.join(self.folder, name))
        for command in ("date", "ssh-keygen", "systemctl", "udevadm"):
            self.write(f"bin/{command}", f'#!/bin/sh\necho {command} "$@" >>{self.folder}/calls\n{RENAME}', 0o755)
        shutil.copy(SCRIPT, os.path.join(self.folder, "script"))

    def write(self, name, content, mode=0o644):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(os.path.join(self.folder, name), mode)

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def run_with(self, text):
        self.write("disk", "\0" * 4096 + text + "\0" * (4096 - len(text)))
        return subprocess.run(["unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--mount-proc", "bash", "-c", STAGE],
                              cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def test_takes_it(self):
        """once told, a clone has the name, ids, seed, clock and MAC that its disk says, tells the shell, and then says that it is ready; its keys are made anew"""
        done = self.run_with(TEXT.format("ab" * 16, "cd" * 64))
        if re.search(r"unshare|(mount:|RTNETLINK).*(denied|permitted)", done.stderr):
            self.skipTest(f"no namespaces here: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([self.read(n) for n in ("kernel_hostname", "hostname")], ["office-7\n"] * 2)
        self.assertEqual(self.read("machine-id"), "ab" * 16 + "\n")
        self.assertEqual([self.read(n) for n in ("urandom", "random-seed")], ["\n" + "cd" * 64, "cd" * 64])  # its rehearsal, and it
        self.assertEqual([self.read(n) for n in ("waits", "ttyS0")], ["\npane.waits\n", "\npane.ready\n"])
        self.assertIn("52:54:00:00:07:01", self.read("link"))
        self.assertEqual(self.read("calls").splitlines(), [
            "udevadm settle", "udevadm control --stop-exec-queue", "systemctl -q is-active ssh.service", "systemctl stop ssh.service",
            "date -s @1790000000", "systemctl --no-block try-restart systemd-networkd.service", "ssh-keygen -q -A",
            "systemctl --no-block start ssh.service", "udevadm control --start-exec-queue"])
        self.assertEqual(self.read("parked_keys"), "")

    def test_incomplete(self):
        """a clone whose disk does not say everything never says that it is ready"""
        done = self.run_with("pane-identity 1\nhostname=office-7\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.read("ttyS0") if os.path.exists(os.path.join(self.folder, "ttyS0")) else "", "")


@unittest.skipIf(os.geteuid() != 0, "needs root for namespaces")
class Prompt(unittest.TestCase):
    def test_prompt(self):
        """a shell's prompts and title show the name that the machine has now, not the one the shell began with"""
        with open(os.path.join(vm.SOURCE, "deploy/image/debian/setup"), encoding="utf-8") as file:
            made = [line for line in file if line.rstrip().endswith("/etc/skel/.bashrc")]
        self.assertEqual(len(made), 2)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy("/etc/skel/.bashrc", f"{folder}/.bashrc")
            subprocess.run(["sh", "-ec", "".join(made).replace("/etc/skel/", folder + "/")], check=True)
            words = "echo office-7 >/proc/sys/kernel/hostname\necho $((6*7))\nexit\n"
            done = subprocess.run(["unshare", "--uts", "bash", "--rcfile", f"{folder}/.bashrc", "-i"], input=words, text=True, timeout=30,
                                  capture_output=True, check=False, env=dict(os.environ, TERM="xterm", HOME=folder))
        if re.search(r"unshare.*(denied|permitted)", done.stderr):
            self.skipTest(f"no namespaces here: {done.stderr.strip()}")
        self.assertIn("42", done.stdout)
        self.assertEqual(len(re.findall(r"\x1b\]0;\S*@office-7: .*?\x07\S*@office-7:", done.stderr)), 2, done.stderr)
