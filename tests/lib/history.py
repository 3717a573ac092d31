# SPDX-License-Identifier: GPL-3.0-or-later
"""A history of logins under faults, and what must be true of it. Entries are dicts with "t" (monotonic), "op" and
"kind" (invoke, ok, fail, unknown); a checker reads the history, the database after recovery, and what each host agent
was told in which order. Nothing here talks to a broker."""
import base64
import json
import threading
import time


def grant_epoch(grant):
    payload = grant.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["epoch"]


class History:
    def __init__(self):
        self.entries = []
        self.lock = threading.Lock()

    def add(self, op, kind, **more):
        entry = {"t": time.monotonic(), "op": op, "kind": kind, **more}
        with self.lock:
            self.entries.append(entry)
        return entry

    def of(self, op, kind):
        return [e for e in self.entries if (e["op"], e["kind"]) == (op, kind)]


def check_exclusive(grants):
    """No life of a desktop (its epoch) was ever granted to two users."""
    users, wrong = {}, []
    for g in grants:
        first = users.setdefault((g["desktop"], g["epoch"]), g["user"])
        if first != g["user"]:
            wrong.append(f"desktop {g['desktop']} epoch {g['epoch']}: {first} and {g['user']}")
    return wrong


def check_wiped(grants, told):
    """Between two users of one desktop its host was told to remove it. told: (desktop, epoch, want) in order."""
    wrong, lives = [], {}
    for g in grants:
        lives.setdefault(g["desktop"], {})[g["epoch"]] = g["user"]
    for desktop, by_epoch in lives.items():
        epochs = sorted(by_epoch)
        for a, b in zip(epochs, epochs[1:]):
            if by_epoch[a] != by_epoch[b] and not any(
                    d == desktop and want == "absent" and a < e < b for d, e, want in told):
                wrong.append(f"desktop {desktop} went from {by_epoch[a]} (epoch {a}) to {by_epoch[b]} ({b}) unwiped")
    return wrong


def check_epochs(told):
    """What one agent is told of a desktop never goes back to an older epoch."""
    newest, wrong = {}, []
    for desktop, epoch, want in told:
        if epoch < newest.get(desktop, 0):
            wrong.append(f"desktop {desktop}: {want} under epoch {epoch} after {newest[desktop]}")
        newest[desktop] = max(epoch, newest.get(desktop, 0))
    return wrong


def check_kept(grants, assigned, audited):
    """Every acknowledged grant is in the database: (user, desktop) ever assigned, and its connection audited."""
    return ([f"{g['user']} on {g['desktop']}: acknowledged, not in the database" for g in grants
             if (g["user"], g["desktop"]) not in assigned]
            + [f"conn {g['conn']}: acknowledged, not in the audit" for g in grants if g["conn"] not in audited])


def check_alone(entered):
    """Whoever was let into a desktop by its host met nobody else's viewer. Entries have "others"."""
    return [f"{e['user']} entered {e['desktop']} (epoch {e['epoch']}) beside {e['others']}" for e in entered if e["others"]]
