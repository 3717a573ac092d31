# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of an image from file to desktop: `pane image import` through the gateway, a host
that fetches what it lacks, a desktop that changes version when it is recycled."""
import json
import os
import shutil
import subprocess
import unittest

import whole

TIMEOUT = 300


# In the place of pane-image: the disk as it came, with the test card as its kernel.
CONVERT = """#!/bin/sh
set -e
mkdir "$3"
cp --sparse=always "$2" "$3/disk.raw"
echo '{"percent": 50, "step": "convert"}'
cp %s "$3/vmlinuz"
echo '{"name": "x", "version": "x", "cmdline": "", "ready": "serial", "size": "640x400"}' >"$3/image.json"
"""


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site()
        cls.site.pane_image = f"{cls.site.run}/convert"
        with open(cls.site.pane_image, "w", encoding="ascii") as file:
            file.write(CONVERT % f"{whole.BUILD}/guest/card")
        os.chmod(cls.site.pane_image, 0o755)
        cls.site.up()
        cls.home = f"{cls.site.run}/cli"
        os.makedirs(cls.home)
        cls.env = dict(os.environ, XDG_CONFIG_HOME=cls.home)
        password = cls.site.make_admin("second")
        cls.pane("login", "--server", f"https://127.0.0.1:{cls.site.ports['https']}", "--ca",
                 f"{cls.site.pki}/ca.crt", "second", "--password-stdin", text=password + "\n")

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    @classmethod
    def pane(cls, *words, text=None, status=0):
        done = subprocess.run([cls.site.program("pane"), *words], input=text, capture_output=True, text=True,
                              env=cls.env)
        if done.returncode != status:
            raise AssertionError(f"pane {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stderr

    def upload(self, name, mark):
        """A disk with a mark at its beginning, something in its middle and holes."""
        path = f"{self.site.run}/{name}.raw"
        with open(path, "wb") as disk:
            disk.truncate(16 << 20)
            disk.write(mark)
            disk.seek(9 << 20)
            disk.write(os.urandom(3 << 20))
        return path

    def test_versions(self):
        """import, publish, recycle: the desktop is of the new version, which its host fetched; and back"""
        self.pane("pools", "create", "office", "--image", "test", "--memory", "128", "--cpus", "1", "--size", "1")
        first = self.upload("first", b"first")
        said = self.pane("image", "import", first, "--name", "test", "--changelog", "the first")
        self.assertIn("version 1 is ready and stable", said)
        desktop = self.site.wait_state("office-1", "ready", timeout=40)
        self.assertEqual(desktop["image_version"], "1")
        held = f"{self.site.run}/host/images/test@1"
        self.assertTrue(os.path.exists(f"{held}/.pulled"))
        with open(f"{held}/disk.raw", "rb") as disk:
            self.assertEqual(disk.read(5), b"first")
        said = self.pane("image", "import", self.upload("second", b"second"), "--name", "test")
        self.assertIn("pane image publish test 2", said)
        self.pane("image", "publish", "test", "2")
        said = self.pane("pools", "update", "office", "--force")
        self.assertIn("version 2", said)
        self.site.wait(lambda: json.loads(self.pane("pools", "show", "office", "--json"))["rollout"]["state"] == "done",
                       40, "the update")
        self.assertEqual(self.site.desktop(desktop["name"])["image_version"], "2")
        self.site.wait(lambda: not os.path.exists(held), 10, "the old version's end on the host")
        self.pane("image", "rollback", "test")
        self.pane("desktops", "recycle", desktop["name"])
        self.site.wait(lambda: self.site.desktop(desktop["name"])["image_version"] == "1" and
                       self.site.desktop(desktop["name"])["state"] == "ready", 40, "version 1 again")
        folder = f"{self.site.run}/export"
        self.pane("image", "export", "test", "1", folder)
        with open(f"{folder}/disk.raw", "rb") as disk:
            self.assertEqual(disk.read(5), b"first")
        self.assertLess(os.stat(f"{folder}/disk.raw").st_blocks * 512, 8 << 20, "holes stay holes")
        self.assertIn("in use", self.pane("image", "delete", "test", status=1))
        self.pane("image", "delete", "test", "--image-version", "2")

    def test_homes(self):
        """a machine of a pool with homes has the user's disk, the same after it was recycled"""
        if not shutil.which("mkfs.ext4", path="/sbin:/usr/sbin"):
            self.skipTest("e2fsprogs is not installed")
        self.site.pool("homes", image="card", size_max=1, spare=1, assignment="floating", home_mib=16)
        password = self.site.user("alice", "homes")
        def ticket():
            try:
                return self.site.api().login("alice", password).post("/tickets", {"pool": "homes"}).get("ticket")
            except Exception: # what it says while the machine starts
                return None
        self.site.wait(ticket, 40, "a ticket")
        disks = os.listdir(f"{self.site.run}/host/homes")
        self.assertEqual(len(disks), 1)
        made = os.stat(f"{self.site.run}/host/homes/{disks[0]}")
        found = subprocess.run(["/sbin/blkid", "-o", "value", "-s", "LABEL", f"{self.site.run}/host/homes/{disks[0]}"],
                               capture_output=True, text=True).stdout.strip()
        self.assertEqual(found, "pane-home")
        desktop = self.site.desktop_of("alice")
        with open(f"/proc/{self.site.process_of(desktop, 'vmm')}/cmdline", encoding="utf-8") as file:
            self.assertIn(f"homes/{disks[0]}", file.read())
        self.pane("desktops", "recycle", desktop["name"])
        self.site.wait(ticket, 40, "a ticket again")
        self.assertEqual(os.listdir(f"{self.site.run}/host/homes"), disks)
        self.assertEqual(os.stat(f"{self.site.run}/host/homes/{disks[0]}").st_ino, made.st_ino)


if __name__ == "__main__":
    unittest.main()
