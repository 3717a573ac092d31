# SPDX-License-Identifier: GPL-3.0-or-later
"""What a desktop of the golden Debian image costs that begins as a clone or goes on from a snapshot, beside its cold
boot on the same host. `make bench-clones`.

KVM has to be hardware-like: where this machine's is not, all of it runs in a lab host, minutes for each boot. Before a
machine is saved a command is typed without its Enter: "answers" is the moment when Enter has been pressed in the machine
that goes on and what the command writes has come. Clones answer by pane.ready, which their own identity precedes. Figures
are of this machine; the ratios are what counts. QEMU's restores are measured beside pane-vmm's by vmm_clone_bench.py."""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "vmm")]

import vm
import vmm_clone_bench as bench

IMAGE = os.path.join(vm.SOURCE, "run/images/debian")
MEMORY_MIB = 768
PACE = 0.1  # seconds between keys
ROUNDS = 3
TYPED = "echo A$((6*7)) >/dev/ttyS0"
ANSWER = "A42"
WHO = "cat /etc/hostname /etc/machine-id /sys/class/net/e*/address >/dev/ttyS0; echo WHO$((1+1)) >/dev/ttyS0\n"
TYPING_S = 60


def row(name, value, unit, note=""):
    print(f"  {name:<58} {value:10.2f} {unit:<4} {note}", flush=True)


def cmdline():
    with open(f"{IMAGE}/image.json", encoding="utf-8") as file:
        return json.load(file)["cmdline"]


# ---- pane-vmm ------------------------------------------------------------------------------------------


class Parent:
    """Booted, parked as a host agent parks it, with half a line typed, saved."""

    def __init__(self):
        began = time.monotonic()
        self.machine = vm.Vm(cmdline(), "--net", "user", "--initrd", f"{IMAGE}/initrd.img", "--cpus", "2", "--identity",
                             disk=f"{IMAGE}/disk.raw", kernel=f"{IMAGE}/vmlinuz", memory=MEMORY_MIB)
        display = self.machine.surface()
        display.wait(lambda: display.scanout, 900)
        self.frame_s = time.monotonic() - began
        self.machine.ready(900)
        self.ready_s = time.monotonic() - began
        self.machine.serial("pane.waits", 300)
        display.type(TYPED, PACE)
        time.sleep(1)  # the terminal draws it
        display.close()
        began = time.monotonic()
        self.folder = self.machine.snapshot()
        self.snapshot_s = time.monotonic() - began
        self.machine.ask(op="quit")
        self.machine.wait()

    def start(self, name, *more):
        return vm.Vm("", "--net", "user", *more, disk=f"{IMAGE}/disk.raw", restore=self.folder,
                     layer=self.machine.path("overlay"), name=name)

    def clone(self, number):
        return self.start(f"office-{number}", "--clone", "--mac", f"52:54:00:00:07:{number:02x}")


def restored(parent):
    """Seconds from exec to the whole picture and to the answer, and CPU in ms, of one that goes on where it was."""
    began = time.monotonic()
    machine = parent.start("office")
    with contextlib.closing(machine):
        machine.ask(op="status")
        cpu = bench.cpu_ms(machine.process.pid)
        display = machine.surface()
        display.wait(lambda: display.scanout, 60)
        frame_s = time.monotonic() - began
        display.type("\n")
        machine.serial(ANSWER, 120)
        return frame_s, time.monotonic() - began, cpu


def first_frame_s(parent):
    began = time.monotonic()
    machine = parent.clone(250)
    with contextlib.closing(machine):
        display = machine.surface()
        display.wait(lambda: display.scanout, 60)
        return time.monotonic() - began


def type_all(displays, text):
    """The same keys to all of them, in step."""
    for character in text:
        time.sleep(PACE)
        for display in displays:
            display.type(character)


def check(machines, displays):
    """Each is somebody of its own, and has heard nothing but its own keys."""
    told = []
    type_all(displays, WHO)
    for machine in machines:
        machine.serial("WHO2", 600)
        words = machine.text("serial").split("pane.ready")[-1].split()
        told.append(tuple(words[:3]))
        assert words.count("WHO2") == 1, words
    names = [t[0] for t in told]
    assert names == [f"office-{n}" for n in range(1, len(machines) + 1)], names
    assert [t[2] for t in told] == [f"52:54:00:00:07:{n:02x}" for n in range(1, len(machines) + 1)], told
    assert len({t[1] for t in told}) == len(machines), "two machines have one machine id"


