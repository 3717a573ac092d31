# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools: names, floors, hosts, packing, overcommit, the display's policy, timers, apply and export."""
import unittest

import panesite

FIELDS = {"image": "office", "cpus": 2, "memory_mib": 1024, "size_max": 4, "spare": 1, "assignment": "floating"}


class Pools(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def names(self):
        return sorted(d["name"] for d in self.b.get("/desktops").json["items"])

    def on(self, host):
        return [d for d in self.b.get("/desktops").json["items"] if d["host"] == host]

    def apply(self, *items, dry=False, status=200):
        r = self.b.post("/apply" + ("?dry_run=1" if dry else ""), {"items": list(items)})
        self.assertEqual(r.status, status, r)
        return r.json

    def test_names_and_floor(self):
        """desktops are named by the pool's pattern, and size_min keeps a floor that shrinks as people come"""
        self.site.host()
        self.site.pool(name_pattern="pc-{nnn}", size_min=3, spare=1)
        self.b.wait(lambda: self.names() == ["pc-001", "pc-002", "pc-003"], "three, named")
        self.assertEqual(self.b.get("/pools/office").json["spare"], 1)
        pw = self.site.user("alice", "office")
        self.site.wait_state("pc-001", "ready")
        self.assertEqual(self.b.connect(user="alice", password=pw).status, 200)
        self.b.wait(lambda: self.site.cluster.value("SELECT spare FROM pane.pool") == "2", "two spare will do")
        self.assertIn(len(self.names()), (3, 4)) # four when the pools' step came between
        for bad in ("pc", "PC-{n}", "{n}{n} x"):
            self.assertEqual(self.b.call("PATCH", "/pools/office", {"name_pattern": bad}).status, 400, bad)
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"size_min": 5}).status, 400)

    def test_busy(self):
        """a host whose processors were busy at its last look gets a desktop only where no other takes it; what it said long ago does not count"""
        h1, h2 = self.site.host("h1", memory_mib=9000), self.site.host("h2", memory_mib=5000)
        look = {"ago_s": 0, "host": [3900, 100], "desktops": []}
        self.assertEqual(h1.sync({**h1.report(), "wait_s": 0, "usage": look}).status, 200)
        self.site.pool("calm", memory_mib=1024, spare=2, size_max=5)
        hosts = lambda: sorted(d["host"] or "" for d in self.b.get("/desktops?pool=calm").json["items"])
        self.b.wait(lambda: hosts() == ["h2", "h2"], "both on the calm one")
        self.b.wait(lambda: self.b.get("/pools/calm").json["ready"] == 2, "both ready: what starts counts twice until then")
        h2.sync({**h2.report(), "wait_s": 0})
        self.b.call("PATCH", "/pools/calm", {"spare": 5})
        self.b.wait(lambda: hosts() == ["h1"] + ["h2"] * 4, f"the last one on h1, as h2 is full: {hosts()}")
        self.site.cluster.sql("UPDATE pane.usage SET at = at - interval '10 minutes'")
        self.site.pool("later", memory_mib=512, spare=1)
        self.b.wait(lambda: [d["host"] for d in self.b.get("/desktops?pool=later").json["items"]] == ["h1"], "the emptiest again")

    def test_hosts_and_packing(self):
        """a pool stays on its hosts and says so; packed desktops fill one host before the next"""
        self.site.host("h1"), self.site.host("h2"), self.site.host("h3", memory_mib=4000)
        self.site.pool(hosts=["h2"], size_max=20, spare=8)
        self.b.wait(lambda: len(self.on("h2")) == 7, "a full host")
        self.b.wait(lambda: {"host h1: pool office is kept to h2", "host h3: pool office is kept to h2"} <=
                    set(self.b.get("/pools/office").json["blocked"]), "the reason")
        self.site.pool("packed", hosts=["h1", "h3"], placement="pack", memory_mib=512, spare=5, size_max=5)
        self.b.wait(lambda: len(self.on("h3")) == 5, "all on the smaller one")
        self.assertEqual(self.on("h1"), [])

    def test_overcommit(self):
        """150 % of a host's memory is promised and no more, while there is memory left in fact"""
        h = self.site.host(start=False)
        report = h.report
        h.report = lambda: {**report(), "capacity": {**report()["capacity"], "memory_free_mib": 6000}}
        h.start()
        self.site.pool(size_max=20, spare=20, overcommit=150)
        self.b.wait(lambda: "of 150 % of its memory" in str(self.b.get("/pools/office").json["blocked"]), "full")
        self.assertEqual(len(self.names()), 11) # 8000 * 1.5 / 1024

    def test_policy(self):
        """hosts are told the display's policy with every order, at once when it changes; bad ones are refused"""
        h = self.site.host(wait_s=20)
        self.site.pool(policy={"clipboard": "in", "protocols": ["rdp"]}, idle_s=600)
        self.site.wait_state("office-1", "ready")
        order = h.sync({**h.report(), "wait_s": 0}).json["desktops"][0]
        self.assertEqual(order["policy"], {"clipboard": "in", "protocols": ["rdp"], "idle_s": 540})
        self.b.call("PATCH", "/pools/office", {"policy": {"recording": True, "monitors": 2}})
        self.b.wait(lambda: h.policies.get(order["id"]) == {"recording": True, "monitors": 2, "idle_s": 540}, "the new policy", 5)
        for bad in ({"clipboard": "maybe"}, {"protocols": []}, {"protocols": ["spice"]}, {"color": 1}, {"recording": 1},
                    {"monitors": 0}, {"monitors": 17}, {"monitors": "all"}):
            self.assertEqual(self.b.call("PATCH", "/pools/office", {"policy": bad}).status, 400, bad)

    def test_economy(self):
        """hosts are told how a pool's memory is made and what its desktops get in a second, at once when it changes; what cannot be is refused"""
        h = self.site.host(wait_s=20)
        self.site.pool(memory={"merge": True}, limits={"disk": {"bytes_per_s": 20000000}}, overcommit=150)
        self.site.wait_state("office-1", "ready")
        order = h.sync({**h.report(), "wait_s": 0}).json["desktops"][0]
        self.assertEqual(order["policy"], {"memory": {"merge": True}, "limits": {"disk": {"bytes_per_s": 20000000}}, "overcommit": 150})
        limits = {"net": {"bytes_per_s": 1000000, "ops_per_s": 500}}
        self.b.call("PATCH", "/pools/office", {"limits": limits, "memory": {}, "overcommit": 100})
        self.b.wait(lambda: h.policies.get(order["id"]) == {"limits": limits}, "the new limits", 30)
        exported = [i for i in self.b.get("/export").json["items"] if i["kind"] == "pool"][0]
        self.assertEqual((exported["limits"], exported["memory"]), (limits, {}))
        for bad in ({"limits": {"cpu": {}}}, {"limits": {"disk": {"bytes_per_s": -1}}}, {"limits": {"net": {"ops": 1}}}, {"limits": []},
                    {"memory": {"merge": 1}}, {"memory": {"balloon": True}}):
            self.assertEqual(self.b.call("PATCH", "/pools/office", bad).status, 400, bad)
        self.site.pool("cells", isolation="container")
        for bad, why in (({"memory": {"huge": True}}, "virtual machines"), ({"limits": {"net": {}}}, "network of containers")):
            r = self.b.call("PATCH", "/pools/cells", bad)
            self.assertEqual(r.status, 400, r)
            self.assertIn(why, str(r.json))
        self.assertEqual(self.b.call("PATCH", "/pools/cells", {"limits": {"disk": {"ops_per_s": 9}}}).status, 200)

    def test_left(self):
        """beyond what a host has it is asked for what it measured: clones that share their memory leave room, one without any gets no more"""
        h = self.site.host(start=False)
        report = h.report
        left = {"memory_free_mib": 0, "memory_available_mib": 3000}
        h.report = lambda: {**report(), "capacity": {**report()["capacity"], **left}}
        h.start()
        self.site.pool(size_max=4, spare=2, overcommit=150)
        self.b.wait(lambda: len(self.names()) == 2, "room for two")
        for name in self.names():
            self.site.wait_state(name, "ready")
        left["memory_available_mib"] = 600
        self.b.wait(lambda: self.b.get("/hosts/h1").json.get("memory_available_mib") == 600, "less is there", 30)
        self.b.call("PATCH", "/pools/office", {"spare": 4})
        self.b.wait(lambda: "is out of memory: 600 MiB are left" in str(self.b.get("/pools/office").json["blocked"]), "why not", 30)

    def test_timers(self):
        """an idle viewer is dropped and the session kept; a session past the pool's limit is ended"""
        h = self.site.host()
        self.site.pool(idle_s=600, session_max_s=3600)
        pw = self.site.user("alice", "office")
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.b.connect(user="alice", password=pw).status, 200)
        viewer = {"conn": "c1", "user": "alice", "protocol": "rdp", "client": "192.0.2.1:1"}
        h.set("office-1", viewers=[{**viewer, "idle_s": 599}])
        self.assertEqual(self.site.desktop("office-1")["session"], "connected")
        h.set("office-1", viewers=[{**viewer, "idle_s": 600}])
        self.b.wait(lambda: self.site.desktop("office-1")["session"] == "disconnected", "dropped")
        self.assertEqual(self.b.connect(user="alice", password=pw).status, 200)
        h.set("office-1", viewers=[viewer])
        self.site.cluster.sql("UPDATE pane.session SET created_at = now() - interval '61 minutes'")
        self.b.wait(lambda: not self.b.get("/sessions").json["items"], "ended")
        self.b.wait(lambda: self.site.desktop("office-1")["user"] is None, "released")

    def test_apply(self):
        """apply creates and changes what the file says and nothing else, again changes nothing; a preview shows it"""
        self.site.host(memory_mib=5000)
        pool, group = {"kind": "pool", "name": "office", **FIELDS}, {"kind": "group", "name": "sales", "pools": ["office"]}
        want = [("office", "create"), ("sales", "create")]
        got = self.apply(group, pool, dry=True)
        self.assertEqual([(i["name"], i["action"]) for i in got["items"]], want)
        self.assertEqual(self.b.get("/pools/office").status, 404)
        self.assertEqual([(i["name"], i["action"]) for i in self.apply(group, pool)["items"]], want)
        self.assertEqual([i["action"] for i in self.apply(group, pool)["items"]], ["unchanged", "unchanged"])
        got = self.apply({**pool, "size_max": 20, "policy": {"audio": "none"}}, {**group, "pools": []})
        self.assertEqual([i["changes"] for i in got["items"]], [['policy {} -> {"audio": "none"}', "size_max 4 -> 20"],
                                                                ["pool office withdrawn"]])
        self.assertEqual(self.b.get("/pools/office").json["size_max"], 20)
        again = self.b.get("/export").json
        self.assertEqual({i["action"] for i in self.apply(*again["items"])["items"]}, {"unchanged"})
        self.assertEqual(self.b.post("/apply", {"items": [{**pool, "assignment": "dedicated"}]}).code, "pool.kind")
        self.assertEqual(self.b.post("/apply", {"items": [{"kind": "pool", "name": "x", "cpus": 1}]}).status, 400)
        self.assertEqual(self.b.post("/apply", {"items": [{**pool, "color": 1}]}).status, 400)

    def test_capacity(self):
        """a preview says how many desktops fit and what is missing on which host"""
        self.site.host("h1", memory_mib=3000)
        self.site.host("h2", images=())
        self.b.wait(lambda: {h["state"] for h in self.b.get("/hosts").json["items"]} == {"online"}, "both hosts")
        got = self.apply({"kind": "pool", "name": "office", **FIELDS, "size_max": 10},
                         {"kind": "pool", "name": "more", **FIELDS, "memory_mib": 512, "size_max": 1}, dry=True)
        first, second = got["capacity"]
        self.assertEqual((first["pool"], first["wants"], first["fits"]), ("office", 10, 2))
        self.assertEqual(first["missing"], ["host h1: room for 2, 72 MiB are missing for one more",
                                            "host h2: no image office"])
        self.assertEqual((second["wants"], second["fits"], second["missing"]), (1, 1, []))


if __name__ == "__main__":
    unittest.main()
