#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A stand-in for a desktop: listens on a surface socket (common/surface.h), publishes a memfd
# scanout with generated content, and writes every event it receives as a JSON line to --log.
# Commands come as JSON lines on standard input, each answered by {"ok":true} on standard output:
#   {"op":"fill","x":,"y":,"w":,"h":,"colour":"rrggbb"}      {"op":"page","kind":"text|photo|picture|solid","seed":1}
#   {"op":"scroll","rows":13}  {"op":"resize","w":,"h":}     {"op":"cursor","w":,"h":,"colour":"aarrggbb"}
#   {"op":"truncate"}  {"op":"drop"} (close the display's connection)  {"op":"dump","file":} (PPM)
#   {"op":"animate","ms":16,"count":100,"what":"box|scroll|drag|type|video"}, in the background;
#   {"op":"wait"} is answered at its end;  {"op":"prepare","what":"video|drag","x":,"y":,"w":,"h":,"frames":}
#   {"op":"tone","hertz":,"seconds":} (with --sound), in real time;
#   {"op":"record","rate":,"file":} (with --microphone): what viewers say is appended there; rate 0 ends it
#   {"op":"copy","text":} and {"op":"paste"} are the clipboard;  {"op":"quit"}
# With --react a left click paints the square around the pointer in the next of two colours, which
# is what latency is measured with. With --follow it obeys resize requests.

import argparse
import fcntl
import json
import math
import mmap
import os
import random
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tools import content  # noqa: E402
from tools.content import BLACK, CELL_H  # noqa: E402

HELLO, SCANOUT, DAMAGE, CURSOR_SHAPE = 1, 2, 3, 4
AUDIO, AUDIO_POS, AUDIO_LISTEN = 6, 7, 43
RECORD, VOICE = 8, 45
RATE, RING, BLOCK = 44100, 16384, 1024  # frames
KEY, POINTER, BUTTON, WHEEL, RESIZE, VIEWERS, POINTER_REL, CLIP_POLICY, KEYSYM, LAYOUT, MONITORS = range(32, 43)
CLIP_OFFER, CLIP_REQUEST, CLIP_DATA = range(64, 67)
NAMES = {1: "hello", KEY: "key", POINTER: "pointer", BUTTON: "button", WHEEL: "wheel",
         RESIZE: "resize", VIEWERS: "viewers", POINTER_REL: "motion", CLIP_POLICY: "clip-policy", KEYSYM: "keysym", LAYOUT: "layout", MONITORS: "monitors",
         AUDIO_LISTEN: "listen", CLIP_OFFER: "clip-offer", CLIP_REQUEST: "clip-request", CLIP_DATA: "clip-data"}
BTN_LEFT = 0x110


def message(kind, payload):
    return struct.pack("<HHI", kind, 0, len(payload)) + payload


