# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway under test with a broker and a host that only tests have: who may log in, what the broker
answers and what the host does with the bytes is the test's to say. All in a temporary directory."""
import base64
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

from tools import credssp

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOST = "0f5cbb9e-8f61-4a0b-9d60-5d3a1c1f7a01"
DESKTOP = "5a3c63a4-6a2e-4c36-8f0b-53c2e1a90002"


def wait_for(what, check, seconds=10):
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise ConnectionError(f"closed after {len(data)} of {n} bytes")
        data += part
    return data


def until_closed(sock):
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except (ConnectionError, ssl.SSLError):
        pass
    return data


class Pki:
    """A site CA and identities under it; expiry and strangers where a test wants them."""

    def __init__(self, folder):
        self.dir = folder
        self.make_ca("ca")

    def path(self, name):
        return f"{self.dir}/{name}"

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def make_ca(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"),
                     "-subj", "/O=Pane/CN=test CA", "-days", "2")

    def issue(self, name, ou, cn, ca="ca"):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                     self.path(name + ".key"), "-out", self.path(name + ".csr"), "-subj",
                     f"/O=Pane/OU={ou}/CN={cn}")
        self.openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(ca + ".crt"), "-CAkey",
                     self.path(ca + ".key"), "-CAcreateserial", "-days", "2", "-out", self.path(name + ".crt"))
        return self.path(name + ".crt"), self.path(name + ".key")


class Broker:
    """Answers /internal/v1/connections on one unix socket and echoes heads on the other."""

    def __init__(self, folder, host_address):
        self.internal, self.api = folder + "/internal.sock", folder + "/api.sock"
        self.host_address, self.host = host_address, HOST
        self.users = {"alice": "wonderland"}
        self.tickets = {}
        self.asked, self.proofs, self.told = [], [], []
        self.api_heads = []
        self.delay_s = 0
        self.special = None  # (status, object) for every request
        self.raw = None  # bytes for every request
        self.listeners = []
        self.start()

    def start(self):
        for path, serve in ((self.internal, self.connection), (self.api, self.api_request)):
            if os.path.exists(path):
                os.unlink(path)
            s = socket.socket(socket.AF_UNIX)
            s.bind(path)
            s.listen(64)
            self.listeners.append(s)
            threading.Thread(target=self.accept, args=(s, serve), daemon=True).start()

    def stop(self):
        for s in self.listeners:
            s.shutdown(socket.SHUT_RDWR)
            s.close()
        self.listeners = []
        for path in (self.internal, self.api):
            os.unlink(path)

    def accept(self, listener, serve):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.guarded, args=(s, serve), daemon=True).start()

    def guarded(self, s, serve):
        with s:
            try:
                serve(s)
            except OSError:
                pass

    def head(self, s):
        data = b""
        while b"\r\n\r\n" not in data:
            part = s.recv(65536)
            if not part:
                raise ConnectionError
            data += part
        head, rest = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        while length and len(rest) < int(length[1]):
            rest += s.recv(65536)
        return head.decode("latin-1"), rest

    def reply(self, s, status, o):
        body = json.dumps(o).encode()
        s.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    def decide(self, q):
        if self.special:
            return self.special
        if "ticket" in q:
            user = self.tickets.pop(q["ticket"], None)
        else:
            password = q.get("password", "")
            user = self.tickets.pop(password, None)
            if not user and q.get("user") in self.users and self.users[q["user"]] == password:
                user = q["user"]
        if not user:
            return 403, {"error": {"code": "login.failed", "message": "no", "reasons": [], "id": q["conn"]}}
        return 200, {"conn": q["conn"], "user": user, "desktop": DESKTOP, "name": "office-1", "host": self.host,
                     "address": self.host_address, "grant": "pg1.test." + q["conn"], "wait_ms": 0}

    def proof(self, q):
        """Was the answer made with a ticket of the user's that is good?"""
        names, challenge, response = (bytes.fromhex(q[k]) for k in ("names", "challenge", "response"))
        for ticket, user in self.tickets.items():
            key = user == q["user"] and credssp.session_key(credssp.nt_hash(ticket), names, challenge, response)
            if key:
                return 200, {"session_key": key.hex()}
        return 403, {"error": {"code": "login.failed", "message": "no", "reasons": [], "id": q["conn"]}}

    def connection(self, s):
        head, body = self.head(s)
        q = json.loads(body)
        if head.startswith("POST /internal/v1/gateways "):
            self.told.append(q)
            self.reply(s, 200, {"again_s": 60})
            return
        if head.startswith("POST /internal/v1/proofs "):
            self.proofs.append(q)
            self.reply(s, *self.proof(q))
            return
        self.asked.append((head, q))
        time.sleep(self.delay_s)
        if self.raw is not None:
            s.sendall(self.raw)
            return
        self.reply(s, *self.decide(q))

    def api_request(self, s):
        head, body = self.head(s)
        self.api_heads.append(head)
        self.reply(s, 200, {"head": head.split("\r\n"), "body": body.decode("latin-1")})

    def ticket(self, user="alice"):
        text = "pt1_" + base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        self.tickets[text] = user
        return text


