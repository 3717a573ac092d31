# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-backup with the real restic and PostgreSQL: a site comes back in an empty database on an empty machine; the home of a running
container, written to all the while, is copied at one moment; a running virtual machine's disk likewise; one file, one home and one
desktop come back by themselves."""
import glob
import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import broker as broker_mod
import cell
import panesite
import vm

TOP = broker_mod.SOURCE
PROGRAM = f"{TOP}/deploy/backup"


class Machine:
    """A machine's configuration and state below one directory, and its pane-backup."""

    def __init__(self, root):
        self.root, self.etc, self.state, self.run = root, f"{root}/etc", f"{root}/state", f"{root}/run"
        for path in (self.etc, self.state, self.run):
            os.makedirs(path, exist_ok=True)

    def backup(self, *words, check=True):
        done = subprocess.run([PROGRAM, *words, "--etc", self.etc, "--lib", f"{self.root}/lib"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"pane-backup {' '.join(words)}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def be_host(self, more=""):
        with open(f"{self.etc}/host.conf", "w", encoding="utf-8") as file:
            file.write(f"[host]\nstate_dir = {self.state}\nrun_dir = {self.run}\n{more}")

    def desktop(self, home=None):
        """The directories of a desktop, as an agent makes them."""
        ident = str(uuid.uuid4())
        os.makedirs(f"{self.state}/desktops/{ident}")
        os.makedirs(f"{self.run}/{ident}")
        self.record(ident, home, 0)
        return ident

    def record(self, ident, home, pid):
        with open(f"{self.state}/desktops/{ident}/state.json", "w", encoding="ascii") as file:
            json.dump({"id": ident, "ran_home": home or "", "parent": "", "vmm": {"pid": pid, "started": 1}}, file)


class Backup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("restic"):
            raise unittest.SkipTest("restic is missing: run 'make deps'")
        cls.root = tempfile.mkdtemp(prefix="pane-backup-")
        os.chmod(cls.root, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.root, True)

    def machine(self, name, repository=True):
        made = Machine(f"{self.root}/{name}")
        if repository:
            made.backup("init", "--to", f"{made.root}/repository")
        return made


class Shared(Backup):
    def test_shared(self):
        """of homes that several hosts have, what another host has open is left out here and cannot be overwritten; the others go and come"""
        machine = self.machine("shared")
        homes = f"{machine.root}/srv"
        machine.be_host(f"homes_dir = {homes}\nhomes_shared = yes\n")
        os.makedirs(homes)
        free, taken = str(uuid.uuid4()), str(uuid.uuid4())
        for key in (free, taken):
            with open(f"{homes}/{key}.raw", "w", encoding="ascii") as file:
                file.write(f"files of {key}")
        with open(f"{homes}/{taken}.raw", "r+", encoding="ascii") as file: # as the other host's machine has it
            fcntl.flock(file, fcntl.LOCK_EX)
            said = machine.backup("run")
            self.assertIn(f"home {taken} is in use on another host", said)
            self.assertIn("1 homes", said)
            self.assertIn("a desktop on another host has this home now", machine.backup("restore", "home", taken, check=False))
        os.unlink(f"{homes}/{free}.raw")
        machine.backup("restore", "home", free)
        with open(f"{homes}/{free}.raw", encoding="ascii") as file:
            self.assertEqual(file.read(), f"files of {free}")


class Site(Backup):
    def test_site(self):
        """a site comes back on an empty machine: users, passwords, pools, keys, images; epochs are beyond what hosts saw, logins end"""
        with panesite.Site() as site:
            site.host()
            site.pool()
            site.user("alice", "office")
            site.wait_state("office-1", "ready")
            token, epoch = site.broker.token, site.desktop("office-1")["epoch"]
            machine = self.machine("site")
            shutil.copy(site.broker.config, f"{machine.etc}/broker.conf")
            shutil.copytree(site.broker.pki, f"{machine.etc}/pki")
            os.makedirs(f"{site.broker.store}/images/v1", exist_ok=True)
            with open(f"{site.broker.store}/images/v1/disk.raw", "w", encoding="ascii") as file:
                file.write("an image")
            machine.backup("run")
            self.assertTrue(os.path.exists(f"{machine.root}/lib/last"))
            site.user("late")
            site.broker.stop()
            for host in site.hosts:
                host.stopping.set()

            # The machine is gone. What is left: the repository, and the copy of its key.
            other = self.machine("empty", repository=False)
            for name in ("backup.conf", "backup.key"):
                shutil.copy(f"{machine.etc}/{name}", other.etc)
            shutil.rmtree(machine.etc)
            shutil.rmtree(site.broker.store)
            site.cluster.fresh_database()
            self.assertIn("not empty", other.backup("restore", "site", check=False)) # the old database is still there
            with open(f"{other.etc}/broker.conf", encoding="utf-8") as file:
                text = file.read()
            with open(f"{other.etc}/broker.conf", "w", encoding="utf-8") as file: # the new machine's database
                file.write(re.sub(r"dbname=\S+", f"dbname={site.cluster.database}", text))
            other.backup("restore", "site")
            self.assertTrue(os.path.exists(f"{other.etc}/pki/ca.key"))
            with open(f"{site.broker.store}/images/v1/disk.raw", encoding="ascii") as file:
                self.assertEqual(file.read(), "an image")

            site.broker.config = f"{other.etc}/broker.conf"
            site.broker.migrate()
            site.broker.start()
            self.assertEqual(site.broker.get("/me", token=token).status, 401)
            site.broker.token = site.broker.login("root", site.password)
            self.assertTrue(site.broker.login("alice", "correct horse battery"))
            self.assertEqual(site.broker.get("/users/late").status, 404)
            self.assertGreater(site.desktop("office-1")["epoch"], epoch + 1000)
            self.assertEqual(site.desktop("office-1")["pool"], "office")

    def test_unchanged(self):
        """a second backup stores only what changed, a failed one says so and leaves the last one's date"""
        with panesite.Site() as site:
            machine = self.machine("again")
            shutil.copy(site.broker.config, f"{machine.etc}/broker.conf")
            os.makedirs(f"{site.broker.store}/images/v1", exist_ok=True)
            with open(f"{site.broker.store}/images/v1/disk.raw", "wb") as file:
                file.write(os.urandom(8 << 20))
            machine.backup("run")
            size = sum(os.path.getsize(p) for p in glob.glob(f"{machine.root}/repository/data/*/*"))
            machine.backup("run")
            again = sum(os.path.getsize(p) for p in glob.glob(f"{machine.root}/repository/data/*/*"))
            self.assertGreater(size, 8 << 20)
            self.assertLess(again - size, 1 << 20)
            stamp = os.stat(f"{machine.root}/lib/last").st_mtime_ns
            with open(f"{machine.etc}/broker.conf", encoding="utf-8") as file:
                text = file.read()
            with open(f"{machine.etc}/broker.conf", "w", encoding="utf-8") as file:
                file.write(re.sub(r"dbname=\S+", "dbname=nobody", text))
            self.assertIn("the database cannot be read", machine.backup("run", check=False))
            self.assertEqual(os.stat(f"{machine.root}/lib/last").st_mtime_ns, stamp)


class Containers(Backup):
    """One container desktop whose home is an image with a file system."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        why = cell.why_not() or ("needs root (freezing a file system)" if os.geteuid() else None)
        if why:
            raise unittest.SkipTest(why)
        cls.host = Machine(f"{cls.root}/host")
        cls.host.backup("init", "--to", f"{cls.host.root}/repository")
        cls.host.be_host()
        cls.key = str(uuid.uuid4())
        cls.ident = cls.host.desktop(cls.key)
        cls.start()
        cls.addClassCleanup(lambda: cls.cell.close())

    @classmethod
    def start(cls):
        cls.folder = f"{cls.host.state}/desktops/{cls.ident}"
        cls.cell = cell.Cell("--home", f"{cls.host.state}/homes/{cls.key}", "--control", f"{cls.host.run}/{cls.ident}/control.sock",
                             folder=cls.folder, name=f"bk{os.getpid()}")
        cls.cell.path = lambda name: f"{cls.host.run}/{cls.ident}/{name}" if name == "control.sock" else os.path.join(cls.folder, name)
        os.makedirs(f"{cls.host.state}/homes/{cls.key}", exist_ok=True)
        cls.cell.ready()
        cls.host.record(cls.ident, cls.key, cls.cell.process.pid)

    def put(self, name, text, how="w"):
        def write():
            with open(self.cell.home_file(name), how, encoding="ascii") as file:
                file.write(text)
        cell.as_user(self.cell.inside(), write)

    def test_1_running(self):
        """a running desktop's home is copied at one moment: what is written second is never there without what was written first"""
        self.put("letter", "dear reader\n")
        stop = threading.Event()
        inside = self.cell.inside()
        paths = [self.cell.home_file(n, inside) for n in ("first", "second")]
        count = [0]

        files = cell.as_user(inside, lambda: [os.open(p, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for p in paths])

        def write():
            while not stop.is_set():
                for fd in files:
                    os.write(fd, b"%08d\n" % count[0])
                os.fdatasync(files[1])
                count[0] += 1
            for fd in files:
                os.close(fd)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            said = self.host.backup("run")
        finally:
            stop.set()
            writer.join(20)
        self.assertFalse(writer.is_alive(), "the file system is still frozen")
        held = [int(ms) for ms in re.findall(r"was held for (\d+) ms", said)]
        print(f"# held for {held} ms in all, {count[0]} pairs written meanwhile", flush=True)
        self.assertTrue(held)
        back = [self.file(n) for n in ("first", "second")]
        lines = [len(text) // 9 for text in back]
        self.assertIn(lines[0] - lines[1], (0, 1))
        self.assertGreater(lines[0], 0)
        self.assertLess(lines[0], count[0])

    def file(self, name, *more):
        out = f"{self.root}/out-{uuid.uuid4()}"
        self.host.backup("restore", "file", self.key, name, "--to", out, *more)
        with open(out, encoding="ascii") as file:
            return file.read()

    def test_2_file(self):
        """one file that its user deleted comes back, also from the backup before the last; one that never was is said not to be there"""
        first = re.findall(r"^([0-9a-f]{8}) .*home", self.host.backup("list"), re.M)[-1]
        self.put("letter", "dear heart\n")
        self.host.backup("run")
        self.assertEqual(self.file("letter"), "dear heart\n")
        self.assertEqual(self.file("letter", "--snapshot", first), "dear reader\n")
        self.assertIn("letter", self.host.backup("files", self.key))
        self.assertIn("no file nothing", self.host.backup("restore", "file", self.key, "nothing", "--to", f"{self.root}/x", check=False))

    def test_3_home(self):
        """a home is not restored under a running desktop; afterwards it is, and the next desktop starts with it"""
        self.put("letter", "regret\n")
        self.assertIn("log its user off", self.host.backup("restore", "home", self.key, check=False))
        self.cell.close()
        self.host.backup("restore", "home", self.key)
        type(self).ident = self.host.desktop(self.key)
        self.start()
        self.assertEqual(self.cell.wait_file("letter"), "dear heart\n")

    def test_4_skipped(self):
        """--skip-running leaves what is in use out and holds nothing"""
        said = self.host.backup("run", "--skip-running")
        self.assertIn(f"home {self.key} is in use", said)
        self.assertNotIn("held", said)


class Machines(Backup):
    def test_desktop(self):
        """a running virtual machine is paused for its copy and goes on; its disk comes back as it was then, also onto another host"""
        why = vm.why_not()
        if why:
            self.skipTest(why)
        host = self.machine("vmhost")
        host.be_host()
        ident = host.desktop()

        def boot(on):
            folder = f"{on.state}/desktops/{ident}"
            if os.path.exists(f"{folder}/serial"):
                os.unlink(f"{folder}/serial")
            machine = vm.Vm("", "--control", f"{on.run}/{ident}/control.sock", folder=folder, disk=f"{self.root}/base.raw",
                            disk_option=f"base={self.root}/base.raw,overlay={folder}/disk.overlay")
            vm_wait(lambda: "pane.ready" in machine.text("serial"))
            on.record(ident, None, machine.process.pid)
            return machine, int(re.findall(r"boot (\d+)", machine.text("serial"))[-1])
        with open(f"{self.root}/base.raw", "wb") as file:
            file.truncate(8 << 20)
        machine, count = boot(host)
        said = host.backup("run")
        self.assertRegex(said, r"held for \d+ ms")
        print(f"# {re.search(r'desktop .*', said)[0]}", flush=True)
        answer = subprocess.run(["perl", "-MIO::Socket::UNIX", "-e", "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]); print $s qq({\"op\":\"status\"}\\n);"
                                 "$s->flush; print scalar <$s>", f"{host.run}/{ident}/control.sock"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(answer.stdout)["state"], "running")
        machine.process.terminate()
        machine.process.wait(10)
        machine, later = boot(host)
        self.assertEqual(later, count + 1)
        machine.process.kill()
        machine.process.wait(10)

        other = self.machine("vmhost2", repository=False)
        for name in ("backup.conf", "backup.key"):
            shutil.copy(f"{host.etc}/{name}", other.etc)
        other.backup("restore", "host")
        with open(f"{other.etc}/host.conf", encoding="utf-8") as file:
            self.assertIn(host.state, file.read())
        other.be_host()
        os.makedirs(f"{other.run}/{ident}")
        other.backup("restore", "desktop", ident)
        machine, again = boot(other)
        self.assertEqual(again, count + 1)
        machine.process.kill()
        machine.process.wait(10)


def vm_wait(check, timeout=20):
    end = time.monotonic() + timeout
    while not check():
        if time.monotonic() > end:
            raise AssertionError("the machine did not get ready")
        time.sleep(0.02)


class Words(unittest.TestCase):
    def test_help(self):
        """every option of its help is in its page, and bad use is refused"""
        text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
        with open(f"{TOP}/docs/man/pane-backup.8.scd", encoding="utf-8") as file:
            page = file.read()
        for word in set(re.findall(r"--[a-z-]+", text)):
            self.assertIn(f"*{word}*", page)
        for bad in ((), ("restore",), ("run", "more"), ("--what",)):
            self.assertEqual(subprocess.run([PROGRAM, *bad], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
