# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console's stories begin and end with: a site, an administrator "root", a browser that must not complain."""
import unittest

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

    def clean(self, name, at=None, web=None):
        """Axe finds nothing on that screen; its picture is kept."""
        self.assertEqual((web or self.web).look(name=name, **({"at": at} if at else {})), [])
