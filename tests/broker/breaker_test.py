# SPDX-License-Identifier: GPL-3.0-or-later
"""The circuit breaker of a pool: it opens, says why, tries one, and closes."""
import unittest

import panesite


class Breaker(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def pool(self, name="office"):
        return next(p for p in self.b.get("/pools").json["items"] if p["name"] == name)

    def hurry(self):
        """Failed desktops' next try is due."""
        self.site.cluster.sql("UPDATE pane.desktop SET retry_at = now() WHERE id IN (SELECT id FROM pane.desktop "
                              "WHERE state = 'failed' ORDER BY id FOR UPDATE)")

    def stopped(self, **pool):
        self.h = self.site.host()
        self.h.fail = "no space left on its disk"
        self.site.pool(**{"breaker_failures": 3, "spare": 1, **pool})

        def fails():
            self.hurry()
            return self.pool()["state"] == "stopped"
        self.b.wait(fails, "stopped")

    def starts(self):
        return sum(o[2] == "running" for o in self.h.orders)

    def test_opens_and_says_why(self):
        """after three failures in a row no desktop is made or tried again; list, refusal, event and metric say why"""
        self.stopped()
        self.assertRegex(self.pool()["stopped_reason"], "^3 desktops in a row could not be started, the last, office-1, "
                                                        "with: no space left on its disk$")
        n = self.starts()
        self.assertEqual(n, 3)
        self.b.call("PATCH", "/pools/office", {"spare": 3})
        self.hurry()
        self.b.wait(lambda: "makes no desktops since" in str(self.pool()["blocked"]), "said in the list")
        pw = self.site.user("alice", "office")
        self.site.cluster.sql("UPDATE pane.desktop SET retry_at = NULL") # nobody's turn: out of the way of the next line
        r = self.b.post("/tickets", {"pool": "office"}, token=self.b.login("alice", pw))
        self.assertEqual((r.status, len(r.reasons)), (409, 1))
        self.assertIn("3 desktops in a row could not be started", r.reasons[0])
        self.assertIn("pane pools retry office goes on now", r.reasons[0])
        self.assertEqual(self.starts(), n)
        self.assertIn('pane_pool_stopped{pool="office"} 1', self.b.call("GET", "/metrics", prefix="", sock=self.b.internal).text)
        events = self.site.cluster.sql("SELECT to_state FROM pane.event WHERE kind = 'pool' AND to_state IN ('stopped', 'going on')")
        self.assertEqual(events, [["stopped"]])

    def test_retry_now(self):
        """pools retry closes it at once: the failed desktops are tried again and the pool is filled"""
        self.stopped()
        self.h.fail = None
        self.b.call("PATCH", "/pools/office", {"spare": 2})
        self.assertEqual(self.pool()["state"], "stopped")
        r = self.b.post("/pools/office/retry")
        self.assertEqual((r.status, r.json["state"], r.json["failures"], r.json["blocked"]), (200, "active", 0, []))
        self.b.wait(lambda: self.pool()["ready"] == 2, "filled")
        self.assertEqual([a["object"] for a in self.site.audit() if a["action"] == "pool.retry"], ["office"])

    def test_trial_of_one(self):
        """when its time has come one desktop is tried, not all; its failure waits again, its success closes the breaker"""
        self.stopped(size_max=9)
        self.h.boot_s = 0.5
        self.b.call("PATCH", "/pools/office", {"spare": 4})
        n = self.starts()
        self.site.cluster.sql("UPDATE pane.pool SET try_at = now()")
        self.b.wait(lambda: self.starts() == n + 1 and self.b.get("/pools/office").json["failures"] == 4, "one more failed")
        self.assertEqual(self.starts(), n + 1)
        self.assertEqual(self.pool()["state"], "stopped")
        self.h.fail = None
        self.site.cluster.sql("UPDATE pane.pool SET try_at = now()")
        self.b.wait(lambda: self.pool()["state"] == "active", "closed")
        self.assertEqual(self.starts(), n + 2)
        self.b.wait(lambda: self.pool()["ready"] == 4, "filled")

    def test_what_works_goes_on(self):
        """ready desktops are given, a used dedicated one is restarted; a success between failures begins the count anew"""
        self.h = self.site.host()
        self.site.pool(assignment="dedicated", breaker_failures=2, spare=1)
        pw = self.site.user("alice", "office")
        self.site.wait_state("office-1", "ready")
        self.b.connect(user="alice", password=pw)
        self.b.wait(lambda: self.pool()["ready"] == 1, "the next one")
        self.site.cluster.sql("UPDATE pane.pool SET failures = 1")
        self.b.call("PATCH", "/pools/office", {"spare": 2})
        self.b.wait(lambda: self.pool()["ready"] == 2, "one more")
        self.assertEqual(self.b.get("/pools/office").json["failures"], 0)
        self.site.cluster.sql("UPDATE pane.pool SET failures = 2, stopped_at = now(), stopped_reason = 'x', try_at = now() + interval '1 h'")
        self.b.post("/desktops/office-1/restart")
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.pool()["state"], "stopped") # it was no new desktop
        pw = self.site.user("bob", "office")
        self.b.wait(lambda: self.b.connect(user="bob", password=pw).status == 200, "the ready one")
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"breaker_failures": 101}).status, 400)


if __name__ == "__main__":
    unittest.main()
