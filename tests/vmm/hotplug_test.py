# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and network cards that come and go while the guest runs: the guest sees them, uses them, lets them go, or does not."""
import fcntl
import os
import socket
import unittest

import vm

TIMEOUT = 120
FIRST = 23  # slot
WAIT = 60


@unittest.skipIf(vm.why_not(), vm.why_not())
class Hotplug(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        return machine.ready()

    def file(self, machine, name="data", text=b"written by the host", mode="r+b", kib=64):
        path = machine.path(name)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(text)
                file.truncate(kib << 10)
        file = open(path, mode)
        self.addCleanup(file.close)
        return file

    def plug_disk(self, machine, name="data"):
        with self.file(machine, name) as file:
            answer = machine.plug(file, kind="disk", id=name)
        self.assertEqual(answer, {"ok": True, "slot": answer.get("slot")}, answer)
        return answer["slot"]

    @staticmethod
    def state(machine, name):
        return next(p["state"] for p in machine.ask(op="plugged")["plugged"] if p["id"] == name)

    @staticmethod
    def holds(machine):
        """Descriptors and threads of the process."""
        at = f"/proc/{machine.process.pid}"
        return len(os.listdir(f"{at}/fd")), len(os.listdir(f"{at}/task"))

    def test_disk(self):
        """a disk is seen, read and written to; unplugged, the guest ejects it and the host has its file, lock and threads back, time and again"""
        machine = self.start()
        before = self.holds(machine)
        self.assertEqual(self.plug_disk(machine), FIRST)
        machine.serial(f"plugged {FIRST} 1af4:1042\nplugdisk 64 written by the host\n", WAIT)
        self.assertEqual(machine.ask(op="plugged"), {"slots": 8, "plugged": [{"id": "data", "kind": "disk", "slot": FIRST, "state": "used"}]})
        self.assertEqual(self.file(machine).read(19), b"WRITTEN BY THE CARD")
        self.assertGreater(self.holds(machine), before)
        for again in range(10):
            self.assertEqual(machine.ask(op="unplug", id="data"), {"ok": True})
            self.assertEqual(machine.event("unplugged", WAIT)["reason"], "data")
            self.assertEqual(machine.ask(op="plugged")["plugged"], [])
            with open(machine.path("data"), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.assertEqual(self.holds(machine), before)
            with open(machine.path("data"), "r+b") as file:
                file.write(f"round {again}".encode().ljust(32, b"\0"))
            self.assertEqual(self.plug_disk(machine), FIRST)
            machine.serial(f"asked {FIRST}\nejected {FIRST} ffff\nplugged {FIRST} 1af4:1042\nplugdisk 64 round {again}\n", WAIT)
        self.assertEqual(machine.ask(op="status")["state"], "running")

    def test_readonly(self):
        """a disk that is plugged readonly, from a descriptor that cannot write, is read and not written to"""
        machine = self.start()
        answer = machine.plug(self.file(machine, mode="rb"), kind="disk", id="data", readonly=True)
        self.assertEqual(answer, {"ok": True, "slot": FIRST})
        machine.serial("plugdisk 64 read-only written by the host\n", WAIT)
        self.assertEqual(self.file(machine).read(19), b"written by the host")

    def test_net(self):
        """frames go through a network card that was plugged in, both ways; the other end may close before it is unplugged"""
        machine = self.start()
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.settimeout(WAIT)
        with there:
            self.assertEqual(machine.plug(there, kind="net", id="lan", mac="52:54:00:12:34:56"), {"ok": True, "slot": FIRST})
        machine.serial("plugnet 545212005634\n", WAIT)  # as words, lowest byte first
        for length in (60, 1514, 61):
            frame = os.urandom(length)
            here.send(frame)
            self.assertEqual(here.recv(2000), frame)
        machine.serial("frame 60\nframe 1514\nframe 61\n", WAIT)
        here.close()
        self.assertEqual(machine.ask(op="unplug", id="lan"), {"ok": True})
        self.assertEqual(machine.event("unplugged", WAIT)["reason"], "lan")

    def test_kept(self):
        """a guest that does not eject is told of after the time given, keeps its disk, and may let go later; nothing else ends"""
        machine = self.start()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.type("hold\n")
        machine.serial("holding\n", WAIT)
        self.plug_disk(machine)
        machine.serial("plugdisk 64 ", WAIT)
        self.assertEqual(machine.ask(op="unplug", id="data", timeout_ms=100), {"ok": True})
        self.assertEqual(machine.event("unplug.failed", WAIT)["reason"],
                         "data: the guest did not let go of it within 1 s and still has it: close what uses it in there and order again, "
                         "or shut the machine down")
        machine.serial(f"asked {FIRST}\n", WAIT)
        self.assertEqual(self.state(machine, "data"), "used")
        self.assertEqual(machine.ask(op="status")["state"], "running")
        display.type("letgo\n")
        self.assertEqual(machine.event("unplugged", WAIT)["reason"], "data")

    def test_blind(self):
        """what a guest never looked at is taken back without asking it"""
        machine = self.start("run=spin")
        self.plug_disk(machine)
        self.assertEqual(self.state(machine, "data"), "offered")
        self.assertEqual(machine.ask(op="unplug", id="data"), {"ok": True})
        self.assertEqual(machine.event("unplugged", WAIT)["reason"], "data")

    def test_all_slots(self):
        """eight devices fit, the ninth is refused with what to do; their limits are those of the machine's other disks; all end with it"""
        machine = self.start()
        for i in range(8):
            self.assertEqual(self.plug_disk(machine, f"disk-{i}"), FIRST + i)
            machine.serial(f"plugged {FIRST + i} 1af4:1042\nplugdisk 64 ", WAIT)
        answer = machine.plug(self.file(machine, "one"), kind="disk", id="one")
        self.assertEqual(answer, {"word": "plug.full", "error": "all 8 hot-plug slots are taken: unplug something first"})
        machine.ask(op="quit")
        self.assertEqual(machine.wait()[0], 0)

    def refused(self, machine, file, word, text, **order):
        answer = machine.plug(file, **order)
        self.assertEqual(answer.get("word"), word, answer)
        self.assertIn(text, answer["error"])

    def test_refused(self):
        """with the reason: names, kinds and descriptors that are none, what is in use, what is not there, a paused machine"""
        machine = self.start()
        data, disk = self.file(machine), {"kind": "disk", "id": "data"}
        self.refused(machine, None, "plug.bad", "pass the disk's file", **disk)
        for name in ("", "a b", "x" * 21, "pane-identity", "../x"):
            self.assertIn("word", machine.plug(data, kind="disk", id=name))
        self.refused(machine, data, "plug.bad", "give disk or net", kind="floppy", id="a")
        self.refused(machine, self.file(machine, mode="rb"), "plug.bad", "plug it readonly", **disk)
        self.refused(machine, self.file(machine, mode="ab"), "plug.bad", "not for appending", **disk)
        self.refused(machine, self.file(machine, "empty", b"", kib=0), "plug.bad", "is empty", **disk)
        here, there = socket.socketpair()
        with here, there:
            self.refused(machine, here, "plug.bad", "is no disk", **disk)
            self.refused(machine, here, "plug.bad", "tap device", kind="net", id="lan", mac="52:54:00:12:34:56")
            self.refused(machine, here, "plug.bad", "give mac", kind="net", id="lan")
            self.refused(machine, here, "plug.bad", "one card", kind="net", id="lan", mac="01:54:00:12:34:56")
        with open(data.name, "r+b") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.refused(machine, data, "disk.busy", "in use by another", **disk)
        self.plug_disk(machine)
        self.refused(machine, data, "plug.id", "plugged already", **disk)
        self.assertEqual(machine.ask(op="unplug", id="other")["word"], "plug.unknown")
        self.assertIn("error", machine.ask(op="unplug", id="data", timeout_ms=0))
        machine.ask(op="pause")
        self.refused(machine, self.file(machine, "two"), "vm.paused", "resume it first", kind="disk", id="two")
        self.assertEqual(machine.ask(op="unplug", id="data")["word"], "vm.paused")

    def test_snapshot(self):
        """a machine with something plugged in is not saved, and says why; without it is, and its clone takes a disk in its turn"""
        machine = self.start("", "--identity")
        self.plug_disk(machine)
        machine.serial("plugdisk 64 ", WAIT)
        with self.assertRaisesRegex(RuntimeError, "data was plugged in while the machine ran.*snapshot.plugged"):
            machine.snapshot("refused")
        self.assertEqual(machine.ask(op="status")["state"], "running")
        machine.ask(op="unplug", id="data")
        machine.event("unplugged", WAIT)
        folder = machine.snapshot()
        machine.ask(op="quit")
        machine.wait()
        clone = self.start("", "--clone", restore=folder, disk=machine.path("base.raw"), layer=machine.path("overlay"), name="two")
        self.plug_disk(clone, "more")
        clone.serial("plugdisk 64 written by the host\n", WAIT)
        clone.ask(op="unplug", id="more")
        self.assertEqual(clone.event("unplugged", WAIT)["reason"], "more")


if __name__ == "__main__":
    unittest.main()
