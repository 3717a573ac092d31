# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody of the help desk sees a live session, or helps in it: as the pool says, and never as its user."""
import base64
import json
import threading
import unittest

import panesite


def grant_of(reply):
    text = reply.json["grant"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class Shadow(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site(host_lost_s=300).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.h = self.site.host()
        self.viewer = {"conn": "c1", "user": "alice", "protocol": "rdp", "client": "192.0.2.1:1", "idle_s": 0}
        self.other = {"conn": "h1", "user": "anna", "protocol": "rfb", "client": "192.0.2.9:1"}

    def begin(self, **pool):
        """Alice is at office-1; anna is of the help desk."""
        self.site.pool(**pool)
        self.pw = self.site.user("alice", "office")
        password = self.site.user("anna")
        self.assertEqual(self.b.call("PATCH", "/users/anna", {"role": "helpdesk"}).status, 200)
        self.anna = self.b.login("anna", password)
        self.site.wait_state("office-1", "ready")
        self.h.stop() # from here on what set() reports is all there is
        self.assertEqual(self.b.connect(user="alice", password=self.pw, conn="c1").status, 200)
        self.h.set("office-1", viewers=[self.viewer])
        self.sid = self.session()["id"]
        self.assertEqual(self.session()["state"], "connected")

    def session(self):
        return next(iter(self.b.get("/sessions").json["items"]), None)

    def ask(self, mode="view", **more):
        return self.b.post(f"/sessions/{self.sid}/shadow", {"mode": mode}, **{"token": self.anna, **more})

    def enter(self, mode="view", conn="h1"):
        r = self.ask(mode)
        self.assertEqual(r.status, 200, r)
        got = self.b.connect(ticket=r.json["ticket"], conn=conn, protocol="rfb")
        self.assertEqual(got.status, 200, got)
        return r, got

    def dropped(self, reply):
        """Whose connections the answer to a report orders off."""
        return next(o for o in reply.json["desktops"] if o["name"] == "office-1").get("drop", [])

    def audit(self):
        return [(a["actor"], a["action"]) for a in self.site.audit() if a["action"].startswith(("session.shadow", "shadow."))]

    def test_notice(self):
        """with notice a ticket good once is given, for a grant of the helper's own name, the mode and that desktop; audited"""
        self.begin(shadow="notice")
        r, got = self.enter("control")
        g = grant_of(got)
        self.assertEqual((g["user"], g["mode"], g["desktop"]), ("anna", "control", self.site.desktop("office-1")["id"]))
        self.assertEqual(got.json["user"], "anna")
        self.assertEqual(self.b.connect(ticket=r.json["ticket"], conn="h2", protocol="rfb").status, 403)
        self.h.set("office-1", viewers=[self.viewer, {**self.other, "mode": "control"}])
        s = self.session()
        self.assertEqual((s["user"], s["conn"], s["viewers"], s["helpers"][0]["name"]), ("alice", "c1", 1, "anna"))
        self.h.set("office-1", viewers=[self.viewer])
        self.assertEqual(sorted(self.audit()), sorted([("anna", "session.shadow"), ("anna", "shadow.connect"), ("anna", "shadow.begin"), ("anna", "shadow.end")]))
        end = next(a for a in self.site.audit() if a["action"] == "shadow.end")
        self.assertRegex(end["detail"], r"^mode=control user=alice helper=anna from=\S+ to=\S+ why='disconnected'$")
        self.assertEqual(self.session()["helpers"], [])

    def test_refusals(self):
        """nobody sees a session where the pool says off, without the role, one's own, or while its user is away; modes are two"""
        self.begin()
        self.assertEqual(self.ask().json["error"]["code"], "shadow.off")
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"shadow": "maybe"}).status, 400)
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"shadow": "notice"}).json["shadow"], "notice")
        self.assertEqual(next(i for i in self.b.get("/export").json["items"] if i["name"] == "office")["shadow"], "notice")
        self.assertEqual(self.ask("steal").status, 400)
        self.assertEqual(self.ask(token=self.b.login("alice", self.pw)).json["error"]["code"], "role.missing")
        self.assertEqual(self.b.call("PATCH", "/users/alice", {"role": "helpdesk"}).status, 200)
        self.assertEqual(self.ask(token=self.b.login("alice", self.pw)).json["error"]["code"], "shadow.own")
        self.h.more = {"shadow": False}
        self.h.set("office-1", viewers=[self.viewer])
        self.assertEqual(self.ask().json["error"]["code"], "host.shadow")
        self.h.more = {}
        self.h.set("office-1", viewers=[])
        self.assertEqual(self.ask().json["error"]["code"], "shadow.nobody")

    def question(self):
        """The question on the screen, as the host is told it."""
        order = next(o for o in self.h.sync({**self.h.report(), "wait_s": 0}).json["desktops"] if o["name"] == "office-1")
        return next((m for m in order.get("messages", []) if m.get("ask")), None)

    def asking(self):
        said = []
        t = threading.Thread(target=lambda: said.append(self.ask()))
        t.start()
        self.addCleanup(t.join)
        return said, t, self.b.wait(self.question, "the question", 30)

    def test_ask(self):
        """with ask the helper waits until the user agreed on the screen, and is refused when they refuse; one is asked at a time"""
        self.begin(shadow="ask")
        said, t, m = self.asking()
        self.assertTrue(m["text"].startswith("anna asks to see this screen. "))
        self.assertEqual(self.ask().json["error"]["code"], "shadow.busy")
        self.assertEqual(said, [])
        self.h.set("office-1", answers=[{"id": m["id"], "yes": True}])
        t.join(30)
        self.assertEqual(said[0].status, 200)
        self.assertIsNone(self.question())
        self.assertIn(("alice", "shadow.agree"), self.audit())
        self.assertEqual(grant_of(self.b.connect(ticket=said[0].json["ticket"], conn="h1", protocol="rfb"))["mode"], "view")
        said, t, m = self.asking()
        self.h.set("office-1", answers=[{"id": m["id"], "yes": False}])
        t.join(30)
        self.assertEqual((said[0].status, said[0].json["error"]["code"]), (403, "shadow.refused"))

    def test_unanswered(self):
        """who is not answered in time is told so, and the question leaves the screen"""
        self.begin(shadow="ask")
        said, t, m = self.asking()
        self.assertGreater(m["left_ms"], 5000)
        self.site.cluster.sql("UPDATE pane.shadow SET expires_at = now() - interval '1 s' WHERE state = 'asking'")
        t.join(30)
        self.assertEqual(said[0].json["error"]["code"], "shadow.refused")
        self.assertIn("nobody answered", said[0].json["error"]["message"])
        self.assertIsNone(self.question())

    def test_helper_is_no_user(self):
        """a helper holds no session: when its user leaves it is disconnected, as idle as they were, and the helper is ended"""
        self.begin(shadow="notice", idle_s=600)
        self.enter()
        self.h.set("office-1", viewers=[{**self.viewer, "idle_s": 545}, self.other])
        self.assertEqual(self.session()["warned"], ["idle"]) # a helper who looks does nothing
        self.assertEqual(self.session()["viewers"], 1)
        self.assertEqual(self.dropped(self.h.set("office-1", viewers=[self.other])), ["h1"])
        self.assertEqual((self.session()["state"], self.session()["reason"]), ("disconnected", "no viewer"))

    def test_working_helper(self):
        """a helper at keyboard and mouse keeps the session from being idle, and its user connected"""
        self.begin(shadow="notice", idle_s=600)
        self.enter("control")
        self.h.set("office-1", viewers=[{**self.viewer, "idle_s": 700}, {**self.other, "idle_s": 3}])
        self.h.set("office-1", viewers=[{**self.viewer, "idle_s": 701}, {**self.other, "idle_s": 4}])
        self.assertEqual((self.session()["state"], self.session()["warned"]), ("connected", []))
        self.assertEqual(self.dropped(self.h.set("office-1")), [])

    def test_withdrawn(self):
        """a helper is ended when the pool forbids it, and a ticket of before is refused"""
        self.begin(shadow="notice")
        self.enter()
        self.h.set("office-1", viewers=[self.viewer, self.other])
        late = self.ask().json["ticket"]
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"shadow": "off"}).status, 200)
        self.assertEqual(self.dropped(self.h.set("office-1")), ["h1"])
        self.assertEqual(self.b.connect(ticket=late, conn="h2", protocol="rfb").status, 403)


if __name__ == "__main__":
    unittest.main()
