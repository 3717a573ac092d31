# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-broker migrate, admin and setup where somebody else holds what they need: they say at once who that is, give up in bounded time
with nothing changed and what to do, and let everybody else through meanwhile."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import broker as broker_mod
import pg

LATER = "ALTER TABLE pane.users ADD COLUMN later integer;\n"


class Locked(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="pane-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        os.chmod(self.root, 0o755)
        self.db = pg.shared()
        self.db.fresh_database()
        self.broker = broker_mod.Broker(self.root, self.db)
        self.broker.migrate()

    def later(self, text=LATER):
        """Options of a release with one more file."""
        shutil.copytree(os.path.join(broker_mod.SOURCE, "sql"), f"{self.root}/sql")
        with open(f"{self.root}/sql/900_later.sql", "w", encoding="utf-8") as file:
            file.write(text)
        return "--sql", f"{self.root}/sql"

    def hold(self, *statements):
        """A program that was left alone in the middle of what it did; its process id in the database."""
        self.holder = subprocess.Popen(["psql", "-XqAt", f"{self.db.conninfo()} application_name=report"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (self.holder.stdin.close(), self.holder.stdout.close(), self.holder.wait()))
        self.holder.stdin.write("".join(f"{s};\n" for s in (*statements, "SELECT 'pid ' || pg_backend_pid()")))
        self.holder.stdin.flush()
        for line in self.holder.stdout:
            if line.startswith("pid "):
                return line[4:].strip()
        raise AssertionError("the holder did not come up")

    def let_go(self):
        self.holder.stdin.write("ROLLBACK;\nSELECT pg_advisory_unlock_all();\n")
        self.holder.stdin.flush()

    def run_broker(self, *words):
        process = subprocess.Popen([broker_mod.program("pane-broker"), *words, "--config", self.broker.config], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def test_forgotten_transaction(self):
        """a migration behind a forgotten transaction gives up with nothing changed and says whose it is and how to end it; queries get through meanwhile"""
        pid = self.hold("BEGIN", "SELECT count(*) FROM pane.users")
        begun = time.monotonic()
        process = self.run_broker("migrate", *self.later())
        first = process.stderr.readline()
        self.assertLess(time.monotonic() - begun, 10)
        self.assertIn(f"900_later.sql: waits for a lock of the database that is held by {pid} (report, user pane_owner, idle in transaction for ", first)
        served = 0
        while process.poll() is None:
            self.assertEqual(self.db.value("SET statement_timeout = '5s'; SELECT count(*) FROM pane.users", user="pane_broker"), "0")
            served += 1
        self.assertGreater(served, 1)
        self.assertLess(time.monotonic() - begun, 60)
        said = process.stderr.read()
        self.assertEqual(process.returncode, 1)
        self.assertIn("900_later.sql: nothing was changed", said)
        self.assertIn(f"held by {pid} (report", said)
        self.assertIn(f"pg_terminate_backend({pid})", said)
        self.assertEqual(self.db.value("SELECT count(*) FROM pane.migration WHERE name = '900_later.sql'"), "0")
        self.db.sql(f"SELECT pg_terminate_backend({pid})")
        self.assertEqual(self.broker.command("migrate", "--sql", f"{self.root}/sql").stdout, "applied 900_later.sql\n")

    def test_released(self):
        """a lock that is let go in time costs a migration nothing but the wait"""
        self.hold("BEGIN", "SELECT count(*) FROM pane.users")
        process = self.run_broker("migrate", *self.later())
        self.assertIn("waits for a lock", process.stderr.readline())
        self.let_go()
        self.assertEqual((process.wait(60), process.stdout.read()), (0, "applied 900_later.sql\n"))

    def test_turn(self):
        """who waits for another migration says so, and goes on after it"""
        pid = self.hold("SELECT pg_advisory_lock(1885433445, 0)")
        process = self.run_broker("migrate", *self.later())
        self.assertIn(f"held by {pid} (report", process.stderr.readline())
        self.let_go()
        self.assertEqual((process.wait(60), process.stdout.read()), (0, "applied 900_later.sql\n"))

    def test_administrator(self):
        """an administrator whose row another holds is not written, and the holder is named; afterwards it is"""
        self.broker.admin("root")
        pid = self.hold("BEGIN", "SELECT 1 FROM pane.users WHERE name = 'root' FOR UPDATE")
        for word in ("admin", "setup"):
            begun = time.monotonic()
            done = self.broker.command(word, "root", check=False)
            self.assertLess(time.monotonic() - begun, 20)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"held by {pid} (report", done.stderr)
        self.let_go()
        self.assertTrue(self.broker.command("setup", "root").stdout)

    def test_limits(self):
        """no statement of a migration is without a limit of time"""
        self.broker.command("migrate", *self.later("CREATE TABLE pane.seen AS SELECT current_setting('statement_timeout') AS s, "
                                                   "current_setting('lock_timeout') AS l;\n"))
        self.assertEqual(self.db.sql("SELECT s, l FROM pane.seen"), [["15min", "3s"]])


if __name__ == "__main__":
    unittest.main()
