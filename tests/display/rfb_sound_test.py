# SPDX-License-Identifier: GPL-3.0-or-later
"""What an RFB viewer hears by the QEMU Audio extension: a client that speaks that and Raw, at the replayer's tone."""
import array
import math
import select
import struct
import time
import unittest

from tools.display_door import exactly, preface, rfb_begin
from tools.display_rig import Rig, missing, wait_for

TIMEOUT = 200
AUDIO, FENCE, REQUEST = -259, -312, 1 << 31
RATE, HERTZ, LOUD = 44100, 1000, 8000  # of the replayer's tone
ENABLE, DISABLE = (struct.pack(">BBH", 255, 1, operation) for operation in (0, 1))
END, BEGIN, DATA = 0, 1, 2
KINDS = "BbHhIi"  # array types by the extension's number for the sample format


def wants(sample, channels, rate):
    return struct.pack(">BBHBBI", 255, 1, 2, sample, channels, rate)


class Client:
    """Hears, and answers fences where it says so. Asks for no picture."""

    def __init__(self, rig, *encodings, s=None):
        self.s = s or rfb_begin(rig.socket, "ear")[0]
        self.s.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    def message(self):
        """The next one about sound: its operation and data; answers fences on the way."""
        while True:
            kind = exactly(self.s, 1)[0]
            if kind == 248:
                flags, n = struct.unpack(">xxxIB", exactly(self.s, 8))
                payload = exactly(self.s, n)
                if not flags & REQUEST:
                    return ("fence", payload)
                self.s.sendall(struct.pack(">BxxxIB", 248, flags & 7, n) + payload)
            elif kind == 0:
                count, x, y, w, h, encoding = struct.unpack(">xHHHHHi", exactly(self.s, 15))
                assert (count, x, y, w, h, encoding) == (1, 0, 0, 0, 0, AUDIO), encoding
                return ("known", b"")
            else:
                assert kind == 255, kind
                sub, operation = struct.unpack(">BH", exactly(self.s, 3))
                assert sub == 1, sub
                return (operation, exactly(self.s, struct.unpack(">I", exactly(self.s, 4))[0]) if operation == DATA else b"")

    def stream(self):
        """All of the next stream, from its beginning to its end."""
        operation, _ = self.message()
        assert operation == BEGIN, operation
        data = b""
        while True:
            operation, more = self.message()
            if operation == END:
                return data
            assert operation == DATA, operation
            data += more

    def ended(self):
        """Waits for the connection's end, orderly or (with something of ours unread) not."""
        try:
            while self.s.recv(100):
                pass
        except ConnectionResetError:
            pass
        return True

    def silent(self, seconds):
        """Whether nothing comes for so long."""
        return not select.select([self.s], [], [], seconds)[0]


def samples(data, sample=3, channels=2):
    out = array.array(KINDS[sample])
    out.frombytes(data)
    middle = 0 if sample & 1 else 1 << out.itemsize * 8 - 1
    values = [v - middle for v in out]
    return values[::channels]


