# SPDX-License-Identifier: GPL-3.0-or-later
"""A small RFB 3.8 client (RFC 6143, VeNCrypt X509Plain) for stories and benches: raw pixels, no cleverness."""
import socket
import ssl
import struct


class Rfb:
    def __init__(self, port, ca, user, password, timeout=20):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read(12)
        self.link.sendall(b"RFB 003.008\n")
        if 19 not in self.read(self.read(1)[0]):
            raise ConnectionError("VeNCrypt is not offered")
        self.link.sendall(b"\x13")
        self.read(2)
        self.link.sendall(b"\0\2")
        self.read(1)
        kinds = struct.unpack(f">{(n := self.read(1)[0])}I", self.read(4 * n))
        if 262 not in kinds:
            raise ConnectionError("X509Plain is not offered")
        self.link.sendall(struct.pack(">I", 262))
        self.read(1)
        self.link = ssl.create_default_context(cafile=ca).wrap_socket(self.link, server_hostname="localhost")
        name, word = user.encode(), password.encode()
        self.link.sendall(struct.pack(">II", len(name), len(word)) + name + word)
        if self.read(4) != b"\0\0\0\0":
            raise PermissionError("refused")
        self.link.sendall(b"\1")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        self.link.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.link.sendall(struct.pack(">BxHi", 2, 1, 0))

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.link.recv(n - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def ask(self, incremental=True):
        self.link.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def update(self):
        """Reads until one framebuffer update is complete; the number of pixels in it."""
        while True:
            kind = self.read(1)[0]
            if kind == 0:
                pixels = 0
                for _ in range(struct.unpack(">xH", self.read(3))[0]):
                    _, _, w, h, encoding = struct.unpack(">HHHHi", self.read(12))
                    if encoding == 0:
                        self.read(w * h * 4)
                        pixels += w * h
                return pixels
            if kind == 3:
                self.read(struct.unpack(">xxxI", self.read(7))[0])
            elif kind != 2:
                raise ConnectionError(f"message {kind}")

    def key(self, keysym):
        self.link.sendall(struct.pack(">BBxxI", 4, 1, keysym) + struct.pack(">BBxxI", 4, 0, keysym))

    def close(self):
        self.link.close()
