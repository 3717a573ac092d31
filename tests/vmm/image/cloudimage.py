# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk like the genericcloud images of Debian: GPT with a BIOS boot, an EFI and a root partition, the cloud
kernel, cloud-init, GRUB's configuration, no desktop. Made by mmdebstrap from this machine's mirror, and kept."""
import fcntl
import os
import subprocess
import zlib

MIB = 1 << 20
ROOT_UUID = "6d1e5a3c-0f1b-4a57-9c3f-2f1f0e1d2c3b"
PARTUUID = "0b7f8a52-9d3e-4c41-8a6f-1d2c3b4a5968"
PACKAGES = "linux-image-cloud-amd64,initramfs-tools,systemd-sysv,cloud-init,ifupdown,isc-dhcp-client"

GRUB = """set default="0"
function gfxmode {{
	set gfxpayload="${{1}}"
}}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-{uuid}' {{
	load_video
	insmod gzio
	search --no-floppy --fs-uuid --set=root {uuid}
	echo	'Loading Linux {kver} ...'
	linux	/boot/vmlinuz-{kver} root=PARTUUID={part} ro  console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0
	initrd	/boot/initrd.img-{kver}
}}
"""


def sources(suite):
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)"],
                          capture_output=True, text=True, check=True).stdout
    rows = {tuple(line.split()[:3]) for line in text.splitlines() if line.endswith(" Packages")}
    return "".join(f"deb {site.rstrip('/')} {rel} {comp}\n" for site, rel, comp in sorted(rows)
                   if rel in (suite, f"{suite}-updates", f"{suite}-security") and comp == "main")


def suite():
    with open("/etc/os-release", encoding="utf-8") as file:
        return next(line.split("=")[1].strip() for line in file if line.startswith("VERSION_CODENAME="))


def build_root(tar):
    subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "--aptopt=APT::Install-Recommends \"false\"",
                    "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", suite(), tar, "-"],
                   input=sources(suite()), text=True, check=True, capture_output=True)


def build_disk(work, tar, disk):
    root = f"{work}/root"
    os.mkdir(root)
    subprocess.run(["tar", "-C", root, "-xf", tar, "--numeric-owner", "--exclude=./dev/*"], check=True)
    kver = sorted(n for n in os.listdir(f"{root}/boot") if n.startswith("vmlinuz-"))[-1].removeprefix("vmlinuz-")
    os.makedirs(f"{root}/boot/grub", exist_ok=True)
    with open(f"{root}/boot/grub/grub.cfg", "w", encoding="utf-8") as file:
        file.write(GRUB.format(uuid=ROOT_UUID, part=PARTUUID, kver=kver))
    with open(f"{root}/etc/fstab", "w", encoding="utf-8") as file:
        file.write(f"# /etc/fstab\nPARTUUID={PARTUUID} / ext4 rw,discard,errors=remount-ro 0 1\n")
    size = 1200 * MIB
    with open(disk, "wb") as file:
        file.truncate(size)
    script = (f"label: gpt\nfirst-lba: 34\n1 : start=262144, type=linux, uuid={PARTUUID}\n"
              "14 : start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649\n"
              "15 : start=8192, size=253952, type=uefi\n")
    subprocess.run(["sfdisk", "-q", disk], input=script, text=True, check=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-U", ROOT_UUID, "-E", f"offset={262144 * 512}", "-d", root,
                    disk, f"{(size - 262144 * 512 - MIB) // 1024}k"], check=True)
    subprocess.run(["rm", "-rf", root], check=True)
    return kver


def make(folder):
    """The path of the disk and the version of its kernel; raises CalledProcessError where there is no mirror. Stories of two
    lanes ask for it at once: the first makes it, the other waits."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return made(folder)


def made(folder):
    disk, note = f"{folder}/cloud.raw", f"{folder}/cloud-{zlib.crc32(PACKAGES.encode()):08x}.kver"
    if os.path.exists(note):
        with open(note, encoding="utf-8") as file:
            return disk, file.read()
    work = f"{folder}/cloud.work"
    subprocess.run(["rm", "-rf", work], check=True)
    os.makedirs(work)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    build_root(f"{work}/root.tar")
    kver = build_disk(work, f"{work}/root.tar", f"{work}/cloud.raw")
    os.rename(f"{work}/cloud.raw", disk)
    subprocess.run(["rm", "-rf", work, f"{folder}/image"], check=True) # what was converted from the one before
    with open(note, "w", encoding="utf-8") as file:
        file.write(kver)
    return disk, kver
