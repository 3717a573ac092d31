# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host agent's stories stand on: a PKI in a temporary directory, a broker (HTTPS, long poll,
enrolment, grants) and one pane-host, real, with the stand-ins for pane-vmm and pane-display."""
import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import digest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.get("PANE_BUILD", f"{TOP}/build/release")
PROGRAM = f"{BUILD}/bin/pane-host"


def run(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **more).stdout


def until(what, say, timeout=10):
    """Waits for what() to be true, and fails with say when it does not come."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"never happened within {timeout} s: {say() if callable(say) else say}")


class Pki:
    """A CA, a gateway's certificate, the broker's grant key."""

    def __init__(self, folder):
        self.dir = folder
        self.key("ca")
        run("openssl", "req", "-x509", "-new", "-key", self.path("ca.key"), "-subj", "/O=Pane/CN=Test CA", "-days", "2",
            "-addext", "basicConstraints=critical,CA:TRUE", "-out", self.path("ca.crt"))
        self.issue("server", "/O=Pane/OU=gateway/CN=gateway", "subjectAltName=DNS:gateway,IP:127.0.0.1")
        self.issue("gateway", "/O=Pane/OU=gateway/CN=gateway")
        self.issue("intruder", "/O=Pane/OU=host/CN=intruder")
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", self.path("grant.key"))
        run("openssl", "pkey", "-in", self.path("grant.key"), "-pubout", "-out", self.path("grant.pub"))

    def path(self, name):
        return f"{self.dir}/{name}"

    def key(self, name):
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(f"{name}.key"))

    def issue(self, name, subject, extension="basicConstraints=CA:FALSE"):
        self.key(name)
        run("openssl", "req", "-new", "-key", self.path(f"{name}.key"), "-subj", subject, "-out", self.path(f"{name}.csr"))
        self.sign(name, extension=extension)

    def sign(self, name, subject=None, extension="basicConstraints=CA:FALSE"):
        with open(self.path("ext"), "w", encoding="utf-8") as file:
            file.write(extension + "\n")
        more = ["-subj", subject] if subject else []
        run("openssl", "x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path("ca.crt"), "-CAkey",
            self.path("ca.key"), "-set_serial", str(uuid.uuid4().int >> 80), "-days", "2", "-extfile", self.path("ext"),
            *more, "-out", self.path(f"{name}.crt"))

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def grant(self, **claims):
        def b64(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        head = "pg1." + b64(json.dumps(claims).encode())
        with tempfile.NamedTemporaryFile(dir=self.dir) as file:
            file.write(head.encode())
            file.flush()
            sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path("grant.key"), "-in", file.name],
                                 check=True, capture_output=True).stdout
        return f"{head}.{b64(sig)}"


