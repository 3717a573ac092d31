# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-image convert and inspect as programs: good files of every format, hostile ones, interruptions."""
import gzip
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import tarfile
import tempfile
import unittest

import digest
import rig

TIMEOUT = 600


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pane-image-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.raw = f"{self.dir}/a.raw"
        self.content = rig.raw_disk(self.raw)
        self.out_parent = f"{self.dir}/images"
        os.mkdir(self.out_parent)
        self.out = f"{self.out_parent}/office"

    def convert(self, path, *args):
        return rig.run("convert", path, self.out, "--name", "office", *args)

    def good(self, path, *args):
        result = self.convert(path, *args)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(rig.read(f"{self.out}/disk.raw"), self.content)
        self.assertEqual(os.listdir(self.out_parent), ["office"])
        percents = [line["percent"] for line in rig.lines(result)]
        self.assertEqual(percents, sorted(percents))
        self.assertEqual(percents[-1], 100)
        with open(f"{self.out}/image.json", encoding="utf-8") as file:
            description = json.load(file)
        shutil.rmtree(self.out)
        return description

    def refused(self, path, code, *args, why=""):
        """refused for that reason, in words too, by convert; nothing is left, nothing was written"""
        result = self.convert(path, *args)
        self.assertEqual(result.returncode, 1, result.stdout)
        error = rig.lines(result)[-1]["error"]
        self.assertEqual(error["code"], code, error)
        self.assertIn(why, error["message"])
        self.assertIn(error["message"], result.stderr)
        self.assertEqual(os.listdir(self.out_parent), [])
        return error["message"]

    def qemu(self, fmt, *options, name=None):
        return rig.qemu_convert(self.raw, f"{self.dir}/{name or 'disk.' + fmt}", fmt, *options)


