# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/organisation.md, walked: its files and its commands in its order, by `pane` through the gateway, with a few hundred
people (ORG_PEOPLE=2000 for all) on simulated hosts; then what came of it."""
import csv
import os
import re
import shlex
import time
import unittest

import broker as broker_mod
import orgsite

TIMEOUT = 900
PEOPLE = int(os.environ.get("ORG_PEOPLE", "240"))
PAGE = os.path.join(broker_mod.SOURCE, "docs", "organisation.md")
GROUPS = ("office", "developers", "agents", "office visitors")
NAMES = ("Jürgen Groß", "Zoë O'Neil", 'Łukasz "Luk" Nowak', "Ana-María Nuñez", "Søren Ødegård", "Li, Wei")


class Organisation(unittest.TestCase):
    def setUp(self):
        with open(PAGE, encoding="utf-8") as f:
            text = f.read()
        self.commands = [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
        self.site = orgsite.OrgSite().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.hosts = [self.host(f"h{n}") for n in range(1, 5)]
        self.site.path("pools.yaml", re.search(r"```yaml\n(.*?)```", text, re.S)[1])
        self.people = {f"p{n:04d}": [NAMES[n % len(NAMES)], f"p{n}@example.org", GROUPS[n % len(GROUPS)], ""] for n in range(PEOPLE - 1)}
        self.people["jkoch"] = ["Koch, Jürgen", "j.koch@example.org", "office", ""]

    def host(self, name):
        h = self.site.host(name, memory_mib=min(PEOPLE * 1024, 1100000), start=False)
        h.more = {"container": True, "limits": "cgroup2"}
        h.start()
        self.b.wait(lambda: self.b.get(f"/hosts/{name}").json["state"] == "online", f"{name} to report", 60)
        return h

    def staff(self, name, sep=",", bom=""):
        """A staff list as a spreadsheet of some country writes it."""
        def field(s):
            return '"' + s.replace('"', '""') + '"' if re.search(r'[",;\n]', s) else s
        lines = [sep.join(map(field, [user, *row])) for user, row in self.people.items()]
        self.site.path(name, bom + "\r\n".join([sep.join(("User", "Full Name", "email", "groups", "state")), *lines]) + "\r\n")

    def next(self, begins, status=0):
        """The page's next command, which is this one; what it said."""
        self.assertTrue(self.commands, f"the page has no further command, not {begins}")
        line = self.commands.pop(0)
        self.assertTrue(line.startswith("pane " + begins), (line, begins))
        words = [self.site.url if w.startswith("https://") else f"{self.b.pki}/ca.crt" if w == "ca.crt" else w for w in shlex.split(line)[1:]]
        if words[0] == "login":
            return self.site.pane(*words, "--password-stdin", text=self.b.admin("admin") + "\n")
        return self.site.pane(*[self.site.path(w) if re.fullmatch(r"[a-z-]+\.(csv|yaml)", w) else w for w in words], status=status)

    def count(self, out, what):
        found = re.search(rf"(?m)^{what}: (\d+)$", out)
        return int(found[1]) if found else 0

    def held(self, user):
        return self.b.get(f"/desktops?user={user}&limit=10").json["items"]

    def dedicated(self):
        return sum("office" in p[2] or "developers" in p[2] for p in self.people.values())

    def settled(self):
        """Everybody who is to have a dedicated desktop has one that is ready."""
        def value():
            return int(self.site.cluster.value("SELECT count(*) FROM pane.desktop d JOIN pane.users u ON u.id = d.user_id "
                                               "WHERE d.state = 'ready' AND NOT u.disabled"))
        begin = time.monotonic()
        self.b.wait(lambda: value() >= self.dedicated(), "a desktop for everybody", 600)
        return time.monotonic() - begin

    def first_commands(self):
        self.next("login")
        self.assertEqual(self.next("hosts list").count("online"), 4)
        self.assertIn("office", self.next("image list"))
        preview = self.next("apply --dry-run pools.yaml")
        self.assertIn("A preview: nothing was changed.", preview)
        missing = re.search(r"pool engineering may grow by (\d+) desktops, (\d+) fit now:\n  - host h1: room for \d+, \d+ MiB are missing", preview)
        self.assertGreater(int(missing[1]), int(missing[2]))
        self.assertEqual(self.site.pane("pools", "list"), "none\n")
        self.assertEqual(self.next("apply pools.yaml").count(": create"), 11)
        self.assertEqual(self.next("apply pools.yaml").count(": unchanged"), 11)

    def import_people(self):
        self.people |= {"Bad Name": ["x", "", "office", ""], "lost": ["x", "", "nowhere", ""], "odd": ["x", "", "", "retired"]}
        self.staff("staff.csv", bom="\ufeff")
        out = self.next("users import --dry-run", 1)
        self.assertEqual((self.count(out, "create"), self.count(out, "error")), (PEOPLE, 3))
        for line, user, why in ((PEOPLE + 2, "Bad Name", "a user name has"), (PEOPLE + 3, "lost", "there is no group nowhere"),
                                (PEOPLE + 4, "odd", '"state" must be')):
            self.assertRegex(out, rf"(?m)^{line} +{user} +error +{why}")
        for user in ("Bad Name", "lost", "odd"):
            del self.people[user]
        self.staff("staff.csv", bom="\ufeff")
        self.assertEqual(self.count(self.next("users import --tokens"), "create"), PEOPLE)
        self.assertEqual(self.next("users import staff.csv"), f"unchanged: {PEOPLE}\n")
        with open(self.site.path("welcome.csv"), encoding="utf-8", newline="") as f:
            self.links = {row["user"]: row for row in csv.DictReader(f)}
        self.assertEqual(set(self.links), set(self.people))
        row = self.links["jkoch"]
        self.assertEqual(row["link"], f"{self.site.url}/#/welcome/{row['welcome']}")
        self.assertEqual(self.b.get("/users/p0001").json["full_name"], "Zoë O'Neil")

    def in_use(self, user):
        """Sets a password by the link's token, logs in, connects; the desktop, with its host told of the viewer."""
        self.assertEqual(self.b.post("/welcome", {"token": self.links[user]["welcome"], "password": "a long password"}, token="").status, 200)
        r = self.b.connect(user=user, password="a long password", conn=f"c-{user}", desktop=self.held(user)[0]["pool"])
        self.assertEqual(r.status, 200, r)
        d = self.b.get(f"/desktops/{r.json['name']}").json
        host = next(h for h in self.hosts if h.name == d["host"])
        host.set(d["name"], viewers=[{"conn": f"c-{user}", "user": user, "protocol": "rdp", "client": "192.0.2.1:1"}])
        self.b.wait(lambda: self.site.desktop(d["name"])["session"] == "connected", "the session")
        return d, host

    def help(self):
        self.assertIn(f"{self.site.url}/#/welcome/", self.next("users create --role helpdesk"))
        self.next("pools delegate")
        self.assertRegex(self.next("pools roles"), r"group:agents +helpdesk")
        self.assertIn("token:", self.next("tokens create"))
        self.assertRegex(self.next("quotas list"), r"everyone +3 desktops each")

    def monday(self, leaver, mover):
        """Joiners, movers, leavers: as many as there are, and these two with desktops in use."""
        before = dict(self.people)
        self.people |= {"new1": ["Neu, Eins", "", "office", ""], "new2": ["Neu Zwei", "", "developers", ""]}
        self.people[mover] = [*self.people[mover][:2], "developers", ""]
        self.people[leaver] = [*self.people[leaver][:3], "left"]
        self.staff("monday.csv", sep=";")
        changes = {"create": 2, "update": 1, "retire": 1, "unchanged": len(before) - 2}
        for out in (self.next("users import --dry-run"), self.next("users import --tokens")):
            self.assertEqual({k: self.count(out, k) for k in changes}, changes)
        self.assertEqual(self.next("users import monday.csv"), f"unchanged: {len(self.people)}\n")

    def test_page(self):
        """an organisation is set up and kept by the commands of docs/organisation.md: desktops before first logins, joiner, mover, leaver"""
        self.first_commands()
        self.import_people()
        waited = self.settled()
        self.assertRegex(self.next("pools list"), rf"(?m)^desk .* {sum('office' in p[2] for p in self.people.values())} +0 ")
        self.assertRegex(self.next("pools entitlements"), r"(?m)^jkoch +office +desk-\d+ +-")
        self.assertEqual({d["pool"] for d in self.held("p0001")}, {"engineering"}) # the lab's is made at the login
        self.help()
        leavers, leavers_host = self.in_use("jkoch")
        movers, movers_host = self.in_use("p0000")
        self.monday("jkoch", "p0000")
        self.b.wait(lambda: leavers_host.desktops[leavers["id"]]["state"] == "stopped", "the leaver's desktop stopped")
        self.b.wait(lambda: movers_host.desktops[movers["id"]]["state"] == "stopped", "the mover's old desktop stopped")
        self.assertEqual(self.b.get("/sessions").json["items"], [])
        self.assertEqual(self.b.connect(user="jkoch", password="a long password").status, 403)
        binned = self.next("bin list")
        for words in (rf"user +jkoch +jkoch .* left", rf"desktop +{leavers['name']} +jkoch .* its user left",
                      rf"desktop +{movers['name']} +p0000 .* no longer in a group of its pool"):
            self.assertRegex(binned, words)
        self.next("users restore jkoch")
        self.site.wait_state(leavers["name"], "ready")
        self.assertEqual(self.held("jkoch")[0]["id"], leavers["id"])
        self.people["jkoch"][3] = ""
        self.settled()
        for user, pool in (("new1", "desk"), ("new2", "engineering"), ("p0000", "engineering")):
            self.assertIn(pool, [d["pool"] for d in self.held(user)])
        self.assertIn("users.import", self.next("audit list"))
        self.assertEqual(self.commands, [])
        slow = sorted(((t, " ".join(map(os.path.basename, w[:4]))) for w, t in self.site.took), reverse=True)
        print(f"# {PEOPLE} people: desktops for {self.dedicated()} within {waited:.1f} s of their import; slowest commands: " +
              ", ".join(f"{w} {t:.1f} s" for t, w in slow[:4]))


if __name__ == "__main__":
    unittest.main()
