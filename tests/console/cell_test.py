# SPDX-License-Identifier: GPL-3.0-or-later
"""The desktop in the page with a container of the golden image: clipboard both ways, the window's size, a cut."""
import base64
import os
import signal
import unittest

import cell
import whole
from consolestory import ConsoleStory

TIMEOUT = 400


class Cell(ConsoleStory):
    @classmethod
    def setUpClass(cls):
        cls.begin(whole.cell_site, cls.prepare)
        cls.web.login(user="alice", password=cls.employee)
        cls.web.press(name="Connect")
        cls.web.screen()
        cls.desktop = cls.site.wait_session("alice", "connected")
        cls.terminal(cls.desktop)

    @classmethod
    def prepare(cls):
        cls.site.pool("office")
        cls.employee = cls.site.user("alice", "office")
        cls.site.wait_ready()

    def test_picture(self):
        """pictures: a container's screen is seen small while somebody looks, beside its viewer, and changes with it"""
        name, known = self.desktop["name"], {}

        def another():
            items = self.site.admin.post("/pictures", {"desktops": [name], "known": known})["items"]
            return items and items[0].get("jpeg") and items[0]
        first = self.site.wait(another, 20, "a picture")
        self.assertTrue(base64.b64decode(first["jpeg"]).startswith(b"\xff\xd8\xff"))
        known[name] = first["etag"]
        self.typed("seq 50", self.desktop)
        self.site.wait(another, 20, "another picture")
        self.site.wait_session("alice", "connected")

    def test_resize(self):
        """viewer: the desktop takes the size of the window"""
        for size in ((900, 700), (390, 800), (1280, 860)):
            self.web.size(width=size[0], height=size[1])
            self.site.wait(lambda: self.web.canvas()[0] == size[0], 20, f"a desktop {size[0]} wide")

    def test_clipboard(self):
        """viewer: what is copied in the desktop is in the page's clipboard box; what is sent from there is pasted in the desktop"""
        # A terminal that copies by escape sequence (OSC 52) and pastes the clipboard by F5.
        word, web = whole.word(), self.web
        web.type(text="xterm -xrm 'XTerm*disallowedWindowOps:' -xrm 'XTerm*VT100.translations: #override "
                      "<Key>F5: insert-selection(CLIPBOARD)' -e sh -c 'printf \"\\033]52;c;$(printf \"copied "
                      f"{word}\" | base64)\\007\"; cat >pasted' &\n", delay=5)
        pid = self.site.process_of(self.desktop, "vmm")
        self.site.wait(lambda: "cat" in [cell.comm(p) for p in cell.tree(pid)], 20, "the second terminal")
        web.press(name="Clipboard")
        self.site.wait(lambda: web.value(label="Clipboard of the desktop") == f"copied {word}", 20, "the text in the page")
        self.clean("viewer-clipboard")
        web.fill(label="Clipboard of the desktop", text=f"pasted {word} Grüße\n")
        web.press(name="Send to the desktop")

        def pasted():
            if (cell.home_text(self.site, self.desktop, "pasted") or "").startswith(f"pasted {word} Grüße"):
                return True
            web.key(keys=["F5"])
            return False
        self.site.wait(pasted, 20, "the text in the desktop")
        web.key(keys=["Control+d"])

    def test_cut(self):
        """viewer: a cut is shown over the last picture, dimmed, and is mended by itself on the same desktop"""
        gateway = self.site.pid("gateway")
        self.site.set_plan(["postgres", "broker", "host"])
        os.kill(gateway, signal.SIGKILL)
        self.web.see(text="The connection was cut")
        self.assertEqual(self.web.count(selector=".pane-screen-behind canvas"), 1)
        self.web.shot(name="viewer-cut")
        self.site.set_plan(["postgres", "broker", "gateway", "host"])
        self.web.screen()
        self.typed("true", self.desktop)
        self.assertEqual(self.site.desktop_of("alice")["name"], self.desktop["name"])


if __name__ == "__main__":
    unittest.main()
