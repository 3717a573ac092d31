# SPDX-License-Identifier: GPL-3.0-or-later
"""The desktop's sound in the page: what a program of a container desktop plays is what comes out of the browser."""
import os
import signal
import unittest

import cell
import whole
from browser import TOP, Browser, missing

from tools import ear

TIMEOUT = 400
SHOTS = f"{TOP}/build/console/shots"
HERTZ, SECONDS, LOUD = 1000, 2, 8000
RATE = 48000  # what the page asks for, so that nothing is made of it on the way to the ear


class Sound(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = missing() or cell.why_not() or (ear.missing() and "not installed: " + ", ".join(ear.missing()))
        if why:
            raise unittest.SkipTest(why)
        cls.room = ear.Room()
        cls.ear = ear.Ear(cls.room, rate=RATE)
        cls.site = whole.cell_site().up()
        cls.site.pool("loud", image="debian", isolation="container", memory_mib=512, size_max=1)
        password = cls.site.user("alice", "loud")
        cls.site.wait_ready(timeout=90)
        cls.web = Browser(f"https://127.0.0.1:{cls.site.ports['https']}", SHOTS, **cls.ear.env)
        cls.web.login(user="alice", password=password)
        cls.connect("loud")

    @classmethod
    def tearDownClass(cls):
        for name in ("web", "room"):
            if hasattr(cls, name):
                getattr(cls, name).close()
        if hasattr(cls, "site"):
            cls.site.down()

    def tearDown(self):
        self.assertEqual(self.web.complaints(), [], "the browser complains")

    @classmethod
    def connect(cls, pool):
        """To the desktop of that pool, whose terminal listens and has the tone beside it."""
        cls.web.open(at=f"/connect/{pool}")
        cls.web.screen()
        cls.desktop = next(d for d in cls.site.admin.items("/desktops") if d["pool"] == pool and d["user"] == "alice")
        pid = cls.site.process_of(cls.desktop, "vmm")
        cls.site.wait(lambda: "bash" in [cell.comm(p) for p in cell.tree(pid)], 90, "the desktop's terminal")
        inside = next(p for p in cell.tree(pid) if cell.comm(p) == "icewm")

        def write():
            with open(f"/proc/{inside}/root/home/user/tone.wav", "wb") as file:
                file.write(ear.tone(HERTZ, SECONDS, LOUD))
        cell.as_user(inside, write)
        cls.typed("true")

    @classmethod
    def typed(cls, command):
        """Types a command into the desktop's terminal until it has run: keys may come before the terminal listens."""
        word = whole.word()

        def ran():
            if cell.home_text(cls.site, cls.desktop, "done") == word:
                return True
            cls.web.type(text=f"{command}; echo {word} >done\n", delay=20)
            return False
        cls.site.wait(ran, 60, command)

    def play(self):
        """Plays the tone, typed into the desktop's terminal; since when it may be heard."""
        since, word = self.ear.now(), whole.word()
        self.web.type(text=f"paplay tone.wav; echo {word} >played\n", delay=20)
        self.site.wait(lambda: cell.home_text(self.site, self.desktop, "played") == word, 60, "the tone's end")
        return since

    def expect_tone(self, since, loud=LOUD):
        samples = self.ear.whole(since)
        self.assertAlmostEqual(ear.pitch(samples, RATE), HERTZ, delta=10)
        self.assertAlmostEqual(ear.level(samples), loud, delta=loud / 10)
        # A machine that is busy with other tests may lose some of it, and never adds to it.
        self.assertGreater(ear.loud_s(samples, RATE), 0.3)
        self.assertLess(ear.loud_s(samples, RATE), SECONDS + 0.2)

    def test_heard(self):
        """viewer: a tone that a program plays is what the browser plays, that tone at its time and else silence"""
        for _ in range(2):
            self.expect_tone(self.play())
        self.assertIsNone(self.ear.sound(self.ear.now() - RATE // 4))

    def test_toolbar(self):
        """viewer: the toolbar turns the sound off and on again, and sets how loud it is; it has no accessibility faults"""
        web = self.web
        self.assertEqual(web.look(name="viewer-sound"), [])
        web.press(name="Sound")
        since = self.play()
        self.assertIsNone(self.ear.sound(since))
        web.press(name="Sound")
        self.expect_tone(self.play())
        web.set(label="Volume", value=50)
        web.focus()
        self.expect_tone(self.play(), LOUD / 2)
        web.set(label="Volume", value=100)
        web.focus()

    def test_cut(self):
        """viewer: after a cut the desktop is heard again by itself"""
        gateway = self.site.pid("gateway")
        self.site.set_plan(["postgres", "broker", "host"])
        os.kill(gateway, signal.SIGKILL)
        self.web.see(text="The connection was cut")
        self.site.set_plan(["postgres", "broker", "gateway", "host"])
        self.web.screen()
        self.typed("true")
        self.expect_tone(self.play())
        # What the browser says of the cut itself is not what is asked here.
        self.web.complaints()

    def test_policy(self):
        """viewer: where the pool's policy keeps sound in, nothing is heard and no button says otherwise"""
        site, web = self.site, self.web
        site.pool("quiet", image="debian", isolation="container", memory_mib=512, size_max=1)
        site.admin.call("PATCH", "/pools/quiet", {"policy": {"audio": "in"}})
        site.admin.post("/pools/quiet/entitlements", {"user": "alice"})
        web.open(at="/my")
        self.connect("quiet")
        self.assertNotIn("Sound", web.text())
        since = self.play()
        self.assertIsNone(self.ear.sound(since))


if __name__ == "__main__":
    unittest.main()
