# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job with a real operating system: the golden Debian image, booted unmodified by our VMM on a
hardware-like KVM (the lab host where this machine has none), reached through the gateway by each client; and a user's
files, on a disk of their own, in one floating desktop after another."""
import unittest

import whole

TIMEOUT = 1800
TERMINAL = (0x1d, 0x24, 0x30)  # the golden image's terminal background: no client has this colour of its own


class Debian(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.debian_site()
        cls.site.lab_options = ["--memory", "4096"]
        cls.site.up()
        cls.site.pool(image="debian", cpus=2, memory_mib=768, spare=0, size_max=2)
        cls.password = cls.site.user("alice")
        cls.site.pool("roam", image="debian", cpus=2, memory_mib=768, spare=0, size_max=1, assignment="floating", home_mib=64)
        cls.roamer = cls.site.user("bob", "roam")
        cls.written = []

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def visit(self, start, user="alice", command="echo {} >/dev/ttyS0"):
        """A session with one client: type into the terminal, read it inside the guest, see it. The desktop."""
        screen = whole.Screen(self.site.run, "1280x800")
        try:
            client = start(screen)
            desktop = self.site.wait_session(user, "connected", 60)
            screen.wait_share(TERMINAL, 0.2, 90, "the desktop's terminal in the client's window")
            before = screen.shot("before")
            word = whole.word()
            screen.type(command.format(word) + "\n", 100)
            self.site.wait(lambda: word in self.site.serial(desktop), 60, f"'{word}' inside the guest")
            whole.wait_until(lambda: whole.different(before, screen.shot("after")) > 200, 30, "the word on the screen")
            self.written.append(word)
            screen.close(client)
            return desktop
        finally:
            screen.end()

    def ask(self, user, password, pool):
        """The user asks for a desktop of a pool until there is one; its row."""
        api = self.site.api().login(user, password)

        def ticket():
            status, answer = api.call("POST", "/tickets", {"pool": pool})
            self.assertIn(status, (200, 202), answer)
            return status == 200
        self.site.wait(ticket, 420, "a Debian desktop")
        return self.site.desktop_of(user)

    def test_boot(self):
        """asking for a desktop starts one: Debian boots to its desktop and says so"""
        desktop = self.ask("alice", self.password, "office")
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

    def test_home(self):
        """a file in the home of one floating desktop is in the user's next one, whose system is a new one"""
        def rdp(screen):
            return self.site.xfreerdp(screen, "bob", self.roamer, "/size:1280x800")
        first = self.ask("bob", self.roamer, "roam")
        self.visit(rdp, "bob", "echo {} >word; sudo cp word /var/word; sync; cat word /var/word >/dev/ttyS0")
        word = self.written.pop()
        self.site.wait(lambda: self.site.serial(first).split().count(word) == 2, 30, "it written at home and into the system")
        self.site.admin.need("POST", f"/desktops/{first['name']}/release")
        self.site.wait(lambda: not self.site.desktop_of("bob"), 120, "the release")
        second = self.ask("bob", self.roamer, "roam")
        self.assertNotIn(word, self.site.serial(second))
        self.visit(rdp, "bob", "cat word /var/word >/dev/ttyS0; findmnt -no LABEL,TARGET /home/user >/dev/ttyS0; echo {} >/dev/ttyS0")
        text = self.site.serial(second)
        self.assertEqual(text.split().count(word), 1, "the home has it, the system does not")
        self.assertRegex(text, r"pane-home\s+/home/user")


if __name__ == "__main__":
    unittest.main()
