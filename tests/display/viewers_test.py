# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-display with real viewers: what they show, what they type, and that none of them,
nor the desktop, can hurt another."""
import json
import os
import signal
import socket
import struct
import time
import unittest

from tools.display_door import exactly, preface
from tools.display_rig import Rig, missing, wait_for

TIMEOUT = 400
BTN_LEFT, BTN_RIGHT = 0x110, 0x111


def typed(keys):
    """What a US keyboard makes of the key events."""
    plain = {**{c: s for c, s in zip(range(2, 14), "1234567890-=")},
             **{c: s for c, s in zip(range(16, 28), "qwertyuiop[]")},
             **{c: s for c, s in zip(range(30, 42), "asdfghjkl;'`")},
             43: "\\", **{c: s for c, s in zip(range(44, 54), "zxcvbnm,./")}, 57: " "}
    upper = dict(zip("1234567890-=[];'`\\,./", "!@#$%^&*()_+{}:\"~|<>?"))
    text, shift = "", set()
    for code, down in keys:
        if code in (42, 54):
            (shift.add if down else shift.discard)(code)
        elif down and code in plain:
            c = plain[code]
            text += (upper.get(c) or c.upper()) if shift else c
    return text


class Viewers(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest("not installed: " + ", ".join(missing()))

    def rig(self, **more):
        rig = Rig(**more)
        self.addCleanup(rig.close)
        # What the libraries call is known: a call the sandbox had to deny is one we forgot.
        self.addCleanup(lambda: self.assertNotIn("sandbox.denied", rig.log()))
        return rig

    def test_rdp_picture(self):
        """xfreerdp shows exactly the desktop's picture, text and noise, by the graphics pipeline"""
        rig = self.rig()
        client = rig.freerdp("/gfx")
        rig.wait_equal("text on xfreerdp")
        rig.command(op="page", kind="photo", seed=3)
        rig.wait_equal("noise on xfreerdp")
        rig.command(op="scroll", rows=13)
        rig.command(op="fill", x=100, y=90, w=333, h=77, colour="3060a0")
        rig.wait_equal("a scrolled picture on xfreerdp")
        client.terminate()
        wait_for("the end of the viewer", lambda: "path=gfx" in rig.log())

    def test_rdp_bitmap(self):
        """xfreerdp without the graphics pipeline gets the same picture by bitmap updates"""
        rig = self.rig()
        client = rig.freerdp("/network:modem", "/bpp:32")
        rig.wait_equal("text on xfreerdp")
        rig.command(op="page", kind="photo", seed=3)
        rig.wait_equal("noise on xfreerdp", 30)
        client.terminate()
        wait_for("the end of the viewer", lambda: "path=bitmap" in rig.log())

    def workloads(self, rig):
        """Everything that is not sent plainly, and after each the exact picture."""
        rig.command(op="prepare", what="drag", x=200, y=100, w=350, h=260, frames=1)
        for what, ms, count in (("scroll", 20, 20), ("drag", 15, 30), ("type", 20, 10)):
            rig.command(op="animate", what=what, ms=ms, count=count)
            rig.command(op="wait")
            rig.wait_equal("the picture after " + what)
        rig.command(op="page", kind="picture", seed=4)
        rig.wait_equal("a photo, made exact")
        rig.command(op="prepare", what="video", x=101, y=77, w=640, h=361, frames=16)
        rig.command(op="animate", what="video", ms=33, count=45)
        rig.command(op="wait")
        rig.wait_equal("the last frame of a video, made exact")
        rig.command(op="resize", w=1001, h=701)
        rig.command(op="page", kind="picture", seed=5)
        rig.wait_equal("a photo in another size")

    def test_rdp_workloads(self):
        """Scrolls, drags, photos and videos end exactly on xfreerdp, which decodes H.264 in between"""
        rig = self.rig()
        rig.freerdp("/gfx:avc420")
        rig.wait_equal("the desktop")
        self.workloads(rig)

    def test_rdp_workloads_plain(self):
        """The same with a client that decodes no H.264"""
        rig = self.rig()
        rig.freerdp("/gfx:rfx")
        rig.wait_equal("the desktop")
        self.workloads(rig)

    def test_rfb_workloads(self):
        """The same on TigerVNC's viewer, with CopyRect and JPEG in between"""
        rig = self.rig()
        rig.tigervnc("-PreferredEncoding=Tight", "-AutoSelect=0", "-QualityLevel=6")
        rig.wait_equal("the desktop")
        self.workloads(rig)

    def test_rfb_picture(self):
        """TigerVNC's viewer shows exactly the desktop's picture"""
        rig = self.rig()
        rig.tigervnc("-PreferredEncoding=ZRLE", "-AutoSelect=0")
        rig.wait_equal("text on the viewer")
        rig.command(op="page", kind="photo", seed=3)
        rig.wait_equal("noise on the viewer", 30)

    def banner(self, rig):
        """Until the X screen shows a banner at the top and the desktop's picture elsewhere: its height."""
        width, height, want = rig.picture()

        last = []

        def there():
            got = rig.shot(width, height)
            if len(got) != len(want):
                return None
            off = [y for y in range(height) if got[y * width * 3:(y + 1) * width * 3] != want[y * width * 3:(y + 1) * width * 3]]
            paper = got.count(bytes((0x20, 0x26, 0x32)))
            last.append(off)  # twice the same: not one that is just being drawn
            return off if off and off[-1] < height // 2 and paper > 2000 and last[-2:] == [off, off] else None
        off = wait_for("the banner", there)
        self.assertEqual(off, list(range(off[0], off[-1] + 1)))
        return len(off)

    def message(self, rig):
        """A message is shown, what the desktop draws beneath it meanwhile is not, and at its end that is there exactly."""
        rig.wait_equal("the desktop")
        rig.messages("Grüße vom Administrator: \u65e5\u672c", seconds=300)
        one = self.banner(rig)
        rig.messages("Grüße vom Administrator: \u65e5\u672c", "You will be disconnected in {left}: nobody does anything.", seconds=6)
        self.assertGreater(self.banner(rig), one)
        rig.command(op="page", kind="photo", seed=9)
        rig.command(op="fill", x=300, y=0, w=300, h=70, colour="ff8000")
        self.banner(rig)
        wait_for("the second one's end", lambda: self.banner(rig) == one, 15)
        rig.messages()
        rig.wait_equal("what was beneath")

    def test_rdp_message(self):
        """xfreerdp shows the agent's messages over the picture until their time is over, then the desktop's pixels exactly"""
        rig = self.rig()
        rig.freerdp("/gfx:avc420")
        self.message(rig)
        rig.messages("You will be logged off in {left}.", seconds=60, idle=True)
        self.banner(rig)
        rig.xdo("mousemove", "600", "500")
        rig.wait_equal("no warning once somebody does something")

    def test_rfb_message(self):
        """The same on an RFB viewer, and one that comes later sees what holds still"""
        rig = self.rig()
        rig.messages("Until six o'clock", seconds=300)
        viewer = rig.tigervnc()
        self.banner(rig)
        rig.messages()
        self.message(rig)
        self.assertIsNone(viewer.poll())

    def test_rdp_input(self):
        """Keys, buttons and the wheel of xfreerdp arrive as evdev codes"""
        rig = self.rig()
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop")
        rig.xdo("mousemove", "400", "300")
        wait_for("the pointer", lambda: [e for e in rig.events("pointer") if (e["x"], e["y"]) == (400, 300)])
        rig.xdo("click", "1", "click", "3", "click", "4")
        wait_for("the wheel", lambda: rig.events("wheel"))
        self.assertEqual([(e["code"], e["down"]) for e in rig.events("button")],
                         [(BTN_LEFT, 1), (BTN_LEFT, 0), (BTN_RIGHT, 1), (BTN_RIGHT, 0)])
        self.assertEqual(rig.events("wheel")[0]["vertical"], 120)
        rig.xdo("type", "--delay", "25", "Hello, Pane!")
        wait_for("the text", lambda: typed(rig.keys()) == "Hello, Pane!")
        rig.xdo("key", "Left", "F5", "Pause", "KP_Enter")
        wait_for("special keys", lambda: {(105, 0), (63, 0), (119, 0), (96, 0)} <= set(rig.keys()))

    def test_rfb_input(self):
        """Every character of US-ASCII typed into TigerVNC's viewer reaches the guest's keyboard"""
        rig = self.rig()
        rig.tigervnc()
        rig.wait_equal("the desktop")
        rig.xdo("mousemove", "400", "300", "click", "1")
        wait_for("a click", lambda: rig.events("button"))
        text = "".join(chr(c) for c in range(32, 127))
        rig.xdo("type", "--delay", "25", text)
        wait_for("the text", lambda: len(typed(rig.keys())) >= len(text))
        self.assertEqual(typed(rig.keys()), text)
        wait_for("all keys up", lambda: not {c for c, d in rig.keys() if d} - {c for c, d in rig.keys() if not d})

    def test_release_on_disconnect(self):
        """A viewer that leaves with a key down leaves no key down"""
        rig = self.rig()
        client = rig.freerdp("/gfx")
        rig.wait_equal("the desktop")
        rig.xdo("mousemove", "400", "300", "keydown", "a")
        wait_for("the key", lambda: (30, 1) in rig.keys())
        client.kill()
        wait_for("its release", lambda: rig.keys()[-1] == (30, 0))
        rig.xdo("keyup", "a")

    def test_resize(self):
        """A new size of the desktop shows at once, and a client's window size becomes a request"""
        rig = self.rig(replay=("--react", "--follow"))
        rig.freerdp("/gfx", "/dynamic-resolution")
        rig.wait_equal("the desktop")
        rig.command(op="resize", w=1000, h=700)
        rig.wait_equal("the smaller desktop")
        rig.xdo("search", "--class", "xfreerdp", "windowsize", "1120", "840")
        wait_for("the request", lambda: [e for e in rig.events("resize") if (e["w"], e["h"]) == (1120, 840)])
        rig.wait_equal("the desktop in the size asked for")

    def test_resize_initial(self):
        """The first viewer's size is asked of the desktop"""
        rig = self.rig(replay=("--react", "--follow"))
        rig.freerdp("/gfx", size="1024x768")
        wait_for("the request", lambda: [e for e in rig.events("resize") if (e["w"], e["h"]) == (1024, 768)])
        rig.wait_equal("the desktop in that size")

    def test_resize_bitmap(self):
        """A client without the graphics pipeline follows a resize by reactivation"""
        rig = self.rig()
        rig.freerdp("/network:modem", "/bpp:32")
        rig.wait_equal("the desktop")
        rig.command(op="resize", w=1000, h=700)
        rig.wait_equal("the smaller desktop")

    def test_rfb_resize(self):
        """TigerVNC's viewer follows a resize"""
        rig = self.rig()
        rig.tigervnc("-PreferredEncoding=ZRLE", "-AutoSelect=0")
        rig.wait_equal("the desktop")
        rig.command(op="resize", w=1000, h=700)
        wait_for("the new size", lambda: "width=1000" in rig.log())
        rig.wait_equal("the smaller desktop")

    def test_two_viewers(self):
        """Two viewers of either protocol at once; the desktop is told how many there are"""
        rig = self.rig()
        rig.tigervnc()
        wait_for("one viewer", lambda: rig.events("viewers")[-1]["count"] == 1)
        rig.wait_equal("the desktop on the first")
        rdp = rig.freerdp("/gfx")
        wait_for("two viewers", lambda: rig.events("viewers")[-1]["count"] == 2)
        rig.command(op="page", kind="text", seed=9)
        rig.wait_equal("the desktop on the second, in front")
        rdp.terminate()
        wait_for("one viewer", lambda: rig.events("viewers")[-1]["count"] == 1)
        rig.wait_equal("the desktop on the first again")

    def test_stalled_viewer(self):
        """A viewer that reads nothing, of either protocol, delays no other"""
        rig = self.rig()
        stalled = preface(rig.socket, "rfb", "stalled", 0)
        stalled.sendall(b"RFB 003.008\n\x01\x01" + b"\x03\x00" + b"\x00" * 4 + b"\x05\x00\x03\x20")
        rdp = rig.freerdp("/gfx")
        wait_for("both", lambda: rig.events("viewers")[-1]["count"] == 2)
        rdp_door = rig.door("rdp")
        rig.wait_equal("the first frame")
        os.kill(rdp.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, rdp.pid, signal.SIGCONT)
        for seed in range(3, 9):
            rig.command(op="page", kind="photo", seed=seed)
            time.sleep(0.05)
        start = time.monotonic()
        rig.tigervnc("-PreferredEncoding=ZRLE", "-AutoSelect=0")
        rig.wait_equal("the third viewer's picture", 15)
        self.assertLess(time.monotonic() - start, 15)  # writing to the first two takes 20
        self.assertEqual(rdp_door.n, 1)
        stalled.close()

    def test_display_killed(self):
        """pane-display may be killed: the desktop does not notice and viewers come back to the same screen"""
        rig = self.rig()
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop")
        rig.display.kill()
        rig.display.wait()
        os.unlink(rig.display_log)
        rig.start_display()
        rig.command(op="page", kind="text", seed=4)
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop again")

    def test_control_line(self):
        """The host agent hears at once when a viewer types, once a second while it goes on, and never while nobody does"""
        rig = self.rig()
        rig.tigervnc()
        rig.wait_equal("the desktop")
        line = preface(rig.socket, "control", "", 0)
        self.addCleanup(line.close)
        line.settimeout(10)
        lines = line.makefile(encoding="ascii")
        first = json.loads(lines.readline())
        self.assertEqual((first["event"], first["conn"]), ("input", "t1"))

        def quiet():  # what was said before it was quiet has been said a second later
            line.settimeout(2.5)
            try:
                said[0] += line.recv(4096).count(b"\n")
                return False
            except TimeoutError:
                return True
        said = [0]
        wait_for("silence", quiet)
        said[0] = 0
        line.settimeout(10)
        rig.xdo("mousemove", "400", "300", "click", "1")
        self.assertLess(json.loads(line.recv(4096).splitlines()[0])["ms"], 1000)
        begin = time.monotonic()
        rig.xdo("type", "--delay", "30", "a" * 60)
        wait_for("the text", lambda: typed(rig.keys()) == "a" * 60)
        took = time.monotonic() - begin
        wait_for("silence", quiet)
        self.assertLessEqual(said[0], took + 3)  # lines, of which there is one a second and one at either end

    def helper(self, rig, mode):
        """A helper's viewer as far as ServerInit: RFB without a client's good will."""
        s = preface(rig.socket, "rfb", "h" + mode, 0, mode=mode, user="anna")
        self.addCleanup(s.close)
        s.settimeout(30)
        exactly(s, 12)
        s.sendall(b"RFB 003.008\n")
        exactly(s, 2)
        s.sendall(b"\x01")
        exactly(s, 4)
        s.sendall(b"\x01")
        exactly(s, 20)
        exactly(s, struct.unpack(">I", exactly(s, 4))[0])
        return s

    def send_all_kinds(self, s):
        """A key, the pointer with a button, a clipboard; and waits until all of it was read."""
        s.sendall(struct.pack(">BBxxI", 4, 1, ord("x")) + struct.pack(">BBxxI", 4, 0, ord("x")) +
                  struct.pack(">BBHH", 5, 1, 40, 50) + struct.pack(">BBHH", 5, 0, 40, 50) +
                  struct.pack(">BxxxI", 6, 3) + b"abc" + struct.pack(">BBHHHH", 3, 0, 0, 0, 8, 8))
        exactly(s, 4)

    def test_helper(self):
        """Who only looks moves nothing whatever they send, who helps does; a banner names them until the user's Ctrl+F10 ends it"""
        rig = self.rig()
        rig.tigervnc()
        rig.wait_equal("the desktop")
        looks = self.helper(rig, "view")
        self.banner(rig)
        self.send_all_kinds(looks)
        self.assertEqual([rig.keys(), rig.events("button"), rig.events("clip-offer")], [[], [], []])
        helps = self.helper(rig, "control")
        self.send_all_kinds(helps)
        wait_for("the helper's key and click", lambda: (45, 0) in rig.keys() and len(rig.events("button")) == 2, 30)
        rig.xdo("mousemove", "400", "600", "click", "1")
        rig.xdo("keydown", "ctrl", "key", "F10", "keyup", "ctrl")
        for s in (looks, helps):
            self.read_to_end(s)
        rig.wait_equal("the desktop without a banner", 30)
        self.assertNotIn(68, [code for code, _ in rig.keys()])
        self.assertEqual(rig.events("viewers")[-1]["count"], 1)

    def test_question(self):
        """What asks is answered by the user's keys or a click on it, which do not reach the desktop; the agent is told, also later"""
        rig = self.rig()
        rig.tigervnc()
        rig.wait_equal("the desktop")
        rig.messages("May anna look?", ask=True)
        self.banner(rig)
        rig.xdo("mousemove", "400", "600", "click", "1")
        rig.xdo("keydown", "ctrl", "key", "F9", "keyup", "ctrl")
        lines = rig.agent().makefile(encoding="ascii")
        said = next(o for o in map(json.loads, lines) if o["event"] == "answer")
        self.assertEqual((said["id"], said["yes"]), ("May anna look?", True))
        rig.wait_equal("the desktop", 30)
        self.assertNotIn(67, [code for code, _ in rig.keys()])
        rig.messages("May bert look?", ask=True)
        self.banner(rig)
        clicks = len(rig.events("button"))

        def clicked():  # the first second's are the desktop's
            rig.xdo("mousemove", "640", "30", "click", "1")
            return "May bert look?\" yes=1" in rig.log()
        wait_for("a click that agrees", clicked, 30)
        self.assertEqual((len(rig.events("button")) - clicks) % 2, 0)

    def test_sandbox(self):
        """A display at work has no capability and a system call filter in every thread; its dialer ends with it"""
        rig = self.rig()
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop")
        pid = rig.display.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            dialer = int(f.read())
        for task in [f"{pid}/task/{t}" for t in os.listdir(f"/proc/{pid}/task")] + [str(dialer)]:
            with open(f"/proc/{task}/status", encoding="ascii") as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), task)
            self.assertTrue(task == str(dialer) or int(status["CapEff"], 16) == 0, task)
        rig.display.kill()
        rig.display.wait()
        wait_for("the end of the dialer", lambda: not os.path.exists(f"/proc/{dialer}"))

    def test_desktop_restarts(self):
        """A desktop that goes away and comes back is found again under live viewers"""
        rig = self.rig()
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop")
        rig.command(op="drop")
        rig.command(op="page", kind="text", seed=5)
        wait_for("the second connection", lambda: len(rig.events("connected")) == 2)
        rig.wait_equal("the new picture")
        self.assertEqual(rig.events("viewers")[-1]["count"], 1)

    def test_truncated_scanout(self):
        """A desktop that truncates its scanout under the display loses pixels, not the display"""
        rig = self.rig()
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop")
        rig.command(op="truncate")
        wait_for("the complaint", lambda: "surface.read" in rig.log())
        rig.command(op="restore")
        rig.wait_equal("the desktop again")
        self.assertIsNone(rig.display.poll())

    def read_to_end(self, s):
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass

    def test_garbage(self):
        """Garbage instead of a preface, or of a protocol, costs that connection only"""
        rig = self.rig()
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"PANE\0\1\xff\xff", b"PANE\0\1\0\2{}", b"\0" * 9000):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(rig.socket)
                s.sendall(data)
                self.read_to_end(s)
        for protocol in ("rdp", "rfb"):
            with preface(rig.socket, protocol, "junk", 1) as s:
                s.settimeout(8)
                s.sendall(os.urandom(4000))
                s.shutdown(socket.SHUT_WR)
                self.read_to_end(s)
        wait_for("no viewer left", lambda: rig.events("viewers")[-1]["count"] == 0)
        self.assertIsNone(rig.display.poll())
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop")

    def test_idle_exit(self):
        """With --idle-exit the display leaves when nobody watches"""
        rig = self.rig()
        rig.display.terminate()
        self.assertEqual(rig.display.wait(5), 0)
        os.unlink(rig.display_log)
        rig.start_display("--idle-exit", "1")
        self.assertEqual(rig.display.wait(5), 0)
        with self.assertRaises(ConnectionRefusedError):  # what is left of it is the next one's to replace
            socket.socket(socket.AF_UNIX).connect(rig.socket)
        os.unlink(rig.display_log)
        rig.start_display()
        rig.freerdp("/gfx")
        rig.wait_equal("the desktop by the next display")


if __name__ == "__main__":
    unittest.main(verbosity=2)
