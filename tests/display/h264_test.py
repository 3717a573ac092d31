# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of Open H.264: what moves comes as video to viewers that take it, and what is quiet is exact."""
import hashlib
import os
import re
import statistics
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import browser

from tools import content, h264
from tools.display_rig import Rig, missing, wait_for
from tools.novnc_page import Server
from tools.rfb_view import COPY, CURSOR, H264, RAW, RESET_ALL, View

TIMEOUT = 200
FILM = (37, 29, 321, 181)  # odd in every respect
FRAMES = 8  # as many as content.level() tells apart


class Video(unittest.TestCase):
    def setUp(self):
        why = missing() or h264.missing()
        if why:
            self.skipTest(f"not installed: {why}")
        self.rig = Rig(size="480x270")
        self.addCleanup(self.rig.close)
        self.addCleanup(lambda: self.assertNotIn("sandbox.denied", self.rig.log()))

    def view(self, *encodings):
        v = View(self.rig, encodings)
        self.addCleanup(v.close)
        v.ask(incremental=False)
        v.update()
        return v

    def play(self):
        """A film without an end: stop() is its end."""
        x, y, w, h = FILM
        self.rig.command(op="prepare", what="video", x=x, y=y, w=w, h=h, frames=FRAMES)
        self.rig.command(op="animate", what="video", ms=40, count=100000)

    def stop(self):
        self.rig.command(op="animate", what="video", ms=1, count=1)
        self.rig.command(op="wait")

    def distance(self, view, film, place):
        """How far the viewer's picture is from the frame of the film that it shows: the middle of many samples, 0 to 255."""
        x, y, w, h = FILM
        grey = view.rows[y + 8][(x + 8) * 4]
        n = min(range(FRAMES), key=lambda i: abs(content.level(i) - grey))
        found = []
        for sy in range(max(20, place[1] - y), min(h, place[1] + place[3] - y), 7):
            for sx in range(max(0, place[0] - x), min(w, place[0] + place[2] - x), 7):
                b, g, r = film[n][sy][sx * 4:sx * 4 + 3]
                found.append(max(abs(a - b) for a, b in zip(h264.colour(view.rows[y + sy], x + sx), (r, g, b))))
        return statistics.median(found)

    def exact(self, view):
        """Until the viewer shows what the desktop shows, or its socket's time runs out."""
        self.stop()
        _, _, want = self.rig.picture()
        while view.picture() != want:
            view.ask()
            view.update()

    def test_video(self):
        """A film comes as H.264 in one rectangle that a decoder turns into about the film, its decoder is told to start anew, and at rest the picture is exact"""
        view = self.view(H264, RAW, COPY, CURSOR)
        film = content.film(3, FILM[2], FILM[3], FRAMES)
        self.play()
        distances, at = [], None
        while len(view.videos) < 25:
            view.ask()
            if H264 in view.update():
                place, flags, _ = view.videos[-1]
                self.assertEqual((place[2] % 2, place[3] % 2), (0, 0))
                self.assertGreater(place[2] * place[3], FILM[2] * FILM[3] // 2)
                self.assertEqual(flags, RESET_ALL if place != at else 0)
                at = place
                distances.append(self.distance(view, film, place))
        self.assertLess(statistics.median(distances), 5.5)  # BT.709's weights would make it 7
        self.assertLess(statistics.mean(v[2] for v in view.videos), FILM[2] * FILM[3] // 10)
        self.assertLess(len({v[0] for v in view.videos}), 5)
        self.exact(view)

    def test_not_offered(self):
        """A viewer that does not list the encoding, or has the pointer painted for it, gets none, and an exact picture"""
        for encodings in ((RAW, COPY, CURSOR), (H264, RAW, COPY)):
            view = self.view(*encodings)
            self.play()
            for _ in range(10):
                view.ask()
                view.update()
            self.exact(view)
            self.assertEqual(view.videos, [])

    def test_part(self):
        """A viewer that asks for a part of the picture only is not sent the film beyond it"""
        view = self.view(H264, RAW, COPY, CURSOR)
        self.play()
        for _ in range(10):
            view.ask(area=(0, 0, 200, 200))
            view.update()
        self.assertEqual(view.videos, [])
        self.exact(view)

    def test_browser(self):
        """The console's viewer in Chromium draws the film's H.264 pictures, and at rest shows exactly the desktop"""
        if browser.missing():
            self.skipTest(browser.missing())
        page = Server(self.rig.socket)
        self.addCleanup(page.close)
        web = browser.Browser(page.url)
        self.addCleanup(web.close)
        web.open(at="")
        wait_for("the viewer's picture", lambda: web.canvas() == [480, 270], 60)
        if "decodes no H.264" in web.text():
            self.skipTest("this browser decodes no H.264")
        self.play()
        wait_for("pictures drawn", lambda: int(re.search(r"drawn: (\d+)", web.text())[1]) > 5, 60)
        self.stop()
        want = hashlib.sha256(self.rig.picture()[2]).hexdigest()
        wait_for("the desktop's picture", lambda: web.pixels() == want, 60)
        self.assertEqual(web.complaints(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
