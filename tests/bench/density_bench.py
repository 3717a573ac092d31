# SPDX-License-Identifier: GPL-3.0-or-later
"""How many desktops a host holds, and what it does to the one that is used: memory and processor of desktops at rest, and
how long a key takes to the picture alone, among the idle ones of an over-committed host, and beside a bad neighbour.

The machines are test cards of 128 MiB that touch 64 MiB when they are "used" and give that back when their balloon is
filled, as pane-host has idle ones do while memory is short. The host is a control group (memory) of BUDGET_MIB (1024)
where one can be made; IDLE machines in it are promised one and a half times its memory. Figures are of this machine (on an
interpreting KVM a guest's own work is slow); what counts is each beside the one above it in the same run."""
import contextlib
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import cell  # noqa: E402
import vm  # noqa: E402

MEMORY_MIB = 128
USED_MIB = 64
BUDGET_MIB = int(os.environ.get("BUDGET_MIB", "1024"))
PROMISED = 1.5
IDLE = int(BUDGET_MIB * PROMISED) // MEMORY_MIB
CLONES = 24
CELLS = 3
KEYS = 60
REST_S = 3
V1 = "/sys/fs/cgroup/memory"


def row(name, value, unit, note=""):
    print(f"  {name:<58} {value:9.2f} {unit:<4} {note}")


def pss_mib(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


def cpu_s(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii") as file:
            total += sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13])
    return total / os.sysconf("SC_CLK_TCK")


