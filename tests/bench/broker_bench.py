# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker with 100 simulated hosts and 10,000 desktops: a storm in which every user logs in once (ticket, then
grant) with a check for double assignments; logins a second on the ticket path beside bare pgbench of the same
statement; CPU of broker and PostgreSQL a login; what a host's sync costs a desktop, and how that grows; lists.

DESKTOPS=n HOSTS=n LOGINS=n make it smaller; `make bench` takes a tenth. Figures are ratios on a shared machine."""
import base64
import hashlib
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time

import panesite

SHORT = "--full" not in sys.argv
DESKTOPS = int(os.environ.get("DESKTOPS", "1000" if SHORT else "10000"))
HOSTS = int(os.environ.get("HOSTS", "10" if SHORT else "100"))
LOGINS = int(os.environ.get("LOGINS", str(DESKTOPS)))
CLIENTS = int(os.environ.get("CLIENTS", "16"))
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15])) # with children that were waited for
        except FileNotFoundError:
            pass
    return total / TICK


def postgres_pids(cluster):
    with open(os.path.join(cluster.data, "postmaster.pid"), encoding="ascii") as f:
        master = int(f.readline())
    with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as f:
        return [master, *map(int, f.read().split())]


class Meter:
    """CPU seconds of broker and database, and the wall clock, over a with block."""

    def __init__(self, site):
        self.site = site

    def __enter__(self):
        self.pids = [self.site.broker.process.pid], postgres_pids(self.site.cluster)
        self.before = [cpu_s(p) for p in self.pids]
        self.begin = time.monotonic()
        return self

    def __exit__(self, *_):
        self.wall = time.monotonic() - self.begin
        self.broker, self.postgres = (cpu_s(p) - b for p, b in zip(self.pids, self.before))

    def per(self, n):
        return f"CPU each: broker {self.broker / n * 1e3:.3f} ms, PostgreSQL {self.postgres / n * 1e3:.3f} ms"


class Client:
    """A kept-alive connection with one request under way."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.setblocking(False)
        self.buf = b""

    def send(self, path, body, token=""):
        data = json.dumps(body).encode()
        auth = f"Authorization: Bearer {token}\r\n" if token else ""
        self.sock.setblocking(True)
        self.sock.sendall(f"POST {path} HTTP/1.1\r\nHost: b\r\nX-Pane-Client: 192.0.2.1:5\r\n{auth}"
                          f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        self.sock.setblocking(False)
        self.begin = time.monotonic()

    def take(self):
        """(status, reply) once it is all there."""
        self.buf += self.sock.recv(65536)
        head, sep, body = self.buf.partition(b"\r\n\r\n")
        if not sep:
            return None
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(body) < size:
            return None
        self.buf = b""
        return int(head[9:12]), json.loads(body[:size])


def drive(path, jobs, each):
    """Runs jobs, (url, body, token) by key, over CLIENTS connections; each(key, status, reply). Latencies in ms."""
    todo, times, busy = iter(jobs), [], 0
    poll = selectors.DefaultSelector()

    def start(c):
        nonlocal busy
        job = next(todo, None)
        if job is None:
            poll.unregister(c.sock)
            c.sock.close()
            return
        c.key = job[0]
        c.send(*job[1:])
        busy += 1
    for _ in range(CLIENTS):
        c = Client(path)
        poll.register(c.sock, selectors.EVENT_READ, c)
        start(c)
    while busy:
        for key, _ in poll.select():
            got = key.data.take()
            if got:
                busy -= 1
                times.append((time.monotonic() - key.data.begin) * 1e3)
                each(key.data.key, *got)
                start(key.data)
    return sorted(times)


def show(what, times, wall):
    print(f"{what:34s} {len(times) / wall:7.0f}/s   p50 {statistics.median(times):6.2f} ms   "
          f"p99 {times[int(len(times) * .99)]:6.2f} ms", flush=True)


def fill(site):
    """Hosts, warm desktops, entitled users with bearer tokens, by SQL."""
    tokens = ["pa1_" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=") for _ in range(DESKTOPS)]
    pool = site.pool("big", size_max=DESKTOPS, spare=DESKTOPS, memory_mib=64)
    assert pool
    values = ",".join(f"({i}, '\\x{hashlib.sha256(t.encode()).hexdigest()}'::bytea)" for i, t in enumerate(tokens))
    site.cluster.sql(f"""
        INSERT INTO pane.host (name, enrolled_at, address, online, last_sync_at, sync_due_at, memory_mib,
            memory_free_mib, disk_free_mib, kvm, cpus) SELECT 'h' || n, now(), '127.0.0.1:7443', true, now(),
            now() + interval '1 day', 1000000, 1000000, 1000000, 'hardware', 8 FROM generate_series(1, {HOSTS}) n;
        INSERT INTO pane.users (name, password) SELECT 'u' || n, '$argon2id$none' FROM generate_series(0, {DESKTOPS - 1}) n;
        INSERT INTO pane.entitlement (pool_id, user_id) SELECT p.id, u.id FROM pane.pool p, pane.users u WHERE u.name ~ '^u';
        INSERT INTO pane.token (hash, user_id, expires_at) SELECT v.h, u.id, now() + interval '1 day'
            FROM (VALUES {values}) v (n, h) JOIN pane.users u ON u.name = 'u' || v.n;
        INSERT INTO pane.desktop (pool_id, name, state, epoch, host_id, image, cpus, memory_mib)
            SELECT p.id, 'big-' || n, 'ready', 1, h.id, 'office', 1, 64 FROM generate_series(1, {DESKTOPS}) n
            JOIN pane.pool p ON p.name = 'big' JOIN pane.host h ON h.name = 'h' || (n % {HOSTS} + 1);
        ANALYZE;""")
    return tokens


def storm(site, tokens):
    tickets, grants, bad = {}, {}, []

    def on_ticket(n, status, reply):
        (tickets.__setitem__(n, reply["ticket"]) if status == 200 else bad.append((n, status, reply)))

    def on_grant(n, status, reply):
        (grants.__setitem__(n, reply["desktop"]) if status == 200 else bad.append((n, status, reply)))
    b, batch = site.broker, 1000 # tickets live 30 s
    first, second, walls = [], [], [0.0, 0.0]
    with Meter(site) as m:
        for at in range(0, DESKTOPS, batch):
            part = range(at, min(at + batch, DESKTOPS))
            begin = time.monotonic()
            first += drive(b.api, ((n, "/api/v1/tickets", {"pool": "big"}, tokens[n]) for n in part), on_ticket)
            middle = time.monotonic()
            second += drive(b.internal, ((n, "/internal/v1/connections", {
                "protocol": "rdp", "conn": f"c{n}", "client": "192.0.2.1:5", "ticket": tickets[n]})
                for n in part if n in tickets), on_grant)
            walls[0] += middle - begin
            walls[1] += time.monotonic() - middle
    show("storm: assign and ticket", sorted(first), walls[0])
    show("storm: ticket to grant", sorted(second), walls[1])
    twice = site.cluster.value("SELECT count(*) FROM (SELECT desktop_id FROM pane.assignment WHERE released_at IS NULL "
                               "GROUP BY 1 HAVING count(*) > 1 UNION ALL SELECT user_id FROM pane.assignment "
                               "WHERE released_at IS NULL GROUP BY 1 HAVING count(*) > 1) x")
    given = len(set(grants.values()))
    print(f"storm of {DESKTOPS} users: {len(grants)} grants to {given} desktops, {len(bad)} refused, {twice} double "
          f"assignments; {m.per(DESKTOPS)}", flush=True)
    if bad:
        print("  first refusal:", bad[0])
    return len(grants) == given and twice == "0"


def make_tickets(site, prefix, n):
    """n tickets, as good as those of the API, whose texts are known."""
    texts = ["pt1_" + base64.urlsafe_b64encode(hashlib.sha256(f"{prefix}{i}".encode()).digest()).decode().rstrip("=")
             for i in range(n)]
    values = ",".join(f"({i}, '\\x{hashlib.sha256(t.encode()).hexdigest()}'::bytea)" for i, t in enumerate(texts))
    site.cluster.sql(f"""INSERT INTO pane.ticket (hash, user_id, desktop_id, epoch, created_at, expires_at)
        SELECT v.h, d.user_id, d.id, d.epoch, now() + interval '1 hour', now() + interval '1 hour'
        FROM (VALUES {values}) v (n, h) JOIN pane.desktop d ON d.name = 'big-' || (v.n % {DESKTOPS} + 1)""")
    return texts


def ticket_path(site):
    """The same tickets' worth of logins by the broker and by pgbench alone, alternating."""
    statement = ("SELECT pane.connect_ticket(hash, 'x', 'rdp', '192.0.2.1:5', 'c1')::text FROM bench_ticket "
                 "WHERE n = (SELECT nextval('bench_seq'));\n")
    script = os.path.join(site.root, "bench.sql")
    with open(script, "w", encoding="ascii") as f:
        f.write(statement)
    os.chmod(script, 0o644)
    broker_rates, bare_rates = [], []
    for turn in range(3):
        texts = make_tickets(site, f"t{turn}-", LOGINS)
        bad = []
        with Meter(site) as m:
            times = drive(site.broker.internal, ((n, "/internal/v1/connections", {
                "protocol": "rdp", "conn": f"c{n}", "client": "192.0.2.1:5", "ticket": t}) for n, t in enumerate(texts)),
                lambda n, status, reply: bad.append(reply) if status != 200 else None)
        show(f"logins by ticket, turn {turn + 1}", times, m.wall)
        print(f"  {m.per(LOGINS)}{f'; {len(bad)} refused: {bad[0]}' if bad else ''}")
        broker_rates.append(LOGINS / m.wall)
        make_tickets(site, f"p{turn}-", LOGINS)
        site.cluster.sql("DROP TABLE IF EXISTS bench_ticket; DROP SEQUENCE IF EXISTS bench_seq; CREATE SEQUENCE bench_seq; "
                         "CREATE TABLE bench_ticket AS SELECT row_number() OVER () AS n, hash FROM pane.ticket "
                         "WHERE used_at IS NULL; ALTER TABLE bench_ticket ADD PRIMARY KEY (n); ANALYZE bench_ticket")
        with Meter(site) as m:
            done = subprocess.run([os.path.join(site.cluster.bin, "pgbench"), "-n", "-M", "prepared", "-c", "8", "-j", "2",
                                   "-t", str(LOGINS // 8), "-f", script, site.cluster.conninfo()],
                                  capture_output=True, text=True, check=False)
        if done.returncode:
            print("  pgbench:", done.stderr.strip()[-600:])
            return
        bare = float(done.stdout.split("tps = ")[-1].split()[0])
        bare_rates.append(bare)
        print(f"  pgbench of the same statement       {bare:7.0f}/s   PostgreSQL {m.postgres / LOGINS * 1e3:.3f} ms CPU each")
    print(f"broker / bare pgbench: {statistics.median(broker_rates) / statistics.median(bare_rates):.2f} (medians of 3)")


def syncs(site):
    """One host with few, ten times as many, and a hundred times as many desktops."""
    rows = {}
    site.broker.stop() # without the reconciler's share
    with open(site.broker.config, "r+", encoding="utf-8") as f:
        text = f.read().replace("reconcile_ms = 1000", "reconcile_ms = 60000")
        f.seek(0)
        f.write(text)
    site.broker.start()
    for n in (10, 100, 1000):
        if n > DESKTOPS:
            break
        host = site.cluster.value("SELECT id FROM pane.host WHERE name = 'h1'")
        site.cluster.sql(f"""UPDATE pane.desktop SET host_id = (SELECT id FROM pane.host WHERE name = 'h2')
            WHERE host_id = '{host}' AND name NOT IN (SELECT 'big-' || i FROM generate_series(1, {n}) i);
            UPDATE pane.desktop SET host_id = '{host}' WHERE name IN (SELECT 'big-' || i FROM generate_series(1, {n}) i)""")
        report = {"generation": 0, "wait_s": 0, "address": "127.0.0.1:7443", "images": [{"name": "office", "version": "v"}],
                  "capacity": {"cpus": 8, "memory_mib": 1000000, "memory_free_mib": 1000000, "disk_free_mib": 90000,
                               "kvm": "hardware"}, "desktops": []}
        for i, epoch in site.cluster.sql(f"SELECT id, epoch FROM pane.desktop WHERE host_id = '{host}'"):
            report["desktops"].append({"id": i, "epoch": int(epoch), "state": "ready", "viewers": []})

        def sync():
            begin = time.monotonic()
            r = site.broker.call("POST", f"/hosts/{host}/sync", report, token="", cert=f"host/{host}", prefix="/internal/v1")
            assert r.status == 200, r
            return (time.monotonic() - begin) * 1e3
        for _ in range(24): # every worker has met the statements once
            sync()
        with Meter(site) as m:
            times = [sync() for _ in range(10)]
        cpu = (m.broker + m.postgres) / 10 * 1e3
        rows[n] = cpu
        print(f"sync of {n:5d} desktops: {statistics.median(times):7.2f} ms, {cpu:7.2f} ms CPU, {cpu / n * 1e3:6.1f} us CPU a desktop"
              + (f", x{cpu / rows[n // 10]:.1f} for x10" if n // 10 in rows else ""), flush=True)


def lists(site):
    for query in (f"?limit={DESKTOPS}", "?limit=100&after=big-5", "?limit=100&pool=big&state=ready"):
        times = []
        for _ in range(5):
            begin = time.monotonic()
            r = site.broker.get("/desktops" + query)
            times.append((time.monotonic() - begin) * 1e3)
        print(f"desktops{query:34s} {len(r.json['items']):6d} rows {statistics.median(times):7.1f} ms", flush=True)


def main():
    with panesite.Site(reconcile_ms=1000) as site:
        site.cluster.sql("ALTER SYSTEM SET fsync = on; ")
        site.cluster.sql("SELECT pg_reload_conf()")
        tokens = fill(site)
        site.broker.stop() # backends begin with the statistics of a full database
        site.broker.start()
        print(f"{HOSTS} hosts, {DESKTOPS} desktops, {CLIENTS} connections, fsync on, {os.cpu_count()} processors shared by all\n")
        good = storm(site, tokens)
        ticket_path(site)
        with Meter(site) as m:
            time.sleep(5)
        print(f"at rest: {(m.broker + m.postgres) / m.wall * 100:.1f} % of a core, for {DESKTOPS} desktops")
        syncs(site)
        lists(site)
        if not good:
            sys.exit("a desktop was given twice")


if __name__ == "__main__":
    main()
