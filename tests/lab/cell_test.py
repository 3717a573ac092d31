# SPDX-License-Identifier: GPL-3.0-or-later
"""Container desktops on a host whose control groups are version 2, and started by an ordinary user, in the lab host."""
import os
import subprocess
import sys
import unittest

import cell
import vm

TIMEOUT = 600


@unittest.skipUnless(cell.image(), "no golden image with Xvfb: build one (make demo), or set PANE_CELL_IMAGE")
class Lab(unittest.TestCase):
    def test_version_2(self):
        """on stock Debian with cgroup v2 every limit binds: processors, processes, memory, I/O; an out-of-memory kill stays inside; virtual machines have equal shares"""
        env = {"PYTHONPATH": os.pathsep.join(os.path.join(vm.SOURCE, "tests", d) for d in ("lib", "vmm/host")), "PYTHONDONTWRITEBYTECODE": "1",
               "PANE_BUILD": os.path.abspath(vm.BUILD), "PANE_CELL_IMAGE": os.path.abspath(cell.image())}
        done = subprocess.run( # one processor of two: with one alone nothing would be seen of the ceiling
            [os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--cpus", "2", "--data-mib", "2048", "--memory", "2560", "--timeout", "300", "env", *[f"{k}={v}" for k, v in env.items()],
             sys.executable, os.path.join(vm.SOURCE, "tests/lib/tap.py"), os.path.join(vm.SOURCE, "tests/lab/cell_guest.py")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        print("\n".join("# " + line for line in done.stdout.splitlines()))
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("not ok", done.stdout)
        self.assertNotIn("SKIP", done.stdout)
