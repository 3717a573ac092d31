# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of hostile and broken files against pane-image: each is refused for its reason, in little work, and leaves
nothing; and names that are addresses to other programs are files like any here."""
import os
import resource
import shutil
import tempfile
import unittest

import hostile
import rig

TIMEOUT = 600
CPU_S = 10  # what refusing one may cost; the worst took a minute and more before its check came early


class Hostile(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pane-hostile-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.images = f"{self.dir}/images"
        os.mkdir(self.images)
        self.folder = hostile.Folder(self.dir)

    def convert(self, path, **more):
        return rig.run("convert", path, f"{self.images}/x", "--name", "x", **more)

    def test_table(self):
        """every file of the table is refused for its reason, by convert and by inspect, and leaves nothing behind"""
        def little():
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        for name, make, code, word in hostile.ROWS:
            with self.subTest(name):
                path = make(self.folder)
                result = self.convert(path, preexec_fn=little)
                self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
                error = rig.lines(result)[-1]["error"]
                self.assertEqual(error["code"], code, error)
                self.assertIn(word, error["message"])
                self.assertNotIn("json:", error["message"])
                self.assertEqual(os.listdir(self.images), [])
                shown = rig.run("inspect", path, env=dict(os.environ, TMPDIR=self.images), preexec_fn=little)
                self.assertEqual((shown.returncode, shown.stdout), (1, ""))
                self.assertEqual(os.listdir(self.images), [])

    def test_good(self):
        """the files the table is made from are taken: it is what was changed that is refused"""
        for make in (lambda f: f.raw, lambda f: f.qemu("qcow2"), lambda f: f.qemu("vmdk"), lambda f: f.qemu("vhdx"),
                     lambda f: f.qemu("vhdx", "-o", "block_size=1M"), lambda f: f.qemu("vdi"), lambda f: f.appliance(),
                     lambda f: f.appliance(capacity=20), lambda f: f.file_system(),
                     lambda f: f.appliance(lambda m: ("b.mf", rig.manifest(m))),
                     lambda f: f.appliance(text=utf16)):
            result = self.convert(make(self.folder))
            self.assertEqual(result.returncode, 0, result.stderr)
            shutil.rmtree(f"{self.images}/x")

    def test_names(self):
        """a file whose name is an address, a protocol or JSON to qemu is that file and nothing else"""
        for name in ("nbd:unix:x", "fat:rw:x", 'json:{"driver":"null-co"}', "x,y=z", "-o"):
            path = f"{self.dir}/{name}"
            shutil.copy(self.folder.raw, path)
            self.assertEqual(self.convert(path).returncode, 0, name)
            self.assertEqual(rig.read(f"{self.images}/x/disk.raw"), self.folder.content)
            shutil.rmtree(f"{self.images}/x")
            result = self.convert(f"{name}.not")
            self.assertNotEqual(result.returncode, 0, name)
            self.assertEqual(os.listdir(self.images), [])

    def test_map(self):
        """a VDI whose map has room for sixteen million blocks costs what its disk does"""
        path = self.folder.qemu("vdi")
        head = bytearray(rig.read(path)[:512])
        for at, value in ((340, 512), (344, 512 + (1 << 26)), (384, 1 << 24), (388, 1 << 24)):
            head[at:at + 4] = value.to_bytes(4, "little")
        with open(path, "wb") as file:
            file.write(head)
            file.truncate((1 << 26) + 1024)
            file.seek(512)
            file.write(b"\xff" * (1 << 26))
        result = rig.run("inspect", path, "--quick", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 1)))
        self.assertEqual(result.returncode, 0, result.stderr)


def utf16(text):
    return text.decode().replace("UTF-8", "UTF-16").encode("utf-16")


if __name__ == "__main__":
    unittest.main()