# ---- a host of so much memory -----------------------------------------------------------------------
class Host:
    """A control group of version 1 or 2 that machines are moved into before they take memory."""

    def __init__(self, mib):
        one = os.path.exists(f"{V1}/cgroup.procs")
        self.path = f"{V1 if one else '/sys/fs/cgroup'}/density{os.getpid()}"
        self.limit = "memory.limit_in_bytes" if one else "memory.max"
        self.usage = "memory.usage_in_bytes" if one else "memory.current"
        self.mib = 0
        try:
            os.mkdir(self.path)
            with open(f"{self.path}/{self.limit}", "w", encoding="ascii") as file:
                file.write(str(mib << 20))
            self.mib = mib
        except OSError as e:
            print(f"  no control group for memory here ({e.strerror}): the host has no limit in what follows")

    def enter(self):
        if self.mib:
            with open(f"{self.path}/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def leave(self):
        if self.mib:
            with open(f"{os.path.dirname(self.path)}/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def used_mib(self):
        if not self.mib:
            return 0
        with open(f"{self.path}/{self.usage}", encoding="ascii") as file:
            return int(file.read()) / (1 << 20)

    def end(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)  # what ended is still being taken away


class Desk:
    """A test card with somebody at it."""

    def __init__(self, *more, **where):
        self.machine = vm.Vm("", *more, memory=MEMORY_MIB, **where)
        self.machine.ready()
        self.display = self.machine.surface()
        self.display.wait(lambda: self.display.scanout)

    @property
    def pid(self):
        return self.machine.process.pid

    def command(self, text, answer, timeout=60):
        """Types a line (what was half typed ends before it) and waits for what it prints."""
        had, end = self.machine.text("serial").count(answer), time.monotonic() + timeout
        self.display.type(f"\n{text}\n")
        while self.machine.text("serial").count(answer) == had:
            if time.monotonic() > end:
                raise TimeoutError(f"{text}: no {answer}")
            time.sleep(0.002)

    def use(self):
        self.command("fill", "filled\n")

    def give_back(self):
        self.machine.ask(op="balloon", target_mib=USED_MIB)
        self.machine.serial(f"balloon has {USED_MIB * 256}\n", 60)

    def key_ms(self):
        """From a key to the picture of it, in milliseconds."""
        while self.display.receive(0):
            pass
        self.display.damage.clear()
        began = time.perf_counter()
        self.display.key(30, 1)
        self.display.wait(lambda: self.display.damage)
        took = (time.perf_counter() - began) * 1000
        self.display.key(30, 0)
        return took

    def keys(self, name, note="", meanwhile=lambda: None):
        times = []
        for i in range(KEYS):
            if i % 5 == 0:
                meanwhile()
            times.append(self.key_ms())
            time.sleep(0.02)
        self.display.type("\n")
        times.sort()
        row(f"key to picture, {name}: p50", statistics.median(times), "ms", note)
        row(f"key to picture, {name}: p95", times[int(len(times) * 0.95)], "ms")
        return statistics.median(times)

    def touch_ms(self):
        """A step that reads 64 MiB page by page."""
        began = time.perf_counter()
        self.command("check", "zeros ")
        return (time.perf_counter() - began) * 1000

    def close(self):
        self.display.close()
        self.machine.close()


# ---- how many ---------------------------------------------------------------------------------------
def memory():
    print("memory of a desktop at rest (Pss), and how many a GiB holds")
    with contextlib.ExitStack() as stack:
        desks = [Desk() for _ in range(4)]
        for desk in desks:
            stack.callback(desk.close)
        mib = lambda: statistics.mean(pss_mib([d.pid]) for d in desks)
        booted = mib()
        for desk in desks:
            desk.use()
        used = mib()
        for desk in desks:
            desk.give_back()
        back = mib()
        began = cpu_s([d.pid for d in desks])
        time.sleep(REST_S)
        cpu = (cpu_s([d.pid for d in desks]) - began) / REST_S / len(desks)
    row("promised to it", MEMORY_MIB, "MiB", f"{1024 / MEMORY_MIB:.0f} a GiB")
    row("booted", booted, "MiB", f"{1024 / booted:.0f} a GiB")
    row(f"used: it touched {USED_MIB} MiB", used, "MiB", f"{1024 / used:.0f} a GiB")
    row("idle, its balloon filled", back, "MiB", f"{1024 / back:.0f} a GiB, {used / back:.1f} times as many")
    row("processor of one at rest", cpu * 1000, "m", f"thousandths of a core: {1 / cpu:.0f} a core" if cpu else "thousandths of a core: too little to count")


def clones():
    with contextlib.ExitStack() as stack:
        parent = Desk("--identity")
        stack.callback(parent.close)
        folder = parent.machine.snapshot()
        parent.machine.ask(op="quit")
        parent.machine.wait()
        machines = []
        for i in range(CLONES):
            machines.append(vm.Vm("", "--clone", restore=folder, disk=parent.machine.path("base.raw"), layer=parent.machine.path("overlay"), name=f"clone-{i}"))
            stack.callback(machines[-1].close)
        for machine in machines:
            machine.ready()
        each = pss_mib([m.process.pid for m in machines]) / CLONES
    row(f"clone, of {CLONES}", each, "MiB", f"{1024 / each:.0f} a GiB")


def containers():
    why = cell.why_not()
    if why:
        print(f"  containers: not here: {why}")
        return
    with contextlib.ExitStack() as stack:
        desks = []
        for _ in range(CELLS):
            desks.append(cell.Cell())
            stack.callback(desks[-1].close)
        for desk in desks:
            desk.ready(60)
            display = desk.surface()
            display.wait(lambda: display.scanout and display.damage, 30)
            cell.quiet(display)
            display.close()
        pids = [p for desk in desks for p in cell.tree(desk.process.pid)]
        each = pss_mib(pids) / CELLS
        began = cpu_s(pids)
        time.sleep(REST_S)
        cpu = (cpu_s(pids) - began) / REST_S / CELLS
    row(f"container with a window manager and a terminal, of {CELLS}", each, "MiB", f"{1024 / each:.0f} a GiB")
    row("processor of one at rest", cpu * 1000, "m", f"thousandths of a core: {1 / cpu:.0f} a core" if cpu else "thousandths of a core: too little to count")


# ---- what it does to the one that is used -----------------------------------------------------------
def neighbours():
    print(f"one desktop that is used on a host of {BUDGET_MIB} MiB")
    host = Host(BUDGET_MIB)
    with contextlib.ExitStack() as stack:
        stack.callback(host.end)
        host.enter()
        stack.callback(host.leave)
        mine = Desk()
        stack.callback(mine.close)
        mine.use()
        alone = mine.keys("alone")
        touch = statistics.median(mine.touch_ms() for _ in range(5))
        row(f"a step over {USED_MIB} MiB, alone", touch, "ms")
        others = []
        for _ in range(IDLE - 1):
            others.append(Desk())
            stack.callback(others[-1].close)
            others[-1].use()
            others[-1].give_back()
        note = f"{IDLE} of {MEMORY_MIB} MiB: {IDLE * MEMORY_MIB / BUDGET_MIB:.1f} times its memory, {host.used_mib():.0f} MiB used"
        among = mine.keys(f"{IDLE - 1} idle ones beside it", note)
        touch_2 = statistics.median(mine.touch_ms() for _ in range(5))
        row(f"a step over {USED_MIB} MiB, idle ones beside it", touch_2, "ms", f"{touch_2 / touch:.2f} times alone")
        bad, burner = others[0], others[1]
        burner.display.type("spin\n")
        worse = mine.keys("a neighbour burns a processor, one touches all", "", lambda: bad.display.type("fill\n"))
        touch_3 = statistics.median(mine.touch_ms() for _ in range(5))
        row(f"a step over {USED_MIB} MiB, beside these two", touch_3, "ms", f"{touch_3 / touch:.2f} times alone")
        row("among idle ones against alone", among / alone, "x")
        row("beside the bad ones against alone", worse / alone, "x")


def main():
    if vm.why_not():
        print(f"no figures: {vm.why_not()}")
        return
    memory()
    clones()
    containers()
    neighbours()


if __name__ == "__main__":
    main()
