# SPDX-License-Identifier: GPL-3.0-or-later
"""A stock cloud image as it comes, the seed that customises it, and the recipes of images to build."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import cloudimage
import rig

TIMEOUT = 1200
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Cloud(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cache = os.environ.get("PANE_CLOUD", f"{TOP}/build/cloud-image")
        os.makedirs(cls.cache, exist_ok=True)
        try:
            cls.disk, cls.kver = cloudimage.make(cls.cache)
        except (OSError, subprocess.CalledProcessError) as error:
            raise unittest.SkipTest(f"no cloud image could be built here: {error}") from error

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pane-cloud-", dir=self.cache)
        self.addCleanup(shutil.rmtree, self.dir)

    def test_boot_found(self):
        """kernel, initial RAM disk, root and arguments of a cloud image are found"""
        qcow2 = rig.qemu_convert(self.disk, f"{self.dir}/cloud.qcow2", "qcow2")
        result = rig.run("convert", qcow2, f"{self.dir}/out", "--name", "cloud")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(rig.lines(result)[-1]["boot"], "direct")
        with open(f"{self.dir}/out/image.json", encoding="utf-8") as file:
            image = json.load(file)
        self.assertEqual(image["cmdline"], f"root=PARTUUID={cloudimage.PARTUUID} rw console=tty0 console=ttyS0,115200 "
                         "earlyprintk=ttyS0,115200 consoleblank=0")
        self.assertTrue(image["cloud_init"])
        self.assertEqual(image["ready"], "serial")
        for name, path in (("vmlinuz", f"/boot/vmlinuz-{self.kver}"), ("initrd.img", f"/boot/initrd.img-{self.kver}")):
            want = subprocess.run(["/usr/sbin/debugfs", "-R", f"cat {path}", f"{self.disk}?offset={262144 * 512}"],
                                  capture_output=True, check=True).stdout
            self.assertEqual(rig.read(f"{self.dir}/out/{name}"), want)

    def test_inspect(self):
        """inspect shows the partitions of a cloud image and keeps nothing"""
        env = dict(os.environ, TMPDIR=self.dir)
        shown = json.loads(rig.run("inspect", "--json", self.disk, env=env).stdout)
        self.assertEqual(shown["table"], "gpt")
        self.assertEqual([(p["number"], p["fs"], p["esp"]) for p in shown["partitions"]],
                         [(1, "ext", False), (14, "unknown", False), (15, "unknown", True)])
        self.assertEqual(shown["boot"]["method"], "direct")
        self.assertEqual(os.listdir(self.dir), [])

    def test_other_architecture(self):
        """a kernel for another processor is no kernel for a desktop"""
        disk = f"{self.dir}/arm.raw"
        root = f"{self.dir}/root"
        os.makedirs(f"{root}/boot")
        os.makedirs(f"{root}/etc")
        rig.write(f"{root}/boot/vmlinuz-6.1.0-arm64", b"MZ" + bytes(8000))
        rig.write(disk, bytes(16 * rig.MIB))
        subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk], check=True)
        shown = json.loads(rig.run("inspect", "--json", disk).stdout)
        self.assertEqual(shown["boot"]["method"], "firmware")
        self.assertIn("not a 64-bit Linux", shown["boot"]["reason"])

    def test_hostile_names(self):
        """a file system whose names are commands starts nothing and yields no kernel"""
        disk, root = f"{self.dir}/h.raw", f"{self.dir}/root"
        os.makedirs(f"{root}/boot")
        os.symlink("/etc/passwd", f"{root}/boot/vmlinuz-9.9")
        rig.write(f"{root}/boot/vmlinuz-1 ; dump x", b"x")
        rig.write(disk, bytes(16 * rig.MIB))
        subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk], check=True)
        result = rig.run("convert", disk, f"{self.dir}/out", "--name", "h")
        self.assertEqual(rig.lines(result)[-1]["boot"], "firmware")
        self.assertEqual(sorted(os.listdir(f"{self.dir}/out")), ["disk.raw", "image.json"])


class Seed(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pane-seed-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.seed = f"{self.dir}/seed.img"

    def file(self, name):
        return subprocess.run(["mcopy", "-n", "-i", self.seed, f"::{name}", "-"], capture_output=True, check=True).stdout.decode()

    def test_volume(self):
        """the volume has the label and the files cloud-init looks for, and YAML reads them"""
        yaml = __import__("yaml")
        script = rig.write(f"{self.dir}/first", "#!/bin/sh\necho \"it's: first\" # {}\n")
        result = rig.run("seed", self.seed, "--hostname", "office-7", "--user", "alice", "--gecos", "Zoë \"Z\" O'Neil",
                         "--timezone", "Europe/Berlin", "--keyboard", "de:nodeadkeys", "--packages", "vim,git", "--script", script)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(rig.read(self.seed)[43:54], b"CIDATA     ")
        self.assertEqual(os.stat(self.seed).st_mode & 0o777, 0o600)
        text = self.file("user-data")
        self.assertTrue(text.startswith("#cloud-config\n"))
        data = yaml.safe_load(text)
        self.assertEqual(data["users"][0]["gecos"], "Zoë \"Z\" O'Neil")
        self.assertEqual((data["hostname"], data["timezone"], data["packages"]), ("office-7", "Europe/Berlin", ["vim", "git"]))
        import base64
        files = {f["path"]: base64.b64decode(f["content"]).decode() for f in data["write_files"]}
        self.assertEqual(files["/var/lib/cloud/pane-custom"], "#!/bin/sh\necho \"it's: first\" # {}\n")
        self.assertIn('XKBLAYOUT="de"\nXKBVARIANT="nodeadkeys"\n', files["/etc/default/keyboard"])
        self.assertEqual(yaml.safe_load(self.file("meta-data")), {"instance-id": "office-7", "local-hostname": "office-7"})
        listed = subprocess.run(["mdir", "-b", "-i", self.seed, "::"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(sorted(listed.split()), ["::/meta-data", "::/user-data"],
                         "without a network-config cloud-init asks DHCP on the desktop's card, whatever configures it there")
        self.assertEqual(sorted(os.listdir(self.dir)), ["first", "seed.img"])

    def test_refused(self):
        """a value that could break out is refused, and nothing is left"""
        for option, value in (("--hostname", "a\nusers:"), ("--user", "root"), ("--timezone", "../../etc/shadow"),
                              ("--packages", "-oX=y"), ("--script", "/etc/passwd")):
            args = {"--hostname": "a", "--user": "b", option: value}
            result = rig.run("seed", self.seed, *[x for pair in args.items() for x in pair])
            self.assertEqual(result.returncode, 1)
            self.assertIn(option, result.stderr)
        self.assertEqual(os.listdir(self.dir), [])


class Recipes(unittest.TestCase):
    def test_packages(self):
        """the packages of every ready recipe can be had"""
        listed = [line.split()[0] for line in rig.run("build", "--list", cwd=TOP).stdout.splitlines()]
        self.assertLessEqual({"debian", "minimal", "office", "developer"}, set(listed))
        for name in listed:
            with self.subTest(name):
                result = rig.run("build", name, "--simulate", cwd=TOP)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(rig.lines(result)[-1]["percent"], 100)

    def test_unknown(self):
        """a recipe that is not there, and one whose packages are not"""
        self.assertIn("no recipe", rig.run("build", "nothing", "--simulate", cwd=TOP).stderr)
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/x")
            rig.write(f"{folder}/x/recipe", "packages=(pane-has-no-such-package)\n")
            result = rig.run("build", f"{folder}/x", "--simulate", cwd=TOP)
            self.assertEqual(result.returncode, 1)
            self.assertIn("pane-has-no-such-package", result.stderr)


if __name__ == "__main__":
    unittest.main()
