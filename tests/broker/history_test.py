# SPDX-License-Identifier: GPL-3.0-or-later
"""Random clients, agents and an administrator against two brokers while these and PostgreSQL are killed and paused and
reports come twice and late; afterwards history, database and what the agents were told must agree. HISTORY_SECONDS=n
runs longer, HISTORY_SEED=n draws the same operations and faults again (make test-history)."""
import http.client
import os
import random
import signal
import threading
import time
import unittest

import broker as broker_mod
import history
import panesite

TIMEOUT = 3600
SECONDS = float(os.environ.get("HISTORY_SECONDS", "10"))
SEED = int(os.environ.get("HISTORY_SEED") or random.randrange(1 << 30))
USERS = 8
GONE = (OSError, http.client.HTTPException, ValueError)


class Run:
    """One site under fire."""

    def __init__(self, case):
        self.case = case
        self.site = panesite.Site(host_gone_s=30, host_lost_s=30, login_source_free=100000).__enter__()
        case.addCleanup(self.site.close)
        other = broker_mod.Broker(self.site.root, self.site.cluster, name="broker2", reconcile_ms=100, host_gone_s=30,
                                  host_lost_s=30).start()
        other.token = self.site.broker.token
        case.addCleanup(other.stop)
        self.brokers = [self.site.broker, other]
        self.hosts = [self.site.host("h1", memory_mib=3000, start=False), self.site.host("h2", memory_mib=3000, start=False)]
        self.hosts[1].broker = other
        self.told = {h.name: [] for h in self.hosts}
        self.reports = []
        for h in self.hosts:
            self.spy(h)
            h.start()
        self.site.pool(size_max=USERS, spare=2, memory_mib=256)
        self.tokens = {}
        for n in range(USERS):
            pw = self.site.user(f"u{n}", "office")
            self.tokens[f"u{n}"] = self.site.broker.login(f"u{n}", pw)
        self.history = history.History()
        self.stop = threading.Event()
        self.dice = random.Random(SEED)

    def spy(self, h):
        obey, report = h.obey, h.report

        def listening(orders):
            self.told[h.name] += [(o["id"], o["epoch"], o["want"]) for o in orders]
            return obey(orders)

        def remembered():
            r = report()
            if len(self.reports) < 2000:
                self.reports.append((h, r))
            return r
        h.obey, h.report = listening, remembered

    def ask(self, op, send, **what):
        """One operation in the history: ok, fail (refused, nothing done) or unknown."""
        self.history.add(op, "invoke", **what)
        try:
            r = send()
        except GONE:
            self.history.add(op, "unknown", **what)
            return None
        kind = "ok" if r.status < 300 else "unknown" if r.status >= 500 else "fail"
        return r, self.history.add(op, kind, **what)

    def login(self, mine, n, count):
        user, b = f"u{mine.randrange(USERS)}", mine.choice(self.brokers)
        got = self.ask("ticket", lambda: b.post("/tickets", {"pool": "office"}, token=self.tokens[user], timeout=15), user=user)
        if not got or got[0].status != 200:
            return
        conn = f"c{n}-{count}"
        body = {"protocol": "rdp", "conn": conn, "client": "192.0.2.1:5000", "ticket": got[0].json["ticket"]}
        b = mine.choice(self.brokers)
        self.history.add("connect", "invoke", user=user, conn=conn)
        try:
            r = broker_mod.request(b.internal, "POST", "/internal/v1/connections", body, timeout=15)
        except GONE:
            self.history.add("connect", "unknown", user=user, conn=conn)
            return
        if r.status != 200:
            self.history.add("connect", "unknown" if r.status >= 500 else "fail", user=user, conn=conn)
            return
        g = r.json
        epoch = history.grant_epoch(g["grant"])
        self.history.add("connect", "ok", user=user, conn=conn, desktop=g["desktop"], epoch=epoch)
        self.enter(g, user, conn, epoch)

    def enter(self, g, user, conn, epoch):
        """The host lets the viewer in if the grant is of the machine's life, as pane-host does."""
        for h in self.hosts:
            with h.lock:
                d = h.desktops.get(g["desktop"]) if h.id == g["host"] else None
                if d and d["epoch"] == epoch and d["state"] == "ready":
                    others = sorted({v["user"] for v in d["viewers"]} - {user})
                    d["viewers"] = d["viewers"][-3:] + [{"conn": conn, "user": user, "protocol": "rdp", "client": "192.0.2.1:5"}]
                    self.history.add("enter", "ok", user=user, desktop=g["desktop"], epoch=epoch, others=others)

    def client(self, n):
        mine, count = random.Random(SEED * 31 + n), 0
        while not self.stop.is_set():
            count += 1
            self.login(mine, n, count)
            time.sleep(mine.uniform(0, .05))

    def administrator(self):
        mine = random.Random(SEED * 31 + 99)
        while not self.stop.is_set():
            time.sleep(mine.uniform(.05, .4))
            b = mine.choice(self.brokers)
            what = mine.choice(("release", "release", "restart", "session", "leave"))
            try:
                rows = [d for d in b.get("/desktops", timeout=10).json["items"] if d["user"]]
                if not rows:
                    continue
                d = mine.choice(rows)
                if what == "session":
                    for s in b.get("/sessions", timeout=10).json["items"][:1]:
                        self.ask("end", lambda s=s: b.call("DELETE", f"/sessions/{s['id']}", timeout=10), session=s["id"])
                elif what == "leave":
                    for h in self.hosts:
                        with h.lock:
                            if d["id"] in h.desktops:
                                h.desktops[d["id"]]["viewers"] = []
                else:
                    self.ask(what, lambda: b.post(f"/desktops/{d['name']}/{what}", timeout=10), desktop=d["id"])
            except (*GONE, KeyError, TypeError):
                continue

    # ---- faults ------------------------------------------------------------------------------
    def kill_broker(self):
        b = self.dice.choice(self.brokers)
        b.kill9()
        time.sleep(self.dice.uniform(0, .3))
        b.start(wait=False)

    def pause_broker(self):
        b, seconds = self.dice.choice(self.brokers), self.dice.uniform(.3, 1.5)
        b.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        b.process.send_signal(signal.SIGCONT)

    def kill_backend(self):
        rows = self.site.cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'pane-broker'",
                                     database="postgres")
        if rows:
            os.kill(int(self.dice.choice(rows)[0]), signal.SIGKILL)

    def kill_postgres(self):
        self.site.cluster.kill9()
        time.sleep(self.dice.uniform(0, .3))
        self.site.cluster.start()

    def old_report(self):
        """A report from before arrives (again), as from a network that kept it; the agent never sees the answer."""
        if not self.reports:
            return
        h, report = self.dice.choice(self.reports[-40:])
        for _ in range(2):
            self.dice.choice(self.brokers).call("POST", f"/hosts/{h.id}/sync", {**report, "wait_s": 0}, token="",
                                                cert=f"host/{h.id}", prefix="/internal/v1", timeout=10)

    def nemesis(self):
        end = time.monotonic() + SECONDS
        faults = (self.kill_broker, self.pause_broker, self.kill_backend, self.kill_postgres, self.old_report, self.old_report)
        first = list(faults)
        while time.monotonic() < end or first: # each at least once
            fault = first.pop() if first else self.dice.choice(faults)
            self.history.add("fault", "ok", what=fault.__name__)
            try:
                fault()
            except (*GONE, RuntimeError):
                pass
            time.sleep(self.dice.uniform(.1, 1.0))

    def go(self):
        threads = [threading.Thread(target=self.client, args=(n,)) for n in range(4)]
        threads.append(threading.Thread(target=self.administrator))
        for t in threads:
            t.start()
        try:
            self.nemesis()
        finally:
            self.stop.set()
            for t in threads:
                t.join()

    def heal(self):
        """Afterwards everybody gets in."""
        b = self.brokers[0]

        def get_in(user):
            try:
                r = b.post("/tickets", {"pool": "office"}, token=self.tokens[user])
            except GONE:
                return False
            return r.status == 200
        for user in self.tokens:
            b.wait(lambda u=user: get_in(u), f"{user} logs in again", 60)


