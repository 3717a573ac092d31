# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts GRUB on disks in files, as grub-install does on real ones but without mounting anything: by grub-mkimage,
a block list, and mtools. For BIOS: boot.img in the first sector and the core image where there is room for it.
For UEFI: the one program a removable disk has (UEFI 2.10 §3.5.1.1)."""
import os
import struct
import subprocess

MODULES = "biosdisk part_msdos part_gpt fat ext2 iso9660 normal linux search search_fs_uuid echo test ls cat configfile " \
          "boot video vbe vga all_video gfxterm serial terminal reboot halt gzio sleep true".split()
EFI_MODULES = [m for m in MODULES if m not in ("biosdisk", "vbe", "vga")] + ["efi_gop"]
SECTOR = 512


def core(kind, modules, config, prefix="()/boot/grub"):
    """A GRUB core image of kind i386-pc or x86_64-efi with a built-in configuration."""
    note = f"/tmp/pane-grub-{os.getpid()}"
    try:
        with open(note + ".cfg", "w", encoding="utf-8") as file:
            file.write(config)
        subprocess.run(["grub-mkimage", "-O", kind, "-o", note + ".img", "-p", prefix, "-c", note + ".cfg", *modules], check=True)
        with open(note + ".img", "rb") as file:
            return file.read()
    finally:
        for name in (note + ".cfg", note + ".img"):
            if os.path.exists(name):
                os.unlink(name)


def embed(disk, at, config):
    """Makes the disk boot by BIOS: the core image goes to sector `at`; the partition table stays."""
    image = bytearray(core("i386-pc", MODULES, config))
    image += bytes(-len(image) % SECTOR)
    # The core's first sector loads the rest: start, length, and segment of a block list that ends its sector.
    struct.pack_into("<QHH", image, 0x1f4, at + 1, len(image) // SECTOR - 1, 0x820)
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as file:
        boot = bytearray(file.read())
    struct.pack_into("<Q", boot, 0x5c, at)
    with open(disk, "r+b") as file:
        boot[0x1b8:SECTOR] = file.read(SECTOR)[0x1b8:]
        boot[510:512] = b"\x55\xaa"
        file.seek(0)
        file.write(boot)
        file.seek(at * SECTOR)
        file.write(image)


def fat(disk, size_mib, files, config):
    """A new disk with one FAT partition from 1 MiB up that holds `files` (name: source), booting by config."""
    with open(disk, "wb") as file:
        file.truncate(size_mib << 20)
    subprocess.run(["sfdisk", "-q", disk], input="label: dos\nstart=2048, type=c, bootable\n", text=True, check=True,
                   env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))
    where = f"{disk}@@1M"
    subprocess.run(["mformat", "-i", where, "-c", "64", "-T", str(((size_mib - 1) << 20) // SECTOR), "::"], check=True)
    for name, source in files.items():
        subprocess.run(["mcopy", "-i", where, source, f"::{name}"], check=True)
    embed(disk, 1, config)


def efi(disk, offset, config):
    """Puts GRUB for UEFI into the (still empty) EFI partition that begins at byte `offset` of the disk."""
    program = f"/tmp/pane-grub-{os.getpid()}.efi"
    where = f"{disk}@@{offset}"
    try:
        with open(program, "wb") as file:
            file.write(core("x86_64-efi", EFI_MODULES, config))
        for folder in ("::EFI", "::EFI/BOOT"):
            subprocess.run(["mmd", "-i", where, folder], check=True)
        subprocess.run(["mcopy", "-i", where, program, "::EFI/BOOT/BOOTX64.EFI"], check=True)
    finally:
        os.unlink(program)
