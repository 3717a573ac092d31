# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of GET /events, the broker's stream of what happens."""
import json
import socket
import threading


class Stream:
    """One GET /events, read by a thread."""

    def __init__(self, b, token, last=None, query=""):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(b.api)
        more = f"Last-Event-ID: {last}\r\n" if last else ""
        self.sock.sendall(f"GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode())
        self.file = self.sock.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = b""
        while (line := self.file.readline()) not in (b"\r\n", b""):
            self.headers += line
        self.events = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        event = {}
        try:
            while (line := self.file.readline()):
                key, _, value = line.decode().rstrip("\r\n").partition(": ")
                if key in ("id", "event", "data"):
                    event[key] = value
                elif not key and "data" in event:
                    self.events.append((event.get("id"), event["event"], json.loads(event["data"])))
                    event = {}
        except OSError:
            pass
        self.ended.set()

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.file.close()
        self.sock.close()

    def seen(self, **want):
        return [e for e in self.events if all(e[2].get(k) == v for k, v in want.items())]
