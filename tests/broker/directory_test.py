# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups from a directory (a real slapd): joiners, movers and leavers, logins by bind, nested groups with
loops, thousands of members, names that are filters, and directories that are down, slow or somebody else's."""
import os
import shutil
import socket
import time
import unittest

import panesite
import slapd
from adlike import AdLike
from slapd import SUFFIX, group, user

PASSWORD = "correct horse battery"
PEOPLE = "".join(user(n, f"{n} secret word") for n in ("ada", "ben", "cleo", "Dora", "eve", "fay"))
GROUPS = (group("staff", "ada", "ben", "=Sales Team") + group("Sales Team", "cleo", "=inner") +
          group("inner", "Dora", "=staff") + group("lonely", "eve"))


@unittest.skipUnless(os.path.exists("/usr/sbin/slapd") and shutil.which("ldapmodify"), "slapd or ldap-utils is not installed")
class Directory(unittest.TestCase):
    def begin(self, ldif=PEOPLE + GROUPS, **settings):
        self.ldap = slapd.Slapd(ldif).start()
        self.addCleanup(self.ldap.close)
        self.open(**self.ldap.settings(**settings))

    def open(self, **settings):
        self.site = panesite.Site(directory=settings).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def sync(self, **body):
        """Compares now, and waits for its end; how it went."""
        before = self.b.get("/directory").json["at"]
        self.assertEqual(self.b.post("/directory/sync", body).status, 202)
        return self.b.wait(lambda: self.b.get("/directory").json["at"] != before and self.b.get("/directory").json,
                           "the comparison", 120)

    def try_login(self, name, password, **more):
        return self.b.post("/login", {"user": name, "password": password}, token="", **more)

    def test_joiner_mover_leaver(self):
        """people and groups come over; a change of groups moves them, who is gone there is out here and in the bin"""
        self.begin()
        told = self.sync()
        self.assertEqual((told["users"], told["joined"], told["error"]), (6, 6, ""))
        ada = self.b.get("/users/ada").json
        self.assertEqual((ada["full_name"], ada["email"], ada["origin"]), ("Ada", "ada@example.org", "directory"))
        self.assertEqual(self.sync()["changed"], 0)

        self.site.host(memory_mib=16000)
        self.site.pool("desk", assignment="dedicated", size_max=10, spare=0)
        self.b.post("/pools/desk/entitlements", {"user": "group:lonely"})
        self.ldap.change(f"dn: cn=lonely,ou=groups,{SUFFIX}\nchangetype: modify\nadd: member\n"
                         f"member: uid=fay,ou=people,{SUFFIX}\n\n"
                         f"dn: uid=ben,ou=people,{SUFFIX}\nchangetype: modify\nreplace: mail\nmail: b@example.org\n\n")
        self.assertEqual(self.sync()["changed"], 2)
        self.b.wait(lambda: self.b.get("/desktops?user=fay").json["items"], "fay's desktop before her first login")
        self.assertEqual(self.b.get("/users/ben").json["email"], "b@example.org")

        token = self.b.login("fay", "fay secret word")
        self.ldap.change(f"dn: uid=fay,ou=people,{SUFFIX}\nchangetype: delete\n\n")
        self.assertEqual(self.sync()["left"], 1)
        self.assertEqual(self.b.get("/me", token=token).status, 401)
        self.assertEqual([x["name"] for x in self.b.get("/bin").json["items"] if x["kind"] == "user"], ["fay"])
        self.ldap.change(user("fay", "fay secret word").replace("objectClass", "changetype: add\nobjectClass", 1))
        self.sync()
        self.assertTrue(self.b.login("fay", "fay secret word"))

    def test_nested_groups(self):
        """groups in groups, in a loop, counted once; names become what Pane can use"""
        self.begin()
        self.sync()
        self.assertEqual(self.b.get("/groups/staff").json["users"], ["ada", "ben", "cleo", "dora"])
        self.assertEqual(self.b.get("/groups/sales-team").json["users"], ["ada", "ben", "cleo", "dora"])
        self.assertEqual(self.b.get("/groups/lonely").json["users"], ["eve"])
        r = self.b.post("/groups/staff/members", {"user": "eve"})
        self.assertEqual((r.status, r.code), (409, "group.directory"))

    def test_logins(self):
        """the directory says whose password it is; wrong, empty and unknown look the same; it is not kept here"""
        self.begin()
        self.sync()
        self.assertEqual(self.try_login("ada", "ada secret word").status, 200)
        self.assertEqual(self.try_login("DORA", "Dora secret word").status, 200)
        for name, password in (("ada", "wrong wrong wrong"), ("ada", "ben secret word"), ("nobody", "x")):
            self.assertEqual(self.try_login(name, password).code, "login.failed")
        r = self.b.connect(user="ada", password="ada secret word")
        self.assertIn(r.code, ("desktop.unknown", "desktop.unavailable"))  # let in, and has no desktop
        rows = self.site.cluster.sql("SELECT DISTINCT password FROM pane.users WHERE origin = 'directory'")
        self.assertEqual(rows, [["$argon2id$none"]])
        why = [a["detail"] for a in self.site.audit() if a["actor"] == "ada" and a["outcome"] == "denied"]
        self.assertIn("Invalid credentials", why[0])
        token = self.b.login("ben", "ben secret word")
        r = self.b.post("/me/password", {"old": "ben secret word", "new": PASSWORD}, token=token)
        self.assertEqual((r.status, r.code), (409, "user.directory"))
        for r in (self.b.call("PATCH", "/users/ben", {"password": PASSWORD}), self.b.post("/users/ben/welcome"),
                  self.b.call("DELETE", "/users/ben")):
            self.assertEqual((r.status, r.code), (409, "user.directory"))
        self.b.call("PATCH", "/users/ben", {"disabled": True})
        self.sync()
        self.assertEqual(self.try_login("ben", "ben secret word").code, "login.failed") # disabled here stays so

    def test_guesses_are_slowed(self):
        """guesses at a directory's password are throttled as local ones"""
        self.begin()
        self.sync()
        codes = [self.try_login("ada", "wrong wrong").status for _ in range(9)]
        self.assertEqual(codes[0], 403)
        self.assertEqual(codes[-1], 429)

    def test_names_are_no_filters(self):
        """a name with filter characters is a name: it finds nobody, or the one it is"""
        self.begin()
        self.sync()
        for name in ("*", "a*", "ada)(uid=*", "(|(uid=ada)(uid=ben))", "ada\\00"):
            got = self.b.post("/directory/test", {"user": name}).json
            self.assertEqual((got["ok"], got["steps"][-1]["step"]), (False, "find the user"), name)
            self.assertIn("0 entries", got["steps"][-1]["detail"])
            self.assertIn(self.try_login(name, "ada secret word").code, ("login.failed", "login.throttled"))

    def test_each_step_is_shown(self):
        """the test shows each step until the first that fails, with the directory's own words"""
        self.begin()
        got = self.b.post("/directory/test", {"user": "ada", "password": "ada secret word"}).json
        self.assertTrue(got["ok"], got)
        self.assertEqual([s["step"] for s in got["steps"]], ["connect", "bind", "find users", "find groups", "find the user",
                                                             "groups of the user", "the user's password"])
        self.assertIn('["inner","sales-team","staff"]', got["steps"][5]["detail"])
        got = self.b.post("/directory/test", {"user": "ada", "password": "wrong"}).json
        self.assertEqual((got["ok"], got["steps"][-1]["ok"]), (False, False))
        self.assertIn("Invalid credentials", got["steps"][-1]["detail"])
        with open(self.ldap.password_file, "w", encoding="ascii") as f:
            f.write("not it\n")
        got = self.b.post("/directory/test").json
        self.assertEqual([s["step"] for s in got["steps"]], ["connect", "bind"])
        self.assertIn("Invalid credentials", got["steps"][-1]["detail"])

    def test_ways_to_connect(self):
        """StartTLS and the unix socket work, too; a certificate nobody vouches for does not, and neither does clear text"""
        self.begin()
        for settings in ({"uri": f"ldap://127.0.0.1:{self.ldap.plain}", "start_tls": "yes"},
                         {"uri": f"ldapi://{slapd.quote(self.ldap.socket, safe='')}"}):
            self.site.close()
            self.open(**self.ldap.settings(**settings))
            self.assertTrue(self.b.post("/directory/test").json["ok"], settings)
        other = slapd.Slapd("")
        self.addCleanup(other.close)
        self.site.close()
        self.open(**self.ldap.settings(ca_cert=f"{other.root}/ca.crt"))
        got = self.b.post("/directory/test").json
        self.assertEqual([(s["step"], s["ok"]) for s in got["steps"]], [("connect", False)])
        with self.assertRaisesRegex(RuntimeError, "in the clear"):
            self.open(**self.ldap.settings(uri=f"ldap://127.0.0.1:{self.ldap.plain}"))

    def test_ten_thousand_members(self):
        """10,000 people of one group, in pages of 500, come over, and how long it takes is told"""
        people = [f"u{i:05d}" for i in range(10000)]
        self.begin("".join(map(user, people)) + group("everybody", *people) + group("all", "=everybody"))
        begin = time.monotonic()
        told = self.sync()
        first = time.monotonic() - begin
        self.assertEqual((told["joined"], told["error"]), (10000, ""))
        self.assertEqual(self.site.cluster.value("SELECT count(*) FROM pane.membership"), "20000")
        begin = time.monotonic()
        self.assertEqual(self.sync()["changed"], 0)
        print(f"# 10,000 users: {first:.1f} s at first, {time.monotonic() - begin:.1f} s when nothing changed")

    def test_a_broken_directory_retires_nobody(self):
        """many gone at once is refused, until it is forced; a directory that is down changes nothing"""
        self.begin("".join(user(f"u{i}") for i in range(40)))
        self.sync()
        self.ldap.change("".join(f"dn: uid=u{i},ou=people,{SUFFIX}\nchangetype: delete\n\n" for i in range(30)))
        told = self.sync()
        self.assertIn("30 of 40", told["error"])
        self.assertEqual((told["left"], self.b.get("/bin").json["items"]), (0, []))
        self.ldap.stop()
        self.assertIn("Can't contact LDAP server", self.sync()["error"])
        self.ldap.start()
        self.assertEqual(self.sync(force=True)["left"], 30)

    def test_another_tree(self):
        """groups of names as in RFC 2307, in a tree of departments with commas and umlauts; a group of unique names the same way"""
        dns = {"anna": "cn=Anna Öberg,ou=Sales\\, EMEA,ou=people", "bert": "cn=Bert+employeeNumber=7,ou=people", "cleo": "cn=Cleo,ou=Sales\\, EMEA,ou=people"}
        self.begin(f"dn: ou=Sales\\, EMEA,ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: Sales, EMEA\n\n" + "".join(
            f"dn: {dn},{SUFFIX}\nobjectClass: inetOrgPerson\ncn: {dn[3:].split(',')[0].split('+')[0]}\nsn: x\nuid: {name}\nemployeeNumber: 7\n\n"
            for name, dn in dns.items()) +
            f"dn: cn=staff,ou=groups,{SUFFIX}\nobjectClass: posixGroup\ncn: staff\ngidNumber: 7\nmemberUid: anna\nmemberUid: bert\nmemberUid: nobody\n\n"
            f"dn: cn=Vertrieb,ou=groups,{SUFFIX}\nobjectClass: groupOfUniqueNames\ncn: Vertrieb\nuniqueMember: CN=anna \\C3\\96berg,OU=Sales\\2C EMEA,ou=people,{SUFFIX}\n"
            f"uniqueMember: employeeNumber=7+cn=Bert,ou=people,{SUFFIX}\n\n", group_filter="(objectClass=posixGroup)", member="memberUid")
        self.assertEqual(self.sync()["error"], "")
        self.assertEqual(self.b.get("/groups/staff").json["users"], ["anna", "bert"])
        self.site.close()
        self.open(**self.ldap.settings(group_filter="(objectClass=groupOfUniqueNames)", member="uniqueMember"))
        self.assertEqual(self.sync()["error"], "")
        self.assertEqual(self.b.get("/groups/vertrieb").json["users"], ["anna", "bert"])

    def test_local_people_stay(self):
        """a local user or group of the same name is left alone, and that is told"""
        self.begin()
        self.site.user("ada", password=PASSWORD)
        self.b.post("/groups", {"name": "lonely"})
        told = self.sync()
        self.assertEqual({x["dn"] for x in told["skipped"]}, {"ada", "lonely"})
        self.assertEqual(self.try_login("ada", PASSWORD).status, 200)
        self.assertEqual(self.try_login("ada", "ada secret word").code, "login.failed")
        self.assertEqual(self.b.get("/groups/lonely").json["users"], [])

    def test_slow_directory(self):
        """a directory that never answers holds up its own users only, for a bounded time, and says so"""
        hole = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(hole.close)
        self.open(uri=f"ldaps://127.0.0.1:{hole.getsockname()[1]}", user_base=f"ou=people,{SUFFIX}", sync_s=0, timeout_s=2)
        self.site.cluster.sql("INSERT INTO pane.users (name, password, origin) SELECT 'd' || n, '$argon2id$none', 'directory' "
                              "FROM generate_series(1, 20) n")
        local = self.site.user("rita", password=PASSWORD)
        import threading
        answers, begin = [], time.monotonic()
        threads = [threading.Thread(target=lambda i=i: answers.append(self.try_login(f"d{i}", "x" * 12, client=f"192.0.2.{i}:1")))
                   for i in range(1, 21)]
        for t in threads:
            t.start()
        for _ in range(5):
            self.assertEqual(self.try_login("rita", local).status, 200)
            self.assertEqual(self.b.get("/health").status, 200)
        for t in threads:
            t.join()
        self.assertEqual({(r.status, r.code) for r in answers}, {(503, "directory.unavailable")})
        self.assertLess(time.monotonic() - begin, 30)
        self.assertFalse(self.b.post("/directory/test").json.get("ok"))