class Broker:
    """Orders as a dict by desktop id; remembers the newest report. away = refuse every request."""

    def __init__(self, pki):
        self.pki, self.orders, self.report, self.reports = pki, {}, None, 0
        self.generation, self.away, self.token, self.host = 1, False, "token-of-an-hour", str(uuid.uuid4())
        self.changed = threading.Condition()
        self.clock_skew_s = 0
        self.images, self.files, self.ranges, self.cut = None, {}, [], []
        self.pieces, self.recordings = [], None  # what was put; the list last reported
        self.more = {}  # further fields of every reply
        broker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, reply = broker.answer(self.path, body, self.connection.getpeercert())
                text = json.dumps(reply).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # a cancelled poll

            def do_PUT(self):
                """A piece of a recording."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with broker.changed:
                    broker.pieces.append((self.path, body))
                self.send_response(204)
                self.end_headers()

            def do_GET(self):
                """A manifest, or a range of a file: cut short where broker.cut says so."""
                name, found = self.path.rsplit("/", 1)[1], broker.files.get(self.path.split("/images/")[1])
                if found is None or not self.connection.getpeercert():
                    self.send_error(404)
                    return
                status, sent = 200, found
                if name != "manifest":
                    first, last = self.headers["Range"][6:].split("-")
                    sent, status = found[int(first):int(last) + 1], 206
                    broker.ranges.append((name, int(first), int(last)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                cut = broker.cut.pop(0) if name == "disk.raw" and broker.cut else len(sent)
                try:
                    self.wfile.write(sent[:cut])
                except OSError:
                    pass
                self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.path("server.crt"), pki.path("server.key"))
        context.load_verify_locations(pki.path("ca.crt"))
        context.verify_mode = ssl.CERT_OPTIONAL
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, body, cert):
        if self.away:
            return 503, {"error": {"code": "database.down", "message": "away", "id": "x"}}
        if path == "/api/v1/enroll":
            return self.enroll(body)
        names = dict(pair for rdn in (cert or {}).get("subject", ()) for pair in rdn)
        if names.get("organizationalUnitName") != "host" or path != f"/internal/v1/hosts/{names.get('commonName')}/sync":
            return 403, {"error": {"code": "forbidden", "message": "not your rows", "id": "x"}}
        with self.changed:
            self.report = body
            self.recordings = body.get("recordings", self.recordings)
            self.reports += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.generation != body["generation"] or self.away, min(body["wait_s"], 3))
            return 200, {"generation": self.generation, "now": int(time.time()) + self.clock_skew_s,
                         "grant_key": self.pki.text("grant.pub"), "desktops": list(self.orders.values()),
                         **({} if self.images is None else {"images": self.images}), **self.more}

    def enroll(self, body):
        if body["token"] != self.token:
            return 403, {"error": {"code": "enroll.refused", "message": "unknown or used token", "id": "abc"}}
        self.token = None
        with open(self.pki.path("host.csr"), "w", encoding="utf-8") as file:
            file.write(body["csr"])
        self.pki.sign("host", f"/O=Pane/OU=host/CN={self.host}")
        return 200, {"host": self.host, "cert": self.pki.text("host.crt"), "ca": self.pki.text("ca.crt"),
                     "grant_key": self.pki.text("grant.pub")}

    def offer(self, name, version, files, ranges=None, wrong=False, plain=False):
        """A version hosts may fetch, and are to hold. plain: its manifest is of before there were content digests."""
        manifest = []
        for file, data in files.items():
            self.files[f"{name}/{version}/{file}"] = data
            seen = b"?" if wrong else data
            manifest.append({"name": file, "size": len(data), "content_sha256": digest.content(seen),
                             **({"sha256": hashlib.sha256(seen).hexdigest()} if plain else {}),
                             "data": (ranges or {}).get(file, [[0, len(data)]])})
            if plain:
                del manifest[-1]["content_sha256"]
        self.files[f"{name}/{version}/manifest"] = json.dumps({"files": manifest}).encode()
        with self.changed:
            self.images = (self.images or []) + [{"name": name, "version": version}]
            self.generation += 1
            self.changed.notify_all()

    def want(self, *images):
        with self.changed:
            self.images = [{"name": n, "version": v} for n, v in images]
            self.generation += 1
            self.changed.notify_all()

    def order(self, desktop, **fields):
        with self.changed:
            base = self.orders.get(desktop) or {"id": desktop, "name": "office-1", "epoch": 1, "want": "running",
                                                "image": "office", "cpus": 1, "memory_mib": 64, "disk_mib": 0}
            self.orders[desktop] = {**base, **fields}
            self.generation += 1
            self.changed.notify_all()

    def say(self, **more):
        """Further fields of every reply from now on."""
        with self.changed:
            self.more.update(more)
            self.generation += 1
            self.changed.notify_all()

    def forget(self, desktop):
        with self.changed:
            del self.orders[desktop]
            self.generation += 1
            self.changed.notify_all()

    def seen(self, desktop):
        with self.changed:
            for row in (self.report or {}).get("desktops", []):
                if row["id"] == desktop:
                    return row
        return {}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Host:
    """One pane-host with its own state and run directories."""

    def __init__(self, folder, broker, places=None, **settings):
        self.dir, self.broker, self.proc = folder, broker, None
        self.state, self.run = f"{folder}/state", tempfile.mkdtemp(prefix="ph-", dir="/tmp")
        self.port = free_port()
        self.settings = {"memory_reserve_mib": 0, "disk_reserve_mib": 0, "stop_timeout_s": 2, "display_idle_s": 0,
                         "vmm": f"{HERE}/standin_vmm.py", "cell": f"{HERE}/standin_cell.py", "display": f"{HERE}/standin_display.py", **settings}
        self.metrics = f"{self.run}.metrics"
        self.places = places or {}  # more of [host]
        self.config = f"{folder}/host.conf"
        self.log = f"{folder}/host.log"
        self.write_config()

    def write_config(self):
        desktops = "\n".join(f"{k} = {v}" for k, v in self.settings.items())
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"[broker]\nurl = https://127.0.0.1:{self.broker.port}\nca = {self.broker.pki.path('ca.crt')}\n"
                       f"verify_name = gateway\n[host]\nname = h1\nlisten = 127.0.0.1:{self.port}\n"
                       f"advertise = 127.0.0.1:{self.port}\nstate_dir = {self.state}\nrun_dir = {self.run}\n"
                       + "".join(f"{k} = {v}\n" for k, v in self.places.items()) +
                       f"metrics_listen = unix:{self.metrics}\n"
                       f"[desktops]\n{desktops}\n")

    def command(self, *argv, **more):
        return subprocess.run([PROGRAM, *argv[:1], *argv[1:], "--config", self.config], capture_output=True, text=True,
                              timeout=60, check=False, **more)

    def enroll(self):
        done = self.command("enroll", "--token", self.broker.token or "")
        assert done.returncode == 0, done.stderr

    def image(self, name="office", cmdline="quiet", disk=1 << 20, fill=b"disk", kernel=None, **more):
        source = f"{self.dir}/image-src"
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(source)
        with open(f"{source}/disk.raw", "wb") as file:
            file.write(fill)
            file.truncate(disk)
        for part in ("vmlinuz", "initrd.img"):
            with open(f"{source}/{part}", "w", encoding="utf-8") as file:
                file.write(part)
        if kernel:
            shutil.copy(kernel, f"{source}/vmlinuz")
            os.unlink(f"{source}/initrd.img")
        with open(f"{source}/image.json", "w", encoding="utf-8") as file:
            json.dump({"name": name, "cmdline": cmdline, "ready": "serial", "size": "800x600", **more}, file)
        if more.get("boot") == "firmware":
            os.unlink(f"{source}/vmlinuz")
        done = self.command("image", "add", source)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self):
        before = self.broker.reports
        with open(self.log, "ab") as out:
            self.proc = subprocess.Popen([PROGRAM, "--config", self.config], stdout=out, stderr=out, start_new_session=True)
        until(lambda: self.broker.reports > before or self.proc.poll() is not None, self.log_text)
        assert self.proc.poll() is None, self.log_text()

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def record(self, desktop):
        with open(f"{self.state}/desktops/{desktop}/state.json", encoding="utf-8") as file:
            return json.load(file)

    def control(self, desktop, **order):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{self.run}/{desktop}/control.sock")
            s.sendall(json.dumps(order).encode() + b"\n")
            s.settimeout(5)
            try:
                return s.recv(4096)
            except OSError:
                return b""

    def stop(self):
        """Ends the agent, then what it left: exactly the processes in its own records."""
        if self.proc and self.proc.poll() is None:
            self.kill()
        with contextlib.suppress(OSError, ValueError), open(f"{self.state}/parents/.making/process.json", encoding="utf-8") as file:
            os.kill(json.load(file)["pid"], signal.SIGKILL)
        root = f"{self.state}/desktops"
        for desktop in os.listdir(root) if os.path.isdir(root) else []:
            try:
                record = self.record(desktop)
            except (OSError, ValueError):
                continue
            for part in ("vmm", "display"):
                if record.get(part) and alive(record[part]["pid"]):
                    os.kill(record[part]["pid"], signal.SIGKILL)
        shutil.rmtree(self.run, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(self.metrics)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def frame(preface):
    text = json.dumps(preface).encode()
    return b"PANE" + struct.pack(">HH", 1, len(text)) + text


class Gateway:
    """A viewer's connection as a gateway brings it to the host."""

    def __init__(self, host, cert="gateway"):
        pki = host.broker.pki
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(pki.path("ca.crt"))
        if cert:
            context.load_cert_chain(pki.path(f"{cert}.crt"), pki.path(f"{cert}.key"))
        raw = socket.create_connection(("127.0.0.1", host.port), 5)
        self.sock = context.wrap_socket(raw)
        self.sock.settimeout(20)
        self.host = host

    def grant(self, desktop, **changes):
        claims = {"host": self.host.broker.host, "desktop": desktop, "epoch": 1, "user": "alice", "conn": "c0nn",
                  "nonce": uuid.uuid4().hex[:24], "exp": int(time.time()) + 30, **changes}
        return self.host.broker.pki.grant(**claims)

    def open(self, desktop, grant=None, conn="c0nn", **changes):
        preface = {"grant": grant or self.grant(desktop, conn=conn), "protocol": "rfb", "conn": conn,
                   "client": "192.0.2.1:1234", "user": "alice", "desktop": desktop, **changes}
        self.sock.sendall(frame(preface))
        return self.answer()

    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError("the host closed the connection")
            data += more
        return data

    def answer(self):
        head = self.take(8)
        return json.loads(self.take(struct.unpack(">H", head[6:8])[0]))

    def line(self):
        data = b""
        while not data.endswith(b"\n"):
            data += self.take(1)
        return data.decode().rstrip("\n")

    def close(self):
        self.sock.close()
