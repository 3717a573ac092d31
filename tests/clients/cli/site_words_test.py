# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of `pane` that no other story says, each at a real site (database, broker, gateway; the hosts are simulated): it does what it says,
and what it prints agrees with what the API says afterwards."""
import json
import unittest

import orgsite
import totp

TIMEOUT = 600
PASSWORD = "correct horse battery"


class Words(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = orgsite.OrgSite().__enter__()
        cls.b, cls.host = cls.site.broker, cls.site.host()

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def setUp(self):
        self.site.pane_login()

    def pane(self, *words, **more):
        return self.site.pane(*words, **more)

    def rows(self, *words):
        return [line.split() for line in self.pane(*words).splitlines()[1:]]

    def user(self, name, *pools):
        self.site.user(name, *pools)
        return name

    def get(self, path, status=200):
        answer = self.b.get(path)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def test_groups(self):
        """groups: made with what they are for, filled, shown, emptied and deleted; the pool comes and goes with the membership"""
        self.user("gert")
        self.site.pool("groupies", spare=0)
        self.assertIn("group sales created", self.pane("groups", "create", "sales", "--description", "sells"))
        self.assertIn("user gert is in group sales", self.pane("groups", "add", "sales", "gert"))
        self.pane("pools", "entitle", "groupies", "group:sales")
        self.assertIn("sales", [r[0] for r in self.rows("groups", "list")])
        shown = self.pane("groups", "show", "sales")
        self.assertIn("sells", shown)
        self.assertIn("gert", shown)
        self.assertEqual(self.get("/groups/sales")["members"], 1)
        self.assertIn("no longer in group sales", self.pane("groups", "remove", "sales", "gert"))
        self.assertEqual(self.get("/groups/sales")["members"], 0)
        self.assertIn("group sales deleted", self.pane("groups", "delete", "sales"))
        self.get("/groups/sales", 404)
        self.assertIn("sales", self.pane("groups", "show", "sales", status=1))

    def test_people(self):
        """users: changed, shown, disabled; a desktop is made before the first login, ends in the bin with its user, and comes back"""
        self.user("paula")
        self.site.pool("own", assignment="dedicated", provision="login", spare=0)
        self.pane("pools", "entitle", "own", "paula")
        self.assertIn("changed", self.pane("users", "set", "paula", "--full-name", "Paula P", "--email", "p@example.org", "--role", "helpdesk"))
        shown = self.get("/users/paula")
        self.assertEqual((shown["full_name"], shown["email"], shown["role"]), ("Paula P", "p@example.org", "helpdesk"))
        for part in ("Paula P", "p@example.org", "helpdesk"):
            self.assertIn(part, self.pane("users", "show", "paula"))
        self.pane("users", "set", "paula", "--disable")
        self.assertEqual(self.b.post("/login", {"user": "paula", "password": PASSWORD}, token="").code, "login.failed")
        self.pane("users", "set", "paula", "--enable")
        self.pane("users", "set", "paula", "--password-stdin", text="another long password\n")
        self.b.login("paula", "another long password")
        self.pane("users", "prepare", "paula", "own")
        mine = lambda: [d for d in self.get("/desktops?pool=own")["items"] if d["user"] == "paula"]
        name = self.b.wait(mine, "paula's desktop")[0]["name"]
        self.site.wait_state(name, "ready")
        came = self.b.wait(lambda: (lambda r: r.status == 200 and r)(self.b.connect(conn="c1", user="paula", password="another long password")), "paula at it")
        self.assertEqual(came.json["name"], name)
        self.assertIn("may no longer use pool own", self.pane("pools", "disentitle", "own", "paula"))
        self.b.wait(lambda: name in self.pane("bin", "list"), "it waits in the bin")
        self.assertIn("its user's again", self.pane("bin", "restore", name))
        self.assertNotIn(name, self.pane("bin", "list"))
        self.assertEqual(mine()[0]["name"], name)
        self.assertIn("user paula deleted", self.pane("users", "delete", "paula"))
        self.assertIn("paula", self.pane("bin", "list"))

    def test_logins(self):
        """logins: listed, of others ended by an administrator, one's own by oneself; a failed one is seen and let in again"""
        self.user("lea")
        self.b.login("lea", PASSWORD)
        self.assertEqual(len(self.rows("users", "logins", "lea")), 1)
        self.assertIn("logged out everywhere", self.pane("users", "logout", "lea"))
        self.assertEqual(self.rows("users", "logins", "lea"), [])
        for _ in range(8):
            self.b.post("/login", {"user": "lea", "password": "wrong"}, token="", client="192.0.2.77:5")
        self.assertIn("lea", self.pane("users", "locked"))
        self.assertEqual(self.b.post("/login", {"user": "lea", "password": PASSWORD}, token="", client="192.0.2.77:5").status, 429)
        self.assertIn("may log in again", self.pane("users", "unlock", "lea", "-"))
        self.assertNotIn("lea", self.pane("users", "locked"))
        self.assertEqual(self.b.post("/login", {"user": "lea", "password": PASSWORD}, token="", client="192.0.2.77:5").status, 200)
        self.assertIn("has no second factor", self.pane("users", "reset-totp", "lea", status=1))
        token = self.b.login("lea", PASSWORD)
        begun = self.b.post("/me/totp", {"password": PASSWORD}, token=token).json
        self.assertEqual(self.b.post("/me/totp/confirm", {"code": totp.code(begun["secret"])}, token=token).status // 100, 2)
        self.assertIn("has no second factor any more", self.pane("users", "reset-totp", "lea"))
        self.assertEqual(self.b.post("/login", {"user": "lea", "password": PASSWORD}, token="").status, 200)
        word = self.b.admin("second")
        self.b.login("second", word)
        self.pane("login", "--server", self.site.url, "--ca", f"{self.b.pki}/ca.crt", "--password-stdin", "second", text=word + "\n")
        own = json.loads(self.pane("logins", "list", "--json"))["items"]
        self.assertEqual(len(own), 2)
        other = next(x["id"] for x in own if not x["current"])
        self.assertIn(f"login {other} ended", self.pane("logins", "end", str(other)))
        self.assertEqual(len(self.rows("logins", "list")), 1)
        self.assertIn("all your logins are ended", self.pane("logins", "end-all"))
        self.assertIn("pane login", self.pane("logins", "list", status=1))

    def test_tokens(self):
        """tokens for programs: made, listed, good for what they say, and no longer once they are ended"""
        token = json.loads(self.pane("tokens", "create", "robot", "--scope", "readonly", "--json"))["token"]
        self.assertEqual(self.b.call("GET", "/pools", token=token).status, 200)
        self.assertEqual(self.b.call("POST", "/groups", {"name": "x"}, token=token).status, 403)
        known = json.loads(self.pane("tokens", "list", "--json"))["items"]
        ident = next(x["id"] for x in known if x["name"] == "robot")
        self.assertIn("ended", self.pane("tokens", "end", str(ident)))
        self.assertEqual(self.b.call("GET", "/pools", token=token).status, 401)

    def test_hosts(self):
        """hosts: named for enrolment, shown, emptied for maintenance with a reason, back again, and forgotten"""
        self.assertIn("token", self.pane("hosts", "enrol", "h7").lower())
        self.assertIn("h1", self.pane("hosts", "show", "h1"))
        self.assertIn("gets no new desktops", self.pane("hosts", "drain", "h1", "--reason", "new memory"))
        self.assertIn(self.get("/hosts/h1")["state"], ("draining", "drained"))
        self.assertIn("new memory", self.pane("hosts", "show", "h1"))
        self.assertIn("may have new desktops again", self.pane("hosts", "undrain", "h1"))
        self.assertEqual(self.get("/hosts/h1")["state"], "online")
        self.assertIn("host h7 deleted", self.pane("hosts", "delete", "h7"))
        self.get("/hosts/h7", 404)

    def test_pools(self):
        """pools: changed; a role in one of them given and taken back; quotas set, counted and taken away; who must have a second factor, and how the site looks"""
        self.user("rob")
        self.site.pool("things", spare=0)
        self.assertIn("pool things changed", self.pane("pools", "set", "things", "--memory", "2048", "--idle", "600", "--idle-action", "disconnect"))
        pool = self.get("/pools/things")
        self.assertEqual((pool["memory_mib"], pool["idle_s"]), (2048, 600))
        self.pane("pools", "delegate", "things", "rob", "operator")
        token = self.b.login("rob", PASSWORD)
        self.assertEqual([p["name"] for p in self.b.call("GET", "/pools", token=token).json["items"]], ["things"])
        self.assertIn("what they are elsewhere", self.pane("pools", "undelegate", "things", "rob"))
        self.assertEqual(self.b.call("GET", "/pools", token=token).status, 403)
        self.assertIn("is set", self.pane("quotas", "set", "user:rob", "--desktops", "0"))
        self.assertIn("user:rob", self.pane("quotas", "list"))
        self.pane("pools", "entitle", "things", "rob")
        refused = self.b.connect(conn="q1", user="rob", password=PASSWORD)
        self.assertIn("quota", json.dumps(refused.json))
        self.assertIn("has no quota any more", self.pane("quotas", "remove", "user:rob"))
        self.assertNotIn("user:rob", self.pane("quotas", "list"))
        self.assertIn("totp", self.pane("policy", "show"))
        self.pane("branding", "set", "--name", "Example Ltd")
        self.assertIn("Example Ltd", self.pane("branding", "show"))

    def test_desktops(self):
        """desktops, sessions and homes: who is where, power cut until the user comes back, and a home nobody has any more deleted"""
        self.user("dora")
        self.host.homes = set()
        self.site.pool("desks", spare=1, size_max=2, home_mib=64, assignment="dedicated")
        self.pane("pools", "entitle", "desks", "dora")
        came = self.b.wait(lambda: (lambda r: r.status == 200 and r)(self.b.connect(conn="d1", user="dora", password=PASSWORD)), "a desktop for dora")
        name = came.json["name"]
        self.host.set(name, viewers=[{"conn": "d1", "user": "dora", "protocol": "rdp", "client": "192.0.2.1:5000"}])
        self.b.wait(lambda: any(name in r and "dora" in r for r in self.rows("sessions", "list")), "dora's session is listed")
        self.host.set(name, viewers=[])
        self.assertIn(f"desktop {name} is switched off", self.pane("desktops", "off", name))
        self.b.wait(lambda: self.host.state(name) == "stopped", "it is off")
        homes = json.loads(self.pane("homes", "list", "--json"))["items"]
        key = next(h["key"] for h in homes if h["user"] == "dora")
        self.assertIn("desktop", self.pane("homes", "delete", key, status=1)) # a desktop has it
        self.assertEqual(self.b.call("DELETE", f"/desktops/{name}").status // 100, 2)
        self.b.wait(lambda: self.b.get(f"/desktops/{name}").status == 404, "the desktop is gone")
        self.assertIn(f"home {key} is deleted", self.pane("homes", "delete", key))
        self.b.wait(lambda: key not in self.pane("homes", "list"), "the home is gone")

    def test_terminal(self):
        """a terminal that enrolled by a code is shown with what it told of itself"""
        code = json.loads(self.pane("thin", "enrol-code", "lobby", "--json"))["code"]
        self.assertEqual(self.b.post("/terminals/enrol", {"code": code, "hardware": "m1", "version": "9", "addresses": "192.0.2.7"}, token="").status, 201)
        shown = self.pane("thin", "show", "lobby")
        self.assertIn("192.0.2.7", shown)
        self.assertIn("lobby", shown)
        self.assertIn("nowhere", self.pane("thin", "show", "nowhere", status=1))


if __name__ == "__main__":
    unittest.main()
