#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the display costs at 1920x1080, beside TigerVNC's own server in the same run.

  click    milliseconds from a click by XTest in the viewer's X server to its pixel there
  text     kB for a page of text, for the same page shown again, and for that page once more ("back") after a photo
           and another page have pushed it out of every compressor's memory
  typing   16 characters a second; scroll: a page by 30 lines a second; drag: a window by 60 steps
  photo    to a first look (within 10 % everywhere looked at), and until it is exact
  video    1280x720 at 30 frames a second: how many were seen
           and to an RFB viewer that takes Open H.264
  idle     five seconds of nothing

pane-display is fed by the replayer and seen by xfreerdp and TigerVNC's viewer; Xvnc is drawn on by
an X client (which tells it of copies) and seen by TigerVNC's viewer. Bytes are the protocol's,
without TLS. cpu is the server's, in percent of one processor.
After each workload the viewer must show exactly what the desktop shows, or the bench ends."""
import glob
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tools import content  # noqa: E402
from tools.display_door import Pump  # noqa: E402
from tools.display_rig import Rig, missing, wait_for  # noqa: E402
from tools.rfb_view import COPY, CURSOR, H264, RAW, View  # noqa: E402
from tools.xpixel import X  # noqa: E402

W, H = 1920, 1080
CLICKS = 60
SPOT = (600, 400)
DRAG = (200, 100, 602, 390)
VIDEO = (320, 180, 1280, 720)
TIGERVNC = ("-PreferredEncoding=Tight", "-AutoSelect=0")
# What each figure should not exceed; frames: not be below.
BARS = {"click": 4.0, "first": 61, "again": 1, "back": 1, "typing": 1.3, "scroll": 30, "scroll cpu": 5, "drag": 17,
        "look ms": 100, "look kB": 500, "video": 750, "video cpu": 27, "idle B": 0, "wakes": 0}
COLUMNS = ("click", "p95", "first", "again", "back", "typing", "scroll", "scroll cpu", "drag", "drag cpu", "look ms",
           "look kB", "exact ms", "exact kB", "video", "video cpu", "frames", "click video", "idle B", "wakes",
           "own MB")


def cpu_s(pid):
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def wakes(pid):
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="ascii") as f:
            total += sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)
    return total


def private_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private")) / 1024


class Pane:
    def __init__(self, protocol):
        self.rig = Rig(size=f"{W}x{H}", screen=f"{W + 200}x{H + 200}")
        if protocol == "rdp":
            self.rig.freerdp("/gfx:avc420", "/network:lan", size=f"{W}x{H}")
        else:
            self.rig.tigervnc(*TIGERVNC)
        self.rig.wait_equal("the desktop", 30)
        self.door = self.rig.door(protocol)
        self.pid = self.rig.display.pid
        self.x = X(self.rig.env["DISPLAY"])

    def sent(self):
        return self.door.count[1]

    def page(self, kind, seed):
        self.rig.command(op="page", kind=kind, seed=seed)

    def prepare(self, what, place, frames=1):
        x, y, w, h = place
        self.rig.command(op="prepare", what=what, x=x, y=y, w=w, h=h, frames=frames)

    def play(self, what, ms, count):
        self.rig.command(op="animate", what=what, ms=ms, count=count)

    def wait(self):
        self.rig.command(op="wait")

    def check(self, what):
        self.rig.wait_equal(what, 30)

    def close(self):
        self.rig.close()


class Xvnc:
    """The same workloads, drawn by an X client in this process."""

    def __init__(self):
        self.rig = Rig(size=f"{W}x{H}", screen=f"{W + 200}x{H + 200}")
        port = free_port()
        self.server = self.rig.spawn(
            ["Xvnc", ":" + str(port - 5900), "-rfbport", str(port), "-localhost", "-SecurityTypes", "None",
             "-geometry", f"{W}x{H}", "-depth", "24"], "xvnc.log")
        self.pid = self.server.pid
        wait_for("Xvnc", lambda: os.path.exists(f"/tmp/.X11-unix/X{port - 5900}"))
        self.count = [0, 0]
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, args=(port,), daemon=True).start()
        self.rig.spawn(["xtigervncviewer", "-SecurityTypes=None", "-RemoteResize=0", *TIGERVNC,
                        f"127.0.0.1::{self.listener.getsockname()[1]}"], "tigervnc.log")
        wait_for("the viewer's window", lambda: not subprocess.run(
            ["xdotool", "search", "--name", "TigerVNC", "windowmove", "0", "0", "windowfocus"],
            env=self.rig.env, capture_output=True, check=False).returncode)
        self.x = X(self.rig.env["DISPLAY"])
        self.inner = X(f":{port - 5900}")
        self.film, self.place, self.player, self.stop = [], (0, 0, 0, 0), None, None

    def accept(self, port):
        a, _ = self.listener.accept()
        b = socket.create_connection(("127.0.0.1", port))
        for s in (a, b):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Pump(a, b, self.count, 0).start()
        Pump(b, a, self.count, 1).start()

    def sent(self):
        return self.count[1]

    def lines(self, rng, y, n):
        rows = [p + content.BLACK * (W - len(p) // 4) for _ in range(n) for p in content.text_line(rng, W)]
        self.inner.put(0, y, W, len(rows), b"".join(rows))

    def page(self, kind, seed):
        self.inner.fill(0, 0, W, H, 0)
        if kind == "picture":
            self.inner.put(0, 0, W, H, b"".join(content.picture(seed, W, H)))
        if kind == "text":
            self.lines(random.Random(seed), 0, H // content.CELL_H)

    def prepare(self, what, place, frames=1):
        self.place = place
        if what == "video":
            self.film = [b"".join(f) for f in content.film(3, place[2], place[3], frames)]
        else:
            rng = random.Random(5)
            rows = [p + content.BLACK * (place[2] - len(p) // 4) for _ in range(place[3] // content.CELL_H)
                    for p in content.text_line(rng, place[2])]
            self.inner.put(*place[:2], place[2], len(rows), b"".join(rows))

    def frame(self, what, left):
        i = self.inner
        if what == "scroll":
            i.copy(0, content.CELL_H, W, H - content.CELL_H, 0, 0)
            bottom = H // content.CELL_H * content.CELL_H - content.CELL_H
            i.fill(0, bottom, W, H - bottom, 0)
            self.lines(random.Random(left), bottom, 1)
        elif what == "video":
            i.put(*self.place, self.film[left % len(self.film)])
        elif what == "drag":
            x, y, w, h = self.place
            to = (200 + left * 7 % 700, 100 + left * 3 % 400)
            i.copy(x, y, w, h, *to)
            dx, dy = to[0] - x, to[1] - y
            if abs(dx) < w and abs(dy) < h:
                i.fill(x if dx > 0 else x + w + dx, y, abs(dx), h, 0x305070)
                i.fill(x, y if dy > 0 else y + h + dy, w, abs(dy), 0x305070)
            self.place = (*to, w, h)
        else:
            i.fill(20 + left * 8 % 1200, 700, 7, 13, 0xc0c0c0 if left % 2 else 0x20a020)

    def play(self, what, ms, count):
        def run():
            due = time.monotonic()
            for left in range(count, 0, -1):
                time.sleep(max(0, due - time.monotonic()))
                self.frame(what, left)
                due += ms / 1000

        self.player = threading.Thread(target=run)
        self.player.start()

    def wait(self):
        self.player.join()

    def check(self, what):
        pass  # the rival's correctness is not ours to test

    def close(self):
        self.server.send_signal(signal.SIGTERM)
        self.rig.close()


def free_port():
    for n in range(70, 99):
        if not os.path.exists(f"/tmp/.X11-unix/X{n}") and not os.path.exists(f"/tmp/.X{n}-lock"):
            return 5900 + n
    raise AssertionError("no free display number")


def latencies(x, spot, pause):
    """Milliseconds from a click to its pixel, CLICKS times."""
    out = []
    x.move(*spot)
    time.sleep(0.3)
    for _ in range(CLICKS):
        before = x.pixel(*spot)
        start = time.perf_counter()
        x.click()
        while x.pixel(*spot) == before:
            if time.perf_counter() - start > 10:
                raise AssertionError("the click did not show")
        out.append((time.perf_counter() - start) * 1000)
        time.sleep(pause)
    return sorted(out)


def quiet(side, seconds=0.8):
    """Bytes so far, once nothing more comes."""
    last = -1
    while last != side.sent():
        last = side.sent()
        time.sleep(seconds)
    return last


def near(a, b, part):
    return all(abs((a >> s & 255) - (b >> s & 255)) <= part for s in (0, 8, 16))


def measure_text(side, row):
    side.page("solid", 0)
    quiet(side)
    for name in ("first", "again"):
        begin = side.sent()
        side.page("text", 21)
        row[name] = (quiet(side) - begin) / 1000
        side.check("the page")
        side.page("solid", 0)
        quiet(side)


def measure_back(side, row):
    for kind, seed in (("text", 21), ("picture", 4), ("text", 22)):
        side.page(kind, seed)
        quiet(side)
        side.check("a page")
    begin = side.sent()
    side.page("text", 21)
    row["back"] = (quiet(side) - begin) / 1000
    side.check("the page that was there before")


def measure_steady(side, row, what, ms, count):
    """kB a second and processor time of an animation."""
    begin, cpu, seconds = quiet(side), cpu_s(side.pid), ms * count / 1000
    side.play(what, ms, count)
    side.wait()
    row[what] = (quiet(side) - begin) / 1000 / seconds
    row[what + " cpu"] = (cpu_s(side.pid) - cpu) / seconds * 100
    side.check(what)


def measure_photo(side, row):
    side.page("solid", 0)
    side.prepare("video", (0, 0, W, H))
    final = content.film(3, W, H, 1)[0]
    spots = [(x, y) for x in range(40, W, 300) for y in range(40, H, 200)]
    want = {s: int.from_bytes(final[s[1]][s[0] * 4:s[0] * 4 + 3], "little") for s in spots}
    begin = quiet(side)
    start = time.perf_counter()
    side.play("video", 1, 1)
    while not all(near(side.x.pixel(*s), want[s], 26) for s in spots):
        if time.perf_counter() - start > 20:
            raise AssertionError("the photo did not show")
    row["look ms"] = (time.perf_counter() - start) * 1000
    row["look kB"] = (side.sent() - begin) / 1000
    last, changed = side.sent(), time.perf_counter()
    while time.perf_counter() - changed < 1.2:
        time.sleep(0.005)
        if side.sent() != last:
            last, changed = side.sent(), time.perf_counter()
    side.wait()
    row["exact ms"] = (changed - start) * 1000
    row["exact kB"] = (last - begin) / 1000
    side.check("the photo")


def measure_video(side, row):
    side.page("text", 21)
    side.prepare("video", VIDEO, 24)
    begin, cpu, count = quiet(side), cpu_s(side.pid), 150
    side.play("video", 1000 / 30, count)
    seen, last, end = 0, None, time.monotonic() + count / 30 + 0.2
    while time.monotonic() < end:
        now = (side.x.pixel(VIDEO[0] + 8, VIDEO[1] + 8) & 255) // 32
        seen += last is not None and now != last
        last = now
        time.sleep(0.002)
    side.wait()
    row["video"] = (side.sent() - begin) / 1000 / (count / 30)
    row["video cpu"] = (cpu_s(side.pid) - cpu) / (count / 30) * 100
    row["frames"] = 100 * seen / count
    quiet(side)
    side.check("the video's end")


def measure_clicks(side, row):
    side.page("text", 21)
    quiet(side)
    stop = side.inner.react(SPOT) if isinstance(side, Xvnc) else None
    ms = latencies(side.x, SPOT, 0.04)
    row["click"], row["p95"] = statistics.median(ms), ms[int(len(ms) * 0.95)]
    if stop:
        stop()
    side.prepare("video", VIDEO, 24)
    spot = (150, 400)
    stop = side.inner.react(spot) if isinstance(side, Xvnc) else None
    side.play("video", 1000 / 30, 200)
    row["click video"] = statistics.median(latencies(side.x, spot, 0.047))
    side.wait()
    if stop:
        stop()
    quiet(side)


def measure_idle(side, row):
    begin, woken = quiet(side), wakes(side.pid)
    time.sleep(5)
    row["idle B"] = side.sent() - begin
    row["wakes"] = wakes(side.pid) - woken
    row["own MB"] = private_mb(side.pid)


def measure(make):
    side = make()
    row = {}
    try:
        measure_text(side, row)
        measure_back(side, row)
        measure_clicks(side, row)
        measure_steady(side, row, "type", 60, 50)
        row["typing"] = row.pop("type")
        side.page("text", 21)
        measure_steady(side, row, "scroll", 1000 / 30, 120)
        side.page("solid", 0x305070)
        side.prepare("drag", DRAG)
        measure_steady(side, row, "drag", 1000 / 60, 180)
        measure_photo(side, row)
        measure_video(side, row)
        measure_idle(side, row)
        return row
    finally:
        side.close()


def measure_h264():
    """The same video to an RFB viewer that takes it as Open H.264 (Debian's TigerVNC does not): a line."""
    rig = Rig(size=f"{W}x{H}")
    try:
        rig.command(op="page", kind="text", seed=21)
        rig.command(op="prepare", what="video", **dict(zip("xywh", VIDEO)), frames=24)
        view, count, got = View(rig, (H264, RAW, COPY, CURSOR), decode=False), 150, 0
        view.ask(incremental=False)
        view.update()
        cpu = cpu_s(rig.display.pid)
        rig.command(op="animate", what="video", ms=1000 / 30, count=count)
        end = time.monotonic() + count / 30
        while time.monotonic() < end:
            view.ask()
            got += H264 in view.update()
        seconds, pid = count / 30, rig.display.pid
        kb = sum(n + 24 for _, _, n in view.videos) / 1000 / seconds
        return f"{kb:.1f} kB/s, {(cpu_s(pid) - cpu) / seconds * 100:.1f} % of a processor, {100 * got / count:.0f} % of the frames, {private_mb(pid):.1f} MB"
    finally:
        rig.close()


def main():
    gone = missing() + [p for p in ("Xvnc",) if not shutil.which(p)]
    if gone:
        print("display: skipped, not installed: " + ", ".join(gone))
        return
    rows = {}
    for name, make in (("RDP", lambda: Pane("rdp")), ("RFB", lambda: Pane("rfb")), ("Xvnc", Xvnc)):
        if len(sys.argv) < 2 or name in sys.argv[1:]:
            rows[name] = measure(make)
    if rows:
        table(rows)
    if len(sys.argv) < 2 or "H264" in sys.argv[1:]:
        print("  the video by Open H.264 on RFB: " + measure_h264())


def table(rows):
    print(f"display, {W}x{H}, one run (kB, kB/s, % of a processor)    value (times the bar)")
    print("  " + " " * 12 + "".join(f"{n:>18s}" for n in rows) + "    bar")
    for c in COLUMNS:
        bar = BARS.get(c)
        cells = []
        for row in rows.values():
            ratio = f" ({row[c] / bar:.2f})" if bar else ""
            cells.append(f"{row[c]:11.1f}{ratio:>7s}")
        print(f"  {c:12s}" + "".join(cells) + ("    " + str(bar) if bar is not None else ""))


if __name__ == "__main__":
    main()
