# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of what was used: each look of a host counted once, sessions by the day, gone names kept; as JSON and as CSV."""
import datetime
import unittest

import panesite

GUEST = [500, 100, 50, 1024, 0, 10, 10, 5, 5, 250]
MINUTE_H = 60 / 3600


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker
        cls.h = cls.site.host()
        cls.site.pool(spare=1)
        cls.site.wait_state("office-1", "ready")
        cls.id = cls.site.desktop("office-1")["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def setUp(self):
        self.site.cluster.sql("DELETE FROM pane.usage_day; DELETE FROM pane.usage_piece; UPDATE pane.host SET used_at = NULL")

    def say(self, ago, over=None, *desktops):
        usage = {"ago_s": ago, "host": [1, 1], "desktops": list(desktops) or [[self.id, *GUEST]]}
        if over:
            usage["over_s"] = over
        answer = self.h.sync({**self.h.report(), "wait_s": 0, "usage": usage})
        self.assertEqual(answer.status, 200, answer.json)

    def read(self, query="by=pool"):
        answer = self.b.get(f"/usage?{query}")
        self.assertEqual(answer.status, 200, answer.json)
        return answer.json["items"]

    def test_once(self):
        """a minute of a desktop is counted, with its processor, memory, disk and network; the same look told twice counts once"""
        self.say(0)
        self.say(1)
        self.say(20)
        line = self.read()[0]
        self.assertEqual(line["pool"], "office")
        self.assertAlmostEqual(line["desktop_hours"], MINUTE_H, places=2)
        self.assertAlmostEqual(line["cpu_hours"], MINUTE_H / 2, places=3)
        self.assertAlmostEqual(line["overhead_hours"], MINUTE_H / 10, places=3)
        self.assertAlmostEqual(line["io_hours"], MINUTE_H / 4, places=3)
        self.assertAlmostEqual(line["display_hours"], MINUTE_H / 20, places=3)
        self.assertAlmostEqual(line["memory_gib_hours"], MINUTE_H, places=2)
        self.assertAlmostEqual(line["disk_mib"], 20 * 60 / 1024, places=1)
        self.assertAlmostEqual(line["net_mib"], 10 * 60 / 1024, places=1)

    def test_added(self):
        """what pieces told is the same once they are added to their day, every figure of it"""
        self.say(60)
        told = self.read()
        added = lambda: self.site.cluster.value("SELECT count(*) FROM pane.usage_piece") == "0"
        self.b.wait(added, "pieces are added up")
        self.assertEqual(self.read(), told)
        self.say(0)
        self.b.wait(added, "the second look is added, too")
        self.assertAlmostEqual(self.read()[0]["io_hours"], 2 * MINUTE_H / 4, places=3)

    def test_over(self):
        """a host that looks every ten minutes says so, and as much is counted; the next look counts, too"""
        self.say(600, 600)
        self.say(0, 600)
        self.assertAlmostEqual(self.read()[0]["desktop_hours"], 1200 / 3600, places=2)
        bad = {**self.h.report(), "wait_s": 0, "usage": {"ago_s": 0, "over_s": 0, "host": [1, 1], "desktops": []}}
        self.assertEqual(self.h.sync(bad).status, 400)

    def test_asked(self):
        """days that are none, an end before its beginning and other words are refused; other days are not in the report"""
        self.say(0)
        today = datetime.date.fromisoformat(self.site.cluster.value("SELECT current_date"))
        for bad in ("from=2026-02-31", "to=yesterday", "by=pool,colour", "by=", "from=2026-03-01&to=2026-02-01", "format=xml", "from=" + 40 * "1"):
            self.assertEqual(self.b.get(f"/usage?{bad}").status, 200 if bad == "by=" else 400, bad)
        self.assertEqual(self.read(f"to={today - datetime.timedelta(days=1)}"), [])
        self.assertEqual(len(self.read(f"from={today}&to={today}")), 1)

    def test_csv(self):
        """as CSV it has a head and a line for each, and a name that a spreadsheet would take for a formula is none there"""
        self.site.cluster.sql("INSERT INTO pane.usage_day (day, pool, user_name, desktop_s) VALUES (current_date, 'office', '=1+1', 3600)")
        text = self.b.get("/usage?by=pool,user&format=csv").text
        lines = text.split("\r\n")
        self.assertTrue(lines[0].startswith("pool,user,desktop_hours,"), lines[0])
        self.assertIn(",cpu_hours,overhead_hours,io_hours,display_hours,", lines[0])
        self.assertEqual(lines[1].split(",")[:3], ["office", "\"'=1+1\"", "1.00"])

    def test_session(self):
        """time at a desktop is the user's: over midnight it is each day's, what still goes on counts, and a name that is gone stays"""
        sql = self.site.cluster.sql
        pw = self.site.user("bert", "office")
        came = self.b.wait(lambda: (lambda r: r.status == 200 and r)(self.b.connect(conn="c9", user="bert", password=pw)), "a desktop for bert")
        name = came.json["name"]
        self.h.set(name, viewers=[{"conn": "c9", "user": "bert", "protocol": "rdp", "client": "192.0.2.1:5000"}])
        self.b.wait(lambda: sql("SELECT 1 FROM pane.session WHERE user_name = 'bert' AND state = 'connected'"), "bert is connected")
        midnight = "date_trunc('day', now())"
        sql(f"UPDATE pane.session SET since = {midnight} - interval '2 hours' WHERE user_name = 'bert' AND state <> 'ended'")
        days = self.read("by=user,day")
        lines = [x for x in days if x["user"] == "bert"]
        self.assertEqual((len(lines), lines[0]["connected_hours"]), (2, 2))
        self.h.set(name, viewers=[])
        self.b.wait(lambda: not sql("SELECT 1 FROM pane.session WHERE user_name = 'bert' AND state = 'connected'"), "bert is gone")
        again = [x for x in self.read("by=user,day") if x["user"] == "bert"]
        self.assertEqual((len(again), again[0]["connected_hours"]), (2, 2))
        self.assertEqual(sum(x["connects"] for x in again), 1)
        self.b.wait(lambda: self.site.cluster.value("SELECT count(*) FROM pane.usage_piece") == "0", "pieces are added up")
        self.assertEqual([x for x in self.read("by=user,day") if x["user"] == "bert"], again)
        self.assertEqual(self.b.call("DELETE", "/users/bert").status // 100, 2)
        self.assertTrue([x for x in self.read("by=user") if x["user"] == "bert"])


if __name__ == "__main__":
    unittest.main()
