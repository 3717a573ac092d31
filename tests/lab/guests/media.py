# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rows boot: disks with Debian's own programs on them, and an initramfs of a few commands."""
import glob
import os
import re
import struct
import subprocess
import tempfile

import grubdisk
import vm

INSTALLER = "/usr/lib/debian-installer/images/12/amd64"
RESCUE = "/usr/lib/grub-rescue/grub-rescue-{}"
MEMTEST = "/usr/lib/memtest86+/memtest86+{}.iso"
GENERIC = max((p for p in glob.glob("/boot/vmlinuz-*-amd64") if "cloud" not in p), default="")
TEXT = "vga=normal fb=false quiet"
GRAPHICAL = "vga=788 quiet"


def installer(disk, tree=INSTALLER, kind="text", words=TEXT):
    """Debian's installer on a disk that GRUB boots by BIOS."""
    folder = glob.glob(f"{tree}/{kind}/debian-installer/*")[0]
    size = (os.path.getsize(f"{folder}/initrd.gz") + os.path.getsize(f"{folder}/linux") >> 20) + 16
    grubdisk.fat(disk, size, {"linux": f"{folder}/linux", "initrd.gz": f"{folder}/initrd.gz"},
                 f"set root=(hd0,msdos1)\nlinux /linux {words}\ninitrd /initrd.gz\nboot\n")


def asks(picture):
    """The graphical installer has filled its empty frame with a question: most lines below its head differ."""
    return picture.colours() > 64 and len(set(picture.lines[picture.height // 5:])) > picture.height // 3


def grub_linux(disk, kernel, initrd, words):
    """Any kernel on a disk that GRUB boots by BIOS."""
    grubdisk.fat(disk, 80, {"linux": kernel, "initrd": initrd},
                 f"set root=(hd0,msdos1)\nlinux /linux {words}\ninitrd /initrd\nboot\n")


def cloud(disk, source):
    """A copy of a disk by tests/vmm/image/cloudimage.py with GRUB for BIOS and UEFI on it, which reads the disk's own configuration."""
    subprocess.run(["cp", "--sparse=always", source, disk], check=True)
    with open(os.path.join(vm.SOURCE, "tests/vmm/image/cloudimage.py"), encoding="utf-8") as file:
        uuid = re.search(r'ROOT_UUID = "(.*)"', file.read()).group(1)
    config = f"search --no-floppy --fs-uuid --set=root {uuid}\nset prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n"
    grubdisk.embed(disk, 2048, config)
    subprocess.run(["mformat", "-i", f"{disk}@@{8192 * 512}", "-F", "-T", "253952", "::"], check=True)
    grubdisk.efi(disk, 8192 * 512, config)


def modules(release, *names):
    """Files of these modules and all they need, in the order to load them."""
    root, needs, files = f"/lib/modules/{release}", {}, {}
    with open(f"{root}/modules.dep", encoding="ascii") as file:
        for line in file:
            path, rest = line.rstrip("\n").split(":")
            name = os.path.basename(path).split(".")[0].replace("-", "_")
            files[name], needs[path] = path, rest.split()
    order = []
    for name in names:
        for path in [*reversed(needs.get(files.get(name), [])), files.get(name)]:
            if path and path not in order:
                order.append(path)
    return [f"{root}/{path}" for path in order]


def initramfs(path, script, files=()):
    """A static shell that runs script as the first process; files are in its root."""
    with tempfile.TemporaryDirectory() as root:
        for folder in ("bin", "proc", "sys", "dev"):
            os.mkdir(f"{root}/{folder}")
        subprocess.run(["cp", "/bin/busybox", f"{root}/bin/sh"], check=True)
        for file in files:
            subprocess.run(["cp", file, root], check=True)
        with open(f"{root}/init", "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nbusybox mount -t proc none /proc\nbusybox mount -t sysfs none /sys\n"
                       "busybox mount -t devtmpfs none /dev\nexec >/dev/ttyS0 2>&1\n" + script)
        os.chmod(f"{root}/init", 0o755)
        os.symlink("sh", f"{root}/bin/busybox")
        names = subprocess.run(["find", "."], cwd=root, check=True, stdout=subprocess.PIPE).stdout
        with open(path, "wb") as file:
            subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=root, input=names, check=True, stdout=file)


def vmlinux(bzimage, path):
    """The ELF file inside a kernel (boot protocol 2.08: payload_offset and payload_length)."""
    with open(bzimage, "rb") as file:
        data = file.read()
    setup = (data[0x1f1] + 1) * 512
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[setup + offset:setup + offset + length]
    program = {b"\xfd7": ["xz", "-dc", "--single-stream"], b"\x02!": ["lz4", "-dc"], b"\x1f\x8b": ["gzip", "-dc"], b"(\xb5": ["zstd", "-dc"]}[payload[:2]]
    with open(path, "wb") as file:  # four bytes of size follow what is compressed
        subprocess.run(program, input=payload, stdout=file, stderr=subprocess.DEVNULL, check=False)
