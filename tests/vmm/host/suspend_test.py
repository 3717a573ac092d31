# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-host with desktops that are suspended: their memory on disk, nothing of them running, and on from where they were."""
import json
import os
import signal
import unittest

import agent_test
import real_test
import vm
from agent_test import D1
from rig import alive, until


class Suspend(agent_test.Story):
    def path(self, name):
        return f"{self.host.state}/desktops/{D1}/{name}"

    def memory(self):
        return json.loads(self.host.control(D1, op="read"))["memory"]

    def written(self, image="quiet"):
        """A running desktop with something in its memory."""
        self.running(image=image)
        self.host.control(D1, op="write", text="half a letter")
        return self.vmm()

    def suspended(self, **more):
        pid = self.written(**more)
        self.broker.order(D1, want="suspended", epoch=2)
        self.state(D1, "suspended")
        self.assertFalse(alive(pid))
        self.assertEqual(sorted(os.listdir(self.path("suspended"))), ["memory", "state"])

    def resumed(self, epoch=3):
        self.broker.order(D1, want="running", epoch=epoch)
        return self.state(D1, "ready")

    def test_there_and_back(self):
        """suspended: its process is gone and its memory is on disk; running: it goes on with that, once"""
        pid = self.written()
        self.assertTrue(self.broker.report["capacity"]["suspend"])
        self.broker.order(D1, want="suspended", epoch=2)
        row = self.state(D1, "suspended")
        self.assertEqual((row["epoch"], row["reason"], alive(pid)), (2, "", False))
        self.resumed()
        self.assertEqual(self.memory(), "half a letter")
        self.assertEqual([n for n in os.listdir(self.path("")) if "suspended" in n], [])
        os.kill(self.vmm(), signal.SIGKILL)
        self.reason(D1, "was killed")
        self.state(D1, "ready")
        self.assertEqual(self.memory(), "")  # memory of before on a disk of after would destroy it

    def test_agent_restarts(self):
        """an agent that comes back knows a suspended desktop for what it is; one that died while saving saves again"""
        self.suspended()
        self.host.kill()
        self.host.start()
        self.assertEqual(self.broker.seen(D1)["state"], "suspended")
        self.resumed()
        self.assertEqual(self.memory(), "half a letter")
        self.host.kill()
        os.mkdir(self.path("suspended.new"))
        self.broker.order(D1, want="suspended", epoch=4)
        self.host.start()
        self.state(D1, "suspended")
        self.resumed(5)
        self.assertEqual(self.memory(), "half a letter")

    def test_damaged(self):
        """memory that cannot be gone on with is forgotten: the desktop boots on its disk and says why"""
        self.suspended()
        with open(self.path("suspended/state"), "w", encoding="utf-8") as file:
            file.write("nonsense")
        row = self.resumed()
        self.assertEqual(row["reason"], "its saved memory could not be used (the snapshot is damaged): started afresh")
        self.assertEqual(self.memory(), "")
        self.assertEqual([n for n in os.listdir(self.path("")) if "suspended" in n], [])
        with open(self.path("disk.overlay"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "started\n" * 3)  # the same disk: at first, in vain, afresh

    def test_stopped(self):
        """a suspended desktop that is ordered to be stopped has nothing to go on with any more; one that is absent nothing at all"""
        self.suspended()
        self.broker.order(D1, want="stopped", epoch=3)
        self.state(D1, "stopped")
        self.assertFalse(os.path.exists(self.path("suspended")))
        self.resumed(4)
        self.assertEqual(self.memory(), "")
        self.broker.order(D1, want="suspended", epoch=5)
        self.state(D1, "suspended")
        self.broker.order(D1, want="absent", epoch=6)
        self.state(D1, "absent")
        self.assertFalse(os.path.exists(self.path("")))

    def test_drained(self):
        """an agent that shuts its desktops down leaves what is suspended alone"""
        self.suspended()
        self.host.kill()
        done = self.host.command("desktops", "stop")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.host.start()
        self.resumed()
        self.assertEqual(self.memory(), "half a letter")

    def test_no_room(self):
        """a desktop whose memory cannot be saved runs on and says why"""
        pid = self.written(image="standin.full")
        self.broker.order(D1, want="suspended", epoch=2)
        row = self.reason(D1, "cannot be suspended")
        self.assertEqual((row["state"], row["reason"]),
                         ("ready", "cannot be suspended: writing the snapshot: No space left on device"))
        self.assertTrue(alive(pid))
        self.assertFalse(os.path.exists(self.path("suspended.new")))
        self.broker.order(D1, want="running", epoch=3)
        self.host.control(D1, op="write", text=" more")
        self.assertEqual(self.memory(), "half a letter more")

    def test_not_ready(self):
        """a desktop that is not ready yet has nothing to keep: it is shut down"""
        self.host.image(cmdline="standin.slow")
        self.host.start()
        self.broker.order(D1)
        self.state(D1, "booting")
        self.broker.order(D1, want="suspended", epoch=2)
        self.state(D1, "stopped")

    def test_container(self):
        """a container is not suspended: it runs on and says why"""
        self.host.image()
        self.host.start()
        self.broker.order(D1, isolation="container")
        self.state(D1, "ready")
        self.broker.order(D1, want="suspended", epoch=2)
        row = self.reason(D1, "cannot be suspended")
        self.assertEqual((row["state"], row["reason"]), ("ready", "cannot be suspended: a container's programs cannot be saved"))


class Card(agent_test.Story):
    settings = real_test.Real.settings

    def setUp(self):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.skipTest("no usable /dev/kvm on this machine")
        super().setUp()

    def surface(self):
        display = vm.Surface(f"{self.host.run}/{D1}/surface.sock")
        display.wait(lambda: display.scanout)
        return display

    def serial(self):
        with open(f"{self.host.state}/desktops/{D1}/serial.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def order(self, want, epoch, state):
        self.broker.order(D1, want=want, epoch=epoch, memory_mib=128)
        return self.state(D1, state, 30)

    def test_card(self):
        """a real machine is suspended with half a line typed, twice; what is typed after the second time completes the line"""
        self.host.image(kernel=real_test.CARD)
        self.host.start()
        self.order("running", 1, "ready")
        for epoch, text in ((2, "pa"), (4, "rt")):
            display = self.surface()
            display.type(text)
            until(lambda: self.serial().count("key ") == 4, self.serial)  # the log is of one process
            display.close()
            self.order("suspended", epoch, "suspended")
            self.order("running", epoch + 1, "ready")
        display = self.surface()  # kept open: what is sent before a hang-up may be lost with it
        display.type("y\n")
        until(lambda: "line party\n" in self.serial(), self.serial)
        self.assertNotIn("pane.ready", self.serial())

    def test_other_processors(self):
        """memory saved with another number of processors than are ordered now is not used, and the reason names both"""
        self.host.image(kernel=real_test.CARD)
        self.host.start()
        self.order("running", 1, "ready")
        self.order("suspended", 2, "suspended")
        self.broker.order(D1, cpus=2)
        row = self.order("running", 3, "ready")
        self.assertIn("its saved memory could not be used (the snapshot is of a machine with 1 processors and 128 MiB)", row["reason"])
        self.assertIn("pane.ready", self.serial())


if __name__ == "__main__":
    unittest.main()
