# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of pane-display, looked at by FFmpeg: a replayer's desktop, the agent's line, a file."""
import array
import json
import os
import socket
import unittest

from tools.display_rig import Rig, missing, wait_for
from tools.matroska import last_frame, missing as no_player, probe, psnr, times

WIDTH, HEIGHT = 640, 400


class Record(unittest.TestCase):
    def setUp(self):
        lacks = missing() + no_player()
        if lacks:
            self.skipTest(f"not here: {' '.join(lacks)}")

    def rig(self, size=f"{WIDTH}x{HEIGHT}"):
        rig = Rig(size=size)
        self.addCleanup(rig.close)
        return rig

    def record(self, rig, name, max_bytes=1 << 30):
        """Begins a recording and returns its file."""
        path = f"{rig.dir}/{name}.mkv"
        with open(path, "wb") as f:
            line = json.dumps({"op": "record", "id": name, "max_bytes": max_bytes, "title": "rig, alice"}).encode() + b"\n"
            rig.agent().sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno()]))])
        return path

    def ended(self, rig, name):
        """What the display says of the recording's end."""
        agent = rig.agent()
        agent.settimeout(60)
        buf = getattr(self, "buf", b"")
        while True:
            while b"\n" not in buf:
                part = agent.recv(4096)
                self.assertTrue(part, "the display hung up: " + rig.log())
                buf += part
            line, _, buf = buf.partition(b"\n")
            self.buf = buf
            event = json.loads(line)
            if event["event"] == "record" and event["id"] == name:
                return event

    def stop(self, rig, name):
        rig.agent().sendall(b'{"op":"record","id":""}\n')
        return self.ended(rig, name)

    def like(self, path, want, least):
        """Whether the file, as far as it is written, ends with that picture."""
        frame = last_frame(path, WIDTH, HEIGHT) if os.path.getsize(path) else None
        return frame and psnr(frame, want) > least

    def test_picture(self):
        """A recording can be decoded while it is written, shows the screen (PSNR over 32 dB), has no frame without a change and an index"""
        rig = self.rig()
        rig.command(op="page", kind="text", seed=1)
        path = self.record(rig, "one")
        for kind, seed, least in (("text", 2, 32), ("picture", 3, 32), ("solid", 4, 40)):
            rig.command(op="page", kind=kind, seed=seed)
            want = rig.picture()[2]
            wait_for(f"the {kind} page in the file", lambda: self.like(path, want, least), 60)
        rig.command(op="page", kind="text", seed=9)
        want = rig.picture()[2]
        wait_for("the last page in the file", lambda: self.like(path, want, 32), 60)
        cut = path + ".cut"
        with open(path, "rb") as f, open(cut, "wb") as to:
            to.write(f.read()[:-7])
        self.assertTrue(last_frame(cut, WIDTH, HEIGHT))
        end = self.stop(rig, "one")
        self.assertEqual((end["why"], end["failed"], end["bytes"]), ("stopped", False, os.path.getsize(path)))
        self.assertTrue(self.like(path, want, 32))
        o = probe(path)
        self.assertEqual((o["format"]["format_name"], o["format"]["tags"]["title"]), ("matroska,webm", "rig, alice"))
        s = o["streams"][0]
        self.assertEqual((s["codec_name"], s["width"], s["height"], s["color_range"], s["color_space"]),
                         ("h264", WIDTH, HEIGHT, "pc", "bt709"))
        at, keys = times(path)
        self.assertEqual(keys[0], 0)
        self.assertLessEqual(len(at), 12)  # five pages, each perhaps seen in two parts, and the end
        self.assertAlmostEqual(float(o["format"]["duration"]), at[-1], delta=0.002)

    def test_size(self):
        """A screen of another size ends a recording; one of its greatest size ends; odd sizes are shown as they are"""
        rig = self.rig()
        one = self.record(rig, "one")
        wait_for("the first frame", lambda: os.path.getsize(one) > 2000, 60)
        rig.command(op="resize", w=501, h=301)
        self.assertEqual(self.ended(rig, "one")["why"], "resized")
        two = self.record(rig, "two", max_bytes=20000)
        rig.command(op="animate", ms=100, count=600, what="video")
        self.assertEqual(self.ended(rig, "two")["why"], "full")
        self.assertLess(os.path.getsize(two), 600000)
        s = probe(two)["streams"][0]
        self.assertIn((s["width"], s["height"]), ((501, 301), (502, 302)))  # FFmpeg before 7 does not crop
        self.assertTrue(probe(one)["streams"])

    def test_viewers(self):
        """Who is recorded reads it on the screen; the pointer is in the recording, which ends with the last viewer"""
        rig = self.rig()
        rig.command(op="page", kind="solid", seed=1)
        rig.command(op="cursor", w=32, h=32, colour="ff00ff00")
        path = self.record(rig, "one")
        bare = rig.picture()[2]
        top = WIDTH * 3 * 60
        wait_for("the bare screen", lambda: self.like(path, bare, 40), 60)
        viewer = rig.freerdp("/gfx", size=f"{WIDTH}x{HEIGHT}")

        def banner():
            frame = last_frame(path, WIDTH, HEIGHT)
            return psnr(frame[:top], bare[:top]) < 25
        wait_for("the message, recorded as it is shown", banner, 60)

        def pointer():
            rig.xdo("mousemove", "300", "300")
            rig.xdo("mousemove", "320", "320")
            frame = last_frame(path, WIDTH, HEIGHT)
            at = (325 * WIDTH + 325) * 3
            return frame and frame[at + 1] > 200 and frame[at] < 80
        wait_for("the pointer", pointer, 60)
        viewer.terminate()
        self.assertEqual(self.ended(rig, "one")["why"], "stopped")

    def test_full_disk(self):
        """A descriptor that cannot be written ends the recording with its reason, and nothing else"""
        rig = self.rig()
        with open("/dev/full", "wb") as f:
            rig.agent().sendmsg([b'{"op":"record","id":"full"}\n'],
                                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno()]))])
        end = self.ended(rig, "full")
        self.assertEqual((end["failed"], end["why"]), (True, "No space left on device"))
        path = self.record(rig, "next")
        wait_for("the next one", lambda: os.path.getsize(path) > 2000, 60)
        self.assertIsNone(rig.display.poll())


if __name__ == "__main__":
    unittest.main()
