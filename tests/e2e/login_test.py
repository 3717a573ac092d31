# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in with each client, type a word nobody knows, read it back from inside the guest, find it again by
another protocol. The guest is the test card; tests/lab tells the same story with Debian."""
import glob
import os
import re
import resource
import subprocess
import unittest

import cell
import whole
from tools import matroska
from totp import code

TIMEOUT = 240


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.geteuid(): # as a machine that keeps core files would
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        cls.site = whole.card_site()
        cls.site.lobby = True
        cls.site.up()
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def visit(self, start, colours=3, meanwhile=None):
        """One session with one client: type, see it, leave. Returns the last picture."""
        screen = whole.Screen(self.site.run)
        try:
            client = start(screen)
            desktop = self.site.wait_session("alice", "connected")
            screen.wait_picture(colours)
            before = screen.shot("before")
            word = whole.word()
            screen.type(word + "\n")
            self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, f"'{word}' inside the guest")
            whole.wait_until(lambda: whole.different(before, screen.shot("after")) > 50, 10, "the word on the screen")
            after = screen.shot("last")
            if meanwhile:
                meanwhile(screen, after)
            screen.close(client)
            self.site.wait_session("alice", "disconnected")
            return after
        finally:
            screen.end()

    def test_xfreerdp(self):
        """xfreerdp3: a word typed is read inside the guest and seen on the screen, and so is an administrator's message, until it is taken back"""
        self.visit(lambda s: self.site.xfreerdp(s, "alice", self.password), meanwhile=self.message)

    def message(self, screen, before):
        session = self.site.admin.items("/sessions")[0]["id"]
        self.site.pane_login()
        self.site.pane("sessions", "message", session, "Grüße: {left}", "--seconds", "600")
        whole.wait_until(lambda: screen.share((0x20, 0x26, 0x32), near=0) > 0.001, 20, "the message on the screen")
        self.site.pane("sessions", "clear", session)
        whole.wait_until(lambda: whole.different(before, screen.shot("cleared")) == 0, 20, "the picture as it was")

    def test_lobby(self):
        """xfreerdp3 with a wrong password: the lobby, the right one typed there, and a word read inside the guest"""
        def through_the_lobby(screen):
            client = self.site.xfreerdp(screen, "alice", "wrong")
            screen.wait_picture(6)
            screen.type(self.password + "\n")
            return client
        self.visit(through_the_lobby)

    def test_recorded(self):
        """a pool's policy has its sessions recorded: the administrator lists, exports and deletes one, and FFmpeg decodes it"""
        lacks = matroska.missing()
        if lacks:
            self.skipTest(f"not here: {' '.join(lacks)}")
        self.site.pane_login()
        pool = self.site.admin.items("/pools")[0]["name"]
        self.site.pane("record", "pool", pool, "on", "--days", "7")
        self.addCleanup(self.site.pane, "record", "pool", pool, "off")
        self.visit(lambda s: self.site.xfreerdp(s, "alice", self.password), colours=2)

        def ended():
            rows = self.site.admin.items("/recordings")
            return rows if rows and all(r["state"] == "kept" for r in rows) else None
        self.site.wait(lambda: ended() is not None, 60, "the recording's end")
        one = max(ended(), key=lambda r: r["bytes"])
        self.assertEqual((one["user"], bool(one["session"])), ("alice", True))
        self.assertIn(one["id"], self.site.pane("record", "list"))
        path = f"{self.site.run}/one.mkv"
        self.site.pane("record", "export", one["id"], path)
        self.assertEqual(os.path.getsize(path), one["bytes"])
        stream = matroska.probe(path)["streams"][0]
        self.assertEqual(stream["codec_name"], "h264")
        self.assertTrue(matroska.last_frame(path, stream["width"], stream["height"]))
        self.site.pane("record", "delete", one["id"])
        self.site.wait(lambda: one["id"] not in [r["id"] for r in self.site.admin.items("/recordings")], 60, "its end on the host")
        actions = [a["action"] for a in self.site.admin.items("/audit") if one["id"] in a["object"]]
        self.assertEqual(sorted(actions), ["recording.delete", "recording.export"])

    def test_vncviewer(self):
        """TigerVNC's viewer: a word typed is read inside the guest and seen on the screen"""
        self.visit(lambda s: self.site.vncviewer(s, "alice", self.password))

    def test_thin(self):
        """pane-thin: a word typed is read inside the guest and seen on the screen"""
        self.visit(lambda s: self.site.thin(s, "alice", self.password))

    def test_same_desktop(self):
        """every one of these was the same desktop, never restarted"""
        desktop = self.site.desktop_of("alice")
        self.assertEqual(desktop["name"], "office-1")
        self.assertEqual(self.site.serial(desktop).count("pane.ready"), 1)
        self.assertEqual(self.site.serial(desktop).count("line "), 5) # of each visit so far

    def test_suspended(self):
        """suspended, its memory is on disk and no process is left; its user's connection goes on with it, and nothing booted"""
        self.site.pane_login()
        self.site.pane("desktops", "suspend", "office-1")
        desktop = self.site.desktop_of("alice")
        self.site.wait(lambda: os.path.exists(f"{self.site.run}/host/desktops/{desktop['id']}/suspended/memory"), 20, "its memory on disk")
        self.assertIsNone(self.site.process_of(desktop, "vmm"))
        self.visit(lambda s: self.site.vncviewer(s, "alice", self.password))
        self.assertNotIn("pane.ready", self.site.serial(desktop))  # the log is of the process that goes on
        self.site.pane("desktops", "suspend", "office-1")
        self.site.pane("desktops", "resume", "office-1") # while its memory may still be on the way to the disk
        self.site.wait_state("office-1", "ready")

    def test_tier(self):
        """a pool with none running and one suspended: the first who comes gets that one, which goes on where it waited and did not boot"""
        self.site.pool("tier", spare=0, spare_suspended=1, size_max=1)
        password = self.site.user("tess", "tier")
        self.site.wait_state("tier-1", "suspended")
        desktop = self.site.desktop("tier-1")
        self.site.wait(lambda: os.path.exists(f"{self.site.run}/host/desktops/{desktop['id']}/suspended/memory"), 30, "its memory on disk")
        self.assertIn(self.site.api().login("tess", password).call("POST", "/tickets", {"pool": "tier"})[0], (200, 202))
        self.site.wait_state("tier-1", "ready")
        self.assertEqual(self.site.desktop_of("tess")["id"], desktop["id"])
        self.assertNotIn("pane.ready", self.site.serial(desktop))  # the log is of the process that goes on
        self.site.admin.need("DELETE", "/pools/tier?force=true")

    def canary(self, password, *more):
        """pane-canary as this site's alice: its exit status, what it said, its metrics."""
        with open(f"{self.site.run}/canary.password", "w", encoding="utf-8") as file:
            file.write(password + "\n")
        done = subprocess.run([f"{whole.TOP}/deploy/canary", "--server", "localhost", "--https", str(self.site.ports["https"]), "--rfb", str(self.site.ports["rfb"]),
                               "--ca", f"{self.site.pki}/ca.crt", "--user", "alice", "--password-file", f"{self.site.run}/canary.password",
                               "--metrics", f"{self.site.run}/canary.prom", *more], capture_output=True, text=True, check=False)
        with open(f"{self.site.run}/canary.prom", encoding="ascii") as file:
            return done.returncode, done.stdout + done.stderr, file.read()

    def test_canary(self):
        """pane-canary gets to a picture and says how long each part took; refused, it says where and why; to Prometheus in both cases"""
        status, said, metrics = self.canary(self.password)
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"reach [\d.]+ s, login [\d.]+ s, desktop [\d.]+ s, picture [\d.]+ s")
        self.assertIn("\npane_canary_success 1\n", metrics)
        self.assertEqual(set(re.findall(r'pane_canary_seconds\{segment="(\w+)"\}', metrics)), {"reach", "login", "desktop", "picture"})
        status, said, metrics = self.canary("not the password")
        self.assertEqual((status, "login failed: " in said), (1, True), said)
        self.assertNotIn("not the password", said)
        self.assertIn("\npane_canary_success 0\n", metrics)
        self.assertIn('pane_canary_failed_segment{segment="login"} 1', metrics)
        status, said, _metrics = self.canary(self.password, "--ca", "/etc/ssl/certs/ca-certificates.crt")
        self.assertEqual((status, "reach failed: the gateway's certificate: " in said), (1, True), said)
        self.site.wait_session("alice", "disconnected")

    def factor(self):
        """alice gets a second factor: its secret, and a code that was good once."""
        mine = self.site.api().login("alice", self.password)
        secret = mine.post("/me/totp", {"password": self.password})["secret"]
        for _ in range(2): # a step may end between the code and its check
            used = code(secret, -1)
            status, _answer = mine.call("POST", "/me/totp/confirm", {"code": used})
            if status == 200:
                return mine, secret, used
        raise AssertionError("no code was taken")

    def daemons(self):
        """Every process of Pane's here: the site's daemons and what they started, not the clients."""
        for name in self.site.daemons:
            for pid in cell.tree(self.site.pid(name)):
                if cell.comm(pid).startswith(("pane-", "postgres")):
                    yield name, pid

    def test_secrets(self):
        """password, ticket, token, TOTP secret and code that were used, and the site's keys, are in no log and nowhere in the database;
        no daemon has one in its environment or command line, or would leave a core file"""
        ticket = self.site.api().login("alice", self.password).post("/tickets", {"pool": "office"})["ticket"]
        mine, secret, used = self.factor()
        screen = whole.Screen(self.site.run)
        self.addCleanup(screen.end)
        client = self.site.vncviewer(screen, "alice", ticket)
        self.site.wait_session("alice", "connected")
        screen.wait_picture(3)
        keys = {}
        for name in ("ca.key", "grant.key", "gateway.key", "secrets.key"):
            with open(f"{self.site.pki}/{name}", encoding="ascii") as file:
                keys[name] = max((line.strip() for line in file if "-----" not in line), key=len)[-40:]
        canaries = {"password": self.password, "ticket": ticket[4:], "token": mine.token, "secret": secret, "code": used, **keys}

        logs = [p for p in glob.glob(f"{self.site.logs}/*") + glob.glob(f"{self.site.run}/host/desktops/*/*.log") if os.path.isfile(p)]
        self.assertGreater(len(logs), 4)
        texts = {}
        for path in logs:
            with open(path, "rb") as file:
                texts[path] = file.read()
        self.assertIn(b"session", b"".join(texts.values()))
        seen = 0
        for name, pid in self.daemons():
            seen += 1
            for what in ("environ", "cmdline"):
                with open(f"/proc/{pid}/{what}", "rb") as file:
                    texts[f"{name} {pid} {what}"] = file.read()
            if cell.comm(pid).startswith("pane-"):
                with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                    core = next(line for line in file if line.startswith("Max core file size"))
                self.assertEqual(core.split()[4], "0", f"{cell.comm(pid)} {pid} would leave a core file")
        self.assertGreater(seen, 6)
        for where, text in texts.items():
            for what, canary in canaries.items():
                # A code is six digits, which may be part of any number.
                found = re.search(rb"(?<![0-9])" + canary.encode() + rb"(?![0-9])", text) if what == "code" else canary.encode() in text
                self.assertFalse(found, f"the {what} is in {where}")
        dump = subprocess.run([f"{self.site.postgres.bin}/pg_dump", "-d", self.site.postgres.conninfo()], capture_output=True, check=True).stdout
        self.assertIn(b"alice", dump)
        for what in ("password", "ticket", "token", "secret", *keys):
            self.assertNotIn(canaries[what].encode(), dump, f"the {what} is in the database")
        screen.close(client)


if __name__ == "__main__":
    unittest.main()
