# SPDX-License-Identifier: GPL-3.0-or-later
"""Unmodified guests on a hardware-like KVM: here where this machine has one, else in the lab."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import vm

WANTED = os.environ.get("PANE_GUESTS", "")
TIMEOUT = 7200 if WANTED else 900
NEEDED = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/lib/memtest86+/memtest86+x64.iso")
GUESTS = os.path.join(vm.SOURCE, "tests/lab/guests")
KEPT = os.path.join(vm.SOURCE, "build/guests")
SHOTS = f"{KEPT}/lab/share"
COMPARED = ("installer", "installer32", "gtk", "rescue", "floppy", "cloud_bios")
# Row: its package, which nothing else needs; a pattern where the package only names another one.
PACKAGES = {"cloud_kernel": ("cloud", "linux-image-cloud-amd64", "linux-image-"),
            "backports": ("backports", "linux-image-cloud-amd64/{suite}-backports", "linux-image-"),
            "installer32": ("i386", "debian-installer-12-netboot-i386", None)}


def wanted(name):
    return WANTED == "all" or name in WANTED.split(",")


def suite():
    with open("/etc/os-release", encoding="utf-8") as file:
        return next(line.split("=")[1].strip() for line in file if line.startswith("VERSION_CODENAME="))


def fetch(name, package, leads_to):
    """Unpacks a package from this machine's mirror below build/guests, once."""
    folder = os.path.join(KEPT, name)
    if os.path.isdir(folder):
        return
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o777)  # apt may fetch as somebody else

        def download(what):
            subprocess.run(["apt-get", "-q", "download", what], cwd=work, check=True, capture_output=True)
            return glob.glob(f"{work}/*.deb")[0]
        file = download(package.format(suite=suite()))
        if leads_to:
            needs = subprocess.check_output(["dpkg-deb", "-f", file, "Depends"], text=True)
            os.unlink(file)
            file = download(re.sub(r" \(= (.*?)\)", r"=\1", next(d for d in needs.strip().split(", ") if d.startswith(leads_to))))
        subprocess.run(["dpkg-deb", "-x", file, f"{work}/tree"], check=True)
        os.makedirs(KEPT, exist_ok=True)
        subprocess.run(["cp", "-a", f"{work}/tree", folder], check=True)


class Guests(unittest.TestCase):
    def prepare(self, env):
        """What the rows need from outside the lab: packages, and QEMU's screens."""
        for row, package in PACKAGES.items():
            try:
                if wanted(row):
                    fetch(*package)
            except (subprocess.CalledProcessError, IndexError) as problem:
                print(f"# {row}: {problem} {getattr(problem, 'stderr', None) or ''}")
        if any(wanted(row) for row in COMPARED) and "PANE_REFERENCE" not in env:
            folder = tempfile.TemporaryDirectory(prefix="pane-reference-")
            self.addCleanup(folder.cleanup)
            env["PANE_REFERENCE"] = folder.name
            subprocess.run([sys.executable, f"{GUESTS}/reference.py", folder.name, *filter(wanted, COMPARED)],
                           env=dict(os.environ, **env), check=True)

    def test_rows(self):
        """kernels directly and memtest86+ under SeaBIOS; with PANE_GUESTS=all the whole matrix"""
        missing = [path for path in NEEDED if not os.path.exists(path)]
        if missing:
            self.skipTest(f"{missing[0]} is missing: run 'make deps'")
        kind = json.loads(subprocess.check_output([vm.PROGRAM, "--probe"]))["kvm"]
        env = {"PYTHONPATH": os.path.join(vm.SOURCE, "tests/lib"), "PYTHONDONTWRITEBYTECODE": "1",
               "PANE_BUILD": os.path.abspath(vm.BUILD), "PANE_KERNELS": KEPT}
        env.update({k: os.environ[k] for k in ("PANE_GUESTS", "PANE_CLOUD_DISK", "PANE_REFERENCE") if k in os.environ})
        self.prepare(env)
        env["PANE_SHOTS"] = SHOTS
        os.makedirs(SHOTS, exist_ok=True)
        words = [sys.executable, os.path.join(vm.SOURCE, "tests/lib/tap.py"), f"{GUESTS}/rows.py"]
        if kind != "hardware":
            env.update(PANE_SLOW_TIMER="250000", PANE_SHOTS="/lab/share")
            words = [os.path.join(vm.SOURCE, "deploy/lab/lab"), "run", "--dir", f"{KEPT}/lab", "--data-mib", "0",
                     "--memory", "8192" if wanted("big") or wanted("most") else "4096", "env", *[f"{k}={v}" for k, v in env.items()], *words]
        lines = []
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, **env)) as rows:
            for line in rows.stdout:
                lines.append(line)
                print("# " + line.rstrip(), flush=True)
        self.assertEqual(rows.returncode, 0)
        self.assertFalse([line for line in lines if line.startswith("not ok")])
