# SPDX-License-Identifier: GPL-3.0-or-later
"""Container desktops on a host with cgroup version 2 only: that its limits bind, and whom they leave alone; and that virtual machines
(stand-ins for them) share processors there. Runs in the lab host (cell_test.py), whose control groups are of that kind; any other machine with them will do."""
import json
import os
import struct
import subprocess
import tempfile
import time
import unittest

import cell
import ordinary
import processor_test
import vm

TIMEOUT = 1200
TOP = "/sys/fs/cgroup"
DATA = "/lab/data" if os.path.isdir("/lab/data") else None


def read(*path):
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read()


def table(*path):
    """A file of "key value" lines."""
    return {key: int(value) for key, value in (line.split() for line in read(*path).splitlines())}


def why_not():
    if "memory" not in (read(TOP, "cgroup.controllers") if os.path.exists(TOP + "/cgroup.controllers") else ""):
        return "no cgroup version 2 with controllers here"
    return cell.why_not()


@unittest.skipIf(why_not(), why_not())
class Version2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir=DATA)
        cls.machine = cell.Cell("--io-mib", "1", "--session", "/usr/bin/xterm", folder=cls.folder.name, name="v2",
                                cpus=1, memory=320, pids=120, disk=256)
        cls.machine.session = "xterm"
        cls.machine.connect("control.sock", 120).close()
        cls.machine.ready(300)
        cls.display = cls.machine.surface()
        cls.display.wait(lambda: cls.display.scanout, 60)
        cls.display.send(vm.POINTER, struct.pack("<II", 100, 100))  # no window manager gives the focus
        cell.quiet(cls.display)
        cls.group = os.path.join(TOP, "pane", "v2")

    @classmethod
    def tearDownClass(cls):
        cls.machine.close()
        cls.folder.cleanup()

    def type(self, command):
        self.display.type(command + "\n", pace_s=0.01)

    def run_inside(self, command, timeout=180):
        return self.machine.run(self.display, command, timeout)

    def wait_for(self, what, check, seconds=180):
        end = time.monotonic() + seconds
        while not check():
            self.assertLess(time.monotonic(), end, what)
            self.display.receive(0.05)

    def test_says_so(self):
        """the probe and the desktop's status say cgroup2 and lack nothing; the controllers are shared out"""
        probe = json.loads(subprocess.check_output([cell.PROGRAM, "--probe"]))
        self.assertEqual((probe["limits"], probe["lacks"], probe["cell"]), ("cgroup2", "", "full"))
        status = self.machine.ask(op="status")
        self.assertEqual((status["limits"], status["io_limit"]), ("cgroup2", True))
        self.assertLessEqual({"cpu", "io", "memory", "pids"}, set(read(self.group, "cgroup.controllers").split()))
        self.assertEqual(read(self.group, "memory.max"), f"{320 << 20}\n")
        self.assertEqual(read(self.group, "pids.max"), "120\n")
        self.assertEqual(read(self.group, "cpu.max"), "100000 100000\n")
        self.assertIn("wbps=1048576", read(self.group, "io.max"))

    def test_everything_inside(self):
        """every process of the desktop is in its group, and sees that group as the root"""
        inside = set(read(self.group, "cgroup.procs").split())
        # All of the sandbox, X server included; pane-cell and its X agent are no part of it.
        self.assertLessEqual({str(self.machine.inside("Xvfb")), str(self.machine.inside("xterm"))}, inside)
        self.assertNotIn(str(self.machine.process.pid), inside)
        self.assertEqual(self.run_inside("cat /proc/self/cgroup"), "0::/\n")

    def test_processor(self):
        """busy loops get one processor's time of the two there are"""
        self.type("for i in 1 2 3 4; do while :; do :; done & done 2>/dev/null")
        self.wait_for("throttled", lambda: table(self.group, "cpu.stat")["nr_throttled"] > 3)
        begin, used = time.monotonic(), table(self.group, "cpu.stat")["usage_usec"]
        time.sleep(3)
        share = (table(self.group, "cpu.stat")["usage_usec"] - used) / 1e6 / (time.monotonic() - begin)
        self.type("kill $(jobs -p) 2>/dev/null; wait")
        print(f"# four busy loops: {share:.2f} processors")
        self.assertLess(share, 1.15)
        self.assertGreater(share, 0.5)

    def test_processes(self):
        """a fork bomb ends at the limit"""
        made = int(self.run_inside("perl -e 'while (defined($p = fork)) { sleep 1000 if !$p; push @k, $p } "
                                   "print scalar(@k); kill 9, @k'"))
        self.assertGreater(table(self.group, "pids.events")["max"], 0)
        self.assertTrue(50 < made < 120, made)

    def test_memory(self):
        """who wants more memory is killed within the desktop, which goes on, and nobody else is"""
        others = table(TOP, "pane", "memory.events.local")["oom_kill"]
        self.assertEqual(self.run_inside("tail /dev/zero; echo over", 300), "over\n")
        self.assertGreater(table(self.group, "memory.events")["oom_kill"], 0)
        self.assertEqual(table(TOP, "pane", "memory.events.local")["oom_kill"], others)
        self.assertLessEqual(int(read(self.group, "memory.current")), 320 << 20)
        self.assertTrue(self.machine.ask(op="status")["ready"])
        self.assertEqual(self.run_inside("echo goes on"), "goes on\n")

    def rate(self, bytes_, until):
        """MiB a second that go to the desktop's disks by the kernel's count, over so many bytes or until that time."""
        begin, before = time.monotonic(), cell.written("v2")
        self.wait_for("it writes", lambda: cell.written("v2") - before >= bytes_ or time.monotonic() > begin + until, 2 * until)
        return (cell.written("v2") - before) / (1 << 20) / (time.monotonic() - begin)

    def test_io(self):
        """writing, buffered too, is held to the ceiling; without it the same desktop at the same work writes more"""
        self.type("(while dd if=/dev/zero of=fill bs=64k count=64 conv=fsync; do :; done) 2>/dev/null & w=$!")
        before = cell.written("v2")
        self.wait_for("it began", lambda: cell.written("v2") > before + (1 << 20))
        held = self.rate(8 << 20, 60)
        for line in read(self.group, "io.max").splitlines():
            with open(self.group + "/io.max", "w", encoding="ascii") as file:
                file.write(line.split()[0] + " rbps=max wbps=max")
        free = self.rate(32 << 20, 60)
        self.type("kill $w; wait")
        print(f"# {held:.2f} MiB/s at a ceiling of 1 MiB/s, {free:.2f} MiB/s without")
        self.assertGreater(held, 0)
        self.assertLess(held, 1.25)  # a slow machine only makes it less
        self.assertGreater(free, 1.5 * held)

    def test_zz_end(self):
        """its end takes the group away"""
        self.machine.ask(op="quit")
        self.machine.wait(60)
        self.assertFalse(os.path.exists(self.group))


