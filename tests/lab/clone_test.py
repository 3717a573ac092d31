# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of the golden Debian image on a hardware-like KVM: here where this machine has one, else in a lab host."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import vmm_test

TIMEOUT = 1800


@unittest.skipUnless(os.environ.get("PANE_GUESTS") == "all", "boots Debian once more, minutes in the emulator: PANE_GUESTS=all")
class Lab(unittest.TestCase):
    def test_clones(self):
        """two clones of a parked Debian desktop: each somebody of its own, in a fraction of its boot's time and memory"""
        status, output = vmm_test.run("tests/lab/debian_clone.py")
        self.assertEqual(status, 0)
        self.assertNotIn("SKIP", output)
