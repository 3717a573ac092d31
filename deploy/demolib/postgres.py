# SPDX-License-Identifier: GPL-3.0-or-later
"""A private PostgreSQL cluster: unix socket only, in a directory of its own, as an ordinary user.

When started as root it runs as Debian's `postgres` user; the programs of the site connect as themselves, by
peer authentication and an identity map, so there is no password anywhere."""
import glob
import os
import pwd
import re
import shutil
import subprocess

OWNER, RUNTIME, DATABASE = "pane_owner", "pane_broker", "pane"


class PostgresError(Exception):
    pass


def find_bin():
    def version(path):
        return int(re.search(r"/(\d+)/", path)[1])
    for path in sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=version, reverse=True):
        if version(path) >= 15:
            return os.path.dirname(path)
    raise PostgresError("PostgreSQL 15 or newer is missing: run 'make deps'")


def reachable(path, uid):
    """Whether another user may walk down to path."""
    path = os.path.abspath(path)
    while path != "/":
        path = os.path.dirname(path)
        info = os.stat(path)
        if not info.st_mode & 0o001 and info.st_uid != uid:
            return False
    return True


class Postgres:
    def __init__(self, folder, socket_dir):
        self.folder, self.data, self.sockets = folder, f"{folder}/data", socket_dir
        self.bin = find_bin()
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None

    def prefix(self):
        """What comes before a server command so that it runs as the ordinary user. Where that user cannot
        walk down to the directory (a clone below /root), it is mounted at /mnt in a namespace of its own."""
        if not self.user:
            return []
        drop = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        if reachable(self.data, self.user.pw_uid):
            return drop
        return ["unshare", "--mount", "--", "/bin/sh", "-euc",
                'mount --bind "$0" /mnt; cd /mnt; exec "$@"', self.folder] + drop

    def seen(self, path):
        """The path as the server's user sees it."""
        if self.user and not reachable(self.data, self.user.pw_uid) and path.startswith(self.folder):
            return "/mnt" + path[len(self.folder):]
        return path

    def own(self, path):
        os.makedirs(path, mode=0o700, exist_ok=True)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def init(self):
        """Makes the cluster when there is none. Idempotent; a half-made one is made again."""
        os.makedirs(self.folder, exist_ok=True)
        if self.user:
            os.chmod(self.folder, 0o755)
        self.own(self.sockets)
        if os.path.exists(f"{self.folder}/made"):
            return False
        shutil.rmtree(self.data, ignore_errors=True)
        self.own(self.data)
        made = subprocess.run(self.prefix() + [f"{self.bin}/initdb", "-D", self.seen(self.data), "-U", OWNER,
                                               "-A", "peer", "-E", "UTF8", "--locale=C.UTF-8"],
                              cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode:
            raise PostgresError(f"initdb failed: {made.stdout.strip().splitlines()[-1]}")
        self.configure()
        with open(f"{self.folder}/made", "w", encoding="ascii"):
            pass
        return True

    def configure(self):
        me = pwd.getpwuid(os.getuid()).pw_name
        with open(f"{self.data}/pg_hba.conf", "w", encoding="ascii") as file:
            file.write("local all all peer map=pane\n")
        with open(f"{self.data}/pg_ident.conf", "w", encoding="ascii") as file:
            for user in sorted({me, "postgres" if self.user else me}):
                for role in (OWNER, RUNTIME):
                    file.write(f"pane {user} {role}\n")

    def daemon(self, log):
        return {"name": "postgres", "log": log, "stop_signal": "SIGINT", "stop_timeout": 30,
                "alone_in": self.data,
                "argv": self.prefix() + [f"{self.bin}/postgres", "-D", self.seen(self.data),
                                         "-k", self.seen(self.sockets), "-c", "listen_addresses=",
                                         "-c", "unix_socket_permissions=0700", "-c", "max_connections=60",
                                         "-c", "shared_buffers=32MB", "-c", "log_min_messages=warning"]}

    def conninfo(self, role=OWNER, database=DATABASE):
        return f"host={self.sockets} user={role} dbname={database} connect_timeout=3"

    def psql(self, sql, database=DATABASE, check=True):
        run = subprocess.run([f"{self.bin}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
                              self.conninfo(OWNER, database), "-c", sql], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode and check:
            raise PostgresError(run.stderr.strip())
        return run.stdout.strip() if not run.returncode else None

    def answers(self):
        return subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.sockets], check=False).returncode == 0

    def make_database(self):
        if self.psql(f"select 1 from pg_database where datname = '{DATABASE}'", "postgres") != "1":
            self.psql(f"create database {DATABASE} owner {OWNER}", "postgres")
