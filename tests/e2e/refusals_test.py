# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused, how it looks outside, and what the administrator is told."""
import socket
import ssl
import unittest

import whole
from demolib.api import ApiError

TIMEOUT = 300


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site()
        cls.site.policy["login_free"] = 50
        cls.site.up()
        cls.site.pool()
        cls.password = cls.site.user("alice")
        cls.site.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def refused(self, user, password):
        with self.assertRaises(ApiError) as caught:
            self.site.api().login(user, password)
        return caught.exception

    def audit(self):
        return str(self.site.admin.items("/audit"))

    def test_one_answer(self):
        """wrong password and unknown user: one answer outside, told apart in the audit"""
        wrong, unknown = self.refused("alice", "not this"), self.refused("nobody-here", "not this")
        self.assertEqual((wrong.status, wrong.code, str(wrong)), (unknown.status, unknown.code, str(unknown)))
        audit = self.audit()
        self.assertIn("password", audit)
        self.assertIn("unknown", audit)

    def test_rdp_wrong_password(self):
        """xfreerdp3 with a wrong password does not get in"""
        screen = whole.Screen(self.site.run)
        self.addCleanup(screen.end)
        client = self.site.xfreerdp(screen, "alice", "not this")
        self.assertNotEqual(client.wait(20), 0)
        self.assertNotEqual(self.site.desktop("office-1")["session"], "connected")

    def test_two_users(self):
        """two users at once are on two desktops"""
        bob = self.site.user("bob")
        self.site.wait_ready()
        screens = [whole.Screen(self.site.run), whole.Screen(self.site.run)]
        try:
            self.site.xfreerdp(screens[0], "alice", self.password)
            self.site.vncviewer(screens[1], "bob", bob)
            mine, other = (self.site.wait_session(user, "connected") for user in ("alice", "bob"))
            self.assertNotEqual(mine["id"], other["id"])
            words = [whole.word(), whole.word()]
            for screen, word in zip(screens, words):
                screen.wait_picture(3)
                screen.type(word + "\n")
            for desktop, word, foreign in ((mine, words[0], words[1]), (other, words[1], words[0])):
                self.site.wait(lambda d=desktop, w=word: f"line {w}" in self.site.serial(d), 20, "the word")
                self.assertNotIn(foreign, self.site.serial(desktop))
        finally:
            for screen in screens:
                screen.end()

    def test_garbage(self):
        """garbage, half a handshake or far too much on any port costs that connection only"""
        screen = whole.Screen(self.site.run)
        self.addCleanup(screen.end)
        client = self.site.xfreerdp(screen, "alice", self.password)
        desktop = self.site.wait_session("alice", "connected")
        screen.wait_picture(3)
        for port in self.site.ports.values():
            for bytes_ in (b"\0" * 64, b"\xff" * 70000, b"GET / HTTP/1.0\r\n\r\n", b"\x03\x00\xff\xff" + b"A" * 65531,
                           b"RFB 999.999\n" * 1000, b"\x16\x03\x01\xff\xff" + b"\0" * 4000):
                self.throw(port, bytes_)
            half = socket.create_connection(("127.0.0.1", port))
            half.sendall(b"\x03\x00\x00\x13\x0e\xe0")
            self.addCleanup(half.close)
        word = whole.word()
        screen.type(word + "\n")
        self.site.wait(lambda: f"line {word}" in self.site.serial(desktop), 20, "the session goes on")
        self.assertIsNone(client.poll())
        self.assertTrue(self.site.healthy())

    def throw(self, port, bytes_):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as victim:
            try:
                victim.sendall(bytes_)
                victim.shutdown(socket.SHUT_WR)
                while victim.recv(4096):
                    pass
            except OSError:
                pass

    def test_garbage_inside_tls(self):
        """garbage inside TLS on the https port is answered 400 or closed"""
        tls = ssl.create_default_context(cafile=f"{self.site.pki}/ca.crt")
        for bytes_ in (b"\0\1\2\3\r\n\r\n", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n",
                       b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"):
            with socket.create_connection(("127.0.0.1", self.site.ports["https"]), timeout=15) as raw, \
                    tls.wrap_socket(raw, server_hostname="localhost") as link:
                try:
                    link.sendall(bytes_)
                    answer = link.recv(4096)
                except OSError:
                    answer = b""
                self.assertTrue(answer == b"" or answer.split(b" ")[1][:1] == b"4", answer[:80])
        self.assertTrue(self.site.healthy())


class Orders(unittest.TestCase):
    """Pools nobody can fulfil say why, per host."""

    @classmethod
    def setUpClass(cls):
        cls.site = whole.card_site().up()
        cls.password = None

    @classmethod
    def tearDownClass(cls):
        cls.site.down()

    def why(self, pool):
        """The reason shown to a user of the pool and to the administrator."""
        user = f"user-of-{pool}"
        word = self.site.user(user, pool)
        api = self.site.api().login(user, word)

        def reason():
            status, answer = api.call("POST", "/tickets", {"pool": pool})
            text = str(answer)
            shown = str([d["reason"] for d in self.site.admin.items("/desktops") if d["pool"] == pool])
            return (text + shown) if status == 409 else None
        return self.site.wait(reason, 20, f"a refusal of {pool}")

    def test_no_image(self):
        """an image that no host has is named"""
        self.site.pool("nowhere", image="missing")
        text = self.why("nowhere")
        self.assertIn("missing", text)
        self.assertIn("local", text)

    def test_no_memory(self):
        """more memory than the host has: both figures are told"""
        self.site.pool("giant", memory_mib=1048576)
        text = self.why("giant")
        self.assertIn("1048576", text)
        self.assertIn("local", text)


if __name__ == "__main__":
    unittest.main()
