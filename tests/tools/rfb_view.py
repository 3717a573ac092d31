# SPDX-License-Identifier: GPL-3.0-or-later
"""An RFB viewer for tests that keeps its picture: Raw, CopyRect, Cursor and Open H.264, updates on request."""
import struct

from tools.display_door import exactly, rfb_begin
from tools.h264 import Decoder

RAW, COPY, H264, CURSOR = 0, 1, 50, -239
RESET, RESET_ALL = 1, 2


class View:
    def __init__(self, rig, encodings, decode=True):
        """Without decode it only reads, and keeps no picture."""
        self.decode = decode
        self.s, self.width, self.height = rfb_begin(rig.socket, "view")
        self.s.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.s.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        self.rows = [bytearray(self.width * 4) for _ in range(self.height)]
        self.decoders = {}
        self.videos = []  # of each H.264 rectangle: place, flags, bytes

    def ask(self, incremental=True, area=None):
        self.s.sendall(struct.pack(">BBHHHH", 3, incremental, *(area or (0, 0, self.width, self.height))))

    def put(self, x, y, rows):
        if not self.decode:
            return
        for i, row in enumerate(rows):
            self.rows[y + i][x * 4:x * 4 + len(row)] = row

    def copy(self, x, y, w, h):
        sx, sy = struct.unpack(">HH", exactly(self.s, 4))
        self.put(x, y, [bytes(self.rows[sy + i][sx * 4:(sx + w) * 4]) for i in range(h)])

    def video(self, place):
        n, flags = struct.unpack(">II", exactly(self.s, 8))
        data = exactly(self.s, n)
        self.videos.append((place, flags, n))
        if not self.decode:
            return
        for old in [p for p in self.decoders if flags & RESET_ALL or (flags & RESET and p == place)]:
            self.decoders.pop(old).close()
        if place not in self.decoders:
            self.decoders[place] = Decoder(*place[2:])
        self.put(*place[:2], self.decoders[place].decode(data))

    def update(self):
        """Takes one update in; the encodings of its rectangles."""
        while (kind := exactly(self.s, 1)[0]) != 0:
            assert kind == 2, kind
        found = []
        for _ in range(struct.unpack(">xH", exactly(self.s, 3))[0]):
            x, y, w, h, encoding = struct.unpack(">HHHHi", exactly(self.s, 12))
            found.append(encoding)
            if encoding == RAW:
                data = exactly(self.s, w * h * 4)
                self.put(x, y, (data[i * w * 4:(i + 1) * w * 4] for i in range(h)))
            elif encoding == COPY:
                self.copy(x, y, w, h)
            elif encoding == CURSOR:
                exactly(self.s, w * h * 4 + (w + 7) // 8 * h)
            else:
                assert encoding == H264, encoding
                self.video((x, y, w, h))
        return found

    def picture(self):
        """As RGB bytes."""
        data = b"".join(self.rows)
        rgb = bytearray(self.width * self.height * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = data[2::4], data[1::4], data[0::4]
        return bytes(rgb)

    def close(self):
        for d in self.decoders.values():
            d.close()
        self.s.close()
