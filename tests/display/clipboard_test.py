# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of the clipboard between a desktop and real viewers: text either way, only when somebody
pastes, and only the ways that are allowed."""
import os
import shutil
import unittest

from tools.display_rig import Rig, missing, wait_for

TIMEOUT = 300
TEXT = "Grüße, Ωmega → 日本語 🙂\nsecond line\n\ttabbed"
LATIN = "Grüße\nsecond line"


class Clipboard(unittest.TestCase):
    def setUp(self):
        gone = missing() + [p for p in ("xclip",) if not shutil.which(p)]
        if gone:
            self.skipTest("not installed: " + ", ".join(gone))

    def rig(self, *display):
        rig = Rig(display=display)
        self.addCleanup(rig.close)
        return rig

    def copied_in_viewer(self, rig, text):
        """The viewer's side copies; waits until the desktop knows and answers with what it pastes."""
        before = len(rig.events("clip-offer"))
        rig.x_copy(text)
        wait_for("the offer", lambda: len(rig.events("clip-offer")) > before)
        self.assertFalse(rig.events("clip-data"))  # nothing moves before the desktop pastes
        rig.command(op="paste")
        wait_for("the text", lambda: rig.events("clip-data"))
        return rig.events("clip-data")[-1]["text"]

    def test_rdp_out(self):
        """Text copied on the desktop is pasted on xfreerdp's side, short or long"""
        rig = self.rig()
        rig.freerdp("/gfx", "+clipboard")
        rig.wait_equal("the desktop")
        rig.command(op="copy", text=TEXT)
        wait_for("the text on the viewer's side", lambda: rig.x_paste() == TEXT)
        rig.command(op="copy", text="another " * 20000)
        wait_for("a long one", lambda: rig.x_paste() == "another " * 20000)

    def test_rdp_in(self):
        """Text copied on xfreerdp's side is pasted on the desktop"""
        rig = self.rig()
        rig.freerdp("/gfx", "+clipboard")
        rig.wait_equal("the desktop")
        self.assertEqual(self.copied_in_viewer(rig, TEXT), TEXT)

    def test_rfb_out(self):
        """Text copied on the desktop is pasted on the side of TigerVNC's viewer"""
        rig = self.rig()
        rig.tigervnc()
        rig.wait_equal("the desktop")
        rig.xdo("mousemove", "400", "300", "click", "1")
        rig.command(op="copy", text=TEXT)
        wait_for("the text on the viewer's side", lambda: rig.x_paste() == TEXT)

    def test_rfb_in(self):
        """Text copied on the side of TigerVNC's viewer is pasted on the desktop"""
        rig = self.rig()
        rig.tigervnc()
        rig.wait_equal("the desktop")
        rig.xdo("mousemove", "400", "300", "click", "1")
        wait_for("a click", lambda: rig.events("button"))
        self.assertEqual(self.copied_in_viewer(rig, LATIN), LATIN)

    def test_one_way(self):
        """With --clipboard out the desktop hears nothing of what the viewer copies"""
        rig = self.rig("--clipboard", "out")
        rig.freerdp("/gfx", "+clipboard")
        rig.wait_equal("the desktop")
        wait_for("the policy", lambda: rig.events("clip-policy"))
        self.assertEqual(rig.events("clip-policy")[-1]["words"], [1])
        rig.x_copy("secret")
        wait_for("the copy", lambda: rig.x_paste() == "secret")
        rig.command(op="copy", text="open")
        wait_for("the text on the viewer's side", lambda: rig.x_paste() == "open")
        self.assertFalse(rig.events("clip-offer"))

    def test_owner_leaves(self):
        """What a viewer that left had copied cannot be pasted any more"""
        rig = self.rig()
        client = rig.freerdp("/gfx", "+clipboard")
        rig.wait_equal("the desktop")
        rig.x_copy("gone soon")
        wait_for("the offer", lambda: [e for e in rig.events("clip-offer") if e["words"][1]])
        client.terminate()
        wait_for("that it is gone", lambda: rig.events("clip-offer")[-1]["words"][1] == 0)
        rig.command(op="paste")
        wait_for("the answer", lambda: rig.events("clip-data"))
        self.assertNotEqual(rig.events("clip-data")[-1]["words"][2], 0)
        self.assertTrue(os.path.exists(rig.socket))


if __name__ == "__main__":
    unittest.main(verbosity=2)