def memory(machines):
    columns = zip(*[bench.memory_kib(m.process.pid) for m in machines])
    return [statistics.median(c) / 1024 for c in columns]


def memory_row(machines, when):
    own, shared, alone = memory(machines)
    verdict = f" {bench.bar('2 %', own <= MEMORY_MIB * 0.02)}" if when == "at ready" else ""
    row(f"  guest RAM of its own {when}", own, "MiB",
        f"{own / MEMORY_MIB * 100:.2f} %{verdict}; {shared:.0f} MiB seen of the parent's; {alone:.1f} MiB beside it, its pictures among them")


def clones(parent, n):
    began = time.monotonic()
    machines = [parent.clone(number) for number in range(1, n + 1)]
    try:
        for machine in machines:
            machine.connect("control.sock", 600).close()
            machine.ready(600)
        all_s = time.monotonic() - began
        each_s = statistics.median(m.ask(op="status")["ready_ms"] for m in machines) / 1000
        row(f"{n} clones at once: all ready", all_s, "s", f"{all_s / n:.2f} s each; 1/{parent.ready_s / all_s * n:.0f} of a cold boot each")
        row("  each, start to ready (median)", each_s, "s",
            f"1/{parent.ready_s / each_s:.0f} of its cold boot" + (f"; {bench.bar('1/200', each_s * 200 <= parent.ready_s)}" if n == 1 else ""))
        memory_row(machines, "at ready")
        displays = [m.surface() for m in machines]
        for display in displays:
            display.wait(lambda d=display: d.scanout, 60)
        check(machines, displays)
        print(f"  {n} clones: names, machine ids and addresses are their own, none heard another's keys", flush=True)
        if n <= 10:
            end = time.monotonic() + TYPING_S
            while time.monotonic() < end:
                type_all(displays, "echo a minute\n")
            memory_row(machines, "after a minute of typing")
    finally:
        for machine in machines:
            machine.close()


# ---- the table -----------------------------------------------------------------------------------------


def here(args):
    print(f"Debian of {MEMORY_MIB} MiB and two processors: {subprocess.check_output([vm.PROGRAM, '--probe'], text=True).strip()}", flush=True)
    parent = Parent()
    try:
        row("cold boot: first frame", parent.frame_s, "s")
        row("cold boot: ready", parent.ready_s, "s")
        row("snapshot", parent.snapshot_s, "s")
        frame, answer, cpu = bench.medians([restored(parent) for _ in range(ROUNDS)])
        row("restore: exec to first frame", frame, "s", f"{cpu:.1f} ms CPU to running")
        row("restore: exec to its answer", answer, "s", f"1/{parent.ready_s / answer:.0f} of its cold boot")
        teach(parent)
        for n in args.clones:
            clones(parent, n)
        row("clone: exec to first frame", statistics.median(first_frame_s(parent) for _ in range(ROUNDS)), "s")
    finally:
        parent.machine.close()


def teach(parent):
    """The first clone records which pages it wrote; the others have them before they begin."""
    machine = parent.clone(1)
    with contextlib.closing(machine):
        machine.ready(600)
        row("the first clone, which teaches the others: ready", machine.ask(op="status")["ready_ms"] / 1000, "s")


def in_lab():
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PANE_BUILD": os.path.abspath(vm.BUILD)}
    return subprocess.call([os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--data-mib", "0", "env", *[f"{k}={v}" for k, v in env.items()],
                            sys.executable, os.path.abspath(__file__), "--here", *sys.argv[1:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="this is the lab")
    parser.add_argument("--clones", default=[1], type=lambda text: [int(n) for n in text.split(",")], metavar="N,N,...", help="how many at once: 1")
    args = parser.parse_args()
    if vm.why_not():
        sys.exit(f"debian clones: {vm.why_not()}")
    if not os.path.exists(f"{IMAGE}/image.json"):
        sys.exit("debian clones: there is no golden image: make demo builds it")
    kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
    if kind != "hardware" and not args.here:
        sys.exit(in_lab())
    here(args)


if __name__ == "__main__":
    main()
