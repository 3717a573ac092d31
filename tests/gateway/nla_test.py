# SPDX-License-Identifier: GPL-3.0-or-later
"""NLA by ticket: the real xfreerdp3, and a client that says exactly what a test wants it to say."""
import os
import unittest

from tools import credssp
from tools.display_rig import Rig, missing
from tools.gateway_rig import DESKTOP, TOP, Gateway, GatewayRig, exactly, until_closed, wait_for

TIMEOUT = 400
COLOUR = b"\x30\x60\xa0"
LOGON_FAILURE, NO_SERVERS = 0xC000006D, 0xC000005E


class Nla(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if missing():
            raise unittest.SkipTest("not installed: " + ", ".join(missing()))
        cls.gw = GatewayRig(nla="ticket", penalties="no")
        cls.addClassCleanup(cls.gw.close)

    def setUp(self):
        self.logged = len(self.gw.log())

    def log(self):
        return self.gw.log()[self.logged:]

    # -- the real client
    def screen(self):
        rig = Rig()
        self.addCleanup(rig.close)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=COLOUR.hex())
        self.gw.host.display = {"rdp": rig.socket}
        return rig

    def freerdp(self, rig, *words, port=None):
        return rig.spawn(["xfreerdp3", f"/v:127.0.0.1:{port or self.gw.gateway.ports['rdp']}", "/cert:ignore", "/size:1280x800",
                          "/log-level:WARN", "-clipboard", *words], "freerdp.log")

    def said(self, rig):
        with open(rig.dir + "/freerdp.log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def shows_desktop(self, rig):
        at = 3 * (700 * 400 + 350)
        wait_for("the desktop on the client's screen", lambda: rig.shot(700, 500)[at:at + 3] == COLOUR, 60)

    def test_freerdp(self):
        """xfreerdp3 /sec:nla with a ticket sees the desktop; used again, or wrong, it is a logon failure before anything else"""
        rig, ticket = self.screen(), self.gw.broker.ticket()
        client = self.freerdp(rig, "/sec:nla", "/u:alice", "/p:" + ticket, "/gfx")
        self.shows_desktop(rig)
        self.assertEqual(self.gw.broker.proofs[-1]["user"], "alice")
        self.assertEqual(self.gw.broker.asked[-1][1]["ticket"], ticket)
        self.assertEqual((self.gw.host.prefaces[-1]["desktop"], self.gw.host.prefaces[-1]["rdp"]["selected_protocol"]), (DESKTOP, 1))
        sent = bytes(self.gw.host.received[-1])
        self.assertNotIn(ticket.encode("utf-16-le"), sent)
        client.terminate()
        client.wait()
        asked = len(self.gw.broker.asked)
        for secret in (ticket, "pt1_" + "A" * 43, "wonderland"):
            child = self.freerdp(rig, "/sec:nla", "/u:alice", "/p:" + secret)
            self.assertNotEqual(child.wait(60), 0)
            self.assertRegex(self.said(rig), "LOGON_FAILURE")
        self.assertEqual(len(self.gw.broker.asked), asked)
        wait_for("three refusals in the log", lambda: self.log().count("code=login.failed") == 3, 30)
        self.assertNotIn(ticket[4:], self.gw.log())

    def test_freerdp_without(self):
        """Who does not offer NLA logs in with the password as ever; where the site requires it, only with a ticket as routing token"""
        rig = self.screen()
        client = self.freerdp(rig, "/sec:tls", "/u:alice", "/p:wonderland")
        self.shows_desktop(rig)
        client.terminate()
        client.wait()
        strict = Gateway(self.gw, nla="require", penalties="no")
        self.addCleanup(strict.stop)
        child = self.freerdp(rig, "/sec:tls", "/u:alice", "/p:wonderland", port=strict.ports["rdp"])
        self.assertNotEqual(child.wait(60), 0)
        self.assertRegex(self.said(rig), "HYBRID_REQUIRED_BY_SERVER")
        client = self.freerdp(rig, "/sec:tls", "/u:x", "/p:y", "/load-balance-info:" + self.gw.broker.ticket(), port=strict.ports["rdp"])
        self.shows_desktop(rig)
        client.terminate()
        client.wait()
        client = self.freerdp(rig, "/u:alice", "/p:" + self.gw.broker.ticket(), port=strict.ports["rdp"])
        self.shows_desktop(rig)
        client.terminate()

    # -- by hand
    def begin(self):
        """Past TLS, with the subjectPublicKey of the certificate."""
        s = self.gw.connect("rdp")
        s.settimeout(30)
        s.sendall(bytes.fromhex("030000130ee000000000000100080003000000"))
        self.assertEqual(exactly(s, 19)[13:], b"\x08\x00\x02\x00\x00\x00")
        t = self.gw.tls(s)
        self.addCleanup(t.close)
        der = t.getpeercert(binary_form=True)
        tbs = credssp.untlv(credssp.untlv(der)[1])[1]
        for _ in range(6 if tbs[0] == 0xa0 else 5):  # version (from 2 on), serial, algorithm, issuer, validity, subject
            tbs = credssp.untlv(tbs)[2]
        bits = credssp.untlv(credssp.untlv(credssp.untlv(tbs)[1])[2])[1]
        return t, bits[1:]

    def ask(self, t, *words, **parts):
        t.sendall(credssp.ts_request(*words, **parts))
        return self.answer(t)

    def answer(self, t):
        head = exactly(t, 2)
        if head[1] & 0x80:
            head += exactly(t, head[1] & 0x7f)
        n = head[1] if len(head) == 2 else int.from_bytes(head[2:], "big")
        return credssp.Answer(head + exactly(t, n))

    def challenged(self, c):
        t, key = self.begin()
        a = self.ask(t, c.version, c.hello())
        token, state = c.inner(a.token)
        if token is None:  # another mechanism was first: NTLM is asked for, and a MIC
            self.assertEqual(state, 3)
            token, _ = c.inner(self.ask(t, c.version, c.wrap(c.negotiate)).token)
        self.assertTrue(token.startswith(b"NTLMSSP\0\2"))
        return t, key, token

    def prove(self, c, key=None, nonce=True, with_mic=True):
        t, real, challenge = self.challenged(c)
        auth = c.authenticate(challenge, with_mic)
        mic = c.spnego and c.out.sign(c.mechs)
        if mic:
            c.out.restart()
        return t, real, self.ask(t, c.version, c.wrap(auth, mic), key=c.out.wrap(c.binding(key or real)), nonce=c.nonce if nonce else None)

    def refused(self, t, a, version=6):
        self.assertIsNone(a.key)
        self.assertEqual(a.error, LOGON_FAILURE if version >= 3 else None)
        self.assertEqual(until_closed(t), b"")

    def finish(self, t, c, **secret):
        t.sendall(credssp.ts_request(c.version, auth_info=c.out.wrap(c.credentials(**secret))))

    def goes_on(self, t):
        """A recorded client's messages, told NLA was selected, reach the display: a session starts."""
        self.screen()
        with open(f"{TOP}/tests/fuzz/corpus/gateway/rdp/plain", "rb") as f:
            data = f.read()
        n = int.from_bytes(data[2:4], "big")
        at = data.index(b"\x01\xc0", data.index(b"Duca")) + 4 + 208  # CS_CORE's serverSelectedProtocol
        self.assertEqual(data[at:at + 4], b"\1\0\0\0")
        t.sendall(data[n:at] + b"\2" + data[at + 1:])
        wait_for("the session", lambda: "session.start" in self.log() or "differs" in self.log(), 60)
        self.assertNotIn("differs", self.log())

    def test_versions(self):
        """Versions 2 to 6, raw and in SPNEGO, NTLM as first choice or not: the server proves its certificate, and it goes on"""
        for version, spnego in ((2, None), (3, None), (4, "ntlm"), (5, None), (6, None), (6, "ntlm"), (6, "other")):
            with self.subTest(version=version, spnego=spnego):
                c = credssp.Client("Alice", self.gw.broker.ticket("Alice"), "CORP", version, spnego)
                t, key, a = self.prove(c)
                if spnego:
                    f = credssp.fields(credssp.untlv(credssp.untlv(a.token)[1])[1])
                    self.assertEqual(credssp.untlv(f[0])[1], b"\0")  # accept-completed
                    self.assertEqual(c.back.sign(c.mechs), credssp.untlv(f[3])[1])
                    c.back.restart()
                self.assertEqual(c.back.unwrap(a.key), c.binding(key, "Server-To-Client"))
                self.assertEqual(a.version, 6)
                self.finish(t, c)
                self.logged = len(self.gw.log())
                self.goes_on(t)

    def test_key_in_a_message_of_its_own(self):
        """A client that waits for the end of SPNEGO sends its key afterwards"""
        c = credssp.Client("alice", self.gw.broker.ticket(), spnego="ntlm")
        t, key, challenge = self.challenged(c)
        auth = c.authenticate(challenge)
        mic = c.out.sign(c.mechs)
        c.out.restart()
        a = self.ask(t, 6, c.wrap(auth, mic))
        self.assertIsNone(a.key)
        c.back.sign(c.mechs)
        c.back.restart()
        a = self.ask(t, 6, key=c.out.wrap(c.binding(key)), nonce=c.nonce)
        self.assertEqual(c.back.unwrap(a.key), c.binding(key, "Server-To-Client"))
        self.finish(t, c)
        self.goes_on(t)

    def test_another_certificate(self):
        """A proof bound to another certificate's key is refused, in every version; so is one without a nonce"""
        for version in (2, 4, 6):
            c = credssp.Client("alice", self.gw.broker.ticket(), version=version)
            if version == 2:
                t, _, challenge = self.challenged(c)
                t.sendall(credssp.ts_request(2, c.authenticate(challenge), key=c.out.wrap(b"\4" + os.urandom(64))))
                self.assertEqual(until_closed(t), b"")  # that version has no word for it
            else:
                t, _, a = self.prove(c, key=b"\4" + os.urandom(64))
                self.refused(t, a, version)
        c = credssp.Client("alice", self.gw.broker.ticket())
        with self.assertRaises(ConnectionError):
            self.prove(c, nonce=False)
        wait_for("three refusals in the log", lambda: self.log().count("code=login.failed") == 3, 30)

    def test_what_was_proved_is_what_is_told(self):
        """Another secret than the proved one, a changed message, no MIC over it where one was promised, a smart card: refused"""
        ticket, other = self.gw.broker.ticket(), self.gw.broker.ticket()
        c = credssp.Client("alice", ticket)
        t, _, _ = self.prove(c)
        self.finish(t, c, secret=other)
        self.refused(t, self.answer(t))
        c = credssp.Client("alice", ticket)
        t, key, challenge = self.challenged(c)
        c.negotiate = c.negotiate[:-1] + b"\x0e"  # what the MIC is over is not what was sent
        t.sendall(credssp.ts_request(6, c.authenticate(challenge), key=c.out.wrap(c.binding(key)), nonce=c.nonce))
        self.refused(t, self.answer(t))
        c = credssp.Client("alice", ticket)
        t, _, _ = self.prove(c, with_mic=False)
        self.finish(t, c, kind=2)
        self.assertEqual(until_closed(t), b"")
        self.assertNotIn(ticket, [q.get("ticket") for _, q in self.gw.broker.asked])
        self.assertIn(other, self.gw.broker.tickets)

    def test_another_name(self):
        """A ticket proves its own user only, and a token before TLS that is another ticket is refused"""
        ticket = self.gw.broker.ticket("bob")
        t, _, a = self.prove(credssp.Client("alice", ticket))
        self.refused(t, a)
        rig = self.screen()
        child = self.freerdp(rig, "/sec:nla", "/u:bob", "/p:" + ticket, "/load-balance-info:" + self.gw.broker.ticket("carol"))
        self.assertNotEqual(child.wait(60), 0)
        wait_for("the refusal in the log", lambda: "not who the tunnel said" in self.log(), 30)

    def test_garbage(self):
        """What is no CredSSP, too long, out of order or less than full protection ends the connection and asks nobody"""
        asked = len(self.gw.broker.proofs)
        weak = credssp.Client("alice", "x", flags=credssp.FLAGS & ~0x40000000)
        t, key, challenge = self.challenged(weak)
        t.sendall(credssp.ts_request(6, weak.authenticate(challenge), key=weak.out.wrap(weak.binding(key)), nonce=weak.nonce))
        self.assertEqual(until_closed(t), b"")
        c = credssp.Client("alice", "x")
        for data in (b"\3\0\0\x0b\6\xe0\0\0\0\0\0", b"\x30\x82\x60\x00", b"\x30\x80\0\0", credssp.ts_request(1, c.negotiate),
                     credssp.ts_request(6), credssp.ts_request(6, b"NTLMSSP\0\3\0\0\0" + bytes(80)), credssp.ts_request(6, b"\x60\x02\x06\0"),
                     credssp.ts_request(6, c.negotiate, nonce=b"short"), credssp.ts_request(6, auth_info=bytes(40)),
                     credssp.ts_request(6, c.negotiate, key=bytes(48))):
            t, _ = self.begin()
            t.sendall(data)
            self.assertEqual(until_closed(t), b"", data)
        self.assertEqual(len(self.gw.broker.proofs), asked)
        self.assertNotIn("worker.crash", self.gw.log())

    def test_broker_away(self):
        """Without a broker the client is told that no logon server answers"""
        c = credssp.Client("alice", "pt1_" + "A" * 43)
        self.gw.broker.stop()
        self.addCleanup(self.gw.broker.start)
        t, _, a = self.prove(c)
        self.assertEqual(a.error, NO_SERVERS)
        wait_for("the refusal in the log", lambda: "code=broker.down" in self.log(), 30)

    def test_deadline(self):
        """A client that stops in the middle is dropped when the login's time is over"""
        quick = Gateway(self.gw, nla="ticket", login_deadline_ms=500, penalties="no")
        self.addCleanup(quick.stop)
        was, self.gw.gateway = self.gw.gateway, quick
        try:
            t, _, _ = self.challenged(credssp.Client("alice", "x"))
        finally:
            self.gw.gateway = was
        self.assertEqual(until_closed(t), b"")
        wait_for("the drop in the log", lambda: "nla: the login took too long" in quick.log(), 30)


if __name__ == "__main__":
    unittest.main()
