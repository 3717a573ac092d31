# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas: who may have how much, and which rule said no."""
import threading
import unittest

import panesite


class Quotas(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def quota(self, who, status=200, **limits):
        r = self.b.post("/quotas", {"who": who, **limits})
        self.assertEqual(r.status, status, r)
        return r

    def ready(self, people, **pool):
        """A pool, its people in group sales, and a desktop for each."""
        self.site.host(memory_mib=64000)
        self.site.pool(size_max=20, spare=len(people), cpus=2, memory_mib=1024, disk_mib=5000, **pool)
        self.b.post("/groups", {"name": "sales"})
        self.tokens = {}
        for name in people:
            pw = self.site.user(name, "office")
            self.b.post("/groups/sales/members", {"user": name})
            self.tokens[name] = self.b.login(name, pw)
        self.b.wait(lambda: self.b.get("/pools/office").json["ready"] == len(people), "warm")

    def ask(self, name, pool="office"):
        return self.b.post("/tickets", {"pool": pool}, token=self.tokens[name])

    def gets(self, name):
        self.b.wait(lambda: self.ask(name).status == 200, f"{name} has a desktop") # 202 when the warm ones were looked at just then

    def refused(self, name, reason, pool="office"):
        r = self.ask(name, pool)
        self.assertEqual((r.status, r.code, r.reasons), (409, "desktop.unavailable", [reason]))

    def test_group_together(self):
        """the members of a group have no more than its quota together; the refusal names rule and numbers, and who has one keeps it"""
        self.ready(["alice", "bob", "carol"])
        self.quota("group:sales", desktops=2)
        self.gets("alice"), self.gets("bob")
        self.refused("carol", "the quota of group:sales allows 2 desktops together: 2 in use, 1 more needed")
        self.quota("group:sales", desktops=0)
        self.gets("alice")
        self.quota("group:sales", desktops=2, cpus=5, memory_mib=2500)
        self.b.post("/desktops/office-1/release")
        self.b.wait(lambda: sum(self.ask(n).status == 200 for n in self.tokens) == 2, "one took the place")
        says = self.b.get("/quotas").json["items"][0]
        self.assertEqual(says["says"], "2 of 2 desktops, 4 of 5 processors, 2048 of 2500 MiB of memory")

    def test_nearest_rule_of_a_user(self):
        """a user's own rule comes before those of each member of a group, of which the most generous holds, and before everyone's"""
        self.ready(["alice", "bob"])
        self.quota("everyone", running=0)
        self.refused("alice", "the quota of everyone allows 0 running desktops each: 0 in use, 1 more needed")
        self.quota("member:sales", cpus=1, memory_mib=100)
        r = self.ask("alice")
        self.assertEqual(r.reasons, ["the quota of member:sales allows 1 processors each: 0 in use, 2 more needed",
                                     "the quota of member:sales allows 100 MiB of memory each: 0 in use, 1024 more needed"])
        self.b.post("/groups", {"name": "lab"})
        self.b.post("/groups/lab/members", {"user": "alice"})
        self.quota("member:lab", cpus=2, memory_mib=1024)
        self.gets("alice")
        self.assertEqual(self.ask("bob").status, 409)
        self.quota("user:bob", desktops=1, disk_mib=4000)
        self.refused("bob", "the quota of user:bob allows 4000 MiB of disk: 0 in use, 5000 more needed")
        self.quota("user:bob", desktops=1)
        self.gets("bob")
        self.assertEqual([q["who"] for q in self.b.get("/quotas?user=bob").json["items"]], ["user:bob"])
        got = self.b.get("/quotas?user=alice").json["items"]
        self.assertEqual([(q["who"], q["used"]["desktops"]) for q in got], [("member:sales", 1), ("member:lab", 1)])

    def test_pool(self):
        """a pool makes no desktop beyond its quota, spare ones counted, and the list of pools says why"""
        self.site.host(memory_mib=64000)
        self.site.pool(size_max=20, spare=0)
        self.quota("pool:office", memory_mib=3 * 1024 + 100, desktops=9)
        self.b.call("PATCH", "/pools/office", {"spare": 5})
        why = "the quota of pool:office allows 3172 MiB of memory: 3072 in use, 1024 more needed"
        self.b.wait(lambda: self.b.get("/pools/office").json["blocked"] == [why], "the reason")
        self.assertEqual(self.b.get("/pools/office").json["desktops"], 3)
        self.b.call("DELETE", "/quotas/pool:office")
        self.b.wait(lambda: self.b.get("/pools/office").json["desktops"] == 5, "as many as asked for")

    def test_at_once(self):
        """of ten members who ask at the same time, as many get a desktop as the group's quota allows"""
        names = [f"u{i}" for i in range(10)]
        self.ready(names)
        self.quota("group:sales", desktops=4)
        got = []
        threads = [threading.Thread(target=lambda n=n: got.append(self.ask(n).status // 100)) for n in names]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(got), [2] * 4 + [4] * 6)

    def test_as_a_file(self):
        """quotas are in the exported file behind what they name; applied again they change nothing; nonsense is refused"""
        self.ready([])
        self.quota("group:sales", desktops=2)
        self.quota("pool:office", disk_mib=50000)
        items = self.b.get("/export").json["items"]
        self.assertEqual([i for i in items if i["kind"] == "quota"], [
            {"kind": "quota", "name": "group:sales", "desktops": 2}, {"kind": "quota", "name": "pool:office", "disk_mib": 50000}])
        self.assertEqual({i["action"] for i in self.b.post("/apply", {"items": items}).json["items"]}, {"unchanged"})
        new = [{"kind": "quota", "name": "member:new", "running": 1}, {"kind": "group", "name": "new"},
               {"kind": "quota", "name": "group:sales", "desktops": 3, "cpus": 4}]
        got = self.b.post("/apply", {"items": new}).json["items"]
        self.assertEqual([(i["name"], i["action"], i["changes"]) for i in got], [("new", "create", []),
            ("member:new", "create", []), ("group:sales", "update", ["cpus any -> 4", "desktops 2 -> 3"])])
        for who, limits in (("group:", {"cpus": 1}), ("each:sales", {"cpus": 1}), ("everyone", {}), ("everyone", {"cpus": -1})):
            self.quota(who, 400, **limits)
        self.b.call("DELETE", "/groups/new")
        self.assertNotIn("member:new", str(self.b.get("/quotas").json))


if __name__ == "__main__":
    unittest.main()
