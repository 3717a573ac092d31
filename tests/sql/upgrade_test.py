# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of an earlier release, with what a site in use left in it, brought to today's schema."""
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import broker as broker_mod
import pg

SQL = os.path.join(broker_mod.SOURCE, "sql")
BASELINES = sorted(glob.glob(os.path.join(os.path.dirname(__file__), "baseline", "*.sql")))
PASSWORD = "correct horse battery"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def old_release(cluster, baseline):
    """The tables as that release left them, filled: its own functions would be replaced anyway."""
    last = os.path.basename(baseline)[:3]
    cluster.sql("CREATE SCHEMA pane; CREATE TABLE pane.migration (name text PRIMARY KEY, checksum text NOT NULL, "
                "applied_at timestamptz NOT NULL DEFAULT now())")
    for path in sorted(glob.glob(os.path.join(SQL, "[0-9]*.sql"))):
        name, text = os.path.basename(path), read(path)
        if name[:3] <= last:
            cluster.sql(text)
            cluster.sql(f"INSERT INTO pane.migration VALUES ('{name}', '{hashlib.sha256(text.encode()).hexdigest()}')")
    cluster.sql(read(baseline))


def schema(cluster):
    done = subprocess.run(["pg_dump", "-s", "-n", "pane", "-O", "-x", "-d", cluster.conninfo()],
                          capture_output=True, text=True, check=True)
    # Columns that came later stand last: their order within a table is no difference.
    blocks = [b for b in re.split(r"\n\n+", done.stdout) if not b.startswith("\\")]
    return sorted("\n".join(sorted(l.rstrip(",") for l in b.splitlines())) if b.startswith("CREATE TABLE") else b
                  for b in blocks)


class Upgrade(unittest.TestCase):
    def broker(self, cluster):
        root = tempfile.mkdtemp(prefix="pane-")
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        os.chmod(root, 0o755)
        return broker_mod.Broker(root, cluster)

    def each(self):
        self.assertTrue(BASELINES, "tests/sql/baseline is empty")
        for baseline in BASELINES:
            with self.subTest(baseline=os.path.basename(baseline)):
                yield baseline

    def test_same_schema_as_from_empty(self):
        """whatever release it comes from, the schema ends the same as one made today"""
        cluster = pg.shared()
        cluster.fresh_database()
        self.broker(cluster).migrate()
        want = schema(cluster)
        for baseline in self.each():
            cluster.fresh_database()
            old_release(cluster, baseline)
            self.broker(cluster).migrate()
            self.assertEqual(schema(cluster), want)

    def test_people_and_desktops_go_on(self):
        """nothing is lost: people log in with their passwords, are let into their desktops, leavers can come back"""
        cluster = pg.shared()
        for baseline in self.each():
            cluster.fresh_database()
            old_release(cluster, baseline)
            had = dict(cluster.sql("SELECT relname, (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM "
                                   "pane.' || relname, false, true, '')))[1]::text FROM pg_class WHERE relkind = 'r' "
                                   "AND relnamespace = 'pane'::regnamespace AND relname <> 'migration'"))
            b = self.broker(cluster)
            b.migrate()
            for table, n in had.items():
                self.assertEqual(cluster.value(f"SELECT count(*) FROM pane.{table}"), n, table)
            self.assertGreater(int(had["audit"]), 5)
            b.start()
            try:
                b.token = b.login("root", b.admin("root"))
                alice = b.get("/users/alice").json
                self.assertEqual(alice["pools"], ["office"])
                self.assertTrue(b.login("alice", PASSWORD))
                held = cluster.value("SELECT d.name FROM pane.assignment a JOIN pane.desktop d ON d.id = a.desktop_id "
                                     "WHERE a.user_name = 'alice' AND a.released_at IS NULL")
                self.assertEqual(b.get(f"/desktops/{held}").json["user"], "alice")
                kinds = {x["kind"] for x in b.get("/bin").json["items"]}
                self.assertEqual(kinds, {"user", "desktop"})
                self.assertEqual(b.post("/users/bob/restore").status, 200)
                self.assertTrue(b.login("bob", PASSWORD))
            finally:
                b.stop()


if __name__ == "__main__":
    unittest.main()
