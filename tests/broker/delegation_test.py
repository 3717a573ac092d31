# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles in one pool: enough there, nothing elsewhere, lists that show no other pool, and gone when taken back."""
import unittest

import panesite
from eventstream import Stream


class Delegation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site(workers=2).__enter__() # few connections to the database: what one request sets, the next would see
        cls.addClassCleanup(cls.site.close)
        cls.b = cls.site.broker
        cls.h = cls.site.host()
        for name in ("office", "lab"):
            cls.site.pool(name, spare=1, size_max=3)
        cls.site.wait_state("office-1", "ready")
        cls.site.wait_state("lab-1", "ready")
        cls.word = cls.site.user("hana")
        cls.hana = cls.b.login("hana", cls.word)

    def setUp(self):
        for pool in ("office", "lab"):
            for x in self.b.get(f"/pools/{pool}/roles").json["items"]:
                self.assertEqual(self.b.call("DELETE", f"/pools/{pool}/roles/{x['who']}").status, 204)

    def give(self, role, pool="lab", who="hana"):
        r = self.b.post(f"/pools/{pool}/roles", {"who": who, "role": role})
        self.assertEqual(r.status, 201, r)

    def call(self, method, path, body=None, token=None):
        return self.b.call(method, path, body, token=token or self.hana)

    def test_nothing(self):
        """who has no role is refused everywhere, and is told so"""
        for method, path in (("GET", "/pools"), ("GET", "/pools/lab"), ("GET", "/desktops"), ("POST", "/desktops/lab-1/restart"), ("GET", "/sessions")):
            r = self.call(method, path)
            self.assertEqual((r.status, r.code), (403, "role.missing"), path)
        self.assertEqual(self.call("GET", "/me").json["pools"], [])

    def test_lists(self):
        """lists show the person's pools only, and the next request on the same connection shows an administrator all"""
        self.give("readonly")
        self.assertEqual([p["name"] for p in self.call("GET", "/pools").json["items"]], ["lab"])
        self.assertEqual({d["pool"] for d in self.call("GET", "/desktops").json["items"]}, {"lab"})
        paged = self.call("GET", "/desktops?offset=0&sort=name").json
        self.assertEqual(({d["pool"] for d in paged["items"]}, list(paged["counts"]["pool"])), ({"lab"}, ["lab"]))
        self.assertEqual({d["pool"] for d in self.b.get("/desktops").json["items"]}, {"lab", "office"})
        self.call("GET", "/desktops")
        self.assertEqual([p["name"] for p in self.b.get("/pools").json["items"]], ["lab", "office"])
        self.assertEqual(self.call("GET", "/me").json["pools"], [{"pool": "lab", "role": "readonly"}])

    def test_sessions(self):
        """a session of the pool is seen, and by its help desk messaged and ended; one of another pool is not there for them"""
        ids = {}
        for user, pool in (("vera", "lab"), ("olaf", "office")):
            pw = self.site.user(user, pool)
            r = self.b.wait(lambda pw=pw, user=user: (lambda x: x.status == 200 and x)(self.b.connect(conn=f"c-{user}", user=user, password=pw)), user)
            self.h.set(r.json["name"], viewers=[{"conn": f"c-{user}", "user": user, "protocol": "rdp", "client": "192.0.2.1:5000"}])
            ids[user] = self.b.wait(lambda user=user: next((s["id"] for s in self.b.get("/sessions").json["items"] if s["user"] == user), None), user)
        self.give("helpdesk")
        self.assertEqual([s["user"] for s in self.call("GET", "/sessions").json["items"]], ["vera"])
        self.assertEqual(self.call("POST", f"/sessions/{ids['vera']}/message", {"text": "hello"}).status // 100, 2)
        self.assertEqual(self.call("POST", f"/sessions/{ids['olaf']}/message", {"text": "hello"}).code, "role.missing")
        self.assertEqual(self.call("DELETE", f"/sessions/{ids['olaf']}").code, "role.missing")
        self.assertEqual(self.call("DELETE", f"/sessions/{ids['vera']}").status // 100, 2)

    def stream(self, token=None, last=None):
        s = Stream(self.b, token or self.hana, last)
        self.addCleanup(s.close)
        return s

    def test_events(self):
        """live events are those of the person's pools, their desktops and what is changed there, and of no other; a role given or taken back counts for what happens next; a narrow token hears nothing of them"""
        everything = self.stream(self.b.token)
        narrow = self.stream(self.call("POST", "/tokens", {"name": "narrow", "scope": "user"}).json["token"])
        s = self.stream()

        def change(pool, seconds):
            """In one pool, and then something that an administrator hears of last."""
            self.assertEqual(self.b.call("PATCH", f"/pools/{pool}", {"idle_s": seconds}).status, 200)
            self.b.post("/groups", {"name": f"g{seconds}"})
            self.b.wait(lambda: everything.seen(name=f"g{seconds}"), f"g{seconds}", 10)

        def of_pools(stream):
            """Without what is told to who it is about: that their role is another one."""
            self.assertEqual({e[2]["user"] for e in stream.events if e[1] == "role"} - {"hana"}, set())
            return [e for e in stream.events if e[1] != "role"]

        change("lab", 61)
        self.assertEqual(of_pools(s), [])
        self.give("readonly")
        change("office", 62)
        change("lab", 63)
        self.b.wait(lambda: s.seen(name="lab", to="pool.update"), "the pool's change", 10)
        name = self.b.get("/desktops?pool=lab").json["items"][0]["name"]
        other = self.b.get("/desktops?pool=office").json["items"][0]["name"]
        for each in (other, name):
            self.assertEqual(self.b.call("POST", f"/desktops/{each}/restart").status // 100, 2)
            self.site.wait_state(each, "ready")
        self.b.wait(lambda: everything.seen(kind="machine", desktop=other, to="ready"), "the other desktop", 10)
        self.b.wait(lambda: s.seen(kind="machine", desktop=name, to="ready"), "the desktop", 10)
        self.assertTrue(s.seen(kind="change", name=name, to="desktop.restart"))
        heard = {(e[2].get("desktop") or e[2].get("name")) for e in of_pools(s)}
        self.assertEqual(heard, {"lab", name})
        at = of_pools(s)[0][0]
        again = self.stream(last=at)
        self.b.wait(lambda: again.seen(kind="machine", desktop=name, to="ready"), "what was missed", 10)
        self.assertEqual([e[0] for e in of_pools(again)], [e[0] for e in of_pools(s)[1:]])
        self.assertEqual(self.b.call("DELETE", "/pools/lab/roles/hana").status, 204)
        n = len(of_pools(s))
        change("lab", 64)
        self.assertEqual(len(of_pools(s)), n)
        self.assertEqual([of_pools(x) for x in (narrow, self.stream(last=at))], [[], []])

    def test_each(self):
        """help desk restarts desktops there, and neither changes the pool nor restarts desktops of another one; an operator changes it, entitles, and deletes nothing but desktops"""
        self.give("helpdesk")
        self.assertEqual(self.call("PATCH", "/pools/lab", {"idle_s": 60}).code, "role.missing")
        self.assertEqual(self.call("POST", "/desktops/office-1/restart").code, "role.missing")
        name = self.b.get("/desktops?pool=lab").json["items"][0]["name"]
        self.site.wait_state(name, "ready")
        self.assertEqual(self.call("POST", f"/desktops/{name}/restart").status // 100, 2)
        self.give("operator")
        self.assertEqual(self.call("PATCH", "/pools/lab", {"idle_s": 60}).json["idle_s"], 60)
        self.assertEqual(self.call("PATCH", "/pools/office", {"idle_s": 60}).code, "role.missing")
        self.assertEqual(self.call("POST", "/pools/lab/entitlements", {"user": "hana"}).status, 201)
        self.assertEqual(self.call("DELETE", "/pools/lab/entitlements/hana").status, 204)
        for method, path, body in (("DELETE", "/pools/lab", None), ("POST", "/pools", {"name": "x"}), ("GET", "/users", None), ("GET", "/audit", None),
                                   ("POST", "/pools/lab/roles", {"who": "hana", "role": "operator"}), ("GET", "/hosts", None), ("GET", "/export", None)):
            self.assertEqual(self.call(method, path, body).code, "role.missing", path)
        self.assertIn(("hana", "pool.update", "ok"), [(a["actor"], a["action"], a["outcome"]) for a in self.site.audit()])

    def test_group(self):
        """a group's role is its members', as long as they are in it; of two roles the higher one counts"""
        self.assertEqual(self.b.post("/groups", {"name": "crew"}).status, 201)
        self.assertEqual(self.b.post("/groups/crew/members", {"user": "hana"}).status // 100, 2)
        self.give("operator", who="group:crew")
        self.give("readonly")
        self.assertEqual(self.call("GET", "/me").json["pools"], [{"pool": "lab", "role": "operator"}])
        self.assertEqual(self.b.call("DELETE", "/groups/crew/members/hana").status, 204)
        self.assertEqual(self.call("GET", "/me").json["pools"], [{"pool": "lab", "role": "readonly"}])

    def test_token(self):
        """a token is never more than its scope, whatever its owner is in the pool"""
        self.give("operator")
        r = self.call("POST", "/tokens", {"name": "look", "scope": "user"})
        self.assertEqual(r.status, 201, r)
        self.assertEqual(self.call("GET", "/pools/lab", token=r.json["token"]).code, "role.missing")
        self.assertEqual(self.call("GET", "/pools/lab").status, 200)

    def test_refused(self):
        """only roles that make sense in one pool are given, and only to who there is"""
        self.assertEqual(self.b.post("/pools/lab/roles", {"who": "hana", "role": "admin"}).status, 400)
        self.assertEqual(self.b.post("/pools/lab/roles", {"who": "nobody", "role": "readonly"}).status, 404)
        self.assertEqual(self.b.post("/pools/nope/roles", {"who": "hana", "role": "readonly"}).status, 404)
        self.assertEqual(self.b.call("DELETE", "/pools/lab/roles/hana").code, "delegation.unknown")


if __name__ == "__main__":
    unittest.main()
