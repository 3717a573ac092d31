# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of container desktops: the isolated bridge keeps them from one another, from the host and from false
addresses; the user-mode network leads out."""
import os
import socket
import subprocess
import unittest

import cell

TIMEOUT = 200
NET = "10.231.7"
PROBE = "timeout 2 bash -c 'exec 3<>/dev/tcp/{0}/{1}' 2>/dev/null && echo reached || echo not reached"

# An ARP announcement of an address, as root of the network namespace may send it and the desktop itself may not.
GRATUITOUS = ("import socket; a = socket.inet_aton('{0}'); s = socket.socket(17, 3); s.bind(('eth0', 0x806)); "
              "m = s.getsockname()[4]; b = bytes([255] * 6); "
              "s.send(b + m + bytes([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]) + m + a + b + a)")


def ip(*args, pid=None):
    prefix = ["nsenter", "-n", "-t", str(pid)] if pid else []
    return subprocess.run([*prefix, "ip", *args], capture_output=True, text=True, check=False)


@unittest.skipIf(cell.why_not(), cell.why_not())
class Bridge(unittest.TestCase):
    def setUp(self):
        self.bridge = f"pct{os.getpid() % 100000}"
        if ip("link", "add", self.bridge, "type", "bridge").returncode:
            self.skipTest("no bridge can be made here")
        self.addCleanup(ip, "link", "del", self.bridge)
        ip("addr", "add", f"{NET}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")

    def start(self, last):
        machine = cell.Cell(net=f"bridge={self.bridge},ip={NET}.{last}/24,gw={NET}.1,dns=192.0.2.53")
        self.addCleanup(machine.close)
        return machine

    def test_bridge(self):
        """desktops on the bridge do not reach one another, nor the host, nor pose as others; nothing stays behind"""
        one, two = self.start(2), self.start(3)
        first, second = one.terminal(), two.terminal()
        text = one.run(first, "ip -4 -br addr; ip route; cat /etc/resolv.conf")
        self.assertIn(f"{NET}.2/24", text)
        self.assertIn(f"default via {NET}.1 dev eth0", text)
        self.assertIn("nameserver 192.0.2.53", text)

        first.type("perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalPort => 7000); "
                   "open F, \">listening\"; print F \"x\"; close F; 1 while $s->accept'\n", pace_s=0.002)
        one.wait_file("listening")
        host = socket.create_server((f"{NET}.1", 0))
        self.addCleanup(host.close)
        self.assertEqual(subprocess.run(["bash", "-c", PROBE.format(f"{NET}.2", 7000)], capture_output=True, text=True,
                                        check=True).stdout, "reached\n", "the host itself reaches the desktop")
        self.assertEqual(two.run(second, PROBE.format(f"{NET}.2", 7000)), "not reached\n")
        # Not on the wire either: where the host's packet filter sees bridged packets, it alone would do the above.
        self.assertNotIn("lladdr", ip("neigh", "show", f"{NET}.2", pid=two.inside()).stdout)
        self.assertEqual(two.run(second, PROBE.format(f"{NET}.1", host.getsockname()[1])), "not reached\n")

        # The address of the desktop is learnt by the host, a false one is not: its ARP never arrives.
        self.assertIn(f"{NET}.3 ", ip("neigh", "show", "dev", self.bridge).stdout)
        pid = two.inside()
        self.assertEqual(ip("addr", "add", f"{NET}.77/24", "dev", "eth0", pid=pid).returncode, 0)
        ip("neigh", "flush", "all", pid=pid)
        subprocess.run(["nsenter", "-n", "-t", str(pid), "python3", "-c",
                        f"import socket; s = socket.socket(); s.bind(('{NET}.77', 0)); s.settimeout(1); "
                        f"s.connect(('{NET}.1', 1))"], capture_output=True, check=False)
        self.assertNotIn(f"{NET}.77 ", ip("neigh", "show", "dev", self.bridge).stdout)

        # Nor can it take the neighbour's: the host goes on to know that one by its own hardware address.
        theirs = ip("neigh", "show", f"{NET}.2", "dev", self.bridge).stdout.split()[2]
        self.assertEqual(ip("addr", "add", f"{NET}.2/24", "dev", "eth0", pid=pid).returncode, 0)
        subprocess.run(["nsenter", "-n", "-t", str(pid), "python3", "-c", GRATUITOUS.format(f"{NET}.2")], check=True)
        self.assertEqual(ip("neigh", "show", f"{NET}.2", "dev", self.bridge).stdout.split()[2], theirs)
        self.assertEqual(subprocess.run(["bash", "-c", PROBE.format(f"{NET}.2", 7000)], capture_output=True, text=True,
                                        check=True).stdout, "reached\n", "the neighbour is still who it was")
        # X servers of neighbours listen in no network.
        self.assertEqual(two.run(second, PROBE.format(f"{NET}.2", 6000)), "not reached\n")

        one.ask(op="quit")
        one.wait()
        two.process.kill()
        two.process.wait()
        subprocess.run([cell.PROGRAM, "--cleanup", two.name], check=True)
        self.assertEqual([line for line in ip("link", "show", "master", self.bridge).stdout.splitlines() if line], [])
        rules = subprocess.run(["nft", "list", "table", "bridge", "pane_cell"], capture_output=True, text=True,
                               check=True).stdout
        self.assertNotIn(f"{NET}.2", rules)
        self.assertNotIn(f"{NET}.3", rules)

    def test_no_bridge(self):
        """a bridge that is not there is a failed start with words"""
        machine = cell.Cell(net="bridge=nosuchbr,ip=10.0.0.2/24")
        self.addCleanup(machine.close)
        status, state = machine.wait()
        self.assertEqual(status, 1)
        self.assertIn("bridge nosuchbr is not there", state["reason"])


@unittest.skipIf(cell.why_not(), cell.why_not())
class User(unittest.TestCase):
    def test_user(self):
        """the user-mode network has an address and a way out, none has a loopback only"""
        machine = cell.Cell(net="user")
        self.addCleanup(machine.close)
        display = machine.terminal()
        text = machine.run(display, "ip -4 -br addr; ip route; cat /etc/resolv.conf")
        self.assertIn("10.0.2.100/24", text)
        self.assertIn("default via 10.0.2.2", text)
        other = cell.Cell()
        self.addCleanup(other.close)
        text = other.run(other.terminal(), "ip -4 -br addr; ip route")
        self.assertNotIn("default", text)
        self.assertEqual(len(text.splitlines()), 1, text)
