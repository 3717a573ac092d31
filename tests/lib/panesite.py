# SPDX-License-Identifier: GPL-3.0-or-later
"""A database, a broker and simulated hosts in a temporary directory, with an administrator logged in:
what most stories begin with. The PostgreSQL cluster is shared by the process, the database is fresh."""
import os
import shutil
import tempfile

import broker as broker_mod
import fakehost
import pg


class Site:
    def __init__(self, **policy):
        # Short, because unix socket names are; open, because PostgreSQL may run as another user.
        self.root = tempfile.mkdtemp(prefix="pane-")
        os.chmod(self.root, 0o755)
        self.policy = {"reconcile_ms": 100, "connect_wait_s": 5, **policy}
        self.cluster = pg.shared()
        self.broker = None
        self.hosts = []
        self.csr = None

    def __enter__(self):
        self.cluster.fresh_database()
        try:
            self.broker = broker_mod.Broker(self.root, self.cluster, **self.policy)
            self.broker.migrate()
            self.password = self.broker.admin("root")
            self.broker.start()
            self.broker.token = self.broker.login("root", self.password)
            self.csr = fakehost.make_csr(self.root)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        for h in self.hosts:
            h.stopping.set()
        if self.broker:
            self.broker.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def host(self, name="h1", start=True, **more):
        h = fakehost.FakeHost(self.broker, name, self.csr, **more)
        self.hosts.append(h)
        return h.start() if start else h

    def pool(self, name="office", **fields):
        body = {"name": name, "image": "office", "cpus": 2, "memory_mib": 1024, "size_max": 4,
                "spare": 1, "assignment": "floating", **fields}
        r = self.broker.post("/pools", body)
        assert r.status == 201, r
        return r.json

    def user(self, name, *pools, password="correct horse battery"):
        r = self.broker.post("/users", {"name": name, "password": password})
        assert r.status == 201, r
        for p in pools:
            assert self.broker.post(f"/pools/{p}/entitlements", {"user": name}).status == 201
        return password

    def audit(self):
        return self.broker.get("/audit?limit=500").json["items"]

    def desktop(self, name):
        return self.broker.get(f"/desktops/{name}").json

    def wait_state(self, name, state, timeout=30):
        return self.broker.wait(lambda: self.desktop(name).get("state") == state,
                                f"{name} {state}", timeout)
