# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that mean harm or are broken, and why each is refused: a table, for pane-image alone and for the whole way an
administrator's file takes. A row: its name, what makes the file in a folder (given a good raw disk), the code of the
refusal, a word of its reason."""
import os
import shutil
import struct
import subprocess

import rig

PARAMS = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")  # [MS-VHDX] 2.6.2.1, as it lies in a file
BAT = bytes.fromhex("6677c22d23f600429d64115e9bfd4a08")     # 2.2.3
SHADOW = 'RW 8 FLAT "/etc/shadow" 0\n'
DESCRIPTOR = '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'


class Folder:
    """Where the files of the table are made, from one good disk."""

    def __init__(self, path):
        self.path = path
        self.raw = f"{path}/good.raw"
        self.content = rig.raw_disk(self.raw)

    def qemu(self, fmt, *options):
        return rig.qemu_convert(self.raw, f"{self.path}/disk.{fmt}", fmt, *options)

    def write(self, name, data):
        return rig.write(f"{self.path}/{name}", data)

    # ---- qcow2 ----
    def backing(self, name):
        """A backing file of that name, written past what tools would allow."""
        path = self.qemu("qcow2")
        rig.patch(path, 0x8000, name)
        return rig.patch(path, 8, struct.pack(">QI", 0x8000, len(name)))

    def data_file(self):
        path = rig.patch(self.qemu("qcow2"), 72, struct.pack(">Q", 4))
        name = b'json:{"driver":"file","filename":"/etc/shadow"}'.ljust(48, b"\0")
        return rig.patch(path, 104, struct.pack(">II", 0x44415441, len(name)) + name + bytes(8))

    # ---- VMDK ----
    def descriptor(self, line):
        """A VMDK whose descriptor inside says that of its extent."""
        path = self.qemu("vmdk")
        at = struct.unpack("<Q", rig.read(path)[28:36])[0] * 512
        text = rig.read(path)[at:at + 10240].rstrip(b"\0")
        lines = [line if old.startswith(b"RW ") else old for old in text.split(b"\n")]
        return rig.patch(path, at, b"\n".join(lines).ljust(len(text) + 64, b"\0"))

    def one_grain(self):
        """Half a MiB that claims 256 GiB: every table is one table, every grain one compressed grain."""
        grain, capacity, entries = 8, (256 << 30) // 512, 512
        tables = capacity // grain // entries
        table = 1 + (tables * 4 + 511) // 512
        head = b"KDMV" + struct.pack("<IIQQQQIQQQB", 3, 3 | 1 << 16 | 1 << 17, capacity, grain, 0, 0, entries, 0, 1,
                                     table + 4, 0) + b"\n \r\n" + struct.pack("<H", 1)
        data = head.ljust(512, b"\0") + struct.pack("<I", table) * tables
        data = data.ljust(table * 512, b"\0") + struct.pack("<I", table + 4) * entries
        return self.write("grain.vmdk", data.ljust((table + 4) * 512, b"\0") + struct.pack("<QI", 0, 20) + bytes(8192))

    # ---- VHDX ----
    def parameters(self, at, value):
        path = self.qemu("vhdx")
        data = rig.read(path)
        entry = data.find(PARAMS)
        base = data.rfind(b"metadata", 0, entry)
        return rig.patch(path, base + struct.unpack("<I", data[entry + 16:entry + 20])[0] + at, struct.pack("<I", value))

    def blocks(self, value=None):
        """Every block of the disk is the first, or lies where value says."""
        path = self.qemu("vhdx", "-o", "block_size=1M")
        data = rig.read(path)
        entry = data.find(BAT)
        bat = struct.unpack("<Q", data[entry + 16:entry + 24])[0]
        first = struct.unpack("<Q", data[bat + 8:bat + 16])[0] & ~7 | 6
        return rig.patch(path, bat, struct.pack("<Q", value or first) * 12)

    # ---- appliances ----
    def appliance(self, *more, **change):
        """A good appliance with more members, or with its descriptor changed by `text`, of `capacity`, or its disk
        replaced by `disk`."""
        disk = change.get("disk") or rig.read(self.qemu("vmdk"))
        text = rig.ovf([(change.get("href", "d.vmdk"), 0)], extra=change.get("extra", ""), capacity=change.get("capacity", 12))
        members = [("b.ovf", change.get("text", lambda t: t)(text)), ("d.vmdk", disk)]
        return rig.ova(f"{self.path}/b.ova", members + [m(members) if callable(m) else m for m in more], change.get("mangle"))

    def bad_name(self):
        """A member whose name is not UTF-8."""
        path = self.appliance(("zz", b"x"))
        data = rig.read(path)
        at = data.find(b"zz\0")
        head = bytearray(data[at:at + 512])
        head[:2] = b"\xff\xfe"
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        return rig.patch(path, at, bytes(head))

    def logical(self):
        """A chain of logical drives that is a ring."""
        disk = bytearray(self.content)
        disk[446:462] = bytes([0, 0, 0, 0, 5, 0, 0, 0]) + struct.pack("<II", 2048, 8192)
        disk[rig.MIB + 446:rig.MIB + 478] = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + struct.pack("<II", 8, 8) + \
            bytes([0, 0, 0, 0, 5, 0, 0, 0]) + struct.pack("<II", 0, 8192)
        disk[rig.MIB + 510:rig.MIB + 512] = b"\x55\xaa"
        return self.write("ring.raw", bytes(disk))

    def file_system(self, *commands):
        """A disk that is one ext4 file system with a kernel, after these commands of debugfs."""
        root, path = f"{self.path}/root", f"{self.path}/fs.raw"
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(f"{root}/boot")
        os.makedirs(f"{root}/etc")
        rig.write(f"{root}/boot/vmlinuz-1.0", b"MZ" + bytes(8000))
        rig.write(path, bytes(16 * rig.MIB))
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", root, path], check=True)
        for command in commands:
            subprocess.run(["/sbin/debugfs", "-w", "-R", command, path], check=True, capture_output=True)
        return path


def kind(what):
    def mangle(info):
        if info.name == "evil":
            info.type, info.size = what, 0
    return mangle


def utf16(start):
    return lambda text: (start + text.decode()[38:]).encode("utf-16")


ROWS = [
    ("qcow2: a backing file by a pseudo-protocol", lambda f: f.backing(b'json:{"driver":"file","filename":"/etc/shadow"}'),
     "image.backing", "backing file"),
    ("qcow2: a backing file over the network", lambda f: f.backing(b"nbd://127.0.0.1:10809/x"), "image.backing", "backing file"),
    ("qcow2: a backing folder, writable", lambda f: f.backing(b"fat:rw:/etc"), "image.backing", "backing file"),
    ("qcow2: data elsewhere by a pseudo-protocol", lambda f: f.data_file(), "image.backing", "another file"),
    ("qcow2: a name without a place", lambda f: rig.patch(f.qemu("qcow2"), 16, struct.pack(">I", 8)), "image.backing", "backing"),
    ("qcow2: extended tables", lambda f: rig.patch(f.qemu("qcow2"), 72, struct.pack(">Q", 16)), "image.format", "features"),
    ("qcow2: a header of 4 GiB", lambda f: rig.patch(f.qemu("qcow2"), 100, b"\xff" * 4), "image.damaged", "header"),
    ("qcow2: two thousand million snapshots", lambda f: rig.patch(f.qemu("qcow2"), 60, struct.pack(">IQ", 0x7fffffff, 1 << 50)),
     "image.damaged", "snapshots"),
    ("VMDK: a descriptor that names a file of this machine", lambda f: f.write("s.vmdk", DESCRIPTOR + SHADOW), "image.backing",
     "other files"),
    ("VMDK: a descriptor that names a device", lambda f: f.write("s.vmdk", DESCRIPTOR + 'RW 8 VMFSRDM "/dev/sda" 0\n'),
     "image.backing", "other files"),
    ("VMDK: a descriptor behind a comment", lambda f: f.write("s.vmdk", "# x\n" + DESCRIPTOR + SHADOW), "image.format", "no disk"),
    ("VMDK: an extent that says SPARSE in its name", lambda f: f.descriptor(b'RW 24576 FLAT "/etc/ SPARSE shadow" 0'),
     "image.backing", "other files"),
    ("VMDK: an extent between tabs", lambda f: f.descriptor(b'RW\t24576\tFLAT\t"/etc/shadow"\t0'), "image.backing", "other files"),
    ("VMDK: 256 GiB of one grain", lambda f: f.one_grain(), "image.damaged", "same data"),
    ("VHDX: a parent", lambda f: f.parameters(4, 2), "image.backing", "parent"),
    ("VHDX: blocks of nothing", lambda f: f.parameters(0, 0), "image.damaged", "block"),
    ("VHDX: every block is the first", lambda f: f.blocks(), "image.damaged", "same data"),
    ("VHDX: blocks beyond the end", lambda f: f.blocks(1 << 50 | 6), "image.truncated", "cut short"),
    ("VDI: a difference", lambda f: rig.patch(f.qemu("vdi"), 76, struct.pack("<I", 4)), "image.backing", "clone"),
    ("raw: a ring of logical drives", lambda f: f.logical(), "image.partitions", "logical drives"),
    ("raw: a partition without end", lambda f: rig.patch(shutil.copy(f.raw, f"{f.path}/p.raw"), 458, b"\xff" * 4),
     "image.partitions", "outside"),
    ("raw: a kernel of 8 TiB", lambda f: f.file_system("sif /boot/vmlinuz-1.0 size 0x80000000000"), "image.size", "absurdly"),
    ("OVA: a disk by an escaped path", lambda f: f.appliance(href="%2e%2e%2fd.vmdk"), "image.ovf", "lacks"),
    ("OVA: a disk whose name has a line break", lambda f: f.appliance(href="d&#10;x"), "image.path", "path"),
    ("OVA: a member that is not UTF-8", lambda f: f.bad_name(), "image.path", "unprintable"),
    ("OVA: a descriptor that is not UTF-8", lambda f: f.appliance(text=lambda t: t.replace(b"Accounting", b"\xff\xfe")), "image.ovf",
     "XML"),
    ("OVA: a document type in UTF-16", lambda f: f.appliance(
        text=utf16('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE l SYSTEM "file:///etc/passwd">')), "image.ovf", "document type"),
    ("OVA: a parameter entity", lambda f: f.appliance(
        text=lambda t: b'<!DOCTYPE l [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>' + t[38:]), "image.ovf", "document type"),
    ("OVA: a disk that is text", lambda f: f.appliance(disk=b"hello\n" * 5000), "image.format", "no disk"),
    ("OVA: a disk that is an appliance", lambda f: f.appliance(disk=rig.read(f.appliance())), "image.format", "no disk"),
    ("OVA: a disk that is a descriptor", lambda f: f.appliance(disk=(DESCRIPTOR + SHADOW).encode()), "image.backing", "other files"),
    ("OVA: a disk larger than it is said to be", lambda f: f.appliance(capacity=1), "image.ovf", "descriptor says 1:"),
    ("OVA: a disk that is said to be beyond any", lambda f: f.appliance(capacity=1 << 60), "image.ovf", "descriptor says"),
    ("OVA: a manifest that says two things", lambda f: f.appliance(
        lambda m: ("b.mf", rig.manifest(m) + rig.manifest([("d.vmdk", b"x")]))), "image.checksum", "d.vmdk"),
    ("OVA: a good manifest before a bad one", lambda f: f.appliance(
        lambda m: ("a.mf", rig.manifest(m)), lambda m: ("b.mf", rig.manifest([("d.vmdk", b"x")]))), "image.manifest", "several"),
    ("OVA: a manifest by MD5", lambda f: f.appliance(lambda m: ("b.mf", rig.manifest(m, "md5"))), "image.manifest", "SHA256"),
    ("OVA: a manifest that a NUL ends", lambda f: f.appliance(
        lambda m: ("b.mf", rig.manifest(m[:1]) + b"\0" + rig.manifest(m[1:]))), "image.manifest", "does not name"),
    ("OVA: a second volume", lambda f: f.appliance(("evil", b""), mangle=kind(b"M")), "image.path", "special"),
    ("OVA: three hundred members", lambda f: f.appliance(*[(f"m{i}", b"") for i in range(300)]), "image.members", "more than"),
    ("OVA: no end", lambda f: f.write("cut.ova", rig.read(f.appliance()).rstrip(b"\0")), "image.truncated", "cut short"),
]
