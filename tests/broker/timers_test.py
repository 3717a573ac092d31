# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers of sessions: idle, disconnected, maximum; each with its action and its warning."""
import unittest

import panesite
from eventstream import Stream


def viewer(conn="c1", **more):
    return {"conn": conn, "user": "alice", "protocol": "rdp", "client": "192.0.2.1:1", **more}


class Timers(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def begin(self, **pool):
        """Alice is on office-1 and does things."""
        self.h = self.site.host()
        self.site.pool(**pool)
        self.pw = self.site.user("alice", "office")
        if pool.get("spare", 1):
            self.site.wait_state("office-1", "ready")
        self.enter()

    def enter(self, conn="c1"):
        self.b.wait(lambda: self.b.connect(user="alice", password=self.pw, conn=conn).status == 200, "let in")
        self.h.set("office-1", viewers=[viewer(conn, idle_s=0)])
        self.assertEqual(self.session()["state"], "connected")

    def idle(self, *seconds):
        self.h.set("office-1", viewers=[viewer(f"c{i + 1}", idle_s=s) for i, s in enumerate(seconds)])

    def session(self):
        return next(iter(self.b.get("/sessions").json["items"]), None)

    def age(self, minutes):
        self.site.cluster.sql(f"UPDATE pane.session SET created_at = now() - interval '{minutes} minutes', max_from = "
                              f"CASE WHEN max_from IS NOT NULL THEN now() - interval '{minutes} minutes' END, "
                              "cut_at = cut_at - interval '1 day'")

    def warnings(self):
        return [r for r in self.site.cluster.sql("SELECT to_state, reason FROM pane.event WHERE kind = 'warning' ORDER BY id")]

    def test_idle_is_warned_then_disconnected(self):
        """who does nothing is warned once, by an event they may see, then disconnected with the reason; the session stays"""
        self.begin(idle_s=600, warn_s=60)
        s = Stream(self.b, self.b.login("alice", self.pw))
        self.addCleanup(s.close)
        self.idle(539)
        self.assertEqual(self.warnings(), [])
        self.idle(545)
        self.idle(550)
        said = {"user": "alice", "desktop": "office-1", "to": "idle", "reason": "will be disconnected in 55 s: nobody does anything"}
        self.b.wait(lambda: s.seen(kind="warning", **said), "the warning")
        self.assertEqual(self.session()["warned"], ["idle"])
        self.idle(600)
        self.b.wait(lambda: self.session()["state"] == "disconnected", "disconnected")
        self.assertEqual(self.session()["reason"], "idle for 600 s")
        self.assertEqual(len(self.warnings()), 1)

    def shown(self):
        """What the host is told to show on the desktop: its texts."""
        order = self.h.sync({**self.h.report(), "wait_s": 0}).json["desktops"][0]
        for m in order.get("messages", []):
            self.assertGreater(m["left_ms"], 0)
        return [(m["text"], m["idle"]) for m in order.get("messages", [])]

    def test_warnings_on_the_screen(self):
        """a warning is on the screen of who is there until they do something, with the time that is left"""
        self.begin(idle_s=600)
        self.idle(545)
        self.assertEqual(self.shown(), [("You will be disconnected in {left}: nobody does anything.", True)])
        order = self.h.sync({**self.h.report(), "wait_s": 0}).json["desktops"][0]
        self.assertAlmostEqual(order["messages"][0]["left_ms"], 55000, delta=8000)
        before = int(self.site.cluster.value("SELECT generation FROM pane.host_generation"))
        self.idle(2)
        self.assertEqual(self.shown(), [])
        self.assertGreater(int(self.site.cluster.value("SELECT generation FROM pane.host_generation")), before)

    def test_a_persons_message(self):
        """what help desk says goes to the host at once, stays its time, can be taken back, is audited; who may not, and what is no text, is refused"""
        self.begin()
        at = f"/sessions/{self.session()['id']}/message"
        before = int(self.site.cluster.value("SELECT generation FROM pane.host_generation"))
        r = self.b.post(at, {"text": "Grüße,\nthe disk is full", "seconds": 60})
        self.assertEqual((r.status, r.json["text"], r.json["viewers"]), (201, "Grüße,\nthe disk is full", 1))
        self.assertGreater(int(self.site.cluster.value("SELECT generation FROM pane.host_generation")), before)
        self.assertEqual(self.shown(), [("Grüße,\nthe disk is full", False)])
        audit = next(a for a in self.b.get("/audit").json["items"] if a["action"] == "session.message")
        self.assertEqual((audit["actor"], audit["after"]["user"], audit["after"]["messages"]), ("root", "alice", ["Grüße,\nthe disk is full"]))
        self.site.cluster.sql("UPDATE pane.message SET until = now()")
        self.assertEqual(self.shown(), [])
        for i in range(4):
            self.assertEqual(self.b.post(at, {"text": f"{i}"}).status, 201)
        self.assertEqual((self.b.post(at, {"text": "4"}).status, len(self.shown())), (409, 4))
        self.assertEqual(self.b.call("DELETE", at).status, 204)
        self.assertEqual(self.shown(), [])
        for text in ("", "   ", "a" * 401, "\u0007", 7):
            self.assertEqual(self.b.post(at, {"text": text}).status, 400, text)
        self.assertEqual(self.b.post(at, {"text": "a", "seconds": 3601}).status, 400)
        self.assertEqual(self.b.post("/sessions/nope/message", {"text": "a"}).status, 404)
        self.assertEqual(self.b.post(at, {"text": "a"}, token=self.b.login("alice", self.pw)).status, 403)

    def test_opened_elsewhere(self):
        """who comes in besides is told of on the screen, with where from; who only goes is not"""
        self.begin()
        self.h.set("office-1", viewers=[viewer("c1"), viewer("c2", client="198.51.100.7:999", protocol="rfb")])
        self.assertEqual(self.shown(), [("This desktop was also opened from 198.51.100.7 (RFB).", False)])
        self.site.cluster.sql("DELETE FROM pane.message")
        self.h.set("office-1", viewers=[viewer("c2")])
        self.assertEqual(self.shown(), [])

    def test_back_at_work(self):
        """who does something after the warning stays, and is warned anew the next time; one of two at work is enough"""
        self.begin(idle_s=600)
        for _ in range(2):
            self.idle(541)
            self.idle(2)
            self.b.wait(lambda: self.session()["warned"] == [], "the warning is taken back")
        self.assertEqual(len(self.warnings()), 2)
        self.idle(700, 3)
        self.assertEqual((self.session()["state"], self.session()["warned"]), ("connected", []))

    def test_idle_logoff(self):
        """with idle_action logoff the session ends and the floating desktop goes back"""
        self.begin(idle_s=600, idle_action="logoff")
        self.idle(545)
        self.assertEqual(self.warnings(), [["idle", "will be logged off in 55 s: nobody does anything"]])
        self.idle(600)
        self.assertIsNone(self.session())
        self.b.wait(lambda: self.site.desktop("office-1")["user"] is None, "released")
        ended = self.site.cluster.value("SELECT reason FROM pane.session WHERE state = 'ended'")
        self.assertEqual(ended, "idle for 600 s")

    def test_host_reports_often_from_the_warning_on(self):
        """hosts are told to report often from the time of the warning, and anew when that changes"""
        self.begin(idle_s=600, warn_s=100)
        order = self.h.sync({**self.h.report(), "wait_s": 0}).json["desktops"][0]
        self.assertEqual(order["policy"], {"idle_s": 500})
        before = int(self.site.cluster.value("SELECT generation FROM pane.host_generation"))
        self.b.call("PATCH", "/pools/office", {"warn_s": 3600})
        self.assertGreater(int(self.site.cluster.value("SELECT generation FROM pane.host_generation")), before)
        order = self.h.sync({**self.h.report(), "wait_s": 0}).json["desktops"][0]
        self.assertEqual(order["policy"], {"idle_s": 300})

    def test_max_disconnects(self):
        """at its longest a session is warned and cut, its viewer dropped until gone; it begins anew when its user comes back"""
        self.begin(session_max_s=3600, session_max_action="disconnect", logoff_after_s=0)
        self.h.obeys_drops = False
        self.age(59.5)
        self.b.wait(lambda: [w[0] for w in self.warnings()] == ["max"], "the warning")
        self.assertIn("will be disconnected in 30 s", self.warnings()[0][1])
        self.age(61)
        self.b.wait(lambda: len(self.h.drops) > 1, "ordered off, again")
        self.h.obeys_drops = True
        self.b.wait(lambda: self.session()["state"] == "disconnected", "disconnected")
        self.assertEqual(self.session()["reason"], "its time is over")
        n = len(self.h.drops)
        self.enter("c2")
        self.idle(0, 0) # c1 and c2: the old one is still unwelcome, the new one is not
        self.b.wait(lambda: len(self.h.drops) > n, "the old one is dropped")
        self.assertEqual({c for _, c in self.h.drops[n:]}, {"c1"})
        self.assertEqual((self.session()["state"], self.session()["warned"]), ("connected", []))
        self.age(61)
        self.b.wait(lambda: self.session()["state"] == "disconnected", "its new time is over, too")

    def test_disconnected_of_a_dedicated_desktop(self):
        """a dedicated desktop keeps a session without a viewer, unless its pool says logoff: warned, then started again"""
        self.begin(assignment="dedicated", spare=0, logoff_after_s=100)
        self.h.set("office-1", viewers=[])
        deadline = "SELECT deadline - since FROM pane.session WHERE state = 'disconnected'"
        self.assertEqual(self.site.cluster.value(deadline), "")
        self.b.call("PATCH", "/pools/office", {"disconnected_action": "logoff"})
        self.assertEqual(self.site.cluster.value(deadline), "00:01:40")
        self.site.cluster.sql("UPDATE pane.session SET deadline = now() + interval '40 seconds'")
        self.b.wait(lambda: [w[0] for w in self.warnings()] == ["disconnected"], "the warning")
        epoch = self.site.desktop("office-1")["epoch"]
        self.site.cluster.sql("UPDATE pane.session SET deadline = now()")
        self.b.wait(lambda: not self.session(), "logged off")
        self.b.wait(lambda: self.site.desktop("office-1")["epoch"] > epoch, "started again")
        self.assertEqual(self.site.desktop("office-1")["user"], "alice")

    def test_as_a_file(self):
        """the timers are in a pool's file and survive export and apply; words that mean nothing are refused"""
        self.site.pool(idle_s=600, idle_action="logoff", session_max_s=7200, session_max_action="disconnect",
                       disconnected_action="keep", warn_s=30)
        item = next(i for i in self.b.get("/export").json["items"] if i["name"] == "office")
        for key, value in {"idle_action": "logoff", "session_max_action": "disconnect", "disconnected_action": "keep",
                           "warn_s": 30}.items():
            self.assertEqual(item[key], value)
        self.assertEqual(self.b.post("/apply", {"items": [item]}).json["items"][0]["action"], "unchanged")
        got = self.b.post("/apply", {"items": [{**item, "warn_s": 90, "idle_action": "disconnect"}]}).json["items"][0]
        self.assertEqual(got["changes"], ['idle_action "logoff" -> "disconnect"', "warn_s 30 -> 90"])
        for bad in ({"idle_action": "keep"}, {"disconnected_action": "disconnect"}, {"warn_s": -1}, {"warn_s": 3601}):
            self.assertEqual(self.b.call("PATCH", "/pools/office", bad).status, 400, bad)


    # ---- the end of the hours ------------------------------------------------------------------
    def hours(self, minutes, **more):
        """The pool is open from an hour ago to so many whole minutes from now."""
        end, begin = (self.site.cluster.value(f"SELECT to_char(now() AT TIME ZONE 'UTC' + interval '{m} min', 'HH24:MI')") for m in (minutes, -60))
        self.assertEqual(self.b.call("PATCH", "/pools/office", {"hours": [f"daily {begin}-{end}"], **more}).status, 200)

    def test_hours_log_off(self):
        """the end of a pool's hours logs sessions off, warned of before, where the pool says so; otherwise they go on"""
        self.begin()
        self.hours(0)
        self.assertEqual(self.b.connect(user="alice", password=self.pw).code, "access.refused")
        self.site.cluster.sql("SELECT pane.rec_timers()")
        self.assertEqual(self.session()["state"], "connected", "kept: the pool says nothing")
        self.hours(2, hours_action="logoff", warn_s=300)
        self.b.wait(lambda: self.warnings(), "the warning")
        self.assertRegex(self.warnings()[0][1], r"^will be logged off in (1[0-1]\d|[6-9]\d) s: the hours of its pool end$")
        self.assertEqual((len(self.warnings()), self.session()["warned"]), (1, ["hours"]))
        self.hours(30)
        self.b.wait(lambda: self.session()["warned"] == [], "longer hours")
        self.hours(0)
        self.b.wait(lambda: self.session() is None, "the end")
        self.assertEqual(self.site.cluster.value("SELECT reason FROM pane.session"), "the hours of its pool are over")

    def test_hours_disconnect(self):
        """with hours_action disconnect viewers go when the hours end, and nobody comes back before they begin"""
        self.begin(hours_action="disconnect", assignment="dedicated")
        self.hours(0)
        self.b.wait(lambda: self.session()["state"] == "disconnected", "disconnected")
        self.assertEqual(self.session()["reason"], "the hours of its pool are over")
        self.assertEqual(self.b.connect(user="alice", password=self.pw).code, "access.refused")
        self.hours(30)
        self.enter("c2")

    def test_hours_left(self):
        """how long a week's hours last yet: over its end, within a minute, for ever, and not at all"""
        for hours, at, left in (("{mon-fri 08:00-18:00}", "2026-11-27 17:59:30", "30"), ("{mon-fri 08:00-18:00}", "2026-11-27 18:00:00", "0"),
                                ("{daily 22:00-06:00}", "2026-11-29 23:00:00", str(7 * 3600)), ("{daily 00:00-24:00}", "2026-11-29 23:00:00", ""),
                                ("{sun 20:00-24:00}", "2026-11-29 23:00:00", "3600")):
            self.assertEqual(self.site.cluster.value(f"SELECT coalesce(pane.open_left_s(pane.week('{hours}'), 'UTC', '{at} UTC')::text, '')"), left, (hours, at))


if __name__ == "__main__":
    unittest.main()
