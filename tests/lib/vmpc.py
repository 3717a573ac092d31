# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-vmm as a PC with firmware, and boot sectors and test kernels of a few bytes for it."""
import os
import shutil
import struct
import subprocess
import tempfile
import time

import vm


class Pc(vm.Vm):
    """One pane-vmm started by firmware (None: its args say how); args are its further options."""

    def __init__(self, firmware, *args, memory=512, program=vm.PROGRAM, folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="pane-pc-")
        self.owns_folder = folder is None
        self.log = open(self.path("stderr"), "wb")
        self.process = subprocess.Popen(
            [program, "--name", "pc", *(["--firmware", firmware, "--memory", str(memory)] if firmware else []),
             "--firmware-log", self.path("firmware"),
             "--surface", self.path("surface.sock"), "--control", self.path("control.sock"), "--serial", self.path("serial"),
             "--state", self.path("state"), *args], stderr=self.log)
        self.control = self.channel = None

    def said(self, text, timeout=150):
        """Waits until the firmware has said text."""
        end = time.monotonic() + timeout
        while text not in self.text("firmware"):
            if time.monotonic() > end:
                raise TimeoutError(f"the firmware did not say {text!r}:\n{self.text('firmware')}")
            time.sleep(0.02)


def why_not():
    for path in ("/usr/share/seabios/bios-256k.bin", "/usr/share/seabios/vgabios-stdvga.bin"):
        if not os.path.exists(path):
            return f"{path} is missing: run 'make deps'"
    return vm.why_not()


def boot_sector(code, path):
    """A disk of one MiB whose first sector is code (org 0x7c00)."""
    assert len(code) <= 510
    with open(path, "wb") as file:
        file.write(code.ljust(510, b"\0") + b"\x55\xaa")
        file.truncate(1 << 20)
    return path


def multiboot(code, path):
    """An ELF file with a Multiboot 1 header and code at 0x100010, 32-bit."""
    body = struct.pack("<IIII", 0x1badb002, 0, -0x1badb002 & 0xffffffff, 0) + code
    head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x100010, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 84, 0x100000, 0x100000, len(body), len(body) + 4096, 7, 4096)
    with open(path, "wb") as file:
        file.write(head + segment + body)
    return path


def have(*programs):
    return all(shutil.which(p) for p in programs)
