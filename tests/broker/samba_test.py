# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of a real Active Directory domain: Samba's domain controller, asked by LDAPS as a site would."""
import unittest

import apart
import panesite
import sambadc

WHY_NOT = sambadc.why_not() or apart.enter(net=True)
PEOPLE = f'''
db.create_ou("OU=People,{sambadc.SUFFIX}")
db.newuser("pane-reader", {sambadc.PASSWORD!r})
for name, full in (("ada", "Ada Lovelace"), ("ben", "Ben Ohm"), ("Cleo", "Cleo Jäger"), ("dora", "Dora, (Dr.)")):
    db.newuser(name, "Word-of-" + name, userou="OU=People", givenname=full.split()[0], surname=full.split()[-1], mailaddress=name.lower() + "@pane.test")
    dn = db.search(expression="(sAMAccountName=%s)" % name)[0].dn
    db.modify_ldif("dn: %s\\nchangetype: modify\\nreplace: displayName\\ndisplayName: %s\\n" % (dn, full))
for name in ("staff", "Sales Team", "inner"):
    db.newgroup(name, groupou="OU=People")
db.add_remove_group_members("staff", ["ada", "Sales Team"], add_members_operation=True)
db.add_remove_group_members("Sales Team", ["ben", "inner"], add_members_operation=True)
db.add_remove_group_members("inner", ["Cleo", "staff"], add_members_operation=True)
'''


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Domain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dc = sambadc.SambaDc()
        cls.addClassCleanup(cls.dc.close)
        cls.dc.change(PEOPLE)
        cls.dc.start()
        cls.site = panesite.Site(directory=cls.dc.settings()).__enter__()
        cls.addClassCleanup(cls.site.close)
        cls.b = cls.site.broker

    def sync(self):
        before = self.b.get("/directory").json["at"]
        self.assertEqual(self.b.post("/directory/sync", {}).status, 202)
        return self.b.wait(lambda: self.b.get("/directory").json["at"] != before and self.b.get("/directory").json, "the comparison", 120)

    def login(self, name, password):
        return self.b.post("/login", {"user": name, "password": password}, token="")

    def test_1_come_over(self):
        """people and groups of the domain come over, with names as people write them and groups in groups in a loop"""
        told = self.sync()
        self.assertEqual((told["users"], told["error"]), (4, ""))
        ada = self.b.get("/users/ada").json
        self.assertEqual((ada["full_name"], ada["email"], ada["origin"]), ("Ada Lovelace", "ada@pane.test", "directory"))
        self.assertEqual(self.b.get("/users/cleo").json["full_name"], "Cleo Jäger")
        self.assertEqual(self.b.get("/groups/staff").json["users"], ["ada", "ben", "cleo"])
        self.assertEqual(self.b.get("/groups/inner").json["users"], ["ada", "ben", "cleo"])
        self.assertEqual(self.sync()["changed"], 0)

    def test_2_steps(self):
        """the test of the directory's settings shows each step of a login, to its end"""
        got = self.b.post("/directory/test", {"user": "ada", "password": "Word-of-ada"}).json
        self.assertTrue(got["ok"], got)

    def test_3_logins(self):
        """the domain says whose password it is; a wrong, an empty and a disabled one's are refused alike"""
        self.assertEqual(self.login("ada", "Word-of-ada").status, 200)
        self.assertEqual(self.login("CLEO", "Word-of-Cleo").status, 200)
        self.assertEqual(self.login("dora", "Word-of-dora").status, 200) # whose entry is named with a comma and brackets
        for word in ("wrong", "Word-of-ben"):
            self.assertEqual(self.login("ada", word).code, "login.failed")

    def test_4_leaver(self):
        """who is disabled in the domain is out here at once, with their login; who is deleted there is in the bin; who joins a group has what it gives"""
        self.site.host(memory_mib=8000)
        self.site.pool("desk", assignment="dedicated", spare=0)
        self.b.post("/pools/desk/entitlements", {"user": "group:staff"})
        token = self.login("ben", "Word-of-ben").json["token"]
        self.dc.change('db.disable_account("(sAMAccountName=ben)")\ndb.deleteuser("Cleo")\n'
                       'db.add_remove_group_members("staff", ["dora"], add_members_operation=True)\n')
        self.sync()
        self.assertEqual(self.b.get("/me", token=token).status, 401)
        self.assertEqual(self.login("ben", "Word-of-ben").code, "login.failed")
        self.assertIn("cleo", [x["name"] for x in self.b.get("/bin").json["items"] if x["kind"] == "user"])
        self.b.wait(lambda: self.b.get("/desktops?user=dora").json["items"], "dora's desktop before her first login")


if __name__ == "__main__":
    unittest.main()
