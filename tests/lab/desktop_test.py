# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job with a real operating system: the golden Debian image, booted unmodified by our VMM on a
hardware-like KVM (the lab host where this machine has none), reached through the gateway by each client."""
import unittest

import whole

TIMEOUT = 1200
TERMINAL = (0x1d, 0x24, 0x30)  # the golden image's terminal background: no client has this colour of its own


class Debian(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.debian_site()
        cls.site.lab_options = ["--memory", "4096"]
        cls.site.up()
        cls.site.pool(image="debian", cpus=2, memory_mib=768, spare=0, size_max=2)
        cls.password = cls.site.user("alice")
        cls.written = []

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def visit(self, start):
        """A session with one client: type into the terminal, read it inside the guest, see it. The picture."""
        screen = whole.Screen(self.site.run, "1280x800")
        try:
            client = start(screen)
            desktop = self.site.wait_session("alice", "connected", 60)
            screen.wait_share(TERMINAL, 0.2, 90, "the desktop's terminal in the client's window")
            before = screen.shot("before")
            word = whole.word()
            screen.type(f"echo {word} >/dev/ttyS0\n", 100)
            self.site.wait(lambda: word in self.site.serial(desktop), 60, f"'{word}' inside the guest")
            whole.wait_until(lambda: whole.different(before, screen.shot("after")) > 200, 30, "the word on the screen")
            self.written.append(word)
            screen.close(client)
            return desktop
        finally:
            screen.end()

    def test_boot(self):
        """asking for a desktop starts one: Debian boots to its desktop and says so"""
        api = self.site.api().login("alice", self.password)
        seen = []

        def ticket():
            status, answer = api.call("POST", "/tickets", {"pool": "office"})
            seen.append(answer.get("state") or answer.get("message") or status)
            self.assertIn(status, (200, 202), answer)
            return status == 200
        self.site.wait(ticket, 420, "a Debian desktop")
        desktop = self.site.desktop_of("alice")
        self.assertEqual(desktop["state"], "ready")
        self.assertIn("pane.ready", self.site.serial(desktop))

    def test_xfreerdp(self):
        """xfreerdp3: a word typed into the terminal is read inside the guest and seen on the screen"""
        self.visit(lambda s: self.site.xfreerdp(s, "alice", self.password, "/size:1280x800"))

    def test_vncviewer(self):
        """TigerVNC's viewer finds the same desktop; a word typed is read inside the guest and seen"""
        self.visit(lambda s: self.site.vncviewer(s, "alice", self.password))

    def test_thin(self):
        """pane-thin finds the same desktop; a word typed is read inside the guest and seen"""
        desktop = self.visit(lambda s: self.site.thin(s, "alice", self.password))
        text = self.site.serial(desktop)
        self.assertEqual(text.count("pane.ready"), 1, "the desktop was restarted")
        for word in self.written:
            self.assertIn(word, text)

    def test_power_button(self):
        """the administrator's restart shuts Debian down properly and brings it back"""
        desktop = self.site.desktop_of("alice")
        self.site.admin.need("POST", f"/desktops/{desktop['name']}/restart")
        self.site.wait_state(desktop["name"], "booting", "requested", "draining", "failed", timeout=60)
        self.site.wait_state(desktop["name"], "ready", timeout=420)


if __name__ == "__main__":
    unittest.main()
