# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-vmm as a PC: Debian's SeaBIOS on any KVM, boot sectors of a few bytes, GRUB's rescue CD, test kernels."""
import os
import struct
import tempfile
import unittest

import screen
import vm
import vmpc

TIMEOUT = 900
RESCUE = "/usr/lib/grub-rescue/grub-rescue-cdrom.iso"

# Says "hi" by the BIOS, then sends every key it gets to the serial port; 'p' powers off, 'r' resets.
ECHO = b"\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c" \
    b"\xb8\x68\x0e\xcd\x10\xb8\x69\x0e\xcd\x10" \
    b"\x31\xc0\xcd\x16\x3c\x6e\x75\x02\xb0\x0a\xba\xf8\x03\xee\x3c\x70\x74\x06\x3c\x72\x74\x0a\xeb\xe8" \
    b"\xba\x04\x06\xb8\x00\x34\xef\xf4" \
    b"\xba\xf9\x0c\xb0\x06\xee\xf4"

# Reads the second sector by the BIOS, writes it to the third, and powers off.
COPY = bytes.fromhex("31c08ed88ec08ed0bc007cb80102bb0080b90200b600cd13b80103b90300cd13ba0406b80034eff4")

# For each of modes 3, 0x12, 0x13, 4 and VBE 0x112: sets it by the BIOS, writes letters in rising colours by the BIOS, writes
# bytes to 0xa0000 itself, sends "m" to the serial port and waits for a key; then powers off.
MODES = bytes.fromhex("31c08ed88ed0bc007cbe577cad83f8ff743df6c440740589c3b8024fcd10b91000b8500e28c888cb"
                      "30fffecbcd10e2f1b800a08ec0bf0014b9000389f8aae2fbbaf803b06deeb00aee31c0cd16ebbdba"
                      "0406b80034eff403001200130004001241ffff")

# Writes "M" and the magic it was started with to the serial port, and powers off.
KERNEL = b"\x89\xc6\xba\xf8\x03\x00\x00\xb0M\xee" + \
    b"".join(b"\x89\xf0\xc1\xe8" + bytes([n]) + b"\xee" for n in (24, 16, 8, 0)) + \
    b"\x8b\x43\x10" + b"\x89\xc6\xac\x84\xc0\x74\x03\xee\xeb\xf8" + b"\xb0\x0a\xee" + \
    b"\x66\xba\x04\x06\x66\xb8\x00\x34\x66\xef\xf4"


def says(text):
    return lambda picture: any(line.startswith(text) for line in picture.text())


