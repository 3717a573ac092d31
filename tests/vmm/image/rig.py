# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stories of pane-image share: disks with known content, appliances, running the program."""
import hashlib
import io
import json
import os
import random
import struct
import subprocess
import tarfile

PROGRAM = os.path.abspath(os.path.join(os.environ.get("PANE_BUILD", "build/release"), "bin/pane-image"))
MIB = 1 << 20


def raw_disk(path, mib=12, seed=1):
    """An MBR, one partition, islands of noise: compresses badly, has holes, is no file system."""
    noise = random.Random(seed)
    disk = bytearray(mib * MIB)
    for at in (MIB, 5 * MIB + 4096, mib * MIB - 300000):
        disk[at:at + 300000] = noise.randbytes(300000)
    disk[446:462] = bytes([0x80, 0, 0, 0, 0x83, 0, 0, 0]) + struct.pack("<II", 2048, 8192)
    disk[510:512] = b"\x55\xaa"
    with open(path, "wb") as file:
        file.write(disk)
    return bytes(disk)


def qemu_convert(source, target, fmt, *options):
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", fmt, *options, source, target], check=True, capture_output=True)
    return target


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path


def patch(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)
    return path


def run(*args, **kwargs):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=120, check=False, **kwargs)


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


OVF = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf">
 <References>{files}</References>
 <DiskSection><Info>disks</Info>{disks}</DiskSection>
 <VirtualSystem ovf:id="box"><Info>a machine</Info><Name>Accounting {extra}</Name>
  <OperatingSystemSection ovf:id="96"><Info>os</Info><Description>Debian GNU/Linux 12 (64-bit)</Description></OperatingSystemSection>
  <VirtualHardwareSection><Info>hw</Info>
   <Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
    <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
   <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>mem</rasd:ElementName>
    <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>3072</rasd:VirtualQuantity></Item>
   <Item><rasd:Connection>NAT</rasd:Connection><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType></Item>
   {drives}
   <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>
"""


def ovf(files, extra="", capacity=12, attributes=""):
    """files: (href, size) of each disk, in the order of the drives."""
    refs = "".join(f'<File ovf:id="file{i}" ovf:href="{href}" ovf:size="{size}"/>' for i, (href, size) in enumerate(files))
    disks = "".join(f'<Disk ovf:diskId="vmdisk{i}" ovf:fileRef="file{i}" ovf:capacity="{capacity}" {attributes}'
                    ' ovf:capacityAllocationUnits="byte * 2^20" ovf:format="x"/>' for i in reversed(range(len(files))))
    drives = "".join(f"<Item><rasd:HostResource>ovf:/disk/vmdisk{i}</rasd:HostResource>"
                     "<rasd:ResourceType>17</rasd:ResourceType></Item>" for i in range(len(files)))
    return OVF.format(files=refs, disks=disks, drives=drives, extra=extra).encode()


def manifest(members, algorithm="sha256"):
    return "".join(f"{algorithm.upper()}({name})= {hashlib.new(algorithm, data).hexdigest()}\n"
                   for name, data in members).encode()


def ova(path, members, mangle=None):
    """members: (name, bytes). mangle(TarInfo) changes an entry before it is written."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if mangle:
                mangle(info)
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return path
