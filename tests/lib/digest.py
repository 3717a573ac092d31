# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of a file's content as common/content.h has it."""
import hashlib

PIECE = 65536


def content(data):
    """64 hex digits."""
    md = hashlib.sha256()
    for at in range(0, len(data), PIECE):
        piece = bytes(data[at:at + PIECE])
        if piece.count(0) != len(piece):
            md.update(at.to_bytes(8, "little") + piece)
    md.update(len(data).to_bytes(8, "little"))
    return md.hexdigest()
