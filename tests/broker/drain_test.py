# SPDX-License-Identifier: GPL-3.0-or-later
"""Draining a host: no new desktops, spare ones move where others take them, people stay."""
import unittest

import panesite


class Drain(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.site.host("h1")

    def desktops(self, **only):
        return [d for d in self.b.get("/desktops").json["items"] if all(d[k] == v for k, v in only.items())]

    def host(self, name="h1"):
        return self.b.get(f"/hosts/{name}").json

    def drain(self, name="h1", **body):
        r = self.b.post(f"/hosts/{name}/drain", body)
        self.assertEqual(r.status, 200, r)
        return r.json

    def test_spares_move_and_people_stay(self):
        """spare desktops of a drained host move to another, one of a pool at a time; whose it is keeps it until the session ends"""
        self.site.pool(size_max=6, spare=3, placement="pack")
        password = self.site.user("alice", "office")
        self.b.wait(lambda: len(self.desktops(state="ready", host="h1")) == 3, "three spares")
        alice = self.b.login("alice", password)
        self.b.wait(lambda: self.b.post("/tickets", {"pool": "office"}, token=alice).status == 200, "alice's desktop")
        mine = self.b.get("/me/desktops", token=alice).json["items"][0]["desktop"]
        self.site.host("h2")
        least = []
        h = self.drain(reason="new memory")
        self.assertEqual((h["state"], h["drain_reason"], h["drained_by"], h["assigned"]), ("draining", "new memory", "root", 1))

        def moved():
            least.append(len(self.desktops(state="ready", user=None)))
            return len(self.desktops(state="ready", host="h2")) >= 3 and [d["name"] for d in self.desktops(host="h1")] == [mine]
        self.b.wait(moved, "the spares on h2")
        self.assertGreaterEqual(min(least), 1, "there was a warm desktop all the time")
        self.assertEqual(self.site.desktop(mine)["user"], "alice")
        self.assertEqual(self.b.post(f"/desktops/{mine}/release").status, 202)
        self.b.wait(lambda: self.host()["state"] == "drained", "the host to be empty")
        self.assertEqual(self.desktops(host="h1"), [])

    def test_nothing_new(self):
        """a drained host gets no new desktop, the refusal says why in the words of who drained it, and undrain ends that"""
        self.drain(reason="new memory")
        self.site.pool(spare=1)
        why = self.b.wait(lambda: self.b.get("/pools/office").json["blocked"], "a refusal")
        self.assertIn("host h1: in maintenance: new memory", why)
        self.assertEqual(self.desktops(), [])
        self.assertEqual(self.b.post("/hosts/h1/undrain").json["state"], "online")
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.host()["drain_reason"], "")

    def test_nowhere_to_go(self):
        """a spare that no other host takes stays where it is and is used again after undrain"""
        self.site.pool(spare=1)
        self.site.wait_state("office-1", "ready")
        before = self.site.desktop("office-1")["epoch"]
        self.drain()
        self.site.host("h2", images=("other",))
        self.b.wait(lambda: self.host("h2")["state"] == "online", "h2")
        self.site.pool("other", image="other", spare=1)
        self.b.wait(lambda: self.desktops(pool="other", state="ready"), "another pass of the reconciler")
        d = self.site.desktop("office-1")
        self.assertEqual((d["host"], d["state"], d["epoch"]), ("h1", "ready", before))
        self.assertEqual(self.host()["state"], "draining")

    def test_audited(self):
        """draining is in the audit with what changed, and needs the role of an operator"""
        self.drain(reason="x" * 200)
        entry = next(a for a in self.site.audit() if a["action"] == "host.drain")
        self.assertEqual((entry["object"], entry["before"]["maintenance"], entry["after"]["maintenance"]), ("h1", False, True))
        self.assertEqual(self.b.post("/hosts/h1/drain", {"reason": "x" * 201}).status, 400)
        self.assertEqual(self.b.post("/hosts/nope/drain").status, 404)


if __name__ == "__main__":
    unittest.main()
