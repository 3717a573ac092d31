# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that firmware booted go on from a snapshot, too: screen, keyboard, disc and disk as they were."""
import os
import struct
import tempfile
import unittest

import screen
import vmpc

TIMEOUT = 300
RESCUE = "/usr/lib/grub-rescue/grub-rescue-cdrom.iso"

# Says "hi" by the BIOS, then for ever: waits for a key and writes it to the screen and to the serial port ('n' as a new line);
# 'p' powers off by ACPI.
ECHO = b"\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c" \
    b"\xb8\x68\x0e\xcd\x10\xb8\x69\x0e\xcd\x10" \
    b"\x31\xc0\xcd\x16\x3c\x70\x74\x10\x3c\x6e\x75\x02\xb0\x0a\xba\xf8\x03\xee\xb4\x0e\xcd\x10\xeb\xe8" \
    b"\xba\x04\x06\xb8\x00\x34\xef\xf4"


def says(text):
    return lambda picture: any(line.startswith(text) for line in picture.text())


@unittest.skipIf(vmpc.why_not(), vmpc.why_not())
class Firmware(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pane-pc-")
        self.addCleanup(folder.cleanup)
        self.disk = vmpc.boot_sector(ECHO, os.path.join(folder.name, "disk.raw"))

    def boot(self, *more):
        machine = vmpc.Pc("bios", "--disk", f"raw={self.disk}", *more)
        self.addCleanup(machine.close)
        display = machine.surface()
        screen.watch(display, says("hi"))
        display.type("ab")
        screen.watch(display, says("hiab"))
        return machine, display

    def go_on(self, machine, folder, *more):
        machine.process.kill()
        machine.process.wait()
        again = vmpc.Pc(None, "--restore", folder, "--disk", f"raw={self.disk}", *more, folder=machine.folder)
        self.addCleanup(again.close)
        return again

    def test_goes_on(self):
        """a machine booted by SeaBIOS goes on where it was: its picture, its keyboard, its power button's port"""
        machine, display = self.boot("--cpus", "2")
        before = screen.now(display)
        again = self.go_on(machine, machine.snapshot())
        display = again.surface()
        screen.watch(display, says("hiab"))
        self.assertEqual(screen.now(display).text(), before.text())
        display.type("cn")
        again.serial("abc\n", 60)
        screen.watch(display, says("hiabc"))
        display.type("p")
        self.assertEqual(again.wait(60), (0, {"code": 0, "reason": "poweroff"}))

    @staticmethod
    def generation(folder):
        """The VM generation id in a snapshot's memory, found by way of the DSDT as an operating system does."""
        with open(os.path.join(folder, "memory"), "rb") as file:
            memory = file.read()
        package = memory.index(b"VM_Gen_Counter\0\x08ADDR\x12") + 21  # its length of one to four bytes, two elements, DWord
        at = struct.unpack_from("<I", memory, package + 1 + (memory[package] >> 6) + 2)[0]
        return memory[at:at + 16]

    def test_clone(self):
        """a clone of a machine that SeaBIOS booted has another VM generation id, where its tables say"""
        machine, _ = self.boot("--identity")
        folder = machine.snapshot()
        seen = [self.generation(folder)]
        clone = self.go_on(machine, folder, "--clone")
        seen.append(self.generation(clone.snapshot("clone")))
        again = self.go_on(clone, os.path.join(machine.folder, "clone"))
        seen.append(self.generation(again.snapshot("again")))
        self.assertNotIn(bytes(16), seen)
        self.assertNotEqual(seen[0], seen[1])
        self.assertEqual(seen[1], seen[2], "who goes on is the same")

    @unittest.skipUnless(os.path.exists(RESCUE), "package grub-rescue-pc is missing: run 'make deps'")
    def test_disc(self):
        """a machine that came from a snapshot reads its CD; with another disc, or none, it is refused"""
        machine = vmpc.Pc("bios", "--cdrom", RESCUE, "--boot-menu")
        self.addCleanup(machine.close)
        display = machine.surface()
        machine.said("Press ESC for boot menu")
        display.key(1, 1)
        display.key(1, 0)
        screen.watch(display, says("Select boot device"))
        folder = machine.snapshot()
        machine.process.kill()
        machine.process.wait()
        other = os.path.join(machine.folder, "other.iso")
        with open(other, "wb") as file:
            file.truncate(1 << 20)
        self.assertIn("other disks", self.refused(machine, folder, "--cdrom", other))
        self.assertIn("ahci in PCI slot", self.refused(machine, folder))
        again = vmpc.Pc(None, "--restore", folder, "--cdrom", RESCUE, folder=machine.folder)
        self.addCleanup(again.close)
        display = again.surface()  # kept open until its key has arrived
        display.type("1")
        again.said("Booting from 0000:7c00")

    def refused(self, machine, snapshot, *more):
        other = vmpc.Pc(None, "--restore", snapshot, *more, folder=machine.folder)
        self.addCleanup(other.close)
        status, state = other.wait()
        self.assertEqual(status, 1)
        return state["reason"]
