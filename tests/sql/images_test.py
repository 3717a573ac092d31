# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database itself refuses of images, versions, tags and rollouts."""
import os
import shutil
import tempfile
import unittest

import broker as broker_mod
import pg

SHA = "0" * 64


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="pane-")
        os.chmod(cls.root, 0o755)
        os.makedirs(os.path.join(cls.root, "pg"))
        cls.db = pg.Cluster(os.path.join(cls.root, "pg")).start()
        broker_mod.Broker(cls.root, cls.db).migrate()

    @classmethod
    def tearDownClass(cls):
        cls.db.stop()
        shutil.rmtree(cls.root, ignore_errors=True)

    def setUp(self):
        self.db.sql("TRUNCATE pane.image_tag, pane.image_tag_move, pane.image_version, pane.image, pane.rollout, "
                    "pane.pool CASCADE")

    def refused(self, text, state):
        done = self.db.psql(text, user="pane_broker")
        self.assertNotEqual(done.returncode, 0, text)
        self.assertIn(state, done.stderr, text)

    def version(self, name="office", state="ready", size=10):
        v = self.db.value(f"SELECT pane.version_create('{name}', {size}, '{SHA}', '', 'root')::jsonb ->> 'version'")
        row = self.db.value("SELECT v.id FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id "
                            f"WHERE i.name = '{name}' AND v.version = '{v}'")
        for step in {"ready": ("verifying", "converting"), "verifying": ("verifying",)}.get(state, ()):
            self.db.sql(f"UPDATE pane.image_version SET state = '{step}' WHERE id = '{row}'")
        if state == "ready":
            self.db.sql(f"UPDATE pane.image_version SET state = 'ready', manifest = '{{}}' WHERE id = '{row}'")
        return v, row

    def test_states(self):
        """a version takes no other way than its states allow, and is not ready without files"""
        _, row = self.version(state="uploading")
        for state in ("ready", "converting", "retired"):
            self.refused(f"UPDATE pane.image_version SET state = '{state}' WHERE id = '{row}'", "no transition")
        _, row = self.version(state="verifying")
        self.db.sql(f"UPDATE pane.image_version SET state = 'converting' WHERE id = '{row}'")
        self.refused(f"UPDATE pane.image_version SET state = 'ready' WHERE id = '{row}'", "check constraint")

    def test_uploads(self):
        """no more arrives than was announced, and only in order"""
        v, row = self.version(state="uploading")
        self.refused(f"UPDATE pane.image_version SET received_bytes = 11 WHERE id = '{row}'", "check constraint")
        self.refused(f"SELECT pane.upload_begin('office', '{v}', 0, 11)", "announced 10 bytes")
        self.refused(f"SELECT pane.upload_begin('office', '{v}', 1, 1)", "go on there")
        self.refused("SELECT pane.version_create('../x', 1, '', '', '')", "check constraint")

    def test_tags(self):
        """a tag points at a ready version of its own image; that version and its image stay"""
        _, one = self.version()
        _, other = self.version(name="lab")
        _, raw = self.version(state="uploading")
        image = self.db.value("SELECT id FROM pane.image WHERE name = 'office'")
        for row in (other, raw):
            self.refused(f"INSERT INTO pane.image_tag VALUES ('{image}', 'stable', '{row}', false)", "not a ready version")
        self.db.sql(f"INSERT INTO pane.image_tag VALUES ('{image}', 'stable', '{one}', false)")
        self.refused(f"DELETE FROM pane.image_version WHERE id = '{one}'", "foreign key")
        self.refused("SELECT pane.version_delete('office', '1')", "is in use")

    def test_rollouts(self):
        """a pool has one update at a time"""
        pool = self.db.value("INSERT INTO pane.pool (name, image, cpus, memory_mib, size_max, spare, assignment) "
                             "VALUES ('office', 'office', 1, 64, 4, 0, 'floating') RETURNING id")
        add = f"INSERT INTO pane.rollout (pool_id, version, pinned, state) VALUES ('{pool}', '1', false, '%s')"
        self.db.sql(add % "running")
        self.refused(add % "paused", "duplicate key")
        self.db.sql(add % "done")
        self.refused("SELECT pane.rollout_start('office', '{\"version\":\"7\"}', 'root', false)", "no ready version")

    def test_numbers(self):
        """a number that a host has used is left out"""
        self.db.sql("SELECT pane.image_found('office', '1', 1)")
        self.assertEqual(self.version()[0], "2")


if __name__ == "__main__":
    unittest.main()
