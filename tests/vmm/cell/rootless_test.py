# SPDX-License-Identifier: GPL-3.0-or-later
"""pane-cell started by an ordinary user: subordinate ids, the image by FUSE, the network by slirp4netns; and what it says when
the user's machine lacks one of these."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import cell
import ordinary
from escapes import attempts

TIMEOUT = 240


def probe(user):
    return json.loads(subprocess.run([*user.prefix(), cell.PROGRAM, "--probe"], capture_output=True, check=True).stdout)


def alive(pids):
    """Those that still run; who has ended and waits for the machine's init to take notice does not."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                if file.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def why_not():
    if os.geteuid():
        return "the stories make their ordinary user themselves, for which they must be root"
    user = ordinary.User()
    try:
        answer = probe(user)
        return cell.why_not() or (answer["why"] if answer["cell"] != "user" else None)
    finally:
        user.close()


@unittest.skipIf(why_not(), why_not())
class Rootless(unittest.TestCase):
    def setUp(self):
        self.user = ordinary.User()
        self.addCleanup(self.user.close)

    def start(self, *more, folder=None, **kwargs):
        if not folder:
            folder = self.user.folder_of_its_own()
            self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        machine = cell.Cell(*more, folder=folder, prefix=self.user.prefix(), **kwargs)
        self.addCleanup(machine.close)
        return machine

    def test_desktop(self):
        """an ordinary user starts a desktop, types into it, and no process of it is root or anybody of the host's"""
        machine = self.start()
        display = machine.terminal()
        self.assertEqual(machine.run(display, "id -u; grep NoNewPrivs /proc/self/status"), "1000\nNoNewPrivs:\t1\n")
        owners = {cell.comm(p): os.stat(f"/proc/{p}").st_uid for p in cell.tree(machine.process.pid)[1:]}
        self.assertEqual(owners.pop("fuse2fs"), ordinary.UID)
        for name, uid in owners.items():
            self.assertTrue(ordinary.FIRST <= uid < ordinary.FIRST + 65536, (name, uid))
        self.assertIn("limit=none", machine.text("stderr"))  # the disk's, said so

    def test_keeps(self):
        """home and ends are as for root: files outlive the desktop, powerdown and logout end it, nothing stays behind"""
        machine = self.start()
        machine.run(machine.terminal(), "echo mine >kept")
        pids = cell.tree(machine.process.pid)
        self.assertEqual(machine.ask(op="powerdown"), {"ok": True})
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "poweroff"}))
        self.assertEqual(alive(pids), [])
        machine = self.start(folder=machine.folder, name=machine.name)
        self.assertEqual(machine.run(machine.terminal(), "cat kept"), "mine\n")
        os.kill(machine.inside("icewm-session"), signal.SIGTERM)
        self.assertEqual(machine.wait(), (0, {"code": 0, "reason": "logout"}))

    def test_sigkill(self):
        """pane-cell killed: every process of the desktop goes, the file system of the image included"""
        machine = self.start(net="user").ready()
        pids = cell.tree(machine.process.pid)
        self.assertIn("fuse2fs", [cell.comm(p) for p in pids])
        machine.process.kill()
        machine.process.wait()
        end = time.monotonic() + 5
        while alive(pids) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(alive(pids), [])
        again = self.start(folder=machine.folder, name=machine.name).ready()
        self.assertEqual(again.ask(op="quit"), {"ok": True})

    def test_network(self):
        """the user-mode network has an address and a way out; and nobody gets out of the sandbox by it"""
        machine = self.start(net="user")
        display = machine.terminal()
        text = machine.run(display, "ip -4 -br addr; ip route")
        self.assertIn("10.0.2.100/24", text)
        self.assertIn("default via 10.0.2.2", text)
        attempts(self, machine, display)

    def test_refusals(self):
        """what cannot be is told in words: a bridge, an account without subordinate ids"""
        machine = self.start(net="bridge=br0,ip=10.0.0.2/24")
        status, state = machine.wait()
        self.assertEqual(status, 1)
        self.assertIn("--net bridge is for root", state["reason"])
        plain = ordinary.User(subids=False)
        self.addCleanup(plain.close)
        answer = probe(plain)
        self.assertEqual(answer["cell"], "none")
        self.assertIn("/etc/subuid gives user", answer["why"])

    def test_names(self):
        """the user's desktop and root's may have the same name"""
        mine = self.start(name="office-1").ready()
        roots = cell.Cell(name="office-1")
        self.addCleanup(roots.close)
        roots.ready()
        self.assertTrue(mine.ask(op="status")["ready"])
        for machine in (mine, roots):
            machine.ask(op="quit")
            self.assertEqual(machine.wait()[0], 0)
