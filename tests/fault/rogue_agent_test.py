# SPDX-License-Identifier: GPL-3.0-or-later
"""A host agent in a stranger's hands, beside an honest one: lies about its size, reports of other epochs and of foreign desktops, a body of
a gigabyte, reports without end. Only its own rows change, the broker stays small, the others are served. Prints what they saw. B7."""
import concurrent.futures
import socket
import threading
import time
import unittest

import panesite

TIMEOUT = 120
GIB = 1 << 30


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmRSS"))


class Rogue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.addClassCleanup(cls.site.close)
        cls.broker = cls.site.broker
        cls.honest = cls.site.host("h1")
        cls.site.pool()
        cls.password = cls.site.user("alice", "office")
        cls.site.wait_state("office-1", "ready")
        cls.rogue = cls.site.host("h2", start=False)
        cls.victim = cls.site.desktop("office-1")["id"]

    def others(self):
        """What the database has of everything that is not the rogue's."""
        rogue, where = self.rogue.id, {"database": self.site.cluster.database}
        return [self.site.cluster.sql(f"select id, state, host_id, epoch, reason from pane.desktop where host_id is distinct from '{rogue}' order by 1", **where),
                self.site.cluster.sql(f"select id, name, address from pane.host where id <> '{rogue}' order by 1", **where)]

    def report(self, **more):
        return {**self.rogue.report(), "wait_s": 0, **more}

    def test_lies(self):
        """a foreign desktop under any epoch, impossible sizes, names of others: nothing of anybody else's changes"""
        before = self.others()
        capacity = self.report()["capacity"]
        for epoch in (0, 1, 2, 1 << 40, -1, (1 << 63) - 1):
            for state in ("ready", "failed", "absent", "stopped"):
                self.rogue.sync(self.report(desktops=[{"id": self.victim, "epoch": epoch, "state": state, "reason": "mine", "viewers": []}]))
        said = set()
        for lie in ({"cpus": -1}, {"cpus": 1 << 40}, {"memory_mib": 1 << 62}, {"memory_mib": "lots"}, {"memory_free_mib": -5}, {"disk_free_mib": 1e300}):
            said.add(self.rogue.sync(self.report(capacity={**capacity, **lie})).status)
        for address in ("127.0.0.1:7443\n", "x" * 5000, "", "'; drop table pane.host; --"):
            said.add(self.rogue.sync(self.report(address=address)).status)
        self.assertLessEqual(said, {200, 400}, said)
        foreign = self.broker.call("POST", f"/hosts/{self.honest.id}/sync", self.report(), token="", cert=f"host/{self.rogue.id}", prefix="/internal/v1")
        self.assertEqual(foreign.status, 403)
        self.assertEqual(self.others(), before)
        self.assertEqual(self.site.desktop("office-1")["state"], "ready")

    def test_gigabyte(self):
        """a report of a gigabyte is refused and never kept"""
        pid = self.broker.process.pid
        before = memory_mib(pid)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.broker.api)
            s.sendall(f"POST /internal/v1/hosts/{self.rogue.id}/sync HTTP/1.1\r\nHost: b\r\nX-Pane-Cert: host/{self.rogue.id}\r\n"
                      f"Content-Type: application/json\r\nContent-Length: {GIB}\r\n\r\n".encode())
            sent, block = 0, b" " * (1 << 20)
            try:
                while sent < GIB:
                    s.sendall(block)
                    sent += len(block)
            except OSError:
                pass
            answer = b""
            try:
                answer = s.recv(4096)
            except OSError:
                pass
        grown = memory_mib(pid) - before
        print(f"# a gigabyte: {answer.split(bytes([13]))[0].decode() or 'the connection ended'} after {sent >> 20} MiB, the broker grew by {grown} MiB", flush=True)
        self.assertTrue(not answer or b" 413 " in answer, answer)
        self.assertLess(grown, 32)
        self.assertEqual(self.broker.get("/health").status, 200)

    def test_flood(self):
        """reports without end from one host: others' reports and logins are served meanwhile, and its own open polls do not pile up"""
        stop, count = threading.Event(), [0] * 6

        def flood(n):
            while not stop.is_set():
                try:
                    self.rogue.sync(self.report(), timeout=30)
                    count[n] += 1
                except OSError:
                    pass
        pid, before = self.broker.process.pid, self.others()
        size = memory_mib(pid)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            work = [pool.submit(flood, n) for n in range(6)]
            try:
                self.broker.wait(lambda: sum(count) > 100, "the flood", 60)
                took = []
                for _ in range(5):
                    begin = time.monotonic()
                    self.assertEqual(self.broker.connect(user="alice", password=self.password).status, 200)
                    took.append(time.monotonic() - begin)
                seen = self.broker.get("/hosts/h1").json["last_sync_at"]
                self.broker.wait(lambda: self.honest.sync({**self.honest.report(), "wait_s": 0}).status == 200 and
                                 self.broker.get("/hosts/h1").json["last_sync_at"] != seen, "the honest host's report", 30)
            finally:
                stop.set()
            for w in work:
                w.result()
        print(f"# {sum(count)} reports of one host: logins meanwhile took {min(took):.2f} to {max(took):.2f} s, the broker grew by {memory_mib(pid) - size} MiB", flush=True)
        self.assertEqual(self.others(), before)
        self.assertEqual(self.broker.get("/hosts/h1").json["state"], "online")
        self.assertLess(memory_mib(pid) - size, 256) # a worker each may be hashing a password, which takes memory by design


if __name__ == "__main__":
    unittest.main()
