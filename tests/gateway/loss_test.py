# SPDX-License-Identifier: GPL-3.0-or-later
"""R6: a host is lost without a word (its network falls silent). The gateway notices in seconds and tells whoever is
connected, each in the words of its protocol."""
import re
import time
import unittest

from tools.display_rig import Rig, missing
from tools.gateway_rig import TOP, GatewayRig, exactly, rfb_display, until_closed, wait_for
from tools.netns import Network
from tools.netns import missing as no_network

TOLD_S = 15  # the promise
SET_ERROR_INFO = bytes.fromhex("ea03" "ea030100" "0001" "0800" "2f")


class Loss(unittest.TestCase):
    def setUp(self):
        if no_network():
            self.skipTest(no_network())
        self.net = Network()
        self.addCleanup(self.net.close)
        self.gw = GatewayRig(listener=self.net.listen())
        self.addCleanup(self.gw.close)

    def rfb(self):
        self.gw.host.handle = rfb_display
        t = self.gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(t, 4), bytes(4))
        return t

    def lost(self, begin):
        """The gateway's line of the end, in time."""
        wait_for("the session's end", lambda: "session.end" in self.gw.log(), TOLD_S)
        self.assertIn("why=desktop-lost", self.gw.log())
        return time.monotonic() - begin

    def test_idle_viewer(self):
        """An idle VNC session: closed in an orderly way within 15 s of the host's last packet"""
        t = self.rfb()
        self.net.cut()
        begin = time.monotonic()
        t.settimeout(TOLD_S)
        self.assertEqual(t.recv(1), b"")  # an end, not a reset: recv would raise
        self.assertLess(time.monotonic() - begin, TOLD_S)
        self.lost(begin)

    def test_busy_viewer(self):
        """One that sends all the time (bytes pile up unacknowledged): the same"""
        t = self.rfb()
        self.net.cut()
        begin = time.monotonic()
        t.settimeout(0.2)
        ended = False
        while not ended and time.monotonic() - begin < TOLD_S:
            try:
                t.sendall(b"key")
                ended = t.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True  # it was closed while we were writing
        self.assertTrue(ended)
        self.lost(begin)

    def test_one_way(self):
        """Only what the host sends is lost: noticed as well"""
        t = self.rfb()
        self.net.cut(incoming=False)
        t.settimeout(TOLD_S)
        self.assertEqual(t.recv(1), b"")

    def test_rdp_client_is_told(self):
        """A recorded RDP client's last message is Set Error Info with the host's loss, then the end"""
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        rig = Rig()
        self.addCleanup(rig.close)
        self.gw.host.display = {"rdp": rig.socket}
        self.gw.broker.users["alice"] = " " * 10  # as recorded
        with open(f"{TOP}/tests/fuzz/corpus/gateway/rdp/plain", "rb") as f:
            data = f.read()
        n = int.from_bytes(data[2:4], "big")
        s = self.gw.connect("rdp")
        s.sendall(data[:n])
        exactly(s, 19)
        t = self.gw.tls(s)
        t.sendall(data[n:])
        while len(self.pdu(t)) < 300:  # Demand Active is the large one, and the last until the client answers
            pass
        self.net.cut()
        t.settimeout(TOLD_S)
        said = until_closed(t)
        self.assertRegex(said, re.compile(rb"(?s)\A\x03\0\0.{12,}" + SET_ERROR_INFO + rb"\0{3}\x04\x04\0\0\x03\0\0\x09.{5}\Z"))

    def pdu(self, t):
        head = exactly(t, 4)
        return exactly(t, int.from_bytes(head[2:], "big") - 4)

    def test_freerdp_is_told(self):
        """xfreerdp3 on a live desktop says why it ended: the destination, not the network"""
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))
        rig = Rig()
        self.addCleanup(rig.close)
        rig.command(op="fill", x=0, y=0, w=1280, h=800, colour="3060a0")
        self.gw.host.display = {"rdp": rig.socket}
        child = rig.spawn(["xfreerdp3", f"/v:127.0.0.1:{self.gw.gateway.ports['rdp']}", "/cert:ignore", "/u:alice",
                           "/p:wonderland", "/size:1280x800", "/log-level:WARN", "-clipboard"], "freerdp.log")
        at = 3 * (700 * 400 + 350)
        wait_for("the desktop", lambda: rig.shot(700, 500)[at:at + 3] == b"\x30\x60\xa0", 30)
        self.net.cut()
        begin = time.monotonic()
        child.wait(TOLD_S)
        self.lost(begin)
        with open(rig.dir + "/freerdp.log", encoding="utf-8", errors="replace") as f:
            self.assertIn("ERRINFO_CB_REDIRECTING_TO_DESTINATION", f.read())

    def test_login_meanwhile(self):
        """Who logs in while the host is silent is told so, within the deadline, with an id"""
        self.rfb().close()
        self.net.cut()
        t = self.gw.rfb("alice", "wonderland")
        t.settimeout(20)
        self.assertRegex(self.gw.rfb_reason(t), r"host of this desktop does not answer.*\(id \w{12}\)")


if __name__ == "__main__":
    unittest.main()
