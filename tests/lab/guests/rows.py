# SPDX-License-Identifier: GPL-3.0-or-later
"""Unmodified guests under pane-vmm's firmware, one row each. Started by tests/lab/guests_test.py where KVM is
hardware-like; PANE_GUESTS=all runs the long ones as well."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import grubdisk
import screen
import vm
import vmpc

ALL = os.environ.get("PANE_GUESTS") == "all"
LONG = 1500  # seconds; the lab's clock may run ahead when its machine is busy
INSTALLER = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"
TIMER = "/sys/module/kvm/parameters/min_timer_period_us"


def says(text):
    return lambda picture: picture.height == 400 and any(text in line for line in picture.text())


class Rows(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pane-rows-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, firmware, *args, **kwargs):
        machine = vmpc.Pc(firmware, *args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    def efi(self, *args, **kwargs):
        """UEFI. In the lab a firmware timer that ticks while its handler runs ends the emulator (tests/README.md)."""
        if os.environ.get("PANE_SLOW_TIMER"):
            with open(TIMER, "w", encoding="ascii") as file:
                file.write("1000000")
        return self.start("efi", "--firmware-vars", os.path.join(self.folder, "vars"), *args, **kwargs)

    def memtest(self, bits):
        machine = self.start("bios", "--cdrom", f"/usr/lib/memtest86+/memtest86+{bits}.iso", memory=128)
        picture = screen.watch(machine.surface(), says("Testing"), LONG)
        text = "\n".join(picture.text())
        self.assertIn("Memtest86+ v6", text)
        self.assertRegex(text, r"Memory\s*:\s*12[78]MB")

    def test_memtest(self):
        """memtest86+, 64 bits, from its CD: counts the memory and begins to test it"""
        self.memtest("x64")

    @unittest.skipUnless(ALL, "a long row: PANE_GUESTS=all")
    def test_shell(self):
        """OVMF: its shell on a 1280x800 screen obeys the keyboard, and its variables are kept"""
        machine = self.efi()
        display = machine.surface()
        machine.serial("Shell>", LONG)
        display.wait(lambda: display.scanout and display.scanout[:2] == (1280, 800), 60)
        display.type("setvar Pane -guid 8be4df61-93ca-11d2-aa0d-00e098032b8c -nv -bs =4\n", 0.3)
        display.type("reset -s\n", 0.3)
        self.assertEqual(machine.wait(LONG), (0, {"code": 0, "reason": "poweroff"}))
        with open(os.path.join(self.folder, "vars"), "rb") as file:
            self.assertIn("Pane".encode("utf-16-le"), file.read())

    @unittest.skipUnless(ALL, "a long row: PANE_GUESTS=all")
    def test_memtest32(self):
        """memtest86+, 32 bits: a 32-bit kernel"""
        self.memtest("ia32")

    @unittest.skipUnless(ALL, "a long row: PANE_GUESTS=all")
    def test_ipxe(self):
        """iPXE boots from the network card and gets an address"""
        machine = self.start("bios", "--boot", "net", "--net", "user")
        screen.watch(machine.surface(), says("net0: 10.0.2.15"), LONG)

    @unittest.skipUnless(ALL, "a long row: PANE_GUESTS=all")
    def test_installer(self):
        """Debian's installer, by GRUB from a disk: its first question, and the next one by keyboard"""
        disk = os.path.join(self.folder, "installer.raw")
        grubdisk.fat(disk, 80, {"linux": f"{INSTALLER}/linux", "initrd.gz": f"{INSTALLER}/initrd.gz"},
                     "set root=(hd0,msdos1)\nlinux /linux vga=normal fb=false quiet\ninitrd /initrd.gz\nboot\n")
        machine = self.start("bios", "--disk", f"raw={disk}", "--net", "user", memory=768)
        display = machine.surface()
        screen.watch(display, says("Select a language"), LONG)
        display.type("\n")
        screen.watch(display, says("Select your location"), LONG)

    def cloud(self, start):
        """A copy of the cloud-style disk with its own GRUB for BIOS and UEFI, to the login prompt."""
        source = os.environ.get("PANE_CLOUD_DISK")
        if not source or not os.path.exists(source):
            self.skipTest("PANE_CLOUD_DISK names no disk made by tests/vmm/image/cloudimage.py")
        disk = os.path.join(self.folder, "cloud.raw")
        subprocess.run(["cp", "--sparse=always", source, disk], check=True)
        uuid = re.search(r'ROOT_UUID = "(.*)"', self.source("tests/vmm/image/cloudimage.py")).group(1)
        config = f"search --no-floppy --fs-uuid --set=root {uuid}\nset prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n"
        grubdisk.embed(disk, 2048, config)
        subprocess.run(["mformat", "-i", f"{disk}@@{8192 * 512}", "-F", "-T", "253952", "::"], check=True)
        grubdisk.efi(disk, 8192 * 512, config)
        machine = start("--disk", f"raw={disk}", "--net", "user", memory=768)
        machine.serial("login:", LONG)

    @staticmethod
    def source(path):
        with open(os.path.join(vm.SOURCE, path), encoding="utf-8") as file:
            return file.read()

    @unittest.skipUnless(ALL, "a long row: PANE_GUESTS=all")
    def test_cloud_bios(self):
        """a cloud-style Debian disk boots through its own GRUB under SeaBIOS"""
        self.cloud(lambda *args, **kwargs: self.start("bios", *args, **kwargs))

    @unittest.skipUnless(ALL, "a long row: PANE_GUESTS=all")
    def test_cloud_efi(self):
        """the same disk boots through its own GRUB under OVMF"""
        self.cloud(self.efi)
