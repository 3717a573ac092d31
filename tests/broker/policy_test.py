# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call what: every route with every role against policy.txt; scoped and ending tokens; lockouts."""
import os
import re
import unittest

import panesite

ROLES = ("user", "readonly", "helpdesk", "operator", "admin")


def policy():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "policy.txt"), encoding="utf-8") as f:
        lines = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {(method, path): role for role, method, path in lines}


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker
        cls.tokens = {}
        for role in ROLES:
            made = cls.b.post("/users", {"name": f"the-{role}", "role": role, "password": "correct horse battery"})
            assert made.status == 201, made
            cls.tokens[role] = cls.b.login(f"the-{role}", "correct horse battery")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_every_route_has_a_policy(self):
        """every route has a line in policy.txt, and no line is of a route that is gone"""
        table = {(m, p) for m, p, _ in (line.split() for line in self.b.command("routes").stdout.splitlines())}
        self.assertEqual(table, set(policy()))

    def test_every_route_every_role(self):
        """each role is let through to exactly the routes policy.txt gives it, and the refusal names the role needed"""
        for (method, path), least in policy().items():
            # The last to go: it ends the token that asks.
            if least not in ROLES or path in ("/api/v1/logout", "/api/v1/events") or (method, path) == ("DELETE", "/api/v1/me/logins"):
                continue
            url = re.sub(r"\{\w+\}", "no-such-thing", path)
            for role in ROLES:
                r = self.b.call(method, url, {} if method in ("POST", "PATCH") else None, prefix="",
                                token=self.tokens[role])
                where = (role, method, path, r)
                if ROLES.index(role) >= ROLES.index(least):
                    self.assertNotIn(r.status, (401, 403, 500), where)
                else:
                    self.assertEqual((r.status, r.code), (403, "role.missing"), where)
                    self.assertIn(least, r.json["error"]["message"], where)

    def test_nobody(self):
        """without a token every route for people is 401"""
        for (method, path), least in policy().items():
            if least in ROLES:
                url = re.sub(r"\{\w+\}", "x", path)
                self.assertEqual(self.b.call(method, url, {}, prefix="", token="").status, 401, path)

    def test_roles_are_an_administrators(self):
        """an operator manages users, but neither gives roles nor touches people who have one"""
        op = {"token": self.tokens["operator"]}
        self.assertEqual(self.b.post("/users", {"name": "new"}, **op).status, 201)
        self.assertEqual(self.b.call("PATCH", "/users/new", {"disabled": True}, **op).status, 200)
        for r in (self.b.post("/users", {"name": "x", "role": "helpdesk"}, **op),
                  self.b.call("PATCH", "/users/new", {"role": "admin"}, **op),
                  self.b.call("PATCH", "/users/root", {"disabled": True}, **op),
                  self.b.call("PATCH", "/users/root", {"password": "a new password"}, **op),
                  self.b.post("/users/the-readonly/welcome", {}, **op),
                  self.b.call("DELETE", "/users/the-helpdesk", **op)):
            self.assertEqual((r.status, r.code), (403, "role.admin"), r)
        desk = {"token": self.tokens["helpdesk"]}
        self.b.call("PATCH", "/users/new", {"disabled": False})
        self.assertEqual(self.b.post("/users/new/welcome", {}, **desk).status, 201)
        self.assertEqual(self.b.post("/users/root/welcome", {}, **desk).code, "role.admin")

    def test_tokens(self):
        """a token for a program can do what its scope says and no more, ends by itself, and is shown once"""
        r = self.b.post("/tokens", {"name": "grafana", "scope": "readonly", "expires_in_s": 3600})
        self.assertEqual((r.status, r.json["scope"]), (201, "readonly"))
        token = r.json["token"]
        self.assertEqual(self.b.get("/pools", token=token).status, 200)
        me = self.b.get("/me", token=token).json
        self.assertEqual((me["name"], me["role"]), ("root", "readonly"))
        self.assertEqual(self.b.post("/groups", {"name": "g"}, token=token).code, "role.missing")
        self.assertEqual(self.b.post("/tokens", {"name": "more", "scope": "admin"}, token=token).code, "role.missing")
        self.assertEqual(self.b.post("/tokens", {"name": "grafana"}).code, "token.exists")
        listed = [t for t in self.b.get("/tokens").json["items"] if t["name"] == "grafana"][0]
        self.assertNotIn("token", listed)
        self.assertIsNotNone(listed["last_used_at"])
        self.assertEqual(self.b.get("/tokens", token=self.tokens["operator"]).json["items"], [])
        self.assertEqual(self.b.call("DELETE", f"/tokens/{listed['id']}", token=self.tokens["operator"]).status, 404)
        self.site.cluster.sql("UPDATE pane.token SET expires_at = now() WHERE name = 'grafana'")
        self.assertEqual(self.b.get("/me", token=token).status, 401)
        r = self.b.post("/tokens", {"name": "grafana", "scope": "user"})
        self.assertEqual(self.b.call("DELETE", f"/tokens/{r.json['id']}").status, 204)
        self.assertEqual(self.b.get("/me", token=r.json["token"]).status, 401)

    def test_lockouts(self):
        """who has to wait is listed with account and source, and the help desk lets them in again"""
        self.site.user("lisa")
        for _ in range(7):
            r = self.b.post("/login", {"user": "lisa", "password": "wrong"}, token="", client="198.51.100.9:1")
        self.assertEqual(r.status, 429)
        desk = {"token": self.tokens["helpdesk"]}
        row = [i for i in self.b.get("/lockouts", **desk).json["items"] if i["user"] == "lisa"][0]
        self.assertEqual((row["source"], row["wait_s"] > 0), ("198.51.100.9", True))
        self.assertEqual(self.b.call("DELETE", "/lockouts/lisa/198.51.100.9", **desk).status, 204)
        self.assertEqual(self.b.call("DELETE", "/lockouts/lisa/-", **desk).code, "lockout.unknown")
        self.assertTrue(self.b.login("lisa", "correct horse battery", client="198.51.100.9:1"))


if __name__ == "__main__":
    unittest.main()
