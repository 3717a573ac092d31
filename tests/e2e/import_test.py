# SPDX-License-Identifier: GPL-3.0-or-later
"""An image from the administrator's file to the user's screen, nothing played: `pane image import` through the
gateway, the real converter under the real broker, a real host that fetches it, a desktop that boots from it and
is logged into; then the next version and the way back, under a live session. What boots is the test card, from
the /boot of an ext4 file system in a qcow2 file, as an administrator's disk would have it."""
import contextlib
import glob
import json
import os
import shutil
import subprocess
import unittest

import whole

TIMEOUT = 300


def card_disk(folder, name, mib, fmt="qcow2"):
    """A disk of one ext4 file system with the test card as its kernel; the path of a file of that format."""
    root = f"{folder}/{name}.root"
    os.makedirs(f"{root}/boot/grub")
    os.makedirs(f"{root}/etc")
    shutil.copy(f"{whole.BUILD}/guest/card", f"{root}/boot/vmlinuz-1.0")
    with open(f"{root}/boot/grub/grub.cfg", "w", encoding="ascii") as file:
        file.write("menuentry 'card' {\n\tlinux /boot/vmlinuz-1.0 root=/dev/vda ro quiet\n}\n")
    raw, path = f"{folder}/{name}.disk", f"{folder}/{name}.{fmt}"
    with open(raw, "wb") as file:
        file.truncate(mib << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", root, raw], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", fmt, raw, path], check=True)
    os.unlink(raw)
    shutil.rmtree(root)
    return path


