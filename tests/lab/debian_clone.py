# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of the golden Debian image, parked at its desktop, where KVM is hardware-like. Not yet among the
lab's tests; by hand: make lab CMD='PYTHONPATH=tests/lib python3 tests/lab/debian_clone.py'."""
import json
import os
import re
import time
import unittest

import vm

PACE = 0.1  # seconds between keys
IMAGE = os.path.join(vm.SOURCE, "run/images/debian")
NAMES = ("office-1", "office-2")


class Clones(unittest.TestCase):
    def start(self, *more, **kwargs):
        machine = vm.Vm(kwargs.pop("cmdline", ""), "--net", "user", *more, disk=f"{IMAGE}/disk.raw", **kwargs)
        self.addCleanup(machine.close)
        return machine

    def park(self):
        with open(f"{IMAGE}/image.json", encoding="utf-8") as file:
            cmdline = json.load(file)["cmdline"]
        parent = self.start("--initrd", f"{IMAGE}/initrd.img", "--cpus", "2", "--identity", cmdline=cmdline,
                            kernel=f"{IMAGE}/vmlinuz", memory=768)
        began = time.monotonic()
        parent.ready(600)
        self.cold_s = time.monotonic() - began
        folder = parent.snapshot()
        parent.ask(op="quit")
        parent.wait()
        return parent, folder

    def test_clones(self):
        """two clones of one parent: names, machine ids, MACs, random numbers and clocks of their own, and they work"""
        parent, folder = self.park()
        told = []
        for number, name in enumerate(NAMES):
            began = time.monotonic()
            machine = self.start("--clone", "--mac", f"52:54:00:00:07:0{number}", restore=folder, layer=parent.path("overlay"),
                                 name=name)
            display = machine.surface()
            display.wait(lambda: display.scanout)
            frame_s = time.monotonic() - began
            machine.ready(300)
            ready_s = time.monotonic() - began
            with open(f"/proc/{machine.process.pid}/smaps_rollup", encoding="ascii") as file:
                private = sum(int(n) for n in re.findall(r"^Anonymous: +(\d+)", file.read(), re.M))
            print(f"# cold boot {self.cold_s:.1f} s, clone: screen {frame_s:.3f} s, ready {ready_s:.1f} s, private {private} KiB")
            display.type("echo ID $(uname -n) $(cat /etc/machine-id /sys/class/net/e*/address) "
                         "$(od -An -tx8 -N8 /dev/urandom) $(date +%s) DI >/dev/ttyS0\n", PACE)
            machine.serial(" DI", 180)
            print("# " + machine.text("serial").replace("\n", "\n# "))
            words = re.search(r"ID (.*) DI", machine.text("serial"))[1].split()
            self.assertEqual(words[0], name)
            self.assertEqual(words[2], f"52:54:00:00:07:0{number}")
            self.assertLess(abs(int(words[4]) - time.time()), 120)
            display.type("ip -4 -br addr >/dev/ttyS0; sudo dmesg | grep -ci vmgenid >/dev/ttyS0\n", PACE)
            machine.serial("10.0.2.15/24", 180)
            told.append(words)
            machine.ask(op="quit")
            machine.wait()
        for a, b in zip(*[words[:4] for words in told]):
            self.assertNotEqual(a, b)


if __name__ == "__main__":
    unittest.main()