class Host:
    """mTLS, preface, answer; then handle(sock, preface), or bytes to and from a display's socket."""

    def __init__(self, pki, identity, listener=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*identity)
        self.context.load_verify_locations(pki.path("ca.crt"))
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.num_tickets = 0  # as pane-host
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.address = "%s:%d" % self.listener.getsockname()
        self.prefaces, self.received = [], []
        self.answer = {"ok": True}
        self.display = {}  # protocol -> socket path
        self.handle = None
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, raw):
        with raw:
            try:
                with self.context.wrap_socket(raw, server_side=True) as s:
                    self.talk(s)
            except (OSError, ConnectionError):
                pass

    def talk(self, s):
        head = exactly(s, 8)
        o = json.loads(exactly(s, struct.unpack(">H", head[6:])[0]))
        self.prefaces.append(o)
        if self.handle:
            self.say(s, self.answer)
            self.handle(s, o)
            return
        if o["protocol"] not in self.display or not self.answer["ok"]:
            self.say(s, self.answer if not self.answer["ok"] else {"ok": False, "code": "desktop.unknown",
                                                                  "message": "There is no such desktop."})
            return
        d = socket.socket(socket.AF_UNIX)
        d.connect(self.display[o["protocol"]])
        self.say(d, {k: v for k, v in o.items() if k != "grant"})
        head = exactly(d, 8)
        self.say(s, json.loads(exactly(d, struct.unpack(">H", head[6:])[0])))
        self.pump(s, d)

    @staticmethod
    def say(s, o):
        text = json.dumps(o).encode()
        s.sendall(b"PANE" + struct.pack(">HH", 1, len(text)) + text)

    def pump(self, s, d):
        log = bytearray()
        self.received.append(log)

        def down():
            try:
                while part := d.recv(65536):
                    with lock:
                        s.settimeout(20)
                        s.sendall(part)
            except OSError:
                pass
            finally:
                s.close()

        lock = threading.Lock()
        threading.Thread(target=down, daemon=True).start()
        try:
            while True:
                part = self.read(s, lock)
                if not part:
                    break
                if len(log) < 65536:
                    log += part
                d.sendall(part)
        except (OSError, ValueError):
            pass
        finally:
            try:
                d.shutdown(socket.SHUT_RDWR)  # the other thread waits in it: closing alone would not end it
            except OSError:
                pass
            d.close()

    @staticmethod
    def read(s, lock):
        """TLS objects take one thread at a time: look without holding the lock for long."""
        import select
        while True:
            with lock:
                s.settimeout(0)
                try:
                    return s.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    pass
            select.select([s], [], [], 0.05)


