# SPDX-License-Identifier: GPL-3.0-or-later
"""Halted processors that wait for an interrupt nobody sends any more: what makes them look again."""
import os
import tempfile
import time
import unittest

import vm
import vmpc

OUT = b"\x66\xba\xf8\x03\xb0%c\xee\xb0\x0a\xee"  # mov dx, 3f8h; mov al, …; out dx, al; mov al, 10; out dx, al
BEGIN = OUT % b"a"
# sti; hlt; say b; jmp to the hlt. Or the same with cli: it has stopped for good.
ASLEEP, STOPPED = (BEGIN + first + b"\xf4" + OUT % b"b" + b"\xeb" + bytes([256 - 3 - len(OUT)]) for first in (b"\xfb", b"\xfa"))


@unittest.skipIf(vm.why_not(), vm.why_not())
class Wake(unittest.TestCase):
    def start(self, code, *more, **kwargs):
        folder = tempfile.TemporaryDirectory(prefix="pane-wake-")
        self.addCleanup(folder.cleanup)
        kernel = vmpc.multiboot(code, os.path.join(folder.name, "kernel"))
        machine = vm.Vm("", "--identity", *more, kernel=kernel, **kwargs)
        self.addCleanup(machine.close)
        machine.serial("a\n")
        return machine

    def still(self, machine):
        """Nothing was said since the beginning, nor is now."""
        before = machine.text("serial")
        time.sleep(0.5)
        self.assertEqual(machine.text("serial"), before)

    def test_nudged(self):
        """a sleeping processor looks again as often as it was asked for, and only then; one that stopped for good never does"""
        machine = self.start(ASLEEP, "--wake", "20")
        machine.serial("b\nb\nb\n")
        self.still(self.start(ASLEEP, "--wake", "0"))
        self.still(self.start(STOPPED, "--wake", "20"))

    def test_resumed(self):
        """after a pause a sleeping processor looks once"""
        machine = self.start(ASLEEP)
        self.still(machine)
        machine.ask(op="pause")
        machine.ask(op="resume")
        machine.serial("a\nb\n")
        self.still(machine)

    def test_restored(self):
        """a clone of a machine that slept on a lost wake-up looks again; one that had stopped for good has"""
        for code, said in ((ASLEEP, "b\n"), (STOPPED, "")):
            machine = self.start(code)
            folder = machine.snapshot()
            machine.ask(op="quit")
            machine.wait()
            clone = vm.Vm("", "--clone", restore=folder, disk=machine.path("base.raw"), layer=machine.path("overlay"))
            self.addCleanup(clone.close)
            clone.ask(op="status")
            if said:
                clone.serial(said)
            self.still(clone)
            self.assertEqual(clone.text("serial"), said)


if __name__ == "__main__":
    unittest.main()