class Surface:
    def __init__(self, width, height):
        self.id = 0
        self.fd = -1
        self.make(width, height)

    def make(self, width, height):
        if self.fd >= 0:
            self.map.close()
            os.close(self.fd)
        self.width, self.height, self.stride = width, height, width * 4
        self.id += 1
        self.fd = os.memfd_create("scanout")
        os.ftruncate(self.fd, self.stride * height)
        self.map = mmap.mmap(self.fd, self.stride * height)

    def row(self, x, y, pixels):
        at = y * self.stride + x * 4
        self.map[at:at + len(pixels)] = pixels

    def fill(self, x, y, w, h, pixel):
        x, y = max(0, x), max(0, y)
        w, h = min(w, self.width - x), min(h, self.height - y)
        for i in range(y, y + h):
            self.row(x, i, pixel * w)
        return x, y, w, h

    def text(self, seed):
        rng = random.Random(seed)
        self.fill(0, 0, self.width, self.height, BLACK)
        for line in range(self.height // CELL_H):
            for y, pixels in enumerate(content.text_line(rng, self.width)):
                self.row(0, line * CELL_H + y, pixels)

    def photo(self, seed):
        rng = random.Random(seed)
        for y in range(self.height):
            noise = rng.randbytes(self.stride)
            self.row(0, y, noise)

    def page(self, kind, seed):
        if kind == "text":
            self.text(seed)
        elif kind == "photo":
            self.photo(seed)
        elif kind == "picture":
            for y, pixels in enumerate(content.picture(seed, self.width, self.height)):
                self.row(0, y, pixels)
        else:
            self.fill(0, 0, self.width, self.height, struct.pack("<I", 0xff000000 | seed))

    def scroll(self, rows):
        n = rows * self.stride
        self.map.move(0, n, self.stride * self.height - n)

    def line(self, seed):
        """Moves everything up by a line of text and writes one at the bottom."""
        self.scroll(CELL_H)
        bottom = self.height // CELL_H * CELL_H - CELL_H
        self.fill(0, bottom, self.width, self.height - bottom, BLACK)
        for y, pixels in enumerate(content.text_line(random.Random(seed), self.width)):
            self.row(0, bottom + y, pixels)

    def window(self, x, y, rows):
        for i, pixels in enumerate(rows):
            self.row(x, y + i, pixels)

    def dump(self, path):
        data = self.map[:]
        rgb = bytearray(self.width * self.height * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = data[2::4], data[1::4], data[0::4]
        with open(path, "wb") as f:
            f.write(b"P6\n%d %d\n255\n" % (self.width, self.height) + bytes(rgb))


class Tone:
    """A sine wave into a ring, block by block as time passes."""

    def __init__(self, stream, hertz, seconds):
        self.stream, self.hertz, self.left = stream, hertz, int(RATE * seconds) // BLOCK
        self.pos, self.begin = 0, time.monotonic()
        self.fd = os.memfd_create("sound")
        os.ftruncate(self.fd, RING * 4)

    def due(self):
        return self.begin + self.pos / RATE

    def block(self):
        samples = []
        for i in range(self.pos, self.pos + BLOCK):
            samples += [round(8000 * math.sin(2 * math.pi * self.hertz * i / RATE))] * 2
        os.pwrite(self.fd, struct.pack("<%dh" % len(samples), *samples), self.pos % RING * 4)
        self.pos += BLOCK
        self.left -= 1


class Replay:
    def __init__(self, options):
        self.options = options
        width, height = (int(n) for n in options.size.split("x"))
        self.surface = Surface(width, height)
        self.surface.page(options.content, options.seed)
        if os.path.exists(options.listen):
            os.unlink(options.listen)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(options.listen)
        self.listener.listen(4)
        self.peer = None
        self.log = open(options.log, "a", buffering=1) if options.log else sys.stderr
        self.seq = 0
        self.at = (0, 0)
        self.flip = 0
        self.cursor = None
        self.pending = []
        self.animation = None
        self.tone, self.streams, self.recording = None, 0, None
        self.waiting = False
        self.clip, self.clip_serial, self.offered = b"", 0, 0
        self.film, self.place = [], (0, 0, 0, 0)
        self.poll = select.poll()
        self.poll.register(self.listener, select.POLLIN)
        self.poll.register(0, select.POLLIN)

    def note(self, **fields):
        fields["t"] = time.monotonic_ns() // 1000
        self.log.write(json.dumps(fields) + "\n")

    # -- to the display
    def send(self, data, fd=None):
        if not self.peer:
            return
        try:
            if fd is None:
                self.peer.send(data)
            else:
                socket.send_fds(self.peer, [data], [fd])
        except OSError as e:
            self.note(event="send-failed", error=str(e))
            self.drop()

    def send_scanout(self):
        s = self.surface
        self.send(message(SCANOUT, struct.pack("<IIIIQQ", s.id, s.width, s.height, s.stride, 0,
                                               s.stride * s.height)), s.fd)
        self.damage(0, 0, s.width, s.height)

    def damage(self, x, y, w, h):
        if w > 0 and h > 0:
            self.seq += 1
            self.send(message(DAMAGE, struct.pack("<IIiiii", self.seq, 1, x, y, w, h)))

    def send_cursor(self):
        if self.cursor:
            w, h, pixel = self.cursor
            self.send(message(CURSOR_SHAPE, struct.pack("<IIII", w, h, 0, 0) +
                              struct.pack("<I", pixel) * (w * h)))

    def accept(self):
        peer, _ = self.listener.accept()
        if self.peer:
            self.drop()
        self.peer = peer
        self.poll.register(peer, select.POLLIN)
        self.note(event="connected")
        self.send(message(HELLO, struct.pack("<II", 1, 1 | 2 * self.options.keysyms | 8 * self.options.sound | 16 * self.options.microphone | 4 * self.options.monitors)))  # it has a clipboard
        self.send_scanout()
        self.send_cursor()

    def drop(self):
        self.poll.unregister(self.peer)
        self.peer.close()
        self.peer = None
        self.note(event="disconnected")

    # -- from the display
    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.peer, 65536, 1)
        if not data:
            self.drop()
            return
        kind, _, n = struct.unpack_from("<HHI", data)
        if kind == CLIP_POLICY or kind >= CLIP_OFFER:
            self.clipboard(kind, struct.unpack_from("<%dI" % (n // 4), data, 8), fds)
            return
        if kind == VOICE:
            with open(self.recording, "ab") as file:
                file.write(data[16:])
            return
        words = struct.unpack_from("<%di" % (n // 4), data, 8)
        event = {"event": NAMES.get(kind, str(kind))}
        if kind in (KEY, BUTTON):
            event.update(code=words[0], down=words[1])
        elif kind in (POINTER, POINTER_REL):
            event.update(x=words[0], y=words[1])
            self.at = words[:2]
        elif kind == WHEEL:
            event.update(vertical=words[0], horizontal=words[1])
        elif kind == RESIZE:
            event.update(w=words[0], h=words[1], scale=words[2])
        elif kind == MONITORS:
            event.update(rects=[words[i:i + 4] for i in range(2, len(words), 4)])
        elif kind in (KEYSYM, LAYOUT):
            event.update(value=words[0])
        elif kind in (VIEWERS, AUDIO_LISTEN):
            event.update(count=words[0])
        self.note(**event)
        if kind == RESIZE and self.options.follow:
            self.resize(words[0], words[1])
        if kind == BUTTON and words[0] == BTN_LEFT and words[1] and self.options.react:
            self.react()

    def clipboard(self, kind, words, fds):
        event = {"event": NAMES[kind], "words": words}
        if kind == CLIP_OFFER:
            self.offered = words[0]
        elif kind == CLIP_REQUEST:
            self.send_text(words[0])
        elif kind == CLIP_DATA:
            event["text"] = os.pread(fds[0], words[3], 0).decode() if fds else ""
        for fd in fds:
            os.close(fd)
        self.note(**event)

    def send_text(self, serial):
        if serial != self.clip_serial:
            self.send(message(CLIP_DATA, struct.pack("<IIII", serial, 1, 1, 0)))
            return
        fd = os.memfd_create("clip", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, self.clip)
        fcntl.fcntl(fd, 1033, 1 | 2 | 4 | 8)  # F_ADD_SEALS: all of them
        self.send(message(CLIP_DATA, struct.pack("<IIII", serial, 1, 0, len(self.clip))),
                  fd if self.clip else None)
        os.close(fd)

    def react(self):
        self.flip ^= 1
        colour = struct.pack("<I", 0xff00ff00 if self.flip else 0xffff00ff)
        self.damage(*self.surface.fill(self.at[0] - 16, self.at[1] - 16, 32, 32, colour))

    def resize(self, w, h):
        if (w, h) != (self.surface.width, self.surface.height):
            self.surface.make(w, h)
            self.surface.page(self.options.content, self.options.seed)
        self.send_scanout()

    # -- commands
    def command(self, c):
        s, op = self.surface, c["op"]
        if op == "fill":
            self.damage(*s.fill(c["x"], c["y"], c["w"], c["h"],
                                struct.pack("<I", 0xff000000 | int(c["colour"], 16))))
        elif op == "page":
            s.page(c["kind"], c.get("seed", 1))
            self.damage(0, 0, s.width, s.height)
        elif op == "scroll":
            s.scroll(c["rows"])
            self.damage(0, 0, s.width, s.height)
        elif op == "resize":
            self.resize(c["w"], c["h"])
        elif op == "cursor":
            self.cursor = (c["w"], c["h"], int(c["colour"], 16))
            self.send_cursor()
        elif op == "truncate":
            os.ftruncate(s.fd, 4096)
            self.damage(0, 0, s.width, s.height)
        elif op == "restore":
            s.make(s.width, s.height)
            s.page(self.options.content, self.options.seed)
            self.send_scanout()
        elif op == "drop":
            self.drop()
        elif op == "dump":
            s.dump(c["file"])
        elif op == "animate":
            self.animation = [c["ms"] / 1000, c["count"], time.monotonic(), c.get("what", "box")]
        elif op == "prepare":
            self.prepare(c)
        elif op == "wait":
            self.waiting = True
        elif op == "tone":
            self.streams += 1
            self.tone = Tone(self.streams, c["hertz"], c["seconds"])
            self.send(message(AUDIO, struct.pack("<IIII", self.streams, RATE, RING, 0)), self.tone.fd)
        elif op == "record":
            self.recording = c.get("file", self.recording)
            self.send(message(RECORD, struct.pack("<I", c["rate"])))
        elif op == "copy":
            self.clip, self.clip_serial = c["text"].encode(), self.clip_serial + 1
            self.send(message(CLIP_OFFER, struct.pack("<II", self.clip_serial, 1)))
        elif op == "paste":
            self.send(message(CLIP_REQUEST, struct.pack("<II", self.offered, 1)))
        elif op == "quit":
            return False
        else:
            raise ValueError(op)
        return True

    def prepare(self, c):
        """What an animation shows, made beforehand: a film of w x h, or a window of text to drag."""
        if c["what"] == "video":
            self.film = content.film(c.get("seed", 3), c["w"], c["h"], c["frames"])
            self.place = (c["x"], c["y"], c["w"], c["h"])
        else:
            rng = random.Random(5)
            self.film = [p + BLACK * (c["w"] - len(p) // 4) for _ in range(c["h"] // CELL_H)
                         for p in content.text_line(rng, c["w"])]
            self.place = (c["x"], c["y"], c["w"], len(self.film))
            self.surface.window(c["x"], c["y"], self.film)
            self.damage(*self.place)

    def frame(self, what, left):
        s = self.surface
        if what == "scroll":
            s.line(left)
            self.damage(0, 0, s.width, s.height)
        elif what == "video":
            s.window(*self.place[:2], self.film[left % len(self.film)])
            self.damage(*self.place)
        elif what == "drag":
            x, y, w, h = self.place
            self.place = (200 + left * 7 % 700, 100 + left * 3 % 400, w, h)
            s.fill(x, y, w, h, struct.pack("<I", 0xff305070))
            s.window(*self.place[:2], self.film)
            x1, y1 = min(x, self.place[0]), min(y, self.place[1])
            self.damage(x1, y1, max(x, self.place[0]) + w - x1, max(y, self.place[1]) + h - y1)
        elif what == "type":
            self.damage(*s.fill(20 + left * 8 % 1200, 700, 7, 13,
                                struct.pack("<I", 0xffc0c0c0 if left % 2 else 0xff20a020)))
        else:
            x = (left * 8) % max(1, s.width - 64)
            self.damage(*s.fill(x, s.height // 2, 64, 64, struct.pack("<I", 0xff000000 | left * 4099)))

    def animate(self):
        """One frame when it is due, until the count is used up. Returns the milliseconds to wait."""
        step, left, due, what = self.animation
        now = time.monotonic()
        if now >= due:
            self.frame(what, left)
            self.animation = [step, left - 1, due + step, what] if left > 1 else None
            if not self.animation and self.waiting:
                self.waiting = False
                os.write(1, b'{"ok":true}\n')
            return 0
        return int((due - now) * 1000) + 1

    def sound(self):
        """A block when it is due, the end after the last. Returns the milliseconds to wait."""
        tone = self.tone
        if time.monotonic() < tone.due():
            return int((tone.due() - time.monotonic()) * 1000) + 1
        if tone.left:
            tone.block()
            self.send(message(AUDIO_POS, struct.pack("<IIQ", tone.stream, 0, tone.pos)))
            self.note(event="block", pos=tone.pos)
        else:
            self.send(message(AUDIO, struct.pack("<IIII", tone.stream, 0, 0, 0)))
            os.close(tone.fd)
            self.tone = None
        return 0

    def commands(self):
        data = os.read(0, 65536)
        if not data:
            return False
        self.pending = (self.pending or b"") + data
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            if line.strip() and not self.command(json.loads(line)):
                return False
            if line.strip() and not (self.waiting and self.animation):
                self.waiting = False
                os.write(1, b'{"ok":true}\n')
        return True

    def run(self):
        self.pending = b""
        os.write(1, b'{"ready":true}\n')
        while True:
            waits = [self.animate()] if self.animation else []
            waits += [self.sound()] if self.tone else []
            timeout = min(waits, default=None)
            for fd, _ in self.poll.poll(timeout):
                if fd == self.listener.fileno():
                    self.accept()
                elif fd == 0:
                    if not self.commands():
                        return
                elif self.peer and fd == self.peer.fileno():
                    self.receive()


def main():
    p = argparse.ArgumentParser(description="publish a made-up desktop on a surface socket")
    p.add_argument("--listen", required=True, help="path of the surface socket")
    p.add_argument("--size", default="1280x800")
    p.add_argument("--log", help="file for the events received, one JSON object a line")
    p.add_argument("--content", default="text", choices=("text", "photo", "picture", "solid"))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--follow", action="store_true", help="obey resize requests")
    p.add_argument("--keysyms", action="store_true", help="take characters by name, and layouts")
    p.add_argument("--sound", action="store_true", help="have sound")
    p.add_argument("--microphone", action="store_true", help="have a device to record from")
    p.add_argument("--monitors", action="store_true", help="be told of monitors")
    p.add_argument("--react", action="store_true", help="paint on a left click")
    Replay(p.parse_args()).run()


if __name__ == "__main__":
    main()