class Gateway:
    def __init__(self, rig, **more):
        self.log_path = rig.dir + "/gateway.log"
        conf = {"rdp_listen": "127.0.0.1:0", "rfb_listen": "127.0.0.1:0", "https_listen": "127.0.0.1:0",
                "cert": rig.front[0], "key": rig.front[1], "ca": rig.pki.path("ca.crt"),
                "host_cert": rig.me[0], "host_key": rig.me[1], "broker_api": rig.broker.api,
                "broker_internal": rig.broker.internal, "workers": 1, "drain_ms": 300, **more}
        self.config = rig.dir + "/gateway.conf"
        with open(self.config, "w", encoding="ascii") as f:
            f.write("[gateway]\n" + "".join(f"{k} = {v}\n" for k, v in conf.items() if v is not None))
        build = os.environ.get("BUILD", TOP + "/build/release")
        self.program = os.environ.get("PANE_GATEWAY", build + "/bin/pane-gateway")
        self.start()

    def start(self):
        with open(self.log_path, "ab") as out:
            self.at = out.tell()
            self.process = subprocess.Popen([self.program, "--config", self.config], stderr=out, stdout=out)
        wait_for("pane-gateway is ready", lambda: " ready " in self.log() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError("pane-gateway did not start:\n" + self.log())
        self.ports = {p: int(n) for p, n in re.findall(r"proto=(\w+) addr=[0-9.]+:(\d+)", self.log())}

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            f.seek(self.at)
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(15)

    def keeper(self):
        return int(re.findall(r"keeper.start keeper pid=(\d+)", self.log())[-1])

    def workers(self):
        return [int(p) for p in re.findall(r"worker.start worker=\d+ pid=(\d+)", self.log())]


class GatewayRig:
    def __init__(self, listener=None, **gateway):
        self.dir = tempfile.mkdtemp(prefix="pane-gw-")
        self.children = []
        try:
            self.pki = Pki(self.dir)
            self.front = self.pki.issue("front", "gateway", "localhost")
            self.me = self.pki.issue("me", "gateway", "gateway")
            self.host = Host(self.pki, self.pki.issue("host", "host", HOST), listener)
            self.broker = Broker(self.dir, self.host.address)
            self.gateway = Gateway(self, **gateway)
        except BaseException:
            self.close()
            raise

    def close(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()  # one that has children of its own ends them
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        gateway = getattr(self, "gateway", None)
        if gateway and gateway.process.poll() is None:
            gateway.stop()
        if os.environ.get("KEEP"):
            print("kept", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def connect(self, protocol):
        return socket.create_connection(("127.0.0.1", self.gateway.ports[protocol]), 10)

    def log(self):
        return self.gateway.log()

    def tls(self, sock, identity=None):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.load_verify_locations(self.pki.path("ca.crt"))
        c.check_hostname = False
        if identity:
            c.load_cert_chain(*identity)
            c.post_handshake_auth = True  # as libcurl does: who offers it is asked for a certificate
        return c.wrap_socket(sock)

    # -- RFB, spoken by hand
    def rfb(self, user, password, sock=None):
        """Logs in; the socket stands before SecurityResult."""
        s = sock or self.connect("rfb")
        exactly(s, 12)
        s.sendall(b"RFB 003.008\n")
        assert exactly(s, 2) == b"\x01\x13"
        s.sendall(b"\x13")
        assert exactly(s, 2) == b"\x00\x02"
        s.sendall(b"\x00\x02")
        assert exactly(s, 6) == b"\x00\x01\x00\x00\x01\x06"
        s.sendall(b"\x00\x00\x01\x06")
        assert exactly(s, 1) == b"\x01"
        t = self.tls(s)
        u, p = user.encode(), password.encode()
        t.sendall(struct.pack(">II", len(u), len(p)) + u + p)
        return t

    def rfb_reason(self, t):
        assert exactly(t, 4) == b"\x00\x00\x00\x01"
        return exactly(t, struct.unpack(">I", exactly(t, 4))[0]).decode()

    # -- HTTPS
    def https(self, request, identity=None):
        t = self.tls(self.connect("https"), identity)
        t.sendall(request)
        data = until_closed(t)
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, head.decode("latin-1"), body


def rfb_display(s, _preface, after=b"", then=None):
    """The display's side of an RFB handshake with security None, then an echo, or then(s)."""
    s.sendall(b"RFB 003.008\n")
    exactly(s, 12)
    s.sendall(b"\x01\x01")
    exactly(s, 1)
    s.sendall(b"\x00\x00\x00\x00" + after)
    if then:
        then(s)
        return
    while part := s.recv(65536):
        s.sendall(part)
