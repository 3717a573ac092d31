# SPDX-License-Identifier: GPL-3.0-or-later
"""A first boot by the real cloud-init of a stock cloud image, as it runs at boot but without a machine around it: its
root under an overlay in a sandbox, the seed `pane-image seed` writes, an apt repository of the story's own on loopback."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest

import cloudimage
import rig

TIMEOUT = 1200
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
STAGES = """python3 -m http.server --directory /srv/mirror --bind 127.0.0.1 8080 >/dev/null 2>&1 &
cloud-init init --local; cloud-init init; cloud-init modules --mode=config; cloud-init modules --mode=final
"""


def repository(folder):
    """An apt repository of one package, whose program says a sentence."""
    root = f"{folder}/root"
    os.makedirs(f"{root}/DEBIAN")
    os.makedirs(f"{root}/usr/bin")
    control = ("Package: pane-story\nVersion: 1.0\nArchitecture: all\nMaintainer: Pane <pane@example.org>\n"
               "Description: a sentence\n")
    rig.write(f"{root}/DEBIAN/control", control)
    os.chmod(rig.write(f"{root}/usr/bin/pane-story", "#!/bin/sh\necho it is here\n"), 0o755)
    deb = f"{folder}/pane-story.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-b", root, deb], check=True, capture_output=True)
    data = rig.read(deb)
    rig.write(f"{folder}/Packages", f"{control}Filename: ./pane-story.deb\nSize: {len(data)}\n"
              f"SHA256: {hashlib.sha256(data).hexdigest()}\n")


class Packages(unittest.TestCase):
    def setUp(self):
        if os.geteuid():
            self.skipTest("mounting the cloud image needs root")
        cache = os.environ.get("PANE_CLOUD", f"{TOP}/build/cloud-image")
        os.makedirs(cache, exist_ok=True)
        try:
            disk, _ = cloudimage.make(cache)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"no cloud image could be built here: {error}")
        self.dir = tempfile.mkdtemp(prefix="pane-first-")
        self.addCleanup(shutil.rmtree, self.dir)
        for name in ("lower", "upper", "root"):
            os.mkdir(f"{self.dir}/{name}")
        self.mount("lower", "-o", f"ro,loop,noload,offset={262144 * 512}", disk)
        self.mount("upper", "-t", "tmpfs", "tmpfs")
        for name in ("changes", "work"):
            os.mkdir(f"{self.dir}/upper/{name}")
        self.root = self.mount("root", "-t", "overlay", "-o", f"lowerdir={self.dir}/lower,upperdir={self.dir}/upper/changes,"
                               f"workdir={self.dir}/upper/work", "overlay")
        os.makedirs(f"{self.root}/srv/mirror")
        repository(f"{self.root}/srv/mirror")
        # As an administrator would have it in the image: its apt knows the site's mirror, and cloud-init leaves it that.
        rig.write(f"{self.root}/etc/apt/sources.list", "deb [trusted=yes] http://127.0.0.1:8080/ ./\n")
        rig.write(f"{self.root}/etc/cloud/cloud.cfg.d/99-mirror.cfg", "apt:\n  preserve_sources_list: true\n")

    def mount(self, name, *what):
        path = f"{self.dir}/{name}"
        subprocess.run(["mount", *what, path], check=True)
        self.addCleanup(subprocess.run, ["umount", path], check=True)
        return path

    def boot(self, packages):
        """What the first boot with these packages printed on the serial console, and what the script left."""
        script = rig.write(f"{self.dir}/first", "#!/bin/sh\npane-story >/var/told 2>&1\n")
        result = rig.run("seed", f"{self.dir}/seed.img", "--hostname", "office-1", "--user", "alice", "--packages", packages,
                         "--script", script)
        self.assertEqual(result.returncode, 0, result.stderr)
        seed = f"{self.root}/var/lib/cloud/seed/nocloud-net"
        os.makedirs(seed)
        for name in ("user-data", "meta-data"):
            subprocess.run(["mcopy", "-n", "-i", f"{self.dir}/seed.img", f"::{name}", f"{seed}/{name}"], check=True)
        done = subprocess.run(
            ["bwrap", "--bind", self.root, "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--tmpfs", "/tmp",
             "--unshare-net", "--unshare-uts", "--unshare-pid", "--unshare-ipc", "--hostname", "x", "--die-with-parent", "--clearenv",
             "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "HOME", "/root", "--cap-add", "ALL", "sh", "-c",
             STAGES + "cat /dev/ttyS0"], capture_output=True, text=True, timeout=600, check=False)
        return done.stdout, rig.read(f"{self.root}/var/told").decode(), rig.read(f"{self.root}/var/log/cloud-init.log").decode()

    def test_installed(self):
        """packages of a pool are installed from the image's mirror before its script runs, which finds them"""
        said, told, log = self.boot("pane-story")
        self.assertEqual(told, "it is here\n", log[-3000:])
        self.assertTrue(said.endswith("pane.ready\n"), said)
        self.assertNotIn("pane.note", said)
        self.assertIn("alice:x:1000:", rig.read(f"{self.root}/etc/passwd").decode())

    def test_missing(self):
        """a package that no mirror has, and the script that failed for it, are told with their causes; the desktop is ready"""
        said, told, log = self.boot("pane-no-such")
        self.assertIn("not found", told)
        self.assertIn("Failed to install packages: ['pane-no-such']", log)
        self.assertTrue(said.endswith("pane.note first boot: not installed: pane-no-such (E: Unable to locate package pane-no-such) script "
                                      "ended with status 127; see /var/log/cloud-init-output.log in it\npane.ready\n"), said)


if __name__ == "__main__":
    unittest.main()
