# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/sql/baseline/NNN.sql: what a site that was really used left in the tables of migrations up to
NNN, as INSERTs. Run by hand when a release is made; tests/sql/upgrade_test.py brings every one of them to today.

    PYTHONPATH=tests/lib python3 tests/tools/baseline.py tests/sql/baseline
"""
import os
import re
import subprocess
import sys

import panesite

PASSWORD = "correct horse battery"


def use(site):
    """A bit of everything: people, groups, pools, desktops, sessions, homes, images, a rollout, the bin."""
    b = site.broker
    site.host(memory_mib=64000)
    site.image(b"first", name="dev")
    b.post("/groups", {"name": "sales", "description": "people who sell"})
    site.pool("office", size_max=8, spare=2)
    site.pool("desk", assignment="dedicated", size_max=8, spare=0, home_mib=512,
              customize={"timezone": "Europe/Berlin"})
    b.post("/pools/desk/entitlements", {"user": "group:sales"})
    for name in ("alice", "bob"):
        site.user(name, "office", password=PASSWORD)
    b.post("/groups/sales/members", {"user": "bob"})
    site.user("helen", password=PASSWORD)
    b.call("PATCH", "/users/helen", {"role": "helpdesk"})
    b.wait(lambda: b.get("/desktops?user=bob").json["items"] and b.get("/desktops?user=bob").json["items"][0]
           ["state"] == "ready", "bob's desktop")
    for user in ("alice", "bob"):
        r = b.wait(lambda u=user: b.connect(user=u, password=PASSWORD, conn=f"c-{u}",
                                            desktop="office" if u == "alice" else "desk"), "let in")
        assert r.status == 200, r
    assert b.post("/tokens", {"name": "nightly", "scope": "readonly", "expires_in_s": 86400}).status == 201
    b.post("/users", {"name": "wendy", "full_name": "Wendy Welcome"})
    assert b.call("DELETE", "/users/bob").status in (200, 204) # leaves: in the bin


def main():
    source = os.path.join(panesite.broker_mod.SOURCE, "sql")
    last = max(f for f in os.listdir(source) if f.endswith(".sql"))[:3]
    with panesite.Site() as site:
        use(site)
        done = subprocess.run(["pg_dump", "--data-only", "--column-inserts", "-n", "pane", "-O", "-x",
                               "-T", "pane.migration", "-T", "pane.code", "-T", "pane.*_transition",
                               "-T", "pane.*_timeout", "-d", site.cluster.conninfo()],
                              capture_output=True, text=True, check=True)
    rows = [l for l in done.stdout.splitlines() if l and not l.startswith("--")]
    text = "\n".join(r for r in rows if not re.match(r"SET |SELECT pg_catalog.set_config", r))
    with open(os.path.join(sys.argv[1], last + ".sql"), "w", encoding="utf-8") as f:
        f.write(f"-- SPDX-License-Identifier: GPL-3.0-or-later\n-- Written by tests/tools/baseline.py from a site in "
                f"use, at migration {last}.\n\n{text}\n")


if __name__ == "__main__":
    main()
