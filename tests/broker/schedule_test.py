# SPDX-License-Identifier: GPL-3.0-or-later
"""How many desktops of a pool are ready: by hour of the week, as a share of those in use, as a floor."""
import unittest

import panesite


class Schedule(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def change(self, status=200, **fields):
        r = self.b.call("PATCH", "/pools/office", fields)
        self.assertEqual(r.status, status, r)
        return r.json

    def pool(self):
        return self.b.get("/pools/office").json

    def at(self, when):
        return tuple(self.site.cluster.sql(f"SELECT x.spare, x.why FROM pane.pool p, pane.spare_at(p, '{when}') x")[0])

    def test_this_hour(self):
        """the pool is filled to what the schedule says of the hour it is, and says why; without the line it goes back"""
        self.site.host(memory_mib=64000)
        self.site.pool(size_max=10, spare=1)
        day, hour = (self.site.cluster.value(f"SELECT lower(to_char(now() AT TIME ZONE 'Asia/Tokyo', '{f}'))") for f in ("Dy", "HH24:00"))
        self.change(timezone="Asia/Tokyo", schedule=[f"{day} 00:00-24:00 4"])
        self.b.wait(lambda: self.pool()["ready"] == 4, "four")
        self.assertEqual(self.pool()["spare"], 1)
        self.assertEqual(self.pool()["spare_now"], 4)
        self.assertIn(self.pool()["spare_why"][:20], f"schedule: 4 at {day} {hour}")
        self.change(schedule=[f"{day} 00:00-24:00 40"])
        self.assertRegex(self.pool()["spare_why"], "schedule: 40 at .*; size_max: 10")
        self.b.wait(lambda: self.pool()["ready"] == 10, "as many as there may be")
        self.change(schedule=[])
        self.assertEqual((self.pool()["spare_now"], self.pool()["spare_why"]), (1, "spare: 1"))
        self.site.cluster.sql("UPDATE pane.desktop SET since = now() - interval '6 minutes' WHERE id IN "
                              "(SELECT id FROM pane.desktop ORDER BY id FOR UPDATE)")
        self.b.wait(lambda: self.pool()["desktops"] == 1, "the surplus goes")

    def test_grid(self):
        """each hour of the week has its number, in the pool's time zone; a later line wins; where no line is, spare holds"""
        self.site.pool(size_max=100, spare=1, timezone="Europe/Berlin",
                       schedule=["mon-fri 07:00-19:00 5", "mon-fri 07:00-09:00 20", "sun 22:00-02:00 3"])
        for when, want in (("2026-07-06 05:30Z", (20, "schedule: 20 at mon 07:00 (Europe/Berlin)")), # 07:30 in summer
                           ("2026-07-06 07:00Z", (5, "schedule: 5 at mon 09:00 (Europe/Berlin)")),
                           ("2026-07-06 17:00Z", (1, "spare: 1")), # 19:00
                           ("2026-01-05 06:30Z", (20, "schedule: 20 at mon 07:00 (Europe/Berlin)")), # in winter
                           ("2026-07-05 23:30Z", (3, "schedule: 3 at mon 01:00 (Europe/Berlin)")),
                           ("2026-07-04 12:00Z", (1, "spare: 1"))):
            self.assertEqual(self.at(when), (str(want[0]), want[1]), when)
        grid = self.pool()["grid"]
        self.assertEqual((len(grid), grid[0:9], grid[24 * 6 + 22:]), (168, [3, 3, None, None, None, None, None, 20, 20], [3, 3]))

    def test_buffer(self):
        """at least a share of the desktops in use, rounded up, is ready besides"""
        self.site.host(memory_mib=64000)
        self.site.pool(size_max=20, spare=0, buffer_percent=40, assignment="dedicated", provision="always")
        for i in range(3):
            self.site.user(f"u{i}", "office")
        self.b.wait(lambda: (self.pool()["assigned"], self.pool()["spare_why"]) == (3, "buffer: 40 % of 3 in use"), "two more")
        self.b.wait(lambda: self.pool()["ready"] == 2, "they are ready")
        self.change(size_min=9)
        self.assertEqual((self.pool()["spare_now"], self.pool()["spare_why"]), (6, "size_min: 9"))

    def test_as_a_file(self):
        """schedule and buffer survive export and apply; half hours and other nonsense are refused"""
        self.site.pool(schedule=["daily 08:00-18:00 2"], buffer_percent=10)
        item = next(i for i in self.b.get("/export").json["items"])
        self.assertEqual((item["schedule"], item["buffer_percent"]), (["daily 08:00-18:00 2"], 10))
        self.assertEqual(self.b.post("/apply", {"items": [item]}).json["items"][0]["action"], "unchanged")
        got = self.b.post("/apply", {"items": [{**item, "schedule": []}]}).json["items"][0]
        self.assertEqual(got["changes"], ['schedule ["daily 08:00-18:00 2"] -> []'])
        for bad in ("mon 08:30-10:00 1", "mon 08:00-10:00", "mon 08:00-10:00 -1", "08:00-10:00 1", "mon 08:00-10:00 1.5"):
            self.change(400, schedule=[bad])
        self.change(400, buffer_percent=101)


if __name__ == "__main__":
    unittest.main()