class Good(Case):
    def test_formats(self):
        """every format comes out as the disk that went in"""
        for fmt, options in (("qcow2", ()), ("qcow2", ("-c",)), ("qcow2", ("-o", "compat=0.10")),
                             ("qcow2", ("-o", "cluster_size=4k")), ("qcow2", ("-c", "-o", "compression_type=zstd")),
                             ("vmdk", ()), ("vmdk", ("-o", "subformat=streamOptimized")), ("vdi", ()),
                             ("vdi", ("-o", "static=on")), ("vhdx", ()), ("vhdx", ("-o", "subformat=fixed"))):
            with self.subTest(f"{fmt} {options}"):
                self.assertEqual(self.good(self.qemu(fmt, *options))["source"]["format"], fmt)

    def test_raw(self):
        """a raw disk, its checksum asked for"""
        sha = subprocess.run(["sha256sum", self.raw], capture_output=True, text=True, check=True).stdout.split()[0]
        description = self.good(self.raw, "--sha256", sha.upper())
        self.assertEqual(description["source"], {"format": "raw", "sha256": sha})
        self.assertEqual(description["boot"], "firmware")
        self.assertIn("firmware", description["boot_reason"])

    def test_holes(self):
        """a large raw disk with holes is named by its content, and a tiny one of a vast virtual size is taken as quickly"""
        with open(self.raw, "rb") as file:
            alone = digest.content(file.read())
        with open(self.raw, "r+b") as file: # so that it has holes, wherever rig.raw_disk() put none
            file.truncate(len(self.content) + (1 << 20))
        with open(self.raw, "rb") as file:
            want = digest.content(file.read())
        self.assertNotEqual(want, alone, "its size counts")
        vast = f"{self.dir}/vast.raw"
        with open(vast, "wb") as file:
            file.write(self.content[:512])
            file.truncate(64 << 30)
        for path, more in ((self.raw, ()), (vast, ()), (rig.qemu_convert(vast, f"{self.dir}/vast.qcow2", "qcow2"), ("--max-virtual", "70000"))):
            with self.subTest(path):
                result = self.convert(path, *more)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                done = rig.lines(result)[-1]
                if path == self.raw:
                    self.assertEqual((done["content_sha256"], done["version"]), (want, want[:16]))
                self.assertLess(os.stat(f"{self.out}/disk.raw").st_blocks * 512, 64 << 20)
                shutil.rmtree(self.out)

    def test_odd_sizes(self):
        """disks that are not whole clusters, whole MiB or whole sectors"""
        self.content = self.content[:7 * rig.MIB + 512 * 5]
        rig.write(self.raw, self.content)
        for fmt in ("qcow2", "vmdk", "vdi"):
            with self.subTest(fmt):
                result = self.convert(self.qemu(fmt))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(rig.read(f"{self.out}/disk.raw")[:len(self.content)], self.content)
                shutil.rmtree(self.out)
        rig.write(self.raw, self.content + b"tail")
        self.content += b"tail" + bytes(508)
        self.good(self.raw)

    def test_ova(self):
        """an appliance: its hardware is read, its disk used, its manifest verified"""
        for fmt, algorithm in (("vmdk", "sha256"), ("qcow2", "sha1"), ("raw", "sha512")):
            with self.subTest(fmt):
                disk = rig.read(self.raw if fmt == "raw" else self.qemu(fmt))
                members = [("box.ovf", rig.ovf([("box-disk1.img", len(disk))])), ("box-disk1.img", disk)]
                path = rig.ova(f"{self.dir}/box.ova", [members[0], ("box.mf", rig.manifest(members, algorithm)), members[1]])
                description = self.good(path)
                self.assertEqual(description["hardware"],
                                 {"cpus": 2, "memory_mib": 3072, "disks": 1, "nics": 1, "firmware": "efi",
                                  "name": "Accounting", "os": "Debian GNU/Linux 12 (64-bit)"})
                shown = json.loads(rig.run("inspect", "--json", path).stdout)
                self.assertEqual((shown["kind"], shown["format"], shown["manifest"]), ("ova", fmt, "verified"))
                self.assertEqual(shown["partitions"][0]["offset"], rig.MIB)

    def test_ovf(self):
        """a descriptor with its disk beside it"""
        disk = rig.read(self.qemu("vmdk", name="d.vmdk"))
        path = rig.write(f"{self.dir}/box.ovf", rig.ovf([("d.vmdk", len(disk))]))
        self.assertEqual(self.good(path)["source"]["format"], "vmdk")
        rig.write(f"{self.dir}/box.mf", rig.manifest([("box.ovf", rig.read(path)), ("d.vmdk", disk + b"x")]))
        self.refused(path, "image.checksum")

    def test_two_disks(self):
        """an appliance of two disks: one must be chosen, in the order of its drives"""
        other = rig.raw_disk(f"{self.dir}/b.raw", 8, 2)
        path = rig.ova(f"{self.dir}/two.ova", [("b.ovf", rig.ovf([("a.raw", 0), ("b.raw", 0)])),
                                               ("b.raw", other), ("a.raw", self.content)])
        self.refused(path, "image.disks", why="--disk")
        self.good(path, "--disk", "1")
        self.content = other
        self.good(path, "--disk", "2")
        self.refused(path, "image.disks", "--disk", "3")

    def test_inspect_words(self):
        """inspect for people"""
        text = rig.run("inspect", self.qemu("qcow2")).stdout
        for word in ("format     qcow2", "virtual    12 MiB", "table      mbr", "part 1", "boot       firmware"):
            self.assertIn(word, text)


