# SPDX-License-Identifier: GPL-3.0-or-later
"""A private PostgreSQL cluster for tests: its own directory, unix socket only, gone afterwards.

Started as root it runs as an ordinary user, as PostgreSQL insists. Usage:

    with pg.Cluster(directory) as c:
        c.sql("SELECT 1")            # rows as lists of strings, as the owner role
        c.conninfo("pane_broker")    # for a program
"""
import atexit
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

DATABASE = "pane"
OWNER = "pane_owner"


def bin_dir():
    """Where initdb and pg_ctl are: Debian keeps them out of the PATH, one directory a version."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    if found:
        return os.path.dirname(found[-1])
    initdb = shutil.which("initdb")
    if not initdb:
        raise RuntimeError("PostgreSQL's server programs are missing: install postgresql")
    return os.path.dirname(initdb)


class Cluster:
    def __init__(self, root):
        self.root = root
        self.data = os.path.join(root, "data")
        self.socket = os.path.join(root, "s")
        self.bin = bin_dir()
        self.database = DATABASE # what conninfo() and sql() mean unless told otherwise
        self.identity = {}
        os.makedirs(self.socket, mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            who = pwd.getpwnam("nobody")
            self.identity = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
            for d in (root, self.socket):
                os.chown(d, who.pw_uid, who.pw_gid)
        if len(self.socket) > 90:
            raise RuntimeError(f"{self.socket} is too long for a unix socket; use a shorter directory")

    def _run(self, program, *args):
        done = subprocess.run([os.path.join(self.bin, program), *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              cwd=self.root, **self.identity)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}")

    def start(self):
        fresh = not os.path.exists(os.path.join(self.data, "PG_VERSION"))
        if fresh:
            self._run("initdb", "-D", self.data, "-A", "trust", "-U", OWNER, "--no-sync",
                      "-E", "UTF8", "--locale=C.UTF-8")
            with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as f:
                f.write("listen_addresses = ''\nmax_connections = 200\nfsync = off\n"
                        f"unix_socket_directories = '{self.socket}'\nlog_min_messages = warning\n")
        # After kill -9 the first start may find children of the old one still leaving.
        deadline = time.monotonic() + 30
        while True:
            try:
                self._run("pg_ctl", "-D", self.data, "-l", os.path.join(self.root, "log"),
                          "-w", "-t", "30", "start")
                break
            except RuntimeError:
                if fresh or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        if fresh:
            self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        return self

    def running(self):
        done = subprocess.run([os.path.join(self.bin, "pg_ctl"), "-D", self.data, "status"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.root,
                              **self.identity)
        return done.returncode == 0

    def fresh_database(self, like=None):
        """A new database for the next test, empty or like another one that nobody uses; the ones before stay until the cluster goes."""
        self.count = getattr(self, "count", 0) + 1
        self.database = f"{DATABASE}{self.count}"
        self.sql(f"CREATE DATABASE {self.database}" + (f" TEMPLATE {like}" if like else ""), database="postgres")
        return self.database

    def stop(self):
        if os.path.exists(os.path.join(self.data, "postmaster.pid")):
            self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def kill9(self):
        """The postmaster dies as if by a crash; its children notice and follow."""
        with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as f:
            os.kill(int(f.readline()), signal.SIGKILL)

    def log(self):
        with open(os.path.join(self.root, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def conninfo(self, user=OWNER, database=None):
        return f"host={self.socket} dbname={database or self.database} user={user}"

    def psql(self, text, user=OWNER, database=None):
        """The finished psql process, whatever came of it."""
        return subprocess.run(["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                               "-v", "VERBOSITY=verbose", "-d", self.conninfo(user, database)],
                              input=text, capture_output=True, text=True)

    def sql(self, text, user=OWNER, database=None):
        done = self.psql(text, user, database)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    def value(self, text, **where):
        rows = self.sql(text, **where)
        return rows[0][0] if rows else None


_shared = None


def shared():
    """One running cluster for all tests of this process, stopped at its end."""
    global _shared
    if _shared is None:
        root = tempfile.mkdtemp(prefix="pane-")
        os.chmod(root, 0o755)
        os.makedirs(os.path.join(root, "pg"))
        _shared = Cluster(os.path.join(root, "pg"))
        atexit.register(shutil.rmtree, root, ignore_errors=True)
        atexit.register(_shared.stop)
    if not os.path.exists(_shared.data) or not _shared.running():
        _shared.start()
    return _shared
