# SPDX-License-Identifier: GPL-3.0-or-later
"""What people who do not write US-ASCII type into their viewers, and what a container desktop makes of it."""
import os
import subprocess
import sys
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cell  # noqa: E402

from tools import desktop_rig  # noqa: E402
from tools.display_rig import wait_for  # noqa: E402

TIMEOUT = 400
TEXT = "Grüße, façade: 5 € ŻŁ αΩ яЖ ñ¿ 😀"


@unittest.skipIf(cell.why_not(), cell.why_not())
class Characters(unittest.TestCase):
    def setUp(self):
        self.machine, self.rig = desktop_rig.start(self)

    def shown(self, viewers=1):
        """Until that many viewers came and the last one's window shows something."""
        wait_for("the viewer", lambda: self.rig.log().count("viewer.start") == viewers)
        wait_for("its picture", lambda: any(self.rig.shot(1280, 800)))
        self.rig.xdo("mousemove", "400", "300", "click", "1")

    def listen(self):
        """A terminal that writes what is typed into a file."""
        self.rig.xdo("type", "--delay", "30",
                     "LANG=C.UTF-8 exec xterm -u8 -geometry 80x24+0+0 -e sh -c 'touch up; cat >typed'")
        self.rig.xdo("key", "Return")
        wait_for("the terminal", lambda: os.path.exists(self.machine.home_file("up")))

        def has_focus():
            self.rig.xdo("key", "Return")
            return self.typed()
        wait_for("the focus", has_focus)

    def typed(self, lines=False):
        with open(self.machine.home_file("typed"), encoding="utf-8") as f:
            return f.read().lstrip("\n") if lines else f.read()

    def write(self, text):
        self.rig.xdo("type", "--delay", "80", text)
        self.rig.xdo("key", "Return")
        wait_for("the line", lambda: "\n" in self.typed(True))
        self.assertEqual(self.typed(True), text + "\n")

    def test_rdp(self):
        """Characters of a German keyboard, which xfreerdp sends as Unicode, arrive as they are"""
        subprocess.run(["setxkbmap", "-layout", "de"], env=self.rig.env, check=True)
        self.rig.env["LC_ALL"] = "C.UTF-8"
        self.rig.freerdp("/gfx", "/kbd:unicode:on")
        self.shown()
        self.listen()
        self.write("Größe: 5 € für 3 m² Äpfel @ {zum Test} µ")

    def test_rfb(self):
        """The same typed into TigerVNC's viewer"""
        self.rig.tigervnc()
        self.shown()
        self.listen()
        self.write(TEXT)

    def test_layout(self):
        """The desktop's keyboard becomes that of the RDP client, and a VNC viewer still types what it means"""
        client = self.rig.freerdp("/gfx")
        self.shown()
        self.listen()
        client.terminate()
        client.wait()
        client = self.rig.freerdp("/gfx", "/kbd:layout:0x00000407")
        self.shown(2)
        # Keys, named by what they are on the viewer's US keyboard.
        self.rig.xdo("type", "--delay", "50", "yz;[-@")
        self.rig.xdo("key", "Return")
        wait_for("the line", lambda: self.typed(True) == 'zyöüß"\n')
        client.terminate()
        client.wait()
        self.rig.tigervnc()
        self.shown(3)
        self.rig.xdo("type", "--delay", "50", "yz;[-@")
        self.rig.xdo("key", "Return")
        wait_for("the second line", lambda: self.typed(True) == 'zyöüß"\nyz;[-@\n')


if __name__ == "__main__":
    unittest.main(verbosity=2)
