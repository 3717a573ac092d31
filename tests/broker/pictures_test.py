# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of desktops: who may see them, when hosts are asked for them, and what is said of them."""
import base64
import json
import unittest

import panesite
from eventstream import Stream

JPEG = b"\xff\xd8\xff\xe0 the first picture"
OTHER = b"\xff\xd8\xff\xe0 another picture"


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker
        cls.h = cls.site.host()
        cls.site.pool(size_max=3, spare=1)
        for name in ("alice", "bob"):
            cls.site.user(name, "office")
        cls.tokens = {n: cls.b.login(n, "correct horse battery") for n in ("alice", "bob")}
        for role in ("readonly", "helpdesk"):
            cls.b.post("/users", {"name": role, "role": role, "password": "correct horse battery"})
            cls.tokens[role] = cls.b.login(role, "correct horse battery")
        cls.site.wait_state("office-1", "ready")
        cls.b.wait(lambda: cls.b.post("/tickets", {"pool": "office"}, token=cls.tokens["alice"]).status == 200, "alice's desktop")
        cls.mine = cls.b.get("/me/desktops", token=cls.tokens["alice"]).json["items"][0]["desktop"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def setUp(self):
        self.site.cluster.sql("DELETE FROM pane.picture; DELETE FROM pane.watch")

    def put(self, *pictures, host=None):
        rows = [{"id": d["id"], "epoch": d["epoch"], "jpeg": base64.b64encode(jpeg).decode()} for d, jpeg in pictures]
        host = host or self.h.id
        return self.b.call("PUT", f"/hosts/{host}/pictures", json.dumps(rows).encode(), token="", cert=f"host/{self.h.id}",
                           prefix="/internal/v1")

    def look(self, *names, token=None, **known):
        return self.b.post("/pictures", {"desktops": list(names), "known": known}, token=token or self.b.token)

    def picture(self, name, token=None, headers=None):
        return self.b.call("GET", f"/desktops/{name}/picture", token=token or self.b.token, more=headers)

    def watched(self):
        return self.h.sync({**self.h.report(), "wait_s": 0}).json["watch"]

    def test_watch_is_an_order_at_once(self):
        """a host is told at once whose pictures are wanted, and no longer when nobody has looked for a minute"""
        d = self.site.desktop(self.mine)
        self.assertEqual(self.watched(), [])
        before = self.b.get("/health").status and self.site.cluster.value("SELECT generation FROM pane.host_generation")
        self.assertEqual(self.look(self.mine).json, {"items": []})
        self.assertNotEqual(self.site.cluster.value("SELECT generation FROM pane.host_generation"), before)
        self.assertEqual(self.watched(), [d["id"]])
        again = self.site.cluster.value("SELECT generation FROM pane.host_generation")
        self.look(self.mine)
        self.look(self.mine, token=self.tokens["alice"])
        self.assertEqual(self.site.cluster.value("SELECT generation FROM pane.host_generation"), again, "it knew already")
        self.site.cluster.sql("UPDATE pane.watch SET until = now() - interval '1 s'")
        self.assertEqual(self.watched(), [])

    def test_shown_with_an_etag(self):
        """a picture comes as a JPEG with an ETag, and again only when it is another"""
        d = self.site.desktop(self.mine)
        self.assertEqual(self.picture(self.mine).code, "picture.none")
        self.assertEqual(self.put((d, JPEG)).status, 204)
        r = self.picture(self.mine)
        self.assertEqual((r.status, r.headers["Content-Type"], r.raw), (200, "image/jpeg", JPEG))
        same = self.picture(self.mine, headers={"If-None-Match": r.headers["ETag"]})
        self.assertEqual((same.status, same.raw), (304, b""))
        (one,) = self.look(self.mine).json["items"]
        self.assertEqual(base64.b64decode(one["jpeg"]), JPEG)
        (known,) = self.look(self.mine, **{self.mine: one["etag"]}).json["items"]
        self.assertNotIn("jpeg", known)
        self.put((d, OTHER))
        self.assertEqual(self.picture(self.mine, headers={"If-None-Match": r.headers["ETag"]}).raw, OTHER)

    def test_who_may_look(self):
        """one sees one's own desktop, help desk sees all, and nobody else learns that there is one"""
        self.put((self.site.desktop(self.mine), JPEG))
        for name, status in (("alice", 200), ("helpdesk", 200), ("bob", 404), ("readonly", 404)):
            token = self.tokens[name]
            r = self.picture(self.mine, token=token)
            self.assertEqual(r.status, status, (name, r))
            self.assertEqual(len(self.look(self.mine, token=token).json["items"]), status == 200, name)
        self.assertEqual(self.picture(self.mine, token=self.tokens["bob"]).code, "desktop.unknown")
        self.assertEqual(self.site.cluster.value("SELECT count(*) FROM pane.watch"), "2", "who may not look watches nothing")

    def test_looking_is_audited(self):
        """looking at somebody else's screen is in the audit once, at one's own it is not"""
        def looks():
            return [(a["actor"], a["object"]) for a in self.site.audit() if a["action"] == "picture.look"]
        before = looks()
        for _ in range(3):
            self.look(self.mine, token=self.tokens["helpdesk"])
            self.look(self.mine, token=self.tokens["alice"])
        self.assertEqual(looks()[:len(looks()) - len(before)], [("helpdesk", self.mine)])

    def test_only_of_this_life(self):
        """what a host brings of an older epoch, of another host's desktop, or that is no JPEG is not shown"""
        d = self.site.desktop(self.mine)
        self.assertEqual(self.put(({**d, "epoch": d["epoch"] - 1}, JPEG)).status, 204)
        self.assertEqual(self.picture(self.mine).code, "picture.none")
        self.assertNotEqual(self.put((d, b"<svg onload=alert(1)>")).status, 204)
        self.assertEqual(self.picture(self.mine).code, "picture.none")
        self.assertEqual(self.put((d, JPEG), host="00000000-0000-0000-0000-000000000000").status, 403)

    def test_nobodys_successor(self):
        """a picture of one user's screen is not shown once the desktop is another's"""
        self.put((self.site.desktop(self.mine), JPEG))
        self.site.cluster.sql("BEGIN; SET LOCAL session_replication_role = replica; UPDATE pane.desktop SET user_id = "
                              f"(SELECT id FROM pane.users WHERE name = 'bob') WHERE name = '{self.mine}'; COMMIT")
        try:
            self.assertEqual(self.picture(self.mine, token=self.tokens["bob"]).code, "picture.none")
            self.assertEqual(self.look(self.mine).json["items"], [])
        finally:
            self.site.cluster.sql("BEGIN; SET LOCAL session_replication_role = replica; UPDATE pane.desktop SET user_id = "
                                  f"(SELECT id FROM pane.users WHERE name = 'alice') WHERE name = '{self.mine}'; COMMIT")

    def test_events(self):
        """the stream says which pictures changed, to whom asks for that and may see them"""
        d = self.site.desktop(self.mine)
        asks = {"root": ("?pictures=1", self.b.token), "alice": ("?pictures=1", self.tokens["alice"]),
                "bob": ("?pictures=1", self.tokens["bob"]), "without": ("", self.b.token)}
        streams = {name: Stream(self.b, token, query=query) for name, (query, token) in asks.items()}
        for s in streams.values():
            self.addCleanup(s.close)
        self.put((d, OTHER))
        for name in ("root", "alice"):
            self.b.wait(lambda: streams[name].seen(kind="picture"), f"the picture's event of {name}", 10)
            self.assertEqual([e[2] for e in streams[name].seen(kind="picture")], [{"kind": "picture", "desktops": [self.mine]}], name)
        self.b.post("/groups", {"name": "later"})
        self.b.wait(lambda: streams["without"].seen(name="later"), "what came later", 10)
        for name in ("bob", "without"):
            self.assertEqual(streams[name].seen(kind="picture"), [], name)


if __name__ == "__main__":
    unittest.main()
