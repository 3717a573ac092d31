# SPDX-License-Identifier: GPL-3.0-or-later
"""A host agent for tests: enrols, syncs, and pretends to run desktops. It speaks to the broker's
api.sock as a gateway would relay it. Faults are attributes: `fail` (reason given for every start),
`boot_s`, `hang` (never gets past booting), and kill() (stops syncing at once)."""
import subprocess
import threading
import time
import uuid

import broker as broker_mod


def make_csr(directory):
    key = f"{directory}/host.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-out", key], check=True, capture_output=True)
    done = subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=whatever"],
                          check=True, capture_output=True, text=True)
    return done.stdout


class Poll:
    """A request under way in a thread of its own."""

    def __init__(self, send):
        self.reply = self.ended = self.problem = None
        self.send = send
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.reply = self.send()
        except (OSError, broker_mod.http.client.HTTPException) as problem:
            self.problem = problem
        self.ended = time.monotonic()

    def join(self):
        self.thread.join()
        if self.problem:
            raise self.problem
        return self.reply


class FakeHost:
    def __init__(self, broker, name, csr, memory_mib=8000, images=("office",), wait_s=1):
        self.broker = broker
        self.name = name
        self.memory_mib = memory_mib
        self.images = images # names, or (name, version): "v1" otherwise
        self.fetches = True  # takes up what the broker wants it to hold
        self.fail_version = None # desktops of this one fail to start
        self.wait_s = wait_s
        self.boot_s = 0.0
        self.fail = None
        self.hang = False
        self.kvm = "hardware"
        self.more = {}       # further fields of the capacity
        self.homes = None    # keys of the homes it has, once a set; None: it says nothing of homes
        self.storage = ""    # the mark of what its homes lie on, where other hosts have it too
        self.keeps = False   # does not obey orders to delete homes
        self.reply = {}      # the newest
        self.desktops = {}   # id -> {"epoch","state","reason","viewers","memory_mib"}
        self.orders = []     # every (id, epoch, want) that was new, in order
        self.generation = 0
        self.no_suspend = "" # why its desktops cannot be suspended
        self.drops = []      # every (id, conn) that was ordered off
        self.obeys_drops = True
        self.policies = {}   # id -> what its newest order says of its display
        self.errors = []
        self.wanted = []
        self.lock = threading.Lock()
        self.run_id = uuid.uuid4().hex[:12]
        self.reports = 0
        self.stopping = threading.Event()
        self.changed = threading.Event()
        self.thread = None
        token = broker.post("/hosts", {"name": name}).json["token"]
        self.token = token
        reply = broker.post("/enroll", {"token": token, "name": name, "csr": csr,
                                        "address": "127.0.0.1:7443"}, token="")
        assert reply.status == 200, reply
        self.enrolled = reply.json
        self.id = reply.json["host"]

    def report(self):
        with self.lock:
            used = sum(d["memory_mib"] for d in self.desktops.values())
            self.reports += 1
            return {"report": {"run": self.run_id, "n": self.reports}, "generation": self.generation, "wait_s": self.wait_s, "address": "127.0.0.1:7443",
                    "capacity": {"cpus": 4, "storage": self.storage, "memory_mib": self.memory_mib,
                                 "memory_free_mib": self.memory_mib - used,
                                 "disk_free_mib": 90000, "kvm": self.kvm, "suspend": True,
                                 "shadow": True, **self.more},
                    "images": [{"name": n, "version": v, "disk_mib": 2048} for n, v in
                               [i if isinstance(i, tuple) else (i, "v1") for i in self.images]],
                    **({} if self.homes is None else {"homes": [{"key": k, "mib": 64, "used_mib": 2}
                                                                for k in sorted(self.homes)]}),
                    "desktops": [{"id": i, "epoch": d["epoch"], "state": d["state"],
                                  "reason": d["reason"], "viewers": d["viewers"], "answers": d.get("answers", [])}
                                 for i, d in self.desktops.items()]}

    def look(self, *figures, ago_s=0, host=(100, 1000)):
        """Reports what was used: by each desktop that runs the same figures (docs/contracts.md, "Usage")."""
        report = {**self.report(), "wait_s": 0}
        running = [d["id"] for d in report["desktops"] if d["state"] in ("booting", "ready")]
        report["usage"] = {"ago_s": ago_s, "host": list(host), "desktops": [[i, *figures] for i in running]}
        return self.sync(report)

    def sync(self, body=None, timeout=40, again=True):
        """Reports what is observed, or body, and gives the broker's answer. What another thread's report has overtaken is said again."""
        while True:
            report = body or self.report()
            reply = self.broker.call("POST", f"/hosts/{self.id}/sync", report, token="", cert=f"host/{self.id}",
                                     prefix="/internal/v1", timeout=timeout)
            if reply.code != "host.late" or not again:
                return reply
            if body:
                body = {**body, "report": self.report()["report"]}

    def obey(self, orders):
        """Carries out what is due; true when something observable changed."""
        changed = False
        with self.lock:
            for o in orders:
                d = self.desktops.get(o["id"])
                if d and o["epoch"] < d["epoch"]:
                    continue
                key = (o["id"], o["epoch"], o["want"])
                if not self.orders or key not in self.orders[-200:]:
                    self.orders.append(key)
                if o["want"] == "absent":
                    if not d or d["state"] != "absent" or d["epoch"] != o["epoch"]:
                        self.desktops[o["id"]] = {"epoch": o["epoch"], "state": "absent", "reason": "",
                                                  "viewers": [], "memory_mib": 0, "at": 0}
                        changed = True
                elif o["want"] == "stopped":
                    if d and (d["state"] != "stopped" or d["epoch"] != o["epoch"]):
                        d.update(epoch=o["epoch"], state="stopped", viewers=[])
                        changed = True
                elif o["want"] == "suspended":
                    if d and (d["state"] != "suspended" or d["epoch"] != o["epoch"]):
                        why, d["epoch"], d["viewers"] = self.no_suspend, o["epoch"], []
                        d.update(reason=why and f"cannot be suspended: {why}",
                                 state=d["state"] if why else "suspended" if d["state"] in ("ready", "suspended") else "stopped")
                        changed = True
                elif not d or d["state"] in ("absent", "stopped", "suspended") or d["epoch"] != o["epoch"]:
                    if not d or d["state"] in ("absent", "stopped", "failed", "suspended"):
                        state = "failed" if self.fail or o.get("version") == self.fail_version else "booting"
                        reason = self.fail or ("it broke" if state == "failed" else "")
                    else: # what runs goes on, and so does what is the matter with it
                        state, reason = d["state"], self.fail or d["reason"]
                    self.desktops[o["id"]] = {"epoch": o["epoch"], "state": state, "reason": reason,
                                              "version": o.get("version"), "home": o.get("home"), "at": time.monotonic(),
                                              "order": o,
                                              "viewers": d["viewers"] if d and d["epoch"] == o["epoch"] else [],
                                              "memory_mib": o["memory_mib"]}
                    if self.homes is not None and o.get("home"):
                        self.homes.add(o["home"]["key"])
                    changed = True
                changed = self.drop(o) or changed
                self.policies[o["id"]] = o.get("policy")
            known = {o["id"] for o in orders}
            for i in [i for i, d in self.desktops.items() if d["state"] == "absent" and i not in known]:
                del self.desktops[i]
        return changed

    def drop(self, o):
        """Ends the viewers an order names; under the lock."""
        d, gone = self.desktops.get(o["id"]), o.get("drop", [])
        self.drops += [(o["id"], c) for c in gone]
        if not d or not gone or not self.obeys_drops:
            return False
        left = [v for v in d["viewers"] if v["conn"] not in gone]
        changed, d["viewers"] = len(left) != len(d["viewers"]), left
        return changed

    def poll(self, wait_s, broker=None):
        """Starts a sync that changes nothing, so that the broker holds it; returns once its report is in the
        database. The Poll's join() gives the reply."""
        broker = broker or self.broker
        before = self.broker.get(f"/hosts/{self.name}").json["last_sync_at"]
        held = Poll(lambda: broker.call("POST", f"/hosts/{self.id}/sync", {**self.report(), "wait_s": wait_s},
                                        token="", cert=f"host/{self.id}", prefix="/internal/v1"))
        self.broker.wait(lambda: self.broker.get(f"/hosts/{self.name}").json["last_sync_at"] != before,
                         "the report of a poll", 20)
        return held

    def ripen(self):
        with self.lock:
            for d in self.desktops.values():
                if d["state"] == "booting" and not self.hang and \
                        time.monotonic() - d["at"] >= self.boot_s:
                    d["state"] = "ready"

    def run(self):
        while not self.stopping.is_set():
            try:
                self.turn()
            except (OSError, broker_mod.http.client.HTTPException, RuntimeError) as e:
                self.errors.append(repr(e))
                self.stopping.wait(0.1)

    def exchange(self, body=None):
        """One sync whose orders are obeyed; true when that changed something."""
        r = self.sync(body)
        if r.status != 200:
            raise RuntimeError(repr(r))
        self.generation = r.json["generation"]
        self.reply = r.json
        if self.homes is not None and not self.keeps:
            self.homes -= set(r.json.get("drop_homes", []))
        wanted = [(i["name"], i["version"]) for i in r.json.get("images", [])]
        self.wanted = wanted
        if self.fetches:
            self.images = tuple(self.images) + tuple(w for w in wanted if w not in self.images)
        return not self.stopping.is_set() and self.obey(r.json["desktops"])

    def turn(self):
        if self.exchange():
            self.exchange({**self.report(), "wait_s": 0})
        self.ripen()

    def start(self):
        self.stopping.clear()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self.thread:
            self.thread.join(30)

    def state(self, name):
        """What is observed of the desktop called name."""
        with self.lock:
            return self.desktops[self.broker.get(f"/desktops/{name}").json["id"]]["state"]

    def set(self, name, **fields):
        """Changes what is observed of the desktop called name, and reports it now."""
        row = self.broker.get(f"/desktops/{name}").json
        with self.lock:
            self.desktops[row["id"]].update(fields)
        return self.sync({**self.report(), "wait_s": 0})
