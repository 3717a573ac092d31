# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts pane-broker with a configuration of its own and talks HTTP to its unix sockets.

PANE_BUILD names the build directory (default build/release below the source tree).
"""
import http.client
import json
import os
import signal
import socket
import subprocess
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name):
    build = os.environ.get("PANE_BUILD", os.path.join(SOURCE, "build", "release"))
    return os.path.join(build, "bin", name)


class Reply:
    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = headers
        self.raw = raw
        self.text = text = raw.decode(errors="replace")
        self.json = json.loads(text) if text and headers.get("Content-Type") == "application/json" else None

    @property
    def code(self):
        return self.json["error"]["code"] if self.json and "error" in self.json else None

    @property
    def reasons(self):
        return self.json["error"]["reasons"] if self.json and "error" in self.json else []

    def __repr__(self):
        return f"<{self.status} {self.text}>"


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("broker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(path, method, url, body=None, headers=None, timeout=40):
    """One request on the unix socket at path."""
    c = _Unix(path, timeout)
    try:
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        c.request(method, url, data, headers or {})
        r = c.getresponse()
        return Reply(r.status, dict(r.getheaders()), r.read())
    finally:
        c.close()


def make_pki(directory, *sans):
    args = [a for s in sans for a in ("--san", s)]
    subprocess.run([os.path.join(SOURCE, "deploy", "pki"), directory, *args], check=True,
                   stdout=subprocess.DEVNULL)


class Broker:
    """One broker process. Several may share a cluster and a PKI."""

    def __init__(self, root, cluster, name="broker", **policy):
        self.root = root
        self.cluster = cluster
        self.name = name
        self.pki = os.path.join(root, "pki")
        self.dir = os.path.join(root, name)
        self.api = os.path.join(self.dir, "api.sock")
        self.internal = os.path.join(self.dir, "internal.sock")
        self.config = os.path.join(self.dir, "broker.ini")
        self.process = None
        self.token = None
        os.makedirs(self.dir, exist_ok=True)
        if not os.path.isdir(self.pki): # else another broker's of this site
            make_pki(self.pki)
        workers = policy.pop("workers", 8)
        metrics = policy.pop("metrics_listen", "")
        directory = policy.pop("directory", {})
        oidc = policy.pop("oidc", {})
        self.store = os.path.join(self.root, "images") # shared by brokers of one site
        images = policy.pop("pane_image", os.path.join(SOURCE, "tests", "lib", "standin_image.py"))
        lines = [
            "[broker]", f"api_socket = {self.api}", f"internal_socket = {self.internal}",
            f"workers = {workers}", *([f"metrics_listen = {metrics}"] if metrics else []),
            "[database]", f"conninfo = {cluster.conninfo('pane_broker')}",
            f"owner_conninfo = {cluster.conninfo()}",
            f"sql_dir = {os.path.join(SOURCE, 'sql')}",
            "[pki]", f"ca_cert = {self.pki}/ca.crt", f"ca_key = {self.pki}/ca.key",
            f"grant_key = {self.pki}/grant.key", f"grant_pub = {self.pki}/grant.pub",
            *([] if policy.pop("plain_secrets", False) else [f"secret_keys = {self.pki}/secrets.key"]),
            "[images]", f"store = {self.store}", f"pane_image = {images}",
            *(["[directory]"] if directory else []), *[f"{k} = {v}" for k, v in directory.items()],
            *(["[oidc]"] if oidc else []), *[f"{k} = {v}" for k, v in oidc.items()],
            "[policy]", *[f"{k} = {v}" for k, v in policy.items()]]
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def command(self, *words, check=True):
        done = subprocess.run([program("pane-broker"), *words, "--config", self.config],
                              capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"pane-broker {' '.join(words)}: {done.stderr}")
        return done

    def migrate(self):
        return self.command("migrate").stdout

    def admin(self, name="root"):
        """Creates or resets an administrator; the password."""
        return self.command("admin", name).stdout.strip()

    def start(self, wait=True):
        log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen([program("pane-broker"), "--config", self.config],
                                        stderr=log, stdout=log, stdin=subprocess.DEVNULL)
        log.close()
        deadline = time.monotonic() + 15
        while wait:
            if self.process.poll() is not None:
                raise RuntimeError("pane-broker ended: " + self.log()[-2000:])
            try:
                if self.get("/health").status == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("pane-broker is not ready: " + self.log()[-2000:])
            time.sleep(0.02)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        return self.process.returncode if self.process else None

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    # ---- requests ---------------------------------------------------------------------------
    def call(self, method, path, body=None, token=None, client="192.0.2.1:5000", cert=None, sock=None,
             prefix="/api/v1", timeout=40, more=None):
        headers = {"X-Pane-Client": client, **(more or {})} if client else {**(more or {})}
        token = self.token if token is None else token
        if token:
            headers["Authorization"] = "Bearer " + token
        if cert:
            headers["X-Pane-Cert"] = cert
        return request(sock or self.api, method, prefix + path, body, headers, timeout)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def login(self, user, password, client="192.0.2.1:5000"):
        """A bearer token."""
        r = self.post("/login", {"user": user, "password": password}, token="", client=client)
        if r.status != 200:
            raise RuntimeError(f"login: {r}")
        return r.json["token"]

    def connect(self, client="192.0.2.1:5000", conn="c1", protocol="rdp", **who):
        """POST /internal/v1/connections, as a gateway does."""
        return request(self.internal, "POST", "/internal/v1/connections",
                       {"protocol": protocol, "conn": conn, "client": client, **who})

    def prove(self, body):
        """POST /internal/v1/proofs, as a gateway does."""
        return request(self.internal, "POST", "/internal/v1/proofs", body)

    def wait(self, check, what, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            got = check()
            if got:
                return got
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {timeout} s; log:\n{self.log()[-3000:]}")
            time.sleep(0.05)
