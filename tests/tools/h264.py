# SPDX-License-Identifier: GPL-3.0-or-later
"""A real H.264 decoder for tests: the one in FreeRDP's library, reached without a program of its own."""
import ctypes
import ctypes.util
import struct

BGRX32 = 537135240  # PIXEL_FORMAT_BGRX32 of freerdp/codec/color.h
NAME = "libfreerdp3.so.3"


def missing():
    """Why there is no decoder here, or None."""
    try:
        lib = ctypes.CDLL(NAME)
    except OSError:
        return f"needs {NAME}"
    lib.h264_context_new.restype = ctypes.c_void_p
    h = lib.h264_context_new(0)
    if h:
        lib.h264_context_free(ctypes.c_void_p(h))
    return None if h else f"{NAME} has no H.264 decoder"


class Decoder:
    """Pictures of one stream. It takes colours for BT.709; colour() says what they are by BT.601."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.lib = ctypes.CDLL(NAME)
        self.lib.h264_context_new.restype = ctypes.c_void_p
        self.h = ctypes.c_void_p(self.lib.h264_context_new(0))
        self.pixels = ctypes.create_string_buffer(width * height * 4)
        if not self.lib.h264_context_reset(self.h, width, height):
            raise AssertionError("no decoder for this size")

    def decode(self, data):
        """Rows of the next picture as bytes, B G R X."""
        whole = (ctypes.c_uint16 * 4)(0, 0, self.width, self.height)
        r = self.lib.avc420_decompress(self.h, data, len(data), self.pixels, BGRX32, self.width * 4, self.width, self.height, whole, 1)
        if r < 0:
            raise AssertionError(f"the decoder says {r}")
        return [self.pixels.raw[y * self.width * 4:(y + 1) * self.width * 4] for y in range(self.height)]

    def close(self):
        self.lib.h264_context_free(self.h)


def colour(row, x):
    """A pixel of a decoded row, by BT.601: red, green, blue."""
    b, g, r, _ = struct.unpack_from("4B", row, x * 4)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    u, v = (b - y) / 1.8556, (r - y) / 1.5748
    return y + 1.402 * v, y - 0.344 * u - 0.714 * v, y + 1.772 * u
