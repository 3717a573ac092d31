# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-cell as a process: a desktop on a golden image, every way to end, what it leaves behind, attempts to get out."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import cell
import clip
import vm
from escapes import attempts

TIMEOUT = 240
RESIZE = 36


def groups(name):
    """Control groups of that desktop on this host."""
    return [path for path in subprocess.run(
        ["find", "/sys/fs/cgroup", "-maxdepth", "4", "-type", "d", "-path", f"*/pane/{name}"],
        capture_output=True, text=True, check=False).stdout.split()]


def keys_of(pid):
    """The names of a process's control groups right below Pane's (cgroups(7): hierarchy:controllers:path)."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        return set(re.findall(r"/pane/([^/\n]+)", file.read()))


def gone(pid):
    """Whether a process has ended; one that waits for its parent to take notice has."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


@unittest.skipIf(cell.why_not(), cell.why_not())
class Desktop(unittest.TestCase):
    def start(self, *args, **kwargs):
        machine = cell.Cell(*args, **kwargs)
        self.addCleanup(machine.close)
        return machine

    def wait_for(self, check, what, seconds=30):
        end = time.monotonic() + seconds
        while not check():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def leaves_nothing(self, machine, pids):
        for pid in pids:
            with self.subTest(pid=pid):
                self.assertTrue(gone(pid))
        self.assertEqual(groups(machine.name), [])
        with open("/proc/self/mountinfo", encoding="ascii") as file:
            self.assertNotIn(machine.folder, file.read())
        for backing in subprocess.run(["sh", "-c", "cat /sys/block/loop*/loop/backing_file 2>/dev/null; true"],
                                      capture_output=True, text=True, check=True).stdout.split("\n"):
            self.assertNotIn(machine.folder, backing)

    def test_typing(self):
        """a desktop comes up, shows itself, and what is typed at the display lands in a file of the home"""
        self.start().ready().process.terminate()  # warms the page cache as any host's is
        machine = self.start()
        display = machine.surface()
        display.wait(lambda: display.scanout and display.damage)
        first = time.monotonic() - machine.started
        machine.ready()
        status = machine.ask(op="status")
        print(f"# first frame after {first * 1000:.0f} ms, window manager after {status['ready_ms']} ms")
        self.assertEqual(display.scanout[:2], (1280, 800))
        self.assertTrue(status["surface"])
        display.close()
        display = machine.terminal()
        display.type("echo Typed: '<Hi!>' >typed\n")
        self.assertEqual(machine.wait_file("typed", "\n"), "Typed: <Hi!>\n")
        self.assertLess(first, 5)

    def test_identity(self):
        """inside: the desktop's name, user 1000 without capabilities, and no host id on the host"""
        machine = self.start()
        display = machine.terminal()
        text = machine.run(display, "hostname; id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; ls /proc | "
                                    "grep -c '^[0-9]'; readlink /proc/1/exe")
        self.assertIn(machine.name + "\n1000\nCapBnd:\t0000000000000000\n".replace("CapBnd", "CapEff"), text)
        self.assertIn("NoNewPrivs:\t1", text)
        inside = [p for p in cell.tree(machine.process.pid)[1:]]
        self.assertTrue(all(os.stat(f"/proc/{p}").st_uid >= 1879048192 for p in inside if os.path.exists(f"/proc/{p}")),
                        [(cell.comm(p), os.stat(f"/proc/{p}").st_uid) for p in inside])

    def test_resize(self):
        """the screen follows the size that a display asks for, up and down, within the same memory"""
        machine = self.start().ready()
        display = machine.surface()
        display.wait(lambda: display.scanout)
        for size in ((1600, 1000), (800, 600), (3840, 2160), (1280, 800)):
            display.damage.clear()
            display.send(RESIZE, struct.pack("<III", *size, 100))
            display.wait(lambda s=size: display.scanout[:2] == s and display.damage)
            self.assertEqual(display.scanout[2:], (15360, 3232))

    def test_pointer(self):
        """pointer, buttons and wheel arrive where they were meant"""
        machine = self.start()
        display = machine.terminal()
        display.type("exec xev -geometry 300x300+0+0 -event button -event mouse >pointer\n", pace_s=0.002)
        cell.quiet(display)
        display.send(vm.POINTER, struct.pack("<II", 200, 150))
        cell.quiet(display)
        display.send(vm.POINTER, struct.pack("<II", 210, 160))
        display.send(vm.BUTTON, struct.pack("<II", 0x111, 1))
        display.send(vm.BUTTON, struct.pack("<II", 0x111, 0))
        display.send(vm.WHEEL, struct.pack("<ii", -120, 0))
        text = machine.wait_file("pointer", "button 5")
        self.assertIn("root:(210,160)", text)
        self.assertIn("button 3", text)

    def test_cursor(self):
        """the shape of the pointer goes to the display, and is not in the picture"""
        machine = self.start().ready()
        display = machine.surface()
        shapes = []
        receive = display.sock.recvmsg

        class Tap:
            def __getattr__(self, name):
                return getattr(display_sock, name)

            def recvmsg(self, *args):
                got = receive(*args)
                if got[0] and struct.unpack_from("<H", got[0])[0] == vm.CURSOR:
                    shapes.append(struct.unpack_from("<II", got[0], 8))
                return got
        display_sock = display.sock
        display.sock = Tap()
        display.wait(lambda: any(w > 4 and h > 4 for w, h in shapes))

    def test_logout(self):
        """the end of the session ends the desktop with reason logout, status 0, and leaves nothing"""
        machine = self.start().ready()
        pids = cell.tree(machine.process.pid)
        os.kill(machine.inside("icewm-session"), signal.SIGTERM)
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "logout"}))
        self.leaves_nothing(machine, pids)

    def test_quit(self):
        """quit and powerdown end it, with these reasons"""
        for op, reason in (("quit", "quit"), ("powerdown", "poweroff")):
            machine = self.start().ready()
            pids = cell.tree(machine.process.pid)
            self.assertEqual(machine.ask(op=op), {"ok": True})
            self.assertEqual(machine.wait(), (0, {"code": 0, "reason": reason}))
            self.leaves_nothing(machine, pids)

    def test_x_crash(self):
        """a crash of the X server is told as such"""
        machine = self.start().ready()
        pids = cell.tree(machine.process.pid)
        os.kill(machine.inside("Xvfb"), signal.SIGSEGV)
        self.assertEqual(machine.wait(), (4, {"code": 4, "reason": "error: the X server ended"}))
        self.leaves_nothing(machine, pids)

    def test_sigkill(self):
        """pane-cell killed: no process, mount or disk stays, and --cleanup or the next start takes the rest"""
        machine = self.start(net="user").ready()
        pids = cell.tree(machine.process.pid)
        machine.process.kill()
        machine.process.wait()
        end = time.monotonic() + 5
        while any(os.path.exists(f"/proc/{p}") for p in pids) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual([cell.comm(p) for p in pids if not gone(p)], [], "before anybody cleans up")
        subprocess.run([cell.PROGRAM, "--cleanup", machine.name], check=True)
        self.leaves_nothing(machine, pids)
        again = self.start(folder=machine.folder, name=machine.name).ready()
        again.process.kill()
        again.process.wait()
        third = self.start(folder=machine.folder, name=machine.name).ready()  # at once, over what is just dying
        self.assertEqual(third.ask(op="quit"), {"ok": True})
        third.wait()
        self.leaves_nothing(third, [])

    def test_keeps(self):
        """the home outlives a reset, changes of the system do not"""
        machine = self.start()
        display = machine.terminal()
        machine.run(display, "echo mine >kept; echo changed >/var/tmp/changed; sync")
        machine.ask(op="quit")
        machine.wait()
        machine = self.start(folder=machine.folder, name=machine.name)
        self.assertEqual(machine.run(machine.terminal(), "cat kept /var/tmp/changed"), "mine\nchanged\n")
        machine.ask(op="quit")
        machine.wait()
        machine = self.start("--reset", folder=machine.folder, name=machine.name)
        text = machine.run(machine.terminal(), "cat kept /var/tmp/changed")
        self.assertTrue(text.startswith("mine\n") and "changed\n" not in text.split("\n", 1)[1][:8], text)

    def test_name_taken(self):
        """a second desktop of the same name is refused while the first lives"""
        machine = self.start().ready()
        with tempfile.TemporaryDirectory() as folder:
            second = cell.Cell(name=machine.name, folder=folder)
            status, state = second.wait()
            second.close()
        self.assertEqual(status, 1)
        self.assertIn("is running on this host", state["reason"])

    def test_scopes(self):
        """two agents of one machine may each have a desktop of that name; --cleanup is for one's own"""
        one, two = (self.start("--scope", scope, name="office-1") for scope in ("/srv/one", "/srv/two"))
        one.ready(), two.ready()
        self.assertNotEqual(os.stat(f"/proc/{one.inside()}").st_uid, os.stat(f"/proc/{two.inside()}").st_uid)
        keys = {key for machine in (one, two) for key in keys_of(machine.inside())}  # other agents may have an office-1 too
        self.assertEqual(len(keys), 2)
        third = self.start("--scope", "/srv/one", name="office-1")
        self.assertIn("is running on this host", third.wait()[1]["reason"])
        one.process.kill()
        one.process.wait()
        subprocess.run([cell.PROGRAM, "--cleanup", "office-1", "--scope", "/srv/one"], check=True)
        self.assertTrue(two.ask(op="status")["ready"])
        self.assertEqual(subprocess.run([cell.PROGRAM, "--cleanup", "office-1", "--scope", "/srv/two"], capture_output=True,
                                        check=False).returncode, 1, "it lives")
        two.ask(op="quit")
        two.wait()
        self.assertEqual([path for key in keys for path in groups(key)], [])

    def test_output(self):
        """what the session prints is kept, the newest of it, and cannot fill the host's disk"""
        machine = self.start()
        display = machine.terminal()
        machine.run(display, "mkdir -p .icewm; sync")
        cell.put(machine, ".icewm/startup", b"#!/bin/sh\nhead -c 5000000 /dev/zero\necho the last words\necho x >done\n")
        machine.ask(op="quit")
        machine.wait()
        machine = self.start(folder=machine.folder, name=machine.name).ready()
        machine.wait_file("done")
        machine.ask(op="quit")
        machine.wait()
        self.assertLessEqual(os.path.getsize(machine.path("session.log")), 1 << 20)
        self.assertIn("the last words\n", machine.text("session.log")[-2000:])
        self.assertIn("cell.output dropped=", machine.text("stderr"))

    def test_clipboard(self):
        """text copied inside reaches a display that asks for it; the display's text is pasted inside; neither against its policy"""
        machine = self.start()
        machine.terminal().close()
        display = machine.surface(lambda path: clip.Clipboard(path, clip.OUT))
        display.wait(lambda: display.scanout)
        display.type(clip.TERMINAL, pace_s=0.002)
        serial, formats, _ = display.next(clip.OFFER)
        self.assertEqual(formats, clip.TEXT)
        display.request(serial)
        self.assertEqual(display.next(clip.DATA), (serial, clip.TEXT, 0, 6, "gr\u00fc\u00df"))
        machine.wait_file("shown")
        display.offer(76)  # which this policy does not let in
        cell.quiet(display)
        display.paste()
        display.allow(clip.IN)
        display.offer(77)
        cell.quiet(display)
        self.assertEqual([m for m in display.told if m[0] == clip.REQUEST], [])  # nobody has pasted yet
        display.paste()
        self.assertEqual(display.next(clip.REQUEST)[:2], (77, clip.TEXT))
        display.give(77, b"from the display")
        display.type("\n")
        self.assertIn("from the display", machine.wait_file("pasted", "display"))
        machine.wait_file("again")
        cell.quiet(display)
        self.assertEqual([m for m in display.told if m[0] in (clip.OFFER, clip.DATA)], [])  # nor this one out

    def test_io_ceiling(self):
        """unbuffered writing is held to the ceiling where blkio or io is there, beside a desktop with one that is out of reach; the status says so"""
        held, free = self.start("--io-mib", "1"), self.start("--io-mib", "100000")  # without any the kernel may not count
        displays = [machine.terminal() for machine in (held, free)]
        if not held.ask(op="status")["io_limit"]:
            self.assertIn("cell.io limit=none", held.text("stderr"))
            self.skipTest("no I/O controller here")
        for display in displays:
            display.type("while dd if=/dev/zero of=fill bs=64k count=64 oflag=direct; do :; done 2>/dev/null\n", pace_s=0.002)
        self.wait_for(lambda: min(cell.written(m.name) for m in (held, free)) > 1 << 20, "both write")
        begin, before = time.monotonic(), [cell.written(m.name) for m in (held, free)]
        # Bytes by the kernel's count. However slow this machine is now, the ceiling only lets through less.
        self.wait_for(lambda: cell.written(free.name) - before[1] > 64 << 20, "64 MiB of the desktop with the high ceiling", 120)
        slow, fast = (cell.written(m.name) - b for m, b in zip((held, free), before))
        most = 1.25 * (time.monotonic() - begin) + 1
        print(f"# {slow / (1 << 20):.1f} MiB at a ceiling of 1 MiB/s, {fast / (1 << 20):.1f} MiB of the other; most is {most:.1f}")
        self.assertGreater(slow, 0)
        self.assertLess(slow, most * (1 << 20))
        self.assertGreater(fast, 3 * slow)

    def test_refusals(self):
        """a start that cannot work says why, in words and in the state file"""
        for args, words in ((["--root", "/nonexistent"], "No such file"),
                            (["--session", "/no/such"], "session ended"),
                            (["--memory", "1"], "--memory 1: give a number from")):
            with self.subTest(args=args):
                machine = self.start(*args)
                status, state = machine.wait()
                self.assertNotEqual(status, 0)
                self.assertIn(words, state["reason"])


