# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a desktop after the logoff: kept, switched off, made new."""
import unittest

import panesite


class Power(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.h = self.site.host()

    def begin(self, **pool):
        """Alice has used office-1, a dedicated desktop."""
        self.site.pool(**{"assignment": "dedicated", "spare": 0, **pool})
        self.pw = self.site.user("alice", "office")
        self.alice = self.b.login("alice", self.pw)
        self.enter()
        self.before = self.site.desktop("office-1")

    def enter(self):
        self.b.wait(lambda: self.b.connect(user="alice", password=self.pw).status == 200, "let in")

    def logoff(self):
        for s in self.b.get("/sessions").json["items"]:
            self.assertEqual(self.b.call("DELETE", f"/sessions/{s['id']}").status, 204)

    def wants(self):
        return [o[2] for o in self.h.orders if o[0] == self.before["id"]]

    def message(self):
        return self.b.get("/me/desktops", token=self.alice).json["items"][0]["message"]

    def test_off_until_its_user_comes(self):
        """off: the machine is stopped and stays so; its user's connection starts it, with the same disk"""
        self.begin(after_logoff="off")
        self.logoff()
        self.site.wait_state("office-1", "suspended")
        self.b.wait(lambda: self.wants() == ["running", "stopped"], "stopped")
        self.assertEqual(self.message(), "Off. It starts when you connect.")
        self.assertEqual(self.site.desktop("office-1")["reason"], "switched off: logged off by an administrator")
        self.h.boot_s = 0.5
        r = self.b.post("/tickets", {"pool": "office"}, token=self.alice)
        self.assertEqual((r.status, r.json["state"]), (202, "booting"))
        self.enter()
        self.assertEqual(self.wants()[-1], "running")
        self.assertNotIn("absent", self.wants())
        row = self.site.desktop("office-1")
        self.assertEqual((row["id"], row["user"], row["session"]), (self.before["id"], "alice", "connecting"))

    def test_off_is_kept_up(self):
        """what somebody else started and nobody entered is switched off again; one whose guest powers off stays off"""
        self.begin(after_logoff="off")
        self.h.set("office-1", state="stopped", reason="guest powered off")
        self.site.wait_state("office-1", "suspended")
        self.assertEqual(self.b.get("/sessions").json["items"], [])
        self.b.post("/desktops/office-1/restart")
        self.site.wait_state("office-1", "ready")
        later = ("UPDATE pane.desktop SET since = now() - interval '4 minutes' WHERE id IN "
                 "(SELECT id FROM pane.desktop FOR UPDATE)")
        self.site.cluster.sql(later)
        self.b.wait(lambda: self.site.desktop("office-1")["reason"] == "switched off: nobody is logged in", "off again")
        self.enter()
        self.site.cluster.sql(later)
        self.assertEqual(self.site.cluster.value("SELECT pane.rec_power()"), "0")
        self.assertEqual(self.site.desktop("office-1")["state"], "ready")

    def test_start_counts_against_a_quota(self):
        """a desktop that is off does not count as running; starting it is refused when that is too much"""
        self.begin(after_logoff="off")
        self.logoff()
        self.site.wait_state("office-1", "suspended")
        self.b.post("/quotas", {"who": "user:alice", "running": 0, "desktops": 1})
        r = self.b.post("/tickets", {"pool": "office"}, token=self.alice)
        self.assertEqual((r.status, r.reasons), (409, ["the quota of user:alice allows 0 running desktops: 0 in use, 1 more needed"]))
        self.assertEqual(self.site.desktop("office-1")["state"], "suspended")
        self.b.post("/quotas", {"who": "user:alice", "running": 1, "desktops": 1})
        self.enter()

    def test_recycle(self):
        """recycle: made new for the same user, under the same name and id; nobody else gets it"""
        self.begin(after_logoff="recycle", size_max=1)
        self.logoff()
        self.b.wait(lambda: self.wants() == ["running", "absent", "running"], "made new")
        self.site.wait_state("office-1", "ready")
        row = self.site.desktop("office-1")
        self.assertEqual((row["id"], row["user"], row["dirty"]), (self.before["id"], "alice", False))
        self.enter()

    def test_keep(self):
        """keep, which dedicated pools do without a word, starts it again; a floating pool can only recycle"""
        self.begin()
        self.assertEqual(self.b.get("/pools/office").json["after_logoff"], "keep")
        self.logoff()
        self.b.wait(lambda: self.wants() == ["running", "stopped", "running"], "started again")
        r = self.b.post("/pools", {"name": "lab", "image": "office", "cpus": 1, "memory_mib": 256, "size_max": 1, "spare": 0,
                                   "assignment": "floating", "after_logoff": "off"})
        self.assertEqual((r.status, "always recycled" in r.json["error"]["message"]), (400, True))
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"after_logoff": "suspend"}).status, 400)
        self.b.call("PATCH", "/pools/office", {"after_logoff": "off"})
        item = self.b.get("/export").json["items"][0]
        self.assertEqual(item["after_logoff"], "off")
        self.assertEqual(self.b.post("/apply", {"items": [item]}).json["items"][0]["action"], "unchanged")


if __name__ == "__main__":
    unittest.main()
