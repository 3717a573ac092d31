# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway tells the broker of itself: its certificates, at its start and after a reload, never a key."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from tools.gateway_rig import GatewayRig, wait_for


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True).stdout


class Announce(unittest.TestCase):
    def rig(self, **more):
        gw = GatewayRig(**more)
        self.addCleanup(gw.close)
        return gw

    def told(self, gw, n=1):
        wait_for("the gateway tells", lambda: len(gw.broker.told) >= n)
        return gw.broker.told[n - 1]

    def test_start(self):
        """At its start a gateway tells once which certificates it shows, as openssl sees them, and where it listens; no key is in it"""
        gw = self.rig(workers=2, name="Desk_Gate 1")
        said = self.told(gw)
        self.assertEqual(said["name"], "desk_gate-1")
        self.assertEqual(sorted(x.split()[0] for x in said["listen"]), ["https", "rdp", "rfb"])
        self.assertEqual([(c["use"], c["file"]) for c in said["certificates"]],
                         [("clients", gw.front[0]), ("hosts", gw.me[0]), ("ca", gw.pki.path("ca.crt"))])
        front = said["certificates"][0]
        seen = openssl("x509", "-in", gw.front[0], "-noout", "-fingerprint", "-sha256", "-enddate", "-dateopt", "iso_8601", "-issuer", "-nameopt", "RFC2253")
        self.assertIn(front["fingerprint"], seen.replace(":", "").lower())
        self.assertIn(front["not_after"].replace("T", " "), seen)
        self.assertIn("issuer=" + front["issuer"], seen)
        self.assertEqual(front["key"], "ECDSA P-256")
        self.assertIn("localhost", front["names"])
        text = json.dumps(said)
        for path in (gw.front[1], gw.me[1]):
            with open(path, encoding="ascii") as f:
                self.assertNotIn(f.read().split("\n")[1], text)
        self.assertEqual(len(gw.broker.told), 1, "the second worker is silent")

    def test_reload(self):
        """After a reload the new certificate is told at once"""
        gw = self.rig()
        first = self.told(gw)["certificates"][0]
        other = gw.pki.issue("other", "gateway", "other.example.org")
        for new, old in zip(other, gw.front):
            shutil.copy(new, old)
        gw.gateway.process.send_signal(signal.SIGHUP)
        second = self.told(gw, 2)["certificates"][0]
        self.assertNotEqual(first["fingerprint"], second["fingerprint"])
        self.assertIn("other.example.org", second["names"])

    def test_broker_away(self):
        """A broker that is away at the start is told once it is there; the log says both, once each"""
        gw = self.rig()
        self.told(gw)
        gw.broker.stop()
        gw.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the log says so", lambda: "announce.failed" in gw.log())
        gw.broker.start()
        self.told(gw, 2)
        wait_for("the log says so", lambda: " announce result=ok" in gw.log())
        self.assertEqual(gw.log().count("announce.failed"), 1)

    def test_crash(self):
        """The first worker killed: the one in its place tells again"""
        gw = self.rig(workers=2)
        self.told(gw)
        os.kill(min(gw.gateway.workers()), signal.SIGKILL)
        self.told(gw, 2)


if __name__ == "__main__":
    unittest.main()
