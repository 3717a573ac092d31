# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-vmm as a process: a guest that uses every device, every way to end, everything refused at the start."""
import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import unittest

import vm

TIMEOUT = 120


@unittest.skipIf(vm.why_not(), vm.why_not())
class Guest(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = vm.Vm(*args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    def test_devices(self):
        """the guest finds its devices at the same slots by both doors"""
        machine = self.start("run=poweroff")
        machine.wait()
        text = machine.text("serial")
        for line in ("pci 0 1b36:0008", "pci 1 1b36:0011", "pci 2 1af4:1050", "pci 3 1af4:1052", "pci 4 1af4:1052",
                     "pci 5 1af4:1042", "pci 6 1af4:1044", "pci 7 1af4:1045", "screen 640x400", "pane.ready"):
            self.assertIn(line, text)
        self.assertNotIn("ECAM says", text)
        self.assertNotIn("answered", text)

    def test_limits(self):
        """rate limits of the command line hold, are told, and are changed while the machine runs; nonsense is refused"""
        machine = self.start("", "--disk-limit", "ops=50,burst=10", "--net", "user", "--net-limit", "bytes=1000000").ready()
        machine.serial("boot 1\n")
        told = machine.ask(op="limits")
        passed = told.pop("passed")
        self.assertEqual(set(passed), {"net_in", "net_out"})
        self.assertEqual(told, {"disk": {"bytes_per_s": 0, "ops_per_s": 50, "burst_ms": 10},
                                "net": {"bytes_per_s": 1000000, "ops_per_s": 0, "burst_ms": 100}})
        told = machine.ask(op="limits", net={}, disk={"bytes_per_s": 5000, "burst_ms": 1})
        self.assertEqual((told["disk"]["bytes_per_s"], told["disk"]["ops_per_s"], told["net"]["bytes_per_s"]), (5000, 0, 0))
        for bad in (7, {"ops_per_s": -1}, {"burst_ms": 60001}, {"bytes_per_s": 10**13}):
            self.assertIn("error", machine.ask(op="limits", disk=bad))

    def test_packed(self):
        """all devices by packed rings: disk, screen and keys work, also in a clone of such a machine, parked in mid-ring"""
        machine = self.start("packed", "--identity").ready()
        machine.serial("boot 1\n")
        display = machine.surface()
        display.wait(lambda: display.scanout and display.scanout[:2] == (640, 400))
        display.type("hello hello hello\n", 0.01)
        machine.serial("line hello hello hello\n")
        self.assertNotIn("virtio.broken", machine.text("stderr"))
        folder = machine.snapshot()
        machine.ask(op="quit")
        machine.wait()
        clone = self.start("", "--clone", restore=folder, disk=machine.path("base.raw"), layer=machine.path("overlay"), name="two").ready()
        display = clone.surface()
        display.wait(lambda: display.scanout)
        display.type("and on we go until the rings went round\n", 0.01)
        clone.serial("line and on we go until the rings went round\n")
        self.assertIn("hostname=two\n", clone.text("serial"))
        self.assertNotIn("virtio.broken", clone.text("stderr"))

    def test_screen(self):
        """the guest's picture reaches the display"""
        machine = self.start()
        display = machine.surface()
        display.wait(lambda: display.scanout and display.scanout[:2] == (640, 400))
        machine.ready()
        self.assertEqual([display.pixel(40 + 80 * i, 10) & 0xffffff for i in range(8)],
                         [0xffffff, 0xffff00, 0xffff, 0xff00, 0xff00ff, 0xff0000, 0xff, 0])

    def test_typing(self):
        """what is typed at the display arrives in the guest, and on the screen as damage"""
        machine = self.start().ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.damage.clear()
        display.type("hello 42\n")
        machine.serial("line hello 42\n")
        self.assertIn("key 35 1\nkey 35 0\n", machine.text("serial"))
        display.wait(lambda: any(r[2] <= 16 and r[3] <= 16 for r in display.damage))

    def test_pointer(self):
        """pointer, buttons and wheel arrive at the right place"""
        machine = self.start().ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.send(vm.POINTER, struct.pack("<II", 320, 200))
        machine.serial("ptr 320 200\n")
        display.send(vm.BUTTON, struct.pack("<II", 0x110, 1))
        display.send(vm.BUTTON, struct.pack("<II", 0x110, 0))
        display.send(vm.WHEEL, struct.pack("<ii", 120, 0))
        machine.serial("btn 272 1\nbtn 272 0\n")
        machine.serial("wheel 1\n")

    def test_shift(self):
        """modifiers work as on a keyboard"""
        machine = self.start().ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.type("Say: <Hi!> (2)\n")
        machine.serial("line Say: <Hi!> (2)\n")

    def test_jail(self):
        """every thread is jailed before the guest runs"""
        machine = self.start("", "--net", "user").ready()
        if "jail.off" in machine.text("stderr"):
            self.skipTest("sanitizer builds run without the system call filter")
        folder = f"/proc/{machine.process.pid}/task"
        threads = os.listdir(folder)
        self.assertGreater(len(threads), 2)
        for thread in threads:
            with open(f"{folder}/{thread}/status", encoding="ascii") as file:
                status = file.read()
            self.assertIn("Seccomp:\t2\n", status)
            self.assertIn("NoNewPrivs:\t1\n", status)
            # the process's filter, and one of its own
            if re.match(r"Name:\s+(vcpu|io-blk-ring)", status) and "Seccomp_filters" in status:
                self.assertIn("Seccomp_filters:\t2\n", status)

    def test_second_display(self):
        """a display that comes back finds the same screen"""
        machine = self.start().ready()
        first = machine.surface()
        first.wait(lambda: first.scanout)
        first.type("abc")
        machine.serial("key 46 0")
        first.close()
        second = machine.surface()
        second.wait(lambda: second.scanout and second.damage)
        text = [second.pixel(x, y) for y in range(112, 120) for x in range(16, 40)]
        self.assertGreater(text.count(0xffffffff), 20)

    def test_disk(self):
        """what the guest wrote and flushed is there at its next boot, also after kill -9"""
        machine = self.start().ready()
        machine.serial("boot 1\n")
        machine.process.send_signal(signal.SIGKILL)
        machine.process.wait()
        again = self.start("run=poweroff", folder=machine.folder)
        self.assertEqual(again.wait()[0], 0)
        self.assertIn("boot 2\n", again.text("serial"))
        self.assertIn("boot 1\n", again.text("serial.old"))
        with open(machine.path("base.raw"), "rb") as file:
            self.assertEqual(file.read(8192).count(0), 8192, "the base is untouched")

    def test_engine(self):
        """the disk works by a ring where there is one, by threads alone where they are asked for, and the log says which"""
        machine = self.start("run=poweroff")
        self.assertEqual(machine.wait()[0], 0)
        self.assertRegex(machine.text("stderr"), r"disk.engine engine=(uring disk=\S+\n|threads disk=\S+ why=.*io_uring)")
        for boot in (2, 3):
            again = self.start("run=poweroff", "--disk-engine", "threads", folder=machine.folder)
            self.assertEqual(again.wait()[0], 0)
            self.assertIn(f"boot {boot}\n", again.text("serial"))
            self.assertIn('engine=threads', again.text("stderr"))
            self.assertIn('why="as told"', again.text("stderr"))

    def test_note(self):
        """what the guest says of itself on its console is an event and stays in the status, made plain"""
        machine = self.start().ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        self.assertNotIn("note", machine.ask(op="status"))
        display.type("note not installed 7\n")
        machine.serial("pane.note not installed 7\n")
        while {"event": "note", "reason": "not installed 7"} not in machine.events:
            machine.ask(op="status")
        self.assertEqual(machine.ask(op="status")["note"], "not installed 7")

    def test_full(self):
        """a full disk of the host is an I/O error to the guest and told with its cause; the machine runs on"""
        small = tempfile.mkdtemp(prefix="pane-full-")
        self.addCleanup(os.rmdir, small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True, check=False).returncode:
            self.skipTest("cannot mount a tmpfs here (needs root)")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        with open(f"{small}/disk", "wb") as disk:
            disk.truncate(8 << 20)
        with contextlib.suppress(OSError), open(f"{small}/filler", "wb", buffering=0) as filler:
            while filler.write(b"x" * 4096):
                pass
        machine = self.start(disk_option=f"raw={small}/disk").ready()
        self.assertIn("No space left on device", machine.ask(op="status")["problem"])
        display = machine.surface()
        display.wait(lambda: display.scanout)
        display.type("alive\n")
        machine.serial("line alive\n")


@unittest.skipIf(vm.why_not(), vm.why_not())
class Ends(unittest.TestCase):
    start = Guest.start

    def ends(self, cmdline, status, reason):
        machine = self.start(cmdline)
        self.assertEqual(machine.wait(), (status, {"code": status, "reason": reason}))

    def test_poweroff(self):
        """the guest powers itself off: status 0"""
        self.ends("run=poweroff", 0, "poweroff")

    def test_reboot(self):
        """the guest resets itself: status 3"""
        self.ends("run=reboot", 3, "reset")

    def test_triple(self):
        """a triple fault is a reset"""
        self.ends("run=triple", 3, "reset")

    def test_panic(self):
        """the guest panics: status 4"""
        self.ends("run=panic", 4, "panic")

    def test_powerdown(self):
        """the power button reaches the guest, which powers off"""
        machine = self.start().ready()
        self.assertEqual(machine.ask(op="powerdown"), {"ok": True})
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "poweroff"}))
        self.assertEqual(json.loads(machine.control.readline()), {"event": "stopping", "reason": "poweroff"})

    def test_quit(self):
        """quit ends it whatever the guest does, a guest that spins included"""
        machine = self.start("noready run=spin")
        machine.serial("input 1")
        self.assertFalse(machine.ask(op="status")["ready"])
        machine.ask(op="quit")
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "quit"}))

    def test_terminate(self):
        """SIGTERM is a quit"""
        machine = self.start().ready()
        machine.process.terminate()
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "quit"}))

    def test_status(self):
        """status tells kind of KVM, readiness and whether a display is there"""
        machine = self.start().ready()
        status = machine.ask(op="status")
        self.assertIn(status["kvm"], ("hardware", "interpreted"))
        self.assertGreater(status["uptime_ms"], 0)
        self.assertLessEqual(status["ready_ms"], status["uptime_ms"])
        self.assertFalse(status["surface"])
        display = machine.surface()
        display.wait(lambda: display.scanout)
        self.assertTrue(machine.ask(op="status")["surface"])

    def test_first_frame(self):
        """with --ready frame the first frame makes it ready"""
        machine = self.start("noready", "--ready", "frame").ready()
        self.assertTrue(machine.ask(op="status")["ready"])
        self.assertNotIn("pane.ready", machine.text("serial"))

    def test_log_reader_dies(self):
        """the death of whoever reads its log does not end it"""
        machine = self.start(stderr=subprocess.PIPE).ready()
        machine.process.stderr.close()
        machine.surface().close()  # makes it log
        machine.ask(op="powerdown")
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "poweroff"}))

    def test_many_cpus(self):
        """sixteen processors and two gigabytes do not trouble a guest that uses little of them"""
        machine = self.start("", "--cpus", "16", memory=2048).ready()
        machine.ask(op="powerdown")
        self.assertEqual(machine.wait()[0], 0)

    def test_garbage_on_control(self):
        """garbage on the control socket costs at most that connection"""
        machine = self.start().ready()
        sock = machine.connect("control.sock")
        sock.send(b"\x00\xff{]\n{\"op\":7}\n{\"op\":\"dance\"}\n")
        lines = sock.makefile("rb")
        for _ in range(3):
            self.assertIn("error", json.loads(lines.readline()))
        sock.send(b"x" * 5000)
        with self.assertRaises((ConnectionResetError, EOFError)):
            if lines.readline() == b"":
                raise EOFError
        self.assertTrue(machine.ask(op="status")["ready"])


