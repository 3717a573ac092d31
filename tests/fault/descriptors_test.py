# SPDX-License-Identifier: GPL-3.0-or-later
"""Broker and gateway run out of file descriptors under strangers who hold connections open: who is connected stays, who comes is
refused or waits, and it goes on by itself when there are some again. Prints what was seen."""
import os
import resource
import socket
import time
import unittest

import panesite
from tools.gateway_rig import GatewayRig, exactly, rfb_display, wait_for

TIMEOUT = 120


def room(pid, more):
    """From now on the process may open so many more descriptors."""
    used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + more, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    return used + more


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Descriptors(unittest.TestCase):
    def test_broker(self):
        """the broker's: silent connections take them all; when they go, it serves as before, and has not died or spun"""
        with panesite.Site() as site:
            b, held = site.broker, []
            pid = b.process.pid
            self.assertEqual(b.get("/me").status, 200)
            before = descriptors(pid)
            room(pid, 12)
            for _ in range(100):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(1)
                try:
                    s.connect(b.api)
                except OSError: # its queue is full, too
                    s.close()
                    break
                held.append(s)
            wait_for("the last descriptor", lambda: descriptors(pid) >= before + 8, 30)
            cpu, begin = self.cpu(pid), time.monotonic()
            said = set()
            for _ in range(3):
                try:
                    said.add(str(b.get("/health", timeout=1).status))
                except OSError as problem:
                    said.add(type(problem).__name__)
            spent = (self.cpu(pid) - cpu) / (time.monotonic() - begin)
            for s in held:
                s.close()
            begin = time.monotonic()
            b.wait(lambda: self.health(b), "an answer", 30)
            print(f"# broker without descriptors: who asked meanwhile saw {sorted(said)}; {spent:.0%} of a processor; served {time.monotonic() - begin:.1f} s after there were some", flush=True)
            self.assertIsNone(b.process.poll())
            self.assertLess(spent, 0.9, "it spins")
            wait_for("no descriptor is left behind", lambda: descriptors(pid) <= before + 2, 30)

    def health(self, b):
        try:
            return b.get("/me", timeout=5).status == 200
        except OSError:
            return False

    def cpu(self, pid):
        """Seconds of processor time."""
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_gateway(self):
        """the gateway's: a live session goes on, strangers' connections wait, and are served when there are descriptors again"""
        gw = GatewayRig(workers=1, per_source_max=2000)
        self.addCleanup(gw.close)
        gw.host.handle = rfb_display
        live = gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(live, 4), bytes(4))
        worker = [p for p in gw.gateway.workers() if p != gw.gateway.keeper()][0]
        before = descriptors(worker)
        room(worker, 10)
        held = [gw.connect("https") for _ in range(60)]
        wait_for("the last descriptor", lambda: descriptors(worker) >= before + 8, 30)
        cpu, begin = self.cpu(worker), time.monotonic()
        while time.monotonic() - begin < 1:
            live.sendall(b"ping")
            self.assertEqual(exactly(live, 4), b"ping")
        spent = (self.cpu(worker) - cpu) / (time.monotonic() - begin)
        for s in held:
            s.close()
        begin = time.monotonic()
        again = gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(again, 4), bytes(4))
        print(f"# gateway without descriptors: the session went on; a new one {time.monotonic() - begin:.1f} s after there were some; {spent:.0%} of a processor with it", flush=True)
        self.assertEqual(worker in gw.gateway.workers(), True)


if __name__ == "__main__":
    unittest.main()
