# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system of the database, of the images, of the logs is full: people read why, nothing that was acknowledged is lost, what
can go on does, and all goes on by itself when there is room. Prints what was seen and for how long."""
import hashlib
import os
import shutil
import tempfile
import time
import unittest

import apart
import panesite
import pg

TIMEOUT = 200
WHY_NOT = apart.enter()


class FullDisk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if WHY_NOT:
            raise unittest.SkipTest(WHY_NOT)
        root = tempfile.mkdtemp(prefix="pd-")
        cls.addClassCleanup(shutil.rmtree, root, True)
        os.chmod(root, 0o755)
        cls.disk = apart.small(f"{root}/pg", 160)
        os.mkdir(f"{root}/pg/c")
        cls.cluster = pg.Cluster(f"{root}/pg/c").start()
        cls.addClassCleanup(cls.cluster.stop)
        cls.site = panesite.Site()
        cls.site.cluster = cls.cluster
        cls.store = apart.small(f"{cls.site.root}/images", 96)
        cls.logs = apart.small(f"{cls.site.root}/broker", 1)
        cls.site.__enter__()
        cls.addClassCleanup(cls.site.close)
        cls.broker = cls.site.broker
        cls.site.host()
        cls.site.pool()
        cls.password = cls.site.user("alice", "office")
        cls.site.wait_state("office-1", "ready")

    def login(self):
        return self.broker.post("/login", {"user": "alice", "password": self.password}, token="")

    def test_database(self):
        """the database's: changes are refused with the reason, logins of before are good, what was acknowledged is there; room made, it goes on"""
        token = self.login().json["token"]
        acknowledged, last = [], None
        self.disk.fill()
        begin = time.monotonic()
        for n in range(2000): # until what it had in stock is used up
            last = self.broker.post("/users", {"name": f"u{n}", "password": "correct horse battery"})
            if last.status != 201:
                break
            acknowledged.append(f"u{n}")
        noticed = time.monotonic() - begin
        self.assertEqual(last.status, 503, last)
        self.assertIn(last.code, ("database.full", "database.unavailable"))
        self.assertIn("Retry-After", last.headers)
        self.assertIn("Running desktops are not affected", last.json["error"]["message"])
        old = self.broker.get("/me", token=token)
        self.assertIn(old.status, (200, 503))
        self.assertIsNone(self.broker.process.poll())
        self.disk.make_room()
        begin = time.monotonic()
        if not self.cluster.running(): # as its unit does
            self.cluster.start()
        self.broker.wait(lambda: self.login().status == 200, "a login", 30)
        back = time.monotonic() - begin
        self.broker.wait(lambda: self.broker.post("/users", {"name": "after", "password": self.password}).status == 201, "a change", 30)
        known = {u["name"] for u in self.all_users()}
        self.assertEqual(set(acknowledged) - known, set(), "acknowledged and lost")
        self.assertEqual(self.broker.get("/me", token=token).status, 200)
        self.assertEqual(self.broker.connect(user="alice", password=self.password).status, 200)
        print(f"# database full: {len(acknowledged)} changes found room, then {last.code} (after {noticed:.1f} s): {last.json['error']['message']} "
              f"An old login meanwhile: {old.status}. Logins {back:.1f} s after there was room; rows lost: 0", flush=True)

    def all_users(self):
        found, path = [], "/users?limit=500"
        while path:
            page = self.broker.get(path).json
            found += page["items"]
            path = page.get("next") and f"/users?limit=500&after={page['next']}"
        return found

    def test_images(self):
        """the image store's: the upload's piece is refused with the reason; room made, the same upload goes on where it was and becomes a version"""
        data = os.urandom(4 << 20)
        made = self.broker.post("/images", {"name": "big", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        self.assertEqual(made.status, 201, made)
        version, half = made.json["version"], len(data) // 2
        self.assertEqual(self.put(version, data, 0, half).status, 200)
        self.store.fill()
        reply = self.put(version, data, half, len(data))
        self.assertEqual((reply.status, reply.code), (503, "store.full"))
        self.assertIn("No space left", reply.json["error"]["message"])
        other = self.broker.post("/images", {"name": "other", "size": 1, "sha256": "0" * 64})
        self.assertEqual((other.status, other.code), (409, "store.full"))
        self.assertEqual(self.login().status, 200)
        self.store.make_room()
        self.assertEqual(self.put(version, data, half, len(data)).status, 200)
        self.site.wait_version(version, "ready", "published", name="big")
        print(f"# image store full: a piece {reply.json['error']['message']!r}, a new upload {other.json['error']['message']!r}; the same upload went on", flush=True)

    def put(self, version, data, begin, end):
        return self.broker.call("PUT", f"/images/big/{version}/data?offset={begin}", data[begin:end])

    def test_logs(self):
        """the logs': the broker serves on; room made, it logs on"""
        self.logs.fill()
        before = self.broker.log()
        for _ in range(5):
            self.assertEqual(self.login().status, 200)
        self.assertLess(len(self.broker.log()) - len(before), 4096) # the tail of a page that it had
        self.logs.make_room()
        now = self.broker.log()
        self.broker.wait(lambda: self.login().status == 200 and len(self.broker.log()) > len(now), "a line in the log", 30)
        print("# logs full: nobody noticed but who reads them; lines of that time are lost", flush=True)


if __name__ == "__main__":
    unittest.main()
