# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console's stories begin and end with: a site, an administrator "root", a browser that must not complain."""
import unittest

import cell
import whole
from browser import TOP, Browser, missing

SHOTS = f"{TOP}/build/console/shots"


class ConsoleStory(unittest.TestCase):
    @classmethod
    def begin(cls, make_site, prepare=lambda: None):
        """Starts what make_site() gives, then the browser once prepare() is over. Skips where there is no browser."""
        why = missing()
        if why:
            raise unittest.SkipTest(why)
        cls.site = make_site()
        cls.site.up()
        cls.password = cls.site.admin.post("/users", {"name": "root", "role": "admin"})["password"]
        prepare()
        cls.web = cls.browser()

    @classmethod
    def browser(cls):
        return Browser(f"https://127.0.0.1:{cls.site.ports['https']}", SHOTS)

    @classmethod
    def tearDownClass(cls):
        cls.web.close()
        cls.site.down()

    def tearDown(self):
        self.assertEqual(self.web.complaints(), [], "the browser complains")

    # ---- the terminal of a container desktop ---------------------------------------------------------
    @classmethod
    def terminal(cls, desktop):
        """Waits until a terminal is in the desktop, and takes what is typed in the page."""
        pid = cls.site.process_of(desktop, "vmm")
        cls.site.wait(lambda: "bash" in [cell.comm(p) for p in cell.tree(pid)], 20, "the desktop's terminal")
        cls.typed("true", desktop)

    @classmethod
    def typed(cls, command, desktop):
        """Types a command into the desktop's terminal, in the page, until it has run: keys may come before the terminal listens."""
        word = whole.word()

        def ran():
            if cell.home_text(cls.site, desktop, "done") == word:
                return True
            cls.web.type(text=f"{command}; echo {word} >done\n", delay=20)
            return False
        cls.site.wait(ran, 30, command)

    def clean(self, name, at=None, web=None):
        """Axe finds nothing on that screen; its picture is kept."""
        self.assertEqual((web or self.web).look(name=name, **({"at": at} if at else {})), [])
