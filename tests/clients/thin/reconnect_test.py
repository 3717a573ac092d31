# SPDX-License-Identifier: GPL-3.0-or-later
"""R5: a dropped client is back on the same screen without a new login, for 180 s (here fewer: --reconnect-for). R6: while
the host of a desktop is silent pane-thin says so, and the pool's next desktop comes up in the same window."""
import os
import subprocess
import sys
import time
import unittest

from tools.display_rig import Rig, missing
from tools.gateway_rig import GatewayRig, Host, HOST, wait_for
from tools.netns import Network
from tools.netns import missing as no_network

TIMEOUT = 400
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", os.path.join(HERE, "../../../build/release"))
COLOURS = ("3060a0", "20a050")


class AnyTicket(dict):
    """The fake API makes its tickets itself; the fake broker takes what has their form."""

    def pop(self, key, default=None):
        return "alice" if key.startswith("pt1_") else default


class Reconnect(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))

    def start(self, listener=None, **gateway):
        self.gw = GatewayRig(listener=listener, **gateway)
        self.addCleanup(self.gw.close)
        self.gw.broker.tickets = AnyTicket()
        self.rig = self.desktop(COLOURS[0])
        self.rig.env.update(HOME=self.rig.dir, XDG_CONFIG_HOME=self.rig.dir, XDG_RUNTIME_DIR=self.rig.dir,
                            GSK_RENDERER="cairo", GTK_A11Y="none", GDK_BACKEND="x11", PANE_LOG="info")
        self.gw.host.display = {"rdp": self.rig.socket}
        port_file = self.rig.dir + "/api.port"
        self.rig.spawn([sys.executable, HERE + "/fake_api.py", *self.gw.front, "--port-file", port_file], "api.log")
        wait_for("the fake API", lambda: os.path.exists(port_file))
        with open(port_file, encoding="ascii") as f:
            self.server = "https://localhost:" + f.read()

    def desktop(self, colour):
        rig = Rig(replay=("--follow",))
        self.addCleanup(rig.close)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=colour)
        return rig

    def thin(self, *more):
        child = self.rig.spawn([BUILD + "/bin/pane-thin", "--server", self.server, "--ca",
                                self.gw.pki.path("ca.crt"), "--rdp-port", str(self.gw.gateway.ports["rdp"]),
                                "--user", "alice", "--password-stdin", "--auto", *more], "thin.log",
                               stdin=subprocess.PIPE)
        child.stdin.write(b"correct horse\n")
        child.stdin.close()
        wait_for("the session", lambda: "session.up" in self.said(), 30)
        wait_for("the window", lambda: not subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", "^Pane$", "windowmove", "0", "0", "windowfocus"],
            env=self.rig.env, capture_output=True, check=False).returncode)
        wait_for("the picture", lambda: self.shows(COLOURS[0]), 20)

    def said(self, log="thin.log"):
        with open(f"{self.rig.dir}/{log}", encoding="utf-8") as f:
            return f.read()

    def shows(self, colour):
        """The middle of the client's screen."""
        at = 3 * (700 * 400 + 350)
        return self.rig.shot(700, 500)[at:at + 3] == bytes.fromhex(colour)

    def logins(self):
        return self.said("api.log").count("POST /api/v1/login")

    def test_back_within_the_time(self):
        """The gateway killed and back seconds later: the same screen, by a new ticket, no second login"""
        self.start()
        self.thin("--reconnect-for", "60")
        asked = self.said("api.log").count("POST /api/v1/tickets")
        ports = {k: f"127.0.0.1:{v}" for k, v in self.gw.gateway.ports.items()}
        self.gw.gateway.process.kill()
        self.gw.gateway.process.wait()
        wait_for("the loss is noticed", lambda: "session.lost" in self.said(), 20)
        time.sleep(3)  # an outage takes its time
        with open(self.gw.gateway.config, encoding="ascii") as f:
            text = f.read()
        for name, addr in ports.items():
            text = text.replace(f"{name}_listen = 127.0.0.1:0", f"{name}_listen = {addr}")
        with open(self.gw.gateway.config, "w", encoding="ascii") as f:
            f.write(text)
        self.gw.gateway.start()
        wait_for("it is back", lambda: "session.back" in self.said(), 30)
        wait_for("the same screen", lambda: self.shows(COLOURS[0]), 10)
        self.assertEqual(self.logins(), 1)
        self.assertGreater(self.said("api.log").count("POST /api/v1/tickets"), asked)

    def test_gives_up_after_the_time(self):
        """A loss longer than the time ends with a page that says so; until then it is tried and nobody is asked for a password"""
        self.start()
        self.thin("--reconnect-for", "4")
        self.gw.gateway.process.kill()
        self.gw.gateway.process.wait()
        wait_for("the loss is noticed", lambda: "session.lost" in self.said(), 20)
        begin = time.monotonic()
        wait_for("it gives up", lambda: "thin.problem" in self.said(), 30)
        self.assertGreaterEqual(time.monotonic() - begin, 3)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertIn("word=server.unreachable", self.said().replace('"', ""))
        self.assertEqual(self.logins(), 1)
        self.assertFalse(self.shows(COLOURS[0]), "the old picture is gone")

    def test_host_lost(self):
        """The host falls silent: said under the veil within 15 s, and the pool's desktop elsewhere appears in the same window"""
        if no_network():
            self.skipTest(no_network())
        net = Network()
        self.addCleanup(net.close)
        self.start(listener=net.listen())
        other = self.desktop(COLOURS[1])
        self.thin()
        net.cut()
        begin = time.monotonic()
        wait_for("the person is told", lambda: "the host of your desktop does not answer" in self.said(), 15)
        self.assertLess(time.monotonic() - begin, 15)
        second = Host(self.gw.pki, self.gw.pki.issue("host2", "host", HOST))
        second.display = {"rdp": other.socket}
        self.gw.broker.host_address = second.address  # what the broker does once it has placed the user anew
        wait_for("the other desktop", lambda: self.shows(COLOURS[1]), 30)
        self.assertIn("session.back", self.said())
        self.assertEqual(self.logins(), 1)


class StockClient(unittest.TestCase):
    """Clients that are not ours keep the password themselves."""

    def test_freerdp(self):
        """xfreerdp3 +auto-reconnect is back on the same screen by itself after its gateway worker was killed"""
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        gw = GatewayRig()
        self.addCleanup(gw.close)
        rig = Rig()
        self.addCleanup(rig.close)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=COLOURS[0])
        gw.host.display = {"rdp": rig.socket}
        rig.spawn(["xfreerdp3", f"/v:127.0.0.1:{gw.gateway.ports['rdp']}", "/cert:ignore", "/u:alice", "/p:wonderland",
                   "/size:1280x800", "+auto-reconnect", "/auto-reconnect-max-retries:20", "/log-level:WARN", "-clipboard"], "freerdp.log")
        at = 3 * (700 * 400 + 350)
        wait_for("the desktop", lambda: rig.shot(700, 500)[at:at + 3] == bytes.fromhex(COLOURS[0]), 30)
        os.kill(gw.gateway.workers()[0], 9)
        wait_for("a second session", lambda: gw.log().count("session.start") == 2, 60)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=COLOURS[1])
        wait_for("a live picture", lambda: rig.shot(700, 500)[at:at + 3] == bytes.fromhex(COLOURS[1]), 30)


if __name__ == "__main__":
    unittest.main()
