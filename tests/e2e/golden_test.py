# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden image as an administrator's file: about 1 GB goes through the gateway, the converter and the manifest to
the host, and is a container desktop there; exported again, it is the disk that went in."""
import json
import os
import subprocess
import unittest

import cell
import whole

TIMEOUT = 900
TERMINAL = (0x1d, 0x24, 0x30)  # the golden image's terminal background: no client has this colour of its own


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = cell.why_not()
        if why:
            raise unittest.SkipTest(why)
        cls.site = whole.Whole()
        os.makedirs(cls.site.images)
        cls.addClassCleanup(cls.site.down)
        cls.site.up()
        cls.site.pane_login()

    def test_1_import(self):
        """the golden image that virtual machines boot, as a qcow2 file, becomes a version that boots directly"""
        path = f"{self.site.run}/golden.qcow2"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", cell.image(), path], check=True)
        self.assertIn("is ready and stable", self.site.pane("image", "import", path, "--name", "golden"))
        os.unlink(path)
        version = json.loads(self.site.pane("image", "show", "golden", "--json"))["versions"][0]
        self.assertEqual((version["boot"], version["boot_reason"]), ("direct", ""), "it has a kernel for virtual machines too")

    def test_2_container(self):
        """a desktop of it is a container, into which a user logs in and finds the golden image's terminal"""
        self.site.pane("pools", "create", "office", "--image", "golden", "--isolation", "container", "--memory", "512",
                       "--size", "1", "--assignment", "floating")
        password = self.site.user("alice")
        self.site.wait_ready(timeout=120)
        screen = whole.Screen(self.site.run, "1280x800")
        try:
            client = self.site.xfreerdp(screen, "alice", password, "/size:1280x800")
            desktop = self.site.wait_session("alice", "connected", 60)
            self.assertEqual((desktop["image"], desktop["image_version"], desktop["isolation"]), ("golden", "1", "container"))
            screen.wait_share(TERMINAL, 0.2, 60, "the desktop's terminal in the client's window")
            names = [cell.comm(pid) for pid in cell.tree(self.site.process_of(desktop, "vmm"))]
            self.assertIn("Xvfb", names)
            with open(f"/proc/{self.site.process_of(desktop, 'vmm')}/cmdline", encoding="utf-8") as file:
                self.assertIn(f"{self.site.run}/host/images/golden@1/disk.raw", file.read())
            screen.close(client)
        finally:
            screen.end()

    def test_3_export(self):
        """exported, the version's disk, kernel and initial RAM disk are byte for byte those of the golden image"""
        folder = f"{self.site.run}/export"
        self.site.pane("image", "export", "golden", "1", folder)
        for name in ("disk.raw", "vmlinuz", "initrd.img"):
            subprocess.run(["cmp", f"{folder}/{name}", f"{os.path.dirname(cell.image())}/{name}"], check=True)


if __name__ == "__main__":
    unittest.main()
