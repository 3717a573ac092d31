# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden Debian image under pane-vmm alone. Started by vmm_test.py, where KVM is hardware-like."""
import json
import os
import random
import string
import unittest

import vm

PACE = 0.1  # seconds between keys
IMAGE = os.path.join(vm.SOURCE, "run/images/debian")


class Debian(unittest.TestCase):
    def boot(self, folder=None):
        with open(f"{IMAGE}/image.json", encoding="utf-8") as file:
            cmdline = json.load(file)["cmdline"]
        machine = vm.Vm(cmdline, "--initrd", f"{IMAGE}/initrd.img", "--cpus", "2", "--net", "user", kernel=f"{IMAGE}/vmlinuz",
                        disk=f"{IMAGE}/disk.raw", memory=768, folder=folder)
        self.addCleanup(machine.close)
        machine.ready(900)
        display = machine.surface()
        display.wait(lambda: display.scanout)
        return machine, display

    def test_debian(self):
        """boots, is typed at, panics, boots again with its files, reboots"""
        word = "".join(random.choices(string.ascii_lowercase, k=12))
        machine, display = self.boot()
        self.assertEqual(display.scanout[:2], (1280, 800))
        display.type(f"echo {word} >kept; sync; echo $(nproc) cpus $(cat kept) >/dev/ttyS0\n", PACE)
        machine.serial(f"2 cpus {word}", 180)
        display.type("ip -4 -br addr >/dev/ttyS0\n", PACE)
        machine.serial("10.0.2.15/24", 180)
        display.type("ls /sys/bus/virtio/devices | wc -l >/dev/ttyS0; echo c | sudo tee /proc/sysrq-trigger\n", PACE)
        self.assertEqual(machine.wait(180), (4, {"code": 4, "reason": "panic"}), machine.text("serial"))

        again, display = self.boot(machine.folder)
        display.type("cat kept >/dev/ttyS0; sudo reboot\n", PACE)
        again.serial(word, 180)
        self.assertEqual(again.wait(300), (3, {"code": 3, "reason": "reset"}))
