# SPDX-License-Identifier: GPL-3.0-or-later
"""What a virtual machine plays is heard at its surface: every sample, where somebody listens and it is allowed."""
import os
import struct
import unittest

import ears as lib
import vm

TIMEOUT = 60


@unittest.skipIf(vm.why_not(), vm.why_not())
class Sound(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        machine.ready()
        ears = machine.surface(lib.Ears)
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
        self.assertTrue(ears.flags & lib.HAS_AUDIO)
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
        self.assertFalse(ears.flags & lib.HAS_AUDIO)
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
        self.assertFalse(ears.flags & lib.HAS_AUDIO)
        ears.type("play\n")
        machine.serial("sound none\n")


if __name__ == "__main__":
    unittest.main()
