# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins, tokens, roles and users, over the broker's socket."""
import glob
import threading
import time
import unittest

import broker as broker_mod
import panesite


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site(login_free=3, login_source_free=200).__enter__()
        cls.b = cls.site.broker

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def details(self, user, action="login"):
        return [a["detail"] for a in self.site.audit() if a["actor"] == user and a["action"] == action
                and a["outcome"] == "denied"]

    def test_same_answer_different_audit(self):
        """wrong password, unknown user, disabled user: one answer outside, told apart in the audit"""
        pw = self.site.user("dora")
        self.site.user("dis")
        self.b.call("PATCH", "/users/dis", {"disabled": True})
        tries = [("dora", "wrong password!"), ("nobody", "wrong password!"), ("dis", pw)]
        replies = [self.b.post("/login", {"user": u, "password": p}, token="", client="198.51.100.1:1")
                   for u, p in tries]
        for r in replies:
            self.assertEqual(r.status, 403)
            r.json["error"].pop("id")
            r.headers.pop("Date")
        self.assertEqual(replies[0].json, replies[1].json)
        self.assertEqual(replies[0].json, replies[2].json)
        self.assertEqual({k: replies[0].headers[k] for k in replies[0].headers}, replies[1].headers)
        self.assertEqual(self.details("dora"), ["wrong password"])
        self.assertEqual(self.details("nobody"), ["unknown user"])
        self.assertEqual(self.details("dis"), ["disabled"])

    def test_unknown_user_takes_as_long(self):
        """an unknown user costs the broker as much work as a wrong password, within 40 %"""
        self.site.user("tim")
        cost = {"tim": 0, "timx": 0}
        for i in range(15):
            for user in cost:
                before = self.cpu_ns()
                r = self.b.post("/login", {"user": user, "password": "x" * 12}, token="",
                                client=f"203.0.113.{i}:1")
                cost[user] += self.cpu_ns() - before
                self.assertEqual(r.status, 403)
        self.assertLess(abs(cost["tim"] - cost["timx"]), 0.4 * max(cost.values()), cost)

    def cpu_ns(self):
        """What the broker has computed so far: a clock that other programs do not slow."""
        total = 0
        for path in glob.glob(f"/proc/{self.b.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def test_throttle_does_not_lock_out(self):
        """guesses from one address are slowed, the same for an unknown name; the user elsewhere is not locked out"""
        pw = self.site.user("eve")
        for name in ("evx", "eve"):
            codes = [self.b.post("/login", {"user": name, "password": "wrong wrong"}, token="",
                                 client="198.51.100.7:1").status for _ in range(8)]
            self.assertEqual(codes[:4], [403] * 4, name)
            self.assertEqual(codes[-1], 429, name)
        r = self.b.post("/login", {"user": "eve", "password": pw}, token="", client="198.51.100.7:9")
        self.assertEqual((r.status, r.code), (429, "login.throttled"))
        self.assertGreaterEqual(int(r.headers["Retry-After"]), 1)
        self.assertEqual(self.b.post("/login", {"user": "eve", "password": pw}, token="",
                                     client="198.51.100.8:1").status, 200)

    def test_parallel_guesses_are_counted(self):
        """30 guesses at once do not slip past the throttle"""
        self.site.user("gus")
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(
            self.b.post("/login", {"user": "gus", "password": "wrong wrong"}, token="",
                        client="198.51.100.20:1").status)) for _ in range(30)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(set(codes), {403, 429})
        self.assertLessEqual(codes.count(403), 6)

    def test_storm_is_served(self):
        """60 people log in at once on 2 hash slots: everyone gets in, and health answers meanwhile"""
        pw = self.site.user("sam")
        codes, health = [], []

        def one(i):
            codes.append(self.b.post("/login", {"user": "sam", "password": pw}, token="",
                                     client=f"10.1.0.{i}:1").status)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(60)]
        for t in threads:
            t.start()
        for _ in range(5):
            begin = time.monotonic()
            health.append(self.b.get("/health").status)
            self.assertLess(time.monotonic() - begin, 1.5)
        for t in threads:
            t.join()
        self.assertEqual(codes, [200] * 60)
        self.assertEqual(health, [200] * 5)

    def test_role_matrix(self):
        """every route refuses every role that is not its own"""
        pw = self.site.user("una")
        user = self.b.login("una", pw)
        lines = [line.split() for line in self.b.command("routes").stdout.splitlines()]
        self.assertGreater(len(lines), 30)
        for method, path, role in lines:
            url = path.replace("{name}", "nope").replace("{user}", "nope") \
                .replace("{id}", "00000000-0000-0000-0000-000000000000")

            def ask(token="", **more):
                return self.b.call(method, url, {}, token=token, prefix="", **more).status
            if role in ("user", "admin"):
                self.assertEqual(ask(), 401, (method, path))
                self.assertEqual(ask("pa1_" + "A" * 43), 401, (method, path))
            if role == "admin":
                self.assertEqual(ask(user), 403, (method, path))
            if role == "host":
                self.assertEqual(ask(self.b.token), 403, (method, path))
                self.assertEqual(ask(cert="host/11111111-1111-1111-1111-111111111111"), 403)
                self.assertEqual(ask(cert="gateway/gateway"), 403)
            if role == "gateway":
                self.assertEqual(ask(self.b.token), 404, (method, path))
            else: # and nothing but connections on the internal socket
                self.assertEqual(ask(self.b.token, sock=self.b.internal), 404, (method, path))

    def test_what_is_not_in_the_table(self):
        """unknown paths are 404, known ones with another method 405, with the error object"""
        r = self.b.get("/nothing")
        self.assertEqual((r.status, r.code), (404, "path.unknown"))
        r = self.b.call("PUT", "/users/x", {})
        self.assertEqual((r.status, r.code), (405, "method.unknown"))
        self.assertEqual(sorted(r.json["error"]), ["code", "id", "message", "reasons"])
        self.assertEqual(self.b.get("/users/../users").status, 404)

    def test_bad_bodies(self):
        """bodies that are not what they should be: 400 and what to write instead"""
        cases = [(b"", "JSON object"), (b"[]", "JSON object"), (b"{", "not valid JSON"),
                 (b'{"name":"x","name":"y"}', "duplicate"), (b'{"nmae":"x"}', '"nmae" is not a field'),
                 (b'{"name":"Bad Name"}', "a-z, 0-9"), (b'{"name":5}', "must be a string"),
                 (b'{"name":"ok","password":"short"}', "10 to 256"),
                 (b'{"name":"ok","role":"god"}', 'cannot be "god"'),
                 (b'{"name":"a\\u0000b"}', ""), (b"\xff\xfe{}", "not valid JSON")]
        for body, say in cases:
            r = self.b.post("/users", body)
            self.assertEqual((r.status, r.code), (400, "request.invalid"), body)
            self.assertIn(say, r.json["error"]["message"], body)
        self.assertEqual(self.b.post("/users", b"x" * (2 << 20)).status, 413)
        self.assertEqual(self.b.get("/health").status, 200)

    def test_user_life(self):
        """create with a generated password, log in, change it, disable, delete"""
        made = self.b.post("/users", {"name": "carol"}).json
        self.assertGreaterEqual(len(made["password"]), 16)
        token = self.b.login("carol", made["password"])
        me = self.b.get("/me", token=token).json
        self.assertEqual((me["name"], me["role"]), ("carol", "user"))
        self.assertNotIn("password", self.b.get("/users/carol").json)
        other = self.b.login("carol", made["password"])
        change = {"old": made["password"], "new": "a new long one"}
        self.assertEqual(self.b.post("/me/password", {**change, "old": "wrong wrong"}, token=token).status, 403)
        self.assertEqual(self.b.post("/me/password", change, token=token).status, 204)
        self.assertEqual(self.b.get("/me", token=other).status, 401)
        self.assertEqual(self.b.get("/me", token=token).status, 200)
        self.assertEqual(self.b.post("/users", {"name": "carol"}).status, 409)
        self.assertEqual(self.b.call("PATCH", "/users/carol", {"disabled": True}).json["disabled"], True)
        self.assertEqual(self.b.get("/me", token=token).status, 401)
        self.assertEqual(self.b.call("DELETE", "/users/carol").status, 204)
        self.assertEqual(self.b.get("/users/carol").status, 404)

    def test_logout_ends_the_token(self):
        """a token that logged out is good for nothing"""
        token = self.b.login("root", self.site.password)
        self.assertEqual(self.b.post("/logout", token=token).status, 204)
        self.assertEqual(self.b.get("/me", token=token).status, 401)

    def test_last_admin_stays(self):
        """the last enabled administrator can be neither deleted, demoted nor disabled"""
        for method, body in (("DELETE", None), ("PATCH", {"role": "user"}), ("PATCH", {"disabled": True})):
            r = self.b.call(method, "/users/root", body)
            self.assertEqual((r.status, r.code), (409, "user.last_admin"))
        self.assertEqual(self.b.get("/users/root").json["role"], "admin")

    def test_admin_reset(self):
        """pane-broker admin gives a way back in and ends old tokens"""
        token = self.b.login("root", self.site.password)
        new = self.b.admin("root")
        self.assertEqual(self.b.get("/me", token=token).status, 401)
        type(self).site.password = new
        self.b.token = self.b.login("root", new)

    def test_setup_token(self):
        """pane-broker setup makes an administrator whose first password is set by a token: once, and by nothing else"""
        token = self.b.command("setup", "first").stdout.strip()
        self.assertRegex(token, r"^pw1_[A-Za-z0-9_-]{43}$")
        self.assertEqual(self.b.post("/welcome", {"token": "pw1_" + "A" * 43, "password": "a password of mine"}).code, "welcome.refused")
        self.assertEqual(self.b.post("/welcome", {"token": token, "password": "a password of mine"}).json["user"], "first")
        again = self.b.post("/welcome", {"token": token, "password": "somebody else's password"})
        self.assertEqual((again.status, again.code), (403, "welcome.refused"))
        mine = self.b.login("first", "a password of mine")
        self.assertEqual(self.b.get("/users/first", token=mine).json["role"], "admin")
        reset = self.b.command("setup", "first").stdout.strip()  # lost again: the old one counts no more
        self.assertNotEqual(reset, token)
        self.assertEqual(self.b.get("/me", token=mine).status, 401)
        with self.assertRaises(RuntimeError):
            self.b.login("first", "a password of mine")

    def test_pages(self):
        """lists come in pages that join without gap or repeat"""
        for i in range(7):
            self.site.user(f"page{i}")
        names, after = [], ""
        while after is not None:
            r = self.b.get(f"/users?limit=3&after={after}").json
            self.assertLessEqual(len(r["items"]), 3)
            names += [u["name"] for u in r["items"]]
            after = r.get("next")
        self.assertEqual(names, sorted(set(names)))
        self.assertEqual(names, [u["name"] for u in self.b.get("/users").json["items"]])

    def test_refusals_are_audited(self):
        """what an administrator attempted and was refused is in the audit too"""
        self.b.post("/users", {"name": "root"})
        last = [a for a in self.site.audit() if a["action"] == "user.create"][0]
        self.assertEqual((last["actor"], last["object"], last["outcome"], last["detail"]),
                         ("root", "root", "refused", "user.exists"))

    def test_secrets_are_nowhere(self):
        """no password, token or ticket is in the log or in the database"""
        pw = self.site.user("nora", password="sekrit-sekrit-sekrit")
        token = self.b.login("nora", pw)
        import subprocess
        dump = subprocess.run(["pg_dump", "-d", self.site.cluster.conninfo()], capture_output=True,
                              text=True, check=True).stdout
        for text in (dump, self.b.log()):
            self.assertNotIn(pw, text)
            self.assertNotIn(token, text)
            self.assertNotIn(token[4:], text)


