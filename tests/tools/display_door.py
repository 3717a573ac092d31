#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The least a gateway does, for testing pane-display alone: takes TCP connections, for RDP answers
# X.224 and does TLS, sends the preface to the display's socket, then pumps bytes and counts them.
# It authenticates nobody. Listens on loopback; prints {"port":N} when ready.

import argparse
import json
import select
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time


def exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


def certificate():
    d = tempfile.mkdtemp(prefix="door")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", d + "/key", "-out",
                    d + "/crt", "-subj", "/CN=door", "-days", "2"], check=True, capture_output=True)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(d + "/crt", d + "/key")
    subprocess.run(["rm", "-r", d], check=True)
    return c


def x224(sock):
    """Answers the connection request, choosing TLS; returns the client's protocol mask."""
    head = exactly(sock, 4)
    body = exactly(sock, struct.unpack(">H", head[2:])[0] - 4)
    mask = struct.unpack("<I", body[-4:])[0] if body[-8:-6] == b"\x01\x00" else 0
    sock.sendall(b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00" +
                 struct.pack("<I", 1))
    return mask


def preface(display, protocol, conn, mask, **more):
    o = {"protocol": protocol, "conn": conn, "client": "127.0.0.1:1", "user": "test",
         "desktop": "00000000-0000-0000-0000-000000000000",
         "rdp": {"requested_protocols": mask, "selected_protocol": 1}, **more}
    text = json.dumps(o).encode()
    s = socket.socket(socket.AF_UNIX)
    s.connect(display)
    s.sendall(b"PANE" + struct.pack(">HH", 1, len(text)) + text)
    head = exactly(s, 8)
    answer = json.loads(exactly(s, struct.unpack(">H", head[6:])[0]))
    if not answer["ok"]:
        raise ConnectionError(answer["code"])
    return s


def rfb_begin(display, conn, timeout=60):
    """A viewer of RFB 3.8 without security, shared, behind ServerInit: its socket, width and height."""
    s = preface(display, "rfb", conn, 0)
    s.settimeout(timeout)
    exactly(s, 12)
    s.sendall(b"RFB 003.008\n")
    exactly(s, exactly(s, 1)[0])
    s.sendall(b"\x01")
    exactly(s, 4)
    s.sendall(b"\x01")
    head = exactly(s, 24)
    exactly(s, struct.unpack_from(">I", head, 20)[0])
    return (s, *struct.unpack_from(">HH", head))


class Pump(threading.Thread):
    """One direction; both ends are blocking sockets of their own."""

    def __init__(self, a, b, count, index):
        super().__init__(daemon=True)
        self.a, self.b, self.count, self.index = a, b, count, index

    def run(self):
        try:
            while data := self.a.recv(65536):
                self.count[self.index] += len(data)
                self.b.sendall(data)
        except OSError:
            pass
        for s in (self.a, self.b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Door:
    def __init__(self, display, protocol, port=0, **who):
        self.display, self.protocol, self.who = display, protocol, who
        self.context = certificate() if protocol == "rdp" else None
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.count = [0, 0]  # bytes to the display, bytes to the viewers
        self.n = 0
        self.arrivals = None  # a list: (microseconds, bytes) of what goes to RDP viewers
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.listener.accept()
            self.n += 1
            threading.Thread(target=self.serve, args=(sock, "t%d" % self.n), daemon=True).start()

    def serve(self, sock, conn):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.protocol == "rdp":
                mask = x224(sock)
                tls = self.context.wrap_socket(sock, server_side=True)
                self.splice_tls(tls, preface(self.display, "rdp", conn, mask, **self.who))
            else:
                back = preface(self.display, "rfb", conn, 0, **self.who)
                Pump(sock, back, self.count, 0).start()
                Pump(back, sock, self.count, 1).start()
        except (OSError, struct.error) as e:
            print("door:", e, file=sys.stderr)
            sock.close()

    def splice_tls(self, tls, back):
        """A TLS connection is one thread's: one loop for both directions."""
        try:
            while True:
                ready = [tls] if tls.pending() else select.select([tls, back], [], [])[0]
                if tls in ready:
                    data = tls.recv(65536)
                    if not data:
                        break
                    self.count[0] += len(data)
                    back.sendall(data)
                if back in ready:
                    data = back.recv(65536)
                    if not data:
                        break
                    self.count[1] += len(data)
                    if self.arrivals is not None:
                        self.arrivals.append((time.monotonic_ns() // 1000, len(data)))
                    tls.sendall(data)
        except OSError:
            pass
        tls.close()
        back.close()


def main():
    p = argparse.ArgumentParser(description="a gateway stand-in that lets everybody in")
    p.add_argument("--display", required=True, help="pane-display's socket")
    p.add_argument("--protocol", required=True, choices=("rdp", "rfb"))
    p.add_argument("--port", type=int, default=0)
    o = p.parse_args()
    door = Door(o.display, o.protocol, o.port)
    print(json.dumps({"port": door.port}), flush=True)
    for line in sys.stdin:
        if line.strip() == "count":
            print(json.dumps({"in": door.count[0], "out": door.count[1]}), flush=True)


if __name__ == "__main__":
    main()
