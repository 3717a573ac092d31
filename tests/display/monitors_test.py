# SPDX-License-Identifier: GPL-3.0-or-later
"""Several monitors in front of the user: the container desktop has them too."""
import os
import subprocess
import sys
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cell  # noqa: E402

from tools import desktop_rig  # noqa: E402
from tools.display_rig import wait_for  # noqa: E402

TIMEOUT = 300


@unittest.skipIf(cell.why_not(), cell.why_not())
class Monitors(unittest.TestCase):
    def start(self, **more):
        self.machine, self.rig = desktop_rig.start(self, screen="2048x700", **more)

    def made(self):
        """What the agent says of monitors, a word each: asked=2 made=2."""
        with open(self.machine.path("stderr"), encoding="utf-8") as f:
            return [line.split("screen.monitors ", 1)[1].strip() for line in f if "screen.monitors " in line]

    def two_monitors(self):
        for name, where, output in (("left", "1024/270x700/185+0+0", "screen"), ("right", "1024/270x700/185+1024+0", "none")):
            subprocess.run(["xrandr", "--setmonitor", name, where, output], env=self.rig.env, check=True)

    def test_two(self):
        """xfreerdp on two monitors gives the desktop two, in their places; a client with one makes it one again"""
        self.start()
        self.two_monitors()
        client = self.rig.freerdp("/gfx", "/multimon:force", "/f", size=None)
        wait_for("two monitors", lambda: "asked=2 made=2" in self.made())
        wait_for("their picture", lambda: any(self.rig.shot(2048, 700)))
        self.rig.xdo("mousemove", "300", "300", "click", "1")
        self.rig.xdo("type", "--delay", "30", "xrandr --listmonitors >listed; touch done")
        self.rig.xdo("key", "Return")
        wait_for("the list", lambda: os.path.exists(self.machine.home_file("done")))
        with open(self.machine.home_file("listed"), encoding="utf-8") as f:
            places = [line.split()[2] for line in f.read().splitlines()[1:]]
        self.assertEqual([p.replace("/270", "").replace("/185", "") for p in places], ["1024x700+0+0", "1024x700+1024+0"])
        client.terminate()
        client.wait()
        self.rig.freerdp("/gfx", size="1024x700")
        wait_for("one again", lambda: self.made()[-1] == "asked=1 made=0")

    def test_most(self):
        """where the pool allows one, xfreerdp on two monitors gets a desktop of its primary one"""
        self.start(display=("--monitors", "1"))
        self.two_monitors()
        self.rig.freerdp("/gfx", "/multimon:force", "/f", size=None)
        wait_for("the desktop's size", lambda: "asked=1 made=0" in self.made())
        self.rig.xdo("mousemove", "300", "300", "click", "1")
        self.rig.xdo("type", "--delay", "30", "xrandr | grep -o 'current [0-9]* x [0-9]*' >listed; touch done")
        self.rig.xdo("key", "Return")
        wait_for("the size", lambda: os.path.exists(self.machine.home_file("done")))
        with open(self.machine.home_file("listed"), encoding="utf-8") as f:
            self.assertEqual(f.read().strip(), "current 1024 x 700")


if __name__ == "__main__":
    unittest.main(verbosity=2)
