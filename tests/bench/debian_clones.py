# SPDX-License-Identifier: GPL-3.0-or-later
"""What a desktop of the golden Debian image costs that begins as a clone or goes on from a snapshot, beside its cold
boot on the same host, and beside the same image under QEMU (debian_qemu.py). `make bench-clones`; ARGS="--clones 1,10,50" has
so many at once, each of which is asked who it is, and `--memory` gives them less memory.

KVM has to be hardware-like: where this machine's is not, all of it runs in a lab host, minutes for each boot. Before a
machine is saved a command is typed without its Enter: "answers" is the moment when Enter has been pressed in the machine
that goes on and what the command writes has come. Clones answer by pane.ready, which their own identity precedes. Figures
are of this machine; the ratios are what counts."""
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

import debian_qemu
import screen
import vm
import vmm_clone_bench as bench

IMAGE = os.path.join(vm.SOURCE, "run/images/debian")
SHOTS = os.environ.get("PANE_SHOTS")  # folder for what clones show that do not answer
KEPT = os.path.join(vm.SOURCE, "build/clones-lab")
MEMORY_MIB = 768
PACE = 0.1  # seconds between keys
ROUNDS = 3
TYPED = "echo A$((6*7)) >/dev/ttyS0"
ANSWER = "A42"
# What each is asked: its parent's shell knows how, so that every clone needs but a few keys, which say a number of its own.
HOW = "who() { cat /etc/hostname /etc/machine-id /sys/class/net/e*/address; od -An -tx8 -N8 /dev/urandom; echo WHO$1; } >/dev/ttyS0; " \
      "echo HOW$((1+1)) >/dev/ttyS0\n"
WHO = "who {}\n"
LOOK_S = 0.05  # how often a new process is looked for, which takes time from it
TYPING_S = 60


def row(name, value, unit, note=""):
    print(f"  {name:<58} {value:10.2f} {unit:<4} {note}", flush=True)


def cmdline():
    with open(f"{IMAGE}/image.json", encoding="utf-8") as file:
        return json.load(file)["cmdline"]


# ---- pane-vmm ------------------------------------------------------------------------------------------


class Parent:
    """Booted, parked as a host agent parks it, with half a line typed, saved."""

    def __init__(self, memory_mib):
        self.memory_mib = memory_mib
        began = time.monotonic()
        self.machine = vm.Vm(cmdline(), "--net", "user", "--initrd", f"{IMAGE}/initrd.img", "--cpus", "2", "--identity",
                             disk=f"{IMAGE}/disk.raw", kernel=f"{IMAGE}/vmlinuz", memory=memory_mib)
        display = self.machine.surface()
        display.wait(lambda: display.scanout, 900)
        self.frame_s = time.monotonic() - began
        self.machine.ready(900)
        self.ready_s = time.monotonic() - began
        self.machine.serial("pane.waits", 300)
        vm.type_in_step([display], [HOW])
        self.machine.serial("HOW2", 300)
        vm.type_in_step([display], [TYPED])
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
        machine.connect("control.sock", 60, 0.01).close()
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
        machine.connect("control.sock", 60, 0.01).close()
        display = machine.surface()
        display.wait(lambda: display.scanout, 60)
        return time.monotonic() - began


def check(machines, displays):
    """Each is somebody of its own, and has heard nothing but its own keys."""
    told = []
    vm.type_in_step(displays, [WHO.format(1000 + n) for n in range(1, len(machines) + 1)])
    for n, machine in enumerate(machines, 1):
        machine.serial(f"WHO{1000 + n}", 600)
        words = machine.text("serial").split("pane.ready")[-1].split()
        at = words.index(f"WHO{1000 + n}")  # before it, a guest that had too little of the processor may have complained of that
        told.append(tuple(words[at - 4:at]))
        assert [word for word in words if word.startswith("WHO")] == [f"WHO{1000 + n}"], words
    assert [t[0] for t in told] == [f"office-{n}" for n in range(1, len(machines) + 1)], told
    assert [t[2] for t in told] == [f"52:54:00:00:07:{n:02x}" for n in range(1, len(machines) + 1)], told
    assert len({t[1] for t in told}) == len(machines), "two machines have one machine id"
    assert len({t[3] for t in told}) == len(machines), "two machines have one sequence of random numbers"


def memory(machines):
    rows = [bench.memory_kib(m.process.pid) for m in machines]
    return [statistics.median(column) / 1024 for column in zip(*rows)], sum(own + alone for own, _, alone in rows) / 1024


def memory_row(parent, machines, when):
    (own, shared, alone), everything = memory(machines)
    verdict = f" {bench.bar('2 %', own <= parent.memory_mib * 0.02)}" if when == "at ready" else ""
    row(f"  guest RAM of its own {when}", own, "MiB",
        f"{own / parent.memory_mib * 100:.2f} %{verdict}; {shared:.0f} MiB seen of the parent's; {alone:.1f} MiB beside it, its pictures among them")
    if len(machines) > 1:
        row(f"  all of them {when}", everything, "MiB", f"and the parent's memory once; {len(machines) * parent.memory_mib} MiB is what the guests see")


def wait_ready(machines):
    began = told = time.monotonic()
    for n, machine in enumerate(machines, 1):
        machine.connect("control.sock", 600, LOOK_S).close()
        machine.ready(600)
        if time.monotonic() > told + 10:
            told = time.monotonic()
            print(f"  ... {n} of {len(machines)} are ready after {told - began:.0f} s", flush=True)


def begun(parent, n, turns):
    """n clones that are ready: all begun at once, or as a host agent has them begin, no more at a time than this."""
    machines = []
    try:
        for number in range(1, n + 1):
            if turns and number > turns:
                wait_ready(machines[number - turns - 1:number - turns])
            machines.append(parent.clone(number))
        wait_ready(machines)
        return machines
    except BaseException:
        end(machines)
        raise