class HostileDisks(Case):
    def test_backing(self):
        """disks that need another file, and would read one of this machine"""
        base = f"{self.dir}/leaf.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", base, "1M"], check=True)
        self.refused(base, "image.backing", why="flatten")
        data = f"{self.dir}/data.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={self.dir}/d,data_file_raw=on", data, "1M"],
                       check=True)
        self.refused(data, "image.backing", why="another file")
        flat = self.qemu("vmdk", "-o", "subformat=monolithicFlat", name="flat.vmdk")
        self.refused(flat, "image.backing", why="one file")
        passwd = rig.write(f"{self.dir}/passwd.vmdk", '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n'
                           'createType="monolithicFlat"\nRW 4 FLAT "/etc/passwd" 0\n')
        self.refused(passwd, "image.backing")
        child = rig.patch(self.qemu("vdi"), 440, b"\x11" * 16)
        self.refused(child, "image.backing", why="clone")

    def test_hidden_descriptor(self):
        """a VMDK whose header sends the reader to a descriptor with other extents"""
        path = self.qemu("vmdk")
        at = struct.unpack("<Q", rig.read(path)[28:36])[0] * 512
        text = rig.read(path)[at:at + 10240].rstrip(b"\0")
        rig.patch(path, at, text + b'\nRW 4 FLAT "/etc/passwd" 0\n')
        self.refused(path, "image.backing")
        rig.patch(path, at, text.replace(b"parentCID=ffffffff", b"parentCID=0badcafe") + bytes(64))
        self.refused(path, "image.backing")
        rig.patch(path, 12, bytes(8))
        self.refused(path, "image.damaged", why="zero")

    def test_encrypted(self):
        """encrypted disks"""
        path = f"{self.dir}/e.qcow2"
        make = ["qemu-img", "create", "-q", "--object", "secret,id=s,data=x", "-f", "qcow2", "-o",
                "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", path, "1M"]
        # qemu-img times its own key stretching and now and then gives up: "Unable to get accurate CPU usage".
        for _ in range(9):
            if not subprocess.run(make, check=False).returncode:
                break
        else:
            subprocess.run(make, check=True)
        self.refused(path, "image.encrypted", why="decrypt")
        self.refused(rig.write(f"{self.dir}/l.raw", b"LUKS\xba\xbe\0\2" + bytes(rig.MIB)), "image.encrypted")

    def test_absurd_size(self):
        """virtual sizes beyond any disk"""
        for fmt in ("qcow2", "vdi", "vhdx"):
            path = f"{self.dir}/huge.{fmt}"
            subprocess.run(["qemu-img", "create", "-q", "-f", fmt, path, "2T"], check=True)
            with self.subTest(fmt):
                self.refused(path, "image.size", why="--max-virtual")
        self.refused(rig.patch(self.qemu("qcow2"), 24, b"\xff" * 8), "image.size")
        self.refused(rig.patch(self.qemu("vmdk"), 12, b"\xff" * 8), "image.size")
        self.refused(self.raw, "image.size", "--max-virtual", "11")
        self.refused(self.qemu("qcow2", name="m.qcow2"), "image.size", "--max-virtual", "11")

    def test_bombs(self):
        """small files that unpack to far more"""
        self.refused(self.qemu("qcow2"), "image.bytes", "--max-bytes", "500000", why="--max-bytes")
        path = f"{self.dir}/same.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1G"], check=True)
        subprocess.run(["qemu-io", "-c", "write -P 7 0 64k", path], check=True, capture_output=True)
        data = rig.read(path)
        l1 = struct.unpack(">Q", data[40:48])[0]
        l2 = struct.unpack(">Q", data[l1:l1 + 8])[0] & 0xfffffffffffe00
        rig.patch(path, l2, data[l2:l2 + 8] * 8192)
        self.refused(path, "image.damaged", why="same data")
        self.refused(self.raw, "image.bytes", "--max-bytes", "500000")
        vdi = self.qemu("vdi")
        data = rig.read(vdi)
        at = struct.unpack("<I", data[340:344])[0]
        rig.patch(vdi, at, struct.pack("<I", 0) * 12)
        self.refused(vdi, "image.damaged", why="same data")

    def test_truncated(self):
        """files that were cut short anywhere"""
        for fmt, options in (("qcow2", ()), ("qcow2", ("-c",)), ("vmdk", ()),
                             ("vmdk", ("-o", "subformat=streamOptimized")), ("vdi", ()), ("vhdx", ())):
            data = rig.read(self.qemu(fmt, *options))
            used = len(data.rstrip(b"\0"))
            for part in (0.999, 0.7, 0.3, 0.01):
                path = rig.write(f"{self.dir}/cut.{fmt}", data[:int(used * part)])
                with self.subTest(f"{fmt} {options} {part}"):
                    result = self.convert(path)
                    self.assertEqual(result.returncode, 1)
                    self.assertIn(rig.lines(result)[-1]["error"]["code"], ("image.truncated", "image.damaged", "image.format"))
                    self.assertEqual(os.listdir(self.out_parent), [])
        self.refused(rig.write(f"{self.dir}/empty", b""), "image.truncated")
        self.refused(rig.write(self.raw, self.content[:3 * rig.MIB]), "image.partitions", why="cut short")

    def test_heads_only(self):
        """files of which there is no more than a head, whatever it promises"""
        for fmt, options in (("qcow2", ()), ("vmdk", ()), ("vmdk", ("-o", "subformat=streamOptimized")), ("vdi", ()), ("vhdx", ())):
            data = rig.read(self.qemu(fmt, *options))
            for size in (4, 64, 512, 4096, 65536, 200000):
                with self.subTest(f"{fmt} {options} {size}"):
                    result = self.convert(rig.write(f"{self.dir}/head.{fmt}", data[:size]))
                    self.assertEqual(result.returncode, 1)
                    self.assertIn(rig.lines(result)[-1]["error"]["code"],
                                  ("image.truncated", "image.damaged", "image.format", "image.backing"))
                    self.assertEqual(os.listdir(self.out_parent), [])

    def test_pointers(self):
        """tables that point outside the file, at themselves, or nowhere"""
        for fmt, at, value in (("qcow2", 40, b"\xff" * 8), ("qcow2", 40, struct.pack(">Q", 1 << 40)), ("qcow2", 48, b"\x7f" * 8),
                               ("qcow2", 20, struct.pack(">I", 63)), ("qcow2", 36, b"\xff" * 4),
                               ("vmdk", 56, struct.pack("<Q", 1 << 60)), ("vmdk", 20, struct.pack("<Q", 3)), ("vmdk", 44, b"\xff" * 4),
                               ("vmdk", 28, b"\xff" * 8), ("vdi", 340, b"\xff" * 4), ("vdi", 384, b"\xff" * 4), ("vdi", 376, bytes(4))):
            with self.subTest(f"{fmt} {at} {value}"):
                result = self.convert(rig.patch(self.qemu(fmt), at, value))
                self.assertEqual(result.returncode, 1, result.stdout)
                self.assertEqual(os.listdir(self.out_parent), [])

    def test_vhdx_log(self):
        """VHDX files with a log to replay, an absurd one, or headers that contradict each other"""
        for patches in ([(48, b"\x11" * 16)], [(68, b"\xff" * 4), (72, b"\xff" * 8)], [(48, b"\x11" * 16), (68, b"\xff" * 4)],
                        [(0, b"dead")], [(8, b"\xff" * 8), (48, b"\x22" * 16)]):
            path = self.qemu("vhdx")
            for head in (65536, 131072):
                for at, value in patches:
                    rig.patch(path, head + at, value)
            with self.subTest(patches):
                result = self.convert(path)
                self.assertEqual(result.returncode, 1, result.stdout)
                self.assertEqual(os.listdir(self.out_parent), [])

    def test_not_disks(self):
        """what is no disk is named, with the next step"""
        for name, data, word in (("gzip", b"\x1f\x8b\x08\0", "unpack"), ("zip", b"PK\3\4", "unpack"),
                                 ("xz", b"\xfd7zXZ\0", "unpack"), ("cd", bytes(0x8001) + b"CD001", "install"),
                                 ("vhd", b"conectix", "VHDX")):
            with self.subTest(name):
                self.refused(rig.write(f"{self.dir}/x", data + bytes(rig.MIB)), "image.format", why=word)
        self.refused(rig.write(f"{self.dir}/x", b"hello\n" * 1000), "image.format", why="no disk")
        self.refused("/dev/zero", "image.file")
        self.refused(self.dir, "image.file")
        self.assertEqual(self.convert(f"{self.dir}/nothing").returncode, 1)

    def test_checksum(self):
        """a file other than the one the checksum is of"""
        self.refused(self.raw, "image.checksum", "--sha256", "0" * 64)


