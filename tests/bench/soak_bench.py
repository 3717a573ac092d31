# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with container desktops whose users log in, type, watch, leave and come back for SOAK_MINUTES (60): what grows by it.

Prints each process kind's memory and descriptors and the database's rows, per hour and beside the work done, and flags what grew in the second half of
the time although the first half had done the same work (`# GROWS`). SOAK_DESKTOPS is how many (8). Fails nothing, as benches do."""
import os
import random
import threading
import time

import cell
import rfb
import whole

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
DESKTOPS = int(os.environ.get("SOAK_DESKTOPS", "8"))
SAMPLES = 36
VISIT_S = 6
NOISE_MIB, NOISE_SHARE = 2.0, 0.03 # an allocator's way of breathing


class User(threading.Thread):
    """Comes by VNC, types, watches, leaves; now and then looks at the API as the portal does."""

    def __init__(self, site, name, password, stop):
        super().__init__(daemon=True)
        self.site, self.name_of, self.password, self.stopping = site, name, password, stop
        self.dice, self.visits, self.keys, self.pixels, self.failed = random.Random(name), 0, 0, 0, []

    def visit(self):
        view = rfb.Rfb(self.site.ports["rfb"], f"{self.site.pki}/ca.crt", self.name_of, self.password, timeout=60)
        try:
            view.ask(False)
            self.pixels += view.update()
            until = time.monotonic() + VISIT_S
            while time.monotonic() < until and not self.stopping.is_set():
                for _ in range(8):
                    view.key(ord(self.dice.choice("abcdefgh ")))
                    self.keys += 1
                view.link.sendall(bytes([5, 0]) + self.dice.randrange(600).to_bytes(2, "big") + self.dice.randrange(400).to_bytes(2, "big"))
                view.ask(False)
                self.pixels += view.update()
                self.stopping.wait(0.3) # how fast a person types
        finally:
            view.close()
        self.visits += 1
        api = self.site.api().login(self.name_of, self.password)
        api.items("/me/desktops")
        api.post("/logout", {})

    def run(self):
        while not self.stopping.is_set():
            try:
                self.visit()
            except Exception as problem: # noqa: BLE001: whatever a person would have been told
                self.failed.append(str(problem)[:100])
            self.stopping.wait(self.dice.uniform(0.2, 1.5))


def memory_mib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty", "Private_Clean", "Swap:"))) / 1024
    except OSError:
        return 0


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def sample(site):
    """{(what, of which): number}: memory and descriptors by process kind, rows by table."""
    found = {}
    for name in site.daemons:
        for pid in {int(p) for p in cell.tree(site.pid(name))} | ({int(p) for d in site.desktop_dirs() for p in desktop_pids(site, d)} if name == "host" else set()):
            try:
                kind = cell.comm(pid)
            except OSError:
                continue
            if kind.startswith("pane-") or (kind == "postgres" and name == "postgres"):
                for what, number in (("MiB", memory_mib(pid)), ("fds", descriptors(pid)), ("processes", 1)):
                    found[what, kind] = found.get((what, kind), 0) + number
    tables = site.postgres.psql("select string_agg(format('select %L, count(*) from pane.%I', relname, relname), ' union all ') from pg_class "
                                "where relnamespace = 'pane'::regnamespace and relkind = 'r'")
    for line in site.postgres.psql(tables).splitlines():
        table, rows = line.split("|")
        found["rows", table] = int(rows)
    return found


def desktop_pids(site, desktop):
    state = whole.read_json(f"{site.run}/host/desktops/{desktop}/state.json", {})
    for role in ("vmm", "cell", "display"):
        if isinstance(state.get(role), dict) and whole.is_alive(state[role]):
            yield state[role]["pid"]


def soak(site):
    passwords = {f"u{n}": site.user(f"u{n}") for n in range(DESKTOPS)}
    site.wait_ready(DESKTOPS, 600)
    stop = threading.Event()
    users = [User(site, name, word, stop) for name, word in passwords.items()]
    begin = time.monotonic()
    for user in users:
        user.start()
    taken, length = [], MINUTES * 60
    for n in range(SAMPLES + 1): # the first sixth is warming up: each desktop's first display, each worker's first buffers
        stop.wait(max(0, begin + length * n / SAMPLES - time.monotonic()))
        taken.append((time.monotonic() - begin, sum(u.visits for u in users), sample(site)))
    stop.set()
    for user in users:
        user.join(60)
    return users, taken


def mean(taken, key, what):
    values = [s.get(key, 0) for _, _, s in taken]
    return min(values) if what == "low" else sum(values) / len(values)


def report(users, taken):
    visits, seconds = sum(u.visits for u in users), taken[-1][0]
    failed = [f for u in users for f in u.failed]
    print(f"# {len(users)} desktops, {seconds / 60:.1f} minutes: {visits} visits, {sum(u.keys for u in users)} keys, {sum(u.pixels for u in users) / 1e6:.0f} Mpixel, "
          f"{len(failed)} failed{': ' + '; '.join(sorted(set(failed))[:3]) if failed else ''}")
    sixth = len(taken) // 6
    early, late = taken[sixth:2 * sixth + 1], taken[-sixth - 1:]
    hours = (late[len(late) // 2][0] - early[len(early) // 2][0]) / 3600
    work = late[len(late) // 2][1] - early[len(early) // 2][1]
    grows = []
    for key in sorted({k for _, _, s in taken for k in s}):
        before, after = mean(early, key, "mean"), mean(late, key, "mean")
        grown = after - before
        if key[0] == "rows":
            # a row a visit is work done and has its keep; what has more, or grows without visits, has not
            bad = grown > 3.5 * work + 5
        elif key[0] == "MiB":
            # low against low: what was only lent comes back
            grown_low = mean(late, key, "low") - mean(early, key, "low")
            bad = min(grown, grown_low) > max(NOISE_MIB, before * NOISE_SHARE)
        else:
            # who is there at the moment has some open; what is lost at one visit in twenty is not that
            bad = min(mean(late, key, "low") - mean(early, key, "low"), grown) >= max(2, work / 20)
        if before or after:
            print(f"# {key[0]:9} {key[1]:24} {before:9.1f} -> {after:9.1f}  {grown / hours:+10.1f} an hour  {grown / max(work, 1):+8.3f} a visit{'  GROWS' if bad else ''}")
        if bad:
            grows.append(f"{key[0]} of {key[1]}")
    print(f"# GROWS: {', '.join(grows)}" if grows else "# nothing grew beyond the work done")


def main():
    why = cell.why_not()
    if why:
        print(f"# skipped: {why}")
        return
    site = whole.cell_site()
    site.up()
    try:
        site.pool(image=os.path.basename(os.path.dirname(cell.image())), isolation="container", memory_mib=512, size_max=DESKTOPS, spare=DESKTOPS)
        report(*soak(site))
    finally:
        site.down()


if __name__ == "__main__":
    main()
