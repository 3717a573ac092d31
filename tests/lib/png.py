# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG pictures of one colour, and what one may put into them."""
import struct
import zlib

MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(width, height, colour=(11, 83, 148), more=b""):
    """more: chunks between header and data."""
    rows = (b"\0" + bytes(colour) * width) * height
    return MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")