def pitch(values, rate):
    """By how far apart the first and the last rise through zero are; of a stream that may have lost something."""
    rises = [i for i in range(1, len(values)) if values[i - 1] < 0 <= values[i]]
    apart = sorted(b - a for a, b in zip(rises, rises[1:]))
    usual = apart[len(apart) // 2]
    whole = [a for a in apart if abs(a - usual) <= 1 + usual // 20]
    return rate * len(whole) / sum(whole)


class Sound(unittest.TestCase):
    def start(self, *display):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        self.rig = Rig(size="320x200", replay=("--sound",), display=display)
        self.addCleanup(self.rig.close)

    def client(self, *encodings, **more):
        c = Client(self.rig, 0, AUDIO, *encodings, **more)
        self.addCleanup(c.s.close)
        return c

    def listener(self, *encodings, wants=b""):
        """One that is told the extension is known, says what it wants and hears from now on."""
        c = self.client(*encodings)
        self.assertEqual(c.message()[0], "known")
        c.s.sendall(wants + ENABLE)
        if FENCE in encodings:  # its answer says that what was before has been read
            c.s.sendall(struct.pack(">BxxxIB", 248, REQUEST, 4) + b"ears")
            self.assertEqual(c.message(), ("fence", b"ears"))
        else:
            wait_for("a listener", lambda: self.rig.events("listen"))
        return c

    def tone(self, seconds=1.0):
        self.rig.command(op="tone", hertz=HERTZ, seconds=seconds)

    def test_heard(self):
        """A viewer that asks hears the desktop's own samples, all of them and nothing before or after, and costs nothing meanwhile"""
        self.start()
        c = self.listener(FENCE)
        for _ in range(2):
            self.assertTrue(c.silent(0.5))
            self.tone()
            heard = samples(c.stream())
            # A busy machine may lose some of it: what there is, is the desktop's to the bit.
            self.assertGreater(len(heard), RATE // 3)
            self.assertLessEqual(len(heard), RATE)
            sine = {round(LOUD * math.sin(2 * math.pi * HERTZ * i / RATE)) for i in range(RATE)}
            self.assertLessEqual(set(heard), sine)
            self.assertAlmostEqual(pitch(heard, RATE), HERTZ, delta=2)
        self.assertTrue(c.silent(0.5))

    def test_formats(self):
        """It comes in the sample format, channels and rate that were asked for, loud and high as it was"""
        self.start()
        for sample, channels, rate in ((3, 2, 48000), (0, 1, 8000), (5, 2, 22050), (2, 1, 44100), (1, 2, 48000), (4, 1, 16000)):
            with self.subTest(sample=sample, channels=channels, rate=rate):
                c = self.listener(FENCE, wants=wants(sample, channels, rate))
                self.tone(0.7)
                heard = samples(c.stream(), sample, channels)
                bits = 8 * array.array(KINDS[sample]).itemsize
                self.assertAlmostEqual(pitch(heard, rate), HERTZ, delta=5)
                self.assertAlmostEqual(max(heard) / 2 ** (bits - 1), LOUD / 32768, delta=0.01)
                self.assertLessEqual(len(heard), rate * 0.71)
                c.s.close()

    def test_switched(self):
        """Sound ends when the viewer wants none, begins anew when it does again, and the desktop is asked for it only meanwhile"""
        self.start()
        c = self.listener(FENCE)
        self.tone(3)
        self.assertEqual([c.message()[0] for _ in range(2)], [BEGIN, DATA])
        c.s.sendall(DISABLE)
        while (got := c.message()[0]) == DATA:
            pass
        self.assertEqual(got, END)
        wait_for("nobody listens", lambda: not self.rig.events("listen")[-1]["count"])
        self.assertTrue(c.silent(0.3))
        c.s.sendall(ENABLE)
        wait_for("a listener", lambda: self.rig.events("listen")[-1]["count"])
        self.tone(0.5)
        self.assertTrue(c.stream())

    def test_policy(self):
        """With --audio in no viewer is told of sound, nor is one that helps; what they ask for all the same ends them"""
        self.start("--audio", "in")
        c = self.client()
        self.assertTrue(c.silent(1))
        c.s.sendall(ENABLE)
        self.assertTrue(c.ended())
        self.assertNotIn("rfb.sound", self.rig.log())
        self.assertFalse(self.rig.events("listen"))

    def test_behind(self):
        """A viewer that does not read falls behind by less than half a second, loses the middle, and nobody else loses anything"""
        self.start()
        slow, quick = self.listener(FENCE), self.listener(FENCE)
        self.tone(6)
        heard = b""
        while len(heard) / 4 / RATE < 2.5:  # the slow one reads nothing meanwhile
            operation, data = quick.message()
            self.assertNotEqual(operation, END, "the quick one heard less than 2.5 of 6 seconds")
            heard += data
        waiting = b""
        while select.select([slow.s], [], [], 0)[0] and (more := slow.s.recv(1 << 20)):
            waiting += more  # with no fence answered, so that no more is sent
        self.assertGreater(len(waiting), 0)
        self.assertLess(len(waiting) / 4 / RATE, 0.7)
        slow.s.close()
        wait_for("the account", lambda: "rfb.sound.end" in self.rig.log())
        lost = int(next(line for line in self.rig.log().splitlines() if "rfb.sound.end" in line).split("lost=")[1].split()[0])
        self.assertGreater(lost, 1.5 * RATE)

    def test_without_fences(self):
        """A viewer without fences hears as well, and one of them that does not read is sent what its own socket holds and no more"""
        self.start()
        c = self.listener()
        self.tone(0.7)
        self.assertAlmostEqual(pitch(samples(c.stream()), RATE), HERTZ, delta=5)
        self.tone(4)
        time.sleep(3.5)
        waits = 0
        while select.select([c.s], [], [], 0)[0]:
            waits += len(c.message()[1])
        self.assertLess(waits / 4 / RATE, 1.2)

    def test_nonsense(self):
        """A message there is not, or a format there is not, ends its viewer and nobody else"""
        self.start()
        other = self.listener(FENCE)
        for bad in (struct.pack(">BBH", 255, 1, 3), struct.pack(">BBH", 255, 2, 0), wants(6, 2, 44100), wants(3, 0, 44100),
                    wants(3, 3, 44100), wants(3, 2, 0), wants(3, 2, 2 ** 32 - 1)):
            c = self.client(FENCE)
            self.assertEqual(c.message()[0], "known")
            c.s.sendall(bad)
            self.assertTrue(c.ended())
            c.s.close()
        self.tone(0.5)
        self.assertTrue(other.stream())

    def test_helper(self):
        """Somebody who only looks on is not told of sound"""
        self.start()
        s = preface(self.rig.socket, "rfb", "helper", 0, mode="view", helper="anna")
        s.settimeout(60)
        exactly(s, 12)
        s.sendall(b"RFB 003.008\n")
        exactly(s, exactly(s, 1)[0])
        s.sendall(b"\x01")
        exactly(s, 4)
        s.sendall(b"\x01")
        exactly(s, struct.unpack_from(">I", exactly(s, 24), 20)[0])
        c = self.client(s=s)
        self.assertTrue(c.silent(1))
        self.assertNotIn("rfb.sound", self.rig.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
