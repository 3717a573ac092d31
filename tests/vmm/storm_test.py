# SPDX-License-Identifier: GPL-3.0-or-later
"""A hostile guest: random, looped, aliased and oversized descriptors, rings in device registers, reset storms."""
import re
import socket
import unittest

import vm

TIMEOUT = 120


@unittest.skipIf(vm.why_not(), vm.why_not())
class Storm(unittest.TestCase):
    def test_storm(self):
        """costs the guest its devices until it resets them, and the host neither the machine nor memory"""
        machine = vm.Vm("run=storm noready", "--net", "user", "--agent", "@/agent.sock", "--clipboard", "--vsock", "@/vsock.sock")
        self.addCleanup(machine.close)
        machine.serial("screen 640x400", 60)
        machine.serial("stormed 9\n", 90)
        machine.serial("disk 8 boot 2\n", 30)  # of one start, counted again after the storm
        self.assertIn("virtio.broken", machine.text("stderr"))
        self.assertEqual(machine.ask(op="status")["state"], "running")
        self.assertLess(self.beyond_ram_kib(machine), 16 * 1024)
        machine.ask(op="quit")
        self.assertEqual(machine.wait()[0], 0)

    def test_plugged(self):
        """into which a disk and a network card are plugged: it has them storm, ejects what comes to its mind, and takes a disk again"""
        machine = vm.Vm("").ready()
        self.addCleanup(machine.close)
        display = machine.surface()
        display.wait(lambda: display.scanout)
        with open(machine.path("data"), "w+b") as file:
            file.truncate(1 << 20)
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(here.close)
            with there:
                self.assertTrue(machine.plug(file, kind="disk", id="data")["ok"])
                self.assertTrue(machine.plug(there, kind="net", id="lan", mac="52:54:00:00:00:02")["ok"])
            machine.serial("plugdisk 1024 ", 60)
            machine.serial("plugnet ", 60)
            display.type("storm\n")
            gone = {machine.event("unplugged", 90)["reason"] for _ in range(2)}
            self.assertEqual(gone, {"data", "lan"})
            machine.serial("stormed 8\n", 60)  # --net is none: the plugged card is the only one
            self.assertEqual(machine.ask(op="plugged")["plugged"], [])
            self.assertTrue(machine.plug(file, kind="disk", id="again")["ok"])
        machine.serial("plugdisk 1024 WRITTEN", 60)
        self.assertLess(self.beyond_ram_kib(machine), 16 * 1024)
        machine.ask(op="quit")
        self.assertEqual(machine.wait()[0], 0)

    @staticmethod
    def beyond_ram_kib(machine):
        """What the process has of its own, guest RAM apart."""
        sum_kib, counted = 0, True
        with open(f"/proc/{machine.process.pid}/smaps", encoding="utf-8", errors="replace") as file:
            for line in file:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    counted = "guest-ram" not in line
                elif counted and line.startswith("Private_Dirty:"):
                    sum_kib += int(line.split()[1])
        return sum_kib


if __name__ == "__main__":
    unittest.main()
