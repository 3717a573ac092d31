# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's files, on a disk of their own, in one floating Debian desktop after another, where KVM is hardware-like:
PANE_GUESTS=all. What the image does with a new home is proved by tests/vmm/image/home_test.py."""
import os
import unittest

import whole

TIMEOUT = 1800
BOOT_S = 800
TERMINAL = (0x1d, 0x24, 0x30)  # the golden image's terminal background: no client has this colour of its own


@unittest.skipUnless(os.environ.get("PANE_GUESTS") == "all", "four boots of Debian, five minutes in an emulated lab: PANE_GUESTS=all")
class Home(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.debian_site()
        cls.site.lab_options = ["--memory", "4096"]
        cls.addClassCleanup(cls.site.down)
        cls.site.up()
        # An emulated machine that others share takes longer than a desktop may take to boot.
        cls.site.postgres.psql(f"UPDATE pane.machine_timeout SET seconds = {BOOT_S} WHERE state = 'booting'")
        cls.site.pool("roam", image="debian", cpus=1, memory_mib=768, spare=0, size_max=1, assignment="floating", home_mib=64)
        cls.password = cls.site.user("bob", "roam")

    def ask(self):
        """The user asks for a desktop until there is one; its row."""
        api = self.site.api().login("bob", self.password)

        def ticket():
            status, answer = api.call("POST", "/tickets", {"pool": "roam"})
            self.assertIn(status, (200, 202), answer)
            return status == 200
        self.site.wait(ticket, BOOT_S, "a Debian desktop")
        return self.site.desktop_of("bob")

    def type(self, command):
        """A session with one command typed into the terminal; what the guest's serial console says once it has ended."""
        screen = whole.Screen(self.site.run, "1280x800")
        try:
            client = self.site.xfreerdp(screen, "bob", self.password, "/size:1280x800")
            desktop = self.site.wait_session("bob", "connected", 60)
            screen.wait_share(TERMINAL, 0.2, 90, "the desktop's terminal in the client's window")
            end = whole.word()
            screen.type(f"{command}; echo {end} >/dev/ttyS0\n", 100)
            self.site.wait(lambda: end in self.site.serial(desktop), 60, f"'{command}' done inside the guest")
            screen.close(client)
            return self.site.serial(desktop)
        finally:
            screen.end()

    def test_home(self):
        """a file in the home of one floating desktop is in the user's next one, whose system is a new one"""
        word = whole.word()
        first = self.ask()
        text = self.type(f"echo {word} >word; sudo cp word /var/word; sync; cat word /var/word >/dev/ttyS0")
        self.assertEqual(text.split().count(word), 2, "written at home and into the system")
        self.site.admin.need("POST", f"/desktops/{first['name']}/release")
        self.site.wait(lambda: not self.site.desktop_of("bob"), 120, "the release")
        second = self.ask()
        self.assertNotIn(word, self.site.serial(second))
        text = self.type("cat word /var/word >/dev/ttyS0; findmnt -no LABEL,TARGET /home/user >/dev/ttyS0")
        self.assertEqual(text.split().count(word), 1, "the home has it, the system does not")
        self.assertRegex(text, r"pane-home\s+/home/user")


if __name__ == "__main__":
    unittest.main()
