# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMM alone on a hardware-like KVM: the test card's story, and the golden Debian image unmodified. Where
this machine's KVM is not hardware, both run inside the lab host."""
import json
import os
import subprocess
import sys
import unittest

import vm

TIMEOUT = 900


def run(path):
    """A story file on hardware-like KVM, here or in a lab of its own: exit status and output."""
    kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
    words = [sys.executable, os.path.join(vm.SOURCE, "tests/lib/tap.py"), os.path.join(vm.SOURCE, path)]
    env = {"PYTHONPATH": os.path.join(vm.SOURCE, "tests/lib"), "PYTHONDONTWRITEBYTECODE": "1", "PANE_BUILD": os.path.abspath(vm.BUILD)}
    if kind != "hardware":
        words = [os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--data-mib", "0", "env",
                 *[f"{k}={v}" for k, v in env.items()], *words]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **env), check=False)
    print("\n".join("# " + line for line in done.stdout.splitlines()))
    return done


class Lab(unittest.TestCase):
    def test_card(self):
        """the test card's whole story passes on hardware-like KVM"""
        done = run("tests/vmm/machine_test.py")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("not ok", done.stdout)
        self.assertNotIn("SKIP", done.stdout)

    def test_debian(self):
        """stock Debian on two processors: desktop, typing, network, panic, reboot"""
        done = run("tests/lab/debian_guest.py")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("SKIP", done.stdout)
