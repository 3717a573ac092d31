# SPDX-License-Identifier: GPL-3.0-or-later
"""The lobby: what an RDP client meets instead of a refusal, with real clients, displays and lobby."""
import os
import shutil
import tempfile
import time
import unittest

from tools.display_rig import Rig, missing
from tools.gateway_rig import DESKTOP, TOP, GatewayRig, wait_for

TIMEOUT = 400
COLOUR = b"\x30\x60\xa0"
BACK, CARD, TROUBLE, ACCENT = b"\x1d\x24\x30", b"\xf7\xf8\xfa", b"\xa3\x21\x1b", b"\x25\x63\xc9"
SIZE = (1280, 800)


class Lobby(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        self.dir = tempfile.mkdtemp(prefix="pane-lob-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.socket = self.dir + "/lobby.sock"
        self.gw = GatewayRig(lobby=self.socket)
        self.addCleanup(self.gw.close)
        self.rig = Rig(screen="%dx%d" % SIZE)
        self.addCleanup(self.rig.close)
        self.rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=COLOUR.hex())
        self.gw.host.display = {"rdp": self.rig.socket}
        self.lobby = self.start_lobby()

    def start_lobby(self, *more):
        build = os.environ.get("BUILD", TOP + "/build/release")
        lobby = self.rig.spawn([os.environ.get("PANE_LOBBY", build + "/bin/pane-lobby"), "--listen", self.socket,
                                "--state", self.dir, "--display", self.rig.program, *more], "lobby.log")
        wait_for("pane-lobby listens", lambda: os.path.exists(self.socket))
        return lobby

    def freerdp(self, *more):
        return self.rig.spawn(["xfreerdp3", f"/v:127.0.0.1:{self.gw.gateway.ports['rdp']}", "/cert:ignore", "/gfx",
                               "/size:%dx%d" % SIZE, "/log-level:WARN", "-clipboard", "-decorations", *more],
                              "freerdp.log")

    def pixels(self, colour):
        shot = self.rig.shot(*SIZE)
        return sum(shot[i:i + 3] == colour for i in range(0, len(shot), 3))

    def shows(self, what, colour, at_least, seconds=20):
        wait_for(what, lambda: self.pixels(colour) >= at_least, seconds)

    def shows_lobby(self):
        self.shows("the lobby's card", CARD, 20000)
        self.assertGreater(self.pixels(BACK), 100000)

    def shows_desktop(self):
        self.shows("the desktop", COLOUR, SIZE[0] * SIZE[1] * 9 // 10)

    def enter(self, text):
        self.rig.xdo("type", text)
        self.rig.xdo("key", "Return")

    def keep(self, name):
        """A picture for a person, where LOBBY_SHOTS names a directory."""
        if os.environ.get("LOBBY_SHOTS"):
            with open(f"{os.environ['LOBBY_SHOTS']}/{name}.ppm", "wb") as f:
                f.write(b"P6 %d %d 255\n" % SIZE + self.rig.shot(*SIZE))

    def rooms(self):
        return [d for d in os.listdir(self.dir) if d.startswith("room-")]

    def asked(self, n):
        wait_for(f"question {n} to the broker", lambda: len(self.gw.broker.asked) >= n)
        return self.gw.broker.asked[n - 1][1]

    def answers(self, *refusals):
        """The broker gives these refusals in turn, each (status, error), and then what it would by itself."""
        rest, decide = list(refusals), self.gw.broker.decide
        self.gw.broker.decide = lambda q: rest.pop(0) if rest else decide({**q, **self.as_alice(q)})

    @staticmethod
    def as_alice(q):
        """The broker under test takes a resume word for what it stands for."""
        return {"user": "alice", "password": "wonderland"} if q.get("resume") == "word" else {}

    def test_wrong_password_then_the_right_one(self):
        """xfreerdp3 with a wrong password meets a lobby that says so, and with the right one its desktop"""
        no = (403, {"error": {"code": "login.failed", "message": "User name or password is wrong."}})
        self.answers(no, no)
        client = self.freerdp("/u:alice", "/p:wrong")
        self.shows_lobby()
        self.shows("what is wrong", TROUBLE, 60)
        self.keep("wrong")
        self.enter("nowonder")
        self.asked(2)
        self.assertEqual(self.gw.host.prefaces, [])
        wait_for("the second answer", lambda: self.gw.log().count("code=login.failed") >= 1)
        self.shows("an empty field again", TROUBLE, 60)
        self.enter("wonderland")
        self.shows_desktop()
        self.assertEqual([q["password"] for _, q in self.gw.broker.asked], ["wrong", "nowonder", "wonderland"])
        self.assertIsNone(client.poll())
        self.assertIn("lobby.leave", self.gw.log())
        wait_for("the lobby's end", lambda: not self.rooms())
        self.rig.xdo("key", "x")  # and the client's keys are the desktop's now
        wait_for("a key on the desktop", lambda: (45, True) in self.rig.keys() or (45, 1) in self.rig.keys())
        self.assertNotIn("wonderland", self.gw.log() + open(self.rig.dir + "/lobby.log").read())


if __name__ == "__main__":
    unittest.main()
