# SPDX-License-Identifier: GPL-3.0-or-later
"""The first-boot volume of a machine, made by the real pane-image from what orders say; images without a kernel."""
import os
import shutil
import subprocess
import unittest

import rig
from agent_test import D1, Story
from rig import until

TIMEOUT = 120
C1 = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
PANE_IMAGE = f"{rig.BUILD}/bin/pane-image"


class FirstBoot(Story): # a TestCase
    settings = {"pane_image": PANE_IMAGE}

    def setUp(self):
        if not shutil.which("mcopy"):
            self.skipTest("mtools is not installed")
        super().setUp()
        self.host.image(cloud_init=True)

    def seed(self, name="user-data"):
        return subprocess.run(["mcopy", "-n", "-i", f"{self.host.state}/desktops/{D1}/seed.raw", f"::{name}", "-"],
                              capture_output=True, check=True, text=True).stdout

    def start(self, state="ready", **fields):
        self.host.start()
        self.broker.order(D1, **fields)
        return self.state(D1, state)

    def test_customised(self):
        """time zone, keyboard, packages, script, account and home of an order are in the volume the machine gets"""
        self.broker.more["customizations"] = {C1: {"timezone": "Europe/Berlin", "keyboard": "de", "packages": ["vim", "g++"],
                                                   "script": "#!/bin/sh\ntrue\n", "sudo": False}}
        self.start(account="alice", customize=C1, home={"key": C1, "mib": 16})
        text = self.seed()
        for part in ('"name": "alice"', '"timezone": "Europe/Berlin"', '"vim"', '"g++"', "/etc/default/keyboard",
                     "pane-custom", "pane-home", '"hostname": "office-1"'):
            self.assertIn(part, text)
        self.assertNotIn("NOPASSWD", text)
        with open(f"/proc/{self.vmm()}/cmdline", encoding="utf-8") as file:
            self.assertIn(f"raw={self.host.state}/desktops/{D1}/seed.raw,readonly", file.read())

    def test_unheard(self):
        """packages and a script that an image without cloud-init cannot take are told as the desktop's reason"""
        self.host.image(cmdline="plain")
        self.broker.more["customizations"] = {C1: {"packages": ["vim"]}}
        row = self.start(customize=C1)
        self.assertIn("the pool's packages and script were not used, as image", row["reason"])
        self.broker.more["customizations"] = {C1: {"timezone": "Europe/Berlin"}}
        self.broker.order(D1, epoch=2, want="stopped", customize=C1)
        self.state(D1, "stopped")
        self.broker.order(D1, epoch=3, want="running", customize=C1)
        self.assertEqual(self.state(D1, "ready")["reason"], "")

    def test_instance(self):
        """a first boot happens once: a restart keeps the instance, another account makes a new one"""
        self.start(account="")
        self.assertNotIn("pane-home", self.seed())
        self.assertIn('"users": []', self.seed())
        first = self.seed("meta-data")
        self.broker.order(D1, epoch=2, want="stopped")
        self.state(D1, "stopped")
        self.broker.order(D1, epoch=3, want="running")
        self.state(D1, "ready")
        self.assertEqual(self.seed("meta-data"), first)
        self.broker.order(D1, epoch=4, want="stopped", account="alice")
        self.state(D1, "stopped")
        self.broker.order(D1, epoch=5, want="running")
        self.state(D1, "ready")
        self.assertNotEqual(self.seed("meta-data"), first)
        self.assertIn('"name": "alice"', self.seed())

    def test_refused(self):
        """what pane-image refuses fails the desktop with its words; so does a customisation that did not come"""
        self.broker.more["customizations"] = {C1: {"timezone": "../../etc/shadow"}}
        self.start("failed", customize=C1)
        self.reason(D1, "--timezone: give a zone")
        self.broker.say(customizations={})
        self.broker.order(D1, epoch=2)
        self.reason(D1, "did not come with its order")

    def test_hostile_orders(self):
        """an order whose account or customisation is no plain word makes the whole reply refused"""
        self.host.start()
        for bad in ({"account": "a b"}, {"account": "../x"}, {"account": "root"}, {"customize": "../x"}, {"customize": "x" * 36}):
            self.broker.order(D1, **{"account": "user", "customize": "", **bad})
            until(lambda: "account is not" in self.host.log_text() or "customize is not" in self.host.log_text(), self.host.log_text)
            self.assertFalse(os.path.exists(f"{self.host.state}/desktops/{D1}"))


class Firmware(Story):
    def test_reason(self):
        """an image without a kernel is listed with the reason, and its desktop starts by firmware"""
        self.host.image("windows", boot="firmware", boot_reason="found: ntfs")
        self.host.start()
        image = until(lambda: next((i for i in self.broker.report["images"] if i["name"] == "windows"), None), "the report")
        self.assertEqual((image["boot"], image["boot_reason"]), ("firmware", "found: ntfs"))
        self.assertTrue(self.broker.report["capacity"]["firmware"])
        self.broker.order(D1, image="windows")
        self.state(D1, "ready")
        with open(f"/proc/{self.host.record(D1)['vmm']['pid']}/cmdline", encoding="utf-8") as file:
            self.assertIn("--firmware\0bios\0", file.read())
        self.assertIn("windows", self.host.command("image", "list").stdout)


if __name__ == "__main__":
    unittest.main()
