# SPDX-License-Identifier: GPL-3.0-or-later
"""The web console as a person uses it: headless Chromium against a real site whose desktops are containers. The first
administrator makes a pool and an employee; the employee works on the desktop in the page. Pictures of every screen:
build/console/shots."""
import hashlib
import os
import re
import signal
import time
import unittest

import cell
import whole
from consolestory import ConsoleStory

TIMEOUT = 1200


class Console(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(cls.with_usage)
        cls.employee = None

    @classmethod
    def with_usage(cls):
        site = whole.cell_site()
        site.host_options["usage_s"] = 2
        return site

    def without_broker(self):
        """Ends the broker; with_broker() has it run again."""
        self.site.set_plan(["postgres", "gateway", "host"])
        os.kill(self.site.pid("broker"), signal.SIGTERM)
        self.site.wait(lambda: not self.site.pid("broker"), 20, "the broker's end")

    def with_broker(self):
        self.site.set_plan(["postgres", "broker", "gateway", "host"])
        self.site.wait(self.site.healthy, 20, "the broker")

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

    def test_login_is_no_scripts(self):
        """console: of a login nothing is readable by a script of the page, and the cookie is HttpOnly, Secure and Strict"""
        left = self.web.readable()
        self.assertNotIn("pa1_", str(left))
        self.assertEqual((left["cookie"], left["session"]), ("", {}))
        (cookie,) = self.web.cookies()
        self.assertEqual((cookie["name"], cookie["httpOnly"], cookie["secure"], cookie["sameSite"]), ("__Host-pane", True, True, "Strict"))
        self.assertEqual(self.web.request(method="GET", path="/api/v1/me"), 200)

    def test_logins(self):
        """console: where one is logged in is listed, and a login of elsewhere is ended from here"""
        elsewhere = self.site.api().login("root", self.password)
        self.web.open(at="/logins")
        self.web.see(text="this one")
        self.clean("logins")
        self.web.press(name="End")
        self.web.see(text="That login is ended")
        self.assertEqual(elsewhere.call("GET", "/me")[0], 401)

    def test_empty_screens(self):
        """console: empty lists say what to do next and are clean of accessibility faults"""
        for at, text in (("/pools", "Create the first pool"), ("/desktops", "Pools make desktops"), ("/sessions", "Nobody is on a desktop")):
            self.web.open(at=at)
            self.web.see(text=text)
        self.clean("pools-empty", "/pools")

    # ---- making a pool, an employee -----------------------------------------------------------
    def test_wizard(self):
        """console: the wizard makes a pool from its real image, with one test desktop first, and lets it have the others when that one is ready"""
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
        web.fill(label="Memory", text="512")
        self.clean("wizard-3")
        web.press(name="Next")
        web.press(name="Next")
        web.see(text="Room for")
        self.clean("wizard-review")
        web.press(name="Create")
        web.heading(text="Pool office is made")
        web.see(text="office-1")
        web.see(text="The test desktop is ready", timeout=40000)
        self.assertEqual(self.site.admin.call("GET", "/pools/office")[1]["size_max"], 1)
        web.reload()
        web.see(text="The test desktop is ready")
        self.clean("wizard-trial")
        web.press(name="Go on with up to 4 desktops")
        web.see(text="Pool office may have 4 desktops now")
        pool = self.site.admin.call("GET", "/pools/office")[1]
        self.assertEqual((pool["image"], pool["memory_mib"], pool["size_max"], pool["spare"]), ("debian", 512, 4, 1))

    def test_refusal_reasons(self):
        """console: a pool no host can run shows the server's reason per host"""
        web = self.web
        self.site.pool("huge", memory_mib=900000)
        reasons = self.site.wait(lambda: self.site.admin.call("GET", "/pools/huge")[1]["blocked"], 20, "a refusal")
        said = reasons[0].split(",")[0]  # what is free changes from report to report
        web.open(at="/pools/huge")
        web.see(text=said)
        web.open(at="/")
        web.see(text="Pools that need a look")
        web.see(text=said)

    def test_new_employee(self):
        """console: one form makes account, group, entitlement and desktop, and ends with a welcome link when it is ready"""
        web = self.web
        self.site.admin.post("/groups", {"name": "sales", "description": "Who sells"})
        self.clean("new-employee", "/new-employee")
        web.fill(label="User name", text="alice")
        web.fill(label="Full name", text="Alice <b>Adams</b>")
        web.check(label="sales")
        web.select(label="Desktop from pool", value="office")
        web.press(name="Set up")
        web.see(text="The desktop of alice is ready", timeout=40000)
        link = web.value(label="Welcome link for alice")
        self.clean("new-employee-done")
        self.assertEqual(self.site.desktop_of("alice")["state"], "ready")
        alice = self.site.admin.call("GET", "/users/alice")[1]
        self.assertEqual((alice["groups"], alice["full_name"], alice["welcome_open"]), (["sales"], "Alice <b>Adams</b>", True))
        web.reload()
        self.assertNotIn(link, web.text())
        type(self).welcome = link.split("#")[1]

    def test_welcome(self):
        """console: a welcome link sets the first password, once, and is in the address no longer"""
        web = self.web
        for expect in ("Your password is set", "This welcome link is unknown, used or too old"):
            web.open(at="/")
            web.open(at=self.welcome)
            web.see(text="This link works once")
            self.assertNotIn(self.welcome.split("/")[-1], web.address())
            if expect.startswith("Your"):
                self.clean("welcome")
            web.fill(label="New password", text="a password of alice")
            web.fill(label="New password again", text="a password of alice")
            web.press(name="Set password")
            web.see(text=expect)
        web.open(at="/")
        type(self).employee = "a password of alice"

    def test_groups(self):
        """console: a group is made, entitled to a pool and given a member, who may then use the pool"""
        web = self.web
        web.open(at="/groups?form=create")
        web.fill(label="Group name", text="class-7")
        web.press(name="Create")
        web.heading(text="class-7")
        web.select(label="Pool to entitle", value="office")
        web.press(name="Entitle")
        web.see(text="class-7 may use office")
        web.select(label="User to add", value="alice")
        web.press(name="Add")
        web.see(text="alice is in class-7")
        self.clean("group", "/groups/class-7")
        self.assertIn("class-7", self.site.admin.call("GET", "/users/alice")[1]["groups"])

    def test_import(self):
        """console: a CSV file is previewed row by row, changes nothing before it is confirmed, and then gives welcome links"""
        web, path = self.web, f"{self.site.run}/staff.csv"
        with open(path, "w", encoding="utf-8") as file:
            file.write('user;full_name;groups\nivo;"Ivo ""the; first"" <i>";sales class-7\nNo Good!;x;\nalice;;sales\n')
        web.open(at="/import")
        self.clean("import")
        web.file(path=path)
        web.see(text="Preview of 3 rows")
        self.clean("import-preview")
        self.assertEqual(self.site.admin.call("GET", "/users/ivo")[0], 404)
        web.press(name="Import 2 rows")
        web.see(text="welcome link: given out only now")
        links = web.saved(press="Save welcome links")["text"]
        self.assertRegex(links, r"(?m)^ivo,https://[^/]+/#/welcome/\w")
        ivo = self.site.admin.call("GET", "/users/ivo")[1]
        self.assertEqual((ivo["full_name"], sorted(ivo["groups"])), ('Ivo "the; first" <i>', ["class-7", "sales"]))
        self.clean("import-done")

    def test_upload(self):
        """console: a file is uploaded in pieces, goes on where it was paused, and arrives whole: its checksum agrees"""
        web, path = self.web, f"{self.site.run}/strange.raw"
        data = os.urandom(9 << 20) + b"end"
        with open(path, "wb") as file:
            file.write(data)
        digest = hashlib.sha256(data).hexdigest()
        made = self.site.admin.post("/images", {"name": "strange", "size": len(data), "sha256": digest})
        self.site.put(f"/images/strange/{made['version']}/data?offset=0", data[:4 << 20])
        self.site.put(f"/images/strange/{made['version']}/data?offset={4 << 20}", data[4 << 20:5 << 20])
        web.open(at="/upload")
        web.file(path=path)
        self.clean("upload")
        web.asked()
        web.press(name="Upload")
        web.heading(text="strange")
        self.assertEqual(sum(x.startswith("PUT") for x in web.asked()), 2, "the rest of it, not all")
        version = self.site.wait(lambda: (lambda v: v["state"] != "uploading" and v)(
            self.site.admin.call("GET", f"/images/strange/{made['version']}")[1]), 20, "the upload")
        self.assertEqual((version["received_bytes"], version["sha256"]), (len(data), digest))
        self.assertNotIn("checksum", version["reason"])

    # ---- every screen ---------------------------------------------------------------------------
    def test_screens(self):
        """console: every screen, light and dark, wide and narrow, is clean of accessibility faults (axe-core)"""
        for name, at in (("overview", "/"), ("pools", "/pools"), ("pool", "/pools/office"), ("pool-desktops", "/pools/office?tab=desktops"),
                         ("pool-image", "/pools/office?tab=image"), ("pool-people", "/pools/office?tab=people"), ("policy", "/pools/office?tab=policy"),
                         ("desktops", "/desktops"), ("desktop", "/desktops/office-1"), ("sessions", "/sessions"),
                         ("users", "/users"), ("user", "/users/alice"), ("user-create", "/users?form=create"),
                         ("hosts", "/hosts"), ("host", "/hosts/local"), ("host-enrol", "/hosts?form=enrol"),
                         ("images", "/images"), ("image", "/images/debian"), ("image-upload", "/upload"), ("audit", "/audit"), ("portal", "/my"),
                         ("groups", "/groups"), ("group-create", "/groups?form=create"), ("logons", "/logons"), ("helpdesk", "/helpdesk?q=alice"),
                         ("tokens", "/settings"), ("lockouts", "/settings?tab=lockouts"), ("bin", "/settings?tab=bin"),
                         ("homes", "/settings?tab=homes"), ("quota-list", "/settings?tab=quotas"), ("configuration", "/settings?tab=configuration"),
                         ("password", "/password"), ("nowhere", "/nowhere")):
            with self.subTest(name):
                self.clean(name, at)

    def test_usage(self):
        """console: what a desktop and its host really use is drawn for the hour and the day, with its figures in words"""
        web, site = self.web, self.site
        name = site.desktop_of("alice")["name"]
        used = lambda path: site.admin.call("GET", f"{path}/usage?range=hour")[1]["samples"]
        counted = lambda: [x for x in used(f"/desktops/{name}") if x["net_in"] is not None]
        real = site.wait(counted, 60, "a sample of a real desktop, with its network")[-1]
        self.assertGreater(real["memory"], 0)
        self.assertIsNotNone(real["disk_read"])
        self.assertGreater(used("/hosts/local")[-1]["memory"], 100)
        # A day of others before it, with a time it was off.
        site.postgres.psql(f"""DO $$ BEGIN FOR m IN REVERSE 1440..2 LOOP CONTINUE WHEN m BETWEEN 20 AND 25 OR m BETWEEN 500 AND 700;
            PERFORM pane.usage_put(h.id, jsonb_build_object('ago_s', m * 60, 'host', jsonb_build_array(900 + 500 * sin(m / 30.0), 2000 + m)::jsonb,
            'desktops', jsonb_build_array(jsonb_build_array(d.id, (300 + 250 * sin(m / 5.0))::int, 60, (20 + m % 40), 90 + m % 30, 12, (m * 37) % 900,
            (m * 17) % 300, (m * 7) % 90, (m * 3) % 40, 15 + m % 9)))) FROM pane.desktop d JOIN pane.host h ON h.id = d.host_id WHERE d.name = '{name}'; END LOOP; END $$""")
        web.open(at=f"/desktops/{name}")
        web.see(text="Running it:")
        web.see(text="Its disks and network:")
        web.see(text="Received:")
        self.assertGreaterEqual(web.count(selector="svg.pane-chart path.pane-chart-line"), 8)
        self.clean("usage", f"/desktops/{name}")
        web.asked()
        web.press(name="Day")
        site.wait(lambda: any(x.endswith(f"/desktops/{name}/usage") for x in web.asked()), 30, "the day is asked for")
        web.see(text="Running it:")
        web.click(selector='section[aria-label="Disk"]')  # brings it into sight
        self.clean("usage-day")
        web.open(at="/hosts/local")
        web.see(text="Everything on it:")
        self.clean("usage-host", "/hosts/local")

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
        self.site.wait(lambda: len(web.rows(table="Desktops")) == 1, 10, "one row")
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
        web.open(at="/images/debian")
        web.press(name="Delete image")
        web.fill(label="Type debian", text="debian")
        web.press(name="Delete")
        web.see(text="Ask for help with this id")
        web.key(keys=["Escape"])

    def test_keyboard(self):
        """console: the first Tab offers to skip to the content"""
        self.web.open(at="/pools")
        self.web.reload()
        self.web.heading(text="Pools")
        self.web.key(keys=["Tab"])
        self.assertIn("Skip to content", self.web.focused())

    def test_keyboard_jobs(self):
        """console: without a mouse a pool is made, an employee set up and a person found for the help desk"""
        web = self.web
        web.open(at="/")
        for name in ("Pools", "Create pool"):
            web.tab(name=name)
            web.key(keys=["Enter"])
        web.tab(name="Name")
        web.type(text="keys", delay=5)
        for step in ("The pool follows this tag", "Spare desktops that run and wait"):
            web.tab(name="Next")
            web.key(keys=["Enter"])
            web.see(text=step)
        for name, text in (("Processors", "1"), ("Memory (MiB)", "512")):
            web.tab(name=name)
            web.key(keys=["Control+a"])
            web.type(text=text, delay=5)
        for step in ("which outlives desktops", "Room for"):
            web.tab(name="Next")
            web.key(keys=["Enter"])
            web.see(text=step)
        web.tab(name="Create")
        web.key(keys=["Enter"])
        web.heading(text="Pool keys is made")
        web.open(at="/new-employee")
        web.tab(name="User name")
        web.type(text="kim", delay=5)
        web.tab(name="Desktop from pool")
        web.type(text="keys", delay=5)
        web.tab(name="Set up")
        web.key(keys=["Enter"])
        web.see(text="The desktop of kim is ready", timeout=40000)
        web.open(at="/helpdesk")
        web.tab(name="Find a person")
        web.type(text="kim", delay=5)
        web.see(text="not on a desktop")
        web.tab(name="kim")
        web.key(keys=["Enter"])
        web.heading(text="kim")
        self.site.admin.call("DELETE", "/pools/keys?force=true")

    def test_live(self):
        """console: what changes elsewhere shows by its event, without a reload and without asking in between"""
        web = self.web
        web.open(at="/users")
        web.wait(ms=1000)
        web.asked()
        web.wait(ms=6000)
        self.assertEqual(web.asked(), [], "nothing happened, and the console asked all the same")
        web.watch(text="bob")
        since = int(time.time() * 1000)
        self.site.user("bob", "office")
        print(f"# a new user is shown {web.seen(since=since)} ms after it was asked for")
        self.assertLessEqual({x.split("/")[3] for x in web.asked()}, {"users", "groups", "pools"}, "only what was touched is read again")
        name = next(d["name"] for d in self.site.admin.items("/desktops") if d["pool"] == "office" and d["state"] == "ready" and not d["user"])
        web.open(at=f"/desktops/{name}")
        web.see(text="booting → ready")
        web.watch(text="ready → recycling")
        since = int(time.time() * 1000)
        self.site.admin.post(f"/desktops/{name}/recycle", {})
        print(f"# a state is shown {web.seen(since=since)} ms after it was asked for")

    def test_live_again(self):
        """console: when the stream of events is cut the console says so, and catches up by itself when it is back"""
        web = self.web
        web.open(at="/users")
        web.see(text="alice")
        self.without_broker()
        web.see(text="Live updates are cut")
        self.clean("cut")
        self.with_broker()
        web.gone(text="Live updates are cut")
        self.site.user("carol", "office")
        web.see(text="carol")

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
        """console: the employee connects in the page, sees the desktop and types a word that is read inside it"""
        web, desktop = self.web, self.site.desktop_of("alice")
        web.open(at="/my")
        web.tab(name="Connect")
        web.key(keys=["Enter"])
        web.screen()
        self.site.wait_session("alice", "connected")
        self.terminal(desktop)
        word = whole.word()
        self.typed(f"echo {word} >word", desktop)
        self.assertEqual(cell.home_text(self.site, desktop, "word"), word)
        self.clean("viewer")
        web.key(keys=["Control+Alt+Shift"])
        self.assertEqual(web.focused(), "Disconnect", "the way out without a mouse")
        web.key(keys=["Enter"])
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

    def test_own_restart(self):
        """portal: the employee restarts their own desktop and sees it come back, told by its events"""
        web, name = self.web, self.site.desktop_of("alice")["name"]
        before = self.site.desktop(name)["since"]
        web.open(at="/my")
        web.press(name="Restart")
        web.see(text=f"Restart {name}?")
        web.press(name="Restart")
        web.see(text=f"{name} restarts")
        self.site.wait(lambda: (lambda d: d["state"] == "ready" and d["since"] != before)(self.site.desktop(name)), 30, "the restart")

    def test_rdp_file(self):
        """console: the .rdp file carries a ticket that opens the employee's desktop"""
        file = self.web.saved(press="Open in an RDP client")
        self.assertEqual(file["name"], f"{self.site.desktop_of('alice')['name']}.rdp")
        self.assertRegex(file["text"], r"(?m)^loadbalanceinfo:s:pt1_[\w-]{43}\r?$")
        path = f"{self.site.run}/saved.rdp"
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(file["text"])
        screen = whole.Screen(self.site.run)
        try:
            client = screen.run(["xfreerdp3", path, f"/v:127.0.0.1:{self.site.ports['rdp']}", "/cert:ignore", "/log-level:WARN", "-clipboard"], "xfreerdp3")
            self.site.wait_session("alice", "connected")
            screen.close(client)
            self.site.wait_session("alice", "disconnected")
        finally:
            screen.end()

    # ---- the administrator and people at work ------------------------------------------------------
    def test_message(self):
        """console: a message is written to the sessions that are selected, is on their desktops' screens, and is taken back"""
        web = self.web
        web.logout(user="alice")
        web.login(user="root", password=self.password)
        web.open(at="/sessions")
        web.see(text="alice")
        web.click(selector="thead input[type=checkbox]")
        web.press(name="Message")
        web.see(text="Message to alice")
        self.assertTrue(web.disabled(name="Send"))
        web.fill(label="What it says", text="Back in {left} <b>")
        web.select(label="Shown for", value="3600")
        self.clean("message")
        web.press(name="Send")
        web.see(text="alice sees the message")
        held = "SELECT count(*) FROM pane.message WHERE kind = 'person' AND said_by = 'root' AND text = 'Back in {left} <b>'"
        self.assertEqual(self.site.postgres.psql(held), "1")
        web.open(at=f"/desktops/{self.site.desktop_of('alice')['name']}")
        web.press(name="Message")
        web.press(name="Take messages back")
        web.see(text="No message is on the screen any more")
        self.assertEqual(self.site.postgres.psql(held), "0")

    def test_power_off(self):
        """console: desktops are switched off by typing how many they are, and one is resumed from its page"""
        web, name = self.web, self.site.desktop_of("alice")["name"]
        web.open(at="/desktops?q=alice")
        self.site.wait(lambda: len(web.rows(table="Desktops")) == 1, 30, "one row")
        web.click(selector="thead input[type=checkbox]")
        web.press(name="Power off")
        web.see(text="In use by: alice")
        self.assertTrue(web.disabled(name="Power off"))
        web.fill(label=f"Type {name}", text=name)
        web.look(name="power-off")
        web.press(name="Power off")
        web.see(text=f"{name} is switched off")
        self.site.wait(lambda: self.site.desktop(name)["state"] == "suspended", 30, "off")
        web.open(at=f"/desktops/{name}")
        web.see(text="switched off by an administrator")
        self.clean("desktop-off")
        web.press(name="Resume")
        web.see(text=f"Resume {name}?")
        web.press(name="Resume")
        web.see(text=f"{name} resumes")
        self.site.wait(lambda: self.site.desktop(name)["state"] == "ready", 60, "the start")


if __name__ == "__main__":
    unittest.main()
