# SPDX-License-Identifier: GPL-3.0-or-later
"""The console in other languages than English: each screen with every message marked, which shows English that no
translator ever sees; and in German, from the login to a pool. Pictures of the German screens: build/console/shots."""
import re
import subprocess
import unittest

import whole
from browser import TOP
from consolestory import ConsoleStory

TIMEOUT = 900
PASSWORD = "a password of alice"

# Letters on a screen that are data: names, addresses, what the server itself says in words, languages by their own name.
DATA = [
    r"(root|admin|alice|sales|office|second|office-\d+|card|local|stable|everyone|Alice Adams|rdp|rfb|sdk|nightly|till-1|pane|Who sells|ill)",
    r"(group:|member:|user:)\w+", r"[\w.-]+@[\w.-]+", r"English|Deutsch", r"TLS", r"[0-9a-f]{8,}", r"v?[0-9a-f.]+(-\w+)*", r"\w+\.\w+(\.\w+)*",
    r"Chrome \d+", r"x86-64|hardware|interpreted|cgroup.*", r"pane-host .*", r"Mozilla/.*", r"has no hardware virtualization.*", r"Europe/Berlin|UTC|\(UTC\)",
]

PLACES = [
    "/", "/helpdesk?q=alice", "/new-employee", "/pools", "/pools/new", "/pools/office", "/pools/office?tab=desktops", "/pools/office?tab=image",
    "/pools/office?tab=policy", "/pools/office?tab=people", "/desktops", "/desktops?view=wall", "/desktops?q=nothinglikethis", "/desktops/office-1", "/sessions", "/recordings",
    "/users", "/users?form=create", "/users/alice", "/groups", "/groups?form=create", "/groups/sales", "/import", "/logons", "/upload", "/images", "/images/card",
    "/hosts", "/hosts?form=enrol", "/hosts/local", "/thin-clients", "/thin-clients?form=enrol", "/audit", "/settings", "/settings?tab=lockouts", "/settings?tab=quotas",
    "/settings?tab=providers", "/settings?tab=bin", "/settings?tab=homes", "/settings?tab=configuration", "/my", "/password", "/second-factor", "/logins", "/nowhere", "/welcome/x",
]

# Those with the longest words in the least room.
FULL = ["/", "/helpdesk?q=alice", "/new-employee", "/pools/new", "/pools/office?tab=policy", "/desktops", "/desktops?view=wall", "/desktops/office-1", "/users/alice", "/import", "/hosts/local", "/settings?tab=quotas",
        "/my", "/second-factor"]