def end(machines):
    for machine in machines:
        machine.close()


def keep_pictures(machines, displays):
    """What each shows, for who looks for the reason why one does not answer."""
    for n, (machine, display) in enumerate(zip(machines, displays), 1):
        print(f"  office-{n}: {machine.ask(op='status')}; {machine.text('serial').split()[-12:]}; {machine.text('stderr')[-300:]}", flush=True)
        with contextlib.suppress(OSError, EOFError):
            picture = screen.now(display)
            if SHOTS and picture:
                picture.png(f"{SHOTS}/office-{n}.png")


def clones(parent, n, turns=0):
    """The median clone's seconds to ready."""
    began = time.monotonic()
    machines = begun(parent, n, turns)
    try:
        all_s = time.monotonic() - began
        each_s = statistics.median(m.ask(op="status")["ready_ms"] for m in machines) / 1000
        how = "1 clone: ready" if n == 1 else f"{n} clones, {turns} at a time: all ready" if turns else f"{n} clones at once: all ready"
        row(how, all_s, "s", f"{all_s / n:.2f} s each; 1/{parent.ready_s / all_s * n:.0f} of a cold boot each")
        row("  each, start to ready (median)", each_s, "s",
            f"1/{parent.ready_s / each_s:.0f} of its cold boot" + (f"; {bench.bar('1/200', each_s * 200 <= parent.ready_s)}" if n == 1 else ""))
        memory_row(parent, machines, "at ready")
        displays = [m.surface() for m in machines]
        try:
            for display in displays:
                display.wait(lambda d=display: d.scanout, 60)
            check(machines, displays)
        except BaseException:
            keep_pictures(machines, displays)
            raise
        print(f"  {n} clones: names, machine ids, addresses and random numbers are their own, none heard another's keys", flush=True)
        if n == 1:
            until = time.monotonic() + TYPING_S
            while time.monotonic() < until:
                vm.type_in_step(displays, ["echo a minute\n"])
            memory_row(parent, machines, "after a minute of typing")
        return each_s
    finally:
        end(machines)


# ---- the table -----------------------------------------------------------------------------------------


def here(args):
    print(f"Debian of {args.memory} MiB and two processors: {subprocess.check_output([vm.PROGRAM, '--probe'], text=True).strip()}", flush=True)
    parent = Parent(args.memory)
    try:
        row("cold boot: first frame", parent.frame_s, "s")
        row("cold boot: ready", parent.ready_s, "s")
        row("snapshot", parent.snapshot_s, "s")
        frame, answer, cpu = bench.medians([restored(parent) for _ in range(ROUNDS)])
        row("restore: exec to first frame", frame, "s", f"{cpu:.1f} ms CPU to running")
        row("restore: exec to its answer", answer, "s", f"1/{parent.ready_s / answer:.0f} of its cold boot")
        teach(parent)
        each = several(parent, args)
        row("clone: exec to first frame", statistics.median(first_frame_s(parent) for _ in range(ROUNDS)), "s")
    finally:
        parent.machine.close()
    if args.qemu and each:
        debian_qemu.rows(row, IMAGE, cmdline(), args.memory, TYPED, ANSWER, PACE, ROUNDS, (parent.ready_s, answer, each[0]))


FAILED = []


def several(parent, args):
    """Each number of clones, in turns where the host agent would, and all at once. One that fails leaves the others their figures."""
    each = []
    for n in args.clones:
        for turns in (0,) if n <= args.turns else (args.turns, 0):
            try:
                each.append(clones(parent, n, turns))
            except (AssertionError, RuntimeError, TimeoutError) as problem:
                print(f"  {n} clones{f', {turns} at a time' if turns else ''}: FAILED: {problem}", flush=True)
                FAILED.append(n)
    return each


def teach(parent):
    """The first clone records which pages it wrote; the others have them before they begin."""
    machine = parent.clone(1)
    with contextlib.closing(machine):
        wait_ready([machine])
        row("the first clone, which teaches the others: ready", machine.ask(op="status")["ready_ms"] / 1000, "s")


def in_lab(args):
    """Its files are in memory, which each clone needs some of, too."""
    mib = 4096 + max(args.memory, MEMORY_MIB) * (4 if args.qemu else 0) + 100 * max(args.clones)
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PANE_SHOTS": "/lab/share", "PANE_BUILD": os.path.abspath(vm.BUILD)}
    return subprocess.call([os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--dir", KEPT, "--data-mib", "0", "--memory", str(args.lab_memory or mib),
                            "env", *[f"{k}={v}" for k, v in env.items()], sys.executable, os.path.abspath(__file__), "--here", *sys.argv[1:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="this is the lab")
    parser.add_argument("--clones", default=[1], type=lambda text: [int(n) for n in text.split(",")], metavar="N,N,...", help="how many at once: 1; 250 at most")
    parser.add_argument("--turns", default=4, type=int, metavar="N", help="so many at a time, as a host agent of one or two processors has them begin: 4")
    parser.add_argument("--memory", default=MEMORY_MIB, type=int, metavar="MiB", help=f"of each desktop: {MEMORY_MIB}")
    parser.add_argument("--no-qemu", dest="qemu", action="store_false", help="nothing beside it")
    parser.add_argument("--lab-memory", type=int, metavar="MiB", help="of the lab host, where one is needed: what it takes")
    args = parser.parse_args()
    if not os.path.exists(f"{IMAGE}/image.json"):
        sys.exit("debian clones: there is no golden image: make demo builds it")
    kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
    if kind != "hardware" and not args.here:
        sys.exit(in_lab(args))
    if vm.why_not():
        sys.exit(f"debian clones: {vm.why_not()}")
    here(args)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
