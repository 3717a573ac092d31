# SPDX-License-Identifier: GPL-3.0-or-later
"""What a desktop costs that begins as a clone: time to ready and to the first frame, and memory of its own, beside a
cold boot, a restore, and QEMU going on from its own snapshots (-incoming and -loadvm, microvm and q35) on the same host.

The guest is the test card, which is ready soon; an operating system's cold boot takes a hundred times as long, its
clone hardly longer (tests/lab/debian_clone.py prints those figures where KVM is hardware-like). QEMU is compared on
a guest that only halts, from exec to "the guest runs". Figures are of this machine; the ratios are what counts."""
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import vm
import vmm_bench

ROUNDS = 7
MEMORY_MIB = 128
AT_ONCE = (1, 10, 50)


def row(name, value, unit, note=""):
    print(f"  {name:<52} {value:10.2f} {unit:<4} {note}")


def bar(what, met):
    return f"bar {what}: {'met' if met else 'MISSED'}"


# ---- pane-vmm ------------------------------------------------------------------------------------------


class Parent:
    def __init__(self):
        self.machine = vm.Vm("", "--identity", memory=MEMORY_MIB)
        self.machine.ready()
        self.cold_ms = self.machine.ask(op="status")["ready_ms"]
        display = self.machine.surface()
        display.wait(lambda: display.scanout)
        display.close()
        began = time.perf_counter()
        self.folder = self.machine.snapshot()
        self.snapshot_ms = (time.perf_counter() - began) * 1000
        self.machine.ask(op="quit")
        self.machine.wait()

    def clone(self, name):
        return vm.Vm("", "--clone", restore=self.folder, disk=self.machine.path("base.raw"),
                     layer=self.machine.path("overlay"), name=name)


def first_frame_ms(start):
    """From exec to the whole picture at the display."""
    began = time.perf_counter()
    machine = start()
    try:
        display = machine.surface()
        display.wait(lambda: display.scanout and display.damage)
        return (time.perf_counter() - began) * 1000
    finally:
        machine.close()


def cpu_ms(pid):
    """On a processor so far, all threads: what a busy machine does not change."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def memory_kib(pid):
    """Guest RAM of a clone: written by it, and seen of its parent's; and everything it alone has."""
    own = shared = alone = 0
    counted = False
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counted = line.rstrip().endswith("/memory")
                continue
            words = line.split()
            if counted and words[0] == "Anonymous:":
                own += int(words[1])
            elif counted and words[0] == "Rss:":
                shared += int(words[1])
            elif not counted and words[0] in ("Private_Dirty:", "Private_Clean:"):
                alone += int(words[1])
    return own, shared - own, alone


def many(parent, n):
    """n clones begun at once: when the last was ready, each one's own figure, and their memory."""
    began = time.perf_counter()
    machines = [parent.clone(f"clone-{i}") for i in range(n)]
    try:
        for machine in machines:
            machine.ready()
        all_ms = (time.perf_counter() - began) * 1000
        each = statistics.median(m.ask(op="status")["ready_ms"] for m in machines)
        memory = [memory_kib(m.process.pid) for m in machines]
        return all_ms, each, [statistics.median(column) for column in zip(*memory)]
    finally:
        for machine in machines:
            machine.close()


def medians(rows):
    return [statistics.median(column) for column in zip(*rows)]


def pane_halted(folder):
    """From exec to running, and CPU, of a restore of a guest that halts."""
    kernel = os.path.join(folder, "halt")
    with open(kernel, "wb") as file:
        file.write(vmm_bench.payload(True))
    parent = vm.Vm("", kernel=kernel, memory=MEMORY_MIB)
    try:
        parent.ask(op="status")
        snapshot = parent.snapshot()
        parent.ask(op="quit")
        parent.wait()
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            again = vm.Vm("", restore=snapshot, folder=parent.folder)
            assert again.ask(op="status")["state"] == "running"
            times.append(((time.perf_counter() - began) * 1000, cpu_ms(again.process.pid)))
            again.close()
        return medians(times)
    finally:
        parent.close()


# ---- QEMU ----------------------------------------------------------------------------------------------


class Qemu:
    def __init__(self, machine, folder, *more, memory=MEMORY_MIB, pass_fds=()):
        self.path = os.path.join(folder, "qmp.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-M", f"{machine},accel=kvm", "-m", str(memory), "-nodefaults", "-no-user-config",
             "-display", "none", "-qmp", f"unix:{self.path},server=on,wait=off", *more],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=pass_fds)
        end = time.monotonic() + 20
        self.sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.sock.connect(self.path)
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError(f"QEMU {machine} did not start") from None
                time.sleep(0.001)
        self.lines = self.sock.makefile("rb")
        json.loads(self.lines.readline())
        self.ask("qmp_capabilities")

    def ask(self, what, **arguments):
        self.sock.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return", answer)

    def until(self, what, key, value, timeout=60):
        end = time.monotonic() + timeout
        while (answer := self.ask(what)).get(key) != value:
            if time.monotonic() > end or answer.get(key) == "failed":
                raise RuntimeError(f"QEMU: {what} says {answer}")
            time.sleep(0.0005)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.sock.close()


