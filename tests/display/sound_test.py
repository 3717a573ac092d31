# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program plays in a container desktop, and what its viewers hear of it."""
import os
import sys
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cell  # noqa: E402

from tools import desktop_rig, ear  # noqa: E402
from tools.display_rig import wait_for  # noqa: E402

TIMEOUT = 400
HERTZ, SECONDS = 1000, 2


def agent(machine):
    """The X agent: the child of pane-cell with its name."""
    return next(p for p in cell.tree(machine.process.pid)[1:] if cell.comm(p) == "pane-cell")


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))


def server(machine):
    return any(cell.comm(p) == "pulseaudio" for p in cell.tree(machine.process.pid))


@unittest.skipIf(cell.why_not(), cell.why_not())
class Sound(unittest.TestCase):
    def start(self, *display):
        if ear.missing():
            self.skipTest("not installed: " + ", ".join(ear.missing()))
        self.machine, self.rig = desktop_rig.start(self, display=display)
        cell.put(self.machine, "tone.wav", ear.tone(HERTZ, SECONDS))
        if not os.path.exists(self.machine.home_file("../../usr/bin/paplay")):
            self.skipTest("the golden image has no sound: build it anew (make image)")

    def listen(self, name="ear"):
        """A viewer with ears."""
        ears = ear.Ear(self.rig, name)
        before = dict(self.rig.env)
        self.rig.env.update(ears.env)
        self.rig.freerdp("/gfx", "/sound:sys:pulse")
        self.rig.env.clear()
        self.rig.env.update(before)
        return ears

    def shown(self, viewers):
        wait_for("the viewer", lambda: self.rig.log().count("viewer.start") == viewers)
        wait_for("its picture", lambda: any(self.rig.shot(1280, 800)))

    def play(self, done="played"):
        """Types the order to play into the desktop's terminal, by the viewer's keyboard; waits for the end."""
        self.rig.xdo("mousemove", "400", "300", "click", "1")
        self.rig.xdo("type", "--delay", "20", f"paplay tone.wav; echo $? >{done}")
        self.rig.xdo("key", "Return")
        self.assertEqual(self.machine.wait_file(done, timeout=30).strip(), "0")

    def expect_tone(self, ears, since):
        """The tone, all of it and nothing else: silence before and after."""
        samples = ears.whole(since)
        self.assertAlmostEqual(ear.pitch(samples), HERTZ, delta=5)
        self.assertGreater(max(samples), 7000)
        # A machine that is busy with other tests may lose some of it, and never adds to it.
        self.assertGreater(ear.loud_s(samples), 0.3)
        self.assertLess(ear.loud_s(samples), SECONDS + 0.1)

    def test_heard(self):
        """A tone that a program plays is what two viewers hear, that tone at its time and else silence"""
        self.start()
        ears = [self.listen("left"), self.listen("right")]
        wait_for("their channels", lambda: self.rig.log().count("rdp.sound") == 2)
        self.shown(2)
        self.assertFalse(server(self.machine))  # nobody played yet
        for again in ("first", "second"):
            since = [e.now() for e in ears]
            self.play(again)
            for e, at in zip(ears, since):
                self.expect_tone(e, at)
        wait_for("the sound server has left", lambda: not server(self.machine), 30)

    def test_policy(self):
        """With --audio in a viewer has no channel for what the desktop plays and hears nothing"""
        self.start("--audio", "in")
        ears = self.listen()
        self.shown(1)
        self.play()
        time.sleep(1)
        self.assertIsNone(ears.sound())
        self.assertNotIn("rdp.sound", self.rig.log())

    def test_nobody(self):
        """A program that plays while nobody listens ends in its time and does not wake the desktop's agent"""
        self.start()
        self.rig.tigervnc()  # which has no ears
        self.shown(1)
        self.rig.xdo("mousemove", "400", "300", "click", "1")
        self.rig.xdo("type", "--delay", "20", "paplay tone.wav; echo $? >played")
        self.rig.xdo("key", "Return")
        wait_for("the sound server", lambda: server(self.machine))
        began, before = time.monotonic(), switches(agent(self.machine))
        time.sleep(1)  # of two: a span to count in
        self.assertLess(switches(agent(self.machine)) - before, 15)
        self.machine.wait_file("played", timeout=30)
        self.assertLess(time.monotonic() - began, SECONDS + 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
