# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, joiners, movers and leavers, the bin, imports and welcome tokens."""
import unittest

import panesite


class People(unittest.TestCase):
    def setUp(self):
        self.site = panesite.Site().__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker
        self.h = self.site.host(memory_mib=64000)
        self.site.pool("own", assignment="dedicated", spare=0, size_max=20)
        self.site.pool("lab", assignment="dedicated", spare=0, size_max=20)
        for g, p in (("sales", "own"), ("dev", "lab")):
            self.assertEqual(self.b.post("/groups", {"name": g}).status, 201)
            self.assertEqual(self.b.post(f"/pools/{p}/entitlements", {"user": f"group:{g}"}).status, 201)

    def load(self, *rows, dry=False, status=200):
        r = self.b.post("/users/import" + ("?dry_run=1" if dry else ""), {"rows": list(rows)})
        self.assertEqual(r.status, status, r)
        return r.json

    def actions(self, reply):
        return [(i["user"], i["action"]) for i in reply["items"]]

    def held(self, user):
        return {d["pool"]: d for d in self.b.get("/desktops").json["items"] if d["user"] == user}

    def welcome(self, token, password="a long password"):
        return self.b.post("/welcome", {"token": token, "password": password}, token="")

    def join(self, user, *groups):
        """Imports one user, waits for the desktop, logs in and connects."""
        r = self.load({"user": user, "groups": list(groups)})
        self.assertEqual(self.welcome(r["items"][0]["welcome"]).status, 200)
        self.b.wait(lambda: [d["state"] for d in self.held(user).values()] == ["ready"], "a desktop in advance")
        self.assertEqual(self.b.connect(user=user, password="a long password").status, 200)
        return next(iter(self.held(user).values()))

    def test_joiner(self):
        """members of an entitled group have their desktops before their first login, and first passwords by welcome"""
        r = self.load({"user": "alice", "full_name": "Alice A", "groups": ["sales"]}, {"user": "bob", "groups": ["sales"]})
        self.b.wait(lambda: self.held("alice") and self.held("bob"), "desktops in advance")
        self.site.wait_state(self.held("bob")["own"]["name"], "ready")
        tokens = [i["welcome"] for i in r["items"]]
        self.assertEqual(self.b.connect(user="alice", password="anything").status, 403)
        self.assertEqual(self.welcome(tokens[0]).json, {"user": "alice", "totp_required": False})
        self.assertEqual(self.welcome(tokens[0], "another password").code, "welcome.refused")
        self.assertEqual(self.welcome("pw1_" + "A" * 43).status, 403)
        g = self.b.connect(user="alice", password="a long password")
        self.assertEqual((g.status, g.json["name"]), (200, self.held("alice")["own"]["name"]))
        row = self.b.get("/users/alice").json
        self.assertEqual((row["full_name"], row["groups"], row["pools"], row["welcome_open"]), ("Alice A", ["sales"], ["own"], False))

    def test_import(self):
        """an import says what each row does and why not, a preview changes nothing, the same again changes nothing"""
        rows = [{"user": "alice", "groups": ["sales"]}, {"user": "Bob!"}, {"user": "carol", "groups": ["nope"]},
                {"user": "alice"}, {"user": "root"}, {"user": "gone", "state": "left"}, {"user": "dave", "email": "d@x"}]
        want = [("alice", "create"), ("Bob!", "error"), ("carol", "error"), ("alice", "error"), ("root", "error"),
                ("gone", "unchanged"), ("dave", "create")]
        preview = self.load(*rows, dry=True)
        self.assertEqual(self.actions(preview), want)
        self.assertNotIn("welcome", preview["items"][0])
        self.assertEqual(self.b.get("/users/alice").status, 404)
        done = self.load(*rows)
        self.assertEqual(self.actions(done), want)
        self.assertEqual(done["counts"], {"create": 2, "error": 4, "unchanged": 1})
        self.assertIn("no group nope", done["items"][2]["message"])
        self.assertIn("a user name has", done["items"][1]["message"])
        self.assertEqual(self.b.get("/users/carol").status, 404)
        again = self.load(rows[0], rows[6])
        self.assertEqual(again["counts"], {"unchanged": 2})
        changed = self.load({"user": "dave", "email": "e@x", "groups": ["dev"]})
        self.assertEqual(changed["items"][0]["changes"], ["email d@x -> e@x", "groups  -> dev"])
        self.assertEqual(self.b.post("/users/import", {"rows": [{"user": "x", "color": "red"}]}).status, 400)

    def test_mover(self):
        """who changes groups gets the other pool's desktop, and the old one waits stopped in the bin until they are back"""
        old = self.join("alice", "sales")
        self.load({"user": "alice", "groups": ["dev"]})
        self.b.wait(lambda: "lab" in self.held("alice"), "the new desktop")
        self.assertEqual(self.b.get("/users/alice").json["pools"], ["lab"])
        self.b.wait(lambda: self.h.desktops[old["id"]]["state"] == "stopped", "the old one stopped")
        self.assertEqual([i["name"] for i in self.b.get("/bin").json["items"]], [old["name"]])
        self.assertEqual(self.b.connect(user="alice", password="a long password", desktop="own").code, "desktop.unknown")
        self.load({"user": "alice", "groups": ["sales", "dev"]})
        self.assertEqual(self.b.get("/bin").json["items"], [])
        self.site.wait_state(old["name"], "ready")
        row = self.site.desktop(old["name"])
        self.assertEqual((row["id"], row["user"], row["dirty"]), (old["id"], "alice", True))

    def test_leaver(self):
        """a leaver is out at once, the disk waits, a restore brings both back, and time's end deletes both"""
        d = self.join("alice", "sales")
        self.h.set(d["name"], viewers=[{"conn": "c1", "user": "alice", "protocol": "rdp", "client": "192.0.2.1:1"}])
        self.assertEqual(self.b.call("DELETE", "/users/alice").status, 204)
        self.b.wait(lambda: self.h.desktops[d["id"]]["state"] == "stopped", "stopped", 5)
        self.assertEqual(self.h.desktops[d["id"]]["viewers"], [])
        self.assertEqual(self.b.get("/users/alice").status, 404)
        self.assertEqual(self.b.get("/sessions").json["items"], [])
        self.assertEqual(self.b.connect(user="alice", password="a long password").status, 403)
        self.assertEqual({(i["kind"], i["name"]) for i in self.b.get("/bin").json["items"]},
                         {("user", "alice"), ("desktop", d["name"])})
        self.assertIn("in the bin", self.b.post("/users", {"name": "alice"}).json["error"]["message"])
        self.assertEqual(self.b.post(f"/bin/{d['name']}/restore").code, "user.left")
        self.assertEqual(self.b.post("/users/alice/restore").status, 200)
        self.site.wait_state(d["name"], "ready")
        g = self.b.connect(user="alice", password="a long password")
        self.assertEqual((g.status, g.json["desktop"]), (200, d["id"]))
        self.assertEqual(self.b.call("DELETE", "/users/alice").status, 204)
        self.site.cluster.sql("UPDATE pane.users SET delete_at = now() WHERE name = 'alice';"
                              "UPDATE pane.bin SET delete_at = now()")
        self.b.wait(lambda: d["id"] not in self.h.desktops, "off the host's disk")
        self.assertEqual(self.b.get("/bin").json["items"], [])
        self.assertEqual(self.b.post("/users", {"name": "alice"}).status, 201)

    def test_direct_and_group(self):
        """an entitlement of one's own outlives the group's, and one that comes from a group is not withdrawn singly"""
        self.join("alice", "sales")
        r = self.b.call("DELETE", "/pools/own/entitlements/alice")
        self.assertEqual((r.status, "through a group" in r.json["error"]["message"]), (404, True))
        self.b.post("/pools/own/entitlements", {"user": "alice"})
        self.assertEqual(self.b.call("DELETE", "/groups/sales/members/alice").status, 204)
        self.assertEqual(self.b.get("/users/alice").json["pools"], ["own"])
        self.assertEqual(self.b.get("/bin").json["items"], [])
        self.assertEqual(self.b.call("DELETE", "/pools/own/entitlements/alice").status, 204)
        self.assertEqual(len(self.b.get("/bin").json["items"]), 1)
        name = self.b.get("/bin").json["items"][0]["name"]
        self.assertEqual(self.b.post(f"/bin/{name}/restore").status, 202)
        self.site.wait_state(name, "ready")
        self.assertEqual(self.b.get("/users/alice").json["pools"], ["own"])

    def test_blocked(self):
        """why a member's desktop could not be made is told beside the entitlement"""
        self.b.call("PATCH", "/pools/own", {"memory_mib": 1000000})
        self.load({"user": "alice", "groups": ["sales"]})
        row = self.b.wait(lambda: [i for i in self.b.get("/pools/own/entitlements").json["items"]
                                   if i["user"] == "alice" and i["blocked"]], "the reason")[0]
        self.assertRegex(row["blocked"][0], "host h1: needs 1000000 MiB, .* free")
        self.assertEqual((row["groups"], row["direct"], row["desktop"]), (["sales"], False, None))

    def test_two_thousand(self):
        """2,000 rows are previewed and imported in one request each"""
        rows = [{"user": f"u{n}", "full_name": f"User {n}", "groups": ["sales" if n % 2 else "dev"]} for n in range(2000)]
        self.assertEqual(self.load(*rows, dry=True)["counts"], {"create": 2000})
        self.assertEqual(self.load(*rows)["counts"], {"create": 2000})
        self.assertEqual(self.load(*rows)["counts"], {"unchanged": 2000})


if __name__ == "__main__":
    unittest.main()
