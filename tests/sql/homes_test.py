# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes that users have from before homes had rows (013_homes.sql): a site with such users, migrated to what is new,
gives them the same files, from the same host, and retention and deletion hold for them as for any."""
import os
import shutil
import tempfile
import unittest

import broker as broker_mod
import fakehost
import panesite
import pg

HASH = "$argon2id$v=19$m=16384,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43

# As the schema before wrote it: two hosts; a pool of machines with home disks, one of containers, one without homes.
OLD = """
INSERT INTO pane.host (name, enrolled_at, kvm, memory_mib, memory_free_mib, disk_free_mib)
	SELECT 'h' || n, now(), 'hardware', 8000, 8000, 90000 FROM generate_series(1, 2) n;
INSERT INTO pane.host_image (host_id, name, version, disk_mib) SELECT id, 'office', 'v1', 1 FROM pane.host;
INSERT INTO pane.pool (name, image, cpus, memory_mib, size_max, spare, assignment, isolation, home_mib) VALUES
	('office', 'office', 1, 64, 4, 0, 'floating', 'vm', 64), ('cells', 'office', 1, 64, 4, 0, 'floating', 'container', 0),
	('plain', 'office', 1, 64, 4, 0, 'floating', 'vm', 0);
INSERT INTO pane.users (name, password) SELECT n, '%s' FROM unnest(ARRAY['alice', 'bob', 'carol', 'dave', 'eve']) n;
INSERT INTO pane.entitlement (pool_id, user_id) SELECT p.id, u.id FROM pane.pool p, pane.users u WHERE u.name <> 'carol';
""" % HASH


class Old(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site(home_retention_s=2, reconcile_ms=50)
        self.addCleanup(self.site.close)
        self.db = self.site.cluster = pg.shared()
        self.db.fresh_database()
        self.b = self.site.broker = broker_mod.Broker(self.site.root, self.db, **self.site.policy)
        source = os.path.join(broker_mod.SOURCE, "sql")
        with tempfile.TemporaryDirectory(prefix="pane-") as old:
            for name in sorted(os.listdir(source)):
                if name < "013":
                    shutil.copy(os.path.join(source, name), old)
            self.b.command("migrate", "--sql", old, check=False) # no grants yet: their function came later
        self.assertEqual(self.db.value("SELECT max(name) FROM pane.migration"), "012_firstboot.sql")
        self.db.sql(OLD)

    def had(self, user, pool, *hosts, live=False):
        """The user has had a desktop of the pool on each of the hosts in turn, and has the last one still."""
        for n, host in enumerate(hosts):
            end = "NULL" if live and n == len(hosts) - 1 else "now()"
            self.db.sql(f"""
WITH d AS (INSERT INTO pane.desktop (pool_id, name, state, host_id, epoch, image, image_version, memory_mib, cpus, isolation)
	SELECT p.id, '{pool}-{user}-{n}', 'ready', h.id, 1, 'office', 'v1', 64, 1, p.isolation FROM pane.pool p, pane.host h
	WHERE p.name = '{pool}' AND h.name = '{host}' RETURNING id, pool_id, host_id)
INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name, host_id)
	SELECT d.id, d.pool_id, u.id, u.name, d.host_id FROM d, pane.users u WHERE u.name = '{user}'""")
            if end == "NULL": # it boots with the home, and is up
                self.db.sql(f"UPDATE pane.desktop SET want = 'running', state = 'ready', reason = '' WHERE name = '{pool}-{user}-{n}'")
            else:
                self.db.sql(f"UPDATE pane.assignment SET released_at = now() WHERE user_name = '{user}' AND released_at IS NULL")
                self.db.sql(f"UPDATE pane.desktop SET state = 'deleting' WHERE name = '{pool}-{user}-{n}'")
                self.db.sql(f"UPDATE pane.desktop SET state = 'deleted' WHERE name = '{pool}-{user}-{n}'")

    def old_key(self, user, pool):
        return self.db.value(f"SELECT pane.home_key(u.id, p.id) FROM pane.users u, pane.pool p "
                             f"WHERE u.name = '{user}' AND p.name = '{pool}'")

    def migrate(self):
        self.assertIn("applied 013_homes.sql", self.b.migrate())
        self.site.password = self.b.admin("root")
        self.b.start()
        self.b.token = self.b.login("root", self.site.password)
        self.site.csr = fakehost.make_csr(self.site.root)

    def host(self, name, *homes):
        """The agent of a host that was there before, with these homes on its disk."""
        h = fakehost.FakeHost.__new__(fakehost.FakeHost)
        self.db.sql(f"UPDATE pane.host SET name = name || 'x' WHERE name = '{name}'")
        h.__init__(self.b, name, self.site.csr)
        new, h.id = h.id, self.db.value(f"SELECT id FROM pane.host WHERE name = '{name}x'")
        self.db.sql(f"DELETE FROM pane.host WHERE id = '{new}'; UPDATE pane.host SET name = '{name}' WHERE id = '{h.id}'")
        h.homes = set(homes)
        self.site.hosts.append(h)
        return h

    def homes(self):
        return {f"{h['user']}/{h['pool']}": h for h in self.b.get("/homes").json["items"]}

    def test_keys(self):
        """whoever had files keeps their key and host, whatever came later; who had none has no row"""
        self.had("alice", "office", "h2", "h1")
        self.had("bob", "cells", "h1", "h1")
        self.had("dave", "plain", "h1")
        keys = {f"{u}/{p}": self.old_key(u, p) for u, p in (("alice", "office"), ("bob", "cells"))}
        self.migrate()
        homes = self.homes()
        self.assertEqual({n: h["key"] for n, h in homes.items()}, keys)
        self.assertEqual({n: h["host"] for n, h in homes.items()}, {"alice/office": "h2", "bob/cells": "h1"})
        self.assertEqual({h["state"] for h in homes.values()}, {"kept"})

    def test_next_desktop(self):
        """the next desktop is made where the files are, with the same key; what others have is not touched"""
        self.had("alice", "office", "h2")
        key = self.old_key("alice", "office")
        self.migrate()
        self.db.sql("UPDATE pane.users SET password = (SELECT password FROM pane.users WHERE name = 'root') WHERE name = 'alice'")
        for name in ("h1", "h2"):
            self.host(name, *([key] if name == "h2" else [])).start()
        d = self.b.wait(lambda: (x := self.b.connect(user="alice", password=self.site.password, desktop="office")).status == 200
                        and x, "alice is in", 20)
        row = self.site.desktop(d.json["name"])
        self.assertEqual(row["host"], "h2")
        self.assertEqual(self.site.hosts[1].desktops[row["id"]]["home"]["key"], key)
        self.assertEqual(self.homes()["alice/office"]["used_mib"], 2)

    def test_running(self):
        """a desktop that runs over the upgrade goes on: the same order, the same home"""
        self.had("alice", "office", "h1", live=True)
        was = self.db.sql("SELECT home, epoch, state FROM pane.desktop WHERE state <> 'deleted'")[0]
        self.assertEqual(was[0], self.old_key("alice", "office"))
        self.migrate()
        h = self.host("h1", was[0])
        h.desktops[self.db.value("SELECT id FROM pane.desktop WHERE state <> 'deleted'")] = {
            "epoch": int(was[1]), "state": "ready", "reason": "", "viewers": [], "memory_mib": 64, "at": 0}
        h.start()
        self.b.wait(lambda: self.site.desktop("office-alice-0").get("state") == "ready", "the desktop is ready")
        self.assertEqual(self.db.sql("SELECT home, epoch FROM pane.desktop WHERE state <> 'deleted'")[0], was[:2])
        order = next(d for d in h.reply["desktops"] if d["name"] == "office-alice-0")
        self.assertEqual((order["home"]["key"], order["want"], h.reply["drop_homes"]), (was[0], "running", []))
        self.assertEqual(self.homes()["alice/office"]["desktop"], "office-alice-0")
        self.assertEqual(self.b.call("DELETE", f"/homes/{was[0]}").code, "home.used")

    def test_retention(self):
        """files of who may not use them any more are kept for the retention time, then deleted, and no others are"""
        self.had("carol", "office", "h1")
        self.had("eve", "office", "h1")
        carol, eve = self.old_key("carol", "office"), self.old_key("eve", "office")
        self.migrate()
        self.assertEqual(self.homes()["carol/office"]["state"], "kept")
        h = self.host("h1", carol, eve).start()
        self.b.wait(lambda: "carol/office" not in self.homes(), "the end of carol's files", 20)
        self.assertEqual(h.homes, {eve})
        self.assertIsNone(self.homes()["eve/office"]["orphan_at"])

    def test_deleted(self):
        """an administrator deletes such a home by the key the old schema gave it"""
        self.had("eve", "cells", "h1")
        key = self.old_key("eve", "cells")
        self.migrate()
        h = self.host("h1", key).start()
        self.assertEqual(self.b.call("DELETE", f"/homes/{key}").status, 204)
        self.b.wait(lambda: not h.homes and not self.homes(), "its end")


if __name__ == "__main__":
    unittest.main()
