# SPDX-License-Identifier: GPL-3.0-or-later
"""The second tier of a pool: spare desktops that wait suspended, beside those that run."""
import unittest

import panesite


class Tier(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.h = self.site.host()

    def states(self):
        return sorted(d["state"] for d in self.b.get("/desktops").json["items"])

    def wait(self, *states):
        self.b.wait(lambda: self.states() == sorted(states), f"{states}, not {self.states()}", 60)

    def ticket(self, name):
        token = self.b.login(name, self.site.user(name, "office"))
        return self.b.post("/tickets", {"pool": "office"}, token=token)

    def test_tier(self):
        """one runs, two wait suspended; who takes the running one is followed by a suspended one, and the tier fills again up to size_max"""
        self.site.pool(spare=1, spare_suspended=2, size_max=4)
        self.wait("ready", "suspended", "suspended")
        said = self.b.get("/pools/office").json
        self.assertEqual((said["spare"], said["spare_suspended"]), (1, 2))
        first = {d["id"] for d in self.b.get("/desktops?state=suspended").json["items"]}
        self.assertEqual(self.ticket("alice").status, 200)
        self.wait("ready", "ready", "suspended", "suspended")
        went_on = [i for i, epoch, want in self.h.orders if want == "running" and i in first
                   and any(o[0] == i and o[1] < epoch and o[2] == "suspended" for o in self.h.orders)]
        self.assertTrue(went_on, "one of those that waited goes on")
        self.assertEqual(len(self.b.get("/desktops").json["items"]), 4)

    def test_nobody_runs(self):
        """where none runs a suspended one goes on for who comes, and nothing is made for them"""
        self.site.pool(spare=0, spare_suspended=1, size_max=1)
        self.wait("suspended")
        name = self.b.get("/desktops").json["items"][0]["name"]
        answer = self.ticket("alice")
        self.assertEqual((answer.status, answer.json.get("state")), (202, "booting"))
        self.site.wait_state(name, "ready")
        self.assertEqual(self.site.desktop(name)["user"], "alice")

    def test_less(self):
        """a smaller tier gives its newest up, and none is left of a pool that wants none"""
        self.site.pool(spare=1, spare_suspended=2)
        self.wait("ready", "suspended", "suspended")
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"spare_suspended": 0}).status, 200)
        self.wait("ready")

    def test_cannot(self):
        """a host that cannot save a machine keeps it running: it is asked once for each, and not again and again"""
        self.h.no_suspend = "its display is in use"
        self.site.pool(spare=1, spare_suspended=1)
        self.b.wait(lambda: all(d["reason"].startswith("cannot be suspended") for d in self.b.get("/desktops").json["items"]) and len(self.states()) == 2, "each is told of")
        epochs = [d["epoch"] for d in self.b.get("/desktops").json["items"]]
        self.h.exchange({**self.h.report(), "wait_s": 0})
        self.site.cluster.sql("SELECT pane.rec_pools()")
        self.assertEqual([d["epoch"] for d in self.b.get("/desktops").json["items"]], epochs)

    def test_refused(self):
        """containers have no such tier, and the refusal says why"""
        r = self.b.post("/pools", {"name": "boxes", "image": "office", "cpus": 1, "memory_mib": 512, "size_max": 2, "spare": 0,
                                   "spare_suspended": 1, "assignment": "floating", "isolation": "container"})
        self.assertEqual(r.status, 400)
        self.assertIn("only virtual machines wait suspended", r.json["error"]["message"])


if __name__ == "__main__":
    unittest.main()
