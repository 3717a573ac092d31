# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins by an OpenID Connect provider of the test's own: who gets in, and everything that is refused on the way."""
import time
import unittest
import urllib.parse

import broker as broker_mod
import panesite
import totp
from provider import CLIENT, Provider

HOST = "desks.example.org"
OWN = {"Host": HOST, "Origin": f"https://{HOST}"}


class Oidc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = Provider(f"https://{HOST}/")
        cls.site = panesite.Site(oidc=cls.provider.settings(groups_claim="groups", group_map="staff=sales, guests=visitors", timeout_s=2)).__enter__()
        cls.b = cls.site.broker
        for group in ("sales", "visitors", "other"):
            cls.b.post("/groups", {"name": group})
        cls.b.post("/users", {"name": "ada", "email": "Ada@Example.org"})

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.provider.close()

    def setUp(self):
        self.provider.claims, self.provider.wrong = {"preferred_username": "Ada"}, {}

    def beside(self, **settings):
        """Another broker of the site, for the rest of a test."""
        other = broker_mod.Broker(self.site.root, self.site.cluster, "beside", oidc=self.provider.settings(**settings)).start()
        self.addCleanup(other.stop)
        other.token = self.b.token
        self.b = other # of this test only: the class keeps its own

    def begin(self):
        """A browser's way to the provider and back: its cookie, and what it was sent back with."""
        r = self.b.post("/oidc/begin", token="", more=OWN)
        self.assertEqual(r.status, 200, r)
        cookie = r.headers["Set-Cookie"]
        for word in ("__Host-pane-oidc=po1_", "Secure", "HttpOnly", "SameSite=Strict"):
            self.assertIn(word, cookie)
        self.assertNotIn("po1_", r.text)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(r.json["url"]).query))
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.provider.authorize(query)).query))
        return cookie.split(";")[0], back

    def finish(self, cookie, back, headers=OWN, **more):
        return self.b.post("/oidc/finish", {**back, **more}, token="", more={**headers, "Cookie": cookie})

    def log_in(self):
        return self.finish(*self.begin())

    def refused(self, why, code="oidc.refused"):
        r = self.log_in()
        self.assertEqual((r.status, r.code), (403, code), r)
        self.assertNotIn("Set-Cookie", r.headers)
        self.assertIn(why, r.text)
        last = self.b.get("/audit").json["items"][0]
        self.assertEqual((last["action"], last["outcome"]), ("login", "denied"))

    def test_login(self):
        """who the provider says one is gets in, by a cookie of ours that is good for the API"""
        self.assertEqual(self.b.get("/login", token="").json, {"oidc": {"name": "Example Inc."}})
        r = self.log_in()
        self.assertEqual((r.status, r.json["user"]["name"]), (200, "ada"), r)
        cookie = r.headers["Set-Cookie"].split(";")[0]
        me = self.b.get("/me", token="", more={**OWN, "Cookie": cookie})
        self.assertEqual(me.json["name"], "ada")
        self.assertEqual(self.b.get("/audit").json["items"][0]["outcome"], "ok")

    def test_ways_of_the_client(self):
        """a provider that takes the client's secret in the form only gets it there"""
        self.provider.methods = ["client_secret_post"]
        self.addCleanup(setattr, self.provider, "methods", ["client_secret_basic"])
        self.beside()
        self.assertEqual(self.log_in().status, 200)

    def test_rotating_keys(self):
        """keys are rotated: a token by a new one gets in at once, one by a key that is no longer published does not"""
        self.assertEqual(self.log_in().status, 200)
        for alg in ("ES256", "RS256"):
            self.provider.rotate(alg)
            time.sleep(2.1) # keys are read again no more often
            self.assertEqual(self.log_in().status, 200, alg)
        gone = self.provider.signer
        self.provider.rotate()
        time.sleep(2.1)
        self.assertEqual(self.log_in().status, 200)
        self.provider.signer, now = gone, self.provider.signer
        self.refused("no key")
        self.provider.signer = now

    def test_wrong_claims(self):
        """another issuer, audience, nonce or party, and a token that is over or of the future, are refused, each by name"""
        now = int(time.time())
        for claims, why in (({"iss": "https://evil.example"}, "another issuer"), ({"aud": "other"}, "another audience"),
                            ({"aud": [CLIENT, "other"]}, "another party"), ({"azp": "other"}, "another party"),
                            ({"nonce": "n" * 43}, "another login"), ({"nonce": None}, "another login"),
                            ({"exp": now - 120}, "expired"), ({"exp": None}, "expired"), ({"iat": now + 600}, "future"),
                            ({"nbf": now + 600}, "future"), ({"preferred_username": 7}, "no claim preferred_username")):
            with self.subTest(claims):
                self.provider.wrong = {"claims": claims}
                self.refused(why)
        self.provider.wrong = {"claims": {"aud": ["other", CLIENT], "azp": CLIENT}}
        self.assertEqual(self.log_in().status, 200)

    def test_wrong_signatures(self):
        """alg none, HMAC by the public key, a changed signature and a key of the token's own are refused"""
        for wrong, why in (({"header": {"alg": "none"}}, "signed by none"), ({"header": {"alg": "HS256"}}, "signed by HS256"),
                           ({"signature": lambda s: bytes([s[0] ^ 1]) + s[1:]}, "signature is wrong"),
                           ({"signature": lambda s: b""}, "signature is none"), ({"header": {"kid": "unknown"}}, "no key unknown"),
                           ({"header": {"crit": ["exp"]}}, "critical")):
            with self.subTest(why):
                self.provider.wrong = wrong
                self.refused(why)

    def test_state(self):
        """a state is good once and in the browser that began it; a code of another login is of no use"""
        cookie, back = self.begin()
        other, _ = self.begin()
        r = self.finish(other, back)
        self.assertEqual((r.status, r.code), (403, "oidc.state"), r)
        self.assertEqual(self.finish("x=y", back).code, "oidc.state")
        self.assertEqual(self.finish(cookie, back, headers={"Host": HOST, "Origin": "https://evil.example"}).code, "browser.foreign")
        self.assertEqual(self.finish(cookie, {**back, "iss": "https://evil.example"}).code, "oidc.state")
        self.assertEqual(self.finish(cookie, back).status, 200)
        r = self.finish(cookie, back)
        self.assertEqual((r.status, r.code), (403, "oidc.state"), "replayed")
        third, mine = self.begin()
        _, theirs = self.begin()
        r = self.finish(third, {**mine, "code": theirs["code"]}) # PKCE: another verifier
        self.assertEqual((r.status, r.code), (403, "oidc.refused"), r)
        self.assertIn("invalid_grant", r.text)

    def test_state_expires(self):
        """a login that took too long is begun again"""
        cookie, back = self.begin()
        self.site.cluster.sql("UPDATE pane.oidc_login SET expires_at = now() - interval '1 s'")
        self.assertEqual(self.finish(cookie, back).code, "oidc.state")

    def test_unknown_and_disabled(self):
        """who is nobody here, or disabled, gets the one answer of failed logins"""
        self.provider.claims = {"preferred_username": "nobody"}
        self.refused("user name", "login.failed")
        self.b.post("/users", {"name": "dan"})
        self.b.call("PATCH", "/users/dan", {"disabled": True})
        self.provider.claims = {"preferred_username": "dan"}
        self.refused("user name", "login.failed")

    def test_groups(self):
        """mapped groups become what the provider says at each login, and others stay as they are"""
        self.b.post("/groups/visitors/members", {"user": "ada"})
        self.b.post("/groups/other/members", {"user": "ada"})
        for theirs, ours in ((["staff", "unheard of"], ["other", "sales"]), (["guests"], ["other", "visitors"]), ([], ["other"])):
            self.provider.claims = {"preferred_username": "ada", "groups": theirs}
            self.assertEqual(self.log_in().status, 200)
            self.assertEqual(sorted(self.b.get("/users/ada").json["groups"]), ours)
        self.provider.claims = {"preferred_username": "ada", "groups": ["staff"]}
        self.log_in()
        self.provider.claims = {"preferred_username": "ada", "_claim_names": {"groups": "src1"}}
        self.log_in()
        self.assertEqual(sorted(self.b.get("/users/ada").json["groups"]), ["other", "sales"], "too many to tell: as they were")

    def test_second_factor(self):
        """who has a second factor here is asked for its code, which may be wrong once, and the state then is over"""
        password = self.b.post("/users", {"name": "eve"}).json["password"]
        token = self.b.login("eve", password)
        secret = self.b.post("/me/totp", {"password": password}, token=token).json["secret"]
        self.b.post("/me/totp/confirm", {"code": totp.code(secret, -1)}, token=token)
        self.provider.claims = {"preferred_username": "eve"}
        cookie, back = self.begin()
        state = {"state": back["state"]}
        r = self.finish(cookie, back)
        self.assertEqual((r.status, r.code), (403, "totp.required"), r)
        self.assertNotIn("Set-Cookie", r.headers)
        self.assertEqual(self.finish("x=y", state, totp=totp.code(secret)).code, "oidc.state")
        self.assertEqual(self.finish(cookie, state, totp="000000").code, "login.failed")
        r = self.finish(cookie, state, totp=totp.code(secret))
        self.assertEqual((r.status, r.json["user"]["name"]), (200, "eve"), r)
        self.assertEqual(self.finish(cookie, state, totp=totp.code(secret)).code, "oidc.state")

    def test_email(self):
        """users are matched by their address, one only, and an address nobody verified is none"""
        self.beside(user_claim="email", user_match="email")
        self.provider.claims = {"email": "ada@example.org", "email_verified": True}
        self.assertEqual(self.log_in().json["user"]["name"], "ada")
        self.provider.claims["email_verified"] = False
        self.refused("not verified")
        self.provider.claims["email_verified"] = True
        self.b.post("/users", {"name": "ada2", "email": "ada@example.org"})
        self.refused("user name", "login.failed")

    def test_test(self):
        """the test shows each step until the first that fails: who the provider is, its keys, and the client's secret"""
        r = self.b.post("/oidc/test").json
        self.assertTrue(r["ok"], r)
        self.assertEqual([s["step"] for s in r["steps"]], ["configuration", "keys", "client", "redirect"])
        self.provider.wrong = {"issuer": "https://evil.example"}
        r = self.b.post("/oidc/test").json
        self.assertEqual((r["ok"], r["steps"][-1]["step"]), (False, "configuration"))
        self.provider.wrong = {}
        with open(self.provider.secret_file, "w", encoding="ascii") as f:
            f.write("another\n")
        r = self.b.post("/oidc/test").json
        self.assertEqual((r["ok"], r["steps"][-1]["step"], "invalid_client" in r["steps"][-1]["detail"]), (False, "client", True))
        r = self.log_in()
        self.assertEqual(r.code, "oidc.refused")

    def test_unreachable(self):
        """a provider that is away is said to be, in a bounded time, and logins by password go on meanwhile"""
        self.provider.close()
        self.site.broker.stop()
        self.site.broker.start()
        begin = time.monotonic()
        r = self.b.post("/oidc/begin", token="", more=OWN)
        self.assertEqual((r.status, r.code), (503, "oidc.unavailable"), r)
        self.assertLess(time.monotonic() - begin, 15)
        self.b.login("root", self.site.password)


if __name__ == "__main__":
    unittest.main()
