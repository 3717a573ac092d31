# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database itself refuses of quotas, hours, schedules, breakers and timers, whoever asks."""
import unittest

import panesite


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.db = cls.site.cluster
        cls.site.pool(spare=0)
        cls.site.pool("own", assignment="dedicated", spare=0)
        cls.site.user("alice", "office")
        cls.site.broker.post("/groups", {"name": "sales"})
        cls.site.broker.stop() # rows stay as they are written

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def refused(self, text, constraint):
        done = self.db.psql(text)
        self.assertNotEqual(done.returncode, 0, text)
        self.assertIn(constraint, done.stderr, text)

    def test_quota(self):
        """a quota is of exactly what its kind says, limits something, is there once, and goes with its user, group or pool"""
        user, pool = "(SELECT id FROM pane.users WHERE name = 'alice')", "(SELECT id FROM pane.pool WHERE name = 'office')"
        self.refused(f"INSERT INTO pane.quota (kind, user_id, desktops) VALUES ('pool', {user}, 1)", "quota_of")
        self.refused(f"INSERT INTO pane.quota (kind, user_id, pool_id, desktops) VALUES ('user', {user}, {pool}, 1)", "quota_of")
        self.refused("INSERT INTO pane.quota (kind, desktops) VALUES ('group', 1)", "quota_of")
        self.refused("INSERT INTO pane.quota (kind) VALUES ('everyone')", "quota_says")
        self.refused("INSERT INTO pane.quota (kind, cpus) VALUES ('everyone', -1)", "quota_cpus_check")
        self.db.sql("INSERT INTO pane.quota (kind, cpus) VALUES ('everyone', 1)")
        self.refused("INSERT INTO pane.quota (kind, cpus) VALUES ('everyone', 2)", "quota_kind")
        self.db.sql("INSERT INTO pane.quota (kind, group_id, cpus) SELECT 'group', id, 1 FROM pane.groups")
        self.db.sql("DELETE FROM pane.groups")
        self.assertEqual(self.db.value("SELECT string_agg(kind, ' ') FROM pane.quota"), "everyone")
        self.db.sql("DELETE FROM pane.quota")

    def test_access(self):
        """a rule of hours needs an entitlement and goes with it, is there once, and its week is a week"""
        pool = "SELECT p.id, u.id FROM pane.pool p, pane.users u WHERE u.name = 'alice' AND p.name = "
        self.refused(f"INSERT INTO pane.access (pool_id, user_id) {pool} 'own'", "access_pool_id_user_id_fkey")
        self.db.sql(f"INSERT INTO pane.access (pool_id, user_id) {pool} 'office'")
        self.refused(f"INSERT INTO pane.access (pool_id, user_id) {pool} 'office'", "duplicate key")
        self.refused("UPDATE pane.access SET hours = '{mon}'", "access_hours")
        self.refused("UPDATE pane.access SET hours = '{mon}', open = '{[0,10081)}'", "access_hours")
        self.db.sql("DELETE FROM pane.entitlement")
        self.assertEqual(self.db.value("SELECT count(*) FROM pane.access"), "0")

    def test_pool(self):
        """a grid has 168 hours and comes with its schedule; a stopped pool has a reason and a time; floating ones only recycle"""
        self.refused("UPDATE pane.pool SET grid = array_fill(1, ARRAY[167]), schedule = '{x}'", "pool_grid")
        self.refused("UPDATE pane.pool SET grid = array_fill(1, ARRAY[168])", "pool_grid")
        self.refused("UPDATE pane.pool SET stopped_at = now(), try_at = now()", "pool_stopped")
        self.refused("UPDATE pane.pool SET stopped_at = now(), stopped_reason = 'x'", "pool_stopped")
        self.refused("UPDATE pane.pool SET after_logoff = 'off' WHERE name = 'office'", "pool_after_logoff")
        self.db.sql("UPDATE pane.pool SET after_logoff = 'suspend' WHERE name = 'own'")
        self.refused("UPDATE pane.pool SET isolation = 'container' WHERE name = 'own'", "pool_suspend")
        self.db.sql("UPDATE pane.pool SET after_logoff = 'off' WHERE name = 'own'")
        self.refused("UPDATE pane.pool SET idle_action = 'keep'", "pool_idle_action_check")

    def test_what_a_desktop_takes(self):
        """the quota check takes the numbers of a desktop that waits for a host from its pool, and of one that is off only its disk"""
        self.db.sql("UPDATE pane.pool SET cpus = 3, disk_mib = 700, home_mib = 50 WHERE name = 'own'")
        self.db.sql("INSERT INTO pane.desktop (pool_id, name, state, want) SELECT id, 'w-' || s, s::pane.machine_state, "
                    "CASE s WHEN 'suspended' THEN 'stopped' ELSE 'running' END::pane.want FROM pane.pool, "
                    "unnest('{requested,suspended,lost,deleting}'::text[]) s WHERE name = 'own'")
        rows = self.db.sql("SELECT d.name, u.running, u.cpus, u.disk_mib FROM pane.desktop_use u JOIN pane.desktop d "
                           "USING (id) WHERE d.name LIKE 'w-%' ORDER BY 1")
        self.assertEqual(rows, [["w-lost", "f", "0", "750"], ["w-requested", "t", "3", "750"], ["w-suspended", "f", "0", "750"]])


if __name__ == "__main__":
    unittest.main()
