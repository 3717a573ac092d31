# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal's image, built by `make terminal`, in machines from power-on to its sign-in page: in pane-vmm by BIOS where KVM is
hardware-like (else in the lab), and by UEFI in QEMU, whose emulator needs no KVM. Long: PANE_GUESTS=all."""
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

import screen
import vm
from terminal_guest import sign_in_page

TIMEOUT = 3600
LONG = 1500
ALL = os.environ.get("PANE_GUESTS") == "all"
FOLDER = os.path.join(vm.SOURCE, "run/terminal")
LOGS = os.path.join(vm.SOURCE, "build/test-logs")
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"


def keep(name, png):
    os.makedirs(LOGS, exist_ok=True)
    with open(f"{LOGS}/{name}.png", "wb") as file:
        file.write(png)


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

    def test_vmm(self):
        """pane-vmm, BIOS: sign-in page, typing, power button"""
        kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
        env = {"PYTHONPATH": os.path.join(vm.SOURCE, "tests/lib"), "PYTHONDONTWRITEBYTECODE": "1", "PANE_BUILD": os.path.abspath(vm.BUILD),
               "TERMINAL_DISK": self.disk}
        words = [sys.executable, os.path.join(vm.SOURCE, "tests/lib/tap.py"), os.path.join(vm.SOURCE, "tests/lab/terminal_guest.py")]
        if kind != "hardware":
            words = [os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--data-mib", "0", "env", *[f"{k}={v}" for k, v in env.items()], *words]
        said = ""
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **env)) as story:
            for line in story.stdout:
                if line.startswith("picture "):
                    _, name, data = line.split()
                    keep(name, base64.b64decode(data))
                else:
                    print("# " + line, end="", flush=True)
                    said += line
        self.assertEqual(story.returncode, 0)
        self.assertIn("ok 1", said)
        self.assertNotIn("not ok", said)
        self.assertNotIn("SKIP", said)

    def test_uefi(self):
        """QEMU, OVMF: shim and the signed GRUB, to the sign-in page"""
        if not os.path.exists(OVMF):
            self.skipTest(f"{OVMF} is missing: run 'make deps'")
        began = time.monotonic()
        machine = screen.Qemu(self.folder, "-m", "768", "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}", "-drive",
                              f"file={self.disk},format=raw,if=none,id=stick,snapshot=on", "-device", "qemu-xhci", "-device", "usb-storage,drive=stick",
                              "-vga", "virtio",
                              "-nic", "user,model=e1000e")
        self.addCleanup(machine.close)
        picture = screen.settle(machine.take, sign_in_page, LONG)
        print(f"# sign-in page by UEFI from a USB stick after {time.monotonic() - began:.0f} s")
        picture.png(f"{self.folder}/uefi.png")
        with open(f"{self.folder}/uefi.png", "rb") as file:
            keep("terminal-uefi", file.read())


if __name__ == "__main__":
    unittest.main()
