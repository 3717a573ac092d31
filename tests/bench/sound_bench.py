# SPDX-License-Identifier: GPL-3.0-or-later
"""What sound costs: memory of a container desktop without and with it, CPU while a tone plays to one viewer, and the time
from the desktop's ring to the viewer's connection. Prints figures, fails nothing."""
import os
import statistics
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import cell  # noqa: E402

from tools import desktop_rig, ear  # noqa: E402
from tools.display_rig import Rig, missing, wait_for  # noqa: E402

SECONDS = 10


def pss_kb(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def named(machine, name):
    return [p for p in cell.tree(machine.process.pid)[1:] if cell.comm(p) == name]


def desktop():
    machine = cell.Cell()
    rig = None
    try:
        machine.terminal().close()
        rig = desktop_rig.DesktopRig(machine)
        ears = ear.Ear(rig)
        rig.env.update(ears.env)
        rig.freerdp("/gfx", "/sound:sys:pulse")
        wait_for("the channel", lambda: "rdp.sound" in rig.log(), 60)
        wait_for("the picture", lambda: any(rig.shot(1280, 800)), 60)
        cell.put(machine, "tone.wav", ear.tone(1000, SECONDS + 4))
        before = pss_kb(cell.tree(machine.process.pid)), pss_kb([rig.display.pid])
        rig.xdo("mousemove", "400", "300", "click", "1")
        rig.xdo("type", "--delay", "20", "paplay tone.wav; echo $? >played")
        rig.xdo("key", "Return")
        wait_for("sound", ears.sound, 60)
        time.sleep(1)
        who = {"pulseaudio (in the desktop)": named(machine, "pulseaudio")[0], "X agent": named(machine, "pane-cell")[0],
               "pane-display": rig.display.pid}
        used = {name: cpu_s(pid) for name, pid in who.items()}
        began = time.monotonic()
        time.sleep(SECONDS)
        span = time.monotonic() - began
        for name, pid in who.items():
            print(f"  playing, CPU of one core, {name}: {(cpu_s(pid) - used[name]) / span * 100:.2f} %")
        after = pss_kb(cell.tree(machine.process.pid)), pss_kb([rig.display.pid])
        print(f"  memory (PSS) of the desktop, silent: {before[0]} kB; playing: {after[0]} kB, of which PulseAudio "
              f"{pss_kb(named(machine, 'pulseaudio'))} kB and paplay {pss_kb(named(machine, 'paplay'))} kB")
        print(f"  memory (PSS) of pane-display, silent: {before[1]} kB; playing: {after[1]} kB")
        machine.wait_file("played", timeout=60)
        gone = time.monotonic()
        wait_for("the sound server has left", lambda: not named(machine, "pulseaudio"), 60)
        print(f"  memory (PSS) of the desktop {time.monotonic() - gone:.0f} s after: {pss_kb(cell.tree(machine.process.pid))} kB")
    finally:
        if rig:
            rig.close()
        machine.close()


def latency():
    rig = Rig(replay=("--sound",))
    try:
        ears = ear.Ear(rig)
        rig.env.update(ears.env)
        door = rig.door("rdp")
        door.arrivals = []
        rig.freerdp("/gfx", "/sound:sys:pulse")
        wait_for("a listener", lambda: rig.events("listen"), 60)
        rig.wait_equal("the picture", 60)
        time.sleep(1)
        door.arrivals.clear()
        rig.command(op="tone", hertz=1000, seconds=SECONDS)
        time.sleep(SECONDS + 1)
        came = [(t, n) for t, n in door.arrivals if n > 1000]
        took = []
        for event in rig.events("block"):
            after = [t for t, _ in came if t >= event["t"]]
            if after:
                took.append((after[0] - event["t"]) / 1000)
        if took:
            took.sort()
            print(f"  ring written -> bytes on the viewer's connection: p50 {statistics.median(took):.2f} ms, "
                  f"p95 {took[int(len(took) * 0.95)]:.2f} ms ({len(took)} blocks of 23 ms)")
    finally:
        rig.close()


def main():
    why = missing() + ear.missing()
    if why:
        print("sound: skipped, not installed:", ", ".join(why))
        return
    print("sound")
    latency()
    if cell.why_not():
        print("  desktop: skipped,", cell.why_not())
    else:
        desktop()


if __name__ == "__main__":
    main()
