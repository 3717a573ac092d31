# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's primary dies and its standby is promoted: a broker that names both servers goes on with the other one. Nothing that was
acknowledged is lost (synchronous replication), nobody logs in anew. Prints how long logins waited."""
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import panesite
import pg

TIMEOUT = 120


class Failover(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="pf-")
        cls.addClassCleanup(shutil.rmtree, cls.root, True)
        os.chmod(cls.root, 0o755)
        os.mkdir(f"{cls.root}/a")
        os.mkdir(f"{cls.root}/b")
        cls.primary = pg.Cluster(f"{cls.root}/a").start()
        cls.addClassCleanup(cls.primary.stop)
        cls.standby = pg.Cluster(f"{cls.root}/b")
        cls.standby._run("pg_basebackup", "-D", cls.standby.data, "-d", f"host={cls.primary.socket} user={pg.OWNER}", "-R", "-X", "stream", # noqa: SLF001
                         "--checkpoint=fast", "--no-sync")
        with open(f"{cls.standby.data}/postgresql.auto.conf", "a", encoding="ascii") as file:
            file.write(f"unix_socket_directories = '{cls.standby.socket}'\nhot_standby = on\n")
        cls.standby.start()
        cls.addClassCleanup(cls.standby.stop)
        cls.primary.sql("alter system set synchronous_standby_names = '*'", database="postgres")
        cls.primary.sql("select pg_reload_conf()", database="postgres")
        wait(lambda: cls.primary.value("select sync_state from pg_stat_replication", database="postgres") == "sync", "synchronous replication")

    def test_failover(self):
        """the primary is killed, the standby promoted: logins of before and new ones work, what was acknowledged is there, in time"""
        site = panesite.Site()
        site.cluster = self.primary
        with site:
            text = open(site.broker.config, encoding="utf-8").read()
            site.broker.stop()
            with open(site.broker.config, "w", encoding="utf-8") as file: # libpq's own: the first that takes writes
                file.write(re.sub(r"^conninfo = .*$", f"conninfo = host={self.primary.socket},{self.standby.socket} dbname={site.cluster.database} "
                                  "user=pane_broker target_session_attrs=read-write", text, flags=re.M))
            site.broker.start()
            site.host()
            site.pool()
            password = site.user("alice", "office")
            site.wait_state("office-1", "ready")
            token = site.broker.login("alice", password)
            self.assertEqual(site.broker.post("/tickets", {"pool": "office"}, token=token).status, 200)
            site.user("late") # acknowledged, and the very last thing

            begin = time.monotonic()
            self.primary.kill9()
            os.unlink(f"{self.primary.data}/postmaster.pid")
            wait(lambda: site.broker.get("/me", token=token).status in (503, 500), "a broker without a database") # its backends outlive it a moment
            subprocess.run([f"{self.standby.bin}/pg_ctl", "-D", self.standby.data, "-w", "promote"], check=True, stdout=subprocess.DEVNULL,
                           cwd=self.root, **self.standby.identity)
            promoted = time.monotonic() - begin
            said = set()

            def again():
                reply = site.broker.post("/login", {"user": "alice", "password": password}, token="")
                said.add(reply.code or "ok")
                return reply.status == 200
            wait(again, "a login")
            back = time.monotonic() - begin
            site.cluster = self.standby
            self.standby.database = self.primary.database
            self.assertEqual(site.broker.get("/me", token=token).status, 200)
            self.assertEqual(site.broker.get("/users/late").status, 200)
            mine = site.broker.get("/me/desktops", token=token).json["items"]
            self.assertEqual([d["desktop"] for d in mine], ["office-1"])
            self.assertEqual(site.broker.connect(user="alice", password=password).status, 200)
            site.user("later")
            print(f"# the standby was promoted {promoted:.1f} s after the primary died, logins worked after {back:.1f} s; told meanwhile: {sorted(said - {'ok'})}; "
                  "rows lost: 0", flush=True)


def wait(check, what, timeout=30):
    end = time.monotonic() + timeout
    while not check():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
