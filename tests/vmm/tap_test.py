# SPDX-License-Identifier: GPL-3.0-or-later
"""A desktop on a tap device, in a network of the story's own. The test card sends back every frame as it came, so each frame's
sender is this story's choice."""
import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
import unittest

import apart
import vm

TIMEOUT = 120
WAIT = 60
TUNSETIFF, TUN = 0x400454ca, "/dev/net/tun"
TAP, NO_PI, VNET_HDR, MULTI_QUEUE = 2, 0x1000, 0x4000, 0x100
OWN, OTHER, ALL = b"\x02\0\0\0\0\x07", b"\x02\0\0\0\0\x08", b"\xff" * 6
IP, FALSE_IP = "10.9.0.7", "10.9.0.8"
WHY_NOT = vm.why_not() or apart.enter(net=True, cut=False) or (None if os.access(TUN, os.R_OK | os.W_OK) else f"no usable {TUN}")


def udp(source=OWN, address=IP, ports=(1000, 2000), to=ALL, text=b""):
    """A frame of a UDP packet."""
    body = struct.pack(">HHHH", *ports, 8 + len(text), 0) + text
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0, socket.inet_aton(address), b"\xff" * 4)
    return (to + source + b"\x08\0" + head + body).ljust(60, b"\0")


def arp(source=OWN, address=IP):
    return (ALL + source + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + source + socket.inet_aton(address)).ljust(60, b"\0")


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Tap(unittest.TestCase):
    kind = ()
    card = "echo"

    def setUp(self):
        subprocess.run(["ip", "tuntap", "add", "desk0", "mode", "tap", "vnet_hdr", *self.kind], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "desk0"], check=True)
        subprocess.run(["ip", "link", "set", "desk0", "up"], check=True)
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.addCleanup(self.wire.close)
        self.wire.bind(("desk0", 0))

    def start(self, *more, **kwargs):
        machine = vm.Vm(f"run={self.card}", *more, "--mac", "02:00:00:00:00:07", **kwargs)
        self.addCleanup(machine.close)
        return machine

    def come_back(self, *frames, timeout=WAIT):
        """Which of the frames came back by the time a good one sent behind them did."""
        last, got, end = udp(text=os.urandom(200)), [], time.monotonic() + timeout
        for frame in (*frames, last):
            self.wire.send(frame)
        while True:
            if not select.select([self.wire], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the last frame did not come back")
            frame, where = self.wire.recvfrom(70000)
            if where[2] == socket.PACKET_OUTGOING:
                continue
            if frame == last:
                return [frames.index(f) for f in got if f in frames]
            got.append(frame)

    def test_guard(self):
        """frames go both ways; with false senders, as DHCP server, or to others they do not"""
        machine = self.start("--net", f"tap=desk0,ip={IP}").ready()
        machine.serial("plugnet ", WAIT)
        self.assertEqual(self.come_back(udp(), arp(), udp(text=b"x" * 1400)), [0, 1, 2])
        self.assertEqual(self.come_back(udp(OTHER), udp(address=FALSE_IP), arp(OTHER), arp(address=FALSE_IP), udp(ports=(67, 68)),
                                        udp(to=OTHER), ALL + OWN + b"\x86\xdd\x60".ljust(60, b"\0"), udp(to=OWN)), [7])

    def test_passed(self):
        """a tap that was passed works as one that was named; another's descriptor is refused in a sentence"""
        with open(TUN, "r+b", buffering=0) as tap, open("/dev/null", "rb") as other:
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"desk0", TAP | NO_PI | VNET_HDR))
            os.set_inheritable(tap.fileno(), True)
            os.set_inheritable(other.fileno(), True)
            popen, subprocess.Popen = subprocess.Popen, lambda *a, **k: popen(*a, close_fds=False, **k)
            try:
                machine = self.start("--net", f"fd={tap.fileno()}")
                wrong = self.start("--net", f"fd={other.fileno()}")
            finally:
                subprocess.Popen = popen
        machine.ready().serial("plugnet ", WAIT)
        self.assertEqual(self.come_back(udp(OTHER), udp(address=FALSE_IP)), [1])
        status, state = wrong.wait(WAIT)
        self.assertEqual(status, 1)
        self.assertIn("pass a tap device", state["reason"])

    def test_restored(self):
        """a machine that was saved goes on with the same tap; a tap that is not there is said so"""
        machine = self.start("--net", "tap=desk0").ready()
        machine.serial("plugnet ", WAIT)
        self.assertEqual(self.come_back(udp()), [0])
        snapshot = machine.snapshot()
        machine.process.kill()
        machine.process.wait()
        again = self.start("--net", "tap=desk0", restore=snapshot, folder=machine.folder)
        self.assertEqual(again.ask(op="status")["state"], "running")
        self.assertEqual(self.come_back(udp(OTHER), udp()), [1])
        status, state = self.start("--net", "tap=nobody").wait(WAIT)
        self.assertEqual((status, state["reason"]), (1, "error: tap device nobody is not there: make it, or pass one"))


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Pairs(Tap):
    """The same with a card of two pairs of queues, both of which the test card uses."""
    kind = ("multi_queue",)
    card = "pairs"
    flows = range(3000, 3032)

    def all_back(self, *frames):
        """The same, of many flows: each of which ends with a good one, as those of one queue do not wait for the other's."""
        lasts, got, missing, end = [udp(ports=(1000, port), text=os.urandom(200)) for port in self.flows], [], len(self.flows), time.monotonic() + WAIT
        for frame in (*frames, *lasts):
            self.wire.send(frame)
        while missing:
            if not select.select([self.wire], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"{missing} flows did not come back")
            frame, where = self.wire.recvfrom(70000)
            if where[2] != socket.PACKET_OUTGOING:
                missing -= frame in lasts
                got += [frames.index(frame)] if frame in frames else []
        return sorted(got)

    def both(self, machine):
        """Frames of many flows came by either pair."""
        text = machine.text("serial")
        self.assertIn("\nframe ", text)
        self.assertIn("\nsecond ", text)

    def test_guard(self):
        """flows come by both pairs and go back; none with a false sender does, whichever pair it came by"""
        machine = self.start("--net", f"tap=desk0,queues=2,ip={IP}").ready()
        machine.serial("plugpairs 2 answer 0", WAIT)
        good = [udp(ports=(1000, port)) for port in self.flows]
        self.assertEqual(self.all_back(*good), list(range(len(good))))
        self.both(machine)
        false = [frame for port in self.flows for frame in (udp(OTHER, ports=(1000, port)), udp(address=FALSE_IP, ports=(1000, port)))]
        self.assertEqual(self.all_back(*false), [])

    def test_passed(self):
        """two queues of a tap that were passed; one with an offload header and one without are refused in a sentence"""
        with contextlib.ExitStack() as stack:
            taps = [stack.enter_context(open(TUN, "r+b", buffering=0)) for _ in range(2)]
            here, _ = (stack.enter_context(s) for s in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            for tap in taps:
                fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"desk0", TAP | NO_PI | VNET_HDR | MULTI_QUEUE))
            for file in (*taps, here):
                os.set_inheritable(file.fileno(), True)
            popen, subprocess.Popen = subprocess.Popen, lambda *a, **k: popen(*a, close_fds=False, **k)
            try:
                machine = self.start("--net", f"fd={taps[0].fileno()}:{taps[1].fileno()}")
                wrong = self.start("--net", f"fd={taps[0].fileno()}:{here.fileno()}")
            finally:
                subprocess.Popen = popen
            status, state = wrong.wait(WAIT)
        machine.ready().serial("plugpairs 2 answer 0", WAIT)
        frames = [udp(ports=(1000, port)) for port in self.flows]
        self.assertEqual(self.all_back(*frames), list(range(len(frames))))
        self.both(machine)
        self.assertEqual(status, 1)
        self.assertIn("pass queues of the same device", state["reason"])

    def test_restored(self):
        """a saved machine goes on with both pairs; with another number of them it is refused in a sentence"""
        machine = self.start("--net", "tap=desk0,queues=2").ready()
        machine.serial("plugpairs 2 answer 0", WAIT)
        snapshot = machine.snapshot()
        machine.process.kill()
        machine.process.wait()
        for net in ("tap=desk0", "tap=desk0,queues=3"):
            status, state = self.start("--net", net, restore=snapshot, folder=machine.folder).wait(WAIT)
            self.assertEqual(status, 1)
            self.assertIn("queues=", state["reason"])
        again = self.start("--net", "tap=desk0,queues=2", restore=snapshot, folder=machine.folder)
        self.assertEqual(again.ask(op="status")["state"], "running")
        frames = [udp(ports=(1000, port)) for port in self.flows]
        self.assertEqual(self.all_back(*frames, udp(OTHER)), list(range(len(frames))))
        self.both(again)

    def test_one_pair(self):
        """a driver that knows of one pair gets every flow by it; a tap with one queue has no second one, which is said so"""
        self.card = "echo"
        machine = self.start("--net", "tap=desk0,queues=2").ready()
        machine.serial("plugnet ", WAIT)
        frames = [udp(ports=(1000, port)) for port in self.flows]
        self.assertEqual(self.all_back(*frames), list(range(len(frames))))
        machine.process.kill()
        machine.process.wait()
        subprocess.run(["ip", "tuntap", "add", "desk1", "mode", "tap", "vnet_hdr"], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "desk1"], check=True)
        status, state = self.start("--net", "tap=desk1,queues=2").wait(WAIT)
        self.assertEqual(status, 1)
        self.assertIn("multi_queue", state["reason"])


if __name__ == "__main__":
    unittest.main()
