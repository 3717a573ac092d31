# SPDX-License-Identifier: GPL-3.0-or-later
"""Live viewers of people who may no longer be there are ended at once, and again for as long as they are seen."""
import time
import unittest

import panesite


class Drop(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.h = self.site.host(wait_s=20) # a drop that came with the next report only would be late
        self.site.pool("own", assignment="dedicated", spare=1)
        self.pw = self.site.user("alice", "own")
        self.site.wait_state("own-1", "ready")
        self.assertEqual(self.b.connect(user="alice", password=self.pw).status, 200)
        self.viewer = {"conn": "c1", "user": "alice", "protocol": "rdp", "client": "192.0.2.1:1"}
        self.h.set("own-1", viewers=[self.viewer])
        self.id = self.site.desktop("own-1")["id"]
        self.assertEqual(self.session(), "connected")

    def session(self):
        return self.site.desktop("own-1").get("session")

    def seen(self):
        return self.h.desktops[self.id]["viewers"]

    def gone(self, begin):
        self.b.wait(lambda: not self.seen(), "the viewer ended", 5)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn((self.id, "c1"), self.h.drops)

    def test_disabled_user(self):
        """disabling a user ends their viewer at once and their session, and keeps the dedicated desktop"""
        epoch, begin = self.site.desktop("own-1")["epoch"], time.monotonic()
        self.assertEqual(self.b.call("PATCH", "/users/alice", {"disabled": True}).status, 200)
        self.gone(begin)
        row = self.site.desktop("own-1")
        self.assertEqual((row["session"], row["user"], row["epoch"], row["state"]), ("none", "alice", epoch, "ready"))
        self.assertEqual(self.b.connect(user="alice", password=self.pw).status, 403)

    def test_late_viewer(self):
        """a viewer let in by a grant from before is dropped when it is reported, and again while the host keeps it"""
        self.assertEqual(self.b.call("PATCH", "/users/alice", {"disabled": True}).status, 200)
        self.gone(time.monotonic())
        self.h.obeys_drops = False
        self.h.wait_s = 1
        self.h.set("own-1", viewers=[{**self.viewer, "conn": "late"}])
        self.b.wait(lambda: self.h.drops.count((self.id, "late")) >= 3, "dropped again and again", 15)
        self.h.obeys_drops = True
        self.b.wait(lambda: not self.seen(), "gone at last", 5)

    def test_ended_session(self):
        """ending a session ends its viewers"""
        sid = self.b.get("/sessions").json["items"][0]["id"]
        self.assertEqual(self.b.call("DELETE", f"/sessions/{sid}").status, 204)
        self.b.wait(lambda: not self.seen(), "the viewer ended", 5)

    def test_withdrawn_entitlement(self):
        """withdrawing the entitlement ends the viewer"""
        self.assertEqual(self.b.call("DELETE", "/pools/own/entitlements/alice").status, 204)
        self.b.wait(lambda: self.id not in self.h.desktops or not self.seen(), "the viewer ended", 5)

    def test_welcome_viewer(self):
        """a viewer who may be there is left alone, and somebody else's on the same desktop is not"""
        self.h.set("own-1", viewers=[self.viewer, {**self.viewer, "conn": "c2", "user": "bob"}])
        self.b.wait(lambda: self.seen() == [self.viewer], "only bob dropped", 5)
        self.assertNotIn((self.id, "c1"), self.h.drops)


if __name__ == "__main__":
    unittest.main()
