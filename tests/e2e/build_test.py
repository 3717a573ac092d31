# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe to a desktop, nothing played: `pane image build` with the real mmdebstrap from this machine's mirror, through
the gateway, the converter and the manifest to a host, and a user in a desktop of what was built. The recipe is one of
the story's own: Debian's essential packages, and the test card as their kernel, which starts on any KVM; installing a
desktop's packages too takes minutes. PANE_RECIPE=minimal (or office, developer) builds that one instead, and the
desktop is a container."""
import json
import os
import pty
import shutil
import subprocess
import unittest

import cell
import vm
import whole

TIMEOUT = 2400
RECIPE = os.environ.get("PANE_RECIPE", "")
TERMINAL = (0x1d, 0x24, 0x30)  # the golden image's terminal background: no client has this colour of its own
XFCE_TERMINAL = (0, 0, 0)


def on_terminal(argv, env):
    """Runs a program whose error output is a terminal: its status, what it printed, what the terminal saw."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:
        pass # the last writer has gone
    os.close(ours)
    said = child.stdout.read().decode()
    child.stdout.close()
    return child.wait(), said, seen.decode(errors="replace")


def card_recipe(folder):
    """Recipes and their builder in folder: one recipe, whose only package beyond the essential ones is small."""
    os.makedirs(f"{folder}/card/files/boot")
    shutil.copy(f"{whole.TOP}/deploy/image/build", f"{folder}/build")
    with open(f"{folder}/card/recipe", "w", encoding="ascii") as file:
        file.write("# SPDX-License-Identifier: GPL-3.0-or-later\n# The test card, with Debian around it.\n"
                   "size_mib=700\nscreen=640x400\ncmdline=\"root=/dev/vda rw quiet\"\npackages=(hello)\n")
    shutil.copy(f"{whole.BUILD}/guest/card", f"{folder}/card/files/boot/vmlinuz-1.0")
    with open(f"{folder}/card/files/boot/initrd.img-1.0", "w", encoding="ascii") as file:
        file.write("nothing to unpack\n")
    os.symlink("boot/vmlinuz-1.0", f"{folder}/card/files/vmlinuz")
    with open(f"{folder}/card/setup", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nset -eu\nhello >/etc/hello\napt-get clean\nrm -rf /var/lib/apt/lists/*\n")
    os.chmod(f"{folder}/card/setup", 0o755)


class Build(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if RECIPE and json.loads(subprocess.run([cell.PROGRAM, "--probe"], capture_output=True, check=True).stdout)["cell"] == "none":
            raise unittest.SkipTest("no containers here")
        if not RECIPE and vm.why_not():
            raise unittest.SkipTest(vm.why_not())
        cls.site = whole.Whole()
        cls.site.host_options = {"vm": "always"}
        cls.recipes = f"{whole.TOP}/deploy/image" if RECIPE else f"{cls.site.run}/recipes"
        if not RECIPE:
            card_recipe(cls.recipes)
        can = subprocess.run([f"{whole.BUILD}/bin/pane-image", "build", RECIPE or "card", "--simulate", "--recipes", cls.recipes],
                             capture_output=True, text=True, check=False)
        if can.returncode:
            shutil.rmtree(cls.site.run)
            raise unittest.SkipTest(f"nothing can be built here: {can.stderr.strip().splitlines()[-1]}")
        cls.addClassCleanup(cls.site.down)
        cls.tmp = f"{cls.site.run}/tmp"
        for folder in (cls.site.images, cls.tmp):
            os.makedirs(folder)
        cls.site.up()
        cls.site.pane_login()

    def test_1_build(self):
        """a recipe is built by mmdebstrap, step by step on the terminal, and becomes a version; nothing else stays here"""
        status, said, seen = on_terminal(
            [self.site.program("pane"), "image", "build", RECIPE or "card", "--recipes", self.recipes, "--name", "built"],
            dict(self.site.pane_env, TMPDIR=self.tmp, TERM="xterm"))
        self.assertEqual(status, 0, seen[-2000:])
        self.assertIn("version 1 is ready and stable", said)
        steps = [word for word in ("index 5 %", "download 10 %", "extract 40 %", "install 55 %", "pack 85 %", "disk 90 %",
                                   "done 100 %") if f"building: {word}" in seen]
        self.assertEqual(len(steps), 7, f"{steps} {seen}")
        version = json.loads(self.site.pane("image", "show", "built", "--json"))["versions"][0]
        self.assertEqual((version["boot"], version["state"]), ("direct", "published"))
        self.assertEqual(os.listdir(self.tmp), [])

    @staticmethod
    def open_terminal(screen):
        """By Xfce's own shortcut, which works as soon as its daemon listens."""
        def opened():
            if screen.share(XFCE_TERMINAL) >= 0.15:
                return True
            screen.focus()
            screen.xdo("key", "ctrl+alt+t")
            return False
        whole.wait_until(opened, 120, "Xfce's terminal on the screen", pause_s=6)

    def test_2_desktop(self):
        """a user logs into a desktop of it, and a word typed arrives there"""
        self.site.pane("pools", "create", "fresh", "--image", "built", "--isolation", "container" if RECIPE else "vm",
                       "--memory", "512" if RECIPE else "128", "--cpus", "1", "--size", "1", "--assignment", "floating")
        password = self.site.user("alice", "fresh")
        self.site.wait_ready(timeout=120)
        with open(f"{self.site.run}/host/images/built@1/image.json", encoding="ascii") as file:
            self.assertTrue(json.load(file)["cmdline"].startswith("root=/dev/vda rw quiet" if not RECIPE else "root=/dev/vda rw"))
        hello = subprocess.run(["/sbin/debugfs", "-R", "cat /etc/hello", f"{self.site.run}/host/images/built@1/disk.raw"],
                               capture_output=True, text=True, check=True).stdout
        self.assertEqual(hello, "" if RECIPE else "Hello, world!\n", "the recipe's setup ran inside the new root")
        screen = whole.Screen(self.site.run, "1280x800")
        try:
            client = self.site.xfreerdp(screen, "alice", password, "/size:1280x800")
            desktop = self.site.wait_session("alice", "connected", 60)
            self.assertEqual((desktop["image_version"], desktop["isolation"]), ("1", "container" if RECIPE else "vm"))
            if RECIPE == "minimal":
                screen.wait_share(TERMINAL, 0.2, 60, "the desktop's terminal in the client's window")
            else:
                screen.wait_picture(3 if not RECIPE else 16, 60)
            if RECIPE in ("office", "developer"):
                self.open_terminal(screen)
            word, before = whole.word(), screen.shot("before")
            screen.type(f"{word}\n", 100)
            if RECIPE:
                whole.wait_until(lambda: whole.different(before, screen.shot("after")) > 200, 30, "the word on the screen")
            else:
                self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, f"'{word}' inside the guest")
            screen.close(client)
        finally:
            screen.end()


if __name__ == "__main__":
    unittest.main()
