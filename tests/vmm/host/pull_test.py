# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-host fetching images: connections that break, content that is wrong, manifests that lie, versions
that are no longer wanted."""
import json
import os
import unittest

from agent_test import D1, Story
from rig import until

TIMEOUT = 120
MIB = 1 << 20


class Pull(Story):
    def files(self, version, mark=b"data", name="office"):
        disk = bytearray(6 * MIB)
        disk[:len(mark)] = mark
        disk[4 * MIB:5 * MIB] = os.urandom(MIB)
        return {"disk.raw": bytes(disk), "vmlinuz": b"kernel", "initrd.img": b"initrd", "image.json": json.dumps(
            {"name": name, "version": version, "cmdline": "quiet", "ready": "serial"}).encode()}

    RANGES = {"disk.raw": [[0, 4096], [4 * MIB, MIB]]}

    def held(self):
        return sorted(os.listdir(f"{self.host.state}/images")) if os.path.isdir(f"{self.host.state}/images") else []

    def images(self):
        return {i["version"]: i for i in (self.broker.report or {}).get("images", [])}

    def test_fetched_for_a_desktop(self):
        """a desktop waits for its image, says so, and starts from that version; holes stay holes"""
        files = self.files("7")
        self.broker.cut = [4096, 100000, 0, 300000] # of the second range: broken off three times
        self.broker.offer("office", "7", files, self.RANGES)
        self.host.start()
        self.broker.order(D1, version="7")
        self.state(D1, "ready", 30)
        folder = f"{self.host.state}/images/office@7"
        with open(f"{folder}/disk.raw", "rb") as disk:
            self.assertEqual(disk.read(), files["disk.raw"])
        self.assertLess(os.stat(f"{folder}/disk.raw").st_blocks * 512, 3 * MIB)
        self.assertEqual(self.host.record(D1)["image_version"], "7")
        starts = [first for name, first, _ in self.broker.ranges if name == "disk.raw"]
        self.assertEqual(starts[0], 0)
        self.assertEqual(starts[1], 4 * MIB)
        self.assertGreater(starts[2], 4 * MIB, "it goes on where it broke")
        self.assertEqual(self.held(), ["office@7"])

    def test_resumes_after_a_restart(self):
        """what had arrived before the agent was killed is not fetched again"""
        files = self.files("7")
        self.broker.cut = [4096, 500000] + [0] * 400
        self.broker.offer("office", "7", files, self.RANGES)
        self.host.start()
        until(lambda: len([r for r in self.broker.ranges if r[0] == "disk.raw"]) > 3, "a broken fetch")
        until(lambda: "could not" in str(self.images().get("7")) or self.images().get("7", {}).get("state") == "failed",
              lambda: f"reported: {self.images()}", 30)
        self.host.kill()
        self.broker.cut, self.broker.ranges = [], []
        self.host.start()
        until(lambda: self.held() == ["office@7"], lambda: f"{self.held()} {self.host.log_text()}", 30)
        first = [r for r in self.broker.ranges if r[0] == "disk.raw"][0][1]
        self.assertGreater(first, 4 * MIB, "the beginning was there")

    def test_wrong_content(self):
        """content that is not what was announced is never used; the reason is reported"""
        self.broker.offer("office", "8", self.files("8"), wrong=True)
        self.host.start()
        self.broker.order(D1, version="8")
        until(lambda: self.images().get("8", {}).get("state") == "failed", lambda: self.images(), 20)
        self.assertIn("another content", self.images()["8"]["reason"])
        self.assertNotIn("office@8", self.held())
        self.state(D1, "failed")

    def test_plain_checksums(self):
        """versions whose manifests have plain checksums, of before content digests, are fetched and checked as ever"""
        self.broker.offer("office", "5", self.files("5"), self.RANGES, plain=True)
        self.broker.offer("office", "6", self.files("6"), wrong=True, plain=True)
        self.host.start()
        until(lambda: self.images().get("6", {}).get("state") == "failed" and "office@5" in self.held(), lambda: self.images(), 20)
        self.assertIn("another content", self.images()["6"]["reason"])
        self.assertNotIn("office@6", self.held())

    def test_lying_manifests(self):
        """a manifest may not name paths, ranges outside of its files, or another image"""
        self.broker.offer("office", "9", {"../../evil": b"x"})
        self.broker.offer("office", "10", {"disk.raw": b"x" * 512}, {"disk.raw": [[0, 1 << 50]]})
        self.broker.offer("office", "11", {"disk.raw": b"x" * 512}, {"disk.raw": [[256, 256], [0, 256]]})
        self.broker.offer("office", "12", self.files("12", name="other"))
        self.host.start()
        until(lambda: all(self.images().get(v, {}).get("state") == "failed" for v in ("9", "10", "11", "12")),
              lambda: self.images(), 30)
        self.assertFalse(os.path.exists(f"{self.host.state}/evil"))
        self.assertIn("plain name", self.images()["9"]["reason"])
        self.assertIn("calls itself other", self.images()["12"]["reason"])

    def test_old_versions_go(self):
        """a version stays as long as a desktop is made from it, and is removed after"""
        self.broker.offer("office", "1", self.files("1"))
        self.host.start()
        self.broker.order(D1, version="1")
        self.state(D1, "ready", 20)
        self.broker.offer("office", "2", self.files("2"))
        self.broker.want(("office", "2"))
        until(lambda: self.held() == ["office@1", "office@2"], lambda: self.held(), 20)
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D1, "absent")
        self.broker.want(("office", "2"))
        until(lambda: self.held() == ["office@2"], lambda: self.held(), 20)
        self.host.image()
        self.broker.want()
        until(lambda: self.held() == ["office"], lambda: f"an image of this host's own stays: {self.held()}", 20)


del Story

if __name__ == "__main__":
    unittest.main()
