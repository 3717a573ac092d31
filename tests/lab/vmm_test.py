# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMM alone on a hardware-like KVM: the test card's story, and the golden Debian image unmodified. Where
this machine's KVM is not hardware, both run inside the lab host."""
import json
import os
import subprocess
import sys
import unittest

import vm

TIMEOUT = 1800


def run(path):
    """A story file on hardware-like KVM, here or in a lab of its own: exit status and output."""
    kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
    words = [sys.executable, os.path.join(vm.SOURCE, "tests/lib/tap.py"), os.path.join(vm.SOURCE, path)]
    env = {"PYTHONPATH": os.path.join(vm.SOURCE, "tests/lib"), "PYTHONDONTWRITEBYTECODE": "1", "PANE_BUILD": os.path.abspath(vm.BUILD),
           "PANE_GUESTS": os.environ.get("PANE_GUESTS", "")}
    if kind != "hardware":
        words = [os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--data-mib", "0", "env",
                 *[f"{k}={v}" for k, v in env.items()], *words]
    lines = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **env)) as story:
        for line in story.stdout: # as they come, so that the log of a story without end says where it stood
            print("# " + line, end="", flush=True)
            lines.append(line)
    return story.returncode, "".join(lines)


class Lab(unittest.TestCase):
    def test_card(self):
        """the test card's whole story passes on hardware-like KVM"""
        status, output = run("tests/vmm/machine_test.py")
        self.assertEqual(status, 0)
        self.assertNotIn("not ok", output)
        self.assertNotIn("SKIP", output)

    def test_tap(self):
        """desktops on a tap device, with one pair of queues and with two, on hardware-like KVM"""
        status, output = run("tests/vmm/tap_test.py")
        self.assertEqual(status, 0)
        self.assertNotIn("not ok", output)
        self.assertNotIn("SKIP", output)

    def test_huge(self):
        """a machine of 64 GiB in a host of four: its map, its last word, its snapshot and a clone"""
        status, output = run("tests/vmm/huge_test.py")
        self.assertEqual(status, 0)
        self.assertNotIn("not ok", output)
        self.assertNotIn("SKIP", output)

    def test_debian(self):
        """stock Debian on two processors: desktop, typing, network, panic, reboot"""
        status, output = run("tests/lab/debian_guest.py")
        self.assertEqual(status, 0)
        self.assertNotIn("SKIP", output)
