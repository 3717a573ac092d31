# SPDX-License-Identifier: GPL-3.0-or-later
"""A display that listens (common/surface.h)."""
import mmap
import struct

import vm

AUDIO, AUDIO_POS, LISTEN = 6, 7, 43
HAS_AUDIO = 8


class Ears(vm.Surface):
    """A display that keeps all that is played."""

    def __init__(self, path):
        self.flags = None
        self.rate = None
        self.ring = None
        self.heard = b""
        self.streams = 0
        self.ended = False
        super().__init__(path)

    def other(self, kind, data, fd):
        if kind == vm.HELLO:
            self.flags = struct.unpack_from("<II", data, 8)[1]
        elif kind == AUDIO:
            _, rate, frames, _ = struct.unpack_from("<IIII", data, 8)
            self.ended = frames == 0
            if frames:
                self.streams += 1
                self.rate = rate
                self.ring = mmap.mmap(fd, frames * 4, prot=mmap.PROT_READ)
        elif kind == AUDIO_POS:
            pos = struct.unpack_from("<Q", data, 16)[0]
            while len(self.heard) < pos * 4:
                at = len(self.heard) % len(self.ring)
                end = min(len(self.ring), at + pos * 4 - len(self.heard))
                self.heard += self.ring[at:end]

    def listen(self, on=1):
        self.send(LISTEN, struct.pack("<I", on))
