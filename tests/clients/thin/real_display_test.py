# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-thin against a real pane-gateway and pane-display: the picture is exact to the pixel, input arrives,
the desktop follows the window, what is played there is heard, and a display that dies comes back under the same window."""
import array
import os
import subprocess
import sys
import unittest

from tools import ear
from tools.display_rig import Rig, missing, wait_for
from tools.gateway_rig import GatewayRig

TIMEOUT = 300
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", os.path.join(HERE, "../../../build/release"))
KEY_A, KEY_LEFTSHIFT, KEY_RIGHT = 30, 42, 106


class AnyTicket(dict):
    """The fake API makes its tickets itself; the fake broker takes what has their form."""

    def pop(self, key, default=None):
        return "alice" if key.startswith("pt1_") else default


class RealDisplay(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        self.gw = GatewayRig()
        self.addCleanup(self.gw.close)
        self.gw.broker.tickets = AnyTicket()
        self.rig = Rig(replay=("--follow", "--keysyms", "--sound", "--microphone"))
        self.addCleanup(self.rig.close)
        self.rig.env.update(HOME=self.rig.dir, XDG_CONFIG_HOME=self.rig.dir, XDG_RUNTIME_DIR=self.rig.dir,
                            GSK_RENDERER="cairo", GTK_A11Y="none", GDK_BACKEND="x11", PANE_LOG="info")
        self.gw.host.display = {"rdp": self.rig.socket}
        self.rig.command(op="fill", x=0, y=0, w=1280, h=800, colour="3060a0")
        self.rig.command(op="fill", x=100, y=90, w=333, h=77, colour="e0c010")
        port_file = self.rig.dir + "/api.port"
        self.rig.spawn([sys.executable, HERE + "/fake_api.py", *self.gw.front, "--port-file", port_file], "api.log")
        wait_for("the fake API", lambda: os.path.exists(port_file))
        with open(port_file, encoding="ascii") as f:
            self.server = "https://localhost:" + f.read()

    def thin(self, *more):
        child = self.rig.spawn([BUILD + "/bin/pane-thin", "--server", self.server, "--ca",
                                self.gw.pki.path("ca.crt"), "--rdp-port", str(self.gw.gateway.ports["rdp"]),
                                "--user", "alice", "--password-stdin", "--auto", *more], "thin.log",
                               stdin=subprocess.PIPE)
        child.stdin.write(b"correct horse\n")
        child.stdin.close()
        return child

    def said(self, word):
        with open(self.rig.dir + "/thin.log", encoding="utf-8") as f:
            return word in f.read()

    def focus(self):
        wait_for("the window", lambda: not subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", "^Pane$", "windowmove", "0", "0", "windowfocus"],
            env=self.rig.env, capture_output=True, check=False).returncode)

    def test_picture_input_resize_and_back(self):
        """picture exact, keys and pointer arrive, the desktop follows the window, display killed: back"""
        self.thin()
        wait_for("the session", lambda: self.said("session.up"), 20)
        self.focus()
        self.rig.wait_equal("the desktop's picture in the window", 20)
        self.rig.command(op="fill", x=700, y=300, w=50, h=50, colour="00ff80")
        self.rig.wait_equal("a change of it")

        self.rig.xdo("mousemove", "640", "400", "click", "1", "key", "a", "key", "shift+Right")
        wait_for("the keys", lambda: len(self.rig.keys()) >= 6)
        self.assertEqual(self.rig.keys()[:2], [(KEY_A, 1), (KEY_A, 0)])
        self.assertEqual(sorted(self.rig.keys()[2:6]),
                         [(KEY_LEFTSHIFT, 0), (KEY_LEFTSHIFT, 1), (KEY_RIGHT, 0), (KEY_RIGHT, 1)])

        self.rig.xdo("keydown", "shift")
        wait_for("shift down", lambda: self.rig.keys()[-1] == (KEY_LEFTSHIFT, 1))
        self.rig.xdo("key", "ctrl+alt+Home")
        wait_for("the menu lets go of every key", lambda: (KEY_LEFTSHIFT, 0) in self.rig.keys()[7:])
        self.rig.xdo("keyup", "shift", "key", "Escape")

        self.rig.xdo("search", "--onlyvisible", "--name", "^Pane$", "windowsize", "1100", "701")
        wait_for("the desktop has the window's size", lambda: self.rig.picture()[:2] == (1100, 701))
        self.rig.wait_equal("the picture after the resize")

        self.rig.display.kill()
        self.rig.display.wait()
        os.unlink(self.rig.socket)
        wait_for("the loss is noticed", lambda: self.said("session.lost"), 20)
        open(self.rig.display_log, "w", encoding="utf-8").close()
        self.rig.start_display()
        wait_for("it is back", lambda: self.said("session.back"), 20)
        self.rig.wait_equal("the same picture")

    def test_keyboard_layout(self):
        """the layout of the keyboard in front of the user is told to the desktop"""
        subprocess.run(["setxkbmap", "-layout", "fr"], env=self.rig.env, check=True)
        self.thin()
        wait_for("the layout", lambda: self.rig.events("layout") and self.rig.events("layout")[-1]["value"] == 0x40c, 20)

    def test_sound(self):
        """what the desktop plays is heard, and with --no-sound it is not even asked for"""
        if ear.missing():
            self.skipTest("not installed: " + ", ".join(ear.missing()))
        ears = ear.Ear(self.rig)
        self.rig.env.update(ears.env)
        child = self.thin()
        wait_for("that somebody listens", lambda: self.rig.events("listen"), 20)
        self.rig.command(op="tone", hertz=700, seconds=3)
        wait_for("sound, and silence again", lambda: ears.sound() and ears.sound()[1] + ear.RATE // 2 < ears.now())
        first, last = ears.sound()
        self.assertAlmostEqual(ear.pitch(ears.heard(first)[:last - first]), 700, delta=5)
        self.assertGreater(ear.loud_s(ears.heard(first)[:last - first]), 0.3)  # of three, on a very busy machine
        child.terminate()
        child.wait()
        wait_for("that nobody listens", lambda: self.rig.events("listen")[-1]["count"] == 0)
        self.thin("--no-sound")
        wait_for("the session", lambda: self.rig.log().count("viewer.start") == 2, 20)
        self.rig.wait_equal("the desktop's picture in the window", 20)
        self.assertEqual(self.rig.events("listen")[-1]["count"], 0)

    def test_microphone(self):
        """what is said is recorded, with a mark while it is; with --no-microphone it is not even asked for"""
        if ear.missing():
            self.skipTest("not installed: " + ", ".join(ear.missing()))
        mouth = ear.Mouth(self.rig, "mouth", 700)
        recording = self.rig.dir + "/recording"
        self.rig.env.update({k: v for k, v in mouth.env.items() if k == "PULSE_SERVER"})
        child = self.thin()
        wait_for("the session", lambda: self.said("session.up"), 20)
        self.focus()
        self.rig.wait_equal("the desktop's picture in the window", 20)
        self.assertFalse(mouth.open())
        self.rig.command(op="record", rate=ear.RATE, file=recording)
        wait_for("the microphone", mouth.open)
        wait_for("sound", lambda: os.path.exists(recording) and os.path.getsize(recording) > 2 * ear.RATE)
        width, height, desktop = self.rig.picture()
        wait_for("a mark that it is on", lambda: self.rig.shot(width, height) != desktop)
        self.rig.command(op="record", rate=0)
        wait_for("that it is closed", lambda: not mouth.open())
        self.rig.wait_equal("that the mark is gone")
        with open(recording, "rb") as file:
            sound = array.array("h", file.read(2 * ear.RATE))
        self.assertAlmostEqual(ear.pitch(sound), 700, delta=10)
        self.assertGreater(ear.loud_s(sound), 0.3)
        child.terminate()
        child.wait()
        before = self.rig.log().count("rdp.microphone")
        self.rig.command(op="record", rate=ear.RATE)
        self.thin("--no-microphone")
        wait_for("the session", lambda: self.rig.log().count("viewer.start") == 2, 20)
        self.rig.wait_equal("the desktop's picture in the window", 20)
        self.assertFalse(mouth.open())
        self.assertEqual(self.rig.log().count("rdp.microphone"), before)

    def test_screenshot(self):
        """--screenshot of a real display exits 0"""
        shot = self.rig.dir + "/shot.png"
        child = self.thin("--screenshot", shot, "--after", "0", "--timeout", "30")
        self.assertEqual(child.wait(60), 0)
        colours = subprocess.run([sys.executable, HERE + "/png_colours.py", shot], capture_output=True, text=True,
                                 check=True).stdout
        self.assertGreaterEqual(int(colours), 2)

    def test_refusal(self):
        """a ticket the gateway does not accept: exit 1, and the cause is that"""
        self.gw.broker.tickets = {}
        child = self.thin("--screenshot", self.rig.dir + "/shot.png", "--timeout", "30")
        self.assertEqual(child.wait(60), 1)
        self.assertTrue(self.said("session.refused"))
        self.assertTrue(self.said("did not accept the ticket"))
