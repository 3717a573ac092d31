# SPDX-License-Identifier: GPL-3.0-or-later
"""CredSSP with NTLM, the client's side ([MS-CSSP], [MS-NLMP], RFC 4178): says exactly what a test wants it to say."""
import hashlib
import hmac
import os
import struct

OID_NTLM = bytes.fromhex("060a2b06010401823702020a")
OID_SPNEGO = bytes.fromhex("06062b0601050502")
OID_KERBEROS = bytes.fromhex("06092a864886f712010202")


def md4(data):
    """RFC 1320; hashlib has none where OpenSSL's legacy provider is not loaded."""
    def turn(x, n):
        return (x << n | x >> (32 - n)) & 0xffffffff

    rounds = ((lambda x, y, z: x & y | ~x & z, 0, (3, 7, 11, 19), range(16)),
              (lambda x, y, z: x & y | x & z | y & z, 0x5A827999, (3, 5, 9, 13), [i % 4 * 4 + i // 4 for i in range(16)]),
              (lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1, (3, 9, 11, 15), (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)))
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    data = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    for at in range(0, len(data), 64):
        x = struct.unpack("<16I", data[at:at + 64])
        v = list(state)
        for f, add, turns, order in rounds:
            for i, k in enumerate(order):
                a = -i % 4
                v[a] = turn((v[a] + f(v[(a + 1) % 4], v[(a + 2) % 4], v[(a + 3) % 4]) + x[k] + add) & 0xffffffff, turns[i % 4])
        state = [(p + q) & 0xffffffff for p, q in zip(state, v)]
    return struct.pack("<4I", *state)


def mac(key, data):
    return hmac.new(key, data, "md5").digest()


class Rc4:
    def __init__(self, key):
        self.s, self.i, self.j = list(range(256)), 0, 0
        j = 0
        for i in range(256):
            j = (j + self.s[i] + key[i % len(key)]) & 255
            self.s[i], self.s[j] = self.s[j], self.s[i]

    def __call__(self, data):
        out = bytearray()
        for c in data:
            self.i = (self.i + 1) & 255
            self.j = (self.j + self.s[self.i]) & 255
            self.s[self.i], self.s[self.j] = self.s[self.j], self.s[self.i]
            out.append(c ^ self.s[(self.s[self.i] + self.s[self.j]) & 255])
        return bytes(out)


class Way:
    """One direction's signatures and cipher."""

    def __init__(self, key, way):
        self.sign_key, self.seal_key = (hashlib.md5(key + f"session key to {way} {what} key magic constant\0".encode()).digest()
                                        for what in ("signing", "sealing"))
        self.seq = 0
        self.restart()

    def restart(self):
        self.rc4 = Rc4(self.seal_key)

    def sign(self, data):
        seq = struct.pack("<I", self.seq)
        self.seq += 1
        return b"\1\0\0\0" + self.rc4(mac(self.sign_key, seq + data)[:8]) + seq

    def wrap(self, data):
        sealed = self.rc4(data)
        return self.sign(data) + sealed

    def unwrap(self, data):
        plain = self.rc4(data[16:])
        assert self.sign(plain) == data[:16], "the server's signature is wrong"
        return plain


def nt_hash(secret):
    return md4(secret.encode("utf-16-le"))


def session_key(hash_, names, challenge, response):
    """The key shared when the response was made with this hash; None when it was not. The broker's part."""
    key = mac(hash_, names)
    proof = mac(key, challenge + response[16:])
    return mac(key, proof) if proof == response[:16] else None


# -- DER
def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = bytes([n]) if n < 128 else b"\x81" + bytes([n]) if n < 256 else b"\x82" + struct.pack(">H", n)
    return bytes([tag]) + size + body


def untlv(data):
    """Tag, contents, rest."""
    n, at = data[1], 2
    if n & 0x80:
        at += n & 0x7f
        n = int.from_bytes(data[2:at], "big")
    return data[0], data[at:at + n], data[at + n:]


def fields(data):
    out = {}
    while data:
        tag, body, data = untlv(data)
        out[tag & 0x1f] = body
    return out


def ts_request(version, token=None, auth_info=None, key=None, nonce=None):
    parts = [tlv(0xa0, tlv(2, bytes([version])))]
    if token is not None:
        parts.append(tlv(0xa1, tlv(0x30, tlv(0x30, tlv(0xa0, tlv(4, token))))))
    for n, value in ((2, auth_info), (3, key), (5, nonce)):
        if value is not None:
            parts.append(tlv(0xa0 + n, tlv(4, value)))
    return tlv(0x30, *parts)


class Answer:
    """A server's TSRequest."""

    def __init__(self, data):
        f = fields(untlv(data)[1])
        self.version = f[0][-1]
        self.token = self.key = self.error = None
        if 1 in f:
            self.token = untlv(untlv(untlv(untlv(f[1])[1])[1])[1])[1]
        if 3 in f:
            self.key = untlv(f[3])[1]
        if 4 in f:
            self.error = int.from_bytes(untlv(f[4])[1], "big")


FLAGS = 0xE2088237  # UNICODE, OEM, REQUEST_TARGET, SIGN, SEAL, NTLM, ALWAYS_SIGN, EXTENDED, VERSION, 128, KEY_EXCH, 56


class Client:
    """NTLM's three messages and what they protect. spnego: None raw, "ntlm" as first mechanism, "other" behind Kerberos."""

    def __init__(self, user, secret, domain="", version=6, spnego=None, flags=FLAGS):
        self.user, self.secret, self.domain, self.version, self.spnego, self.flags = user, secret, domain, version, spnego, flags
        self.mechs = tlv(0x30, *((OID_KERBEROS, OID_NTLM) if spnego == "other" else (OID_NTLM,)))
        self.nonce = os.urandom(32) if version >= 5 else None
        self.negotiate = b"NTLMSSP\0" + struct.pack("<II", 1, flags) + bytes(16) + b"\x0a\0\0\0\0\0\0\x0f"

    def hello(self):
        if not self.spnego:
            return self.negotiate
        token = b"a ticket of another's" if self.spnego == "other" else self.negotiate
        return tlv(0x60, OID_SPNEGO, tlv(0xa0, tlv(0x30, tlv(0xa0, self.mechs), tlv(0xa2, tlv(4, token)))))

    def inner(self, token):
        """The NTLM message in a server's token, and its negState."""
        if not self.spnego:
            return token, None
        f = fields(untlv(untlv(token)[1])[1])
        return untlv(f[2])[1] if 2 in f else None, untlv(f[0])[1][0]

    def wrap(self, token, mic=None):
        if not self.spnego:
            return token
        return tlv(0xa1, tlv(0x30, tlv(0xa2, tlv(4, token)), tlv(0xa3, tlv(4, mic)) if mic else b""))

    def authenticate(self, challenge, with_mic=True):
        server = challenge[24:32]
        n, at = struct.unpack("<HxxI", challenge[40:48])
        info = challenge[at:at + n - 4] + (struct.pack("<HHI", 6, 4, 2) if with_mic else b"") + bytes(4)
        names = self.user.upper().encode("utf-16-le") + self.domain.encode("utf-16-le")
        temp = b"\1\1" + bytes(6) + bytes(8) + os.urandom(8) + bytes(4) + info + bytes(4)
        key = mac(nt_hash(self.secret), names)
        proof = mac(key, server + temp)
        self.key = os.urandom(16)
        parts = [(12, bytes(24)), (20, proof + temp), (28, self.domain.encode("utf-16-le")), (36, self.user.encode("utf-16-le")),
                 (44, "PC".encode("utf-16-le")), (52, Rc4(mac(key, proof))(self.key))]
        head, body = bytearray(88), b""
        head[:12] = b"NTLMSSP\0" + struct.pack("<I", 3)
        for where, value in parts:
            head[where:where + 8] = struct.pack("<HHI", len(value), len(value), 88 + len(body))
            body += value
        head[60:64] = struct.pack("<I", self.flags)
        message = bytes(head) + body
        if with_mic:
            head[72:88] = mac(self.key, self.negotiate + challenge + message)
        self.out, self.back = Way(self.key, "client-to-server"), Way(self.key, "server-to-client")
        return bytes(head) + body

    def binding(self, key, way="Client-To-Server"):
        if self.version < 5:
            return key if way[0] == "C" else bytes([key[0] + 1 & 255]) + key[1:]
        return hashlib.sha256(f"CredSSP {way} Binding Hash\0".encode() + self.nonce + key).digest()

    def credentials(self, secret=None, kind=1):
        texts = (self.domain, self.user, self.secret if secret is None else secret)
        inner = tlv(0x30, *(tlv(0xa0 + i, tlv(4, text.encode("utf-16-le"))) for i, text in enumerate(texts)))
        return tlv(0x30, tlv(0xa0, tlv(2, bytes([kind]))), tlv(0xa1, tlv(4, inner)))
