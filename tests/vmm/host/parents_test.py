# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-host's parents, with the real pane-vmm: what new desktops are cloned from, and what is booted instead."""
import json
import os
import unittest
import uuid

import agent_test
import real_test
from rig import alive, until

TIMEOUT = 240
D1, D2, D3 = agent_test.D1, agent_test.D2, "33333333-3333-4333-8333-333333333333"


class Parents(agent_test.Story):
    settings = {**real_test.Real.settings, "park_settle_s": 600}  # the guest says when it may be parked

    def setUp(self):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.skipTest("no usable /dev/kvm on this machine")
        super().setUp()

    def image(self, **more):
        self.host.image(**{"kernel": real_test.CARD, "clone": True, **more})

    def order(self, desktop, name, **more):
        self.broker.order(desktop, name=name, **{"memory_mib": 128, **more})
        return self.state(desktop, "ready", 30)

    def log(self, part, timeout=40):
        until(lambda: part in self.host.log_text(), lambda: f"no {part!r} in\n{self.host.log_text()}", timeout)

    def parents(self):
        return sorted(n for n in os.listdir(f"{self.host.state}/parents") if n[0] != ".")

    def serial(self, desktop):
        with open(f"{self.host.state}/desktops/{desktop}/serial.log", encoding="utf-8") as file:
            return file.read()

    def parked(self):
        """An agent whose first desktop booted and made it park a parent."""
        self.image()
        self.host.start()
        self.order(D1, "office-1")
        self.log("parent.parked")

    def test_clone(self):
        """the first desktop boots and a parent is parked when it is quiet; the next is its clone, somebody of its own"""
        self.parked()
        self.assertIn("no parent is parked yet", self.host.log_text())
        self.assertEqual(self.host.record(D1)["parent"], "")
        parent, = self.parents()
        self.assertEqual(sorted(os.listdir(f"{self.host.state}/parents/{parent}"))[:2], ["disk.overlay", "exit.json"])
        self.order(D2, "office-2")
        self.assertEqual(self.host.record(D2)["parent"], parent)
        self.assertIn("hostname=office-2\n", self.serial(D2))
        self.assertNotIn("pci 0", self.serial(D2))
        self.assertEqual(self.broker.seen(D2)["state"], "ready")

    def test_restart(self):
        """a clone that was shut down boots on its own disk over its parent's, and the parent stays as long as it is needed"""
        self.parked()
        self.order(D2, "office-2")
        parent, = self.parents()
        self.broker.order(D2, want="stopped", epoch=2)
        self.state(D2, "stopped", 20)
        self.order(D2, "office-2", want="running", epoch=3)
        self.assertIn("boot 2\n", self.serial(D2))  # the parent's boot was the first on this disk
        self.image(cmdline="quiet two")  # another version: nothing new is made of the old one
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D1, "absent", 20)
        self.order(D3, "office-3")
        until(lambda: len(self.parents()) == 2, "a parent of the new version", 40)
        self.assertIn(parent, self.parents())
        self.broker.order(D2, want="absent", epoch=4)
        self.state(D2, "absent", 20)
        until(lambda: parent not in self.parents(), "the old parent is removed", 20)
        self.assertEqual(len(self.parents()), 1)

    def test_spoilt(self):
        """a damaged parent costs a desktop some time: it is booted, with the reason in the log, and the parent is not used again"""
        self.parked()
        parent, = self.parents()
        state = f"{self.host.state}/parents/{parent}/state"
        os.chmod(state, 0o600)
        os.truncate(state, os.path.getsize(state) - 8)
        self.order(D2, "office-2")
        self.log("parent.spoilt")
        self.assertIn("damaged", self.host.log_text())
        self.assertEqual(self.host.record(D2)["parent"], "")
        self.assertIn("pci 0", self.serial(D2))
        self.assertFalse(os.path.exists(state))

    def test_not_for_all(self):
        """a desktop with its user's files, and one of an image that does not say so, are booted"""
        self.parked()
        self.order(D2, "office-2", home={"key": str(uuid.uuid4()), "mib": 16})
        self.log("disk with its user's files")
        self.image(name="plain", clone=False)
        self.order(D3, "plain-1", image="plain")
        self.log("image plain does not say it can be cloned")
        self.assertEqual(self.host.record(D3)["parent"], "")

    def test_agent_dies(self):
        """the parent an agent was making when it was killed is ended by the next one, which makes it; one that says nothing of waiting has its time"""
        self.image(cmdline="nowaits")
        self.host.start()
        self.order(D1, "office-1")
        self.log("parent.boot")
        making = f"{self.host.state}/parents/.making/process.json"
        until(lambda: os.path.exists(making), "its process is written down")
        with open(making, encoding="utf-8") as file:
            pid = json.load(file)["pid"]
        self.assertTrue(alive(pid))
        self.host.kill()
        self.assertTrue(alive(pid))
        self.host.settings["park_settle_s"] = 0
        self.host.write_config()
        self.host.start()
        until(lambda: not alive(pid), "the leftover is ended")
        self.assertEqual(self.parents(), [])
        self.order(D2, "office-2")
        self.log("parent.parked")


if __name__ == "__main__":
    unittest.main()
