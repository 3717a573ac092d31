# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of 64 GiB, the most there is: on a host that has less it costs what it touches, and a host that cannot or may not
give so much says so. How much the host has is told by a file over /proc/meminfo, in mounts of this story's own."""
import os
import re
import resource
import subprocess
import tempfile
import unittest

import apart
import vm

TIMEOUT = 240
MIB = 1 << 20
GIB = 1 << 30
MEMORY = 64 * GIB
HOLE, HIGH = 0xb0000000, 4 * GIB  # low memory ends, high memory begins (vmm/mem.h)


def setUpModule():
    why = apart.enter()
    if why:
        raise unittest.SkipTest(why)


def host_has(gib):
    with tempfile.NamedTemporaryFile("w", suffix=".meminfo") as file:
        file.write(f"MemTotal: {gib << 20} kB\nMemFree: {gib << 20} kB\nMemAvailable: {gib << 20} kB\n")
        file.flush()
        subprocess.run(["mount", "--bind", file.name, "/proc/meminfo"], check=True)


class Limits(unittest.TestCase):
    """These end before there is a KVM to ask."""

    def refused(self, *more, limit=None):
        done = subprocess.run([vm.PROGRAM, "--memory", str(MEMORY // MIB), "--kernel", vm.CARD, *more], capture_output=True, text=True,
                              check=False, preexec_fn=lambda: limit and resource.setrlimit(limit, (16 * GIB,) * 2))
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_less(self):
        """a host that has less says how much it has"""
        host_has(24)
        self.addCleanup(subprocess.run, ["umount", "/proc/meminfo"], check=True)
        self.assertIn("the desktop needs 65536 MiB of memory, this host has 24576 MiB free of 24576", self.refused())

    def test_more(self):
        """more than there may be is refused with the bounds"""
        self.assertIn("give a number from 128 to 65536", self.refused("--memory", str(MEMORY // MIB + 1)))

    def test_limits(self):
        """a process that may not map so much, or have so large a file, says which limit to look at"""
        host_has(128)
        self.addCleanup(subprocess.run, ["umount", "/proc/meminfo"], check=True)
        self.assertRegex(self.refused(limit=resource.RLIMIT_AS), "mapping 65536 MiB of guest memory: Cannot allocate.*ulimit -v")
        self.assertRegex(self.refused(limit=resource.RLIMIT_FSIZE), "guest memory of 65536 MiB: File too large.*ulimit -f")


@unittest.skipIf(vm.why_not(), vm.why_not())
class Huge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        host_has(128)
        cls.parent = vm.Vm("", "--identity", memory=MEMORY // MIB).ready()

    @classmethod
    def tearDownClass(cls):
        cls.parent.close()
        subprocess.run(["umount", "/proc/meminfo"], check=True)

    def obeyed(self, machine, word, end):
        display = machine.surface()
        before = len(machine.text("serial"))
        display.type(word + "\n")
        machine.serial(f"line {word}\n", 60)
        machine.serial(end, 60)
        display.close()
        return machine.text("serial")[before:]

    def topped(self, machine, word):
        """The words at the beginning of the last gigabyte and at its end."""
        last = HIGH + MEMORY - HOLE - 8
        said = self.obeyed(machine, word, f"top {last:x} ")
        self.assertEqual([int(a, 16) for a in re.findall(r"^top ([0-9a-f]+) ok$", said, re.M)], [last // GIB * GIB, last], said)

    @staticmethod
    def resident(machine):
        with open(f"/proc/{machine.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^VmRSS:\s*(\d+)", file.read(), re.M)[1]) << 10

    def test_1_map(self):
        """the guest is told of 64 GiB on both sides of the PCI hole, and no byte more"""
        said = self.obeyed(self.parent, "memory", "e820 ends\n")
        ram = [(int(a, 16), int(n, 16)) for a, n in re.findall(r"^e820 ([0-9a-f]+) ([0-9a-f]+) 1$", said, re.M)]
        self.assertEqual(ram[-2:], [(MIB, HOLE - MIB), (HIGH, MEMORY - HOLE)], said)

    def test_2_top(self):
        """it writes and reads at the end of the last gigabyte, and the process has touched little"""
        self.topped(self.parent, "top")
        self.assertLess(self.resident(self.parent), 64 * MIB)

    def test_3_clone(self):
        """its snapshot is as large as what it wrote; a restore and a clone find that, and touch little"""
        folder = self.parent.snapshot()
        self.parent.ask(op="quit")
        self.parent.wait()
        memory = os.stat(f"{folder}/memory")
        self.assertEqual(memory.st_size, MEMORY + 4096)
        self.assertLess(memory.st_blocks * 512, 64 * MIB)
        for more in ([], ["--clone"]):
            machine = vm.Vm("", *more, restore=folder, disk=self.parent.path("base.raw"), **(
                {"layer": self.parent.path("overlay")} if more else {"folder": self.parent.folder}))
            self.addCleanup(machine.close)
            machine.ready()
            self.topped(machine, "topped")
            self.assertLess(self.resident(machine), 64 * MIB)
            machine.close()