class HostileAppliances(Case):
    def setUp(self):
        super().setUp()
        self.disk = rig.read(self.qemu("vmdk"))
        self.descriptor = rig.ovf([("d.vmdk", len(self.disk))])
        self.members = [("b.ovf", self.descriptor), ("d.vmdk", self.disk)]

    def pack(self, members=None, mangle=None):
        return rig.ova(f"{self.dir}/b.ova", members or self.members, mangle)

    def test_paths(self):
        """members that would be written or read elsewhere"""
        for name in ("/etc/cron.d/x", "../../x", "a/../../x", "dir/x", "..", "x\n\x1b[2Jy", "a\\b"):
            with self.subTest(name):
                self.refused(self.pack(self.members + [(name, b"x")]), "image.path")
        self.refused(self.pack(self.members + [("a" * 80 + "/" + "b" * 90, b"x")]), "image.path")
        for href in ("/etc/passwd", "../d.vmdk", "http://example.org/d.vmdk", "file:///etc/passwd"):
            with self.subTest(href):
                self.refused(self.pack([("b.ovf", rig.ovf([(href, 0)])), ("d.vmdk", self.disk)]), "image.path")

    def test_kinds(self):
        """links, devices, folders and pipes"""
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE,
                     tarfile.GNUTYPE_SPARSE):
            def mangle(info, kind=kind):
                if info.name == "evil":
                    info.type, info.linkname, info.size = kind, "/etc/passwd", 0
            with self.subTest(kind):
                self.refused(self.pack(self.members + [("evil", b"")], mangle), "image.path")

    def test_link_beside(self):
        """a disk beside its descriptor that is a link to a file of this machine"""
        os.symlink(self.raw, f"{self.dir}/link.img")
        path = rig.write(f"{self.dir}/box.ovf", rig.ovf([("link.img", 0)]))
        self.assertEqual(self.convert(path).returncode, 1)

    def test_duplicates(self):
        """two members of one name, of which a check would see the other"""
        self.refused(self.pack(self.members + [("d.vmdk", self.disk)]), "image.duplicate")
        self.refused(self.pack(self.members + [("./d.vmdk", self.disk)]), "image.duplicate")
        self.refused(self.pack(self.members + [("c.ovf", self.descriptor)]), "image.ovf")

    def test_pax(self):
        """extended headers that rename a member"""
        path = f"{self.dir}/pax.ova"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("d.vmdk")
            info.pax_headers = {"path": "../../evil"}
            tar.addfile(info)
        self.refused(path, "image.path", why="extended")

    def test_long_names(self):
        """GNU's long names and links, which would hide a path from a plain reader"""
        for change in ({"name": "a" * 120}, {"name": "x/" * 60 + "y"}, {"name": "z", "linkname": "/etc/" + "p" * 120,
                                                                       "type": tarfile.SYMTYPE}):
            path = f"{self.dir}/gnu.ova"
            with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
                for name, data in self.members:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                info = tarfile.TarInfo("z")
                for key, value in change.items():
                    setattr(info, key, value)
                tar.addfile(info)
            with self.subTest(change):
                self.refused(path, "image.path")

    def pax(self, headers, everywhere=False):
        """An appliance whose disk has extended headers, its own or for all that follows."""
        path = f"{self.dir}/pax.ova"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=headers if everywhere else None) as tar:
            for name, data in self.members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                if name == "d.vmdk" and not everywhere:
                    info.pax_headers = headers
                tar.addfile(info, io.BytesIO(data))
        return path

    def test_pax_overrides(self):
        """extended headers that move, link, stretch or hollow out a member; harmless ones pass"""
        for headers, code in (({"path": "/etc/cron.d/x"}, "image.path"), ({"linkpath": "/etc/passwd"}, "image.path"),
                              ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "d.vmdk",
                                "GNU.sparse.realsize": "99999999999"}, "image.path"),
                              ({"size": "99999999999"}, "image.truncated"), ({"size": "-1"}, "image.damaged"),
                              ({"size": "99999999999999999999999"}, "image.damaged"), ({"hdrcharset": "BINARY"}, "image.path")):
            for everywhere in (False, True):
                with self.subTest(f"{headers} {everywhere}"):
                    self.refused(self.pax(headers, everywhere), code)
        self.good(self.pax({"comment": "made by hand", "SCHILY.dev": "1", "mtime": "1.5"}))

    def test_sizes(self):
        """sizes in headers that are negative, absurd or no numbers"""
        for field, code in ((b"\xff" * 12, "image.damaged"), (b"\x80" + b"\xff" * 11, "image.damaged"),
                            (b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7, "image.truncated"), (b"-0000000001\0", "image.damaged"),
                            (b"77777777777\0", "image.truncated"), (b"12345678999\0", "image.damaged")):
            path = self.pack()
            head = bytearray(rig.read(path)[:512])
            head[124:136] = field
            head[148:156] = b" " * 8
            head[148:156] = b"%06o\0 " % sum(head)
            with self.subTest(field):
                self.refused(rig.patch(path, 0, bytes(head)), code)

    def test_compressed_inside(self):
        """disks packed once more, which a bomb would be"""
        bomb = gzip.compress(bytes(64 * rig.MIB))
        for attributes in ("", 'ovf:compression="gzip"'):
            text = rig.ovf([("d.gz", len(bomb))]).replace(b'ovf:href="d.gz"', b'ovf:href="d.gz" ' + attributes.encode())
            with self.subTest(attributes):
                result = self.convert(self.pack([("b.ovf", text), ("d.gz", bomb)]))
                self.assertEqual(result.returncode, 1)
                self.assertIn(rig.lines(result)[-1]["error"]["code"], ("image.format", "image.compressed"))
                self.assertEqual(os.listdir(self.out_parent), [])

    def test_manifest(self):
        """manifests that do not fit"""
        good = rig.manifest(self.members)
        bad = good.replace(b"= ", b"= 0", 1)
        swapped = rig.manifest([("b.ovf", self.descriptor), ("d.vmdk", self.disk + b"x")])
        for name, text, code in (("wrong", swapped, "image.checksum"), ("syntax", bad, "image.manifest"),
                                 ("missing", good + rig.manifest([("x.vmdk", b"")]), "image.manifest"),
                                 ("uncovered", rig.manifest(self.members[:1]), "image.manifest"),
                                 ("path", good + rig.manifest([("../x", b"")]), "image.manifest")):
            with self.subTest(name):
                self.refused(self.pack(self.members + [("b.mf", text)]), code)

    def test_truncated(self):
        """appliances that were cut short"""
        data = rig.read(self.pack())
        for size in (600, 3000, len(data) // 2):
            with self.subTest(size):
                self.refused(rig.write(f"{self.dir}/cut.ova", data[:size]), "image.truncated")
        self.refused(self.pack([("b.ovf", rig.ovf([("d.vmdk", len(self.disk) + 1)])), self.members[1]]), "image.ovf")
        self.refused(self.pack(self.members[:1]), "image.ovf", why="lacks")
        self.refused(self.pack(self.members[1:]), "image.ovf", why="no .ovf")

    def test_header(self):
        """a damaged header"""
        self.refused(rig.patch(self.pack(), 20, b"x"), "image.damaged")

    def test_xml(self):
        """entities, document types, nesting, several machines"""
        laughs = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + self.descriptor[38:]
        outside = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + \
            rig.ovf([("d.vmdk", 0)], extra="&x;")[38:]
        for name, text in (("laughs", laughs), ("outside", outside), ("deep", b"<a>" * 50000), ("cut", self.descriptor[:900]),
                           ("parent", rig.ovf([("d.vmdk", 0)], attributes='ovf:parentRef="x"')),
                           ("none", b"<Envelope/>"), ("large", self.descriptor + b" " * (2 << 20))):
            with self.subTest(name):
                self.refused(self.pack([("b.ovf", text), ("d.vmdk", self.disk)]), "image.ovf")

    def test_backing_inside(self):
        """a disk that needs another file, inside an appliance"""
        base = f"{self.dir}/leaf.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", base, "1M"], check=True)
        self.refused(self.pack([("b.ovf", rig.ovf([("l.qcow2", 0)])), ("l.qcow2", rig.read(base))]), "image.backing")


