# SPDX-License-Identifier: GPL-3.0-or-later
"""Container desktops with the real clients: a word typed into the desktop's terminal is read from the user's home on
the host, found again over another protocol, and survives what is killed. Users get their own home wherever they land."""
import os
import signal
import unittest

import cell
import whole

TIMEOUT = 300


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = cell.why_not()
        if why:
            raise unittest.SkipTest(why)
        cls.site = whole.cell_site().up()
        cls.passwords = {}

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "site"):
            cls.site.down()

    def pool(self, *users, **more):
        """A pool whose desktops' names no other site on this machine has."""
        name = whole.word()
        self.site.pool(name, **{"image": "debian", "isolation": "container", "memory_mib": 512, **more})
        for user in users:
            self.passwords[user] = self.site.user(user, name)
        self.site.wait(lambda: any(d["state"] == "ready" and d["pool"] == name for d in self.site.admin.items("/desktops")),
                       30, "a warm desktop")
        return name

    def visit(self, user, act, client="xfreerdp"):
        """One session with one client: act(screen, desktop) in it, then leave."""
        screen = whole.Screen(self.site.run)
        try:
            child = getattr(self.site, client)(screen, user, self.passwords[user])
            desktop = self.site.wait_session(user, "connected", 30)
            screen.wait_picture(4)
            found = act(screen, desktop)
            screen.close(child)
            return found
        finally:
            screen.end()

    def write(self, screen, desktop, name="word"):
        """Types a word into a file of the home; the word, once the host can read it there."""
        pid = self.site.process_of(desktop, "vmm")
        self.site.wait(lambda: "bash" in [cell.comm(p) for p in cell.tree(pid)], 20, "the desktop's terminal")
        whole.wait_until(lambda: whole.different(screen.shot("still"), screen.shot("still again")) == 0, 20, "a still picture")
        word = whole.word()
        screen.type(f"echo {word} >{name}\n")
        self.site.wait(lambda: cell.home_text(self.site, desktop, name) == word, 20, f"'{word}' in the home on the host")
        return word


class Clients(Story):
    def test_every_client(self):
        """a word typed with xfreerdp, TigerVNC and pane-thin is in the home; each finds the same session"""
        self.pool("alice")
        seen = set()
        for client in ("xfreerdp", "vncviewer", "thin"):
            def act(screen, desktop):
                self.write(screen, desktop, client)
                seen.add((desktop["name"], self.site.process_of(desktop, "vmm")))
            self.visit("alice", act, client)
            self.site.wait_session("alice", "disconnected")
        self.assertEqual(len(seen), 1)
        desktop = self.site.desktop_of("alice")
        self.assertTrue(all(cell.home_text(self.site, desktop, c) for c in ("xfreerdp", "vncviewer", "thin")))

    def test_killed(self):
        """pane-display, pane-host, then pane-cell are killed: the viewer's picture, the desktop, the home come back"""
        desktop = self.site.desktop_of("alice")
        cell_pid = self.site.process_of(desktop, "vmm")

        def act(screen, _):
            os.kill(self.site.process_of(desktop, "display"), signal.SIGKILL)
        self.visit("alice", act)
        host = self.site.pid("host")
        os.kill(host, signal.SIGKILL)
        self.site.wait(lambda: self.site.pid("host") not in (None, host), 20, "the next pane-host")
        self.site.wait(lambda: self.site.admin.items("/hosts")[0]["state"] == "online", 20, "the host's report")
        self.assertEqual(self.site.process_of(desktop, "vmm"), cell_pid)
        before = self.visit("alice", self.write)
        os.kill(cell_pid, signal.SIGKILL)
        self.site.wait(lambda: self.site.process_of(desktop, "vmm") not in (None, cell_pid), 20, "the next pane-cell")
        self.site.wait_state(desktop["name"], "ready")
        self.site.wait(lambda: cell.home_text(self.site, desktop, "word") == before, 20, "the word in the home")
        self.visit("alice", self.write, "vncviewer")


class Owners(Story):
    def test_two_users(self):
        """two users of a floating pool have a desktop and a home each; a new desktop has the same home"""
        pool = self.pool("bob", "carol", assignment="floating", spare=2)
        words, homes = {}, {}
        for user in ("bob", "carol"):
            words[user] = self.visit(user, self.write)
            homes[user] = self.site.desktop_of(user)["name"]
        self.assertEqual(len(set(homes.values())), 2)
        for user in ("bob", "carol"):
            self.assertEqual(cell.home_text(self.site, self.site.desktop_of(user), "word"), words[user])
        self.site.admin.post(f"/desktops/{homes['bob']}/release", {})
        self.site.wait(lambda: not self.site.desktop_of("bob"), 10, "bob's desktop released")
        self.site.wait(lambda: sum(d["state"] == "ready" and not d["user"] for d in self.site.admin.items("/desktops")
                                   if d["pool"] == pool) >= 2, 30, "warm desktops again")

        def look(screen, desktop):
            return self.site.wait(lambda: cell.home_text(self.site, desktop, "word"), 10, "the home")
        self.assertEqual(self.visit("bob", look), words["bob"])

    def test_refusal(self):
        """a pool of virtual machines on a host without hardware for them is refused with the host's reason"""
        if whole.probe(whole.BUILD).get("kvm") == "hardware":
            self.skipTest("this machine has hardware virtualization")
        name = whole.word()
        self.site.pool(name, image="debian", isolation="vm")
        row = self.site.wait(lambda: (p := self.site.admin.call("GET", f"/pools/{name}")[1])["blocked"] and p, 10, "a reason")
        self.assertIn("host local has no hardware virtualization", row["blocked"][0])
        self.site.admin.call("DELETE", f"/pools/{name}")


if __name__ == "__main__":
    unittest.main()