@unittest.skipIf(vmpc.why_not(), vmpc.why_not())
class Bios(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vmpc.Pc("bios", *args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    def disk(self, code):
        folder = tempfile.TemporaryDirectory(prefix="pane-pc-")
        self.addCleanup(folder.cleanup)
        return vmpc.boot_sector(code, os.path.join(folder.name, "disk.raw"))

    def test_post(self):
        """SeaBIOS finds its devices, takes our ACPI tables, and says on the screen that there is nothing to boot"""
        machine = self.start("--cpus", "2")
        screen.watch(machine.surface(), says("No bootable device"))
        log = machine.text("firmware")
        for line in ("Running on QEMU (q35)", "QEMU fw_cfg DMA interface supported", "PCIe: using q35 mmconfig at 0xb0000000",
                     "Found 2 cpu(s) max supported 2 cpu(s)", "ACPI: parse DSDT", "PS2 keyboard initialized",
                     "Found 1 serial ports", "Start SeaVGABIOS"):
            self.assertIn(line, log)
        tables = self.smbios(machine)
        self.assertIn(b"SeaBIOS\0", tables)
        self.assertIn(b"Pane\0Virtual Desktop\0", tables)

    @staticmethod
    def smbios(machine):
        """The SMBIOS tables where an operating system looks for them (DSP0134 §5.2.1)."""
        with open(os.path.join(machine.snapshot(), "memory"), "rb") as memory:
            memory.seek(0xf0000)
            entry = memory.read(0x10000).split(b"_SM_")[1]
            size, address = struct.unpack_from("<HI", entry, 18)
            memory.seek(address)
            return memory.read(size)

    def test_disk(self):
        """a boot sector is read from the disk, draws, is typed at, prompts without a line's end, and powers off"""
        machine = self.start("--disk", f"raw={self.disk(ECHO)}")
        display = machine.surface()
        screen.watch(display, says("hi"))
        display.type("Ab1")
        machine.serial("Ab1", 60)
        display.type("p")
        self.assertEqual(machine.wait(60), (0, {"code": 0, "reason": "poweroff"}))

    def copied(self, bus):
        """What the firmware says of a machine with two disks, of which the first one's boot sector copies a sector."""
        disk, other = self.disk(COPY), self.disk(ECHO)
        with open(disk, "r+b") as file:
            file.seek(512)
            file.write(b"pane" * 128)
        machine = self.start("--disk-bus", bus, "--disk", f"raw={disk}", "--disk", f"raw={other}")
        self.assertEqual(machine.wait(300), (0, {"code": 0, "reason": "poweroff"}))
        with open(disk, "rb") as file:
            self.assertEqual(file.read(4 * 512)[512:], b"pane" * 256 + bytes(512))
        return machine.text("firmware")

    def test_sata(self):
        """a boot sector on a SATA disk is found among several drives, reads the disk and writes to it"""
        log = self.copied("ahci")
        for line in ("AHCI/0: Set transfer mode", "AHCI/1: Set transfer mode", "PANE DISK"):
            self.assertIn(line, log)

    def test_nvme(self):
        """the same on an NVMe disk, of which the firmware starts nothing but what it is to boot from"""
        self.assertIn("/pci8086,5845@4/namespace@1,0", self.copied("nvme"))

    def test_reset(self):
        """the reset register ends the machine with status 3"""
        machine = self.start("--disk", f"raw={self.disk(ECHO)}")
        display = machine.surface()
        screen.watch(display, says("hi"))
        display.type("r")
        self.assertEqual(machine.wait(60), (3, {"code": 3, "reason": "reset"}))

    @unittest.skipUnless(os.path.exists(RESCUE), "package grub-rescue-pc is missing: run 'make deps'")
    def test_order(self):
        """the boot order is obeyed: the CD before a disk that would boot, and only what is named"""
        machine = self.start("--disk", f"raw={self.disk(ECHO)}", "--cdrom", RESCUE, "--boot", "cdrom,disk")
        screen.watch(machine.surface(), says("Booting from DVD/CD"))
        self.assertNotIn("hi", machine.text("serial"))
        other = self.start("--disk", f"raw={self.disk(ECHO)}", "--boot", "cdrom")
        screen.watch(other.surface(), says("No bootable device"))

    def test_menu(self):
        """with --boot-menu Escape shows the boot menu, and a digit chooses"""
        machine = self.start("--boot-menu", "--disk", f"raw={self.disk(ECHO)}")
        display = machine.surface()
        machine.said("Press ESC for boot menu")  # and waits five seconds: too short to read it off the screen
        display.key(1, 1)
        display.key(1, 0)
        screen.watch(display, says("Select boot device"))
        display.type("1")
        screen.watch(display, says("hi"))

    @unittest.skipUnless(vmpc.have("qemu-system-x86_64"), "qemu-system-x86_64 is missing: run 'make deps'")
    def test_modes(self):
        """text, 16 colours, 256 colours, CGA and true colour: the BIOS's and a program's pixels are those QEMU shows"""
        disk = self.disk(MODES)
        machine = self.start("--disk", f"raw={disk}")
        display = machine.surface()
        qemu = screen.Qemu(machine.folder, "-drive", f"file={disk},format=raw,if=virtio,readonly=on")
        self.addCleanup(qemu.close)
        for number in range(1, 6):
            machine.serial("m\n" * number, 150)
            screen.settle(qemu.take, lambda theirs: screen.now(display).distance(theirs) < 4, 150)
            if number < 5:
                qemu.monitor.sendall(b"sendkey ret\n")
            display.type("\n")
        self.assertEqual(machine.wait(60), (0, {"code": 0, "reason": "poweroff"}))


@unittest.skipIf(vm.why_not(), vm.why_not())
class Multiboot(unittest.TestCase):
    def test_kernel(self):
        """a Multiboot kernel starts with its magic and its command line"""
        with tempfile.TemporaryDirectory(prefix="pane-pc-") as folder:
            kernel = vmpc.multiboot(KERNEL, os.path.join(folder, "kernel"))
            machine = vm.Vm("run=fast", kernel=kernel)
            self.addCleanup(machine.close)
            self.assertEqual(machine.wait(60), (0, {"code": 0, "reason": "poweroff"}))
            with open(machine.path("serial"), "rb") as file:
                self.assertEqual(file.read(), b"M" + struct.pack(">I", 0x2badb002) + b"run=fast\n")


class Refused(unittest.TestCase):
    def refuse(self, *args):
        machine = vmpc.Pc(*args)
        self.addCleanup(machine.close)
        status, state = machine.wait()
        self.assertEqual(status, 1)
        return state["reason"]

    def test_arguments(self):
        """what does not go together is refused"""
        self.assertIn("bios or efi", self.refuse("coreboot"))
        self.assertIn("does not go with --kernel", self.refuse("bios", "--kernel", "/vmlinuz"))
        self.assertIn("each of disk, cdrom, net once", self.refuse("bios", "--boot", "disk,disk"))
        self.assertIn("each of disk, cdrom, net once", self.refuse("bios", "--boot", "floppy"))

    @unittest.skipIf(vmpc.why_not(), vmpc.why_not())
    def test_files(self):
        """an image that is missing or no firmware is named"""
        self.assertIn("/nowhere", self.refuse("bios", "--firmware-image", "/nowhere"))
        self.assertIn("/nowhere", self.refuse("bios", "--cdrom", "/nowhere"))
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * 100)
            file.flush()
            self.assertIn("whole sectors", self.refuse("bios", "--firmware-image", file.name))
