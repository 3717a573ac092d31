# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-thin in German as people meet it: on an X server, and by AT-SPI as a screen reader is told. THIN_SHOTS=dir keeps pictures."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from tools.atspi import Reader

TIMEOUT = 400
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(HERE, "../../../build/release")))
NEEDS = ("Xvfb", "xdotool", "dbus-daemon", "openssl", "import")
A11Y = "/usr/share/dbus-1/services/org.a11y.Bus.service"


def wait_for(what, check, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("not within %d s: %s" % (seconds, what))


class Language(unittest.TestCase):
    def setUp(self):
        missing = [n for n in NEEDS if not shutil.which(n)] + ([] if os.path.exists(A11Y) else ["at-spi2-core"])
        if missing:
            self.skipTest("not installed: " + ", ".join(missing))
        self.dir = tempfile.mkdtemp(prefix="pane-thin-lang-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        os.mkdir(self.dir + "/run", 0o700)
        self.env = {**os.environ, "HOME": self.dir, "XDG_CONFIG_HOME": self.dir + "/config", "GDK_BACKEND": "x11",
                    "XDG_RUNTIME_DIR": self.dir + "/run", "GSK_RENDERER": "cairo", "LANG": "C.UTF-8"}
        for name in ("GTK_A11Y", "NO_AT_BRIDGE", "WAYLAND_DISPLAY", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
            self.env.pop(name, None)
        self.children = []
        self.addCleanup(self.end)
        read, write = os.pipe()
        self.spawn(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-noreset", "-nolisten", "tcp"],
                   "xvfb", pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as f:
            self.env["DISPLAY"] = ":" + f.readline().strip()
        bus = self.spawn(["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"], "bus",
                         stdout=subprocess.PIPE)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()
        self.addCleanup(bus.stdout.close)
        self.reader = Reader(self.env["DBUS_SESSION_BUS_ADDRESS"])
        self.addCleanup(self.reader.close)

    def end(self):
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def spawn(self, argv, log, **more):
        with open(f"{self.dir}/{log}.log", "ab") as out:
            child = subprocess.Popen(argv, stdout=more.pop("stdout", out), stderr=out, env=self.env, **more)
        self.children.append(child)
        return child

    def names(self, *roles):
        return [n for r, n in self.reader.tree() if r in roles]

    def thin(self, *more):
        return self.spawn([BUILD + "/bin/pane-thin", "--user", "alice", *more], "thin", stdin=subprocess.DEVNULL)

    def stop(self, child):
        child.terminate()
        child.wait(10)

    def keep(self, name):
        if os.environ.get("THIN_SHOTS"):
            subprocess.run(["import", "-window", "root", f"{os.environ['THIN_SHOTS']}/{name}.png"], env=self.env,
                           check=True)

    def api(self):
        cert, key, port = (f"{self.dir}/gw.{x}" for x in ("crt", "key", "port"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-keyout", key, "-out", cert, "-subj", "/CN=gateway", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        self.spawn([sys.executable, HERE + "/fake_api.py", cert, key, "--port-file", port, "--pools",
                    "office,lab,full", "--starting", "1000"], "api")
        wait_for("the API", lambda: os.path.exists(port))
        with open(port) as f:
            return ["--server", "https://127.0.0.1:" + f.read(), "--ca", cert]

    def xdo(self, *words):
        subprocess.run(["xdotool", *words], env=self.env, check=True, capture_output=True)

    def shows(self, text):
        wait_for(text, lambda: any(text in n for n in self.names("label", "button", "text box")))

    def test_german(self):
        """pane-thin in German: pages from sign-in to the wait for a desktop, names for a screen reader, Alt and the German letter"""
        self.thin("--language", "de", *self.api())
        self.shows("Anmeldung an Ihrem Desktop")
        found = self.reader.tree()
        buttons = [n for r, n in found if r == "button"]
        for name in ("Anmelden", "Abmelden", "Abbrechen", "Zurück", "Erneut versuchen", "Vollbild", "Trennen",
                     "Strg+Alt+Entf"):
            self.assertIn(name, buttons)
        self.assertEqual([n for n in buttons if "_" in n], [])
        self.assertEqual([n for r, n in found if r == "text box"][:3], ["Server", "Benutzername", "Kennwort"])
        self.assertEqual([n for r, n in found if r == "progress bar"], ["Fortschritt"])
        self.keep("login")
        self.xdo("type", "nonsense")
        self.xdo("key", "Return")
        self.shows("Anmeldung fehlgeschlagen. Benutzername, Kennwort oder Ticket ist falsch")
        self.keep("refused")
        self.xdo("type", "correct horse")
        self.xdo("key", "Return")
        self.shows("Angemeldet als alice")
        self.keep("desktops")
        self.assertIn("Verbinden", self.names("button"))
        self.xdo("key", "Tab", "Tab", "Return")  # the third pool is full
        self.shows("Kein Desktop verfügbar")
        self.keep("full")
        self.xdo("key", "alt+z")  # Zurück
        self.shows("Angemeldet als alice")
        time.sleep(1)
        self.xdo("key", "Return")
        self.shows("Verbindung mit office")
        self.shows("Ihr Desktop startet.")
        self.keep("connecting")

    def test_where_it_comes_from(self):
        """pane-thin's language: the environment's, before that the terminal's configuration, before that --language; English without a catalogue"""
        conf = self.dir + "/thin.conf"
        with open(conf, "w") as f:
            f.write("[terminal]\nserver=https://127.0.0.1:1\nlanguage=de\nexit_pin=4711\n")
        german, english = "Anmeldung an Ihrem Desktop", "Sign in to your desktop"
        for env, argv, shown in (({}, [], english), ({"LANGUAGE": "de"}, [], german),
                                 ({"LC_ALL": "de_AT.UTF-8"}, [], german), ({"LANGUAGE": "fr"}, [], english),
                                 ({"LANGUAGE": "fr"}, ["--config", conf], german),
                                 ({"LANGUAGE": "de"}, ["--config", conf, "--language", "en"], english)):
            self.env.update(env)
            child = self.thin(*argv)
            self.shows(shown)
            self.stop(child)
            for name in env:
                del self.env[name]
            wait_for("its end", lambda: not self.names("label"))
        r = subprocess.run([BUILD + "/bin/pane-thin", "--language", "../de"], env=self.env, capture_output=True,
                           text=True, check=False)
        self.assertEqual(r.returncode, 2)
        self.assertIn("takes a language", r.stderr)


if __name__ == "__main__":
    unittest.main()
