# SPDX-License-Identifier: GPL-3.0-or-later
"""What a screen reader is told: a client of AT-SPI, with just the D-Bus it takes (method calls of strings; answers of
strings, object paths and arrays of both). D-Bus specification 0.41, "Message Protocol"."""
import os
import socket
import struct

FACE = "org.a11y.atspi.Accessible"
ROOT = ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")


def _pad(b, n):
    return b + b"\0" * (-len(b) % n)


def _string(s):
    e = s.encode()
    return struct.pack("<I", len(e)) + e + b"\0"


class Bus:
    def __init__(self, address):
        fields = dict(f.split("=", 1) for f in address.split(";")[0].split(":", 1)[1].split(","))
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(fields["path"] if "path" in fields else "\0" + fields["abstract"])
        self.s.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        if not self.s.recv(200).startswith(b"OK"):
            raise OSError("D-Bus does not let us in")
        self.s.sendall(b"BEGIN\r\n")
        self.serial = 0
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def close(self):
        self.s.close()

    def _exactly(self, n):
        out = b""
        while len(out) < n:
            more = self.s.recv(n - len(out))
            if not more:
                raise OSError("D-Bus has hung up")
            out += more
        return out

    def call(self, name, path, face, method, *args):
        """The answer's first value, or None for an error."""
        self.serial += 1
        body = b""
        for a in args:
            body = _pad(body, 4) + _string(a)
        fields = [(1, b"o", path), (2, b"s", face), (3, b"s", method), (6, b"s", name)]
        head = b""
        for code, kind, value in fields:
            head = _pad(head, 8) + bytes([code, 1]) + kind + b"\0" + _string(value)
        if args:
            signature = b"s" * len(args)
            head = _pad(head, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature + b"\0"
        self.s.sendall(_pad(struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), self.serial, len(head)) + head, 8) + body)
        while True:
            kind, size, serial, signature, body = self._message()
            if serial == self.serial and kind in (2, 3):
                return _Reader(body).read(signature) if kind == 2 and signature else None

    def _message(self):
        first = self._exactly(16)
        kind, (size, _, n) = first[1], struct.unpack("<III", first[4:])
        r, serial, signature = _Reader(self._exactly(n + (-n % 8))), 0, ""
        while r.at < n:
            r.align(8)
            code, what = r.data[r.at], chr(r.data[r.at + 2])
            r.at += 4
            value = r.read(what)
            serial = value if code == 5 else serial
            signature = value if code == 8 else signature
        return kind, size, serial, signature, self._exactly(size)


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def align(self, n):
        self.at += -self.at % n

    def number(self):
        self.align(4)
        self.at += 4
        return struct.unpack_from("<I", self.data, self.at - 4)[0]

    def text(self, n):
        self.at += n + 1
        return self.data[self.at - n - 1:self.at - 1].decode()

    def read(self, signature):
        """One value of the kinds that AT-SPI answers with here."""
        c = signature[0]
        if c in "so":
            return self.text(self.number())
        if c == "g":
            self.at += 1
            return self.text(self.data[self.at - 1])
        if c == "v":
            return self.read(self.read("g"))
        if c == "u":
            return self.number()
        if signature.startswith("a(so)"):
            n = self.number()
            self.align(8)
            end, out = self.at + n, []
            while self.at < end:
                self.align(8)
                out.append((self.read("s"), self.read("o")))
            return out
        raise ValueError("not read here: " + signature)


class Reader:
    """All that the applications on a session bus show: session is that bus' address."""

    def __init__(self, session):
        first = Bus(session)
        address = first.call("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress")
        first.close()
        if not address:
            raise OSError("there is no accessibility bus (at-spi2-core)")
        self.bus = Bus(address)

    def close(self):
        self.bus.close()

    def tree(self, node=ROOT):
        """(role, name) of everything below a node, in its order; what is hidden is there as well."""
        out = []
        for name, path in self.bus.call(*node, FACE, "GetChildren") or []:
            out.append((self.bus.call(name, path, FACE, "GetRoleName"),
                        self.bus.call(name, path, "org.freedesktop.DBus.Properties", "Get", FACE, "Name")))
            out += self.tree((name, path))
        return out
