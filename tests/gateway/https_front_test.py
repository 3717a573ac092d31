# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPS relay: what reaches the broker, what the gateway answers by itself."""
import json
import os
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

    def console(self):
        """The gateway again, with a console of two files."""
        from tools.gateway_rig import Gateway
        self.gw.gateway.stop()
        os.makedirs(f"{self.gw.dir}/site/assets")
        with open(f"{self.gw.dir}/site/index.html", "w", encoding="ascii") as f:
            f.write("<p>hello")
        self.script = bytes(range(256)) * 4000
        with open(f"{self.gw.dir}/site/assets/app.js", "wb") as f:
            f.write(self.script)
        self.gw.gateway = Gateway(self.gw, console=f"{self.gw.dir}/site")

    def test_console_files(self):
        """The console's files come whole, to slow readers too, with a policy; only GET and HEAD, only their exact paths"""
        self.console()
        status, head, body = self.gw.https(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((status, body), (200, b"<p>hello"))
        self.assertIn("script-src 'self'", str(head))
        self.assertNotIn("unsafe", str(head))
        t = self.gw.tls(self.gw.connect("https"))
        t.sendall(b"GET /assets/app.js HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while part := t.recv(3000):
            data += part
            time.sleep(0.0005)
        self.assertEqual(data.partition(b"\r\n\r\n")[2], self.script)
        for request, want in ((b"HEAD / HTTP/1.1", 200), (b"POST / HTTP/1.1", 405), (b"GET /assets/../assets/app.js HTTP/1.1", 404),
                              (b"GET /assets HTTP/1.1", 404), (b"GET /gateway.conf HTTP/1.1", 404), (b"GET /../gateway.conf HTTP/1.1", 404)):
            self.assertEqual(self.gw.https(request + b"\r\nHost: x\r\n\r\n")[0], want, request)

    def test_console_without_broker(self):
        """The console's files need no broker"""
        self.console()
        self.gw.broker.stop()
        self.assertEqual(self.gw.https(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0], 200)
        self.gw.broker.start()

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
