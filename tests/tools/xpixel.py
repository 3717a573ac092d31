# SPDX-License-Identifier: GPL-3.0-or-later
"""The few X11 calls that measuring needs, by libX11 and libXtst through ctypes: read a pixel, move,
click, paint, and a window that flips its colour when it is clicked."""
import ctypes
import select
import threading

XLIB = ctypes.CDLL("libX11.so.6")
XTST = ctypes.CDLL("libXtst.so.6")
for name in ("XOpenDisplay", "XGetImage", "XCreateGC", "XDefaultVisual", "XCreateImage"):
    getattr(XLIB, name).restype = ctypes.c_void_p
for name in ("XDefaultRootWindow", "XGetPixel", "XCreateSimpleWindow"):
    getattr(XLIB, name).restype = ctypes.c_ulong
ZPIXMAP, BUTTON_PRESS_MASK, INCLUDE_INFERIORS = 2, 4, 1


def p(value):
    return ctypes.c_void_p(value)


def u(value):
    return ctypes.c_ulong(value)


class X:
    def __init__(self, display):
        self.display = p(XLIB.XOpenDisplay(display.encode()))
        if not self.display.value:
            raise AssertionError("no X server at " + display)
        self.root = u(XLIB.XDefaultRootWindow(self.display))
        self.gc = p(XLIB.XCreateGC(self.display, self.root, u(0), None))
        XLIB.XSetSubwindowMode(self.display, self.gc, INCLUDE_INFERIORS)

    def pixel(self, x, y):
        image = p(XLIB.XGetImage(self.display, self.root, x, y, 1, 1, u(0xffffffff), ZPIXMAP))
        value = XLIB.XGetPixel(image, 0, 0)
        XLIB.XDestroyImage(image)
        return value & 0xffffff

    def move(self, x, y):
        XTST.XTestFakeMotionEvent(self.display, -1, x, y, u(0))
        XLIB.XSync(self.display, 0)

    def click(self):
        XTST.XTestFakeButtonEvent(self.display, 1, 1, u(0))
        XTST.XTestFakeButtonEvent(self.display, 1, 0, u(0))
        XLIB.XFlush(self.display)

    def fill(self, x, y, w, h, colour):
        XLIB.XSetForeground(self.display, self.gc, u(colour))
        XLIB.XFillRectangle(self.display, self.root, self.gc, x, y, w, h)
        XLIB.XSync(self.display, 0)

    def copy(self, x, y, w, h, to_x, to_y):
        XLIB.XCopyArea(self.display, self.root, self.root, self.gc, x, y, w, h, to_x, to_y)
        XLIB.XSync(self.display, 0)

    def put(self, x, y, w, h, data):
        """Paints rows of B G R X."""
        pixels = (ctypes.c_char * len(data)).from_buffer_copy(data)
        image = p(XLIB.XCreateImage(self.display, p(XLIB.XDefaultVisual(self.display, 0)), 24, ZPIXMAP, 0,
                                    pixels, w, h, 32, 0))
        XLIB.XPutImage(self.display, self.root, self.gc, image, 0, 0, x, y, w, h)
        XLIB.XSync(self.display, 0)

    def react(self, spot):
        """Maps a window at spot that flips its colour on each click; returns what ends it."""
        window = u(XLIB.XCreateSimpleWindow(self.display, self.root, spot[0] - 16, spot[1] - 16, 32, 32, 0,
                                            u(0), u(0xff00ff)))
        XLIB.XSelectInput(self.display, window, ctypes.c_long(BUTTON_PRESS_MASK))
        XLIB.XMapWindow(self.display, window)
        XLIB.XSync(self.display, 0)
        done = threading.Event()
        fd = XLIB.XConnectionNumber(self.display)
        event = ctypes.create_string_buffer(192)

        def loop():
            flip = 0
            while not done.is_set():
                select.select([fd], [], [], 0.2)
                while XLIB.XPending(self.display):
                    XLIB.XNextEvent(self.display, event)
                    if ctypes.c_int.from_buffer(event).value != 4:  # ButtonPress
                        continue
                    flip ^= 1
                    XLIB.XSetForeground(self.display, self.gc, u(0xff00 if flip else 0xff00ff))
                    XLIB.XFillRectangle(self.display, window, self.gc, 0, 0, 32, 32)
                    XLIB.XFlush(self.display)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()

        def stop():
            done.set()
            thread.join()

        return stop
