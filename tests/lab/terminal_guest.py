# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal's image in pane-vmm, from power-on. Started by tests/lab/terminal_test.py where KVM is hardware-like; the disk is
TERMINAL_DISK. Pictures are printed for the one who started it."""
import base64
import os
import tempfile
import time
import unittest

import screen
import vmpc

LONG = 1500
PAGE, MARK, BUTTON = 0xfafafa, 0x1b3a6b, 0x92b0e4  # clients/thin/look.c: around the form, the mark's ground, a button not to be pressed yet


def share(picture, colour, near=8):
    """How much of the picture (0 to 1) has about this colour, of every fourth pixel of every fourth row."""
    pixels = [p for row in picture.rows[::4] for p in row[::4]]
    return sum(all(abs((p >> s & 255) - (colour >> s & 255)) <= near for s in (0, 8, 16)) for p in pixels) / len(pixels)


def sign_in_page(picture):
    return share(picture, BUTTON) > 0.003 and share(picture, PAGE) > 0.4 and share(picture, MARK) > 0.0003


class Terminal(unittest.TestCase):
    def show(self, name, picture):
        path = f"{self.folder}/{name}.png"
        picture.png(path)
        with open(path, "rb") as file:
            print(f"picture {name} {base64.b64encode(file.read()).decode()}", flush=True)

    def test_boot(self):
        """SeaBIOS, GRUB, kernel, kiosk: the sign-in page on a screen of its own; the power button switches it off"""
        folder = tempfile.TemporaryDirectory(prefix="pane-terminal-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        began = time.monotonic()
        machine = vmpc.Pc("bios", "--disk", f"base={os.environ['TERMINAL_DISK']},overlay={self.folder}/disk", "--net", "user", memory=768)
        self.addCleanup(machine.close)
        display = machine.surface()
        try:
            picture = screen.watch(display, sign_in_page, LONG)
        except TimeoutError:
            self.show("terminal-stuck", screen.now(display))
            raise
        print(f"sign-in page after {time.monotonic() - began:.0f} s")
        self.show("terminal-login", picture)
        display.type("alice", 0.3)
        typed = screen.watch(display, lambda p: p.distance(picture) > 100, 120)
        self.show("terminal-typed", typed)
        machine.ask(op="powerdown")
        self.assertEqual(machine.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))


if __name__ == "__main__":
    unittest.main()
