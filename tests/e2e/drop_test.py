# SPDX-License-Identifier: GPL-3.0-or-later
"""A real viewer through gateway, host agent and display, whose user is disabled while connected."""
import unittest

import whole

TIMEOUT = 240


class Drop(unittest.TestCase):
    def test_disabled(self):
        """disabling a user ends their live viewer within seconds, others' not, and the desktop runs on for their return"""
        site = whole.card_site().up()
        self.addCleanup(site.down)
        site.pool()
        screens = [whole.Screen(site.run) for _ in range(2)]
        for s in screens:
            self.addCleanup(s.end)
        words = {n: site.user(n) for n in ("alice", "bob")}
        site.wait_ready()
        alice = site.vncviewer(screens[0], "alice", words["alice"])
        desktop = site.wait_session("alice", "connected")
        site.wait_ready(2)
        bob = site.vncviewer(screens[1], "bob", words["bob"])
        site.wait_session("bob", "connected")
        screens[0].wait_picture(3)
        site.admin.need("PATCH", "/users/alice", {"disabled": True})
        site.wait(lambda: alice.poll() is not None, 20, "alice's viewer ended")
        site.wait(lambda: (site.desktop(desktop["name"])["session"], bob.poll()) == ("none", None), 10, "alice out, bob in")
        self.assertEqual(site.desktop_of("bob")["session"], "connected")
        self.assertEqual(site.serial(desktop).count("pane.ready"), 1)
        self.assertEqual(site.desktop(desktop["name"])["state"], "ready")


if __name__ == "__main__":
    unittest.main()