class Interrupted(Case):
    def start(self, step="convert"):
        """convert of a larger disk, held at a step by not reading on"""
        rig.raw_disk(self.raw, 1500)
        process = subprocess.Popen([rig.PROGRAM, "convert", self.raw, self.out, "--name", "office"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        for line in process.stdout:
            if json.loads(line)["step"] == step:
                return process
        self.fail("it ended before")

    def test_terminated(self):
        """a request to end undoes what was begun"""
        process = self.start()
        process.terminate()
        process.wait(30)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(os.listdir(self.out_parent), [])

    def test_killed(self):
        """what a killed run left is gone with the next, whatever that one makes"""
        process = self.start()
        process.kill()
        process.wait(30)
        self.assertEqual(os.listdir(self.out_parent), [".pane-image.office"])
        rig.raw_disk(self.raw)
        result = rig.run("convert", self.raw, f"{self.out_parent}/other", "--name", "other")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(self.out_parent), ["other"])

    def test_busy(self):
        """a living run is left alone by another"""
        process = self.start()
        process.send_signal(signal.SIGSTOP)
        small = f"{self.dir}/small.raw"
        rig.raw_disk(small)
        result = self.convert(small)
        self.assertEqual(rig.lines(result)[-1]["error"]["code"], "image.busy")
        self.assertEqual(os.listdir(self.out_parent), [".pane-image.office"])
        process.send_signal(signal.SIGCONT)
        process.stdout.read()
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(os.listdir(self.out_parent), ["office"])

    def test_exists(self):
        """an image that is there is not overwritten"""
        self.assertEqual(self.convert(self.raw).returncode, 0)
        before = os.stat(f"{self.out}/disk.raw").st_mtime_ns
        result = self.convert(self.raw)
        self.assertEqual(rig.lines(result)[-1]["error"]["code"], "image.exists")
        self.assertEqual(os.stat(f"{self.out}/disk.raw").st_mtime_ns, before)


if __name__ == "__main__":
    unittest.main()
