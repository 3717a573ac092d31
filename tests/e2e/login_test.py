# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in with each client, type a word nobody knows, read it back from inside the guest, find it again by
another protocol. The guest is the test card; tests/lab tells the same story with Debian."""
import os
import unittest

import whole

TIMEOUT = 240


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site().up()
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def visit(self, start, colours=3, meanwhile=None):
        """One session with one client: type, see it, leave. Returns the last picture."""
        screen = whole.Screen(self.site.run)
        try:
            client = start(screen)
            desktop = self.site.wait_session("alice", "connected")
            screen.wait_picture(colours)
            before = screen.shot("before")
            word = whole.word()
            screen.type(word + "\n")
            self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, f"'{word}' inside the guest")
            whole.wait_until(lambda: whole.different(before, screen.shot("after")) > 50, 10, "the word on the screen")
            after = screen.shot("last")
            if meanwhile:
                meanwhile(screen, after)
            screen.close(client)
            self.site.wait_session("alice", "disconnected")
            return after
        finally:
            screen.end()

    def test_xfreerdp(self):
        """xfreerdp3: a word typed is read inside the guest and seen on the screen, and so is an administrator's message, until it is taken back"""
        self.visit(lambda s: self.site.xfreerdp(s, "alice", self.password), meanwhile=self.message)

    def message(self, screen, before):
        session = self.site.admin.items("/sessions")[0]["id"]
        self.site.pane_login()
        self.site.pane("sessions", "message", session, "Grüße: {left}", "--seconds", "600")
        whole.wait_until(lambda: screen.share((0x20, 0x26, 0x32), near=0) > 0.001, 20, "the message on the screen")
        self.site.pane("sessions", "clear", session)
        whole.wait_until(lambda: whole.different(before, screen.shot("cleared")) == 0, 20, "the picture as it was")

    def test_vncviewer(self):
        """TigerVNC's viewer: a word typed is read inside the guest and seen on the screen"""
        self.visit(lambda s: self.site.vncviewer(s, "alice", self.password))

    def test_thin(self):
        """pane-thin: a word typed is read inside the guest and seen on the screen"""
        self.visit(lambda s: self.site.thin(s, "alice", self.password))

    def test_same_desktop(self):
        """every one of these was the same desktop, never restarted"""
        desktop = self.site.desktop_of("alice")
        self.assertEqual(desktop["name"], "office-1")
        self.assertEqual(self.site.serial(desktop).count("pane.ready"), 1)
        self.assertEqual(self.site.serial(desktop).count("line "), 3)

    def test_suspended(self):
        """suspended, its memory is on disk and no process is left; its user's connection goes on with it, and nothing booted"""
        self.site.pane_login()
        self.site.pane("desktops", "suspend", "office-1")
        desktop = self.site.desktop_of("alice")
        self.site.wait(lambda: os.path.exists(f"{self.site.run}/host/desktops/{desktop['id']}/suspended/memory"), 20, "its memory on disk")
        self.assertIsNone(self.site.process_of(desktop, "vmm"))
        self.visit(lambda s: self.site.vncviewer(s, "alice", self.password))
        self.assertNotIn("pane.ready", self.site.serial(desktop))  # the log is of the process that goes on
        self.site.pane("desktops", "suspend", "office-1")
        self.site.pane("desktops", "resume", "office-1")
        self.site.wait_ready()


if __name__ == "__main__":
    unittest.main()
