# SPDX-License-Identifier: GPL-3.0-or-later
"""Live migration between two pane-vmm: a busy test card moves with every byte, and of two machines exactly one ever runs."""
import json
import os
import random
import re
import socket
import time
import unittest

import mover
import vm

TIMEOUT = 240
SEED = int(os.environ.get("PANE_SEED", "0")) or random.randrange(1 << 30)


class Pair(unittest.TestCase):
    """A machine, and others that it moves to."""

    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    def busy(self, *more, **kwargs):
        """A machine whose guest writes memory (and disk) all the time."""
        machine = self.start("", *more, **kwargs).ready()
        self.type(machine, "churn\n")
        machine.serial("line churn\n", 30)
        return machine

    @staticmethod
    def type(machine, text):
        """Types as fast as the guest reads: a busy one has little room for what comes."""
        display = machine.surface()
        for character in text:
            told = f"key {vm.CODES[character]} 0\n"
            before = machine.text("serial").count(told)
            display.type(character)
            end = time.monotonic() + 60
            while machine.text("serial").count(told) == before:
                if time.monotonic() > end:
                    raise TimeoutError(machine.text("serial"))
                time.sleep(0.002)
        display.close()

    def steps(self, machine):
        """How far the guest's work is; what it wrote is checked by the guest."""
        before = len(re.findall(r"^churn .*", machine.text("serial"), re.M))
        self.type(machine, "churned\n")
        end = time.monotonic() + 30
        while True:
            found = re.findall(r"^churn (.*)$", machine.text("serial"), re.M)
            if len(found) > before and machine.text("serial").endswith("\n"):
                self.assertRegex(found[-1], r"^\d+ ok$")
                self.assertNotIn("bad", "".join(found))
                return int(found[-1].split()[0])
            self.assertLess(time.monotonic(), end, machine.text("serial"))
            time.sleep(0.01)

    def progress(self, machine, before):
        """Waits until the guest's work is further than before; how far it is."""
        end = time.monotonic() + 60
        while True:
            now = self.steps(machine)
            if now > before:
                return now
            self.assertLess(time.monotonic(), end)

    def receiver(self, source, *more, **kwargs):
        """One that waits for a machine with source's disk, and a socket to it."""
        path = os.path.join(source.folder, f"in{random.randrange(1 << 30)}.sock")
        kwargs.setdefault("disk", source.path("base.raw"))
        kwargs.setdefault("overlay", source.path("overlay"))
        other = self.start("", *more, incoming=path, **kwargs)
        return other, other.connect(path)

    def order(self, machine, sock, **more):
        machine.ask(op="status")  # opens the channel
        socket.send_fds(machine.channel, [json.dumps({"op": "migrate", "verify": True, **more}).encode() + b"\n"],
                        [sock.fileno()] if sock else [])
        return machine.answer()

    def line(self, source, *more, receiver=None, **kwargs):
        """A receiver behind a line that can break."""
        other, sock = self.receiver(source, *more, **(receiver or {}))
        line = mover.Line(sock, **kwargs)
        self.addCleanup(line.close)
        return other, line

    def moved(self, source):
        event = source.event("migrated")
        self.assertEqual(source.wait(30), (0, {"code": 0, "reason": "migrated"}))
        return event

    def failed(self, source, word):
        event = source.event("migrate.failed")
        self.assertEqual(event["word"], word, event)
        status = source.ask(op="status")
        self.assertEqual((status["state"], status.get("migrate")), ("running", None))
        return event["reason"]

    def ended(self, other):
        """The receiver ended without ever having run; why."""
        status, state = other.wait(30)
        self.assertEqual(status, 1, state)
        return state["reason"]


