# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of one's own to lose: a namespace joined to this one by a veth pair. cut() makes it silent, so that what is
behind it is lost without a word, as when a host's power fails."""
import ctypes
import os
import shutil
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000


def missing():
    """Why there can be none here; "" when there can."""
    if os.geteuid():
        return "only root may make network namespaces"
    tools = [t for t in ("ip", "nft") if not shutil.which(t)]
    return "not installed: " + ", ".join(tools) if tools else ""


class Network:
    def __init__(self):
        self.name = f"pane{os.getpid()}"
        self.subnet = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self.address = self.subnet + ".2"
        for line in (f"netns add {self.name}",
                     f"link add {self.name}a type veth peer name {self.name}b netns {self.name}",
                     f"addr add {self.subnet}.1/30 dev {self.name}a",
                     f"link set {self.name}a up",
                     f"-n {self.name} addr add {self.address}/30 dev {self.name}b",
                     f"-n {self.name} link set {self.name}b up",
                     f"-n {self.name} link set lo up"):
            self.run("ip", *line.split())

    def run(self, *words):
        subprocess.run(words, check=True, capture_output=True)

    def listen(self):
        """A listening socket inside the namespace; this process goes on outside of it."""
        out = []

        def inside():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.name}", "rb") as f:
                if libc.setns(f.fileno(), CLONE_NEWNET):
                    out.append(OSError(ctypes.get_errno(), "setns"))
                    return
            out.append(socket.create_server((self.address, 0)))

        t = threading.Thread(target=inside)
        t.start()
        t.join()
        if isinstance(out[0], OSError):
            raise out[0]
        return out[0]

    def cut(self, outgoing=True, incoming=True):
        """Drops what comes in and goes out, or one of them."""
        rules = "add table inet cut\n"
        for hook, wanted in (("input", incoming), ("output", outgoing)):
            if wanted:
                rules += f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; policy drop; }}\n"
        subprocess.run(["ip", "netns", "exec", self.name, "nft", "-f", "-"], input=rules.encode(), check=True,
                       capture_output=True)

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", f"{self.name}a"], check=False, capture_output=True)
