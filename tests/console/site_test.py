# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the whole site in the console, on a real site: the certificates its gateway shows, its name and look, the
usage report, and roles in one pool. Pictures: build/console/shots."""
import datetime
import hashlib
import ssl
import unittest

import fakehost
import png
import whole
from broker import Broker, request
from consolestory import ConsoleStory

TIMEOUT = 900


class Door:
    """The broker of a whole site, as a simulated host talks to it."""
    call, get, post = Broker.call, Broker.get, Broker.post

    def __init__(self, site):
        self.api, self.token = f"{site.sockets}/broker/api.sock", site.admin.token


class SitePages(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(lambda: whole.card_site(runs=False), lambda: cls.site.pool("office", size_max=3, spare=1, memory_mib=128))
        cls.web.login(user="root", password=cls.password)

    # ---- a pool that begins with one desktop --------------------------------------------------------
    def test_trial(self):
        """wizard: a pool begins with one test desktop, whose progress and failure are shown, over a reload; the others come on a person's word"""
        web, site = self.web, self.site
        version = site.admin.get("/images/card")["versions"][0]["version"]
        host = fakehost.FakeHost(Door(site), "second", fakehost.make_csr(site.run), images=[("card", version)])
        host.fail = "its disk is broken"
        host.start()
        self.addCleanup(host.stop)
        web.open(at="/pools/new")
        web.fill(label="Name", text="class")
        for _ in range(2):
            web.press(name="Next")
        web.fill(label="Desktops at most", text="3")
        web.fill(label="Kept ready", text="2")
        web.fill(label="Memory", text="128")
        web.press(name="Next")
        web.press(name="Next")
        web.see(text="Make one test desktop first")
        self.clean("trial-review")
        web.press(name="Create")
        web.heading(text="Pool class is made")
        web.see(text="The test desktop did not start", timeout=60000)
        web.see(text="its disk is broken")
        self.assertEqual((site.admin.get("/pools/class")["size_max"], site.admin.get("/pools/class")["spare"]), (1, 1))
        self.clean("trial-failed")
        host.fail = None
        site.admin.post("/pools/class/retry", {})
        web.reload()
        web.see(text="The test desktop is ready", timeout=60000)
        self.clean("trial-ready")
        host.boot_s = 8
        web.press(name="Go on with up to 3 desktops")
        web.see(text="Pool class may have 3 desktops now")
        self.assertEqual((site.admin.get("/pools/class")["size_max"], site.admin.get("/pools/class")["spare"]), (3, 2))
        web.open(at="/")
        web.see(text="Pool class makes desktops: 1 of 2 ready")
        self.clean("tasks")
        web.gone(text="Pool class makes desktops", timeout=60000)  # when it is over, without a reload

    # ---- certificates ----------------------------------------------------------------------------
    def test_certificates(self):
        """settings: the certificate a client is shown is listed with its fingerprint and end; one that ends soon is on the Overview with what to do, as it is told"""
        web = self.web
        shown = ssl.get_server_certificate(("127.0.0.1", self.site.ports["https"]))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest()
        web.open(at="/settings?tab=tls")
        web.see(text=":".join(digest[i:i + 2] for i in range(0, 64, 2)))
        web.see(text="ECDSA P-256")
        self.assertNotIn("needs to be renewed", web.text())
        self.clean("tls")
        web.open(at="/")
        web.heading(text="Overview")
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=5, hours=1)
        told = {"name": "gw-two", "version": "1", "listen": ["https 192.0.2.7:443"], "certificates": [{
            "use": "clients", "file": "/etc/pane/tls.crt", "names": ["desktops.example.org", "*.a-very-long-name-of-a-department.example.org"], "key": "RSA 2048",
            "subject": "CN=desktops.example.org", "issuer": "CN=R11,O=Let's Encrypt,C=US", "not_before": "2026-01-01T00:00:00Z",
            "not_after": ends.strftime("%Y-%m-%dT%H:%M:%SZ"), "fingerprint": "ab" * 32}]}
        self.assertEqual(request(f"{self.site.sockets}/broker/internal.sock", "POST", "/internal/v1/gateways", told).status, 200)
        web.see(text="A certificate needs to be renewed")  # without a reload
        web.see(text="5 days left")
        web.see(text="Put the new chain and key into /etc/pane/tls.crt")
        self.clean("overview-certificate")
        self.clean("tls-soon", "/settings?tab=tls")
        self.site.postgres.psql("UPDATE pane.gateway SET seen_at = now() - interval '9 min' WHERE name = 'gw-two'")
        web.reload()
        web.see(text="silent")
        self.site.admin.call("DELETE", "/gateways/gw-two")

    # ---- name and look ---------------------------------------------------------------------------
    def test_look(self):
        """settings: name, text, help and colour of the site are changed in sight of how they will look, and who is not logged in reads them at once; a colour nobody can read is refused"""
        web = self.web
        web.open(at="/settings?tab=look")
        web.fill(label="Name of the site", text="Example <b>School</b>")
        web.fill(label="Text at the login", text="For teachers and pupils.\nYour name is in small letters.")
        web.fill(label="Whom to ask for help", text="Room 12, +49 30 1234")
        web.fill(label="Colour of buttons and links", text="#ffcc00")
        web.see(text="Too bright to be read")
        self.assertTrue(web.disabled(name="Save"))
        web.fill(label="Colour of buttons and links", text="#8a1c3b")
        path = f"{self.site.run}/logo.png"
        with open(path, "wb") as file:
            file.write(png.picture(240, 60, (138, 28, 59)))
        web.file(path=path)
        self.site.wait(lambda: web.count(selector='img[src^="data:image/png"]') == 1, 10, "the logo as it will look")
        self.clean("look")
        web.press(name="Save")
        web.see(text="The site's look is saved")
        now = self.site.admin.get("/branding")
        self.assertEqual((now["name"], now["accent"], bool(now["logo"])), ("Example <b>School</b>", "#8a1c3b", True))
        self.site.wait(lambda: "Example <b>School</b>" in web.title(), 10, "the title")
        self.clean("look-saved")
        self.clean("look-overview", "/")
        stranger = self.browser()
        self.addCleanup(stranger.close)
        stranger.open(at="/")
        stranger.see(text="Log in to Example <b>School</b>")
        stranger.see(text="Your name is in small letters.")
        stranger.see(text="Room 12, +49 30 1234")
        self.assertEqual(stranger.count(selector='img[src^="/api/v1/branding/logo?"]'), 1)
        stranger.fill(label="User name", text="root")
        stranger.fill(label="Password", text="x")  # without them the button is grey
        self.site.wait(lambda: stranger.colour(selector='button[type="submit"]') == "rgb(138, 28, 59)", 10, "the button's colour")
        self.assertEqual(stranger.colour(selector='button[type="submit"]'), "rgb(138, 28, 59)")
        self.clean("look-login", web=stranger)
        token = self.site.admin.post("/users", {"name": "wim", "welcome": True})["welcome"]
        stranger.open(at=f"/welcome/{token}")
        stranger.see(text="Welcome to Example <b>School</b>")
        self.clean("look-welcome", web=stranger)
        self.assertEqual(stranger.complaints(), [])
        web.open(at="/my")
        web.see(text="Room 12, +49 30 1234")

    def test_logo_refused(self):
        """settings: a logo that is no PNG is refused before it is sent, and one that only begins like one by the server; the old one stays"""
        web, before = self.web, self.site.admin.get("/branding")["logo"]
        path = f"{self.site.run}/logo-2.png"
        for data, said in ((b"<svg onload='alert(1)'/>", "is no PNG"), (png.picture(64, 64)[:70], "cut short or damaged")):
            with open(path, "wb") as file:
                file.write(data)
            web.open(at="/settings?tab=look")
            web.reload()
            web.file(path=path)
            if said == "is no PNG":
                web.see(text=said)
                self.assertTrue(web.disabled(name="Save"))
            else:
                self.site.wait(lambda: not web.disabled(name="Save"), 10, "something to save")
                web.press(name="Save")
                web.see(text=said)
        self.assertEqual(self.site.admin.get("/branding")["logo"], before)
        self.clean("look-refused")
        self.site.admin.call("PATCH", "/branding", {"name": "", "login_text": "", "support": "", "accent": "", "logo": None})
        self.site.wait(lambda: web.title().endswith("Pane"), 10, "the usual title, without a reload")

    # ---- usage report ----------------------------------------------------------------------------
    def test_usage_report(self):
        """usage: days, lines and chart are in the address, figures are those of the API, and CSV holds what is shown"""
        web, site = self.web, self.site
        web.open(at="/usage?from=2020-01-01&to=2020-02-01")
        web.see(text="Nothing was used in these days")
        self.clean("usage-report-empty")
        site.postgres.psql("""INSERT INTO pane.usage_day SELECT current_date - d, pool, u, 3600 * (1 + d % 5), 1800 * (1 + (d + length(u)) % 7), 1 + d % 3, 400 * d, 40, 90, 9e6, 5e5 * d, 2e6
            FROM generate_series(1, 40) d, unnest('{office,a-pool-with-quite-a-long-name-of-its-own}'::text[]) pool, unnest('{alice,bob,""}'::text[]) u""")
        web.open(at="/usage")
        web.see(text="a-pool-with-quite-a-long-name-of-its-own")
        self.clean("usage-report")
        web.check(label="Day")
        web.select(label="Chart of", value="cpu_hours")
        site.wait(lambda: "by=day%2Cpool" in web.address() and "chart=cpu_hours" in web.address(), 10, "the address")
        site.wait(lambda: web.count(selector=".pane-bars li") == 30, 30, "thirty bars: none was used today")
        self.clean("usage-report-days")
        report = site.admin.get("/usage?by=day,pool")
        file = web.saved(press="Export CSV")
        lines = file["text"].strip().splitlines()
        self.assertEqual((file["name"], len(lines) - 1), ("Usage report.csv", len(report["items"])))
        self.assertRegex(lines[0], "^Day,Pool,Desktops ran")
        web.open(at="/usage?by=user&from=2026-11-30&to=2026-11-01")
        web.see(text="The report ends before it begins.")
        password = site.admin.post("/users", {"name": "auditor", "role": "readonly"})["password"]
        theirs = self.browser()
        self.addCleanup(theirs.close)
        theirs.login(user="auditor", password=password)
        theirs.open(at="/usage?by=user")
        theirs.see(text="alice")
        theirs.open(at="/settings?tab=look")
        theirs.see(text="Name of the site")
        self.assertTrue(theirs.off(label="Name of the site"))

    # ---- roles in one pool -------------------------------------------------------------------------
    def test_roles(self):
        """pool: a role in this pool is given, changed and taken away after a name was typed, and whoever it is of has its pages at once, without a login"""
        web, site = self.web, self.site
        password = site.admin.post("/users", {"name": "pia", "role": "user"})["password"]
        theirs = self.browser()
        self.addCleanup(theirs.close)
        theirs.login(user="pia", password=password)
        theirs.see(text="My desktops")
        web.open(at="/pools/office?tab=roles")
        web.see(text="Nobody has a role in this pool only")
        self.clean("roles-empty")
        web.select(label="Choose a user or a group", value="pia")
        web.press(name="Give the role")
        web.see(text="pia is help desk in office")
        self.assertEqual(site.admin.get("/pools/office/roles")["items"], [{"who": "pia", "role": "helpdesk"}])
        theirs.see(text="Sessions")
        theirs.open(at="/pools/office?tab=roles")
        theirs.see(text="help desk")
        self.assertNotIn("Take away", theirs.text())
        self.clean("roles-theirs", web=theirs)
        web.select(label="Role of pia", value="operator")
        web.see(text="pia is operator in office")
        self.clean("roles")
        self.clean("user-roles", "/users/pia")
        web.see(text="Roles in single pools")
        web.press(name="take away the role in office")
        self.assertTrue(web.disabled(name="Take away"))
        web.type(text="pia")
        web.press(name="Take away")
        web.see(text="In every pool they are what they are everywhere")
        self.assertEqual(site.admin.get("/pools/office/roles")["items"], [])
        theirs.gone(text="Sessions")
        theirs.open(at="/my")
        theirs.see(text="My desktops")
        self.assertEqual(theirs.complaints(), [])

    # ---- what one desktop uses ----------------------------------------------------------------------
    def test_chart(self):
        """a desktop's chart tells its own work, running it, its disks and network, and its display apart"""
        web, site = self.web, self.site
        version = site.admin.get("/images/card")["versions"][0]["version"]
        host = fakehost.FakeHost(Door(site), "charts", fakehost.make_csr(site.run), images=[("card", version)])
        host.start()
        self.addCleanup(host.stop)
        site.pool("charted", size_max=1, spare=1, memory_mib=128, hosts=["charts"])
        site.wait(lambda: any(d["pool"] == "charted" and d["state"] == "ready" for d in site.admin.get("/desktops")["items"]), 60, "a desktop")
        self.assertEqual(host.look(300, 50, 20, 512, 10, 1, 2, None, None, 30).status, 200)
        web.open(at="/desktops/charted-1")
        for line in ("Desktop: 0.3", "Running it: 0.05", "Its disks and network: 0.03", "Its display: 0.02"):
            web.see(text=line)
        self.clean("chart-parts")


if __name__ == "__main__":
    unittest.main()
