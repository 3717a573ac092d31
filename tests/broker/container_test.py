# SPDX-License-Identifier: GPL-3.0-or-later
"""Container pools: which hosts take them and why not, what their orders say, whose home they get."""
import unittest

import panesite

CELLS = {"container": True, "limits": "cgroup2"}


class Containers(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site(host_lost_s=1, host_gone_s=1).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def host(self, name="h1", **more):
        h = self.site.host(name, start=False)
        h.more = {**CELLS, **more}
        return h.start()

    def orders(self, host):
        """The host's newest orders by desktop name."""
        r = host.sync({**host.report(), "wait_s": 0})
        return {o["name"]: o for o in r.json["desktops"]}

    def blocked(self, part, pool="office"):
        return self.b.wait(lambda: any(part in why for why in self.b.get(f"/pools/{pool}").json["blocked"]),
                           f"{part!r} among {self.b.get(f'/pools/{pool}').json['blocked']}")

    def test_host_says_what_it_runs(self):
        """a host's ways to isolate are listed; a pool no host can run says why, for each"""
        self.host(vm=False, vm_why="has no hardware virtualization; its KVM is: interpreted (x)")
        self.host("h2", container=False, container_why="must be started by root")
        self.site.pool("cells", isolation="container", size_max=1)
        self.b.wait(lambda: self.b.get("/pools/cells").json["desktops"] == 1, "a desktop")
        self.assertEqual(self.b.get("/desktops/cells-1").json["host"], "h1")
        row = self.b.get("/hosts/h1").json
        self.assertEqual((row["runs"], row["limits"]), (["container"], "cgroup2"))
        self.assertEqual(self.b.get("/hosts/h2").json["runs"], ["vm"])
        self.site.cluster.sql("UPDATE pane.host SET maintenance = true WHERE name = 'h2'")
        self.site.pool("machines", isolation="vm")
        self.blocked("host h1 has no hardware virtualization; its KVM is: interpreted", "machines")
        self.site.cluster.sql("UPDATE pane.host SET maintenance = name = 'h1'")
        self.site.pool("more", isolation="container")
        self.blocked("host h2 cannot run container desktops: must be started by root", "more")

    def test_policy(self):
        """reset follows the assignment unless given; what cannot be is refused with the reason"""
        self.assertEqual(self.site.pool("a", isolation="container")["reset"], "on_logoff")
        self.assertEqual(self.site.pool("b", isolation="container", assignment="dedicated")["reset"], "never")
        self.assertEqual(self.site.pool("c", isolation="container", assignment="dedicated", reset="on_logoff")["reset"],
                         "on_logoff")
        body = {"name": "d", "image": "office", "cpus": 1, "memory_mib": 256, "size_max": 1, "spare": 0}
        for more, word in (({"assignment": "floating", "isolation": "container", "reset": "never"}, "floating"),
                           ({"assignment": "dedicated", "isolation": "vm", "reset": "on_logoff"}, "container"),
                           ({"assignment": "dedicated", "reset": "sometimes"}, "reset"),
                           ({"assignment": "dedicated", "isolation": "jail"}, "isolation")):
            r = self.b.post("/pools", {**body, **more})
            self.assertEqual(r.status, 400, r)
            self.assertIn(word, r.json["error"]["message"])
        self.assertEqual(self.b.call("PATCH", "/pools/a", {"reset": "never"}).status, 400)
        self.assertEqual(self.b.call("PATCH", "/pools/b", {"reset": "on_logoff"}).json["reset"], "on_logoff")

    def test_orders(self):
        """a warm container gets its user's home under a new epoch and is not ready until it says so again"""
        h = self.host()
        self.site.pool(isolation="container", size_max=1)
        self.site.wait_state("office-1", "ready")
        before = self.orders(h)["office-1"]
        self.assertEqual((before["isolation"], before["home"], before["reset"]), ("container", None, True))
        h.stop()
        token = self.b.login("alice", self.site.user("alice", "office"))
        r = self.b.post("/tickets", {"pool": "office"}, token=token)
        self.assertEqual((r.status, r.json["state"]), (202, "booting"))
        after = self.orders(h)["office-1"]
        self.assertEqual(after["epoch"], before["epoch"] + 1)
        self.assertRegex(after["home"]["key"], "^[0-9a-f-]{36}$")
        self.assertEqual(self.b.get("/desktops/office-1").json["state"], "booting")  # the old epoch's ready is stale
        h.start()
        self.site.wait_state("office-1", "ready")
        self.assertEqual(self.b.post("/tickets", {"pool": "office"}, token=token).status, 200)

    def test_home_is_found_again(self):
        """a floating user's next desktop is on the host that keeps their files, with the same home; not when it is lost"""
        h1 = self.host("h1")
        self.site.pool(isolation="container", size_max=4, spare=1)
        token = self.b.login("alice", self.site.user("alice", "office"))
        self.b.wait(lambda: self.b.post("/tickets", {"pool": "office"}, token=token).status == 200, "a ticket")
        name = self.b.post("/tickets", {"pool": "office"}, token=token).json["desktop"]
        key = self.orders(h1)[name]["home"]["key"]
        h2 = self.host("h2", )
        self.site.cluster.sql("UPDATE pane.host SET maintenance = name = 'h1'")
        self.b.post(f"/desktops/{name}/release", {})
        self.b.wait(lambda: any(d["host"] == "h2" and d["state"] == "ready" for d in self.b.get("/desktops").json["items"])
                    or self.b.call("PATCH", "/pools/office", {"spare": 3}) and False, "a warm desktop on h2")
        # Waiting longest, those on h2 would come first were it not for the files.
        self.site.cluster.sql("UPDATE pane.desktop SET since = since - interval '1 hour' WHERE host_id = '" + h2.id + "'")
        self.site.cluster.sql("UPDATE pane.host SET maintenance = false")
        self.b.wait(lambda: self.b.post("/tickets", {"pool": "office"}, token=token).status == 200, "a ticket")
        name = self.b.post("/tickets", {"pool": "office"}, token=token).json["desktop"]
        self.assertEqual(self.b.get(f"/desktops/{name}").json["host"], "h1")
        self.assertEqual(self.orders(h1)[name]["home"]["key"], key)
        h1.stop()
        self.b.wait(lambda: self.b.get("/hosts/h1").json["state"] == "lost", "h1 lost", 15)
        self.b.wait(lambda: self.b.post("/tickets", {"pool": "office"}, token=token).status == 200, "a ticket elsewhere")
        name = self.b.post("/tickets", {"pool": "office"}, token=token).json["desktop"]
        self.assertEqual(self.b.get(f"/desktops/{name}").json["host"], "h2")
        self.assertTrue(h2.orders)


if __name__ == "__main__":
    unittest.main()
