# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps in the console and the portal beside the three jobs of console_test.py, pressed against a real site: a second
factor from welcome link to login, an image published and rolled back, a host drained, full screen."""
import hashlib
import unittest

import totp
import whole
from browser import TOP, Browser, missing

TIMEOUT = 600
SHOTS = f"{TOP}/build/console/shots"
PASSWORD = "a password of carol"


def bootable():
    """A disk that firmware would boot: an active partition and the signature (no operating system)."""
    disk = bytearray(2 << 20)
    disk[0:2] = b"\xeb\xfe"
    disk[446:462] = bytes([0x80, 0, 2, 0, 0x83, 0, 4, 0]) + (2048).to_bytes(4, "little") + (2048).to_bytes(4, "little")
    disk[510:512] = b"\x55\xaa"
    return bytes(disk)


class Steps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = missing()
        if why:
            raise unittest.SkipTest(why)
        cls.site = whole.card_site()
        cls.site.up()
        cls.site.pool("office", size_max=3, spare=1, memory_mib=128)
        cls.site.wait_ready()
        cls.password = cls.site.admin.post("/users", {"name": "root", "role": "admin"})["password"]
        cls.site.admin.post("/users", {"name": "carol", "role": "helpdesk"})
        cls.site.admin.call("PATCH", "/policy", {"totp_roles": ["helpdesk"]})
        cls.web = Browser(f"https://127.0.0.1:{cls.site.ports['https']}", SHOTS)
        cls.secret = cls.recovery = None

    @classmethod
    def tearDownClass(cls):
        cls.web.close()
        cls.site.down()

    def tearDown(self):
        self.assertEqual(self.web.complaints(), [], "the browser complains")

    def login(self, user, password, code=None):
        web = self.web
        web.open(at="/")
        web.fill(label="User name", text=user)
        web.fill(label="Password", text=password)
        web.press(name="Log in")
        if code:
            web.see(text="or a recovery code")
            web.fill(label="Code of your authenticator app", text=code)
            web.press(name="Log in")
        web.see(text=user)

    # ---- a second factor -----------------------------------------------------------------------
    def test_welcome_with_a_second_factor(self):
        """welcome: whose role asks for a second factor sets it up behind the welcome link: key, code, recovery codes, in"""
        web = self.web
        token = self.site.admin.post("/users/carol/welcome", {})["welcome"]
        web.open(at="/")
        web.open(at=f"/welcome/{token}")
        web.fill(label="New password", text=PASSWORD)
        web.fill(label="New password again", text=PASSWORD)
        web.press(name="Set password")
        web.see(text="also needs a second factor")
        self.assertEqual(web.count(selector=".pane-qr svg path"), 2)
        self.assertEqual(web.look(name="welcome-factor"), [])
        type(self).secret = web.value(label="Key for the app")
        self.assertRegex(self.secret, r"^[A-Z2-7]{32}$")
        web.fill(label="Code of your authenticator app", text="000000")
        web.press(name="Confirm")
        web.see(text="Ask for help with this id")
        web.fill(label="Code of your authenticator app", text=totp.code(self.secret, -1))
        web.press(name="Confirm")
        web.see(text="Each is good for one login")
        type(self).recovery = web.saved(press="Save as a file")["text"].split()
        self.assertEqual(len(self.recovery), 10)
        self.assertEqual(web.look(name="welcome-recovery"), [])
        web.press(name="I have kept them")
        web.see(text="Help desk")
        web.logout(user="carol")

    def test_login_with_a_code(self):
        """login: who has a second factor is asked for its code and gets in with it, and with a recovery code once"""
        self.login("carol", PASSWORD, totp.code(self.secret))
        self.web.heading(text="Overview")
        self.web.logout(user="carol")
        self.login("carol", PASSWORD, self.recovery[0])
        self.web.heading(text="Overview")

    def test_own_second_factor(self):
        """portal: one's own second factor says how many recovery codes are left, and one that the role asks for is not given up"""
        web = self.web
        web.open(at="/second-factor")
        web.see(text="9 recovery codes left")
        web.see(text="ask your help desk")
        self.assertNotIn("Give it up", web.text())
        self.assertEqual(web.look(name="factor-on"), [])
        web.logout(user="carol")

    def test_login_sets_it_up(self):
        """login: whose role asks for a second factor later sets it up at the next login"""
        web = self.web
        password = self.site.admin.post("/users", {"name": "dave", "role": "helpdesk"})["password"]
        web.open(at="/")
        web.fill(label="User name", text="dave")
        web.fill(label="Password", text=password)
        web.press(name="Log in")
        web.see(text="which is set up now")
        self.assertEqual(web.look(name="login-factor"), [])
        secret = web.value(label="Key for the app")
        web.fill(label="Code of your authenticator app", text=totp.code(secret))
        web.press(name="Log in")
        web.press(name="I have kept them")
        web.see(text="Help desk")
        web.logout(user="dave")

    def test_set_up_and_give_up(self):
        """portal: a person sets a second factor up of their own will, makes new recovery codes, and gives it up"""
        web = self.web
        self.login("root", self.password)
        web.open(at="/second-factor")
        web.see(text="You have none")
        self.assertEqual(web.look(name="factor-off"), [])
        web.fill(label="Your password", text=self.password)
        web.press(name="Set up")
        web.see(text="Scan this")
        secret = web.value(label="Key for the app")
        web.fill(label="Code of your authenticator app", text=totp.code(secret, -1))
        web.press(name="Confirm")
        first = web.saved(press="Save as a file")["text"].split()
        web.press(name="I have kept them")
        web.see(text="10 recovery codes left")
        web.fill(label="Code now", text=totp.code(secret))
        web.press(name="Make new codes")
        second = web.saved(press="Save as a file")["text"].split()
        self.assertFalse(set(first) & set(second))
        web.press(name="I have kept them")
        web.fill(label="Your password, to give it up", text=self.password)
        web.fill(label="A last code", text=second[0])
        web.press(name="Give it up")
        web.see(text="You have none")
        self.assertFalse(self.site.admin.call("GET", "/users/root")[1]["totp"])

    # ---- an administrator ------------------------------------------------------------------------
    def test_publish_and_roll_back(self):
        """console: a version is published, and rolled back after its name was typed; the tag moves and comes back"""
        web, admin, data = self.web, self.site.admin, bootable()

        def stable():
            return [v["version"] for v in admin.call("GET", "/images/card")[1]["versions"] if "stable" in v["tags"]]
        before = stable()
        made = admin.post("/images", {"name": "card", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})["version"]
        self.site.put(f"/images/card/{made}/data?offset=0", data)
        self.site.wait(lambda: admin.call("GET", f"/images/card/{made}")[1]["state"] == "ready", 30, "the conversion")
        web.open(at="/images/card")
        web.see(text=made)
        web.click(selector='button:not([disabled]):has-text("Publish")')
        web.see(text=f"Publish {made} of card?")
        web.press(name="Publish as stable")
        web.see(text=f"stable is {made} now")
        self.assertEqual(stable(), [made])
        web.press(name="Roll back")
        web.see(text="Roll card back?")
        self.assertTrue(web.disabled(name="Roll back"))
        web.type(text="card")
        web.press(name="Roll back")
        web.see(text="points where it did before")
        self.assertEqual(stable(), before)
        self.assertEqual(web.look(name="image-two-versions"), [])

    def test_thin_clients(self):
        """console: a code is made and shown once; the terminal it enrols is listed, configured, and forgotten after its name was typed"""
        web, admin = self.web, self.site.admin
        web.open(at="/thin-clients")
        web.see(text="No terminal yet")
        web.press(name="Enrol terminals")
        web.fill(label="Name", text="lobby")
        self.assertEqual(web.look(name="thin-clients-enrol"), [])
        web.press(name="Make code")
        web.see(text="Good for one terminal")
        web.press(name="Done")
        code = admin.post("/terminals/codes", {"name": "lobby"})["code"]
        admin.post("/terminals/enrol", {"code": code, "hardware": "m1", "version": "0.1", "addresses": "192.0.2.7"})
        web.open(at="/overview")
        web.open(at="/thin-clients")
        web.see(text="192.0.2.7")
        self.assertEqual(web.look(name="thin-clients"), [])
        web.press(name="Configure lobby")
        web.fill(label="Keyboard", text="de,us")
        web.fill(label="PIN of its administrator", text="4711")
        self.assertEqual(web.look(name="thin-clients-configure"), [])
        web.press(name="Save")
        web.see(text="lobby takes it within a minute")
        now = admin.call("GET", "/terminals/lobby")[1]
        self.assertEqual((now["keyboard"], now["exit_pin"]), ("de,us", True))
        web.press(name="Forget lobby")
        web.type(text="lobby")
        web.press(name="Forget")
        web.see(text="lobby is forgotten")
        self.assertEqual(admin.items("/terminals"), [])

    def test_drain(self):
        """console: a host is drained with a reason, which pools that find no room repeat, and is brought back"""
        web = self.web
        web.open(at="/hosts/local")
        web.press(name="Drain")
        web.see(text="Drain local?")
        web.fill(label="Reason", text="a new power supply")
        self.assertEqual(web.look(name="host-drain"), [])
        web.press(name="Drain")
        web.see(text="Drained for maintenance: no new desktops")
        self.assertEqual(self.site.admin.call("GET", "/hosts/local")[1]["state"], "draining")
        self.site.pool("late", size_max=1, spare=1, memory_mib=128)
        web.see(text="host local: in maintenance: a new power supply")
        self.assertEqual(web.look(name="host-drained"), [])
        web.press(name="Bring back")
        web.see(text="local may have desktops again")
        self.site.wait(lambda: self.site.admin.call("GET", "/desktops/late-1")[1].get("state") == "ready", 30, "the late desktop")
        web.logout(user="root")

    # ---- the desktop in the page -----------------------------------------------------------------
    def test_full_screen(self):
        """viewer: full screen is entered and left by its button, and the desktop goes on"""
        web = self.web
        password = self.site.user("alice", "office")
        web.login(user="alice", password=password)
        web.open(at="/my")
        web.press(name="Connect")
        web.screen()
        web.press(name="Full screen")
        self.site.wait(web.fullscreen, 10, "full screen")
        web.see(text="Leave full screen")
        web.press(name="Leave full screen")
        self.site.wait(lambda: not web.fullscreen(), 10, "the window")
        self.site.wait_session("alice", "connected")
        web.press(name="Disconnect")
        self.site.wait_session("alice", "disconnected")


if __name__ == "__main__":
    unittest.main()
