# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of the golden Debian image, parked at its desktop. Started by clone_test.py, where KVM is hardware-like."""
import json
import os
import re
import time
import unittest

import vm

PACE = 0.1  # seconds between keys
IMAGE = os.path.join(vm.SOURCE, "run/images/debian")
MEMORY_MIB = 768
ASK = "echo ID $(uname -n) $(cat /etc/hostname /etc/machine-id /sys/class/net/e*/address) $(od -An -tx8 -N8 /dev/urandom) " \
      "$(date +%s) DI >/dev/ttyS0\n"


def private_kib(pid):
    """How much of the guest's memory is a clone's own."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        maps = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", file.read(), flags=re.M)
    return sum(int(re.search(r"^Anonymous: +(\d+)", m, re.M)[1]) for m in maps if re.match(r".*/memory$", m.split("\n", 1)[0]))


class Clones(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(f"{IMAGE}/image.json", encoding="utf-8") as file:
            cmdline = json.load(file)["cmdline"]
        cls.parent = vm.Vm(cmdline, "--net", "user", "--initrd", f"{IMAGE}/initrd.img", "--cpus", "2", "--identity",
                           disk=f"{IMAGE}/disk.raw", kernel=f"{IMAGE}/vmlinuz", memory=MEMORY_MIB)
        cls.addClassCleanup(cls.parent.close)
        began = time.monotonic()
        cls.parent.ready(900)
        cls.cold_s = time.monotonic() - began
        cls.parent.serial("pane.waits", 300)  # as a host agent parks it
        cls.folder = cls.parent.snapshot()
        cls.parent.ask(op="quit")
        cls.parent.wait()

    def clone(self, number, **kwargs):
        name = f"office-{number}"
        began = time.monotonic()
        machine = vm.Vm("", "--net", "user", "--clone", "--mac", f"52:54:00:00:07:0{number}", disk=f"{IMAGE}/disk.raw",
                        restore=self.folder, layer=self.parent.path("overlay"), name=name, **kwargs)
        self.addCleanup(machine.close)
        display = machine.surface()
        display.wait(lambda: display.scanout)
        frame_s = time.monotonic() - began
        machine.ready(300)
        ready_s = time.monotonic() - began
        kib = private_kib(machine.process.pid)
        print(f"# {name}: cold boot {self.cold_s:.1f} s; clone: screen after {frame_s:.2f} s, ready after {ready_s:.2f} s "
              f"(1/{self.cold_s / ready_s:.0f}), own memory {kib} KiB ({kib / MEMORY_MIB / 10.24:.2f} %)", flush=True)
        return machine, display, kib

    def told(self, machine, display):
        """What a clone says of itself when it is asked as soon as it is ready."""
        display.type(ASK, PACE)
        machine.serial(" DI", 300)
        return re.search(r"ID (.*) DI", machine.text("serial"))[1].split()

    def test_clones(self):
        """two clones at once: each is typed at as soon as it is ready, each is somebody of its own, and hears nothing of the other"""
        made = [self.clone(number) for number in (1, 2)]
        words = [self.told(machine, display) for machine, display, _ in made]
        for number, one in enumerate(words, 1):
            self.assertEqual(one[:2], [f"office-{number}"] * 2)
            self.assertEqual(one[3], f"52:54:00:00:07:0{number}")
            self.assertLess(abs(int(one[5]) - time.time()), 300)
        for a, b in zip(*[one[:5] for one in words]):
            self.assertNotEqual(a, b)
        for number, (machine, display, kib) in enumerate(made, 1):
            display.type(f"echo mine{number} | tee kept >/dev/ttyS0; ip -4 -br addr >/dev/ttyS0\n", PACE)
            machine.serial(f"mine{number}", 120)
            machine.serial("10.0.2.15/24", 300)
            self.assertLess(kib, MEMORY_MIB * 1024 * 0.02)
        for number, (machine, display, _) in enumerate(made, 1):
            display.type("cat kept >/dev/ttyS0; echo END >/dev/ttyS0\n", PACE)
            machine.serial("END", 120)
            self.assertEqual(machine.text("serial").count(f"mine{number}"), 2)
            self.assertNotIn(f"mine{3 - number}", machine.text("serial"))