class Config(unittest.TestCase):
    def test_check_and_mistakes(self):
        """-n says a configuration is good, or which file, line and key is not"""
        with panesite.Site() as site:
            b = site.broker
            self.assertEqual(b.command("-n").returncode, 0)
            with open(b.config, "a", encoding="utf-8") as f:
                f.write("[policy]\nhots_lost_s = 3\n")
            done = b.command("-n", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("hots_lost_s", done.stderr)

    def test_help_is_in_the_manual(self):
        """every flag and command of --help is in the man page"""
        import re
        import subprocess
        text = subprocess.run([broker_mod.program("pane-broker"), "--help"], capture_output=True,
                              text=True, check=True).stdout
        with open(f"{broker_mod.SOURCE}/docs/man/pane-broker.8.scd", encoding="utf-8") as f:
            page = f.read().replace("\\", "")
        for flag in re.findall(r"--[a-z]+|(?<= )-[a-zA-Z](?=,)", text):
            self.assertIn(flag, page)
        for word in ("migrate", "admin", "routes"):
            self.assertIn(word, page)
        with open(f"{broker_mod.SOURCE}/broker/conf.c", encoding="utf-8") as f:
            keys = re.findall(r'(?:STR|INT)\("\w+", (\w+)', f.read())
        self.assertGreater(len(keys), 15)
        for key in keys:
            self.assertIn(f"*{key}*", page)


if __name__ == "__main__":
    unittest.main()