class AssignmentHistory(unittest.TestCase):
    def test_faults(self):
        """brokers and PostgreSQL killed and paused, reports twice and late: no desktop had two users, nothing acknowledged was lost"""
        print(f"# seed {SEED}", flush=True)
        run = Run(self)
        run.go()
        run.heal()
        grants = run.history.of("connect", "ok")
        print(f"# {len(grants)} grants, {len(run.history.of('connect', 'unknown'))} unknown, {len(run.history.of('fault', 'ok'))} "
              f"faults, {len(run.history.of('enter', 'ok'))} entered", flush=True)
        db, wrong = run.site.cluster, []
        told = sum(run.told.values(), [])
        wrong += history.check_exclusive(grants)
        wrong += history.check_wiped(grants, told)
        wrong += sum((history.check_epochs(t) for t in run.told.values()), [])
        wrong += history.check_kept(grants, {tuple(r) for r in db.sql("SELECT user_name, desktop_id FROM pane.assignment")},
                                    {r[0] for r in db.sql("SELECT conn FROM pane.audit WHERE action = 'connect'")})
        wrong += history.check_alone(run.history.of("enter", "ok"))
        wrong += [f"two live assignments: {r}" for r in db.sql(
            "SELECT desktop_id FROM pane.assignment WHERE released_at IS NULL GROUP BY 1 HAVING count(*) > 1 UNION ALL "
            "SELECT user_id FROM pane.assignment WHERE released_at IS NULL GROUP BY user_id, pool_id HAVING count(*) > 1")]
        wrong += [f"holder and assignment disagree: {r}" for r in db.sql(
            "SELECT d.name FROM pane.desktop d FULL JOIN (SELECT * FROM pane.assignment WHERE released_at IS NULL) a "
            "ON a.desktop_id = d.id WHERE d.state <> 'deleted' AND d.user_id IS DISTINCT FROM a.user_id")]
        self.assertEqual(wrong, [], f"seed {SEED}")
        self.assertGreater(len(grants), 5)

    def test_checker(self):
        """the checker sees each kind of wrong history, and accepts a right one"""
        def grant(user, epoch, desktop="d"):
            return {"user": user, "desktop": desktop, "epoch": epoch, "conn": f"{user}{epoch}"}
        right = [grant("a", 1), grant("a", 1), grant("b", 4), grant("a", 1, "e")]
        told = [("d", 1, "running"), ("d", 2, "absent"), ("d", 4, "running")]
        self.assertEqual(history.check_exclusive(right) + history.check_wiped(right, told) + history.check_epochs(told), [])
        self.assertEqual(len(history.check_exclusive([grant("a", 1), grant("b", 1)])), 1)
        self.assertEqual(len(history.check_wiped(right, [("d", 2, "stopped"), ("d", 5, "absent")])), 1)
        self.assertEqual(len(history.check_epochs(told + [("d", 3, "running")])), 1)
        kept = {("a", "d"), ("b", "d"), ("a", "e")}, {"a1", "b4"}
        self.assertEqual(history.check_kept(right, *kept), [])
        self.assertEqual(len(history.check_kept(right, kept[0] - {("b", "d")}, kept[1] - {"a1"})), 4)
        self.assertEqual(len(history.check_alone([{**grant("a", 1), "others": ["b"]}, {**grant("a", 2), "others": []}])), 1)


if __name__ == "__main__":
    unittest.main()
