# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps in the console and the portal beside the three jobs of console_test.py, pressed against a real site: a second
factor from welcome link to login, an image published and rolled back, the policy of a pool, a host drained, full
screen."""
import hashlib
import unittest

import totp
import whole
from browser import Browser
from consolestory import SHOTS, ConsoleStory
from provider import Provider

TIMEOUT = 600
PASSWORD = "a password of carol"


def bootable():
    """A disk that firmware would boot: an active partition and the signature (no operating system)."""
    disk = bytearray(2 << 20)
    disk[0:2] = b"\xeb\xfe"
    disk[446:462] = bytes([0x80, 0, 2, 0, 0x83, 0, 4, 0]) + (2048).to_bytes(4, "little") + (2048).to_bytes(4, "little")
    disk[510:512] = b"\x55\xaa"
    return bytes(disk)


class Steps(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(cls.with_provider, cls.prepare)

    @classmethod
    def with_provider(cls):
        site = whole.cell_site()
        cls.provider = Provider(f"https://127.0.0.1:{site.ports['https']}/")
        cls.addClassCleanup(cls.provider.close)
        site.oidc = cls.provider.settings()
        return site

    @classmethod
    def prepare(cls):
        cls.site.pool("office", size_max=3, spare=1)
        cls.site.wait_ready()
        cls.site.admin.post("/users", {"name": "carol", "role": "helpdesk"})
        cls.site.admin.call("PATCH", "/policy", {"totp_roles": ["helpdesk"]})
        cls.secret = cls.recovery = None

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
        self.clean("welcome-factor")
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
        self.clean("welcome-recovery")
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
        """portal: one's own second factor says how many recovery codes are left, is moved to another device, and one that the role asks for is not given up"""
        web = self.web
        web.open(at="/second-factor")
        web.see(text="9 recovery codes left")
        self.assertNotIn("Give it up", web.text())
        self.clean("factor-on")
        web.fill(label="Your password, to move it", text=PASSWORD)
        web.fill(label="Code of the old device, or a recovery code", text=self.recovery[2])
        web.press(name="Move")
        web.see(text="Scan this")
        new = web.value(label="Key for the app")
        self.assertNotEqual(new, self.secret)
        self.clean("factor-move")
        web.fill(label="Code of your authenticator app", text=totp.code(new))
        web.press(name="Confirm")
        type(self).secret, type(self).recovery = new, web.saved(press="Save as a file")["text"].split()
        web.press(name="I have kept them")
        web.see(text="10 recovery codes left")
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
        self.clean("login-factor")
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
        self.clean("factor-off")
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

    # ---- a login provider --------------------------------------------------------------------------
    def test_provider(self):
        """login: by the site's login provider, with the code of a second factor, and what it refuses is said with its reason"""
        web = self.web
        web.logout(user="root")
        self.provider.claims = {"preferred_username": "root"}
        web.open(at="/")
        web.see(text="Log in with Example Inc.")
        self.clean("login-provider")
        self.provider.wrong = {"claims": {"aud": "somebody else"}}
        web.press(name="Log in with Example Inc.")
        web.see(text="the token is for another audience")
        self.clean("login-provider-refused")
        self.assertNotIn("state=", web.href())
        self.provider.wrong = {}
        web.press(name="Begin again")
        web.press(name="Log in with Example Inc.")
        web.see(text="Overview")
        self.assertNotIn("code=", web.href())
        web.reload()
        web.see(text="Overview")
        web.logout(user="root")
        self.provider.claims = {"preferred_username": "carol"}
        web.press(name="Log in with Example Inc.")
        web.fill(label="Code of your authenticator app", text=self.recovery[1])
        self.clean("login-provider-code")
        web.press(name="Log in")
        web.see(text="carol")
        web.logout(user="carol")
        with open(f"{self.site.logs}/gateway.log", encoding="utf-8") as file:
            self.assertNotIn("code=", file.read())
        self.login("root", self.password)

    def test_provider_tried(self):
        """settings: the login provider is tried step by step, and the step that fails says why; that there is no directory is said"""
        web = self.web
        web.open(at="/settings?tab=providers")
        web.see(text="offers “Example Inc.”")
        web.see(text="No directory")
        web.press(name="Test the login provider")
        web.see(text="Every step went well")
        self.clean("providers")
        self.provider.wrong = {"issuer": "https://elsewhere.example.org"}
        web.press(name="Test the login provider")
        web.see(text="It fails at the last step shown")
        web.see(text="configuration:")
        self.provider.wrong = {}

    # ---- an administrator ------------------------------------------------------------------------
    def test_publish_and_roll_back(self):
        """console: a version is published, and rolled back after its name was typed; the tag moves and comes back"""
        web, admin, data = self.web, self.site.admin, bootable()

        def stable():
            return [v["version"] for v in admin.call("GET", "/images/debian")[1]["versions"] if "stable" in v["tags"]]
        before = stable()
        made = admin.post("/images", {"name": "debian", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})["version"]
        self.site.put(f"/images/debian/{made}/data?offset=0", data)
        self.site.wait(lambda: admin.call("GET", f"/images/debian/{made}")[1]["state"] == "ready", 30, "the conversion")
        web.open(at="/images/debian")
        web.see(text=made)
        web.click(selector='button:not([disabled]):has-text("Publish")')
        web.see(text=f"Publish {made} of debian?")
        web.press(name="Publish as stable")
        web.see(text=f"stable is {made} now")
        self.assertEqual(stable(), [made])
        web.press(name="Roll back")
        web.see(text="Roll debian back?")
        self.assertTrue(web.disabled(name="Roll back"))
        web.type(text="debian")
        web.press(name="Roll back")
        web.see(text="points where it did before")
        self.assertEqual(stable(), before)
        self.clean("image-two-versions")

    # ---- policy of a pool ------------------------------------------------------------------------
    def policy(self, pool="office"):
        return self.site.admin.call("GET", f"/pools/{pool}")[1]

    def test_policy_timers(self):
        """console: the policy tab sets timers in units a person thinks in, hours, networks and the words of a refusal"""
        web = self.web
        web.open(at="/pools/office?tab=policy")
        self.assertTrue(web.disabled(name="Save: Timers"))
        web.fill(label="Without input for", text="15")
        web.select(label="Then", value="logoff")
        web.select(label="Unit of A session lasts at most", value="3600")
        web.fill(label="A session lasts at most", text="10")
        web.press(name="Save: Timers")
        web.see(text="Timers of office: saved")
        now = self.policy()
        self.assertEqual((now["idle_s"], now["idle_action"], now["session_max_s"], now["warn_s"]), (900, "logoff", 36000, 60))
        web.fill(label="Hours", text="mon-fri 25:00-18:00")
        web.press(name="Save: Hours and networks")
        web.see(text='"mon-fri 25:00-18:00" is no hours')
        web.fill(label="Hours", text="daily 00:00-24:00\nsat 08:00-12:30")
        web.fill(label="Networks", text="127.0.0.0/8")
        web.fill(label="What the refused read", text="Ask <b>Anna</b>.")
        web.fill(label="Time zone", text="Europe/Berlin")
        web.select(label="Sessions at the end of the hours", value="disconnect")
        web.press(name="Save: Hours and networks")
        web.see(text="Hours and networks of office: saved")
        now = self.policy()
        self.assertEqual((now["hours"], now["networks"], now["refusal"], now["timezone"], now["hours_action"]),
                         (["daily 00:00-24:00", "sat 08:00-12:30"], ["127.0.0.0/8"], "Ask <b>Anna</b>.", "Europe/Berlin", "disconnect"))

    def test_policy_week(self):
        """console: the week of desktops kept ready is drawn with the mouse and with keys alone, and saved as lines"""
        web = self.web
        web.open(at="/pools/office?tab=policy")
        web.drag(**{"from": '[data-at="0-7"]', "to": '[data-at="4-8"]'})
        web.type(text="2", delay=5)
        web.see(text="mon-fri 07:00-09:00 2")
        web.key(keys=["ArrowDown", "Home", "Shift+ArrowRight", "Shift+ArrowDown"])
        web.type(text="10", delay=5)
        web.see(text="sat-sun 00:00-02:00 10")
        web.key(keys=["ArrowRight", "Delete"])
        web.press(name="Save: Kept ready")
        web.see(text="Kept ready of office: saved")
        now = self.policy()
        self.assertEqual(sorted(now["schedule"]), ["mon-fri 07:00-09:00 2", "sat-sun 00:00-02:00 10"])
        self.assertEqual(now["grid"][7:10] + now["grid"][144:147], [2, 2, None, 10, 10, None])
        web.key(keys=["Control+a"])
        web.fill(label="Buffer", text="25")
        web.press(name="Save: Kept ready")
        self.site.wait(lambda: self.policy()["buffer_percent"] == 25, 10, "the buffer")
        self.clean("pool-policy")
        self.site.admin.call("PATCH", "/pools/office", {"schedule": [], "buffer_percent": 0})

    def test_policy_quota(self):
        """console: quotas of a pool and of everyone are set, say what is used, and are taken away by emptying them"""
        web, admin = self.web, self.site.admin
        web.open(at="/pools/office?tab=policy")
        web.see(text="All its desktops together")
        web.fill(label="Running desktops", text="3")
        web.press(name="Save: Quota of the pool")
        web.see(text="The quota of office is set")
        self.assertEqual([(q["who"], q["limits"]) for q in admin.items("/quotas")], [("pool:office", {"running": 3})])
        web.fill(label="Running desktops", text="")
        web.press(name="Save: Quota of the pool")
        self.site.wait(lambda: not admin.items("/quotas"), 10, "no quota")
        web.open(at="/settings?tab=quotas")
        self.clean("quotas-empty")
        web.press(name="Set the first quota")
        web.fill(label="Processors of running ones", text="4")
        self.clean("quota-set")
        web.press(name="Save")
        web.see(text="The quota of everyone is set")
        self.assertEqual(admin.items("/quotas")[0]["limits"], {"cpus": 4})
        self.clean("quotas")
        web.press(name="Take away")
        web.press(name="Take away")
        web.see(text="everyone has no quota of its own now")

    def test_one_pool(self):
        """console: who runs one pool sees that pool, its desktops and sessions after the login, changes it, and nothing of the site's other pages"""
        site = self.site
        site.pool("elsewhere", size_max=1, spare=0)
        password = site.admin.post("/users", {"name": "pia", "role": "user"})["password"]
        site.admin.post("/pools/office/roles", {"who": "pia", "role": "operator"})
        theirs = Browser(f"https://127.0.0.1:{site.ports['https']}", SHOTS)
        self.addCleanup(theirs.close)
        theirs.open(at="/")
        theirs.fill(label="User name", text="pia")
        theirs.fill(label="Password", text=password)
        theirs.press(name="Log in")
        theirs.see(text="office")
        self.clean("one-pool", web=theirs)
        theirs.gone(text="elsewhere")
        theirs.gone(text="Events and audit")
        theirs.open(at="/pools/office?tab=policy")
        theirs.fill(label="Failed starts in a row that stop it", text="7")
        theirs.press(name="Save: Breaker")
        theirs.see(text="Breaker of office: saved")
        self.assertEqual(site.admin.get("/pools/office")["breaker_failures"], 7)
        self.clean("one-pool-policy", web=theirs)
        theirs.open(at="/desktops")
        theirs.see(text="office-1")
        theirs.gone(text="This needs the role")
        self.assertEqual(theirs.complaints(), [])

    def test_policy_breaker(self):
        """console: a pool whose breaker is open says why and until when, and goes on when a person says so"""
        web = self.web
        self.site.pool("stuck", size_max=1, spare=0)
        self.site.postgres.psql("UPDATE pane.pool SET failures = 5, stopped_at = now(), try_at = now() + '10 min', "
                                "stopped_reason = '5 desktops in a row could not be started' WHERE name = 'stuck'")
        web.open(at="/pools/stuck?tab=policy")
        web.see(text="5 desktops in a row could not be started")
        self.clean("pool-stopped")
        web.fill(label="Failed starts in a row", text="7")
        web.press(name="Save: Breaker")
        web.see(text="Breaker of stuck: saved")
        web.press(name="Retry now")
        web.see(text="Pool stuck goes on")
        web.gone(text="5 desktops in a row could not be started")
        now = self.policy("stuck")
        self.assertEqual((now["state"], now["breaker_failures"]), ("active", 7))
        self.site.admin.call("DELETE", "/pools/stuck")

    def test_policy_entitlement(self):
        """console: one entitlement has hours of its own, and what follows a logoff is chosen for a dedicated pool"""
        web, admin = self.web, self.site.admin
        self.site.pool("own", size_max=1, spare=0, assignment="dedicated")
        admin.post("/pools/own/entitlements", {"user": "carol"})
        web.open(at="/pools/own?tab=policy")
        web.select(label="A dedicated desktop", value="off")
        web.press(name="Save: After the logoff")
        web.see(text="After the logoff of own: saved")
        web.open(at="/pools/own?tab=people")
        web.press(name="Change when carol may enter")
        web.fill(label="Hours", text="mon-fri 09:00-17:00")
        self.clean("entitlement-rule")
        web.press(name="Save")
        web.see(text="The entitlement of carol is changed")
        web.see(text="mon-fri 09:00-17:00")
        self.assertEqual(admin.items("/pools/own/entitlements")[0]["hours"], ["mon-fri 09:00-17:00"])
        self.assertEqual(self.policy("own")["after_logoff"], "off")
        admin.call("DELETE", "/pools/own?force=true")

    def test_policy_economy(self):
        """console: the policy tab sets what desktops take of their host, says what merging memory risks, and keeps the figures it does not touch"""
        web, admin = self.web, self.site.admin
        self.site.pool("machines", spare=0, isolation="vm") # containers have no pages to merge
        admin.call("PATCH", "/pools/machines", {"limits": {"net": {"ops_per_s": 900}}})
        web.open(at="/pools/machines?tab=policy")
        web.see(text="only where all its users may trust each other")
        self.assertTrue(web.disabled(name="Save: Memory and rates"))
        web.fill(label="Memory of a host that may be promised", text="99")
        web.see(text="A whole number from 100 to 1000.")
        web.fill(label="Memory of a host that may be promised", text="150")
        web.select(label="Equal pages of desktops", value="merge")
        web.fill(label="Disk (MB a second)", text="20")
        web.press(name="Save: Memory and rates")
        web.see(text="Memory and rates of machines: saved")
        now = self.policy("machines")
        self.assertEqual((now["overcommit"], now["memory"], now["limits"]),
                         (150, {"merge": True}, {"net": {"ops_per_s": 900}, "disk": {"bytes_per_s": 20000000}}))
        admin.call("DELETE", "/pools/machines")

    def test_policy_recording(self):
        """console: a pool's sessions are recorded as its policy tab says, what else the policy says stays, and the page of recordings says how to get one"""
        web, admin = self.web, self.site.admin
        web.open(at="/recordings")
        web.see(text="There is no recording")
        self.clean("recordings-empty")
        admin.call("PATCH", "/pools/office", {"policy": {"clipboard": "in"}})
        web.open(at="/pools/office?tab=policy")
        self.assertTrue(web.disabled(name="Save: Recording"))
        web.select(label="What is done in sessions", value="on")
        web.fill(label="Recordings are kept", text="0")
        web.see(text="A whole number from 1 to 3650.")
        self.assertTrue(web.disabled(name="Save: Recording"))
        web.fill(label="Recordings are kept", text="7")
        self.clean("pool-recording")
        web.press(name="Save: Recording")
        web.see(text="Recording of office: saved")
        self.assertEqual(self.policy()["policy"], {"clipboard": "in", "recording": True, "recording_required": False, "recording_days": 7})

    def test_thin_clients(self):
        """console: a code is made and shown once; the terminal it enrols is listed, configured, and forgotten after its name was typed"""
        web, admin = self.web, self.site.admin
        web.open(at="/thin-clients")
        web.see(text="No terminal yet")
        web.press(name="Enrol terminals")
        web.fill(label="Name", text="lobby")
        self.clean("thin-clients-enrol")
        web.press(name="Make code")
        web.see(text="Good for one terminal")
        web.press(name="Done")
        code = admin.post("/terminals/codes", {"name": "lobby"})["code"]
        admin.post("/terminals/enrol", {"code": code, "hardware": "m1", "version": "0.1", "addresses": "192.0.2.7"})
        web.open(at="/overview")
        web.open(at="/thin-clients")
        web.see(text="192.0.2.7")
        self.clean("thin-clients")
        web.press(name="Configure lobby")
        web.fill(label="Keyboard", text="de,us")
        web.fill(label="PIN of its administrator", text="4711")
        self.clean("thin-clients-configure")
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
        self.clean("host-drain")
        web.press(name="Drain")
        web.see(text="Drained for maintenance: no new desktops")
        self.assertEqual(self.site.admin.call("GET", "/hosts/local")[1]["state"], "draining")
        self.site.pool("late", size_max=1, spare=1)
        web.see(text="host local: in maintenance: a new power supply")
        self.clean("host-drained")
        web.press(name="Bring back")
        web.see(text="local may have desktops again")
        self.site.wait(lambda: self.site.admin.call("GET", "/desktops/late-1")[1].get("state") == "ready", 30, "the late desktop")
        web.logout(user="root")

    # ---- the desktop in the page -----------------------------------------------------------------
    def test_full_screen(self):
        """viewer: full screen is entered and left by its button, and the desktop goes on"""
        web = self.web
        type(self).alice = self.site.user("alice", "office")
        web.login(user="alice", password=self.alice)
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
        web.logout(user="alice")

    # ---- somebody else's screen ------------------------------------------------------------------
    def test_see_screen(self):
        """console: the help desk sees the screen of a session in the page, its row says who looks, and the session goes on after it"""
        web, site = self.web, self.site
        site.admin.call("PATCH", "/pools/office", {"shadow": "notice"})
        theirs = Browser(f"https://127.0.0.1:{site.ports['https']}")
        self.addCleanup(theirs.close)
        theirs.login(user="alice", password=self.alice)
        theirs.open(at="/my")
        theirs.press(name="Connect")
        theirs.screen()
        site.wait_session("alice", "connected")
        self.login("carol", PASSWORD, self.recovery[2])
        web.open(at="/sessions")
        web.press(name="See screen")
        web.screen()
        web.shot(name="see-screen")
        lookers = lambda: [h["name"] for s in site.admin.items("/sessions") for h in s.get("helpers", [])]
        site.wait(lambda: lookers() == ["carol"], 30, "who looks in the list")
        web.press(name="Disconnect")
        web.heading(text="Sessions")
        site.wait(lambda: not lookers(), 30, "nobody looks any more")
        self.assertEqual(theirs.count(selector='[data-phase="shown"]'), 1)
        web.logout(user="carol")
        theirs.press(name="Disconnect")
        site.wait_session("alice", "disconnected")

    def test_recordings(self):
        """console: a recorded session is listed, downloaded whole, and deleted after its desktop's name was typed; the row goes when its host has done it"""
        web, site = self.web, self.site

        def ended():
            rows = site.admin.items("/recordings")
            return bool(rows) and all(r["state"] == "kept" for r in rows) and rows
        one = max(site.wait(ended, 60, "the recordings' end"), key=lambda r: r["bytes"])
        self.login("root", self.password)
        web.open(at="/recordings")
        web.see(text=one["desktop"])
        self.clean("recordings")
        button = f"{one['desktop']} {one['began_at']}"
        file = web.saved(press=f"Download {button}")
        site.pane_login()
        site.pane("record", "export", one["id"], f"{site.run}/one.mkv")
        with open(f"{site.run}/one.mkv", "rb") as kept:
            self.assertEqual(hashlib.sha256(kept.read()).hexdigest(), file["sha256"])
        self.assertRegex(file["name"], rf"^{one['desktop']}-alice-.*\.mkv$")
        before = len(web.rows(table="Recordings"))
        web.press(name=f"Delete {button}")
        self.assertTrue(web.disabled(name="Delete"))
        web.type(text=one["desktop"])
        web.press(name="Delete")
        web.see(text="deletes the recording of alice")
        site.wait(lambda: one["id"] not in [r["id"] for r in site.admin.items("/recordings")], 60, "its end on the host")
        if before > 1:
            site.wait(lambda: len(web.rows(table="Recordings")) == before - 1, 30, "its row")
        else:
            web.see(text="There is no recording")
        said = site.postgres.psql("SELECT to_state FROM pane.event WHERE kind = 'recording'").split()
        self.assertLessEqual({"kept", "gone"}, set(said), "each a reason to read the list anew")
        web.logout(user="root")


if __name__ == "__main__":
    unittest.main()
