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
mount -t tmpfs none /sys
mkdir -p /sys/block/vda /sys/block/vdb /sys/class/net/lo /sys/class/net/eth0/device /sys/bus/virtio/drivers/virtio_net
printf pane >/sys/block/vda/serial
printf pane-identity >/sys/block/vdb/serial
ln -s /sys/bus/virtio/drivers/virtio_net /sys/class/net/eth0/device/driver
cp /etc/passwd /etc/ld.so.cache etc/
mount --bind etc /etc
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
ln -s /proc/self/fd /dev/fd
cp disk /dev/vdb
: >/dev/urandom
: >/dev/ttyS0
mount -t tmpfs none /var/lib/systemd
mount -t tmpfs none /run
PATH=$PWD/bin:$PATH bash script &
while [ ! -p /run/pane-identity ]; do kill -0 $!; sleep 0.02; done
[ ! -s /dev/ttyS0 ]
echo >/run/pane-identity
wait $!
cp /proc/sys/kernel/hostname kernel_hostname
cp /etc/hostname /etc/machine-id /dev/ttyS0 /dev/urandom /var/lib/systemd/random-seed .
"""
TEXT = "pane-identity 1\nhostname=office-7\nmac=52:54:00:00:07:01\ngeneration={}\nseed={}\ntime=1790000000\n"


@unittest.skipIf(os.geteuid() != 0, "needs root for namespaces")
class Identity(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pane-id-")
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("bin", "etc"):
            os.mkdir(os.path.join(self.folder, name))
        for command in ("date", "ip", "systemctl", "pkill"):
            self.write(f"bin/{command}", f'#!/bin/sh\necho {command} "$@" >>{self.folder}/calls\n'
                       f'[ -s /dev/ttyS0 ] || echo {command} >>{self.folder}/before\n', 0o755)
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
        return subprocess.run(["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "bash", "-c", STAGE],
                              cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def test_takes_it(self):
        """once told, a clone has the name, ids, seed, clock and MAC that its disk says, and then says that it is ready"""
        done = self.run_with(TEXT.format("ab" * 16, "cd" * 64))
        if re.search(r"unshare|mount:.*(denied|permitted)", done.stderr):
            self.skipTest(f"no namespaces here: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([self.read(n) for n in ("kernel_hostname", "hostname")], ["office-7\n"] * 2)
        self.assertEqual(self.read("machine-id"), "ab" * 16 + "\n")
        self.assertEqual([self.read(n) for n in ("urandom", "random-seed")], ["cd" * 64] * 2)
        self.assertEqual(self.read("ttyS0"), "\npane.ready\n")
        calls = self.read("calls").splitlines()
        self.assertEqual(calls[:3], ["date -s @1790000000", "ip link set dev eth0 address 52:54:00:00:07:01",
                                     "pkill -INT -u user -x bash"])
        self.assertEqual(self.read("before"), "date\nip\npkill\n", "what interrupts a shell comes before the desktop is ready")
        self.assertIn("systemctl --no-block try-restart systemd-networkd.service", calls)

    def test_incomplete(self):
        """a clone whose disk does not say everything never says that it is ready"""
        done = self.run_with("pane-identity 1\nhostname=office-7\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ttyS0")))
