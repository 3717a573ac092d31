# SPDX-License-Identifier: GPL-3.0-or-later
"""The kiosk of a terminal as its image starts it (deploy/thin-client/files/usr/lib/terminal), on this machine: cage, drawn by the
processor, in a window of an X server instead of on a screen of its own; a site behind it. The image itself boots in tests/lab."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import unittest

import whole

TIMEOUT = 240
SCRIPTS = f"{whole.TOP}/deploy/thin-client/files/usr/lib/terminal"
BUTTON, PAGE = (0x92, 0xb0, 0xe4), (0xfa, 0xfa, 0xfa)  # clients/thin/look.c: a button not to be pressed yet, what is around the form
NOBODY = 65534


class Kiosk:
    """One terminal: its medium, what it remembers, and one session after another."""

    def __init__(self, site, name):
        self.site, self.root = site, f"{site.run}/{name}"
        self.medium = f"{self.root}/run/terminal/medium/terminal"
        os.makedirs(self.medium)
        os.makedirs(f"{self.root}/home", 0o700)
        shutil.copy(f"{site.pki}/ca.crt", f"{self.medium}/ca.pem")
        self.screen = whole.Screen(self.root)
        self.session = None

    def start(self, conf, cmdline="quiet"):
        """terminal.conf and the kernel's command line through `configure`, then the session."""
        with open(f"{self.medium}/terminal.conf", "w", encoding="utf-8") as file:
            file.write(conf.replace("\n", "\r\n"))  # as an editor on Windows leaves it
        with open(f"{self.root}/cmdline", "w", encoding="utf-8") as file:
            file.write(cmdline + "\n")
        env = dict(self.screen.env, TERMINAL_ROOT=self.root, CMDLINE=f"{self.root}/cmdline", TERMINAL_CONF=f"{self.root}/run/terminal/conf",
                   TERMINAL_THIN=self.site.program("pane-thin"), HOME=f"{self.root}/home", XDG_CONFIG_HOME=f"{self.root}/home",
                   XDG_RUNTIME_DIR=f"{self.root}/home", WLR_BACKENDS="x11", WLR_RENDERER="pixman")
        env.pop("WAYLAND_DISPLAY", None)
        subprocess.run([f"{SCRIPTS}/configure"], env=env, check=True)
        who = {}
        if os.getuid() == 0:  # cage does not run as root
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", self.root], check=True)
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        with open(f"{self.root}/log", "wb") as log:
            self.session = subprocess.Popen([f"{SCRIPTS}/session"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, **who)

    def kill(self):
        if self.session and self.session.poll() is None:
            os.killpg(self.session.pid, signal.SIGKILL)
            self.session.wait()

    def log(self):
        with open(f"{self.root}/log", encoding="utf-8", errors="replace") as file:
            return re.sub(r".*Basic output test failed.*\n", "", file.read())

    def wait(self, check, timeout, what):
        try:
            return whole.wait_until(check, timeout, what)
        except Exception as e:
            raise AssertionError(f"{what}: {e}\n{self.log()[-2000:]}") from None

    def said(self, text, timeout=20):
        self.wait(lambda: text in self.log(), timeout, f"'{text}' in the session's log")

    def page(self):
        """The sign-in page fills the screen."""
        self.wait(lambda: self.screen.share(BUTTON) > 0.005 and self.screen.share(PAGE, 6) > 0.4, 30, "a page of the client")
        self.screen.focus()

    def close(self):
        self.kill()
        self.screen.end()


class Terminal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = [p for p in ("cage", "Xwayland") if not shutil.which(p)]
        if missing:
            raise unittest.SkipTest(f"{missing[0]} is missing: run 'make deps'")
        cls.site = whole.card_site().up()
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.pane_login()
        cls.site.wait_ready()
        cls.server = f"server = https://127.0.0.1:{cls.site.ports['https']}\nrdp_port={cls.site.ports['rdp']}\n"

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "site"):
            cls.site.down()

    @contextlib.contextmanager
    def kiosk(self, name):
        kiosk = Kiosk(self.site, name)
        try:
            yield kiosk
        finally:
            kiosk.close()

    def test_login_to_desktop(self):
        """from the kiosk's start to its sign-in page, by keyboard to the only desktop, in which a typed word arrives"""
        with self.kiosk("desk") as kiosk:
            kiosk.start(self.server + "auto = yes\nnotice = Welcome\n")
            kiosk.page()
            login = kiosk.screen.shot("login")
            kiosk.screen.type("alice")
            kiosk.screen.xdo("key", "Tab")
            kiosk.screen.type(self.password + "\n")
            desktop = self.site.wait_session("alice", "connected")
            kiosk.said("session.up")
            kiosk.wait(lambda: kiosk.screen.share(PAGE, 6) < 0.1, 20, "the desktop's picture")
            word = whole.word()
            kiosk.screen.type(word + "\n")
            self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, f"'{word}' inside the guest")
            self.assertGreater(whole.different(login, kiosk.screen.shot("desktop")), 10000)

    def test_administrator(self):
        """Ctrl+Alt+Shift+A and the PIN open the administrator's page, whose Power off ends the session with status 20; no wrong PIN does"""
        with self.kiosk("admin") as kiosk:
            kiosk.start(self.server + "exit_pin = 4711\n")
            kiosk.page()
            kiosk.screen.xdo("key", "ctrl+alt+shift+a")
            kiosk.screen.type("4712\n")
            kiosk.said("terminal.pin")
            self.assertNotIn("terminal.admin", kiosk.log())
            kiosk.screen.type("4711\n")
            kiosk.said("terminal.admin")
            kiosk.screen.xdo("key", "alt+p")
            self.assertEqual(kiosk.session.wait(20), 20)

    def test_fleet(self):
        """a terminal enrols by the code on its medium, is listed, takes what `pane thin set` says, and keeps it while the broker is away"""
        code = re.search(r"\w{4}-\w{4}-\w{4}", self.site.pane("thin", "enrol-code", "lobby")).group()
        with self.kiosk("fleet") as kiosk:
            kiosk.start(self.server + f"enrol = {code}\n")
            kiosk.said("terminal.enrolled name=lobby")
            self.site.wait(lambda: re.search(r"(?m)^lobby +online", self.site.pane("thin", "list")), 10, "it in the list")
            kiosk.kill()
            self.site.pane("thin", "set", "lobby", "--keyboard", "fr", "--exit-pin", "2580", "--notice", "Bonjour")
            kiosk.start(self.server)
            kiosk.said("terminal.restart")  # the keyboard is another one
            kiosk.session.wait(20)
            kiosk.start(self.server, "quiet pane.server=https://127.0.0.1:1")
            kiosk.said("terminal.report code=server.unreachable")
            with open(f"{kiosk.root}/run/terminal/conf/session.env", encoding="utf-8") as file:
                self.assertIn("XKB_DEFAULT_LAYOUT=fr\n", file.read())
            kiosk.page()
            kiosk.screen.xdo("key", "ctrl+alt+shift+q")  # where a French keyboard has its A
            kiosk.screen.xdo("key", "shift+2", "shift+5", "shift+8", "shift+0", "Return")
            kiosk.said("terminal.admin")
            kiosk.kill()
            self.site.pane("thin", "forget", "lobby")
            kiosk.start(self.server)
            kiosk.said("terminal.report code=terminal.unknown")
            kiosk.wait(lambda: not os.path.exists(f"{kiosk.root}/run/terminal/state/token"), 5, "its token gone")


if __name__ == "__main__":
    unittest.main()
