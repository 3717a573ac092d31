# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts and a network of this process's own (and of what it starts), so that file systems can be small and packets lost while the
machine's stay as they are. All is gone when the process is. Called at the head of a story, before it has threads."""
import ctypes
import os
import subprocess

NEWNS, NEWNET, REC, PRIVATE = 0x20000, 0x40000000, 0x4000, 1 << 18


def enter(net=False, cut=True):
    """A reason why there can be none here, or None. Without cut packets cannot be lost, and the kernel needs no nftables."""
    if os.geteuid():
        return "only root may have mounts and a network of its own"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNS | (NEWNET if net else 0)) or libc.mount(b"none", b"/", None, REC | PRIVATE, None):
        return f"namespaces: {os.strerror(ctypes.get_errno())}"
    if net:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if net and cut:
        subprocess.run(["nft", "-f", "-"], input="add table inet cut\nadd chain inet cut in { type filter hook input priority 0; }\n", text=True, check=True)
    return None


def small(path, mib, **owner):
    """A file system of its own at path."""
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", path], check=True)
    return Small(path)


class Small:
    def __init__(self, path):
        self.path = path

    def fill(self):
        """Not a byte is left. Files of before can be written where they have blocks."""
        with open(f"{self.path}/filler", "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def make_room(self):
        os.unlink(f"{self.path}/filler")


def lose(*matches):
    """Drops what comes in and matches one of these ("tcp dport 7443")."""
    rules = "".join(f"add rule inet cut in {match} drop\n" for match in matches)
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def heal():
    subprocess.run(["nft", "flush", "chain", "inet", "cut", "in"], check=True)
