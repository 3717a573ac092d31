# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes: kept by one host, where their user's desktops are placed; listed, deleted by an administrator or when nobody
may use them any more, and never under somebody's desktop."""
import time
import unittest

import panesite


class Homes(unittest.TestCase):
    POLICY = {}

    def setUp(self):
        self.site = panesite.Site(**self.POLICY).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def host(self, name, homes=None, storage="", **more):
        h = self.site.host(name, start=False, **more)
        h.homes = set() if homes is None else homes
        h.storage = storage
        return h.start()

    def pool(self, **more):
        return self.site.pool(home_mib=64, **{"size_max": 2, "spare": 1, **more})

    def enter(self, user, pool="office"):
        """The user has a desktop; its row."""
        r = self.b.wait(lambda: (x := self.b.connect(user=user, password="correct horse battery", desktop=pool)).status == 200
                        and x, f"{user} is in", 20)
        return self.site.desktop(r.json["name"])

    def leave(self, name):
        self.assertEqual(self.b.post(f"/desktops/{name}/release").status, 202)
        self.b.wait(lambda: not self.site.desktop(name).get("user"), "the release")

    def home(self, user):
        return next((h for h in self.b.get("/homes").json["items"] if h["user"] == user), None)

    def delete(self, home):
        return self.b.call("DELETE", f"/homes/{home['key']}")

    def clean(self, name):
        """Waits until a released desktop has been recycled."""
        self.b.wait(lambda: self.site.desktop(name).get("state") in ("ready", None), f"{name} recycled")

    def test_listed(self):
        """a home is listed with its user, pool, host, sizes and the desktop that has it"""
        h = self.host("h1")
        self.pool()
        self.site.user("alice", "office")
        self.assertEqual(self.b.get("/homes").json["items"], [])
        desktop = self.enter("alice")
        home = self.b.wait(lambda: (x := self.home("alice")) and x["mib"] and x, "the host's word of it")
        self.assertEqual((home["pool"], home["host"], home["state"], home["mib"], home["used_mib"], home["on_hosts"],
                          home["desktop"]), ("office", "h1", "kept", 64, 2, ["h1"], desktop["name"]))
        self.assertEqual(h.homes, {home["key"]})

    def test_deleted(self):
        """a home in use is not deleted; a free one is by its host, then gone, in the audit; the next is another"""
        h = self.host("h1")
        self.pool()
        self.site.user("alice", "office")
        name = self.enter("alice")["name"]
        home = self.home("alice")
        r = self.delete(home)
        self.assertEqual((r.status, r.code), (409, "home.used"))
        self.assertIn(f"desktop {name} of alice has it", r.reasons)
        self.leave(name)
        self.clean(name)
        h.keeps = True
        self.b.wait(lambda: self.delete(home).status == 204, "the deletion")
        self.assertEqual(self.home("alice")["state"], "deleting")
        self.b.wait(lambda: h.reply.get("drop_homes") == [home["key"]], "the order")
        again = self.enter("alice")
        rows = [x for x in self.b.get("/homes").json["items"] if x["user"] == "alice"]
        self.assertEqual(sorted(x["state"] for x in rows), ["deleting", "kept"])
        self.assertEqual(len({x["key"] for x in rows}), 2)
        self.assertNotEqual(h.desktops[again["id"]]["home"]["key"], home["key"])
        h.keeps = False
        self.b.wait(lambda: home["key"] not in h.homes and self.home("alice")["state"] == "kept", "the end of the old one")
        self.assertEqual(len(h.homes), 1)
        said = [a for a in self.site.audit() if a["action"] == "home.delete"]
        self.assertEqual([a["outcome"] for a in said if a["object"] == f"office/alice {home['key']}"].count("ok"), 1)
        self.assertEqual(self.b.call("DELETE", "/homes/00000000-0000-0000-0000-000000000000").code, "home.unknown")
        self.assertEqual(self.b.call("DELETE", "/homes/x").code, "home.unknown")

    def test_left(self):
        """files a host has of nobody are listed with the reason and kept; an administrator's order deletes them"""
        h = self.host("h1")
        self.pool()
        self.site.user("alice", "office")
        self.leave(self.enter("alice")["name"])
        key = self.home("alice")["key"]
        h.keeps = True
        self.site.cluster.sql(f"DELETE FROM pane.home WHERE key = '{key}'") # a database from before alice came
        left = self.home("")
        self.assertEqual((left["key"], left["state"], left["host"], left["on_hosts"], left["mib"]), (key, "left", "h1", ["h1"], 64))
        self.assertIn("of nobody this site knows", left["reason"])
        self.site.cluster.sql("SELECT pane.rec_homes(1)")
        self.assertEqual((self.home("")["state"], h.homes, h.reply.get("drop_homes")), ("left", {key}, []))
        self.assertNotEqual(self.enter("alice")["name"], "")
        self.assertNotEqual(self.home("alice")["key"], key, "the next one is another")
        self.assertEqual(self.delete(left).status, 204)
        self.assertEqual(self.home("")["state"], "deleting")
        self.b.wait(lambda: h.reply.get("drop_homes") == [key], "the order")
        h.keeps = False
        self.b.wait(lambda: self.home("") is None and key not in h.homes, "the end of it")
        self.assertEqual([a["outcome"] for a in self.site.audit() if a["object"] == f"left behind {key}"], ["ok"])

    def test_affinity(self):
        """a user is given a desktop where the files are, though the spare ones are elsewhere and the pool is full"""
        self.host("h1", memory_mib=4000)
        self.pool(size_max=1, spare=0)
        self.site.user("alice", "office")
        name = self.enter("alice")["name"]
        self.leave(name)
        self.b.wait(lambda: not self.b.get("/desktops").json["items"] or self.site.desktop(name).get("state") == "ready", "it is back")
        self.site.cluster.sql("UPDATE pane.host SET maintenance = true WHERE name = 'h1'")
        self.host("h2", memory_mib=8000)
        for d in self.b.get("/desktops").json["items"]:
            self.b.call("DELETE", f"/desktops/{d['name']}")
        self.b.wait(lambda: not self.b.get("/desktops").json["items"], "an empty pool")
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"spare": 1}).status, 200)
        self.b.wait(lambda: [d["host"] for d in self.b.get("/desktops").json["items"] if d["state"] == "ready"] == ["h2"],
                    "a spare on the other host")
        token = self.b.login("alice", "correct horse battery")
        r = self.b.post("/tickets", {"pool": "office"}, token=token)
        self.assertEqual(r.status, 409, r)
        self.assertIn("host h1: in maintenance", r.reasons)
        self.assertIn("your files are on host h1", r.reasons)
        self.site.cluster.sql("UPDATE pane.host SET maintenance = false WHERE name = 'h1'")
        self.assertEqual(self.enter("alice")["host"], "h1")
        states = {d["host"]: d["state"] for d in self.b.get("/desktops").json["items"]}
        self.assertNotEqual(states.get("h2"), "ready", "its place was needed")

    def test_shared(self):
        """hosts that share storage: who loses theirs has their files on another of them, and on no other; a host that is deleted leaves
        them to the others"""
        homes = set()
        first = self.host("h1", homes, "rack-a")
        self.pool(size_max=6, spare=0)
        self.site.user("alice", "office")
        old = self.enter("alice")
        key = self.home("alice")["key"]
        second = self.host("h2", homes, "rack-a", memory_mib=4000)
        self.host("h3", memory_mib=16000)
        self.host("h4", storage="rack-b", memory_mib=16000)
        first.stop()
        self.b.wait(lambda: self.site.desktop(old["name"])["state"] == "lost", "the loss")
        new = self.enter("alice")
        self.assertEqual((new["host"], second.desktops[new["id"]]["home"]["key"]), ("h2", key))
        self.assertEqual((self.home("alice")["host"], self.home("alice")["on_hosts"]), ("h2", ["h1", "h2"]))
        self.leave(new["name"])
        first.start()
        self.b.wait(lambda: self.b.get("/hosts/h1").json["state"] == "online" and not first.desktops, "h1 is back and done with the old one")
        self.site.cluster.sql("UPDATE pane.host SET maintenance = true WHERE name IN ('h1', 'h2')")
        r = self.b.post("/tickets", {"pool": "office"}, token=self.b.login("alice", "correct horse battery"))
        self.assertEqual(r.status, 409, r)
        self.assertIn("your files are on host h1 and h2", r.reasons)
        self.site.cluster.sql("UPDATE pane.host SET maintenance = false WHERE name = 'h1'")
        self.assertEqual(self.enter("alice")["host"], "h1")
        self.assertEqual(self.b.call("DELETE", "/hosts/h1?force=true").status, 204)
        self.assertEqual((self.home("alice")["host"], self.home("alice")["key"]), ("h2", key))

    def test_full(self):
        """a pool whose desktops are all taken says so, and where the user's files are"""
        self.host("h1")
        self.pool(size_max=1, spare=1)
        for user in ("alice", "bob"):
            self.site.user(user, "office")
        name = self.enter("alice")["name"]
        self.leave(name)
        self.clean(name)
        self.enter("bob")
        token = self.b.login("alice", "correct horse battery")
        r = self.b.post("/tickets", {"pool": "office"}, token=token)
        self.assertIn("pool office is full: 1 of 1 assigned", r.reasons)
        self.assertIn("your files are on host h1", r.reasons)

    def test_host_away(self):
        """a deletion waits for a host that is away; one whose host was deleted is gone with it"""
        h = self.host("h1")
        self.pool()
        self.site.user("alice", "office")
        name = self.enter("alice")["name"]
        self.leave(name)
        self.clean(name)
        home = self.home("alice")
        h.stop()
        self.assertEqual(self.delete(home).status, 204)
        self.assertEqual(self.home("alice")["state"], "deleting")
        self.assertEqual(self.b.call("DELETE", "/hosts/h1?force=true").status, 204)
        self.site.cluster.sql("SELECT pane.rec_homes(0)")
        self.assertIsNone(self.home("alice"))

    def test_hostile_report(self):
        """a report whose homes are no homes is refused whole"""
        h = self.site.host("h1", start=False)
        for homes in ([{"key": "../x"}], [{}], ["x"], {"key": "x"}, [{"key": "0" * 36, "mib": 1}]):
            self.assertEqual(h.sync({**h.report(), "homes": homes, "wait_s": 0}).status, 400, homes)


