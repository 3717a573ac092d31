# SPDX-License-Identifier: GPL-3.0-or-later
"""An OpenID Connect provider for tests: discovery, keys that rotate, an authorization page that logs one person in, and a
token endpoint that checks client, redirect address and PKCE. HTTPS on loopback by a CA of its own; signs by openssl.
What it does wrong on purpose is set by `wrong`: claims laid over the right ones, or how the token is signed."""
import base64
import hashlib
import http.server
import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

CLIENT, SECRET = "pane", "a secret: of +pane/"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


class Key:
    def __init__(self, root, kid, alg):
        self.kid, self.alg, self.path = kid, alg, os.path.join(root, f"{kid}.pem")
        how = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if alg == "RS256" else ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("genpkey", "-quiet", "-out", self.path, "-algorithm", *how)

    def jwk(self):
        more = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if self.alg == "RS256":
            n = bytes.fromhex(openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1])
            return {"kty": "RSA", "n": b64(n), "e": "AQAB", **more}
        point = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "crv": "P-256", "x": b64(point[:32]), "y": b64(point[32:]), **more}

    def sign(self, data):
        made = openssl("dgst", "-sha256", "-sign", self.path, data=data)
        if self.alg == "RS256":
            return made
        at, numbers = 2, [] # SEQUENCE of two INTEGERs
        for _ in range(2):
            n = made[at + 1]
            numbers.append(made[at + 2:at + 2 + n].lstrip(b"\0").rjust(32, b"\0"))
            at += 2 + n
        return b"".join(numbers)


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body, content="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        p, url = self.server.provider, urllib.parse.urlsplit(self.path)
        p.asked.append(url.path)
        if url.path == "/.well-known/openid-configuration":
            self.answer(200, p.meta())
        elif url.path == "/keys":
            self.answer(200, {"keys": [k.jwk() for k in p.published]})
        elif url.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", p.authorize(dict(urllib.parse.parse_qsl(url.query))))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self):
        p = self.server.provider
        p.asked.append(self.path)
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.answer(*p.token(form, self.headers.get("Authorization", "")))


class Provider:
    def __init__(self, redirect="https://desks.example.org/"):
        self.root = tempfile.mkdtemp(prefix="pane-")
        self.redirect = redirect
        self.claims, self.wrong, self.codes, self.asked = {}, {}, {}, []
        self.methods = ["client_secret_basic"]
        self.published = [Key(self.root, "one", "RS256"), Key(self.root, "two", "ES256")]
        self.signer = self.published[0]
        ca, cert = os.path.join(self.root, "ca"), os.path.join(self.root, "server")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=provider ca", "-keyout", f"{ca}.key", "-out", f"{ca}.crt")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", f"{cert}.key", "-out", f"{cert}.csr")
        with open(f"{cert}.ext", "w", encoding="ascii") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{cert}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{cert}.ext", "-out", f"{cert}.crt")
        self.secret_file = os.path.join(self.root, "secret")
        with open(self.secret_file, "w", encoding="ascii") as f:
            f.write(SECRET + "\n")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.provider, self.server.daemon_threads = self, True
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(f"{cert}.crt", f"{cert}.key")
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.issuer = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.root, ignore_errors=True)

    def settings(self, **more):
        """[oidc] of a broker."""
        return {"issuer": self.issuer, "client_id": CLIENT, "client_secret_file": self.secret_file, "redirect_uri": self.redirect,
                "ca_cert": os.path.join(self.root, "ca.crt"), "name": "Example Inc.", **more}

    def meta(self):
        return {"issuer": self.wrong.get("issuer", self.issuer), "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": self.methods}

    def rotate(self, alg="ES256", keep=False):
        """Signs by a new key from now on."""
        self.signer = Key(self.root, secrets.token_hex(4), alg)
        self.published = [*(self.published if keep else []), self.signer]

    def authorize(self, query):
        """Where the browser is sent back to: somebody has logged in here."""
        assert query["response_type"] == "code" and "openid" in query["scope"].split() and query["client_id"] == CLIENT, query
        assert query["redirect_uri"] == self.redirect and query["code_challenge_method"] == "S256" and query["nonce"], query
        code = secrets.token_urlsafe(24)
        self.codes[code] = query
        return f"{self.redirect}?{urllib.parse.urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def client_ok(self, form, authorization):
        if "client_secret_basic" in self.methods:
            user, _, word = base64.b64decode(authorization[6:] or "Og==").decode().partition(":")
            return (urllib.parse.unquote(user), urllib.parse.unquote(word)) == (CLIENT, SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def token(self, form, authorization):
        if not self.client_ok(form, authorization):
            return 401, {"error": "invalid_client"}
        begun = self.codes.pop(form.get("code"), None)
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if not begun or form["redirect_uri"] != self.redirect or begun["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "nonce": begun["nonce"], "iat": now, "exp": now + 300, **self.claims,
                  **self.wrong.get("claims", {})}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}

    def sign(self, claims):
        header = {"alg": self.signer.alg, "kid": self.signer.kid, **self.wrong.get("header", {})}
        text = ".".join(b64(json.dumps(x).encode()) for x in (header, claims))
        made = b"" if header["alg"] == "none" else self.signer.sign(text.encode())
        if "signature" in self.wrong:
            made = self.wrong["signature"](made)
        return f"{text}.{b64(made)}"
