# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPS relay: what reaches the broker, what the gateway answers by itself."""
import json
import re
import time
import unittest

from tools.gateway_rig import GatewayRig, HOST, exactly


class Https(unittest.TestCase):
    def setUp(self):
        self.gw = GatewayRig()
        self.addCleanup(self.gw.close)

    def test_relayed(self):
        """A request reaches the broker with who sent it, without what a client may not say"""
        status, _, body = self.gw.https(b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nX-Pane-Cert: host/evil\r\n"
                                        b"Connection: keep-alive\r\nContent-Length: 4\r\n\r\nbody")
        self.assertEqual(status, 200)
        got = json.loads(body)
        self.assertEqual(got["body"], "body")
        head = {k.lower(): v for k, v in (line.split(": ", 1) for line in got["head"][1:])}
        self.assertRegex(head["x-pane-client"], r"^127\.0\.0\.1:\d+$")
        self.assertRegex(head["x-pane-conn"], r"^\w{12}$")
        self.assertEqual(head["connection"], "close")
        self.assertNotIn("x-pane-cert", head)

    def test_client_certificate(self):
        """A verified client certificate is told to the broker; one of another CA ends the connection"""
        host = self.gw.pki.issue("agent", "host", HOST)
        _, _, body = self.gw.https(b"GET /internal/v1/hosts/x/sync HTTP/1.1\r\nHost: x\r\n\r\n", host)
        self.assertIn(f"X-Pane-Cert: host/{HOST}", json.loads(body)["head"])
        self.gw.pki.make_ca("other")
        stranger = self.gw.pki.issue("stranger", "host", HOST, ca="other")
        try:
            status, _, _ = self.gw.https(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n", stranger)
        except OSError:
            status = 0
        self.assertEqual(status, 0)

    def test_slow_and_split(self):
        """A head that comes byte by byte and a large body arrive whole"""
        t = self.gw.tls(self.gw.connect("https"))
        for b in b"POST /api/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n":
            t.sendall(bytes([b]))
        t.sendall(b"y" * 300000)
        data = b""
        while part := t.recv(65536):
            data += part
        self.assertEqual(json.loads(data.partition(b"\r\n\r\n")[2])["body"], "y" * 300000)

    def test_own_answers(self):
        """Other paths, two framings, an oversized head and a broker that is down: JSON with an id"""
        for request, want, code in (
                (b"GET / HTTP/1.1\r\n\r\n", 404, "path.unknown"),
                (b"POST /internal/v1/connections HTTP/1.1\r\n\r\n", 404, "path.unknown"),
                (b"POST /api/x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "http.syntax"),
                (b"GET /api/x HTTP/1.1\r\nA: " + b"x" * 20000, 431, "http.head")):
            status, _, body = self.gw.https(request)
            error = json.loads(body)["error"]
            self.assertEqual((status, error["code"]), (want, code))
            self.assertRegex(error["id"], r"^\w{12}$")
        self.gw.broker.stop()
        status, _, body = self.gw.https(b"GET /api/v1/health HTTP/1.1\r\n\r\n")
        self.assertEqual((status, json.loads(body)["error"]["code"]), (503, "broker.down"))
        self.gw.broker.start()
        self.assertEqual(self.gw.https(b"GET /api/v1/health HTTP/1.1\r\n\r\n")[0], 200)

    def test_deadline(self):
        """A head that never ends is answered after the deadline"""
        from tools.gateway_rig import Gateway
        self.gw.gateway.stop()
        self.gw.gateway = Gateway(self.gw, login_deadline_ms=600)
        begin = time.monotonic()
        status, _, _ = self.gw.https(b"GET /api/v1/health HTTP/1.1\r\n")
        self.assertEqual(status, 408)
        self.assertLess(time.monotonic() - begin, 3)


if __name__ == "__main__":
    unittest.main()
