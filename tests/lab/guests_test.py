# SPDX-License-Identifier: GPL-3.0-or-later
"""Unmodified guests through firmware on a hardware-like KVM: here where this machine has one, else in the lab."""
import json
import os
import subprocess
import sys
import unittest

import vm

TIMEOUT = 3600 if os.environ.get("PANE_GUESTS") == "all" else 900
NEEDED = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/lib/memtest86+/memtest86+x64.iso")


class Guests(unittest.TestCase):
    def test_rows(self):
        """memtest86+ under SeaBIOS; with PANE_GUESTS=all the whole matrix"""
        missing = [path for path in NEEDED if not os.path.exists(path)]
        if missing:
            self.skipTest(f"{missing[0]} is missing: run 'make deps'")
        kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
        env = {"PYTHONPATH": os.path.join(vm.SOURCE, "tests/lib"), "PYTHONDONTWRITEBYTECODE": "1",
               "PANE_BUILD": os.path.abspath(vm.BUILD)}
        env.update({k: os.environ[k] for k in ("PANE_GUESTS", "PANE_CLOUD_DISK") if k in os.environ})
        words = [sys.executable, os.path.join(vm.SOURCE, "tests/lib/tap.py"), os.path.join(vm.SOURCE, "tests/lab/guests/rows.py")]
        if kind != "hardware":
            env["PANE_SLOW_TIMER"] = "1"
            words = [os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--data-mib", "0", "env",
                     *[f"{k}={v}" for k, v in env.items()], *words]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, **env), check=False)
        print("\n".join("# " + line for line in done.stdout.splitlines()))
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("not ok", done.stdout)
