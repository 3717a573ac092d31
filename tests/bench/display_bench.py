#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the display costs, beside TigerVNC's own server in the same run.

  click to pixel   a click by XTest in the viewer's X server until the pixel there has changed (ms)
  first, again     bytes to the viewer for a page of text, and for the same page shown again
  typing, scroll   bytes for small changes, and for scrolling a page by a line
  cpu              processor time of the server for all of it (ms)

pane-display is fed by the replayer and seen by xfreerdp and TigerVNC's viewer; Xvnc is drawn on by
X clients and seen by TigerVNC's viewer. TLS is the door's, and not counted."""
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tools.display_rig import Rig, missing, wait_for  # noqa: E402
from tools.xpixel import X  # noqa: E402

CLICKS = 40
SPOT = (600, 400)


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")


def latencies(x):
    """Milliseconds from a click to its pixel, CLICKS times."""
    out = []
    x.move(*SPOT)
    time.sleep(0.3)
    for _ in range(CLICKS):
        before = x.pixel(*SPOT)
        start = time.perf_counter()
        x.click()
        while x.pixel(*SPOT) == before:
            if time.perf_counter() - start > 2:
                raise AssertionError("the click did not show")
        out.append((time.perf_counter() - start) * 1000)
        time.sleep(0.04)
    return sorted(out)


def quiet(count):
    """Bytes so far, once nothing more comes."""
    last = -1
    while last != count[1]:
        last = count[1]
        time.sleep(0.4)
    return last


def measure_pane(protocol):
    rig = Rig()
    try:
        if protocol == "rdp":
            rig.freerdp("/gfx", "/network:lan")
        else:
            rig.tigervnc("-PreferredEncoding=Tight", "-AutoSelect=0", "-NoJPEG=1")
        rig.wait_equal("the desktop")
        count = rig.door(protocol).count
        row = {}

        def step(name, *commands):
            begin = quiet(count)
            for c in commands:
                rig.command(**c)
            row[name] = quiet(count) - begin

        # Black first, so that the whole page is new.
        step("black", {"op": "page", "kind": "solid", "seed": 0})
        step("first", {"op": "page", "kind": "text", "seed": 21})
        rig.wait_equal("the page")
        rig.command(op="page", kind="solid", seed=0)
        rig.wait_equal("black")
        step("again", {"op": "page", "kind": "text", "seed": 21})
        rig.wait_equal("the page")
        begin = quiet(count)
        for i in range(50):
            rig.command(op="fill", x=20 + 8 * i, y=700, w=7, h=13, colour="c0c0c0" if i % 2 else "20a020")
            time.sleep(0.02)
        row["typing"] = quiet(count) - begin
        step("scroll", *[{"op": "scroll", "rows": 13}] * 20)
        ms = latencies(X(rig.env["DISPLAY"]))
        row.update(p50=statistics.median(ms), p95=ms[int(len(ms) * 0.95)], cpu=cpu_ms(rig.display.pid))
        return row
    finally:
        rig.close()


def measure_xvnc():
    """Xvnc shows the same page, painted as an image; a click flips a window's colour."""
    from tools.display_door import Pump  # pylint: disable=import-outside-toplevel
    import socket
    import threading
    rig = Rig()
    try:
        rig.command(op="page", kind="text", seed=21)
        page = rig.dir + "/page.ppm"
        rig.command(op="dump", file=page)
        port = free_port()
        server = rig.spawn(["Xvnc", ":" + str(port - 5900), "-rfbport", str(port), "-localhost",
                            "-SecurityTypes", "None", "-geometry", "1280x800", "-depth", "24"], "xvnc.log")
        wait_for("Xvnc", lambda: os.path.exists(f"/tmp/.X11-unix/X{port - 5900}"))
        count = [0, 0]
        listener = socket.create_server(("127.0.0.1", 0))

        def accept():
            a, _ = listener.accept()
            b = socket.create_connection(("127.0.0.1", port))
            for s in (a, b):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Pump(a, b, count, 0).start()
            Pump(b, a, count, 1).start()

        threading.Thread(target=accept, daemon=True).start()
        rig.spawn(["xtigervncviewer", "-SecurityTypes=None", "-RemoteResize=0", "-PreferredEncoding=Tight",
                   "-AutoSelect=0", "-NoJPEG=1", f"127.0.0.1::{listener.getsockname()[1]}"], "tigervnc.log")
        wait_for("the viewer's window", lambda: not subprocess.run(
            ["xdotool", "search", "--name", "TigerVNC", "windowmove", "0", "0", "windowfocus"],
            env=rig.env, capture_output=True, check=False).returncode)
        inner = X(f":{port - 5900}")
        row = {}
        quiet(count)
        with open(page, "rb") as f:
            for _ in range(3):
                f.readline()
            rgb = f.read()
        for name in ("first", "again"):
            inner.fill(0, 0, 1280, 800, 0)
            begin = quiet(count)
            inner.image(rgb, 1280, 800)
            row[name] = quiet(count) - begin
        begin = quiet(count)
        for i in range(50):
            inner.fill(20 + 8 * i, 700, 7, 13, 0xc0c0c0 if i % 2 else 0x20a020)
            time.sleep(0.02)
        row["typing"] = quiet(count) - begin
        begin = quiet(count)
        for _ in range(20):
            inner.copy(0, 13, 1280, 787, 0, 0)
            time.sleep(0.005)
        row["scroll"] = quiet(count) - begin
        stop = inner.react(SPOT)
        ms = latencies(X(rig.env["DISPLAY"]))
        stop()
        row.update(p50=statistics.median(ms), p95=ms[int(len(ms) * 0.95)], cpu=cpu_ms(server.pid))
        server.send_signal(signal.SIGTERM)
        return row
    finally:
        rig.close()


def free_port():
    for n in range(70, 99):
        if not os.path.exists(f"/tmp/.X11-unix/X{n}") and not os.path.exists(f"/tmp/.X{n}-lock"):
            return 5900 + n
    raise AssertionError("no free display number")


def main():
    gone = missing() + [p for p in ("Xvnc",) if not shutil.which(p)]
    if gone:
        print("display: skipped, not installed: " + ", ".join(gone))
        return
    rows = {"pane-display, RDP": measure_pane("rdp"), "pane-display, RFB": measure_pane("rfb"),
            "Xvnc (TigerVNC)": measure_xvnc()}
    peer = rows["Xvnc (TigerVNC)"]
    print("display, 1280x800 text, one run" + " " * 12 + "click p50   p95 ms |  first    again   typing   scroll kB | cpu ms")
    for name, r in rows.items():
        print(f"  {name:38s} {r['p50']:6.1f} {r['p95']:8.1f}  | " +
              " ".join(f"{r[k] / 1000:8.1f}" for k in ("first", "again", "typing", "scroll")) +
              f"    | {r['cpu']:5d}")
    for name, r in rows.items():
        if r is not peer:
            print(f"  {name + ' / Xvnc':38s} {r['p50'] / peer['p50']:6.2f} {r['p95'] / peer['p95']:8.2f}  | " +
                  " ".join(f"{r[k] / max(1, peer[k]):8.2f}" for k in ("first", "again", "typing", "scroll")) +
                  f"    | {r['cpu'] / max(1, peer['cpu']):5.2f}")


if __name__ == "__main__":
    main()
