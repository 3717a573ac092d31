# SPDX-License-Identifier: GPL-3.0-or-later
"""The event stream, the audit with what was changed, logon times, and the metrics."""
import csv
import io
import json
import socket
import threading
import unittest

import broker as broker_mod
import panesite
import promtext
from eventstream import Stream


class Events(unittest.TestCase):
    def setUp(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.site = panesite.Site(metrics_listen=f"127.0.0.1:{self.port}").__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def stream(self, token=None, last=None):
        s = Stream(self.b, token or self.b.token, last)
        self.addCleanup(s.close)
        return s

    def wait(self, s, **want):
        return self.b.wait(lambda: s.seen(**want), f"event {want}", 10)

    def test_stream(self):
        """what happens to desktops, sessions, hosts and settings arrives as it happens, in order, without repeats"""
        s = self.stream()
        self.assertEqual(s.status, 200)
        self.assertIn(b"text/event-stream", s.headers)
        self.site.host()
        self.site.pool()
        pw = self.site.user("alice", "office")
        self.wait(s, kind="machine", desktop="office-1", to="ready")
        self.assertEqual(self.b.connect(user="alice", password=pw).status, 200)
        self.wait(s, kind="session", to="connecting", user="alice")
        self.wait(s, kind="host", name="h1", to="online")
        self.wait(s, kind="change", name="office", to="pool.create", reason="by root")
        states = [e[2]["to"] for e in s.seen(kind="machine", desktop="office-1")]
        self.assertEqual(states, ["requested", "cloning", "booting", "ready"])
        ids = [tuple(map(int, e[0].split("-"))) for e in s.events]
        self.assertEqual(ids, sorted(set(ids)))

    def test_resume(self):
        """who comes back with the last id gets exactly what came after it, also from another broker or after a restart"""
        s = self.stream()
        for i in range(3):
            self.b.post("/groups", {"name": f"g{i}"})
        self.wait(s, name="g2")
        at = s.seen(name="g0")[0][0]
        again = self.stream(last=at)
        self.wait(again, name="g2")
        self.assertEqual([e[2]["name"] for e in again.events], ["g1", "g2"])
        self.b.stop()
        self.assertTrue(s.ended.wait(10), "a stopping broker ends its streams")
        self.b.start()
        self.b.post("/groups", {"name": "g3"})
        after = self.b.wait(lambda: (lambda x: x if x.status == 200 else None)(self.stream(last=at)), "a stream")
        self.wait(after, name="g3")
        self.assertEqual([e[2]["name"] for e in after.events], ["g1", "g2", "g3"])

    def test_late_commit(self):
        """an event of a transaction that commits late is neither lost nor out of order"""
        s = self.stream()
        late = threading.Thread(target=self.site.cluster.sql, args=(
            "BEGIN; INSERT INTO pane.event (kind, name) VALUES ('change', 'slow'); SELECT pg_sleep(2); COMMIT",))
        late.start()
        self.b.wait(lambda: self.site.cluster.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' "
                                                    "AND pid <> pg_backend_pid()") == "1", "under way")
        self.b.post("/groups", {"name": "fast"})
        late.join()
        self.wait(s, name="fast")
        self.assertEqual([e[2]["name"] for e in s.events], ["slow", "fast"])

    def test_roles(self):
        """a user hears of their own desktop and session only; the number of listeners is bounded"""
        self.site.host()
        self.site.pool(size_max=4, spare=2)
        pws = {n: self.site.user(n, "office") for n in ("alice", "bob")}
        mine = self.stream(self.b.login("alice", pws["alice"]))
        self.site.wait_state("office-2", "ready")
        for n in ("bob", "alice"):
            self.assertEqual(self.b.connect(user=n, password=pws[n]).status, 200)
        self.wait(mine, kind="session", to="connecting")
        self.assertEqual({e[2].get("user") for e in mine.events}, {"alice"})
        held = [Stream(self.b, self.b.token) for _ in range(256)]
        refused = [s for s in held if s.status == 503]
        self.assertEqual(len(refused), 1)
        for s in held:
            s.close()

    def test_audit(self):
        """the audit says what an object was before and after, and exports as CSV and JSON lines"""
        self.site.pool()
        self.b.call("PATCH", "/pools/office", {"size_max": 9})
        self.b.post("/users", {"name": "alice", "full_name": 'A "quoted", name'})
        self.b.call("DELETE", "/pools/office")
        rows = {r["action"]: r for r in self.site.audit()}
        change = rows["pool.update"]
        self.assertEqual((change["before"]["size_max"], change["after"]["size_max"]), (4, 9))
        self.assertEqual((rows["pool.create"]["before"], rows["pool.delete"]["after"]), (None, None))
        self.assertNotIn("password", rows["user.create"]["after"])
        r = self.b.get("/audit/export?format=csv&limit=1000")
        self.assertTrue(r.headers["Content-Type"].startswith("text/csv"))
        table = list(csv.DictReader(io.StringIO(r.text, newline="")))
        row = [t for t in table if t["action"] == "user.create"][0]
        self.assertEqual(json.loads(row["after"])["full_name"], 'A "quoted", name')
        lines = [json.loads(line) for line in self.b.get("/audit/export").text.splitlines()]
        self.assertEqual([str(x["id"]) for x in lines], [t["id"] for t in table])
        ids = [x["id"] for x in lines]
        more = self.b.get(f"/audit/export?after={ids[1]}&limit=2").text.splitlines()
        self.assertEqual([json.loads(x)["id"] for x in more], ids[2:4])
        self.assertEqual(self.b.get("/audit/export?format=xml").status, 400)

    def test_logons(self):
        """a logon's time is told in segments: password, assignment, start of the desktop, display"""
        h = self.site.host()
        h.boot_s = 1.5
        self.site.pool(spare=0)
        pw = self.site.user("alice", "office")
        self.assertEqual(self.b.connect(user="alice", password=pw).status, 200)
        self.assertIsNone(self.b.get("/logons").json["items"][0]["display_ms"])
        h.set("office-1", viewers=[{"conn": "c1", "user": "alice", "protocol": "rdp", "client": "192.0.2.1:1"}])
        row = self.b.get("/logons").json["items"][0]
        self.assertEqual((row["user"], row["desktop"]), ("alice", "office-1"))
        self.assertGreater(row["auth_ms"], 0)
        self.assertGreaterEqual(row["start_ms"], 1000)
        self.assertGreaterEqual(row["display_ms"], 0)
        ticket = self.b.post("/tickets", {"pool": "office"}, token=self.b.login("alice", pw)).json["ticket"]
        self.assertEqual(self.b.connect(ticket=ticket, conn="c2").status, 200)
        self.assertIsNone(self.b.get("/logons").json["items"][0]["auth_ms"])

    def test_metrics(self):
        """the internal socket gives Prometheus its text, with desktops by state and answers by status; a loopback port the same and nothing else; the public one nothing"""
        self.site.host()
        self.site.pool()
        self.site.wait_state("office-1", "ready")
        r = broker_mod.request(self.b.internal, "GET", "/metrics")
        self.assertIn('pane_desktops{pool="office",state="ready"} 1\n', r.text)
        self.assertRegex(r.text, r'(?m)^pane_broker_answers_total\{status="2xx"\} [1-9]')
        self.assertRegex(r.text, r"(?m)^# TYPE pane_desktops gauge\npane_desktops\{")
        for line in r.text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+=\"[^\"]*\",?)*\})? \d+)$")
        self.assertEqual(broker_mod.request(self.b.api, "GET", "/metrics").status, 404)
        self.assertEqual(promtext.promtool("check", "metrics", stdin=r.text), "")
        there = "127.0.0.1", self.port
        self.assertEqual(promtext.scrape(there)("pane_desktops", pool="office", state="ready"), 1)
        for path in ("/api/v1/health", "/internal/v1/connections", "/"):
            self.assertEqual(promtext.ask(there, path)[0], 404)
        self.assertEqual(promtext.ask(there, "/internal/v1/connections", "POST")[0], 404)


if __name__ == "__main__":
    unittest.main()
