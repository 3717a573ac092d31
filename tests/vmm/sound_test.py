# SPDX-License-Identifier: GPL-3.0-or-later
"""What a virtual machine plays is heard at its surface: every sample, where somebody listens and it is allowed."""
import mmap
import os
import struct
import unittest

import vm

TIMEOUT = 60
AUDIO, AUDIO_POS, LISTEN = 6, 7, 43
HAS_AUDIO = 8
RING = 16384


class Ears(vm.Surface):
    """A display that keeps all that is played."""

    def __init__(self, path):
        self.flags = None
        self.rate = None
        self.ring = None
        self.heard = b""
        self.streams = 0
        self.ended = False
        super().__init__(path)

    def other(self, kind, data, fd):
        if kind == vm.HELLO:
            self.flags = struct.unpack_from("<II", data, 8)[1]
        elif kind == AUDIO:
            _, rate, frames, _ = struct.unpack_from("<IIII", data, 8)
            self.ended = frames == 0
            if frames:
                self.streams += 1
                self.rate = rate
                self.ring = mmap.mmap(fd, frames * 4, prot=mmap.PROT_READ)
        elif kind == AUDIO_POS:
            pos = struct.unpack_from("<Q", data, 16)[0]
            while len(self.heard) < pos * 4:
                at = len(self.heard) % (RING * 4)
                end = min(RING * 4, at + pos * 4 - len(self.heard))
                self.heard += self.ring[at:end]

    def listen(self, on=1):
        self.send(LISTEN, struct.pack("<I", on))


@unittest.skipIf(vm.why_not(), vm.why_not())
class Sound(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        machine.ready()
        ears = machine.surface(Ears)
        ears.wait(lambda: ears.scanout and ears.flags is not None)
        return machine, ears

    def plays(self, machine, ears):
        """the card's wave, from its first sample on"""
        ears.type("play\n")
        ears.wait(lambda: len(ears.heard) > 4 * 20000)
        self.assertEqual((ears.rate, ears.streams), (48000, 1))
        frames = [(v, v) for i in range(20000) for v in (0x2000 if i // 24 % 2 == 0 else -0x2000,)]
        self.assertEqual(list(struct.iter_unpack("<hh", ears.heard[:80000])), frames)
        machine.serial("played\n")
        self.assertIn("codec 1af40012 at 1\n", machine.text("serial"))
        ears.wait(lambda: ears.ended)

    def test_heard(self):
        """by whoever listens, in order and complete; by a clone's listener too, if the clone may be heard"""
        machine, ears = self.start("", "--sound", "--identity")
        self.assertTrue(ears.flags & HAS_AUDIO)
        ears.listen()
        self.plays(machine, ears)
        ears.close()
        folder = machine.snapshot()
        machine.ask(op="quit")
        machine.wait()
        rest = {"restore": folder, "disk": machine.path("base.raw"), "layer": machine.path("overlay")}
        clone, ears = self.start("", "--clone", "--sound", name="two", **rest)
        ears.listen()
        self.plays(clone, ears)
        clone.close()
        mute, ears = self.start("", "--clone", name="three", **rest)
        self.assertFalse(ears.flags & HAS_AUDIO)
        ears.type("play\n")
        mute.serial("played\n")
        self.assertEqual(ears.streams, 0)

    def test_deaf(self):
        """a card nobody listens to plays all the same, at its own pace, and costs no ring"""
        machine, ears = self.start("", "--sound")
        ears.type("play\n")
        machine.serial("played\n")
        self.assertEqual(ears.streams, 0)
        folder = f"/proc/{machine.process.pid}/fd"
        self.assertFalse(any("memfd:sound" in os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)))

    def test_none(self):
        """without the option there is no card, and the display is told so"""
        machine, ears = self.start("")
        self.assertFalse(ears.flags & HAS_AUDIO)
        ears.type("play\n")
        machine.serial("sound none\n")


if __name__ == "__main__":
    unittest.main()
