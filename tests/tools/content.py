# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up pictures, the same for the same seed: text, photos, videos. Rows are bytes, B G R X."""
import math
import random

BLACK, WHITE = b"\x00\x00\x00\xff", b"\xff\xff\xff\xff"
CELL_W, CELL_H = 7, 13


def glyphs(seed):
    """96 made-up glyphs as rows of pixels: text-like, the same for the same seed."""
    rng = random.Random(seed)
    out = [[BLACK * CELL_W] * CELL_H]
    for _ in range(95):
        rows = [BLACK * CELL_W] * 2
        for _ in range(CELL_H - 4):
            bits = rng.choice((0b0111110, 0b0100010, 0b0100000, 0b0001000, 0b0000010, 0))
            rows.append(b"".join(WHITE if bits >> (CELL_W - 1 - x) & 1 else BLACK
                                 for x in range(CELL_W)))
        rows += [BLACK * CELL_W] * 2
        out.append(rows)
    return out


FONT = glyphs(7)


def text_line(rng, width):
    """The CELL_H rows of a line of words on black, as long as the words are."""
    columns = width // CELL_W
    words = []
    while len(words) < columns * 2 // 3:
        words += [rng.randrange(1, 96) for _ in range(rng.randrange(1, 9))] + [0]
    words = words[:rng.randrange(columns // 8, columns * 2 // 3)]
    return [b"".join(FONT[c][y] for c in words) for y in range(CELL_H)]


def average(a, b, mask):
    """Byte by byte, of two numbers that hold a row each."""
    return ((a ^ b) & mask) // 2 + (a & b)


class Texture:
    """Rows of colours that change smoothly along, cut from one long strip."""

    def __init__(self, seed, length=1 << 14, step=5):
        rng = random.Random(seed)
        self.length = length
        strip = bytearray(length * 8)
        for channel in range(3):
            value, speed = rng.randrange(256), 0.0
            for x in range(length):
                speed = speed * 0.9 + rng.uniform(-step, step) * 0.3
                value += speed
                if not 0 <= value <= 255:
                    value, speed = min(255, max(0, value)), -speed
                strip[4 * x + channel] = int(value)
        strip[4 * length:] = strip[:4 * length]
        self.strip = bytes(strip)

    def cut(self, at, width):
        at = int(at) % self.length * 4
        return int.from_bytes(self.strip[at:at + width * 4], "little")


def picture(seed, width, height, phase=0.0):
    """The rows of something like a photo; phase moves what is in it, each part another way."""
    near, far, fine = (Texture(seed + i, step=s) for i, s in enumerate((3, 1, 9)))
    return wave(near, far, fine, width, height, phase)


def wave(near, far, fine, width, height, phase):
    mask = int.from_bytes(b"\xfe" * (width * 4), "little")
    opaque = int.from_bytes(b"\x00\x00\x00\xff" * width, "little")
    rows = []
    for y in range(height):
        a = near.cut(2000 + 90 * math.sin(y / 37 + phase) + y * 0.7, width)
        b = far.cut(5000 + 200 * math.sin(y / 90 - phase / 2) + phase * 11, width)
        c = fine.cut(9000 + y * 3.1 + 40 * math.sin(phase + y / 15), width)
        mixed = average(average(a, c, mask), b, mask)
        rows.append((mixed | opaque).to_bytes(width * 4, "little"))
    return rows


def film(seed, width, height, frames):
    """A video as a list of pictures; its first 16 x 16 pixels tell the frame's number (level())."""
    textures = [Texture(seed + i, step=s) for i, s in enumerate((3, 1, 9))]
    out = []
    for n in range(frames):
        rows = wave(*textures, width, height, n * 0.15)
        grey = bytes((level(n),)) * 3 + b"\xff"
        for y in range(16):
            rows[y] = grey * 16 + rows[y][64:]
        out.append(rows)
    return out


def level(n):
    """Neighbours are far apart, so that a lossy picture still tells them."""
    return 16 + n * 3 % 8 * 32
