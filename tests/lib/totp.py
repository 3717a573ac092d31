# SPDX-License-Identifier: GPL-3.0-or-later
"""What an authenticator app does: RFC 6238, written down again."""
import base64
import hashlib
import hmac
import struct
import time


STEP_S = 30
ROOM_S = 15 # what a test on a busy machine may need until the code has been looked at


def code(secret, step=0):
    """The six digits of now, or of so many steps away. One of the step before is good in this step only: with little of it left the
    next one is waited for."""
    left = STEP_S - time.time() % STEP_S
    if step < 0 and left < ROOM_S:
        time.sleep(left)
    counter = struct.pack(">Q", int(time.time()) // STEP_S + step)
    mac = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"
