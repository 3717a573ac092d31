# SPDX-License-Identifier: GPL-3.0-or-later
"""What the golden image does with a user's home before each session, its own script in a sandbox of this machine's
programs: blkid and systemctl, which would need disks and an init, are played. The whole of it boots in tests/lab/home_test.py."""
import os
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SCRIPT = f"{TOP}/deploy/image/debian/files/usr/lib/desktop/home"


class Home(unittest.TestCase):
    def setUp(self):
        if os.geteuid():
            self.skipTest("the script is root's, and changes to the user's account")
        self.dir = tempfile.mkdtemp(prefix="pane-skel-")
        self.addCleanup(shutil.rmtree, self.dir)
        for name in ("bin", "skel/.icewm", "home", "disk"):
            os.makedirs(f"{self.dir}/{name}")
        os.chmod(self.dir, 0o755)
        os.chown(f"{self.dir}/home", 1000, 1000)
        os.chown(f"{self.dir}/disk", 1000, 1000)
        self.write("skel/.profile", "new\n")
        self.write("skel/.icewm/startup", "terminal\n")
        self.write("passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")

    def write(self, name, text, mode=0o644):
        with open(f"{self.dir}/{name}", "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(f"{self.dir}/{name}", mode)

    def run_script(self, disk):
        """What the user's home holds afterwards, as the session finds it: lines of path, owner, content."""
        self.write("bin/blkid", f"#!/bin/sh\n[ \"$*\" = '-L pane-home' ] && {'echo /dev/vdb' if disk else 'false'}\n", 0o755)
        self.write("bin/systemctl", "#!/bin/sh\n[ \"$*\" = 'start home-user.mount' ] && mount --bind /mnt /home/user\n", 0o755)
        done = subprocess.run(
            ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/home", "--bind", f"{self.dir}/home", "/home/user",
             "--tmpfs", "/mnt", "--bind", f"{self.dir}/disk", "/mnt", "--ro-bind", f"{self.dir}/skel", "/etc/skel",
             "--ro-bind", f"{self.dir}/passwd", "/etc/passwd", "--tmpfs", "/opt", "--ro-bind", f"{self.dir}/bin", "/opt",
             "--ro-bind", os.path.dirname(SCRIPT), "/srv", "--cap-add", "ALL", "--clearenv", "--setenv", "PATH", "/opt:/usr/sbin:/usr/bin:/sbin:/bin",
             "sh", "-ec", "sh /srv/home; cd /home/user; find . -type f -printf '%P %u ' -exec cat {} ';' | sort"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_none(self):
        """without a disk of the user's the system's home has what every account begins with, once"""
        self.assertEqual(self.run_script(False), [".icewm/startup user terminal", ".profile user new"])
        with open(f"{self.dir}/home/.profile", "w", encoding="ascii") as file:
            file.write("mine\n")
        self.assertEqual(self.run_script(False), [".icewm/startup user terminal", ".profile user mine"])

    def test_disk(self):
        """a new disk of the user's is mounted and given it; one that was used before stays as it is"""
        self.assertEqual(self.run_script(True), [".icewm/startup user terminal", ".profile user new"])
        self.assertEqual(os.listdir(f"{self.dir}/home"), [], "nothing below the mount")
        os.unlink(f"{self.dir}/disk/.icewm/startup")
        self.assertEqual(self.run_script(True), [".profile user new"])


if __name__ == "__main__":
    unittest.main()
