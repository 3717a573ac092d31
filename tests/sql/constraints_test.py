# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database itself refuses, whoever asks."""
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

import broker as broker_mod
import pg

HASH = "$argon2id$v=19$m=16384,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43


class Constraints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="pane-")
        os.chmod(cls.root, 0o755)
        os.makedirs(os.path.join(cls.root, "pg"))
        cls.db = pg.Cluster(os.path.join(cls.root, "pg")).start()
        cls.broker = broker_mod.Broker(cls.root, cls.db)
        cls.broker.migrate()

    @classmethod
    def tearDownClass(cls):
        cls.db.stop()
        shutil.rmtree(cls.root, ignore_errors=True)

    def setUp(self):
        tables = ("session, assignment, ticket, token, entitlement, desktop, pool, host_image, "
                  "host_generation, host, users")
        self.db.sql("TRUNCATE " + ", ".join("pane." + t for t in tables.split(", ")) + " CASCADE")

    def runtime(self, text):
        return self.db.psql(text, user="pane_broker")

    def refused(self, text, state, **where):
        done = self.db.psql(text, **where)
        self.assertNotEqual(done.returncode, 0, text)
        self.assertIn(state, done.stderr, text)

    def people(self, n):
        self.db.sql(f"INSERT INTO pane.users (name, password) SELECT 'u' || n, '{HASH}' "
                    f"FROM generate_series(1, {n}) n")

    def site(self, desktops, state="ready", size=200, memory=1024):
        """A host and a pool with desktops that are already in state; the pool's id."""
        host = self.db.value("INSERT INTO pane.host (name, enrolled_at, online, kvm, memory_mib, "
                             "memory_free_mib, disk_free_mib, last_sync_at) VALUES ('h1', now(), true, "
                             f"'hardware', {memory * size}, {memory * size}, 900000, now()) RETURNING id")
        self.db.sql(f"INSERT INTO pane.host_image VALUES ('{host}', 'office', 'v1', 1)")
        pool = self.db.value("INSERT INTO pane.pool (name, image, cpus, memory_mib, size_max, spare, "
                             f"assignment) VALUES ('office', 'office', 1, {memory}, {size}, 0, "
                             "'floating') RETURNING id")
        if desktops:
            self.db.sql("INSERT INTO pane.desktop (pool_id, name, state, host_id, epoch) SELECT "
                        f"'{pool}', 'office-' || n, '{state}', '{host}', 1 "
                        f"FROM generate_series(1, {desktops}) n")
        return pool

    def storm(self, pool, users, rounds=1):
        """Every user asks for a desktop at once, each on a connection of their own."""
        ids = [r[0] for r in self.db.sql("SELECT id FROM pane.users ORDER BY name")][:users]
        answers, lock = [], threading.Lock()

        def ask(user):
            done = self.runtime("\n".join([f"SELECT pane.assign('{user}', '{pool}')"] * rounds)
                                .replace("\n", ";\n") + ";")
            with lock:
                answers.append((user, done.returncode, done.stdout, done.stderr))
        threads = [threading.Thread(target=ask, args=(u,)) for u in ids]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return answers

    def test_foreign_keys_are_indexed(self):
        """every foreign key can be walked from its other end: what is deleted does not read a whole history"""
        rows = self.db.sql(
            "SELECT c.conrelid::regclass, c.conname FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'pane'::regnamespace "
            "AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND (i.indkey::smallint[])[0] = ANY (c.conkey))")
        self.assertEqual(rows, [])

    def test_one_hundred_at_once_never_share(self):
        """R1: 100 concurrent assigns on 60 warm desktops: nobody shares, nobody has two, none is left over"""
        self.people(100)
        pool = self.site(60, size=60)
        answers = self.storm(pool, 100, rounds=2)
        self.assertTrue(all(a[1] == 0 for a in answers), [a[3] for a in answers if a[1]][:3])
        rows = self.db.sql("SELECT count(*), count(DISTINCT desktop_id), count(DISTINCT user_id) "
                           "FROM pane.assignment WHERE released_at IS NULL")
        self.assertEqual(rows, [["60", "60", "60"]])
        refused = [a for a in answers if "pool office is full: 60 of 60 assigned" in a[2]]
        self.assertEqual(len(refused), 40)

    def test_one_user_asking_twenty_times_at_once_has_one(self):
        """one user asking on 20 connections at once holds one desktop of the pool"""
        self.people(1)
        pool = self.site(20, size=20)
        user = self.db.value("SELECT id FROM pane.users")
        done = []
        threads = [threading.Thread(target=lambda: done.append(
            self.runtime(f"SELECT pane.assign('{user}', '{pool}') ->> 'desktop'"))) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual({d.returncode for d in done}, {0}, [d.stderr for d in done if d.returncode][:2])
        self.assertEqual(len({d.stdout for d in done}), 1)
        self.assertEqual(self.db.value("SELECT count(*) FROM pane.assignment"), "1")

    def test_created_desktops_never_exceed_size_or_memory(self):
        """30 at once on an empty pool of 10 make exactly 10 desktops, and never more than memory holds"""
        self.people(30)
        pool = self.site(0, size=10)
        self.storm(pool, 30)
        self.assertEqual(self.db.value("SELECT count(*) FROM pane.desktop"), "10")
        self.db.sql("TRUNCATE pane.assignment, pane.desktop CASCADE; "
                    "UPDATE pane.host SET memory_mib = 4096, memory_free_mib = 4096")
        answers = self.storm(pool, 30)
        self.assertEqual(self.db.value("SELECT count(*) FROM pane.desktop"), "4")
        self.assertTrue(any("host h1: needs 1024 MiB, 0 free" in a[2] for a in answers))

    def test_indexes_refuse_double_assignment(self):
        """the indexes alone refuse a second holder and a second desktop of a pool"""
        self.people(2)
        pool = self.site(2)
        give = ("INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name) SELECT d.id, "
                "'%s', u.id, u.name FROM pane.desktop d, pane.users u WHERE d.name = '%s' "
                "AND u.name = '%s'")
        self.db.sql(give % (pool, "office-1", "u1"))
        self.refused(give % (pool, "office-1", "u2"), "23505")
        self.refused(give % (pool, "office-2", "u1"), "23505")
        # Without the trigger that checks first, the indexes stand.
        off = "ALTER TABLE pane.assignment DISABLE TRIGGER ALL;"
        on = ";ALTER TABLE pane.assignment ENABLE TRIGGER ALL"
        self.refused(off + give % (pool, "office-1", "u2") + on, "assignment_desktop")
        self.refused(off + give % (pool, "office-2", "u1") + on, "assignment_user_pool")
        self.db.sql("ALTER TABLE pane.assignment ENABLE TRIGGER ALL")

    def test_dirty_goes_to_nobody(self):
        """a touched desktop is given to nobody, by search or by hand"""
        self.people(1)
        pool = self.site(1, size=1)
        self.db.sql("UPDATE pane.desktop SET dirty = true")
        user = self.db.value("SELECT id FROM pane.users")
        answer = self.db.value(f"SELECT pane.assign('{user}', '{pool}')", user="pane_broker")
        self.assertIn("reasons", answer)
        self.refused("INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name) SELECT d.id, "
                     "d.pool_id, u.id, u.name FROM pane.desktop d, pane.users u", "23505")

    def test_transitions_are_guarded(self):
        """a machine moves only along the transition table, for every pair of states"""
        self.site(1)
        states = [r[0] for r in self.db.sql("SELECT unnest(enum_range(NULL::pane.machine_state))")]
        allowed = {tuple(r) for r in self.db.sql("SELECT * FROM pane.machine_transition")}
        bad = [(a, b) for a in states for b in states if a != b and (a, b) not in allowed]
        self.assertGreater(len(bad), 40)
        text = "\n".join(
            "DO $$ BEGIN ALTER TABLE pane.desktop DISABLE TRIGGER desktop_guard; "
            f"UPDATE pane.desktop SET state = '{a}'; "
            "ALTER TABLE pane.desktop ENABLE TRIGGER desktop_guard; BEGIN "
            f"UPDATE pane.desktop SET state = '{b}'; RAISE 'allowed {a} {b}'; "
            "EXCEPTION WHEN check_violation THEN NULL; END; END $$;" for a, b in bad)
        self.db.sql(text)

    def test_transition_leaves_event_and_deadline(self):
        """each transition inserts an event, and a transient state gets a deadline"""
        self.site(1, state="requested")
        self.db.sql("SELECT pane.place(id, host_id) FROM pane.desktop")
        self.assertEqual(self.db.sql("SELECT state, deadline > now(), epoch FROM pane.desktop"),
                         [["cloning", "t", "2"]])
        self.assertEqual(self.db.value("SELECT pane.machine_to(id, 'ready', '') FROM pane.desktop"), "t")
        self.assertEqual(self.db.sql("SELECT state, deadline IS NULL FROM pane.desktop"), [["ready", "t"]])
        self.assertEqual(self.db.value("SELECT pane.machine_to(id, 'deleted', '') FROM pane.desktop"), "f")
        events = self.db.sql("SELECT from_state, to_state FROM pane.event WHERE kind = 'machine' "
                             "ORDER BY id DESC LIMIT 2")
        self.assertEqual(events, [["cloning", "ready"], ["requested", "cloning"]])

    def test_epoch_never_goes_back(self):
        """the epoch of a desktop cannot go back"""
        self.site(1)
        self.refused("UPDATE pane.desktop SET epoch = epoch - 1", "23514")

    def test_session_machine_is_guarded(self):
        """a session cannot jump, and a desktop has one live session"""
        self.people(1)
        self.site(1)
        new = ("INSERT INTO pane.session (desktop_id, user_id, user_name, state) SELECT d.id, u.id, u.name, "
               "'%s' FROM pane.desktop d, pane.users u")
        self.refused(new % "connected", "23514")
        self.db.sql(new % "ticketed")
        self.refused(new % "ticketed", "session_desktop")
        self.refused("UPDATE pane.session SET state = 'disconnected'", "23514")
        self.db.sql("UPDATE pane.session SET state = 'connected'; UPDATE pane.session SET state = 'ended'")
        self.refused("UPDATE pane.session SET state = 'connected'", "23514")

    def test_ticket_is_redeemed_once(self):
        """50 connections redeem one ticket: exactly one succeeds"""
        self.people(1)
        self.site(1)
        self.db.sql("INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name) SELECT d.id, "
                    "d.pool_id, u.id, u.name FROM pane.desktop d, pane.users u")
        self.db.sql("SELECT pane.ticket_create(u.id, d.id, sha256('x'), '', 30) "
                    "FROM pane.desktop d, pane.users u")
        got = []
        threads = [threading.Thread(target=lambda: got.append(self.db.value(
            "SELECT coalesce(pane.ticket_redeem(sha256('x'), '') ->> 'why', 'ok')", user="pane_broker")))
            for _ in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(got), ["ok"] + ["reused"] * 49)

    def test_ticket_lives_thirty_seconds_at_most(self):
        """a ticket of more than 30 s is refused"""
        self.people(1)
        self.site(1)
        self.refused("INSERT INTO pane.ticket (hash, user_id, desktop_id, epoch, expires_at) SELECT "
                     "sha256('y'), u.id, d.id, 1, now() + interval '31 s' FROM pane.desktop d, pane.users u",
                     "23514")

    def test_history_is_append_only(self):
        """audit and events can be neither changed nor removed, by the owner role either"""
        self.db.sql("INSERT INTO pane.audit (action, outcome) VALUES ('x', 'ok'); "
                    "INSERT INTO pane.event (kind) VALUES ('x')")
        for table in ("audit", "event"):
            for text in (f"UPDATE pane.{table} SET id = DEFAULT", f"DELETE FROM pane.{table}",
                         f"TRUNCATE pane.{table}"):
                self.refused(text, "42501")
                self.refused(text, "42501", user="pane_broker")

    def test_audit_months(self):
        """the audit is kept by months, which the runtime role adds to and has made, and can neither read around, change nor drop; what is of no month is kept, too"""
        month = self.db.value("SELECT 'audit_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
        self.db.sql("INSERT INTO pane.audit (action, outcome) VALUES ('now', 'ok')", user="pane_broker")
        self.db.sql("INSERT INTO pane.audit (at, action, outcome) VALUES ('2001-02-03', 'once', 'ok')")
        self.assertEqual(self.db.value(f"SELECT count(*) FROM pane.{month} WHERE action = 'now'"), "1")
        self.assertEqual(self.db.value("SELECT count(*) FROM pane.audit_rest WHERE action = 'once'"), "1")
        self.assertEqual(self.db.value("SELECT string_agg(action, ' ' ORDER BY at) FROM pane.audit WHERE action IN ('now', 'once')"), "once now")
        for text in (f"DELETE FROM pane.{month}", f"UPDATE pane.{month} SET actor = ''", f"DROP TABLE pane.{month}", f"INSERT INTO pane.{month} (id, action, outcome) VALUES (1, 'x', 'ok')"):
            self.refused(text, "42501", user="pane_broker")
        self.db.sql(f"DROP TABLE pane.{month}")
        self.assertEqual(self.db.value("SELECT pane.audit_months()", user="pane_broker"), "1")
        self.assertEqual(self.db.value("SELECT pane.audit_months()", user="pane_broker"), "0")
        self.db.sql("INSERT INTO pane.audit (action, outcome) VALUES ('again', 'ok')", user="pane_broker")
        self.assertEqual(self.db.value(f"SELECT count(*) FROM pane.{month} WHERE action = 'again'"), "1")

    def test_runtime_role_has_no_ddl(self):
        """the runtime role can neither define, drop, grant nor rewrite the transition table"""
        for text in ("CREATE TABLE pane.x (a int)", "CREATE TABLE x (a int)", "DROP TABLE pane.users",
                     "ALTER TABLE pane.desktop DISABLE TRIGGER ALL", "CREATE SCHEMA other",
                     "INSERT INTO pane.machine_transition VALUES ('ready', 'deleted')",
                     "UPDATE pane.migration SET checksum = ''", "CREATE ROLE other",
                     "SELECT pane.grant_runtime('postgres')",
                     "CREATE FUNCTION pane.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                     "DROP INDEX pane.assignment_desktop", "TRUNCATE pane.desktop"):
            self.refused(text, "42501", user="pane_broker")


    def test_login_gate(self):
        """a login below the limit never waits, whichever of two began first; beyond it a clock that jumped makes nobody wait for longer than it says"""
        gate = "SELECT pane.login_gate('ada', '192.0.2.1', 5)"
        row = "INSERT INTO pane.throttle VALUES ('ada', '192.0.2.1', {}, now() + interval '{}', now()) ON CONFLICT (user_name, source) " \
              "DO UPDATE SET failures = excluded.failures, next_at = excluded.next_at"
        for failures, ahead, wait in ((1, "10 ms", "0"), (4, "20 s", "0"), (7, "20 s", "20"), (7, "1 h", "0"), (7, "-1 s", "0")):
            self.db.sql(row.format(failures, ahead))
            self.assertEqual(self.db.value(gate), wait, (failures, ahead))

class Migrations(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="pane-")
        os.chmod(self.root, 0o755)
        os.makedirs(os.path.join(self.root, "pg"))
        self.db = pg.Cluster(os.path.join(self.root, "pg")).start()
        self.broker = broker_mod.Broker(self.root, self.db)
        self.source = os.path.join(broker_mod.SOURCE, "sql")
        self.files = sorted(f for f in os.listdir(self.source) if f.endswith(".sql"))

    def tearDown(self):
        self.db.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def copy(self):
        """A directory with everything, to be changed."""
        d = os.path.join(self.root, "sql")
        shutil.copytree(self.source, d)
        return d

    def applied(self):
        return [r[0] for r in self.db.sql("SELECT name FROM pane.migration ORDER BY name")]

    def test_from_empty_and_again(self):
        """from empty, then again: each file once, the second run changes nothing"""
        self.assertEqual(self.broker.migrate().split(), [w for f in [*self.files, "code"] for w in ("applied", f)])
        self.assertEqual(self.applied(), self.files)
        self.assertEqual(self.broker.migrate(), "")

    def test_definitions_are_replaced(self):
        """definitions that differ are replaced as a whole: what is no longer there goes, what changed counts"""
        d = self.copy()
        with open(os.path.join(d, "code", "98_more.sql"), "w", encoding="utf-8") as f:
            f.write("CREATE FUNCTION pane.more() RETURNS integer LANGUAGE sql AS 'SELECT 42';\n"
                    "CREATE VIEW pane.more_view AS SELECT pane.more();\n")
        self.broker.command("migrate", "--sql", d)
        self.assertEqual(self.db.value("SELECT * FROM pane.more_view", user="pane_broker"), "42")
        self.assertEqual(self.broker.migrate(), "applied code\n")
        self.assertEqual(self.db.value("SELECT to_regproc('pane.more') IS NULL"), "t")

    def test_broken_definition_changes_nothing(self):
        """a definition that names what is not there is refused, and the old ones stay"""
        self.broker.migrate()
        d = self.copy()
        with open(os.path.join(d, "code", "98_more.sql"), "w", encoding="utf-8") as f:
            f.write("CREATE FUNCTION pane.more() RETURNS integer LANGUAGE sql AS 'SELECT pane.nothing()';\n")
        done = self.broker.command("migrate", "--sql", d, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("pane.nothing", done.stderr)
        self.assertEqual(self.db.value("SELECT to_regproc('pane.assign') IS NOT NULL"), "t")

    def test_ten_at_once(self):
        """ten brokers migrate at once: all succeed, each file is applied once"""
        runs = [subprocess.Popen([broker_mod.program("pane-broker"), "migrate", "--config",
                                  self.broker.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True) for _ in range(10)]
        out = [r.communicate() for r in runs]
        self.assertEqual([r.returncode for r in runs], [0] * 10, out)
        self.assertEqual(sum(o[0].count("applied") for o in out), len(self.files) + 1)

    def test_changed_file_is_refused(self):
        """a file that changed after it was applied is refused by name"""
        d = self.copy()
        self.broker.command("migrate", "--sql", d)
        with open(os.path.join(d, self.files[0]), "a", encoding="utf-8") as f:
            f.write("-- changed\n")
        done = self.broker.command("migrate", "--sql", d, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.files[0], done.stderr)
        self.assertIn("has changed since it was applied", done.stderr)

    def test_broken_file_leaves_nothing(self):
        """a migration that fails leaves nothing of itself behind, and says where"""
        d = self.copy()
        self.broker.command("migrate", "--sql", d)
        with open(os.path.join(d, "900_broken.sql"), "w", encoding="utf-8") as f:
            f.write("CREATE TABLE pane.half (a int); SELECT 1/0;\n")
        done = self.broker.command("migrate", "--sql", d, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("900_broken.sql", done.stderr)
        self.assertEqual(self.db.value("SELECT to_regclass('pane.half') IS NULL"), "t")

    def test_newer_database_is_refused(self):
        """an older program does not touch a newer schema"""
        d = self.copy()
        with open(os.path.join(d, "900_later.sql"), "w", encoding="utf-8") as f:
            f.write("CREATE TABLE pane.later (a int);\n")
        self.broker.command("migrate", "--sql", d)
        done = self.broker.command("migrate", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("newer", done.stderr)


if __name__ == "__main__":
    unittest.main()
