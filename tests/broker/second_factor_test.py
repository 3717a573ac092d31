# SPDX-License-Identifier: GPL-3.0-or-later
"""The second factor: enrolment, logins with codes through the API and as stock clients do, replay, throttling,
recovery codes, reset, and who must have one."""
import os
import re
import subprocess
import threading
import unittest

import panesite
import pg
from totp import code

PASSWORD = "correct horse battery"


class SecondFactor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker
        cls.site.host(memory_mib=64000)
        cls.site.pool("office", size_max=20, spare=3)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def tearDown(self):
        self.b.call("PATCH", "/policy", {"totp_roles": []})
        for x in self.b.get("/lockouts").json["items"]:
            self.b.call("DELETE", f"/lockouts/{x['user'] or '-'}/{x['source']}")

    def person(self, *pools):
        type(self).count += 1
        name = f"p{self.count}"
        self.site.user(name, *pools, password=PASSWORD)
        return name

    def enrolled(self, *pools):
        """(name, secret, recovery codes) of somebody whose code of the step before now is spent."""
        name = self.person(*pools)
        token = self.b.login(name, PASSWORD)
        begun = self.b.post("/me/totp", {"password": PASSWORD}, token=token).json
        for _ in range(2): # a step may end between the code and its check
            done = self.b.post("/me/totp/confirm", {"code": code(begun["secret"], -1)}, token=token)
            if done.status == 200:
                break
        self.assertEqual(done.status, 200, done)
        return name, begun["secret"], done.json["recovery_codes"]

    def try_login(self, user, password=PASSWORD, **more):
        return self.b.post("/login", {"user": user, "password": password, **more}, token="")

    def test_enroll_and_login(self):
        """who enrolled is asked for a code, gets in with it, and not with the password alone"""
        name, secret, recovery = self.enrolled()
        self.assertEqual(len(set(recovery)), 10)
        r = self.try_login(name)
        self.assertEqual((r.status, r.code), (403, "totp.required"))
        r = self.try_login(name, code=code(secret))
        self.assertEqual(r.status, 200, r)
        me = self.b.get("/me", token=r.json["token"]).json
        self.assertEqual(me["totp"], {"enrolled": True, "required": False, "recovery_left": 10})
        self.assertTrue(self.b.get(f"/users/{name}").json["totp"])

    def test_address_for_the_app(self):
        """the enrolment's address is what authenticator apps read, and begun twice it is the same one"""
        name = self.person()
        token = self.b.login(name, PASSWORD)
        a = self.b.post("/me/totp", {"password": PASSWORD}, token=token).json
        self.assertEqual(a["uri"], f"otpauth://totp/Pane:{name}?secret={a['secret']}&issuer=Pane&digits=6&period=30")
        self.assertEqual(self.b.post("/me/totp", {"password": PASSWORD}, token=token).json, a)
        self.assertEqual(self.b.post("/me/totp", {"password": "wrong wrong wrong"}, token=token).status, 403)
        # begun is not enrolled
        self.assertEqual(self.try_login(name).status, 200)
        self.assertEqual(self.b.post("/me/totp/confirm", {"code": "000000"}, token=token).code, "totp.wrong")

    def test_replay(self):
        """a code works once; the one before it not at all after it, and a wrong one looks the same outside"""
        name, secret, _ = self.enrolled()
        now = code(secret)
        self.assertEqual(self.try_login(name, code=now).status, 200)
        for again in (now, code(secret, -1)):
            r = self.try_login(name, code=again)
            self.assertEqual((r.status, r.code), (403, "login.failed"))
        why = [a["detail"] for a in self.site.audit() if a["actor"] == name and a["outcome"] == "denied"]
        self.assertEqual(why[:2], ["code used before"] * 2)

    def test_drift(self):
        """a clock half a minute ahead is borne, two minutes not"""
        name, secret, _ = self.enrolled()
        self.assertEqual(self.try_login(name, code=code(secret, 4)).code, "login.failed")
        self.assertEqual(self.try_login(name, code=code(secret, 1)).status, 200)

    def test_at_once(self):
        """of many logins at once with one code exactly one gets in"""
        name, secret, _ = self.enrolled()
        now, got = code(secret), []
        threads = [threading.Thread(target=lambda i=i: got.append(self.b.post(
            "/login", {"user": name, "password": PASSWORD, "code": now}, token="",
            client=f"192.0.2.{i}:1").status)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(got), [200, 403, 403, 403])

    def test_throttled_from_everywhere(self):
        """who knows the password cannot guess codes: from whatever address, and an operator sees and releases it"""
        name, secret, _ = self.enrolled()
        answers = [self.b.post("/login", {"user": name, "password": PASSWORD, "code": f"{i:06d}"}, token="",
                               client=f"198.51.100.{i}:1").status for i in range(1, 12)]
        self.assertIn(429, answers)
        self.assertEqual(self.b.post("/login", {"user": name, "password": PASSWORD, "code": code(secret)}, token="",
                                     client="203.0.113.9:1").status, 429)
        seen = [x for x in self.b.get("/lockouts").json["items"] if x["user"] == name and x["source"] == "totp"]
        self.assertEqual(len(seen), 1)
        self.assertEqual(self.b.call("DELETE", f"/lockouts/{name}/totp").status, 204)
        self.assertEqual(self.b.post("/login", {"user": name, "password": PASSWORD, "code": code(secret)}, token="",
                                     client="203.0.113.9:1").status, 200)

    def test_recovery_codes(self):
        """a recovery code gets one login, however it is typed; the database has only hashes; new ones replace the old"""
        name, secret, recovery = self.enrolled()
        self.assertEqual(self.try_login(name, code=recovery[0].upper().replace("-", " ")).status, 200)
        self.assertEqual(self.try_login(name, code=recovery[0]).code, "login.failed")
        token = self.try_login(name, code=recovery[1]).json["token"]
        self.assertEqual(self.b.get("/me", token=token).json["totp"]["recovery_left"], 8)
        rows = self.site.cluster.sql("SELECT * FROM pane.recovery_code")
        self.assertNotIn(recovery[2].replace("-", ""), str(rows))
        fresh = self.b.post("/me/totp/confirm", {"code": code(secret)}, token=token).json["recovery_codes"]
        self.assertEqual(self.try_login(name, code=recovery[2]).code, "login.failed")
        self.assertEqual(self.try_login(name, code=fresh[0]).status, 200)
        other = self.enrolled()
        self.assertEqual(self.try_login(other[0], code=fresh[1]).code, "login.failed") # not another's

    def test_stock_clients(self):
        """a client with a password field only: the six digits follow the password; without them it says so"""
        name, secret, recovery = self.enrolled("office")
        r = self.b.connect(user=name, password=PASSWORD)
        self.assertEqual((r.status, r.code), (403, "totp.required"))
        self.assertIn("six digits", r.json["error"]["message"])
        now = code(secret)
        r = self.b.wait(lambda: self.b.connect(user=name, password=PASSWORD + now), "let in")
        self.assertEqual(r.status, 200, r)
        for protocol in ("rdp", "rfb"):
            again = self.b.connect(user=name, password=PASSWORD + now, protocol=protocol)
            self.assertEqual((again.status, again.code), (403, "login.failed"))
        self.assertEqual(self.b.connect(user=name, password=PASSWORD + recovery[0]).code, "login.failed")
        # digits at the end of a password are no code for who has none
        plain = self.person("office")
        self.assertEqual(self.b.connect(user=plain, password=PASSWORD + "123456").code, "login.failed")

    def test_a_ticket_needs_no_code(self):
        """a ticket got after a login with a code lets the thin client in"""
        name, secret, _ = self.enrolled("office")
        token = self.try_login(name, code=code(secret)).json["token"]
        ticket = self.b.wait(lambda: self.b.post("/tickets", {"pool": "office"}, token=token).json.get("ticket"),
                             "a ticket")
        self.assertEqual(self.b.connect(ticket=ticket).status, 200)

    def test_required_by_role(self):
        """a role that must have one enrols at the login itself, and its codes come with the first one"""
        name = self.person()
        self.assertEqual(self.b.call("PATCH", "/policy", {"totp_roles": ["user"]}).json, {"totp_roles": ["user"]})
        r = self.try_login(name)
        self.assertEqual((r.status, r.code), (403, "totp.enroll"))
        secret = r.reasons[0].split("secret=")[1].split("&")[0]
        self.assertEqual(self.b.connect(user=name, password=PASSWORD).code, "totp.enroll")
        self.assertEqual(self.try_login(name, "wrong wrong wrong").code, "login.failed")
        self.assertEqual(self.try_login(name, code="000000").code, "login.failed")
        r = self.try_login(name, code=code(secret))
        self.assertEqual(r.status, 200, r)
        self.assertEqual(len(r.json["recovery_codes"]), 10)
        self.assertEqual(self.try_login(name).code, "totp.required")
        r = self.b.post("/me/totp/end", {"password": PASSWORD, "code": r.json["recovery_codes"][0]},
                        token=r.json["token"])
        self.assertEqual((r.status, r.code), (409, "totp.required"))

    def test_required_by_pool(self):
        """a pool that asks for one gives no desktop to who has none, by ticket or password, and does to who has"""
        self.site.pool("vault", size_max=4, spare=1, totp="required")
        self.assertEqual(self.b.get("/pools/vault").json["totp"], "required")
        name = self.person("vault", "office")
        token = self.b.login(name, PASSWORD)
        r = self.b.post("/tickets", {"pool": "vault"}, token=token)
        self.assertEqual((r.status, r.code), (403, "totp.enroll"))
        self.assertEqual(self.b.connect(user=name, password=PASSWORD, desktop="vault").code, "totp.enroll")
        self.assertIn(self.b.post("/tickets", {"pool": "office"}, token=token).status, (201, 200, 409))
        begun = self.b.post("/me/totp", {"password": PASSWORD}, token=token).json
        self.assertEqual(self.b.post("/me/totp/confirm", {"code": code(begun["secret"])}, token=token).status, 200)
        self.b.wait(lambda: self.b.post("/tickets", {"pool": "vault"}, token=token).json.get("ticket"), "a ticket")

    def test_end_and_reset(self):
        """giving it up needs password and code; the help desk resets a user's, an administrator's only an administrator"""
        name, secret, recovery = self.enrolled()
        token = self.try_login(name, code=recovery[0]).json["token"]
        self.assertEqual(self.b.post("/me/totp/end", {"password": PASSWORD}, token=token).code, "totp.required")
        self.assertEqual(self.b.post("/me/totp/end", {"password": PASSWORD, "code": code(secret)},
                                     token=token).status, 204)
        self.assertEqual(self.try_login(name).status, 200)

        name, _, recovery = self.enrolled()
        held = self.try_login(name, code=recovery[0]).json["token"]
        self.site.user("desk-help", password=PASSWORD)
        self.b.call("PATCH", "/users/desk-help", {"role": "helpdesk"})
        helpdesk = self.b.login("desk-help", PASSWORD)
        self.assertEqual(self.b.call("DELETE", f"/users/{name}/totp", token=helpdesk).status, 204)
        self.assertEqual(self.b.get("/me", token=held).status, 401) # that login ends, too
        self.assertEqual(self.try_login(name).status, 200)
        self.assertEqual(self.b.call("DELETE", f"/users/{name}/totp").code, "totp.none")
        self.assertEqual(self.b.call("DELETE", "/users/root/totp", token=helpdesk).code, "role.admin")
        last = [a for a in self.site.audit() if a["action"] == "user.totp" and a["outcome"] == "ok"][0]
        self.assertEqual((last["actor"], last["object"]), ("desk-help", name))

    def test_welcome_says_so(self):
        """a welcome link says whether the next step is a second factor"""
        self.b.call("PATCH", "/policy", {"totp_roles": ["user"]})
        w = self.b.post("/users", {"name": "newbie", "welcome": True}).json["welcome"]
        r = self.b.post("/welcome", {"token": w if isinstance(w, str) else w["token"], "password": PASSWORD}, token="")
        self.assertEqual(r.json, {"user": "newbie", "totp_required": True})

    def test_secrets_stay_inside(self):
        """no list, no audit entry and no log line has a secret or recovery code"""
        name, secret, recovery = self.enrolled()
        text = self.b.get(f"/users/{name}").text + self.b.get("/audit?limit=500").text + self.b.log()
        self.assertNotIn(secret, text)
        self.assertNotIn(recovery[0], text)


    def test_moved(self):
        """a second factor is moved to another device by a code of the old one, which counts until the new one has given its first"""
        name, old, recovery = self.enrolled()
        token = self.b.post("/login", {"user": name, "password": PASSWORD, "code": code(old)}, token="").json["token"]
        ask = lambda **more: self.b.post("/me/totp", {"password": PASSWORD, **more}, token=token)
        self.assertEqual(ask().code, "totp.enrolled")
        self.assertEqual(ask(code="000000").code, "login.failed")
        self.assertEqual(ask(code=code(old)).code, "login.failed", "spent at the login")
        new = ask(code=recovery[0]).json["secret"]
        self.assertNotEqual(new, old)
        self.assertEqual(ask(code=recovery[1]).json["secret"], new, "begun twice it is the same one")
        log_in = lambda c: self.b.post("/login", {"user": name, "password": PASSWORD, "code": c}, token="").status
        self.assertEqual((log_in(code(new)), log_in(code(old, 1))), (403, 200), "the old one counts")
        confirm = lambda c: self.b.post("/me/totp/confirm", {"code": c}, token=token)
        self.assertEqual(confirm("000000").code, "totp.wrong")
        got = confirm(code(new, -1))
        self.assertEqual((got.status, len(got.json["recovery_codes"])), (200, 10))
        self.assertEqual((log_in(code(old)), log_in(recovery[2]), log_in(code(new, -1))), (403, 403, 403), "the old one, its codes, and what is spent")
        self.assertEqual(log_in(code(new)), 200)


class AtRest(unittest.TestCase):
    """What the database holds of second factors."""

    def setUp(self):
        self.site = panesite.Site(plain_secrets=True).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def enrol(self, name):
        self.b.post("/users", {"name": name, "password": PASSWORD})
        token = self.b.login(name, PASSWORD)
        secret = self.b.post("/me/totp", {"password": PASSWORD}, token=token).json["secret"]
        self.assertEqual(self.b.post("/me/totp/confirm", {"code": code(secret, -1)}, token=token).status, 200)
        return secret

    def dump(self):
        return subprocess.run([os.path.join(pg.bin_dir(), "pg_dump"), self.site.cluster.conninfo()], check=True, capture_output=True, text=True).stdout

    def with_keys(self, name, *lines):
        """The broker anew, with this file of keys."""
        self.b.stop()
        with open(f"{self.site.root}/keys", "w", encoding="ascii") as f:
            f.write("".join(f"{line}\n" for line in lines))
        with open(self.b.config, encoding="utf-8") as f:
            text = re.sub(r"(?m)^secret_keys.*\n", "", f.read())
        with open(self.b.config, "w", encoding="utf-8") as f:
            f.write(text.replace("[images]", f"secret_keys = {self.site.root}/keys\n[images]") if lines else text)
        self.b.start()
        if lines:
            self.b.wait(lambda: f"secrets.sealed key={name}" in self.b.log(), "what is not sealed by its key")

    def log_in(self, name, digits):
        return self.b.post("/login", {"user": name, "password": PASSWORD, "code": digits}, token="")

    def test_sealed(self):
        """secrets that lie in the database as they are get sealed when a broker with keys starts; a dump then holds none, and codes are taken"""
        old = self.enrol("ada")
        self.assertIn(old, self.dump(), "what a dump of a broker without keys tells")
        one, two = "one " + "1" * 64, "two " + "2" * 64
        self.with_keys("one", one)
        new = self.enrol("ben")
        found = self.dump()
        self.assertEqual([s for s in (old, new, "1" * 64) if s in found], [])
        self.assertEqual(len(re.findall(r"ps1\.one\.", found)), 2)
        for name, secret in (("ada", old), ("ben", new)):
            self.assertEqual(self.log_in(name, code(secret)).status, 200, name)
        self.with_keys("two", two, one)
        self.assertEqual(re.findall(r"ps1\.(\w+)\.", self.dump()), ["two", "two"], "sealed by the new key")
        self.with_keys("", two)
        self.assertEqual(self.log_in("ada", code(old, 1)).status, 200, "and the old one can go")
        self.with_keys("")
        r = self.log_in("ben", code(new, 1))
        self.assertEqual((r.status, r.code), (503, "secret.closed"), "without any key nobody gets in by a second factor, and none gets in without")
        self.site.cluster.sql("UPDATE pane.totp SET secret = (SELECT secret FROM pane.totp t JOIN pane.users u ON u.id = t.user_id WHERE u.name = 'ada')")
        self.with_keys("", two)
        self.assertEqual(self.log_in("ben", code(new, 1)).code, "secret.closed", "a secret moved to another row")


if __name__ == "__main__":
    unittest.main()
