# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway tells Prometheus: doors, logins, bytes, keys, certificates and its own processes, as they are."""
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import promtext
from tools.gateway_rig import GatewayRig, exactly, rfb_display, until_closed, wait_for


class Metrics(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.path = f"/tmp/pane-gw-metrics-{os.getpid()}.sock"
        self.gw = GatewayRig(workers=2, metrics_listen=f"unix:{self.path}, 127.0.0.1:{self.port}")
        self.addCleanup(lambda: os.path.exists(self.path) and os.unlink(self.path))
        self.addCleanup(self.gw.close)
        self.gw.host.handle = rfb_display

    def told(self):
        return promtext.scrape(self.path)

    def until(self, what, check):
        return wait_for(what, lambda: check(self.told()))

    def session(self, password="wonderland"):
        t = self.gw.rfb("alice", password)
        self.assertEqual(exactly(t, 4), bytes(4))
        return t

    def metrics_pid(self):
        return int(re.findall(r"metrics.start metrics pid=(\d+)", self.gw.log())[-1])

    def test_counts(self):
        """Doors, logins, handshakes, sessions, bytes and keys are told as they are, in a form that promtool takes, on both addresses"""
        before = self.told()
        self.assertEqual([before("pane_gateway_connections", door=d) for d in ("rdp", "rfb", "https")], [0, 0, 0])
        self.assertIsNone(before("pane_gateway_connections", door="shared"))
        held = self.session()
        held.sendall(b"x" * 5000)
        self.assertEqual(exactly(held, 5000), b"x" * 5000)
        now = self.told()
        self.assertEqual(now("pane_gateway_connections", door="rfb"), 1)
        self.assertEqual(now("pane_gateway_sessions", proto="rfb"), 1)
        self.assertEqual(now("pane_gateway_logins_total", proto="rfb", result="granted"), 1)
        self.assertEqual(now("pane_gateway_handshakes_total", side="client", result="full"), 1)
        self.assertEqual(now("pane_gateway_handshakes_total", side="host", result="full"), 1)
        for way in ("from_client", "to_client"):
            self.assertGreaterEqual(now("pane_gateway_relayed_bytes_total", of="desktop", direction=way), 5000)
            self.assertLess(now("pane_gateway_relayed_bytes_total", of="desktop", direction=way), 6000)
        self.assertGreater(now("pane_gateway_keeper_requests_total"), 4)
        self.assertEqual(now("pane_gateway_keeper_failures_total"), 0)
        held.close()
        t = self.gw.rfb("alice", "wrong")
        self.gw.rfb_reason(t)
        self.gw.https(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        with self.gw.connect("https") as s:
            s.sendall(b"this is not TLS")
            until_closed(s)
        now = self.until("all is counted", lambda n: n("pane_gateway_connections") == 0 and n("pane_gateway_dropped_total") and n)
        self.assertEqual(now("pane_gateway_sessions"), 0)
        self.assertEqual(now("pane_gateway_logins_total", proto="rfb", result="login.failed"), 1)
        self.assertEqual(now("pane_gateway_logins_total", proto="rfb", result="granted"), 1)
        self.assertEqual(now("pane_gateway_handshakes_total", side="client", result="failed"), 1)
        self.assertEqual(now("pane_gateway_dropped_total", door="https", why="tls"), 1)
        self.assertEqual(now("pane_gateway_accepted_total", door="rfb"), 2)
        self.assertGreater(now("pane_gateway_relayed_bytes_total", of="api", direction="to_client"), 100)
        self.assertGreater(now("pane_gateway_worker_memory_bytes"), 1 << 20)
        self.assertEqual(promtext.promtool("check", "metrics", stdin=now.text), "")
        self.assertEqual(promtext.scrape(("127.0.0.1", self.port)).names(), now.names())
        for word in ("alice", "wonderland", "127.0.0.1", "office-1"):
            self.assertNotIn(word, now.text)

    def test_words_of_the_broker(self):
        """A code of the broker's that is not among the known ones counts as other: what it says never becomes a label"""
        self.gw.broker.special = 403, {"error": {"code": "login.x\"} 1\n", "message": "no", "reasons": [], "id": "x"}}
        self.gw.rfb_reason(self.gw.rfb("alice", "wonderland"))
        now = self.told()
        self.assertEqual(now("pane_gateway_logins_total", result="other"), 1)
        self.assertEqual(promtext.promtool("check", "metrics", stdin=now.text), "")

    def test_certificates(self):
        """Each certificate's time left is told under the file's name, and a new one's after a reload"""
        for name in (self.gw.front[0], self.gw.me[0], self.gw.pki.path("ca.crt")):
            self.assertAlmostEqual(self.told()("pane_gateway_certificate_expires_seconds", name=name), 2 * 86400, delta=600)
        self.gw.pki.openssl("x509", "-req", "-in", self.gw.pki.path("front.csr"), "-CA", self.gw.pki.path("ca.crt"), "-CAkey",
                            self.gw.pki.path("ca.key"), "-CAcreateserial", "-days", "9", "-out", self.gw.front[0])
        self.gw.gateway.process.send_signal(signal.SIGHUP)
        self.until("the new one's time", lambda n: n("pane_gateway_certificate_expires_seconds", name=self.gw.front[0]) > 8 * 86400)

    def test_deaths(self):
        """A worker's crash is counted and what it held is not told any more; who tells is replaced too, and the counts stay"""
        held = self.session()
        wait_for("the session is told", lambda: self.told()("pane_gateway_sessions") == 1)
        for pid in self.gw.gateway.workers():
            os.kill(pid, signal.SIGKILL)
        now = self.until("both are told dead", lambda n: n("pane_gateway_process_deaths_total", process="worker", by="signal") == 2 and n)
        self.assertEqual(now("pane_gateway_connections"), 0)
        self.assertEqual(now("pane_gateway_sessions"), 0)
        self.assertEqual(now("pane_gateway_logins_total", result="granted"), 1)
        held.close()
        teller = self.metrics_pid()
        os.kill(teller, signal.SIGKILL)
        wait_for("another one tells", lambda: self.metrics_pid() != teller)
        now = self.told()
        self.assertEqual(now("pane_gateway_process_deaths_total", process="metrics"), 1)
        self.assertEqual(now("pane_gateway_logins_total", result="granted"), 1)

    def test_limits(self):
        """Who is refused at once is counted by the limit that refused"""
        self.gw.gateway.stop()
        with open(self.gw.gateway.config, "a", encoding="ascii") as f:
            f.write("per_source_max = 2\n")
        self.gw.gateway.start()
        held = [self.gw.connect("https") for _ in range(2)]
        wait_for("both are in", lambda: self.told()("pane_gateway_connections") == 2)
        with self.gw.connect("https") as s:
            self.assertEqual(until_closed(s), b"")
        now = self.told()
        self.assertEqual(now("pane_gateway_refused_total", limit="per_source_max"), 1)
        self.assertEqual(now("pane_gateway_refused_total", limit="max_connections"), 0)
        self.assertEqual(now("pane_gateway_connections_max"), 9000)
        for s in held:
            s.close()

    def test_upgrade(self):
        """A new program goes on telling on the same socket: of itself, and how many there were before it"""
        self.assertEqual(self.told()("pane_gateway_upgrades_total"), 0)
        self.gw.gateway.process.send_signal(signal.SIGUSR2)
        wait_for("the successor serves", lambda: "upgrade.done" in self.gw.log(), 30)
        successor = int(re.findall(r"upgrade.start pid=(\d+)", self.gw.log())[-1])
        try:
            self.until("the new one tells", lambda n: n("pane_gateway_upgrades_total") == 1)
            self.session().close()
            self.assertEqual(self.told()("pane_gateway_logins_total", result="granted"), 1)
        finally:
            os.kill(successor, signal.SIGTERM)
            wait_for("it ends", lambda: not os.path.exists(f"/proc/{successor}"), 20)

    def test_strangers(self):
        """Whoever asks for something else, says nothing or never ends is answered or dropped, and holds nobody up"""
        self.assertEqual(promtext.ask(self.path, "/")[0], 404)
        self.assertEqual(promtext.ask(self.path, "/metrics/../x")[0], 404)
        status, headers, _ = promtext.ask(self.path, method="DELETE")
        self.assertEqual((status, headers["Allow"]), (405, "GET"))
        for rubbish, code in ((b"x\r\n\r\n", b"400"), (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 2000, b"431")):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.path)
                s.settimeout(10)
                s.sendall(rubbish)
                self.assertIn(code, until_closed(s)[:16])
        silent = []
        for _ in range(8): # every place
            silent.append(socket.socket(socket.AF_UNIX))
            silent[-1].connect(self.path)
            silent[-1].settimeout(10)
        began = time.monotonic()
        self.assertEqual(silent[0].recv(1), b"")
        self.assertLess(time.monotonic() - began, 8)
        wait_for("there is room again", lambda: self.told_or_none())
        for s in silent:
            s.close()

    def told_or_none(self):
        try:
            return self.told()
        except (OSError, ConnectionError):
            return None

    def test_addresses(self):
        """Metrics are told on unix sockets and loopback addresses only; the socket is its owner's and group's"""
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o660)
        with open(self.gw.gateway.config, encoding="ascii") as f:
            text = f.read()
        bad = self.gw.dir + "/bad.conf"
        for address in ("0.0.0.0:9100", "metrics.sock", "[::]:9100"):
            with open(bad, "w", encoding="ascii") as f:
                f.write(re.sub(r"(?m)^metrics_listen = .*", f"metrics_listen = {address}", text))
            done = subprocess.run([self.gw.gateway.program, "-n", "--config", bad], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("metrics_listen may be unix:/PATH, 127.0.0.1:PORT or [::1]:PORT", done.stderr)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
