# SPDX-License-Identifier: GPL-3.0-or-later
"""An LDAP server of the test's own, on a unix socket, for what slapd does not do: it gives values of an attribute in parts, as
Active Directory does ("member;range=0-1499"). Knows bind, search by base or below with equality and presence, and the
paged results it is asked for (all in one page)."""
import os
import socketserver
import tempfile
import threading
from urllib.parse import quote


def ber(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = bytes([n]) if n < 128 else (lambda b: bytes([0x80 | len(b)]) + b)(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + size + body


def text(value, tag=4):
    return ber(tag, value.encode())


def number(n, tag=2):
    return ber(tag, bytes([n]))


def elements(data):
    """(tag, body) of each element of a BER text."""
    at = 0
    while at < len(data):
        tag, n, at = data[at], data[at + 1], at + 2
        if n & 0x80:
            n, at = int.from_bytes(data[at:at + (n & 0x7f)], "big"), at + (n & 0x7f)
        yield tag, data[at:at + n]
        at += n


class _Handler(socketserver.StreamRequestHandler):
    def message(self):
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        n = head[1]
        if n & 0x80:
            n = int.from_bytes(self.rfile.read(n & 0x7f), "big")
        return list(elements(self.rfile.read(n)))

    def send(self, ident, op, controls=b""):
        self.wfile.write(ber(0x30, ber(2, ident), op, controls))

    def handle(self):
        while m := self.message():
            ident, (tag, op) = m[0][1], m[1]
            if tag == 0x60: # BindRequest
                self.send(ident, ber(0x61, number(0, 0x0a), text(""), text("")))
            elif tag == 0x63:
                self.search(ident, list(elements(op)), len(m) > 2)
            else:
                return

    def search(self, ident, op, paged):
        server = self.server.directory
        base, scope = op[0][1].decode(), op[1][1][0]
        wanted = [v.decode() for _, v in elements(op[7][1])]
        for dn, attrs in server.entries.items():
            if (dn != base) if scope == 0 else not dn.endswith(base):
                continue
            if scope and not self.matches(op[6], attrs):
                continue
            parts = [ber(0x30, text(name), ber(0x31, *map(text, values))) for name, values in server.shown(dn, attrs, wanted)]
            self.send(ident, ber(0x64, text(dn), ber(0x30, *parts)))
        done = ber(0xa0, ber(0x30, text("1.2.840.113556.1.4.319"), ber(4, ber(0x30, number(0), text(""))))) if paged else b""
        self.send(ident, ber(0x65, number(0, 0x0a), text(""), text("")), done)

    @staticmethod
    def matches(wanted, attrs):
        tag, body = wanted
        if tag == 0xa0:
            return all(_Handler.matches(x, attrs) for x in elements(body))
        if tag == 0x87:
            return True
        name, value = (v.decode() for _, v in elements(body))
        return value.lower() in [v.lower() for v in attrs.get(name, [])]


class AdLike:
    """entries: {dn: {attribute: [values]}}. Of `member` at most `part` values at once."""

    def __init__(self, entries, part=1500):
        self.entries, self.part, self.ranges, self.lose = entries, part, [], None
        self.root = tempfile.mkdtemp(prefix="pane-")
        path = os.path.join(self.root, "s")
        self.uri = "ldapi://" + quote(path, safe="")
        self.server = socketserver.ThreadingUnixStreamServer(path, _Handler)
        self.server.daemon_threads, self.server.directory = True, self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(os.path.join(self.root, "s"))
        os.rmdir(self.root)

    def shown(self, dn, attrs, wanted):
        """Attributes as they are sent; a range that is asked for alone."""
        begin = next((int(w.split("=")[1].split("-")[0]) for w in wanted if w.lower().startswith("member;range=")), None)
        if begin is not None:
            self.ranges.append((dn, begin))
            return [] if begin == self.lose else [self.piece(attrs["member"], begin)]
        found = [(n, v) for n, v in attrs.items() if n != "member"]
        members = attrs.get("member", [])
        return found + ([self.piece(members, 0), ("member", [])] if len(members) > self.part else [("member", members)] if members else [])

    def piece(self, values, begin):
        end = begin + self.part
        return (f"member;range={begin}-{'*' if end >= len(values) else end - 1}", values[begin:end])
