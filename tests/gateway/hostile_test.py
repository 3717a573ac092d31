# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers on every port, workers that crash, certificates that change: none of it hurts anybody else."""
import os
import random
import re
import signal
import socket
import subprocess
import time
import unittest

from tools.gateway_rig import Gateway, GatewayRig, exactly, rfb_display, until_closed, wait_for

TIMEOUT = 400
CR = bytes.fromhex("030000130ee000000000000100080003000000")


class Hostile(unittest.TestCase):
    def rig(self, **more):
        gw = GatewayRig(**more)
        self.addCleanup(gw.close)
        gw.host.handle = rfb_display
        return gw

    def session(self, gw):
        t = gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(t, 4), bytes(4))
        return t

    def alive(self, t):
        t.sendall(b"ping")
        self.assertEqual(exactly(t, 4), b"ping")

    def test_garbage(self):
        """Random bytes, half messages and other protocols on each port cost their connection only"""
        gw = self.rig()
        live = self.session(gw)
        rng = random.Random(7)
        worker = gw.gateway.workers()
        for protocol in ("rdp", "rfb", "https"):
            for junk in [rng.randbytes(n) for n in (1, 7, 100, 5000, 70000)] + \
                    [b"GET / HTTP/1.1\r\n\r\n", b"\x03\x00\xff\xff" + b"x" * 600, b"\x03\x00\x00\x05\x00",
                     CR + rng.randbytes(200), CR[:10], b"RFB 003.008\n\x13\x00\x02\x00\x00\x01\x06" + rng.randbytes(99),
                     b"\x16\x03\x01\xff\xff" + rng.randbytes(3000), b""]:
                s = gw.connect(protocol)
                try:
                    s.sendall(junk)
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                s.settimeout(5)
                until_closed(s)
                s.close()
        self.alive(live)
        self.assertEqual(gw.gateway.workers(), worker)
        lines = [line for line in gw.log().splitlines() if "conn.drop" in line]
        self.assertGreater(len(lines), 3)
        self.assertTrue(all(re.search(r"conn=\w{12} ", line) for line in lines))
        self.session(gw)

    def test_garbage_inside_tls(self):
        """The same behind a TLS handshake"""
        gw = self.rig()
        live = self.session(gw)
        rng = random.Random(8)
        for junk in [rng.randbytes(n) for n in (1, 50, 40000)] + [b"\x03\x00\x40\x01" + bytes(100),
                                                                b"\x03\x00\x01\xd3\x02\xf0\x80\x7f\x65" + rng.randbytes(600)]:
            s = gw.connect("rdp")
            s.sendall(CR)
            exactly(s, 19)
            t = gw.tls(s)
            try:
                t.sendall(junk)
            except OSError:
                pass
            t.settimeout(5)
            if len(junk) > 1 and junk[0] != 3:
                until_closed(t)
            t.close()
        for head in (b"\0\0\1\0\0\0\0\0", b"\xff\xff\xff\xff\xff\xff\xff\xff"):
            t = gw.rfb("alice", "wonderland")
            t.close()
            s = gw.connect("rfb")
            exactly(s, 12)
            s.sendall(b"RFB 003.008\n")
            exactly(s, 2)
            s.sendall(b"\x13")
            exactly(s, 2)
            s.sendall(b"\x00\x02")
            exactly(s, 6)
            s.sendall(b"\x00\x00\x01\x06")
            exactly(s, 1)
            t = gw.tls(s)
            t.sendall(head)
            self.assertEqual(until_closed(t), b"")
        self.alive(live)

    def test_clear_text_before_tls(self):
        """Bytes smuggled in before the TLS handshake are refused, not taken for protected ones"""
        gw = self.rig()
        s = gw.connect("rdp")
        s.sendall(CR + b"\x03\x00\x00\x0c\x02\xf0\x80\x04\x01\x00\x01\x00")
        s.settimeout(5)
        until_closed(s)
        wait_for("the refusal's line", lambda: "in the clear" in gw.log())

    def test_deadline(self):
        """Slow and silent clients are dropped at the login deadline, wherever they are"""
        gw = self.rig(login_deadline_ms=800)
        live = self.session(gw)
        waiting = [gw.connect(p) for p in ("rdp", "rfb", "https")]
        half = gw.connect("rdp")
        half.sendall(CR[:7])
        tls = gw.connect("rdp")
        tls.sendall(CR)
        tls.recv(19)
        tls.sendall(b"\x16\x03\x01\x02\x00")
        inside = gw.connect("rdp")
        inside.sendall(CR)
        exactly(inside, 19)
        inside = gw.tls(inside)
        begin = time.monotonic()
        slow = gw.connect("rdp")
        for b in CR:  # a byte at a time does not buy more time
            time.sleep(0.06)
            try:
                slow.sendall(bytes([b]))
            except OSError:
                break
        for s in waiting + [half, tls, inside, slow]:
            s.settimeout(5)
            until_closed(s)
        self.assertLess(time.monotonic() - begin, 4)
        self.alive(live)

    def test_per_source(self):
        """One source cannot hold more than its share, and gets it back"""
        gw = self.rig(per_source_max=5)
        held = [gw.connect("rfb") for _ in range(5)]
        for s in held:
            exactly(s, 12)
        extra = gw.connect("rfb")
        extra.settimeout(5)
        self.assertEqual(until_closed(extra), b"")
        self.assertIn("per_source_max", gw.log())
        held.pop().close()
        wait_for("room again", lambda: self.greets(gw))

    def greets(self, gw):
        with gw.connect("rfb") as s:
            s.settimeout(2)
            try:
                return s.recv(12) == b"RFB 003.008\n"
            except OSError:
                return False

    def test_many_half_open(self):
        """Hundreds of half handshakes leave live sessions and new logins alone"""
        gw = self.rig(per_source_max=2000)
        live = self.session(gw)
        half = []
        for _ in range(600):
            s = gw.connect("https")
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            half.append(s)
        begin = time.monotonic()
        self.alive(live)
        self.session(gw)
        self.assertLess(time.monotonic() - begin, 2)
        for s in half:
            s.close()

    def test_worker_crash(self):
        """A crashed worker costs its connections only; another takes its place"""
        gw = self.rig(workers=2)
        sessions = {}
        for _ in range(40):
            t = self.session(gw)
            sessions.setdefault(self.owner(gw, t), []).append(t)
            if len(sessions) == 2:
                break
        self.assertEqual(len(sessions), 2)
        victim, other = sessions
        os.kill(victim, signal.SIGKILL)
        wait_for("a new worker", lambda: len(gw.gateway.workers()) == 3)
        for t in sessions[other]:
            self.alive(t)
        with self.assertRaises((ConnectionError, OSError)):
            self.alive(sessions[victim][0])
        for _ in range(10):
            self.alive(self.session(gw))
        self.assertIn("worker.crash", gw.log())

    def owner(self, gw, t):
        """The worker whose descriptors hold the connection of t."""
        want = "%04X" % t.getsockname()[1]
        with open("/proc/net/tcp", encoding="ascii") as f:
            inode = next(line.split()[9] for line in f if line.split()[2].endswith(":" + want) and line.split()[3] == "01")
        for pid in gw.gateway.workers():
            if not os.access(f"/proc/{pid}/fd", os.R_OK | os.X_OK):
                self.skipTest("only root may look at the descriptors of a worker: it is not dumpable")
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                    return pid
        raise AssertionError("nobody holds the connection")

    def test_reload(self):
        """SIGHUP changes the certificate for new connections; a broken one is refused and the old kept"""
        gw = self.rig()
        live = self.session(gw)

        def serial():
            with gw.tls(gw.connect("https")) as t:
                return t.getpeercert()["serialNumber"]

        first = serial()
        gw.pki.issue("front", "gateway", "localhost")
        gw.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: "result=ok" in gw.log())
        second = serial()
        self.assertNotEqual(first, second)
        with open(gw.front[0], "w", encoding="ascii") as f:
            f.write("broken")
        gw.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the refusal", lambda: "result=kept-old" in gw.log())
        self.assertEqual(serial(), second)
        self.alive(live)

    def test_drain(self):
        """SIGTERM closes the ports at once, lets sessions go on for drain_ms, then ends with 0"""
        gw = self.rig(drain_ms=1000)
        live = self.session(gw)
        gw.gateway.process.terminate()
        wait_for("the ports close", lambda: "drain" in gw.log())
        time.sleep(0.2)
        with self.assertRaises(OSError):
            gw.connect("rfb")
        self.alive(live)
        self.assertEqual(gw.gateway.process.wait(5), 0)
        self.assertEqual(until_closed(live), b"")

    def test_parent_killed(self):
        """kill -9 of the parent leaves nothing behind, and a new gateway starts on the same ports"""
        gw = self.rig()
        self.session(gw)
        workers = gw.gateway.workers()
        gw.gateway.process.kill()
        gw.gateway.process.wait()
        wait_for("the workers end", lambda: not any(os.path.exists(f"/proc/{p}") for p in workers))
        gw.gateway.start()
        self.alive(self.session(gw))

    def test_no_memory_growth(self):
        """A thousand dropped logins leave the worker as large as before"""
        gw = self.rig(per_source_max=5000)
        pid = gw.gateway.workers()[0]

        def rss():
            with open(f"/proc/{pid}/statm", encoding="ascii") as f:
                return int(f.read().split()[1]) * 4

        def burst(n):
            for i in range(n):
                s = gw.connect(("rdp", "rfb", "https")[i % 3])
                s.sendall(CR + bytes([i % 256]) * (i % 90))
                s.close()
            time.sleep(0.3)

        burst(300)
        before = rss()
        burst(1000)
        self.assertLess(rss() - before, 1500)

    def test_jail(self):
        """A worker runs under its system call filter, without new privileges or core files"""
        gw = self.rig(workers=2)
        self.alive(self.session(gw))
        for pid in gw.gateway.workers():
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            self.assertEqual(status["NoNewPrivs"], "1")
            if "asan" not in gw.gateway.program:
                self.assertEqual(status["Seccomp"], "2")
            with open(f"/proc/{pid}/limits", encoding="ascii") as f:
                self.assertRegex(f.read(), r"Max core file size\s+0\s+0")

    def test_port_in_use(self):
        """A port that is taken is named, with the reason; --check finds it too"""
        gw = self.rig()
        for workers in (1, 2):
            with self.assertRaisesRegex(AssertionError, "another program uses this port"):
                Gateway(gw, rdp_listen="127.0.0.1:%d" % gw.gateway.ports["rdp"], workers=workers)
        check = subprocess.run([gw.gateway.program, "--config", gw.gateway.config, "--check"], capture_output=True,
                               text=True, check=False)
        self.assertEqual(check.returncode, 1)
        self.assertIn("another program uses this port", check.stderr)


if __name__ == "__main__":
    unittest.main()
