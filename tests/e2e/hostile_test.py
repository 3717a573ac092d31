# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and broken files the whole way of an administrator's file: `pane image import` through the gateway, the upload,
the broker and the real converter. The table is the one of tests/vmm/image."""
import json
import os
import sys
import unittest

import whole

sys.path.insert(0, f"{whole.TOP}/tests/vmm/image")
import hostile  # noqa: E402

TIMEOUT = 600


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site()
        cls.addClassCleanup(cls.site.down)
        cls.site.up()
        cls.site.pane_login()
        os.mkdir(f"{cls.site.run}/files")
        cls.folder = hostile.Folder(f"{cls.site.run}/files")
        cls.pane = cls.site.pane

    def left(self):
        """What the store holds."""
        return [path for name in ("upload", "tmp", "images") for path in os.listdir(f"{self.site.run}/images-store/{name}")]

    def test_1_refused(self):
        """each is refused with its reason, which the version keeps; the store keeps nothing, and no host is told"""
        reasons = {}
        for name, make, _, word in hostile.ROWS:
            with self.subTest(name):
                said = self.pane("image", "import", make(self.folder), "--name", "evil", "--changelog", name, status=1)
                self.assertIn(word, said)
                self.assertEqual(self.left(), [])
                reasons[name] = word
        for version in json.loads(self.pane("image", "show", "evil", "--json"))["versions"]:
            self.assertEqual(version["state"], "failed", version)
            self.assertIn(reasons.pop(version["changelog"]), version["reason"])
        self.assertEqual(reasons, {})
        self.assertEqual(os.listdir(f"{self.site.run}/host/images") if os.path.isdir(f"{self.site.run}/host/images") else [],
                         os.listdir(self.site.images))

    def test_2_good(self):
        """after all of them a good file is taken as ever"""
        self.assertIn("is ready", self.pane("image", "import", self.folder.qemu("qcow2"), "--name", "good"))
        self.assertEqual(len(self.left()), 1)


if __name__ == "__main__":
    unittest.main()
