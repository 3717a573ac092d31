# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall of live pictures: what 200 desktops whose screens change all the time cost their host's agent, and what their
pictures cost the broker and PostgreSQL while one person looks at all of them.

DESKTOPS=n makes it smaller or larger."""
import base64
import json
import os
import subprocess
import time

import panesite
from broker_bench import cpu_s, postgres_pids

DESKTOPS = int(os.environ.get("DESKTOPS", "200"))
SECONDS = 20
EVERY_S = 6 # how often a picture comes where all change all the time
BATCH = 32
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def agent():
    build = os.environ.get("PANE_BUILD", f"{TOP}/build/release")
    done = subprocess.run([f"{build}/tests/vmm/host/pictures_test"], env=dict(os.environ, PICTURES_BENCH=str(DESKTOPS)),
                          capture_output=True, text=True, check=True)
    print("agent: " + next(line for line in done.stdout.splitlines() if "processor" in line), flush=True)


class Wall:
    def __init__(self, site):
        self.site, self.b = site, site.broker
        self.host = site.host(memory_mib=DESKTOPS * 128)
        site.pool(size_max=DESKTOPS, spare=DESKTOPS, memory_mib=64)
        self.b.wait(lambda: sum(d["state"] == "ready" for d in self.b.get("/desktops?limit=5000").json["items"]) == DESKTOPS,
                    f"{DESKTOPS} desktops", 300)
        self.rows = self.b.get("/desktops?limit=5000").json["items"]
        self.names = [d["name"] for d in self.rows]
        self.known = {}

    def bring(self, rows):
        body = [{"id": d["id"], "epoch": d["epoch"], "jpeg": base64.b64encode(b"\xff\xd8\xff\xe0" + os.urandom(11500)).decode()}
                for d in rows]
        r = self.b.call("PUT", f"/hosts/{self.host.id}/pictures", json.dumps(body).encode(), token="", prefix="/internal/v1",
                        cert=f"host/{self.host.id}")
        assert r.status == 204, r

    def look(self):
        items = self.b.post("/pictures", {"desktops": self.names, "known": self.known}).json["items"]
        self.known.update({x["desktop"]: x["etag"] for x in items})
        return sum("jpeg" in x for x in items)

    def run(self, pictures):
        """CPU seconds of (broker, PostgreSQL), and how many pictures were seen."""
        pids, seen, begin = [self.b.process.pid], 0, time.monotonic()
        before = cpu_s(pids), cpu_s(postgres_pids(self.site.cluster))
        n = 0
        while time.monotonic() < begin + SECONDS:
            if pictures:
                at = n * BATCH % DESKTOPS
                self.bring((self.rows + self.rows)[at:at + BATCH])
                seen += self.look()
            n += 1
            time.sleep(max(0, begin + n * EVERY_S * BATCH / DESKTOPS - time.monotonic()))
        after = cpu_s(pids), cpu_s(postgres_pids(self.site.cluster))
        return after[0] - before[0], after[1] - before[1], seen


def main():
    agent()
    with panesite.Site(reconcile_ms=1000) as site:
        wall = Wall(site)
        idle, busy = wall.run(False), wall.run(True)
        print(f"server: {busy[2] / SECONDS:.0f} pictures/s seen by one person: broker {(busy[0] - idle[0]) / SECONDS * 100:.1f} %, "
              f"PostgreSQL {(busy[1] - idle[1]) / SECONDS * 100:.1f} % of a processor beside {idle[0] / SECONDS * 100:.1f} % and "
              f"{idle[1] / SECONDS * 100:.1f} % without")


if __name__ == "__main__":
    main()
