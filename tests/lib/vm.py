# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs pane-vmm with the test card (tests/guest) as its guest, and plays the host agent and the display.

PANE_BUILD names the build directory (default build/release below the source tree).
"""
import contextlib
import json
import mmap
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PANE_BUILD", os.path.join(SOURCE, "build", "release"))
PROGRAM = os.path.join(BUILD, "bin", "pane-vmm")
CARD = os.path.join(BUILD, "guest", "card")

HELLO, SCANOUT, DAMAGE, CURSOR, CURSOR_POS = 1, 2, 3, 4, 5
KEY, POINTER, BUTTON, WHEEL = 32, 33, 34, 35

# Where the characters are on a US keyboard (evdev codes), plain and with shift.
CODES = {c: first + i for first, row in ((2, "1234567890-="), (16, "qwertyuiop[]"), (30, "asdfghjkl;'`"), (43, "\\"),
                                         (44, "zxcvbnm,./"), (57, " "), (28, "\n")) for i, c in enumerate(row)}
SHIFTED = {c: first + i for first, row in ((2, "!@#$%^&*()_+"), (16, "QWERTYUIOP{}"), (30, 'ASDFGHJKL:"~'), (43, "|"),
                                           (44, "ZXCVBNM<>?")) for i, c in enumerate(row)}
SHIFT = 42


def why_not():
    """Why no virtual machine can run here, or None."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "no usable /dev/kvm on this machine"
    return None


class Surface:
    """A display: receives scanouts and damage, sends keys and pointer."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(path)
        self.send(HELLO, struct.pack("<II", 1, 0))
        self.scanout = None
        self.map = None
        self.damage = []

    def send(self, kind, payload):
        self.sock.send(struct.pack("<HHI", kind, 0, len(payload)) + payload)

    def key(self, code, down):
        self.send(KEY, struct.pack("<II", code, down))

    def type(self, text, pace_s=0):
        """Types text; a guest of its own pace is typed at like one (devices keep no endless backlog)."""
        for character in text:
            time.sleep(pace_s)
            code = CODES.get(character) or SHIFTED[character]
            if character in SHIFTED:
                self.key(SHIFT, 1)
            self.key(code, 1)
            self.key(code, 0)
            if character in SHIFTED:
                self.key(SHIFT, 0)

    def receive(self, timeout):
        """One message, or False when none came in time."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return False
        data, passed, _, _ = self.sock.recvmsg(70000, socket.CMSG_SPACE(4))
        if not data:
            raise EOFError("pane-vmm closed the surface")
        fd = struct.unpack("i", passed[0][2][:4])[0] if passed else -1
        kind = struct.unpack_from("<H", data)[0]
        if kind == SCANOUT:
            _, width, height, stride, offset, size = struct.unpack_from("<IIIIQQ", data, 8)
            self.scanout = (width, height, stride, offset)
            self.map = mmap.mmap(fd, size, prot=mmap.PROT_READ) if fd >= 0 else None
        elif kind == DAMAGE:
            count = struct.unpack_from("<I", data, 12)[0]
            self.damage += [struct.unpack_from("<iiii", data, 16 + 16 * i) for i in range(count)]
        else:
            self.other(kind, data, fd)
        if fd >= 0:
            os.close(fd)
        return True

    def other(self, kind, data, fd):
        """Any further message; the descriptor is closed behind it."""

    def wait(self, what, timeout=10):
        """Receives until what() is true."""
        end = time.monotonic() + timeout
        while not what():
            if time.monotonic() > end:
                raise TimeoutError("the surface did not show what was expected")
            self.receive(end - time.monotonic())

    def pixel(self, x, y):
        _, _, stride, offset = self.scanout
        return struct.unpack_from("<I", self.map, offset + y * stride + 4 * x)[0]

    def close(self):
        self.sock.close()


def type_in_step(displays, texts, echo_s=10):
    """The keys of each, in step: the next one when the one before has changed every picture, or does not within echo_s. What
    was told before a key says nothing of it: a display that nobody asked since the boot has hundreds of such messages, and
    so many keys at once are more than a keyboard keeps."""
    for characters in zip(*texts):
        for display, character in zip(displays, characters):
            while display.receive(0):
                pass
            display.damage.clear()
            display.type(character)
        for display in displays:
            with contextlib.suppress(TimeoutError):
                display.wait(lambda d=display: d.damage, echo_s)


