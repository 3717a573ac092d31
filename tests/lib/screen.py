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
    """Pixels as rows of 0xRRGGBB."""

    def __init__(self, width, height, rows):
        self.width, self.height, self.rows = width, height, rows

    @classmethod
    def of_surface(cls, surface):
        width, height, stride, offset = surface.scanout
        line = struct.Struct(f"<{width}I")
        return cls(width, height, [[p & 0xffffff for p in line.unpack_from(surface.map, offset + y * stride)]
                                   for y in range(height)])

    @classmethod
    def of_ppm(cls, data):
        kind, size, depth, pixels = data.split(b"\n", 3)
        assert (kind, depth) == (b"P6", b"255"), data[:20]
        width, height = map(int, size.split())
        rows = []
        for y in range(height):
            row = pixels[3 * width * y:3 * width * (y + 1)]
            rows.append([r << 16 | g << 8 | b for r, g, b in zip(row[::3], row[1::3], row[2::3])])
        return cls(width, height, rows)

    def text(self):
        """Lines of a text screen of 9 x 16 cells, trailing blanks removed."""
        glyphs, lines = font(), []
        for top in range(0, self.height - ROWS + 1, ROWS):
            line = ""
            for left in range(0, self.width - 8, 9):
                cell = [self.rows[top + y][left:left + 8] for y in range(ROWS)]
                back = cell[0][0]
                plain = bytes(sum((p != back) << 7 - x for x, p in enumerate(row)) for row in cell)
                inverse = bytes(b ^ 255 for b in plain)
                line += glyphs.get(plain) or glyphs.get(inverse) or "?"
            lines.append(line.rstrip())
        return lines

    def distance(self, other):
        """The largest difference of any pixel's red, green or blue; 256 when the sizes differ."""
        if (self.width, self.height) != (other.width, other.height):
            return 256
        pairs = {pair for a, b in zip(self.rows, other.rows) if a != b for pair in zip(a, b)}
        return max((abs((a >> shift & 255) - (b >> shift & 255)) for a, b in pairs for shift in (0, 8, 16)), default=0)

    def png(self, path):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        raw = b"".join(b"\0" + b"".join(p.to_bytes(3, "big") for p in row) for row in self.rows)
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
    """Waits until the surface shows what(picture)."""
    return settle(lambda: now(surface), what, timeout)


class Qemu:
    """The same guest in QEMU without KVM, for its screen."""

    def __init__(self, folder, *args):
        self.shot = os.path.join(folder, "screen.ppm")
        monitor = os.path.join(folder, "monitor")
        self.process = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-M", "q35", "-accel", "tcg",
                                         "-m", "512", "-vga", "std", "-display", "none",
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