def qemu_incoming(machine, folder, kernel):
    """From exec to running, of a guest that comes from a file."""
    state = os.path.join(folder, f"{machine}.state")
    parent = Qemu(machine, folder, "-kernel", kernel)
    try:
        time.sleep(0.5)  # past its firmware
        parent.ask("migrate", uri=f"exec:cat >{state}")
        parent.until("query-migrate", "status", "completed")
    finally:
        parent.close()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        child = Qemu(machine, folder, "-kernel", kernel, "-incoming", f"exec:cat {state}")
        try:
            child.until("query-status", "status", "running")
            times.append(((time.perf_counter() - began) * 1000, cpu_ms(child.process.pid)))
        finally:
            child.close()
    return medians(times)


def qemu_loadvm(folder, kernel):
    disk = os.path.join(folder, "q35.qcow2")
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", disk, "64M"], check=True)
    more = ["-kernel", kernel, "-drive", f"if=none,id=d,file={disk},format=qcow2", "-device", "virtio-blk-pci,drive=d"]
    parent = Qemu("q35", folder, *more)
    try:
        time.sleep(0.5)
        parent.ask("human-monitor-command", **{"command-line": "savevm s"})
        parent.ask("quit")
        parent.process.wait(20)
    finally:
        parent.close()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        child = Qemu("q35", folder, *more, "-loadvm", "s")
        try:
            child.until("query-status", "status", "running")
            times.append(((time.perf_counter() - began) * 1000, cpu_ms(child.process.pid)))
        finally:
            child.close()
    return medians(times)


# ---- the table -----------------------------------------------------------------------------------------


def clones():
    parent = Parent()
    try:
        one = [first_frame_ms(lambda: parent.clone("frame")) for _ in range(ROUNDS)]
        row("cold boot of the test card to ready", parent.cold_ms, "ms")
        row("snapshot of it", parent.snapshot_ms, "ms")
        row("clone: exec to first frame", statistics.median(one), "ms")
        for n in AT_ONCE:
            all_ms, each, (own, shared, alone) = many(parent, n)
            row(f"{n} clones at once: all ready", all_ms, "ms", f"{all_ms / n:.1f} ms each, {n / all_ms * 1000:.0f}/s")
            row("  each, start to ready (median)", each, "ms", f"{parent.cold_ms / each:.1f} x faster than its cold boot")
            row("  guest RAM of its own at ready", own / 1024, "MiB", bar("2 % of guest RAM", own <= MEMORY_MIB * 1024 * 0.02))
            row("  guest RAM shared with the parent, seen by it", shared / 1024, "MiB")
            row("  everything else it has alone", alone / 1024, "MiB", bar("5 MiB", alone <= 5 * 1024))
    finally:
        parent.machine.close()


def restores():
    with tempfile.TemporaryDirectory() as folder:
        pane = pane_halted(folder)
        row("restore of a guest that halts: pane-vmm", pane[0], "ms", f"{pane[1]:.1f} ms CPU")
        if not shutil.which("qemu-system-x86_64"):
            print("  QEMU: not installed")
            return
        kernel = os.path.join(folder, "halt")
        for name, measure in (("microvm -incoming", lambda: qemu_incoming("microvm", folder, kernel)),
                              ("q35 -incoming", lambda: qemu_incoming("q35", folder, kernel)),
                              ("q35 -loadvm", lambda: qemu_loadvm(folder, kernel))):
            try:
                ms, cpu = measure()
                row(f"restore of a guest that halts: QEMU {name}", ms, "ms",
                    f"{cpu:.1f} ms CPU; {ms / pane[0]:.1f} x pane-vmm, CPU {cpu / pane[1]:.1f} x; {bar('10 x', ms >= 10 * pane[0])}")
            except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                print(f"  QEMU {name}: {error}")


def main():
    if vm.why_not():
        print(f"vmm clone bench: skipped: {vm.why_not()}")
        return
    print(f"clones of the test card, {MEMORY_MIB} MiB: {subprocess.check_output([vm.PROGRAM, '--probe'], text=True).strip()}")
    clones()
    restores()


if __name__ == "__main__":
    main()
