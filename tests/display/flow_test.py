# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of RFB's Fence, ContinuousUpdates and ExtendedDesktopSize, with a client that speaks only those and Raw."""
import struct
import unittest

from tools.display_door import exactly, rfb_begin
from tools.display_rig import Rig, missing, wait_for

TIMEOUT = 200
REQUEST = 0x80000000
SIZE = -308


class Client:
    """The shortest RFB client: everything it is sent, one message at a time."""

    def __init__(self, rig, encodings):
        self.s, self.width, self.height = rfb_begin(rig.socket, "flow")
        self.s.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    def continuous(self, on):
        self.s.sendall(struct.pack(">BBHHHH", 150, on, 0, 0, self.width, self.height))

    def fence(self, flags, payload):
        self.s.sendall(struct.pack(">BxxxIB", 248, flags, len(payload)) + payload)

    def message(self):
        kind = exactly(self.s, 1)[0]
        if kind == 150:
            return ("end",)
        if kind == 248:
            _, flags, n = struct.unpack(">3sIB", exactly(self.s, 8))
            return ("fence", flags, exactly(self.s, n))
        assert kind == 0, kind
        n = struct.unpack(">xH", exactly(self.s, 3))[0]
        for _ in range(n):
            reason, result, w, h, encoding = struct.unpack(">HHHHi", exactly(self.s, 12))
            if encoding == SIZE:
                count = exactly(self.s, 4)[0]
                assert n == 1, n
                return ("size", reason, result, w, [struct.unpack(">IHHHHI", exactly(self.s, 16)) for _ in range(count)])
            assert encoding == 0, encoding
            exactly(self.s, w * h * 4)
        return ("update", n)

    def silent(self, seconds):
        """Whether nothing comes for so long."""
        self.s.settimeout(seconds)
        try:
            return not self.s.recv(1)
        except TimeoutError:
            return True
        finally:
            self.s.settimeout(20)


class Flow(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        self.rig = Rig(size="320x200")
        self.addCleanup(self.rig.close)

    def client(self):
        c = Client(self.rig, [0, -312, -313])
        self.addCleanup(c.s.close)
        self.assertEqual({c.message()[0], c.message()[0]}, {"fence", "end"})
        return c

    def change(self, i):
        self.rig.command(op="fill", x=10, y=10, w=20, h=20, colour=f"{i * 40503 % 0xffffff:06x}")

    def test_updates_without_requests(self):
        """With ContinuousUpdates a client that answers fences gets every change without asking"""
        c = self.client()
        c.continuous(1)
        for i in range(1, 60):
            kind = c.message()
            self.assertEqual(kind[0], "update")
            fence = c.message()
            self.assertEqual((fence[0], fence[1]), ("fence", REQUEST))
            c.fence(0, fence[2])
            self.change(i)

    def test_window(self):
        """A client that answers no fence gets a few updates, then none until it does"""
        c = self.client()
        c.continuous(1)
        fences = []
        for i in range(1, 4):
            if len(fences) < 2:
                self.assertEqual(c.message()[0], "update")
                fences.append(c.message()[2])
            self.change(i)
        self.assertTrue(c.silent(0.5))
        c.fence(0, fences[-1])
        self.assertEqual(c.message()[0], "update")

    def test_end(self):
        """Switched off, it is confirmed, and updates have to be asked for again"""
        c = self.client()
        c.continuous(1)
        self.assertEqual(c.message()[0], "update")
        c.fence(0, c.message()[2])
        c.continuous(0)
        self.assertEqual(c.message()[0], "end")
        self.change(5)
        self.assertTrue(c.silent(0.5))
        c.s.sendall(struct.pack(">BBHHHH", 3, 1, 0, 0, c.width, c.height))
        self.assertEqual(c.message()[0], "update")

    def test_client_fence(self):
        """A client's fence comes back with its payload and the flags that are known"""
        c = self.client()
        c.fence(REQUEST | 0x1f, b"round trip")
        self.assertEqual(c.message(), ("fence", 7, b"round trip"))

    def sizes(self, c, count=1):
        """The next messages about the desktop's size: why, with what result, how high, how wide, screens."""
        found = []
        while len(found) < count:
            c.s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, c.width, c.height))
            found += [m for m in [c.message()] if m[0] == "size"]
        return found

    def test_screens(self):
        """A viewer's screens become the desktop's monitors, and it is told them by its own names; a layout that is none is refused"""
        self.rig.close()
        self.rig = Rig(size="320x200", replay=("--follow", "--monitors"))
        self.addCleanup(self.rig.close)
        c = Client(self.rig, [0, SIZE])
        self.addCleanup(c.s.close)
        self.assertEqual(self.sizes(c)[0][3:], (320, [(1, 0, 0, 320, 200, 0)]))
        want = [(77, 0, 0, 400, 300, 5), (9, 400, 20, 200, 280, 6)]

        def ask(w, h, screens):
            c.s.sendall(struct.pack(">BxHHBx", 251, w, h, len(screens)) + b"".join(struct.pack(">IHHHHI", *s) for s in screens))
        ask(600, 300, want)
        got = self.sizes(c)[-1]
        while got[3] != 600:
            got = self.sizes(c)[-1]
        self.assertEqual(got[2:], (0, 600, want))
        wait_for("the monitors", lambda: self.rig.events("monitors"))
        self.assertEqual([list(r) for r in self.rig.events("monitors")[-1]["rects"]], [[0, 0, 400, 300], [400, 20, 200, 280]])
        for bad in ([(1, 0, 0, 500, 300, 0)], [(1, 0, 0, 600, 301, 0)], [(1, 0, 0, 600, 300, 0), (2, 5, 5, 0, 9, 0)]):
            ask(600, 300, bad)
            # Of the client's own wish, invalid screen layout; behind what was asked for before.
            self.assertTrue(any(self.sizes(c)[0][1:3] == (1, 3) for _ in range(30)), bad)
        self.assertEqual(len(self.rig.events("monitors")), 1)

    def test_most_screens(self):
        """With --monitors 1 a viewer's wish for two screens is refused, one is as ever"""
        self.rig.close()
        self.rig = Rig(size="320x200", replay=("--follow", "--monitors"), display=("--monitors", "1"))
        self.addCleanup(self.rig.close)
        c = Client(self.rig, [0, SIZE])
        self.addCleanup(c.s.close)
        self.sizes(c)
        c.s.sendall(struct.pack(">BxHHBx", 251, 600, 300, 2) + struct.pack(">IHHHHIIHHHHI", 7, 0, 0, 400, 300, 0, 8, 400, 0, 200, 300, 0))
        self.assertTrue(any(self.sizes(c)[0][1:3] == (1, 1) for _ in range(30)), "prohibited")
        c.s.sendall(struct.pack(">BxHHBx", 251, 600, 300, 1) + struct.pack(">IHHHHI", 7, 0, 0, 600, 300, 0))
        wait_for("one of that size", lambda: self.sizes(c)[-1][3] == 600)
        self.assertEqual([len(e["rects"]) for e in self.rig.events("monitors")], [1])

    def test_nonsense(self):
        """A fence longer than allowed ends its client and nobody else"""
        c = self.client()
        other = self.client()
        c.s.sendall(struct.pack(">BxxxIB", 248, 0, 255) + bytes(255))
        wait_for("the end", lambda: self.rig.events("viewers")[-1]["count"] == 1)
        other.fence(REQUEST, b"x")
        self.assertEqual(other.message(), ("fence", 0, b"x"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
