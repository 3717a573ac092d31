# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-thin under Xvfb with a fake API and FreeRDP's shadow server: runs story.sh, a test a story."""
import os
import subprocess
import unittest

TIMEOUT = 600
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", os.path.join(HERE, "../../../build/release"))


class Stories(unittest.TestCase):
    def story(self, name):
        r = subprocess.run([HERE + "/story.sh", BUILD + "/bin/pane-thin", name], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=200, check=False)
        if r.returncode == 77:
            self.skipTest(r.stdout.strip())
        self.assertEqual(r.returncode, 0, r.stdout)

    def test_screenshot(self):
        """--screenshot writes what the desktop shows and exits 0"""
        self.story("screenshot")

    def test_screenshot_failures(self):
        """--screenshot exits 1 with cause and id: password, pool, capacity, network, time"""
        self.story("screenshot_failures")

    def test_untrusted(self):
        """a server of another CA gets no password and no session, on either port"""
        self.story("untrusted_is_refused")

    def test_first_use(self):
        """without a CA the fingerprint is asked once, and another certificate is refused later"""
        self.story("first_use")

    def test_session(self):
        """wrong password shows its cause; login, list, session, typing, menu, disconnect"""
        self.story("login_list_session")

    def test_second_factor(self):
        """the code's field comes when the server asks for a code: a wrong one is refused, the right one lets in, neither is logged"""
        self.story("second_factor")

    def test_cancel(self):
        """cancel while the desktop starts leads back to the list and asks no more tickets"""
        self.story("cancel")

    def test_reconnect(self):
        """the RDP server killed and started again: back without a new login, input works"""
        self.story("reconnect")
