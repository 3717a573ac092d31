# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes before a login: load balancers that name the client, one port for two protocols, certificates
by name, and sources that misbehaved."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

from tools.gateway_rig import GatewayRig, exactly, rfb_display, until_closed, wait_for

CR = bytes.fromhex("030000130ee000000000000100080003000000")
JUNK = b"\x03\x00\xff\xff" + b"x" * 64


def proxy_head(client, port=40000, command=0x21, family=0x11, more=b""):
    """Version 2 of the PROXY protocol."""
    body = socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + port.to_bytes(2, "big") + b"\x0d\x3d" + more
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family]) + len(body).to_bytes(2, "big") + body


class Doors(unittest.TestCase):
    def rig(self, **more):
        gw = GatewayRig(**more)
        self.addCleanup(gw.close)
        gw.host.handle = rfb_display
        return gw

    def enter(self, gw, head=b"", user="alice"):
        """A viewer's whole login, behind a head."""
        s = gw.connect("rfb")
        s.sendall(head)
        t = gw.rfb(user, "wonderland", s)
        self.assertEqual(exactly(t, 4), bytes(4))
        self.addCleanup(t.close)
        return t

    def shut(self, s):
        """The gateway ends it."""
        s.settimeout(10)
        self.assertEqual(until_closed(s), b"")
        s.close()

    # ---- one port

    def test_shared_port(self):
        """On one port a browser gets HTTPS and an RDP client RDP; anything else is told apart from both"""
        gw = self.rig(shared_listen="127.0.0.1:0")
        for _ in range(2):
            t = gw.tls(gw.connect("shared"))
            t.sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 200 ", until_closed(t))
            s = gw.connect("shared")
            s.sendall(CR[:1])
            s.sendall(CR[1:])
            self.assertEqual(exactly(s, 19)[5], 0xd0)  # Connection Confirm
            gw.tls(s).close()
        s = gw.connect("shared")
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        self.shut(s)
        wait_for("the line", lambda: "neither RDP nor TLS" in gw.log())

    def test_silent_at_shared_port(self):
        """Who says nothing at all on a shared port is dropped at the deadline"""
        gw = self.rig(shared_listen="127.0.0.1:0", login_deadline_ms=600)
        self.shut(gw.connect("shared"))
        self.assertIn("why=deadline", gw.log())

    # ---- load balancers

    def test_balancer_names_client(self):
        """Behind a load balancer the broker, the host and the log hear of the client, however the head arrives"""
        gw = self.rig(proxy_from="10.0.0.0/8, 127.0.0.0/8", shared_listen="127.0.0.1:0")
        self.enter(gw, proxy_head("203.0.113.7"))
        self.assertEqual(gw.broker.asked[-1][1]["client"], "203.0.113.7:40000")
        self.assertEqual(gw.host.prefaces[-1]["client"], "203.0.113.7:40000")
        wait_for("the line", lambda: re.search(r"session.start .* client=203\.0\.113\.7:40000 ", gw.log()))
        s = gw.connect("rfb")
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in proxy_head("203.0.113.8", more=b"\x03\x00\x04abcd"):
            s.sendall(bytes([byte]))
        t = gw.rfb("alice", "wonderland", s)
        self.assertEqual(exactly(t, 4), bytes(4))
        self.assertEqual(gw.broker.asked[-1][1]["client"], "203.0.113.8:40000")
        s = gw.connect("shared")  # head, first byte and the rest of a request at once
        s.sendall(proxy_head("203.0.113.9"))
        t = gw.tls(s)
        t.sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
        until_closed(t)
        self.assertIn("X-Pane-Client: 203.0.113.9:40000", gw.broker.api_heads[-1])

    def test_balancer_itself(self):
        """A health check of the balancer (LOCAL) is its own connection"""
        gw = self.rig(proxy_from="127.0.0.1")
        self.enter(gw, proxy_head("203.0.113.7", command=0x20))
        self.assertTrue(gw.broker.asked[-1][1]["client"].startswith("127.0.0.1:"))

    def test_no_head(self):
        """From a load balancer's address nothing but a head is taken; from elsewhere a head is a client's garbage"""
        gw = self.rig(proxy_from="127.0.0.1", login_deadline_ms=1500)
        for first in (CR, b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n", b"\x16\x03\x01\x02\x00",
                      proxy_head("203.0.113.7", family=0x12), proxy_head("203.0.113.7", more=bytes(4000))):
            s = gw.connect("rdp")
            s.sendall(first)
            self.shut(s)
        s = gw.connect("rdp")
        s.sendall(proxy_head("203.0.113.7")[:20])
        self.shut(s)
        self.assertIn("why=deadline", gw.log())
        self.assertFalse(gw.broker.asked)
        other = self.rig(proxy_from="192.0.2.0/24")
        s = other.connect("rdp")
        s.sendall(proxy_head("203.0.113.7") + CR)
        self.shut(s)
        self.enter(other)

    def test_limits_behind_balancer(self):
        """Limits count the clients behind a load balancer, not the balancer"""
        gw = self.rig(proxy_from="127.0.0.1", per_source_max=2)
        kept = [self.enter(gw, proxy_head(f"203.0.113.{n % 3}")) for n in range(6)]
        s = gw.connect("rfb")
        s.sendall(proxy_head("203.0.113.1"))
        self.shut(s)
        self.assertIn("client=203.0.113.1:40000 why=per_source_max", gw.log())
        kept[1].close()  # that client's own
        wait_for("its end", lambda: "session.end" in gw.log())
        self.enter(gw, proxy_head("203.0.113.1"))

    def test_haproxy(self):
        """HAProxy with send-proxy-v2 in front: the client's own address arrives, over IPv4"""
        if not shutil.which("haproxy") and not os.path.exists("/usr/sbin/haproxy"):
            self.skipTest("haproxy is missing: run make deps")
        gw = self.rig(proxy_from="127.0.0.1")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with open(gw.dir + "/haproxy.cfg", "w", encoding="ascii") as f:
            f.write("defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                    f"listen front\n bind 127.0.0.1:{port}\n server gw 127.0.0.1:{gw.gateway.ports['rfb']} send-proxy-v2\n")
        balancer = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", gw.dir + "/haproxy.cfg"], stderr=subprocess.DEVNULL)
        gw.children.append(balancer)

        def connect():
            try:
                return socket.create_connection(("127.0.0.1", port), 10)
            except ConnectionRefusedError:
                return None

        s = wait_for("haproxy listens", connect)
        mine = "%s:%d" % s.getsockname()
        t = gw.rfb("alice", "wonderland", s)
        self.assertEqual(exactly(t, 4), bytes(4))
        self.assertEqual(gw.broker.asked[-1][1]["client"], mine)

    # ---- certificates by name

    def shown(self, gw, name):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.load_verify_locations(gw.pki.path("ca.crt"))
        c.check_hostname = False
        with c.wrap_socket(gw.connect("https"), server_hostname=name) as t:
            return dict(pair[0] for pair in t.getpeercert()["subject"])["commonName"]

    def test_certificate_by_name(self):
        """The certificate shown is the one for the name asked for, else the first; after a reload as well"""
        gw = GatewayRig()
        self.addCleanup(gw.close)
        second = gw.pki.issue("second", "gateway", "desks.example.org")
        gw.gateway.stop()
        with open(gw.gateway.config, "a", encoding="ascii") as f:
            f.write(f"cert = {second[0]}\nkey = {second[1]}\n")
        gw.gateway.start()
        self.assertEqual(self.shown(gw, "desks.example.org"), "desks.example.org")
        self.assertEqual(self.shown(gw, "localhost"), "localhost")
        self.assertEqual(self.shown(gw, "stranger.example.org"), "localhost")
        self.assertEqual(self.shown(gw, None), "localhost")
        gw.pki.issue("second", "gateway", "new.example.org")
        gw.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: "tls.reload worker=0 result=ok" in gw.log())
        self.assertEqual(self.shown(gw, "new.example.org"), "new.example.org")
        self.assertEqual(self.shown(gw, "desks.example.org"), "localhost")

    # ---- penalties

    def spoil(self, gw, client, times):
        for _ in range(times):
            s = gw.connect("rdp")
            s.sendall(proxy_head(client) + JUNK)
            self.shut(s)

    def test_penalty(self):
        """A source that keeps sending garbage is refused for a while; its neighbours and its live session are not"""
        gw = self.rig(proxy_from="127.0.0.1")
        live = self.enter(gw, proxy_head("203.0.113.7"))
        self.spoil(gw, "203.0.113.7", 12)
        self.assertIn("client=203.0.113.7:40000 why=penalty", gw.log())
        live.sendall(b"ping")
        self.assertEqual(exactly(live, 4), b"ping")
        self.enter(gw, proxy_head("203.0.113.8"))

    def test_forgiven(self):
        """A login that succeeds clears its source; without one the failed ones add up"""
        gw = self.rig(proxy_from="127.0.0.1")
        for client, redeemed in (("203.0.113.7", True), ("203.0.113.8", False)):
            self.spoil(gw, client, 6)
            if redeemed:
                self.enter(gw, proxy_head(client))
            asked = len(gw.broker.asked)
            self.spoil(gw, client, 4)
            s = gw.connect("rfb")
            s.sendall(proxy_head(client))
            try:
                exactly(gw.rfb("alice", "wonderland", s), 4)
            except (OSError, ConnectionError):
                self.assertFalse(redeemed)
            self.assertEqual(len(gw.broker.asked) - asked, 1 if redeemed else 0)

    def test_failed_logins(self):
        """Failed logins count, unless the source is exempt or penalties are off"""
        for more, refused in (({}, True), ({"penalty_exempt": "203.0.113.0/24"}, False), ({"penalties": "no"}, False)):
            gw = self.rig(proxy_from="127.0.0.1", **more)
            for _ in range(20):
                s = gw.connect("rfb")
                s.sendall(proxy_head("203.0.113.7"))
                try:
                    gw.rfb_reason(gw.rfb("alice", "wrong", s))
                except (OSError, ConnectionError):
                    break
            self.assertEqual("why=penalty" in gw.log(), refused, more)
