# SPDX-License-Identifier: GPL-3.0-or-later
"""A desktop in a browser: the WebSocket on /rfb, by a client that says exactly what a test wants it to say."""
import base64
import os
import struct
import unittest

from tools.gateway_rig import GatewayRig, exactly, until_closed, wait_for

HELLO = b"RFB 003.008\n"


def frame(data, opcode=2, masked=True, fin=True):
    mask = os.urandom(4) if masked else b""
    n = len(data)
    size = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else b"\x7f" + struct.pack(">Q", n)
    head = bytes([(0x80 if fin else 0) | opcode, size[0] | (0x80 if masked else 0)]) + size[1:]
    return head + mask + (bytes(b ^ mask[i & 3] for i, b in enumerate(data)) if masked else data)


def take(t):
    """(opcode, payload) of the server's next frame."""
    first, n = exactly(t, 2)
    if n == 126:
        n = struct.unpack(">H", exactly(t, 2))[0]
    elif n == 127:
        n = struct.unpack(">Q", exactly(t, 8))[0]
    return first & 15, exactly(t, n)


class Desktop(unittest.TestCase):
    def setUp(self):
        self.gw = GatewayRig()
        self.addCleanup(self.gw.close)

    def ask(self, ticket=None, origin="https://pane.example", path="/rfb", **more):
        """The socket and the answer's head."""
        t = self.gw.tls(self.gw.connect("https"))
        protocols = ", ".join(["pane.rfb"] + ([ticket] if ticket else []))
        fields = {"Host": "pane.example", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": protocols, "Origin": origin,
                  **{k.replace("_", "-"): v for k, v in more.items()}}
        t.sendall((f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(t, 1)
        return t, head.decode()

    def echo(self, s, _):
        s.sendall(HELLO)
        while part := s.recv(65536):
            s.sendall(part)

    def closed(self, t):
        """Code and reason of the close frame that comes next."""
        opcode, body = take(t)
        self.assertEqual(opcode, 8)
        return struct.unpack(">H", body[:2])[0], body[2:].decode()

    def test_bytes(self):
        """A ticket in the subprotocol opens the desktop: bytes of any size travel both ways, pings are answered"""
        self.gw.host.handle = self.echo
        t, head = self.ask(self.gw.broker.ticket())
        self.assertIn("101 Switching", head)
        self.assertIn("Sec-WebSocket-Protocol: pane.rfb\r\n", head)
        self.assertEqual(take(t), (2, HELLO))
        self.assertEqual(self.gw.host.prefaces[0]["protocol"], "rfb")
        self.assertEqual(self.gw.host.prefaces[0]["user"], "alice")
        for n in (1, 125, 126, 65535, 65536, 300000):
            data = os.urandom(n)
            t.sendall(frame(data))
            back = b""
            while len(back) < n:
                back += take(t)[1]
            self.assertEqual(back, data)
        t.sendall(frame(b"are you there", 9))
        self.assertEqual(take(t), (10, b"are you there"))
        t.sendall(frame(b"ab", fin=False) + frame(b"cd", 0))
        got = take(t)[1]
        while len(got) < 4:
            got += take(t)[1]
        self.assertEqual(got, b"abcd")
        t.sendall(frame(struct.pack(">H", 1000), 8))
        self.assertEqual(self.closed(t)[0], 1000)

    def test_single_use(self):
        """A ticket is good once; the second use, and one that never was, are told in the close frame, with the id"""
        self.gw.host.handle = self.echo
        ticket = self.gw.broker.ticket()
        first, _ = self.ask(ticket)
        self.assertEqual(take(first), (2, HELLO))
        for again in (ticket, "pt1_" + "x" * 43):
            t, head = self.ask(again)
            self.assertIn("101", head)
            code, reason = self.closed(t)
            self.assertEqual(code, 4003)
            self.assertRegex(reason, r"not valid any more.*\(id \w{12}\)$")

    def test_not_in_the_log(self):
        """The ticket is in no line of the log, neither of a session nor of a refusal"""
        self.gw.host.handle = self.echo
        ticket = self.gw.broker.ticket()
        t, _ = self.ask(ticket)
        take(t)
        self.closed(self.ask(ticket)[0])
        t.close()
        wait_for("the end of the session in the log", lambda: "session.end" in self.gw.gateway.log())
        self.assertIn("login.refused", self.gw.gateway.log())
        self.assertNotIn(ticket[4:], self.gw.gateway.log())

    def test_refused_requests(self):
        """Another site's page, no ticket, a broken key and another version never reach the broker"""
        ticket = self.gw.broker.ticket()
        for more, want in (({"origin": "https://evil.example"}, "403"), ({"ticket": None}, "400"), ({"Sec_WebSocket_Key": "short"}, "400"),
                           ({"Sec_WebSocket_Version": "8"}, "400"), ({"Connection": "close"}, "400"), ({"path": "/rfb/x"}, "404"),
                           ({"path": "/rfb?ticket=" + ticket}, "404")):
            t, head = self.ask(**{"ticket": ticket, **more})
            self.assertEqual(head.split()[1], want, more)
            until_closed(t)
        self.assertEqual(self.gw.broker.asked, [])

    def test_bad_frames(self):
        """An unmasked frame, text or a reserved bit ends the connection with 1002 and the desktop's with it"""
        ended = []

        def handle(s, _):
            s.sendall(HELLO)
            ended.append(until_closed(s))
        self.gw.host.handle = handle
        for bad in (frame(b"x", masked=False), frame(b"x", 1), b"\xc2" + frame(b"x")[1:]):
            t, _ = self.ask(self.gw.broker.ticket())
            take(t)
            t.sendall(frame(b"good") + bad)
            self.assertEqual(self.closed(t)[0], 1002)
        wait_for("the desktop's ends", lambda: len(ended) == 3)
        self.assertEqual(ended, [b"good"] * 3)

    def test_ends(self):
        """When the desktop ends the connection, everything it said arrives first"""
        self.gw.host.handle = lambda s, _: s.sendall(b"z" * 500000)
        t, _ = self.ask(self.gw.broker.ticket())
        data = b""
        while True:
            opcode, body = take(t)
            if opcode == 8:
                break
            data += body
        self.assertEqual(data, b"z" * 500000)
        self.assertEqual(struct.unpack(">H", body[:2])[0], 1000)

    def test_slow_reader(self):
        """A browser that does not read holds up its own desktop only, in bounded memory"""
        sent = []

        def flood(s, _):
            s.settimeout(3)
            total = 0
            try:
                while total < 64 << 20:
                    s.sendall(b"y" * 65536)
                    total += 65536
            except OSError:
                pass
            sent.append(total)
        self.gw.host.handle = flood
        t, _ = self.ask(self.gw.broker.ticket())
        wait_for("the flood to be held up", lambda: sent, 20)
        self.assertLess(sent[0], 32 << 20)
        self.gw.host.handle = self.echo
        other, _ = self.ask(self.gw.broker.ticket())
        self.assertEqual(take(other), (2, HELLO))
        t.close()


if __name__ == "__main__":
    unittest.main()
