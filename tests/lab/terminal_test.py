# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal's image, as `make terminal` builds it, from power-on to its sign-in page, in QEMU, whose emulator needs no KVM. Long: PANE_GUESTS=all."""
import os
import subprocess
import tempfile
import time
import unittest

import screen
import vm

TIMEOUT = 3600
LONG = 1500
ALL = os.environ.get("PANE_GUESTS") == "all"
FOLDER = os.path.join(vm.SOURCE, "run/terminal")
LOGS = os.path.join(vm.SOURCE, "build/test-logs")
PAGE, MARK, BUTTON = 0xfafafa, 0x1b3a6b, 0x92b0e4  # clients/thin/look.c: around the form, the mark, a button not to be pressed yet


def share(picture, colour, near=8):
    """How much of the picture (0 to 1) has about this colour, of every fourth pixel of every fourth row."""
    pixels = [p for row in picture.rows[::4] for p in row[::4]]
    return sum(all(abs((p >> s & 255) - (colour >> s & 255)) <= near for s in (0, 8, 16)) for p in pixels) / len(pixels)


def sign_in_page(picture):
    return share(picture, BUTTON) > 0.003 and share(picture, PAGE) > 0.4 and share(picture, MARK) > 0.0003


@unittest.skipUnless(ALL, "a long story: PANE_GUESTS=all")
class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        built = subprocess.run([os.path.join(vm.SOURCE, "deploy/thin-client/build"), os.path.join(vm.BUILD, "bin"), FOLDER], check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print("# " + "\n# ".join(built.stdout.splitlines()), flush=True)
        if built.returncode:
            raise unittest.SkipTest("the image cannot be built here: " + built.stdout.strip().splitlines()[-1])
        folder = tempfile.TemporaryDirectory(prefix="pane-terminal-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.disk = f"{cls.folder}/terminal.img"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", f"{FOLDER}/terminal.img", cls.disk], check=True)
        with open(f"{cls.folder}/terminal.conf", "w", encoding="utf-8") as file:
            file.write("server = https://desktop.example\nname = lobby-1\nnotice = Welcome to the lobby.\n")
        subprocess.run(["mcopy", "-o", "-i", f"{cls.disk}@@1M", f"{cls.folder}/terminal.conf", "::terminal/terminal.conf"], check=True)

    def test_bios(self):
        """SeaBIOS, GRUB, kernel, kiosk: the sign-in page; the power button switches the terminal off"""
        began = time.monotonic()
        machine = screen.Qemu(self.folder, "-m", "768", "-smp", "2", "-cpu", "max", "-vga", "virtio", "-drive",
                              f"file={self.disk},format=raw,if=virtio,snapshot=on", "-nic", "user,model=virtio-net-pci")
        self.addCleanup(machine.close)
        picture = screen.settle(machine.take, sign_in_page, LONG)
        print(f"# sign-in page after {time.monotonic() - began:.0f} s")
        os.makedirs(LOGS, exist_ok=True)
        picture.png(f"{LOGS}/terminal-login.png")
        machine.monitor.sendall(b"system_powerdown\n")
        self.assertEqual(machine.process.wait(LONG), 0)


if __name__ == "__main__":
    unittest.main()
