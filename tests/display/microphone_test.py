# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person says at an RDP client, and what programs in a container desktop record of it."""
import array
import os
import sys
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cell  # noqa: E402

from tools import desktop_rig, ear  # noqa: E402
from tools.display_door import Door  # noqa: E402
from tools.display_rig import wait_for  # noqa: E402

TIMEOUT = 400
RATE = 44100
LOW, HIGH = 700, 1100  # Hz: who says what


def samples(path):
    recorded = array.array("h")
    with open(path, "rb") as file:
        data = file.read()
    recorded.frombytes(data[:len(data) // 2 * 2])
    return recorded


def loudest(recorded, seconds=1):
    """Of what was recorded the second from the first sound on, gaps and all; nothing of silence."""
    first = next((i for i, v in enumerate(recorded) if abs(v) > 1000), len(recorded))
    return recorded[first:first + seconds * RATE]


@unittest.skipIf(cell.why_not(), cell.why_not())
class Microphone(unittest.TestCase):
    def start(self, *display):
        if ear.missing():
            self.skipTest("not installed: " + ", ".join(ear.missing()))
        self.machine, self.rig = desktop_rig.start(self, display=display)
        with open(self.machine.home_file("../../usr/lib/desktop/sound.pa"), encoding="utf-8") as file:
            if "microphone" not in file.read():
                self.skipTest("the golden image has no microphone: build it anew (make image)")

    def speaker(self, name, hertz, *more):
        """A viewer whose user whistles a tone all the time."""
        mouth = ear.Mouth(self.rig, name, hertz)
        with mouth.at(self.rig):
            mouth.viewer = self.rig.freerdp("/gfx", *(more or ["/microphone:sys:pulse"]))
        return mouth

    def shown(self, viewers):
        wait_for("the viewer", lambda: self.rig.log().count("viewer.start") == viewers)
        wait_for("its picture", lambda: any(self.rig.shot(1280, 800)))

    def record(self, name, seconds):
        """Types the order to record into the desktop's terminal, by the viewer's keyboard; at once."""
        self.rig.xdo("mousemove", "400", "300", "click", "1")
        self.rig.xdo("type", "--delay", "20", f"timeout {seconds} parec --raw --rate={RATE} --channels=1 --format=s16le "
                     f"--latency-msec=20 {name}; echo done >{name}.end")
        self.rig.xdo("key", "Return")

    def recorded(self, name):
        self.machine.wait_file(name + ".end", timeout=60)
        return samples(self.machine.home_file(name))

    def expect(self, recorded, hertz):
        sound = loudest(recorded)
        self.assertAlmostEqual(ear.pitch(sound), hertz, delta=10)
        # A machine that is busy with other tests may lose some of it.
        self.assertGreater(ear.loud_s(sound), 0.3)

    def test_spoken(self):
        """A tone in front of a client's microphone is what the desktop records, which is open then only, again and again"""
        self.start()
        mouth = self.speaker("mouth", LOW)
        self.shown(1)
        for again in ("first", "second"):
            self.assertFalse(mouth.open())
            self.record(again, 6)
            wait_for("the client's microphone", mouth.open)
            self.expect(self.recorded(again), LOW)
            wait_for("the client's microphone is closed", lambda: not mouth.open())
        self.assertEqual(self.rig.log().count("open=no"), 2)

    def test_silence(self):
        """Without a microphone anywhere the desktop records silence, as long as it takes"""
        self.start()
        self.rig.freerdp("/gfx")
        self.shown(1)
        self.record("nothing", 4)
        nothing = self.recorded("nothing")
        self.assertGreater(len(nothing), RATE)
        self.assertLess(len(nothing), 5 * RATE)
        self.assertFalse(any(nothing))
        self.assertNotIn("rdp.microphone", self.rig.log())

    def test_policy(self):
        """With --audio out a client's microphone is never opened, nor has it a channel; the desktop records silence"""
        self.start("--audio", "out")
        mouth = self.speaker("mouth", LOW)
        self.shown(1)
        self.record("nothing", 4)
        while not os.path.exists(self.machine.home_file("nothing.end")):
            self.assertFalse(mouth.open())
            time.sleep(0.1)
        nothing = self.recorded("nothing")
        self.assertGreater(len(nothing), RATE)
        self.assertFalse(any(nothing))
        self.assertNotIn("rdp.microphone", self.rig.log())

    def test_two(self):
        """Of two viewers the one who came last is recorded, and the other once that has left; a helper never"""
        self.start()
        low = self.speaker("low", LOW)
        self.shown(1)
        high = self.speaker("high", HIGH)
        self.shown(2)
        self.rig.doors["rdp"] = Door(self.rig.socket, "rdp", mode="control", user="anna")
        helper = self.speaker("helper", 2 * HIGH)
        self.shown(3)
        self.record("both", 6)
        wait_for("the newer viewer's microphone", high.open)
        self.assertFalse(low.open())
        self.expect(self.recorded("both"), HIGH)
        high.viewer.terminate()
        wait_for("its end", lambda: "viewer.end" in self.rig.log())
        self.record("one", 6)
        wait_for("the other's microphone", low.open)
        self.expect(self.recorded("one"), LOW)
        self.assertFalse(helper.open())


if __name__ == "__main__":
    unittest.main(verbosity=2)
