# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of browsers: the cookie, whose pages may use it, and ending logins from elsewhere."""
import re
import unittest

import broker as broker_mod
import panesite

HOST = "pane.example:8443"
OWN = {"Host": HOST, "Origin": f"https://{HOST}"}


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker
        cls.password = cls.site.user("alice")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def call(self, method, path, headers, body=None, client="192.0.2.7:900"):
        return broker_mod.request(self.b.api, method, "/api/v1" + path, body, {"X-Pane-Client": client, **headers})

    def login(self, agent="Firefox <b>", client="192.0.2.7:900"):
        r = self.call("POST", "/login", {**OWN, "User-Agent": agent},
                      {"user": "alice", "password": self.password, "cookie": True}, client)
        self.assertEqual(r.status, 200, r)
        return r

    def cookie(self, **more):
        return re.match(r"__Host-pane=([^;]+)", self.login(**more).headers["Set-Cookie"])[1]

    def test_cookie(self):
        """a browser's login sets an HttpOnly, Secure, SameSite=Strict cookie and tells its token nowhere else"""
        r = self.login()
        self.assertRegex(r.headers["Set-Cookie"], r"^__Host-pane=pa1_[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=\d+$")
        self.assertEqual(r.json["user"], {"name": "alice", "role": "user"})
        self.assertNotIn("token", r.json)
        self.assertNotIn("pa1_", r.text)
        token = re.match(r"__Host-pane=([^;]+)", r.headers["Set-Cookie"])[1]
        mine = self.call("GET", "/me", {**OWN, "Cookie": f"a=b; __Host-pane={token}; c=d"})
        self.assertEqual((mine.status, mine.json["name"]), (200, "alice"))

    def test_no_cookie_for_programs(self):
        """a login that asks for no cookie gets its token in the answer and no cookie"""
        r = self.call("POST", "/login", {}, {"user": "alice", "password": self.password})
        self.assertRegex(r.json["token"], r"^pa1_")
        self.assertNotIn("Set-Cookie", r.headers)

    def test_origin(self):
        """a cookie is taken from our own pages only: another origin, another port and plain http are refused, a write needs an origin"""
        cookie = {"Host": HOST, "Cookie": f"__Host-pane={self.cookie()}"}
        body = {"old": self.password, "new": self.password}
        for method, path, headers, want in (
                ("GET", "/me", {}, 200),
                ("GET", "/me", {"Sec-Fetch-Site": "none"}, 200),
                ("GET", "/me", {"Sec-Fetch-Site": "same-site"}, 403),
                ("GET", "/me", {"Sec-Fetch-Site": "cross-site"}, 403),
                ("GET", "/me", {"Origin": "https://evil.example"}, 403),
                ("POST", "/me/password", {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
                ("POST", "/me/password", {"Origin": "https://pane.example"}, 403),
                ("POST", "/me/password", {"Origin": f"http://{HOST}"}, 403),
                ("POST", "/me/password", {"Origin": f"https://{HOST}.evil.example"}, 403),
                ("POST", "/me/password", {"Origin": "null"}, 403),
                ("POST", "/me/password", {"Sec-Fetch-Site": "none"}, 403),
                ("POST", "/me/password", {}, 403),
                ("POST", "/me/password", {"Sec-Fetch-Site": "same-origin"}, 204),
                ("POST", "/me/password", {"Origin": f"https://{HOST}"}, 204)):
            r = self.call(method, path, {**cookie, **headers}, body if method == "POST" else None)
            self.assertEqual(r.status, want, (method, headers, r))
            if want == 403:
                self.assertEqual(r.code, "browser.foreign")

    def test_login_from_elsewhere(self):
        """another site's page can neither log a browser in nor out"""
        r = self.call("POST", "/login", {"Host": HOST, "Origin": "https://evil.example"},
                      {"user": "alice", "password": self.password, "cookie": True})
        self.assertEqual((r.status, r.code), (403, "browser.foreign"))
        token = self.cookie()
        self.call("POST", "/logout", {"Host": HOST, "Origin": "https://evil.example", "Cookie": f"__Host-pane={token}"}, {})
        self.assertEqual(self.call("GET", "/me", {**OWN, "Cookie": f"__Host-pane={token}"}).status, 200)

    def test_authorization(self):
        """Authorization counts before a cookie, and is asked for no origin"""
        mine = {"Cookie": f"__Host-pane={self.cookie()}", "Host": HOST, "Origin": "https://evil.example"}
        r = self.call("GET", "/me", {**mine, "Authorization": f"Bearer {self.b.token}"})
        self.assertEqual((r.status, r.json["name"]), (200, "root"))
        own = self.b.login("alice", self.password)
        r = self.call("POST", "/logout", {**mine, "Authorization": f"Bearer {own}"}, {})
        self.assertEqual((r.status, "Set-Cookie" in r.headers), (204, False), "the cookie is another login's")

    def test_logout(self):
        """logging out ends the token and the cookie"""
        token = self.cookie()
        mine = {**OWN, "Cookie": f"__Host-pane={token}"}
        r = self.call("POST", "/logout", mine, {})
        self.assertEqual(r.status, 204)
        self.assertRegex(r.headers["Set-Cookie"], r"^__Host-pane=; Path=/; .*Max-Age=0$")
        again = self.call("GET", "/me", mine)
        self.assertEqual((again.status, again.code), (401, "login.expired"))
        self.assertIn("Max-Age=0", again.headers["Set-Cookie"])

    def test_logins(self):
        """one's logins are listed with where and what they are from, and each can be ended from another"""
        one = {**OWN, "Cookie": f"__Host-pane={self.cookie(agent='Firefox', client='192.0.2.8:1')}"}
        two = {**OWN, "Cookie": f"__Host-pane={self.cookie(agent='x' * 500)}"}
        items = self.call("GET", "/me/logins", two).json["items"]
        self.assertEqual((items[0]["current"], items[0]["agent"]), (True, "x" * 127))
        other = next(x for x in items if x["client"] == "192.0.2.8:1")
        self.assertEqual((other["agent"], other["browser"], other["current"]), ("Firefox", True, False))
        self.assertEqual(self.call("DELETE", f"/me/logins/{other['id']}", two).status, 204)
        self.assertEqual(self.call("GET", "/me", one).status, 401)
        self.assertEqual(self.call("DELETE", f"/me/logins/{other['id']}", two).status, 404)
        roots = self.b.get("/me/logins").json["items"]
        self.assertEqual(self.call("DELETE", f"/me/logins/{roots[0]['id']}", two).status, 404, "somebody else's")

    def test_everywhere(self):
        """logging out everywhere ends every login and leaves tokens for programs; help desk can do it to others, recorded"""
        mine = {**OWN, "Cookie": f"__Host-pane={self.cookie()}"}
        program = self.call("POST", "/tokens", mine, {"name": "backup"}).json["token"]
        self.assertEqual(self.call("DELETE", "/me/logins", mine).status, 204)
        self.assertEqual(self.call("GET", "/me", mine).status, 401)
        self.assertEqual(self.call("GET", "/me", {"Authorization": f"Bearer {program}"}).status, 200)
        mine = {**OWN, "Cookie": f"__Host-pane={self.cookie()}"}
        self.assertEqual(len(self.b.get("/users/alice/logins").json["items"]), 1)
        self.assertEqual(self.b.call("DELETE", "/users/alice/logins").status, 204)
        self.assertEqual(self.call("GET", "/me", mine).status, 401)
        self.assertEqual(self.b.get("/users/nobody/logins").status, 404)
        self.assertEqual(self.b.call("DELETE", "/users/nobody/logins").status, 404)
        self.assertIn(("root", "logins.end", "alice"), [(a["actor"], a["action"], a["object"]) for a in self.site.audit()])


if __name__ == "__main__":
    unittest.main()