class Import(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site().up()
        cls.site.pane_login()
        cls.pane = cls.site.pane

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def guest_disk(self, desktop):
        """How many MiB the guest of a desktop says its disk has."""
        lines = [line for line in self.site.serial(desktop).splitlines() if line.startswith("disk ")]
        return int(lines[-1].split()[1]) if lines else 0

    def fresh(self, version, mib, timeout=60):
        """The warm desktop, once it is of that version, by the broker's word and by its guest's."""
        def check():
            row = next((d for d in self.site.admin.items("/desktops") if not d["user"] and d["state"] == "ready"), None)
            return row if row and row["image_version"] == version and self.guest_disk(row) == mib else None
        return self.site.wait(check, timeout, f"a warm desktop of version {version}")

    def test_1_import(self):
        """a qcow2 file becomes a version, its host fetches it, the desktop that boots from it is logged into"""
        said = self.pane("image", "import", card_disk(self.site.run, "one", 16), "--name", "acme")
        self.assertIn("version 1 is ready and stable", said)
        version = json.loads(self.pane("image", "show", "acme", "--json"))["versions"][0]
        self.assertEqual((version["boot"], version["boot_reason"]), ("direct", ""))
        self.pane("pools", "create", "office", "--image", "acme", "--memory", "128", "--cpus", "1", "--size", "4",
                  "--assignment", "floating")
        type(self).password = self.site.user("alice")
        self.site.user("bob")
        self.fresh("1", 16)
        with open(f"{self.site.run}/host/images/acme@1/image.json", encoding="ascii") as file:
            image = json.load(file)
        self.assertEqual(image["cmdline"], "root=/dev/vda rw quiet console=ttyS0")
        self.assertEqual(os.listdir(f"{self.site.run}/images-store/upload"), [])
        self.assertEqual(os.listdir(f"{self.site.run}/images-store/tmp"), [])
        self.visit()

    def visit(self, during=lambda screen, desktop: None):
        """One session of alice: a word typed is read inside the guest; during(screen, desktop) happens in it."""
        screen = whole.Screen(self.site.run)
        try:
            client = self.site.xfreerdp(screen, "alice", self.password)
            desktop = self.site.wait_session("alice", "connected", 30)
            screen.wait_picture(3)
            self.type(screen, desktop)
            during(screen, desktop)
            screen.close(client)
            self.site.wait_session("alice", "disconnected")
            return desktop
        finally:
            screen.end()

    def type(self, screen, desktop):
        word = whole.word()
        screen.type(word + "\n")
        self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, f"'{word}' inside the guest")

    def test_2_publish(self):
        """a second version is published and rolled back under a live session, which goes on; new desktops follow the tag"""
        path = card_disk(self.site.run, "two", 24, "vmdk")

        def during(screen, desktop):
            pid = self.site.process_of(desktop, "vmm")
            self.assertIn("publish acme 2", self.pane("image", "import", path, "--name", "acme"))
            self.pane("image", "publish", "acme", "2")
            self.pane("pools", "update", "office")
            self.fresh("2", 24)
            self.type(screen, desktop)
            row = json.loads(self.pane("pools", "show", "office", "--json"))
            self.assertEqual((row["rollout"]["state"], row["versions"]), ("running", {"1": 1, "2": 1}))
            self.pane("pools", "update", "office", "--stop")
            self.pane("image", "rollback", "acme")
            self.pane("pools", "update", "office")
            self.fresh("1", 16)
            self.type(screen, desktop)
            self.assertEqual(self.site.process_of(desktop, "vmm"), pid)
            self.assertEqual(self.site.desktop_of("alice")["image_version"], "1")
        self.visit(during)
        self.assertEqual(json.loads(self.pane("image", "show", "acme", "--json"))["versions"][0]["tags"], [])

    def test_3_after(self):
        """after a publish, who logs off comes back to the new version; the old one leaves the host"""
        self.pane("image", "publish", "acme", "2")
        old = self.site.desktop_of("alice")
        self.pane("desktops", "release", old["name"])
        self.site.wait(lambda: self.site.desktop_of("alice") is None, 20, "the release")
        self.pane("pools", "update", "office")
        self.fresh("2", 24)
        self.assertEqual(self.guest_disk(self.visit()), 24)
        self.site.wait(lambda: not os.path.exists(f"{self.site.run}/host/images/acme@1"), 30, "version 1 off the host")

    def test_4_refused(self):
        """a hostile file through the whole of it: the converter's reason reaches the administrator, nothing stays"""
        path = f"{self.site.run}/evil.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", path, "1M"], check=True)
        said = self.pane("image", "import", path, "--name", "acme", status=1)
        self.assertIn("backing file", said)
        self.assertEqual(os.listdir(f"{self.site.run}/images-store/tmp"), [])
        self.assertEqual(os.listdir(f"{self.site.run}/images-store/upload"), [])
        row = json.loads(self.pane("image", "show", "acme", "--json"))["versions"][0]
        self.assertEqual(row["state"], "failed")
        self.pane("image", "delete", "acme", "--image-version", row["version"])

    def test_5_firmware(self):
        """a disk that only firmware can start is taken, says why, and its desktop is started by SeaBIOS"""
        path = f"{self.site.run}/windows.raw"
        with open(path, "wb") as disk:
            disk.truncate(8 << 20)
            disk.seek(3)
            disk.write(b"NTFS    ")
            disk.seek(510)
            disk.write(b"\x55\xaa")
        self.pane("image", "import", path, "--name", "windows")
        version = json.loads(self.pane("image", "show", "windows", "--json"))["versions"][0]
        self.assertEqual(version["boot"], "firmware")
        self.assertIn("no Linux kernel", version["boot_reason"])
        self.pane("pools", "create", "win", "--image", "windows", "--memory", "128", "--cpus", "1", "--size", "1")
        self.site.wait(lambda: self.site.admin.call("GET", "/desktops/win-1")[1].get("state") == "ready", 60, "the desktop")
        self.assertIn("--firmware\0bios\0", self.machine("win-1"))
        self.pane("pools", "delete", "win", "--force")

    def machine(self, name):
        """The command line of the desktop's pane-vmm."""
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                line = file.read()
                if f"--name\0{name}\0" in line and "pane-vmm\0" in line and self.site.run in line:
                    return line
        return ""

    BUILDER = """#!/bin/sh
echo "image x: [  1s] running apt-get update..."
echo "image x: [  9s] installing remaining packages..."
[ "$(basename "$1")" = card ] || { echo "E: no such thing" >&2; exit 1; }
mkdir "$2"
cp %s "$2/disk.raw"
echo '{}' >"$2/image.json"
echo log >"$2.log"
echo "image x: ready after 9 s"
"""

    def test_6_build(self):
        """a recipe is built on this machine and imported; nothing but the log of a failed build stays here"""
        recipes, tmp = f"{self.site.run}/recipes", f"{self.site.run}/tmp"
        for name in ("card", "broken"):
            os.makedirs(f"{recipes}/{name}")
            with open(f"{recipes}/{name}/recipe", "w", encoding="ascii") as file:
                file.write(f"# SPDX\n# The {name} one.\n")
        os.mkdir(tmp)
        with open(f"{recipes}/build", "w", encoding="ascii") as file:
            file.write(self.BUILDER % card_disk(self.site.run, "built", 16, "raw"))
        os.chmod(f"{recipes}/build", 0o755)
        self.site.pane_env["TMPDIR"] = tmp
        self.assertIn("The broken one.", self.pane("image", "recipes", "--recipes", recipes))
        self.assertIn("ready and stable", self.pane("image", "build", "card", "--recipes", recipes, "--name", "built",
                                                    "--changelog", "from a recipe"))
        version = json.loads(self.pane("image", "show", "built", "--json"))["versions"][0]
        self.assertEqual((version["boot"], version["changelog"]), ("direct", "from a recipe"))
        self.assertLess(version["size_bytes"], 8 << 20, "only what holds data was uploaded")
        self.assertEqual(os.listdir(tmp), [])
        said = self.pane("image", "build", "broken", "--recipes", recipes, status=1)
        self.assertIn("E: no such thing", said)
        self.assertIn("the build failed", said)
        self.assertEqual(os.listdir(tmp), [])
        self.assertIn("no recipe nothing", self.pane("image", "build", "nothing", "--recipes", recipes, status=1))
        self.pane("logout")
        self.assertIn("not logged in", self.pane("image", "build", "card", "--recipes", recipes, status=1))


if __name__ == "__main__":
    unittest.main()
