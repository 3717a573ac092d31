# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden Debian image under pane-vmm alone. Started by vmm_test.py, where KVM is hardware-like."""
import json
import os
import random
import string
import time
import unittest

import clip
import vm

PACE = 0.1  # seconds between keys
IMAGE = os.path.join(vm.SOURCE, "run/images/debian")


class Debian(unittest.TestCase):
    def boot(self, folder=None):
        with open(f"{IMAGE}/image.json", encoding="utf-8") as file:
            cmdline = json.load(file)["cmdline"]
        machine = vm.Vm(cmdline, "--initrd", f"{IMAGE}/initrd.img", "--cpus", "2", "--net", "user", "--sound", "--agent", "@/agent.sock", "--clipboard", kernel=f"{IMAGE}/vmlinuz",
                        disk=f"{IMAGE}/disk.raw", memory=768, folder=folder)
        self.addCleanup(machine.close)
        machine.ready(900)
        display = machine.surface(lambda path: clip.Clipboard(path, clip.OUT | clip.IN))
        display.wait(lambda: display.scanout)
        return machine, display

    def devices(self, machine, display):
        """what Linux's drivers make of the devices"""
        display.type("cat /sys/bus/virtio/devices/*/features | cut -c35 | sort | uniq -c >/dev/ttyS0\n", PACE)
        machine.serial("8 1\n", 180)  # all eight by packed rings
        display.type("echo $(ls /sys/block/vda/mq | wc -l) queues >/dev/ttyS0\n", PACE)
        machine.serial("2 queues", 180)
        before = machine.ask(op="balloon")
        self.assertTrue(before["driver"])
        machine.ask(op="balloon", target_mib=200)
        end = time.monotonic() + 180
        while (told := machine.ask(op="balloon"))["actual_mib"] < 200:
            self.assertLess(time.monotonic(), end, told)
            time.sleep(0.2)
        print("balloon", before, told, flush=True)
        self.assertGreaterEqual(told["released_mib"], 200)
        self.assertLess(told["stats"]["available_bytes"], told["stats"]["total_bytes"])
        machine.ask(op="balloon", target_mib=0)
        self.agent(machine)
        if os.environ.get("PANE_GUESTS") == "all":
            self.clipboard(machine, display)
        display.listen()
        display.type("pacat --raw /usr/bin/bash &\n", PACE)
        display.wait(lambda: len(display.heard) > 200000, 180)
        print("sound", display.rate, len(set(display.heard)), flush=True)
        self.assertGreater(len(set(display.heard)), 100)

    def agent(self, machine):
        """the distribution's qemu-guest-agent, by its port"""
        with machine.connect("agent.sock") as sock, sock.makefile("rwb", buffering=0) as agent:
            sock.settimeout(180)
            for order, wanted in (({"execute": "guest-sync", "arguments": {"id": 4711}}, 4711), ({"execute": "guest-fsfreeze-status"}, "thawed")):
                agent.write(json.dumps(order).encode() + b"\n")
                self.assertEqual(json.loads(agent.readline()), {"return": wanted})

    def clipboard(self, machine, display):
        """its spice-vdagent: text copied in the guest is had outside, and the display's is pasted in the guest"""
        display.type(clip.TERMINAL, PACE)
        serial, formats, _ = display.next(clip.OFFER, 180)
        self.assertEqual(formats, clip.TEXT)
        display.request(serial)
        self.assertEqual(display.next(clip.DATA, 60), (serial, clip.TEXT, 0, 6, "gr\u00fc\u00df"))
        display.offer(77)
        self.assertEqual(display.next(clip.OFFER)[1], 0)  # the terminal's is no more
        end = time.monotonic() + 180
        while not any(m[0] == clip.REQUEST for m in display.told):  # until the guest's agent has taken note of the offer
            self.assertLess(time.monotonic(), end)
            display.paste()
            display.receive(2)
        self.assertEqual(display.next(clip.REQUEST)[:2], (77, clip.TEXT))
        display.give(77, b"from the display")
        display.type("\n")
        self.assertEqual(display.next(clip.OFFER, 180)[1], clip.TEXT)  # of what the terminal copies then
        display.type("\n")
        self.assertEqual(display.next(clip.OFFER, 180)[1], 0)  # and takes along when it ends
        display.type("cat pasted >/dev/ttyS0\n", PACE)
        machine.serial("from the display", 180)

    def test_debian(self):
        """boots, is typed at, takes every device, panics, boots again with its files, reboots"""
        word = "".join(random.choices(string.ascii_lowercase, k=12))
        machine, display = self.boot()
        self.assertEqual(display.scanout[:2], (1280, 800))
        display.type(f"echo {word} >kept; sync; echo $(nproc) cpus $(cat kept) >/dev/ttyS0\n", PACE)
        machine.serial(f"2 cpus {word}", 180)
        display.type("ip -4 -br addr >/dev/ttyS0\n", PACE)
        machine.serial("10.0.2.15/24", 180)
        self.devices(machine, display)
        display.type("ls /sys/bus/virtio/devices | wc -l >/dev/ttyS0; echo c | sudo tee /proc/sysrq-trigger\n", PACE)
        self.assertEqual(machine.wait(180), (4, {"code": 4, "reason": "panic"}), machine.text("serial"))

        again, display = self.boot(machine.folder)
        display.type("cat kept >/dev/ttyS0; sudo reboot\n", PACE)
        again.serial(word, 180)
        self.assertEqual(again.wait(300), (3, {"code": 3, "reason": "reset"}))