class Vm:
    """One pane-vmm with everything in a directory of its own. A further word that begins with @/ is a path there."""

    def __init__(self, cmdline="", *more, kernel=CARD, memory=128, disk_mib=8, folder=None, disk=None, disk_option=None,
                 stderr=None, restore=None, layer=None, name="card", incoming=None, overlay=None):
        self.folder = folder or tempfile.mkdtemp(prefix="pane-vm-")
        self.owns_folder = folder is None
        disk = disk or self.path("base.raw")
        if not os.path.exists(disk):
            with open(disk, "wb") as file:
                file.truncate(disk_mib << 20)
        self.log = open(self.path("stderr"), "wb")
        self.process = subprocess.Popen(
            [PROGRAM, "--name", name,
              *(["--restore", restore] if restore else ["--incoming", incoming] if incoming else
                ["--memory", str(memory), "--kernel", kernel, "--cmdline", cmdline]),
             *(["--disk", disk_option or f"base={disk}{',layer=' + layer if layer else ''},overlay={overlay or self.path('overlay')}"]
               if disk_option != "" else []),
             "--surface", self.path("surface.sock"),
             "--control", self.path("control.sock"), "--serial", self.path("serial"), "--state", self.path("state"),
             *(self.path(word[2:]) if word.startswith("@/") else word for word in more)], stderr=stderr or self.log)
        self.control = self.channel = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def connect(self, name, timeout=60, pause_s=0.001):
        """The stream of a unix socket that may not be there yet; looking for it costs a slow processor some of its time."""
        end = time.monotonic() + timeout
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(self.path(name))
                return sock
            except OSError:
                sock.close()
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError(f"pane-vmm does not listen (status {self.process.poll()}): {self.text('stderr')}") from None
                time.sleep(pause_s)

    def ask(self, **order):
        """One order on the control socket; events that come meanwhile are kept in self.events."""
        if not self.control:
            self.channel = self.connect("control.sock")
            self.control = self.channel.makefile("rwb", buffering=0)
            self.events = []
        self.control.write(json.dumps(order).encode() + b"\n")
        return self.answer()

    def answer(self):
        while True:
            answer = json.loads(self.control.readline())
            if "event" not in answer:
                return answer
            self.events.append(answer)

    def plug(self, file, **order):
        """Plugs what file is into the running machine; the answer."""
        self.ask(op="status")  # opens the channel
        socket.send_fds(self.channel, [json.dumps({"op": "plug", **order}).encode() + b"\n"], [file.fileno()] if file else [])
        return self.answer()

    def event(self, name, timeout=60):
        """Waits for the next event of that name since the last one waited for, and takes it."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            if not select.select([self.channel], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"no event {name} after {timeout} s, its serial line:\n{self.text('serial')}")
            line = self.control.readline()
            if not line:
                raise RuntimeError(f"ended meanwhile: {self.text('stderr')}")
            self.events.append(json.loads(line))

    def snapshot(self, name="snapshot"):
        """Writes a snapshot; the machine is paused afterwards. Returns its directory."""
        folder = self.path(name)
        os.mkdir(folder)
        status = self.ask(op="status")  # opens the channel
        assert "state" in status, status
        files = [os.open(os.path.join(folder, n), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600) for n in ("state", "memory")]
        socket.send_fds(self.channel, [b'{"op":"snapshot"}\n'], files)
        for fd in files:
            os.close(fd)
        answer = self.answer()
        if answer != {"ok": True}:
            raise RuntimeError(f"snapshot: {answer}")
        return folder

    def ready(self, timeout=300):
        """Waits until the guest is ready."""
        end = time.monotonic() + timeout
        if not self.ask(op="status")["ready"]:
            while not any(e["event"] == "ready" for e in self.events):
                if not select.select([self.channel], [], [], max(0, end - time.monotonic()))[0]:
                    raise TimeoutError(f"not ready after {timeout} s, its serial line:\n{self.text('serial')}")
                line = self.control.readline()
                if not line:
                    raise RuntimeError(f"ended before it was ready: {self.text('stderr')}")
                self.events.append(json.loads(line))
        return self

    def surface(self, kind=Surface):
        self.connect("control.sock").close()
        while True:
            try:
                return kind(self.path("surface.sock"))
            except (FileNotFoundError, ConnectionRefusedError):  # a container's is made by a process of its own
                if self.process.poll() is not None:
                    raise
                time.sleep(0.001)

    def serial(self, text, timeout=10):
        """Waits until the serial log contains text."""
        end, seen = time.monotonic() + timeout, None
        while True:
            try:
                size = os.stat(self.path("serial")).st_size
            except FileNotFoundError:
                size = 0
            if size != seen and text in self.text("serial"):
                return
            if time.monotonic() > end:
                raise TimeoutError(f"no {text!r} on the serial line:\n{self.text('serial')}")
            seen = size
            time.sleep(0.01)

    def wait(self, timeout=15):
        """The exit status, and what it wrote to the state file."""
        status = self.process.wait(timeout)
        text = self.text("state")
        return status, json.loads(text) if text else None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.control:
            self.control.close()
            self.channel.close()
            self.control = None
        self.log.close()
        if self.owns_folder:
            self.owns_folder = False
            shutil.rmtree(self.folder)