class Retention(Homes):
    POLICY = {"home_retention_s": 1, "retention_s": 0, "reconcile_ms": 50}

    def test_orphans(self):
        """withdrawn, a home is kept for its time and then deleted; entitled again in time, it stays"""
        self.host("h1")
        self.pool(size_max=4)
        for user in ("alice", "bob"):
            self.site.user(user, "office")
            name = self.enter(user)["name"]
            self.leave(name)
            self.clean(name)
        bob = self.home("bob")
        for user in ("alice", "bob"):
            self.assertEqual(self.b.call("DELETE", f"/pools/office/entitlements/{user}").status, 204)
        self.assertEqual(self.b.post("/pools/office/entitlements", {"user": "bob"}).status, 201)
        self.b.wait(lambda: self.home("alice") is None, "the end of alice's files", 20)
        self.assertEqual(self.home("bob")["key"], bob["key"])
        self.assertIsNone(self.home("bob")["orphan_at"])
        said = [a for a in self.site.audit() if a["action"] == "home.delete"]
        self.assertEqual([(a["actor"], a["outcome"]) for a in said], [("broker", "ok")])
        self.assertEqual(self.b.call("DELETE", "/users/bob").status, 204)
        self.b.wait(lambda: self.home("bob") is None, "the end of bob's files", 20)


for case in [c for c in vars(Homes) if c.startswith("test_")]:
    setattr(Retention, case, None) # only its own


if __name__ == "__main__":
    unittest.main()
