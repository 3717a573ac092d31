# SPDX-License-Identifier: GPL-3.0-or-later
"""What desktops and hosts used: reported by agents, kept in rings that do not grow, read for charts."""
import time
import unittest

import panesite

GUEST = [300, 50, 20, 512, 10, 1, 2, None, None, 30]


class Usage(unittest.TestCase):
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
        self.site.cluster.sql("DELETE FROM pane.usage")

    def say(self, *desktops, ago=0, host=(1500, 2000)):
        return self.h.sync({**self.h.report(), "wait_s": 0, "usage": {"ago_s": ago, "host": list(host), "desktops": list(desktops)}}).status

    def read(self, what="/desktops/office-1", span="hour"):
        return self.b.get(f"{what}/usage?range={span}").json

    def test_reported(self):
        """a sample is read back for the hour and the day, of the desktop and of its host; what nobody can tell is null"""
        self.assertEqual(self.say([self.id, *GUEST]), 200)
        for span, step in (("hour", 60), ("day", 600)):
            got = self.read(span=span)
            self.assertEqual((got["step_s"], len(got["samples"])), (step, 1))
            s = got["samples"][0]
            self.assertEqual([s[k] for k in ("cpu", "overhead", "display", "memory", "display_memory", "disk_read", "disk_written",
                                             "net_in", "net_out", "io")], GUEST)
            host = self.read("/hosts/h1", span)["samples"][0]
            self.assertEqual((host["cpu"], host["memory"], host["overhead"]), (1500, 2000, None))
        self.assertEqual(self.b.get("/desktops/nope/usage").status, 404)
        self.assertEqual(self.b.get("/desktops/office-1/usage?range=year").status, 400)

    def test_io(self):
        """what a machine's disks and network cards took is told apart from the rest of its overhead; an agent of before does not tell it"""
        self.assertEqual(self.h.look(*GUEST).status, 200)
        self.assertEqual(self.h.look(*GUEST[:-1], 90).status, 200)
        first = self.read()["samples"]
        self.assertEqual([(s["overhead"], s["io"]) for s in first], [(50, 60)])
        self.assertEqual(self.h.look(*GUEST[:-1]).status, 200)
        self.assertEqual(self.read()["samples"][0]["io"], 60)
        self.site.cluster.sql("DELETE FROM pane.usage")
        self.assertEqual(self.h.look(*GUEST[:-1]).status, 200)
        self.assertEqual([(s["overhead"], s["io"]) for s in self.read()["samples"]], [(50, None)])

    def test_means(self):
        """samples of one time are a mean; those of an hour ago are written over in place, and a day's ring ends, too"""
        now = "date_trunc('hour', now()) + interval '30 minutes 30 seconds'"
        put = ("SELECT pane.usage_put('{h}', jsonb_build_object('ago_s', extract(epoch FROM now() - ({now} - interval '{m} minutes'))::integer, "
               "'host', '[1, 1]'::jsonb, 'desktops', jsonb_build_array(jsonb_build_array('{d}', {v}, 0, 0, 0, 0, NULL, NULL, NULL, NULL))))")
        sql = self.site.cluster.sql
        for minutes, value in ((200, 100), (199, 200), (140, 400)):
            sql(put.format(h=self.h.id, d=self.id, now=now, m=minutes, v=value))
        rows = sql(f"SELECT step, n, cpu FROM pane.usage WHERE of = '{self.id}' ORDER BY step, at")
        # 199 and 139+1 minutes ago: the first two are means of ten minutes where they fall together; the minute's slot of
        # 200 minutes ago is that of 140 minutes ago.
        self.assertEqual(sorted((str(r[0]), str(r[2])) for r in rows if str(r[0]) == "1"), [("1", "200"), ("1", "400")])
        self.assertEqual([(str(r[1]), str(r[2])) for r in rows if str(r[0]) == "10"], [("2", "150"), ("1", "400")])
        self.assertEqual(self.read()["samples"], [])
        self.assertEqual([s["cpu"] for s in self.read(span="day")["samples"]], [150, 400])

    def test_refused(self):
        """figures that are none, and lists that are too short, are refused; another host's desktop is passed over"""
        for bad in ([self.id], [self.id, *GUEST[:-2]], [self.id, *GUEST, 1], [self.id, *GUEST[:-1], "x"], [self.id, *GUEST[:-1], -1], ["nobody", *GUEST]):
            self.assertEqual(self.say(bad), 400, bad)
        self.assertEqual(self.say(host=(1,)), 400)
        other = self.site.host("h2")
        self.assertEqual(other.sync({**other.report(), "wait_s": 0, "usage": {"ago_s": 0, "host": [1, 1], "desktops": [[self.id, *GUEST]]}}).status, 200)
        self.assertEqual(self.read()["samples"], [])

    def test_cost(self):
        """1,000 desktops: rows, bytes and the database's time for a minute's reports are told"""
        sql, value = self.site.cluster.sql, self.site.cluster.value
        sql("INSERT INTO pane.desktop (pool_id, name, state, host_id) SELECT p.id, 'many-' || n, 'failed', h.id FROM pane.pool p, pane.host h, "
            "generate_series(1, 1000) n WHERE p.name = 'office' AND h.name = 'h1'")
        one = ("SELECT pane.usage_put(h.id, (SELECT jsonb_build_object('ago_s', {m} * 60, 'host', '[1, 1]'::jsonb, 'desktops', jsonb_agg(jsonb_build_array("
               "d.id, 300, 50, 20, 512, 10, 1, 2, 3, 4))) FROM pane.desktop d WHERE d.host_id = h.id)) FROM pane.host h WHERE h.name = 'h1'")
        sql(one.format(m=1))
        begin = time.monotonic()
        sql(one.format(m=0))
        took = (time.monotonic() - begin) * 1000
        rows = value("SELECT count(*) FROM pane.usage")
        self.assertGreaterEqual(int(rows), 3000)
        print(f"# a minute of 1,000 desktops: {took:.0f} ms of the database; "
              f"{value('SELECT round(avg(pg_column_size(u.*))) FROM pane.usage u')} bytes a row, 204 rows a desktop in all")

    def test_bounded(self):
        """a day of minutes leaves 204 rows of a desktop, however long it runs; a deleted one leaves none"""
        sql = self.site.cluster.sql
        sql("DO $$ BEGIN FOR m IN REVERSE 3000..0 LOOP PERFORM pane.usage_put('" + self.h.id + "', jsonb_build_object('ago_s', m * 60, 'host', '[1, 1]'::jsonb, "
            "'desktops', jsonb_build_array(jsonb_build_array('" + self.id + "', 1, 0, 0, 0, 0, 0, 0, 0, 0)))); END LOOP; END $$")
        self.assertEqual(self.site.cluster.value(f"SELECT count(*) FROM pane.usage WHERE of = '{self.id}'"), "204")
        self.assertIn(len(self.read()["samples"]), (59, 60))
        self.assertIn(len(self.read(span="day")["samples"]), (143, 144))
        self.b.call("DELETE", "/desktops/office-1")
        self.b.wait(lambda: self.site.cluster.value(f"SELECT count(*) FROM pane.usage WHERE of = '{self.id}'") == "0", "nothing is left")


if __name__ == "__main__":
    unittest.main()