class Refused(unittest.TestCase):
    def refuse(self, *args):
        """Runs it with these arguments: must exit with 1; returns the reason from the state file."""
        machine = vm.Vm("", *args)
        self.addCleanup(machine.close)
        status, state = machine.wait()
        self.assertEqual(status, 1, machine.text("stderr"))
        self.assertEqual(state["code"], 1)
        self.assertTrue(state["reason"].startswith("error: "), state)
        return state["reason"]

    def file(self, content):
        path = os.path.join(self.folder, "input")
        with open(path, "wb") as file:
            file.write(content)
        return path

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pane-vm-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_arguments(self):
        """bad arguments are named with what would be right"""
        for args, words in (((("--cpus", "17")), "from 1 to 16"), (("--memory", "64"), "from 128 to 65536"),
                            (("--memory", "12x"), "from 128"), (("--disk", "foo"), "raw=FILE"),
                            (("--size", "9x9"), "WIDTHxHEIGHT"), (("--mac", "01:00:00:00:00:00"), "unicast"),
                            (("--net", "bridge"), "user"), (("--dance",), "--help"), (("stray",), "stray")):
            self.assertIn(words, self.refuse(*args))

    def test_memory(self):
        """more memory than the host has: refused with both numbers"""
        reason = self.refuse("--memory", "65536")
        self.assertRegex(reason, r"needs 65536 MiB of memory, this host has \d+ MiB free of \d+")

    @unittest.skipIf(vm.why_not(), vm.why_not())
    def test_kernels(self):
        """a kernel that is missing, garbage, or cut short is named as that"""
        self.assertIn("No such file", self.refuse("--kernel", "/nowhere/vmlinuz"))
        self.assertIn("not a Linux kernel", self.refuse("--kernel", self.file(os.urandom(9000))))
        self.assertIn("too short", self.refuse("--kernel", self.file(b"x")))
        with open(vm.CARD, "rb") as file:
            card = file.read()
        self.assertIn("cut short", self.refuse("--kernel", self.file(card[:4000])))
        self.assertIn("not a regular file", self.refuse("--kernel", self.folder))

    @unittest.skipIf(vm.why_not(), vm.why_not())
    def test_initrds(self):
        """an initrd that is missing, empty or too large is named as that"""
        self.assertIn("initrd /nowhere", self.refuse("--initrd", "/nowhere"))
        self.assertIn("is empty", self.refuse("--initrd", self.file(b"")))
        path = self.file(b"x")
        os.truncate(path, 200 << 20)
        self.assertIn("do not fit into 128 MiB", self.refuse("--initrd", path))

    @unittest.skipIf(vm.why_not(), vm.why_not())
    def test_disks(self):
        """a base that is missing is named"""
        self.assertIn("/nowhere/disk", self.refuse("--disk", "base=/nowhere/disk,overlay=" + self.folder + "/o"))


class Probe(unittest.TestCase):
    def test_probe(self):
        """--probe says what KVM is good for, and why"""
        answer = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))
        self.assertIn(answer["kvm"], ("hardware", "interpreted", "none"))
        self.assertGreater(len(answer["why"]), 10)

    def test_manual(self):
        """every option of --help is in the manual page"""
        text = subprocess.check_output([vm.PROGRAM, "--help"], text=True)
        with open(os.path.join(vm.SOURCE, "docs/man/pane-vmm.1.scd"), encoding="utf-8") as file:
            page = file.read()
        options = {w for w in text.split() if w.startswith("--")}
        self.assertGreater(len(options), 15)
        self.assertEqual([o for o in sorted(options) if o not in page], [])
