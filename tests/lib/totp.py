# SPDX-License-Identifier: GPL-3.0-or-later
"""What an authenticator app does: RFC 6238, written down again."""
import base64
import hashlib
import hmac
import struct
import time


def code(secret, step=0):
    """The six digits of now, or of so many steps away."""
    counter = struct.pack(">Q", int(time.time()) // 30 + step)
    mac = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"
