# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in with each client, type a word nobody knows, read it back from inside the guest, find it again by
another protocol. The guest is the test card; tests/lab tells the same story with Debian."""
import subprocess
import unittest

import whole

TIMEOUT = 240


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site()
        socket = f"{cls.site.sockets}/lobby"
        cls.site.gateway_options["lobby"] = socket
        cls.site.up()
        cls.lobby = subprocess.Popen([cls.site.program("pane-lobby"), "--listen", socket, "--state", cls.site.sockets])
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.lobby.terminate()
        cls.lobby.wait(10)
        cls.site.down()

    def visit(self, start, colours=3):
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
            screen.close(client)
            self.site.wait_session("alice", "disconnected")
            return after
        finally:
            screen.end()

    def test_xfreerdp(self):
        """xfreerdp3: a word typed is read inside the guest and seen on the screen"""
        self.visit(lambda s: self.site.xfreerdp(s, "alice", self.password))

    def test_lobby(self):
        """xfreerdp3 with a wrong password: the lobby, the right one typed there, and a word read inside the guest"""
        def through_the_lobby(screen):
            client = self.site.xfreerdp(screen, "alice", "wrong")
            screen.wait_picture(6)
            screen.type(self.password + "\n")
            return client
        self.visit(through_the_lobby)

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
        self.assertEqual(self.site.serial(desktop).count("line "), 4)


if __name__ == "__main__":
    unittest.main()