@unittest.skipIf(why_not(), why_not())
class Delegated(unittest.TestCase):
    def test_ordinary_user(self):
        """an ordinary user with a group of their own gets the same limits from it, and a desktop by subordinate ids"""
        user = ordinary.User()
        self.addCleanup(user.close)
        mine = os.path.join(TOP, "ordinary")
        for path in (mine, mine + "/shell"):
            os.makedirs(path, exist_ok=True)
            for name in ("", "/cgroup.procs", "/cgroup.subtree_control"):
                os.chown(path + name, ordinary.UID, ordinary.UID)
        for controller in ("memory", "pids", "cpu", "io"):
            for group in (TOP, mine):
                with open(group + "/cgroup.subtree_control", "w", encoding="ascii") as file:
                    file.write("+" + controller)
        prefix = user.prefix(mine + "/shell")
        probe = json.loads(subprocess.check_output([*prefix, cell.PROGRAM, "--probe"]))
        self.assertEqual((probe["cell"], probe["limits"]), ("user", "cgroup2"), probe)
        self.assertEqual(probe["lacks"], "started by an ordinary user: no limit for disk space")
        machine = cell.Cell("--session", "/usr/bin/xterm", folder=user.folder_of_its_own(DATA), name="theirs", memory=300,
                            prefix=prefix)
        self.addCleanup(machine.close)
        machine.session = "xterm"
        machine.connect("control.sock", 200).close()  # an emulated machine reads an image by FUSE slowly
        machine.ready(300)
        self.assertEqual(machine.ask(op="status")["limits"], "cgroup2")
        group = mine + "/pane/theirs"
        self.assertEqual(read(group, "memory.max"), f"{300 << 20}\n")
        self.assertIn(str(machine.inside()), read(group, "cgroup.procs").split())
        self.assertGreaterEqual(os.stat(f"/proc/{machine.inside()}").st_uid, ordinary.FIRST)
        machine.ask(op="quit")
        self.assertEqual(machine.wait(60)[0], 0)
        self.assertFalse(os.path.exists(group))


class Machines(processor_test.Shares):
    """The agent's groups of virtual machines, of version 2 here."""
