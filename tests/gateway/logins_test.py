# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins through the gateway with real viewers, a real pane-display, and a broker and host of the test's."""
import re
import time
import unittest

from tools.display_rig import Rig, missing
from tools.gateway_rig import DESKTOP, TOP, GatewayRig, exactly, rfb_display, wait_for

TIMEOUT = 400
COLOUR = b"\x30\x60\xa0"


class Logins(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        self.gw = GatewayRig()
        self.addCleanup(self.gw.close)

    def screen(self):
        rig = Rig()
        self.addCleanup(rig.close)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour=COLOUR.hex())
        self.gw.host.display = {"rdp": rig.socket, "rfb": rig.socket}
        return rig

    def freerdp(self, rig, *more):
        return rig.spawn(["xfreerdp3", f"/v:127.0.0.1:{self.gw.gateway.ports['rdp']}", "/cert:ignore",
                          "/size:1280x800", "/log-level:WARN", "-clipboard", *more], "freerdp.log")

    def freerdp_said(self, rig):
        with open(rig.dir + "/freerdp.log", encoding="utf-8", errors="replace") as f:
            return re.findall(r"ERRINFO_\w+|SSL_REQUIRED_BY_SERVER", f.read())

    def shows_desktop(self, rig):
        at = 3 * (700 * 400 + 350)
        wait_for("the desktop on the client's screen", lambda: rig.shot(700, 500)[at:at + 3] == COLOUR, 20)

    def refused(self, rig, *words):
        child = self.freerdp(rig, *words)
        self.assertNotEqual(child.wait(20), 0)
        return self.freerdp_said(rig)[-1]

    def test_rdp_password(self):
        """xfreerdp3 with user and password sees the desktop; the display never gets the password"""
        rig = self.screen()
        client = self.freerdp(rig, "/u:alice#office", "/p:wonderland", "/gfx")
        self.shows_desktop(rig)
        q = self.gw.broker.asked[0][1]
        self.assertEqual((q["user"], q["desktop"], q["password"], q["protocol"]),
                         ("alice", "office", "wonderland", "rdp"))
        p = self.gw.host.prefaces[0]
        self.assertEqual((p["user"], p["desktop"], p["conn"], p["rdp"]["selected_protocol"]),
                         ("alice", DESKTOP, q["conn"], 1))
        sent = bytes(self.gw.host.received[0])
        self.assertIn("alice".encode("utf-16-le"), sent)
        self.assertNotIn("wonder".encode("utf-16-le"), sent)
        self.assertNotIn("wonderland", self.gw.log())
        client.terminate()
        wait_for("the session's end", lambda: "session.end" in self.gw.log())

    def test_rdp_two_channels_sets(self):
        """Few or many static channels, with and without graphics pipeline: the display's answers match"""
        for words in (["-clipboard", "-gfx"], ["+clipboard", "/sound", "/mic", "/echo", "/gfx"], ["/bpp:16", "-gfx"]):
            with self.subTest(words):
                rig = self.screen()
                client = self.freerdp(rig, "/u:alice", "/p:wonderland", *words)
                self.shows_desktop(rig)
                client.terminate()
                client.wait()
        self.assertNotIn("display.differs", self.gw.log())

    def test_rdp_ticket_in_routing_token(self):
        """A ticket as routing token wins over the typed password, works once, and is not logged"""
        rig = self.screen()
        ticket = self.gw.broker.ticket()
        client = self.freerdp(rig, "/u:x", "/p:y", "/load-balance-info:Cookie: msts=" + ticket)
        self.shows_desktop(rig)
        self.assertEqual(self.gw.broker.asked[0][1]["ticket"], ticket)
        client.terminate()
        client.wait()
        self.assertEqual(self.refused(rig, "/u:x", "/p:y", "/load-balance-info:" + ticket),
                         "ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES")
        self.assertNotIn(ticket[4:], self.gw.log())

    def test_rdp_ticket_as_password(self):
        """A ticket typed as password lets in"""
        rig = self.screen()
        self.freerdp(rig, "/u:x", "/p:" + self.gw.broker.ticket())
        self.shows_desktop(rig)

    def test_rdp_one_answer_for_failed_logins(self):
        """Wrong password, unknown user and bad ticket are one same answer to the RDP user"""
        rig = self.screen()
        answers = {self.refused(rig, "/u:alice", "/p:wrong"), self.refused(rig, "/u:nobody", "/p:wonderland"),
                   self.refused(rig, "/u:a", "/p:b", "/load-balance-info:pt1_short"),
                   self.refused(rig, "/u:", "/p:wonderland")}
        self.assertEqual(answers, {"ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES"})
        self.assertEqual(self.gw.host.prefaces, [])

    def test_rdp_cause_of_refusal(self):
        """A desktop that starts, none free, a broker that is down: each has its own answer"""
        rig = self.screen()
        for code, info in (("desktop.starting", "ERRINFO_CB_SESSION_ONLINE_VM_BOOT_TIMEOUT"),
                           ("desktop.unavailable", "ERRINFO_CB_DESTINATION_POOL_NOT_FREE"),
                           ("desktop.unknown", "ERRINFO_CB_DESTINATION_NOT_FOUND")):
            self.gw.broker.special = (409, {"error": {"code": code, "message": "m"}})
            self.assertEqual(self.refused(rig, "/u:alice", "/p:wonderland"), info)
        self.gw.broker.stop()
        self.assertEqual(self.refused(rig, "/u:alice", "/p:wonderland"), "ERRINFO_CB_LOADING_DESTINATION")

    def test_rdp_recorded_clients(self):
        """Recorded clients, one that joins its channels singly and all pipelined, agree with the display"""
        self.screen()
        self.gw.broker.users["alice"] = " " * 10  # as recorded
        for name in ("joins", "plain", "many", "noskip"):
            with open(f"{TOP}/tests/fuzz/corpus/gateway/rdp/{name}", "rb") as f:
                data = f.read()
            s = self.gw.connect("rdp")
            n = int.from_bytes(data[2:4], "big")
            s.sendall(data[:n])
            self.assertEqual(exactly(s, 19)[11:16], b"\x02\x03\x08\x00\x01")
            t = self.gw.tls(s)
            started = self.gw.log().count("session.start")
            t.sendall(data[n:])
            wait_for(f"the session of {name}", lambda seen=started: self.gw.log().count("session.start") > seen or
                     "differs" in self.gw.log())
            t.close()
        self.assertNotIn("display.differs", self.gw.log())

    def test_rdp_without_tls(self):
        """A client that will not do TLS is told that it must"""
        rig = self.screen()
        self.assertEqual(self.refused(rig, "/u:alice", "/p:wonderland", "/sec:rdp"), "SSL_REQUIRED_BY_SERVER")

    def test_rdp_held_by_the_broker(self):
        """The broker may think longer than the login deadline while a desktop starts"""
        self.gw.gateway.stop()
        from tools.gateway_rig import Gateway
        self.gw.gateway = Gateway(self.gw, login_deadline_ms=1000)
        rig = self.screen()
        self.gw.broker.delay_s = 3
        self.freerdp(rig, "/u:alice", "/p:wonderland")
        self.shows_desktop(rig)

    def test_rdp_display_that_differs(self):
        """A display that answers otherwise than the gateway did ends the login with a logged reason"""
        rig = self.screen()
        self.gw.host.handle = lambda s, p: (s.recv(1000), s.sendall(b"\x03\x00\x00\x0c" + bytes(60)), s.recv(10))
        self.assertEqual(self.refused(rig, "/u:alice", "/p:wonderland"), "ERRINFO_CB_REDIRECTING_TO_DESTINATION")
        self.assertRegex(self.gw.log(), r"display.differs.*byte 3 of the display's answers is 0c")

    def test_rfb_password(self):
        """TigerVNC's viewer with VeNCrypt X509Plain sees the desktop"""
        rig = self.screen()
        rig.env.update(VNC_USERNAME="alice#office", VNC_PASSWORD="wonderland")
        client = rig.spawn(["xtigervncviewer", "-SecurityTypes=X509Plain", "-X509CA=" + self.gw.pki.path("ca.crt"),
                            "-RemoteResize=0", "-AlertOnFatalError=0",
                            f"localhost::{self.gw.gateway.ports['rfb']}"], "vnc.log")
        self.shows_desktop(rig)
        q = self.gw.broker.asked[0][1]
        self.assertEqual((q["user"], q["desktop"], q["protocol"]), ("alice", "office", "rfb"))
        client.terminate()
        wait_for("the session's end", lambda: "session.end" in self.gw.log())

    def test_rfb_by_hand(self):
        """Early bytes of the display reach the viewer, and bytes flow both ways"""
        self.gw.host.handle = lambda s, p: rfb_display(s, p, b"early")
        t = self.gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(t, 9), b"\0\0\0\0early")
        t.sendall(b"x" * 300000)
        self.assertEqual(exactly(t, 300000), b"x" * 300000)
        ticket = self.gw.broker.ticket()
        self.assertEqual(exactly(self.gw.rfb("anyone", ticket), 4), bytes(4))
        self.assertIn("User name, password or ticket is wrong", self.gw.rfb_reason(self.gw.rfb("anyone", ticket)))

    def test_rfb_one_answer_for_failed_logins(self):
        """Wrong password, unknown user, no user and bad bytes read the same to the viewer but for the id"""
        said = set()
        for user, password in (("alice", "x"), ("nobody", "wonderland"), ("", ""), ("a\0b", "x")):
            reason = self.gw.rfb_reason(self.gw.rfb(user, password))
            said.add(re.sub(r"id \w+", "id", reason))
        self.assertEqual(len(said), 1, said)

    def test_rfb_reasons(self):
        """A viewer shows the broker's sentence, and ours when broker or host are away"""
        self.gw.broker.special = (409, {"error": {"code": "desktop.unavailable", "message": "None is free",
                                                  "reasons": ["host h2: needs 4096 MiB, 1200 free"]}})
        self.assertRegex(self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")),
                         r"^None is free \(host h2: needs 4096 MiB, 1200 free\) \(id \w{12}\)$")
        self.gw.broker.special = None
        self.gw.broker.host_address = "127.0.0.1:1"
        self.assertIn("host of this desktop does not answer", self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")))
        self.gw.broker.raw = b"garbage\r\n\r\n"
        self.assertIn("broker does not answer", self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")))
        self.gw.broker.stop()
        self.assertIn("broker does not answer", self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")))

    def test_rfb_other_security(self):
        """A viewer that chooses another security type is told what it needs"""
        s = self.gw.connect("rfb")
        exactly(s, 12)
        s.sendall(b"RFB 003.008\n")
        exactly(s, 2)
        s.sendall(b"\x02")
        self.assertIn("VeNCrypt", self.gw.rfb_reason(s))
        s = self.gw.connect("rfb")
        exactly(s, 12)
        s.sendall(b"RFB 003.003\n")
        self.assertEqual(exactly(s, 4), bytes(4))
        self.assertIn(b"VeNCrypt", exactly(s, 60))

    def test_host_identity(self):
        """A host with another host's certificate, or one of another CA, gets neither grant nor bytes"""
        self.gw.broker.host = "00000000-0000-0000-0000-000000000bad"
        self.assertIn("host of this desktop", self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")))
        self.assertIn("not host/00000000", self.gw.log())
        self.gw.pki.make_ca("other")
        from tools.gateway_rig import HOST, Host
        stranger = Host(self.gw.pki, self.gw.pki.issue("stranger", "host", HOST, ca="other"))
        self.gw.broker.host, self.gw.broker.host_address = HOST, stranger.address
        self.assertIn("host of this desktop", self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")))
        self.assertEqual(self.gw.host.prefaces + stranger.prefaces, [])

    def test_host_refuses(self):
        """What the host says reaches the viewer"""
        self.gw.host.answer = {"ok": False, "code": "desktop.unknown", "message": "There is no such desktop."}
        self.assertRegex(self.gw.rfb_reason(self.gw.rfb("alice", "wonderland")),
                         r"^There is no such desktop\. \(id \w{12}\)$")

    def test_session_outlives_the_broker(self):
        """A live session needs no broker"""
        self.gw.host.handle = rfb_display
        t = self.gw.rfb("alice", "wonderland")
        exactly(t, 4)
        self.gw.broker.stop()
        time.sleep(0.2)
        t.sendall(b"still here")
        self.assertEqual(exactly(t, 10), b"still here")


if __name__ == "__main__":
    unittest.main()
