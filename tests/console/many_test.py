# SPDX-License-Identifier: GPL-3.0-or-later
"""The console with 10,000 desktops in it, and with names and texts that somebody means ill with. How long things take
is told, not judged."""
import http.client
import re
import time
import unittest

import whole
from consolestory import ConsoleStory

TIMEOUT = 600
EVIL = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


class Many(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        def site():
            made = whole.card_site(runs=False)
            made.directory = {"uri": "ldapi://%2fnowhere", "user_base": "dc=x", "sync_s": 0}  # one that is away
            return made

        cls.begin(site, cls.many)
        cls.web.login(user="root", password=cls.password)

    @classmethod
    def many(cls):
        """10,000 desktops of a pool, where nothing runs, a few of them lost; and ill meant text wherever text can be."""
        site = cls.site
        site.pool("big", size_max=10000, spare=0)
        site.postgres.psql("INSERT INTO pane.desktop (pool_id, name, state, since, reason) SELECT p.id, 'big-' || n, 'failed', now(), "
                           f"CASE n WHEN 7 THEN '{EVIL}' ELSE '' END FROM pane.pool p, generate_series(1, 10000) n WHERE p.name = 'big'; "
                           "UPDATE pane.desktop SET state = 'lost' WHERE name LIKE 'big-99_'; ANALYZE")
        site.admin.post("/users", {"name": "mallory", "full_name": EVIL, "email": EVIL, "password": "a password of mallory"})
        site.admin.post("/groups", {"name": "ill", "description": EVIL})
        site.admin.post("/groups/ill/members", {"user": "mallory"})
        site.admin.call("POST", "/login", {"user": EVIL, "password": EVIL})
        site.admin.post("/images", {"name": "ill", "size": 1, "sha256": "0" * 64, "changelog": EVIL})

    def shown(self, text):
        """The rows of the table once its first one has this text."""
        return self.site.wait(lambda: (lambda rows: text in (rows or [""])[0] and rows)(self.web.rows(table="Desktops")), 20, text)

    def test_filter(self):
        """console: of 10,000 desktops a page is read at a time; search, choices and order are the server's, numbers in order"""
        web = self.web
        web.open(at="/desktops")
        names = [re.search(r"big-\d+", row)[0] for row in self.shown("big-1")]
        self.assertEqual(names[:3] + names[9:11], ["big-1", "big-2", "big-3", "big-10", "big-11"])
        self.assertEqual(len(names), 50)
        took = []
        for text, n in (("big-777", 11), ("lost", 10), ("ig-123 4", 1), ("big-1234", 1)):
            web.fill(label="Search Desktops", text="")
            self.shown("big-1")
            first = {"lost": "big-990", "ig-123 4": "big-1234"}.get(text, text)
            since = int(time.time() * 1000)
            web.fill(label="Search Desktops", text=text)
            rows = self.site.wait(lambda: (lambda rows: len(rows) < 50 and first in rows[0] and rows)(web.rows(table="Desktops")), 20, text)
            took.append(int(time.time() * 1000) - since)
            self.assertEqual(len(rows), n)
        print(f"# a search among 10,000 desktops until its rows are shown: {took} ms")
        web.fill(label="Search Desktops", text="")
        web.select(label="State", value="lost")
        self.assertEqual(len(self.shown("big-990")), 10)
        self.assertIn("only=state%3Alost", web.address())
        web.open(at="/desktops?sort=-name")
        self.shown("big-10000")

    def test_all(self):
        """console: all that match are selected at once, and the CSV has all of them, not a page"""
        web = self.web
        web.open(at="/desktops?q=big-9")
        self.shown("big-9")
        web.click(selector="thead input[type=checkbox]")
        web.see(text="50 selected")
        web.press(name="Select all 1111")
        web.see(text="1111 selected")
        web.press(name="Select none")
        lines = web.saved(press="Export CSV")["text"].strip().splitlines()
        self.assertEqual(len(lines), 1112)

    def test_scroll(self):
        """console: 500 rows on one page: those in sight and near it are there, numbered among all; scrolling brings the others, and Tab never skips one"""
        web = self.web
        web.open(at="/desktops?per=500")
        self.shown("big-1")
        self.site.wait(lambda: web.count(selector='table[aria-rowcount="501"]'), 30, "500 rows")
        self.assertEqual(web.count(selector='tr[aria-rowindex="2"]'), 1)
        self.assertLess(web.count(selector="tr[aria-rowindex]"), 200)
        self.assertEqual(web.count(selector='tr[aria-rowindex="501"]'), 0)
        self.clean("desktops-long")
        web.open(at="/desktops?per=500")
        self.shown("big-1")
        web.tab(name="big-1")
        for n in range(2, 40): # each row has a box, two links and a menu
            self.assertLessEqual(web.tab(name=f"big-{n}"), 4, "Tab goes from row to row")
        found = web.scroll(selector="#main, .pf-v6-c-page__main-container .pf-v6-c-page__main")
        print(f"# scrolling 500 rows: {found['frames']} frames, median {found['median']:.0f} ms, longest {found['longest']:.0f} ms")
        self.assertGreater(found["frames"], 5)
        self.site.wait(lambda: web.count(selector='tr[aria-rowindex="501"]'), 10, "the last row")
        self.assertEqual(web.count(selector='tr[aria-rowindex="250"]'), 0)
        self.assertEqual(web.count(selector='tr[aria-rowindex="41"]'), 1, "what has the focus stays")
        self.assertLess(web.count(selector="tr[aria-rowindex]"), 200)

    def test_menu(self):
        """console: a row's menu opens and closes by keys alone, with the focus in it and then back on its button"""
        web = self.web
        web.open(at="/desktops?q=big-1234")
        self.shown("big-1234")
        web.tab(name="Actions on big-1234")
        web.key(keys=["Enter"])
        web.see(text="Recycle")
        web.tab(name="Actions on big-1234", most=1)
        web.key(keys=["ArrowDown"])
        self.site.wait(lambda: web.focused() == "Restart", 10, "the first of the menu")
        below = web.place(of="Restart")["top"] - web.place(of="Actions on big-1234")["bottom"]
        self.assertLess(abs(below), 30, "the menu is at its button")
        self.clean("row-menu")
        web.key(keys=["Escape"])
        web.gone(text="Recycle")
        web.tab(name="Actions on big-1234", most=1)

    def test_ill_meant_text(self):
        """console: text that a user, a guest or a stranger chose is shown as it is and is never markup, on every screen"""
        web = self.web
        for at in ("/", "/desktops?q=big-7%20img", "/desktops/big-7", "/users", "/users/mallory", "/groups", "/groups/ill", "/audit",
                   "/images", "/images/ill", "/helpdesk?q=mallory", "/settings?tab=lockouts", "/pools/big", "/logins"):
            web.open(at=at)
            web.wait(ms=300)
            self.assertEqual(web.count(selector="img[src=x], main script"), 0, at)
        web.open(at="/desktops/big-7")
        web.see(text=EVIL)
        web.open(at="/users/mallory")
        web.see(text=EVIL)

    def test_directory(self):
        """settings: where the directory is and how its last comparison went; a test says which step fails, and why"""
        web = self.web
        web.open(at="/settings?tab=providers")
        web.see(text="ldapi://%2fnowhere")
        web.see(text="only when asked for")
        web.fill(label="Also look for this user", text="mallory")
        web.press(name="Test the directory")
        web.see(text="It fails at the last step shown")
        self.assertEqual(web.look(name="directory"), [])

    def test_policy(self):
        """console: the page's policy has nothing inline, no other site, and no parent"""
        link = self.site.api()
        got = http.client.HTTPSConnection(link.host, link.port, context=link.tls)
        got.request("GET", "/")
        answer = got.getresponse()
        page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
        got.close()
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        self.assertEqual((rules["default-src"], rules["script-src"], rules["style-src"], rules["frame-ancestors"], rules["base-uri"]),
                         ("'none'", "'self'", "'self'", "'none'", "'none'"))
        self.assertNotIn("unsafe", policy)
        self.assertNotIn("https:", policy)
        self.assertNotRegex(page, r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=")


if __name__ == "__main__":
    unittest.main()
