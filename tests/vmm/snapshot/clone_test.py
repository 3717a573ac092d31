# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of a parked test card: each is somebody of its own, none disturbs the others, and they share the parent's memory."""
import os
import re
import time
import unittest

import vm

TIMEOUT = 240
CLONES = 100
AT_ONCE = 10


def memory_kib(pid):
    """What smaps says of guest RAM: resident and private, in KiB."""
    rss = private = 0
    counted = False
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counted = line.rstrip().endswith("/memory")
            elif counted and line.startswith("Rss:"):
                rss += int(line.split()[1])
            elif counted and line.startswith(("Private_Dirty:", "Anonymous:")):
                private = max(private, 0) + (int(line.split()[1]) if line.startswith("Anonymous:") else 0)
    return rss, private


@unittest.skipIf(vm.why_not(), vm.why_not())
class Clone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.parent = vm.Vm("", "--identity", "--net", "user").ready()
        display = cls.parent.surface()
        display.wait(lambda: display.scanout)
        display.type("par")
        cls.parent.serial("key 19 0")
        cls.folder = cls.parent.snapshot()
        cls.parent.ask(op="quit")
        cls.parent.wait()

    @classmethod
    def tearDownClass(cls):
        cls.parent.close()

    def clone(self, name, *more):
        machine = vm.Vm("", "--clone", "--net", "user", *more, restore=self.folder, disk=self.parent.path("base.raw"),
                        layer=self.parent.path("overlay"), name=name)
        self.addCleanup(machine.close)
        return machine

    @staticmethod
    def identity(machine):
        machine.serial("generation ")  # by an interrupt of its own, before or after the disk's
        text = machine.text("serial")
        told = dict(re.findall(r"^(hostname|mac|generation|seed|time)=(.*)$", text, re.M))
        words = re.search(r"^generation ([0-9a-f]+) ([0-9a-f]+)$", text, re.M).groups()
        told["vmgenid"] = b"".join(int(w, 16).to_bytes(8, "little") for w in words).hex()
        return told

    def test_unique(self):
        """a hundred clones: each has its own name, MAC, VM generation id and seed, and is told"""
        seen = {"hostname": set(), "mac": set(), "generation": set(), "seed": set(), "vmgenid": set()}
        for first in range(0, CLONES, AT_ONCE):
            machines = [self.clone(f"office-{i}") for i in range(first, first + AT_ONCE)]
            for i, machine in enumerate(machines, first):
                machine.ready()
                told = self.identity(machine)
                self.assertEqual(told["hostname"], f"office-{i}")
                self.assertEqual(told["vmgenid"], told["generation"])
                self.assertRegex(told["seed"], "^[0-9a-f]{128}$")
                for key, values in seen.items():
                    values.add(told[key])
                machine.close()
        self.assertEqual({k: len(v) for k, v in seen.items()}, dict.fromkeys(seen, CLONES))

    def test_works(self):
        """a clone goes on with what the parent had on its screen; what one types and writes, no other sees"""
        one, two = self.clone("one"), self.clone("two", "--mac", "52:54:00:00:00:02")
        displays = []
        for machine in (one, two):
            machine.ready()
            displays.append(machine.surface())
            displays[-1].wait(lambda: displays[-1].scanout)
        before = [displays[1].pixel(x, 112) for x in range(640)]
        displays[0].type("ents\n")
        one.serial("line parents\n")
        displays[1].type("t\n")
        two.serial("line part\n")
        self.assertNotEqual(before, [])
        self.assertEqual(self.identity(two)["mac"], "52:54:00:00:00:02")
        self.assertNotIn("parents", two.text("serial"))

    def test_shares(self):
        """a ready clone's private memory is at most 2 % of its RAM; the rest is the parent's"""
        machine = self.clone("small").ready()
        rss, private = memory_kib(machine.process.pid)
        self.assertLess(private, 128 * 1024 * 0.02)
        self.assertGreater(rss, 0)

    def test_working_set(self):
        """what the first clone wrote until it was ready, the next ones have before they run, and only that"""
        recorded = os.path.join(self.folder, "working-set")
        if os.path.exists(recorded):
            os.unlink(recorded)
        first = self.clone("first").ready()
        self.assertIn("clone.fetch pages=0\n", first.text("stderr"))
        end = time.monotonic() + 10
        while "clone.recorded" not in first.text("stderr") and time.monotonic() < end:
            time.sleep(0.01)
        pages = re.search(r"clone.recorded pages=(\d+)", first.text("stderr"))[1]
        self.assertGreater(int(pages), 0)
        second = self.clone("second").ready()
        self.assertIn(f"clone.fetch pages={pages}\n", second.text("stderr"))
        self.assertNotIn("clone.recorded", second.text("stderr"))
        self.assertLess(memory_kib(second.process.pid)[1], 2 * 4 * int(pages) + 64)
        self.assertEqual(self.identity(second)["hostname"], "second")

    def test_layer(self):
        """the parent's disk is under the clone's: missing or changed, the clone is refused"""
        missing = vm.Vm("", "--clone", "--net", "user", restore=self.folder, disk=self.parent.path("base.raw"),
                        layer="/nowhere/overlay")
        self.addCleanup(missing.close)
        status, state = missing.wait()
        self.assertEqual(status, 1)
        self.assertIn("cannot open the layer /nowhere/overlay", state["reason"])
        without = vm.Vm("", "--clone", "--net", "user", restore=self.folder, disk=self.parent.path("base.raw"))
        self.addCleanup(without.close)
        self.assertIn("other disks", without.wait()[1]["reason"])

    def test_suspended_clone(self):
        """a clone that was suspended goes on as who it is, with its own disk over the parent's"""
        machine = self.clone("bob").ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.type("t")
        machine.serial("key 20 0")
        folder = machine.snapshot()
        machine.ask(op="quit")
        machine.wait()
        again = vm.Vm("", "--net", "user", restore=folder, disk=self.parent.path("base.raw"), layer=self.parent.path("overlay"),
                      name="bob", folder=machine.folder)
        self.addCleanup(again.close)
        again.ready()
        display = again.surface()
        display.wait(lambda: display.scanout)
        display.type("s\n")
        again.serial("line parts\n")
        self.assertNotIn("generation", again.text("serial"))

    def test_parent_untouched(self):
        """nothing a clone does reaches the parent's files"""
        files = [os.path.join(self.folder, "memory"), os.path.join(self.folder, "state"), self.parent.path("overlay")]
        before = [(os.stat(f).st_mtime_ns, os.path.getsize(f)) for f in files]
        machine = self.clone("heavy").ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.type("x\n")
        machine.serial("line parx\n")
        machine.ask(op="quit")
        machine.wait()
        self.assertEqual([(os.stat(f).st_mtime_ns, os.path.getsize(f)) for f in files], before)


if __name__ == "__main__":
    unittest.main()
