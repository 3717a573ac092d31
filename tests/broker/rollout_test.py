# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions under live pools: publishing, rolling back, rollouts with canary, pause, failure and force, homes."""
import time
import unittest

import panesite


class Rollouts(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.one = self.site.image(b"one")
        self.h = self.site.host(images=())

    def two(self, publish=True):
        v = self.site.image(b"two %f" % time.time())
        if publish:
            self.assertEqual(self.b.post(f"/images/office/{v}/publish", {}).status, 200)
        return v

    def ready(self, n, pool="office"):
        self.b.wait(lambda: self.b.get(f"/pools/{pool}").json["ready"] == n, f"{n} ready")

    def versions(self, pool="office"):
        return self.b.get(f"/pools/{pool}").json["versions"]

    def rollout(self, pool="office"):
        return self.b.get(f"/pools/{pool}/rollout").json

    def wait_rollout(self, state, pool="office"):
        return self.b.wait(lambda: self.rollout(pool)["state"] == state and self.rollout(pool), f"rollout {state}")

    def use(self, user, pool="office"):
        """The user is connected to a desktop of the pool; its name."""
        pw = self.site.user(user, pool)
        r = self.b.connect(user=user, password=pw, desktop=pool)
        self.assertEqual(r.status, 200, r)
        self.h.set(r.json["name"], viewers=[{"conn": "c1", "user": user, "protocol": "rdp", "client": "192.0.2.1:1"}])
        self.assertEqual(self.site.desktop(r.json["name"])["session"], "connected")
        return r.json["name"]

    def leave(self, name):
        session = [s for s in self.b.get("/sessions").json["items"] if s["desktop"] == name][0]["id"]
        self.assertEqual(self.b.call("DELETE", f"/sessions/{session}").status, 204)

    def test_publish_and_rollback(self):
        """new desktops use a published version at once, a live session keeps its own, and back"""
        self.site.pool(size_max=1, spare=1)
        self.ready(1)
        name = self.use("alice")
        two = self.two()
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"size_max": 3}).status, 200)
        self.b.wait(lambda: self.versions().get(two), "a new desktop of the new version")
        self.assertEqual(self.site.desktop(name)["image_version"], self.one)
        self.assertEqual(self.site.desktop(name)["state"], "ready")
        self.b.wait(lambda: {("office", two), ("office", self.one)} <= set(self.h.wanted),
                    "both are told to the host, the old one as long as a desktop is made from it")
        self.assertEqual(self.b.post("/images/office/rollback").status, 200)
        self.assertEqual(self.use("bob"), "office-2", "what is warm is used up first")
        self.b.wait(lambda: self.versions().get(self.one, 0) >= 2, "new desktops of the old version")
        self.assertEqual(self.site.desktop(name)["epoch"], 1, "the live one was not touched")

    def test_rollout_waits_for_users(self):
        """unassigned desktops are updated at once, a used one when its user has gone"""
        self.site.pool(size_max=4, spare=3)
        self.ready(3)
        name = self.use("alice")
        two = self.two()
        r = self.b.post("/pools/office/rollout", {})
        self.assertEqual(r.status, 201, r)
        self.assertEqual(self.b.post("/pools/office/rollout", {}).code, "rollout.running")
        self.b.wait(lambda: self.rollout()["done"] == self.rollout()["total"] - 1, "all but one")
        self.assertEqual([d["state"] for d in self.rollout()["desktops"] if d["desktop"] == name], ["waiting"])
        self.assertEqual(self.site.desktop(name)["state"], "ready")
        self.leave(name)
        done = self.wait_rollout("done")
        self.assertEqual((done["percent"], done["failed"]), (100, 0))
        self.b.wait(lambda: set(self.versions()) == {two}, "one version")

    def test_force_at(self):
        """at the time given sessions end"""
        self.site.pool(size_max=2, spare=1)
        self.ready(1)
        name = self.use("alice")
        two = self.two()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        self.assertEqual(self.b.post("/pools/office/rollout", {"force_at": at}).status, 201)
        self.assertEqual(self.site.desktop(name)["session"], "connected")
        self.wait_rollout("done")
        self.assertEqual(set(self.versions()), {two})
        for bad in ("tomorrow", "2026-01-31", "2026-01-31T22:00:00", "2026-01-31T22:00:00+1"):
            self.assertEqual(self.b.post("/pools/office/rollout", {"force_at": bad}).status, 400, bad)

    def test_stops_on_first_error(self):
        """the first desktop that fails stops the update with its reason; resumed, it goes on"""
        self.site.pool(size_max=4, spare=4)
        self.ready(4)
        two = self.two()
        self.h.fail_version = two
        self.assertEqual(self.b.post("/pools/office/rollout", {"parallel": 1}).status, 201)
        failed = self.wait_rollout("failed")
        self.assertIn("it broke", failed["reason"])
        self.assertEqual((failed["failed"], failed["done"]), (1, 0))
        self.assertEqual(self.versions().get(self.one), 3, "the others are as they were")
        self.h.fail_version = None
        self.assertEqual(self.b.call("PATCH", "/pools/office/rollout", {"state": "running"}).status, 200)
        self.wait_rollout("done")
        self.b.wait(lambda: self.versions() == {two: 4}, "all")

    def test_pause_and_stop(self):
        """paused nothing further begins; stopped it is over, and another may begin"""
        self.site.pool(size_max=4, spare=4)
        self.ready(4)
        self.h.boot_s = 0.6
        self.two()
        self.assertEqual(self.b.post("/pools/office/rollout", {"parallel": 1}).status, 201)
        self.assertEqual(self.b.call("PATCH", "/pools/office/rollout", {"state": "paused"}).json["state"], "paused")
        time.sleep(1.5)
        waiting = [d for d in self.rollout()["desktops"] if d["state"] == "waiting"]
        self.assertGreaterEqual(len(waiting), 3)
        self.assertEqual(self.b.call("PATCH", "/pools/office/rollout", {"state": "paused"}).code, "rollout.state")
        self.assertEqual(self.b.call("PATCH", "/pools/office/rollout", {"state": "stopped"}).status, 200)
        self.assertEqual(self.b.call("PATCH", "/pools/office/rollout", {"state": "running"}).code, "rollout.state")
        self.assertEqual(self.b.call("PATCH", "/pools/office/rollout", {"state": "done"}).status, 400)
        self.h.boot_s = 0
        self.assertEqual(self.b.post("/pools/office/rollout", {}).status, 201)
        self.wait_rollout("done")

    def test_canary(self):
        """a canary of a version that is not published stays on it; the rest follows when it is"""
        self.site.pool(size_max=4, spare=4)
        self.ready(4)
        two = self.two(publish=False)
        self.assertEqual(self.b.post("/pools/office/rollout", {"version": "99"}).code, "rollout.version")
        self.assertEqual(self.b.post("/pools/office/rollout", {"version": two, "canary": 1}).status, 201)
        self.wait_rollout("done")
        self.ready(4)
        self.assertEqual(self.versions(), {self.one: 3, two: 1})
        name = self.rollout()["desktops"][0]["desktop"]
        self.assertEqual(self.b.post(f"/desktops/{name}/recycle").status, 202)
        self.b.wait(lambda: self.site.desktop(name).get("state") == "ready", "recycled")
        self.assertEqual(self.site.desktop(name)["image_version"], two, "a canary stays one")
        self.assertEqual(self.b.call("DELETE", f"/images/office/{two}").code, "version.used")
        self.assertEqual(self.b.post(f"/images/office/{two}/publish", {}).status, 200)
        self.assertEqual(self.b.post("/pools/office/rollout", {}).json["total"], 3)
        self.wait_rollout("done")
        self.assertEqual(self.versions(), {two: 4})

    def test_dedicated(self):
        """desktops that are all their users have are not updated without force"""
        self.site.pool(assignment="dedicated", size_max=2, spare=1)
        self.ready(1)
        name = self.use("alice")
        two = self.two()
        self.assertEqual(self.b.post("/pools/office/rollout", {}).code, "rollout.disks")
        self.assertEqual(self.b.post("/pools/office/rollout?force=true", {}).status, 201)
        self.leave(name)
        self.site.cluster.sql("UPDATE pane.assignment SET created_at = now() - interval '1 hour'")
        self.wait_rollout("done")
        self.assertEqual(self.site.desktop(name)["user"], "alice", "the user keeps the desktop")
        self.assertEqual(self.site.desktop(name)["image_version"], two)

    def test_waits_for_the_image(self):
        """a host that lacks a version is told to fetch it, and a failed fetch is a reason"""
        self.h.fetches = False
        self.site.pool(size_max=1, spare=1)
        self.b.wait(lambda: ("office", self.one) in self.h.wanted, "the wish")
        d = self.b.get("/desktops").json["items"][0]
        self.assertEqual((d["image_version"], d["host"]), (self.one, "h1"))
        h = self.h
        h.stop()
        report = h.report()
        report["images"] = [{"name": "office", "version": self.one, "state": "failed", "reason": "no space"}]
        self.assertEqual(h.sync({**report, "wait_s": 0}).status, 200)
        hosts = self.site.version(self.one)["hosts"]
        self.assertEqual((hosts[0]["state"], hosts[0]["reason"]), ("failed", "no space"))

    def test_home(self):
        """a pool with home disks starts a spare again for its user, always with the same disk, on the same host"""
        self.assertEqual(self.site.pool(size_max=3, spare=1, home_mib=64)["home_mib"], 64)
        self.ready(1)
        pw = self.site.user("alice", "office")
        keys = set()
        for _ in range(2):
            r = self.b.wait(lambda: (x := self.b.connect(user="alice", password=pw, desktop="office")).status == 200
                            and x, "alice is in")
            row = self.site.desktop(r.json["name"])
            home = self.h.desktops[row["id"]]["home"]
            self.assertEqual(home["mib"], 64)
            keys.add(home["key"])
            self.assertEqual(self.b.post(f"/desktops/{row['name']}/recycle").status, 202)
            self.b.wait(lambda: not self.site.desktop(row["name"]).get("user"), "released")
        self.assertEqual(len(keys), 1)


if __name__ == "__main__":
    unittest.main()
