#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small /api/v1 for tests of pane-thin, over TLS on loopback.

Usage: fake_api.py CERT KEY [--starting N] [--pools a,b] [--totp CODE] [--port-file F]
User alice, password "correct horse". The first --starting ticket requests answer 202.
Every request is logged to standard error as "METHOD path".
"""
import argparse
import json
import os
import secrets
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WRONG = "The user name, password or ticket is not right, or no longer valid."
args = None
tokens = set()
waiting = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def fail(self, status, code, message, reasons=()):
        self.answer(status, {"error": {"code": code, "message": message,
                                       "reasons": list(reasons), "id": secrets.token_hex(6)}})

    def body(self):
        n = int(self.headers.get("Content-Length") or 0)
        return json.loads(self.rfile.read(n) or b"{}")

    def signed_in(self):
        if self.headers.get("Authorization", "").removeprefix("Bearer ") in tokens:
            return True
        self.fail(401, "login.needed", "Log in first.")
        return False

    def do_GET(self):
        print("GET", self.path, file=sys.stderr, flush=True)
        if self.path == "/api/v1/me/desktops" and self.signed_in():
            self.answer(200, {"items": [
                {"pool": p, "desktop": None if i else f"{p}-1", "machine": "ready" if not i else None,
                 "session": "none", "message": "" if not i else "Shared machine for courses"}
                for i, p in enumerate(args.pools.split(",")) if p]})

    def do_POST(self):
        print("POST", self.path, file=sys.stderr, flush=True)
        body = self.body()
        if self.path == "/api/v1/login":
            self.login(body)
        elif self.path == "/api/v1/tickets" and self.signed_in():
            self.ticket(body)
        elif self.path == "/api/v1/logout" and self.signed_in():
            self.answer(200, {})

    def login(self, body):
        if (body.get("user"), body.get("password")) != ("alice", "correct horse"):
            self.fail(403, "login.failed", WRONG)
            return
        if args.totp and body.get("code") != args.totp:
            if body.get("code"):
                self.fail(403, "login.failed", WRONG)
            else:
                self.fail(403, "totp.required", "Your account needs the code of your authenticator app.")
            return
        token = secrets.token_urlsafe(24)
        tokens.add(token)
        self.answer(200, {"token": token, "user": {"name": "alice", "role": "user"},
                          "expires_in_s": 3600})

    def ticket(self, body):
        pool = body.get("pool")
        if pool not in args.pools.split(","):
            self.fail(404, "pool.unknown", f"There is no pool {pool} for you.")
        elif pool == "full":
            self.fail(409, "desktop.unavailable", "No host has room for another desktop.",
                      ["host-a needs 4096 MiB, 1200 free"])
        elif waiting.setdefault(pool, args.starting) > 0:
            waiting[pool] -= 1
            done = args.starting - waiting[pool]
            self.answer(202, {"state": "booting", "desktop": f"{pool}-1",
                              "message": "Your desktop is booting.",
                              "percent": min(99, 100 * done // (args.starting + 1))})
        else:
            self.answer(200, {"ticket": "pt1_" + secrets.token_urlsafe(32), "expires_in_s": 30,
                              "desktop": f"{pool}-1"})


def main():
    global args
    p = argparse.ArgumentParser()
    p.add_argument("cert")
    p.add_argument("key")
    p.add_argument("--starting", type=int, default=0)
    p.add_argument("--pools", default="office")
    p.add_argument("--totp", help="the code that alice needs beside her password")
    p.add_argument("--port-file", required=True)
    args = p.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(args.cert, args.key)
    server.socket = ctx.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(args.port_file + ".new", "w") as f:
        f.write(str(server.server_address[1]))
    os.rename(args.port_file + ".new", args.port_file)
    server.serve_forever()


main()