@unittest.skipIf(vm.why_not(), vm.why_not())
class Moves(Pair):
    def move(self, source, *more, downtime_ms=300, **kwargs):
        other, sock = self.receiver(source, *more, **kwargs)
        self.assertEqual(self.order(source, sock, downtime_ms=downtime_ms), {"ok": True})
        sock.close()
        event = self.moved(source)
        print("downtime_ms", event["downtime_ms"], re.search("migrate.done (.*)", source.text("stderr"))[1])
        return other

    def test_busy(self):
        """a guest that writes memory and disk all the time moves, twice, and every page and sector is what it wrote"""
        source = self.busy()
        disk = {"disk": source.path("base.raw"), "overlay": source.path("overlay")}
        done = self.steps(source)
        for downtime_ms in (300, 5):
            other = self.move(source, downtime_ms=downtime_ms, **disk)
            self.assertIn("migrate.received", other.text("stderr"))
            self.assertTrue(other.ask(op="status")["ready"])
            now = self.progress(other, done)
            self.assertNotIn("pci 0", other.text("serial"), "it booted instead")
            source, done = other, now

    def test_viewer(self):
        """a viewer that comes back finds its screen and half a typed word; progress is told"""
        source = self.start("", "--net", "user", "--cpus", "2").ready()
        display = source.surface()
        display.wait(lambda: display.scanout)
        display.type("hel")
        source.serial("key 38 0")
        display.wait(lambda: any(r[0] >= 24 for r in display.damage))
        before = [display.pixel(x, y) for y in range(0, 400, 3) for x in range(0, 640, 3)]
        other = self.move(source, "--net", "user")
        with self.assertRaises(EOFError):
            display.wait(lambda: False)
        display = other.surface()
        display.wait(lambda: display.scanout)
        self.assertEqual([display.pixel(x, y) for y in range(0, 400, 3) for x in range(0, 640, 3)], before)
        display.type("lo\n")
        other.serial("line hello\n")
        percent = [e["percent"] for e in source.events if e["event"] == "migrate"]
        self.assertEqual(percent, sorted(percent))
        self.assertTrue(percent and percent[0] == 0 and percent[-1] == 99, percent)
        self.assertFalse([e for e in source.events if e["event"] in ("migrate.failed", "migrate.doubt")])
        other.ask(op="powerdown")
        self.assertEqual(other.wait()[0], 0)

    def test_without_disk(self):
        """a machine without a disk, in memory that KSM may merge, and with packed rings"""
        source = self.start("packed", "--memory-merge", disk_option="").ready()
        self.type(source, "churn\n")
        source.serial("line churn\n", 30)
        other = self.move(source, "--memory-merge", disk_option="")
        self.assertGreater(self.steps(other), 0)

    def test_raw_disk(self):
        """a raw disk: the receiver takes its lock only after the source has let it go"""
        source = self.start("", disk_option="raw=" + self.file()).ready()
        self.type(source, "churn\n")
        source.serial("line churn\n", 30)
        with self.assertRaises(BlockingIOError):
            self.lock()
        other = self.move(source, disk_option="raw=" + self.disk)
        self.assertGreater(self.steps(other), 0)
        with self.assertRaises(BlockingIOError):
            self.lock()

    def file(self):
        import tempfile
        fd, self.disk = tempfile.mkstemp()
        os.truncate(fd, 8 << 20)
        os.close(fd)
        self.addCleanup(os.unlink, self.disk)
        return self.disk

    def lock(self):
        import fcntl
        with open(self.disk, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_balloon(self):
        """pages that go back to the host while the machine moves are zeros where it goes on"""
        source = self.start().ready()
        self.type(source, "fill\n")
        source.serial("filled\n", 60)
        other, line = self.line(source, hold=mover.PAGES)
        self.assertEqual(self.order(source, line.source), {"ok": True})
        self.assertTrue(line.held.wait(30))
        source.ask(op="balloon", target_mib=16)
        source.serial("balloon has 4096\n", 60)
        line.go()
        self.moved(source)
        self.type(other, "check\n")
        other.serial("zeros 4096\n", 60)


@unittest.skipIf(vm.why_not(), vm.why_not())
class Breaks(Pair):
    """One source, that nothing gets rid of."""

    @classmethod
    def setUpClass(cls):
        cls.source = vm.Vm("").ready()
        Pair.type(cls.source, "churn\n")
        cls.source.serial("line churn\n", 30)

    @classmethod
    def tearDownClass(cls):
        cls.source.close()

    def setUp(self):
        self.source.ask(op="status")
        self.source.events.clear()
        self.before = self.steps(self.source)

    def tearDown(self):
        self.progress(self.source, self.before)

    def alone(self, other):
        """The receiver never ran, and ended; why. (That the source works on, and nothing of its is lost, tearDown() says.)"""
        reason = self.ended(other)
        self.assertNotIn("info vm.start", other.text("stderr"))
        self.assertEqual(other.text("serial"), "")
        return reason

    def test_line(self):
        """a line that breaks anywhere before the receiver may run: the source goes on, the receiver ends"""
        print("seed", SEED)
        any_ = random.Random(SEED)
        cuts = [(mover.HELLO, 8), (mover.WANTED, 0), (mover.PAGES, 16), (mover.STATE, 0), (mover.END, 0), (mover.END, 16),
                (mover.READY, 0)]
        cuts += [(kind, any_.randrange(4096)) for kind in (mover.PAGES, mover.STATE)]
        for cut in cuts:
            with self.subTest(cut=cut):
                other, line = self.line(self.source, cut=cut)
                self.assertEqual(self.order(self.source, line.source), {"ok": True})
                self.assertIn("broke", self.failed(self.source, "migrate.broken"))
                line.close()
                self.assertRegex(self.alone(other), "broke|in use")  # its disk may be the source's again

    def test_moments(self):
        """a receiver that is killed at any moment: the source goes on; its disk was let go and is its own again"""
        any_ = random.Random(SEED)
        for kind in (mover.PAGES, mover.STATE, mover.END, mover.READY):
            with self.subTest(kind=kind):
                other, line = self.line(self.source, hold=kind)
                self.assertEqual(self.order(self.source, line.source, downtime_ms=any_.choice((0, 300))), {"ok": True})
                self.assertTrue(line.held.wait(60))
                other.process.kill()
                other.process.wait()
                line.go()
                self.failed(self.source, "migrate.broken")

    def test_cancel(self):
        """called off while pages go, and while the receiver loads: the source goes on"""
        for kind in (mover.PAGES, mover.END):
            with self.subTest(kind=kind):
                other, line = self.line(self.source, hold=kind)
                self.assertEqual(self.order(self.source, line.source), {"ok": True})
                self.assertTrue(line.held.wait(30))
                if kind == mover.END:
                    self.assertEqual(self.wait_state("handing")["state"], "paused")
                for op in ("pause", "resume", "snapshot", "plug", "unplug", "migrate"):
                    answer = self.order(self.source, line.source) if op == "migrate" else self.source.ask(op=op)
                    self.assertEqual(answer["word"], "migrate.busy", op)
                self.assertEqual(self.source.ask(op="migrate.cancel"), {"ok": True})
                self.failed(self.source, "migrate.cancelled")
                line.close()
                self.alone(other)
        self.assertEqual(self.source.ask(op="migrate.cancel")["word"], "migrate.none")

    def wait_state(self, state):
        end = time.monotonic() + 30
        while True:
            status = self.source.ask(op="status")
            if status.get("migrate") == state:
                return status
            self.assertLess(time.monotonic(), end, status)
            time.sleep(0.005)

    def test_go_lost(self):
        """the word to run is lost: nobody runs until somebody who knows says so; then the source goes on"""
        for cut in ((mover.GO, 0), (mover.GO, 15)):
            with self.subTest(cut=cut):
                other, line = self.line(self.source, cut=cut)
                self.assertEqual(self.order(self.source, line.source), {"ok": True})
                self.source.event("migrate.doubt")
                line.close()
                self.assertIn("broke", self.ended(other))
                status = self.source.ask(op="status")
                self.assertEqual((status["state"], status["migrate"]), ("paused", "doubt"))
                self.assertEqual(self.source.ask(op="migrate.cancel")["word"], "migrate.late")
                self.assertEqual(self.source.ask(op="resume"), {"ok": True})
                self.failed(self.source, "migrate.broken")

    def test_refused(self):
        """another processor model, another size, other disks, other devices: refused with the reason, the source goes on"""
        kept = {"disk": self.source.path("base.raw"), "overlay": self.source.path("overlay")}
        cases = [("snapshot.cpu", "another processor", (), kept, {"change": mover.other_processor}),
                 ("snapshot.machine", "1 processors", ("--cpus", "2"), kept, {}),
                 ("snapshot.machine", "128 MiB", ("--memory", "256"), kept, {}),
                 ("snapshot.machine", "virtio-net", ("--net", "user"), kept, {}),
                 ("snapshot.disk", "other disks", (), {**kept, "overlay": self.source.path("another")}, {}),
                 ("migrate.protocol", "outside its memory", (), kept, {"change": self.outside}),
                 ("migrate.memory", "other than it was", (), kept, {"change": self.damage})]
        for word, text, more, receiver, how in cases:
            with self.subTest(text=text):
                other, line = self.line(self.source, *more, receiver=receiver, **how)
                self.assertEqual(self.order(self.source, line.source), {"ok": True})
                self.assertIn(text, self.failed(self.source, word))
                self.assertIn(text, self.alone(other))

    @staticmethod
    def outside(kind, frame):
        return frame[:8] + (1 << 60).to_bytes(8, "little") + frame[16:] if kind == mover.PAGES else frame

    @staticmethod
    def damage(kind, frame):
        return frame[:8] + bytes([frame[8] ^ 1]) + frame[9:] if kind == mover.END else frame

    def test_orders(self):
        """no socket, no stream, a machine that is paused or has something plugged: refused, nothing changes"""
        self.assertEqual(self.order(self.source, None)["word"], "migrate.bad")
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            a, b = socket.socketpair(socket.AF_UNIX, kind)
            self.assertEqual(self.order(self.source, a)["word"], "migrate.bad")
            a.close()
            b.close()
        a, b = socket.socketpair()
        self.source.ask(op="pause")
        self.assertEqual(self.order(self.source, a)["word"], "vm.paused")
        self.source.ask(op="resume")
        with open(self.source.path("more"), "w+b") as file:
            file.truncate(1 << 20)
            self.assertIn("slot", self.source.plug(file, kind="disk", id="more"))
        self.assertEqual(self.order(self.source, a)["word"], "snapshot.plugged")
        self.source.ask(op="unplug", id="more")
        a.close()
        b.close()


@unittest.skipIf(vm.why_not(), vm.why_not())
class Doubt(Pair):
    def test_word_lost(self):
        """the receiver runs and its word is lost: it has the disk, and the source does not go on even if it is told to"""
        source = self.busy()
        done = self.steps(source)
        other, line = self.line(source, cut=(mover.RUNS, 0))
        self.assertEqual(self.order(source, line.source), {"ok": True})
        source.event("migrate.doubt")
        first = self.progress(other, done)
        self.assertEqual(source.ask(op="resume"), {"ok": True})
        status = source.ask(op="status")
        self.assertEqual((status["state"], status["migrate"]), ("paused", "returning"))
        first = self.progress(other, first)
        self.assertEqual(source.ask(op="status")["state"], "paused")
        source.ask(op="quit")
        self.assertEqual(source.wait(30)[1]["reason"], "quit")
        first = self.progress(other, first)


if __name__ == "__main__":
    unittest.main()