class Language(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(lambda: whole.card_site(runs=False), cls.fill)

    @classmethod
    def fill(cls):
        """Something on every page."""
        cls.site.pool("office", size_max=3, spare=0, memory_mib=128)
        # Nothing runs here, so that any machine will do.
        cls.site.postgres.psql("INSERT INTO pane.desktop (pool_id, name, state, since, reason) SELECT p.id, 'office-' || n, "
                               "(ARRAY['failed', 'lost', 'suspended'])[n]::pane.machine_state, now(), '' FROM pane.pool p, generate_series(1, 3) n WHERE p.name = 'office'")
        cls.site.admin.post("/users", {"name": "alice", "full_name": "Alice Adams", "email": "alice@example.org", "password": PASSWORD})
        cls.site.admin.post("/groups", {"name": "sales", "description": "Who sells"})
        cls.site.admin.post("/groups/sales/members", {"user": "alice"})
        cls.site.admin.post("/pools/office/entitlements", {"user": "alice"})
        cls.site.admin.post("/quotas", {"who": "everyone", "desktops": 5})
        cls.site.admin.post("/tokens", {"name": "nightly", "scope": "readonly", "expires_in_s": 86400})

    def english(self, where):
        """What is neither marked nor data on the screen that is shown."""
        data = DATA + ([r"[\w.-]+(/[\w.-]+)?"] if where.startswith("/audit") else []) # actions and objects by their own names
        known = lambda text: any(re.fullmatch(d, text) for d in data)
        words = lambda text: [w for w in re.split(r"[\s,;:()=→“”]+", text) if re.search(r"[^\W\d_]", w)]
        return [f"{where}: {x}" for x in self.web.unmarked() if not known(x) and not all(known(w) for w in words(x))]

    def test_1_every_string_is_a_message(self):
        """console: no screen shows English that is not a message of the catalogues"""
        web = self.web
        web.login(user="root", password=self.password)
        web.open(at="/")
        places = set(web.links(selector="nav a")) | set(PLACES)
        web.language(tag="x-pseudo")
        wrong = []
        for at in sorted(places):
            web.open(at=at)
            web.wait(ms=150)
            wrong += self.english(at)
        # Dialogs and menus of a desktop, the account, the wizard's later steps.
        web.open(at="/desktops/office-1")
        web.press(name="[!!! Recycle !!!]")
        wrong += self.english("a desktop's question")
        web.open(at="/hosts/local")
        web.press(name="[!!! Drain !!!]")
        wrong += self.english("drain")
        web.open(at="/")
        web.press(name="[!!! root: account and appearance !!!]")
        wrong += self.english("the account's menu")
        web.open(at="/pools/new")
        web.fill(label="Name", text="second")
        for step in range(4):
            web.press(name="[!!! Next !!!]")
            wrong += self.english(f"the wizard's step {step + 2}")
        self.assertEqual(sorted(set(wrong)), [], "\n".join(sorted(set(wrong))))

    def test_2_login(self):
        """console: the login page is marked too, and English loads no other language"""
        web = self.web
        web.open(at="/")
        web.press(name="[!!! root: account and appearance !!!]")
        web.item(name="[!!! Log out !!!]")
        web.see(text="[!!! User name !!!]")
        self.assertEqual(self.english("login"), [])
        web.language(tag="en")
        web.see(text="User name")
        self.assertEqual(web.loaded(pattern="/de-"), [])
        self.assertEqual(web.tongue(), "en")

    def test_3_german(self):
        """console: German is chosen on the login page and stays; one logs in, makes a pool and reads a plural"""
        web = self.web
        web.open(at="/")
        web.select(label="Language", value="de")
        web.see(text="Bei Pane anmelden")
        self.assertEqual(web.tongue(), "de")
        self.assertEqual(len(web.loaded(pattern="/de-")), 1)
        self.assertEqual(web.look(name="de-login"), [])
        web.fill(label="Benutzername", text="root")
        web.fill(label="Kennwort", text="wrong")
        web.press(name="Anmelden")
        web.see(text="Bitten Sie mit dieser ID um Hilfe")
        web.fill(label="Kennwort", text=self.password)
        web.press(name="Anmelden")
        web.heading(text="Übersicht")
        web.open(at="/pools/new")
        web.fill(label="Name", text="buero")
        web.press(name="Weiter")
        web.see(text="Der Pool folgt diesem Tag")
        web.press(name="Weiter")
        web.fill(label="Desktops höchstens", text="1")
        web.fill(label="Arbeitsspeicher", text="128")
        web.fill(label="Bereitgehalten", text="1")
        web.press(name="Weiter")
        web.press(name="Weiter")
        web.see(text="höchstens 1 Desktop, 1 bereitgehalten")
        web.press(name="Anlegen")
        web.heading(text="Der Pool buero ist angelegt")
        self.assertEqual(self.site.admin.call("GET", "/pools/buero")[1]["size_max"], 1)
        web.reload()
        web.open(at="/sessions")
        web.see(text="Niemand ist an einem Desktop")
        web.open(at="/pools/office")
        web.press(name="Größe ändern")
        web.fill(label="Desktops höchstens", text="4")
        web.press(name="Speichern")
        web.see(text="Der Pool office ist geändert")
        self.assertEqual(self.site.admin.call("GET", "/pools/office")[1]["size_max"], 4)

    def test_4_german_screens(self):
        """console: German fits narrow and wide screens, and is clean of accessibility faults"""
        for at in FULL:
            with self.subTest(at):
                name = "de-" + re.sub(r"\W+", "-", at).strip("-")
                self.assertEqual(self.web.look(name=name, at=at), [])

    def test_catalogues(self):
        """console: every catalogue has the values its messages have, and nothing that no page says"""
        got = subprocess.run(["node", f"{TOP}/broker/console/tools/messages.mjs", "--check"], capture_output=True, text=True, check=False)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)


if __name__ == "__main__":
    unittest.main()
