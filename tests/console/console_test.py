# SPDX-License-Identifier: GPL-3.0-or-later
"""The web console as a person uses it: headless Chromium against a real site whose desktops are test cards. The first
administrator makes a pool and an employee; the employee works on the desktop in the page. Pictures of every screen:
build/console/shots."""
import re
import unittest

import whole
from browser import TOP, Browser, missing

TIMEOUT = 900
SHOTS = f"{TOP}/build/console/shots"


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = missing()
        if why:
            raise unittest.SkipTest(why)
        cls.site = whole.card_site()
        cls.site.up()
        # The first administrator's own password is the site's; a second account keeps the API's login alive.
        cls.password = cls.site.admin.post("/users", {"name": "root", "role": "admin"})["password"]
        cls.employee = None
        cls.web = Browser(f"https://127.0.0.1:{cls.site.ports['https']}", SHOTS)

    @classmethod
    def tearDownClass(cls):
        cls.web.close()
        cls.site.down()

    def tearDown(self):
        self.assertEqual(self.web.complaints(), [], "the browser complains")

    def clean(self, name, at=None):
        self.assertEqual(self.web.look(name=name, **({"at": at} if at else {})), [])

    # ---- logging in ---------------------------------------------------------------------------
    def test_wrong_password(self):
        """console: a wrong password is refused with the cause and an id that the audit knows"""
        web = self.web
        web.open(at="/")
        self.clean("login")
        web.fill(label="User name", text="root")
        web.fill(label="Password", text="not the password")
        web.press(name="Log in")
        web.see(text="Ask for help with this id")
        found = re.search(r"with this id: (\w+)", web.text())[1]
        self.assertIn(found, [e["conn"] for e in self.site.admin.items("/audit")])

    def test_first_administrator(self):
        """console: an administrator logs in, is told the first steps, and stays logged in over a reload"""
        web = self.web
        web.login(user="root", password=self.password)
        web.see(text="From here to the first desktop")
        web.reload()
        web.see(text="From here to the first desktop")
        self.clean("first-steps")

    def test_empty_screens(self):
        """console: empty lists say what to do next and are clean of accessibility faults"""
        for at, text in (("/pools", "Create the first pool"), ("/desktops", "Pools make desktops"), ("/sessions", "Nobody is on a desktop")):
            self.web.open(at=at)
            self.web.see(text=text)
        self.clean("pools-empty", "/pools")

    # ---- making a pool, an employee -----------------------------------------------------------
    def test_wizard(self):
        """console: the wizard makes a pool from its real image and shows the first desktop come up"""
        web = self.web
        web.open(at="/pools/new")
        web.fill(label="Name", text="Bad Name")
        self.assertTrue(web.disabled(name="Next"))
        web.fill(label="Name", text="office")
        self.clean("wizard-1")
        web.press(name="Next")
        web.see(text="The pool follows this tag")
        web.press(name="Next")
        web.fill(label="Desktops at most", text="4")
        web.fill(label="Processors", text="1")
        web.fill(label="Memory", text="128")
        self.clean("wizard-3")
        web.press(name="Next")
        web.press(name="Next")
        web.see(text="Room for")
        self.clean("wizard-review")
        web.press(name="Create")
        web.heading(text="Pool office is made")
        web.see(text="office-1")
        web.see(text="ready", timeout=40000)
        pool = self.site.admin.call("GET", "/pools/office")[1]
        self.assertEqual((pool["image"], pool["memory_mib"], pool["size_max"], pool["spare"]), ("card", 128, 4, 1))

    def test_refusal_reasons(self):
        """console: a pool no host can run shows the server's reason per host"""
        web = self.web
        self.site.pool("huge", memory_mib=900000)
        reasons = self.site.wait(lambda: self.site.admin.call("GET", "/pools/huge")[1]["blocked"], 20, "a refusal")
        web.open(at="/pools/huge")
        web.see(text=reasons[0])
        web.open(at="/")
        web.see(text="Pools that need a look")
        web.see(text=reasons[0])

    def test_new_employee(self):
        """console: one form makes account, entitlement and desktop, shows the password once and ends when it is ready"""
        web = self.web
        self.clean("new-employee", "/new-employee")
        web.fill(label="User name", text="alice")
        web.select(label="Pool", value="office")
        web.press(name="Set up")
        web.see(text="alice can log in now", timeout=40000)
        type(self).employee = web.value(label="Password of alice")
        self.clean("new-employee-done")
        self.assertEqual(self.site.desktop_of("alice")["state"], "ready")
        web.reload()
        self.assertNotIn(self.employee, web.text())

    # ---- every screen ---------------------------------------------------------------------------
    def test_screens(self):
        """console: every screen, light and dark, wide and narrow, is clean of accessibility faults (axe-core)"""
        for name, at in (("overview", "/"), ("pools", "/pools"), ("pool", "/pools/office"), ("pool-desktops", "/pools/office?tab=desktops"),
                         ("pool-image", "/pools/office?tab=image"), ("pool-people", "/pools/office?tab=people"),
                         ("desktops", "/desktops"), ("desktop", "/desktops/office-1"), ("sessions", "/sessions"),
                         ("users", "/users"), ("user", "/users/alice"), ("user-create", "/users?form=create"),
                         ("hosts", "/hosts"), ("host", "/hosts/local"), ("host-enrol", "/hosts?form=enrol"),
                         ("images", "/images"), ("image", "/images/card"), ("audit", "/audit"), ("portal", "/my"),
                         ("password", "/password"), ("nowhere", "/nowhere")):
            with self.subTest(name):
                self.clean(name, at)

    def test_table(self):
        """console: filter, sort and page are in the address; CSV holds what is filtered"""
        web = self.web
        web.open(at="/desktops?only=pool:office&sort=-name")
        rows = web.rows(table="Desktops")
        names = [re.search(r"office-\d+", row)[0] for row in rows]
        self.assertEqual(names, sorted(names, reverse=True))
        self.assertGreaterEqual(len(names), 2)
        web.fill(label="Search Desktops", text="alice")
        self.assertIn("q=alice", web.address())
        self.assertEqual(len(web.rows(table="Desktops")), 1)
        file = web.saved(press="Export CSV")
        lines = file["text"].strip().splitlines()
        self.assertEqual((file["name"], len(lines)), ("Desktops.csv", 2))
        self.assertIn("alice", lines[1])

    def test_danger(self):
        """console: recycling a desktop needs its name typed, by keyboard alone, and then happens"""
        web = self.web
        name = next(d["name"] for d in self.site.admin.items("/desktops") if d["pool"] == "office" and not d["user"])
        epoch = self.site.desktop(name)["epoch"]
        web.open(at=f"/desktops/{name}")
        web.press(name="Recycle")
        web.see(text=f"Type {name} to confirm")
        self.assertTrue(web.disabled(name="Recycle"))
        web.type(text="wrong")
        web.key(keys=["Enter"])
        self.assertTrue(web.disabled(name="Recycle"))
        web.key(keys=["Control+a"])
        web.type(text=name)
        web.look(name="confirm")
        web.key(keys=["Enter"])
        web.see(text=f"{name} is recycled")
        self.site.wait(lambda: (self.site.desktop(name) or {"epoch": epoch})["epoch"] > epoch, 30, "the recycling")

    def test_refused(self):
        """console: what the server refuses is shown with its reason and id"""
        web = self.web
        web.open(at="/images/card")
        web.press(name="Delete image")
        web.fill(label="Type card", text="card")
        web.press(name="Delete")
        web.see(text="Ask for help with this id")
        web.key(keys=["Escape"])

    def test_keyboard(self):
        """console: the first Tab offers to skip to the content"""
        self.web.open(at="/pools")
        self.web.reload()
        self.web.key(keys=["Tab"])
        self.assertIn("Skip to content", self.web.focused())

    def test_live(self):
        """console: what changes elsewhere shows without a reload"""
        self.web.open(at="/users")
        self.site.user("bob", "office")
        self.web.see(text="bob")

    # ---- the employee ---------------------------------------------------------------------------
    def test_portal(self):
        """console: the employee logs in and sees their desktop and nothing of the administration"""
        web = self.web
        web.logout(user="root")
        web.login(user="alice", password=self.employee)
        web.see(text=self.site.desktop_of("alice")["name"])
        self.clean("portal-alice")
        web.open(at="/users")
        self.assertNotIn("root", web.text())

    def test_desktop_in_the_page(self):
        """console: the employee connects in the page, sees the desktop and types a word that is read inside the guest"""
        web, desktop = self.web, self.site.desktop_of("alice")
        web.open(at="/my")
        web.press(name="Connect")
        web.screen()
        self.site.wait_session("alice", "connected")
        word = whole.word()
        web.type(text=word)
        web.key(keys=["Enter"])
        self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, f"'{word}' inside the guest")
        self.clean("viewer")
        web.press(name="Disconnect")
        self.site.wait_session("alice", "disconnected")
        with open(f"{self.site.logs}/gateway.log", encoding="utf-8") as file:
            log = file.read()
        self.assertIn("via=browser", log)
        self.assertNotIn("pt1_", log)

    def test_ended_by_the_server(self):
        """console: a connection that the desktop ends says so and offers to connect again, which works"""
        web, desktop = self.web, self.site.desktop_of("alice")
        web.open(at="/my")
        web.press(name="Connect")
        web.screen()
        self.site.wait_session("alice", "connected")
        self.site.admin.post(f"/desktops/{desktop['name']}/restart", {})
        web.see(text="Connect again")
        self.clean("viewer-ended")
        web.press(name="Connect again")
        web.screen()
        web.press(name="Disconnect")
        self.site.wait_session("alice", "disconnected")

    def test_rdp_file(self):
        """console: the .rdp file carries a ticket that opens the employee's desktop"""
        file = self.web.saved(press="Open in an RDP client")
        self.assertEqual(file["name"], f"{self.site.desktop_of('alice')['name']}.rdp")
        ticket = re.search(r"^loadbalanceinfo:s:(pt1_[\w-]{43})\r?$", file["text"], re.M)[1]
        screen = whole.Screen(self.site.run)
        try:
            client = self.site.xfreerdp(screen, "", "", f"/load-balance-info:{ticket}")
            self.site.wait_session("alice", "connected")
            screen.close(client)
            self.site.wait_session("alice", "disconnected")
        finally:
            screen.end()


if __name__ == "__main__":
    unittest.main()
