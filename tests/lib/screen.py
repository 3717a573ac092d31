# SPDX-License-Identifier: GPL-3.0-or-later
"""What a screen says: pictures of surfaces and of QEMU's screen, and the text in them, read by comparing character
cells with the font of the VGA BIOS (the one that drew them)."""
import os
import socket
import struct
import subprocess
import time
import zlib

VGA_BIOS = "/usr/share/seabios/vgabios-stdvga.bin"
CAPITAL_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
ROWS = 16


def font():
    """Glyph (16 bytes) to character, of code page 437."""
    with open(VGA_BIOS, "rb") as file:
        rom = file.read()
    base = rom.index(CAPITAL_A) - 0x41 * ROWS
    glyphs = {}
    for code in range(255, -1, -1):  # a blank that comes twice is a space
        glyph = rom[base + code * ROWS:base + (code + 1) * ROWS]
        glyphs[glyph] = chr(code) if 0x20 <= code < 0x7f else "." if code > 0x20 else " "
    return glyphs


class Picture:
    """Pixels as lines of bytes, blue, green, red and 255 each."""
    glyphs = None
    cells = {}  # the bytes of a character cell to its character: screens are read many times

    def __init__(self, width, height, lines):
        self.width, self.height, self.lines = width, height, lines

    @classmethod
    def of_surface(cls, surface):
        width, height, stride, offset = surface.scanout
        return cls(width, height, [surface.map[offset + y * stride:offset + y * stride + 4 * width] for y in range(height)])

    @classmethod
    def of_ppm(cls, data):
        kind, size, depth, pixels = data.split(b"\n", 3)
        assert (kind, depth) == (b"P6", b"255"), data[:20]
        width, height = map(int, size.split())
        assert len(pixels) == 3 * width * height
        lines = []
        for y in range(height):
            row, line = pixels[3 * width * y:3 * width * (y + 1)], bytearray(b"\xff" * (4 * width))
            line[0::4], line[1::4], line[2::4] = row[2::3], row[1::3], row[0::3]
            lines.append(bytes(line))
        return cls(width, height, lines)

    def row(self, y):
        """Line y as 0xRRGGBB."""
        return [p & 0xffffff for p in struct.unpack(f"<{self.width}I", self.lines[y])]

    def read_cell(self, cell):
        Picture.glyphs = Picture.glyphs or font()
        back = cell[:3]
        plain = bytes(sum((cell[4 * (8 * y + x):4 * (8 * y + x) + 3] != back) << 7 - x for x in range(8)) for y in range(ROWS))
        return Picture.glyphs.get(plain) or Picture.glyphs.get(bytes(b ^ 255 for b in plain)) or "?"

    def text(self):
        """Lines of a text screen of 9 x 16 cells, or 8 x 16 where Linux draws them, trailing blanks removed."""
        wide = 9 if self.width in (360, 720) else 8
        texts = []
        for top in range(0, self.height - ROWS + 1, ROWS):
            text, lines = "", self.lines[top:top + ROWS]
            for left in range(0, 4 * (self.width - 7), 4 * wide):
                cell = b"".join([line[left:left + 32] for line in lines])
                if cell not in self.cells:
                    self.cells[cell] = self.read_cell(cell)
                text += self.cells[cell]
            texts.append(text.rstrip())
        return texts

    def colours(self):
        """How many there are."""
        return len(set().union(*(struct.unpack(f"<{self.width}I", line) for line in set(self.lines))))

    def distance(self, other):
        """The largest difference of any pixel's red, green or blue; 256 when the sizes differ."""
        if (self.width, self.height) != (other.width, other.height):
            return 256
        pairs = {pair for a, b in zip(self.lines, other.lines) if a != b for pair in zip(a, b)}
        return max((abs(a - b) for a, b in pairs), default=0)

    def unlike(self, other, x=0, y=0, width=None, height=None):
        """The share of pixels in a rectangle (all of it) that look different; 1 when the sizes differ."""
        if (self.width, self.height) != (other.width, other.height):
            return 1
        width, height, n = width or self.width - x, height or self.height - y, 0
        for a, b in zip(self.lines[y:y + height], other.lines[y:y + height]):
            a, b = a[4 * x:4 * (x + width)], b[4 * x:4 * (x + width)]
            if a != b:
                n += sum(max(abs(p - q) for p, q in zip(a[i:i + 3], b[i:i + 3])) >= 8 for i in range(0, len(a), 4))
        return n / (width * height)

    def png(self, path):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        raw = b"".join(b"\0" + b"".join(p.to_bytes(3, "big") for p in self.row(y)) for y in range(self.height))
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)) +
                       chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b""))


def settle(take, what, timeout):
    """Takes pictures until what(picture) holds; returns that picture."""
    end = time.monotonic() + timeout
    while True:
        picture = take()
        if picture and what(picture):
            return picture
        if time.monotonic() > end:
            raise TimeoutError("the screen never showed what was expected; it says:\n" +
                               ("\n".join(picture.text()) if picture else "nothing"))


def now(surface, patience=0.3):
    """What the surface shows, after what it has to say; None before its first picture."""
    end = time.monotonic() + patience
    while surface.receive(max(0, end - time.monotonic())):
        pass
    return Picture.of_surface(surface) if surface.scanout and surface.map else None


def watch(surface, what, timeout=150):
    """Waits until the surface shows what(picture). Looks again only when something was drawn."""
    last = []

    def take():
        if last and not surface.receive(2):
            return last[0]
        last[:] = [now(surface)]
        return last[0]
    return settle(take, what, timeout)


class Qemu:
    """The same guest in QEMU without KVM, for its screen."""

    def __init__(self, folder, *args, memory=512):
        self.shot = os.path.join(folder, "screen.ppm")
        monitor = os.path.join(folder, "monitor")
        self.process = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-M", "q35", "-accel", "tcg",
                                         "-m", str(memory), "-vga", "std", "-display", "none",
                                         "-monitor", f"unix:{monitor},server=on,wait=off", *args],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not os.path.exists(monitor) and time.monotonic() < end:
            time.sleep(0.05)
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(monitor)

    def take(self):
        if os.path.exists(self.shot):
            os.unlink(self.shot)
        self.monitor.sendall(f"screendump {self.shot}\n".encode())
        time.sleep(0.5)
        try:
            with open(self.shot, "rb") as file:
                return Picture.of_ppm(file.read())
        except (FileNotFoundError, ValueError, AssertionError):
            return None

    def close(self):
        self.monitor.close()
        self.process.kill()
        self.process.wait()
