# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of pane-vmm: pause, resume, a machine that goes on in another process, everything that is refused."""
import ctypes
import os
import re
import shutil
import struct
import time
import unittest

import vm

TIMEOUT = 120


def picture(display, step=3):
    """What the screen shows, in samples."""
    return [display.pixel(x, y) for y in range(0, 400, step) for x in range(0, 640, step)]


@unittest.skipIf(vm.why_not(), vm.why_not())
class Snapshot(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    def typed(self, *more):
        """A machine with a word half typed, and its screen."""
        machine = self.start("", *more).ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.type("hel")
        machine.serial("key 38 0")
        display.wait(lambda: any(r[0] >= 24 for r in display.damage))
        return machine, display

    def go_on(self, machine, folder, *more):
        machine.process.kill()
        machine.process.wait()
        again = self.start("", *more, restore=folder, folder=machine.folder)
        display = again.surface()
        display.wait(lambda: display.scanout)
        return again, display

    def test_pause(self):
        """a paused guest does nothing, and everything that was typed once it is resumed"""
        machine = self.start().ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        self.assertEqual(machine.ask(op="pause"), {"ok": True})
        self.assertEqual(machine.ask(op="status")["state"], "paused")
        before = machine.text("serial")
        display.key(30, 1)
        display.key(30, 0)
        time.sleep(0.3)
        self.assertEqual(machine.text("serial"), before)
        self.assertEqual(machine.ask(op="resume"), {"ok": True})
        display.type("b\n")
        machine.serial("line b\n")
        self.assertEqual(machine.ask(op="status")["state"], "running")

    @staticmethod
    def clocks(machine, display, look):
        """What the guest's clocks say, counts and seconds, and what ours does meanwhile."""
        before = time.time()
        display.type("clock\n")
        machine.serial(f" look {look}\n")
        tsc, ns = re.search(rf"clock (\w+) (\w+) look {look}\n", machine.text("serial")).groups()
        return int(tsc, 16), int(ns, 16) / 1e9, before, time.time()

    def test_time(self):
        """a guest that goes on has the time that went by meanwhile on its clocks: kvmclock and time stamp counter"""
        machine = self.start("").ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        tsc, clock, earliest, latest = self.clocks(machine, display, 1)
        folder = machine.snapshot()
        machine.process.kill()
        machine.process.wait()
        time.sleep(3)  # time is what is tried
        again = self.start("", restore=folder, folder=machine.folder)
        display = again.surface()
        display.wait(lambda: display.scanout)
        tsc_2, clock_2, earliest_2, latest_2 = self.clocks(again, display, 2)
        least, most = earliest_2 - latest, latest_2 - earliest
        if clock:
            self.assertGreater(clock_2 - clock, least - 0.5)
            self.assertLess(clock_2 - clock, most + 0.5)
        time.sleep(1)  # how fast the counter counts
        tsc_3, _, earliest_3, latest_3 = self.clocks(again, display, 3)
        slowest, fastest = (tsc_3 - tsc_2) / (latest_3 - earliest_2), (tsc_3 - tsc_2) / (earliest_3 - latest_2)
        self.assertGreater(tsc_2 - tsc, (least - 0.5) * slowest)
        self.assertLess(tsc_2 - tsc, (most + 0.5) * fastest)

    def test_goes_on(self):
        """a guest goes on where it was: same picture, half a line typed, and it sees and hears"""
        machine, display = self.typed()
        before = picture(display)
        machine_kvm = machine.ask(op="status")["kvm"]
        folder = machine.snapshot()
        again, display = self.go_on(machine, folder)
        self.assertEqual(display.scanout[:2], (640, 400))
        self.assertEqual(picture(display), before)
        status = again.ask(op="status")
        self.assertTrue(status["ready"])
        self.assertEqual(status["kvm"], machine_kvm)
        display.type("lo\n")
        again.serial("line hello\n")
        display.wait(lambda: picture(display) != before)
        display.send(vm.POINTER, struct.pack("<II", 320, 200))
        again.serial("ptr 320 200\n")
        self.assertNotIn("pci 0", again.text("serial"), "it booted instead")
        again.ask(op="powerdown")
        self.assertEqual(again.wait()[0], 0)

    def test_original(self):
        """the machine a snapshot was taken of goes on, too"""
        machine, display = self.typed()
        machine.snapshot()
        machine.ask(op="resume")
        display.type("p\n")
        machine.serial("line help\n")

    def test_many_cpus(self):
        """four processors, three of them never started, and a network card"""
        machine, _ = self.typed("--cpus", "4", "--net", "user")
        again, display = self.go_on(machine, machine.snapshot(), "--net", "user")
        display.type("p\n")
        again.serial("line help\n")

    def test_twice(self):
        """a snapshot of a machine that came from a snapshot"""
        machine, _ = self.typed()
        again, display = self.go_on(machine, machine.snapshot())
        display.type("l")
        again.serial("key 38 0")
        third, display = self.go_on(again, again.snapshot("second"))
        display.type("o\n")
        third.serial("line hello\n")

    def test_held_key(self):
        """a key held down when the snapshot was taken is let go, as nobody holds it any more"""
        machine, display = self.typed()
        display.key(vm.SHIFT, 1)
        machine.serial("key 42 1\n")
        again, display = self.go_on(machine, machine.snapshot())
        again.serial("key 42 0\n")
        display.type("p\n")
        again.serial("line help\n")

    def refused(self, machine, snapshot, *more, **kwargs):
        other = self.start("", *more, restore=snapshot, **kwargs)
        status, state = other.wait()
        self.assertEqual(status, 1)
        return state["reason"]

    def test_refused(self):
        """damage, another machine, other disks: refused with the reason"""
        machine, _ = self.typed()
        folder = machine.snapshot()
        machine.process.kill()
        machine.process.wait()
        kept = {"disk": machine.path("base.raw"), "folder": machine.folder}
        self.assertIn("No such file", self.refused(machine, "/nowhere", **kept))
        self.assertIn("machine with 1 processors", self.refused(machine, folder, "--cpus", "2", **kept))
        self.assertIn("virtio-net", self.refused(machine, folder, "--net", "user", **kept))
        self.assertIn("without --identity", self.refused(machine, folder, "--clone", **kept))

        broken = machine.path("broken")
        shutil.copytree(folder, broken)
        state, memory = os.path.join(broken, "state"), os.path.join(broken, "memory")
        with open(state, "r+b") as file:
            good = file.read()
            file.seek(3000)
            file.write(bytes([good[3000] ^ 1]))
        self.assertIn("checksum", self.refused(machine, broken, **kept))
        with open(state, "wb") as file:
            file.write(good[:-1])
        self.assertIn("cut short", self.refused(machine, broken, **kept))
        with open(state, "wb") as file:
            file.write(good[:8] + b"\x09" + good[9:])
        self.assertIn("made by a newer one", self.refused(machine, broken, **kept))
        with open(state, "wb") as file:
            file.write(b"something else altogether")
        self.assertIn("no snapshot", self.refused(machine, broken, **kept))
        with open(state, "wb") as file:
            file.write(good)
        os.truncate(memory, os.path.getsize(memory) - 4096)
        self.assertIn("memory file is", self.refused(machine, broken, **kept))
        os.truncate(memory, os.path.getsize(memory) + 4096)
        self.assertIn("of another snapshot", self.refused(machine, broken, **kept))

        os.rename(machine.path("overlay"), machine.path("overlay.kept"))
        self.assertIn("other disks", self.refused(machine, folder, **kept))
        os.rename(machine.path("overlay.kept"), machine.path("overlay"))
        os.truncate(machine.path("base.raw"), 16 << 20)
        self.assertIn("another base image", self.refused(machine, folder, **kept))

    def change(self, state, name, edit):
        """Edits the bytes of a section of a state file, whose checksum is right again afterwards (section.h)."""
        xxh64 = ctypes.CDLL("libxxhash.so.0").XXH64
        xxh64.restype, xxh64.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
        with open(state, "r+b") as file:
            data, at = bytearray(file.read()), 16
            while data[at:at + 16].rstrip(b"\0") != name:
                at += 40 + struct.unpack_from("<Q", data, at + 24)[0]
            head, n = bytes(data[at:at + 32]), struct.unpack_from("<Q", data, at + 24)[0]
            section = bytearray(data[at + 40:at + 40 + n])
            edit(section)
            struct.pack_into("<Q", data, at + 32, xxh64(bytes(section), n, xxh64(head, 32, 0)))
            data[at + 40:at + 40 + n] = section
            file.seek(0)
            file.write(data)

    def test_another_host(self):
        """a snapshot of another host is taken where the processor is the same, and refused where it is not"""
        machine, _ = self.typed()
        folder = machine.snapshot()
        machine.process.kill()
        machine.process.wait()
        kept = {"disk": machine.path("base.raw"), "folder": machine.folder}

        def elsewhere(section):
            section[0] ^= 1

        def stepping(section):
            """Of the processor in its CPUID leaf 1 (cpu_model.h: a count, then entries of seven words)."""
            leaf = next(at for at in range(4, len(section), 28) if struct.unpack_from("<I", section, at)[0] == 1)
            section[leaf + 12] ^= 1

        state = os.path.join(folder, "state")
        self.change(state, b"host", elsewhere)
        again = self.start("", restore=folder, **kept)
        self.assertEqual(again.ask(op="status")["state"], "running")
        again.ask(op="quit")
        again.wait()
        self.change(state, b"vcpu", stepping)
        self.assertIn("made on another processor", self.refused(machine, folder, **kept))

    def test_orders(self):
        """a snapshot order without files, or with files that hold something, is refused and changes nothing"""
        machine = self.start().ready()
        self.assertIn("two empty files", machine.ask(op="snapshot")["error"])
        machine.snapshot()
        machine.ask(op="resume")
        with self.assertRaisesRegex(RuntimeError, "empty"):
            folder = machine.path("again")
            os.mkdir(folder)
            self.fill(machine, folder)
        self.assertTrue(machine.ask(op="status")["ready"])

    def fill(self, machine, folder):
        with open(os.path.join(folder, "memory"), "wb") as file:
            file.write(b"x")
        shutil.rmtree(folder)
        original = os.open

        def full(path, flags, mode=0o777, **kw):
            fd = original(path, flags, mode, **kw)
            os.write(fd, b"x")
            return fd
        os.open = full
        try:
            machine.snapshot("again")
        finally:
            os.open = original


if __name__ == "__main__":
    unittest.main()
