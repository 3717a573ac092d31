# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-host with container desktops: homes, resets, and what a host without the means says. The stand-in
for pane-cell notes how it was started; each TestCase is a Story of agent_test.py."""
import json
import os
import signal
import unittest

from agent_test import D1, D2, Story
from rig import alive, until

TIMEOUT = 120
ALICE, BOB = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"


class Containers(Story):
    def cell(self, desktop=D1, home=ALICE, state="ready", **fields):
        if not os.path.exists(f"{self.host.state}/images/office"):
            self.host.image()
        if not self.host.proc:
            self.host.start()
        self.broker.order(desktop, isolation="container", home={"key": home, "mib": 0} if home else None, **fields)
        until(lambda: self.broker.seen(desktop).get("epoch") == fields.get("epoch", 1), self.host.log_text)
        return self.state(desktop, state)

    def started(self, desktop=D1):
        """How the cell was started, each time."""
        with open(f"{self.host.state}/desktops/{desktop}/started", encoding="ascii") as file:
            return [json.loads(line) for line in file]

    def used(self, folder):
        with open(f"{self.host.state}/{folder}/used", encoding="ascii") as file:
            return len(file.read())

    def test_start(self):
        """a container is started from the image, with its limits and its user's home, and stays when the agent goes"""
        self.cell(memory_mib=300, cpus=2)
        opt = self.started()[0]
        self.assertEqual(opt["root"], f"{self.host.state}/images/office/disk.raw")
        self.assertEqual(opt["home"], f"{self.host.state}/homes/{ALICE}")
        self.assertEqual((opt["memory"], opt["cpus"], opt["net"], opt["pids"]), ("300", "2", "user", "1024"))
        self.assertNotIn("reset", opt)
        pid = self.vmm()
        self.host.kill()
        self.host.start()
        self.state(D1, "ready")
        self.assertEqual(self.vmm(), pid)
        capacity = self.broker.report["capacity"]
        self.assertEqual((capacity["container"], capacity["limits"]), (True, "cgroup1"))
        self.assertIn("cgroup v1", capacity["container_why"])

    def test_home_outlives(self):
        """removing a desktop leaves the home; what was nobody's goes with it"""
        self.cell(home=None)
        self.assertEqual(self.used(f"desktops/{D1}/home"), 1)
        self.cell(epoch=2)
        self.broker.order(D1, want="absent", epoch=3)
        self.state(D1, "absent")
        self.assertEqual(os.listdir(f"{self.host.state}/desktops"), [])
        self.assertEqual(self.used(f"homes/{ALICE}"), 1)

    def test_new_owner(self):
        """a warm container that is given to somebody starts again with their home before it is ready again"""
        self.cell(home=None)
        first, seen = self.vmm(), []
        reports = self.broker.answer

        def spy(path, body, cert):
            seen.extend((d["epoch"], d["state"]) for d in body.get("desktops", []))
            return reports(path, body, cert)
        self.broker.answer = spy
        self.broker.order(D1, epoch=2, home={"key": ALICE, "mib": 0})
        until(lambda: (2, "ready") in seen, lambda: f"{seen} {self.host.log_text()}")
        self.assertFalse(alive(first))
        self.assertEqual(self.started()[-1]["home"], f"{self.host.state}/homes/{ALICE}")
        self.assertEqual(len(self.started()), 2)
        self.assertNotIn("reset", self.started()[-1])

    def test_one_home_one_machine(self):
        """a home in use by one container is waited for by the next, not mounted twice"""
        self.cell(D1)
        self.broker.order(D2, name="office-2", isolation="container", home={"key": ALICE, "mib": 0})
        self.reason(D2, "waiting for desktop office-1")
        self.assertEqual(self.used(f"homes/{ALICE}"), 1)
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D2, "ready")
        self.assertEqual(self.used(f"homes/{ALICE}"), 2)

    def test_user_first(self):
        """a spare is not begun while a container starts that somebody waits for, and is after"""
        home = f"{self.host.state}/homes/{ALICE}"
        os.makedirs(home)
        with open(f"{home}/slow", "w", encoding="ascii"):
            pass
        self.cell(D1, state="booting")
        self.broker.order(D2, name="office-2", isolation="container", home=None)
        row = self.reason(D2, "waiting for desktop office-1, which its user waits for")
        self.assertEqual(row["state"], "cloning")
        self.assertFalse(os.path.exists(f"{self.host.state}/desktops/{D2}/started"))
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D2, "ready")

    def test_reset_on_logoff(self):
        """with reset a logout leaves nothing of the system but all of the home; a crash leaves both"""
        self.cell(reset=True)
        os.kill(self.vmm(), signal.SIGKILL)
        until(lambda: len(self.started()) == 2, self.host.log_text)
        self.state(D1, "ready")
        self.assertNotIn("reset", self.started()[1])
        self.host.control(D1, op="end", how="logout")
        row = self.reason(D1, "guest powered off")
        self.assertEqual(row["state"], "stopped")
        until(lambda: len(self.started()) == 3, self.host.log_text)
        self.state(D1, "ready")
        self.assertTrue(self.started()[2]["reset"])
        self.assertEqual(self.used(f"desktops/{D1}/upper"), 1)
        self.assertEqual(self.used(f"homes/{ALICE}"), 3)

    def test_kept(self):
        """without reset a logout starts the next session on the same system"""
        self.cell()
        self.host.control(D1, op="end", how="logout")
        until(lambda: len(self.started()) == 2, self.host.log_text)
        self.assertEqual(self.used(f"desktops/{D1}/upper"), 2)

    def test_killed_cell(self):
        """a killed pane-cell is called that, and started again"""
        self.cell()
        os.kill(self.vmm(), signal.SIGKILL)
        self.reason(D1, "pane-cell was killed (signal 9)")
        self.state(D1, "ready")

    def test_tree(self):
        """a tree that a container left is removed whole, and nothing that it points to"""
        self.cell()
        upper, outside = f"{self.host.state}/desktops/{D1}/upper", f"{self.dir}/outside"
        os.makedirs(f"{upper}/a/b/c")
        os.makedirs(outside)
        with open(f"{outside}/file", "w", encoding="ascii") as file:
            file.write("precious")
        os.symlink(outside, f"{upper}/a/link")
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D1, "absent")
        self.assertEqual(os.listdir(outside), ["file"])


class Without(Story):
    settings = {"cell": "/nonexistent/pane-cell"}

    def test_refused(self):
        """a host without pane-cell says so in its report, and why a container cannot run"""
        self.host.image()
        self.host.start()
        self.broker.order(D1, isolation="container")
        row = self.state(D1, "failed")
        self.assertIn("this host cannot run containers: cannot run /nonexistent/pane-cell", row["reason"])
        self.assertFalse(self.broker.report["capacity"]["container"])


class NoMachines(Story):
    settings = {"vm": "never"}

    def test_refused(self):
        """a host told to take no virtual machines says so"""
        self.host.image()
        self.host.start()
        self.broker.order(D1)
        self.assertIn("vm = never", self.state(D1, "failed")["reason"])
        self.assertFalse(self.broker.report["capacity"]["vm"])


if __name__ == "__main__":
    unittest.main()
