# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden image as an administrator's file: about 1 GB goes through the gateway, the converter and the manifest to
the host, and is a container desktop there."""
import json
import os
import subprocess
import unittest

import cell
import whole

TIMEOUT = 900


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = cell.why_not()
        if why:
            raise unittest.SkipTest(why)
        cls.site = whole.Whole()
        os.makedirs(cls.site.images)
        cls.site.up()
        cls.site.pane_login()

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "site"):
            cls.site.down()

    def test_container(self):
        """the golden image that virtual machines boot, imported as a file, is a container desktop all the same"""
        path = f"{self.site.run}/golden.qcow2"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", cell.image(), path], check=True)
        self.assertIn("is ready and stable", self.site.pane("image", "import", path, "--name", "golden"))
        os.unlink(path)
        version = json.loads(self.site.pane("image", "show", "golden", "--json"))["versions"][0]
        self.assertEqual(version["boot"], "direct", "it has a kernel for virtual machines too")
        name = whole.word()
        self.site.pane("pools", "create", name, "--image", "golden", "--isolation", "container", "--memory", "512",
                       "--size", "1", "--assignment", "floating")
        password = self.site.user("alice", name)
        self.site.wait_ready(timeout=120)
        screen = whole.Screen(self.site.run, "1280x800")
        try:
            client = self.site.xfreerdp(screen, "alice", password, "/size:1280x800")
            desktop = self.site.wait_session("alice", "connected", 30)
            screen.wait_picture(16)
            self.assertEqual((desktop["image_version"], desktop["isolation"]), ("1", "container"))
            names = [cell.comm(pid) for pid in cell.tree(self.site.process_of(desktop, "vmm"))]
            self.assertIn("Xvfb", names)
            screen.close(client)
        finally:
            screen.end()


if __name__ == "__main__":
    unittest.main()
