# SPDX-License-Identifier: GPL-3.0-or-later
"""What pane-vmm costs beside qemu-system-x86_64 -M microvm: memory beyond guest RAM, and CPU to run a guest's
first instructions. Both start the same payload, which halts for ever or ends the machine at once (pane-vmm by the
reset register, QEMU by its debug-exit port).

Figures are of this machine; the ratios are what counts. The CPU figure is of the whole process, its end included."""
import os
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import vm

ROUNDS = 15
MEMORY_MIB = 128
BAR_MEMORY_KIB = 5 * 1024
BAR_CPU_MS = 8.0


def payload(halt):
    """A bzImage that does one thing in the 16-bit entry (how QEMU starts it) and in the 64-bit one."""
    head = bytearray(1024)
    head[0x1f1] = 1
    struct.pack_into("<H", head, 0x1fe, 0xaa55)
    head[0x200:0x202] = b"\xeb\x66"
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x020f)
    head[0x211] = 1
    struct.pack_into("<IIII", head, 0x214, 0x100000, 0, 0, 0)
    struct.pack_into("<II", head, 0x22c, 0x7fffffff, 0x1000)
    struct.pack_into("<HI", head, 0x236, 1, 2047)
    struct.pack_into("<QI", head, 0x258, 0x100000, 0x1000)
    stop = b"\xfa\xf4\xeb\xfd"
    real = b"" if halt else b"\xb0\x01\xe6\xf4"               # mov al, 1; out 0xf4, al
    long = b"" if halt else b"\xb0\x06\x66\xba\xf9\x0c\xee"  # mov al, 6; mov dx, 0xcf9; out dx, al
    real, long = real + stop, long + stop
    head[0x268:0x268 + len(real)] = real
    code = bytearray(4096)
    code[0x200:0x200 + len(long)] = long
    code[0:4] = stop
    struct.pack_into("<I", head, 0x1f4, len(code) // 16)
    return bytes(head + code)


def pane(kernel, folder, desktop):
    argv = [vm.PROGRAM, "--memory", str(MEMORY_MIB), "--kernel", kernel]
    if desktop:
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as file:
            file.truncate(64 << 20)
        argv += ["--disk", "raw=" + disk, "--net", "user"]
        for name in ("surface", "control", "serial", "state"):
            argv += ["--" + name, os.path.join(folder, name)]
    return argv


def qemu(kernel):
    return ["qemu-system-x86_64", "-M", "microvm,accel=kvm,memory-backend=ram", "-object",
            f"memory-backend-memfd,id=ram,size={MEMORY_MIB}M", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-kernel", kernel]


def cpu_ms(argv):
    """CPU of one run from exec to exit, user and system, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def beyond_ram_kib(argv):
    """Proportional share of everything a running process maps, less the guest's memory."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        pss, previous = settle(process.pid), None
        while pss != previous:  # until it stops growing
            previous, pss = pss, settle(process.pid)
        if process.poll() is not None:
            raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
        return pss
    finally:
        process.kill()
        process.wait()


def settle(pid):
    time.sleep(0.5)
    total, counted = 0, True
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counted = "memfd:guest-ram" not in line and "memfd:memory-backend-memfd" not in line
            elif counted and line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def row(name, value, unit, rival, bar):
    ratio = f"{value / rival:6.2f} x qemu" if rival else " " * 13
    verdict = "" if bar is None else f"   bar {bar:g}: {'met' if value <= bar else 'MISSED'}"
    print(f"  {name:<44} {value:9.1f} {unit}  {ratio}{verdict}")


def main():
    if vm.why_not():
        print(f"vmm bench: skipped: {vm.why_not()}")
        return
    have_qemu = shutil.which("qemu-system-x86_64")
    with tempfile.TemporaryDirectory() as folder:
        kernels = {}
        for halt in (True, False):
            kernels[halt] = os.path.join(folder, f"payload-{halt}")
            with open(kernels[halt], "wb") as file:
                file.write(payload(halt))
        runs = {"pane-vmm": lambda halt: pane(kernels[halt], folder, False),
                "pane-vmm with disk, screen, network": lambda halt: pane(kernels[halt], folder, True)}
        memory = cpu = None
        print(f"vmm: {subprocess.check_output([vm.PROGRAM, '--probe'], text=True).strip()}")
        if have_qemu:
            memory = beyond_ram_kib(qemu(kernels[True]))
            cpu = statistics.median(cpu_ms(qemu(kernels[False])) for _ in range(ROUNDS))
            row("qemu -M microvm: memory beyond RAM", memory, "KiB", None, None)
            row("qemu -M microvm: CPU of a run", cpu, "ms ", None, None)
        for name, argv in runs.items():
            row(f"{name}: memory", beyond_ram_kib(argv(True)), "KiB", memory, BAR_MEMORY_KIB)
            row(f"{name}: CPU", statistics.median(cpu_ms(argv(False)) for _ in range(ROUNDS)), "ms ", cpu, BAR_CPU_MS)


if __name__ == "__main__":
    sys.exit(main())
