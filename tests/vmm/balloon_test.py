# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory a guest does not need is the host's again: by the balloon, by free page reporting, in a machine of its own and in a clone."""
import re
import unittest

import vm

TIMEOUT = 120
MIB = 256  # pages


@unittest.skipIf(vm.why_not(), vm.why_not())
class Balloon(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    @staticmethod
    def pss_mib(machine):
        with open(f"/proc/{machine.process.pid}/smaps_rollup", encoding="ascii") as file:
            return int(re.search(r"^Pss: +(\d+)", file.read(), re.M)[1]) / 1024

    @staticmethod
    def command(machine, display, text, answer):
        display.type(text + "\n")
        machine.serial(answer)

    def gives_back(self, machine, display):
        """half by the balloon, half by a report; returns what the memory was in between"""
        full = self.pss_mib(machine)
        self.assertEqual(machine.ask(op="balloon", target_mib=32)["target_mib"], 32)
        machine.serial(f"balloon has {32 * MIB}\n")
        half = self.pss_mib(machine)
        self.command(machine, display, "report", "reported")
        told = machine.ask(op="balloon")
        self.assertEqual((told["actual_mib"], told["released_mib"], told["driver"]), (32, 64, True))
        least = self.pss_mib(machine)
        self.command(machine, display, "check", f"zeros {64 * MIB}\n")
        return full, half, least

    def test_own(self):
        """of memory of its own, and of what --memory-merge made: the pages go, and are zeros when they come back"""
        for option in ((), ("--memory-merge", "--memory-huge")):
            machine = self.start("", *option).ready()
            display = machine.surface()
            display.wait(lambda: display.scanout)
            self.command(machine, display, "fill", "filled")
            full, half, least = self.gives_back(machine, display)
            self.assertGreater(full - half, 31)
            self.assertGreater(half - least, 31)

    def test_clone(self):
        """a clone gives back what it wrote over its parent's pages; zeros come in their place, not what the parent had there"""
        parent = self.start("", "--identity").ready()
        display = parent.surface()
        display.wait(lambda: display.scanout)
        self.command(parent, display, "fill", "filled")
        folder = parent.snapshot()
        parent.ask(op="quit")
        parent.wait()
        clone = self.start("", "--clone", restore=folder, disk=parent.path("base.raw"), layer=parent.path("overlay"), name="two").ready()
        display = clone.surface()
        display.wait(lambda: display.scanout)
        self.command(clone, display, "check", "zeros 0\n")
        self.command(clone, display, "fill", "filled")
        full, half, least = self.gives_back(clone, display)
        self.assertGreater(full - half, 31)
        self.assertGreater(half - least, 31)

    def test_refused(self):
        """a target beyond the memory, below zero or of another kind is refused"""
        machine = self.start("").ready()
        for bad in (128, -1, "32", 1.5):
            self.assertIn("error", machine.ask(op="balloon", target_mib=bad))
        self.assertEqual(machine.ask(op="balloon")["target_mib"], 0)


if __name__ == "__main__":
    unittest.main()
