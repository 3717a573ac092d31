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
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"after_logoff": "sleep"}).status, 400)
        self.b.call("PATCH", "/pools/office", {"after_logoff": "off"})
        item = self.b.get("/export").json["items"][0]
        self.assertEqual(item["after_logoff"], "off")
        self.assertEqual(self.b.post("/apply", {"items": [item]}).json["items"][0]["action"], "unchanged")

    def test_suspend_by_policy(self):
        """suspend: after a logoff its memory is kept, and its user's connection goes on with it; what its guest switched off is off"""
        self.begin(after_logoff="suspend")
        self.logoff()
        self.b.wait(lambda: self.wants() == ["running", "suspended"], "suspended")
        self.site.wait_state("office-1", "suspended")
        self.assertEqual(self.site.desktop("office-1")["reason"], "suspended: logged off by an administrator")
        self.assertEqual(self.message(), "Suspended. It goes on where it was when you connect.")
        self.h.boot_s = 0.5
        r = self.b.post("/tickets", {"pool": "office"}, token=self.alice)
        self.assertEqual((r.status, r.json["state"]), (202, "booting"))
        self.enter()
        self.assertEqual(self.wants(), ["running", "suspended", "running"])
        self.h.set("office-1", state="stopped", reason="guest powered off")
        self.b.wait(lambda: self.wants()[-1] == "stopped", "off, as nothing of it is left")
        self.assertEqual(self.site.desktop("office-1")["reason"], "switched off: guest powered off")

    def test_suspended_by_an_administrator(self):
        """an administrator suspends a desktop in use: its viewers go, its session waits, and its user or the administrator resumes it"""
        self.begin()
        r = self.b.post("/desktops/office-1/suspend")
        self.assertEqual((r.status, r.json["state"], r.json["reason"]), (202, "suspended", "suspended by an administrator"))
        self.b.wait(lambda: self.wants()[-1] == "suspended", "suspended")
        self.assertEqual(self.b.post("/desktops/office-1/suspend").status, 202)
        self.assertEqual(len(self.wants()), 2)
        self.assertNotEqual(self.site.desktop("office-1")["session"], "ended")
        self.assertEqual(self.b.post("/desktops/office-1/resume").status, 202)
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.wants(), ["running", "suspended", "running"])
        self.assertEqual(self.b.post("/desktops/office-1/resume").status, 202)
        self.b.post("/desktops/office-1/suspend")
        self.enter()
        self.assertNotIn("stopped", self.wants())

    def test_off_by_an_administrator(self):
        """an administrator switches a desktop in use off: its session waits, and its user starts it; off takes what was suspended along"""
        self.begin()
        r = self.b.post("/desktops/office-1/off")
        self.assertEqual((r.status, r.json["state"], r.json["reason"]), (202, "suspended", "switched off by an administrator"))
        self.assertEqual(self.b.post("/desktops/office-1/off").status, 202)
        self.b.wait(lambda: self.wants() == ["running", "stopped"], "stopped once")
        self.assertNotEqual(self.site.desktop("office-1")["session"], "ended")
        self.enter()
        self.b.post("/desktops/office-1/suspend")
        self.b.wait(lambda: self.h.state("office-1") == "suspended", "suspended")
        r = self.b.post("/desktops/office-1/off")
        self.assertEqual((r.status, r.json["reason"]), (202, "switched off: by an administrator"))
        self.b.wait(lambda: self.wants()[-1] == "stopped", "its memory is given up")
        self.b.post("/desktops/office-1/resume")
        self.site.wait_state("office-1", "ready")
        self.b.post("/desktops/office-1/release")
        self.b.wait(lambda: self.site.desktop("office-1")["user"] is None, "nobody's")
        self.assertEqual(self.b.post("/desktops/office-1/off").status, 409)

    def test_not_suspended(self):
        """what cannot be saved runs on under the reason; what did not run is off; a restart or a logoff forgets what was saved"""
        self.begin()
        self.h.no_suspend = "No space left on device"
        self.b.post("/desktops/office-1/suspend")
        self.b.wait(lambda: self.site.desktop("office-1")["reason"] == "cannot be suspended: No space left on device", "runs on")
        self.assertEqual(self.site.desktop("office-1")["state"], "ready")
        self.h.no_suspend = ""
        self.b.post("/desktops/office-1/suspend")
        self.b.wait(lambda: self.h.state("office-1") == "suspended", "suspended")
        self.h.set("office-1", state="stopped", reason="its memory could not be saved: No space left on device")
        self.b.wait(lambda: self.site.desktop("office-1")["reason"] == "switched off, not suspended: its memory could not be saved: "
                    "No space left on device", "off")
        self.assertEqual(self.site.desktop("office-1")["state"], "suspended")
        self.enter()
        self.b.post("/desktops/office-1/suspend")
        self.b.wait(lambda: self.h.state("office-1") == "suspended", "suspended")
        self.logoff()  # the pool keeps its desktops on; nobody is there, so it starts when its user comes
        self.b.wait(lambda: self.wants()[-1] == "stopped", "forgotten")
        self.assertEqual(self.site.desktop("office-1")["reason"], "switched off: logged off by an administrator")
        self.enter()
        self.b.post("/desktops/office-1/suspend")
        self.b.wait(lambda: self.h.state("office-1") == "suspended", "suspended")
        self.b.post("/desktops/office-1/restart")
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.wants()[-2:], ["stopped", "running"])

    def test_suspend_refused(self):
        """containers, desktops of nobody, and hosts whose agent cannot are told apart in the refusal"""
        self.begin()
        self.h.more["suspend"] = False
        self.h.sync({**self.h.report(), "wait_s": 0})
        r = self.b.post("/desktops/office-1/suspend")
        self.assertEqual((r.status, r.json["error"]["code"]), (409, "host.suspend"))
        self.site.cluster.sql("UPDATE pane.desktop SET isolation = 'container'")
        r = self.b.post("/desktops/office-1/suspend")
        self.assertEqual((r.status, r.json["error"]["code"]), (409, "desktop.container"))
        self.assertIn("only virtual machines", r.json["error"]["message"])
        r = self.b.post("/pools", {"name": "cells", "image": "office", "cpus": 1, "memory_mib": 256, "size_max": 1, "spare": 0,
                                   "assignment": "dedicated", "isolation": "container", "after_logoff": "suspend"})
        self.assertEqual((r.status, "only virtual machines" in r.json["error"]["message"]), (400, True))
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"after_logoff": "suspend"}).status, 200)


if __name__ == "__main__":
    unittest.main()
