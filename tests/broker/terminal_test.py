# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminals: enrolment by code, configuration, who may do what, and what a forgotten one is told."""
import unittest

import panesite


class Terminals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = panesite.Site().__enter__()
        cls.b = cls.site.broker

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def code(self, name, **more):
        r = self.b.post("/terminals/codes", {"name": name, **more})
        self.assertEqual(r.status, 201, r)
        return r.json["code"]

    def enrol(self, code, hardware, status=201):
        r = self.b.post("/terminals/enrol", {"code": code, "hardware": hardware, "version": "1", "addresses": "192.0.2.7"}, token="")
        self.assertEqual(r.status, status, r)
        return r.json.get("token"), r

    def report(self, token, status=200, **more):
        r = self.b.post("/terminals/self", {"version": "1", "addresses": "192.0.2.7", **more}, token=token)
        self.assertEqual(r.status, status, r)
        return r.json.get("config")

    def names(self):
        return [t["name"] for t in self.b.get("/terminals").json["items"]]

    def test_code_is_used_up(self):
        """a code enrols as many terminals as it says, however it is typed, and then nobody; each gets a name of its own"""
        code = self.code("lobby", uses=2)
        _, first = self.enrol(code.upper(), "m1")
        _, second = self.enrol(code.replace("-", ""), "m2")
        self.assertEqual([first.json["config"]["name"], second.json["config"]["name"]], ["lobby-1", "lobby-2"])
        self.assertEqual(self.enrol(code, "m3", 403)[1].code, "terminal.code")
        self.enrol(self.code("desk"), "m4")
        self.assertEqual(self.enrol(self.code("desk"), "m5")[1].json["config"]["name"], "desk-1")
        self.assertIn("desk", self.names())

    def test_same_machine_again(self):
        """a machine that enrols again keeps name and configuration, and its token before is void"""
        old, _ = self.enrol(self.code("again"), "m10")
        self.b.call("PATCH", "/terminals/again", {"keyboard": "de,us"})
        new, r = self.enrol(self.code("other"), "m10")
        self.assertEqual((r.json["config"]["name"], r.json["config"]["keyboard"]), ("again", "de,us"))
        self.report(old, 401)
        self.report(new)

    def test_configuration(self):
        """what an operator sets is what the terminal reads; the PIN is kept by its hash, and neither list nor audit has it"""
        self.site.pool("office")
        token, _ = self.enrol(self.code("front"), "m20")
        said = {"name": "door", "pool": "office", "auto_connect": True, "keyboard": "de", "language": "pt_BR", "notice": "Hello"}
        r = self.b.call("PATCH", "/terminals/front", {**said, "exit_pin": "47110815"})
        self.assertEqual((r.status, r.json["exit_pin"]), (200, True), r)
        config = self.report(token, version="2", addresses="192.0.2.8")
        self.assertTrue(config.pop("exit_pin").startswith("pbkdf2-sha256$"))
        self.assertEqual(config, said)
        shown = self.b.get("/terminals/door").json
        self.assertEqual((shown["version"], shown["addresses"], shown["state"]), ("2", "192.0.2.8", "online"))
        audit = str(self.b.get("/audit?limit=50").json)
        self.assertNotIn("47110815", audit)
        self.assertNotIn("pbkdf2", audit)
        self.b.call("PATCH", "/terminals/door", {"exit_pin": "", "pool": ""})
        self.assertEqual((self.report(token)["exit_pin"], self.report(token)["pool"]), ("", ""))

    def test_nonsense(self):
        """nonsense is refused with what would be right, and changes nothing"""
        token, _ = self.enrol(self.code("plain"), "m30")
        before = self.report(token)
        for field, value in (("keyboard", "de;rm"), ("keyboard", ",de"), ("language", "German"), ("exit_pin", "12a4"), ("exit_pin", "123"),
                             ("name", "-x"), ("notice", "x" * 251), ("colour", "red"), ("auto_connect", "yes")):
            r = self.b.call("PATCH", "/terminals/plain", {field: value})
            self.assertEqual((r.status, r.code), (400, "request.invalid"), (field, value, r))
        self.assertEqual(self.b.call("PATCH", "/terminals/plain", {"name": self.names()[0]}).status, 409)
        self.assertEqual(self.b.call("PATCH", "/terminals/plain", {"pool": "nope"}).status, 404)
        self.assertEqual(self.report(token), before)

    def test_forgotten(self):
        """a forgotten terminal's token is void at once"""
        token, _ = self.enrol(self.code("gone"), "m40")
        self.assertEqual(self.b.call("DELETE", "/terminals/gone").status, 204)
        self.report(token, 401)
        self.assertNotIn("gone", self.names())

    def test_who_may(self):
        """users and terminals see no list of terminals; a terminal's token opens nothing else, and a user's is no terminal's"""
        word = self.site.user("alice")
        alice = self.b.login("alice", word)
        token, _ = self.enrol(self.code("mine"), "m50")
        for who, status in ((alice, 403), (token, 401)):
            self.assertEqual(self.b.get("/terminals", token=who).status, status)
            self.assertEqual(self.b.post("/terminals/codes", {}, token=who).status, status)
            self.assertEqual(self.b.call("DELETE", "/terminals/mine", token=who).status, status)
        self.assertEqual(self.b.get("/me", token=token).status, 401)
        self.report(alice, 401)


if __name__ == "__main__":
    unittest.main()