class Ranges(unittest.TestCase):
    """Active Directory gives more than 1500 members in parts; this directory of the test's own does, too."""

    def setUp(self):
        people = {f"uid=p{n},ou=people,{SUFFIX}": {"objectClass": ["inetOrgPerson"], "uid": [f"p{n}"], "cn": [f"P {n}"], "mail": [f"p{n}@example.org"]}
                  for n in range(700)}
        groups = {f"cn={name},ou=groups,{SUFFIX}": {"objectClass": ["groupOfNames"], "cn": [name], "member": list(people)[:n]}
                  for name, n in (("all", 700), ("edge", 600), ("few", 3))}
        self.ldap = AdLike({**people, **groups}, part=200)
        self.addCleanup(self.ldap.close)
        self.site = panesite.Site(directory={"uri": self.ldap.uri, "user_base": f"ou=people,{SUFFIX}", "group_base": f"ou=groups,{SUFFIX}",
                                             "sync_s": 0}).__enter__()
        self.addCleanup(self.site.close)
        self.b = self.site.broker

    def sync(self):
        before = self.b.get("/directory").json["at"]
        self.b.post("/directory/sync", {})
        return self.b.wait(lambda: self.b.get("/directory").json["at"] != before and self.b.get("/directory").json, "the comparison", 120)

    def members(self):
        return {g["name"]: g["members"] for g in self.b.get("/groups").json["items"]}

    def test_members_in_parts(self):
        """members that come in parts are all brought over; when a part is missing nothing changes, and that is told"""
        self.assertEqual(self.sync()["error"], "")
        self.assertEqual(self.members(), {"all": 700, "edge": 600, "few": 3})
        self.assertEqual([begin for dn, begin in self.ldap.ranges if dn.startswith("cn=all,")], [200, 400, 600])
        self.ldap.lose = 400
        self.assertNotEqual(self.sync()["error"], "")
        self.assertEqual(self.members(), {"all": 700, "edge": 600, "few": 3})


if __name__ == "__main__":
    unittest.main()
