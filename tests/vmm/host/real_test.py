# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of pane-host with the real pane-vmm and pane-display; the guest is the test card of tests/guest.
Each TestCase is a Story of agent_test.py."""
import os
import signal

import agent_test
import rig
from agent_test import D1, Story
from rig import Gateway, alive, until

TIMEOUT = 180
CARD = f"{rig.BUILD}/guest/card"


class Real(Story):
    settings = {"vmm": f"{rig.BUILD}/bin/pane-vmm", "display": f"{rig.BUILD}/bin/pane-display", "limit_data_mib": 0,
                "vm": "always"}

    def setUp(self):
        for path in (self.settings["vmm"], self.settings["display"], CARD):
            if not os.path.exists(path):
                self.skipTest(f"{path} is not built")
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.skipTest("no usable /dev/kvm on this machine")
        super().setUp()

    def running(self, desktop=D1, image="", **fields):
        self.host.image(cmdline=image, kernel=CARD)
        self.host.start()
        self.broker.order(desktop, **{"memory_mib": 128, **fields})
        return self.state(desktop, "ready", 20)

    def test_life(self):
        """a machine gets ready, is stopped by its power button, comes back on the same disk, and goes"""
        self.running()
        self.assertIn(self.broker.report["capacity"]["kvm"], ("hardware", "interpreted"))
        pid = self.vmm()
        self.broker.order(D1, want="stopped")
        self.state(D1, "stopped", 20)
        self.assertFalse(alive(pid))
        self.assertIn("poweroff", open(f"{self.host.state}/desktops/{D1}/exit.json", encoding="utf-8").read())
        self.broker.order(D1, want="running")
        self.state(D1, "ready", 20)
        self.broker.order(D1, want="absent", epoch=2)
        self.state(D1, "absent", 20)
        self.assertEqual(os.listdir(f"{self.host.state}/desktops"), [])

    def test_share(self):
        """a machine's memory is made and its disk and network are held to what its pool says, and to something else while it runs"""
        self.running(policy={"memory": {"merge": True}, "limits": {"disk": {"bytes_per_s": 1000000}}})
        with open(f"/proc/{self.vmm()}/smaps", encoding="utf-8", errors="replace") as file:
            self.assertTrue(any(line.startswith("VmFlags:") and " mg" in line for line in file), "no memory that may be merged")
        self.assertEqual((self.limits()["disk"]["bytes_per_s"], self.limits()["net"]["ops_per_s"]), (1000000, 0))
        pid = self.vmm()
        self.broker.order(D1, policy={"limits": {"net": {"ops_per_s": 70}}})
        until(lambda: (self.limits()["disk"]["bytes_per_s"], self.limits()["net"]["ops_per_s"]) == (0, 70), self.limits, 30)
        self.assertEqual(self.vmm(), pid)

    def test_view(self):
        """a viewer speaks RFB with the display; killing the display, then the agent, then the VMM heals"""
        self.running()
        gate = Gateway(self.host)
        self.assertTrue(gate.open(D1)["ok"], self.host.log_text())
        self.assertEqual(gate.take(12), b"RFB 003.008\n")
        until(lambda: self.broker.seen(D1)["viewers"], "viewer reported")
        record = self.host.record(D1)
        os.kill(record["display"]["pid"], signal.SIGKILL)
        again = Gateway(self.host)
        self.assertTrue(again.open(D1)["ok"], self.host.log_text())
        self.assertEqual(again.take(12), b"RFB 003.008\n")
        self.host.kill()
        self.host.start()
        self.assertEqual(self.state(D1, "ready")["reason"], "")
        self.assertEqual(self.host.record(D1)["vmm"], record["vmm"])
        os.kill(record["vmm"]["pid"], signal.SIGKILL)
        self.reason(D1, "pane-vmm was killed; restarted")
        self.state(D1, "ready", 20)
        last = Gateway(self.host)
        self.assertTrue(last.open(D1)["ok"], self.host.log_text())
        self.assertEqual(last.take(12), b"RFB 003.008\n")

    def test_ends(self):
        """a guest that reboots, and one that panics, are told apart"""
        for run, reason in (("run=reboot", "guest rebooted"), ("run=panic", "guest panicked")):
            with self.subTest(run):
                self.host.image(cmdline=run, kernel=CARD)
                if not self.host.proc:
                    self.host.start()
                desktop = D1 if "reboot" in run else agent_test.D2
                self.broker.order(desktop, name="d", memory_mib=128)
                self.reason(desktop, reason, 25)
                self.broker.order(desktop, want="absent", epoch=2)
                self.state(desktop, "absent", 20)

    def test_drain(self):
        """pane-host desktops stop shuts real machines down"""
        self.running()
        pid = self.vmm()
        self.host.kill()
        done = self.host.command("desktops", "stop")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(alive(pid))
