# SPDX-License-Identifier: GPL-3.0-or-later
"""Where private keys are and where they are not: the keeper has them, no worker does; and what happens without it."""
import base64
import os
import re
import signal
import ssl
import subprocess
import unittest

from tools.gateway_rig import GatewayRig, exactly, rfb_display, wait_for


def memory(pid):
    """Every readable byte of a process."""
    out = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            begin, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if "r" not in mode or "[v" in line:
                continue
            try:
                mem.seek(int(begin, 16))
                out.append(mem.read(int(end, 16) - int(begin, 16)))
            except OSError:
                pass
    return b"\n".join(out)


def secrets_of(path):
    """What would give the key away: its number as a file and as OpenSSL's words hold it, and its PEM text."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], check=True, capture_output=True, text=True).stdout
    rsa = "prime1:" in text
    digits = re.search(r"(?s)%s:\s*([0-9a-f:\s]+?)\n\S" % ("prime1" if rsa else "priv"), text)[1]
    number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
    with open(path, "rb") as f:
        pem = f.read().split(b"\n")
    body = base64.b64decode(b"".join(line for line in pem if b"-----" not in line and line))
    return {"big-endian": number[:24], "words": number[::-1][:24], "PEM": pem[2][:40], "DER": body[-100:-76] if rsa else body[36:60]}


class Keys(unittest.TestCase):
    def rig(self, **more):
        gw = GatewayRig(**more)
        self.addCleanup(gw.close)
        gw.host.handle = rfb_display
        return gw

    def session(self, gw):
        t = gw.rfb("alice", "wonderland")
        self.assertEqual(exactly(t, 4), bytes(4))
        return t

    def test_not_in_a_worker(self):
        """After logins of every kind and a reload no worker's memory, nor the supervisor's, holds a private key; the keeper's does"""
        if os.geteuid():
            self.skipTest("only root may read the memory of a process that is not dumpable")
        gw = self.rig(workers=2)
        if "asan" in gw.gateway.program:
            self.skipTest("the address sanitizer keeps freed memory, and terabytes of its own")
        for _ in range(6):
            self.session(gw).close()
            gw.https(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        gw.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: gw.log().count("result=ok") == 2)
        live = self.session(gw)
        wanted = {f"{os.path.basename(p)} {kind}": s for p in (gw.front[1], gw.me[1]) for kind, s in secrets_of(p).items()}
        held = memory(gw.gateway.keeper())
        for p in (gw.front[1], gw.me[1]):  # else the search would prove nothing
            self.assertTrue(any(s in held for s in secrets_of(p).values()), p)
        for pid in gw.gateway.workers() + [gw.gateway.process.pid]:
            image = memory(pid)
            self.assertIn(b"pane-gateway", image)
            self.assertGreater(len(image), 1 << 20)
            for what, s in wanted.items():
                self.assertNotIn(s, image, f"{what} in {pid}")
        live.close()

    def test_cannot_be_read_again(self):
        """No worker holds a descriptor of a key or certificate (that it can open none: jail_test.c)"""
        if os.geteuid():
            self.skipTest("only root may look at the descriptors of a worker: it is not dumpable")
        gw = self.rig()
        self.session(gw)
        for pid in gw.gateway.workers():
            for fd in os.listdir(f"/proc/{pid}/fd"):
                self.assertFalse(os.readlink(f"/proc/{pid}/fd/{fd}").endswith((".key", ".crt")))

    def test_keeper_killed(self):
        """The keeper killed: sessions go on, another keeper comes, logins work again with the same workers"""
        gw = self.rig()
        live, workers = self.session(gw), gw.gateway.workers()
        first = gw.gateway.keeper()
        os.kill(first, signal.SIGKILL)
        live.sendall(b"ping")
        self.assertEqual(exactly(live, 4), b"ping")
        wait_for("another keeper", lambda: gw.gateway.keeper() != first)

        def works():
            try:
                self.session(gw).close()
                return True
            except (OSError, AssertionError):
                return False

        wait_for("logins work", works, 20)
        self.assertEqual(gw.gateway.workers(), workers)

    def test_wrong_key(self):
        """A key that is not the certificate's is named at the start and by --check, with both files"""
        gw = self.rig()
        other = gw.pki.issue("other", "gateway", "other")
        gw.gateway.stop()
        with open(gw.gateway.config, encoding="ascii") as f:
            text = f.read()
        with open(gw.gateway.config, "w", encoding="ascii") as f:
            f.write(text.replace(gw.front[1], other[1]))
        for more in ([], ["--check"]):
            done = subprocess.run([gw.gateway.program, "--config", gw.gateway.config, *more], capture_output=True, text=True,
                                  timeout=30, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("does not belong to the certificate", done.stderr)
            self.assertIn(other[1], done.stderr)

    def test_rsa(self):
        """An RSA key signs elsewhere just as well, in TLS 1.2 and 1.3"""
        gw = self.rig()
        gw.pki.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", gw.front[1], "-out", gw.pki.path("front.csr"),
                       "-subj", "/O=Pane/OU=gateway/CN=localhost")
        gw.pki.openssl("x509", "-req", "-in", gw.pki.path("front.csr"), "-CA", gw.pki.path("ca.crt"), "-CAkey",
                       gw.pki.path("ca.key"), "-CAcreateserial", "-days", "2", "-out", gw.front[0])
        gw.gateway.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: "result=ok" in gw.log())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            c.load_verify_locations(gw.pki.path("ca.crt"))
            c.check_hostname = False
            c.minimum_version = c.maximum_version = version
            with c.wrap_socket(gw.connect("https")) as t:
                self.assertIn("RSA", t.cipher()[0] if version == ssl.TLSVersion.TLSv1_2 else "RSA")
        self.session(gw).close()

    def test_tickets(self):
        """A TLS session begun with one worker is taken up by the other; a certificate change does not end that"""
        gw = self.rig(workers=2)
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.load_verify_locations(gw.pki.path("ca.crt"))
        c.check_hostname = False
        c.maximum_version = ssl.TLSVersion.TLSv1_2
        with c.wrap_socket(gw.connect("https")) as t:
            session = t.session
        for step in ("before", "after the reload"):
            reused = 0
            for _ in range(16):  # the kernel deals connections out to both
                with c.wrap_socket(gw.connect("https"), session=session) as t:
                    reused += t.session_reused
            self.assertEqual(reused, 16, step)
            gw.gateway.process.send_signal(signal.SIGHUP)
            wait_for("the reload", lambda: gw.log().count("result=ok") == 2)

    def test_expiry_warned(self):
        """A certificate that ends within 30 days is warned of, with its file and the days left"""
        gw = self.rig()
        self.assertRegex(gw.log(), r'cert.expires file="?%s"? days=[12]' % re.escape(gw.front[0]))


if __name__ == "__main__":
    unittest.main()
