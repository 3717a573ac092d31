# SPDX-License-Identifier: GPL-3.0-or-later
"""The lobby: what an RDP client meets instead of a refusal, with real clients, displays and lobby."""
import os
import shutil
import tempfile
import time
import unittest

from tools.display_rig import Rig, missing
from tools.gateway_rig import TOP, Gateway, GatewayRig, exactly, until_closed, wait_for

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
        return self.rig.shot(*SIZE).count(colour)

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

    def test_german(self):
        """The lobby speaks the language of the client's keyboard: a German one reads German, with its umlauts, an English one English"""
        no = (403, {"error": {"code": "login.failed",
                              "message": "The user name, password or ticket is not right, or no longer valid."}})
        choose = (409, {"error": {"code": "desktop.choose", "message": "several", "resume": "word",
                                  "reasons": ["lab", "office", "studio"]}})
        seen = {}
        for layout, name in (("0x00000407", "german"), ("0x00000409", "english")):
            self.answers(no, choose)
            client = self.freerdp("/u:alice", "/p:wrong", "/kbd:layout:" + layout)
            self.shows_lobby()
            self.shows("what is wrong", TROUBLE, 60)
            self.keep("wrong-" + name)
            texts = [self.pixels(TROUBLE)]
            self.enter("wonderland")
            self.shows("the list's selection", b"\xd9\xe6\xfb", 5000)
            self.keep("choose-" + name)
            texts.append(self.pixels(b"\x1c\x21\x27"))
            seen[name] = texts
            client.terminate()
            client.wait(10)
            wait_for("the end of the room", lambda: not self.rooms())
        self.assertNotEqual(seen["german"][0], seen["english"][0])
        self.assertNotEqual(seen["german"][1], seen["english"][1])

    def test_desktop_that_starts(self):
        """A desktop that starts is waited for with progress, by a word of the broker's and no password, then shown"""
        def starting(percent):
            return 409, {"error": {"code": "desktop.starting", "message": "Your desktop is booting.",
                                   "percent": percent, "resume": "word"}}
        held, decide = [10], self.gw.broker.decide
        self.gw.broker.decide = lambda q: starting(held[0]) if held else decide({**q, **self.as_alice(q)})
        self.rig.command(op="resize", w=1024, h=700)
        self.rig.command(op="fill", x=0, y=0, w=1024, h=700, colour=COLOUR.hex())
        self.freerdp("/u:alice", "/p:wonderland123456")
        self.shows_lobby()
        self.asked(3)
        self.shows("progress", ACCENT, 1000)
        self.keep("starting")
        bar = self.pixels(ACCENT)
        held[0] = 80
        self.shows("more progress", ACCENT, 3 * bar)
        held.clear()
        wait_for("the desktop, in its own size", lambda: self.pixels(COLOUR) >= 1024 * 700 * 9 // 10, 20)
        first, *more = [q for _, q in self.gw.broker.asked]
        self.assertEqual((first["password"], first["wait_s"]), ("wonderland123456", 1))
        for q in more:
            self.assertEqual((q.get("resume"), q.get("password"), q["conn"]), ("word", None, first["conn"]))

    def test_choice_among_desktops(self):
        """Who has several desktops picks one in the lobby, by keyboard; a second factor's code gets a field of its own"""
        self.answers((403, {"error": {"code": "totp.required", "message": "Type your code after your password."}}),
                     (409, {"error": {"code": "desktop.choose", "message": "several", "resume": "word",
                                      "reasons": ["lab", "office", "studio"]}}))
        self.freerdp("/u:alice", "/p:wonderland")
        self.shows_lobby()
        self.shows("what is missing", TROUBLE, 60)
        self.rig.xdo("type", "wonderland")
        self.rig.xdo("key", "Return")  # to the next field, which is empty
        self.keep("code")
        self.enter("123456")
        self.assertEqual(self.asked(2)["password"], "wonderland123456")
        self.shows("the list's selection", b"\xd9\xe6\xfb", 5000)
        self.keep("choose")
        self.rig.xdo("key", "Down")
        self.rig.xdo("key", "Return")
        self.assertEqual(self.asked(3)["desktop"], "office")
        self.shows_desktop()

    def test_no_password(self):
        """A client without a password is asked for one, by name and password; the broker hears of it only then"""
        self.freerdp("/u:", "/p:")
        self.shows_lobby()
        self.assertEqual(self.gw.broker.asked, [])
        self.rig.xdo("type", "alice#office")
        self.rig.xdo("key", "Tab")
        self.enter("wonderland")
        q = self.asked(1)
        self.assertEqual((q["user"], q["desktop"], q["password"]), ("alice", "office", "wonderland"))
        self.shows_desktop()

    def test_ends(self):
        """Guessing, leaving by Escape and idleness end a lobby with a word to the client; tickets get none"""
        client = self.freerdp("/u:alice", "/p:guess0")
        self.shows_lobby()
        for n in range(1, 6):
            self.enter(f"guess{n}")
            self.asked(n + 1)
            time.sleep(0.3)
        self.assertNotEqual(client.wait(10), 0)
        self.assertEqual(len(self.gw.broker.asked), 6)
        self.assertIn("why=tries", self.gw.log())
        client = self.freerdp("/u:alice", "/p:wrong")
        self.shows_lobby()
        self.rig.xdo("key", "Escape")
        client.wait(10)
        self.assertIn("why=cancelled", self.gw.log())
        self.assertNotEqual(self.freerdp("/u:x", "/p:y", "/load-balance-info:pt1_none").wait(10), 0)
        self.assertEqual(self.gw.log().count("lobby.start"), 2)
        self.lobby.terminate()
        self.lobby.wait(10)
        self.assertNotEqual(self.freerdp("/u:alice", "/p:wrong").wait(10), 0)  # no lobby: as without one
        self.assertIn("lobby.failed", self.gw.log())
        self.start_lobby("--idle", "1")
        self.assertNotEqual(self.freerdp("/u:alice", "/p:wrong").wait(15), 0)
        self.assertIn("why=over", self.gw.log())
        self.assertEqual(self.rooms(), [])

    def recorded(self, name):
        """A recorded client up to its Client Info, in the lobby's hands; the socket."""
        with open(f"{TOP}/tests/fuzz/corpus/gateway/rdp/{name}", "rb") as f:
            data = f.read()
        s = self.gw.connect("rdp")
        n = int.from_bytes(data[2:4], "big")
        s.sendall(data[:n])
        exactly(s, 19)
        t = self.gw.tls(s)
        t.sendall(data[n:])
        return t

    def test_bounds_and_garbage(self):
        """Strangers get half of the places; a client that talks nonsense or hangs up costs its own lobby and no more"""
        self.gw.gateway.stop()
        self.gw.gateway = Gateway(self.gw, lobby=self.socket, lobby_max=2)
        first = self.recorded("plain")
        wait_for("the first one's lobby", lambda: self.rooms() and "lobby.start" in self.gw.log())
        second = self.recorded("plain")
        until_closed(second)  # refused in a number: it does not wait
        self.assertEqual(self.gw.log().count("lobby.start"), 1)
        self.assertEqual(self.gw.log().count("login.refused"), 1)
        first.sendall(b"\x03\x00\x00\x03 nonsense")
        until_closed(first)
        wait_for("the end of the room", lambda: not self.rooms())
        self.assertIn("why=protocol", self.gw.log())
        third = self.recorded("plain")
        wait_for("the third one's lobby", lambda: self.gw.log().count("lobby.start") == 2 and self.rooms())
        third.close()
        wait_for("the end of its room", lambda: not self.rooms())
        self.assertIsNone(self.lobby.poll())
        self.assertNotIn("lobby.crash", open(self.rig.dir + "/lobby.log").read())


if __name__ == "__main__":
    unittest.main()
