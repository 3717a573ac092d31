# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of one daemon after the other jumps by an hour, ahead and back, under a live session of a whole Pane: the session goes on,
people log in, connect anew. Then the gateway's jumps past the end of every certificate. R9. Prints what was seen and for how long."""
import os
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import rfb
import whole

TIMEOUT = 200
HOUR = 3600


class Clock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.skew = tempfile.mkdtemp(prefix="pane-skew-")
        cls.addClassCleanup(shutil.rmtree, cls.skew, True)
        os.chmod(cls.skew, 0o777)
        subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-O1", "-o", f"{cls.skew}/skew.so", f"{whole.TOP}/tests/tools/skew.c"], check=True)
        with open(f"{cls.skew}/openssl", "wb") as file: # the site's keys are not of this minute
            file.write(struct.pack("<q", -48 * HOUR))
        os.environ.update(LD_PRELOAD=f"{cls.skew}/skew.so", PANE_SKEW=cls.skew)
        try:
            cls.site = whole.card_site()
            cls.site.policy["host_lost_s"] = 8
            cls.addClassCleanup(cls.site.down)
            cls.site.up()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["PANE_SKEW"]
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.wait_ready()
        cls.token = cls.site.api().login("alice", cls.password)
        cls.screen = whole.Screen(cls.site.run)
        cls.addClassCleanup(cls.screen.end)
        cls.client = cls.site.xfreerdp(cls.screen, "alice", cls.password)
        cls.desktop = cls.site.wait_session("alice", "connected")
        cls.screen.wait_picture(3)

    @classmethod
    def jump(cls, name, seconds):
        path = f"{cls.skew}/{name}"
        if not os.path.exists(path):
            raise AssertionError(f"{name} does not read this clock: {os.listdir(cls.skew)}")
        with open(path, "r+b") as file:
            file.write(struct.pack("<q", seconds))

    def typed(self):
        """A new word typed into the open session arrives in the guest; seconds."""
        word, begin = whole.word(), time.monotonic()
        self.screen.type(word + "\n")
        self.site.wait(lambda: f"line {word}" in self.site.serial(self.desktop), 20, f"'{word}' in the guest")
        return time.monotonic() - begin

    def until(self, what, act, limit_s):
        """Tries until it works; seconds, and the refusals on the way."""
        begin, said = time.monotonic(), set()
        while True:
            try:
                act()
                return time.monotonic() - begin, said
            except (OSError, whole.SiteError, Exception) as problem: # noqa: B014: whatever a person would be told
                said.add(str(problem)[:80])
                if time.monotonic() - begin > limit_s:
                    raise AssertionError(f"{what}: not within {limit_s} s: {said}") from problem
                time.sleep(0.1) # a person who tries again

    def viewer(self):
        """A second viewer of the same desktop, by password, all the way to its first picture."""
        view = rfb.Rfb(self.site.ports["rfb"], f"{self.site.pki}/ca.crt", "alice", self.password)
        view.ask(False)
        view.update()
        view.link.close()

    def through(self, name, seconds):
        self.jump(name, seconds)
        try:
            typed = self.typed()
            login, said = self.until("a login", lambda: self.site.api().login("alice", self.password), 15)
            old, more = self.until("the login of before", lambda: self.token.get("/me"), 15)
            connect, refusals = self.until("a new connection", self.viewer, 25)
            print(f"# {name} {seconds:+d} s: a key {typed:.1f} s, login {login:.1f} s, new connection {connect:.1f} s"
                  f"{', was told: ' + '; '.join(sorted(said | more | refusals)) if said | more | refusals else ''}", flush=True)
            self.assertLess(old, 15)
            self.assertIsNone(self.client.poll(), "the live session ended")
        finally:
            self.jump(name, 0)
        self.until("a new connection afterwards", self.viewer, 25)
        self.assertIsNone(self.client.poll(), "the live session ended")

    def test_broker(self):
        """pane-broker's clock jumps an hour ahead and back: the session, old and new logins, a new connection work"""
        for seconds in (HOUR, -HOUR):
            self.through("pane-broker", seconds)

    def test_gateway(self):
        """so does pane-gateway's"""
        for seconds in (HOUR, -HOUR):
            self.through("pane-gateway", seconds)

    def test_host(self):
        """so does pane-host's, and no desktop is started anew"""
        before = self.site.process_of(self.desktop, "vmm")
        for seconds in (HOUR, -HOUR):
            self.through("pane-host", seconds)
        self.assertEqual(self.site.process_of(self.desktop, "vmm"), before)

    def test_database(self):
        """so does PostgreSQL's, whose clock judges leases, tickets and logins"""
        for seconds in (HOUR, -HOUR):
            self.through("postgres", seconds)

    def test_expired(self):
        """at the gateway every certificate has expired: live sessions go on, a new connection is refused; the clock right again, it works"""
        self.jump("pane-gateway", 20 * 365 * 24 * HOUR)
        try:
            self.typed()
            with self.assertRaises((PermissionError, ConnectionError, OSError)):
                self.viewer()
            self.assertIsNone(self.client.poll(), "the live session ended")
        finally:
            self.jump("pane-gateway", 0)
        took, _ = self.until("a new connection", self.viewer, 20)
        print(f"# certificates expired at the gateway: the session went on, new connections refused; {took:.1f} s after the clock was right a new one", flush=True)


if __name__ == "__main__":
    unittest.main()
