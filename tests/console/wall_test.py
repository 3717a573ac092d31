# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall of live pictures, against a real site: what a host's agent reads from its desktops reaches the page, when
somebody looks and only then."""
import unittest

import rfb
import whole
from consolestory import ConsoleStory

TIMEOUT = 600


class Wall(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(whole.cell_site, cls.prepare)
        cls.web.login(user="root", password=cls.password)

    @classmethod
    def prepare(cls):
        cls.site.pool("office", size_max=4, spare=2)
        cls.site.wait_ready(2)
        cls.alice = cls.site.user("alice", "office")
        cls.site.admin.post("/users/alice/desktops", {"pool": "office"})

    def readers(self):
        """How many surfaces of this site's desktops the host agent is connected to."""
        with open("/proc/net/unix", encoding="ascii") as file:
            rows = [line.split() for line in file if line.rstrip().endswith("surface.sock.p")]
        return sum(row[7].startswith(self.site.run) and row[5] == "03" for row in rows)

    def pictures(self):
        rows = self.site.postgres.psql("SELECT d.name || ' ' || p.etag FROM pane.picture p JOIN pane.desktop d ON d.id = p.desktop_id")
        return dict(row.split() for row in rows.split("\n") if row)

    def test_nobody_looks(self):
        """pictures: while nobody looks the host makes none and is connected to no desktop's surface"""
        self.web.open(at="/desktops")
        self.web.see(text="office-2")
        self.assertEqual((self.readers(), self.pictures()), (0, {}))

    def test_wall(self):
        """console: the wall shows the screen of each running desktop, and is clean of accessibility faults in light and dark"""
        web = self.web
        web.press(name="Wall")
        self.assertIn("view=wall", web.address())
        for name in ("office-1", "office-2"):
            shot = web.picture(of=name)
            self.assertGreaterEqual(shot["width"], 200)
            self.assertLessEqual(shot["width"], 320)
            self.assertLessEqual(shot["height"], 200)
        self.clean("wall")

    def test_live(self):
        """console: what a person does on a desktop is seen on the wall by its event; other pictures are not read again"""
        web, site = self.web, self.site
        mine = site.desktop_of("alice")["name"]
        other = next(n for n in ("office-1", "office-2") if n != mine)
        viewer = rfb.Rfb(site.ports["rfb"], f"{site.pki}/ca.crt", "alice", self.alice)
        self.addCleanup(viewer.close)
        site.wait_session("alice", "connected")
        web.open(at="/desktops?view=wall")
        before, still = web.picture(of=mine), web.picture(of=other)
        web.wait(ms=3000)
        before = web.picture(of=mine)
        web.asked()
        for letter in "seen on the wall":
            viewer.key(ord(letter))
        web.picture(of=mine, etag=before["etag"])
        self.assertEqual(web.picture(of=other)["etag"], still["etag"])
        self.assertIn("POST /api/v1/pictures", web.asked())
        self.assertEqual(self.readers(), len(site.admin.items("/desktops")))

    def test_keyboard(self):
        """console: the wall is walked and a desktop opened from it by keyboard alone; its page shows its screen, too"""
        web = self.web
        web.open(at="/desktops?view=wall")
        web.see(text="office-2")
        web.tab(name="office-2")
        web.key(keys=["Enter"])
        web.heading(text="office-2")
        web.picture(of="office-2")
        self.clean("desktop-screen")

    def test_nobody_looks_any_more(self):
        """pictures: a minute after the last look the host lets go of the desktops"""
        self.web.open(at="/users")
        self.site.postgres.psql("UPDATE pane.watch SET until = now()")
        self.site.wait(lambda: self.readers() == 0, 40, "the agent to hang up")

    def test_readonly(self):
        """console: who may only read sees the wall without anybody's screen, and is told why"""
        password = self.site.admin.post("/users", {"name": "auditor", "role": "readonly"})["password"]
        self.web.logout(user="root")
        self.web.login(user="auditor", password=password)
        self.web.open(at="/desktops?view=wall")
        self.web.see(text="Pictures are shown to help desk and above")
        self.assertEqual(self.web.count(selector=".pane-picture img"), 0)
        self.web.logout(user="auditor")

    def test_portal(self):
        """portal: one's own desktop is shown with its last picture"""
        name = self.site.desktop_of("alice")["name"]
        self.web.login(user="alice", password=self.alice)
        self.web.open(at="/my")
        self.web.picture(of=name)
        self.clean("portal-picture")


if __name__ == "__main__":
    unittest.main()
