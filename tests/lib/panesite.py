# SPDX-License-Identifier: GPL-3.0-or-later
"""A database, a broker and simulated hosts in a temporary directory, with an administrator logged in:
what most stories begin with. The PostgreSQL cluster is shared by the process, the database is fresh: a copy of one that was
migrated and has the administrator, as the keys are copies of the first site's. That is most of what a story would wait for."""
import atexit
import hashlib
import os
import shutil
import tempfile

import broker as broker_mod
import fakehost
import pg


class Mould:
    """What new sites of a cluster are copies of."""

    def __init__(self, cluster):
        self.root, self.database = tempfile.mkdtemp(prefix="pane-"), cluster.fresh_database()
        atexit.register(shutil.rmtree, self.root, True)
        broker = broker_mod.Broker(self.root, cluster)
        broker.migrate()
        self.password = broker.admin("root")
        # A sequence may give some numbers before it writes to the log again; in a copy these were told to no log, and come twice
        # after a crash or at a standby. setval() takes them back.
        cluster.sql("SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, start_value), "
                    "last_value IS NOT NULL) FROM pg_sequences WHERE schemaname = 'pane'")

    @classmethod
    def of(cls, cluster):
        cluster.mould = getattr(cluster, "mould", None) or cls(cluster)
        return cluster.mould


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
        mould = Mould.of(self.cluster)
        try:
            shutil.copytree(f"{mould.root}/pki", f"{self.root}/pki")
            self.cluster.fresh_database(like=mould.database)
            self.password = mould.password
            self.broker = broker_mod.Broker(self.root, self.cluster, **self.policy)
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
        if start:
            h.start()
            self.broker.wait(lambda: self.broker.get(f"/hosts/{name}").json["state"] == "online", f"host {name} to report")
        return h

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

    def upload(self, data, name="office", chunk=1 << 20, sha256=None, **fields):
        """Uploads bytes as a new version of an image; the version's name. Does not wait for it."""
        r = self.broker.post("/images", {"name": name, "size": len(data), "sha256": sha256 or
                                         hashlib.sha256(data).hexdigest(), **fields})
        assert r.status == 201, r
        version = r.json["version"]
        for at in range(0, len(data), chunk):
            r = self.broker.call("PUT", f"/images/{name}/{version}/data?offset={at}", data[at:at + chunk])
            assert r.status == 200, r
        return version

    def version(self, version, name="office"):
        return self.broker.get(f"/images/{name}/{version}").json

    def wait_version(self, version, *states, name="office"):
        return self.broker.wait(lambda: self.version(version, name).get("state") in states and
                                self.version(version, name), f"{name} {version} {states}")

    def image(self, data=b"first", **more):
        """A version that is ready."""
        v = self.upload(data, **more)
        self.wait_version(v, "ready", "published", name=more.get("name", "office"))
        return v

    def audit(self):
        return self.broker.get("/audit?limit=500").json["items"]

    def desktop(self, name):
        return self.broker.get(f"/desktops/{name}").json

    def wait_state(self, name, state, timeout=30):
        return self.broker.wait(lambda: self.desktop(name).get("state") == state,
                                f"{name} {state}", timeout)
