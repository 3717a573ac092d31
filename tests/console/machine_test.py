# SPDX-License-Identifier: GPL-3.0-or-later
"""What in the console is of virtual machines only, against test cards on this machine's KVM: the picture of a machine in
the page, and what its guest reads of keys there. All else is told with containers (console_test.py)."""
import unittest

import whole
from consolestory import ConsoleStory

TIMEOUT = 400


class Machine(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(cls.with_usage, cls.prepare)

    @classmethod
    def with_usage(cls):
        site = whole.card_site()
        site.host_options["usage_s"] = 2
        return site

    @classmethod
    def prepare(cls):
        cls.site.pool("office")
        cls.site.wait_ready()
        cls.employee = cls.site.user("alice", "office")

    def test_in_the_page(self):
        """viewer: a machine's screen is in the page, and a word typed there is read inside its guest"""
        web, site = self.web, self.site
        web.login(user="alice", password=self.employee)
        web.press(name="Connect")
        web.screen()
        site.wait_session("alice", "connected")
        word = whole.word()
        web.type(text=word)
        web.key(keys=["Enter"])
        site.wait(lambda: f"line {word}" in site.serial(site.desktop_of("alice")), 20, f"'{word}' inside the guest")

    def test_ended(self):
        """viewer: a machine that is restarted ends the connection, and is connected to again from the page"""
        web, site = self.web, self.site
        site.admin.post(f"/desktops/{site.desktop_of('alice')['name']}/restart", {})
        web.see(text="Connect again")
        web.press(name="Connect again")
        web.screen()
        web.press(name="Disconnect")
        site.wait_session("alice", "disconnected")
        web.logout(user="alice")

    def test_suspend(self):
        """console: a machine is suspended and resumed from its page, which shows its picture and what its disk does"""
        web, site = self.web, self.site
        name = site.desktop_of("alice")["name"]
        web.login(user="root", password=self.password)
        web.open(at=f"/desktops/{name}")
        web.picture(of=name)
        used = site.wait(lambda: site.admin.call("GET", f"/desktops/{name}/usage?range=hour")[1]["samples"], 60, "a sample")[-1]
        self.assertIsNotNone(used["disk_read"])
        web.see(text="Only containers with a network of their own tell it.")
        for verb, state in (("Suspend", "suspended"), ("Resume", "ready")):
            web.press(name=verb)
            web.see(text=f"{verb} {name}?")
            web.press(name=verb)
            site.wait_state(name, state, timeout=60)


if __name__ == "__main__":
    unittest.main()
