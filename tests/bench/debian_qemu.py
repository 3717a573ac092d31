# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden Debian image under QEMU, for debian_clones.py: its cold boot, and how soon one that was saved answers when it
goes on from a stream (-incoming), from a snapshot within its disk (-loadvm), and from a template, QEMU's nearest to a
clone: its memory mapped from the parent's file, and a stream of the devices alone (x-ignore-shared).

Moments are those of pane-vmm's rows: a command is typed without its Enter before the machine is saved, and it answers
when Enter has been pressed in the one that goes on and the serial line has what the command writes. QEMU takes the
processor and the devices that it is fast with: the host's (without virtualization within, as pane-vmm's desktops), q35, and
virtio. Who waits presses Shift four times a second, as the emulated host loses wake-ups (tests/README.md): pane-vmm
wakes its guests itself."""
import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import vmm_clone_bench as bench

CPUS = 2
NUDGE_S = 0.25
KEYS = {" ": "spc", "-": "minus", "/": "slash", ";": "semicolon", "=": "equal", "\n": "ret"}
SHIFTED = {"$": "4", "(": "9", ")": "0", "*": "8", ">": "dot", "&": "7"}


class Guest(bench.Qemu):
    def __init__(self, image, folder, cmdline, memory_mib, ram, disk, *more, **kwargs):
        self.serial = os.path.join(folder, "serial")
        with open(self.serial, "wb"):
            pass
        super().__init__(
            "q35,memory-backend=m", folder, "-object", f"{ram},id=m,size={memory_mib}M", "-cpu", "host,-svm,-vmx", "-smp", str(CPUS),
            "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img", "-append", cmdline,
            "-drive", f"if=none,id=d,file={disk},format=qcow2", "-device", "virtio-blk-pci,drive=d",
            "-device", "virtio-vga", "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci", "-device", "virtio-rng-pci",
            "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile=",
            "-chardev", f"file,id=s,path={self.serial},append=on", "-serial", "chardev:s", *more, memory=memory_mib, **kwargs)

    def keys(self, *names):
        self.ask("send-key", keys=[{"type": "qcode", "data": name} for name in names], **{"hold-time": 20})

    def type(self, text, pace_s):
        for character in text:
            time.sleep(pace_s)
            if character in SHIFTED or character.isupper():
                self.keys("shift", SHIFTED.get(character) or character.lower())
            else:
                self.keys(KEYS.get(character) or character)

    def says(self, text, timeout):
        end, nudged = time.monotonic() + timeout, time.monotonic()
        while True:
            with open(self.serial, encoding="utf-8", errors="replace") as file:
                if text in file.read():
                    return
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"QEMU's guest does not say {text!r}")
            if time.monotonic() > nudged + NUDGE_S:
                self.keys("shift")
                nudged = time.monotonic()
            time.sleep(0.005)


class Parent:
    """Booted, with half a line typed, stopped, and saved in each way."""

    def __init__(self, image, cmdline, memory_mib, typed, pace_s):
        self.image, self.cmdline, self.memory_mib = image, cmdline, memory_mib
        self.folder = tempfile.mkdtemp(prefix="pane-qemu-")
        self.disk, self.ram, self.stream, self.devices = [os.path.join(self.folder, n) for n in ("disk.qcow2", "ram", "stream", "devices")]
        try:
            overlay(self.disk, f"{image}/disk.raw", "raw")
            self.make(typed, pace_s)
        except BaseException:
            self.close()
            raise

    def make(self, typed, pace_s):
        began = time.monotonic()
        guest = Guest(self.image, self.folder, self.cmdline, self.memory_mib, f"memory-backend-file,mem-path={self.ram},share=on", self.disk)
        try:
            guest.says("pane.ready", 900)
            self.ready_s = time.monotonic() - began
            time.sleep(5)  # the first seconds of a desktop
            guest.type(typed, pace_s)
            time.sleep(1)  # the terminal draws it
            guest.ask("stop")
            answer = guest.ask("human-monitor-command", **{"command-line": "savevm s"})
            if answer:
                raise RuntimeError(f"QEMU: savevm: {answer}")
            migrate(guest, self.stream, False)
            migrate(guest, self.devices, True)
            guest.ask("quit")
            guest.process.wait(60)
        finally:
            guest.close()

    def close(self):
        shutil.rmtree(self.folder)

    def goes_on(self, how, answer):
        """Seconds from exec to the answer, and CPU in ms until it ran."""
        ram, disk, more, fds = "memory-backend-ram", os.path.join(self.folder, "again.qcow2"), [], []
        if how == "-loadvm":
            disk, more = self.disk, ["-loadvm", "s"]
        else:
            overlay(disk, self.disk, "qcow2")
        if how == "template":
            ram, more = f"memory-backend-file,mem-path={self.ram},share=off", ["-incoming", "defer"]
        elif how == "-incoming":
            fds = [os.open(self.stream, os.O_RDONLY)]
            more = ["-incoming", f"fd:{fds[0]}"]
        began = time.monotonic()
        guest = Guest(self.image, self.folder, self.cmdline, self.memory_mib, ram, disk, *more, pass_fds=fds)
        with contextlib.closing(guest):
            if how == "template":
                ignore_shared(guest, True)
                guest.ask("migrate-incoming", uri=f"exec:cat {self.devices}")
                guest.until("query-migrate", "status", "completed")
            if guest.ask("query-status")["status"] in ("paused", "inmigrate"):
                if how != "-loadvm":
                    guest.until("query-migrate", "status", "completed", 300)
                guest.ask("cont")  # it was stopped when it was saved
            guest.until("query-status", "status", "running")
            cpu = bench.cpu_ms(guest.process.pid)
            guest.keys("ret")
            guest.says(answer, 300)
            for fd in fds:
                os.close(fd)
            return time.monotonic() - began, cpu


def overlay(path, base, kind):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", "-b", base, "-F", kind, path], check=True)


def ignore_shared(guest, on):
    guest.ask("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": on}])


def migrate(guest, path, without_ram):
    ignore_shared(guest, without_ram)
    guest.ask("migrate", uri=f"exec:cat >{path}")
    guest.until("query-migrate", "status", "completed", 300)


def rows(row, image, cmdline, memory_mib, typed, answer, pace_s, rounds, pane):
    """Prints them. pane: seconds of pane-vmm's cold boot, restore to its answer, and clone to ready."""
    if not shutil.which("qemu-system-x86_64"):
        print("  QEMU: not installed")
        return
    cold_s, restore_s, clone_s = pane
    try:
        parent = Parent(image, cmdline, memory_mib, typed, pace_s)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"  QEMU: {error}", flush=True)
        return
    try:
        row("QEMU: cold boot: ready", parent.ready_s, "s", f"pane-vmm's took {cold_s / parent.ready_s:.2f} of it")
        for how in ("-incoming", "-loadvm", "template"):
            try:
                s, cpu = [statistics.median(column) for column in zip(*[parent.goes_on(how, answer) for _ in range(rounds)])]
                row(f"QEMU: {how}: exec to its answer", s, "s", f"{cpu:.0f} ms CPU to running; {s / restore_s:.1f} x pane-vmm's restore, "
                    f"{s / clone_s:.1f} x its clone to ready; {bench.bar('10 x', s >= 10 * clone_s)}")
            except (RuntimeError, OSError) as error:
                print(f"  QEMU: {how}: {error}", flush=True)
    finally:
        parent.close()
