# SPDX-License-Identifier: GPL-3.0-or-later
"""A display under test with everything around it: replayer, pane-display, door, X server, viewers.

Everything runs in a temporary directory and ends with the rig, also when a test fails."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from tools.display_door import Door, preface

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def wait_for(what, check, seconds=15):
    """Polls until check() is true; what goes into the message when it never is."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def missing():
    return [p for p in ("Xvfb", "xwd", "xdotool", "xfreerdp3", "xtigervncviewer", "openssl")
            if not shutil.which(p)]


class Rig:
    def __init__(self, size="1280x800", screen="1400x1000", replay=("--react",),
                 display=()):
        self.dir = tempfile.mkdtemp(prefix="pane-rig-")
        self.children = []
        self.doors = {}
        self.surface, self.socket = self.dir + "/surface.sock", self.dir + "/display.sock"
        self.events_path, self.display_log = self.dir + "/events", self.dir + "/display.log"
        self.program = os.environ.get("PANE_DISPLAY", os.path.join(
            os.environ.get("BUILD", TOP + "/build/release"), "bin/pane-display"))
        self.env = dict(os.environ)
        try:
            self.start_x(screen)
            self.start_replay(size, replay)
            self.start_display(*display)
        except BaseException:
            self.close()
            raise

    def close(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in reversed(self.children):
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if os.environ.get("KEEP"):
            print("kept", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def spawn(self, argv, log, **more):
        out = open(f"{self.dir}/{log}", "ab")
        child = subprocess.Popen(argv, stdout=more.pop("stdout", out), stderr=out,
                                 env=self.env, **more)
        out.close()
        self.children.append(child)
        return child

    def start_x(self, screen):
        # Without -noreset the X server starts over when its last client leaves, and ends a client that
        # is just connecting: a viewer that starts while xwd looks at the empty screen.
        read, write = os.pipe()
        self.spawn(["Xvfb", "-displayfd", str(write), "-screen", "0", screen + "x24", "-noreset",
                    "-nolisten", "tcp"], "xvfb.log", pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as f:
            number = f.readline().strip()
        if not number:
            raise AssertionError("Xvfb did not start")
        self.env["DISPLAY"] = ":" + number

    # -- the desktop
    def start_replay(self, size, more):
        self.replay = self.spawn([sys.executable, TOP + "/tests/tools/surface_replay.py", "--listen",
                                  self.surface, "--size", size, "--log", self.events_path, *more],
                                 "replay.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if b"ready" not in self.replay.stdout.readline():
            raise AssertionError("the replayer did not start")

    def command(self, **c):
        self.replay.stdin.write(json.dumps(c).encode() + b"\n")
        self.replay.stdin.flush()
        if b"ok" not in self.replay.stdout.readline():
            raise AssertionError(f"the replayer ended on {c}")

    def picture(self):
        """The desktop's own picture: width, height, RGB bytes."""
        path = self.dir + "/dump.ppm"
        self.command(op="dump", file=path)
        with open(path, "rb") as f:
            f.readline()
            width, height = (int(n) for n in f.readline().split())
            f.readline()
            return width, height, f.read()

    def events(self, kind=None):
        with open(self.events_path, encoding="ascii") as f:
            found = [json.loads(line) for line in f if line.endswith("\n")]
        return [e for e in found if kind in (None, e["event"])]

    def keys(self):
        return [(e["code"], e["down"]) for e in self.events("key")]

    # -- the display
    def start_display(self, *more):
        if os.path.exists(self.socket):
            os.unlink(self.socket)  # of a display that has ended: its coming back is the sign
        before = self.log().count("surface.scanout")
        self.display = self.spawn([self.program, "--surface", self.surface, "--listen", self.socket,
                                   "--name", "rig", *more], "display.log")
        wait_for("pane-display listens", lambda: os.path.exists(self.socket), 60)
        # An RFB viewer that came sooner would be told another size, and dropped if it cannot follow to the desktop's.
        wait_for("pane-display has the desktop", lambda: self.log().count("surface.scanout") > before, 60)

    def log(self):
        if not os.path.exists(self.display_log):
            return ""
        with open(self.display_log, encoding="utf-8") as f:
            return f.read()

    def door(self, protocol):
        if protocol not in self.doors:
            self.doors[protocol] = Door(self.socket, protocol)
        return self.doors[protocol]

    def agent(self):
        """The host agent's line to the display."""
        if "control" not in self.doors:
            self.doors["control"] = preface(self.socket, "control", "agent", 0)
        return self.doors["control"]

    def messages(self, *texts, seconds=60, **more):
        """What is to be shown over the picture, and nothing else."""
        self.agent().sendall(json.dumps({"op": "messages", "list": [
            {"id": t[:20], "text": t, "ms": int(seconds * 1000), **more} for t in texts]}).encode() + b"\n")

    # -- viewers
    def freerdp(self, *more, size="1280x800"):
        """Without a clipboard unless it is asked for: for that FreeRDP mounts a file system of its own by FUSE, and one that is killed
        while it looks at that never ends."""
        return self.spawn(["xfreerdp3", f"/v:127.0.0.1:{self.door('rdp').port}", "/u:alice", "/p:x",
                           "/cert:ignore", *(["/size:" + size] if size else []), "/log-level:WARN", "-clipboard", *more], "xfreerdp.log")

    def tigervnc(self, *more):
        port = self.door("rfb").port
        child = self.spawn(["xtigervncviewer", "-SecurityTypes=None", "-RemoteResize=0",
                            "-AlertOnFatalError=0", *more, f"127.0.0.1::{port}"], "tigervnc.log")
        # Without a window manager it does not put itself into the corner.
        wait_for("the viewer's window", lambda: not subprocess.run(
            ["xdotool", "search", "--name", "TigerVNC", "windowmove", "0", "0",
             "windowfocus"], env=self.env,
            capture_output=True, check=False).returncode)
        return child

    # -- the viewer's X clipboard
    def x_copy(self, text):
        child = self.spawn(["xclip", "-selection", "clipboard", "-i", "-quiet"], "xclip.log",
                           stdin=subprocess.PIPE)
        child.stdin.write(text.encode())
        child.stdin.close()

    def x_paste(self):
        return subprocess.run(["xclip", "-selection", "clipboard", "-o", "-t", "UTF8_STRING"], env=self.env,
                              check=False, capture_output=True, timeout=10).stdout.decode()

    def xdo(self, *words):
        subprocess.run(["xdotool", *words], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def shot(self, width, height):
        """The top left of the X screen as RGB bytes."""
        data = subprocess.run(["xwd", "-root", "-silent"], env=self.env, check=False,
                              capture_output=True).stdout
        if len(data) < 100:
            return b""  # it fails when a window goes while it looks
        head = struct.unpack(">25I", data[:100])
        at, stride, step = head[0] + head[19] * 12, head[12], head[11] // 8
        out = bytearray(width * height * 3)
        for y in range(height):
            row = data[at + y * stride:at + y * stride + width * step]
            o = y * width * 3
            out[o:o + width * 3:3] = row[2::step]
            out[o + 1:o + width * 3:3] = row[1::step]
            out[o + 2:o + width * 3:3] = row[0::step]
        return bytes(out)

    def wait_equal(self, what, seconds=15):
        """Until the X screen shows exactly what the desktop shows."""
        width, height, want = self.picture()
        wait_for(what, lambda: self.shot(width, height) == want, seconds)
