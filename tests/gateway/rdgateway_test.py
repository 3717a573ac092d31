# SPDX-License-Identifier: GPL-3.0-or-later
"""RDP where only HTTPS is open: the RD Gateway, by the real xfreerdp3 and by a client that says exactly what a test wants it to say.

xfreerdp3 3.10 takes a gateway's port from a .rdp file only (its command line parses one and connects to 443)."""
import base64
import os
import re
import select
import ssl
import struct
import subprocess
import time
import unittest

from tools.display_rig import Rig, missing
from tools.gateway_rig import TOP, GatewayRig, exactly, rfb_display, until_closed, wait_for

TIMEOUT = 400
COLOUR = b"\x30\x60\xa0"
DATA, KEEPALIVE, CLOSE, CLOSE_RESPONSE = 0xA, 0xD, 0x10, 0x11
ACCESS_DENIED, BAD_METHOD = 0x800759F8, 0x800759F9


def message(kind, body=b""):
    return struct.pack("<HHI", kind, 0, 8 + len(body)) + body


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Tunnel:
    """A client's side: HTTP, WebSocket frames, the tunnel's messages, and TLS inside."""

    def __init__(self, t):
        self.t, self.frames, self.queue = t, b"", b""
        self.in_, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.inner = None

    def request(self, authorization=None, method="RDG_OUT_DATA", path="/remoteDesktopGateway/", **more):
        fields = {"Host": "pane.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Content-Length": "0",
                  "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **{k.replace("_", "-"): v for k, v in more.items()}}
        if authorization:
            fields["Authorization"] = authorization
        self.t.sendall((f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v) + "\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(self.t, 1)
        return head.decode()

    def frame(self, data, opcode=2):
        mask, n = os.urandom(4), len(data)
        size = bytes([n | 0x80]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
        pad = (mask * (n // 4 + 1))[:n]
        return bytes([0x80 | opcode]) + size + mask + (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")

    def say(self, data, opcode=2):
        self.t.sendall(self.frame(data, opcode))

    def take_frame(self):
        first, n = exactly(self.t, 2)
        if n == 126:
            n = struct.unpack(">H", exactly(self.t, 2))[0]
        return first & 15, exactly(self.t, n)

    def take(self):
        """Kind and body of the next message; a close frame is (None, its code)."""
        while len(self.queue) < 8 or len(self.queue) < struct.unpack("<I", self.queue[4:8])[0]:
            opcode, body = self.take_frame()
            if opcode == 8:
                return None, struct.unpack(">H", body[:2])[0]
            if opcode == 2:
                self.queue += body
        kind, _, n = struct.unpack("<HHI", self.queue[:8])
        body, self.queue = self.queue[8:n], self.queue[n:]
        return kind, body

    def ask(self, kind, body=b""):
        self.say(message(kind, body))
        return self.take()

    def handshake(self, extended=0):
        kind, body = self.ask(1, b"\x01\x00\x00\x00" + struct.pack("<H", extended))
        return kind, struct.unpack("<I", body[:4])[0]

    def create(self, cookie=None):
        text = (cookie + "\0").encode("utf-16-le") if cookie else b""
        kind, body = self.ask(4, struct.pack("<IHH", 0xD, 1 if cookie else 0, 0) + (struct.pack("<H", len(text)) + text if cookie else b""))
        return kind, struct.unpack("<I", body[2:6])[0]

    def channel(self, name="desktop"):
        text = (name + "\0").encode("utf-16-le")
        kind, body = self.ask(6, struct.pack("<HH", 0, 4) + "pc".encode("utf-16-le"))
        assert (kind, body[:4]) == (7, bytes(4)), (kind, body)
        kind, body = self.ask(8, struct.pack("<BBHHH", 1, 0, 3389, 3, len(text)) + text)
        assert kind == 9, kind
        return struct.unpack("<I", body[:4])[0]

    def open(self):
        assert self.handshake() == (2, 0) and self.create() == (5, 0) and self.channel() == 0
        return self

    # -- what is inside
    def put(self, data):
        for at in range(0, len(data), 30000):
            part = data[at:at + 30000]
            self.say(struct.pack("<HHIH", DATA, 0, 10 + len(part), len(part)) + part)

    def get(self, n):
        data = b""
        while len(data) < n:
            data += self.part()
        return data

    def part(self):
        kind, body = self.take()
        if kind == KEEPALIVE:
            return b""
        if kind != DATA:
            raise ConnectionError(f"message {kind}")
        assert struct.unpack("<H", body[:2])[0] == len(body) - 2
        return body[2:]

    def tls(self):
        c = ssl.create_default_context()
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        self.inner = c.wrap_bio(self.in_, self.out)
        self.step(self.inner.do_handshake)

    def step(self, call):
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                if self.out.pending:
                    self.put(self.out.read())
                self.in_.write(self.part())
            finally:
                if self.out.pending:
                    self.put(self.out.read())

    def write(self, data):
        self.step(lambda: self.inner.write(data))

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.step(lambda: self.inner.read(n - len(data)))
            if not part:
                raise ConnectionError(f"ended inside after {len(data)} of {n} bytes")
            data += part
        return data


def recorded(name="plain"):
    """A recorded client: the Connection Request, and each of its messages after that up to Client Info."""
    with open(f"{TOP}/tests/fuzz/corpus/gateway/rdp/{name}", "rb") as f:
        data = f.read()
    parts = []
    while data:
        n = int.from_bytes(data[2:4], "big")
        parts.append(data[:n])
        data = data[n:]
    return parts


class RdGateway(unittest.TestCase):
    def rig(self, **more):
        gw = GatewayRig(**{"rdp_listen": None, "rfb_listen": None, **more})
        self.addCleanup(gw.close)
        gw.broker.users["alice"] = " " * 10  # as recorded
        return gw

    def tunnel(self, gw, port="https"):
        return Tunnel(gw.tls(gw.connect(port)))

    # ---- the real xfreerdp3

    def freerdp(self, gw, rig, gateway, *more, user="alice", password="wonderland"):
        """A computer that only a gateway could reach, as a portal's .rdp file names it."""
        with open(rig.dir + "/desktop.rdp", "w", encoding="ascii") as f:
            f.write(f"full address:s:desktop\ngatewayhostname:s:127.0.0.1:{gw.gateway.ports['https']}\ngatewayusagemethod:i:1\n")
        rig.env = {k: v for k, v in rig.env.items() if not k.lower().endswith("_proxy")}
        return rig.spawn(["xfreerdp3", rig.dir + "/desktop.rdp", "/gateway:type:http" + "".join("," + g for g in gateway), f"/u:{user}",
                          f"/p:{password}", "/cert:ignore", "/size:1280x800", "/log-level:WARN", "-clipboard", *more], "freerdp.log")

    def screen(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        gw = self.rig()
        gw.broker.users["alice"] = "wonderland"
        rig = Rig()
        self.addCleanup(rig.close)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=COLOUR.hex())
        gw.host.display = {"rdp": rig.socket}
        return gw, rig

    def typed(self, rig):
        """Sees the desktop and types into it."""
        at = 3 * (700 * 400 + 350)
        wait_for("the desktop on the client's screen", lambda: rig.shot(700, 500)[at:at + 3] == COLOUR, 20)
        rig.xdo("mousemove", "400", "300", "click", "1")
        wait_for("the click", lambda: rig.events("button"))
        rig.xdo("type", "--delay", "25", "pane")
        wait_for("the typed word", lambda: [c for c, down in rig.keys() if down] == [25, 30, 49, 18])

    def said(self, rig):
        with open(rig.dir + "/freerdp.log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def test_xfreerdp_password(self):
        """xfreerdp3 with user and password (NTLM to the gateway) types on its desktop; only the HTTPS port is open"""
        gw, rig = self.screen()
        client = self.freerdp(gw, rig, ["u:alice", "p:wonderland"], "/gfx")
        self.typed(rig)
        self.assertEqual(set(gw.gateway.ports), {"https"})
        q = gw.broker.asked
        self.assertEqual([(a["user"], a["password"], a["protocol"]) for _, a in q], [("alice", "wonderland", "rdp")])
        self.assertEqual(gw.host.prefaces[0]["conn"], q[0][1]["conn"])
        self.assertRegex(gw.log(), rf"tunnel.start conn={q[0][1]['conn']} client=\S+ claim=ntlm named=\"desktop\"")
        self.assertNotIn("wonderland", gw.log())
        client.terminate()
        wait_for("the ends", lambda: "session.end" in gw.log() and "tunnel.end" in gw.log())

    def test_xfreerdp_ticket(self):
        """A ticket as the gateway's access token, or as bearer, is the whole login; it works once"""
        for word in ("access-token:", "bearer:"):
            gw, rig = self.screen()
            ticket = gw.broker.ticket()
            client = self.freerdp(gw, rig, [word + ticket], user="x", password="y")
            self.typed(rig)
            self.assertEqual(gw.broker.asked[0][1]["ticket"], ticket)
            client.terminate()
            client.wait()
            again = self.freerdp(gw, rig, [word + ticket], user="x", password="y")
            self.assertNotEqual(again.wait(20), 0)
            self.assertIn("ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES", self.said(rig))
            self.assertNotIn(ticket[4:], gw.log())

    def test_xfreerdp_wrong(self):
        """A wrong password, to the gateway, to the desktop or to both, is refused as the RDP login refuses it"""
        gw, rig = self.screen()
        for outer, inner, asked in (("wrong", "wonderland", 0), ("wonderland", "wrong", 0), ("wrong", "wrong", 1)):
            before, refused = len(gw.broker.asked), self.said(rig).count("INSUFFICIENT_PRIV") if os.path.exists(rig.dir + "/freerdp.log") else 0
            client = self.freerdp(gw, rig, ["u:alice", "p:" + outer], password=inner)
            self.assertNotEqual(client.wait(20), 0)
            self.assertGreater(self.said(rig).count("INSUFFICIENT_PRIV"), refused)
            self.assertEqual(len(gw.broker.asked) - before, asked)
        client = self.freerdp(gw, rig, ["access-token:not-a-ticket"])
        self.assertNotEqual(client.wait(20), 0)
        self.assertEqual(gw.host.prefaces, [])
        self.assertNotIn("session.start", gw.log())
        self.assertEqual(gw.log().count("code=login.failed"), 4)

    # ---- by hand

    def display(self, gw, after):
        """A host whose display answers as the gateway did, then does after(s)."""
        gw.answers = b""

        def handle(s, _):
            exactly(s, sum(len(part) for part in recorded()[1:]))
            s.sendall(gw.answers)
            after(s)
        gw.host.handle = handle

    def login(self, gw, tunnel):
        """The RDP login inside an open tunnel, as recorded."""
        first, *rest = recorded()
        tunnel.put(first)
        assert tunnel.get(19)[11:16] == b"\x02\x03\x08\x00\x01"
        tunnel.tls()
        said = b""
        for part in rest[:-1]:
            tunnel.write(part)
            if part[7] >> 2 != 1:  # nothing answers ErectDomainRequest
                head = tunnel.read(4)
                said += head + tunnel.read(int.from_bytes(head[2:4], "big") - 4)
        gw.answers = said
        tunnel.write(rest[-1])
        return tunnel

    def echo(self, s):
        seen = b""
        while part := s.recv(65536):
            seen += part
            if b"ping" in seen:
                s.sendall(part[part.index(b"ping"):] if b"ping" in part else part)

    def enter(self, gw, authorization, port="https"):
        t = self.tunnel(gw, port)
        self.assertIn(" 101 ", t.request(authorization))
        return self.login(gw, t.open())

    def test_basic(self):
        """Basic: user and password in the request; bytes of any size travel both ways, pings are answered, keepalives are not"""
        gw = self.rig()
        self.display(gw, self.echo)
        t = self.enter(gw, basic("alice", " " * 10))
        for data in (b"ping", b"ping" + os.urandom(300000)):
            t.write(data)
            self.assertEqual(t.read(len(data)), data)
        self.assertEqual(len(gw.broker.asked), 1)
        self.assertIn("claim=password", gw.log())
        t.say(b"there?", 9)
        self.assertEqual(t.take_frame(), (10, b"there?"))
        t.say(message(KEEPALIVE))
        self.assertEqual(t.ask(CLOSE, bytes(4)), (CLOSE_RESPONSE, bytes(4)))
        self.assertEqual(t.take(), (None, 1000))
        wait_for("the session's end", lambda: "session.end" in gw.log())

    def test_desktop_ends(self):
        """When the desktop ends the connection everything it said arrives, then the tunnel's close"""
        gw = self.rig()
        self.display(gw, lambda s: s.sendall(b"z" * 500000))
        t = self.enter(gw, basic("alice", " " * 10))
        self.assertEqual(t.read(500000), b"z" * 500000)
        kind = None
        while kind != CLOSE:
            kind, _ = t.take()
            self.assertIn(kind, (DATA, CLOSE))
        self.assertEqual(t.take(), (None, 1000))

    def test_never_an_address(self):
        """Whatever computer is named, a listening address among them, the channel leads to the RDP login and nowhere else"""
        gw = self.rig()
        for name in ("127.0.0.1", gw.host.address, "localhost", "[::1]", "", "a" * 120):
            t = self.tunnel(gw)
            t.request(basic("alice", " " * 10))
            self.assertEqual((t.handshake(), t.create(), t.channel(name)), ((2, 0), (5, 0), 0))
            t.put(recorded()[0])
            self.assertEqual(t.get(19)[11:16], b"\x02\x03\x08\x00\x01")
            t.t.close()
        self.assertEqual(gw.host.prefaces, [])

    def test_both_must_agree(self):
        """Another user, or another password, in the request than inside: refused without asking the broker"""
        gw = self.rig()
        for said in (basic("bob", " " * 10), basic("alice", "x"), basic("", " " * 10)):
            t = self.enter(gw, said)
            kind = DATA
            while kind == DATA:
                kind, _ = t.take()
            self.assertEqual(kind, CLOSE)
        self.assertEqual(gw.broker.asked, [])
        self.assertEqual(gw.log().count("not who the tunnel said"), 3)

    def test_asks(self):
        """Without a claim the answer is 401 with NTLM and Basic, four times; other transports and methods are told what is spoken"""
        gw = self.rig()
        t = self.tunnel(gw)
        for said in (None, "Negotiate YIIB", "Digest x", "Basic !!!"):
            head = t.request(said)
            self.assertIn(" 401 ", head)
            self.assertIn("WWW-Authenticate: NTLM\r\n", head)
            self.assertIn("WWW-Authenticate: Basic ", head)
        until_closed(t.t)
        for more, want in (({"Upgrade": None}, 426), ({"method": "RDG_IN_DATA"}, 426), ({"method": "GET"}, 404), ({"path": "/remoteDesktopGateway/x"}, 404)):
            self.assertIn(f" {want} ", self.tunnel(gw).request(basic("alice", "x"), **more))
        for more in ({"Content_Length": "5"}, {"Sec_WebSocket_Key": "x"}):
            with self.assertRaises(ConnectionError):
                self.tunnel(gw).request(basic("alice", "x"), **more)
        self.assertEqual(gw.broker.asked, [])

    def test_no_proof_no_channel(self):
        """An NTLM answer without its challenge, a cookie that is none, a handshake for another method: no channel"""
        gw = self.rig()
        proof = b"NTLMSSP\0\3\0\0\0" + bytes(8) + struct.pack("<HHIHHIHHI", 60, 60, 64, 0, 0, 0, 2, 2, 124) + bytes(16) + b"\1\0\0\0"
        self.assertIn(" 401 ", self.tunnel(gw).request("NTLM " + base64.b64encode(proof + bytes(60) + b"a\0").decode()))
        t = self.tunnel(gw)
        self.assertIn(" 101 ", t.request(RDG_Auth_Scheme="PAA"))
        self.assertEqual(t.handshake(), (2, BAD_METHOD))
        self.assertEqual(t.take(), (None, 1000))
        for cookie in (None, "", "pt1_short", "x" * 600):
            t = self.tunnel(gw)
            t.request(RDG_Auth_Scheme="PAA")
            self.assertEqual(t.handshake(2), (2, 0))
            self.assertEqual(t.create(cookie), (5, ACCESS_DENIED))
            self.assertEqual(t.take(), (None, 1000))

    def test_hostile(self):
        """Lying lengths, messages out of order, data before a channel, giant messages: 1002, and the neighbours live on"""
        gw = self.rig(per_source_max=200, penalties="no")
        self.display(gw, self.echo)
        live = self.enter(gw, basic("alice", " " * 10))
        worker = gw.gateway.workers()
        data = struct.pack("<HHIH", DATA, 0, 15, 5) + b"hello"
        for bad in (message(4, bytes(8)), data, message(0x99), message(2, bytes(10)), struct.pack("<HHI", 1, 0, 7), struct.pack("<HHI", 1, 0, 0xFFFFFFFF),
                    message(1, bytes(5)), message(1, bytes(7)), struct.pack("<HHIH", DATA, 0, 15, 6) + b"hello", message(KEEPALIVE, b"x"), message(CLOSE)):
            t = self.tunnel(gw)
            t.request(basic("alice", " " * 10))
            t.say(bad)
            self.assertEqual(t.take(), (None, 1002), bad)
        for bad in (message(1, bytes(6)), message(8, bytes(4)), struct.pack("<HHIH", DATA, 0, 0xFFFFFFFF, 0xFFFF)):
            t = self.tunnel(gw)
            t.request(basic("alice", " " * 10))
            t.open().say(bad)
            self.assertEqual(t.take(), (None, 1002), bad)
        for junk in (os.urandom(3000), b"\x81\x80" + bytes(4), b"\x82\x05hello", b"\x82\xff" + b"\xff" * 12):
            t = self.tunnel(gw)
            t.request(basic("alice", " " * 10))
            t.t.sendall(junk)
            until_closed(t.t)
        t = self.tunnel(gw)  # garbage for the login inside ends that, and the tunnel with it
        t.request(basic("alice", " " * 10))
        t.open().put(os.urandom(5000))
        self.assertEqual(t.take()[0], CLOSE)
        live.write(b"ping")
        self.assertEqual(live.read(4), b"ping")
        self.assertEqual(gw.gateway.workers(), worker)

    def test_cut_anywhere(self):
        """The tunnel's messages may come in one frame, or a byte a frame"""
        gw = self.rig()
        words = message(1, b"\1\0\0\0\0\0") + message(4, bytes(8)) + message(6, bytes(4)) + message(8, struct.pack("<BBHHH", 1, 0, 3389, 3, 2) + b"p\0")
        for step in (len(words), 1, 7):
            t = self.tunnel(gw)
            t.request(basic("alice", " " * 10))
            t.t.sendall(b"".join(t.frame(words[at:at + step]) for at in range(0, len(words), step)))
            self.assertEqual([t.take()[0] for _ in range(4)], [2, 5, 7, 9])
            t.t.close()

    def test_deadlines(self):
        """A client that stops anywhere before the channel, or inside before its login, is dropped at the login's deadline"""
        gw = self.rig(login_deadline_ms=700)
        waiting = []
        for stop in range(5):
            t = self.tunnel(gw)
            waiting.append(t)
            if stop:
                t.request(None if stop == 1 else basic("alice", "x"))
            if stop == 3:
                t.handshake()
            if stop == 4:
                t.open()
        begin = time.monotonic()
        for t in waiting:
            t.t.settimeout(5)
            until_closed(t.t)
        self.assertLess(time.monotonic() - begin, 4)
        self.assertGreaterEqual(gw.log().count("why=deadline"), 5)
        wait_for("the tunnel's end", lambda: "tunnel.end" in gw.log())

    def test_slow_reader(self):
        """A client that does not read holds up its own desktop only, in bounded memory"""
        gw = self.rig()
        sent = []

        def flood(s):
            s.settimeout(3)
            total = 0
            try:
                while total < 64 << 20:
                    s.sendall(b"y" * 65536)
                    total += 65536
            except OSError:
                pass
            sent.append(total)
        self.display(gw, flood)
        slow = self.enter(gw, basic("alice", " " * 10))
        wait_for("the flood to be held up", lambda: sent, 20)
        self.assertLess(sent[0], 32 << 20)
        self.display(gw, self.echo)
        other = self.enter(gw, basic("alice", " " * 10))
        other.write(b"ping")
        self.assertEqual(other.read(4), b"ping")
        slow.t.close()

    def test_slow_desktop(self):
        """A desktop that does not read stops its client, in bounded memory; when it reads again nothing is missing"""
        gw = self.rig()
        go = []

        def sleepy(s):
            wait_for("the word", lambda: go, 20)
            seen = b""
            while not seen.endswith(b"end"):
                seen += s.recv(65536)
            s.sendall(struct.pack(">I", seen.count(b"w")))
        self.display(gw, sleepy)
        t = self.enter(gw, basic("alice", " " * 10))
        t.t.setblocking(False)
        total, pending, quiet = 0, b"", 0
        while quiet < 10 and total < 64 << 20:
            if not pending:
                t.inner.write(b"w" * 16000)
                part = t.out.read()
                pending = t.frame(struct.pack("<HHIH", DATA, 0, 10 + len(part), len(part)) + part)
                total += 16000
            try:
                pending = pending[t.t.send(pending):]
                quiet = 0
            except ssl.SSLWantWriteError:
                quiet += not select.select([], [t.t], [], 0.1)[1]
        self.assertLess(total, 32 << 20)
        go.append(True)
        t.t.settimeout(20)
        t.t.sendall(pending)
        t.write(b"end")
        self.assertEqual(struct.unpack(">I", t.read(4))[0], total)

    def test_shared_port(self):
        """The port that RDP and HTTPS share has the RD Gateway as well"""
        gw = self.rig(shared_listen="127.0.0.1:0", https_listen=None)
        self.display(gw, self.echo)
        t = self.enter(gw, basic("alice", " " * 10), "shared")
        t.write(b"ping")
        self.assertEqual(t.read(4), b"ping")

    def test_counts_once(self):
        """A tunnel and the login inside are one connection of their source, and give it back"""
        gw = self.rig(per_source_max=3)
        self.display(gw, self.echo)
        held = [self.enter(gw, basic("alice", " " * 10)) for _ in range(3)]
        with self.assertRaises((OSError, ConnectionError)):
            self.enter(gw, basic("alice", " " * 10))
        self.assertIn("per_source_max", gw.log())
        for t in held:
            t.write(b"ping")
            self.assertEqual(t.read(4), b"ping")
            t.t.close()
        wait_for("the ends", lambda: gw.log().count("session.end") == 3 and gw.log().count("tunnel.end") == 3)
        for _ in range(3):
            held.append(self.enter(gw, basic("alice", " " * 10)))

    def test_drain(self):
        """SIGTERM ends tunnels within the drain, and the gateway ends well"""
        gw = self.rig()
        self.display(gw, self.echo)
        t = self.enter(gw, basic("alice", " " * 10))
        t.write(b"ping")
        t.read(4)
        self.assertEqual(gw.gateway.stop(), 0)
        self.assertRegex(gw.log(), r"session.end .*why=stopped|session.end .*why=client-")


if __name__ == "__main__":
    unittest.main()