FLOOD = r"""use Socket;
socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("/tmp/.X11-unix/X0")) or die;
syswrite S, pack("CxSSSSx2", 0x6c, 11, 0, 0, 0); sysread S, $b, 8; read S, $s, 4 * unpack("x6S", $b);
$at = 32 + ((unpack("x16S", $s) + 3) & ~3) + 8 * unpack("x21C", $s); $root = unpack("x${at}L", $s);
$many = pack("CCSLLLCx3La4", 18, 0, 7, $root, 39, 31, 8, 4, "boom") x 1000;
for (1 .. 300) { $n = 0; $n += syswrite S, $many, 28000 - $n, $n while $n < 28000 }
syswrite S, pack("CxS", 43, 1); read S, $b, 32; print "flooded\n";
"""


@unittest.skipIf(cell.why_not(), cell.why_not())
class Hostile(unittest.TestCase):
    def test_screen(self):
        """floods of properties, selections and sizes, then the framebuffer cut off: the agent stays small, only this desktop ends"""
        bad, good = cell.Cell(), cell.Cell()
        self.addCleanup(bad.close)
        self.addCleanup(good.close)
        display = bad.terminal()
        good.ready()
        agent = next(p for p in cell.tree(bad.process.pid)[1:] if cell.comm(p) == "pane-cell")

        def most_mib():
            with open(f"/proc/{agent}/status", encoding="ascii") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024
        before = most_mib()
        cell.put(bad, "flood", FLOOD.encode())
        self.assertEqual(bad.run(display, "perl flood", 60), "flooded\n")
        self.assertEqual(bad.run(display, "for i in $(seq 200); do head -c 3000 /dev/urandom | base64 -w0 | sed 's/.*/\\x1b]52;c;&\\x07/'; "
                                          "done >/dev/tty; echo copied", 60), "copied\n")
        self.assertIn("resized", bad.run(display, "for i in $(seq 20); do xrandr --output screen --off; xrandr --output screen "
                                                  "--mode 3840x2160; xrandr --output screen --mode pane-1280x800; done 2>/dev/null; echo resized", 60))
        print(f"# the agent took {before:.1f} MiB at most before, {most_mib():.1f} after")
        self.assertLess(most_mib(), before + 8)
        self.assertTrue(bad.ask(op="status")["ready"])
        display.type("truncate -s 0 /run/desktop-screen/Xvfb_screen0; xrefresh\n", pace_s=0.002)
        code, end = bad.wait(30) # a dying server closes its connections before its parent is told: the session may be the first to be seen ending
        self.assertIn((code, end["reason"]), [(4, "error: the X server ended"), (4, "error: the session ended with status 1")])
        self.assertEqual(groups(bad.name), [])
        self.assertTrue(good.ask(op="status")["ready"])
        self.assertEqual(good.run(good.terminal(), "echo here"), "here\n")


@unittest.skipIf(cell.why_not(), cell.why_not())
class Escape(unittest.TestCase):
    def attempt(self, net):
        machine = cell.Cell(net=net)
        self.addCleanup(machine.close)
        return attempts(self, machine, machine.terminal())

    def test_attempts(self):
        """every attempt to get out of the sandbox fails"""
        print("".join(f"# {line}\n" for line in self.attempt("none").splitlines()), end="")

    def test_attempts_with_network(self):
        """so they do with the user-mode network, the host's loopback included"""
        self.attempt("user")


if __name__ == "__main__":
    print(json.dumps(cell.why_not()))
