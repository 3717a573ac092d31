#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recording costs at 1920x1080: processor time of pane-display with one RDP viewer, without and with a recording,
turn by turn in the same run, and the file's bytes a minute.

  type     16 characters a second
  scroll   a page of text by 30 lines a second
  video    1280x720 at 30 frames a second
  idle     nothing

cpu is in percent of one processor. The last column is a display that records and has no viewer.
RECORD_SECONDS is the length of a workload, RECORD_TURNS how often each is looked at."""
import array
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench.display_bench import H, VIDEO, W, cpu_s  # noqa: E402
from tools.display_rig import Rig, missing, wait_for  # noqa: E402

SECONDS = int(os.environ.get("RECORD_SECONDS", "10"))
TURNS = int(os.environ.get("RECORD_TURNS", "1"))
WORK = {"type": 60, "scroll": 1000 / 30, "video": 1000 / 30, "idle": 0}


def record(rig, n):
    """Begins a recording of a new file, or ends it (n = None); its path."""
    path = f"{rig.dir}/{n}.mkv"
    if n is None:
        rig.agent().sendall(b'{"op":"record","id":""}\n')
        return None
    with open(path, "wb") as f:
        line = json.dumps({"op": "record", "id": str(n), "max_bytes": 1 << 30, "title": "bench"}).encode() + b"\n"
        rig.agent().sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno()]))])
    wait_for("the recording's first frame", lambda: os.path.getsize(path) > 2000, 60)
    return path


def prepare(rig, what):
    rig.command(op="page", kind="text", seed=21)
    if what == "video":
        rig.command(op="prepare", what="video", **dict(zip("xywh", VIDEO)), frames=24)
    time.sleep(2)


def play(rig, what):
    """Seconds it took, and processor time meanwhile."""
    begin, cpu = time.monotonic(), cpu_s(rig.display.pid)
    if what == "idle":
        time.sleep(SECONDS)
    else:
        rig.command(op="animate", what=what, ms=WORK[what], count=int(SECONDS * 1000 / WORK[what]))
        rig.command(op="wait")
    return time.monotonic() - begin, cpu_s(rig.display.pid) - cpu


def turn(rig, what, row, n, plain, recorded):
    """One workload without and with a recording."""
    prepare(rig, what)
    if plain:
        seconds, cpu = play(rig, what)
        row.setdefault(plain, []).append(cpu / seconds * 100)
    path = record(rig, n)
    if plain:
        time.sleep(17)  # the message to viewers that they are recorded is over
    prepare(rig, what)
    size = os.path.getsize(path)
    seconds, cpu = play(rig, what)
    row.setdefault(recorded, []).append(cpu / seconds * 100)
    row.setdefault("MB/min", []).append((os.path.getsize(path) - size) / 1e6 / seconds * 60)
    record(rig, None)


def main():
    gone = missing()
    if gone:
        print("recording: skipped, not installed: " + ", ".join(gone))
        return
    rig = Rig(size=f"{W}x{H}", screen=f"{W + 200}x{H + 200}")
    rows, n = {what: {} for what in WORK}, 0
    try:
        for what, row in rows.items():
            turn(rig, what, row, n := n + 1, None, "alone")
        for row in rows.values():
            row.pop("MB/min")
        rig.freerdp("/gfx:avc420", "/network:lan", size=f"{W}x{H}")
        rig.wait_equal("the desktop", 60)
        for _ in range(TURNS):
            for what, row in rows.items():
                turn(rig, what, row, n := n + 1, "viewer", "both")
    finally:
        rig.close()
    print(f"{'':10s}{'viewer cpu':>22s}{'with recording':>22s}{'MB a minute':>22s}{'recording alone':>18s}")
    for what, row in rows.items():
        print(f"{what:10s}" + "".join(" / ".join(f"{v:.2f}" for v in row[c]).rjust(w) for c, w in
                                      (("viewer", 22), ("both", 22), ("MB/min", 22), ("alone", 18))))


if __name__ == "__main__":
    main()
