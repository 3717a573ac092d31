# SPDX-License-Identifier: GPL-3.0-or-later
"""When, and from where, a pool or an entitlement may be entered."""
import unittest

import panesite

INSIDE, OUTSIDE = "192.0.2.7:5000", "198.51.100.9:5000"


class Access(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site(ticket_bind="false").__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.h = self.site.host()
        self.site.pool(timezone="UTC")
        self.pw = self.site.user("alice", "office")
        self.site.wait_state("office-1", "ready")
        self.alice = self.b.login("alice", self.pw)

    def change(self, status=200, **fields):
        r = self.b.call("PATCH", "/pools/office", fields)
        self.assertEqual(r.status, status, r)
        return r

    def entitle(self, who="alice", **rule):
        r = self.b.post("/pools/office/entitlements", {"user": who, **rule})
        self.assertEqual(r.status, 201, r)

    def ask(self, client=INSIDE):
        return self.b.post("/tickets", {"pool": "office"}, token=self.alice, client=client)

    def enter(self, client=INSIDE, **who):
        return self.b.connect(**({"user": "alice", "password": self.pw} | who), client=client)

    def gets(self, client=INSIDE):
        self.b.wait(lambda: self.ask(client).status == 200, "a ticket")

    def now(self, fmt, more="0"):
        return self.site.cluster.value(f"SELECT lower(to_char((now() + interval '{more} hours') AT TIME ZONE 'UTC', '{fmt}'))")

    def test_hours(self):
        """outside a pool's hours neither ticket nor connection, with the pool's text, hours, zone and the time it is there; within them both"""
        closed = f"daily {self.now('HH24:MI', '2')}-{self.now('HH24:MI', '3')}"
        self.change(hours=[closed], refusal="The lab opens later. Ask at the desk.")
        for r in (self.ask(), self.enter()):
            self.assertEqual((r.status, r.code), (403, "access.refused"), r)
            self.assertEqual(r.json["error"]["message"], "The lab opens later. Ask at the desk.")
            self.assertRegex(r.reasons[0], f"^pool office is open {closed} \\(UTC\\), and it is {self.now('Dy')} ..:.. now$")
        self.assertEqual(self.b.get("/me/desktops", token=self.alice).json["items"][0]["message"],
                         "The lab opens later. Ask at the desk.")
        refused = [a for a in self.site.audit() if a["action"] == "connect" and a["outcome"] == "refused"]
        self.assertEqual([(a["actor"], a["detail"]) for a in refused], [("alice", "access.refused")])
        self.change(hours=[closed, f"{self.now('Dy')} 00:00-24:00"])
        self.gets()
        self.change(hours=[closed], refusal="")
        self.assertRegex(self.ask().json["error"]["message"], "^Pool office is open daily")
        self.change(hours=[])
        self.gets()

    def test_networks(self):
        """a pool is entered from its networks only, at the ticket and again when the ticket is shown, IPv6 and mapped addresses too"""
        self.change(networks=["192.0.2.0/24", "2001:db8::/32"])
        r = self.ask(OUTSIDE)
        self.assertEqual((r.code, r.reasons), ("access.refused", [
            "pool office is open to 192.0.2.0/24, 2001:db8::/32 only, and you come from 198.51.100.9"]))
        for client in (INSIDE, "[2001:db8::5]:99", "[::ffff:192.0.2.8]:99"):
            self.gets(client)
        ticket = self.ask().json["ticket"]
        self.assertEqual(self.enter(OUTSIDE, ticket=ticket, user=None, password=None).code, "access.refused")
        self.assertEqual(self.enter(OUTSIDE).code, "access.refused")
        self.assertEqual(self.enter(ticket=ticket, user=None, password=None).status, 200)

    def test_one_entitlement_that_holds_is_enough(self):
        """each entitlement has a rule of its own: from outside the group's may still hold where one's own does not; both refused, both reasons"""
        self.b.post("/groups", {"name": "night"})
        self.b.post("/groups/night/members", {"user": "alice"})
        self.entitle(networks=["192.0.2.0/24"])
        self.assertEqual(self.ask(OUTSIDE).code, "access.refused")
        self.entitle("group:night", networks=["198.51.100.0/24"])
        self.gets(OUTSIDE)
        self.entitle("group:night", hours=[f"daily {self.now('HH24:MI', '2')}-{self.now('HH24:MI', '3')}"], refusal="Nights only.")
        r = self.ask(OUTSIDE)
        self.assertEqual(r.json["error"]["message"], "Nights only.")
        self.assertRegex(r.reasons[0], "^through group night: pool office is open daily")
        self.assertRegex(r.reasons[1], "^you are entitled: pool office is open to 192.0.2.0/24 only")
        self.gets(INSIDE)
        rows = {e["user"]: (e["hours"] != [], e["networks"]) for e in self.b.get("/pools/office/entitlements").json["items"]}
        self.assertEqual(rows, {"group:night": (True, ["198.51.100.0/24"]), "alice": (False, ["192.0.2.0/24"])})
        self.b.call("DELETE", "/pools/office/entitlements/alice") # her own rule goes with it
        self.assertEqual(self.ask(INSIDE).code, "access.refused")
        self.entitle()
        self.gets(OUTSIDE)

    def test_week(self):
        """hours are minutes of the week: days may wrap around Sunday, nights around midnight, and nonsense is refused"""
        def week(*hours):
            return self.site.cluster.value("SELECT pane.week(ARRAY[" + ", ".join(f"'{h}'" for h in hours) + "])")
        self.assertEqual(week("mon 08:00-18:00"), "{[480,1080)}")
        self.assertEqual(week("sat-mon 10:00-24:00"), "{[600,1440),[7800,8640),[9240,10080)}")
        self.assertEqual(week("sun 22:00-06:00"), "{[0,360),[9960,10080)}")
        self.assertEqual(week("daily 00:00-24:00"), "{[0,10080)}")
        self.assertEqual(week("mon 08:00-12:00", "mon 10:00-18:00"), "{[480,1080)}")
        at = "SELECT pane.week_minute('Europe/Berlin', '2026-07-06 22:30Z')" # Tuesday 00:30 there
        self.assertEqual(self.site.cluster.value(at), str(1440 + 30))
        for bad in ("mon", "mon 8:00-18:00", "mon 08:00-25:00", "mon 08:00-24:30", "moon 08:00-18:00", "mon-fri-sat 08:00-18:00", ""):
            self.assertEqual(self.change(400, hours=[bad]).code, "request.invalid", bad)
        for bad in ("10.1.2.3/8", "300.0.0.0/8", "here"):
            self.assertIn(bad, self.change(400, networks=[bad]).json["error"]["message"])
        self.change(400, timezone="Mars/Base")
        self.change(400, hours="mon 08:00-18:00")

    def test_as_a_file(self):
        """a pool's rule and those of a group's entitlements survive export and apply, and a file takes them away again"""
        self.b.post("/groups", {"name": "night"})
        self.entitle("group:night", hours=["daily 22:00-06:00"])
        self.change(hours=["Mon-Fri 08:00-18:00"], networks=["192.0.2.0/24"], timezone="Europe/Berlin")
        items = self.b.get("/export").json["items"]
        pool, group = items
        self.assertEqual((pool["hours"], pool["networks"], pool["timezone"]), (["mon-fri 08:00-18:00"], ["192.0.2.0/24"], "Europe/Berlin"))
        self.assertEqual(group["access"], {"office": {"hours": ["daily 22:00-06:00"], "networks": [], "refusal": ""}})
        self.assertEqual({i["action"] for i in self.b.post("/apply", {"items": items}).json["items"]}, {"unchanged"})
        got = self.b.post("/apply", {"items": [{**pool, "hours": []}, {**group, "access": {}}]}).json["items"]
        self.assertEqual([i["action"] for i in got], ["update", "update"])
        self.assertIn('access of pool office {"hours": ["daily 22:00-06:00"]', got[1]["changes"][0])
        self.assertEqual(self.site.cluster.value("SELECT count(*) FROM pane.access"), "1")
        bad = {"kind": "group", "name": "night", "access": {"lab": {"hours": []}}}
        self.assertEqual(self.b.post("/apply", {"items": [bad]}).status, 400)


if __name__ == "__main__":
    unittest.main()
